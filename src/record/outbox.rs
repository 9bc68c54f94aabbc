//! A message that has to reach another server.

use serde::{Deserialize, Serialize};

use super::grant::Nonce;
use super::key::{GrantId, SessionId};
use crate::protocol::{ClientId, SubjectId, Timestamp};

/// A message that waits until it is delivered. It is written in the same batch as the change it tells of, and ends by
/// being deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbox {
    /// Who is told. Where the message goes stands in the registration.
    pub client: ClientId,
    /// What.
    pub message: Message,
    /// How often it was sent in vain.
    pub attempts: u32,
    /// When it is sent again.
    pub due_at: Timestamp,
    /// From when on it is no use any more.
    pub valid_until: Timestamp,
}

/// What a client is told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
#[non_exhaustive]
pub enum Message {
    /// A session has ended (OpenID Connect Back-Channel Logout §2.5).
    Logout {
        /// Whose.
        subject: SubjectId,
        /// The session, as the client's ID tokens named it.
        session: SessionId,
    },
    /// The user of a grant has answered (CIBA Core §10.2).
    Answered {
        /// Which grant.
        grant: GrantId,
    },
    /// The user of a grant has allowed it: these are its tokens (CIBA Core §10.3).
    Tokens {
        /// Which grant.
        grant: GrantId,
        /// What it takes to issue them again.
        issue: Issue,
    },
    /// The user of a grant has refused (CIBA Core §12).
    Denied {
        /// Which grant.
        grant: GrantId,
    },
    /// The user of a grant has not answered in time (CIBA Core §12): it waits for that, and another takes its place once the user
    /// has.
    Unanswered {
        /// Which grant.
        grant: GrantId,
    },
}

impl Message {
    /// Whether it tells of something that has happened already, and is sent as soon as it is written.
    #[must_use]
    pub const fn is_news(&self) -> bool {
        !matches!(self, Self::Unanswered { .. })
    }
}

/// What it takes, besides the server's own secret, to issue once more the tokens that a client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// Makes this issue unlike any other.
    pub nonce: Nonce,
    /// When they were issued.
    pub issued_at: Timestamp,
}
