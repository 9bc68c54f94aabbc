//! The dynamic plan, and third-party-initiated login: clients that register themselves and authenticate by
//! `private_key_jwt` (OpenID Connect Dynamic Client Registration).

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use grantor::host::{Fetch, FetchError, FetchRequest, FetchResponse, FetchedJwks, OpenRegistration};
use grantor::jose::{Algorithm, JwkSet, SigningKey, sign_compact};
use grantor::protocol::ResponseType;
use grantor::server::Builder;
use http::{Request, header};
use serde_json::{Value, json};

use crate::common::host::TestClock;
use crate::common::{Answer, Form, ISSUER, NOW, form};
use crate::suite::{Plan, Suite, response};

const CALLBACK: &str = "https://rp.example/cb";

/// What the authorization response is followed by is the same for every plan; the form post plans are not repeated here.
fn plans() -> impl Iterator<Item = Plan> {
    Plan::all().filter(|plan| plan.mode.is_none())
}

const CODE: Plan = Plan { response_type: ResponseType::Code, mode: None };

async fn suite() -> Suite {
    suite_with(|builder| builder).await
}

async fn suite_with(configure: impl FnOnce(Builder) -> Builder) -> Suite {
    Suite::with(vec![], |builder| configure(builder.registration(Arc::new(OpenRegistration::default()))))
        .await
}

async fn send(suite: &Suite, method: &str, uri: &str, token: Option<&str>, body: &Value) -> Answer {
    let target = uri.strip_prefix(ISSUER).unwrap_or(uri);
    let mut request =
        Request::builder().method(method).uri(target).header(header::CONTENT_TYPE, "application/json");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    suite.0.send(request.body(Bytes::from(body.to_string())).unwrap()).await
}

/// What the suite registers for a plan.
fn metadata(plan: Plan, key: &SigningKey, members: &Value) -> Value {
    let own = plan.response_type;
    let mut grants = vec!["refresh_token"];
    grants.extend(own.has_code().then_some("authorization_code"));
    grants.extend((own.has_token() || own.has_id_token()).then_some("implicit"));
    let mut metadata = json!({
        "client_name": "certification", "contacts": ["certification@example.org"], "redirect_uris": [CALLBACK],
        "grant_types": grants, "response_types": [own.as_str()], "token_endpoint_auth_method": "private_key_jwt",
        "jwks": { "keys": [key.public()] },
    });
    metadata.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
    metadata
}

/// A client that registered itself, and what it signs with.
struct Rp<'s> {
    suite: &'s Suite,
    information: Value,
    key: SigningKey,
    assertions: AtomicU64,
}

impl<'s> Rp<'s> {
    async fn register(suite: &'s Suite, plan: Plan, members: &Value) -> Self {
        let key = SigningKey::generate(Algorithm::Rs256).unwrap();
        let metadata = metadata(plan, &key, members);
        let answer = send(suite, "POST", &endpoint(suite).await, None, &metadata).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let information = answer.json();
        assert_eq!(information.get("error"), None);
        for name in ["registration_client_uri", "registration_access_token"] {
            assert!(information[name].as_str().is_some_and(|text| !text.is_empty()), "{name}");
        }
        assert!(information["registration_client_uri"].as_str().unwrap().starts_with("https://"));
        let secret = information.get("client_secret").is_some();
        assert!(!secret || information["client_secret_expires_at"].is_u64());
        Self { suite, information, key, assertions: AtomicU64::new(0) }
    }

    fn text(&self, name: &str) -> &str {
        self.information[name].as_str().unwrap()
    }

    fn request(&self, plan: Plan) -> Form {
        plan.asking("", "openid").set("client_id", self.text("client_id")).set("redirect_uri", CALLBACK)
    }

    async fn allowed(&self, request: &Form) -> Answer {
        self.suite.agent().walk(request, "alice").await
    }

    async fn token(&self, request: &Form) -> Answer {
        self.token_signed_by(&self.key, request).await
    }

    async fn token_signed_by(&self, key: &SigningKey, request: &Form) -> Answer {
        let now = grantor::host::Clock::now(&*self.suite.0.clock).0;
        let (id, jti) = (self.text("client_id"), self.assertions.fetch_add(1, Ordering::SeqCst).to_string());
        let claims = json!({ "iss": id, "sub": id, "aud": ISSUER, "jti": jti, "iat": now, "exp": now + 60 });
        let assertion = sign_compact(key, "JWT", claims.to_string().as_bytes()).unwrap();
        let request = request
            .add("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
            .add("client_assertion", &assertion);
        self.suite.0.post("/token", None, &request).await
    }

    async fn redeem(&self, code: &str, redirect_uri: &str) -> Value {
        let redemption =
            form([("grant_type", "authorization_code"), ("code", code), ("redirect_uri", redirect_uri)]);
        let answer = self.token(&redemption).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// A whole flow, every ID token of which is checked.
    async fn flow(&self, plan: Plan) -> (Vec<String>, Value) {
        let request = self.request(plan);
        let answer = self.allowed(&request).await;
        let mut params = response(plan, &request, &answer);
        let mut id_tokens: Vec<String> = params.remove("id_token").into_iter().collect();
        let mut tokens = Value::Null;
        if let Some(code) = params.get("code") {
            tokens = self.redeem(code, CALLBACK).await;
            self.suite.check_tokens(self.text("client_id"), &tokens, &request).await;
            id_tokens.push(tokens["id_token"].as_str().unwrap().to_owned());
        }
        for token in &id_tokens {
            self.suite.id_token(token, self.text("client_id"), &request).await;
        }
        (id_tokens, tokens)
    }

    /// The suite deletes its clients.
    async fn end(self) {
        let token = Some(self.text("registration_access_token"));
        let answer =
            send(self.suite, "DELETE", self.text("registration_client_uri"), token, &Value::Null).await;
        assert_eq!(answer.status, 204, "{answer:?}");
    }
}

async fn endpoint(suite: &Suite) -> String {
    let document = suite.0.get("/.well-known/openid-configuration").await.json();
    document["registration_endpoint"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn server() {
    let suite = suite().await;
    for plan in plans() {
        let rp = Rp::register(&suite, plan, &json!({})).await;
        rp.flow(plan).await;
        rp.end().await;
    }
}

#[tokio::test]
async fn idtoken_rs256() {
    let suite = suite().await;
    for (alg, header) in
        [("RS256", jsonwebtoken::Algorithm::RS256), ("ES256", jsonwebtoken::Algorithm::ES256)]
    {
        for plan in plans() {
            let rp = Rp::register(&suite, plan, &json!({ "id_token_signed_response_alg": alg })).await;
            for token in rp.flow(plan).await.0 {
                assert_eq!(jsonwebtoken::decode_header(&token).unwrap().alg, header);
            }
        }
    }
}

#[tokio::test]
async fn userinfo_rs256() {
    let suite = suite().await;
    let rp = Rp::register(&suite, CODE, &json!({ "userinfo_signed_response_alg": "RS256" })).await;
    let tokens = rp.flow(CODE).await.1;
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let request = Request::get("/userinfo").header(header::AUTHORIZATION, bearer);
    let answer = suite.0.send(request.body(Bytes::new()).unwrap()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/jwt")));
    assert_eq!(jsonwebtoken::decode_header(answer.text()).unwrap().alg, jsonwebtoken::Algorithm::RS256);
    let claims = suite.verified(answer.text(), rp.text("client_id")).await;
    assert_eq!((&claims["sub"], claims.get("nonce")), (&json!("alice"), None));
}

#[tokio::test]
async fn ensure_redirect_uri_in_authorization_request() {
    let suite = suite().await;
    let two = json!({ "redirect_uris": [CALLBACK, "https://rp.example/other"] });
    let rp = Rp::register(&suite, CODE, &two).await;
    assert!(suite.agent().authorize(&rp.request(CODE).without("redirect_uri")).await.is_page());
}

const WITH_QUERY: &str = "https://rp.example/cb?dummy1=lorem&dummy2=ipsum";

#[tokio::test]
async fn redirect_uri_query_ok() {
    let suite = suite().await;
    let rp = Rp::register(&suite, CODE, &json!({ "redirect_uris": [WITH_QUERY] })).await;
    let request = rp.request(CODE).set("redirect_uri", WITH_QUERY);
    let answer = rp.allowed(&request).await;
    assert!(answer.location().unwrap().starts_with(&format!("{WITH_QUERY}&")));
    let code = response(CODE, &request, &answer).remove("code").unwrap();
    rp.redeem(&code, WITH_QUERY).await;
}

#[tokio::test]
async fn redirect_uri_query_mismatch_and_added() {
    let suite = suite().await;
    for (registered, asked) in
        [(WITH_QUERY, "https://rp.example/cb?dummy1=lorem&dummy2=other"), (CALLBACK, WITH_QUERY)]
    {
        let rp = Rp::register(&suite, CODE, &json!({ "redirect_uris": [registered] })).await;
        assert!(suite.agent().authorize(&rp.request(CODE).set("redirect_uri", asked)).await.is_page());
    }
}

#[tokio::test]
async fn redirect_uri_regfrag() {
    let suite = suite().await;
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let metadata = metadata(CODE, &key, &json!({ "redirect_uris": ["https://rp.example/cb#foobar=hello"] }));
    send(&suite, "POST", "/register", None, &metadata).await.refused(400, "invalid_redirect_uri");
}

/// The web as far as a client has keys there.
struct Web(Mutex<Vec<u8>>);

impl Web {
    fn publish(&self, keys: &[&SigningKey]) {
        let set = JwkSet::new(keys.iter().map(|key| key.public()).collect()).unwrap();
        *self.0.lock().unwrap() = serde_json::to_vec(&set).unwrap();
    }
}

#[async_trait]
impl Fetch for Web {
    async fn fetch(&self, _: FetchRequest) -> Result<FetchResponse, FetchError> {
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        Ok(FetchResponse { status: 200, headers, body: self.0.lock().unwrap().clone() })
    }
}

/// Keys behind a `jwks_uri`: found at first, and found again within a minute of a rotation.
#[tokio::test]
async fn registration_jwks_uri_and_refresh_token_rp_key_rotation() {
    let web = Arc::new(Web(Mutex::default()));
    let clock = Arc::new(TestClock::new(NOW));
    let jwks = FetchedJwks::new(web.clone(), clock.clone());
    let suite = suite_with(|builder| builder.client_jwks(Arc::new(jwks))).await;
    let members = json!({ "jwks": null, "jwks_uri": "https://rp.example/jwks" });
    let rp = Rp::register(&suite, CODE, &members).await;
    web.publish(&[&rp.key]);
    let tokens = rp.flow(CODE).await.1;
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let refreshing = form([("grant_type", "refresh_token"), ("refresh_token", refresh)]);
    let rotated = SigningKey::generate(Algorithm::Rs256).unwrap();
    rp.token_signed_by(&rotated, &refreshing).await.refused(401, "invalid_client");
    web.publish(&[&rotated]);
    clock.forward(59);
    assert_eq!(rp.token_signed_by(&rotated, &refreshing).await.status, 200);
}

#[tokio::test]
async fn ensure_client_assertion_with_iss_aud_succeeds() {
    let suite = suite().await;
    let rp = Rp::register(&suite, CODE, &json!({})).await;
    rp.flow(CODE).await;
}

#[tokio::test]
async fn third_party_init_login() {
    let suite = suite().await;
    let uri = "https://rp.example/login";
    let rp = Rp::register(&suite, CODE, &json!({ "initiate_login_uri": uri })).await;
    assert_eq!(rp.text("initiate_login_uri"), uri);
    let token = Some(rp.text("registration_access_token"));
    let read = send(&suite, "GET", rp.text("registration_client_uri"), token, &Value::Null).await;
    assert_eq!((read.status, &read.json()["initiate_login_uri"]), (200, &json!(uri)));
}

#[tokio::test]
async fn third_party_init_login_nohttps() {
    let suite = suite().await;
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    for uri in ["http://rp.example/login", "http://localhost/login"] {
        let metadata = metadata(CODE, &key, &json!({ "initiate_login_uri": uri }));
        send(&suite, "POST", "/register", None, &metadata).await.refused(400, "invalid_client_metadata");
    }
}
