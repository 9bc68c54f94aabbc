//! Who the client is: how its metadata becomes a registration, and how it proves itself.

pub mod assertion;
pub mod authentication;
pub mod description;
pub mod logout;
pub mod metadata;
pub mod operator;
pub mod registration;
pub mod secret;
pub mod sign_in;
mod web_url;

pub use authentication::Credentials;
pub use description::DescriptionMetadata;
pub use logout::LogoutMetadata;
pub use metadata::{ClientMetadata, MetadataError};
pub use operator::OperatorMetadata;
pub use sign_in::SignInMetadata;
