//! The check of a bearer token inside this process: is it alive, is it for this API, does it allow enough.

use crate::grant::life;
use crate::grant::resolve::{self, LiveToken};
use crate::protocol::{Reason, Resource, Scope};
use crate::record::{Context, Decide, Decision, Facts, Halt};
use crate::token::PresentedToken;

/// A bearer token that was presented to an API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceCheck {
    /// The token.
    pub token: PresentedToken,
    /// The API; `None` is the issuer itself. A token for another audience is refused (RFC 9068 §4).
    pub resource: Option<Resource>,
    /// What the token must allow.
    pub scope: Scope,
}

impl Decide for ResourceCheck {
    type Plan = LiveToken;

    const READ_ONLY: bool = true;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        resolve::read_ahead(&self.token, facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<LiveToken>, Halt> {
        let token = resolve::live_access_token(&self.token, facts, cx)?.ok_or(Reason::BearerInvalid)?;
        if life::is_gone(&token.client, facts)? {
            return Err(Reason::BearerInvalid.into());
        }
        let for_us = match &self.resource {
            Some(resource) => token.audience.contains(resource),
            None => token.audience.is_empty(),
        };
        if !for_us {
            return Err(Reason::BearerInvalid.into());
        }
        if !self.scope.is_subset(&token.scope) {
            return Err(Reason::BearerScope.into());
        }
        Ok(Decision::answer(cx, token))
    }
}
