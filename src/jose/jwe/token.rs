//! From content to token and back.
//!
//! Decides whether a key may open a token, and whether the token is exactly what was encrypted. What depends on a key
//! has one refusal alone: where the content's key could not be recovered, the content is opened all the same, under a key
//! of zeros, and refused whatever came of it (RFC 7516 §11.5), so that the error does not tell which
//! step failed, and the work done hardly does.

use std::fmt;

use aws_lc_rs::agreement::PrivateKey;
use zeroize::Zeroizing;

use super::{ContentEncryption, DecryptingKey, Encrypted, EncryptingKey, EncryptionHeader, agreement};
use crate::jose::algorithm::Curve;
use crate::jose::jws::same_type;
use crate::jose::{Claims, JoseError, Unverified, base64url};

const CONTENT_KEY_BYTES: usize = 64;
const IV_BYTES: usize = 16;
const EPHEMERAL_BYTES: usize = 66;

/// The randomness of one encrypted token, given away with its use: the key of the content, the initialization vector
/// and the ephemeral key. Erased when dropped.
///
/// With `RSA-OAEP` the crypto library draws the seed of the padding besides, so that equal seeds never make equal
/// tokens there.
pub struct EncryptionSeed(Zeroizing<[u8; Self::LEN]>);

impl EncryptionSeed {
    /// How many random bytes one token takes, whatever the algorithms.
    pub const LEN: usize = CONTENT_KEY_BYTES + IV_BYTES + EPHEMERAL_BYTES;

    /// The randomness in bytes that nobody can predict and that serve nothing else.
    #[must_use]
    pub fn new(bytes: &[u8; Self::LEN]) -> Self {
        Self(Zeroizing::new(*bytes))
    }

    pub(super) fn content_key(&self, len: usize) -> Option<&[u8]> {
        self.0.get(..CONTENT_KEY_BYTES)?.get(..len)
    }

    fn iv(&self, len: usize) -> Option<&[u8]> {
        self.0.get(CONTENT_KEY_BYTES..)?.get(..len)
    }

    /// What a key is encrypted with in Galois/Counter mode, where no ephemeral key is made.
    pub(super) fn wrapping_iv(&self, len: usize) -> Option<&[u8]> {
        self.0.get(CONTENT_KEY_BYTES + IV_BYTES..)?.get(..len)
    }

    /// The first number that is a private key: one in 2^32 is not on P-256, where there are two to try, and
    /// practically all are on the other curves.
    pub(super) fn ephemeral(&self, curve: Curve) -> Option<PrivateKey> {
        let algorithm = agreement::on(curve)?;
        let bytes = self.0.get(CONTENT_KEY_BYTES + IV_BYTES..)?;
        bytes.chunks_exact(curve.coordinate_len()).find_map(|number| {
            let mut number = Zeroizing::new(number.to_vec());
            if let (Curve::P521, Some(top)) = (curve, number.first_mut()) {
                *top &= 1;
            }
            PrivateKey::from_private_key(algorithm, &number).ok()
        })
    }
}

impl fmt::Debug for EncryptionSeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EncryptionSeed([redacted])")
    }
}

/// The token that carries `plaintext` to the holder of `key`, under a header made by [`EncryptingKey::header`].
///
/// # Errors
/// `AlgorithmMismatch` if the header is not for this key; `Encryption`, also when a shared key for `dir` is not of the
/// length that the content encryption needs.
#[expect(clippy::needless_pass_by_value, reason = "a seed is used up")]
pub fn encrypt_compact(
    key: &EncryptingKey,
    header: &EncryptionHeader,
    plaintext: &[u8],
    seed: EncryptionSeed,
) -> Result<String, JoseError> {
    let enc = header.enc();
    if header.alg() != key.alg() || header.kid() != key.kid() {
        return Err(JoseError::AlgorithmMismatch);
    }
    let content_key = key.content_key(enc, &seed)?;
    let iv = seed.iv(enc.iv_len()).ok_or(JoseError::Encryption)?;
    let mut token = header.encode(content_key.told)?;
    let (ciphertext, tag) = enc.seal(&content_key.key, iv, token.as_bytes(), plaintext)?;
    for part in [content_key.encrypted.as_slice(), iv, &ciphertext, &tag] {
        token.push('.');
        base64url::encode_onto(&mut token, part);
    }
    Ok(token)
}

impl Encrypted<'_> {
    /// The content, if it was encrypted to `key` with the key's algorithm and one of `accepted`.
    ///
    /// This says that nothing of it was changed, and nothing about who wrote it.
    ///
    /// # Errors
    /// `AlgorithmMismatch` if the header's `alg` is not the key's, `AlgorithmNotAccepted` if its `enc` is not accepted;
    /// for everything else `Decryption`.
    pub fn decrypt(
        &self,
        key: &DecryptingKey,
        accepted: &[ContentEncryption],
    ) -> Result<Decrypted, JoseError> {
        let enc = self.header.enc();
        if self.header.alg() != key.alg() {
            return Err(JoseError::AlgorithmMismatch);
        }
        if !accepted.contains(&enc) {
            return Err(JoseError::AlgorithmNotAccepted);
        }
        let recovered = key.recover(self).filter(|recovered| recovered.len() == enc.key_len());
        let usable = recovered.is_some();
        let content_key = recovered.unwrap_or_else(|| Zeroizing::new(vec![0; enc.key_len()]));
        let aad = self.encoded_header.as_bytes();
        let plaintext = enc.open(&content_key, &self.iv, aad, &self.ciphertext, &self.tag);
        let plaintext = plaintext.ok().filter(|_| usable).ok_or(JoseError::Decryption)?;
        Ok(Decrypted { header: self.header.clone(), plaintext })
    }
}

/// What an encrypted token held; made only by [`Encrypted::decrypt`].
pub struct Decrypted {
    header: EncryptionHeader,
    plaintext: Vec<u8>,
}

impl Decrypted {
    /// The header, to which the content was bound.
    #[must_use]
    pub const fn header(&self) -> &EncryptionHeader {
        &self.header
    }

    /// The content. Whoever had the key, the public one of a key pair for instance, may have written it.
    #[must_use]
    pub fn plaintext(&self) -> &[u8] {
        &self.plaintext
    }

    /// The signed token inside, still to be verified (RFC 7519 §5.2, §7.2).
    ///
    /// # Errors
    /// `HeaderInvalid` unless the `cty` is `JWT`; those of [`Unverified::parse`].
    pub fn nested(&self) -> Result<Unverified<'_>, JoseError> {
        if !self.header.cty().is_some_and(|cty| same_type("JWT", cty)) {
            return Err(JoseError::HeaderInvalid("cty"));
        }
        Unverified::parse(std::str::from_utf8(&self.plaintext).map_err(|_| JoseError::NotCompact)?)
    }

    /// Checks that the claims which the header repeats are those of `claims` (RFC 7519 §5.3).
    ///
    /// # Errors
    /// `ClaimInvalid` with the name of the first that differs.
    pub fn check_repeated(&self, claims: &Claims) -> Result<(), JoseError> {
        let differs = |name| self.header.get(name).is_some_and(|value| claims.get(name) != Some(value));
        match ["iss", "sub", "aud"].into_iter().find(|name| differs(name)) {
            Some(name) => Err(JoseError::ClaimInvalid(name)),
            None => Ok(()),
        }
    }
}

/// Shows the header, not the content.
impl fmt::Debug for Decrypted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decrypted").field("header", &self.header).finish_non_exhaustive()
    }
}
