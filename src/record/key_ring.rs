//! The signing keys of an issuer, sealed.

use serde::{Deserialize, Serialize};

use crate::jose::{Claims, JwkSet};
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

/// The public keys of an issuer, parsed once: what `/jwks` publishes and what its own JWTs are checked with.
#[derive(Clone, Debug)]
pub struct PublishedKeys {
    set: JwkSet,
    #[cfg(feature = "aws-lc-rs")]
    verifying: crate::jose::VerifyingKeySet,
}

impl PublishedKeys {
    /// Parses the keys of a set.
    #[must_use]
    pub fn new(set: JwkSet) -> Self {
        Self {
            #[cfg(feature = "aws-lc-rs")]
            verifying: crate::jose::VerifyingKeySet::new(&set),
            set,
        }
    }

    /// The key set as it is published.
    #[must_use]
    pub const fn set(&self) -> &JwkSet {
        &self.set
    }

    /// The claims of an access token that one of these keys signed (RFC 9068 §4). Without a crypto backend no
    /// signature can be checked, so there are none.
    #[must_use]
    pub fn access_token_claims(&self, token: &str) -> Option<Claims> {
        #[cfg(feature = "aws-lc-rs")]
        {
            use crate::jose::{Algorithm, Unverified, Verification};
            let accepted = Verification::new(&["at+jwt"], &Algorithm::ALL);
            Some(Unverified::parse(token).ok()?.verify(&self.verifying, &accepted).ok()?.into_inner())
        }
        #[cfg(not(feature = "aws-lc-rs"))]
        {
            let _ = token;
            None
        }
    }
}
