//! One 32-byte secret, from which everything the server must recognise or read back is derived.
//!
//! The secret is never stored with the records: whoever steals the store can neither forge what the server
//! recognises by a MAC nor open what it sealed.
//!
//! Sealing is deterministic: AES-256-GCM-SIV (RFC 8452) under a nonce that is itself a keyed digest of the place and
//! the plaintext. No randomness is drawn, no nonce can repeat for two different values, and all that equal sealed
//! values tell is that equal values were sealed for the same place.
//!
//! ```text
//! sealed = version (1 byte) ‖ nonce (12) ‖ ciphertext ‖ tag (16)
//! bound to = version, label, place
//! ```

use std::fmt;

#[cfg(feature = "aws-lc-rs")]
use aws_lc_rs::aead::{AES_256_GCM_SIV, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
#[cfg(feature = "aws-lc-rs")]
use zeroize::Zeroizing;

#[cfg(feature = "aws-lc-rs")]
use super::JoseError;

/// Derives keyed digests and seals small values under the server's own secret.
#[derive(Clone)]
pub struct Sealer {
    mac: Hmac<Sha256>,
    #[cfg(feature = "aws-lc-rs")]
    sealing: Sealing,
}

/// The first byte of a sealed value: how it was sealed.
#[cfg(feature = "aws-lc-rs")]
const SEAL_VERSION: u8 = 1;
#[cfg(feature = "aws-lc-rs")]
const TAG_LEN: usize = 16;

#[cfg(feature = "aws-lc-rs")]
#[derive(Clone)]
struct Sealing {
    key: Zeroizing<[u8; 32]>,
    nonces: Hmac<Sha256>,
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
    /// What a browser shows to scripts of who is signed in.
    BrowserState = 3,
    /// What a pairwise client calls a user.
    PairwiseSubject = 4,
    /// What a client of a sector calls a session.
    PairwiseSession = 5,
    /// The user code of a grant that waits for its user.
    UserCode = 6,
    /// Where it is kept which grant a user code is of.
    UserCodeKey = 7,
    /// The secret of the `auth_req_id` of a grant that waits for its user.
    AuthReqId = 8,
    /// What the update of a registration hands out.
    RegistrationUpdate = 9,
    /// What is random in tokens that a client is sent.
    PushedTokens = 10,
}

impl Sealer {
    /// Derives the keys from 32 secret random bytes, kept by the host outside the store.
    #[must_use]
    pub fn new(secret: &[u8; 32]) -> Self {
        let subkey =
            |label: &[u8]| -> [u8; 32] { keyed(secret).chain_update(label).finalize().into_bytes().into() };
        Self {
            mac: keyed(&subkey(b"grantor mac 1")),
            #[cfg(feature = "aws-lc-rs")]
            sealing: Sealing {
                key: Zeroizing::new(subkey(b"grantor seal 1")),
                nonces: keyed(&subkey(b"grantor seal nonce 1")),
            },
        }
    }

    /// A keyed digest (HMAC-SHA-256) over parts, each led by its length.
    #[must_use]
    pub fn mac(&self, purpose: Purpose, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.mac.clone();
        mac.update(&[purpose as u8]);
        update_framed(&mut mac, parts);
        mac.finalize().into_bytes().into()
    }
}

#[cfg(feature = "aws-lc-rs")]
impl Sealer {
    /// Encrypts `plaintext` so that only [`open`](Self::open) with the same secret, label and place gives it back.
    ///
    /// `label` says what kind of value it is, `place` where it is kept (a record's key and whatever else names it):
    /// a sealed value that is copied elsewhere does not open there. The result is 29 bytes longer.
    ///
    /// # Errors
    /// `Sealing` if the crypto library cannot.
    pub fn seal(&self, label: &str, place: &[u8], plaintext: &[u8]) -> Result<Vec<u8>, JoseError> {
        let mut nonce = self.sealing.nonces.clone();
        update_framed(&mut nonce, &[label.as_bytes(), place, plaintext]);
        let nonce: [u8; 32] = nonce.finalize().into_bytes().into();
        let nonce: &[u8; NONCE_LEN] = nonce.first_chunk().ok_or(JoseError::Sealing)?;
        let mut text = Zeroizing::new(plaintext.to_vec());
        let tag = self
            .sealing
            .cipher()?
            .seal_in_place_separate_tag(Nonce::from(nonce), bound_to(label, place), text.as_mut_slice())
            .map_err(|_| JoseError::Sealing)?;
        Ok([&[SEAL_VERSION], nonce.as_slice(), text.as_slice(), tag.as_ref()].concat())
    }

    /// What was [sealed](Self::seal) under this secret for this label and place; erased when dropped.
    ///
    /// # Errors
    /// `SealBroken` for anything else, whatever it is.
    pub fn open(&self, label: &str, place: &[u8], sealed: &[u8]) -> Result<Zeroizing<Vec<u8>>, JoseError> {
        let (version, rest) = sealed.split_first().ok_or(JoseError::SealBroken)?;
        let (nonce, text) = rest.split_first_chunk::<NONCE_LEN>().ok_or(JoseError::SealBroken)?;
        if *version != SEAL_VERSION || text.len() < TAG_LEN {
            return Err(JoseError::SealBroken);
        }
        let mut text = Zeroizing::new(text.to_vec());
        let opened = self
            .sealing
            .cipher()?
            .open_in_place(Nonce::from(nonce), bound_to(label, place), text.as_mut_slice())
            .map_err(|_| JoseError::SealBroken)?
            .len();
        text.truncate(opened);
        Ok(text)
    }
}

#[cfg(feature = "aws-lc-rs")]
impl Sealing {
    fn cipher(&self) -> Result<LessSafeKey, JoseError> {
        UnboundKey::new(&AES_256_GCM_SIV, self.key.as_slice())
            .map(LessSafeKey::new)
            .map_err(|_| JoseError::Sealing)
    }
}

/// The associated data of a sealed value.
#[cfg(feature = "aws-lc-rs")]
fn bound_to(label: &str, place: &[u8]) -> Aad<Vec<u8>> {
    let mut data = vec![SEAL_VERSION];
    for part in [label.as_bytes(), place] {
        data.extend_from_slice(&(part.len() as u64).to_be_bytes());
        data.extend_from_slice(part);
    }
    Aad::from(data)
}

/// Adds parts, each led by its length.
fn update_framed(mac: &mut Hmac<Sha256>, parts: &[&[u8]]) {
    for part in parts {
        mac.update(&(part.len() as u64).to_be_bytes());
        mac.update(part);
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

#[cfg(test)]
#[cfg(feature = "aws-lc-rs")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sealer(byte: u8) -> Sealer {
        Sealer::new(&[byte; 32])
    }

    proptest! {
        #[test]
        fn what_was_sealed_opens_in_its_place_and_nowhere_else(
            text in proptest::collection::vec(any::<u8>(), 0..100),
            label in "[a-z]{0,8}",
            place in proptest::collection::vec(any::<u8>(), 0..40),
            other in proptest::collection::vec(any::<u8>(), 0..40),
        ) {
            let sealed = sealer(1).seal(&label, &place, &text).unwrap();
            prop_assert_eq!(sealed.len(), text.len() + 29);
            prop_assert_eq!(sealer(1).open(&label, &place, &sealed).unwrap().to_vec(), text);
            prop_assert_eq!(sealer(2).open(&label, &place, &sealed).unwrap_err(), JoseError::SealBroken);
            let other_label = format!("{label}x");
            prop_assert!(sealer(1).open(&other_label, &place, &sealed).is_err());
            if other != place {
                prop_assert!(sealer(1).open(&label, &other, &sealed).is_err());
            }
        }

        #[test]
        fn no_flipped_bit_cut_or_added_byte_opens(text in proptest::collection::vec(any::<u8>(), 0..40), at: usize, bit in 0..8_u8) {
            let sealed = sealer(1).seal("kind", b"place", &text).unwrap();
            let at = at % sealed.len();
            let mut flipped = sealed.clone();
            flipped[at] ^= 1_u8 << bit;
            prop_assert_eq!(sealer(1).open("kind", b"place", &flipped).unwrap_err(), JoseError::SealBroken);
            prop_assert_eq!(sealer(1).open("kind", b"place", &sealed[..at]).unwrap_err(), JoseError::SealBroken);
            let longer = [sealed.as_slice(), &[0]].concat();
            prop_assert_eq!(sealer(1).open("kind", b"place", &longer).unwrap_err(), JoseError::SealBroken);
        }

        #[test]
        fn garbage_never_opens(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            prop_assert_eq!(sealer(1).open("kind", b"place", &bytes).unwrap_err(), JoseError::SealBroken);
        }
    }

    #[test]
    fn label_and_place_cannot_be_shifted_into_one_another() {
        let sealed = sealer(1).seal("ab", b"c", b"text").unwrap();
        assert!(sealer(1).open("a", b"bc", &sealed).is_err());
        assert!(sealer(1).open("abc", b"", &sealed).is_err());
    }

    #[test]
    fn sealing_is_deterministic_and_unlike_for_another_value_or_place() {
        let seal = |place: &[u8], text: &[u8]| sealer(1).seal("kind", place, text).unwrap();
        assert_eq!(seal(b"a", b"x"), seal(b"a", b"x"));
        assert_ne!(seal(b"a", b"x")[1..13], seal(b"b", b"x")[1..13]);
        assert_ne!(seal(b"a", b"x")[1..13], seal(b"a", b"y")[1..13]);
    }

    #[test]
    fn a_sealer_shows_nothing() {
        assert_eq!(format!("{:?}", sealer(1)), "Sealer([redacted])");
    }
}
