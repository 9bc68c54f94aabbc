//! Errors: what the wire says, and what only the log says.
//!
//! Every refusal has one [`Reason`]. The table below gives each reason its error code, its HTTP status, the words
//! that may be shown to anyone, and the rule it comes from. The wire never carries more than the code and those
//! words, so that unknown, expired and foreign credentials cannot be told apart.

use std::fmt;

use serde::{Deserialize, Serialize};

/// An error code of the OAuth registries, as it stands on the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ErrorCode {
    /// `invalid_request` (RFC 6749 §4.1.2.1, §5.2).
    InvalidRequest,
    /// `invalid_client` (RFC 6749 §5.2).
    InvalidClient,
    /// `invalid_grant` (RFC 6749 §5.2).
    InvalidGrant,
    /// `unauthorized_client` (RFC 6749 §4.1.2.1, §5.2).
    UnauthorizedClient,
    /// `unsupported_grant_type` (RFC 6749 §5.2).
    UnsupportedGrantType,
    /// `unsupported_response_type` (RFC 6749 §4.1.2.1).
    UnsupportedResponseType,
    /// `invalid_scope` (RFC 6749 §4.1.2.1, §5.2).
    InvalidScope,
    /// `invalid_target` (RFC 8707 §2).
    InvalidTarget,
    /// `access_denied` (RFC 6749 §4.1.2.1).
    AccessDenied,
    /// `request_not_supported` (OpenID Connect Core §3.1.2.6).
    RequestNotSupported,
    /// `request_uri_not_supported` (OpenID Connect Core §3.1.2.6).
    RequestUriNotSupported,
    /// `invalid_request_object` (RFC 9101 §7).
    InvalidRequestObject,
    /// `invalid_request_uri` (RFC 9101 §7).
    InvalidRequestUri,
    /// `registration_not_supported` (OpenID Connect Core §3.1.2.6).
    RegistrationNotSupported,
    /// `login_required` (OpenID Connect Core §3.1.2.6).
    LoginRequired,
    /// `consent_required` (OpenID Connect Core §3.1.2.6).
    ConsentRequired,
    /// `interaction_required` (OpenID Connect Core §3.1.2.6).
    InteractionRequired,
    /// `account_selection_required` (OpenID Connect Core §3.1.2.6).
    AccountSelectionRequired,
    /// `unmet_authentication_requirements` (OpenID Connect Core Error Code unmet_authentication_requirements §2).
    UnmetAuthenticationRequirements,
    /// `invalid_token` (RFC 6750 §3.1).
    InvalidToken,
    /// `insufficient_scope` (RFC 6750 §3.1).
    InsufficientScope,
    /// `invalid_redirect_uri` (RFC 7591 §3.2.2).
    InvalidRedirectUri,
    /// `invalid_client_metadata` (RFC 7591 §3.2.2).
    InvalidClientMetadata,
    /// `invalid_software_statement` (RFC 7591 §3.2.2).
    InvalidSoftwareStatement,
    /// `unapproved_software_statement` (RFC 7591 §3.2.2).
    UnapprovedSoftwareStatement,
    /// `unknown_user_id` (CIBA Core §13).
    UnknownUserId,
    /// `expired_login_hint_token` (CIBA Core §13).
    ExpiredLoginHintToken,
    /// `missing_user_code` (CIBA Core §13).
    MissingUserCode,
    /// `invalid_user_code` (CIBA Core §13).
    InvalidUserCode,
    /// `invalid_binding_message` (CIBA Core §13).
    InvalidBindingMessage,
    /// `authorization_pending` (RFC 8628 §3.5).
    AuthorizationPending,
    /// `expired_token` (RFC 8628 §3.5).
    ExpiredToken,
    /// `slow_down` (RFC 8628 §3.5), with status 429 for exhausted quotas.
    SlowDown,
    /// `temporarily_unavailable` (RFC 6749 §4.1.2.1), with status 503 where the channel is JSON.
    TemporarilyUnavailable,
    /// `server_error` (RFC 6749 §4.1.2.1), with status 500 where the channel is JSON.
    ServerError,
}

impl ErrorCode {
    /// The code as the wire spells it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::InvalidRequest => "invalid_request",
            Self::InvalidClient => "invalid_client",
            Self::InvalidGrant => "invalid_grant",
            Self::UnauthorizedClient => "unauthorized_client",
            Self::UnsupportedGrantType => "unsupported_grant_type",
            Self::UnsupportedResponseType => "unsupported_response_type",
            Self::InvalidScope => "invalid_scope",
            Self::InvalidTarget => "invalid_target",
            Self::AccessDenied => "access_denied",
            Self::RequestNotSupported => "request_not_supported",
            Self::RequestUriNotSupported => "request_uri_not_supported",
            Self::InvalidRequestObject => "invalid_request_object",
            Self::InvalidRequestUri => "invalid_request_uri",
            Self::RegistrationNotSupported => "registration_not_supported",
            Self::LoginRequired => "login_required",
            Self::ConsentRequired => "consent_required",
            Self::InteractionRequired => "interaction_required",
            Self::AccountSelectionRequired => "account_selection_required",
            Self::UnmetAuthenticationRequirements => "unmet_authentication_requirements",
            Self::InvalidToken => "invalid_token",
            Self::InsufficientScope => "insufficient_scope",
            Self::InvalidRedirectUri => "invalid_redirect_uri",
            Self::InvalidClientMetadata => "invalid_client_metadata",
            Self::InvalidSoftwareStatement => "invalid_software_statement",
            Self::UnapprovedSoftwareStatement => "unapproved_software_statement",
            Self::UnknownUserId => "unknown_user_id",
            Self::ExpiredLoginHintToken => "expired_login_hint_token",
            Self::MissingUserCode => "missing_user_code",
            Self::InvalidUserCode => "invalid_user_code",
            Self::InvalidBindingMessage => "invalid_binding_message",
            Self::AuthorizationPending => "authorization_pending",
            Self::ExpiredToken => "expired_token",
            Self::SlowDown => "slow_down",
            Self::TemporarilyUnavailable => "temporarily_unavailable",
            Self::ServerError => "server_error",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

macro_rules! reasons {
    ($($name:ident: $code:ident $status:literal, $public:literal, $spec:literal;)*) => {
        /// Why a request was refused. The variants are stable: logs and audit events name them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        #[non_exhaustive]
        pub enum Reason {
            $(
                #[doc = concat!("`", stringify!($code), "`, ", stringify!($status), ": ", $public, ". ", $spec, ".")]
                $name,
            )*
        }

        impl Reason {
            /// Every reason, in the order of the table.
            pub const ALL: &'static [Self] = &[$(Self::$name,)*];

            const fn row(self) -> (ErrorCode, u16, &'static str, &'static str) {
                match self {
                    $(Self::$name => (ErrorCode::$code, $status, $public, $spec),)*
                }
            }
        }
    };
}

reasons! {
    // The form of a request
    MalformedParameters: InvalidRequest 400, "the parameters are not well formed", "RFC 6749 appendix B";
    ParameterMissing: InvalidRequest 400, "a required parameter is missing", "RFC 6749 §5.2";
    ParameterRepeated: InvalidRequest 400, "a parameter is given more than once", "RFC 6749 §3.1";
    ParameterTooLong: InvalidRequest 400, "a parameter is too long", "RFC 6749 §5.2";
    ParameterMalformed: InvalidRequest 400, "a parameter is malformed", "RFC 6749 §5.2";
    ContentType: InvalidRequest 415, "the body must be application/x-www-form-urlencoded", "RFC 6749 §4.1.3";
    BodyTooLarge: InvalidRequest 413, "the body is too large", "RFC 9110 §15.5.14";
    UriTooLong: InvalidRequest 414, "the request URI is too long", "RFC 9110 §15.5.15";
    HeadersTooLarge: InvalidRequest 431, "the request headers are too large", "RFC 6585 §5";
    MethodNotAllowed: InvalidRequest 405, "the method is not allowed here", "RFC 9110 §15.5.6";

    // Client authentication
    ClientIdMissing: InvalidClient 401, "client authentication failed", "RFC 6749 §5.2";
    ClientUnknown: InvalidClient 401, "client authentication failed", "RFC 6749 §5.2";
    ClientDisabled: InvalidClient 401, "client authentication failed", "RFC 6749 §5.2";
    ClientSecretWrong: InvalidClient 401, "client authentication failed", "RFC 6749 §2.3.1";
    ClientSecretExpired: InvalidClient 401, "client authentication failed", "RFC 7591 §3.2.1";
    ClientMethodWrong: InvalidClient 401, "client authentication failed", "RFC 7591 §2";
    AssertionTypeUnknown: InvalidClient 401, "client authentication failed", "RFC 7523 §2.2";
    AssertionMalformed: InvalidClient 401, "client authentication failed", "RFC 7523 §3";
    AssertionOtherClient: InvalidClient 401, "client authentication failed", "RFC 7521 §4.2";
    AssertionKeysUnavailable: InvalidClient 401, "client authentication failed", "RFC 7591 §2";
    AssertionUnproven: InvalidClient 401, "client authentication failed", "RFC 7523 §3";
    AssertionAudience: InvalidClient 401, "client authentication failed", "RFC 10070 §4";
    AssertionTimes: InvalidClient 401, "client authentication failed", "RFC 7523 §3";
    AssertionLife: InvalidClient 401, "client authentication failed", "RFC 7523 §3";
    AssertionReplayed: InvalidClient 401, "client authentication failed", "OpenID Connect Core §9";
    EncryptionKeyMissing: InvalidClient 400, "the client has no key to encrypt to", "OpenID Connect Core §10.2";
    ClientMethodsTwo: InvalidRequest 400, "more than one client authentication method is used", "RFC 6749 §2.3";
    ClientIdMismatch: InvalidRequest 400, "the client identifiers differ", "RFC 6749 §2.3";
    BasicMalformed: InvalidRequest 400, "the Authorization header is malformed", "RFC 6749 §2.3.1";
    ClientGuessesExhausted: SlowDown 429, "too many failed attempts", "OAuth 2.1 §2.4.1";

    // The authorization request
    AuthorizeClientUnknown: InvalidClient 400, "the application that sent you here is not known", "RFC 6749 §4.1.2.1";
    RedirectUriMissing: InvalidRequest 400, "the redirect URI is missing", "RFC 6749 §3.1.2.3";
    RedirectUriUnregistered: InvalidRequest 400, "the redirect URI is not registered for this application", "RFC 9700 §4.1.3";
    ResponseTypeUnsupported: UnsupportedResponseType 400, "the response type is not supported", "RFC 6749 §3.1.1";
    ResponseTypeUnregistered: UnauthorizedClient 400, "the client may not use this response type", "RFC 6749 §4.1.2.1";
    ResponseModeUnsupported: InvalidRequest 400, "the response mode is not supported", "OAuth 2.0 Multiple Response Types §2.1";
    CodeChallengeMissing: InvalidRequest 400, "a code challenge is required", "RFC 9700 §2.1.1";
    CodeChallengeMethod: InvalidRequest 400, "the code challenge method must be S256", "RFC 7636 §4.3";
    CodeChallengeMalformed: InvalidRequest 400, "the code challenge is malformed", "RFC 7636 §4.2";
    RequestTwice: InvalidRequest 400, "request and request_uri exclude each other", "OpenID Connect Core §6";
    RequestObjectUnsupported: RequestNotSupported 400, "request objects are not supported", "OpenID Connect Core §6.1";
    RequestUriUnsupported: RequestUriNotSupported 400, "request_uri is not supported", "OpenID Connect Core §6.2";
    RequestObjectMissing: InvalidRequest 400, "a signed request object is required", "RFC 9101 §10.5";
    RequestObjectUnproven: InvalidRequestObject 400, "the request object is not valid", "RFC 9101 §6.2";
    RequestObjectClaims: InvalidRequestObject 400, "the request object is not valid", "RFC 9101 §6.3";
    RequestUriInvalid: InvalidRequestUri 400, "the request_uri is not registered, or cannot be fetched", "OpenID Connect Core §6.2";
    RegistrationUnsupported: RegistrationNotSupported 400, "the registration parameter is not supported", "OpenID Connect Core §7.2.1";
    PromptInvalid: InvalidRequest 400, "the prompt is not known, or none does not stand alone", "OpenID Connect Core §3.1.2.1";
    NonceMissing: InvalidRequest 400, "a nonce is required", "OpenID Connect Core §3.2.2.1";
    OpenIdScopeMissing: InvalidRequest 400, "the response type needs the scope openid", "OpenID Connect Core §3.2.2.1";
    MaxAgeInvalid: InvalidRequest 400, "max_age must be a number of seconds", "OpenID Connect Core §3.1.2.1";
    ClaimsInvalid: InvalidRequest 400, "the claims parameter is malformed", "OpenID Connect Core §5.5";
    IdTokenHintInvalid: InvalidRequest 400, "the ID token hint is not one of ours", "OpenID Connect Core §3.1.2.1";
    LoginNeeded: LoginRequired 400, "the user has to sign in", "OpenID Connect Core §3.1.2.6";
    LoginOfAnother: LoginRequired 400, "another user is signed in", "OpenID Connect Core §3.1.2.1";
    AccountChoiceNeeded: AccountSelectionRequired 400, "the user has to choose an account", "OpenID Connect Core §3.1.2.6";
    StepNeeded: InteractionRequired 400, "the user has something to do first", "OpenID Connect Core §3.1.2.6";
    ConsentNeeded: ConsentRequired 400, "the user has to be asked", "OpenID Connect Core §3.1.2.6";
    AcrUnmet: UnmetAuthenticationRequirements 400, "the user did not sign in in the way that is required", "OpenID Connect Core §5.5.1.1";
    UserDenied: AccessDenied 400, "the user denied the request", "RFC 6749 §4.1.2.1";
    SubjectDisabledAtAuthorize: AccessDenied 400, "access was denied", "RFC 6749 §4.1.2.1";

    // The interaction with the user
    InteractionUnknown: InvalidRequest 400, "this page has expired or was already used", "OpenID Connect Core §3.1.2.3";
    InteractionOtherBrowser: InvalidRequest 400, "this page belongs to another browser", "RFC 9700 §4.7.1";
    CsrfMismatch: InvalidRequest 400, "the form has expired; please go back and try again", "RFC 9700 §4.7.1";
    SubjectMalformed: ServerError 500, "the server met an unexpected condition", "OpenID Connect Core §2";
    PairwiseUnavailable: ServerError 500, "the server met an unexpected condition", "OpenID Connect Core §8.1";
    SubjectNamesClient: ServerError 500, "the server met an unexpected condition", "RFC 9700 §4.15";
    QuotaExhausted: SlowDown 429, "too many requests", "RFC 6585 §4";

    // The user code of a device
    UserCodeUnknown: InvalidRequest 400, "the code is not right, or no longer valid", "RFC 8628 §3.3";
    UserCodeTriesExhausted: SlowDown 429, "too many codes were tried", "RFC 8628 §5.1";
    AlreadyDecided: InvalidRequest 400, "this request was answered already, or nobody answered it in time", "RFC 8628 §3.3";

    // Backchannel authentication
    HintsNotOne: InvalidRequest 400, "exactly one of login_hint, login_hint_token and id_token_hint is needed", "CIBA Core §7.1";
    BackchannelScope: InvalidScope 400, "the scope openid is needed", "CIBA Core §7.1";
    SignedRequestMissing: InvalidRequest 400, "the request must be signed", "CIBA Core §7.1.1";
    SignedRequestInvalid: InvalidRequest 400, "the signed request is not valid", "CIBA Core §7.1.1";
    SignedRequestMixed: InvalidRequest 400, "no parameter may stand beside a signed request", "CIBA Core §7.1.1";
    SignedRequestOtherClient: InvalidClient 401, "the signed request is another client's", "CIBA Core §7.1.1";
    HintedUserUnknown: UnknownUserId 400, "the user is not known", "CIBA Core §13";
    HintTokenExpired: ExpiredLoginHintToken 400, "the login hint token has expired", "CIBA Core §13";
    BackchannelUserCodeMissing: MissingUserCode 400, "the user has a user code", "CIBA Core §7.1.2";
    BackchannelUserCodeWrong: InvalidUserCode 400, "the user code is wrong", "CIBA Core §7.1.2";
    BindingMessageUnfit: InvalidBindingMessage 400, "the binding message must be at most 100 printable ASCII characters that can be shown", "CIBA Core §7.1";
    BackchannelRefused: AccessDenied 403, "the user is not asked", "CIBA Core §13";

    // Logout
    LogoutHintInvalid: InvalidRequest 400, "the ID token hint is not one of ours", "OpenID Connect RP-Initiated Logout §2";
    LogoutClientMismatch: InvalidRequest 400, "the ID token hint was issued to another application", "OpenID Connect RP-Initiated Logout §2";
    LogoutClientUnknown: InvalidRequest 400, "the application that sent you here is not known", "OpenID Connect RP-Initiated Logout §4";
    LogoutRedirectUnregistered: InvalidRequest 400, "the post-logout redirect URI is not registered for this application", "OpenID Connect RP-Initiated Logout §3";

    // The token endpoint
    GrantTypeUnsupported: UnsupportedGrantType 400, "the grant type is not supported", "RFC 6749 §5.2";
    GrantTypeUnregistered: UnauthorizedClient 400, "the client may not use this grant type", "RFC 6749 §5.2";
    ClientMustBeConfidential: UnauthorizedClient 400, "the client may not use this grant type", "RFC 6749 §4.4.2";
    CodeMalformed: InvalidGrant 400, "the authorization code is invalid", "RFC 6749 §5.2";
    CodeUnknown: InvalidGrant 400, "the authorization code is invalid", "RFC 6749 §5.2";
    CodeExpired: InvalidGrant 400, "the authorization code is invalid", "RFC 6749 §4.1.2";
    CodeReplayed: InvalidGrant 400, "the authorization code is invalid", "OAuth 2.1 §7.5.3";
    CodeOtherClient: InvalidGrant 400, "the authorization code is invalid", "RFC 6749 §4.1.3";
    CodeRedirectUriDiffers: InvalidGrant 400, "the authorization code is invalid", "RFC 6749 §4.1.3";
    CodeRedirectUriRemoved: InvalidGrant 400, "the authorization code is invalid", "RFC 6749 §3.1.2.3";
    CodeVerifierMissing: InvalidGrant 400, "the authorization code is invalid", "RFC 7636 §4.6";
    CodeVerifierWrong: InvalidGrant 400, "the authorization code is invalid", "RFC 7636 §4.6";
    CodeVerifierUnexpected: InvalidGrant 400, "the authorization code is invalid", "RFC 9700 §4.8.2";
    RefreshTokenMalformed: InvalidGrant 400, "the refresh token is invalid", "RFC 6749 §5.2";
    RefreshTokenUnknown: InvalidGrant 400, "the refresh token is invalid", "RFC 6749 §5.2";
    RefreshTokenExpired: InvalidGrant 400, "the refresh token is invalid", "RFC 9700 §4.14.2";
    RefreshTokenReplayed: InvalidGrant 400, "the refresh token is invalid", "RFC 9700 §4.14.2";
    RefreshTokenRetriesExhausted: InvalidGrant 400, "the refresh token is invalid", "RFC 9700 §4.14.2";
    RefreshTokenOtherClient: InvalidGrant 400, "the refresh token is invalid", "RFC 6749 §6";
    PendingCodeMalformed: InvalidGrant 400, "the code that was waited with is invalid", "RFC 6749 §5.2";
    PendingCodeUnknown: InvalidGrant 400, "the code that was waited with is invalid", "RFC 6749 §5.2";
    PendingCodeOtherClient: InvalidGrant 400, "the code that was waited with is invalid", "RFC 6749 §5.2";
    PendingCodeReplayed: InvalidGrant 400, "the code that was waited with is invalid", "RFC 8628 §3.5";
    DecisionPending: AuthorizationPending 400, "the user has not answered yet", "RFC 8628 §3.5";
    PolledTooFast: SlowDown 400, "polled too fast: wait five seconds longer from now on", "RFC 8628 §3.5";
    DecisionDenied: AccessDenied 400, "the user denied the request", "RFC 8628 §3.5";
    DecisionExpired: ExpiredToken 400, "nobody answered in time", "RFC 8628 §3.5";
    PasswordWrong: InvalidGrant 400, "the username or the password is wrong", "RFC 6749 §4.3.2";
    PasswordGuessesExhausted: SlowDown 429, "too many attempts", "RFC 6749 §4.3.2";
    ExtensionRefused: InvalidGrant 400, "the grant is not accepted", "RFC 6749 §4.5";
    GrantEnded: InvalidGrant 400, "the grant is no longer valid", "RFC 6749 §5.2";
    SessionEnded: InvalidGrant 400, "the grant is no longer valid", "OpenID Connect Core §11";
    SubjectDisabled: InvalidGrant 400, "the grant is no longer valid", "RFC 6749 §5.2";
    ClientEpochMoved: InvalidGrant 400, "the grant is no longer valid", "RFC 6749 §5.2";
    ScopeMalformed: InvalidScope 400, "the scope is malformed", "RFC 6749 §3.3";
    ScopeNotAllowed: InvalidScope 400, "the scope is not allowed", "RFC 6749 §5.2";
    ScopeNothingLeft: InvalidScope 400, "no requested scope can be granted", "RFC 6749 §4.1.2.1";
    ScopeBeyondGrant: InvalidScope 400, "the scope exceeds what was granted", "RFC 6749 §6";
    ResourceMalformed: InvalidTarget 400, "the resource is malformed", "RFC 8707 §2";
    ResourceUnknown: InvalidTarget 400, "the resource is not known", "RFC 8707 §2";
    ResourceBeyondGrant: InvalidTarget 400, "the resource exceeds what was granted", "RFC 8707 §2.2";
    ResourcesMixed: InvalidTarget 400, "the resources need different tokens; ask for one at a time", "RFC 8707 §2.2";
    ResourcesTooMany: InvalidTarget 400, "too many resources", "RFC 8707 §2";

    // Token exchange
    TokenTypeUnsupported: InvalidRequest 400, "the token type is not supported", "RFC 8693 §3";
    ActorTokenMissing: InvalidRequest 400, "a type is given without an actor token", "RFC 8693 §2.1";
    SubjectTokenInvalid: InvalidRequest 400, "the subject token is invalid", "RFC 8693 §2.2.2";
    ActorTokenInvalid: InvalidRequest 400, "the actor token is invalid", "RFC 8693 §2.2.2";
    ActorNotAllowed: InvalidRequest 400, "the subject token names another actor", "RFC 8693 §4.4";
    ActorsTooMany: InvalidRequest 400, "the token has been passed on too often", "RFC 8693 §4.1";
    ExchangeRefused: InvalidRequest 400, "these tokens may not be exchanged", "RFC 8693 §2.2.2";
    ExchangeTargetRefused: InvalidTarget 400, "no token is issued for this target", "RFC 8693 §2.2.2";
    AudienceUnknown: InvalidTarget 400, "the audience is not known", "RFC 8693 §2.1";
    RootEnded: InvalidGrant 400, "the grant is no longer valid", "RFC 8693 §2.1";
    ActorDisabled: InvalidGrant 400, "the grant is no longer valid", "RFC 8693 §4.1";

    // Assertions as grants
    JwtGrantMalformed: InvalidGrant 400, "the assertion is invalid", "RFC 7523 §3";
    JwtGrantUntrusted: InvalidGrant 400, "the assertion is invalid", "RFC 7521 §8.1";
    JwtGrantUnproven: InvalidGrant 400, "the assertion is invalid", "RFC 7523 §3";
    JwtGrantAudience: InvalidGrant 400, "the assertion is invalid", "RFC 10070 §4";
    JwtGrantTimes: InvalidGrant 400, "the assertion is invalid", "RFC 7523 §3";
    JwtGrantReplayed: InvalidGrant 400, "the assertion is invalid", "RFC 7521 §8.2";
    JwtGrantSubject: InvalidGrant 400, "the assertion is invalid", "RFC 7523 §3";
    JwtGrantClient: InvalidGrant 400, "the assertion is invalid", "Identity Assertion JWT Authorization Grant §4.4";
    OnBehalfOfRefused: InvalidGrant 400, "the assertion may not be used for this", "RFC 7523 §3.1";

    // Revocation and introspection
    TokenOtherClient: InvalidGrant 400, "the token was issued to another client", "RFC 7009 §2.1";
    IntrospectionForbidden: AccessDenied 403, "the client may not introspect tokens", "RFC 7662 §2.1";

    // Registration
    RegistrationContentType: InvalidRequest 415, "the body must be application/json", "RFC 7591 §3.1";
    MetadataInvalid: InvalidClientMetadata 400, "the client metadata are not valid", "RFC 7591 §3.2.2";
    MetadataRefused: InvalidClientMetadata 400, "the client metadata are not accepted here", "RFC 7591 §3.2.2";
    RedirectUriRefused: InvalidRedirectUri 400, "a redirect URI cannot be registered", "RFC 7591 §3.2.2";
    StatementInvalid: InvalidSoftwareStatement 400, "the software statement is invalid", "RFC 7591 §3.2.2";
    StatementUnapproved: UnapprovedSoftwareStatement 400, "the software statement is not approved here", "RFC 7591 §3.2.2";
    RegistrationClosed: AccessDenied 403, "clients cannot register here", "RFC 7591 §3";
    InitialAccessInvalid: InvalidToken 401, "the initial access token is invalid", "RFC 7591 §3";
    RegistrationTokenInvalid: InvalidToken 401, "the registration access token is invalid", "RFC 7592 §2";

    // A protected resource
    BearerMissing: InvalidToken 401, "a bearer token is required", "RFC 6750 §3";
    BearerMalformed: InvalidRequest 400, "the Authorization header is malformed", "RFC 6750 §3.1";
    BearerTwice: InvalidRequest 400, "more than one token was sent", "RFC 6750 §2";
    BearerInvalid: InvalidToken 401, "the access token is invalid", "RFC 6750 §3.1";
    BearerScope: InsufficientScope 403, "the access token grants too little", "RFC 6750 §3.1";
    VerificationUnavailable: TemporarilyUnavailable 503, "the access token cannot be checked right now", "RFC 9110 §15.6.4";

    // The server itself
    StoreUnavailable: TemporarilyUnavailable 503, "the server is temporarily unavailable", "RFC 6749 §4.1.2.1";
    StoreFull: TemporarilyUnavailable 503, "the server is temporarily unavailable", "RFC 6749 §4.1.2.1";
    ContentionExhausted: TemporarilyUnavailable 503, "the server is temporarily unavailable", "RFC 6749 §4.1.2.1";
    CommitUnknown: TemporarilyUnavailable 503, "the server is temporarily unavailable", "RFC 6749 §4.1.2.1";
    SigningUnavailable: TemporarilyUnavailable 503, "the server is temporarily unavailable", "RFC 6749 §4.1.2.1";
    EntropyUnavailable: TemporarilyUnavailable 503, "the server is temporarily unavailable", "RFC 6749 §4.1.2.1";
    ClockBroken: TemporarilyUnavailable 503, "the server is temporarily unavailable", "RFC 6749 §4.1.2.1";
    Overloaded: TemporarilyUnavailable 503, "the server is temporarily unavailable", "RFC 6749 §4.1.2.1";
    Bug: ServerError 500, "the server met an unexpected condition", "RFC 6749 §4.1.2.1";
}

/// A refusal: a public part for the wire and a private part for the log.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthError {
    reason: Reason,
    parameter: Option<std::borrow::Cow<'static, str>>,
    detail: Option<Box<str>>,
    retry_after: Option<u32>,
}

impl OAuthError {
    /// A refusal for `reason`.
    #[must_use]
    pub const fn new(reason: Reason) -> Self {
        Self { reason, parameter: None, detail: None, retry_after: None }
    }

    /// Names the parameter at fault. The name is ours, never the client's text, so it may be shown.
    #[must_use]
    pub fn parameter(mut self, name: &'static str) -> Self {
        self.parameter = Some(name.into());
        self
    }

    /// Says which rule was broken, in words of ours. What `error_description` may not hold is left out.
    #[must_use]
    pub fn explain(mut self, rule: &str) -> Self {
        let may_be_shown = |letter: &char| matches!(letter, ' '..='~') && !matches!(letter, '"' | '\\');
        self.parameter = Some(rule.chars().filter(may_be_shown).collect::<String>().into());
        self
    }

    /// Adds what was expected and what came, for the log only. It must hold no secret.
    #[must_use]
    pub fn detail(mut self, detail: impl Into<Box<str>>) -> Self {
        self.detail = Some(detail.into());
        self
    }

    /// Says after how many seconds to try again (`Retry-After`, RFC 9110 §10.2.3).
    #[must_use]
    pub const fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Why, for logs, audit events and tests.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The error code on the wire.
    #[must_use]
    pub const fn code(&self) -> ErrorCode {
        self.reason.row().0
    }

    /// The HTTP status where the error is answered directly.
    #[must_use]
    pub const fn status(&self) -> u16 {
        self.reason.row().1
    }

    /// The section the rule comes from.
    #[must_use]
    pub const fn spec(&self) -> &'static str {
        self.reason.row().3
    }

    /// Seconds after which to try again, where that is known.
    #[must_use]
    pub const fn retry_after_seconds(&self) -> Option<u32> {
        self.retry_after
    }

    /// `error_description`: safe to show, made of `%x20-21 / %x23-5B / %x5D-7E` only (RFC 6749 §5.2).
    #[must_use]
    pub fn description(&self) -> std::borrow::Cow<'static, str> {
        let words = self.reason.row().2;
        match &self.parameter {
            Some(name) => format!("{name}: {words}").into(),
            None => words.into(),
        }
    }
}

impl From<Reason> for OAuthError {
    fn from(reason: Reason) -> Self {
        Self::new(reason)
    }
}

/// The private view, on one line: control characters in the detail are escaped.
impl fmt::Display for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?}, {})", self.code(), self.reason, self.spec())?;
        if let Some(name) = &self.parameter {
            write!(f, " parameter={name}")?;
        }
        match &self.detail {
            Some(detail) => write!(f, " detail={:?}", detail),
            None => Ok(()),
        }
    }
}

impl fmt::Debug for OAuthError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl std::error::Error for OAuthError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_wire_says_stays_within_the_grammar() {
        for reason in Reason::ALL {
            let error = OAuthError::new(*reason).parameter("code_verifier").detail("secret \"x\"\n");
            let allowed = |byte: u8| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e);
            assert!(error.description().bytes().all(allowed), "{reason:?}");
            assert!(!error.description().contains("secret"), "{reason:?}");
            let explained = OAuthError::new(*reason).explain("a \"b\" \\ § 2\n\u{7f}");
            assert!(explained.description().starts_with("a b   2: "), "{explained}");
        }
    }

    #[test]
    fn a_log_line_stays_one_line_whatever_the_detail_holds() {
        let error = OAuthError::new(Reason::CodeUnknown).detail("a\nb\u{1b}[31m");
        assert!(!error.to_string().contains(['\n', '\u{1b}']));
    }

    #[test]
    fn unknown_expired_spent_and_foreign_codes_look_the_same() {
        let seen: std::collections::HashSet<_> =
            [Reason::CodeUnknown, Reason::CodeExpired, Reason::CodeReplayed, Reason::CodeOtherClient]
                .map(|reason| (OAuthError::new(reason).code(), OAuthError::new(reason).description()))
                .into();
        assert_eq!(seen.len(), 1);
    }
}
