//! The example server, started as its users start it: with the crates `oauth2` and `openidconnect` as its
//! clients, and page by page.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod ciba;
mod controls;
#[cfg(unix)]
#[path = "../common/daemon.rs"]
mod daemon;
#[cfg(unix)]
mod database;
mod device;
mod exchange;
mod flags;
mod flow;
mod grants;
mod logout;
mod openid;
mod pages;
#[cfg(unix)]
#[path = "../common/postgres.rs"]
mod postgres;
#[cfg(unix)]
#[path = "../common/redis.rs"]
mod redis;
mod registration;
mod support;
