//! A key wrapped under another with AES (RFC 3394, RFC 7518 §4.4), or encrypted with it in Galois/Counter mode
//! (RFC 7518 §4.7).

use aes_kw::{KeyInit as _, KwAes192};
use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};
use zeroize::Zeroizing;

use super::ContentEncryption;
use super::compact::GcmParameters;

/// What wrapping adds, in bytes.
const OVERHEAD: usize = 8;

/// A key that wraps others. AWS-LC has none of 24 bytes.
enum Kek {
    AwsLc(AesKek),
    Aes192(Box<KwAes192>),
}

impl Kek {
    fn new(key: &[u8]) -> Option<Self> {
        match key.len() {
            16 => AesKek::new(&AES_128, key).ok().map(Self::AwsLc),
            24 => KwAes192::new_from_slice(key).ok().map(|kek| Self::Aes192(Box::new(kek))),
            _ => AesKek::new(&AES_256, key).ok().map(Self::AwsLc),
        }
    }
}

/// `content_key` under `key`, which has 16, 24 or 32 bytes.
pub(super) fn wrap(key: &[u8], content_key: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; content_key.len().checked_add(OVERHEAD)?];
    match Kek::new(key)? {
        Kek::AwsLc(kek) => kek.wrap(content_key, &mut out).ok().map(drop),
        Kek::Aes192(kek) => kek.wrap_key(content_key, &mut out).ok().map(drop),
    }?;
    Some(out)
}

/// What was wrapped under `key`, if nothing of it was changed.
pub(super) fn unwrap(key: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(vec![0; wrapped.len().checked_sub(OVERHEAD)?]);
    match Kek::new(key)? {
        Kek::AwsLc(kek) => kek.unwrap(wrapped, &mut out).ok().map(drop),
        Kek::Aes192(kek) => kek.unwrap_key(wrapped, &mut out).ok().map(drop),
    }?;
    Some(out)
}

/// `content_key` encrypted under `key`, with an `iv` that is never used again under it.
pub(super) fn seal(
    gcm: ContentEncryption,
    key: &[u8],
    iv: &[u8],
    content_key: &[u8],
) -> Option<(Vec<u8>, GcmParameters)> {
    let (encrypted, tag) = gcm.seal(key, iv, &[], content_key).ok()?;
    Some((encrypted, GcmParameters { iv: iv.to_vec(), tag }))
}

/// What was encrypted under `key`, if nothing of it was changed.
pub(super) fn open(
    gcm: ContentEncryption,
    key: &[u8],
    parameters: &GcmParameters,
    encrypted: &[u8],
) -> Option<Zeroizing<Vec<u8>>> {
    gcm.open(key, &parameters.iv, &[], encrypted, &parameters.tag).ok().map(Zeroizing::new)
}
