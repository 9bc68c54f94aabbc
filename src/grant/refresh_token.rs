//! Using a refresh token (RFC 6749 §6, RFC 9700 §4.14.2).
//!
//! ```text
//! presented                          answer
//! live                               successor (or itself) + access token
//! just retired, successor unused     within the window: the same successor + access token, a few times
//!                                    once that was often enough: nothing happens
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
use crate::record::{Client, Context, Decide, Decision, Event, EventKind, Facts, GrantId, Halt, Id};
use crate::token::RefreshHandle;
use smallvec::smallvec;

/// A token request with `grant_type=refresh_token`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefreshTokenRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `refresh_token`; `None` when its text cannot be one of ours.
    pub refresh_token: Option<RefreshHandle>,
    /// `scope`; absent means what was granted.
    pub scope: Option<Scope>,
    /// `resource`, sorted; none means those granted.
    pub resources: Vec<Resource>,
}

impl Decide for RefreshTokenRequest {
    type Plan = TokenPlan;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let grant = self.refresh_token.as_ref().map(|token| cx.namespace().grant(GrantId(token.id)));
        self.credentials.read_ahead(&[grant], facts, cx)?;
        life::read_ahead(grant, facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        let client = life::acting_client(&self.credentials, facts, cx)?;
        if !client.may_use(&GrantType::RefreshToken) {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        let presented = self.refresh_token.as_ref().ok_or(Reason::RefreshTokenMalformed)?;
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
        let (refresh, refresh_token) = match recognise(presented, family, cx) {
            Presented::Live => rotate(presented, family, client, cx)?,
            Presented::Retry(successor) => again(family, &successor),
            Presented::Retired => {
                return Ok(life::end(
                    id,
                    grant.record,
                    EndReason::Replayed,
                    Reason::RefreshTokenReplayed,
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
        if let Some(family) = after.refresh.as_deref_mut() {
            *family = refresh;
        }
        let (access_token, expires_in) = issue::access_token(&mut after, id, client, &scope, &target, cx)?;
        let event = Event::new(EventKind::TokensRefreshed)
            .client(&client.id)
            .subject(after.subject.as_ref().map(|subject| &subject.id))
            .grant(id);
        let mut batch = cx.batch();
        batch.put = vec![life::put(id, after, cx)];
        // Of an exchanged grant nobody has signed in to this client.
        let id_token = match grant.record.exchange {
            None => issue::id_token(grant.record, client, &scope, None, false, facts, cx)?,
            Some(_) => None,
        };
        let plan = TokenPlan {
            access_token,
            expires_in,
            scope,
            refresh_token: Some(refresh_token),
            id_token: id_token.map(|plan| plan.of_grant(id, cx)),
            issued_token_type: None,
        };
        Ok(Decision { batch, outcome: Ok(plan), events: smallvec![event] })
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

/// Replaces the live token where this client's rotate, and keeps it where they do not.
fn rotate(
    live: &RefreshHandle,
    family: &RefreshState,
    client: &Client,
    cx: &Context<'_>,
) -> Result<(RefreshState, Secret), Reason> {
    let idle_until = issue::idle_until(family.valid_until, client, cx);
    if !issue::rotates(client, cx) {
        let kept = RefreshState { idle_until, retry: None, ..family.clone() };
        return Ok((kept, live.encode()));
    }
    if family.generation == u32::MAX {
        return Err(Reason::RefreshTokenExpired);
    }
    let nonce = Nonce(Id(cx.random.nonce()));
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

impl RefreshTokenRequest {
    /// What was asked, out of what was granted and is still allowed to the client.
    fn scope(&self, grant: &Grant, client: &Client, cx: &Context<'_>) -> Result<Scope, Halt> {
        let allowed = life::scope_left(&grant.scope, client, cx);
        match &self.scope {
            None => Ok(allowed),
            Some(asked) if asked.is_subset(&allowed) => Ok(asked.clone()),
            Some(_) => Err(Reason::ScopeBeyondGrant.into()),
        }
    }
}
