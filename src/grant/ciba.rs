//! Client-initiated backchannel authentication (CIBA): a client knows its user and asks by itself, and the user decides on a
//! device of their own.
//!
//! ```text
//!   client                        server                          host                     user's device
//!     │    bc-authorize (hint)      │                               │                            │
//!     │ ──────────────────────────► │      who is meant by it?      │                            │
//!     │                             │ ────────────────────────────► │                            │
//!     │  auth_req_id, interval      │           ask them            │          allow?            │
//!     │ ◄────────────────────────── │ ────────────────────────────► │ ─────────────────────────► │
//!     │                             │                               │                            │
//!     │    token (auth_req_id)      │                               │                            │
//!     │ ──────────────────────────► │                               │                            │
//!     │    authorization_pending    │        approve or deny        │         yes or no          │
//!     │ ◄────────────────────────── │ ◄──────────────────────────── │ ◄───────────────────────── │
//!     │    token (auth_req_id)      │                               │                            │
//!     │ ──────────────────────────► │                               │                            │
//!     │  tokens, or access_denied   │                               │                            │
//!     │ ◄────────────────────────── │                               │                            │
//! ```
//!
//! - the request that begins it: [`endpoint::backchannel_authentication`](crate::endpoint::backchannel_authentication)
//! - the host's part: [`host::AuthenticationDevice`](crate::host::AuthenticationDevice)
//! - the answer of the user: [`endpoint::backchannel_answer`](crate::endpoint::backchannel_answer)
//! - the states of the grant, and polling: [`pending`]
//! - a client that wants to be told, or sent its tokens: [`push`](super::push), [`endpoint::outbox`](crate::endpoint::outbox)

use super::issue::TokenPlan;
use super::pending;
use crate::client::Credentials;
use crate::protocol::Resource;
use crate::record::{Context, Decide, Decision, Facts, Halt};
use crate::token::Handle;

/// A token request with `grant_type=urn:openid:params:grant-type:ciba` (CIBA Core §10.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CibaRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `auth_req_id`; `None` when its text cannot be one of ours.
    pub auth_req_id: Option<Handle>,
    /// `resource`, sorted.
    pub resources: Vec<Resource>,
}

impl CibaRequest {
    fn pending(&self) -> pending::Request<'_> {
        pending::Request {
            flow: pending::Flow::Ciba,
            credentials: &self.credentials,
            code: self.auth_req_id.as_ref(),
            resources: &self.resources,
        }
    }
}

impl Decide for CibaRequest {
    type Plan = TokenPlan;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        self.pending().read_ahead(facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        self.pending().decide(facts, cx)
    }
}
