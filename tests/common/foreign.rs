//! Another issuer, `https://idp.example`, and what this server's host trusts of it.

use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use grantor::host::AssertionTrust;
use grantor::jose::{Algorithm, Header, JwkSet, SigningKey, attach, signing_input};
use grantor::record::assertion::KeySource;
use grantor::record::key_ring::PublishedKeys;
use grantor::record::trust::{KnownSubject, Statement, TrustedIssuer};
use grantor::store::StoreError;
use serde_json::{Value, json};

use super::{ISSUER, NOW};

pub(crate) const IDP: &str = "https://idp.example";

/// The key of the issuer.
pub(crate) static KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());
/// A key of nobody.
pub(crate) static OTHER_KEY: LazyLock<SigningKey> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Es256).unwrap());

pub(crate) fn keys(key: &SigningKey) -> KeySource {
    KeySource::Given(Arc::new(PublishedKeys::new(JwkSet::new(vec![key.public()]).unwrap())))
}

/// Claims that say that `alice` is meant.
pub(crate) fn statement() -> Value {
    json!({
        "iss": IDP, "sub": "alice@idp.example", "aud": ISSUER, "iat": NOW, "exp": NOW + 300,
        "jti": "statement-1", "email": "alice@idp.example",
    })
}

pub(crate) fn set(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

pub(crate) fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// The claims, signed with a header of this type, if any.
pub(crate) fn signed(key: &SigningKey, typ: Option<&str>, claims: &Value) -> String {
    let header = Header::new(key.alg()).with_kid(key.kid());
    let header = match typ {
        Some(typ) => header.with_typ(typ),
        None => header,
    };
    let input = signing_input(&header, claims.to_string().as_bytes());
    let signature = key.sign(input.as_bytes()).unwrap();
    attach(input, &signature)
}

/// The claims as the issuer would sign them.
pub(crate) fn stated(claims: &Value) -> String {
    signed(&KEY, Some("JWT"), claims)
}

/// Trusts one issuer, takes its users for those here of the name before the `@`, and remembers what it was asked.
pub(crate) struct Trust {
    pub(crate) issuer: Mutex<TrustedIssuer>,
    pub(crate) known: Mutex<KnownSubject>,
    pub(crate) asked: Mutex<Vec<Statement>>,
}

impl Default for Trust {
    fn default() -> Self {
        let issuer = TrustedIssuer { algorithms: vec![Algorithm::Es256], ..TrustedIssuer::new(keys(&KEY)) };
        Self {
            issuer: Mutex::new(issuer),
            known: Mutex::new(KnownSubject::new("nobody")),
            asked: Mutex::default(),
        }
    }
}

#[async_trait]
impl AssertionTrust for Trust {
    async fn issuer(&self, issuer: &str) -> Result<Option<Arc<TrustedIssuer>>, StoreError> {
        Ok((issuer == IDP).then(|| Arc::new(self.issuer.lock().unwrap().clone())))
    }

    async fn subject(&self, statement: &Statement) -> Result<Option<KnownSubject>, StoreError> {
        self.asked.lock().unwrap().push(statement.clone());
        let name = statement.claims["sub"].as_str().unwrap().strip_suffix("@idp.example");
        let known = self.known.lock().unwrap().clone();
        Ok(name.map(|name| KnownSubject { subject: name.into(), ..known }))
    }
}
