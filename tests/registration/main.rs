//! Clients that register themselves (RFC 7591, OpenID Connect Dynamic Client Registration) and look after their registration
//! (RFC 7592), from bytes to bytes.
//!
//! | file | holds |
//! |---|---|
//! | `metadata` | what a client may register |
//! | `openid` | what it may register about subjects, encryption and request objects |
//! | `admission` | who may register: policies, initial access tokens, software statements, quotas |
//! | `management` | what a client does with its registration |
//! | `operators` | what an operator sees of the clients, and ends |
//! | `races` | what holds when requests race |
//! | `faults` | what holds when the store fails |

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

mod admission;
#[path = "../common/mod.rs"]
mod common;
mod faults;
mod management;
mod metadata;
mod openid;
mod operators;
mod races;

use std::sync::Arc;

use bytes::Bytes;
use common::clients::basic;
use common::host::NoServers;
use common::{Agent, Answer, Fixture, Form, ISSUER, VERIFIER, challenge, form, scope};
use grantor::host::{FetchedJwks, OpenRegistration, RegistrationPolicy, SystemClock};
use grantor::protocol::GrantType;
use grantor::record::registration::Admission;
use grantor::server::Builder;
use grantor::store::{MemoryStore, Store};
use http::{Request, header};
use serde_json::{Value, json};

pub(crate) const SCOPE: &str = "openid offline_access read write";
pub(crate) const CALLBACK: &str = "https://client.example/cb";

/// A server at which everybody may register.
pub(crate) fn open() -> Fixture {
    under(anybody())
}

/// A server at which everybody may register, and that could reach their servers.
pub(crate) fn reaching() -> Fixture {
    on(Arc::new(MemoryStore::new()), anybody(), |builder| {
        let jwks = FetchedJwks::new(Arc::new(NoServers), Arc::new(SystemClock));
        builder.fetch(Arc::new(NoServers)).client_jwks(Arc::new(jwks)).frontchannel_logout()
    })
}

/// Everybody may register, for whatever the server has.
pub(crate) fn anybody() -> OpenRegistration {
    OpenRegistration { terms: Admission { grant_types: GrantType::ALL.to_vec(), ..Admission::default() } }
}

pub(crate) fn under(policy: impl RegistrationPolicy + 'static) -> Fixture {
    on(Arc::new(MemoryStore::new()), policy, |builder| builder)
}

pub(crate) fn on(
    store: Arc<dyn Store>,
    policy: impl RegistrationPolicy + 'static,
    configure: impl FnOnce(Builder) -> Builder,
) -> Fixture {
    Fixture::over(store, common::clients::all(), |builder| {
        configure(builder.scope(scope(SCOPE)).registration(Arc::new(policy)))
    })
}

pub(crate) async fn send(
    fixture: &Fixture,
    method: &str,
    target: &str,
    token: Option<&str>,
    body: &[u8],
) -> Answer {
    let mut request = Request::builder()
        .method(method)
        .uri(target.strip_prefix(ISSUER).unwrap_or(target))
        .header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    fixture.send(request.body(Bytes::copy_from_slice(body)).unwrap()).await
}

pub(crate) async fn register(fixture: &Fixture, metadata: &Value) -> Answer {
    send(fixture, "POST", "/register", None, metadata.to_string().as_bytes()).await
}

#[track_caller]
pub(crate) fn token_refused(answer: &Answer) {
    answer.refused(401, "invalid_token");
    assert!(
        answer.header("www-authenticate").unwrap().starts_with("Bearer error=\"invalid_token\""),
        "{answer:?}"
    );
}

/// Metadata of a web client, with these members besides or instead.
pub(crate) fn web(members: &Value) -> Value {
    with(&json!({ "redirect_uris": [CALLBACK] }), members)
}

/// The same with other members.
pub(crate) fn with(metadata: &Value, members: &Value) -> Value {
    let mut all = metadata.as_object().unwrap().clone();
    all.extend(members.as_object().unwrap().clone());
    Value::Object(all)
}

pub(crate) fn without(metadata: &Value, member: &str) -> Value {
    let mut all = metadata.as_object().unwrap().clone();
    all.remove(member);
    Value::Object(all)
}

/// A client that registered itself.
pub(crate) struct Registered {
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) token: String,
    pub(crate) uri: String,
    /// All that was answered.
    pub(crate) information: Value,
}

impl Registered {
    pub(crate) async fn new(fixture: &Fixture, metadata: &Value) -> Self {
        let answer = register(fixture, metadata).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        Self::read(answer.json())
    }

    pub(crate) fn read(information: Value) -> Self {
        let text = |name: &str| information[name].as_str().map(str::to_owned);
        Self {
            id: text("client_id").unwrap(),
            secret: text("client_secret"),
            token: text("registration_access_token").unwrap(),
            uri: text("registration_client_uri").unwrap(),
            information,
        }
    }

    pub(crate) async fn get(&self, fixture: &Fixture) -> Answer {
        send(fixture, "GET", &self.uri, Some(&self.token), b"").await
    }

    pub(crate) async fn put(&self, fixture: &Fixture, metadata: &Value) -> Answer {
        send(fixture, "PUT", &self.uri, Some(&self.token), metadata.to_string().as_bytes()).await
    }

    pub(crate) async fn delete(&self, fixture: &Fixture) -> Answer {
        send(fixture, "DELETE", &self.uri, Some(&self.token), b"").await
    }

    /// Its metadata as it would send them again, with these members instead.
    pub(crate) fn again(&self, members: &Value) -> Value {
        let mut metadata = with(&self.information, members);
        for member in [
            "registration_access_token",
            "registration_client_uri",
            "client_secret_expires_at",
            "client_id_issued_at",
        ] {
            metadata = without(&metadata, member);
        }
        metadata
    }

    /// A token request of this client, authenticated by HTTP Basic, or not at all.
    pub(crate) async fn token(&self, fixture: &Fixture, form: &Form) -> Answer {
        match &self.secret {
            Some(secret) => fixture.post("/token", Some(&basic(&self.id, secret)), form).await,
            None => fixture.post("/token", None, &form.add("client_id", &self.id)).await,
        }
    }

    pub(crate) fn authorization(&self) -> Form {
        form([
            ("client_id", &self.id),
            ("redirect_uri", CALLBACK),
            ("response_type", "code"),
            ("scope", "read write"),
            ("state", "s"),
            ("code_challenge", &challenge(VERIFIER)),
            ("code_challenge_method", "S256"),
        ])
    }

    /// The redemption of a new code that `alice` allowed.
    pub(crate) async fn redemption(&self, fixture: &Fixture) -> Form {
        let answer = fixture.agent().walk(&self.authorization(), "alice").await;
        let code = answer.param("code").unwrap_or_else(|| panic!("{answer:?}"));
        form([
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", CALLBACK),
            ("code_verifier", VERIFIER),
        ])
    }

    /// Whether the server knows it: an authorization request leads to a page of the host, or to an error page.
    pub(crate) async fn is_known(&self, fixture: &Fixture) -> bool {
        Agent::is_at(&fixture.agent().authorize(&self.authorization()).await, "/login")
    }
}
