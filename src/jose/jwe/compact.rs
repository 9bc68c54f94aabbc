//! Encrypted tokens in compact form (RFC 7516 §3.1, §7.1): their header, and how they are taken apart.
//!
//! Decides whether a text is one well-formed token with an acceptable header, its ephemeral key included: all of it
//! is public, so that a refusal here tells nothing about any key. Never trusts a key, a URL or a certificate that the
//! token brings along, never decompresses, and knows no JSON serialization.

use std::fmt;

use serde_json::{Map, Value};

use super::{ContentEncryption, KeyManagement};
use crate::jose::{JoseError, Jwk, base64url, jws};

/// The longest token [`Encrypted::parse`] reads, in bytes: room for the longest signed one inside.
pub const MAX_ENCRYPTED_BYTES: usize = 32 * 1024;

/// The initialization vector and the tag of a key that was encrypted in Galois/Counter mode, in bytes
/// (RFC 7518 §4.7.1).
const GCM_IV_BYTES: usize = 12;
const GCM_TAG_BYTES: usize = 16;

/// The longest `apu` or `apv`, in bytes once decoded.
const MAX_PARTY_INFO_BYTES: usize = 512;

/// Header parameters that refuse a token: extensions (none is understood), compression (RFC 8725 §3.6), and every way
/// a token could bring a key other than its ephemeral one.
const REFUSED: [&str; 6] = ["crit", "zip", "jwk", "jku", "x5u", "x5c"];

/// The header of an encrypted token: the two algorithms, the name of the key, and what the token and its content are
/// (RFC 7516 §4.1).
#[derive(Clone, Debug, PartialEq)]
pub struct EncryptionHeader {
    alg: KeyManagement,
    enc: ContentEncryption,
    /// Every parameter but `alg` and `enc`; `kid`, `typ` and `cty` are strings.
    members: Map<String, Value>,
}

impl EncryptionHeader {
    #[cfg(feature = "aws-lc-rs")]
    pub(super) fn new(alg: KeyManagement, enc: ContentEncryption, kid: Option<&str>) -> Self {
        let header = Self { alg, enc, members: Map::new() };
        match kid {
            Some(kid) => header.with("kid", kid),
            None => header,
        }
    }

    /// The same header with this `typ`, without the prefix `application/` (RFC 7516 §4.1.11).
    #[must_use]
    pub fn with_typ(self, typ: &str) -> Self {
        self.with("typ", typ)
    }

    /// The same header with this `cty`: `JWT` if the content is a token itself (RFC 7519 §5.2).
    #[must_use]
    pub fn with_cty(self, cty: &str) -> Self {
        self.with("cty", cty)
    }

    /// The same header with a copy of the claim `iss`, for a reader who must know it to find the key (RFC 7519 §5.3).
    #[must_use]
    pub fn with_iss(self, iss: &str) -> Self {
        self.with("iss", iss)
    }

    /// The same header with a copy of the claim `aud`, a single recipient (RFC 7519 §5.3).
    #[must_use]
    pub fn with_aud(self, aud: &str) -> Self {
        self.with("aud", aud)
    }

    /// How the recipient comes by the content encryption key.
    #[must_use]
    pub const fn alg(&self) -> KeyManagement {
        self.alg
    }

    /// How the content is encrypted.
    #[must_use]
    pub const fn enc(&self) -> ContentEncryption {
        self.enc
    }

    /// The name of the recipient's key, an opaque string.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.string("kid")
    }

    /// The type of the token.
    #[must_use]
    pub fn typ(&self) -> Option<&str> {
        self.string("typ")
    }

    /// The type of the content.
    #[must_use]
    pub fn cty(&self) -> Option<&str> {
        self.string("cty")
    }

    /// The raw value of any parameter but `alg` and `enc`: a claim that is repeated here, for one (RFC 7519 §5.3).
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.members.get(name)
    }

    fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.members.insert(name.to_owned(), value.into());
        self
    }

    fn string(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Value::as_str)
    }

    /// The header in base64url, which is what the content is bound to; with what tells the recipient the key.
    #[cfg(feature = "aws-lc-rs")]
    pub(super) fn encode(&self, told: Told) -> Result<String, JoseError> {
        let mut members = self.members.clone();
        members.insert("alg".to_owned(), self.alg.as_str().into());
        members.insert("enc".to_owned(), self.enc.as_str().into());
        let mut tell = |name: &str, value| members.insert(name.to_owned(), value);
        match told {
            Told::Nothing => {}
            Told::Ephemeral(epk) => {
                tell("epk", serde_json::to_value(epk).map_err(|_| JoseError::Encryption)?);
            }
            Told::Gcm(GcmParameters { iv, tag }) => {
                tell("iv", base64url::encode(&iv).into());
                tell("tag", base64url::encode(&tag).into());
            }
        }
        Ok(base64url::encode(Value::from(members).to_string().as_bytes()))
    }

    fn read(mut members: Map<String, Value>) -> Result<Self, JoseError> {
        if let Some(name) = REFUSED.into_iter().find(|name| members.contains_key(*name)) {
            return Err(JoseError::HeaderRefused(name));
        }
        if let Some(name) =
            ["kid", "typ", "cty"].into_iter().find(|name| members.get(*name).is_some_and(|v| !v.is_string()))
        {
            return Err(JoseError::HeaderInvalid(name));
        }
        let mut take = |name| match members.remove(name) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(JoseError::HeaderInvalid(name)),
        };
        let (alg, enc) = (take("alg")?.parse()?, take("enc")?.parse()?);
        Ok(Self { alg, enc, members })
    }
}

/// What the sender put into a key agreement (RFC 7518 §4.6.1).
#[cfg_attr(not(feature = "aws-lc-rs"), expect(dead_code, reason = "read only to decrypt"))]
pub(super) struct Agreement {
    pub(super) epk: Jwk,
    pub(super) apu: Vec<u8>,
    pub(super) apv: Vec<u8>,
}

impl Agreement {
    fn read(header: &EncryptionHeader) -> Result<Self, JoseError> {
        let party = |name| match header.get(name) {
            None => Ok(Vec::new()),
            Some(Value::String(text)) => base64url::decode(text)
                .ok()
                .filter(|info| info.len() <= MAX_PARTY_INFO_BYTES)
                .ok_or(JoseError::HeaderInvalid(name)),
            Some(_) => Err(JoseError::HeaderInvalid(name)),
        };
        let epk = Jwk::from_value(header.get("epk").ok_or(JoseError::HeaderInvalid("epk"))?)?;
        Ok(Self { epk, apu: party("apu")?, apv: party("apv")? })
    }
}

/// What the header of a token tells the recipient about the key of the content.
#[cfg(feature = "aws-lc-rs")]
pub(super) enum Told {
    Nothing,
    /// The ephemeral key of an agreement (RFC 7518 §4.6.1.1).
    Ephemeral(Jwk),
    Gcm(GcmParameters),
}

/// What goes into the header beside a key that was encrypted in Galois/Counter mode (RFC 7518 §4.7.1).
#[cfg_attr(not(feature = "aws-lc-rs"), expect(dead_code, reason = "read only to decrypt"))]
pub(super) struct GcmParameters {
    pub(super) iv: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

impl GcmParameters {
    fn read(header: &EncryptionHeader) -> Result<Self, JoseError> {
        let of_len = |name, len| {
            let bytes = header.string(name).and_then(|text| base64url::decode(text).ok());
            bytes.filter(|bytes| bytes.len() == len).ok_or(JoseError::HeaderInvalid(name))
        };
        Ok(Self { iv: of_len("iv", GCM_IV_BYTES)?, tag: of_len("tag", GCM_TAG_BYTES)? })
    }
}

/// A well-formed encrypted token: it shows its header, and its content only to the holder of the key.
#[must_use]
#[cfg_attr(not(feature = "aws-lc-rs"), expect(dead_code, reason = "read only to decrypt"))]
pub struct Encrypted<'a> {
    pub(super) header: EncryptionHeader,
    pub(super) agreement: Option<Agreement>,
    pub(super) gcm: Option<GcmParameters>,
    pub(super) encoded_header: &'a str,
    pub(super) encrypted_key: Vec<u8>,
    pub(super) iv: Vec<u8>,
    pub(super) ciphertext: Vec<u8>,
    pub(super) tag: Vec<u8>,
}

impl<'a> Encrypted<'a> {
    /// Takes apart a token of at most [`MAX_ENCRYPTED_BYTES`].
    ///
    /// Refused are: anything but five parts, non-canonical base64url, a header that is not a strict JSON object of at
    /// most [`MAX_HEADER_BYTES`](crate::jose::MAX_HEADER_BYTES) with a known `alg` and `enc`, a `kid`, `typ` or `cty`
    /// that is not a string, the parameters `crit`, `zip`, `jwk`, `jku`, `x5u` and `x5c`; and for a key agreement a
    /// missing or invalid `epk`, and an `apu` or `apv` of more than 512 bytes; for a key in Galois/Counter mode an `iv` or
    /// `tag` that is missing or not of its length.
    ///
    /// # Errors
    /// `TokenTooLong`, `NotCompact`, `Base64`, `HeaderTooLong`, `Json`, `NotAnObject`, `HeaderRefused`,
    /// `HeaderInvalid`, `UnsupportedAlgorithm`, and for an `epk` those of [`Jwk::from_value`].
    pub fn parse(token: &'a str) -> Result<Self, JoseError> {
        Self::parse_within(token, MAX_ENCRYPTED_BYTES)
    }

    /// As [`parse`](Self::parse), for tokens of at most `max_bytes`.
    ///
    /// # Errors
    /// Those of [`parse`](Self::parse).
    pub fn parse_within(token: &'a str, max_bytes: usize) -> Result<Self, JoseError> {
        if token.len() > max_bytes {
            return Err(JoseError::TokenTooLong);
        }
        let [encoded_header, encrypted_key, iv, ciphertext, tag] =
            split(token).ok_or(JoseError::NotCompact)?;
        let header = EncryptionHeader::read(jws::open_header(encoded_header)?)?;
        let agreement = header.alg.is_agreement().then(|| Agreement::read(&header)).transpose()?;
        let gcm = header.alg.gcm().map(|_| GcmParameters::read(&header)).transpose()?;
        Ok(Self {
            header,
            agreement,
            gcm,
            encoded_header,
            encrypted_key: base64url::decode(encrypted_key)?,
            iv: base64url::decode(iv)?,
            ciphertext: base64url::decode(ciphertext)?,
            tag: base64url::decode(tag)?,
        })
    }

    /// The header, to look the key up by; it proves nothing.
    #[must_use]
    pub const fn header(&self) -> &EncryptionHeader {
        &self.header
    }
}

impl fmt::Debug for Encrypted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Encrypted").field("header", &self.header).finish_non_exhaustive()
    }
}

/// The five parts; stops at the sixth, so that a text of many dots costs no memory.
fn split(token: &str) -> Option<[&str; 5]> {
    let mut parts = token.split('.');
    let five = [parts.next()?, parts.next()?, parts.next()?, parts.next()?, parts.next()?];
    parts.next().is_none().then_some(five)
}
