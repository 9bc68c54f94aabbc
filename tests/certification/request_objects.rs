//! The modules about request objects of the basic, implicit, hybrid, form post and dynamic plans (OpenID Connect Core §6).

use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::host::{Fetch, FetchError, FetchRequest, FetchResponse};
use grantor::jose::{Algorithm, JwkSet, SigningKey, sign_compact};
use grantor::record::assertion::KeySource;
use grantor::record::key_ring::PublishedKeys;
use serde_json::{Map, Value, json};

use crate::common::clients::all;
use crate::common::{Form, ISSUER};
use crate::suite::{Plan, Suite, value};

/// What the suite appends is the hash of nothing in particular.
const PLACE: &str = "https://suite.example/request-object/1#bm90IGEgaGFzaA";

static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap());

/// Where the suite keeps its request object.
#[derive(Default)]
struct Place(Mutex<String>);

#[async_trait]
impl Fetch for Place {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let place = PLACE.split('#').next().unwrap();
        assert_eq!(request.url.as_str(), place);
        let headers = vec![("content-type".to_owned(), b"application/jwt".to_vec())];
        let body = self.0.lock().unwrap().clone().into_bytes();
        Ok(FetchResponse { status: 200, headers, body })
    }
}

/// A provider that knows the key of `web`, and where its request objects are.
async fn suite(place: &Arc<Place>) -> Suite {
    let mut clients = all();
    let keys = JwkSet::new(vec![KEY.public()]).unwrap();
    for client in &mut clients {
        Suite::open_up(client);
        client.keys.source = KeySource::Given(Arc::new(PublishedKeys::new(keys.clone())));
        client.request_objects.uris = vec![PLACE.into()];
    }
    let fetch = place.clone();
    Suite::with(clients, |builder| builder.fetch(fetch)).await
}

/// The parameters as claims.
fn claims(request: &Form) -> Map<String, Value> {
    request.0.iter().map(|(name, value)| (name.clone(), value.as_str().into())).collect()
}

fn unsigned(request: &Form) -> String {
    let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
    format!("{}.{}.", encode(r#"{"alg":"none"}"#), encode(&Value::Object(claims(request)).to_string()))
}

fn signed(request: &Form) -> String {
    let mut claims = claims(request);
    claims.insert("iss".to_owned(), json!("web"));
    claims.insert("aud".to_owned(), json!(ISSUER));
    sign_compact(&KEY, "JWT", Value::Object(claims).to_string().as_bytes()).unwrap()
}

/// What OAuth wants to stand beside the object; `state` is not among it.
fn beside(request: &Form) -> Form {
    let kept = ["client_id", "response_type", "scope", "redirect_uri"];
    kept.into_iter().fold(Form::default(), |form, name| form.add(name, value(request, name).unwrap()))
}

async fn by_reference(object: impl Fn(&Form) -> String) {
    for plan in Plan::all() {
        let place = Arc::new(Place::default());
        let suite = suite(&place).await;
        let request = plan.asking("web", "openid");
        *place.0.lock().unwrap() = object(&request);
        let elsewhere = format!("{PLACE}-of-another-time");
        for uri in [PLACE, elsewhere.as_str()] {
            let answer = suite.agent().walk(&beside(&request).add("request_uri", uri), "alice").await;
            suite.outcome(plan, &request, &answer).await;
        }
    }
}

#[tokio::test]
async fn unsigned_request_object_supported_correctly_or_rejected_as_unsupported() {
    let suite = suite(&Arc::default()).await;
    for plan in Plan::all() {
        let request = plan.asking("web", "openid");
        let carrying = beside(&request).add("request", &unsigned(&request));
        let answer = suite.agent().walk(&carrying, "alice").await;
        suite.outcome(plan, &request, &answer).await;
    }
}

#[tokio::test]
async fn ensure_request_object_with_redirect_uri() {
    let suite = suite(&Arc::default()).await;
    for plan in Plan::all() {
        let request = plan.asking("web", "openid");
        let carrying = beside(&request)
            .set("redirect_uri", "https://suite.example/not-the-one-within")
            .add("request", &signed(&request));
        let answer = suite.agent().walk(&carrying, "alice").await;
        suite.outcome(plan, &request, &answer).await;
    }
}

#[tokio::test]
async fn request_uri_unsigned() {
    by_reference(unsigned).await;
}

#[tokio::test]
async fn request_uri_signed_rs256() {
    by_reference(signed).await;
}
