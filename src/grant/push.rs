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

use super::issue::TokenPlan;
use super::life;
use super::redeem::redeem;
use crate::jose::Purpose;
use crate::protocol::Timestamp;
use crate::record::decision::Random;
use crate::record::grant::{Grant, Nonce};
use crate::record::outbox::Issue;
use crate::record::{Client, Context, Decision, Facts, GrantId, Halt, Id, Record};
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

/// The tokens that were issued to a grant, to be sent; `None` when the grant may not be used any more or is not what it became
/// when they were issued: then the client has them, or what it takes to issue the same has changed since.
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
    if life::obstacle(grant, facts, cx)?.is_some() {
        return Ok(None);
    }
    let allowed = Grant { access: SmallVec::new(), refresh: None, jwts: None, ..grant.clone() };
    let Decision { batch, outcome, .. } = issued(id, &allowed, issue, client, facts, cx)?;
    if !batch.put.iter().any(|put| matches!(&*put.record, Record::Grant(own) if own == grant)) {
        return Ok(None);
    }
    let mut plan = outcome?;
    plan.expires_in = Duration::from_secs(issue.issued_at.plus(plan.expires_in).seconds_from(cx.now));
    Ok(Some(plan))
}

/// Whether the client has done anything with what was issued to it, refreshed it or revoked a part: then it has its tokens,
/// whatever it answered when it was sent them. The access tokens tell: there is the first one, and no other.
#[must_use]
pub fn is_used(id: GrantId, grant: &Grant, issue: Issue, cx: &Context<'_>) -> bool {
    let first = Handle { id: id.0, secret: random(id, issue, cx).secret() }.digest(HandleKind::AccessToken);
    match (grant.access.as_slice(), &grant.jwts) {
        ([only], None) => only.digest != first,
        ([], Some(jwts)) => jwts.next != 1 || jwts.is_dead(0),
        _ => true,
    }
}

/// All that is random in the tokens of this issue.
fn random(id: GrantId, issue: Issue, cx: &Context<'_>) -> Random {
    Random::from_seed(cx.settings.sealer.mac(Purpose::PushedTokens, &[&id.0.0, &issue.nonce.0.0]))
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
    let then = Context { now: issue.issued_at, random: random(id, issue, cx), ..cx.clone() };
    redeem(id, allowed, client, &allowed.resources, facts, &then)
}
