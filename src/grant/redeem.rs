//! What the redemption of a single-use artefact ends with, once everything has been checked: it is spent, and tokens are
//! issued for what was granted.

use smallvec::smallvec;

use super::issue::{self, TokenPlan};
use super::{life, target};
use crate::protocol::Resource;
use crate::record::grant::Grant;
use crate::record::{Client, Context, Decision, Event, EventKind, Facts, GrantId, Halt};

/// Spends what a live grant waited to see redeemed, and issues tokens for these of its resources.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing; `invalid_target` when a resource is gone; `invalid_scope` when nothing that was
/// granted is still allowed.
pub fn redeem(
    id: GrantId,
    before: &Grant,
    client: &Client,
    resources: &[Resource],
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Decision<TokenPlan>, Halt> {
    let target = target::resolve(resources, client, facts, cx)?;
    let mut grant = before.clone();
    if let Some(artefact) = grant.redeemable.as_deref_mut() {
        artefact.spent = true;
    }
    let scope = target.narrow(&life::some_scope_left(&grant.scope, client, cx)?);
    let (access_token, expires_in) = issue::access_token(&mut grant, id, client, &scope, &target, cx)?;
    let refresh_token =
        issue::may_refresh(client, cx).then(|| issue::first_refresh_token(&mut grant, id, client, cx));
    let nonce = grant.redeemable.as_ref().and_then(|artefact| artefact.nonce.as_deref());
    let id_token = issue::id_token(&grant, client, &scope, nonce, false, facts, cx)?;
    let event = Event::new(EventKind::TokensIssued)
        .client(&client.id)
        .subject(grant.subject.as_ref().map(|subject| &subject.id))
        .grant(id);
    let mut batch = cx.batch();
    batch.put = vec![life::put(id, grant, cx)];
    let id_token = id_token.map(|plan| plan.of_grant(id, cx));
    let plan =
        TokenPlan { access_token, expires_in, scope, refresh_token, id_token, issued_token_type: None };
    Ok(Decision { batch, outcome: Ok(plan), events: smallvec![event] })
}
