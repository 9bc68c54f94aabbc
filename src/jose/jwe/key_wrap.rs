//! A key wrapped under another with AES (RFC 3394, RFC 7518 §4.4).

use aws_lc_rs::key_wrap::{AES_128, AES_256, AesKek, KeyWrap as _};
use zeroize::Zeroizing;

/// What wrapping adds, in bytes.
const OVERHEAD: usize = 8;

fn kek(key: &[u8]) -> Option<AesKek> {
    let cipher = if key.len() == 16 { &AES_128 } else { &AES_256 };
    AesKek::new(cipher, key).ok()
}

/// `content_key` under `key`, which has 16 or 32 bytes.
pub(super) fn wrap(key: &[u8], content_key: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0; content_key.len().checked_add(OVERHEAD)?];
    kek(key)?.wrap(content_key, &mut out).ok()?;
    Some(out)
}

/// What was wrapped under `key`, if nothing of it was changed.
pub(super) fn unwrap(key: &[u8], wrapped: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let mut out = Zeroizing::new(vec![0; wrapped.len().checked_sub(OVERHEAD)?]);
    kek(key)?.unwrap(wrapped, &mut out).ok()?;
    Some(out)
}
