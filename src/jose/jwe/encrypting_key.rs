//! The key of a recipient, ready to encrypt to.
//!
//! Decides which keys content may be encrypted to, and makes the key of the content with them. A key is bound to its
//! algorithm when it is made.

use std::fmt;

use aws_lc_rs::rsa::{
    OAEP_SHA1_MGF1SHA1, OAEP_SHA256_MGF1SHA256, OAEP_SHA384_MGF1SHA384, OAEP_SHA512_MGF1SHA512,
    OaepAlgorithm, OaepPublicEncryptingKey, PublicEncryptingKey,
};
use aws_lc_rs::signature::RsaPublicKeyComponents;
use zeroize::Zeroizing;

use super::agreement::{self, Purpose};
use super::compact::Told;
use super::{ContentEncryption, EncryptionHeader, EncryptionSeed, KeyManagement, key_wrap};
use crate::jose::jwk::Material;
use crate::jose::{JoseError, Jwk};

/// A recipient's public key, or the key shared with it, bound to one algorithm.
pub struct EncryptingKey {
    alg: KeyManagement,
    kid: Option<String>,
    recipient: Recipient,
}

enum Recipient {
    Rsa(OaepPublicEncryptingKey),
    Agreement(Material),
    Shared(Zeroizing<Vec<u8>>),
}

/// The key of one content, and what tells it to the recipient.
pub(super) struct ContentKey {
    pub(super) key: Zeroizing<Vec<u8>>,
    pub(super) encrypted: Vec<u8>,
    pub(super) told: Told,
}

impl EncryptingKey {
    /// The recipient's public key, for use with `alg`.
    ///
    /// # Errors
    /// `AlgorithmMismatch` unless nothing may keep the key from [encrypting](Jwk::can_encrypt) with `alg`;
    /// `KeyStrength` if the crypto library refuses the key.
    pub fn new(jwk: &Jwk, alg: KeyManagement) -> Result<Self, JoseError> {
        if !jwk.can_encrypt(alg) {
            return Err(JoseError::AlgorithmMismatch);
        }
        let recipient = match jwk.material() {
            Material::Rsa { n, e } => RsaPublicKeyComponents { n, e }
                .try_into()
                .and_then(|key: PublicEncryptingKey| OaepPublicEncryptingKey::new(key))
                .map(Recipient::Rsa)
                .map_err(|_| JoseError::KeyStrength)?,
            point => Recipient::Agreement(point.clone()),
        };
        Ok(Self { alg, kid: jwk.kid().map(str::to_owned), recipient })
    }

    /// The key shared with the recipient: 16, 24 or 32 bytes where AES wraps under it, and for `dir` as many as the content
    /// encryption needs.
    ///
    /// # Errors
    /// `AlgorithmMismatch` if `alg` is not for shared keys, `KeyInvalid` if no algorithm takes this length.
    pub fn from_secret(alg: KeyManagement, secret: &[u8]) -> Result<Self, JoseError> {
        let secret = alg.check_secret(secret)?;
        Ok(Self { alg, kid: None, recipient: Recipient::Shared(secret) })
    }

    /// The same key under this `kid`, by which the recipient finds its own.
    #[must_use]
    pub fn with_kid(mut self, kid: impl Into<String>) -> Self {
        self.kid = Some(kid.into());
        self
    }

    /// The algorithm of the key.
    #[must_use]
    pub const fn alg(&self) -> KeyManagement {
        self.alg
    }

    /// The name of the key, if it has one.
    #[must_use]
    pub fn kid(&self) -> Option<&str> {
        self.kid.as_deref()
    }

    /// The header of a token for this key: its algorithm, its name, and `enc`.
    #[must_use]
    pub fn header(&self, enc: ContentEncryption) -> EncryptionHeader {
        EncryptionHeader::new(self.alg, enc, self.kid())
    }

    pub(super) fn content_key(
        &self,
        enc: ContentEncryption,
        seed: &EncryptionSeed,
    ) -> Result<ContentKey, JoseError> {
        self.make_content_key(enc, seed).ok_or(JoseError::Encryption)
    }

    fn make_content_key(&self, enc: ContentEncryption, seed: &EncryptionSeed) -> Option<ContentKey> {
        let fresh = || seed.content_key(enc.key_len()).map(|key| Zeroizing::new(key.to_vec()));
        match &self.recipient {
            Recipient::Rsa(public) => {
                let key = fresh()?;
                let mut encrypted = vec![0; public.ciphertext_size()];
                public.encrypt(oaep(self.alg)?, &key, &mut encrypted, None).ok()?;
                Some(ContentKey { key, encrypted, told: Told::Nothing })
            }
            Recipient::Agreement(peer) => {
                let curve = peer.curve()?;
                let ephemeral = seed.ephemeral(curve)?;
                let purpose = Purpose { alg: self.alg, enc, apu: &[], apv: &[] };
                let agreed = agreement::agree(&ephemeral, peer, &purpose)?;
                let told = Told::Ephemeral(Jwk::bare(agreement::public(curve, &ephemeral)?));
                Some(ContentKey { told, ..self.wrapped(&agreed, fresh)? })
            }
            Recipient::Shared(secret) => match self.alg.gcm() {
                Some(gcm) => {
                    let key = fresh()?;
                    let iv = seed.wrapping_iv(gcm.iv_len())?;
                    let (encrypted, parameters) = key_wrap::seal(gcm, secret, iv, &key)?;
                    Some(ContentKey { key, encrypted, told: Told::Gcm(parameters) })
                }
                None if self.alg == KeyManagement::Direct && secret.len() != enc.key_len() => None,
                None => self.wrapped(secret, fresh),
            },
        }
    }

    /// `key` itself, or a fresh one wrapped under it.
    fn wrapped(
        &self,
        key: &Zeroizing<Vec<u8>>,
        fresh: impl FnOnce() -> Option<Zeroizing<Vec<u8>>>,
    ) -> Option<ContentKey> {
        if self.alg.wrapping_key_len().is_none() {
            return Some(ContentKey { key: key.clone(), encrypted: Vec::new(), told: Told::Nothing });
        }
        let content_key = fresh()?;
        let encrypted = key_wrap::wrap(key, &content_key)?;
        Some(ContentKey { key: content_key, encrypted, told: Told::Nothing })
    }
}

impl fmt::Debug for EncryptingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EncryptingKey")
            .field("alg", &self.alg)
            .field("kid", &self.kid)
            .finish_non_exhaustive()
    }
}

pub(super) const fn oaep(alg: KeyManagement) -> Option<&'static OaepAlgorithm> {
    match alg {
        KeyManagement::RsaOaep => Some(&OAEP_SHA1_MGF1SHA1),
        KeyManagement::RsaOaep256 => Some(&OAEP_SHA256_MGF1SHA256),
        KeyManagement::RsaOaep384 => Some(&OAEP_SHA384_MGF1SHA384),
        KeyManagement::RsaOaep512 => Some(&OAEP_SHA512_MGF1SHA512),
        _ => None,
    }
}
