//! Signatures: the keys of the server, in this process or in a key management service.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::jose::{Algorithm, JwkSet};
use crate::record::key_ring::PublishedKeys;
use crate::token::AccessTokenClaims;

/// Signs for the server. The private keys need not be in this process.
#[async_trait]
pub trait Signer: Send + Sync {
    /// The algorithms it can sign with.
    fn algorithms(&self) -> Vec<Algorithm>;

    /// How long what it signs can surely be verified: so long, at least, a key stays published after its last signature.
    /// `None`, unless overridden, when it does not say; then no more than a day is counted on.
    fn longest_token(&self) -> Option<Duration> {
        None
    }

    /// The key that signs with `algorithm` now.
    ///
    /// # Errors
    /// [`SignerError`] when there is none or it cannot be reached.
    async fn key(&self, algorithm: Algorithm) -> Result<SigningKeyName, SignerError>;

    /// The signature over `message` by a key that [`key`](Self::key) named (RFC 7515 §5.1 step 5).
    ///
    /// # Errors
    /// [`SignerError`] when it cannot be made.
    async fn sign(&self, key: &SigningKeyName, message: &[u8]) -> Result<Vec<u8>, SignerError>;

    /// The public keys: those that sign, those that soon will, and those whose tokens may still be alive.
    ///
    /// # Errors
    /// [`SignerError`] when they cannot be reached.
    async fn public_keys(&self) -> Result<Arc<PublishedKeys>, SignerError>;

    /// Looks after the keys: makes those that are due, forgets those that are dead. A
    /// [`Sweeper`](crate::server::Sweeper) calls it now and then; it does nothing unless overridden.
    ///
    /// # Errors
    /// [`SignerError`] when that could not be done; what could be signed before still can.
    async fn tend(&self) -> Result<(), SignerError> {
        Ok(())
    }
}

/// Names a signing key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SigningKeyName {
    /// `kid`.
    pub kid: String,
    /// `alg`.
    pub algorithm: Algorithm,
}

/// A signature could not be made, or keys not be reached.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the signer is unavailable: {0}")]
pub struct SignerError(pub String);

/// Signs nothing: for servers whose access tokens are all opaque.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSigner;

#[async_trait]
impl Signer for NoSigner {
    fn algorithms(&self) -> Vec<Algorithm> {
        Vec::new()
    }

    async fn key(&self, algorithm: Algorithm) -> Result<SigningKeyName, SignerError> {
        Err(SignerError(format!("no signer is configured for {}", algorithm.as_str())))
    }

    async fn sign(&self, key: &SigningKeyName, _: &[u8]) -> Result<Vec<u8>, SignerError> {
        Err(SignerError(format!("no signer is configured for {}", key.algorithm.as_str())))
    }

    async fn public_keys(&self) -> Result<Arc<PublishedKeys>, SignerError> {
        Ok(Arc::new(PublishedKeys::new(JwkSet::default())))
    }
}

/// Adds claims of the host to JWT access tokens. A registered claim it names is left out (see
/// [`RESERVED`](crate::token::claims::RESERVED)).
#[async_trait]
pub trait ClaimsHook: Send + Sync {
    /// The claims to add to a token that is about to be signed.
    ///
    /// # Errors
    /// [`SignerError`] when they cannot be found out; the request then fails with 503 and nothing is issued.
    async fn claims(&self, token: &AccessTokenClaims) -> Result<Map<String, Value>, SignerError>;
}

/// Adds none.
#[derive(Clone, Copy, Debug, Default)]
pub struct AddNoClaims;

#[async_trait]
impl ClaimsHook for AddNoClaims {
    async fn claims(&self, _: &AccessTokenClaims) -> Result<Map<String, Value>, SignerError> {
        Ok(Map::new())
    }
}
