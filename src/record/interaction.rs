//! An authorization request that waits for the user.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::grant::Authentication;
use super::key::SessionId;
use crate::protocol::{ClientId, Digest, Resource, ResponseMode, Scope, SubjectId, Timestamp};

/// The request as it was validated, and how far the user has come. Nothing the browser sends later changes the
/// request. The interaction ends by being deleted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Interaction {
    /// Digest of the cookie of the browser it belongs to.
    pub browser: Digest,
    /// What was asked.
    pub request: PendingRequest,
    /// Who has signed in for it; `None` while the user still has to.
    pub login: Option<SignedIn>,
    /// Until when it can be completed.
    pub valid_until: Timestamp,
}

/// Who is signed in while an interaction goes on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignedIn {
    /// Who.
    pub subject: SubjectId,
    /// The subject's epoch at that time.
    pub subject_epoch: u64,
    /// How and when.
    pub authentication: Authentication,
    /// The session it happened in; `None` where the host keeps its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<SessionId>,
}

/// A validated authorization request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingRequest {
    /// Who asks.
    pub client: ClientId,
    /// Where the answer goes: the URI as it was presented, verified against the registration.
    pub redirect_uri: Arc<str>,
    /// Whether the request named it; if not, it is the only one registered.
    pub redirect_uri_named: bool,
    /// How the answer travels.
    pub response_mode: ResponseMode,
    /// `state`, echoed as received.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<Arc<str>>,
    /// The scope that could be granted.
    pub scope: Scope,
    /// The resources asked for, sorted; empty means the issuer itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<Resource>,
    /// The S256 code challenge.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code_challenge: Option<Digest>,
}
