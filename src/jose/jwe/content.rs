//! How content is encrypted under a key used once (RFC 7518 §5).
//!
//! Decides whether a ciphertext is exactly what was encrypted, and is bound to what it should be: nothing of it is
//! seen, not even its padding, before the tag is found right. Draws no randomness.

use aws_lc_rs::aead::{self, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use aws_lc_rs::cipher::{
    self, DecryptionContext, EncryptionContext, PaddedBlockDecryptingKey, PaddedBlockEncryptingKey,
    UnboundCipherKey,
};
use aws_lc_rs::hmac;
use aws_lc_rs::iv::FixedLength;
use subtle::ConstantTimeEq as _;

use super::ContentEncryption;
use crate::jose::JoseError;

/// The initialization vector of the CBC algorithms, in bytes.
const CBC_IV_LEN: usize = 16;

/// The two families, each with its primitives.
enum Cipher {
    Gcm(&'static aead::Algorithm),
    CbcHmac(&'static cipher::Algorithm, hmac::Algorithm),
}

impl ContentEncryption {
    const fn cipher(self) -> Cipher {
        match self {
            Self::A128CbcHs256 => Cipher::CbcHmac(&cipher::AES_128, hmac::HMAC_SHA256),
            Self::A192CbcHs384 => Cipher::CbcHmac(&cipher::AES_192, hmac::HMAC_SHA384),
            Self::A256CbcHs512 => Cipher::CbcHmac(&cipher::AES_256, hmac::HMAC_SHA512),
            Self::A128Gcm => Cipher::Gcm(&aead::AES_128_GCM),
            Self::A192Gcm => Cipher::Gcm(&aead::AES_192_GCM),
            Self::A256Gcm => Cipher::Gcm(&aead::AES_256_GCM),
        }
    }

    /// The bytes of the initialization vector.
    pub(super) const fn iv_len(self) -> usize {
        match self.cipher() {
            Cipher::Gcm(_) => NONCE_LEN,
            Cipher::CbcHmac(..) => CBC_IV_LEN,
        }
    }

    /// The ciphertext of `plaintext` and its tag, bound to `aad`; `key` and `iv` are never used again.
    pub(super) fn seal(
        self,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
        plaintext: &[u8],
    ) -> Result<(Vec<u8>, Vec<u8>), JoseError> {
        let mut text = plaintext.to_vec();
        let tag = match self.cipher() {
            Cipher::Gcm(algorithm) => gcm(algorithm, key, iv)
                .and_then(|(key, nonce)| {
                    key.seal_in_place_separate_tag(nonce, Aad::from(aad), &mut text).ok()
                })
                .map(|tag| tag.as_ref().to_vec()),
            Cipher::CbcHmac(algorithm, mac) => {
                cbc_seal(algorithm, key, iv, &mut text).and_then(|()| cbc_tag(mac, key, iv, aad, &text))
            }
        };
        tag.map(|tag| (text, tag)).ok_or(JoseError::Encryption)
    }

    /// The plaintext, if `tag` is that of `ciphertext` and `aad` under `key` and `iv`.
    pub(super) fn open(
        self,
        key: &[u8],
        iv: &[u8],
        aad: &[u8],
        ciphertext: &[u8],
        tag: &[u8],
    ) -> Result<Vec<u8>, JoseError> {
        let mut text = ciphertext.to_vec();
        let opened = match self.cipher() {
            Cipher::Gcm(algorithm) => gcm(algorithm, key, iv)
                .filter(|_| tag.len() == algorithm.tag_len())
                .and_then(|(key, nonce)| {
                    text.extend_from_slice(tag);
                    key.open_in_place(nonce, Aad::from(aad), &mut text).ok()
                }),
            Cipher::CbcHmac(algorithm, mac) => cbc_tag(mac, key, iv, aad, ciphertext)
                .filter(|expected| expected.ct_eq(tag).into())
                .and_then(|_| cbc_open(algorithm, key, iv, &mut text)),
        };
        let opened = opened.map(|opened| opened.len()).ok_or(JoseError::Decryption)?;
        text.truncate(opened);
        Ok(text)
    }
}

fn gcm(algorithm: &'static aead::Algorithm, key: &[u8], iv: &[u8]) -> Option<(LessSafeKey, Nonce)> {
    let key = UnboundKey::new(algorithm, key).ok()?;
    Some((LessSafeKey::new(key), Nonce::try_assume_unique_for_key(iv).ok()?))
}

/// The first half of the key authenticates, the second encrypts (RFC 7518 §5.2.2.1).
fn halves(key: &[u8]) -> (&[u8], &[u8]) {
    key.split_at(key.len() / 2)
}

/// The first half of an HMAC over the bound data, the initialization vector, the ciphertext and the bits of the bound
/// data (RFC 7518 §5.2.2.1).
fn cbc_tag(mac: hmac::Algorithm, key: &[u8], iv: &[u8], aad: &[u8], ciphertext: &[u8]) -> Option<Vec<u8>> {
    let mut context = hmac::Context::with_key(&hmac::Key::new(mac, halves(key).0));
    let bits = (aad.len() as u64).checked_mul(8)?.to_be_bytes();
    for part in [aad, iv, ciphertext, &bits] {
        context.update(part);
    }
    let digest = context.sign();
    digest.as_ref().get(..digest.as_ref().len() / 2).map(<[u8]>::to_vec)
}

fn cbc_seal(algorithm: &'static cipher::Algorithm, key: &[u8], iv: &[u8], text: &mut Vec<u8>) -> Option<()> {
    let key = UnboundCipherKey::new(algorithm, halves(key).1).ok()?;
    let context = EncryptionContext::Iv128(FixedLength::from(&<[u8; CBC_IV_LEN]>::try_from(iv).ok()?));
    PaddedBlockEncryptingKey::cbc_pkcs7(key).ok()?.less_safe_encrypt(text, context).ok().map(drop)
}

fn cbc_open<'t>(
    algorithm: &'static cipher::Algorithm,
    key: &[u8],
    iv: &[u8],
    text: &'t mut [u8],
) -> Option<&'t mut [u8]> {
    let key = UnboundCipherKey::new(algorithm, halves(key).1).ok()?;
    let context = DecryptionContext::Iv128(FixedLength::from(&<[u8; CBC_IV_LEN]>::try_from(iv).ok()?));
    PaddedBlockDecryptingKey::cbc_pkcs7(key).ok()?.decrypt(text, context).ok()
}
