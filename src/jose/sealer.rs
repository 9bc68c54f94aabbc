//! One 32-byte secret, from which everything the server must recognise or read back is derived.
//!
//! The secret is never stored with the records: whoever steals the store can neither forge what the server
//! recognises by a MAC nor open what it sealed.

use std::fmt;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

/// Derives keyed digests and seals small values under the server's own secret.
#[derive(Clone)]
pub struct Sealer {
    mac: Hmac<Sha256>,
    #[cfg_attr(not(feature = "aws-lc-rs"), expect(dead_code, reason = "sealing needs a crypto backend"))]
    sealing_key: Zeroizing<[u8; 32]>,
}

/// What a keyed digest is for; digests for different purposes never agree.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
#[non_exhaustive]
pub enum Purpose {
    /// The secret of the refresh token that replaces another.
    RefreshSuccessor = 1,
    /// The token that proves a form came from a page of this interaction.
    Csrf = 2,
}

impl Sealer {
    /// Derives the keys from 32 secret random bytes, kept by the host outside the store.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let subkey =
            |label: &[u8]| -> [u8; 32] { keyed(secret).chain_update(label).finalize().into_bytes().into() };
        Self { mac: keyed(&subkey(b"grantor mac 1")), sealing_key: Zeroizing::new(subkey(b"grantor seal 1")) }
    }

    /// A keyed digest (HMAC-SHA-256) over parts, each led by its length.
    #[must_use]
    pub fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(&[purpose as u8]);
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }
}

/// HMAC-SHA-256 keyed with 32 bytes, less than one block, so that no key is ever refused.
fn keyed(key: &[u8; 32]) -> Hmac<Sha256> {
    let mut block = [0; 64];
    for (to, from) in block.iter_mut().zip(key) {
        *to = *from;
    }
    Hmac::<Sha256>::new(&block.into())
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sealer([redacted])")
    }
}
