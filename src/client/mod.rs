//! Who the client is: how its metadata becomes a registration, and how it proves itself.

pub mod assertion;
pub mod authentication;
pub mod encryption;
mod keys;
pub mod logout;
pub mod metadata;
pub mod request_object;
pub mod secret;
pub mod subject;

pub use authentication::Credentials;
pub use encryption::EncryptionMetadata;
pub use logout::LogoutMetadata;
pub use metadata::{ClientMetadata, MetadataError};
pub use request_object::RequestObjectMetadata;
pub use subject::SubjectMetadata;
