//! Opaque handles: codes, access tokens, refresh tokens and cookies.
//!
//! ```text
//! <prefix>_<base64url( id ‖ secret )><checksum>        code, access token, cookie    72 characters
//! <prefix>_<base64url( id ‖ generation ‖ tag ‖ secret )><checksum>   refresh token   88 characters
//! ```
//!
//! The prefix lets secret scanners recognise a leak and keeps kinds apart, the id finds the record in one lookup,
//! the checksum keeps typing mistakes away from the store. Only the digest of the secret is kept.

use crc::{CRC_24_OPENPGP, Crc, Table};
use subtle::ConstantTimeEq as _;

use crate::protocol::{Digest, Secret, base64};
use crate::record::Id;
use crate::record::grant::TagKey;

static CHECKSUM: Crc<u32, Table<16>> = Crc::<u32, Table<16>>::new(&CRC_24_OPENPGP);

/// How long a checksum is, in bytes.
const CHECKSUM_LEN: usize = 3;
/// Id, secret, checksum.
const HANDLE_LEN: usize = 16 + 32 + CHECKSUM_LEN;
/// Id, generation, tag, secret, checksum.
const REFRESH_LEN: usize = 16 + 4 + 8 + 32 + CHECKSUM_LEN;
/// The longest text of a handle.
const LONGEST: usize = 88;

/// The kinds of handles. One kind is never read as another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum HandleKind {
    /// An authorization code.
    Code,
    /// An opaque access token.
    AccessToken,
    /// A refresh token.
    RefreshToken,
    /// The cookie of a session.
    Session,
    /// The cookie that binds interactions to a browser.
    Browser,
    /// A registration access token (RFC 7592 §1.2).
    Registration,
    /// An initial access token (RFC 7591 §1.2).
    InitialAccess,
    /// A device code (RFC 8628 §3.2).
    DeviceCode,
    /// An `auth_req_id` (CIBA Core §7.3).
    AuthReqId,
}

impl HandleKind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Code,
        Self::AccessToken,
        Self::RefreshToken,
        Self::Session,
        Self::Browser,
        Self::Registration,
        Self::InitialAccess,
        Self::DeviceCode,
        Self::AuthReqId,
    ];

    /// The text a handle of this kind begins with.
    #[must_use]
    pub const fn prefix(self) -> &'static str {
        match self {
            Self::Code => "gac_",
            Self::AccessToken => "gat_",
            Self::RefreshToken => "grt_",
            Self::Session => "gse_",
            Self::Browser => "gbr_",
            Self::Registration => "grg_",
            Self::InitialAccess => "gia_",
            Self::DeviceCode => "gdc_",
            Self::AuthReqId => "gar_",
        }
    }
}

/// The id of a record and a 256-bit secret that proves the right to use it.
#[derive(Clone, PartialEq, Eq)]
pub struct Handle {
    /// Names the record.
    pub id: Id,
    /// Proves the right to use it.
    pub secret: [u8; 32],
}

impl Handle {
    /// The handle as text.
    #[must_use]
    pub fn encode(&self, kind: HandleKind) -> Secret {
        let mut bytes = [0; HANDLE_LEN];
        fill(&mut bytes, &[&self.id.0, &self.secret]);
        encode(kind, bytes)
    }

    /// Reads a handle of this kind; anything else is `None`.
    #[must_use]
    pub fn decode(kind: HandleKind, text: &str) -> Option<Self> {
        let bytes: [u8; HANDLE_LEN] = decode(kind, text)?;
        let (id, rest) = bytes.split_first_chunk()?;
        Some(Self { id: Id(*id), secret: *rest.first_chunk()? })
    }

    /// What is kept of the secret.
    #[must_use]
    pub fn digest(&self, kind: HandleKind) -> Digest {
        secret_digest(kind, &self.secret)
    }
}

/// A refresh token: the handle of its grant, its generation, and a tag that proves it was once issued.
#[derive(Clone, PartialEq, Eq)]
pub struct RefreshHandle {
    /// Names the grant.
    pub id: Id,
    /// How many rotations came before it.
    pub generation: u32,
    /// Proves, with a key in the grant, that this very token was once issued.
    pub tag: [u8; 8],
    /// Proves, by its digest, that it is the live one.
    pub secret: [u8; 32],
}

impl RefreshHandle {
    /// The token of a generation with this secret.
    #[must_use]
    pub fn new(id: Id, generation: u32, secret: [u8; 32], key: &TagKey) -> Self {
        Self { id, generation, tag: tag(key, generation, &secret), secret }
    }

    /// The token as text.
    #[must_use]
    pub fn encode(&self) -> Secret {
        let mut bytes = [0; REFRESH_LEN];
        fill(&mut bytes, &[&self.id.0, &self.generation.to_be_bytes(), &self.tag, &self.secret]);
        encode(HandleKind::RefreshToken, bytes)
    }

    /// Reads a refresh token; anything else is `None`.
    #[must_use]
    pub fn decode(text: &str) -> Option<Self> {
        let bytes: [u8; REFRESH_LEN] = decode(HandleKind::RefreshToken, text)?;
        let (id, rest) = bytes.split_first_chunk()?;
        let (generation, rest) = rest.split_first_chunk()?;
        let (tag, rest) = rest.split_first_chunk()?;
        Some(Self {
            id: Id(*id),
            generation: u32::from_be_bytes(*generation),
            tag: *tag,
            secret: *rest.first_chunk()?,
        })
    }

    /// What is kept of the secret.
    #[must_use]
    pub fn digest(&self) -> Digest {
        secret_digest(HandleKind::RefreshToken, &self.secret)
    }

    /// Whether a grant that holds `key` once issued this very token.
    #[must_use]
    pub fn was_issued_under(&self, key: &TagKey) -> bool {
        tag(key, self.generation, &self.secret).ct_eq(&self.tag).into()
    }
}

impl std::fmt::Debug for Handle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Handle").field("id", &self.id).finish_non_exhaustive()
    }
}

impl std::fmt::Debug for RefreshHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut shown = f.debug_struct("RefreshHandle");
        shown.field("id", &self.id).field("generation", &self.generation).finish_non_exhaustive()
    }
}

/// One block of SHA-256 over fields of fixed length, cut to eight bytes, so that it cannot be extended.
fn tag(key: &TagKey, generation: u32, secret: &[u8; 32]) -> [u8; 8] {
    let mut bytes = [0; 52];
    fill(&mut bytes, &[&key.0.0, &generation.to_be_bytes(), secret]);
    *Digest::of(&bytes).0.first_chunk().unwrap_or(&[0; 8])
}

fn secret_digest(kind: HandleKind, secret: &[u8; 32]) -> Digest {
    let mut bytes = [0; 36];
    fill(&mut bytes, &[kind.prefix().as_bytes(), secret]);
    Digest::of(&bytes)
}

/// Copies the parts one after another; they are as long as `to` by construction, which the round trips test.
fn fill(to: &mut [u8], parts: &[&[u8]]) {
    let mut rest = to;
    for part in parts {
        let Some((place, after)) = rest.split_at_mut_checked(part.len()) else { return };
        place.copy_from_slice(part);
        rest = after;
    }
}

/// The text of a handle whose last bytes are still to become its checksum.
fn encode<const LEN: usize>(kind: HandleKind, mut bytes: [u8; LEN]) -> Secret {
    let prefix = kind.prefix().as_bytes();
    if let Some((body, place)) = bytes.split_last_chunk_mut() {
        *place = checksum(kind, body);
    }
    let mut text = [0; LONGEST];
    let text = text.get_mut(..prefix.len() + base64::text_len(LEN)).unwrap_or_default();
    if let Some((start, rest)) = text.split_at_mut_checked(prefix.len()) {
        start.copy_from_slice(prefix);
        base64::write_url(&bytes, rest);
    }
    Secret::new(std::str::from_utf8(text).unwrap_or_default())
}

fn decode<const LEN: usize>(kind: HandleKind, text: &str) -> Option<[u8; LEN]> {
    let bytes = base64::from_url(text.strip_prefix(kind.prefix())?.as_bytes())?;
    let (body, given) = bytes.split_last_chunk()?;
    (checksum(kind, body) == *given).then_some(bytes)
}

/// Over the prefix, too, so that no kind passes for another.
fn checksum(kind: HandleKind, body: &[u8]) -> [u8; CHECKSUM_LEN] {
    const fn of_prefix(kind: HandleKind) -> u32 {
        CHECKSUM.checksum(kind.prefix().as_bytes())
    }
    let mut digest = CHECKSUM.digest_with_initial(match kind {
        HandleKind::Code => const { of_prefix(HandleKind::Code) },
        HandleKind::AccessToken => const { of_prefix(HandleKind::AccessToken) },
        HandleKind::RefreshToken => const { of_prefix(HandleKind::RefreshToken) },
        HandleKind::Session => const { of_prefix(HandleKind::Session) },
        HandleKind::Browser => const { of_prefix(HandleKind::Browser) },
        HandleKind::Registration => const { of_prefix(HandleKind::Registration) },
        HandleKind::InitialAccess => const { of_prefix(HandleKind::InitialAccess) },
        HandleKind::DeviceCode => const { of_prefix(HandleKind::DeviceCode) },
        HandleKind::AuthReqId => const { of_prefix(HandleKind::AuthReqId) },
    });
    digest.update(body);
    let [_, checksum @ ..] = digest.finalize().to_be_bytes();
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const KEY: TagKey = TagKey(Id([9; 16]));

    proptest! {
        #[test]
        fn a_handle_is_read_back_as_it_was_written(id: [u8; 16], secret: [u8; 32], generation: u32) {
            for kind in HandleKind::ALL.iter().copied().filter(|kind| *kind != HandleKind::RefreshToken) {
                let handle = Handle { id: Id(id), secret };
                let text = handle.encode(kind);
                prop_assert_eq!(text.expose().len(), 72);
                prop_assert!(Handle::decode(kind, text.expose()) == Some(handle));
                for other in HandleKind::ALL.iter().filter(|other| **other != kind) {
                    prop_assert!(Handle::decode(*other, text.expose()).is_none());
                }
            }
            let handle = RefreshHandle::new(Id(id), generation, secret, &KEY);
            let text = handle.encode();
            prop_assert_eq!(text.expose().len(), 88);
            prop_assert!(RefreshHandle::decode(text.expose()) == Some(handle));
        }

        #[test]
        fn a_handle_with_one_changed_character_is_refused(at in 0_usize..72, to in proptest::char::range(' ', '~')) {
            let text = Handle { id: Id([1; 16]), secret: [2; 32] }.encode(HandleKind::AccessToken);
            let mut changed: Vec<char> = text.expose().chars().collect();
            prop_assume!(changed[at] != to);
            changed[at] = to;
            let changed: String = changed.into_iter().collect();
            prop_assert!(Handle::decode(HandleKind::AccessToken, &changed).is_none());
        }

        #[test]
        fn a_truncated_or_extended_handle_is_refused(cut in 0_usize..88, more in "[ -~]{1,9}") {
            let text = RefreshHandle::new(Id([1; 16]), 7, [2; 32], &KEY).encode();
            prop_assert!(RefreshHandle::decode(&text.expose()[..cut]).is_none());
            let longer = format!("{}{more}", text.expose());
            prop_assert!(RefreshHandle::decode(&longer).is_none());
        }

        #[test]
        fn no_text_makes_decoding_panic(text in "\\PC*") {
            for kind in HandleKind::ALL {
                let _ = Handle::decode(*kind, &text);
            }
            let _ = RefreshHandle::decode(&text);
        }
    }

    #[test]
    fn a_tag_holds_for_one_key_one_generation_and_one_secret() {
        let handle = RefreshHandle::new(Id([1; 16]), 7, [2; 32], &KEY);
        assert!(handle.was_issued_under(&KEY));
        assert!(!handle.was_issued_under(&TagKey(Id([8; 16]))));
        assert!(!RefreshHandle { generation: 6, ..handle.clone() }.was_issued_under(&KEY));
        assert!(!RefreshHandle { secret: [3; 32], ..handle }.was_issued_under(&KEY));
    }
}
