//! An API in another process: JWTs checked with keys fetched over TCP, opaque tokens by introspection.

#![cfg(all(feature = "aws-lc-rs", feature = "fetch", feature = "http"))]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod end_to_end;
mod introspection;
mod jwks;
mod support;
mod tokens;
