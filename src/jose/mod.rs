//! Keys, key sets, signatures and encryption: a thin face over the crypto library.
//!
//! Decides whether a JSON text, a key, a signed or encrypted token or a claim is exactly what its specification
//! says, and signs and encrypts. Never fetches anything, never reads a clock, holds no global state, and draws
//! randomness only where the crypto library does, and to generate a key. It knows nothing of the rest of the crate.
//!
//! ```text
//! bytes ─► Unverified::parse ─► Unverified (alg, kid, typ)
//!                                   │ verify(keys, the typ and algorithms accepted)
//!                                   ▼
//!                               Verified<Claims> ─► string, date, audience, check_times
//! ```
//!
//! ```
//! # #[cfg(feature = "aws-lc-rs")] {
//! use grantor::jose::{Algorithm, Leeway, SigningKey, Unverified, Verification, VerifyingKey, sign_compact};
//!
//! let key = SigningKey::generate(Algorithm::Es256)?;
//! let token = sign_compact(&key, "at+jwt", br#"{"sub":"alice","exp":1700000600}"#)?;
//!
//! let public = VerifyingKey::new(&key.public())?;
//! let accepted = Verification::new(&["at+jwt"], &[Algorithm::Es256]);
//! let verified = Unverified::parse(&token)?.verify(&public, &accepted)?;
//! verified.claims().check_times(1_700_000_000, Leeway::NONE)?;
//! assert_eq!(verified.claims().required_string("sub")?, "alice");
//! # }
//! # Ok::<(), grantor::jose::JoseError>(())
//! ```
//!
//! | file | decides |
//! |---|---|
//! | [`json`] | what JSON is accepted (no duplicate keys, bounded depth) |
//! | `algorithm` | which signature algorithms exist; `none` and HMAC cannot be named |
//! | `jwk`, `rsa`, `jwks` | which public keys are accepted, and which key a token's header selects |
//! | `key` | private and public keys, parsed once (feature `aws-lc-rs`) |
//! | `jws` | the compact form: how a token is written and taken apart |
//! | `verify` | when the claims of a token may be read (feature `aws-lc-rs`) |
//! | `sealer` | keyed digests under the server's own secret, and what it seals |
//! | `claims` | the types of claims: a wrong type is an error, never an absence |
//! | `mac` | tokens authenticated with a shared secret, apart from signed ones |
//! | `unsecured` | tokens that nobody vouches for, apart from all others |
//! | `hints` | what a token says of itself before anyone vouches for it |
//! | [`jwe`] | encrypted tokens, with their own algorithms and keys |
//!
//! Signing and encrypting never stand for one another: a token of five parts never passes for one of three, no
//! algorithm is of both kinds, and a key of which `use`, `key_ops` or `alg` names one kind is not for the other.
//!
//! Without the feature `aws-lc-rs` everything that needs no cryptography remains: JSON, key metadata and
//! thumbprints, headers, signing inputs. Points are then not checked to be on their curve.

mod algorithm;
mod base64url;
mod claims;
mod error;
mod hints;
mod jwk;
mod jwks;
mod jws;
#[cfg(feature = "aws-lc-rs")]
mod key;
mod mac;
mod rsa;
#[cfg(feature = "aws-lc-rs")]
mod unsecured;
#[cfg(feature = "aws-lc-rs")]
mod verify;

pub mod json;
pub mod jwe;
pub mod sealer;

pub use algorithm::Algorithm;
pub use claims::{Audience, Claims, Leeway, NumericDate, Times};
pub use error::JoseError;
pub use hints::Hints;
pub use jwe::{ContentEncryption, Encrypted, EncryptionHeader, KeyManagement, MAX_ENCRYPTED_BYTES};
#[cfg(feature = "aws-lc-rs")]
pub use jwe::{Decrypted, DecryptingKey, EncryptingKey, EncryptionSeed, encrypt_compact};
pub use jwk::{Jwk, KeyAlgorithm, KeyType, KeyUse};
pub use jwks::JwkSet;
pub use jws::{Header, MAX_HEADER_BYTES, MAX_TOKEN_BYTES, Unverified, attach, signing_input};
#[cfg(feature = "aws-lc-rs")]
pub use key::{RsaSize, SigningKey, VerifyingKey, VerifyingKeySet, sign_compact};
pub use mac::MacAlgorithm;
#[cfg(feature = "aws-lc-rs")]
pub use mac::{UnverifiedMac, mac_compact};
pub use sealer::{Purpose, Sealer};
#[cfg(feature = "aws-lc-rs")]
pub use unsecured::unsecured_claims;
#[cfg(feature = "aws-lc-rs")]
pub use verify::{Keys, Verification, Verified};

#[cfg(test)]
mod tests;
