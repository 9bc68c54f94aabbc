//! Introspection (RFC 7662): what a token is, told to those it concerns.
//!
//! The token's own client may ask, and a client registered as the resource server of its audience. Everyone else,
//! and every token that is not alive, gets `{"active":false}` and nothing more (RFC 7662 §2.2).

use std::sync::Arc;

use super::token::{refuse_faults, required};
use crate::client::Credentials;
use crate::grant::life;
use crate::grant::resolve::{self, LiveToken, Recognised};
use crate::protocol::json::Object;
use crate::protocol::{ClientId, Issuer, OAuthError, Params, Reason, Scope};
use crate::record::grant::{Grant, GrantSubject};
use crate::record::{Client, Context, Decide, Decision, Facts, Halt};
use crate::token::claims::write_audience;
use crate::token::subject::seen_by;
use crate::token::{Delegation, PresentedToken, RefreshHandle};

/// A request to the introspection endpoint. `token_type_hint` is not needed: a token tells what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IntrospectionRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `token`.
    pub token: PresentedToken,
}

impl IntrospectionRequest {
    /// Reads the form body and the `Authorization` header.
    ///
    /// # Errors
    /// `invalid_request` or `invalid_client`.
    pub fn read(authorization: Option<&[u8]>, params: &Params<'_>) -> Result<Self, OAuthError> {
        refuse_faults(params)?;
        let credentials = Credentials::read(authorization, params)?;
        Ok(Self { credentials, token: PresentedToken::read(required(params, "token")?) })
    }
}

/// What is answered about a token.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Introspection {
    /// Not alive, or not for the caller to know.
    Inactive,
    /// An access token.
    Access {
        /// What it allows, and where.
        token: Box<LiveToken>,
        /// `sub`: what the client of the token calls the user, whoever asks, as a JWT would say it; the client itself where
        /// it acts for itself.
        subject: Arc<str>,
        /// `act`, `may_act`.
        delegation: Option<Box<Delegation>>,
        /// `iss`.
        issuer: Issuer,
    },
    /// A refresh token.
    Refresh {
        /// `client_id`.
        client: ClientId,
        /// `sub`.
        subject: Option<Arc<str>>,
        /// `scope`.
        scope: Scope,
        /// `exp`.
        expires_at: u64,
        /// `iss`.
        issuer: Issuer,
    },
}

impl Decide for IntrospectionRequest {
    type Plan = Introspection;

    const READ_ONLY: bool = true;

    fn client_id(&self) -> Option<ClientId> {
        Some(self.credentials.client_id.as_str().into())
    }

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        self.credentials.read_ahead(&self.token.records(cx.namespace()), facts, cx)?;
        resolve::read_ahead(&self.token, facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Introspection>, Halt> {
        let caller = life::acting_client(&self.credentials, facts, cx)?;
        if caller.is_public() {
            return Err(Reason::IntrospectionForbidden.into());
        }
        let answer = match resolve::recognise(&self.token, facts, cx)? {
            None => Introspection::Inactive,
            Some(Recognised::Refresh(_, grant, handle)) => refresh(grant.record, &handle, caller, facts, cx)?,
            Some(recognised) => match resolve::live(&recognised, facts, cx)? {
                Some(token) if concerns(&token, caller, &cx.settings.issuer) => access(token, facts, cx)?,
                _ => Introspection::Inactive,
            },
        };
        Ok(Decision::answer(cx, answer))
    }
}

/// The audience of a token that names no resource is the issuer: a client may answer for that, too.
fn concerns(token: &LiveToken, caller: &Client, issuer: &Issuer) -> bool {
    let answers_for = |audience: &str| caller.resource_server_of.iter().any(|own| own.as_str() == audience);
    let is_audience = match token.audience.as_slice() {
        [] => answers_for(issuer.as_str()),
        resources => resources.iter().any(|resource| answers_for(resource.as_str())),
    };
    token.client == caller.id || is_audience
}

fn access(token: LiveToken, facts: &Facts, cx: &Context<'_>) -> Result<Introspection, Halt> {
    let Some(client) = facts.client(token.client.as_str())? else { return Ok(Introspection::Inactive) };
    let subject = match (&token.subject, &token.exchange) {
        (Some(subject), _) => seen_by(client, subject, cx)?.into(),
        (None, Some(exchange)) => exchange.client_acted_for(&client.id).clone().into(),
        (None, None) => client.id.clone().into(),
    };
    let delegation = Delegation::of(token.exchange.as_deref(), client, cx)?.map(Box::new);
    let issuer = cx.settings.issuer.clone();
    Ok(Introspection::Access { token: Box::new(token), subject, delegation, issuer })
}

fn refresh(
    grant: &Grant,
    handle: &RefreshHandle,
    caller: &Client,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Introspection, Halt> {
    let Some(family) = grant.refresh.as_deref() else { return Ok(Introspection::Inactive) };
    if grant.client != caller.id || !resolve::is_live_refresh(grant, handle, facts, cx)? {
        return Ok(Introspection::Inactive);
    }
    let seen = |subject: &GrantSubject| seen_by(caller, &subject.id, cx);
    Ok(Introspection::Refresh {
        client: grant.client.clone(),
        subject: grant.subject.as_ref().map(seen).transpose()?.map(Into::into),
        scope: grant.scope.clone(),
        expires_at: family.idle_until.0,
        issuer: cx.settings.issuer.clone(),
    })
}

impl Introspection {
    /// The answer as JSON (RFC 7662 §2.2).
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut json = Object::new();
        json.flag("active", !matches!(self, Self::Inactive));
        match self {
            Self::Inactive => {}
            Self::Access { token, subject, delegation, issuer } => {
                json.text("iss", issuer.as_str());
                json.text("client_id", token.client.as_str());
                json.text("sub", subject);
                write_audience(&mut json, &token.audience, issuer.as_str());
                json.plain("scope", token.scope.as_str());
                json.plain("token_type", "Bearer");
                json.number("iat", token.issued_at.0);
                json.number("exp", token.valid_until.0);
                if let Some(id) = token.token_id {
                    json.plain("jti", &id.to_string());
                }
                if let Some(authentication) = &token.authentication {
                    json.number("auth_time", authentication.auth_time.0);
                    if let Some(acr) = &authentication.acr {
                        json.text("acr", acr);
                    }
                }
                if let Some(delegation) = delegation {
                    delegation.write(&mut json);
                }
            }
            Self::Refresh { client, subject, scope, expires_at, issuer } => {
                json.text("iss", issuer.as_str());
                json.text("client_id", client.as_str());
                if let Some(subject) = subject {
                    json.text("sub", subject);
                }
                json.plain("scope", scope.as_str());
                json.number("exp", *expires_at);
            }
        }
        json.finish()
    }
}
