//! Client metadata (RFC 7591 §2) and the rules that make a registration of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::backchannel::BackchannelMetadata;
use super::description::{DescriptionMetadata, localized};
use super::encryption::EncryptionMetadata;
use super::logout::LogoutMetadata;
use super::operator::OperatorMetadata;
use super::request_object::RequestObjectMetadata;
use super::sign_in::SignInMetadata;
use super::subject::SubjectMetadata;
use super::web_url::web_url;
use crate::jose::json::{self, JsonError};
use crate::jose::{Algorithm, Jwk, JwkSet, MacAlgorithm};
use crate::protocol::id::is_vschar;
use crate::protocol::redirect_uri::RedirectUriError;
use crate::protocol::{
    ApplicationType, ClientAuthMethod, ClientId, GrantType, OAuthError, Reason, RedirectUri, ResponseType,
    Scope,
};
use crate::record::Client;
use crate::record::assertion::{AssertionAlgorithm, ClientKeys, KeySource};
use crate::record::client::{ClientLifetimes, ClientSecret, ConsentPolicy, OpenIdRegistration};
use crate::record::key_ring::PublishedKeys;

/// The most redirect URIs of one client.
pub const MAX_REDIRECT_URIS: usize = 128;

/// The metadata of one client, by its registered names. Members that this release does not know are ignored
/// (RFC 7591 §2).
#[derive(Debug, Deserialize, Serialize)]
pub struct ClientMetadata {
    /// `client_id`.
    pub client_id: ClientId,
    /// `client_name`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_name: Option<String>,
    /// `redirect_uris`. A private-use scheme needs a `.` in its name, as in `com.example.app` (RFC 8252 §7.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub redirect_uris: Vec<String>,
    /// `token_endpoint_auth_method`.
    #[serde(default = "default_auth_method")]
    pub token_endpoint_auth_method: ClientAuthMethod,
    /// `token_endpoint_auth_signing_alg` (OpenID Connect Dynamic Client Registration §2); `none` cannot be named. Without
    /// effect unless the client authenticates with a JWT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token_endpoint_auth_signing_alg: Option<AssertionAlgorithm>,
    /// `jwks`: public keys only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks: Option<JwkSet>,
    /// `jwks_uri`: an `https` URL, or an `http` URL on this machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// `grant_types`.
    #[serde(default = "default_grant_types")]
    pub grant_types: Vec<GrantType>,
    /// `response_types`; `code` by default for clients that may use codes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response_types: Option<Vec<ResponseType>>,
    /// `scope`.
    #[serde(default = "Scope::empty", skip_serializing_if = "Scope::is_empty")]
    pub scope: Scope,
    /// `application_type` (OpenID Connect Dynamic Client Registration §2).
    #[serde(default)]
    pub application_type: ApplicationType,
    /// `id_token_signed_response_alg` (OpenID Connect Dynamic Client Registration §2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id_token_signed_response_alg: Option<AssertionAlgorithm>,
    /// `userinfo_signed_response_alg`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub userinfo_signed_response_alg: Option<Algorithm>,
    /// What it registers about request objects.
    #[serde(flatten)]
    pub request_objects: RequestObjectMetadata,
    /// What it registers about the encryption of what it is told.
    #[serde(flatten)]
    pub encryption: EncryptionMetadata,
    /// What it registers about subject identifiers.
    #[serde(flatten)]
    pub subject: SubjectMetadata,
    /// What it registers about signing in.
    #[serde(flatten)]
    pub sign_in: SignInMetadata,
    /// What it registers about backchannel authentication.
    #[serde(flatten)]
    pub backchannel: BackchannelMetadata,
    /// What it registers about logout.
    #[serde(flatten)]
    pub logout: LogoutMetadata,
    /// What it tells people about itself.
    #[serde(flatten)]
    pub description: DescriptionMetadata,
    /// What only the operator may say.
    #[serde(flatten)]
    pub operator: OperatorMetadata,
    /// What it tells people in other languages, by member and language: `client_name#de` (RFC 7591 §2.2).
    #[serde(flatten, deserialize_with = "localized")]
    pub localized: BTreeMap<String, String>,
}

/// Why metadata makes no client.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum MetadataError {
    /// It is not the JSON it should be.
    #[error("the metadata is not valid: {0}")]
    Json(#[from] JsonError),
    /// `client_id` is not 1 to 255 visible ASCII characters (RFC 6749 appendix A.1).
    #[error("client_id must be 1 to 255 visible ASCII characters")]
    ClientId,
    /// A redirect URI may not be registered.
    #[error("redirect URI {uri:?}: {error}")]
    RedirectUri {
        /// Which.
        uri: String,
        /// Why.
        error: RedirectUriError,
    },
    /// This list of URIs is longer than this.
    #[error("{0} holds more than {1} URIs")]
    TooMany(&'static str, usize),
    /// A URI of the client that no answer is sent to may not be registered.
    #[error("URI {uri:?}: {error}")]
    Uri {
        /// Which.
        uri: String,
        /// Why.
        error: RedirectUriError,
    },
    /// A URL that the server fetches or shows is not `https`, is not on this machine, or is no URL.
    #[error("{0} must be an https URL of at most 2048 characters")]
    NotOnTheWeb(&'static str),
    /// A member is not of its type, or names what does not exist.
    #[error("{member} is malformed: {error}")]
    Malformed {
        /// Which.
        member: String,
        /// Why, perhaps in words of the client.
        error: String,
    },
    /// Of this list nothing is offered to the client.
    #[error("nothing of {0} is offered")]
    NotOffered(&'static str),
    /// Two members contradict each other, or one asks for what is not offered.
    #[error("{0}")]
    Contradiction(&'static str),
}

/// The answer to a client that registers itself (RFC 7591 §3.2.2): the rule that was broken, and none of its own words.
impl From<MetadataError> for OAuthError {
    fn from(error: MetadataError) -> Self {
        let reason = match &error {
            MetadataError::RedirectUri { .. } | MetadataError::TooMany("redirect_uris", _) => {
                Reason::RedirectUriRefused
            }
            _ => Reason::MetadataInvalid,
        };
        let rule = match &error {
            MetadataError::RedirectUri { error, .. } | MetadataError::Uri { error, .. } => error.to_string(),
            MetadataError::Malformed { member, .. } => member.clone(),
            _ => error.to_string(),
        };
        Self::new(reason).explain(&rule).detail(error.to_string())
    }
}

impl ClientMetadata {
    /// Reads an array of clients, in JSON without repeated names.
    ///
    /// # Errors
    /// [`MetadataError::Json`].
    pub fn list_from_json(json: &[u8]) -> Result<Vec<Self>, MetadataError> {
        Ok(json::from_slice(json)?)
    }

    /// The client these metadata register, with its secrets as they are kept.
    ///
    /// # Errors
    /// [`MetadataError`], naming the member and the rule.
    pub fn register(&self, secrets: Vec<ClientSecret>) -> Result<Client, MetadataError> {
        let contradiction = |rule| Err(MetadataError::Contradiction(rule));
        let method = self.token_endpoint_auth_method;
        let public = method == ClientAuthMethod::None;
        let uses = |grant_type| self.grant_types.contains(grant_type);
        let codes = uses(&GrantType::AuthorizationCode);
        let response_types = self
            .response_types
            .clone()
            .unwrap_or_else(|| if codes { vec![ResponseType::Code] } else { Vec::new() });
        if !is_vschar(self.client_id.as_str()) {
            return Err(MetadataError::ClientId);
        }
        if public && !secrets.is_empty() {
            return contradiction("token_endpoint_auth_method is none, so there can be no client_secret");
        }
        if method.has_secret() && secrets.is_empty() {
            return contradiction("token_endpoint_auth_method needs a client_secret");
        }
        if public && self.needs_secret_sealed() {
            return contradiction(
                "token_endpoint_auth_method is none, so nothing can need a client_secret (OpenID Connect Core §10.2)",
            );
        }
        if self.needs_secret() && secrets.is_empty() {
            return contradiction("an algorithm needs a client_secret");
        }
        if !self.needs_secret() && !secrets.is_empty() {
            return contradiction("private_key_jwt needs no client_secret, so there can be none");
        }
        if self.needs_secret_sealed() && !secrets.iter().all(ClientSecret::is_sealed) {
            return contradiction(
                "client_secret_jwt, HMACs and shared keys need the client_secret itself: it must be kept sealed",
            );
        }
        if public && uses(&GrantType::ClientCredentials) {
            return contradiction("client_credentials needs a client that can authenticate (RFC 6749 §4.4)");
        }
        if public && uses(&GrantType::JwtBearer) {
            return contradiction("jwt-bearer needs a client that can authenticate (RFC 7521 §8.2)");
        }
        if codes != response_types.iter().any(|own| own.has_code()) {
            return contradiction(
                "authorization_code and response types with code go together (RFC 7591 §2.1)",
            );
        }
        let in_front = |own: &ResponseType| own.has_token() || own.has_id_token();
        if uses(&GrantType::Implicit) != response_types.iter().any(in_front) {
            return contradiction("implicit and response types with tokens go together (RFC 7591 §2.1)");
        }
        if !response_types.is_empty() && self.redirect_uris.is_empty() {
            return contradiction("response_types need a redirect URI (RFC 7591 §2)");
        }
        self.check_lengths(MAX_REDIRECT_URIS)?;
        let redirect_uris = self.parse_redirect_uris()?;
        let keys = self.keys()?;
        let request_objects = self.request_objects.register(&keys)?;
        let encryption = self.encryption.register(&keys)?;
        let sector = self.subject.register(&redirect_uris)?;
        let logout = self.logout.register(self.application_type, &redirect_uris)?;
        let backchannel = self.backchannel.register(&self.grant_types, method, &keys)?;
        Ok(Client {
            id: self.client_id.clone(),
            name: self.client_name.clone(),
            about: self.description.register(self.client_name.as_deref(), &self.localized)?,
            auth_method: method,
            secrets,
            keys,
            redirect_uris,
            grant_types: self.grant_types.clone(),
            response_types,
            scope: self.scope.clone(),
            consent: if self.operator.first_party { ConsentPolicy::FirstParty } else { ConsentPolicy::Ask },
            self_registered: false,
            resource_server_of: self.operator.resource_server_of.clone(),
            lifetimes: ClientLifetimes::default(),
            openid: OpenIdRegistration {
                id_token_alg: self.id_token_signed_response_alg,
                userinfo_alg: self.userinfo_signed_response_alg,
                id_token_encryption: encryption.id_token,
                userinfo_encryption: encryption.userinfo,
                sector,
                default_max_age: self.sign_in.default_max_age.map(Duration::from_secs),
                default_acr_values: self.sign_in.acr_values()?,
                initiate_login_uri: self.sign_in.login_uri()?,
            },
            request_objects,
            backchannel,
            logout,
        })
    }

    /// The HMAC of its ID tokens, if they have one instead of a signature.
    pub(super) fn id_token_mac(&self) -> Option<MacAlgorithm> {
        self.id_token_signed_response_alg.and_then(AssertionAlgorithm::mac)
    }

    /// Whether no list of places to answer to is longer than `most`.
    pub(super) fn check_lengths(&self, most: usize) -> Result<(), MetadataError> {
        let lists = [
            ("redirect_uris", &self.redirect_uris),
            ("post_logout_redirect_uris", &self.logout.post_logout_redirect_uris),
        ];
        match lists.into_iter().find(|(_, uris)| uris.len() > most) {
            Some((member, _)) => Err(MetadataError::TooMany(member, most)),
            None => Ok(()),
        }
    }

    /// Where the keys of the client are, and what it signs with.
    fn keys(&self) -> Result<ClientKeys, MetadataError> {
        let contradiction = |rule| Err(MetadataError::Contradiction(rule));
        let method = self.token_endpoint_auth_method;
        let alg = self.token_endpoint_auth_signing_alg.filter(|_| method.is_assertion());
        if alg.is_some_and(|alg| alg.method() != method) {
            return contradiction("token_endpoint_auth_signing_alg is not for token_endpoint_auth_method");
        }
        let own = alg.and_then(AssertionAlgorithm::mac);
        let longest = own
            .max(self.request_objects.mac())
            .max(self.id_token_mac())
            .map_or(0, MacAlgorithm::min_secret_bytes);
        if self.operator.client_secret.as_ref().is_some_and(|secret| secret.expose().len() < longest) {
            return contradiction("client_secret is too short for its algorithm (RFC 7518 §3.2)");
        }
        let source = match (&self.jwks, &self.jwks_uri) {
            (Some(_), Some(_)) => return contradiction("jwks and jwks_uri exclude each other (RFC 7591 §2)"),
            (Some(set), None) => KeySource::Given(Arc::new(PublishedKeys::new(set.clone()))),
            (None, Some(uri)) => match web_url(uri).filter(|url| url.fragment().is_none()) {
                Some(uri) => KeySource::At(uri),
                None => return Err(MetadataError::NotOnTheWeb("jwks_uri")),
            },
            (None, None) => KeySource::None,
        };
        if method == ClientAuthMethod::PrivateKeyJwt {
            let verifies = |key: &Jwk| match alg {
                Some(AssertionAlgorithm::Signature(alg)) => key.can_verify(alg),
                _ => Algorithm::ALL.into_iter().any(|alg| key.can_verify(alg)),
            };
            match &source {
                KeySource::None => return contradiction("private_key_jwt needs jwks or jwks_uri"),
                KeySource::Given(keys) if !keys.set().keys().iter().any(verifies) => {
                    return contradiction("no key of jwks can verify what private_key_jwt signs");
                }
                _ => {}
            }
        }
        Ok(ClientKeys { source, assertion_alg: alg })
    }

    /// Any redirect URI that may be registered at all; on a web client of the implicit grant, whose tokens go wherever the
    /// URI leads, none but `https` on another machine (OpenID Connect Dynamic Client Registration §2).
    fn parse_redirect_uris(&self) -> Result<Vec<RedirectUri>, MetadataError> {
        let implicit = self.grant_types.contains(&GrantType::Implicit);
        let only_https = implicit && self.application_type == ApplicationType::Web;
        let parse = |uri: &String| {
            RedirectUri::parse(uri, self.application_type)
                .and_then(|parsed| match parsed.is_loopback() || parsed.is_private_scheme() {
                    true if only_https => Err(RedirectUriError::NotForImplicit),
                    _ => Ok(parsed),
                })
                .map_err(|error| MetadataError::RedirectUri { uri: uri.clone(), error })
        };
        self.redirect_uris.iter().map(parse).collect()
    }
}

const fn default_auth_method() -> ClientAuthMethod {
    ClientAuthMethod::ClientSecretBasic
}

fn default_grant_types() -> Vec<GrantType> {
    vec![GrantType::AuthorizationCode]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn register(json: &str) -> Result<Client, MetadataError> {
        let metadata = ClientMetadata::list_from_json(format!("[{json}]").as_bytes())?.remove(0);
        let secrets = metadata
            .operator
            .client_secret
            .iter()
            .map(|secret| ClientSecret::generated(secret.expose()))
            .collect();
        metadata.register(secrets)
    }

    #[test]
    fn the_defaults_are_those_of_rfc_7591() {
        let client =
            register(r#"{"client_id":"a","client_secret":"s","redirect_uris":["https://a.example/cb"]}"#)
                .unwrap();
        assert_eq!(client.auth_method, ClientAuthMethod::ClientSecretBasic);
        assert_eq!(client.grant_types, [GrantType::AuthorizationCode]);
        assert_eq!(client.response_types, [ResponseType::Code]);
        assert_eq!(client.consent, ConsentPolicy::Ask);
    }

    #[test]
    fn metadata_that_contradict_themselves_are_refused() {
        for json in [
            r#"{"client_id":"a","redirect_uris":["https://a.example/cb"]}"#,
            r#"{"client_id":"a","client_secret":"s"}"#,
            r#"{"client_id":"a","client_secret":"s","token_endpoint_auth_method":"none","redirect_uris":["https://a.example/cb"]}"#,
            r#"{"client_id":"a","token_endpoint_auth_method":"none","grant_types":["client_credentials"]}"#,
            r#"{"client_id":"a","client_secret":"s","redirect_uris":["https://a.example/cb"],"response_types":[]}"#,
            r#"{"client_id":"a","client_secret":"s","grant_types":["client_credentials"],"response_types":["code"]}"#,
        ] {
            assert!(matches!(register(json), Err(MetadataError::Contradiction(_))), "{json}");
        }
    }

    const KEY: &str = r#"{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}"#;

    /// A client that signs, with these members besides.
    fn signing(members: &str) -> Result<Client, MetadataError> {
        let json = r#"{"client_id":"a","token_endpoint_auth_method":"private_key_jwt","grant_types":["client_credentials"]"#;
        register(&format!("{json},{members}}}"))
    }

    #[test]
    fn a_client_that_signs_has_its_keys_here_or_elsewhere_and_no_secret() {
        let jwks = format!(r#""jwks":{{"keys":[{KEY}]}}"#);
        let here = signing(&jwks).unwrap();
        assert!(matches!(here.keys.source, KeySource::Given(keys) if keys.set().keys().len() == 1));
        for uri in ["https://a.example/jwks?tenant=1", "http://127.0.0.1:8080/jwks", "http://localhost/jwks"]
        {
            let elsewhere = signing(&format!(r#""jwks_uri":"{uri}""#)).unwrap();
            assert!(matches!(elsewhere.keys.source, KeySource::At(own) if own.as_str() == uri));
        }
        let alg = |alg: &str| signing(&format!(r#"{jwks},"token_endpoint_auth_signing_alg":"{alg}""#));
        assert_eq!(
            alg("ES256").unwrap().keys.assertion_alg,
            Some(AssertionAlgorithm::Signature(Algorithm::Es256))
        );
        for members in [
            r#""client_name":"without keys""#.to_owned(),
            format!(r#"{jwks},"jwks_uri":"https://a.example/jwks""#),
            format!(r#"{jwks},"client_secret":"s""#),
            format!(r#"{jwks},"token_endpoint_auth_signing_alg":"RS256""#),
            format!(r#"{jwks},"token_endpoint_auth_signing_alg":"HS256""#),
            r#""jwks":{"keys":[]}"#.to_owned(),
            format!(r#""jwks":{{"keys":[{}]}}"#, KEY.replace("\"x\"", "\"use\":\"enc\",\"x\"")),
            r#""jwks_uri":"http://a.example/jwks""#.to_owned(),
            r#""jwks_uri":"https://user@a.example/jwks""#.to_owned(),
            r#""jwks_uri":"https://a.example/jwks#1""#.to_owned(),
            r#""jwks_uri":"file:///etc/passwd""#.to_owned(),
            r#""jwks_uri":"jwks""#.to_owned(),
            format!(r#""jwks_uri":"https://a.example/{}""#, "x".repeat(2048)),
        ] {
            let refused = matches!(
                signing(&members),
                Err(MetadataError::Contradiction(_) | MetadataError::NotOnTheWeb(_))
            );
            assert!(refused, "{members}");
        }
        for members in [
            format!(r#"{jwks},"token_endpoint_auth_signing_alg":"none""#),
            r#""jwks":{"keys":[{"kty":"oct","k":"AAAA"}]}"#.to_owned(),
            r#""jwks":[]"#.to_owned(),
        ] {
            assert!(matches!(signing(&members), Err(MetadataError::Json(_))), "{members}");
        }
    }

    #[test]
    fn a_client_that_authenticates_by_hmac_needs_its_secret_kept_sealed() {
        let json = r#"{"client_id":"a","client_secret":"0123456789abcdef0123456789abcdef","token_endpoint_auth_method":"client_secret_jwt","grant_types":["client_credentials"]}"#;
        assert!(matches!(register(json), Err(MetadataError::Contradiction(rule)) if rule.contains("sealed")));
    }

    #[test]
    fn bad_json_bad_identifiers_and_bad_redirect_uris_are_named() {
        assert!(matches!(register(r#"{"client_id":"a","client_id":"b"}"#), Err(MetadataError::Json(_))));
        assert!(matches!(
            register(r#"{"client_id":"a","grant_types":["magic"]}"#),
            Err(MetadataError::Json(_))
        ));
        assert_eq!(
            register(r#"{"client_id":"é","client_secret":"s"}"#).unwrap_err(),
            MetadataError::ClientId
        );
        let evil = r#"{"client_id":"a","client_secret":"s","redirect_uris":["javascript:alert(1)"]}"#;
        assert!(matches!(register(evil), Err(MetadataError::RedirectUri { .. })));
    }

    #[test]
    fn metadata_never_show_their_secret() {
        let metadata =
            ClientMetadata::list_from_json(br#"[{"client_id":"a","client_secret":"canary"}]"#).unwrap();
        assert!(!format!("{metadata:?}").contains("canary"));
    }
}
