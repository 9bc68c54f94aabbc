//! The other end of a token: an API in a process of its own, which asks no store and shares no secret with the
//! authorization server.
//!
//! Decides whether a request carries an access token that is good here, and what to answer if not. Knows nothing of
//! grants or records; an API in the server's own process uses
//! [`AuthorizationServer::check`](crate::server::AuthorizationServer::check) instead, which also sees revocation.
//!
//! ```text
//! Authorization ─► bearer ─► TokenVerifier ─► AccessToken ─► scope ─► the API
//!                    │           ├─ JwtVerifier ◄── JwksCache ◄── Fetch
//!                    │           └─ IntrospectionVerifier ◄────── Fetch
//!                    └──────────────► Challenge (400, 401, 403, 503) ◄─┘
//! ```
//!
#![cfg_attr(all(feature = "aws-lc-rs", feature = "http"), doc = "```")]
#![cfg_attr(not(all(feature = "aws-lc-rs", feature = "http")), doc = "```ignore")]
//! use std::sync::Arc;
//! use grantor::host::{Fetch, SystemClock};
//! use grantor::protocol::{Resource, Scope};
//! use grantor::resource_server::{Guard, JwksCache, JwtVerifier};
//!
//! # fn guard(fetch: Arc<dyn Fetch>) -> Result<Guard, Box<dyn std::error::Error>> {
//! let keys = JwksCache::new(fetch, "https://as.example/jwks".parse()?, Arc::new(SystemClock));
//! let api = Resource::parse("https://api.example/")?;
//! let verifier = JwtVerifier::new("https://as.example", &api, Arc::new(keys), Arc::new(SystemClock));
//! let guard = Guard::new(Arc::new(verifier)).requiring(&Scope::parse("orders:read")?);
//! # Ok(guard) }
//!
//! # async fn handle(guard: Guard, request: http::Request<()>) -> http::Response<Vec<u8>> {
//! match guard.check(request.headers()).await {
//!     Ok(token) => http::Response::new(format!("orders of {}", token.subject).into_bytes()),
//!     Err(challenge) => challenge.response(),
//! }
//! # }
//! ```
//!
//! A JWT is checked without asking anyone, so it is accepted until it expires even if it was revoked: keep its life
//! short, or ask by introspection.

mod access_token;
pub mod bearer;
mod challenge;
mod guard;
mod introspection;
#[cfg(feature = "aws-lc-rs")]
mod jwt;

#[cfg(feature = "aws-lc-rs")]
pub use crate::host::{JwksCache, JwksOptions, KeysUnavailable};
pub use access_token::{AccessToken, TokenFault, TokenVerifier, VerifyError};
pub use challenge::Challenge;
pub use guard::Guard;
pub use introspection::{IntrospectionSettings, IntrospectionVerifier};
#[cfg(feature = "aws-lc-rs")]
pub use jwt::JwtVerifier;
