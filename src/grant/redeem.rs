//! What the redemption of a single-use artefact ends with, once everything has been checked: it is spent, and tokens are
//! issued for what was granted.

use super::issue::{self, TokenPlan};
use super::{life, target};
use crate::protocol::Resource;
use crate::record::grant::Grant;
use crate::record::{Client, Context, Decision, Facts, GrantId, Halt};

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
    issue::first_tokens(id, grant, client, (&scope, &target), true, facts, cx)
}
