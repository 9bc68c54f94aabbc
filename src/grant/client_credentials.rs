//! Client credentials (RFC 6749 §4.4): a client acts for itself.

use super::issue::{self, AccessTokenPlan, TokenPlan};
use super::{begin, life, target, target::Target};
use crate::client::Credentials;
use crate::protocol::{GrantType, Reason, Resource, Scope};
use crate::record::grant::Grant;
use crate::record::{Client, Context, Decide, Decision, Event, EventKind, Facts, GrantId, Halt, TokenFormat};
use crate::token::claims::TokenId;
use smallvec::smallvec;

/// A token request with `grant_type=client_credentials`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCredentialsRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `scope`; absent means everything the client may have.
    pub scope: Option<Scope>,
    /// `resource`, sorted.
    pub resources: Vec<Resource>,
}

impl Decide for ClientCredentialsRequest {
    type Plan = TokenPlan;

    /// A JWT is issued under the client's standing; an opaque token makes the standing a condition of its commit.
    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        if facts.client(&self.credentials.client_id)?.is_none() {
            return Ok(());
        }
        for resource in &self.resources {
            let server = facts.resource(resource)?;
            if server.is_some_and(|server| matches!(server.format, TokenFormat::Jwt(_))) {
                self.credentials.read_ahead(&[], facts, cx)?;
            }
        }
        Ok(())
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        let client = self.credentials.authenticate(facts, cx)?;
        if !client.may_use(&GrantType::ClientCredentials) {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        if client.is_public() {
            return Err(Reason::ClientMustBeConfidential.into());
        }
        let scope = begin::granted_scope(self.scope.as_ref(), client, cx)?;
        let target = target::resolve(&self.resources, client, facts, cx)?;
        let scope = target.narrow(&scope);
        match target.format {
            TokenFormat::Opaque => opaque(client, &scope, &target, facts, cx),
            TokenFormat::Jwt(_) => recordless(client, &scope, &target, facts, cx),
        }
    }
}

fn opaque(
    client: &Client,
    scope: &Scope,
    target: &Target,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Decision<TokenPlan>, Halt> {
    let mut batch = cx.batch();
    let epoch = life::epoch_for_new(client, &mut batch, facts, cx)?;
    let id = GrantId(cx.id());
    let mut grant = new_grant(client, scope, target, epoch, cx);
    let (access_token, expires_in) = issue::access_token(&mut grant, id, client, scope, target, cx)?;
    batch.put = vec![life::put(id, grant, cx)];
    let plan = TokenPlan {
        access_token,
        expires_in,
        scope: scope.clone(),
        refresh_token: None,
        id_token: None,
        issued_token_type: None,
    };
    let event = Event::new(EventKind::TokensIssued).client(&client.id).grant(id);
    Ok(Decision { batch, outcome: Ok(plan), events: smallvec![event] })
}

/// A JWT that no record remembers: nothing is written.
fn recordless(
    client: &Client,
    scope: &Scope,
    target: &Target,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Decision<TokenPlan>, Halt> {
    let TokenFormat::Jwt(algorithm) = target.format else { return Err(Reason::Bug.into()) };
    let epoch = life::client_enabled(client, facts, cx)?.epoch;
    let grant = new_grant(client, scope, target, epoch, cx);
    let client_epoch = u32::try_from(epoch).map_err(|_| Reason::Bug)?;
    let token_id = TokenId::Recordless { id: cx.id(), client_epoch };
    let claims = issue::claims(&grant, client, scope, target, token_id, cx)?;
    let plan = TokenPlan {
        access_token: AccessTokenPlan::Jwt(Box::new(claims), algorithm),
        expires_in: target.lifetime,
        scope: scope.clone(),
        refresh_token: None,
        id_token: None,
        issued_token_type: None,
    };
    Ok(Decision::answer(cx, plan).event(Event::new(EventKind::TokensIssued).client(&client.id)))
}

fn new_grant(client: &Client, scope: &Scope, target: &Target, client_epoch: u64, cx: &Context<'_>) -> Grant {
    Grant {
        resources: target.resources.clone(),
        ..Grant::begun(GrantType::ClientCredentials, client.id.clone(), client_epoch, scope.clone(), cx.now)
    }
}
