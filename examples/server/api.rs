//! The demo API: `GET /api/me` says whose token it was sent. It takes opaque tokens of the issuer and JWTs for the
//! demo resource, and asks the authorization server in this process whether they live.

use std::sync::Arc;

use axum::Json;
use axum::body::Body;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use grantor::endpoint::resource::ResourceCheck;
use grantor::grant::resolve::LiveToken;
use grantor::protocol::{Reason, Scope};
use grantor::resource_server::{Challenge, bearer};
use grantor::token::PresentedToken;
use http::{HeaderMap, header};
use serde_json::{Value, json};

use crate::app::App;

/// What a token must allow to be taken here.
const SCOPE: &str = "api:read";

/// `GET /api/me`.
pub(crate) async fn me(State(app): State<Arc<App>>, headers: HeaderMap) -> Response {
    match check(&app, &headers).await {
        Ok(token) => ([(header::CACHE_CONTROL, "no-store")], Json(about(&app, &token))).into_response(),
        Err(challenge) => challenge.parameter("realm", "demo API").response::<Body>(),
    }
}

async fn check(app: &App, headers: &HeaderMap) -> Result<LiveToken, Challenge> {
    let values = headers.get_all(header::AUTHORIZATION).iter().map(|value| value.as_bytes());
    let token = bearer::read(values).map_err(|fault| Challenge::new(fault.into()))?;
    let scope = Scope::parse(SCOPE).map_err(|_| Challenge::new(Reason::Bug))?;
    let token = PresentedToken::read(token);
    // JWTs are for the resource that this API is; opaque tokens are for the issuer.
    let resource = app.resource.clone().filter(|_| matches!(token, PresentedToken::Jwt(_)));
    let asked = ResourceCheck { token, resource, scope: scope.clone() };
    app.server.check(&asked).await.map_err(|error| match error.reason() {
        reason @ Reason::BearerScope => Challenge::new(reason).scope(&scope),
        reason => Challenge::new(reason),
    })
}

fn about(app: &App, token: &LiveToken) -> Value {
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
