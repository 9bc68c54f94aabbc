//! Signed tokens in compact form (RFC 7515 §3.1, §7.1): how they are written and taken apart.
//!
//! Decides whether a text is one well-formed token with an acceptable header. Never reads claims, never trusts a
//! key, a URL or a certificate that the token brings along, and knows no JSON serialization: what it takes apart
//! has given nothing yet but the names to look its key up by.

use std::borrow::Cow;
use std::fmt;

use serde_json::{Map, Value};

use super::{Algorithm, JoseError, Jwk, base64url, json};
use crate::protocol::json::Object;

/// The longest token [`Unverified::parse`] reads, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// More than the dots and the signature take in a token signed with ES256 or EdDSA, in bytes.
const SHORT_SIGNATURE: usize = 96;

/// The longest header of a token, in bytes once decoded.
pub const MAX_HEADER_BYTES: usize = 4 * 1024;

/// Header parameters that refuse a token: extensions (none is understood), an unencoded payload (RFC 7797), the
/// mark of an encrypted token (RFC 7516 §9), and every way a token could bring its own key (RFC 8725 §3.10).
const REFUSED: [&str; 6] = ["crit", "b64", "enc", "jku", "x5u", "x5c"];

/// Media types are compared without regard to case, and `application/` is understood where there is no slash
/// (RFC 7515 §4.1.9).
pub(super) fn same_type(a: &str, b: &str) -> bool {
    let (a_top, a_sub) = a.split_once('/').unwrap_or(("application", a));
    let (b_top, b_sub) = b.split_once('/').unwrap_or(("application", b));
    a_top.eq_ignore_ascii_case(b_top) && a_sub.eq_ignore_ascii_case(b_sub)
}

/// The header of a token: the algorithm, the type and the name of the key (RFC 7515 §4.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header<'a> {
    alg: Algorithm,
    typ: Option<Cow<'a, str>>,
    kid: Option<Cow<'a, str>>,
}

impl<'a> Header<'a> {
    /// A header with `alg` alone.
    #[must_use]
    pub const fn new(alg: Algorithm) -> Self {
        Self { alg, typ: None, kid: None }
    }

    /// The same header with this `typ`, without the prefix `application/` (RFC 7515 §4.1.9).
    #[must_use]
    pub fn with_typ(self, typ: impl Into<Cow<'a, str>>) -> Self {
        Self { typ: Some(typ.into()), ..self }
    }

    /// The same header with this `kid` (RFC 7515 §4.1.4).
    #[must_use]
    pub fn with_kid(self, kid: impl Into<Cow<'a, str>>) -> Self {
        Self { kid: Some(kid.into()), ..self }
    }

    /// The algorithm the token claims to be signed with; only the key decides (RFC 8725 §3.1).
    #[must_use]
    pub const fn alg(&self) -> Algorithm {
        self.alg
    }

    /// The type the token claims to have.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.typ.as_deref()
    }

    /// Whether the token claims to have this type.
    #[must_use]
    pub fn is_type(&self, typ: &str) -> bool {
        self.typ().is_some_and(|own| same_type(own, typ))
    }

    /// The name of the key, an opaque string.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    fn to_json(&self) -> Vec<u8> {
        let mut json = Object::new();
        json.plain("alg", self.alg.as_str());
        for (name, value) in [("typ", &self.typ), ("kid", &self.kid)] {
            if let Some(value) = value {
                json.text(name, value);
            }
        }
        json.finish()
    }

    fn read(object: &Map<String, Value>) -> Result<Header<'static>, JoseError> {
        let names = Names::read(object)?;
        Ok(Header {
            alg: names.alg.parse()?,
            typ: names.typ.map(|typ| Cow::Owned(typ.to_owned())),
            kid: names.kid.map(|kid| Cow::Owned(kid.to_owned())),
        })
    }
}

/// What every header may say, before it is known of which kind its algorithm is.
pub(super) struct Names<'o> {
    pub(super) alg: &'o str,
    pub(super) typ: Option<&'o str>,
    kid: Option<&'o str>,
}

impl<'o> Names<'o> {
    pub(super) fn read(object: &'o Map<String, Value>) -> Result<Self, JoseError> {
        if let Some(name) = REFUSED.into_iter().find(|name| object.contains_key(*name)) {
            return Err(JoseError::HeaderRefused(name));
        }
        let string = |name| match object.get(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text.as_str())),
            Some(_) => Err(JoseError::HeaderInvalid(name)),
        };
        Ok(Self {
            alg: string("alg")?.ok_or(JoseError::HeaderInvalid("alg"))?,
            typ: string("typ")?,
            kid: string("kid")?,
        })
    }
}

/// Refuses a token that brings a public key along where none is asked for.
pub(super) fn refuse_own_key(object: &Map<String, Value>) -> Result<(), JoseError> {
    if object.contains_key("jwk") { Err(JoseError::HeaderRefused("jwk")) } else { Ok(()) }
}

/// What is to be signed: the encoded header and payload joined by a dot (RFC 7515 §5.1).
///
/// For keys in this process `sign_compact` does it all; for a key elsewhere, sign these bytes
/// there and [`attach`] the signature.
#[must_use]
pub fn signing_input(header: &Header<'_>, payload: &[u8]) -> String {
    let header = header.to_json();
    let mut input = String::with_capacity((header.len() + payload.len()) * 4 / 3 + SHORT_SIGNATURE);
    base64url::encode_onto(&mut input, &header);
    input.push('.');
    base64url::encode_onto(&mut input, payload);
    input
}

/// The token: `input` from [`signing_input`] and the raw signature over its bytes.
///
/// ECDSA signatures are the fixed-length concatenation of r and s (RFC 7518 §3.4), never DER.
#[must_use]
pub fn attach(mut input: String, signature: &[u8]) -> String {
    input.push('.');
    base64url::encode_onto(&mut input, signature);
    input
}

/// A well-formed token of which nothing is believed yet: it shows its header, and its claims only once verified.
#[must_use]
#[cfg_attr(not(feature = "aws-lc-rs"), expect(dead_code, reason = "read only to verify"))]
pub struct Unverified<'a> {
    pub(super) header: Header<'static>,
    pub(super) signing_input: &'a str,
    pub(super) payload: Vec<u8>,
    pub(super) signature: Vec<u8>,
}

impl<'a> Unverified<'a> {
    /// Takes apart a token of at most [`MAX_TOKEN_BYTES`].
    ///
    /// Refused are: anything but three parts, non-canonical base64url, a header that is not a strict JSON object
    /// of at most [`MAX_HEADER_BYTES`] with a known `alg`, a `typ` or `kid` that is not a string, and the
    /// parameters `crit`, `b64`, `enc`, `jwk`, `jku`, `x5u` and `x5c`.
    ///
    /// # Errors
    /// `TokenTooLong`, `NotCompact`, `Base64`, `HeaderTooLong`, `Json`, `NotAnObject`, `HeaderRefused`,
    /// `HeaderInvalid`, `UnsupportedAlgorithm`.
    pub fn parse(token: &'a str) -> Result<Self, JoseError> {
        Self::parse_within(token, MAX_TOKEN_BYTES)
    }

    /// As [`parse`](Self::parse), for tokens of at most `max_bytes`.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse).
    pub fn parse_within(token: &'a str, max_bytes: usize) -> Result<Self, JoseError> {
        let (parts, object) = open(token, max_bytes)?;
        refuse_own_key(&object)?;
        Self::assemble(&parts, &object)
    }

    /// Takes apart a token that must carry its own public key in the header `jwk`, as a DPoP proof does
    /// (RFC 9449 §4.2), and returns that key beside it.
    ///
    /// Such a key proves possession and nothing else: whoever calls this compares its thumbprint with one that was
    /// bound before, or binds it now.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse), `HeaderInvalid` without a `jwk`, and those of [`Jwk::from_value`].
    pub fn parse_with_own_key(token: &'a str) -> Result<(Self, Jwk), JoseError> {
        let (parts, object) = open(token, MAX_TOKEN_BYTES)?;
        let jwk = Jwk::from_value(object.get("jwk").ok_or(JoseError::HeaderInvalid("jwk"))?)?;
        Ok((Self::assemble(&parts, &object)?, jwk))
    }

    fn assemble(parts: &Parts<'a>, object: &Map<String, Value>) -> Result<Self, JoseError> {
        Ok(Self {
            header: Header::read(object)?,
            signing_input: parts.signing_input,
            payload: base64url::decode(parts.payload)?,
            signature: base64url::decode(parts.signature)?,
        })
    }

    /// The header, to look the key up by; it proves nothing.
    #[must_use]
    pub const fn header(&self) -> &Header<'static> {
        &self.header
    }
}

impl fmt::Debug for Unverified<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Unverified").field("header", &self.header).finish_non_exhaustive()
    }
}

pub(super) struct Parts<'a> {
    pub(super) signing_input: &'a str,
    header: &'a str,
    pub(super) payload: &'a str,
    pub(super) signature: &'a str,
}

/// Cuts at the first and the last dot, so that a text of many dots costs one pass and no memory.
fn split(token: &str) -> Option<Parts<'_>> {
    let (signing_input, signature) = token.rsplit_once('.')?;
    let (header, payload) = signing_input.split_once('.')?;
    (!payload.contains('.')).then_some(Parts { signing_input, header, payload, signature })
}

pub(super) fn open(token: &str, max_bytes: usize) -> Result<(Parts<'_>, Map<String, Value>), JoseError> {
    if token.len() > max_bytes {
        return Err(JoseError::TokenTooLong);
    }
    let parts = split(token).ok_or(JoseError::NotCompact)?;
    let header = open_header(parts.header)?;
    Ok((parts, header))
}

/// The strict JSON object in an encoded header of at most [`MAX_HEADER_BYTES`].
pub(super) fn open_header(encoded: &str) -> Result<Map<String, Value>, JoseError> {
    if encoded.len() > MAX_HEADER_BYTES.div_ceil(3) * 4 {
        return Err(JoseError::HeaderTooLong);
    }
    let header = base64url::decode(encoded)?;
    if header.len() > MAX_HEADER_BYTES {
        return Err(JoseError::HeaderTooLong);
    }
    match json::parse(&header)? {
        Value::Object(object) => Ok(object),
        _ => Err(JoseError::NotAnObject),
    }
}
