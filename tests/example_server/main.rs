//! The example server, started as its users start it: with the crate `oauth2` as its client, and page by page.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod controls;
mod flags;
mod flow;
mod kill_nine;
mod pages;
mod support;
