//! A signed-in browser.

use serde::{Deserialize, Serialize};

use super::grant::Authentication;
use crate::protocol::{ClientId, Digest, SubjectId, Timestamp};

/// The server's own session with a user's browser. It ends by being deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Session {
    /// Digest of the cookie, which is another after every login.
    pub digest: Digest,
    /// Who signed in.
    pub subject: SubjectId,
    /// The subject's epoch at that time; the session is dead once it has moved.
    pub subject_epoch: u64,
    /// How and when.
    pub authentication: Authentication,
    /// Until when the session is valid.
    pub valid_until: Timestamp,
    /// The clients that may hold an ID token of it and are told when it ends, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<ClientId>,
}
