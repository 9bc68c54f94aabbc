//! Who the client is: how its metadata becomes a registration, and how it proves itself.

pub mod assertion;
pub mod authentication;
pub mod backchannel;
pub mod description;
pub mod encryption;
pub mod id_token_hint;
mod keys;
pub mod logout;
pub mod metadata;
pub mod operator;
pub mod registration;
pub mod request_object;
pub mod secret;
pub mod sign_in;
pub mod signed_authentication;
pub mod subject;
mod web_url;

pub use authentication::Credentials;
pub use description::DescriptionMetadata;
pub use encryption::EncryptionMetadata;
pub use logout::LogoutMetadata;
pub use metadata::{ClientMetadata, MetadataError};
pub use operator::OperatorMetadata;
pub use request_object::RequestObjectMetadata;
pub use sign_in::SignInMetadata;
pub use subject::SubjectMetadata;
