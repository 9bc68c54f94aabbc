//! A protected resource and the access tokens it takes.

use std::time::Duration;

use crate::jose::Algorithm;
use crate::protocol::{Resource, Scope};

/// What the authorization server knows of an API (RFC 8707 §2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceServer {
    /// Its name, and the audience of its tokens.
    pub resource: Resource,
    /// The format of its tokens.
    pub format: TokenFormat,
    /// The scope values it understands; `None` means all of the server's.
    pub scope: Option<Scope>,
    /// How long its tokens live; `None` means the server's choice for the format. A JWT lives one day at most, and no
    /// longer than the signer's [`longest_token`](crate::host::Signer::longest_token).
    pub lifetime: Option<Duration>,
}

/// The format of an access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenFormat {
    /// A random string that only this server can resolve.
    Opaque,
    /// A signed JWT (RFC 9068) that the API checks by itself.
    Jwt(Algorithm),
}
