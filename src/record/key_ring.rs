//! The signing keys of an issuer, sealed.

use serde::{Deserialize, Serialize};

use crate::protocol::Timestamp;

/// Every signing key that is still published. A rotation is one commit, so that all processes agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRing {
    /// The keys, oldest first.
    pub keys: Vec<SealedKey>,
}

/// One signing key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedKey {
    /// Its name in JWKS and headers.
    pub kid: String,
    /// The JWS algorithm it signs with, as JWA spells it.
    pub alg: String,
    /// The public key, as a JWK.
    pub public: serde_json::Value,
    /// The private key (PKCS #8), sealed by the [`Sealer`](crate::host::Sealer); base64url.
    pub sealed: String,
    /// From when on it is published.
    pub published_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// From when on it no longer signs; `None` while it has no successor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
}
