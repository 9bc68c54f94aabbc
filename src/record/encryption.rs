//! What a client registered about the encryption of what it is told, and to whom something is encrypted.

use super::client::ClientSecret;
use crate::jose::{ContentEncryption, Jwk, KeyManagement};
use crate::protocol::ClientId;

/// How a kind of token is encrypted to a client (OpenID Connect Dynamic Client Registration §2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ResponseEncryption {
    /// How the client comes by the key of the content.
    pub alg: KeyManagement,
    /// How the content is encrypted.
    pub enc: ContentEncryption,
}

/// To whom something is encrypted, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recipient {
    /// The client.
    pub client: ClientId,
    /// Its key.
    pub key: RecipientKey,
    /// The algorithms.
    pub encryption: ResponseEncryption,
}

/// To which key something is encrypted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RecipientKey {
    /// A public key of the client.
    Public(Jwk),
    /// One that is derived from a secret of the client, kept sealed (OpenID Connect Core §10.2).
    OfSecret(ClientSecret),
}
