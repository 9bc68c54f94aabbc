//! Words on the wire.

pub mod issuer;
pub mod redirect_uri;
pub mod resource;
