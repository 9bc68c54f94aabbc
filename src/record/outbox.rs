//! A message that has to reach another server.

use serde::{Deserialize, Serialize};

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
}
