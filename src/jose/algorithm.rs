//! The signature algorithms (RFC 7518 §3, RFC 8037 §3.1, RFC 9864 §2).
//!
//! Decides which names exist, and which type of key each needs. `none` and the HMAC family are not algorithms
//! here: they cannot be named, so no key can be confused into using them.

use super::KeyType;

/// A digital signature algorithm, spelled on the wire exactly as [`as_str`](Self::as_str) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Algorithm {
    /// ECDSA on P-256 with SHA-256 (RFC 7518 §3.4).
    Es256,
    /// ECDSA on P-384 with SHA-384 (RFC 7518 §3.4).
    Es384,
    /// Ed25519 under its older, polymorphic name (RFC 8037 §3.1).
    EdDsa,
    /// Ed25519 under its own name (RFC 9864 §2.2): the same signatures as [`EdDsa`](Self::EdDsa).
    Ed25519,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 §3.3).
    Rs256,
    /// RSASSA-PKCS1-v1_5 with SHA-384 (RFC 7518 §3.3).
    Rs384,
    /// RSASSA-PKCS1-v1_5 with SHA-512 (RFC 7518 §3.3).
    Rs512,
    /// RSASSA-PSS with SHA-256 and a 32-byte salt (RFC 7518 §3.5).
    Ps256,
    /// RSASSA-PSS with SHA-384 and a 48-byte salt (RFC 7518 §3.5).
    Ps384,
    /// RSASSA-PSS with SHA-512 and a 64-byte salt (RFC 7518 §3.5).
    Ps512,
}

/// The elliptic curves of this module, with the length of a coordinate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Curve {
    P256,
    P384,
    P521,
    Ed25519,
    X25519,
}

impl Algorithm {
    /// Every algorithm, in the order of this type.
    pub const ALL: [Self; 10] = [
        Self::Es256,
        Self::Es384,
        Self::EdDsa,
        Self::Ed25519,
        Self::Rs256,
        Self::Rs384,
        Self::Rs512,
        Self::Ps256,
        Self::Ps384,
        Self::Ps512,
    ];

    /// The registered name, as in the `alg` header parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Es256 => "ES256",
            Self::Es384 => "ES384",
            Self::EdDsa => "EdDSA",
            Self::Ed25519 => "Ed25519",
            Self::Rs256 => "RS256",
            Self::Rs384 => "RS384",
            Self::Rs512 => "RS512",
            Self::Ps256 => "PS256",
            Self::Ps384 => "PS384",
            Self::Ps512 => "PS512",
        }
    }

    /// The type of key the algorithm needs.
    #[must_use]
    pub const fn key_type(self) -> KeyType {
        match self {
            Self::Es256 | Self::Es384 => KeyType::Ec,
            Self::EdDsa | Self::Ed25519 => KeyType::Okp,
            Self::Rs256 | Self::Rs384 | Self::Rs512 | Self::Ps256 | Self::Ps384 | Self::Ps512 => KeyType::Rsa,
        }
    }

    /// Whether both names stand for the same signatures: equal, or the two names of Ed25519.
    #[must_use]
    pub const fn is_same_as(self, other: Self) -> bool {
        matches!((self, other), (Self::EdDsa | Self::Ed25519, Self::EdDsa | Self::Ed25519))
            || self as u8 == other as u8
    }

    pub(super) const fn curve(self) -> Option<Curve> {
        match self {
            Self::Es256 => Some(Curve::P256),
            Self::Es384 => Some(Curve::P384),
            Self::EdDsa | Self::Ed25519 => Some(Curve::Ed25519),
            _ => None,
        }
    }
}

impl Curve {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::P256 => "P-256",
            Self::P384 => "P-384",
            Self::P521 => "P-521",
            Self::Ed25519 => "Ed25519",
            Self::X25519 => "X25519",
        }
    }

    pub(super) const fn coordinate_len(self) -> usize {
        match self {
            Self::P256 | Self::Ed25519 | Self::X25519 => 32,
            Self::P384 => 48,
            Self::P521 => 66,
        }
    }
}

/// Reads and writes types of registered names by their `ALL` and `as_str`: exactly these spellings, and case matters
/// (RFC 7515 §4.1.1).
macro_rules! registered_names {
    ($($names:ty),+) => {$(
        impl std::fmt::Display for $names {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $names {
            type Err = $crate::jose::JoseError;

            /// The one of exactly that name, or `UnsupportedAlgorithm`.
            fn from_str(name: &str) -> Result<Self, Self::Err> {
                Self::ALL.into_iter().find(|own| own.as_str() == name).ok_or(Self::Err::UnsupportedAlgorithm)
            }
        }

        impl serde::Serialize for $names {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $names {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let name = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                name.parse().map_err(serde::de::Error::custom)
            }
        }
    )+};
}

pub(super) use registered_names;

registered_names!(Algorithm);

#[cfg(test)]
mod tests {
    use super::*;
    use crate::jose::JoseError;

    #[test]
    fn every_algorithm_is_read_back_by_its_name() {
        for alg in Algorithm::ALL {
            assert_eq!(alg.as_str().parse(), Ok(alg));
            let text = serde_json::to_string(&alg).unwrap();
            assert_eq!(serde_json::from_str::<Algorithm>(&text).unwrap(), alg);
        }
    }

    #[test]
    fn none_hmac_and_other_spellings_are_not_algorithms() {
        let names =
            ["none", "None", "nOnE", "NONE", "", "HS256", "HS384", "HS512", "es256", "Es256", "EDDSA"];
        for name in names.into_iter().chain(["Ed448", "ES256K", "ES512", "RSA-OAEP", " ES256", "ES256\0"]) {
            assert_eq!(name.parse::<Algorithm>(), Err(JoseError::UnsupportedAlgorithm), "{name:?}");
        }
    }

    #[test]
    fn only_the_two_names_of_ed25519_are_the_same() {
        for a in Algorithm::ALL {
            for b in Algorithm::ALL {
                let edwards = a.key_type() == KeyType::Okp && b.key_type() == KeyType::Okp;
                assert_eq!(a.is_same_as(b), a == b || edwards);
            }
        }
    }
}
