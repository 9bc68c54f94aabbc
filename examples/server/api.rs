//! The demo API: `GET /api/me` says whose token it was sent. It takes opaque tokens of the issuer and JWTs for the
//! demo resource, and asks the authorization server in this process whether they live.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use grantor::endpoint::resource::ResourceCheck;
use grantor::grant::resolve::LiveToken;
use grantor::protocol::{OAuthError, Reason, Scope, Secret};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;

use crate::app::App;

/// What a token must allow to be taken here.
const SCOPE: &str = "api:read";

/// `GET /api/me`.
pub(crate) async fn me(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    match check(&app, &headers).await {
        Ok(token) => respond(StatusCode::OK, &about(&app, &token)),
        Err(error) => refuse(&error),
    }
}

async fn check(app: &App, headers: &HeaderMap) -> Result<LiveToken, OAuthError> {
    let token = bearer(headers)?;
    // Only JWTs have dots. They are for the resource that this API is; opaque tokens are for the issuer.
    let resource = app.resource.clone().filter(|_| token.expose().contains('.'));
    let scope = Scope::parse(SCOPE).map_err(|_| Reason::Bug)?;
    app.server.check(&ResourceCheck { token, resource, scope }).await
}

/// The token of the `Authorization` header (RFC 6750 §2.1).
fn bearer(headers: &HeaderMap) -> Result<Secret, OAuthError> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = match (values.next(), values.next()) {
        (None, _) => return Err(Reason::BearerMissing.into()),
        (Some(_), Some(_)) => return Err(Reason::BearerTwice.into()),
        (Some(value), None) => value.to_str().map_err(|_| Reason::BearerMalformed)?,
    };
    match value.split_once(' ') {
        Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => {
            Ok(Secret::new(token.trim()))
        }
        Some((scheme, _)) if scheme.eq_ignore_ascii_case("bearer") => Err(Reason::BearerMalformed.into()),
        None if value.eq_ignore_ascii_case("bearer") => Err(Reason::BearerMalformed.into()),
        _ => Err(Reason::BearerMissing.into()),
    }
}

fn about(app: &App, token: &LiveToken) -> serde_json::Value {
    let user = token.subject.as_ref().and_then(|subject| app.users.by_subject(subject));
    let name = user.filter(|_| token.scope.contains("profile")).and_then(|user| user.claims.get("name"));
    let mut about = json!({
        "sub": token.subject.as_ref().map_or(token.client.as_str(), |subject| subject.as_str()),
        "client_id": token.client.as_str(),
        "scope": token.scope.as_str(),
        "exp": token.valid_until.0,
    });
    if let (Some(name), Some(about)) = (name, about.as_object_mut()) {
        about.insert("name".into(), name.clone());
    }
    about
}

/// A refusal with its challenge (RFC 6750 §3). Who sends no token at all is told nothing but how.
fn refuse(error: &OAuthError) -> Response {
    let status = StatusCode::from_u16(error.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let (code, words) = (error.code().as_str(), error.description());
    let challenge = match error.reason() {
        Reason::BearerMissing => r#"Bearer realm="demo API""#.to_owned(),
        Reason::BearerScope => format!(
            r#"Bearer realm="demo API", error="{code}", error_description="{words}", scope="{SCOPE}""#
        ),
        _ => format!(r#"Bearer realm="demo API", error="{code}", error_description="{words}""#),
    };
    let mut response = match error.reason() {
        Reason::BearerMissing => respond(status, &json!({})),
        _ => respond(status, &json!({ "error": code, "error_description": words })),
    };
    let headers = response.headers_mut();
    match status.as_u16() {
        400 | 401 | 403 => headers
            .extend(HeaderValue::try_from(challenge).map(|challenge| (header::WWW_AUTHENTICATE, challenge))),
        503 => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from(1))),
        _ => {}
    }
    response
}

fn respond(status: StatusCode, body: &serde_json::Value) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, body.to_string()).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reason(values: &[&str]) -> Option<Reason> {
        let pairs = values.iter().map(|value| (header::AUTHORIZATION, value.parse().unwrap()));
        bearer(&pairs.collect()).err().map(|error| error.reason())
    }

    #[test]
    fn one_bearer_token_is_taken_from_the_header() {
        assert_eq!(reason(&["Bearer abc"]), None);
        assert_eq!(reason(&["bearer abc"]), None);
        assert_eq!(reason(&[]), Some(Reason::BearerMissing));
        assert_eq!(reason(&["Basic abc"]), Some(Reason::BearerMissing));
        assert_eq!(reason(&["Bearer "]), Some(Reason::BearerMalformed));
        assert_eq!(reason(&["Bearer"]), Some(Reason::BearerMalformed));
        assert_eq!(reason(&["Bearer a", "Bearer b"]), Some(Reason::BearerTwice));
    }
}
