//! Private and public keys, parsed once, over AWS-LC.
//!
//! Decides which bytes are a usable key and whether a signature is valid. A key is bound to its algorithm when it
//! is made. Draws randomness only in [`SigningKey::generate`] and inside a signature; never prints a private key,
//! and hands it out only through [`SigningKey::to_pkcs8_der`], for sealing.

use std::fmt;

use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    self, EcdsaKeyPair, EcdsaSigningAlgorithm, Ed25519KeyPair, KeyPair as _, ParsedPublicKey, RsaEncoding,
    RsaParameters, RsaPublicKeyComponents,
};
use zeroize::Zeroizing;

use super::algorithm::Curve;
use super::jwk::Material;
use super::{Algorithm, Header, JoseError, Jwk, JwkSet, KeyType, attach, jwks, signing_input};

/// The size of a generated RSA key.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum RsaSize {
    /// 2048 bits, what every client accepts.
    #[default]
    Bits2048,
    /// 3072 bits: 128-bit strength, three times slower.
    Bits3072,
    /// 4096 bits.
    Bits4096,
}

/// A private key bound to one algorithm, with its public half and its `kid`.
pub struct SigningKey {
    alg: Algorithm,
    private: Private,
    public: Jwk,
}

enum Private {
    Ec(EcdsaKeyPair),
    Ed25519(Ed25519KeyPair),
    Rsa(RsaKeyPair),
}

impl SigningKey {
    /// A new key for `alg`; RSA keys have 2048 bits.
    ///
    /// # Errors
    /// `KeyGeneration`.
    pub fn generate(alg: Algorithm) -> Result<Self, JoseError> {
        Self::generate_sized(alg, RsaSize::default())
    }

    /// A new key for `alg`, of `size` if it is an RSA key.
    ///
    /// # Errors
    /// `KeyGeneration`.
    pub fn generate_sized(alg: Algorithm, size: RsaSize) -> Result<Self, JoseError> {
        let private = match ecdsa(alg) {
            Some(curve) => EcdsaKeyPair::generate(curve).map(Private::Ec),
            None if alg.key_type() == KeyType::Okp => Ed25519KeyPair::generate().map(Private::Ed25519),
            None => RsaKeyPair::generate(match size {
                RsaSize::Bits2048 => KeySize::Rsa2048,
                RsaSize::Bits3072 => KeySize::Rsa3072,
                RsaSize::Bits4096 => KeySize::Rsa4096,
            })
            .map(Private::Rsa),
        };
        Self::new(alg, private.map_err(|_| JoseError::KeyGeneration)?)
    }

    /// The private key in an unencrypted PKCS#8 document (RFC 5208), for use with `alg`.
    ///
    /// # Errors
    /// `PrivateKeyRejected` (malformed, inconsistent, or of another type or curve), `KeyStrength`.
    pub fn from_pkcs8_der(alg: Algorithm, der: &[u8]) -> Result<Self, JoseError> {
        let private = match ecdsa(alg) {
            Some(curve) => EcdsaKeyPair::from_pkcs8(curve, der).map(Private::Ec),
            None if alg.key_type() == KeyType::Okp => Ed25519KeyPair::from_pkcs8(der).map(Private::Ed25519),
            None => RsaKeyPair::from_pkcs8(der).map(Private::Rsa),
        };
        Self::new(alg, private.map_err(|_| JoseError::PrivateKeyRejected)?)
    }

    /// The private key as an unencrypted PKCS#8 v1 document, erased when dropped: seal it before storing it.
    ///
    /// # Errors
    /// `KeyGeneration` if the crypto library cannot encode it.
    pub fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, JoseError> {
        let der = match &self.private {
            Private::Ec(key) => key.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Private::Ed25519(key) => key.to_pkcs8v1().map(|der| der.as_ref().to_vec()),
            Private::Rsa(key) => key.as_der().map(|der| der.as_ref().to_vec()),
        };
        der.map(Zeroizing::new).map_err(|_| JoseError::KeyGeneration)
    }

    /// The same key under another `kid` than its thumbprint.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.public = self.public.with_kid(kid);
        self
    }

    /// The algorithm of the key.
    #[must_use]
    pub const fn alg(&self) -> Algorithm {
        self.alg
    }

    /// The name of the key: its RFC 7638 thumbprint unless another was given.
    #[must_use]
    pub fn kid(&self) -> &str {
        self.public.kid().unwrap_or_default()
    }

    /// The public half, with `kid`, `alg` and `use: sig`.
    #[must_use]
    pub fn public(&self) -> Jwk {
        self.public.clone()
    }

    /// The signature over `message`, as it goes into a token: r and s at fixed length for ECDSA (RFC 7518 §3.4).
    ///
    /// # Errors
    /// `Signing`.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>, JoseError> {
        let random = SystemRandom::new();
        match &self.private {
            Private::Ec(key) => key.sign(&random, message).map(|signature| signature.as_ref().to_vec()),
            Private::Ed25519(key) => key.try_sign(message).map(|signature| signature.as_ref().to_vec()),
            Private::Rsa(key) => {
                let mut out = vec![0; key.public_modulus_len()];
                let padding = rsa_padding(self.alg).ok_or(JoseError::Signing)?;
                key.sign(padding, &random, message, &mut out).map(|()| out)
            }
        }
        .map_err(|_| JoseError::Signing)
    }

    fn new(alg: Algorithm, private: Private) -> Result<Self, JoseError> {
        let public = Jwk::for_signatures(private.public(alg).ok_or(JoseError::PrivateKeyRejected)?, alg)?;
        Ok(Self { alg, private, public })
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("alg", &self.alg)
            .field("kid", &self.kid())
            .field("private", &format_args!("[redacted]"))
            .finish()
    }
}

impl Private {
    fn public(&self, alg: Algorithm) -> Option<Material> {
        match self {
            Self::Ec(key) => {
                let curve = alg.curve()?;
                ec_public(curve, key.public_key().as_ref())
            }
            Self::Ed25519(key) => {
                Some(Material::Okp { curve: Curve::Ed25519, x: key.public_key().as_ref().to_vec() })
            }
            Self::Rsa(key) => Some(rsa_public(key)),
        }
    }
}

/// The key in the uncompressed point that the crypto library gives out (SEC 1 §2.3.3).
pub(super) fn ec_public(curve: Curve, point: &[u8]) -> Option<Material> {
    let (x, y) = point.strip_prefix(&[4])?.split_at_checked(curve.coordinate_len())?;
    Some(Material::Ec { curve, x: x.to_vec(), y: y.to_vec() })
}

pub(super) fn rsa_public(key: &RsaKeyPair) -> Material {
    let public = key.public_key();
    Material::Rsa {
        n: public.modulus().big_endian_without_leading_zero().to_vec(),
        e: public.exponent().big_endian_without_leading_zero().to_vec(),
    }
}

/// The token that carries `payload` (the claims as JSON) under `typ`, signed with `key` and naming it in `kid`.
///
/// # Errors
/// `Signing`.
pub fn sign_compact(key: &SigningKey, typ: &str, payload: &[u8]) -> Result<String, JoseError> {
    let header = Header::new(key.alg()).with_typ(typ).with_kid(key.kid());
    let input = signing_input(&header, payload);
    let signature = key.sign(input.as_bytes())?;
    Ok(attach(input, &signature))
}

/// A public key ready to verify, parsed once from its [`Jwk`].
#[derive(Clone)]
pub struct VerifyingKey {
    jwk: Jwk,
    /// One per algorithm the key may verify; the two names of Ed25519 share one.
    parsed: Vec<(Algorithm, ParsedPublicKey)>,
}

impl VerifyingKey {
    /// The key of `jwk`, for the algorithms it [can verify](Jwk::can_verify).
    ///
    /// # Errors
    /// `UnsupportedKey` if it can verify none; `KeyStrength` if the crypto library refuses the key.
    pub fn new(jwk: &Jwk) -> Result<Self, JoseError> {
        let parsed = Algorithm::ALL
            .into_iter()
            .filter(|alg| *alg != Algorithm::EdDsa && jwk.can_verify(*alg))
            .map(|alg| Ok((alg, parse_public(jwk.material(), alg)?)))
            .collect::<Result<Vec<_>, JoseError>>()?;
        if parsed.is_empty() { Err(JoseError::UnsupportedKey) } else { Ok(Self { jwk: jwk.clone(), parsed }) }
    }

    /// The key as JSON.
    #[must_use]
    pub const fn jwk(&self) -> &Jwk {
        &self.jwk
    }

    /// Whether `signature` is one of `alg` over `message` by this key.
    ///
    /// ECDSA signatures have the fixed-length form only (RFC 7518 §3.4).
    ///
    /// # Errors
    /// `AlgorithmMismatch` if the key is not for `alg`, else `BadSignature`.
    pub fn verify(&self, alg: Algorithm, message: &[u8], signature: &[u8]) -> Result<(), JoseError> {
        let (_, key) =
            self.parsed.iter().find(|(own, _)| own.is_same_as(alg)).ok_or(JoseError::AlgorithmMismatch)?;
        key.verify_sig(message, signature).map_err(|_| JoseError::BadSignature)
    }
}

impl fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("VerifyingKey").field(&self.jwk).finish()
    }
}

/// The keys of a [`JwkSet`] that can verify, each parsed once.
#[derive(Clone, Debug, Default)]
pub struct VerifyingKeySet {
    keys: Vec<VerifyingKey>,
}

impl VerifyingKeySet {
    /// The verifying keys of `set`; those for encryption are left out.
    #[must_use]
    pub fn new(set: &JwkSet) -> Self {
        Self { keys: set.keys().iter().filter_map(|jwk| VerifyingKey::new(jwk).ok()).collect() }
    }

    /// The keys, in the order of the set.
    #[must_use]
    pub fn keys(&self) -> &[VerifyingKey] {
        &self.keys
    }

    /// The key for a token with this `kid` and `alg`, by the rule of [`JwkSet::find`].
    ///
    /// # Errors
    /// `UnknownKey`, `AlgorithmMismatch`, `AmbiguousKey`.
    pub fn find(&self, kid: Option<&str>, alg: Algorithm) -> Result<&VerifyingKey, JoseError> {
        jwks::select(&self.keys, VerifyingKey::jwk, kid, alg)
    }
}

/// Refuses coordinates that are not a point of the curve, and the point at infinity (RFC 8725 §3.4).
pub(super) fn check_on_curve(curve: Curve, x: &[u8], y: &[u8]) -> Result<(), JoseError> {
    let scheme = match curve {
        Curve::P256 => &signature::ECDSA_P256_SHA256_FIXED,
        Curve::P384 => &signature::ECDSA_P384_SHA384_FIXED,
        Curve::P521 => &signature::ECDSA_P521_SHA512_FIXED,
        Curve::Ed25519 | Curve::X25519 => return Err(JoseError::UnsupportedKey),
    };
    ParsedPublicKey::new(scheme, uncompressed(x, y)).map(drop).map_err(|_| JoseError::NotOnCurve)
}

fn parse_public(material: &Material, alg: Algorithm) -> Result<ParsedPublicKey, JoseError> {
    match (material, alg) {
        (Material::Ec { x, y, .. }, Algorithm::Es256) => {
            ParsedPublicKey::new(&signature::ECDSA_P256_SHA256_FIXED, uncompressed(x, y))
        }
        (Material::Ec { x, y, .. }, Algorithm::Es384) => {
            ParsedPublicKey::new(&signature::ECDSA_P384_SHA384_FIXED, uncompressed(x, y))
        }
        (Material::Okp { x, .. }, Algorithm::Ed25519 | Algorithm::EdDsa) => {
            ParsedPublicKey::new(&signature::ED25519, x)
        }
        (Material::Rsa { n, e }, _) => {
            let parameters = rsa_parameters(alg).ok_or(JoseError::AlgorithmMismatch)?;
            RsaPublicKeyComponents { n, e }.to_parsed_public_key(parameters)
        }
        _ => return Err(JoseError::AlgorithmMismatch),
    }
    .map_err(|_| JoseError::KeyStrength)
}

/// SEC 1 §2.3.3: the octet string of a point, not compressed.
pub(super) fn uncompressed(x: &[u8], y: &[u8]) -> Vec<u8> {
    [&[4], x, y].concat()
}

fn ecdsa(alg: Algorithm) -> Option<&'static EcdsaSigningAlgorithm> {
    match alg {
        Algorithm::Es256 => Some(&signature::ECDSA_P256_SHA256_FIXED_SIGNING),
        Algorithm::Es384 => Some(&signature::ECDSA_P384_SHA384_FIXED_SIGNING),
        _ => None,
    }
}

fn rsa_padding(alg: Algorithm) -> Option<&'static dyn RsaEncoding> {
    match alg {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa | Algorithm::Ed25519 => None,
    }
}

fn rsa_parameters(alg: Algorithm) -> Option<&'static RsaParameters> {
    match alg {
        Algorithm::Rs256 => Some(&signature::RSA_PKCS1_2048_8192_SHA256),
        Algorithm::Rs384 => Some(&signature::RSA_PKCS1_2048_8192_SHA384),
        Algorithm::Rs512 => Some(&signature::RSA_PKCS1_2048_8192_SHA512),
        Algorithm::Ps256 => Some(&signature::RSA_PSS_2048_8192_SHA256),
        Algorithm::Ps384 => Some(&signature::RSA_PSS_2048_8192_SHA384),
        Algorithm::Ps512 => Some(&signature::RSA_PSS_2048_8192_SHA512),
        Algorithm::Es256 | Algorithm::Es384 | Algorithm::EdDsa | Algorithm::Ed25519 => None,
    }
}
