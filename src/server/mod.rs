//! The server: the driver that fetches facts, runs decisions, and commits them. No protocol rule lives here.

mod administration;
mod builder;
mod clients;
mod driver;
mod encrypt;
mod facts;
mod mint;
mod outbox;
mod sweeper;

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

pub use administration::{Grants, Registration, Registrations};
pub use builder::Builder;
#[cfg(feature = "http")]
pub(crate) use driver::Begun;
pub use driver::Trace;
use driver::unavailable;
pub use mint::Mint;
pub use sweeper::{Sweeper, SweeperOptions, Swept};

use crate::authorize::{
    Approve, Authorize, Browser, Continue, Deny, EnterUserCode, ForgetLogin, FormToken, InteractionView,
    Login, Logout, LogoutStep, Step, View,
};
use crate::endpoint::backchannel_answer::DecideAuthentication;
use crate::endpoint::backchannel_authentication::{
    BackchannelAuthentication, BackchannelAuthenticationRequest,
};
use crate::endpoint::device_authorization::{DeviceAuthorization, DeviceAuthorizationRequest};
use crate::endpoint::introspection::{Introspection, IntrospectionRequest};
use crate::endpoint::metadata::Paths;
use crate::endpoint::registration::{
    ClientInformation, EndInitialAccess, InitialAccessToken, IssueInitialAccess, RegistrationRequest,
};
use crate::endpoint::resource::ResourceCheck;
use crate::endpoint::revocation::RevocationRequest;
use crate::endpoint::token::{TokenRequest, TokenResponse};
use crate::endpoint::userinfo::{UserInfo, UserInfoRequest};
use crate::grant::resolve::LiveToken;
use crate::host::{
    Accounts, AssertionTrust, Audit, AuthenticationDevice, ClaimsHook, ClientJwks, Clients, Clock, Decrypter,
    Entropy, ExtensionGrant, Fetch, Limiter, PasswordVerifier, RegistrationPolicy, ReplayGuard,
    RequestObjects, Requirements, ResourceCatalog, Signer, SlowHashPool, StoreReplayGuard,
    TokenExchangePolicy,
};
use crate::protocol::{ExtensionGrantType, Issuer, OAuthError, Reason, Secret};
use crate::record::interaction::SignedIn;
use crate::record::settings::Settings;
use crate::record::{Event, EventKind};
use crate::store::Store;

/// An authorization server over the host's store, clients and other parts. Cheap to clone.
#[derive(Clone)]
pub struct AuthorizationServer {
    parts: Arc<Parts>,
}

/// Everything the driver works with.
pub(crate) struct Parts {
    pub(crate) settings: Settings,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clients: Arc<dyn Clients>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) accounts: Option<Arc<dyn Accounts>>,
    pub(crate) requirements: Option<Arc<dyn Requirements>>,
    pub(crate) resources: Arc<dyn ResourceCatalog>,
    pub(crate) limiter: Arc<dyn Limiter>,
    /// `None`: over the store.
    pub(crate) replay_guard: Option<Arc<dyn ReplayGuard>>,
    /// `None` where no keys of clients are fetched.
    pub(crate) client_jwks: Option<Arc<dyn ClientJwks>>,
    pub(crate) fetch: Option<Arc<dyn Fetch>>,
    /// `None` where none are fetched.
    pub(crate) request_objects: Option<RequestObjects>,
    /// `None`: no client has ever registered itself.
    pub(crate) registration: Option<Arc<dyn RegistrationPolicy>>,
    /// `None`: no tokens are exchanged.
    pub(crate) token_exchange: Option<Arc<dyn TokenExchangePolicy>>,
    /// `None`: no other issuer is trusted.
    pub(crate) assertion_trust: Option<Arc<dyn AssertionTrust>>,
    made_clients: clients::MadeClients,
    pub(crate) extensions: Vec<(ExtensionGrantType, Arc<dyn ExtensionGrant>)>,
    pub(crate) password_verifier: Option<Arc<dyn PasswordVerifier>>,
    /// `None` where nobody is asked.
    pub(crate) authentication_device: Option<Arc<dyn AuthenticationDevice>>,
    pub(crate) audit: Arc<dyn Audit>,
    pub(crate) signer: Arc<dyn Signer>,
    pub(crate) decrypter: Arc<dyn Decrypter>,
    pub(crate) claims_hook: Arc<dyn ClaimsHook>,
    pub(crate) slow_hashes: SlowHashPool,
    pub(crate) sequence: AtomicU32,
    pub(crate) paths: Paths,
}

impl Parts {
    fn replay_guard(&self) -> Arc<dyn ReplayGuard> {
        let over_store = || Arc::new(StoreReplayGuard::new(self.store.clone(), self.entropy.clone())) as _;
        self.replay_guard.clone().unwrap_or_else(over_store)
    }
}

/// Where a request came from, as far as that can be trusted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of the client's end of the connection, or what a trusted proxy said it is.
    pub address: Option<IpAddr>,
}

impl AuthorizationServer {
    /// Starts to configure a server: its issuer, where it keeps records, who its clients are, and the 32 secret
    /// bytes from which it derives its own keys.
    pub fn builder(
        issuer: Issuer,
        store: Arc<dyn Store>,
        clients: Arc<dyn Clients>,
        secret: &[u8; 32],
    ) -> Builder {
        Builder::new(issuer, store, clients, secret)
    }

    /// The live configuration.
    #[must_use]
    pub fn settings(&self) -> &Settings {
        &self.parts.settings
    }

    /// Where the endpoints are, below the issuer.
    #[must_use]
    pub fn paths(&self) -> &Paths {
        &self.parts.paths
    }

    /// The signer, for the key set and for other parts of the host that sign.
    #[must_use]
    pub fn signer(&self) -> &Arc<dyn Signer> {
        &self.parts.signer
    }

    /// The token endpoint (RFC 6749 §3.2).
    ///
    /// # Errors
    /// As RFC 6749 §5.2; 503 when the store or the signer cannot be reached.
    pub async fn token(&self, request: &TokenRequest, origin: Origin) -> Result<TokenResponse, OAuthError> {
        self.run(request, origin).await
    }

    /// The authorization endpoint (RFC 6749 §3.1).
    ///
    /// # Errors
    /// What is shown on an error page and never sent to a redirect URI, because there is none that was verified.
    pub async fn authorize(&self, request: &Authorize<'_>, origin: Origin) -> Result<Step, OAuthError> {
        self.run(request, origin).await
    }

    /// What the host's login or consent page needs to know of an interaction.
    ///
    /// # Errors
    /// What is shown on an error page: the interaction is over, expired, or another browser's.
    pub async fn interaction(&self, view: &View) -> Result<InteractionView, OAuthError> {
        self.run(view, Origin::default()).await
    }

    /// The user has signed in.
    ///
    /// # Errors
    /// What is shown on an error page.
    pub async fn login(&self, login: &Login) -> Result<Step, OAuthError> {
        self.run(login, Origin::default()).await
    }

    /// The user goes on as who is signed in, where the client asked for a choice of accounts.
    ///
    /// # Errors
    /// What is shown on an error page.
    pub async fn go_on(&self, go_on: &Continue) -> Result<Step, OAuthError> {
        self.run(go_on, Origin::default()).await
    }

    /// The user allows what is asked, or a part of it.
    ///
    /// # Errors
    /// What is shown on an error page; `ScopeNothingLeft` leaves the interaction open, so that the page can be shown
    /// again.
    pub async fn approve(&self, approve: &Approve) -> Result<Step, OAuthError> {
        self.run(approve, Origin::default()).await
    }

    /// The user refuses.
    ///
    /// # Errors
    /// What is shown on an error page.
    pub async fn deny(&self, deny: &Deny) -> Result<Step, OAuthError> {
        self.run(deny, Origin::default()).await
    }

    /// The user wants to go on as someone else.
    ///
    /// # Errors
    /// What is shown on an error page.
    pub async fn forget_login(&self, forget: &ForgetLogin) -> Result<Step, OAuthError> {
        self.run(forget, Origin::default()).await
    }

    /// The device authorization endpoint (RFC 8628 §3.1).
    ///
    /// # Errors
    /// As RFC 6749 §5.2; 429 beyond the limits; 503 when the store cannot be reached.
    pub async fn authorize_device(
        &self,
        request: &DeviceAuthorizationRequest,
        origin: Origin,
    ) -> Result<DeviceAuthorization, OAuthError> {
        self.run(request, origin).await
    }

    /// Someone enters the user code of a device (RFC 8628 §3.3): the next step is the page that asks.
    ///
    /// # Errors
    /// What is shown on an error page, but for these: `UserCodeUnknown`, after which the page can be shown again;
    /// `UserCodeTriesExhausted`, with the seconds to wait; `LoginNeeded`, when nobody is signed in.
    pub async fn enter_user_code(&self, entered: &EnterUserCode, origin: Origin) -> Result<Step, OAuthError> {
        self.run(entered, origin).await
    }

    /// The backchannel authentication endpoint (CIBA Core §7): the user whom the client means is asked before it is answered.
    ///
    /// # Errors
    /// As CIBA Core §13; 429 beyond the limits; 503 when the store or the user cannot be reached.
    pub async fn authenticate_backchannel(
        &self,
        request: &BackchannelAuthenticationRequest,
        origin: Origin,
    ) -> Result<BackchannelAuthentication, OAuthError> {
        let answer = self.run(request, origin).await?;
        let device = self.parts.authentication_device.as_ref().ok_or(Reason::GrantTypeUnsupported)?;
        if let Err(error) = device.ask(&answer.question).await {
            self.revoke_grant(answer.question.grant).await?;
            return Err(unavailable(error));
        }
        Ok(answer)
    }

    /// A user whom a client named has answered. A client that wants to be told, or sent its tokens, is before this returns;
    /// where it cannot be reached, [`deliver_outbox`](Self::deliver_outbox) tries again.
    ///
    /// # Errors
    /// `AlreadyDecided` when it was answered before, or nobody answered in time; `AuthorizeClientUnknown` when the client no
    /// longer stands as it did; `ScopeNothingLeft` when what is allowed is not a part of what was asked that holds `openid`; 503
    /// when the store cannot be reached.
    pub async fn decide_authentication(&self, decided: &DecideAuthentication) -> Result<(), OAuthError> {
        self.run(decided, Origin::default()).await
    }

    /// The logout endpoint (OpenID Connect RP-Initiated Logout §2). When it answers that nobody is signed in any more, every
    /// grant bound to the session is dead.
    ///
    /// # Errors
    /// What is shown on an error page, and never sent to a post-logout redirect URI.
    pub async fn logout(&self, logout: &Logout) -> Result<LogoutStep, OAuthError> {
        self.run(logout, Origin::default()).await
    }

    /// Who is signed in in a browser, if anyone is.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn signed_in(&self, browser: &Browser) -> Result<Option<SignedIn>, OAuthError> {
        self.run(browser, Origin::default()).await
    }

    /// What a form of the host's own carries outside any interaction, and the cookie that binds it to the browser.
    ///
    /// # Errors
    /// 503 when the source of randomness fails.
    pub fn form_token(&self, browser: &Browser) -> Result<FormToken, OAuthError> {
        Ok(browser.form_token(&self.context_with(self.draw()?, Origin::default())))
    }

    /// Whether a form of the host's own came from a page of this browser.
    ///
    /// # Errors
    /// What is shown on an error page: it came from elsewhere, or from before the user signed in or out.
    pub fn check_form(&self, browser: &Browser, csrf: &Secret) -> Result<(), OAuthError> {
        browser.check_form(csrf, &self.parts.settings.sealer).inspect_err(|error| self.refused(error))
    }

    /// The revocation endpoint (RFC 7009).
    ///
    /// # Errors
    /// As RFC 7009 §2.2.1; 503 when the store cannot be reached, so that nobody believes a token dead that lives.
    pub async fn revoke(&self, request: &RevocationRequest, origin: Origin) -> Result<(), OAuthError> {
        self.run(request, origin).await
    }

    /// The introspection endpoint (RFC 7662).
    ///
    /// # Errors
    /// As RFC 7662 §2.3; 503 when the store cannot be reached.
    pub async fn introspect(
        &self,
        request: &IntrospectionRequest,
        origin: Origin,
    ) -> Result<Introspection, OAuthError> {
        self.run(request, origin).await
    }

    /// The UserInfo endpoint (OpenID Connect Core §5.3).
    ///
    /// # Errors
    /// `invalid_token` or `insufficient_scope` (RFC 6750 §3.1); 503 when the store or the signer cannot be reached.
    pub async fn userinfo(&self, request: &UserInfoRequest, origin: Origin) -> Result<UserInfo, OAuthError> {
        self.run(request, origin).await
    }

    /// Checks a bearer token presented to an API in this process.
    ///
    /// # Errors
    /// `invalid_token` or `insufficient_scope` (RFC 6750 §3.1); 503 when the store cannot be reached.
    pub async fn check(&self, request: &ResourceCheck) -> Result<LiveToken, OAuthError> {
        self.run(request, Origin::default()).await
    }

    /// The registration endpoint (RFC 7591 §3). What a registered client does with its registration (RFC 7592) goes through
    /// [`run`](Self::run).
    ///
    /// # Errors
    /// As RFC 7591 §3.2.2; 503 when the store or the policy cannot be reached.
    pub async fn register(
        &self,
        request: &RegistrationRequest,
        origin: Origin,
    ) -> Result<ClientInformation, OAuthError> {
        self.run(request, origin).await
    }

    /// Lets someone register clients: the answer is an initial access token, which is never told again (RFC 7591 §1.2).
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn issue_initial_access(&self, terms: &IssueInitialAccess) -> Result<Secret, OAuthError> {
        self.run(terms, Origin::default()).await
    }

    /// Ends an initial access token. The clients that were registered with it stay.
    ///
    /// # Errors
    /// 503 when the store cannot be reached.
    pub async fn end_initial_access(&self, token: &Secret) -> Result<(), OAuthError> {
        self.run(&EndInitialAccess(InitialAccessToken::read(token.expose())), Origin::default()).await
    }

    /// Tells the audit trail of a request that was refused before it could be decided.
    pub fn refused(&self, error: &OAuthError) {
        self.tell(Event::new(EventKind::Refused).reason(error.reason()));
    }
}

impl std::fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("issuer", &self.parts.settings.issuer)
            .finish_non_exhaustive()
    }
}
