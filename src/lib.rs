//! An embeddable OAuth 2.0 / 2.1 authorization server.

pub mod authorize;
pub mod client;
pub mod endpoint;
pub mod grant;
pub mod host;
#[cfg(feature = "http")]
pub mod http;
pub mod jose;
pub mod profile;
pub mod proof;
pub mod protocol;
pub mod record;
pub mod server;
pub mod settings;
pub mod store;
pub mod token;
