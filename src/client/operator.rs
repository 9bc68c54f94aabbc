//! Client metadata that only the operator of the server may write.

use serde::{Deserialize, Serialize};

use crate::protocol::{Resource, Secret, Timestamp};

/// The part of the metadata of a client that gives it rights or secrets. A client that registers itself has none of it,
/// whatever it sends: see [`ClientMetadata::of_applicant`](super::ClientMetadata::of_applicant).
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct OperatorMetadata {
    /// `client_secret`; absent for a public client. It is never written back.
    #[serde(deserialize_with = "secret", skip_serializing)]
    pub client_secret: Option<Secret>,
    /// `client_secret_expires_at`; zero means never (RFC 7591 §3.2.1).
    #[serde(skip_serializing)]
    pub client_secret_expires_at: Timestamp,
    /// An extension of ours: the client belongs to the operator, and its users are not asked for consent.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub first_party: bool,
    /// An extension of ours: the resources this client answers for, whose tokens it may introspect.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub resource_server_of: Vec<Resource>,
}

fn secret<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Secret>, D::Error> {
    Ok(Option::<String>::deserialize(deserializer)?.map(Secret::new))
}
