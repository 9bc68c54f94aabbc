//! Encrypted tokens (RFC 7516): for the holder of one key alone to read.
//!
//! Decides whether a text is a well-formed encrypted token, whether a key may open it, and whether what it holds is
//! exactly what was encrypted; and encrypts. Encryption says nothing about who wrote the content: whoever needs that
//! takes the signed token out of it with [`Decrypted::nested`].
//!
//! ```text
//! text ─► Encrypted::parse ─► Encrypted (alg, enc, kid)
//!                                │ decrypt(our key, the content encryption accepted)
//!                                ▼
//!                            Decrypted ─► plaintext, or nested ─► Unverified (a signed token)
//! ```
//!
//! ```
//! # #[cfg(feature = "aws-lc-rs")] {
//! use grantor::jose::{
//!     ContentEncryption, DecryptingKey, Encrypted, EncryptingKey, EncryptionSeed, KeyManagement, encrypt_compact,
//! };
//! # let random_bytes = || [7; EncryptionSeed::LEN];
//!
//! let alg = KeyManagement::EcdhEs;
//! let private = DecryptingKey::generate(alg)?;
//! let published = private.public().ok_or("a shared key")?;
//!
//! let recipient = EncryptingKey::new(published, alg)?;
//! let header = recipient.header(ContentEncryption::A256Gcm).with_cty("text/plain");
//! let token = encrypt_compact(&recipient, &header, b"for you alone", EncryptionSeed::new(&random_bytes()))?;
//!
//! let opened = Encrypted::parse(&token)?.decrypt(&private, &[ContentEncryption::A256Gcm])?;
//! assert_eq!(opened.plaintext(), b"for you alone");
//! # }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! | file | decides |
//! |---|---|
//! | `algorithm` | which algorithms exist; `RSA1_5` and PBES2 cannot be named |
//! | `compact` | the compact form: the header, and how a token is taken apart |
//! | `content` | how content is encrypted (feature `aws-lc-rs`, like all below) |
//! | `agreement`, `key_wrap` | how the key of the content is agreed on, or wrapped |
//! | `encrypting_key`, `decrypting_key` | keys of recipients and our own, parsed once |
//! | `token` | from content to token and back |

mod algorithm;
mod compact;

#[cfg(feature = "aws-lc-rs")]
mod agreement;
#[cfg(feature = "aws-lc-rs")]
mod content;
#[cfg(feature = "aws-lc-rs")]
mod decrypting_key;
#[cfg(feature = "aws-lc-rs")]
mod encrypting_key;
#[cfg(feature = "aws-lc-rs")]
mod key_wrap;
#[cfg(feature = "aws-lc-rs")]
mod token;

pub use algorithm::{ContentEncryption, KeyManagement};
pub use compact::{Encrypted, EncryptionHeader, MAX_ENCRYPTED_BYTES};
#[cfg(feature = "aws-lc-rs")]
pub use decrypting_key::DecryptingKey;
#[cfg(feature = "aws-lc-rs")]
pub use encrypting_key::EncryptingKey;
#[cfg(feature = "aws-lc-rs")]
pub use token::{Decrypted, EncryptionSeed, encrypt_compact};

#[cfg(test)]
mod tests;
