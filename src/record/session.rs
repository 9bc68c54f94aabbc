//! A signed-in browser.

use serde::{Deserialize, Serialize};

use super::grant::Authentication;
use crate::protocol::{Digest, SubjectId, Timestamp};

/// The server's own session with a user's browser. It ends by being deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Session {
    /// Digest of the cookie.
    pub digest: Digest,
    /// Who signed in.
    pub subject: SubjectId,
    /// The subject's epoch at that time; the session is dead once it has moved.
    pub subject_epoch: u64,
    /// How and when.
    pub authentication: Authentication,
    /// Until when the session is valid.
    pub valid_until: Timestamp,
}
