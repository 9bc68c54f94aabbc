//! Token exchange (RFC 8693), from bytes to bytes.
//!
//! | file | holds |
//! |---|---|
//! | `tokens` | which tokens can be given, and what each proves |
//! | `foreign` | tokens of other issuers |
//! | `bounds` | that what is got is never worth more than what was given |
//! | `actors` | who acts for whom |
//! | `life` | what ends an exchanged token |
//! | `id_jag` | grants at another server |
//! | `id_token` | ID tokens for tokens |
//! | `policies` | who may exchange at all, and the policies that come with the crate |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod actors;
mod bounds;
#[path = "../common/mod.rs"]
mod common;
mod foreign;
mod id_jag;
mod id_token;
mod life;
mod policies;
mod tokens;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::clients::{API, JWT_API, all, client, resource};
use common::foreign::Trust;
use common::{Answer, Fixture, Form, authorization, form, scope};
use grantor::Reason;
use grantor::host::TokenExchangePolicy;
use grantor::protocol::{ClientAuthMethod, GrantType};
use grantor::record::Client;
use grantor::record::exchange::{Exchange, Terms, Verdict};
use grantor::store::{MemoryStore, StoreError};
use serde_json::Value;

pub(crate) const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
pub(crate) const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
pub(crate) const REFRESH: &str = "urn:ietf:params:oauth:token-type:refresh_token";
pub(crate) const ID: &str = "urn:ietf:params:oauth:token-type:id_token";
pub(crate) const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
pub(crate) const SCOPE: &str = "openid offline_access read write";

/// Answers as a test says, and remembers what it was asked.
pub(crate) struct Policy {
    pub(crate) verdict: Mutex<Verdict>,
    pub(crate) asked: Mutex<Vec<Exchange>>,
}

impl Policy {
    pub(crate) fn set(&self, terms: Terms) {
        *self.verdict.lock().unwrap() = Verdict::Allow(terms);
    }

    /// What it was asked last.
    pub(crate) fn last(&self) -> Exchange {
        self.asked.lock().unwrap().last().unwrap().clone()
    }
}

#[async_trait]
impl TokenExchangePolicy for Policy {
    async fn judge(&self, exchange: &Exchange) -> Result<Verdict, StoreError> {
        self.asked.lock().unwrap().push(exchange.clone());
        Ok(self.verdict.lock().unwrap().clone())
    }
}

/// A server that exchanges whatever its policy allows: at first everything that is asked.
pub(crate) struct World {
    pub(crate) fixture: Fixture,
    pub(crate) policy: Arc<Policy>,
    pub(crate) trust: Arc<Trust>,
}

/// The usual clients, which may all exchange tokens, and `api` and `jwt-api`, which answer for the APIs of those names.
pub(crate) fn clients() -> Vec<Client> {
    let mut clients = all();
    clients.push(Client {
        response_types: vec![],
        resource_server_of: vec![resource(JWT_API)],
        ..client("jwt-api", ClientAuthMethod::ClientSecretBasic, &[])
    });
    for client in &mut clients {
        client.scope = scope(SCOPE);
        client.grant_types.push(GrantType::TokenExchange);
        if client.id.as_str() == "api" {
            client.grant_types.push(GrantType::RefreshToken);
        }
    }
    clients
}

pub(crate) const GRANT_TYPES: [GrantType; 4] = [
    GrantType::AuthorizationCode,
    GrantType::RefreshToken,
    GrantType::ClientCredentials,
    GrantType::TokenExchange,
];

pub(crate) fn served_by(policy: Arc<dyn TokenExchangePolicy>, trust: Arc<Trust>) -> Fixture {
    Fixture::over(Arc::new(MemoryStore::new()), clients(), |builder| {
        builder
            .scope(scope(&format!("{SCOPE} admin")))
            .grant_types(GRANT_TYPES)
            .token_exchange(policy)
            .assertion_trust(trust)
            .pairwise_subjects(&[9; 32])
    })
}

impl World {
    pub(crate) fn new() -> Self {
        let policy = Arc::new(Policy {
            verdict: Mutex::new(Verdict::Allow(Terms::default())),
            asked: Mutex::default(),
        });
        let trust = Arc::new(Trust::default());
        Self { fixture: served_by(policy.clone(), trust.clone()), policy, trust }
    }

    pub(crate) async fn ask(&self, client: &str, form: &Form) -> Answer {
        self.fixture.token(client, form).await
    }

    /// The answer to an exchange that is made.
    pub(crate) async fn exchanged(&self, client: &str, form: &Form) -> Value {
        let answer = self.ask(client, form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// The token that `client` gets for an access token.
    pub(crate) async fn token(&self, client: &str, form: &Form) -> String {
        text(&self.exchanged(client, form).await, "access_token")
    }

    /// What `web` is given for a code of `alice`, for these resources.
    pub(crate) async fn given(&self, scope: &str, resources: &[&str]) -> Value {
        given(&self.fixture, "web", scope, resources).await
    }

    /// An access token of `web` for `alice`, for this resource.
    pub(crate) async fn access(&self, resource: &str) -> String {
        text(&self.given("openid read write", &[resource]).await, "access_token")
    }

    pub(crate) async fn alive(&self, client: &str, token: &str) -> bool {
        self.fixture.introspect(client, token).await["active"] == true
    }

    /// What introspection says to whoever holds the token.
    pub(crate) async fn seen(&self, token: &str) -> Value {
        for client in ["web", "api", "jwt-api", "machine", "post"] {
            let seen = self.fixture.introspect(client, token).await;
            if seen["active"] == true {
                return seen;
            }
        }
        serde_json::json!({"active": false})
    }

    /// Why the last request was refused, as the audit trail has it.
    pub(crate) fn reason(&self) -> Reason {
        reason(&self.fixture)
    }
}

pub(crate) fn reason(fixture: &Fixture) -> Reason {
    fixture.events().pop().unwrap().reason.unwrap()
}

pub(crate) async fn given(fixture: &Fixture, client: &str, scope: &str, resources: &[&str]) -> Value {
    let request = authorization(client).set("scope", scope).set("prompt", "consent");
    let request = resources.iter().fold(request, |form, uri| form.add("resource", uri));
    let code = fixture.agent().walk(&request, "alice").await.param("code").unwrap();
    let answer = fixture.redeem(client, &code).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

pub(crate) fn text(json: &Value, name: &str) -> String {
    json[name].as_str().unwrap_or_else(|| panic!("{name}: {json}")).to_owned()
}

/// The exchange of a token of this type.
pub(crate) fn exchanging(token_type: &str, token: &str) -> Form {
    form([("grant_type", EXCHANGE), ("subject_token", token), ("subject_token_type", token_type)])
}

pub(crate) fn opaque(token: &str) -> Form {
    exchanging(ACCESS, token)
}

/// An exchange for an API whose tokens are opaque.
pub(crate) fn for_api(token: &str) -> Form {
    opaque(token).add("resource", API)
}
