//! What `--test-controls` lets tests on this machine do. Without the flag none of this is there.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use grantor::endpoint::backchannel_answer::{DecideAuthentication, UserAnswer};
use grantor::host::{Clock as _, Signer as _};
use grantor::jose::Algorithm;
use grantor::protocol::{OAuthError, Params, Reason};
use grantor::record::{GrantId, Record};
use grantor::token::{Handle, HandleKind};
use http::{HeaderName, StatusCode, header};
use serde_json::json;

use crate::app::App;
use crate::inbox;

/// No page of another site can send it.
const HEADER: HeaderName = HeaderName::from_static("x-test-control");

/// The paths under `/admin`.
pub(crate) fn router() -> Router<Arc<App>> {
    Router::new()
        .route("/admin/rotate-keys", post(rotate_keys))
        .route("/admin/advance-clock", post(advance_clock))
        .route("/admin/crash", post(crash))
        .route_layer(middleware::from_fn(only_tests_on_this_machine))
        .route("/ciba-sim", get(answer_for_the_user))
}

async fn only_tests_on_this_machine(
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    request: Request,
    next: Next,
) -> Response {
    let asked = request.headers().get(HEADER).is_some_and(|value| value == "1");
    if asked && peer.ip().to_canonical().is_loopback() {
        next.run(request).await
    } else {
        StatusCode::FORBIDDEN.into_response()
    }
}

/// New keys that sign at once; the old ones stay published until the last token they signed has expired.
async fn rotate_keys(State(app): State<Arc<App>>) -> Response {
    let rotated = app.signer.rotate_now().await.map_err(|error| error.to_string());
    let key = match rotated {
        Ok(()) => app.signer.key(Algorithm::Es256).await.map_err(|error| error.to_string()),
        Err(error) => Err(error),
    };
    match key {
        Ok(key) => json(&json!({ "kid": key.kid })),
        Err(error) => (StatusCode::SERVICE_UNAVAILABLE, error).into_response(),
    }
}

/// Puts the clock forward by `?seconds=N`.
async fn advance_clock(State(app): State<Arc<App>>, request: Request) -> Response {
    let query = request.uri().query().unwrap_or_default();
    let seconds = Params::parse(query.as_bytes()).ok().and_then(|query| query.get("seconds")?.parse().ok());
    let Some(seconds) = seconds else {
        return (StatusCode::BAD_REQUEST, "?seconds=N is needed\n").into_response();
    };
    app.clock.advance(seconds);
    tracing::warn!(seconds, "the clock was put forward");
    json(&json!({ "now": app.clock.now().0 }))
}

/// Ends the process at once, as a power cut would: nothing is flushed, nobody is told.
async fn crash() -> Response {
    std::process::abort()
}

/// `?token=AUTH_REQ_ID&type=allow|deny`: the answer of whoever is asked. A certification suite calls it as a person would.
async fn answer_for_the_user(State(app): State<Arc<App>>, request: Request) -> Response {
    let query = Params::parse(request.uri().query().unwrap_or_default().as_bytes()).unwrap_or_default();
    let id = query.get("token").and_then(|token| Handle::decode(HandleKind::AuthReqId, token));
    match (id, query.get("type")) {
        (Some(handle), Some(kind @ ("allow" | "deny"))) => {
            match decide(&app, GrantId(handle.id), kind == "allow").await {
                Ok(()) => (StatusCode::OK, "done\n").into_response(),
                Err(error) => (StatusCode::BAD_REQUEST, format!("{}\n", error.description())).into_response(),
            }
        }
        _ => (StatusCode::BAD_REQUEST, "?token=AUTH_REQ_ID&type=allow|deny is needed\n").into_response(),
    }
}

async fn decide(app: &App, id: GrantId, allow: bool) -> Result<(), OAuthError> {
    let key = app.server.settings().namespace.grant(id);
    let loaded = app.store.load(&[key]).await;
    let mut records = loaded.map_err(|error| OAuthError::new(Reason::StoreUnavailable).detail(error.0))?;
    let record = records.pop().flatten().map(|versioned| versioned.record);
    let Some(Record::Grant(grant)) = record.as_deref() else { return Err(Reason::AlreadyDecided.into()) };
    let subject = grant.asked.as_ref().ok_or(Reason::AlreadyDecided)?.subject.clone();
    let answer = match allow {
        true => UserAnswer::Approve { scope: grant.scope.clone(), authentication: inbox::now(&app.clock) },
        false => UserAnswer::Deny,
    };
    app.server.decide_authentication(&DecideAuthentication { grant: id, subject, answer }).await
}

fn json(body: &serde_json::Value) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body.to_string()).into_response()
}
