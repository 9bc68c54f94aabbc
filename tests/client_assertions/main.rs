//! Client assertions: `private_key_jwt` and `client_secret_jwt`, from bytes to bytes.
//!
//! | file | holds |
//! |---|---|
//! | `rules` | what an assertion must be |
//! | `replay` | that it is used once |
//! | `remote_keys` | keys behind a `jwks_uri` |
//! | `secrets` | secrets that are kept sealed |

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test fails by panicking")]

#[path = "../common/mod.rs"]
mod common;
mod remote_keys;
mod replay;
mod rules;
mod secrets;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};

use common::clients::{all, client};
use common::{Answer, Fixture, Form, ISSUER, NOW, form};
use grantor::jose::{Algorithm, Header, JwkSet, Sealer, SigningKey, attach, signing_input};
use grantor::protocol::{ClientAuthMethod, GrantType};
use grantor::record::Client;
use grantor::record::assertion::{ClientKeys, KeySource};
use grantor::record::client::ClientSecret;
use grantor::record::key_ring::PublishedKeys;
use grantor::server::Builder;
use grantor::store::{MemoryStore, Store};
use serde_json::{Value, json};

pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
pub(crate) const TYP: &str = "client-authentication+jwt";
pub(crate) const ENDPOINTS: [&str; 3] = ["/token", "/revoke", "/introspect"];
/// Long enough for every HMAC.
pub(crate) const SECRET: &str = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";

/// The key of the client `signer`.
pub(crate) static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());
/// The key of the client `other`.
pub(crate) static OTHER_KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());

pub(crate) fn given(keys: &[&SigningKey]) -> ClientKeys {
    let set = JwkSet::new(keys.iter().map(|key| key.public()).collect()).unwrap();
    ClientKeys { source: KeySource::Given(Arc::new(PublishedKeys::new(set))), assertion_alg: None }
}

pub(crate) fn sealed(client: &str, secret: &str) -> ClientSecret {
    ClientSecret::sealed(secret, &client.into(), &Sealer::new(&[7; 32])).unwrap()
}

/// The usual clients, and `signer` and `other`, which sign, and `hmac`, which shares a secret.
pub(crate) fn clients() -> Vec<Client> {
    let one = |id, method| Client {
        grant_types: GrantType::ALL.to_vec(),
        secrets: vec![],
        ..client(id, method, &["https://signer.example/cb"])
    };
    let mut clients = all();
    for (id, key) in [("signer", &KEY), ("other", &OTHER_KEY)] {
        clients.push(Client { keys: given(&[key]), ..one(id, ClientAuthMethod::PrivateKeyJwt) });
    }
    clients.push(Client {
        secrets: vec![sealed("hmac", SECRET)],
        ..one("hmac", ClientAuthMethod::ClientSecretJwt)
    });
    clients
}

pub(crate) fn fixture() -> Fixture {
    with(|builder| builder)
}

pub(crate) fn with(configure: impl FnOnce(Builder) -> Builder) -> Fixture {
    on(Arc::new(MemoryStore::new()), configure)
}

pub(crate) fn on(store: Arc<dyn Store>, configure: impl FnOnce(Builder) -> Builder) -> Fixture {
    Fixture::over(store, clients(), configure)
}

/// The claims of a good assertion, with a `jti` of its own.
pub(crate) fn claims(client: &str) -> Value {
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let jti = format!("jti-{}", COUNT.fetch_add(1, Ordering::SeqCst));
    json!({ "iss": client, "sub": client, "aud": ISSUER, "jti": jti, "iat": NOW, "exp": NOW + 60 })
}

pub(crate) fn set(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

pub(crate) fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

pub(crate) fn sign_with(key: &SigningKey, header: &Header<'_>, claims: &Value) -> String {
    let input = signing_input(header, claims.to_string().as_bytes());
    let signature = key.sign(input.as_bytes()).unwrap();
    attach(input, &signature)
}

pub(crate) fn sign(key: &SigningKey, claims: &Value) -> String {
    sign_with(key, &Header::new(key.alg()).with_typ(TYP).with_kid(key.kid()), claims)
}

/// A token with an HMAC, made by another library.
pub(crate) fn hmac(alg: jsonwebtoken::Algorithm, secret: &[u8], claims: &Value) -> String {
    let key = jsonwebtoken::EncodingKey::from_secret(secret);
    jsonwebtoken::encode(&jsonwebtoken::Header::new(alg), claims, &key).unwrap()
}

/// A good assertion of `signer`, `other` or `hmac`.
pub(crate) fn good(client: &str) -> String {
    match client {
        "hmac" => hmac(jsonwebtoken::Algorithm::HS256, SECRET.as_bytes(), &claims(client)),
        "other" => sign(&OTHER_KEY, &claims(client)),
        _ => sign(&KEY, &claims(client)),
    }
}

/// A request that any of the three endpoints understands.
pub(crate) fn asking() -> Form {
    form([("grant_type", "client_credentials"), ("token", "gat_x")])
}

pub(crate) fn asserting(request: &Form, assertion: &str) -> Form {
    request.add("client_assertion_type", JWT_BEARER).add("client_assertion", assertion)
}

pub(crate) async fn present(fixture: &Fixture, assertion: &str) -> Answer {
    fixture.post("/token", None, &asserting(&asking(), assertion)).await
}

/// Why the last request was refused, as the audit trail has it.
pub(crate) fn reason(fixture: &Fixture) -> grantor::Reason {
    fixture.events().pop().unwrap().reason.unwrap()
}
