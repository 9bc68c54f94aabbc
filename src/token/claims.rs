//! The claims of an access token (RFC 9068 §2.2), and the identifier by which a JWT is found again.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::protocol::{ClientId, Resource, Scope, Timestamp};
use crate::record::Id;
use crate::record::grant::Authentication;

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
}

/// The claims a hook may never set: they are the server's own (RFC 9068 §2.2, RFC 7519 §4.1, RFC 7800, RFC 8693).
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
    "typ",
    "active",
    "token_type",
    "username",
    "authorization_details",
    "events",
];

#[derive(Serialize)]
struct Wire<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: Audience<'a>,
    client_id: &'a str,
    iat: u64,
    exp: u64,
    jti: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    scope: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    auth_time: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [std::sync::Arc<str>],
    #[serde(flatten)]
    custom: &'a Map<String, Value>,
}

/// `aud`: one value stands alone, several in an array (RFC 7519 §4.1.3).
#[derive(Serialize)]
#[serde(untagged)]
pub(crate) enum Audience<'a> {
    One(&'a str),
    Many(&'a [Resource]),
}

impl<'a> Audience<'a> {
    pub(crate) fn new(audience: &'a [Resource], issuer: &'a str) -> Self {
        match audience {
            [] => Self::One(issuer),
            [one] => Self::One(one.as_str()),
            many => Self::Many(many),
        }
    }
}

impl AccessTokenClaims {
    /// The claims as a JWT payload. Custom claims with a [`RESERVED`] name are left out.
    ///
    /// # Errors
    /// Only if a custom claim cannot be written as JSON.
    pub fn to_json(&self, custom: &Map<String, Value>) -> Result<Vec<u8>, serde_json::Error> {
        let allowed: Map<String, Value>;
        let custom = if custom.keys().any(|name| RESERVED.contains(&name.as_str())) {
            allowed = custom
                .iter()
                .filter(|(name, _)| !RESERVED.contains(&name.as_str()))
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect();
            &allowed
        } else {
            custom
        };
        let authentication = self.authentication.as_ref();
        serde_json::to_vec(&Wire {
            iss: &self.issuer,
            sub: &self.subject,
            aud: Audience::new(&self.audience, &self.issuer),
            client_id: self.client_id.as_str(),
            iat: self.issued_at.0,
            exp: self.expires_at.0,
            jti: self.token_id.to_string(),
            scope: self.scope.as_str(),
            auth_time: authentication.map(|a| a.auth_time.0),
            acr: authentication.and_then(|a| a.acr.as_deref()),
            amr: authentication.map_or(&[], |a| a.amr.as_slice()),
            custom,
        })
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
        let mut bytes = [0; 21];
        if text.len() != 28 || URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? != 21 {
            return None;
        }
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
        f.write_str(&URL_SAFE_NO_PAD.encode(bytes))
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
        }
    }

    #[test]
    fn no_custom_claim_overwrites_a_registered_one() {
        let custom = RESERVED.iter().map(|name| ((*name).to_owned(), Value::from("evil"))).collect();
        let json = String::from_utf8(claims().to_json(&custom).unwrap()).unwrap();
        assert!(!json.contains("evil"), "{json}");
        assert_eq!(json, String::from_utf8(claims().to_json(&Map::new()).unwrap()).unwrap());
    }

    #[test]
    fn custom_claims_stand_beside_the_registered_ones() {
        let custom = Map::from_iter([("tenant".to_owned(), Value::from("t1"))]);
        let json: Value = serde_json::from_slice(&claims().to_json(&custom).unwrap()).unwrap();
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
