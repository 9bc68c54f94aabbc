//! What is kept beside a grant that waits for its user.

use serde::{Deserialize, Serialize};

use super::key::GrantId;
use crate::protocol::Timestamp;

/// Which grant a user code is of, kept under a keyed digest of the code until the user has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UserCodeEntry {
    /// The grant.
    pub grant: GrantId,
}

/// How a client polls. It is kept apart from the grant, so that no poll is in the way of the user's decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Poll {
    /// When it last asked.
    pub polled_at: Timestamp,
    /// How many seconds it has to wait until it asks again.
    pub interval: u32,
}
