//! Decryption: what others encrypted to the server, with keys in this process or in a key management service.

use async_trait::async_trait;

use super::SignerError;
use crate::jose::KeyManagement;
use crate::protocol::Secret;

/// Decrypts for the server. The public keys are published by the [`Signer`](super::Signer), beside those that sign.
#[async_trait]
pub trait Decrypter: Send + Sync {
    /// The algorithms by which others encrypt to the server.
    fn key_management(&self) -> Vec<KeyManagement>;

    /// The text in a token that was encrypted to the server (RFC 7516 §7.1); `None` when there is none, and why not is told
    /// to no one (RFC 7516 §11.5).
    ///
    /// # Errors
    /// [`SignerError`] when the keys cannot be reached.
    async fn decrypt(&self, token: &str) -> Result<Option<Secret>, SignerError>;
}

/// Decrypts nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoDecrypter;

#[async_trait]
impl Decrypter for NoDecrypter {
    fn key_management(&self) -> Vec<KeyManagement> {
        Vec::new()
    }

    async fn decrypt(&self, _: &str) -> Result<Option<Secret>, SignerError> {
        Ok(None)
    }
}
