//! A public key as JSON (RFC 7517, RFC 7518 §6, RFC 8037 §2).
//!
//! Decides which public keys are accepted: their type, size, encoding, curve, and what they may be used for.
//! Never holds a private or symmetric key: a JSON object with such a member is refused, so a leaked private key
//! cannot be published or registered by mistake. Never fetches (`x5u`) nor reads certificates (`x5c`).

use serde::ser::SerializeMap;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

use super::algorithm::Curve;
use super::jwe::KeyManagement;
use super::{Algorithm, JoseError, base64url, json, rsa};

/// The members that hold secrets, whatever the key type (RFC 7518 §6.2.2, §6.3.2, §6.4; `priv` of type AKP).
pub(super) const PRIVATE_MEMBERS: [&str; 10] = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv", "seed"];

/// The values of y, little-endian, of the Edwards points of small order: for these keys a signature made for one
/// message can verify for others.
const SMALL_ORDER_Y: [[u8; 32]; 5] = [
    [0; 32],
    [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
    [
        0x26, 0xe8, 0x95, 0x8f, 0xc2, 0xb2, 0x27, 0xb0, 0x45, 0xc3, 0xf4, 0x89, 0xf2, 0xef, 0x98,
        0xf0, //
        0xd5, 0xdf, 0xac, 0x05, 0xd3, 0xc6, 0x33, 0x39, 0xb1, 0x38, 0x02, 0x88, 0x6d, 0x53, 0xfc, 0x05,
    ],
    [
        0xc7, 0x17, 0x6a, 0x70, 0x3d, 0x4d, 0xd8, 0x4f, 0xba, 0x3c, 0x0b, 0x76, 0x0d, 0x10, 0x67,
        0x0f, //
        0x2a, 0x20, 0x53, 0xfa, 0x2c, 0x39, 0xcc, 0xc6, 0x4e, 0xc7, 0xfd, 0x77, 0x92, 0xac, 0x03, 0x7a,
    ],
    [
        0xec, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
        0xff, //
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f,
    ],
];

/// The type of a key, `kty` (RFC 7517 §4.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum KeyType {
    /// An elliptic curve key, `EC`: P-256 or P-384, and P-521 for encryption alone.
    Ec,
    /// An octet key pair, `OKP`: Ed25519 for signatures, X25519 for encryption.
    Okp,
    /// An RSA key, `RSA`: 2048 to 8192 bits.
    Rsa,
}

/// What a key is meant for, `use` (RFC 7517 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum KeyUse {
    /// `sig`: signatures; nothing is ever encrypted to such a key.
    Signature,
    /// `enc`: encryption; such a key never verifies.
    Encryption,
}

/// A valid public key and what it says about itself; immutable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Jwk {
    material: Material,
    kid: Option<String>,
    alg: Option<KeyAlgorithm>,
    key_use: Option<KeyUse>,
    key_ops: Option<Vec<String>>,
}

/// What a key is used with: the `alg` of a key names one of these (RFC 7517 §4.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum KeyAlgorithm {
    /// Signatures.
    Signature(Algorithm),
    /// Encryption.
    Encryption(KeyManagement),
}

/// The operations of a public key to which content may be encrypted (RFC 7517 §4.3).
const ENCRYPTING: [&str; 4] = ["encrypt", "wrapKey", "deriveKey", "deriveBits"];

/// The key proper; integers are big-endian, coordinates and points of their curve's length.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Material {
    Ec { curve: Curve, x: Vec<u8>, y: Vec<u8> },
    Okp { curve: Curve, x: Vec<u8> },
    Rsa { n: Vec<u8>, e: Vec<u8> },
}

impl Jwk {
    /// The longest JSON text of one key, in bytes.
    pub const MAX_BYTES: usize = 16 * 1024;

    /// The public key in a JSON text of at most [`MAX_BYTES`](Self::MAX_BYTES).
    ///
    /// # Errors
    /// `KeyTooLong`, `Json`, and those of [`from_value`](Self::from_value).
    pub fn parse(bytes: &[u8]) -> Result<Self, JoseError> {
        if bytes.len() > Self::MAX_BYTES {
            return Err(JoseError::KeyTooLong);
        }
        Self::from_value(&json::parse(bytes)?)
    }

    /// The public key in a JSON object that came from [`json::parse`].
    ///
    /// # Errors
    /// `NotAnObject`, `PrivateMember`, `UnsupportedKey`, `UnsupportedAlgorithm`, `AlgorithmMismatch` (an `alg` for another type or curve), `KeyInvalid`, `KeyStrength`, `NotOnCurve`.
    pub fn from_value(value: &Value) -> Result<Self, JoseError> {
        let object = value.as_object().ok_or(JoseError::NotAnObject)?;
        if has_private_member(object) {
            return Err(JoseError::PrivateMember);
        }
        let jwk = Self {
            material: Material::read(object)?,
            kid: string(object, "kid")?.map(str::to_owned),
            alg: string(object, "alg")?.map(KeyAlgorithm::read).transpose()?,
            key_use: read_use(object)?,
            key_ops: read_key_ops(object)?,
        };
        match jwk.alg {
            Some(alg) if !jwk.material.fits(alg) => Err(JoseError::AlgorithmMismatch),
            _ => Ok(jwk),
        }
    }

    #[cfg(feature = "aws-lc-rs")]
    pub(super) fn for_signatures(material: Material, alg: Algorithm) -> Result<Self, JoseError> {
        Self::own(material, KeyAlgorithm::Signature(alg), KeyUse::Signature)
    }

    #[cfg(feature = "aws-lc-rs")]
    pub(super) fn for_encryption(material: Material, alg: KeyManagement) -> Result<Self, JoseError> {
        Self::own(material, KeyAlgorithm::Encryption(alg), KeyUse::Encryption)
    }

    #[cfg(feature = "aws-lc-rs")]
    fn own(material: Material, alg: KeyAlgorithm, key_use: KeyUse) -> Result<Self, JoseError> {
        material.check()?;
        let mut jwk = Self { material, kid: None, alg: Some(alg), key_use: Some(key_use), key_ops: None };
        jwk.kid = Some(jwk.thumbprint());
        Ok(jwk)
    }

    /// The key alone, named by nothing but its thumbprint: what an `epk` carries.
    #[cfg(feature = "aws-lc-rs")]
    pub(super) const fn bare(material: Material) -> Self {
        Self { material, kid: None, alg: None, key_use: None, key_ops: None }
    }

    /// The same key under another `kid`.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The type of the key, `kty` (RFC 7517 §4.1).
    #[must_use]
    pub const fn key_type(&self) -> KeyType {
        match self.material {
            Material::Ec { .. } => KeyType::Ec,
            Material::Okp { .. } => KeyType::Okp,
            Material::Rsa { .. } => KeyType::Rsa,
        }
    }

    /// The identifier of the key, an opaque string (RFC 7517 §4.5).
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The one signature algorithm the key is for, if it says so (RFC 7517 §4.4).
    #[must_use]
    pub const fn alg(&self) -> Option<Algorithm> {
        match self.alg {
            Some(KeyAlgorithm::Signature(alg)) => Some(alg),
            _ => None,
        }
    }

    /// The one key management algorithm the key is for, if it says so (RFC 7517 §4.4).
    #[must_use]
    pub const fn key_management(&self) -> Option<KeyManagement> {
        match self.alg {
            Some(KeyAlgorithm::Encryption(alg)) => Some(alg),
            _ => None,
        }
    }

    /// What the key is for, `use` (RFC 7517 §4.2).
    #[must_use]
    pub const fn key_use(&self) -> Option<KeyUse> {
        self.key_use
    }

    /// The operations the key is for (RFC 7517 §4.3).
    #[must_use]
    pub fn key_ops(&self) -> Option<&[String]> {
        self.key_ops.as_deref()
    }

    /// Whether the key may verify signatures of `alg`: its type, curve, `alg`, `use` and `key_ops` all allow it.
    #[must_use]
    pub fn can_verify(&self, alg: Algorithm) -> bool {
        self.material.verifies(alg)
            && self.alg.is_none_or(|_| self.alg().is_some_and(|own| own.is_same_as(alg)))
            && self.key_use != Some(KeyUse::Encryption)
            && self.allows(&["verify"])
    }

    /// Whether content may be encrypted to the key with `alg`: its type, curve, `alg`, `use` and `key_ops` all allow
    /// it.
    #[must_use]
    pub fn can_encrypt(&self, alg: KeyManagement) -> bool {
        self.material.encrypts(alg)
            && self.alg.is_none_or(|own| own == KeyAlgorithm::Encryption(alg))
            && self.key_use != Some(KeyUse::Signature)
            && self.allows(&ENCRYPTING)
    }

    /// Whether the key says that it is for encryption.
    pub(super) fn is_for_encryption(&self) -> bool {
        self.key_use == Some(KeyUse::Encryption) || self.key_management().is_some()
    }

    fn allows(&self, operations: &[&str]) -> bool {
        self.key_ops.as_ref().is_none_or(|ops| ops.iter().any(|op| operations.contains(&op.as_str())))
    }

    /// The SHA-256 thumbprint, 43 characters of base64url (RFC 7638; RFC 8037 §2 for octet key pairs).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        // Base64url and curve names need no escaping, and RFC 7638 §3.3 fixes the order and the absence of spaces.
        let canonical = match &self.material {
            Material::Ec { curve, x, y } => format!(
                r#"{{"crv":"{}","kty":"EC","x":"{}","y":"{}"}}"#,
                curve.as_str(),
                base64url::encode(x),
                base64url::encode(y)
            ),
            Material::Okp { curve, x } => {
                format!(r#"{{"crv":"{}","kty":"OKP","x":"{}"}}"#, curve.as_str(), base64url::encode(x))
            }
            Material::Rsa { n, e } => {
                format!(r#"{{"e":"{}","kty":"RSA","n":"{}"}}"#, base64url::encode(e), base64url::encode(n))
            }
        };
        base64url::encode(&Sha256::digest(canonical))
    }

    #[cfg(feature = "aws-lc-rs")]
    pub(super) const fn material(&self) -> &Material {
        &self.material
    }
}

impl Material {
    fn read(object: &Map<String, Value>) -> Result<Self, JoseError> {
        let bytes = |name| match string(object, name)? {
            Some(text) => base64url::decode(text).map_err(|_| JoseError::KeyInvalid(name)),
            None => Err(JoseError::KeyInvalid(name)),
        };
        let kty = string(object, "kty")?.ok_or(JoseError::KeyInvalid("kty"))?;
        let ec = |curve| Ok::<_, JoseError>(Self::Ec { curve, x: bytes("x")?, y: bytes("y")? });
        let okp = |curve| Ok::<_, JoseError>(Self::Okp { curve, x: bytes("x")? });
        let material = match (kty, string(object, "crv")?) {
            ("EC", Some("P-256")) => ec(Curve::P256)?,
            ("EC", Some("P-384")) => ec(Curve::P384)?,
            ("EC", Some("P-521")) => ec(Curve::P521)?,
            ("OKP", Some("Ed25519")) => okp(Curve::Ed25519)?,
            ("OKP", Some("X25519")) => okp(Curve::X25519)?,
            ("RSA", _) => Self::Rsa { n: bytes("n")?, e: bytes("e")? },
            ("EC" | "OKP", None) => return Err(JoseError::KeyInvalid("crv")),
            _ => return Err(JoseError::UnsupportedKey),
        };
        material.check()?;
        Ok(material)
    }

    fn check(&self) -> Result<(), JoseError> {
        match self {
            Self::Ec { curve, x, y } => check_point(*curve, x, y),
            Self::Okp { curve: Curve::Ed25519, x } => check_edwards(x),
            Self::Okp { curve, x } if x.len() == curve.coordinate_len() => Ok(()),
            Self::Okp { .. } => Err(JoseError::KeyInvalid("x")),
            Self::Rsa { n, e } => rsa::check(n, e),
        }
    }

    /// The curve of the key, if it is not an RSA key.
    #[cfg(feature = "aws-lc-rs")]
    pub(super) const fn curve(&self) -> Option<Curve> {
        match self {
            Self::Ec { curve, .. } | Self::Okp { curve, .. } => Some(*curve),
            Self::Rsa { .. } => None,
        }
    }

    fn fits(&self, alg: KeyAlgorithm) -> bool {
        match alg {
            KeyAlgorithm::Signature(alg) => self.verifies(alg),
            KeyAlgorithm::Encryption(alg) => self.encrypts(alg),
        }
    }

    fn verifies(&self, alg: Algorithm) -> bool {
        match self {
            Self::Ec { curve, .. } | Self::Okp { curve, .. } => alg.curve() == Some(*curve),
            Self::Rsa { .. } => alg.key_type() == KeyType::Rsa,
        }
    }

    fn encrypts(&self, alg: KeyManagement) -> bool {
        match self {
            Self::Ec { .. } | Self::Okp { curve: Curve::X25519, .. } => alg.is_agreement(),
            Self::Okp { .. } => false,
            Self::Rsa { .. } => alg.is_rsa(),
        }
    }
}

impl KeyAlgorithm {
    fn read(name: &str) -> Result<Self, JoseError> {
        name.parse().map(Self::Signature).or_else(|_| name.parse().map(Self::Encryption))
    }

    /// The registered name: no two algorithms of whatever kind share one.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature(alg) => alg.as_str(),
            Self::Encryption(alg) => alg.as_str(),
        }
    }
}

impl From<Algorithm> for KeyAlgorithm {
    fn from(alg: Algorithm) -> Self {
        Self::Signature(alg)
    }
}

impl From<KeyManagement> for KeyAlgorithm {
    fn from(alg: KeyManagement) -> Self {
        Self::Encryption(alg)
    }
}

impl From<KeyAlgorithm> for &'static str {
    fn from(alg: KeyAlgorithm) -> Self {
        alg.as_str()
    }
}

impl TryFrom<String> for KeyAlgorithm {
    type Error = JoseError;

    fn try_from(name: String) -> Result<Self, JoseError> {
        Self::read(&name)
    }
}

/// RFC 7518 §6.2.1: coordinates have the full length of the field, leading zeros included.
fn check_point(curve: Curve, x: &[u8], y: &[u8]) -> Result<(), JoseError> {
    if x.len() != curve.coordinate_len() {
        return Err(JoseError::KeyInvalid("x"));
    }
    if y.len() != curve.coordinate_len() {
        return Err(JoseError::KeyInvalid("y"));
    }
    #[cfg(feature = "aws-lc-rs")]
    super::key::check_on_curve(curve, x, y)?;
    Ok(())
}

/// RFC 8032 §5.1.3: y below the prime; and no point of small order. A y that no point has is not told here, but no
/// signature verifies under it.
fn check_edwards(x: &[u8]) -> Result<(), JoseError> {
    let mut y: [u8; 32] = x.try_into().map_err(|_| JoseError::KeyInvalid("x"))?;
    if let Some(last) = y.last_mut() {
        *last &= 0x7f;
    }
    let canonical = match y.split_first() {
        Some((first, rest)) => {
            *first < 0xed || rest.last() != Some(&0x7f) || rest.iter().rev().skip(1).any(|byte| *byte != 0xff)
        }
        None => false,
    };
    if !canonical {
        return Err(JoseError::KeyInvalid("x"));
    }
    if SMALL_ORDER_Y.contains(&y) { Err(JoseError::KeyStrength) } else { Ok(()) }
}

pub(super) fn has_private_member(object: &Map<String, Value>) -> bool {
    PRIVATE_MEMBERS.iter().any(|name| object.contains_key(*name))
}

pub(super) fn string<'v>(
    object: &'v Map<String, Value>,
    name: &'static str,
) -> Result<Option<&'v str>, JoseError> {
    match object.get(name) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => Err(JoseError::KeyInvalid(name)),
    }
}

pub(super) fn read_use(object: &Map<String, Value>) -> Result<Option<KeyUse>, JoseError> {
    match string(object, "use")? {
        None => Ok(None),
        Some("sig") => Ok(Some(KeyUse::Signature)),
        Some("enc") => Ok(Some(KeyUse::Encryption)),
        Some(_) => Err(JoseError::KeyInvalid("use")),
    }
}

pub(super) fn read_key_ops(object: &Map<String, Value>) -> Result<Option<Vec<String>>, JoseError> {
    const INVALID: JoseError = JoseError::KeyInvalid("key_ops");
    let Some(value) = object.get("key_ops") else {
        return Ok(None);
    };
    let mut ops: Vec<String> = Vec::new();
    for op in value.as_array().ok_or(INVALID)? {
        let op = op.as_str().ok_or(INVALID)?;
        if ops.len() >= 16 || ops.iter().any(|seen| seen == op) {
            return Err(INVALID);
        }
        ops.push(op.to_owned());
    }
    Ok(Some(ops))
}

impl Serialize for Jwk {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match &self.material {
            Material::Ec { curve, x, y } => {
                map.serialize_entry("kty", "EC")?;
                map.serialize_entry("crv", curve.as_str())?;
                map.serialize_entry("x", &base64url::encode(x))?;
                map.serialize_entry("y", &base64url::encode(y))?;
            }
            Material::Okp { curve, x } => {
                map.serialize_entry("kty", "OKP")?;
                map.serialize_entry("crv", curve.as_str())?;
                map.serialize_entry("x", &base64url::encode(x))?;
            }
            Material::Rsa { n, e } => {
                map.serialize_entry("kty", "RSA")?;
                map.serialize_entry("n", &base64url::encode(n))?;
                map.serialize_entry("e", &base64url::encode(e))?;
            }
        }
        if let Some(kid) = &self.kid {
            map.serialize_entry("kid", kid)?;
        }
        if let Some(alg) = &self.alg {
            map.serialize_entry("alg", alg.as_str())?;
        }
        if let Some(key_use) = self.key_use {
            map.serialize_entry(
                "use",
                match key_use {
                    KeyUse::Signature => "sig",
                    KeyUse::Encryption => "enc",
                },
            )?;
        }
        if let Some(ops) = &self.key_ops {
            map.serialize_entry("key_ops", ops)?;
        }
        map.end()
    }
}

/// Under the rules of [`Jwk::from_value`]; duplicate keys are seen only when the text is read with
/// [`json::from_slice`].
impl<'de> Deserialize<'de> for Jwk {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::from_value(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}
