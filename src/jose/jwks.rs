//! A set of public keys (RFC 7517 §5), and which of its keys a token's header selects.
//!
//! The key decides the algorithm and the header only has to agree; `kid` is compared byte for byte and used for
//! nothing else. Never fetches a set and never decides when to fetch again: `UnknownKey` is what tells a caller so.

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

use super::jwe::KeyManagement;
use super::{Algorithm, JoseError, Jwk, json, jwk};

/// Public keys, at most [`MAX_KEYS`](Self::MAX_KEYS), no two of a type and use with the same `kid`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct JwkSet {
    keys: Vec<Jwk>,
}

impl JwkSet {
    /// The longest JSON text of a set, in bytes.
    pub const MAX_BYTES: usize = 256 * 1024;
    /// The most keys of a set, those that are skipped included.
    pub const MAX_KEYS: usize = 100;

    /// A set of these keys.
    ///
    /// # Errors
    /// `TooManyKeys`, `DuplicateKid`.
    pub fn new(keys: Vec<Jwk>) -> Result<Self, JoseError> {
        if keys.len() > Self::MAX_KEYS {
            return Err(JoseError::TooManyKeys);
        }
        let mut names: Vec<_> = keys
            .iter()
            .filter_map(|key| Some((key.kid()?, key.key_type() as u8, key.is_for_encryption())))
            .collect();
        names.sort_unstable();
        if names.windows(2).any(|pair| pair.first() == pair.last()) {
            return Err(JoseError::DuplicateKid);
        }
        Ok(Self { keys })
    }

    /// The set in a JSON text of at most [`MAX_BYTES`](Self::MAX_BYTES).
    ///
    /// # Errors
    /// `KeyTooLong`, `Json`, and those of [`from_value`](Self::from_value).
    pub fn parse(bytes: &[u8]) -> Result<Self, JoseError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(JoseError::KeyTooLong);
        }
        Self::from_value(&json::parse(bytes)?)
    }

    /// The set in a JSON object that came from [`json::parse`].
    ///
    /// Keys that this module cannot use are skipped (RFC 7517 §5); a private or symmetric member in any key, usable
    /// or not, refuses the whole set.
    ///
    /// # Errors
    /// `NotAnObject`, `KeyInvalid` (no array `keys`), `PrivateMember`, `TooManyKeys`, `DuplicateKid`.
    pub fn from_value(value: &Value) -> Result<Self, JoseError> {
        let object = value.as_object().ok_or(JoseError::NotAnObject)?;
        let listed = object.get("keys").and_then(Value::as_array).ok_or(JoseError::KeyInvalid("keys"))?;
        if listed.len() > Self::MAX_KEYS {
            return Err(JoseError::TooManyKeys);
        }
        if listed.iter().filter_map(Value::as_object).any(jwk::has_private_member) {
            return Err(JoseError::PrivateMember);
        }
        Self::new(listed.iter().filter_map(|key| Jwk::from_value(key).ok()).collect())
    }

    /// The keys, in their order.
    #[must_use]
    pub fn keys(&self) -> &[Jwk] {
        &self.keys
    }

    /// The key that verifies a token with this `kid` and `alg`; without a `kid`, the only key that can.
    ///
    /// # Errors
    /// `UnknownKey`, `AlgorithmMismatch` (the key of that `kid` is not for `alg`), `AmbiguousKey`.
    pub fn find(&self, kid: Option<&str>, alg: Algorithm) -> Result<&Jwk, JoseError> {
        select(&self.keys, |key| key, kid, alg)
    }

    /// The key to encrypt to with `alg`: the first that may, and rather one that says it is for encryption.
    #[must_use]
    pub fn for_encryption(&self, alg: KeyManagement) -> Option<&Jwk> {
        self.keys.iter().filter(|key| key.can_encrypt(alg)).min_by_key(|key| !key.is_for_encryption())
    }
}

/// The rule of [`JwkSet::find`], over anything that has a [`Jwk`].
pub(super) fn select<'k, K>(
    keys: &'k [K],
    jwk: impl Fn(&K) -> &Jwk,
    kid: Option<&str>,
    alg: Algorithm,
) -> Result<&'k K, JoseError> {
    let named = |key: &&'k K| kid.is_none() || jwk(key).kid() == kid;
    let mut fitting = keys.iter().filter(named).filter(|key| jwk(key).can_verify(alg));
    match (fitting.next(), fitting.next()) {
        (Some(key), None) => Ok(key),
        (Some(_), Some(_)) => Err(JoseError::AmbiguousKey),
        (None, _) if kid.is_some() && keys.iter().any(|key| named(&key)) => Err(JoseError::AlgorithmMismatch),
        (None, _) => Err(JoseError::UnknownKey),
    }
}

/// Under the rules of [`JwkSet::from_value`]; duplicate keys are seen only when the text is read with
/// [`json::from_slice`].
impl<'de> Deserialize<'de> for JwkSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
