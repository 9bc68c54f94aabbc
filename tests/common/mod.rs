//! A server whose clock, clients and accounts a test can change, driven over HTTP, and the words tests are written in.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

pub(crate) mod agent;
pub(crate) mod clients;
#[cfg(unix)]
pub(crate) mod daemon;
pub(crate) mod devices;
pub(crate) mod flows;
pub(crate) mod foreign;
pub(crate) mod host;
pub(crate) mod phones;
#[cfg(unix)]
pub(crate) mod postgres;
pub(crate) mod races;
#[cfg(unix)]
pub(crate) mod redis;
pub(crate) mod stage;
pub(crate) mod stores;
pub(crate) mod watched;

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use grantor::http::HttpServer;
use grantor::protocol::{Digest, Issuer, Scope, SubjectId};
use grantor::record::grant::GrantStatus;
use grantor::record::{Event, EventKind, Grant, GrantId, Index, Record};
use grantor::server::{AuthorizationServer, Builder};
use grantor::store::{MemoryStore, Page, Store};
use http::{HeaderMap, Request, Response, header};
use serde_json::Value;

pub(crate) use agent::Agent;
use clients::Registry;
use host::{TestClock, TestSigner, TestUsers};

pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const NOW: u64 = 1_800_000_000;
pub(crate) const VERIFIER: &str = "correct-horse-battery-staple-correct-horse-battery";
pub(crate) const OTHER_VERIFIER: &str = "another-horse-battery-staple-correct-horse-battery";

/// A server and everything around it.
pub(crate) struct Fixture {
    pub(crate) server: AuthorizationServer,
    pub(crate) http: HttpServer,
    pub(crate) store: Arc<dyn Store>,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) clients: Arc<Registry>,
    pub(crate) accounts: Arc<TestUsers>,
    pub(crate) events: Arc<Mutex<Vec<Event>>>,
}

impl Fixture {
    pub(crate) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(crate) fn with(configure: impl FnOnce(Builder) -> Builder) -> Self {
        Self::over(Arc::new(MemoryStore::new()), clients::all(), configure)
    }

    pub(crate) fn on(store: Arc<dyn Store>) -> Self {
        Self::over(store, clients::all(), |builder| builder)
    }

    pub(crate) fn over(
        store: Arc<dyn Store>,
        clients: Vec<grantor::record::Client>,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        Self::at(ISSUER, store, clients, configure)
    }

    pub(crate) fn at(
        issuer: &str,
        store: Arc<dyn Store>,
        clients: Vec<grantor::record::Client>,
        configure: impl FnOnce(Builder) -> Builder,
    ) -> Self {
        let clock = Arc::new(TestClock::new(NOW));
        let clients = Arc::new(Registry::new(clients));
        let accounts = Arc::new(host::users());
        let events = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&events);
        let issuer = Issuer::new(issuer).unwrap();
        let builder = AuthorizationServer::builder(issuer, Arc::clone(&store), clients.clone(), &[7; 32])
            .clock(clock.clone())
            .accounts(accounts.clone())
            .resources(Arc::new(clients::resources()))
            .signer(Arc::new(TestSigner::new()))
            .audit(Arc::new(move |event: Event| log.lock().unwrap().push(event)))
            .scope(scope("read write admin"));
        let server = configure(builder).build().unwrap();
        let http = HttpServer::new(server.clone());
        Self { server, http, store, clock, clients, accounts, events }
    }

    /// A browser without cookies.
    pub(crate) fn agent(&self) -> Agent<'_> {
        Agent::new(self)
    }

    pub(crate) async fn send(&self, request: Request<Bytes>) -> Answer {
        self.http.handle(request, None).await.expect("a known path").into()
    }

    pub(crate) async fn get(&self, target: &str) -> Answer {
        self.send(Request::get(target).body(Bytes::new()).unwrap()).await
    }

    /// Posts a form with an `Authorization` header, if there is one.
    pub(crate) async fn post(&self, path: &str, authorization: Option<&str>, form: &Form) -> Answer {
        let mut request =
            Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(value) = authorization {
            request = request.header(header::AUTHORIZATION, value);
        }
        self.send(request.body(form.encode().into()).unwrap()).await
    }

    /// Posts a form as a client, authenticated as it is registered.
    pub(crate) async fn post_as(&self, client: &str, path: &str, form: &Form) -> Answer {
        let (authorization, form) = clients::authenticated(client, form);
        self.post(path, authorization.as_deref(), &form).await
    }

    pub(crate) async fn token(&self, client: &str, form: &Form) -> Answer {
        self.post_as(client, "/token", form).await
    }

    pub(crate) async fn redeem(&self, client: &str, code: &str) -> Answer {
        self.token(client, &redemption(client, code)).await
    }

    pub(crate) async fn refresh(&self, client: &str, token: &str) -> Answer {
        self.token(client, &refreshing(token)).await
    }

    pub(crate) async fn revoke(&self, client: &str, token: &str) -> Answer {
        self.post_as(client, "/revoke", &form([("token", token)])).await
    }

    pub(crate) async fn introspect(&self, client: &str, token: &str) -> Value {
        let answer = self.post_as(client, "/introspect", &form([("token", token)])).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Whether an access token lives, as the API in this process sees it.
    pub(crate) async fn is_live(&self, token: &str) -> bool {
        let check = grantor::endpoint::resource::ResourceCheck {
            token: grantor::token::PresentedToken::read(token),
            resource: None,
            scope: Scope::empty(),
        };
        match self.server.check(&check).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.status(), 401, "{error}");
                false
            }
        }
    }

    /// Signs `alice` in, has her approve everything, and returns the client's code.
    pub(crate) async fn code(&self, client: &str) -> String {
        self.agent().code(client).await
    }

    /// The tokens a client got for a code of `alice`.
    pub(crate) async fn tokens(&self, client: &str) -> Tokens {
        let code = self.code(client).await;
        self.redeem(client, &code).await.tokens()
    }

    /// The grants of a client, in the order in which they began.
    pub(crate) async fn grants(&self, client: &str) -> Vec<(GrantId, Grant)> {
        let index = Index::client(self.server.settings().namespace, &client.into());
        let listed = self.store.list(&index, Page { after: None, limit: 10_000 }).await.unwrap().keys;
        let records = self.store.load(&listed).await.unwrap();
        let grant = |(key, record): (&grantor::record::Key, &Option<grantor::record::Versioned>)| match record
            .as_ref()?
            .record
            .as_ref()
        {
            Record::Grant(grant) => Some((GrantId(key.id), grant.clone())),
            _ => None,
        };
        listed.iter().zip(&records).filter_map(grant).collect()
    }

    /// The one grant of a client.
    pub(crate) async fn grant(&self, client: &str) -> Grant {
        let mut grants = self.grants(client).await;
        assert_eq!(grants.len(), 1);
        grants.remove(0).1
    }

    pub(crate) async fn status(&self, client: &str) -> GrantStatus {
        self.grant(client).await.status
    }

    /// How often something happened, as the audit trail has it.
    pub(crate) fn count(&self, kind: EventKind) -> usize {
        self.events.lock().unwrap().iter().filter(|event| event.kind == kind).count()
    }

    pub(crate) fn events(&self) -> Vec<Event> {
        self.events.lock().unwrap().clone()
    }
}

/// What came back.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl From<Response<Bytes>> for Answer {
    fn from(response: Response<Bytes>) -> Self {
        let (parts, body) = response.into_parts();
        Self { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.header("content-type"), Some("application/json"), "{self:?}");
        serde_json::from_slice(&self.body).unwrap()
    }

    /// Status and code of an error in JSON.
    pub(crate) fn error(&self) -> (u16, String) {
        (self.status, self.json()["error"].as_str().unwrap_or_else(|| panic!("{self:?}")).to_owned())
    }

    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) {
        assert_eq!(self.error(), (status, code.to_owned()), "{self:?}");
    }

    pub(crate) fn tokens(&self) -> Tokens {
        assert_eq!(self.status, 200, "{self:?}");
        let json = self.json();
        Tokens {
            access: json["access_token"].as_str().unwrap().to_owned(),
            refresh: json["refresh_token"].as_str().unwrap_or_default().to_owned(),
            scope: json["scope"].as_str().unwrap_or_default().to_owned(),
            expires_in: json["expires_in"].as_u64().unwrap(),
        }
    }

    pub(crate) fn location(&self) -> Option<&str> {
        self.header("location")
    }

    /// A parameter of the answer that travels in the location.
    pub(crate) fn param(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(self.location()?).unwrap();
        let fragment = url.fragment().unwrap_or_default().as_bytes().to_vec();
        let mut pairs =
            url.query_pairs().into_owned().chain(url::form_urlencoded::parse(&fragment).into_owned());
        let found = pairs.find(|(own, _)| own == name).map(|(_, value)| value);
        assert!(!pairs.any(|(own, _)| own == name), "{name} is there twice: {self:?}");
        found
    }

    /// Where the answer goes, without what it says.
    pub(crate) fn target(&self) -> Option<&str> {
        self.location()?.split(['?', '#']).next()
    }

    /// The hidden fields of the form on a page.
    pub(crate) fn hidden_fields(&self) -> Form {
        assert!(self.status == 200 && self.is_page(), "{self:?}");
        let hidden = self.text().split("<input type=\"hidden\" name=\"").skip(1);
        let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
        let text = |html: &str| {
            entities.iter().fold(html.to_owned(), |text, (entity, character)| text.replace(entity, character))
        };
        let pairs = hidden.map(|field| {
            let (name, rest) = field.split_once("\" value=\"").unwrap();
            (text(name), text(rest.split_once("\">").unwrap().0))
        });
        Form(pairs.collect())
    }

    pub(crate) fn is_page(&self) -> bool {
        self.location().is_none() && self.header("content-type") == Some("text/html; charset=utf-8")
    }
}

/// What the token endpoint handed out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
    pub(crate) scope: String,
    pub(crate) expires_in: u64,
}

/// Parameters, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Form(pub(crate) Vec<(String, String)>);

pub(crate) fn form<const N: usize>(pairs: [(&str, &str); N]) -> Form {
    Form(pairs.map(|(name, value)| (name.to_owned(), value.to_owned())).into())
}

impl Form {
    /// The same with one parameter set.
    pub(crate) fn set(&self, name: &str, value: &str) -> Self {
        self.without(name).add(name, value)
    }

    /// The same with one parameter more, even if there is one of that name.
    pub(crate) fn add(&self, name: &str, value: &str) -> Self {
        let mut pairs = self.0.clone();
        pairs.push((name.to_owned(), value.to_owned()));
        Self(pairs)
    }

    pub(crate) fn without(&self, name: &str) -> Self {
        Self(self.0.iter().filter(|(own, _)| own != name).cloned().collect())
    }

    pub(crate) fn encode(&self) -> String {
        url::form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.0).finish()
    }
}

/// The claims of a JWT that is known to be genuine.
pub(crate) fn claims(jwt: &str) -> Value {
    let payload = URL_SAFE_NO_PAD.decode(jwt.split('.').nth(1).unwrap()).unwrap();
    serde_json::from_slice(&payload).unwrap()
}

pub(crate) fn scope(text: &str) -> Scope {
    Scope::parse(text).unwrap()
}

pub(crate) fn alice() -> SubjectId {
    SubjectId::new("alice")
}

pub(crate) fn challenge(verifier: &str) -> String {
    Digest::of(verifier.as_bytes()).to_base64url()
}

/// An authorization request that a client may make.
pub(crate) fn authorization(client: &str) -> Form {
    form([
        ("client_id", client),
        ("redirect_uri", clients::redirect_uri(client)),
        ("response_type", "code"),
        ("scope", "read write"),
        ("state", "af0ifjsldkj"),
        ("code_challenge", &challenge(VERIFIER)),
        ("code_challenge_method", "S256"),
    ])
}

/// The redemption of a code that was asked for with [`authorization`].
pub(crate) fn redemption(client: &str, code: &str) -> Form {
    form([
        ("grant_type", "authorization_code"),
        ("code", code),
        ("redirect_uri", clients::redirect_uri(client)),
        ("code_verifier", VERIFIER),
    ])
}

pub(crate) fn refreshing(token: &str) -> Form {
    form([("grant_type", "refresh_token"), ("refresh_token", token)])
}

pub(crate) fn machine() -> Form {
    form([("grant_type", "client_credentials")])
}
