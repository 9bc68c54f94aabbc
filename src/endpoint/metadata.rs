//! Server metadata (RFC 8414 §2), made from the live configuration: what is advertised is what is accepted.

use serde::Serialize;

use crate::client::encryption::{CONTENT_ENCRYPTION, KEY_MANAGEMENT};
use crate::jose::{Algorithm, ContentEncryption, KeyManagement};
use crate::protocol::{
    ClientAuthMethod, DeliveryMode, GrantType, Issuer, Prompts, ResponseMode, ResponseType, SubjectType,
    TokenType,
};
use crate::record::assertion::AssertionAlgorithm;
use crate::record::request_object::RequestObjectAlgorithm;
use crate::record::settings::{ConfigError, Settings};
use crate::token::user_claims::BY_SCOPE;

/// Where the endpoints are, below the issuer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paths {
    /// The authorization endpoint.
    pub authorize: String,
    /// The token endpoint.
    pub token: String,
    /// The revocation endpoint.
    pub revoke: String,
    /// The introspection endpoint.
    pub introspect: String,
    /// The device authorization endpoint.
    pub device_authorization: String,
    /// The backchannel authentication endpoint.
    pub backchannel_authentication: String,
    /// The key set.
    pub jwks: String,
    /// The UserInfo endpoint.
    pub userinfo: String,
    /// The logout endpoint.
    pub logout: String,
    /// The page that clients load in a frame to watch the session.
    pub check_session: String,
    /// The registration endpoint.
    pub register: String,
}

impl Paths {
    /// The URLs of the endpoints at which clients authenticate.
    #[must_use]
    pub fn authenticated(&self, issuer: &Issuer) -> [String; 5] {
        let Self { token, revoke, introspect, device_authorization, backchannel_authentication, .. } = self;
        [token, revoke, introspect, device_authorization, backchannel_authentication]
            .map(|path| issuer.endpoint(path))
    }

    /// Refuses a path that no router could serve as it is published.
    ///
    /// # Errors
    /// [`ConfigError`], naming the path and the rule.
    pub fn lint(&self, issuer: &Issuer) -> Result<(), ConfigError> {
        let at = |path: &str| format!("{}{path}", issuer.path());
        let mut taken = vec![
            issuer.well_known_path("oauth-authorization-server"),
            at("/.well-known/openid-configuration"),
        ];
        for (setting, path) in [
            ("paths.authorize", &self.authorize),
            ("paths.token", &self.token),
            ("paths.revoke", &self.revoke),
            ("paths.introspect", &self.introspect),
            ("paths.device_authorization", &self.device_authorization),
            ("paths.backchannel_authentication", &self.backchannel_authentication),
            ("paths.jwks", &self.jwks),
            ("paths.userinfo", &self.userinfo),
            ("paths.logout", &self.logout),
            ("paths.check_session", &self.check_session),
            ("paths.register", &self.register),
        ] {
            if !is_plain(path) {
                let rule =
                    "one slash, then letters, digits and any of -._~!$&'()*+,;=:@/ without dot segments";
                return Err(ConfigError { setting, rule });
            }
            if taken.contains(&at(path)) {
                return Err(ConfigError {
                    setting,
                    rule: "each endpoint and well-known document has its own",
                });
            }
            taken.push(at(path));
        }
        Ok(())
    }
}

/// Whether a path is its own only spelling: segments of RFC 3986 §3.3 without percent-encoding.
fn is_plain(path: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~!$&'()*+,;=:@/".contains(&byte);
    path.starts_with('/')
        && !path.starts_with("//")
        && path.bytes().all(is_plain)
        && !path.split('/').any(|segment| matches!(segment, "." | ".."))
}

impl Default for Paths {
    fn default() -> Self {
        Self {
            authorize: "/authorize".into(),
            token: "/token".into(),
            revoke: "/revoke".into(),
            introspect: "/introspect".into(),
            device_authorization: "/device_authorization".into(),
            backchannel_authentication: "/bc-authorize".into(),
            jwks: "/jwks".into(),
            userinfo: "/userinfo".into(),
            logout: "/logout".into(),
            check_session: "/check_session".into(),
            register: "/register".into(),
        }
    }
}

/// What an OpenID Provider says besides (OpenID Connect Discovery §3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct OpenIdMetadata {
    /// `userinfo_endpoint`.
    pub userinfo_endpoint: String,
    /// `end_session_endpoint` (OpenID Connect RP-Initiated Logout §2.1).
    pub end_session_endpoint: String,
    /// `check_session_iframe` (OpenID Connect Session Management §3.3).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub check_session_iframe: Option<String>,
    /// `backchannel_logout_supported` (OpenID Connect Back-Channel Logout §2.1).
    pub backchannel_logout_supported: bool,
    /// `backchannel_logout_session_supported`.
    pub backchannel_logout_session_supported: bool,
    /// `frontchannel_logout_supported` (OpenID Connect Front-Channel Logout §3).
    pub frontchannel_logout_supported: bool,
    /// `frontchannel_logout_session_supported`.
    pub frontchannel_logout_session_supported: bool,
    /// `subject_types_supported`.
    pub subject_types_supported: &'static [SubjectType],
    /// `id_token_signing_alg_values_supported`.
    pub id_token_signing_alg_values_supported: Vec<&'static str>,
    /// `userinfo_signing_alg_values_supported`.
    pub userinfo_signing_alg_values_supported: Vec<&'static str>,
    /// `id_token_encryption_alg_values_supported`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub id_token_encryption_alg_values_supported: &'static [KeyManagement],
    /// `id_token_encryption_enc_values_supported`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub id_token_encryption_enc_values_supported: &'static [ContentEncryption],
    /// `userinfo_encryption_alg_values_supported`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub userinfo_encryption_alg_values_supported: &'static [KeyManagement],
    /// `userinfo_encryption_enc_values_supported`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub userinfo_encryption_enc_values_supported: &'static [ContentEncryption],
    /// `claim_types_supported`.
    pub claim_types_supported: &'static [&'static str],
    /// `claims_supported`: those the server says itself, and those the scope values ask for.
    pub claims_supported: Vec<&'static str>,
    /// `claims_parameter_supported`.
    pub claims_parameter_supported: bool,
    /// `acr_values_supported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub acr_values_supported: Vec<String>,
    /// `claims_locales_supported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub claims_locales_supported: Vec<String>,
    /// `ui_locales_supported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ui_locales_supported: Vec<String>,
    /// `prompt_values_supported` (Initiating User Registration via OpenID Connect §4.2).
    pub prompt_values_supported: &'static [&'static str],
}

impl OpenIdMetadata {
    fn new(settings: &Settings, paths: &Paths) -> Self {
        let algorithms: Vec<_> =
            settings.signing_algorithms.iter().map(|algorithm| algorithm.as_str()).collect();
        let macs = settings.id_token_macs().iter().map(|algorithm| algorithm.as_str());
        let own = ["sub", "iss", "aud", "exp", "iat", "auth_time", "acr", "amr", "nonce", "sid", "at_hash"];
        let asked = BY_SCOPE.iter().filter(|(value, _)| settings.scope.contains(value));
        Self {
            userinfo_endpoint: settings.issuer.endpoint(&paths.userinfo),
            end_session_endpoint: settings.issuer.endpoint(&paths.logout),
            check_session_iframe: settings
                .session_management
                .then(|| settings.issuer.endpoint(&paths.check_session)),
            backchannel_logout_supported: settings.backchannel_logout,
            backchannel_logout_session_supported: settings.backchannel_logout,
            frontchannel_logout_supported: settings.frontchannel_logout,
            frontchannel_logout_session_supported: settings.frontchannel_logout,
            subject_types_supported: match settings.pairwise {
                Some(_) => SubjectType::ALL,
                None => &[SubjectType::Public],
            },
            id_token_signing_alg_values_supported: algorithms.iter().copied().chain(macs).collect(),
            userinfo_signing_alg_values_supported: algorithms,
            id_token_encryption_alg_values_supported: KEY_MANAGEMENT,
            id_token_encryption_enc_values_supported: CONTENT_ENCRYPTION,
            userinfo_encryption_alg_values_supported: KEY_MANAGEMENT,
            userinfo_encryption_enc_values_supported: CONTENT_ENCRYPTION,
            claim_types_supported: &["normal", "aggregated", "distributed"],
            claims_supported: own.into_iter().chain(asked.flat_map(|(_, names)| *names).copied()).collect(),
            claims_parameter_supported: true,
            acr_values_supported: settings.acr_values.iter().map(ToString::to_string).collect(),
            claims_locales_supported: settings.languages.claims.iter().map(str::to_owned).collect(),
            ui_locales_supported: settings.languages.ui.iter().map(str::to_owned).collect(),
            prompt_values_supported: Prompts::NAMES,
        }
    }
}

/// What is said of request objects (RFC 9101 §10.5, OpenID Connect Discovery §3).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RequestObjectSupport {
    /// `request_parameter_supported`.
    pub request_parameter_supported: bool,
    /// `request_uri_parameter_supported`.
    pub request_uri_parameter_supported: bool,
    /// `require_request_uri_registration`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_request_uri_registration: bool,
    /// `request_object_signing_alg_values_supported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_object_signing_alg_values_supported: Vec<RequestObjectAlgorithm>,
    /// `request_object_encryption_alg_values_supported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_object_encryption_alg_values_supported: Vec<KeyManagement>,
    /// `request_object_encryption_enc_values_supported`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub request_object_encryption_enc_values_supported: &'static [ContentEncryption],
}

impl RequestObjectSupport {
    fn new(settings: &Settings) -> Self {
        Self {
            request_parameter_supported: settings.takes_request_objects(),
            request_uri_parameter_supported: settings.remote_requests,
            require_request_uri_registration: settings.remote_requests,
            request_object_signing_alg_values_supported: settings.request_object_algorithms(),
            request_object_encryption_alg_values_supported: settings.decryption_algorithms.clone(),
            request_object_encryption_enc_values_supported: match settings.decryption_algorithms.is_empty() {
                true => &[],
                false => CONTENT_ENCRYPTION,
            },
        }
    }
}

/// What is said of backchannel authentication (CIBA Core §4).
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct BackchannelSupport {
    /// `backchannel_authentication_endpoint`.
    pub backchannel_authentication_endpoint: String,
    /// `backchannel_token_delivery_modes_supported`.
    pub backchannel_token_delivery_modes_supported: &'static [DeliveryMode],
    /// `backchannel_authentication_request_signing_alg_values_supported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub backchannel_authentication_request_signing_alg_values_supported: Vec<Algorithm>,
    /// `backchannel_user_code_parameter_supported`.
    pub backchannel_user_code_parameter_supported: bool,
}

/// The metadata document. Lists that would be empty are left out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// `issuer`.
    pub issuer: String,
    /// `authorization_endpoint`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub authorization_endpoint: Option<String>,
    /// `token_endpoint`.
    pub token_endpoint: String,
    /// `revocation_endpoint`.
    pub revocation_endpoint: String,
    /// `introspection_endpoint`.
    pub introspection_endpoint: String,
    /// `device_authorization_endpoint` (RFC 8628 §4); absent where no device is authorized.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device_authorization_endpoint: Option<String>,
    /// `jwks_uri`; absent where nothing is signed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwks_uri: Option<String>,
    /// `registration_endpoint`; absent where no client may register itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registration_endpoint: Option<String>,
    /// `scopes_supported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub scopes_supported: Vec<String>,
    /// `response_types_supported`.
    pub response_types_supported: Vec<ResponseType>,
    /// `response_modes_supported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub response_modes_supported: Vec<ResponseMode>,
    /// `grant_types_supported`.
    pub grant_types_supported: Vec<GrantType>,
    /// `token_endpoint_auth_methods_supported`.
    pub token_endpoint_auth_methods_supported: Vec<ClientAuthMethod>,
    /// `token_endpoint_auth_signing_alg_values_supported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub token_endpoint_auth_signing_alg_values_supported: Vec<AssertionAlgorithm>,
    /// `revocation_endpoint_auth_methods_supported`.
    pub revocation_endpoint_auth_methods_supported: Vec<ClientAuthMethod>,
    /// `revocation_endpoint_auth_signing_alg_values_supported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub revocation_endpoint_auth_signing_alg_values_supported: Vec<AssertionAlgorithm>,
    /// `introspection_endpoint_auth_methods_supported`: a client that cannot authenticate may not ask.
    pub introspection_endpoint_auth_methods_supported: Vec<ClientAuthMethod>,
    /// `introspection_endpoint_auth_signing_alg_values_supported`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub introspection_endpoint_auth_signing_alg_values_supported: Vec<AssertionAlgorithm>,
    /// `code_challenge_methods_supported`.
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub code_challenge_methods_supported: &'static [&'static str],
    /// `authorization_response_iss_parameter_supported` (RFC 9207 §3).
    pub authorization_response_iss_parameter_supported: bool,
    /// `authorization_grant_profiles_supported` (Identity Assertion JWT Authorization Grant §7.2).
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub authorization_grant_profiles_supported: &'static [&'static str],
    /// `identity_chaining_requested_token_types_supported` (Identity Assertion JWT Authorization Grant §7.1).
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    pub identity_chaining_requested_token_types_supported: &'static [TokenType],
    /// What is said of request objects, where there is an authorization endpoint.
    #[serde(flatten)]
    pub request_objects: Option<RequestObjectSupport>,
    /// What is said of backchannel authentication, where users are asked so.
    #[serde(flatten)]
    pub backchannel: Option<BackchannelSupport>,
    /// What an OpenID Provider says besides.
    #[serde(flatten)]
    pub openid: Option<OpenIdMetadata>,
}

impl Metadata {
    /// The same of a server that tells no client when a session ends, because the host keeps the sessions.
    #[must_use]
    pub fn without_logout_notices(mut self) -> Self {
        if let Some(openid) = &mut self.openid {
            openid.backchannel_logout_supported = false;
            openid.backchannel_logout_session_supported = false;
            openid.frontchannel_logout_supported = false;
            openid.frontchannel_logout_session_supported = false;
        }
        self
    }

    /// The metadata of a server; `signs` says whether it publishes keys.
    #[must_use]
    pub fn new(settings: &Settings, paths: &Paths, signs: bool) -> Self {
        let at = |path: &str| settings.issuer.endpoint(path);
        let codes = settings.grant_types.contains(&GrantType::AuthorizationCode);
        let devices = settings.grant_types.contains(&GrantType::DeviceCode);
        let elsewhere = settings.grant_types.contains(&GrantType::Ciba);
        let in_front = |own: &ResponseType| own.has_token() || own.has_id_token();
        let implicit = codes && settings.response_types.iter().any(in_front);
        let implicit = implicit.then_some(GrantType::Implicit);
        let methods = settings.dials.client_auth_methods.to_vec();
        let algorithms = settings.assertions.algorithms(&methods);
        let authenticated =
            methods.iter().copied().filter(|method| *method != ClientAuthMethod::None).collect();
        Self {
            issuer: settings.issuer.as_str().to_owned(),
            authorization_endpoint: codes.then(|| at(&paths.authorize)),
            token_endpoint: at(&paths.token),
            revocation_endpoint: at(&paths.revoke),
            introspection_endpoint: at(&paths.introspect),
            device_authorization_endpoint: devices.then(|| at(&paths.device_authorization)),
            jwks_uri: signs.then(|| at(&paths.jwks)),
            registration_endpoint: settings
                .self_registration
                .as_ref()
                .filter(|registration| registration.open)
                .map(|registration| registration.url.clone()),
            scopes_supported: settings.scope.iter().map(str::to_owned).collect(),
            response_types_supported: if codes { settings.response_types.clone() } else { Vec::new() },
            response_modes_supported: if codes { settings.response_modes.clone() } else { Vec::new() },
            grant_types_supported: settings.grant_types.iter().cloned().chain(implicit).collect(),
            token_endpoint_auth_methods_supported: methods.clone(),
            token_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
            revocation_endpoint_auth_methods_supported: methods,
            revocation_endpoint_auth_signing_alg_values_supported: algorithms.clone(),
            introspection_endpoint_auth_methods_supported: authenticated,
            introspection_endpoint_auth_signing_alg_values_supported: algorithms,
            code_challenge_methods_supported: if codes { &["S256"] } else { &[] },
            authorization_response_iss_parameter_supported: codes,
            authorization_grant_profiles_supported: match settings.assertion_trust
                && settings.grant_types.contains(&GrantType::JwtBearer)
            {
                true => &["urn:ietf:params:oauth:grant-profile:id-jag"],
                false => &[],
            },
            identity_chaining_requested_token_types_supported: match settings.issues_id_jags
                && settings.grant_types.contains(&GrantType::TokenExchange)
            {
                true => &[TokenType::IdJag],
                false => &[],
            },
            request_objects: codes.then(|| RequestObjectSupport::new(settings)),
            backchannel: elsewhere.then(|| BackchannelSupport {
                backchannel_authentication_endpoint: at(&paths.backchannel_authentication),
                backchannel_token_delivery_modes_supported: settings.delivery_modes(),
                backchannel_authentication_request_signing_alg_values_supported: match cfg!(
                    feature = "aws-lc-rs"
                ) {
                    true => settings.assertions.signatures.clone(),
                    false => Vec::new(),
                },
                backchannel_user_code_parameter_supported: settings.backchannel.user_codes,
            }),
            openid: ((codes || devices || elsewhere) && settings.is_openid_provider())
                .then(|| OpenIdMetadata::new(settings, paths)),
        }
    }
}
