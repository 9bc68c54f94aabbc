//! ID tokens (OpenID Connect Core §2).

use serde::Serialize;
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::jose::Algorithm;
use crate::protocol::{ClientId, Timestamp};
use crate::record::SessionId;
use crate::record::grant::Authentication;
use crate::token::claims::RESERVED;

/// What an ID token says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTokenClaims {
    /// `iss`.
    pub issuer: String,
    /// `sub`.
    pub subject: String,
    /// `aud`: the client.
    pub audience: ClientId,
    /// `exp`.
    pub expires_at: Timestamp,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `auth_time`, `acr`, `amr`.
    pub authentication: Authentication,
    /// `nonce`, as the request sent it.
    pub nonce: Option<String>,
    /// `sid` (OpenID Connect Back-Channel Logout §2.1).
    pub session: Option<SessionId>,
    /// Claims about the user that were asked for here. One with a [`RESERVED`] name is left out.
    pub user: Map<String, Value>,
}

#[derive(Serialize)]
struct Wire<'a> {
    iss: &'a str,
    sub: &'a str,
    aud: &'a str,
    exp: u64,
    iat: u64,
    auth_time: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    acr: Option<&'a str>,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    amr: &'a [std::sync::Arc<str>],
    #[serde(skip_serializing_if = "Option::is_none")]
    nonce: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_hash: Option<String>,
    #[serde(flatten)]
    user: std::collections::BTreeMap<&'a str, &'a Value>,
}

impl IdTokenClaims {
    /// The claims as a JWT payload that `algorithm` will sign, issued beside `access_token`.
    ///
    /// # Errors
    /// Only if a claim of the user cannot be written as JSON.
    pub fn to_json(
        &self,
        algorithm: Algorithm,
        access_token: Option<&str>,
    ) -> Result<Vec<u8>, serde_json::Error> {
        let reserved = |name: &str| RESERVED.contains(&name);
        serde_json::to_vec(&Wire {
            iss: &self.issuer,
            sub: &self.subject,
            aud: self.audience.as_str(),
            exp: self.expires_at.0,
            iat: self.issued_at.0,
            auth_time: self.authentication.auth_time.0,
            acr: self.authentication.acr.as_deref(),
            amr: &self.authentication.amr,
            nonce: self.nonce.as_deref(),
            sid: self.session.map(|session| session.0.to_string()),
            at_hash: access_token.map(|token| half_hash(algorithm, token)),
            user: self
                .user
                .iter()
                .filter(|(name, _)| !reserved(name))
                .map(|(n, v)| (n.as_str(), v))
                .collect(),
        })
    }
}

/// The left half of the hash of an access token, a code or a state, with the hash function of the signature
/// (OpenID Connect Core §3.1.3.6, §3.3.2.11).
#[must_use]
pub fn half_hash(algorithm: Algorithm, text: &str) -> String {
    let bytes = text.as_bytes();
    let hash = match algorithm {
        Algorithm::Es256 | Algorithm::Rs256 | Algorithm::Ps256 => Sha256::digest(bytes).to_vec(),
        Algorithm::Es384 | Algorithm::Rs384 | Algorithm::Ps384 => Sha384::digest(bytes).to_vec(),
        Algorithm::EdDsa | Algorithm::Ed25519 | Algorithm::Rs512 | Algorithm::Ps512 => {
            Sha512::digest(bytes).to_vec()
        }
    };
    let (half, _) = hash.split_at(hash.len() / 2);
    base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, half)
}
