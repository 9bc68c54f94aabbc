//! The claims of an access token (RFC 9068 §2.2), and the identifier by which a JWT is found again.

use serde_json::{Map, Value};

use crate::protocol::base64;
use crate::protocol::json::Object;
use crate::protocol::{ClientId, Resource, Scope, Timestamp};
use crate::record::Id;
use crate::record::grant::Authentication;
use crate::token::Delegation;
use crate::token::id_token::{AUTH_REQ_ID, RT_HASH};

/// What an access token says, whatever its format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AccessTokenClaims {
    /// `iss`.
    pub issuer: String,
    /// `sub`: the subject, or the client where it acts for itself.
    pub subject: String,
    /// `aud`; empty means the issuer itself.
    pub audience: Vec<Resource>,
    /// `client_id`.
    pub client_id: ClientId,
    /// `scope`.
    pub scope: Scope,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `jti`.
    pub token_id: TokenId,
    /// `auth_time`, `acr`, `amr`, where a user signed in.
    pub authentication: Option<Authentication>,
    /// `act`, `may_act`, where the token was exchanged for another.
    pub delegation: Option<Box<Delegation>>,
}

/// The claims a hook may never set: they are the server's own (RFC 9068 §2.2, RFC 7519 §4.1, RFC 7800, RFC 8693, CIBA Core
/// §10.3.1).
pub const RESERVED: &[&str] = &[
    "iss",
    "sub",
    "aud",
    "exp",
    "nbf",
    "iat",
    "jti",
    "client_id",
    "scope",
    "azp",
    "auth_time",
    "acr",
    "amr",
    "cnf",
    "act",
    "may_act",
    "sid",
    "nonce",
    "at_hash",
    "c_hash",
    "s_hash",
    AUTH_REQ_ID,
    RT_HASH,
    "typ",
    "active",
    "token_type",
    "username",
    "authorization_details",
    "events",
];

impl AccessTokenClaims {
    /// The claims as a JWT payload. Custom claims with a [`RESERVED`] name are left out.
    #[must_use]
    pub fn to_json(&self, custom: &Map<String, Value>) -> Vec<u8> {
        let mut json = Object::new();
        json.text("iss", &self.issuer);
        json.text("sub", &self.subject);
        write_audience(&mut json, &self.audience, &self.issuer);
        json.text("client_id", self.client_id.as_str());
        json.number("iat", self.issued_at.0);
        json.number("exp", self.expires_at.0);
        json.plain("jti", &self.token_id.to_string());
        json.plain("scope", self.scope.as_str());
        if let Some(authentication) = &self.authentication {
            write_authentication(&mut json, authentication);
        }
        if let Some(delegation) = &self.delegation {
            delegation.write(&mut json);
        }
        write_others(&mut json, custom);
        json.finish()
    }
}

/// `aud`: one value stands alone, several in an array (RFC 7519 §4.1.3); none means the issuer itself.
pub(crate) fn write_audience(json: &mut Object, audience: &[Resource], issuer: &str) {
    match audience {
        [] => json.text("aud", issuer),
        [one] => json.text("aud", one.as_str()),
        many => json.texts("aud", many.iter().map(Resource::as_str)),
    }
}

/// How and when the user signed in.
pub(crate) fn write_authentication(json: &mut Object, authentication: &Authentication) {
    json.number("auth_time", authentication.auth_time.0);
    if let Some(acr) = &authentication.acr {
        json.text("acr", acr);
    }
    if !authentication.amr.is_empty() {
        json.texts("amr", authentication.amr.iter().map(|method| &**method));
    }
}

/// Claims of the host's, except those with a [`RESERVED`] name.
pub(crate) fn write_others(json: &mut Object, claims: &Map<String, Value>) {
    for (name, value) in claims.iter().filter(|(name, _)| !RESERVED.contains(&name.as_str())) {
        json.member(name, value);
    }
}

/// `jti` of a JWT access token: where the server remembers it, and which one it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenId {
    /// The `sequence`-th JWT of a grant; dead when the grant is absent.
    Granted {
        /// The grant.
        grant: Id,
        /// Its number within the grant.
        sequence: u32,
    },
    /// A JWT that no grant remembers; alive unless a tombstone or the client's epoch says otherwise.
    Recordless {
        /// Its own name, and that of its tombstone.
        id: Id,
        /// The client's epoch when it was issued.
        client_epoch: u32,
    },
}

impl TokenId {
    /// Reads a `jti` this server wrote; anything else is `None`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes: [u8; 21] = base64::from_url(text.as_bytes())?;
        let ([kind], rest) = bytes.split_first_chunk()?;
        let (id, sequence) = rest.split_first_chunk()?;
        let number = u32::from_be_bytes(sequence.try_into().ok()?);
        match kind {
            1 => Some(Self::Granted { grant: Id(*id), sequence: number }),
            2 => Some(Self::Recordless { id: Id(*id), client_epoch: number }),
            _ => None,
        }
    }
}

impl std::fmt::Display for TokenId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (kind, id, number) = match self {
            Self::Granted { grant, sequence } => (1_u8, grant, *sequence),
            Self::Recordless { id, client_epoch } => (2, id, *client_epoch),
        };
        let mut bytes = [0; 21];
        let parts = [kind].into_iter().chain(id.0).chain(number.to_be_bytes());
        for (to, from) in bytes.iter_mut().zip(parts) {
            *to = from;
        }
        f.write_str(&base64::to_url(&bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn claims() -> AccessTokenClaims {
        AccessTokenClaims {
            issuer: "https://as.example".into(),
            subject: "alice".into(),
            audience: vec![Resource::parse("https://api.example/").unwrap()],
            client_id: "web".into(),
            scope: Scope::parse("read").unwrap(),
            issued_at: Timestamp(100),
            expires_at: Timestamp(700),
            token_id: TokenId::Recordless { id: Id([7; 16]), client_epoch: 0 },
            authentication: None,
            delegation: None,
        }
    }

    #[test]
    fn no_custom_claim_overwrites_a_registered_one() {
        let custom = RESERVED.iter().map(|name| ((*name).to_owned(), Value::from("evil"))).collect();
        let json = String::from_utf8(claims().to_json(&custom)).unwrap();
        assert!(!json.contains("evil"), "{json}");
        assert_eq!(json, String::from_utf8(claims().to_json(&Map::new())).unwrap());
    }

    #[test]
    fn custom_claims_stand_beside_the_registered_ones() {
        let custom = Map::from_iter([("tenant".to_owned(), Value::from("t1"))]);
        let json: Value = serde_json::from_slice(&claims().to_json(&custom)).unwrap();
        assert_eq!(json["tenant"], "t1");
        assert_eq!(json["aud"], "https://api.example/");
        assert_eq!(json["sub"], "alice");
    }

    proptest! {
        #[test]
        fn a_token_id_is_read_back_as_it_was_written(id: [u8; 16], sequence: u32) {
            for token in [TokenId::Granted { grant: Id(id), sequence }, TokenId::Recordless { id: Id(id), client_epoch: sequence }] {
                prop_assert_eq!(TokenId::parse(&token.to_string()), Some(token));
            }
        }
    }
}
