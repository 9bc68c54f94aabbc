//! Tokens authenticated with a shared secret (HMAC, RFC 7518 §3.2): what a client makes with its own secret.
//!
//! They never stand for signed ones: [`Algorithm`](super::Algorithm) cannot name HMAC, [`MacAlgorithm`] can name
//! nothing else, and each kind has a type of its own that reads it. So no public key can be used as a secret, whatever
//! a token says (RFC 8725 §3.1).

#[cfg(feature = "aws-lc-rs")]
use std::fmt;

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::hmac;

use super::algorithm::registered_names;
#[cfg(feature = "aws-lc-rs")]
use super::{Claims, JoseError, Verification, base64url, jws};

/// An HMAC algorithm, spelled on the wire exactly as [`as_str`](Self::as_str) says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum MacAlgorithm {
    /// HMAC with SHA-256.
    Hs256,
    /// HMAC with SHA-384.
    Hs384,
    /// HMAC with SHA-512.
    Hs512,
}

impl MacAlgorithm {
    /// Every algorithm, in the order of this type.
    pub const ALL: [Self; 3] = [Self::Hs256, Self::Hs384, Self::Hs512];

    /// The registered name, as in the `alg` header parameter.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Hs256 => "HS256",
            Self::Hs384 => "HS384",
            Self::Hs512 => "HS512",
        }
    }

    /// The shortest secret, in bytes: as long as the digest (RFC 7518 §3.2).
    #[must_use]
    pub const fn min_secret_bytes(self) -> usize {
        match self {
            Self::Hs256 => 32,
            Self::Hs384 => 48,
            Self::Hs512 => 64,
        }
    }

    #[cfg(feature = "aws-lc-rs")]
    pub(super) const fn digest(self) -> hmac::Algorithm {
        match self {
            Self::Hs256 => hmac::HMAC_SHA256,
            Self::Hs384 => hmac::HMAC_SHA384,
            Self::Hs512 => hmac::HMAC_SHA512,
        }
    }
}

registered_names!(MacAlgorithm);

/// The token with this payload and an HMAC under `secret`, in compact form.
///
/// # Errors
/// `KeyStrength` for a secret shorter than RFC 7518 §3.2 allows.
#[cfg(feature = "aws-lc-rs")]
pub fn mac_compact(alg: MacAlgorithm, typ: &str, payload: &[u8], secret: &[u8]) -> Result<String, JoseError> {
    if secret.len() < alg.min_secret_bytes() {
        return Err(JoseError::KeyStrength);
    }
    let header = serde_json::json!({ "alg": alg.as_str(), "typ": typ }).to_string();
    let mut input = String::new();
    base64url::encode_onto(&mut input, header.as_bytes());
    input.push('.');
    base64url::encode_onto(&mut input, payload);
    let tag = hmac::sign(&hmac::Key::new(alg.digest(), secret), input.as_bytes());
    Ok(jws::attach(input, tag.as_ref()))
}

/// A well-formed token with an HMAC, of which nothing is believed yet.
#[cfg(feature = "aws-lc-rs")]
#[must_use]
pub struct UnverifiedMac<'a> {
    alg: MacAlgorithm,
    typ: Option<String>,
    signing_input: &'a str,
    payload: Vec<u8>,
    tag: Vec<u8>,
}

#[cfg(feature = "aws-lc-rs")]
impl<'a> UnverifiedMac<'a> {
    /// Takes apart a token of at most [`MAX_TOKEN_BYTES`](super::MAX_TOKEN_BYTES), under the rules of
    /// [`Unverified::parse`](super::Unverified::parse).
    ///
    /// # Errors
    /// Those of [`Unverified::parse`](super::Unverified::parse); `UnsupportedAlgorithm` for anything but an HMAC.
    pub fn parse(token: &'a str) -> Result<Self, JoseError> {
        Self::parse_within(token, jws::MAX_TOKEN_BYTES)
    }

    /// As [`parse`](Self::parse), for tokens of at most `max_bytes`.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse).
    pub fn parse_within(token: &'a str, max_bytes: usize) -> Result<Self, JoseError> {
        let (parts, object) = jws::open(token, max_bytes)?;
        let names = jws::Names::read(&object)?;
        jws::refuse_own_key(&object)?;
        Ok(Self {
            alg: names.alg.parse()?,
            typ: names.typ.map(str::to_owned),
            signing_input: parts.signing_input,
            payload: base64url::decode(parts.payload)?,
            tag: base64url::decode(parts.signature)?,
        })
    }

    /// The algorithm the token claims to be made with.
    #[must_use]
    pub const fn alg(&self) -> MacAlgorithm {
        self.alg
    }

    /// The claims, if the token was made with `secret` and is what `accepted` says. The comparison takes the same time
    /// whatever the bytes.
    ///
    /// # Errors
    /// `AlgorithmNotAccepted`, `TypeNotAccepted`, `KeyStrength` for a secret shorter than RFC 7518 §3.2 allows,
    /// `BadSignature`; `Json` or `NotAnObject` if what was authenticated is no JSON object.
    pub fn verify(
        &self,
        secret: &[u8],
        accepted: &Verification<'_, MacAlgorithm>,
    ) -> Result<Claims, JoseError> {
        accepted.check(self.alg, self.typ.as_deref())?;
        if secret.len() < self.alg.min_secret_bytes() {
            return Err(JoseError::KeyStrength);
        }
        let key = hmac::Key::new(self.alg.digest(), secret);
        hmac::verify(&key, self.signing_input.as_bytes(), &self.tag).map_err(|_| JoseError::BadSignature)?;
        Claims::parse(&self.payload)
    }
}

#[cfg(feature = "aws-lc-rs")]
impl fmt::Debug for UnverifiedMac<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedMac")
            .field("alg", &self.alg)
            .field("typ", &self.typ)
            .finish_non_exhaustive()
    }
}
