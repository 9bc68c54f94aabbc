//! A message that has to reach another server.
//!
//! Several processes may deliver at once, and each message is tried by one at a time: whoever wrote its record last holds a
//! *lease* on it until [`due_at`](Outbox::due_at), named by the version of the record. Whoever finds it due takes the next
//! lease by a conditional write, which only one of them can make.
//!
//! ```text
//!   written, leased to its writer ──► due ──► taken, leased to its taker ──► due ──► … no use any more
//!             │ delivered                               │ delivered                      │
//!             └──────────────► deleted ◄────────────────┴────────────────────────────────┘
//! ```

use std::time::Duration;

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
    /// How often somebody had a lease on it: each of them has tried to deliver it, unless their process died.
    pub attempts: u32,
    /// When the lease on it runs out, so that somebody else may try.
    pub due_at: Timestamp,
    /// From when on it is no use any more.
    pub valid_until: Timestamp,
}

/// How long the first lease on a message lasts; the next ones twice as long each time.
const LEASE: Duration = Duration::from_secs(60);

impl Outbox {
    /// A message that nobody has tried to deliver, and that anybody may from `due_at` on.
    #[must_use]
    pub const fn new(client: ClientId, message: Message, due_at: Timestamp, valid_until: Timestamp) -> Self {
        Self { client, message, attempts: 0, due_at, valid_until }
    }

    /// The same with a lease for whoever writes it: a minute, or twice as long as the one before.
    #[must_use]
    pub fn leased(self, now: Timestamp) -> Self {
        let due_at = now.plus(LEASE.saturating_mul(1 << self.attempts.min(16)));
        Self { attempts: self.attempts.saturating_add(1), due_at, ..self }
    }

    /// Whether it tells of something that has just happened, and its writer is the first to try.
    #[must_use]
    pub const fn is_fresh(&self) -> bool {
        self.attempts == 1 && !matches!(self.message, Message::Unanswered { .. })
    }
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

/// What it takes, besides the server's own secret, to issue once more the tokens that a client is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Issue {
    /// Makes this issue unlike any other.
    pub nonce: Nonce,
    /// When they were issued.
    pub issued_at: Timestamp,
}
