//! Grant types of the host's own (RFC 6749 §4.5).
//!
//! ```text
//! client                       server                              host
//!   │── POST /token ──────────────►│ who asks, may it?                │
//!   │   grant_type=urn:…           │── decide(request) ──────────────►│ pure: permission, refusal,
//!   │                              │◄── a question? ──────────────────│ or a question
//!   │                              │── answer(question) ─────────────►│ async: asked once
//!   │◄── tokens ───────────────────│◄── permission ───────────────────│
//! ```
//!
//! The host says for whom, and within which scope, the client may act; see
//! [`ExtensionGrant`](crate::host::ExtensionGrant). What every grant has to keep is decided here: the client has proved
//! itself, is switched on and registered for the grant type, gets no scope beyond its own and no resource that is not known, and the subject
//! may be acted for.

use std::collections::BTreeMap;

use super::issue::TokenPlan;
use super::{begin, life, target};
use crate::client::Credentials;
use crate::protocol::{ExtensionGrantType, GrantType, OAuthError, Reason, Resource, Scope, Secret};
use crate::record::extension::{ExtensionRequest, Permission};
use crate::record::{Context, Decide, Decision, Facts, Halt};

/// A token request with a `grant_type` of the host's own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionGrantRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `grant_type`.
    pub grant_type: ExtensionGrantType,
    /// What else was sent, by name.
    pub parameters: BTreeMap<String, Secret>,
    /// `scope`; absent means everything the client may have.
    pub scope: Option<Scope>,
    /// `resource`, sorted.
    pub resources: Vec<Resource>,
}

impl Decide for ExtensionGrantRequest {
    type Plan = TokenPlan;

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        let grant_type = GrantType::Extension(self.grant_type.clone());
        let client = life::acting_client(&self.credentials, facts, cx)?;
        if !client.may_use(&grant_type) {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        let scope = begin::granted_scope(self.scope.as_ref(), client, cx)?;
        let target = target::resolve(&self.resources, client, facts, cx)?;
        let request = ExtensionRequest {
            grant_type: &self.grant_type,
            client,
            parameters: &self.parameters,
            scope: &scope,
            resources: &self.resources,
        };
        let decide = cx.settings.extensions.get(&self.grant_type).ok_or(Reason::GrantTypeUnsupported)?;
        let theirs = Context { random: cx.random.for_host(), ..cx.clone() };
        let Permission { subject, scope, refreshable } = decide(&request, facts, &theirs)?;
        if subject.is_none() && client.is_public() {
            return Err(Reason::ClientMustBeConfidential.into());
        }
        let beginning = begin::Beginning { grant_type, subject, scope, target, refreshable, exchange: None };
        begin::with_tokens(beginning, client, facts, cx)
    }
}

/// The refusal of a grant type of the host's own: `invalid_grant`, and why, for the log.
#[must_use]
pub fn refused(why: &str) -> OAuthError {
    OAuthError::new(Reason::ExtensionRefused).detail(why)
}
