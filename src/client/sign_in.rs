//! Client metadata about signing in (OpenID Connect Dynamic Client Registration §2).

use serde::{Deserialize, Serialize};

use super::metadata::MetadataError;
use super::web_url::web_url;

/// The part of the metadata of a client that is about how and where its users sign in, by its registered names.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct SignInMetadata {
    /// `default_max_age`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub default_max_age: Option<u64>,
    /// `require_auth_time`: every ID token says when the user signed in, whatever stands here.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_auth_time: bool,
    /// `default_acr_values`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub default_acr_values: Vec<String>,
    /// `initiate_login_uri`: an `https` URL, even on this machine.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiate_login_uri: Option<String>,
}

impl SignInMetadata {
    /// `default_acr_values` as a request would have them.
    ///
    /// # Errors
    /// [`MetadataError::Contradiction`] when one of them is empty or has a space.
    pub(super) fn acr_values(&self) -> Result<Option<std::sync::Arc<str>>, MetadataError> {
        if self
            .default_acr_values
            .iter()
            .any(|acr| acr.is_empty() || !acr.bytes().all(|byte| byte.is_ascii_graphic()))
        {
            return Err(MetadataError::Contradiction(
                "default_acr_values holds what is no authentication context class",
            ));
        }
        Ok((!self.default_acr_values.is_empty()).then(|| self.default_acr_values.join(" ").into()))
    }

    /// Where a login can be begun by someone else.
    ///
    /// # Errors
    /// [`MetadataError::Contradiction`] when it is not an `https` URL.
    pub(super) fn login_uri(&self) -> Result<Option<url::Url>, MetadataError> {
        let parse = |uri: &String| web_url(uri).filter(|url| url.scheme() == "https");
        match &self.initiate_login_uri {
            None => Ok(None),
            Some(uri) => parse(uri).map(Some).ok_or(MetadataError::Contradiction(
                "initiate_login_uri must be an https URL (OpenID Connect Registration §2)",
            )),
        }
    }
}
