//! Where the parameters of an authorization request come from.
//!
//! ```text
//! neither request nor request_uri ──────────────────────────────────────► the request itself
//! request ──────────────────► the object ─► decrypted ─► is it the client's? ─► its claims, and nothing else
//! request_uri ─► registered? ─► fetched ─┘                        └ no ─► the request itself, with a fault
//! ```
//!
//! Of what stands beside an object only `client_id` counts, and `response_type` if it is there: they must be those of the
//! object. The rest anyone may have written (RFC 9101 §6.3), and it is read only as far as no parameter may stand there
//! twice or be too long (RFC 6749 §3.1). Where the object cannot be trusted, the fault is answered to
//! the redirect URI that stands beside it, if it is registered.

use std::borrow::Cow;

use serde_json::Value;
use url::Url;

use super::request::AuthorizationRequest;
use crate::client::request_object::{self, MAX_URI_BYTES};
use crate::jose::Claims;
use crate::protocol::params::MAX_PARAMS;
use crate::protocol::{OAuthError, Params, Reason};
use crate::record::{Client, Context, Facts, Halt};

/// The request that counts; one whose object cannot be trusted is itself, with a fault.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing; an error page for a fault that no redirect URI stands beside.
pub(super) fn resolve<'r>(
    outer: &'r AuthorizationRequest<'r>,
    client: &Client,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Cow<'r, AuthorizationRequest<'r>>, Halt> {
    if outer.fault.is_some() {
        return Ok(Cow::Borrowed(outer));
    }
    match from_object(outer, client, facts, cx) {
        Ok(None) => Ok(Cow::Borrowed(outer)),
        Ok(Some(inner)) => Ok(Cow::Owned(inner)),
        Err(Halt::Refuse(error)) if outer.redirect_uri.is_some() => {
            Ok(Cow::Owned(AuthorizationRequest { fault: Some(error), ..outer.clone() }))
        }
        Err(halt) => Err(halt),
    }
}

fn from_object(
    outer: &AuthorizationRequest<'_>,
    client: &Client,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Option<AuthorizationRequest<'static>>, Halt> {
    let object = match (&outer.request, &outer.request_uri) {
        (Some(_), _) if !cx.settings.takes_request_objects() => {
            return Err(Reason::RequestObjectUnsupported.into());
        }
        (Some(object), _) => object.expose(),
        (None, Some(uri)) => behind(uri, client, facts, cx)?,
        (None, None) if client.request_objects.required => return Err(Reason::RequestObjectMissing.into()),
        (None, None) => return Ok(None),
    };
    let object = request_object::open(object, client, facts, cx)?;
    let claims = request_object::verify(&object, client, facts, cx)?;
    Ok(Some(read(outer, &claims, cx)?))
}

/// The object behind a URI that the client registered (OpenID Connect Core §6.2).
fn behind<'f>(uri: &str, client: &Client, facts: &'f Facts, cx: &Context<'_>) -> Result<&'f str, Halt> {
    if !cx.settings.remote_requests {
        return Err(Reason::RequestUriUnsupported.into());
    }
    let invalid = |why: &str| OAuthError::new(Reason::RequestUriInvalid).detail(why);
    if uri.len() > MAX_URI_BYTES || !client.request_objects.lists(uri) {
        return Err(invalid("it is not registered").into());
    }
    let url = Url::parse(uri).map_err(|_| invalid("it is no URL"))?;
    Ok(facts.request_object(&url)?.map_err(invalid)?)
}

/// The request that an object makes.
fn read(
    outer: &AuthorizationRequest<'_>,
    claims: &Claims,
    cx: &Context<'_>,
) -> Result<AuthorizationRequest<'static>, OAuthError> {
    let fault = |rule: &str| OAuthError::new(Reason::RequestObjectClaims).detail(rule);
    // OpenID Connect lets an object leave out what must stand beside it anyway (Core §6.1).
    match claims.get("client_id") {
        Some(Value::String(id)) if *id == outer.client_id => {}
        None if cx.settings.takes_unsecured_requests() => {}
        _ => return Err(fault("client_id is not that of the request")),
    }
    if ["request", "request_uri"].iter().any(|name| claims.get(name).is_some()) {
        return Err(fault("a request object holds no other"));
    }
    if claims.members().len() > MAX_PARAMS {
        return Err(fault("it has too many members"));
    }
    let mut pairs = vec![("client_id".to_owned(), outer.client_id.to_string())];
    for (name, value) in claims.members().iter().filter(|(name, _)| *name != "client_id") {
        let values = match value {
            Value::Array(values) if Params::may_repeat(name) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        for value in values {
            pairs.push((name.to_owned(), text(value).ok_or_else(|| fault("a member is null"))?));
        }
    }
    let inner = AuthorizationRequest::read(Params::from_pairs(pairs));
    let inner = inner.map_err(|error| fault(&error.to_string()))?;
    match (&outer.response_type, &inner.response_type) {
        (Some(beside), Some(within)) if beside != within => {
            Err(fault("response_type is not that of the request"))
        }
        _ => Ok(inner),
    }
}

/// A member as a parameter: text as it is, anything else as JSON (RFC 9101 §4).
fn text(value: &Value) -> Option<String> {
    match value {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        value => Some(value.to_string()),
    }
}
