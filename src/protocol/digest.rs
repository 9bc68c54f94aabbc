//! SHA-256 digests: what is kept at rest instead of codes, tokens and secrets.

use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::block_api::compress256;
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use super::base64;

/// A SHA-256 digest. Equality takes the same time whatever the bytes.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

/// The words that SHA-256 begins with (FIPS 180-4 §5.3.3).
const INITIAL: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// A message of at most 55 bytes with its padding, which together are one block (FIPS 180-4 §5.1.1). The secrets that
/// come with every request are that short, and to hash them at once spares the buffers of a running digest.
fn one_block(message: &[u8]) -> Option<[u8; 64]> {
    let mut block = [0; 64];
    let (start, length) = block.split_last_chunk_mut()?;
    *length = (message.len() as u64 * 8).to_be_bytes();
    let (place, padding) = start.split_at_mut_checked(message.len())?;
    place.copy_from_slice(message);
    *padding.first_mut()? = 0x80;
    Some(block)
}

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    #[inline]
    pub fn of(bytes: &[u8]) -> Self {
        let Some(block) = one_block(bytes) else { return Self(Sha256::digest(bytes).into()) };
        let (mut state, mut digest) = (INITIAL, [0; 32]);
        compress256(&mut state, &[block]);
        let (places, _) = digest.as_chunks_mut();
        places.iter_mut().zip(state).for_each(|(place, word)| *place = word.to_be_bytes());
        Self(digest)
    }

    /// The key of a name of several parts: the first half of the digest over the parts, each led by its length.
    #[must_use]
    pub fn key_of(parts: &[&str]) -> [u8; 16] {
        let mut digest = Sha256::new();
        for part in parts {
            digest.update(u32::try_from(part.len()).unwrap_or(u32::MAX).to_be_bytes());
            digest.update(part);
        }
        let digest: [u8; 32] = digest.finalize().into();
        *digest.first_chunk().unwrap_or(&[0; 16])
    }

    /// The digest of `text` in unpadded base64url: 43 characters.
    #[must_use]
    pub fn to_base64url(self) -> String {
        base64::to_url(&self.0)
    }

    /// Reads 43 characters of unpadded base64url; anything else, other trailing bits included, is `None`.
    #[must_use]
    pub fn from_base64url(text: &str) -> Option<Self> {
        base64::from_url(text.as_bytes()).map(Self)
    }
}

impl PartialEq for Digest {
    fn eq(&self, other: &Self) -> bool {
        let words = self.0.as_chunks::<8>().0.iter().zip(other.0.as_chunks::<8>().0);
        let same = words.fold(Choice::from(1), |same, (one, other)| {
            same & u64::from_ne_bytes(*one).ct_eq(&u64::from_ne_bytes(*other))
        });
        same.into()
    }
}

impl Eq for Digest {}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Digest(..)")
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_base64url()
    }
}

impl TryFrom<String> for Digest {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        Self::from_base64url(&text).ok_or("not a SHA-256 digest in base64url")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_sha_256_whatever_the_length(bytes in proptest::collection::vec(any::<u8>(), 0..130)) {
            let sha256: [u8; 32] = Sha256::digest(&bytes).into();
            prop_assert_eq!(Digest::of(&bytes).0, sha256);
        }
    }

    #[test]
    fn a_message_of_55_bytes_is_the_longest_of_one_block() {
        assert!(one_block(&[0; 55]).is_some());
        assert!(one_block(&[0; 56]).is_none());
    }
}
