//! For the tests of hosts (feature `testing`): a server in one line, and tokens for a user in another.
//!
//! ```
//! use grantor::endpoint::resource::ResourceCheck;
//! use grantor::testing;
//! use grantor::token::PresentedToken;
//!
//! # tokio::runtime::Runtime::new().unwrap().block_on(async {
//! let server = testing::server("openid api:read api:write");
//! let tokens = server.tokens("alice", "openid api:read").await;
//!
//! // What the API under test does with it:
//! let check = ResourceCheck {
//!     token: PresentedToken::read(tokens.access_token.expose()),
//!     resource: None,
//!     scope: grantor::Scope::parse("api:read").unwrap(),
//! };
//! assert!(server.server.check(&check).await.is_ok());
//!
//! server.clock.forward(3600);
//! assert!(server.server.check(&check).await.is_err(), "it has expired");
//! # });
//! ```
//!
//! The server is the one that runs in production, with the profile [`Strict`](crate::Profile::Strict), a
//! [`MemoryStore`] and an ES256 key of its own; the tokens come from a whole authorization code flow, with PKCE, a login and a
//! consent, in a [`TestBrowser`]. What hosts inject is made for tests: a [`TestClock`] that stands still, [`TestUsers`] whom a
//! test can lock, and, where every run has to be the same, [`SeededEntropy`]. None of it is for production.
//!
//! Whatever goes wrong panics and says what: that is how a test fails.

mod browser;
mod parts;

use std::sync::Arc;

use serde_json::json;

pub use self::browser::TestBrowser;
pub use self::parts::{SeededEntropy, TestClock, TestSigner, TestUsers};
use crate::authorize::HostLogin;
use crate::endpoint::token::{TokenRequest, TokenResponse};
use crate::host::{Clock as _, StaticClients};
use crate::http::HttpServer;
use crate::protocol::{Digest, Issuer, OAuthError, Params, Scope};
use crate::server::{AuthorizationServer, Builder, Origin};
use crate::store::MemoryStore;

/// The issuer of a [`server`]. Nobody has to listen there.
pub const ISSUER: &str = "https://as.example";
/// A confidential client of a [`server`]: it authenticates with [`CLIENT_SECRET`] in the form, and may also act for itself.
pub const CONFIDENTIAL_CLIENT: &str = "web";
/// The secret of [`CONFIDENTIAL_CLIENT`].
pub const CLIENT_SECRET: &str = "the-secret-of-the-client-web-in-tests-alone";
/// A public client of a [`server`]: it has no secret.
pub const PUBLIC_CLIENT: &str = "spa";
/// When the clock of a [`server`] begins: 2027-01-15.
pub const START: u64 = 1_800_000_000;

const CODE_VERIFIER: &str = "a-code-verifier-of-more-than-43-characters-for-tests";

/// A server and everything around it.
#[derive(Clone, Debug)]
pub struct TestServer {
    /// The server.
    pub server: AuthorizationServer,
    /// Its endpoints over HTTP; the login and consent pages are where [`HttpServer::new`] says.
    pub http: HttpServer,
    /// Where it keeps its records.
    pub store: Arc<MemoryStore>,
    /// Its time.
    pub clock: Arc<TestClock>,
    /// The users of the host.
    pub users: Arc<TestUsers>,
}

/// A server for which these scope values exist, separated by spaces. Its two clients may ask for each of them.
#[must_use]
pub fn server(scope: &str) -> TestServer {
    server_with(scope, |builder| builder)
}

/// As [`server`], with whatever else is to be configured, such as
/// [resources](crate::server::Builder::resources) whose tokens are JWTs.
#[must_use]
pub fn server_with(scope: &str, configure: impl FnOnce(Builder) -> Builder) -> TestServer {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(TestClock::new(START));
    let users = Arc::new(TestUsers::default());
    let issuer = must(Issuer::new(ISSUER));
    let builder = AuthorizationServer::builder(issuer, store.clone(), Arc::new(clients(scope)), &[7; 32])
        .clock(clock.clone())
        .accounts(users.clone())
        .signer(Arc::new(TestSigner::new()))
        .scope(must(Scope::parse(scope)));
    let server = must(configure(builder).build());
    let http = HttpServer::new(server.clone());
    TestServer { server, http, store, clock, users }
}

fn clients(scope: &str) -> StaticClients {
    let clients = json!([
        {
            "client_id": CONFIDENTIAL_CLIENT, "client_secret": CLIENT_SECRET, "scope": scope,
            "token_endpoint_auth_method": "client_secret_post",
            "redirect_uris": [redirect_uri(CONFIDENTIAL_CLIENT)],
            "grant_types": ["authorization_code", "refresh_token", "client_credentials"],
        },
        {
            "client_id": PUBLIC_CLIENT, "token_endpoint_auth_method": "none", "scope": scope,
            "redirect_uris": [redirect_uri(PUBLIC_CLIENT)],
            "grant_types": ["authorization_code", "refresh_token"],
        },
    ]);
    must(StaticClients::from_json(clients.to_string().as_bytes()))
}

fn redirect_uri(client: &str) -> String {
    format!("https://{client}.example/callback")
}

impl TestServer {
    /// A browser without cookies.
    #[must_use]
    pub fn browser(&self) -> TestBrowser {
        TestBrowser::new(&self.http)
    }

    /// The tokens of the confidential client for a user who signs in and allows these scope values.
    pub async fn tokens(&self, user: &str, scope: &str) -> TokenResponse {
        self.tokens_for(CONFIDENTIAL_CLIENT, user, scope, None).await
    }

    /// As [`tokens`](Self::tokens), for either client and for one resource, if any.
    pub async fn tokens_for(
        &self,
        client: &str,
        user: &str,
        scope: &str,
        resource: Option<&str>,
    ) -> TokenResponse {
        let redirect_uri = redirect_uri(client);
        let challenge = Digest::of(CODE_VERIFIER.as_bytes()).to_base64url();
        let mut request = vec![
            ("client_id", client),
            ("redirect_uri", &redirect_uri),
            ("response_type", "code"),
            ("scope", scope),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
        ];
        request.extend(resource.map(|resource| ("resource", resource)));
        let login = HostLogin::now(user, self.clock.now());
        let answer = self.browser().authorize(&request, &login).await;
        let code = browser::param(&answer, "code");
        let Some(code) = code else { fail(&format!("there is no code in {answer:?}")) };
        let redemption = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &redirect_uri),
            ("code_verifier", CODE_VERIFIER),
        ];
        self.token(client, &redemption).await
    }

    /// The token of the confidential client for itself.
    pub async fn service_token(&self, scope: &str) -> TokenResponse {
        self.token(CONFIDENTIAL_CLIENT, &[("grant_type", "client_credentials"), ("scope", scope)]).await
    }

    /// What the token endpoint answers to one of the two clients, which must be tokens.
    pub async fn token(&self, client: &str, form: &[(&str, &str)]) -> TokenResponse {
        must(self.try_token(client, form).await)
    }

    /// What the token endpoint answers to one of the two clients.
    ///
    /// # Errors
    /// Whatever the request is refused with.
    pub async fn try_token(&self, client: &str, form: &[(&str, &str)]) -> Result<TokenResponse, OAuthError> {
        let mut form = form.to_vec();
        form.push(("client_id", client));
        if client == CONFIDENTIAL_CLIENT {
            form.push(("client_secret", CLIENT_SECRET));
        }
        let params = Params::from_pairs(form);
        let request = TokenRequest::read(None, &params, &self.server.settings().grant_types)?;
        self.server.token(&request, Origin::default()).await
    }
}

#[track_caller]
fn must<T, E: std::fmt::Display>(result: Result<T, E>) -> T {
    match result {
        Ok(value) => value,
        Err(error) => fail(&error.to_string()),
    }
}

#[track_caller]
#[expect(clippy::panic, reason = "this is how a test fails")]
fn fail(why: &str) -> ! {
    panic!("{why}")
}
