//! Tokens that a client is sent once its user has allowed it, instead of fetching them (CIBA Core §10.3).
//!
//! ```text
//!   host                      server                                           client
//!     │         allow           │                                                │
//!     │ ──────────────────────► │  one commit: Active, spent; message (nonce)    │
//!     │                         │       auth_req_id, tokens                      │
//!     │                         │ ─────────────────────────────────────────────► │
//!     │                         │       no answer                                │
//!     │                         │       the same tokens again, and again         │
//!     │                         │ ─────────────────────────────────────────────► │
//!     │                         │  taken: the message is gone                    │
//!     │                         │  given up: so is the grant, if it was not used │
//! ```
//!
//! Nobody keeps the tokens. All that is random in them follows from a nonce, which only the message has that waits to be
//! delivered, and from the server's own secret, which no record has: so they are issued again, the same, each time they are
//! sent, and once the message is gone nobody can. What is signed is signed anew and says the same.

use std::time::Duration;

use smallvec::SmallVec;

use super::issue::{AccessTokenPlan, TokenPlan};
use super::life;
use super::redeem::redeem;
use crate::jose::Purpose;
use crate::protocol::Timestamp;
use crate::record::decision::Random;
use crate::record::grant::{Grant, Nonce};
use crate::record::outbox::Issue;
use crate::record::{Client, Context, Decision, Facts, GrantId, Halt, Id};
use crate::token::{Handle, HandleKind};

/// Issues the tokens of a grant that has just been allowed, for the first time. With them comes what it takes to issue them
/// again, and until when it is worth while: as long as the first of them is valid.
///
/// # Errors
/// Those of [`redeem`].
pub fn issue(
    id: GrantId,
    allowed: &Grant,
    client: &Client,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<(Decision<TokenPlan>, Issue, Timestamp), Halt> {
    let issue = Issue { nonce: Nonce(Id(cx.random.nonce())), issued_at: cx.now };
    let decision = issued(id, allowed, issue, client, facts, cx)?;
    let access_token = decision.outcome.as_ref().map(|plan| plan.expires_in).unwrap_or_default();
    Ok((decision, issue, cx.now.plus(access_token.min(cx.settings.lifetimes.id_token))))
}

/// The tokens that were issued to a grant, to be sent; `None` when the client has them, the grant may not be used any more, or
/// what it takes to issue the same has changed since.
///
/// # Errors
/// Those of [`redeem`].
pub fn again(
    id: GrantId,
    grant: &Grant,
    issue: Issue,
    client: &Client,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Option<TokenPlan>, Halt> {
    if is_used(grant, issue) || life::obstacle(grant, facts, cx)?.is_some() {
        return Ok(None);
    }
    let allowed = Grant { access: SmallVec::new(), refresh: None, jwts: None, ..grant.clone() };
    let mut plan = issued(id, &allowed, issue, client, facts, cx)?.outcome?;
    plan.expires_in = Duration::from_secs(issue.issued_at.plus(plan.expires_in).seconds_from(cx.now));
    Ok(Some(plan).filter(|plan| lives(&plan.access_token, grant)))
}

/// Whether the client has refreshed what was issued to it: then it has its tokens, whatever it answered when it was sent them.
#[must_use]
pub fn is_used(grant: &Grant, issue: Issue) -> bool {
    let jwts = grant.jwts.as_ref().is_some_and(|own| own.next > 1);
    jwts || grant.access.iter().any(|own| own.issued_at > issue.issued_at)
}

/// The same for the same grant, issue, client and facts.
fn issued(
    id: GrantId,
    allowed: &Grant,
    issue: Issue,
    client: &Client,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Decision<TokenPlan>, Halt> {
    let seed = cx.settings.sealer.mac(Purpose::PushedTokens, &[&id.0.0, &issue.nonce.0.0]);
    let then = Context { now: issue.issued_at, random: Random::from_seed(seed), ..cx.clone() };
    redeem(id, allowed, client, &allowed.resources, facts, &then)
}

/// Whether the grant knows this token as one of its own that is not revoked.
fn lives(token: &AccessTokenPlan, grant: &Grant) -> bool {
    match token {
        AccessTokenPlan::Opaque(text) => Handle::decode(HandleKind::AccessToken, text.expose())
            .map(|handle| handle.digest(HandleKind::AccessToken))
            .is_some_and(|digest| grant.access.iter().any(|own| own.digest == digest)),
        // The first of a grant has the number zero.
        AccessTokenPlan::Jwt(..) => grant.jwts.as_ref().is_some_and(|own| !own.is_dead(0)),
        AccessTokenPlan::IdJag(..) | AccessTokenPlan::IdToken(_) => false,
    }
}
