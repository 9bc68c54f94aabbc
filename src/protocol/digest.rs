//! SHA-256 digests: what is kept at rest instead of codes, tokens and secrets.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

/// A SHA-256 digest. Equality takes the same time whatever the bytes.
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub [u8; 32]);

impl Digest {
    /// The digest of `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
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
        URL_SAFE_NO_PAD.encode(self.0)
    }

    /// Reads 43 characters of unpadded base64url; anything else, other trailing bits included, is `None`.
    #[must_use]
    pub fn from_base64url(text: &str) -> Option<Self> {
        let mut bytes = [0; 32];
        let exact = text.len() == 43 && URL_SAFE_NO_PAD.decode_slice(text, &mut bytes).ok()? == 32;
        exact.then_some(Self(bytes))
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
