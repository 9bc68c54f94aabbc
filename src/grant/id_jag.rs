//! Issuing an Identity Assertion JWT Authorization Grant: an exchange of which the outcome is good at another authorization
//! server, which trusts this one for who its users are.
//!
//! ```text
//! client                     this server                            other authorization server
//!   │  subject_token: its ID or refresh token                          │
//!   │  audience: the other server │                                    │
//!   ├────────────────────────────►│ the host: may it, and who is it there? │
//!   │  ID-JAG                     │                                    │
//!   │◄────────────────────────────┤                                    │
//!   │  grant_type: jwt-bearer, assertion: ID-JAG                       │
//!   ├─────────────────────────────────────────────────────────────────►│
//!   │  access_token                                                    │
//!   │◄─────────────────────────────────────────────────────────────────┤
//! ```
//!
//! Its scope and resources are the other server's: this one does not know them, so that the host says which may be asked
//! for. How such a grant is taken is decided in [`jwt_bearer`](super::jwt_bearer).

use smallvec::smallvec;

use super::issue::{AccessTokenPlan, TokenPlan};
use super::security_token::Proven;
use crate::protocol::{Reason, Scope, TokenType};
use crate::record::exchange::{Exchange, IdJagTerms, Principal, Terms};
use crate::record::{Client, Context, Decision, Event, EventKind, Facts, Halt};
use crate::token::IdJagClaims;
use crate::token::id_jag::LIFETIME;
use crate::token::subject::seen_by;

/// The grant that an allowed exchange is answered with.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing; `invalid_target` when the host does not say who the client is at the other
/// server, `invalid_request` when no user is spoken of.
pub(super) fn issue(
    exchange: &Exchange,
    terms: &Terms,
    proven: &Proven,
    client: &Client,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Decision<TokenPlan>, Halt> {
    let IdJagTerms { audience, client_id, relying_party, claims } =
        terms.id_jag.as_deref().ok_or(Reason::ExchangeTargetRefused)?;
    let subject = proven.subject.as_ref().ok_or(Reason::SubjectTokenInvalid)?;
    // It says who is meant and not who acts for them: the other server would take the one for the other.
    if !proven.presented.actors.is_empty() {
        return Err(Reason::SubjectTokenInvalid.into());
    }
    let known_to = match relying_party {
        Some(id) => facts.client(id.as_str())?.ok_or(Reason::ExchangeTargetRefused)?,
        None => client,
    };
    let most = cx.now.plus(terms.lifetime.map_or(LIFETIME, |most| most.min(LIFETIME)));
    let expires_at = most.min(proven.presented.valid_until);
    let scope: Scope = terms
        .scope
        .as_ref()
        .map_or_else(|| exchange.scope.clone(), |allowed| exchange.scope.intersection(allowed));
    let resources = exchange.within(terms).ok_or(Reason::ExchangeTargetRefused)?;
    let algorithm = *cx.settings.signing_algorithms.first().ok_or(Reason::SigningUnavailable)?;
    let claims = IdJagClaims {
        issuer: cx.settings.issuer.as_str().to_owned(),
        subject: seen_by(known_to, &subject.id, cx)?.as_str().to_owned(),
        audience: audience.clone(),
        client_id: client_id.clone(),
        id: cx.id(),
        issued_at: cx.now,
        expires_at,
        resources,
        scope: scope.clone(),
        authentication: subject.authentication.clone(),
        user: claims.clone(),
    };
    let plan = TokenPlan {
        access_token: AccessTokenPlan::IdJag(Box::new(claims), algorithm),
        expires_in: std::time::Duration::from_secs(expires_at.seconds_from(cx.now)),
        scope,
        refresh_token: None,
        id_token: None,
        issued_token_type: Some(TokenType::IdJag),
    };
    let event = Event::new(EventKind::TokenExchanged)
        .client(&client.id)
        .subject(Some(&subject.id))
        .actor(&Principal::Client(client.id.clone()));
    Ok(Decision { batch: cx.batch(), outcome: Ok(plan), events: smallvec![event] })
}
