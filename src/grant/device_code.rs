//! The device authorization grant (RFC 8628): a device that has no browser asks, and its user decides on another.
//!
//! ```text
//!   device                      server                        user's browser
//!     │   device_authorization    │                                  │
//!     │ ────────────────────────► │                                  │
//!     │ device_code, user_code    │                                  │
//!     │ ◄──────────────────────── │                                  │
//!     │                           │                                  │
//!     │  shows user_code and verification_uri, which the user types  │
//!     │ ┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄┄► │
//!     │                           │       login, then user_code      │
//!     │    token (device_code)    │ ◄─────────────────────────────── │
//!     │ ────────────────────────► │   client, scope, user_code: ok?  │
//!     │   authorization_pending   │ ───────────────────────────────► │
//!     │ ◄──────────────────────── │                                  │
//!     │        interval           │          approve or deny         │
//!     │    token (device_code)    │ ◄─────────────────────────────── │
//!     │ ────────────────────────► │                                  │
//!     │  tokens, or access_denied │                                  │
//!     │ ◄──────────────────────── │                                  │
//! ```
//!
//! - the request that begins it: [`endpoint::device_authorization`](crate::endpoint::device_authorization)
//! - the user's side: [`authorize::device`](crate::authorize::device)
//! - the states of the grant, and polling: [`pending`]

use super::issue::TokenPlan;
use super::pending;
use crate::client::Credentials;
use crate::protocol::Resource;
use crate::record::{Context, Decide, Decision, Facts, Halt};
use crate::token::Handle;

/// A token request with `grant_type=urn:ietf:params:oauth:grant-type:device_code` (RFC 8628 §3.4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceCodeRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `device_code`; `None` when its text cannot be one of ours.
    pub device_code: Option<Handle>,
    /// `resource`, sorted.
    pub resources: Vec<Resource>,
}

impl DeviceCodeRequest {
    fn pending(&self) -> pending::Request<'_> {
        pending::Request {
            flow: pending::Flow::Device,
            credentials: &self.credentials,
            code: self.device_code.as_ref(),
            resources: &self.resources,
        }
    }
}

impl Decide for DeviceCodeRequest {
    type Plan = TokenPlan;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        self.pending().read_ahead(facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        self.pending().decide(facts, cx)
    }
}
