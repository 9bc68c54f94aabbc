//! What goes over the wire as a token: opaque handles, claims, and what an API checks.

pub mod claims;
pub mod handle;
mod presented;

pub use claims::AccessTokenClaims;
pub use handle::{Handle, HandleKind, RefreshHandle};
pub use presented::{PresentedJwt, PresentedToken};
