//! What a response type hands out once the user has allowed it (OAuth 2.0 Multiple Response Type Encoding Practices,
//! OpenID Connect Core §3).
//!
//! ```text
//! code                   code
//! id_token               ID token
//! code id_token          code, ID token with c_hash
//! id_token token         access token, ID token with at_hash
//! code token             code, access token
//! code id_token token    code, access token, ID token with both
//! none                   nothing: that the user allowed it is the answer
//! ```

use super::decide::Step;
use super::response::{AuthorizationResponse, FrontTokens, still_registered};
use crate::grant::{issue, life, target};
use crate::protocol::{GrantType, Reason, Scope};
use crate::record::grant::{Grant, Redeemable};
use crate::record::interaction::{PendingRequest, SignedIn};
use crate::record::{Client, Context, Decision, Event, EventKind, Facts, GrantId, Halt};
use crate::token::{Handle, HandleKind, user_claims};

/// Begins a grant and answers with what the response type asks for.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing; an error page when the redirect URI is no longer registered.
pub(super) fn grant(
    request: &PendingRequest,
    client: &Client,
    login: &SignedIn,
    scope: &Scope,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Decision<Step>, Halt> {
    let uri = still_registered(request, client).ok_or(Reason::RedirectUriUnregistered)?;
    let client_epoch = life::standing(facts.client_state(cx.namespace().client_state(&client.id))?).epoch;
    let response_type = request.response_type;
    let id = GrantId(cx.id());
    let mut grant = begun(request, client, client_epoch, login, scope, cx);
    let mut response = AuthorizationResponse::new(uri, request.response_mode);
    if response_type.has_code() {
        let code = Handle { id: id.0, secret: cx.random.code_secret() };
        grant.redeemable = Some(Box::new(redeemable(request, &code, cx)));
        response.parameters.push(("code", code.encode(HandleKind::Code)));
    }
    let mut front = FrontTokens::default();
    if response_type.has_token() {
        let target = target::resolve(&request.resources, client, facts, cx)?;
        let scope = target.narrow(scope);
        let (token, expires_in) = issue::access_token(&mut grant, id, client, &scope, &target, cx)?;
        front.access_token = Some((token, expires_in, scope));
    }
    if response_type.has_id_token() {
        let nonce = request.nonce.as_deref();
        let only = !response_type.has_code() && !response_type.has_token();
        let id_token = issue::id_token(&grant, client, scope, nonce, only, facts, cx)?;
        front.id_token = if only { id_token } else { id_token.map(|plan| plan.of_grant(id, cx)) };
    }
    let signs = front.access_token.is_some() || front.id_token.is_some();
    response.to_sign = signs.then(|| Box::new(front));
    response.close(request.state.as_deref(), cx);

    let mut batch = cx.batch();
    let remembered = response_type.has_code() || response_type.has_token();
    if remembered {
        batch.put = vec![life::put(id, grant, cx)];
    }
    let issued = [
        (response_type.has_code(), EventKind::CodeIssued),
        (response_type.has_token() || response_type.has_id_token(), EventKind::TokensIssued),
    ];
    let event = |(_, kind)| {
        let event = Event::new(kind).client(&client.id).subject(Some(&login.subject));
        if remembered { event.grant(id) } else { event }
    };
    let events = issued.into_iter().filter(|(is_issued, _)| *is_issued).map(event).collect();
    Ok(Decision { batch, outcome: Ok(Step::respond(response)), events })
}

fn begun(
    request: &PendingRequest,
    client: &Client,
    client_epoch: u64,
    login: &SignedIn,
    scope: &Scope,
    cx: &Context<'_>,
) -> Grant {
    let grant_type = match request.response_type.has_code() {
        true => GrantType::AuthorizationCode,
        false => GrantType::Implicit,
    };
    Grant {
        resources: request.resources.clone(),
        claims: request
            .claims
            .as_deref()
            .map(|claims| Box::new(user_claims::allowed(claims, &request.scope, scope))),
        ..Grant::begun(grant_type, client.id.clone(), client_epoch, request.scope.clone(), cx.now)
            .allowed_by(login, scope)
    }
}

fn redeemable(request: &PendingRequest, code: &Handle, cx: &Context<'_>) -> Redeemable {
    Redeemable {
        digest: code.digest(HandleKind::Code),
        valid_until: cx.now.plus(cx.settings.lifetimes.code),
        spent: false,
        redirect_uri: Some(request.redirect_uri.clone()),
        redirect_uri_named: request.redirect_uri_named,
        code_challenge: request.code_challenge,
        nonce: request.nonce.clone(),
    }
}
