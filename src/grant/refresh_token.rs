//! Using a refresh token (RFC 6749 §6, RFC 9700 §4.14.2).
//!
//! ```text
//! presented                          answer
//! live                               successor (or itself) + access token
//! just retired, successor unused     within the window: the same successor + access token, a few times
//! just retired, otherwise            the grant ends
//! older                              the grant ends
//! tag wrong, client wrong            nothing happens
//! ```
//!
//! Which token is older is told by its generation, never by a clock. The tag proves that a token was once issued;
//! only the digest of its secret makes one live.

use super::issue::{self, TokenPlan};
use super::{life, target};
use crate::client::Credentials;
use crate::jose::Purpose;
use crate::protocol::{GrantType, Reason, Resource, Scope, Secret};
use crate::record::grant::{EndReason, Grant, GrantStatus, Nonce, RefreshState, Retry};
use crate::record::{Client, Context, Decide, Decision, Event, EventKind, Facts, GrantId, Halt, Id, Need};
use crate::token::handle::peek;
use crate::token::{HandleKind, RefreshHandle};

/// A token request with `grant_type=refresh_token`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshTokenRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `refresh_token`.
    pub refresh_token: Secret,
    /// `scope`; absent means what was granted.
    pub scope: Option<Scope>,
    /// `resource`, sorted; none means those granted.
    pub resources: Vec<Resource>,
}

impl Decide for RefreshTokenRequest {
    type Plan = TokenPlan;

    fn hints(&self, cx: &Context<'_>) -> Vec<Need> {
        let id = peek(HandleKind::RefreshToken, self.refresh_token.expose());
        self.credentials.hints(id.map(|id| cx.namespace().grant(GrantId(id))), cx)
    }

    fn further_hints(&self, facts: &Facts, cx: &Context<'_>) -> Vec<Need> {
        life::hints(facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        let client = life::acting_client(&self.credentials, facts, cx)?;
        if !client.may_use(GrantType::RefreshToken) {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        let presented =
            RefreshHandle::decode(self.refresh_token.expose()).ok_or(Reason::RefreshTokenMalformed)?;
        let id = GrantId(presented.id);
        let grant = facts.grant(cx.namespace().grant(id))?.ok_or(Reason::RefreshTokenUnknown)?;
        let family = grant.record.refresh.as_deref().ok_or(Reason::RefreshTokenUnknown)?;
        if !presented.was_issued_under(&family.tag_key) {
            return Err(Reason::RefreshTokenUnknown.into());
        }
        if grant.record.client != client.id {
            return Err(Reason::RefreshTokenOtherClient.into());
        }
        if grant.record.status != GrantStatus::Active {
            return Err(Reason::GrantEnded.into());
        }
        let (refresh, refresh_token) = match recognise(&presented, family, cx) {
            Presented::Live => self.rotate(&presented, family, client, cx)?,
            Presented::Retry(successor) => again(family, &successor),
            Presented::Retired => {
                return Ok(life::end(
                    id,
                    &grant,
                    EndReason::Replayed,
                    Reason::RefreshTokenReplayed,
                    facts,
                    cx,
                ));
            }
            Presented::RetriesExhausted => return Err(Reason::RefreshTokenRetriesExhausted.into()),
            Presented::Unknown => return Err(Reason::RefreshTokenUnknown.into()),
        };
        if family.valid_until.is_past(cx.now) || family.idle_until.is_past(cx.now) {
            return Err(Reason::RefreshTokenExpired.into());
        }
        if let Some(reason) = life::obstacle(grant.record, facts, cx)? {
            return Err(reason.into());
        }
        let scope = self.scope(grant.record, client, cx)?;
        let resources = target::within_grant(&self.resources, &grant.record.resources)?;
        let target = target::resolve(&resources, client, facts, cx)?;
        let scope = target.narrow(&scope);

        let mut after = grant.record.clone();
        after.refresh = Some(Box::new(refresh));
        let (access_token, expires_in) = issue::access_token(&mut after, id, &scope, &target, cx);
        let event = Event::new(EventKind::TokensRefreshed)
            .client(&client.id)
            .subject(after.subject.as_ref().map(|subject| &subject.id))
            .grant(id);
        let mut batch = cx.batch();
        life::write(&mut batch, id, &grant, after, facts, cx);
        let plan = TokenPlan { access_token, expires_in, scope, refresh_token: Some(refresh_token) };
        Ok(Decision { batch, outcome: Ok(plan), events: vec![event] })
    }
}

/// What a refresh token with a right tag turns out to be.
enum Presented {
    /// The live one.
    Live,
    /// The one that the live one replaced, asked for again in time: this is the live one.
    Retry(RefreshHandle),
    /// The one that the live one replaced, asked for in time but too often.
    RetriesExhausted,
    /// An older one, or asked for too late.
    Retired,
    /// None that this family issued.
    Unknown,
}

fn recognise(presented: &RefreshHandle, family: &RefreshState, cx: &Context<'_>) -> Presented {
    if presented.generation == family.generation {
        return if presented.digest() == family.digest { Presented::Live } else { Presented::Unknown };
    }
    if presented.generation > family.generation {
        return Presented::Unknown;
    }
    let Some(retry) = &family.retry else { return Presented::Retired };
    let successor = successor(presented, retry.nonce, family, cx);
    if successor.generation != family.generation || successor.digest() != family.digest {
        return Presented::Retired;
    }
    let window = cx.settings.refresh.retry_window;
    // A window of zero stays shut when the clock goes back.
    if window.as_secs() == 0 || retry.rotated_at.plus(window).is_past(cx.now) {
        return Presented::Retired;
    }
    if retry.uses >= cx.settings.refresh.retries {
        return Presented::RetriesExhausted;
    }
    Presented::Retry(successor)
}

/// The token that replaces `retired`: derived, so that a lost response can be given again, from the retired token
/// (which only the client has), a nonce (which only the record has) and the server's key (which neither has).
fn successor(
    retired: &RefreshHandle,
    nonce: Nonce,
    family: &RefreshState,
    cx: &Context<'_>,
) -> RefreshHandle {
    let generation = retired.generation.saturating_add(1);
    let parts: [&[u8]; 4] = [&retired.id.0, &generation.to_be_bytes(), &retired.secret, &nonce.0.0];
    let secret = cx.settings.sealer.mac(Purpose::RefreshSuccessor, &parts);
    RefreshHandle::new(retired.id, generation, secret, &family.tag_key)
}

/// The same successor once more.
fn again(family: &RefreshState, successor: &RefreshHandle) -> (RefreshState, Secret) {
    let mut family = family.clone();
    if let Some(retry) = &mut family.retry {
        retry.uses = retry.uses.saturating_add(1);
    }
    (family, successor.encode())
}

impl RefreshTokenRequest {
    /// Replaces the live token where this client's rotate, and keeps it where they do not.
    fn rotate(
        &self,
        live: &RefreshHandle,
        family: &RefreshState,
        client: &Client,
        cx: &Context<'_>,
    ) -> Result<(RefreshState, Secret), Reason> {
        let idle_until = issue::idle_until(family.valid_until, client, cx);
        if !issue::rotates(client, cx) {
            let kept = RefreshState { idle_until, retry: None, ..family.clone() };
            return Ok((kept, self.refresh_token.clone()));
        }
        if family.generation == u32::MAX {
            return Err(Reason::RefreshTokenExpired);
        }
        let nonce = Nonce(Id(cx.random.nonce));
        let successor = successor(live, nonce, family, cx);
        let rotated = RefreshState {
            generation: successor.generation,
            digest: successor.digest(),
            tag_key: family.tag_key,
            idle_until,
            valid_until: family.valid_until,
            retry: Some(Retry { nonce, rotated_at: cx.now, uses: 0 }),
        };
        Ok((rotated, successor.encode()))
    }

    /// What was asked, out of what was granted and is still allowed to the client.
    fn scope(&self, grant: &Grant, client: &Client, cx: &Context<'_>) -> Result<Scope, Halt> {
        let allowed = grant.scope.intersection(&client.scope).intersection(&cx.settings.scope);
        match &self.scope {
            None => Ok(allowed),
            Some(asked) if asked.is_subset(&allowed) => Ok(asked.clone()),
            Some(_) => Err(Reason::ScopeBeyondGrant.into()),
        }
    }
}
