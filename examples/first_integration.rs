//! A host's first integration: axum, records in memory, one client, its own login.

use std::{net::SocketAddr, sync::Arc};

use axum::response::Response;
use axum::{Router, body::Body, extract::State, routing::get};
use grantor::authorize::HostLogin;
use grantor::host::{Clock, StaticClients, SystemClock};
use grantor::http::{HttpServer, axum::Whole};
use grantor::protocol::{Issuer, Params, Scope};
use grantor::{AuthorizationServer, MemoryStore};

const CLIENTS: &[u8] = br#"[{
    "client_id": "web", "client_secret": "a-secret-of-at-least-32-characters", "first_party": true,
    "redirect_uris": ["http://127.0.0.1:8090/callback"], "scope": "profile",
    "grant_types": ["authorization_code", "refresh_token"] }]"#;

/// Your own check of your own users.
fn check_password(username: &str, password: &str) -> bool {
    (username, password) == ("alice", "wonderland")
}

async fn login_page(State(http): State<HttpServer>, Whole(request): Whole) -> Response {
    match http.interaction(&request).await {
        Err(error_page) => error_page.map(Body::from),
        Ok(view) => {
            let fields = "<input name=username><input name=password type=password><button>Sign in</button>";
            let form = format!("<form method=post>{}{fields}</form>", view.hidden_fields());
            http.page(form, Some(&view)).map(Body::from)
        }
    }
}

async fn login(State(http): State<HttpServer>, Whole(request): Whole) -> Response {
    let params = Params::parse(request.body()).unwrap_or_default();
    match (params.get("username"), params.get("password")) {
        (Some(username), Some(password)) if check_password(username, password) => {
            http.login(&request, HostLogin::now(username, SystemClock.now())).await.map(Body::from)
        }
        _ => http.page("Wrong user name or password; go back and try again.", None).map(Body::from),
    }
}

pub(crate) fn app(issuer: &str, secret: &[u8; 32]) -> Result<Router, Box<dyn std::error::Error>> {
    let issuer = Issuer::dangerous_loopback_http(issuer)?; // `Issuer::new` once you have TLS
    let (store, clients) = (Arc::new(MemoryStore::new()), Arc::new(StaticClients::from_json(CLIENTS)?));
    let builder =
        AuthorizationServer::builder(issuer, store, clients, secret).scope(Scope::parse("profile")?);
    let http = HttpServer::new(builder.build()?);
    Ok(grantor::http::axum::router(&http)
        .merge(Router::new().route("/login", get(login_page).post(login)).with_state(http)))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:8080").await?;
    let app = app("http://127.0.0.1:8080", &[7; 32])?; // a real secret comes from a file
    Ok(axum::serve(listener, app.into_make_service_with_connect_info::<SocketAddr>()).await?)
}
