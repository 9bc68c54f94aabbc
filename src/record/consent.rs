//! What a subject has allowed a client.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::protocol::{Resource, Scope, Timestamp};

/// One record for each client and subject.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Consent {
    /// What was allowed, one entry for each redirect URI and set of resources.
    pub entries: Vec<ConsentEntry>,
}

/// What was allowed at one redirect URI for one set of resources.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsentEntry {
    /// Where answers go, exactly as registered.
    pub redirect_uri: Arc<str>,
    /// The resources, sorted; empty means the issuer itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// Everything allowed so far.
    pub scope: Scope,
    /// When it was last confirmed.
    pub given_at: Timestamp,
    /// Until when it counts.
    pub valid_until: Timestamp,
}
