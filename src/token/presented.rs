//! A token as it was presented.

use super::{Handle, HandleKind, RefreshHandle};
use crate::protocol::Secret;
use crate::record::GrantId;

/// What the text of a presented token says that it is. Whether it was ever issued, and lives, is another question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PresentedToken {
    /// An opaque access token.
    Access(Handle),
    /// A refresh token.
    Refresh(RefreshHandle),
    /// Three parts with dots between them: a JWT, it seems.
    Jwt(Secret),
    /// None of ours.
    Unknown,
}

impl PresentedToken {
    /// Reads the text of a token.
    #[must_use]
    pub fn read(text: &str) -> Self {
        if let Some(handle) = Handle::decode(HandleKind::AccessToken, text) {
            return Self::Access(handle);
        }
        if let Some(handle) = RefreshHandle::decode(text) {
            return Self::Refresh(handle);
        }
        if text.bytes().filter(|byte| *byte == b'.').count() == 2 {
            return Self::Jwt(Secret::new(text));
        }
        Self::Unknown
    }

    /// The grant that an opaque token names.
    #[must_use]
    pub const fn grant(&self) -> Option<GrantId> {
        match self {
            Self::Access(handle) => Some(GrantId(handle.id)),
            Self::Refresh(handle) => Some(GrantId(handle.id)),
            Self::Jwt(_) | Self::Unknown => None,
        }
    }
}
