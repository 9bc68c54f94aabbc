//! An `axum::Router` with the endpoints of an [`HttpServer`].

use std::net::{IpAddr, SocketAddr};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, State};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt as _, Limited};

use super::{Endpoint, HttpServer, MAX_BODY_BYTES, reply};
use crate::protocol::{OAuthError, Reason};

/// Routes for every endpoint. The client's address is known where the router is served with
/// `into_make_service_with_connect_info::<SocketAddr>()`.
pub fn router(server: &HttpServer) -> Router {
    server.routes().iter().fold(Router::new(), |router, (endpoint, path)| {
        router.route(path, any(serve).with_state((server.clone(), *endpoint)))
    })
}

async fn serve(State((server, endpoint)): State<(HttpServer, Endpoint)>, request: Request<Body>) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    answer(&server, endpoint, request, peer).await.map(Body::from)
}

async fn answer(
    server: &HttpServer,
    endpoint: Endpoint,
    request: Request<Body>,
    peer: Option<IpAddr>,
) -> http::Response<Bytes> {
    let (parts, body) = request.into_parts();
    match Limited::new(body, MAX_BODY_BYTES).collect().await {
        Ok(body) => server.handle_endpoint(endpoint, Request::from_parts(parts, body.to_bytes()), peer).await,
        Err(_) => reply::error(&OAuthError::new(Reason::BodyTooLarge), endpoint),
    }
}
