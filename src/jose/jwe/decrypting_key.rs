//! Our own key, ready to decrypt with.
//!
//! Decides which bytes are a usable private or shared key, and recovers the key of a content with it. A key is bound to
//! its algorithm when it is made. Draws randomness only in [`DecryptingKey::generate`]; never prints a private key, and
//! hands it out only through [`DecryptingKey::to_pkcs8_der`], for sealing.

use std::fmt;

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::encoding::{AsBigEndian as _, AsDer as _, Curve25519SeedBin, Pkcs8V1Der};
use aws_lc_rs::rsa::{
    KeyPair as RsaKeyPair, KeyPairComponents, KeySize, OaepPrivateDecryptingKey, PrivateDecryptingKey,
    PublicKeyComponents,
};
use serde_json::{Map, Value};
use zeroize::Zeroizing;

use super::agreement::{self, Purpose};
use super::encrypting_key::oaep;
use super::{ContentEncryption, Encrypted, KeyManagement, key_wrap};
use crate::jose::algorithm::Curve;
use crate::jose::jwk::{self, Material};
use crate::jose::{JoseError, Jwk, KeyUse, base64url, json, key};

/// An X25519 key in PKCS#8 is these bytes and the 32 of the key (RFC 8410 §7).
const X25519_PKCS8: [u8; 16] = [0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20];

/// The operations of a private or shared key that decrypts (RFC 7517 §4.3).
const DECRYPTING: [&str; 4] = ["decrypt", "unwrapKey", "deriveKey", "deriveBits"];

/// A private or shared key bound to one algorithm, with its public half and its `kid`.
pub struct DecryptingKey {
    alg: KeyManagement,
    kid: Option<String>,
    private: Private,
    public: Option<Jwk>,
}

enum Private {
    Rsa(PrivateDecryptingKey),
    Agreement { curve: Curve, key: PrivateKey },
    Shared(Zeroizing<Vec<u8>>),
}

impl DecryptingKey {
    /// A new key for `alg`: an RSA key of 2048 bits, or one on P-256. The crypto library draws it.
    ///
    /// # Errors
    /// `KeyGeneration`; `UnsupportedKey` if `alg` is for shared keys, which no one may make alone.
    pub fn generate(alg: KeyManagement) -> Result<Self, JoseError> {
        let private = if alg.is_rsa() {
            PrivateDecryptingKey::generate(KeySize::Rsa2048).map(Private::Rsa)
        } else if alg.is_agreement() {
            let curve = Curve::P256;
            let p256 = agreement::on(curve).ok_or(JoseError::KeyGeneration)?;
            PrivateKey::generate(p256).map(|key| Private::Agreement { curve, key })
        } else {
            return Err(JoseError::UnsupportedKey);
        };
        Self::with_public(alg, private.map_err(|_| JoseError::KeyGeneration)?)
    }

    /// The private key in an unencrypted PKCS#8 document (RFC 5208, RFC 8410), for use with `alg`.
    ///
    /// # Errors
    /// `PrivateKeyRejected` (malformed, inconsistent, or of another type), `KeyStrength`.
    pub fn from_pkcs8_der(alg: KeyManagement, der: &[u8]) -> Result<Self, JoseError> {
        let private = if alg.is_rsa() {
            PrivateDecryptingKey::from_pkcs8(der).ok().map(Private::Rsa)
        } else if alg.is_agreement() {
            agreement::CURVES.into_iter().find_map(|curve| {
                let algorithm = agreement::on(curve)?;
                let key = match der.strip_prefix(&X25519_PKCS8) {
                    Some(seed) if curve == Curve::X25519 => PrivateKey::from_private_key(algorithm, seed),
                    _ => PrivateKey::from_private_key_der(algorithm, der),
                };
                Some(Private::Agreement { curve, key: key.ok()? })
            })
        } else {
            None
        };
        Self::with_public(alg, private.ok_or(JoseError::PrivateKeyRejected)?)
    }

    /// The key shared with the sender: 16, 24 or 32 bytes where AES wraps under it, and for `dir` as many as the content
    /// encryption needs.
    ///
    /// # Errors
    /// `AlgorithmMismatch` if `alg` is not for shared keys, `KeyInvalid` if no algorithm takes this length.
    pub fn from_secret(alg: KeyManagement, secret: &[u8]) -> Result<Self, JoseError> {
        let secret = alg.check_secret(secret)?;
        Ok(Self { alg, kid: None, private: Private::Shared(secret), public: None })
    }

    /// The private or shared key in a JSON text (RFC 7517, RFC 7518 §6, RFC 8037 §2), for use with `alg`; it keeps its
    /// `kid`.
    ///
    /// # Errors
    /// Those of [`Jwk::parse`] for the public members; `AlgorithmMismatch` if the key is of another type or for
    /// another algorithm; `KeyInvalid` if its `use` or `key_ops` keep it from decrypting, or for a private member;
    /// `PrivateKeyRejected` if the private members are not those of the public ones.
    pub fn from_private_jwk(alg: KeyManagement, text: &[u8]) -> Result<Self, JoseError> {
        if text.len() > Jwk::MAX_BYTES {
            return Err(JoseError::KeyTooLong);
        }
        let value = json::parse(text)?;
        let object = value.as_object().ok_or(JoseError::NotAnObject)?;
        if jwk::read_use(object)? == Some(KeyUse::Signature) {
            return Err(JoseError::KeyInvalid("use"));
        }
        if jwk::read_key_ops(object)?
            .is_some_and(|ops| !ops.iter().any(|op| DECRYPTING.contains(&op.as_str())))
        {
            return Err(JoseError::KeyInvalid("key_ops"));
        }
        let key = if alg.is_shared() { read_shared(alg, object) } else { read_private(alg, object) }?;
        Ok(match jwk::string(object, "kid")? {
            Some(kid) => key.with_kid(kid),
            None => key,
        })
    }

    /// The private key as an unencrypted PKCS#8 v1 document, erased when dropped: seal it before storing it.
    ///
    /// # Errors
    /// `KeyGeneration` if the crypto library cannot encode it; `UnsupportedKey` for a shared key.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, JoseError> {
        let der = match &self.private {
            Private::Rsa(key) => key.as_der().map(|der| der.as_ref().to_vec()),
            Private::Agreement { curve: Curve::X25519, key } => key
                .as_be_bytes()
                .map(|seed: Curve25519SeedBin<'_>| [X25519_PKCS8.as_slice(), seed.as_ref()].concat()),
            Private::Agreement { key, .. } => key.as_der().map(|der: Pkcs8V1Der<'_>| der.as_ref().to_vec()),
            Private::Shared(_) => return Err(JoseError::UnsupportedKey),
        };
        der.map(Zeroizing::new).map_err(|_| JoseError::KeyGeneration)
    }

    /// The same key under another `kid` than its thumbprint.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        let kid = kid.into();
        self.public = self.public.map(|public| public.with_kid(kid.as_str()));
        self.kid = Some(kid);
        self
    }

    /// The algorithm of the key.
    #[must_use]
    pub const fn alg(&self) -> KeyManagement {
        self.alg
    }

    /// The name of the key: the RFC 7638 thumbprint of a private key unless another was given.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The public half, with `kid`, `alg` and `use: enc`; none of a shared key.
    #[must_use]
    pub const fn public(&self) -> Option<&Jwk> {
        self.public.as_ref()
    }

    /// The key of a content, or nothing: why not is told to no one.
    pub(super) fn recover(&self, token: &Encrypted<'_>) -> Option<Zeroizing<Vec<u8>>> {
        let encrypted_key = token.encrypted_key.as_slice();
        match &self.private {
            Private::Rsa(key) => {
                let key = OaepPrivateDecryptingKey::new(key.clone()).ok()?;
                let mut out = Zeroizing::new(vec![0; key.min_output_size()]);
                let len = key.decrypt(oaep(self.alg)?, encrypted_key, &mut out, None).ok()?.len();
                out.truncate(len);
                Some(out)
            }
            Private::Agreement { key, .. } => {
                let sender = token.agreement.as_ref()?;
                let purpose =
                    Purpose { alg: self.alg, enc: token.header.enc(), apu: &sender.apu, apv: &sender.apv };
                self.unwrapped(&agreement::agree(key, sender.epk.material(), &purpose)?, encrypted_key)
            }
            Private::Shared(secret) => match (self.alg.gcm(), &token.gcm) {
                (Some(gcm), Some(parameters)) => key_wrap::open(gcm, secret, parameters, encrypted_key),
                _ => self.unwrapped(secret, encrypted_key),
            },
        }
    }

    /// `key` itself, for which nothing may be sent, or what was wrapped under it.
    fn unwrapped(&self, key: &Zeroizing<Vec<u8>>, encrypted_key: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
        match self.alg.wrapping_key_len() {
            Some(_) => key_wrap::unwrap(key, encrypted_key),
            None => encrypted_key.is_empty().then(|| key.clone()),
        }
    }

    fn with_public(alg: KeyManagement, private: Private) -> Result<Self, JoseError> {
        let material = private.public().ok_or(JoseError::PrivateKeyRejected)?;
        let public = Jwk::for_encryption(material, alg)?;
        Ok(Self { alg, kid: public.kid().map(str::to_owned), private, public: Some(public) })
    }
}

impl fmt::Debug for DecryptingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DecryptingKey")
            .field("alg", &self.alg)
            .field("kid", &self.kid)
            .field("private", &format_args!("[redacted]"))
            .finish()
    }
}

impl Private {
    fn public(&self) -> Option<Material> {
        match self {
            Self::Rsa(key) => {
                let der = Zeroizing::new(key.as_der().ok()?.as_ref().to_vec());
                RsaKeyPair::from_pkcs8(&der).ok().map(|pair| key::rsa_public(&pair))
            }
            Self::Agreement { curve, key } => agreement::public(*curve, key),
            Self::Shared(_) => None,
        }
    }
}

/// The bytes of a private member; the text of it stays where it was.
fn secret(object: &Map<String, Value>, name: &'static str) -> Result<Zeroizing<Vec<u8>>, JoseError> {
    let text = jwk::string(object, name)?.ok_or(JoseError::KeyInvalid(name))?;
    base64url::decode(text).map(Zeroizing::new).map_err(|_| JoseError::KeyInvalid(name))
}

/// A key of type `oct` (RFC 7518 §6.4); one for `dir` may name its `enc` as its algorithm.
fn read_shared(alg: KeyManagement, object: &Map<String, Value>) -> Result<DecryptingKey, JoseError> {
    let k = secret(object, "k")?;
    let fits = jwk::string(object, "alg")?.is_none_or(|name| {
        let direct = || name.parse().is_ok_and(|enc: ContentEncryption| enc.key_len() == k.len());
        name == alg.as_str() || (alg == KeyManagement::Direct && direct())
    });
    if jwk::string(object, "kty")? != Some("oct") || !fits {
        return Err(JoseError::AlgorithmMismatch);
    }
    DecryptingKey::from_secret(alg, &k)
}

/// A key pair, of which the two halves must be those of each other.
fn read_private(alg: KeyManagement, object: &Map<String, Value>) -> Result<DecryptingKey, JoseError> {
    let mut shown = object.clone();
    shown.retain(|name, _| !jwk::PRIVATE_MEMBERS.contains(&name.as_str()) && name != "key_ops");
    let public = Jwk::from_value(&Value::Object(shown))?;
    if !public.can_encrypt(alg) || object.contains_key("oth") {
        return Err(JoseError::AlgorithmMismatch);
    }
    let material = public.material();
    let d = secret(object, "d")?;
    let private = match material {
        Material::Rsa { n, e } => rsa_pair(n, e, d, object)?,
        _ => material.curve().and_then(|curve| {
            let key = PrivateKey::from_private_key(agreement::on(curve)?, &d).ok()?;
            Some(Private::Agreement { curve, key })
        }),
    };
    let key = DecryptingKey::with_public(alg, private.ok_or(JoseError::PrivateKeyRejected)?)?;
    match key.public() {
        Some(own) if own.material() == material => Ok(key),
        _ => Err(JoseError::PrivateKeyRejected),
    }
}

/// An RSA key with all its members (RFC 7518 §6.3.2), which the crypto library checks against one another.
fn rsa_pair(
    n: &[u8],
    e: &[u8],
    d: Zeroizing<Vec<u8>>,
    object: &Map<String, Value>,
) -> Result<Option<Private>, JoseError> {
    let components = KeyPairComponents {
        public_key: PublicKeyComponents { n, e },
        d,
        p: secret(object, "p")?,
        q: secret(object, "q")?,
        dP: secret(object, "dp")?,
        dQ: secret(object, "dq")?,
        qInv: secret(object, "qi")?,
    };
    Ok(RsaKeyPair::from_components(&components)
        .ok()
        .and_then(|pair| pair.as_der().ok())
        .and_then(|der| PrivateDecryptingKey::from_pkcs8(der.as_ref()).ok())
        .map(Private::Rsa))
}
