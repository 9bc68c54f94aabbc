//! ID tokens (OpenID Connect Core §2).

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256, Sha384, Sha512};

use crate::jose::{Algorithm, MacAlgorithm};
use crate::protocol::base64;
use crate::protocol::json::Object;
use crate::protocol::{ClientId, Timestamp};
use crate::record::GrantId;
use crate::record::assertion::AssertionAlgorithm;
use crate::record::grant::Authentication;
use crate::token::Delegation;
use crate::token::claims::{write_authentication, write_others};

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
    pub session: Option<String>,
    /// `jti`: the grant it was issued under, so that it can be exchanged (RFC 8693 §2.1).
    pub grant: Option<GrantId>,
    /// `act`, `may_act`: who acts for the user (RFC 8693 §4.1, §4.4).
    pub delegation: Option<Box<Delegation>>,
    /// Claims about the user that were asked for here. One with a [`RESERVED`](crate::token::claims::RESERVED) name is left out.
    pub user: Map<String, Value>,
}

/// What an ID token is issued beside, and binds by a hash.
#[derive(Clone, Copy, Debug, Default)]
pub struct Beside<'a> {
    /// `at_hash` (OpenID Connect Core §3.1.3.6).
    pub access_token: Option<&'a str>,
    /// `c_hash` (OpenID Connect Core §3.3.2.11).
    pub code: Option<&'a str>,
    /// `s_hash` (Financial-grade API Security Profile 1.0 Part 2 §5.1.1).
    pub state: Option<&'a str>,
    /// `urn:openid:params:jwt:claim:rt_hash` (CIBA Core §10.3.1).
    pub refresh_token: Option<&'a str>,
    /// `urn:openid:params:jwt:claim:auth_req_id`, which is no hash (CIBA Core §10.3.1).
    pub auth_req_id: Option<&'a str>,
}

/// The hash of the refresh token that is sent beside an ID token.
pub(crate) const RT_HASH: &str = "urn:openid:params:jwt:claim:rt_hash";
/// The `auth_req_id` of the request that an ID token answers.
pub(crate) const AUTH_REQ_ID: &str = "urn:openid:params:jwt:claim:auth_req_id";

impl IdTokenClaims {
    /// The claims as a JWT payload that `algorithm` will protect, with the hashes of what is issued beside it.
    #[must_use]
    pub fn to_json(&self, algorithm: AssertionAlgorithm, beside: Beside<'_>) -> Vec<u8> {
        let mut json = Object::new();
        json.text("iss", &self.issuer);
        json.text("sub", &self.subject);
        json.text("aud", self.audience.as_str());
        json.number("exp", self.expires_at.0);
        json.number("iat", self.issued_at.0);
        write_authentication(&mut json, &self.authentication);
        if let Some(nonce) = &self.nonce {
            json.text("nonce", nonce);
        }
        if let Some(session) = &self.session {
            json.plain("sid", session);
        }
        if let Some(grant) = &self.grant {
            json.plain("jti", &grant.to_string());
        }
        if let Some(delegation) = &self.delegation {
            delegation.write(&mut json);
        }
        let hashed = [
            ("at_hash", beside.access_token),
            ("c_hash", beside.code),
            ("s_hash", beside.state),
            (RT_HASH, beside.refresh_token),
        ];
        for (name, text) in hashed {
            if let Some(text) = text {
                json.plain(name, &half_hash(algorithm, text));
            }
        }
        if let Some(id) = beside.auth_req_id {
            json.plain(AUTH_REQ_ID, id);
        }
        write_others(&mut json, &self.user);
        json.finish()
    }
}

/// The left half of the hash of an access token, a code or a state, with the hash function of the signature
/// (OpenID Connect Core §3.1.3.6, §3.3.2.11).
#[must_use]
pub fn half_hash(algorithm: impl Into<AssertionAlgorithm>, text: &str) -> String {
    use AssertionAlgorithm::{Mac, Signature};
    let half = |digest: &[u8]| base64::to_url(digest.split_at(digest.len() / 2).0);
    match algorithm.into() {
        Signature(Algorithm::Es256 | Algorithm::Rs256 | Algorithm::Ps256) | Mac(MacAlgorithm::Hs256) => {
            half(&Sha256::digest(text))
        }
        Signature(Algorithm::Es384 | Algorithm::Rs384 | Algorithm::Ps384) | Mac(MacAlgorithm::Hs384) => {
            half(&Sha384::digest(text))
        }
        Signature(Algorithm::EdDsa | Algorithm::Ed25519 | Algorithm::Rs512 | Algorithm::Ps512)
        | Mac(MacAlgorithm::Hs512) => half(&Sha512::digest(text)),
    }
}
