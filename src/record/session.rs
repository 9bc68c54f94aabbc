//! A signed-in browser.

use serde::{Deserialize, Serialize};

use super::grant::Authentication;
use super::key::SessionId;
use crate::protocol::{ClientId, Digest, SubjectId, Timestamp};

/// The server's own session with a user's browser. It ends by being deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
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
    /// The clients that are told when it ends, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub clients: Vec<SessionClient>,
}

/// A client that may hold an ID token of a session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SessionClient {
    /// Which.
    pub client: ClientId,
    /// The session that its latest ID token names: this one, or one of the same user that this one replaced.
    pub session: SessionId,
}
