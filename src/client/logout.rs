//! Client metadata about logout, and the rules for its URIs.

use serde::{Deserialize, Serialize};

use super::metadata::MetadataError;
use crate::protocol::{ApplicationType, RedirectUri};
use crate::record::logout::{LogoutRegistration, LogoutUri};

/// The part of the metadata of a client that is about logout, by its registered names.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct LogoutMetadata {
    /// `post_logout_redirect_uris` (OpenID Connect RP-Initiated Logout §3.1).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub post_logout_redirect_uris: Vec<String>,
    /// `backchannel_logout_uri` (OpenID Connect Back-Channel Logout §2.2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_logout_uri: Option<String>,
    /// `backchannel_logout_session_required`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub backchannel_logout_session_required: bool,
    /// `frontchannel_logout_uri` (OpenID Connect Front-Channel Logout §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frontchannel_logout_uri: Option<String>,
    /// `frontchannel_logout_session_required`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
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
        let parse = |uri: &String| {
            RedirectUri::parse(uri, application_type)
                .map_err(|error| MetadataError::Uri { uri: uri.clone(), error })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn register(json: &str) -> Result<LogoutRegistration, MetadataError> {
        let own = RedirectUri::parse("https://a.example:8443/cb", ApplicationType::Web).unwrap();
        serde_json::from_str::<LogoutMetadata>(json).unwrap().register(ApplicationType::Web, &[own])
    }

    #[test]
    fn what_a_client_registers_is_kept_and_nothing_is_assumed() {
        let client = register(
            r#"{"post_logout_redirect_uris":["https://a.example/out?x=1","com.example.app:/out"],
                "backchannel_logout_uri":"https://rp.example/bc","backchannel_logout_session_required":true,
                "frontchannel_logout_uri":"https://a.example:8443/fc"}"#,
        )
        .unwrap();
        assert_eq!(client.post_logout_redirect_uris.len(), 2);
        assert!(client.backchannel.unwrap().session_required);
        assert!(!client.frontchannel.unwrap().session_required);
        assert_eq!(register("{}").unwrap(), LogoutRegistration::default());
    }

    #[test]
    fn a_uri_that_is_no_place_to_go_or_to_tell_is_refused() {
        for json in [
            r#"{"post_logout_redirect_uris":["https://a.example/out#f"]}"#,
            r#"{"post_logout_redirect_uris":["http://a.example/out"]}"#,
            r#"{"post_logout_redirect_uris":["javascript:alert(1)"]}"#,
            r#"{"backchannel_logout_uri":"https://a@rp.example/bc"}"#,
            r#"{"backchannel_logout_uri":"http://rp.example/bc"}"#,
            r#"{"backchannel_logout_uri":"com.example.app:/bc"}"#,
            r#"{"backchannel_logout_uri":"https://rp.example/bc#f"}"#,
            r#"{"frontchannel_logout_uri":"https://a.example/fc"}"#,
            r#"{"frontchannel_logout_uri":"https://evil.example:8443/fc"}"#,
        ] {
            assert!(register(json).is_err(), "{json}");
        }
    }

    #[test]
    fn metadata_of_a_client_are_read_whole_and_never_with_a_name_twice() {
        let list = |more: &str| {
            let json = format!(
                r#"[{{"client_id":"a","unknown":[1],"backchannel_logout_uri":"https://a.example/"{more}}}]"#
            );
            super::super::ClientMetadata::list_from_json(json.as_bytes())
        };
        let read = list("").unwrap().remove(0);
        assert_eq!(read.logout.backchannel_logout_uri.as_deref(), Some("https://a.example/"));
        assert!(list(r#","backchannel_logout_uri":"https://b.example/""#).is_err());
    }
}
