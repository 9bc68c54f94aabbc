//! The decisions of the endpoints that are not the authorization endpoint.

pub mod administration;
pub mod backchannel_answer;
pub mod backchannel_authentication;
pub mod device_authorization;
pub mod introspection;
pub mod metadata;
pub mod outbox;
pub mod registration;
pub mod resource;
pub mod revocation;
pub mod token;
pub mod userinfo;
