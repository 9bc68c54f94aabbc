//! The token endpoint (RFC 6749 §3.2): which grant a request is, and what is answered.

use std::collections::BTreeMap;

use crate::client::Credentials;
use crate::grant::authorization_code::AuthorizationCodeRequest;
use crate::grant::ciba::CibaRequest;
use crate::grant::client_credentials::ClientCredentialsRequest;
use crate::grant::device_code::DeviceCodeRequest;
use crate::grant::extension::ExtensionGrantRequest;
use crate::grant::issue::TokenPlan;
use crate::grant::jwt_bearer::{GrantAssertion, JwtBearerRequest};
use crate::grant::password::PasswordRequest;
use crate::grant::refresh_token::RefreshTokenRequest;
use crate::grant::target;
use crate::grant::token_exchange::{ON_BEHALF_OF, TokenExchangeRequest};
use crate::protocol::{ClientId, GrantType, OAuthError, Params, Reason, Scope, Secret, TokenType};
use crate::record::password::PasswordAttempt;
use crate::record::{Context, Decide, Decision, Facts, Halt};
use crate::token::{Handle, HandleKind, RefreshHandle};

/// A request to the token endpoint, by grant type.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum TokenRequest {
    /// `authorization_code`.
    AuthorizationCode(AuthorizationCodeRequest),
    /// `refresh_token`.
    RefreshToken(RefreshTokenRequest),
    /// `client_credentials`.
    ClientCredentials(ClientCredentialsRequest),
    /// `urn:ietf:params:oauth:grant-type:device_code`.
    DeviceCode(DeviceCodeRequest),
    /// `urn:openid:params:grant-type:ciba`.
    Ciba(CibaRequest),
    /// `urn:ietf:params:oauth:grant-type:token-exchange`, and its other form.
    TokenExchange(Box<TokenExchangeRequest>),
    /// `urn:ietf:params:oauth:grant-type:jwt-bearer`.
    JwtBearer(Box<JwtBearerRequest>),
    /// `password`.
    Password(PasswordRequest),
    /// One of the host's own.
    Extension(ExtensionGrantRequest),
}

/// Does with a request what is done with each alike, whichever it is.
macro_rules! whichever {
    ($of:expr, $request:ident => $alike:expr) => {
        match $of {
            Self::AuthorizationCode($request) => $alike,
            Self::RefreshToken($request) => $alike,
            Self::ClientCredentials($request) => $alike,
            Self::DeviceCode($request) => $alike,
            Self::Ciba($request) => $alike,
            Self::TokenExchange($request) => $alike,
            Self::JwtBearer($request) => $alike,
            Self::Password($request) => $alike,
            Self::Extension($request) => $alike,
        }
    };
}

impl TokenRequest {
    /// Reads the form body and the `Authorization` header, where these grant types are switched on.
    ///
    /// # Errors
    /// `invalid_request`, `invalid_client`, `unsupported_grant_type`, `invalid_scope` or `invalid_target`, as the
    /// parameter at fault asks for.
    pub fn read(
        authorization: Option<&[u8]>,
        params: &Params<'_>,
        grant_types: &[GrantType],
    ) -> Result<Self, OAuthError> {
        refuse_faults(params)?;
        let credentials = Credentials::read(authorization, params)?;
        let name = required(params, "grant_type")?;
        let grant_type = GrantType::from_name(name).filter(|own| grant_types.contains(own));
        let grant_type = grant_type.ok_or(Reason::GrantTypeUnsupported)?;
        let resources = target::read_resources(params)?;
        Ok(match grant_type {
            GrantType::AuthorizationCode => Self::AuthorizationCode(AuthorizationCodeRequest {
                credentials,
                code: Handle::decode(HandleKind::Code, required(params, "code")?),
                redirect_uri: params.get("redirect_uri").map(str::to_owned),
                code_verifier: params.get("code_verifier").map(Secret::new),
                resources,
            }),
            GrantType::RefreshToken => Self::RefreshToken(RefreshTokenRequest {
                credentials,
                refresh_token: RefreshHandle::decode(required(params, "refresh_token")?),
                scope: scope(params)?,
                resources,
            }),
            GrantType::ClientCredentials => Self::ClientCredentials(ClientCredentialsRequest {
                credentials,
                scope: scope(params)?,
                resources,
            }),
            GrantType::Ciba => Self::Ciba(CibaRequest {
                credentials,
                auth_req_id: Handle::decode(HandleKind::AuthReqId, required(params, "auth_req_id")?),
                resources,
            }),
            GrantType::DeviceCode => Self::DeviceCode(DeviceCodeRequest {
                credentials,
                device_code: Handle::decode(HandleKind::DeviceCode, required(params, "device_code")?),
                resources,
            }),
            GrantType::TokenExchange => Self::TokenExchange(Box::new(TokenExchangeRequest::read(
                credentials,
                scope(params)?,
                resources,
                params,
            )?)),
            GrantType::JwtBearer => match params.get("requested_token_use") {
                None => Self::JwtBearer(Box::new(JwtBearerRequest {
                    credentials,
                    assertion: GrantAssertion::read(required(params, "assertion")?)?,
                    scope: scope(params)?,
                    resources,
                })),
                Some(ON_BEHALF_OF) => {
                    let (scope, assertion) = (scope(params)?, required(params, "assertion")?);
                    let request =
                        TokenExchangeRequest::on_behalf_of(credentials, scope, resources, assertion);
                    Self::TokenExchange(Box::new(request))
                }
                Some(_) => {
                    return Err(OAuthError::new(Reason::ParameterMalformed).parameter("requested_token_use"));
                }
            },
            GrantType::Password => Self::Password(PasswordRequest {
                credentials,
                attempt: PasswordAttempt {
                    username: Secret::new(required(params, "username")?),
                    password: Secret::new(required(params, "password")?),
                },
                scope: scope(params)?,
                resources,
            }),
            GrantType::Extension(grant_type) => Self::Extension(ExtensionGrantRequest {
                credentials,
                grant_type,
                parameters: further(params),
                scope: scope(params)?,
                resources,
            }),
            GrantType::Implicit => return Err(Reason::GrantTypeUnsupported.into()),
        })
    }

    /// The grant type asked for.
    #[must_use]
    pub fn grant_type(&self) -> GrantType {
        match self {
            Self::AuthorizationCode(_) => GrantType::AuthorizationCode,
            Self::RefreshToken(_) => GrantType::RefreshToken,
            Self::ClientCredentials(_) => GrantType::ClientCredentials,
            Self::DeviceCode(_) => GrantType::DeviceCode,
            Self::Ciba(_) => GrantType::Ciba,
            Self::TokenExchange(request) => request.form.grant_type(),
            Self::JwtBearer(_) => GrantType::JwtBearer,
            Self::Password(_) => GrantType::Password,
            Self::Extension(request) => GrantType::Extension(request.grant_type.clone()),
        }
    }

    /// The client that asks, unproven.
    #[must_use]
    pub fn client_id(&self) -> &str {
        whichever!(self, request => &request.credentials.client_id)
    }
}

impl Decide for TokenRequest {
    type Plan = TokenPlan;

    fn client_id(&self) -> Option<ClientId> {
        Some(Self::client_id(self).into())
    }

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        whichever!(self, request => request.read_ahead(facts, cx))
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        if !cx.settings.grant_types.contains(&self.grant_type()) {
            return Err(Reason::GrantTypeUnsupported.into());
        }
        whichever!(self, request => request.decide(facts, cx))
    }
}

/// A successful answer of the token endpoint (RFC 6749 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenResponse {
    /// `access_token`.
    pub access_token: Secret,
    /// `token_type`: `Bearer`, or `N_A` for what is no access token (RFC 8693 §2.2.1).
    pub token_type: &'static str,
    /// `expires_in`, in seconds.
    pub expires_in: u64,
    /// `refresh_token`.
    pub refresh_token: Option<Secret>,
    /// `id_token` (OpenID Connect Core §3.1.3.3).
    pub id_token: Option<Secret>,
    /// `scope`: what the access token allows.
    pub scope: Scope,
    /// `issued_token_type`, where a token was exchanged for it (RFC 8693 §2.2.1).
    pub issued_token_type: Option<TokenType>,
}

impl TokenResponse {
    /// The answer as JSON. This is the one place where tokens leave.
    ///
    /// No value needs escaping: tokens are base64url and dots, scope values hold neither quotes nor backslashes nor
    /// controls (RFC 6749 appendix A.4).
    #[must_use]
    pub fn to_json(&self) -> Vec<u8> {
        let mut len = 0;
        self.write_json(|part| len += part.len());
        let mut json = String::with_capacity(len);
        self.write_json(|part| json.push_str(part));
        json.into_bytes()
    }

    #[inline]
    fn write_json(&self, mut push: impl FnMut(&str)) {
        push("{\"access_token\":\"");
        push(self.access_token.expose());
        push("\",\"token_type\":\"");
        push(self.token_type);
        push("\",\"expires_in\":");
        push(itoa::Buffer::new().format(self.expires_in));
        for (name, value) in [
            (",\"refresh_token\":\"", self.refresh_token.as_ref().map(Secret::expose)),
            (",\"id_token\":\"", self.id_token.as_ref().map(Secret::expose)),
            (",\"scope\":\"", Some(self.scope.as_str()).filter(|scope| !scope.is_empty())),
            (",\"issued_token_type\":\"", self.issued_token_type.map(TokenType::as_str)),
        ] {
            if let Some(value) = value {
                [name, value, "\""].into_iter().for_each(&mut push);
            }
        }
        push("}");
    }
}

/// Refuses a request in which any parameter is repeated or too long.
///
/// # Errors
/// `invalid_request`.
pub fn refuse_faults(params: &Params<'_>) -> Result<(), OAuthError> {
    match params.first_fault() {
        None => Ok(()),
        Some((_, fault)) => Err(Reason::from(fault).into()),
    }
}

pub(crate) fn required<'p>(params: &'p Params<'_>, name: &'static str) -> Result<&'p str, OAuthError> {
    params.get(name).ok_or_else(|| OAuthError::new(Reason::ParameterMissing).parameter(name))
}

/// What was sent besides the parameters that every token request may have.
fn further(params: &Params<'_>) -> BTreeMap<String, Secret> {
    const COMMON: &[&str] = &[
        "grant_type",
        "client_id",
        "client_secret",
        "client_assertion",
        "client_assertion_type",
        "scope",
        "resource",
    ];
    let names = params.names().filter(|name| !COMMON.contains(name));
    names.filter_map(|name| Some((name.to_owned(), Secret::new(params.get(name)?)))).collect()
}

fn scope(params: &Params<'_>) -> Result<Option<Scope>, OAuthError> {
    params.get("scope").map(|text| Scope::parse(text).map_err(|_| Reason::ScopeMalformed.into())).transpose()
}
