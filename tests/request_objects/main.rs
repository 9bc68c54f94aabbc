//! Authorization requests as JWTs (RFC 9101, OpenID Connect Core §6), from bytes to bytes.
//!
//! | file | holds |
//! |---|---|
//! | `taken` | whose objects are taken, and what in them counts |
//! | `fetched` | objects and keys that are fetched from servers of the clients |
//! | `registered` | what server and client say of request objects beforehand |
//! | `encrypted` | objects that are encrypted to the server |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

#[path = "../common/mod.rs"]
mod common;
mod encrypted;
mod fetched;
mod registered;
mod taken;

use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::clients::{API, JWT_API, all, redirect_uri};
use common::{Agent, Answer, Fixture, Form, ISSUER, NOW, VERIFIER, authorization, challenge, form, scope};
use grantor::client::MetadataError;
use grantor::host::{
    Entropy as _, Fetch, FetchError, FetchRequest, FetchResponse, FetchedJwks, KeyRingOptions, KeyRingSigner,
};
use grantor::jose::{
    Algorithm, ContentEncryption, DecryptingKey, EncryptingKey, EncryptionSeed, Header, JwkSet,
    KeyManagement, MacAlgorithm, Sealer, SigningKey, attach, encrypt_compact, signing_input,
};
use grantor::profile::RequestObjects;
use grantor::protocol::{ClientAuthMethod, Issuer, Locales};
use grantor::record::assertion::{AssertionAlgorithm, KeySource};
use grantor::record::client::ClientSecret;
use grantor::record::key_ring::PublishedKeys;
use grantor::record::request_object::{RequestObjectAlgorithm, RequestObjectRegistration};
use grantor::server::{AuthorizationServer, Builder};
use grantor::store::MemoryStore;
use grantor::{Profile, Reason, StaticClients, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};

const SCOPE: &str = "openid read write";
const TYP: &str = "oauth-authz-req+jwt";
/// Long enough for every HMAC.
const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The key of `web` and `two`.
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());
/// The key of `post`.
static OTHER_KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());

fn given(keys: &[&SigningKey]) -> KeySource {
    let set = JwkSet::new(keys.iter().map(|key| key.public()).collect()).unwrap();
    KeySource::Given(Arc::new(PublishedKeys::new(set)))
}

fn with(configure: impl FnOnce(Builder) -> Builder) -> Fixture {
    let mut clients = all();
    for client in &mut clients {
        client.scope = scope(SCOPE);
        match client.id.as_str() {
            "web" | "two" => client.keys.source = given(&[&KEY]),
            "post" => client.keys.source = given(&[&OTHER_KEY]),
            _ => {}
        }
    }
    Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| configure(builder.scope(scope(SCOPE))))
}

fn strict() -> Fixture {
    with(|builder| builder)
}

fn compat() -> Fixture {
    with(|builder| builder.profile(Profile::OidcCompat))
}

fn register(fixture: &Fixture, client: &str, registration: RequestObjectRegistration) {
    fixture.clients.change(client, |client| client.request_objects = registration);
}

fn registered_alg(alg: RequestObjectAlgorithm) -> RequestObjectRegistration {
    RequestObjectRegistration { alg: Some(alg), ..RequestObjectRegistration::default() }
}

/// What a good object of a client says.
fn claims(client: &str) -> Value {
    json!({
        "iss": client, "aud": ISSUER, "iat": NOW, "exp": NOW + 300, "jti": "1",
        "client_id": client, "response_type": "code", "redirect_uri": redirect_uri(client),
        "scope": "read", "state": "inside",
        "code_challenge": challenge(VERIFIER), "code_challenge_method": "S256",
    })
}

fn set(mut claims: Value, name: &str, value: impl Into<Value>) -> Value {
    claims[name] = value.into();
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

fn sign_with(key: &SigningKey, header: &Header<'_>, claims: &Value) -> String {
    let input = signing_input(header, claims.to_string().as_bytes());
    let signature = key.sign(input.as_bytes()).unwrap();
    attach(input, &signature)
}

fn sign(claims: &Value) -> String {
    sign_with(&KEY, &Header::new(KEY.alg()).with_typ(TYP).with_kid(KEY.kid()), claims)
}

fn unsecured(claims: &Value) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(&claims.to_string()))
}

/// The request that carries an object, with what may stand beside it for who cannot read it.
fn carrying(client: &str, object: &str) -> Form {
    form([
        ("client_id", client),
        ("response_type", "code"),
        ("redirect_uri", redirect_uri(client)),
        ("state", "outside"),
        ("request", object),
    ])
}

async fn ask(fixture: &Fixture, request: &Form) -> Answer {
    fixture.agent().authorize_by_post(request).await
}

/// What came of a request for `alice`: the code, and where it went with which state.
async fn allowed(fixture: &Fixture, request: &Form) -> (String, Option<String>, Option<String>) {
    let answer = fixture.agent().walk(request, "alice").await;
    let code = answer.param("code").unwrap_or_else(|| panic!("{answer:?} {:?}", fixture.events()));
    (code, answer.target().map(str::to_owned), answer.param("state"))
}

async fn is_taken(fixture: &Fixture, request: &Form) -> bool {
    Agent::is_at(&ask(fixture, request).await, "/login")
}

/// Why the last request was refused, as the audit trail has it.
fn reason(fixture: &Fixture) -> Reason {
    fixture.events().pop().unwrap().reason.unwrap()
}

#[track_caller]
fn refused_beside(answer: &Answer, code: &str, about: &str) {
    let told = (answer.param("error"), answer.target(), answer.param("state"), answer.param("iss"));
    let expected = (Some(code.to_owned()), Some(redirect_uri("web")), Some("outside".to_owned()));
    assert_eq!((told.0, told.1, told.2), expected, "{about}: {answer:?}");
    assert_eq!(told.3.as_deref(), Some(ISSUER), "{about}");
}
