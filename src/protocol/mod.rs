//! Words on the wire: parameters, scopes, identifiers, times, errors.
//!
//! This folder knows nobody: no client, no grant, no store. It decides whether bytes are well formed and
//! never whether they are allowed.

pub(crate) mod base64;
pub mod digest;
pub mod error;
pub mod id;
pub mod issuer;
pub(crate) mod json;
pub mod locales;
pub mod names;
pub mod params;
pub mod prompt;
pub mod redirect_uri;
pub mod resource;
pub mod scope;
pub mod secret;
pub mod time;
mod uri;
pub mod user_code;

pub use digest::Digest;
pub use error::{ErrorCode, OAuthError, Reason};
pub use id::{ClientId, SubjectId};
pub use issuer::Issuer;
pub use locales::Locales;
pub use names::{
    ClientAuthMethod, DeliveryMode, ExtensionGrantType, GrantType, ResponseMode, ResponseType, SubjectType,
    TokenType,
};
pub use params::{ParamFault, Params};
pub use prompt::Prompts;
pub use redirect_uri::{ApplicationType, MatchedRedirectUri, RedirectUri};
pub use resource::Resource;
pub use scope::Scope;
pub use secret::Secret;
pub use time::Timestamp;
pub use user_code::{UserCode, UserCodeAlphabet};
