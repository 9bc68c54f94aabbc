//! What a client registered about request objects (RFC 9101, OpenID Connect Core §6).

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::assertion::AssertionAlgorithm;
use crate::jose::JoseError;

/// How a client sends its authorization requests as JWTs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RequestObjectRegistration {
    /// `request_object_signing_alg`: the only algorithm; `None` means any that the server takes.
    pub alg: Option<RequestObjectAlgorithm>,
    /// `require_signed_request_object`: the client makes no other requests (RFC 9101 §10.5).
    pub required: bool,
    /// `request_uris`: where its request objects may be fetched.
    pub uris: Vec<Arc<str>>,
}

impl RequestObjectRegistration {
    /// Whether `uri` is registered; fragments are not compared, for they tell versions of a document apart (OpenID Connect
    /// Core §6.2).
    #[must_use]
    pub fn lists(&self, uri: &str) -> bool {
        self.uris.iter().any(|own| document(own) == document(uri))
    }
}

/// A URI without its fragment.
fn document(uri: &str) -> &str {
    uri.split_once('#').map_or(uri, |(document, _)| document)
}

/// How a request object is protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum RequestObjectAlgorithm {
    /// `none`: not at all.
    Unsecured,
    /// With a key or a secret of the client.
    Protected(AssertionAlgorithm),
}

impl From<RequestObjectAlgorithm> for &'static str {
    fn from(alg: RequestObjectAlgorithm) -> Self {
        match alg {
            RequestObjectAlgorithm::Unsecured => "none",
            RequestObjectAlgorithm::Protected(alg) => alg.as_str(),
        }
    }
}

impl TryFrom<String> for RequestObjectAlgorithm {
    type Error = JoseError;

    fn try_from(name: String) -> Result<Self, JoseError> {
        match name.as_str() {
            "none" => Ok(Self::Unsecured),
            name => name.parse().map(Self::Protected),
        }
    }
}
