//! Client metadata about backchannel authentication, and their rules (CIBA Core §4).

use serde::{Deserialize, Serialize};

use super::metadata::MetadataError;
use super::web_url::web_url;
use crate::jose::Algorithm;
use crate::protocol::{ClientAuthMethod, DeliveryMode, GrantType};
use crate::record::assertion::{ClientKeys, KeySource};
use crate::record::backchannel::BackchannelRegistration;

/// The part of the metadata of a client that is about backchannel authentication, by its registered names.
#[derive(Debug, Default, Deserialize, Serialize)]
#[serde(default)]
pub struct BackchannelMetadata {
    /// `backchannel_token_delivery_mode`. Without effect unless the client may use the grant type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_token_delivery_mode: Option<DeliveryMode>,
    /// `backchannel_client_notification_endpoint`: an `https` URL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_client_notification_endpoint: Option<String>,
    /// `backchannel_authentication_request_signing_alg`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backchannel_authentication_request_signing_alg: Option<Algorithm>,
    /// `backchannel_user_code_parameter`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub backchannel_user_code_parameter: bool,
}

impl BackchannelMetadata {
    /// What these metadata register for a client with these grant types.
    ///
    /// # Errors
    /// [`MetadataError::Contradiction`] when a client of the grant type names no mode, or cannot authenticate.
    pub fn register(
        &self,
        grant_types: &[GrantType],
        method: ClientAuthMethod,
        keys: &ClientKeys,
    ) -> Result<BackchannelRegistration, MetadataError> {
        if !grant_types.contains(&GrantType::Ciba) {
            return Ok(BackchannelRegistration::default());
        }
        if method == ClientAuthMethod::None {
            return Err(MetadataError::Contradiction(
                "backchannel authentication needs a client that can authenticate (CIBA Core §7.1)",
            ));
        }
        let endpoint = match &self.backchannel_client_notification_endpoint {
            Some(text) => match web_url(text).filter(|url| url.fragment().is_none()) {
                Some(url) => Some(url),
                None => return Err(MetadataError::NotOnTheWeb("backchannel_client_notification_endpoint")),
            },
            None => None,
        };
        let mode = self.backchannel_token_delivery_mode.ok_or(MetadataError::Contradiction(
            "backchannel authentication needs a backchannel_token_delivery_mode (CIBA Core §4)",
        ))?;
        if mode != DeliveryMode::Poll && endpoint.is_none() {
            return Err(MetadataError::Contradiction(
                "ping and push need a backchannel_client_notification_endpoint (CIBA Core §4)",
            ));
        }
        let signing_alg = self.backchannel_authentication_request_signing_alg;
        if signing_alg.is_some() && matches!(keys.source, KeySource::None) {
            return Err(MetadataError::Contradiction(
                "backchannel_authentication_request_signing_alg needs jwks or jwks_uri (CIBA Core §7.1.1)",
            ));
        }
        let user_code = self.backchannel_user_code_parameter;
        Ok(BackchannelRegistration { mode: Some(mode), endpoint, signing_alg, user_code })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_of_the_grant_type_authenticates_and_says_how_it_learns_of_the_answer() {
        let register = |json: &str, grant_types: &[GrantType], method| {
            serde_json::from_str::<BackchannelMetadata>(json).unwrap().register(
                grant_types,
                method,
                &ClientKeys::default(),
            )
        };
        let ciba = &[GrantType::Ciba];
        let poll = r#"{"backchannel_token_delivery_mode":"poll","backchannel_user_code_parameter":true}"#;
        let registered = register(poll, ciba, ClientAuthMethod::ClientSecretBasic).unwrap();
        assert_eq!((registered.mode, registered.user_code), (Some(DeliveryMode::Poll), true));
        for mode in ["ping", "push"] {
            let told = |more: &str| {
                let json = format!(r#"{{"backchannel_token_delivery_mode":"{mode}"{more}}}"#);
                register(&json, ciba, ClientAuthMethod::ClientSecretBasic)
            };
            assert!(told(r#","backchannel_client_notification_endpoint":"https://rp.example/cb""#).is_ok());
            for more in [
                "",
                r#","backchannel_client_notification_endpoint":"http://rp.example/cb""#,
                r#","backchannel_client_notification_endpoint":"https://a@rp.example/cb""#,
                r#","backchannel_client_notification_endpoint":"https://rp.example/cb#f""#,
            ] {
                assert!(told(more).is_err(), "{mode} {more}");
            }
        }
        let unsigned = r#"{"backchannel_token_delivery_mode":"poll","backchannel_authentication_request_signing_alg":"ES256"}"#;
        assert!(register(unsigned, ciba, ClientAuthMethod::ClientSecretBasic).is_err(), "there is no key");
        assert!(register("{}", ciba, ClientAuthMethod::ClientSecretBasic).is_err());
        assert!(register(poll, ciba, ClientAuthMethod::None).is_err());
        let without = register(poll, &[GrantType::AuthorizationCode], ClientAuthMethod::None).unwrap();
        assert_eq!(without, BackchannelRegistration::default());
        assert!(
            serde_json::from_str::<BackchannelMetadata>(r#"{"backchannel_token_delivery_mode":"telepathy"}"#)
                .is_err()
        );
    }
}
