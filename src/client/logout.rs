//! Client metadata about logout, and the rules for its URIs.

use serde::Deserialize;

use super::metadata::{MAX_REDIRECT_URIS, MetadataError};
use crate::protocol::{ApplicationType, RedirectUri};
use crate::record::logout::{LogoutRegistration, LogoutUri};

/// The part of the metadata of a client that is about logout, by its registered names.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LogoutMetadata {
    /// `post_logout_redirect_uris` (OpenID Connect RP-Initiated Logout §3.1).
    pub post_logout_redirect_uris: Vec<String>,
    /// `backchannel_logout_uri` (OpenID Connect Back-Channel Logout §2.2).
    pub backchannel_logout_uri: Option<String>,
    /// `backchannel_logout_session_required`.
    pub backchannel_logout_session_required: bool,
    /// `frontchannel_logout_uri` (OpenID Connect Front-Channel Logout §2).
    pub frontchannel_logout_uri: Option<String>,
    /// `frontchannel_logout_session_required`.
    pub frontchannel_logout_session_required: bool,
}

impl LogoutMetadata {
    /// What these metadata register for a client with these redirect URIs. The URIs keep the rules of redirect URIs; those
    /// that are told of a logout are on the web, and the one in a frame has the origin of a redirect URI (OpenID Connect
    /// Front-Channel Logout §2).
    ///
    /// # Errors
    /// [`MetadataError`], naming the URI or the rule.
    pub fn register(
        &self,
        application_type: ApplicationType,
        redirect_uris: &[RedirectUri],
    ) -> Result<LogoutRegistration, MetadataError> {
        if self.post_logout_redirect_uris.len() > MAX_REDIRECT_URIS {
            return Err(MetadataError::Contradiction("there are more than 128 post-logout redirect URIs"));
        }
        let parse = |uri: &String| {
            RedirectUri::parse(uri, application_type)
                .map_err(|error| MetadataError::RedirectUri { uri: uri.clone(), error })
        };
        let told = |uri: &Option<String>, session_required| {
            let Some(uri) = uri.as_ref().map(parse).transpose()? else { return Ok(None) };
            if uri.is_private_scheme() {
                return Err(MetadataError::Contradiction("a logout URI must be https"));
            }
            Ok(Some(LogoutUri { uri, session_required }))
        };
        let frontchannel = told(&self.frontchannel_logout_uri, self.frontchannel_logout_session_required)?;
        let foreign = |told: &LogoutUri| redirect_uris.iter().all(|own| own.origin() != told.uri.origin());
        if frontchannel.as_ref().is_some_and(foreign) {
            return Err(MetadataError::Contradiction(
                "frontchannel_logout_uri needs the scheme, host and port of a redirect URI (Front-Channel Logout §2)",
            ));
        }
        Ok(LogoutRegistration {
            post_logout_redirect_uris: self
                .post_logout_redirect_uris
                .iter()
                .map(parse)
                .collect::<Result<_, _>>()?,
            backchannel: told(&self.backchannel_logout_uri, self.backchannel_logout_session_required)?,
            frontchannel,
        })
    }
}
