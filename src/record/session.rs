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
    /// How it is told.
    #[serde(default, skip_serializing_if = "Channel::is_back")]
    pub channel: Channel,
}

/// How a client is told that a session has ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// By this server (OpenID Connect Back-Channel Logout).
    #[default]
    Back,
    /// By the browser, where the user signs out in it (OpenID Connect Front-Channel Logout).
    Front,
    /// By both.
    Both,
}

impl Channel {
    const fn is_back(&self) -> bool {
        matches!(self, Self::Back)
    }
}
