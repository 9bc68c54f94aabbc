//! Bytes in, bytes out: the endpoints over `http::Request<Bytes>` and `http::Response<Bytes>`.
//!
//! This layer reads and writes HTTP and decides no protocol rule. It never derives anything from `Host` or
//! `X-Forwarded-*`: URLs come from the configured issuer, the client's address from the connection or from a proxy
//! that was named as trusted.
//!
//! | endpoint | methods | across origins |
//! |---|---|---|
//! | `/authorize` | GET, POST | no |
//! | `/token`, `/revoke`, `/introspect`, `/device_authorization`, `/bc-authorize` | POST | yes, without credentials |
//! | `/logout` | GET, POST | no |
//! | `/check_session` | GET, HEAD | no; it may be framed |
//! | `/userinfo` | GET, POST | yes, without credentials |
//! | `/register` | POST; GET, PUT, DELETE of one registration | yes, without credentials |
//! | `/jwks`, `/.well-known/oauth-authorization-server`, `/.well-known/openid-configuration` | GET, HEAD | yes, without credentials |

#[cfg(feature = "axum")]
pub mod axum;
mod check_session;
mod cross_site;
pub mod form;
mod host_sessions;
mod interaction;
mod logout;
pub mod pages;
pub mod proxy;
mod registration;
pub mod reply;

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, StatusCode, header};

pub use host_sessions::HostSessions;
pub use logout::{LOGGED_OUT_SCRIPT, LOGGED_OUT_SCRIPT_HASH};
pub use pages::{DefaultPages, ErrorPage, FORM_POST_SCRIPT_HASH, Pages};
pub use proxy::TrustedProxies;

use crate::authorize::{Action, AuthorizationRequest, Authorize, Browser, Cookies, InteractReason, Step};
use crate::endpoint::backchannel_authentication::BackchannelAuthenticationRequest;
use crate::endpoint::device_authorization::DeviceAuthorizationRequest;
use crate::endpoint::introspection::IntrospectionRequest;
use crate::endpoint::metadata::{Metadata, Paths};
use crate::endpoint::revocation::RevocationRequest;
use crate::endpoint::token::TokenRequest;
use crate::protocol::{GrantType, OAuthError, Reason};
use crate::record::Decide;
use crate::server::{AuthorizationServer, Begun, Mint, Origin};

/// The largest body that is read, in bytes.
pub const MAX_BODY_BYTES: usize = 64 * 1024;
/// The longest request target, in bytes.
pub const MAX_URI_BYTES: usize = 16 * 1024;
/// The largest header section, in bytes.
pub const MAX_HEADER_BYTES: usize = 16 * 1024;

/// An authorization server behind HTTP.
#[derive(Clone)]
pub struct HttpServer {
    server: AuthorizationServer,
    routes: Arc<[(Endpoint, String)]>,
    login_url: String,
    consent_url: String,
    step_url: String,
    proxies: TrustedProxies,
    pages: Arc<dyn Pages>,
    host_sessions: Option<Arc<dyn HostSessions>>,
    /// Whether it was said that no address is known.
    #[cfg(feature = "tracing")]
    addresses_missed: Arc<std::sync::Once>,
}

/// An answer that is there, or will be once something was waited for.
enum Answer<'a> {
    Now(Response<Bytes>),
    Later(Pin<Box<dyn Future<Output = Response<Bytes>> + Send + 'a>>),
}

impl<'a> Answer<'a> {
    fn later(response: impl Future<Output = Response<Bytes>> + Send + 'a) -> Self {
        Self::Later(Box::pin(response))
    }
}

/// An endpoint of the authorization server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Endpoint {
    /// RFC 6749 §3.1.
    Authorize,
    /// RFC 6749 §3.2.
    Token,
    /// RFC 7009.
    Revoke,
    /// RFC 7662.
    Introspect,
    /// RFC 8628 §3.1.
    DeviceAuthorization,
    /// CIBA Core §7.
    BackchannelAuthentication,
    /// RFC 7517 §5.
    Jwks,
    /// RFC 8414 §3, OpenID Connect Discovery §4: one document at both places.
    Metadata,
    /// OpenID Connect Core §5.3.
    UserInfo,
    /// OpenID Connect RP-Initiated Logout §2.
    Logout,
    /// OpenID Connect Session Management §3.2.
    CheckSession,
    /// RFC 7591 §3, RFC 7592 §2.
    Register,
}

impl HttpServer {
    /// The endpoints of `server` at its paths; the host's pages are at `/login`, `/consent` and `/step`.
    #[must_use]
    pub fn new(server: AuthorizationServer) -> Self {
        let issuer = &server.settings().issuer;
        let [login_url, consent_url, step_url] =
            ["/login", "/consent", "/step"].map(|path| issuer.endpoint(path));
        Self {
            routes: routes(&server, server.paths()).into(),
            server,
            login_url,
            consent_url,
            step_url,
            proxies: TrustedProxies::none(),
            pages: Arc::new(DefaultPages),
            host_sessions: None,
            #[cfg(feature = "tracing")]
            addresses_missed: Arc::new(std::sync::Once::new()),
        }
    }

    /// Where the host's login and consent pages are; `?interaction=…` is appended.
    #[must_use]
    pub fn interaction_urls(mut self, login: impl Into<String>, consent: impl Into<String>) -> Self {
        self.login_url = login.into();
        self.consent_url = consent.into();
        self
    }

    /// Where the host's page for steps of [its own](crate::host::Requirements) is; `?interaction=…` is appended.
    #[must_use]
    pub fn step_url(mut self, step: impl Into<String>) -> Self {
        self.step_url = step.into();
        self
    }

    /// The proxies whose word about the client's address counts; none unless given.
    #[must_use]
    pub fn trusted_proxies(mut self, proxies: TrustedProxies) -> Self {
        self.proxies = proxies;
        self
    }

    /// The host's error page.
    #[must_use]
    pub fn pages(mut self, pages: Arc<dyn Pages>) -> Self {
        self.pages = pages;
        self
    }

    /// The sessions of a host that keeps its own; the library keeps them unless given.
    #[must_use]
    pub fn host_sessions(mut self, sessions: Arc<dyn HostSessions>) -> Self {
        self.host_sessions = Some(sessions);
        self
    }

    /// The server behind it.
    #[must_use]
    pub const fn server(&self) -> &AuthorizationServer {
        &self.server
    }

    /// The endpoints and their paths, for a router.
    #[must_use]
    pub fn routes(&self) -> &[(Endpoint, String)] {
        &self.routes
    }

    /// Answers a request to any endpoint; `None` when its path is none of them. `peer` is the other end of the
    /// connection.
    pub async fn handle(&self, request: Request<Bytes>, peer: Option<IpAddr>) -> Option<Response<Bytes>> {
        let path = request.uri().path();
        let endpoint = self.routes.iter().find(|(_, own)| own == path)?.0;
        match self.answer(endpoint, &request, peer) {
            Answer::Now(response) => Some(response),
            Answer::Later(response) => Some(response.await),
        }
    }

    /// Answers a request to one endpoint.
    pub async fn handle_endpoint(
        &self,
        endpoint: Endpoint,
        request: Request<Bytes>,
        peer: Option<IpAddr>,
    ) -> Response<Bytes> {
        match self.answer(endpoint, &request, peer) {
            Answer::Now(response) => response,
            Answer::Later(response) => response.await,
        }
    }

    fn answer<'a>(
        &'a self,
        endpoint: Endpoint,
        request: &'a Request<Bytes>,
        peer: Option<IpAddr>,
    ) -> Answer<'a> {
        let origin = self.origin(peer, request.headers());
        let refused = move |error| reply::error(&self.refused(error), endpoint);
        match endpoint {
            Endpoint::Authorize => self.authorize(request, origin),
            Endpoint::Logout => Answer::later(self.logout(request)),
            Endpoint::UserInfo => Answer::later(self.userinfo(request, origin)),
            Endpoint::Register => Answer::later(self.register(request, origin)),
            Endpoint::Jwks | Endpoint::Metadata => {
                Answer::later(async move { self.publish(endpoint, request).await.unwrap_or_else(refused) })
            }
            Endpoint::CheckSession => {
                let page = check_session::page(request, &self.server.settings().issuer);
                Answer::Now(page.unwrap_or_else(refused))
            }
            Endpoint::Token
            | Endpoint::Revoke
            | Endpoint::Introspect
            | Endpoint::DeviceAuthorization
            | Endpoint::BackchannelAuthentication => {
                self.post(endpoint, request, origin).unwrap_or_else(|error| Answer::Now(refused(error)))
            }
        }
    }

    /// Runs a request and answers it, without a future where nothing has to be waited for.
    fn run<'a, Q>(
        &'a self,
        request: Q,
        origin: Origin,
        reply: impl FnOnce(Result<<Q::Plan as Mint>::Response, OAuthError>) -> Response<Bytes> + Send + 'a,
    ) -> Answer<'a>
    where
        Q: Decide + Send + Sync + 'a,
        Q::Plan: Mint,
    {
        match self.server.begin(&request, origin) {
            Begun::Answered(answer) => Answer::Now(reply(answer)),
            Begun::Waits(waiting) => {
                Answer::later(async move { reply(self.server.finish(&request, waiting).await) })
            }
        }
    }

    fn post<'a>(
        &'a self,
        endpoint: Endpoint,
        request: &Request<Bytes>,
        origin: Origin,
    ) -> Result<Answer<'a>, OAuthError> {
        match *request.method() {
            Method::POST => {}
            Method::OPTIONS => return Ok(Answer::Now(reply::preflight("POST"))),
            _ => return Err(Reason::MethodNotAllowed.into()),
        }
        let params = form::body(request)?;
        let authorization = form::authorization(request.headers())?;
        let failed = move |error| reply::error(&error, endpoint);
        Ok(match endpoint {
            Endpoint::Revoke => {
                let request = RevocationRequest::read(authorization, &params)?;
                self.run(request, origin, move |answer| answer.map_or_else(failed, |()| reply::empty()))
            }
            Endpoint::Introspect => {
                let request = IntrospectionRequest::read(authorization, &params)?;
                self.run(request, origin, move |answer| {
                    answer.map_or_else(failed, |token| reply::secret(token.to_json()))
                })
            }
            Endpoint::BackchannelAuthentication => {
                let request = BackchannelAuthenticationRequest::read(authorization, &params)?;
                Answer::later(async move {
                    let answer = self.server.authenticate_backchannel(&request, origin).await;
                    answer.and_then(|asked| reply::json(asked.to_json())).unwrap_or_else(failed)
                })
            }
            Endpoint::DeviceAuthorization => {
                let request = DeviceAuthorizationRequest::read(authorization, &params)?;
                self.run(request, origin, move |answer| {
                    answer.and_then(|device| reply::json(device.to_json())).unwrap_or_else(failed)
                })
            }
            _ => {
                let grant_types = &self.server.settings().grant_types;
                let request = TokenRequest::read(authorization, &params, grant_types)?;
                self.run(request, origin, move |answer| {
                    answer.map_or_else(failed, |tokens| reply::secret(tokens.to_json()))
                })
            }
        })
    }

    async fn userinfo(&self, request: &Request<Bytes>, origin: Origin) -> Response<Bytes> {
        if *request.method() == Method::OPTIONS {
            return reply::preflight("GET, POST");
        }
        let answer = match form::userinfo(request) {
            Ok(request) => self.server.userinfo(&request, origin).await,
            Err(error) => Err(self.refused(error)),
        };
        match answer.and_then(reply::userinfo) {
            Ok(response) => response,
            Err(error) => reply::bearer_error(&error, Endpoint::UserInfo),
        }
    }

    async fn publish(
        &self,
        endpoint: Endpoint,
        request: &Request<Bytes>,
    ) -> Result<Response<Bytes>, OAuthError> {
        match *request.method() {
            Method::GET | Method::HEAD => form::check_size(request)?,
            Method::OPTIONS => return Ok(reply::preflight("GET, HEAD")),
            _ => return Err(Reason::MethodNotAllowed.into()),
        }
        let signer = self.server.signer();
        let document = match endpoint {
            Endpoint::Jwks => {
                let keys = signer
                    .public_keys()
                    .await
                    .map_err(|error| OAuthError::new(Reason::SigningUnavailable).detail(error.0))?;
                serde_json::to_vec(keys.set())
            }
            _ => serde_json::to_vec(&self.metadata()),
        };
        reply::public(document, request.method())
    }

    /// The server's metadata.
    #[must_use]
    pub fn metadata(&self) -> Metadata {
        Metadata::new(
            self.server.settings(),
            self.server.paths(),
            !self.server.signer().algorithms().is_empty(),
        )
    }

    fn authorize<'a>(&'a self, request: &'a Request<Bytes>, origin: Origin) -> Answer<'a> {
        let answer = move |answer| self.step(answer, request.method());
        match self.read_authorize(request) {
            Ok(authorize) if cross_site::kept_cookies_back(request, &authorize.browser) => {
                Answer::Now(cross_site::post_again(request))
            }
            Ok(authorize) if self.host_sessions.is_none() => self.run(authorize, origin, answer),
            Ok(mut authorize) => Answer::later(async move {
                answer(match self.recognise(&mut authorize.browser, request.headers()).await {
                    Ok(()) => self.server.authorize(&authorize, origin).await,
                    Err(error) => Err(self.refused(error)),
                })
            }),
            Err(error) if error.reason() == Reason::MethodNotAllowed => {
                Answer::Now(reply::error(&error, Endpoint::Authorize))
            }
            Err(error) => Answer::Now(self.error_page(&self.refused(error))),
        }
    }

    fn read_authorize<'r>(&self, request: &'r Request<Bytes>) -> Result<Authorize<'r>, OAuthError> {
        let params = form::query_or_body(request)?;
        Ok(Authorize {
            request: AuthorizationRequest::read(params)?,
            browser: self.browser(request.headers()),
        })
    }

    /// What a request brings along from its browser.
    #[must_use]
    pub fn browser(&self, headers: &HeaderMap) -> Browser {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
        Browser::from_cookie_headers(cookies, &self.server.settings().issuer)
    }

    /// Turns the outcome of a step of the authorization endpoint into HTTP: a redirect, the page that posts a form, or
    /// an error page. `method` is that of the request which is answered.
    #[must_use]
    pub fn step(&self, step: Result<Step, OAuthError>, method: &Method) -> Response<Bytes> {
        let step = match step {
            Ok(step) => step,
            Err(error) => return self.error_page(&error),
        };
        let mut response = match &step.action {
            Action::Respond(answer) => match answer.location() {
                Some(location) => reply::redirect(&location, method),
                None => reply::form_post(&self.pages.form_post(answer), &answer.redirect_uri.origin()),
            },
            Action::Interact(interact) => {
                let url = match interact.reason {
                    InteractReason::Consent => &self.consent_url,
                    InteractReason::Step => &self.step_url,
                    _ => &self.login_url,
                };
                reply::redirect(&format!("{url}?interaction={}", interact.id), method)
            }
            Action::AnswerDevice(answer) => reply::plain_page(self.pages.device_answered(*answer)),
            Action::SignedIn => reply::redirect(&self.server.settings().issuer.endpoint("/"), method),
        };
        self.set_cookies(&mut response, &step.cookies);
        response
    }

    fn set_cookies(&self, response: &mut Response<Bytes>, cookies: &Cookies) {
        for cookie in cookies.headers(&self.server.settings().issuer) {
            if let Ok(value) = cookie.parse() {
                response.headers_mut().append(header::SET_COOKIE, value);
            }
        }
    }

    /// The error page: never a redirect (RFC 6749 §4.1.2.1).
    #[must_use]
    pub fn error_page(&self, error: &OAuthError) -> Response<Bytes> {
        let page = ErrorPage::new(error);
        #[cfg(feature = "tracing")]
        tracing::warn!(reference = %page.reference, %error, "error page");
        reply::page(
            StatusCode::from_u16(page.status).unwrap_or(StatusCode::BAD_REQUEST),
            self.pages.error(&page),
            error,
        )
    }

    /// The answer to a body that is larger than [`MAX_BODY_BYTES`], for adapters that stop reading there.
    #[must_use]
    pub fn too_large(&self, endpoint: Endpoint) -> Response<Bytes> {
        self.unread(endpoint, Reason::BodyTooLarge)
    }

    /// The answer to a body that was not read.
    fn unread(&self, endpoint: Endpoint, reason: Reason) -> Response<Bytes> {
        let error = self.refused(reason.into());
        match endpoint {
            Endpoint::Authorize | Endpoint::Logout => self.error_page(&error),
            _ => reply::error(&error, endpoint),
        }
    }

    fn refused(&self, error: OAuthError) -> OAuthError {
        self.server.refused(&error);
        error
    }
}

fn routes(server: &AuthorizationServer, paths: &Paths) -> Vec<(Endpoint, String)> {
    let issuer = &server.settings().issuer;
    let at = |path: &str| format!("{}{path}", issuer.path());
    let mut routes = vec![
        (Endpoint::Token, at(&paths.token)),
        (Endpoint::Authorize, at(&paths.authorize)),
        (Endpoint::Introspect, at(&paths.introspect)),
        (Endpoint::Revoke, at(&paths.revoke)),
        (Endpoint::Jwks, at(&paths.jwks)),
        (Endpoint::Metadata, issuer.well_known_path("oauth-authorization-server")),
    ];
    if server.settings().grant_types.contains(&GrantType::DeviceCode) {
        routes.push((Endpoint::DeviceAuthorization, at(&paths.device_authorization)));
    }
    if server.settings().grant_types.contains(&GrantType::Ciba) {
        routes.push((Endpoint::BackchannelAuthentication, at(&paths.backchannel_authentication)));
    }
    if server.settings().self_registration.is_some() {
        routes.push((Endpoint::Register, at(&paths.register)));
    }
    if server.settings().is_openid_provider() {
        routes.push((Endpoint::UserInfo, at(&paths.userinfo)));
        routes.push((Endpoint::Logout, at(&paths.logout)));
        if server.settings().session_management {
            routes.push((Endpoint::CheckSession, at(&paths.check_session)));
        }
        routes.push((Endpoint::Metadata, at("/.well-known/openid-configuration")));
    }
    routes
}

impl std::fmt::Debug for HttpServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("HttpServer").field("server", &self.server).finish_non_exhaustive()
    }
}
