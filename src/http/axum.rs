//! An `axum::Router` with the endpoints of an [`HttpServer`].

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, FromRequest, State};
use axum::response::Response;
use axum::routing::any;
use bytes::Bytes;
use http::{Request, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

use super::{Endpoint, HttpServer, MAX_BODY_BYTES};
use crate::protocol::Reason;

/// Routes for every endpoint. The client's address is known where the router is served with
/// `into_make_service_with_connect_info::<SocketAddr>()`.
pub fn router(server: &HttpServer) -> Router {
    let shared = Arc::new(server.clone());
    server.routes().iter().fold(Router::new(), |router, (endpoint, path)| {
        router.route(path, any(serve).with_state((shared.clone(), *endpoint)))
    })
}

/// Extracts a request with its whole body, bounded, in the form that [`HttpServer`] reads; 413 for a longer body, 400 for
/// one that breaks off.
#[derive(Debug)]
pub struct Whole(pub Request<Bytes>);

impl<S: Send + Sync> FromRequest<S> for Whole {
    type Rejection = StatusCode;

    async fn from_request(request: Request<Body>, _: &S) -> Result<Self, StatusCode> {
        let (parts, body) = request.into_parts();
        let body = Limited::new(body, MAX_BODY_BYTES).collect().await.map_err(|error| {
            let too_long = error.is::<LengthLimitError>();
            if too_long { StatusCode::PAYLOAD_TOO_LARGE } else { StatusCode::BAD_REQUEST }
        })?;
        Ok(Self(Request::from_parts(parts, body.to_bytes())))
    }
}

async fn serve(
    State((server, endpoint)): State<(Arc<HttpServer>, Endpoint)>,
    request: Request<Body>,
) -> Response {
    let peer = request.extensions().get::<ConnectInfo<SocketAddr>>().map(|info| info.0.ip());
    answer(&server, endpoint, request, peer).await.map(Body::from)
}

async fn answer(
    server: &HttpServer,
    endpoint: Endpoint,
    request: Request<Body>,
    peer: Option<IpAddr>,
) -> http::Response<Bytes> {
    match Whole::from_request(request, &()).await {
        Ok(Whole(request)) => server.handle_endpoint(endpoint, request, peer).await,
        Err(StatusCode::PAYLOAD_TOO_LARGE) => server.too_large(endpoint),
        Err(_) => server.unread(endpoint, Reason::MalformedParameters),
    }
}
