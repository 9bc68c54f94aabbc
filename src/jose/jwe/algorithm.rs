//! The encryption algorithms (RFC 7518 §4, §5; RFC 8037 §3.2).
//!
//! Decides which names exist, and how long their keys are. RSAES-PKCS1-v1_5 and passwords (PBES2) are not algorithms
//! here: they cannot be named.

#[cfg(feature = "aws-lc-rs")]
use zeroize::Zeroizing;

#[cfg(feature = "aws-lc-rs")]
use crate::jose::JoseError;
use crate::jose::algorithm::registered_names;

/// How the recipient comes by the content encryption key: the `alg` of an encrypted token (RFC 7518 §4).
///
/// Not among them: `RSA1_5` and `PBES2-*` (RFC 8725 §3.2 and the attacks on `p2c`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum KeyManagement {
    /// RSAES-OAEP with SHA-1, as older peers speak it (RFC 7518 §4.3).
    RsaOaep,
    /// RSAES-OAEP with SHA-256 (RFC 7518 §4.3).
    RsaOaep256,
    /// RSAES-OAEP with SHA-384 (the IANA registry of JOSE).
    RsaOaep384,
    /// RSAES-OAEP with SHA-512 (the IANA registry of JOSE).
    RsaOaep512,
    /// The key agreed on by ephemeral-static Diffie-Hellman (RFC 7518 §4.6).
    EcdhEs,
    /// A key wrapped with AES-128 under the key agreed on (RFC 7518 §4.6).
    EcdhEsA128Kw,
    /// A key wrapped with AES-192 under the key agreed on (RFC 7518 §4.6).
    EcdhEsA192Kw,
    /// A key wrapped with AES-256 under the key agreed on (RFC 7518 §4.6).
    EcdhEsA256Kw,
    /// A key wrapped with AES-128 under a shared key (RFC 7518 §4.4).
    A128Kw,
    /// A key wrapped with AES-192 under a shared key (RFC 7518 §4.4).
    A192Kw,
    /// A key wrapped with AES-256 under a shared key (RFC 7518 §4.4).
    A256Kw,
    /// A key encrypted with AES-128 in Galois/Counter mode under a shared key (RFC 7518 §4.7).
    A128GcmKw,
    /// A key encrypted with AES-192 in Galois/Counter mode under a shared key (RFC 7518 §4.7).
    A192GcmKw,
    /// A key encrypted with AES-256 in Galois/Counter mode under a shared key (RFC 7518 §4.7).
    A256GcmKw,
    /// The shared key itself, `dir` (RFC 7518 §4.5).
    Direct,
}

/// How the content is encrypted: the `enc` of an encrypted token (RFC 7518 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ContentEncryption {
    /// AES-128 in CBC mode with HMAC SHA-256 (RFC 7518 §5.2.3).
    A128CbcHs256,
    /// AES-192 in CBC mode with HMAC SHA-384 (RFC 7518 §5.2.4).
    A192CbcHs384,
    /// AES-256 in CBC mode with HMAC SHA-512 (RFC 7518 §5.2.5).
    A256CbcHs512,
    /// AES-128 in Galois/Counter mode (RFC 7518 §5.3).
    A128Gcm,
    /// AES-192 in Galois/Counter mode (RFC 7518 §5.3).
    A192Gcm,
    /// AES-256 in Galois/Counter mode (RFC 7518 §5.3).
    A256Gcm,
}

impl KeyManagement {
    /// Every algorithm, in the order of this type.
    pub const ALL: [Self; 15] = [
        Self::RsaOaep,
        Self::RsaOaep256,
        Self::RsaOaep384,
        Self::RsaOaep512,
        Self::EcdhEs,
        Self::EcdhEsA128Kw,
        Self::EcdhEsA192Kw,
        Self::EcdhEsA256Kw,
        Self::A128Kw,
        Self::A192Kw,
        Self::A256Kw,
        Self::A128GcmKw,
        Self::A192GcmKw,
        Self::A256GcmKw,
        Self::Direct,
    ];

    /// The registered name, as in the `alg` header parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaOaep => "RSA-OAEP",
            Self::RsaOaep256 => "RSA-OAEP-256",
            Self::RsaOaep384 => "RSA-OAEP-384",
            Self::RsaOaep512 => "RSA-OAEP-512",
            Self::EcdhEs => "ECDH-ES",
            Self::EcdhEsA128Kw => "ECDH-ES+A128KW",
            Self::EcdhEsA192Kw => "ECDH-ES+A192KW",
            Self::EcdhEsA256Kw => "ECDH-ES+A256KW",
            Self::A128Kw => "A128KW",
            Self::A192Kw => "A192KW",
            Self::A256Kw => "A256KW",
            Self::A128GcmKw => "A128GCMKW",
            Self::A192GcmKw => "A192GCMKW",
            Self::A256GcmKw => "A256GCMKW",
            Self::Direct => "dir",
        }
    }

    /// Whether the key is an RSA key.
    #[must_use]
    pub const fn is_rsa(self) -> bool {
        matches!(self, Self::RsaOaep | Self::RsaOaep256 | Self::RsaOaep384 | Self::RsaOaep512)
    }

    /// Whether a key is agreed on: the recipient's is on P-256, P-384, P-521 or X25519.
    #[must_use]
    pub const fn is_agreement(self) -> bool {
        matches!(self, Self::EcdhEs | Self::EcdhEsA128Kw | Self::EcdhEsA192Kw | Self::EcdhEsA256Kw)
    }

    /// Whether sender and recipient share a secret key.
    #[must_use]
    pub const fn is_shared(self) -> bool {
        !self.is_rsa() && !self.is_agreement()
    }

    /// The bytes of the key that is shared for this algorithm, with this content encryption; `None` where none is shared.
    #[must_use]
    pub const fn shared_key_len(self, enc: ContentEncryption) -> Option<usize> {
        match self {
            Self::Direct => Some(enc.key_len()),
            shared if shared.is_shared() => shared.wrapping_key_len(),
            _ => None,
        }
    }

    /// A copy of `secret`, if a key of this length can be shared for this algorithm.
    #[cfg(feature = "aws-lc-rs")]
    pub(super) fn check_secret(self, secret: &[u8]) -> Result<Zeroizing<Vec<u8>>, JoseError> {
        let fits = match self.wrapping_key_len() {
            Some(len) => secret.len() == len,
            None => ContentEncryption::ALL.iter().any(|enc| enc.key_len() == secret.len()),
        };
        if !self.is_shared() {
            return Err(JoseError::AlgorithmMismatch);
        }
        fits.then(|| Zeroizing::new(secret.to_vec())).ok_or(JoseError::KeyInvalid("k"))
    }

    /// The bytes of the key that wraps the content encryption key, if one does.
    pub(super) const fn wrapping_key_len(self) -> Option<usize> {
        match self {
            Self::EcdhEsA128Kw | Self::A128Kw | Self::A128GcmKw => Some(16),
            Self::EcdhEsA192Kw | Self::A192Kw | Self::A192GcmKw => Some(24),
            Self::EcdhEsA256Kw | Self::A256Kw | Self::A256GcmKw => Some(32),
            _ => None,
        }
    }

    /// The encryption that wraps the content encryption key, where it is one in Galois/Counter mode.
    pub(super) const fn gcm(self) -> Option<ContentEncryption> {
        match self {
            Self::A128GcmKw => Some(ContentEncryption::A128Gcm),
            Self::A192GcmKw => Some(ContentEncryption::A192Gcm),
            Self::A256GcmKw => Some(ContentEncryption::A256Gcm),
            _ => None,
        }
    }
}

impl ContentEncryption {
    /// Every algorithm, in the order of this type.
    pub const ALL: [Self; 6] = [
        Self::A128CbcHs256,
        Self::A192CbcHs384,
        Self::A256CbcHs512,
        Self::A128Gcm,
        Self::A192Gcm,
        Self::A256Gcm,
    ];

    /// The registered name, as in the `enc` header parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::A128CbcHs256 => "A128CBC-HS256",
            Self::A192CbcHs384 => "A192CBC-HS384",
            Self::A256CbcHs512 => "A256CBC-HS512",
            Self::A128Gcm => "A128GCM",
            Self::A192Gcm => "A192GCM",
            Self::A256Gcm => "A256GCM",
        }
    }

    /// The bytes of the content encryption key.
    #[must_use]
    pub const fn key_len(self) -> usize {
        match self {
            Self::A128Gcm => 16,
            Self::A192Gcm => 24,
            Self::A128CbcHs256 | Self::A256Gcm => 32,
            Self::A192CbcHs384 => 48,
            Self::A256CbcHs512 => 64,
        }
    }
}

registered_names!(KeyManagement, ContentEncryption);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::{Algorithm, JoseError};

    #[test]
    fn every_encryption_algorithm_is_read_back_by_its_name_and_is_no_signature_algorithm() {
        for alg in KeyManagement::ALL {
            assert_eq!(alg.as_str().parse(), Ok(alg));
            assert!(alg.as_str().parse::<Algorithm>().is_err());
            assert_eq!(u8::from(alg.is_rsa()) + u8::from(alg.is_agreement()) + u8::from(alg.is_shared()), 1);
        }
        for enc in ContentEncryption::ALL {
            assert_eq!(enc.as_str().parse(), Ok(enc));
            assert!(enc.as_str().parse::<Algorithm>().is_err());
        }
    }

    #[test]
    fn pkcs1_padding_passwords_and_other_spellings_are_not_algorithms() {
        for name in
            ["RSA1_5", "PBES2-HS256+A128KW", "PBES2-HS512+A256KW", "A512GCMKW", "a192kw", "ECDH-ES+A192GCMKW"]
                .into_iter()
                .chain([
                    "none", "", "DIR", "rsa-oaep", "ECDH-1PU", "ES256", "HS256", " dir", "dir\0", "A128GCM",
                ])
        {
            assert_eq!(name.parse::<KeyManagement>(), Err(JoseError::UnsupportedAlgorithm), "{name:?}");
        }
        for name in ["none", "", "a128gcm", "A128CBC", "A128CTR", "C20P", "A128KW", "A128GCM "] {
            assert_eq!(name.parse::<ContentEncryption>(), Err(JoseError::UnsupportedAlgorithm), "{name:?}");
        }
    }
}
