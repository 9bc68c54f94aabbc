//! What goes over the wire as a token: opaque handles, the claims of each kind of JWT, and how one that was presented is read.

pub mod auth_req_id;
pub mod claims;
pub mod delegation;
pub mod handle;
pub mod id_jag;
pub mod id_token;
pub mod logout_token;
pub mod notification_token;
mod presented;
pub mod subject;
pub mod user_claims;
pub mod user_code;

pub use claims::AccessTokenClaims;
pub use delegation::Delegation;
pub use handle::{Handle, HandleKind, RefreshHandle};
pub use id_jag::IdJagClaims;
pub use id_token::IdTokenClaims;
pub use presented::{PresentedJwt, PresentedToken};
