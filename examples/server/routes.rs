//! Which path leads where.

use std::future::Future;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::{MethodRouter, get, post};
use http::{StatusCode, header};

use crate::app::App;
use crate::visit::{Answer, Visit};
use crate::{api, consent, controls, home, login};

const STYLE: &[u8] = include_bytes!("assets/style.css");
const ICON: &[u8] = include_bytes!("assets/icon.svg");

/// Every path of the server: the library's endpoints, this host's pages, the demo API.
pub(crate) fn router(app: &Arc<App>, test_controls: bool) -> Router {
    let pages: Router<Arc<App>> = Router::new()
        .route("/", get(page(home::show)))
        .route("/login", pair(login::show, login::submit))
        .route("/consent", pair(consent::show, consent::submit))
        .route("/revoke-access", post(page(home::revoke_access)))
        .route("/sign-out", post(page(home::sign_out)))
        .route("/signed-out", get(page(home::signed_out)))
        .route("/assets/style.css", get(|| asset("text/css; charset=utf-8", STYLE)))
        .route("/assets/icon.svg", get(|| asset("image/svg+xml", ICON)))
        .route("/healthz", get(health))
        .route("/api/me", get(api::me));
    let pages = if test_controls { pages.merge(controls::router()) } else { pages };
    pages
        .fallback(|| plain(StatusCode::NOT_FOUND, "There is nothing here.\n"))
        .method_not_allowed_fallback(|| plain(StatusCode::METHOD_NOT_ALLOWED, "Not with this method.\n"))
        .with_state(Arc::clone(app))
        .merge(grantor::http::axum::router(&app.http))
}

/// A page handler as axum takes it.
fn page<F, A>(handler: F) -> impl Fn(State<Arc<App>>, Visit) -> ResponseFuture + Clone + Send + Sync + 'static
where
    F: Fn(Arc<App>, Visit) -> A + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    move |State(app): State<Arc<App>>, visit: Visit| {
        let answer = handler(Arc::clone(&app), visit);
        Box::pin(async move { app.finish(answer.await) })
    }
}

type ResponseFuture = std::pin::Pin<Box<dyn Future<Output = Response> + Send>>;

/// A page and the form on it.
fn pair<G, P, A, B>(show: G, submit: P) -> MethodRouter<Arc<App>>
where
    G: Fn(Arc<App>, Visit) -> A + Clone + Send + Sync + 'static,
    P: Fn(Arc<App>, Visit) -> B + Clone + Send + Sync + 'static,
    A: Future<Output = Answer> + Send + 'static,
    B: Future<Output = Answer> + Send + 'static,
{
    get(page(show)).post(page(submit))
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
