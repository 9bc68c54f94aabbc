//! Identity Assertion JWT Authorization Grants: what one says (§3.1 of the draft of that name).

use std::time::Duration;

use serde_json::{Map, Value};

use super::claims::{write_authentication, write_others};
use crate::protocol::json::Object;
use crate::protocol::{Resource, Scope, Timestamp};
use crate::record::Id;
use crate::record::grant::Authentication;

/// The type of the JWT, which it must have.
pub const TYPE: &str = "oauth-id-jag+jwt";
/// How long one can be used.
pub const LIFETIME: Duration = Duration::from_secs(300);

/// What one says: it lets a client get a token from another authorization server for a user of this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdJagClaims {
    /// `iss`: this server.
    pub issuer: String,
    /// `sub`: what the other server calls the user, as a relying party of this one.
    pub subject: String,
    /// `aud`: the issuer identifier of the other server.
    pub audience: String,
    /// `client_id`: what the other server calls the client.
    pub client_id: String,
    /// `jti`.
    pub id: Id,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `resource`.
    pub resources: Vec<Resource>,
    /// `scope`.
    pub scope: Scope,
    /// `auth_time`, `acr`, `amr`.
    pub authentication: Authentication,
    /// What else is told of the user. A claim with a [`RESERVED`](super::claims::RESERVED) name is left out.
    pub user: Map<String, Value>,
}

impl IdJagClaims {
    /// The claims as a JWT payload.
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Object::new();
        json.text("iss", &self.issuer);
        json.text("sub", &self.subject);
        json.text("aud", &self.audience);
        json.text("client_id", &self.client_id);
        json.plain("jti", &self.id.to_string());
        json.number("iat", self.issued_at.0);
        json.number("exp", self.expires_at.0);
        match self.resources.as_slice() {
            [] => {}
            [one] => json.text("resource", one.as_str()),
            many => json.texts("resource", many.iter().map(Resource::as_str)),
        }
        json.plain("scope", self.scope.as_str());
        write_authentication(&mut json, &self.authentication);
        write_others(&mut json, &self.user);
        json.finish()
    }
}
