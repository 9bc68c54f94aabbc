//! Resource owner password credentials (RFC 6749 §4.3), which nobody should use (RFC 9700 §2.4): the client sees the
//! user's password. Use the authorization code instead, or the device grant where there is no browser.
//!
//! ```text
//! user            client                      server                    host
//!   │── name, password ──►│── POST /token ───────►│── does it match? ─────►│
//!   │                     │◄── tokens ────────────│◄── this user's ────────│
//! ```
//!
//! It exists for the profile `oidc_compat` with the feature `legacy-password`, and only where the host has a
//! [`PasswordVerifier`](crate::host::PasswordVerifier). Everything else is checked before a guess is counted, and every
//! guess is counted before it is judged.

use super::issue::TokenPlan;
use super::{begin, life, target};
use crate::client::Credentials;
use crate::protocol::{Digest, GrantType, Reason, Resource, Scope};
use crate::record::facts::Counter;
use crate::record::password::{PasswordAttempt, PasswordVerdict};
use crate::record::{Context, Decide, Decision, Facts, Halt, Id};

/// A token request with `grant_type=password`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PasswordRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `username` and `password`.
    pub attempt: PasswordAttempt,
    /// `scope`; absent means everything the client may have.
    pub scope: Option<Scope>,
    /// `resource`, sorted.
    pub resources: Vec<Resource>,
}

impl Decide for PasswordRequest {
    type Plan = TokenPlan;

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        let client = life::acting_client(&self.credentials, facts, cx)?;
        if !client.may_use(&GrantType::Password) {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        let scope = begin::granted_scope(self.scope.as_ref(), client, cx)?;
        let target = target::resolve(&self.resources, client, facts, cx)?;
        self.count(facts, cx)?;
        let PasswordVerdict::Right(subject) = facts.password(&self.attempt)? else {
            return Err(Reason::PasswordWrong.into());
        };
        let beginning = begin::Beginning {
            grant_type: GrantType::Password,
            subject: Some(subject.clone()),
            scope,
            target,
            refreshable: true,
            exchange: None,
        };
        begin::with_tokens(beginning, client, facts, cx)
    }
}

impl PasswordRequest {
    /// Counts a guess, a right one too: of any name from this address, of this name from there, and of this name from wherever.
    /// In this order, so that made-up names get few fresh counters, and what one address may not try keeps nobody else out.
    fn count(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let name = Id(Digest::key_of(&["username", self.attempt.username.expose()]));
        for counter in [
            Counter::Passwords(None, cx.address),
            Counter::Passwords(Some(name), cx.address),
            Counter::PasswordsFromEverywhere(name),
        ] {
            facts.within_limit(&counter, Reason::PasswordGuessesExhausted)?;
        }
        Ok(())
    }
}
