//! OpenID Connect: ID tokens, UserInfo, and what a request may say about the login (OpenID Connect Core).
//!
//! | file | holds |
//! |---|---|
//! | `told` | what clients are told of their users: ID tokens, UserInfo, claims |
//! | `asked` | what a request may ask of the login |
//! | `life` | how long a login and its grants last, and what the server says of itself |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod asked;
#[path = "../common/mod.rs"]
mod common;
mod life;
mod told;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use common::clients::{API, all};
use common::{Agent, Answer, Fixture, Form, ISSUER, NOW, authorization, form, refreshing, scope};
use grantor::authorize::{Continue, HostLogin, InteractReason};
use grantor::host::Clock as _;
use grantor::jose::Algorithm;
use grantor::protocol::{ErrorCode, Locales, ResponseMode};
use grantor::record::Client;
use grantor::record::client::{ConsentPolicy, OpenIdRegistration};
use grantor::record::grant::Authentication;
use grantor::record::settings::Languages;
use grantor::store::MemoryStore;
use http::{Method, Request, header};
use jsonwebtoken as judge;
use serde_json::{Value, json};

const SCOPE: &str = "openid profile email offline_access read write";

fn provider() -> Fixture {
    with_clients(|_| ())
}

fn with_clients(change: impl Fn(&mut Client)) -> Fixture {
    let mut clients = all();
    for client in &mut clients {
        client.scope = scope(SCOPE);
        change(client);
    }
    Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| builder.scope(scope(SCOPE)))
}

/// The code request of a client, with this scope.
fn asking(client: &str, scope: &str) -> Form {
    authorization(client).set("scope", scope)
}

/// The claims of an ID token, verified with the published keys by a library that is not ours.
async fn verified(fixture: &Fixture, token: &str, client: &str) -> Value {
    let keys: judge::jwk::JwkSet = serde_json::from_value(fixture.get("/jwks").await.json()).unwrap();
    let header = judge::decode_header(token).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let mut rules = judge::Validation::new(judge::Algorithm::ES256);
    rules.set_audience(&[client]);
    rules.set_issuer(&[ISSUER]);
    rules.set_required_spec_claims(&["iss", "sub", "aud", "exp", "iat"]);
    rules.validate_exp = false;
    judge::decode::<Value>(token, &judge::DecodingKey::from_jwk(key).unwrap(), &rules).unwrap().claims
}

async fn id_token(fixture: &Fixture, tokens: &Value, client: &str) -> Value {
    verified(fixture, tokens["id_token"].as_str().unwrap(), client).await
}

async fn userinfo(fixture: &Fixture, token: &str) -> Answer {
    let request = Request::get("/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}"));
    fixture.send(request.body(Bytes::new()).unwrap()).await
}

fn names(claims: &Value) -> BTreeSet<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

fn error(answer: &Answer) -> String {
    answer.param("error").unwrap_or_else(|| panic!("{answer:?}"))
}
