//! Which path leads where.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::middleware;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::{StatusCode, header};

use crate::app::App;
use crate::{api, consent, controls, device, home, inbox, login, logout, tv, visit};

const STYLE: &[u8] = include_bytes!("assets/style.css");
const TV_SCRIPT: &[u8] = include_bytes!("assets/tv.js");
const ICON: &[u8] = include_bytes!("assets/icon.svg");

/// Every path of the server: the library's endpoints, this host's pages, the demo API.
pub(crate) fn router(app: &Arc<App>, test_controls: bool) -> Router {
    let pages: Router<Arc<App>> = Router::new()
        .route("/", get(home::show))
        .route("/login", get(login::show).post(login::submit))
        .route("/continue", post(login::go_on))
        .route("/consent", get(consent::show).post(consent::submit))
        .route("/device", get(device::show).post(device::submit))
        .route("/inbox", get(inbox::show).post(inbox::submit))
        .route("/tv", get(tv::show).post(tv::begin))
        .route("/tv/poll", post(tv::poll))
        .route("/revoke-access", post(home::revoke_access))
        .route("/sign-out", post(login::as_somebody_else))
        .route("/logged-out", get(logout::logged_out))
        .route("/assets/style.css", get(|| asset("text/css; charset=utf-8", STYLE)))
        .route("/assets/tv.js", get(|| asset("text/javascript; charset=utf-8", TV_SCRIPT)))
        .route("/assets/icon.svg", get(|| asset("image/svg+xml", ICON)))
        .route("/healthz", get(health))
        .route("/api/me", get(api::me));
    let pages = if test_controls { pages.merge(controls::router()) } else { pages };
    pages
        .fallback(|| plain(StatusCode::NOT_FOUND, "There is nothing here.\n"))
        .method_not_allowed_fallback(|| plain(StatusCode::METHOD_NOT_ALLOWED, "Not with this method.\n"))
        .layer(middleware::map_response_with_state(Arc::clone(app), visit::error_page))
        .with_state(Arc::clone(app))
        .merge(grantor::http::axum::router(&app.http))
}

/// Whether the server can do its work: its store answers.
async fn health(State(app): State<Arc<App>>) -> Response {
    let key = app.server.settings().namespace.key_ring();
    match app.store.load(&[key]).await {
        Ok(_) => plain(StatusCode::OK, "ok\n").await,
        Err(error) => {
            tracing::warn!(%error, "unhealthy");
            plain(StatusCode::SERVICE_UNAVAILABLE, "the store is unavailable\n").await
        }
    }
}

async fn asset(content_type: &'static str, bytes: &'static [u8]) -> Response {
    let headers = [
        (header::CONTENT_TYPE, content_type),
        (header::CACHE_CONTROL, "public, max-age=300"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, bytes).into_response()
}

async fn plain(status: StatusCode, text: &'static str) -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (status, headers, text).into_response()
}
