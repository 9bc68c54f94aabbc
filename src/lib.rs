//! An embeddable OAuth 2.0 / 2.1 authorization server.

pub mod jose;
pub mod protocol;
pub mod record;
pub mod store;
