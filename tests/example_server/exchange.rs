//! Tokens given for tokens: a client narrows its own, an API acts on behalf of its caller, in both forms, and a service brings
//! what another issuer says.

use std::time::{SystemTime, UNIX_EPOCH};

use grantor::jose::{Algorithm, JwkSet, SigningKey, sign_compact};
use serde_json::{Value, json};

use crate::support::{Browser, PASSWORD, REDIRECT_URI, Server, USERNAME, http_client};

const WEB: (&str, &str) = ("demo-web", "demo-web-secret-not-for-production-0001");
const SERVICE: (&str, &str) = ("demo-service", "demo-service-secret-not-for-production-0002");
const API: (&str, &str) = ("demo-api", "demo-api-secret-not-for-production-0003");
const RESOURCE: &str = "https://api.example.test/";
const ORDERS: &str = "https://orders.example.test/";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
const VERIFIER: &str = "correct-horse-battery-staple-correct-horse-battery";

fn server() -> Server {
    Server::start(&["--resource", RESOURCE, "--resource", ORDERS])
}

async fn post(server: &Server, path: &str, client: (&str, &str), fields: &[(&str, &str)]) -> (u16, Value) {
    // This one sends its secret in the body.
    let in_body = [("client_id", client.0), ("client_secret", client.1)];
    let in_body: &[(&str, &str)] = if client == SERVICE { &in_body } else { &[] };
    let form = [in_body, fields].concat();
    let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
    let mut request = http_client().post(server.url(path)).body(form);
    if in_body.is_empty() {
        request = request.basic_auth(client.0, Some(client.1));
    }
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

/// What the demo user lets `demo-web` have at the API.
async fn given(server: &Server) -> Value {
    let challenge = grantor::protocol::Digest::of(VERIFIER.as_bytes()).to_base64url();
    let request = [
        ("client_id", WEB.0),
        ("redirect_uri", REDIRECT_URI),
        ("response_type", "code"),
        ("scope", "api:read api:write"),
        ("resource", RESOURCE),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    let request = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(request).finish();
    let mut browser = Browser::new(server);
    let page = browser.get(&format!("/authorize?{request}")).await;
    let login = browser.follow(page).await;
    let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
    let back = browser.decide(&consent, "approve", &["api:read", "api:write"]).await;
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", &back.answer("code").unwrap()),
        ("redirect_uri", REDIRECT_URI),
        ("code_verifier", VERIFIER),
    ];
    let (status, tokens) = post(server, "/token", WEB, &fields).await;
    assert_eq!(status, 200, "{tokens}");
    tokens
}

async fn seen(server: &Server, token: &Value) -> Value {
    post(server, "/introspect", API, &[("token", token.as_str().unwrap())]).await.1
}

#[tokio::test]
async fn a_client_narrows_its_own_token_and_its_own_alone() {
    let server = server();
    let own = [("grant_type", "client_credentials"), ("resource", RESOURCE), ("resource", ORDERS)];
    let (status, own) = post(&server, "/token", SERVICE, &own).await;
    assert_eq!((status, &own["scope"]), (200, &"api:read api:write".into()), "{own}");
    let narrower = [
        ("grant_type", EXCHANGE),
        ("subject_token", own["access_token"].as_str().unwrap()),
        ("subject_token_type", ACCESS_TOKEN),
        ("resource", ORDERS),
        ("scope", "api:read"),
    ];
    let (status, answer) = post(&server, "/token", SERVICE, &narrower).await;
    assert_eq!((status, &answer["issued_token_type"]), (200, &ACCESS_TOKEN.into()), "{answer}");
    let seen = seen(&server, &answer["access_token"]).await;
    assert_eq!((&seen["aud"], &seen["scope"]), (&ORDERS.into(), &"api:read".into()));
    assert_eq!((&seen["sub"], &seen["act"]), (&SERVICE.0.into(), &Value::Null));
    let (status, refused) = post(&server, "/token", WEB, &narrower).await;
    assert_eq!((status, &refused["error"]), (400, &"unauthorized_client".into()));
}

#[tokio::test]
async fn an_api_acts_on_behalf_of_its_caller_in_both_forms_until_the_caller_takes_it_back() {
    let server = server();
    let tokens = given(&server).await;
    let called_with = tokens["access_token"].as_str().unwrap();
    let exchange =
        [("grant_type", EXCHANGE), ("subject_token", called_with), ("subject_token_type", ACCESS_TOKEN)];
    let on_behalf_of =
        [("grant_type", JWT_BEARER), ("assertion", called_with), ("requested_token_use", "on_behalf_of")];
    let mut got = Vec::new();
    for (form, says_type) in [(exchange, true), (on_behalf_of, false)] {
        let wish = [&form[..], &[("resource", ORDERS), ("scope", "api:read")]].concat();
        let (status, answer) = post(&server, "/token", API, &wish).await;
        assert_eq!((status, answer["issued_token_type"].is_string()), (200, says_type), "{answer}");
        let seen = seen(&server, &answer["access_token"]).await;
        assert_eq!((&seen["sub"], &seen["client_id"]), (&USERNAME.into(), &API.0.into()));
        assert_eq!((&seen["aud"], &seen["scope"]), (&ORDERS.into(), &"api:read".into()));
        assert_eq!(seen["act"], json!({"sub": API.0}));
        got.push(answer["access_token"].clone());
        // Nobody else acts with the token that this API was called with.
        let (status, _) = post(&server, "/token", SERVICE, &wish).await;
        assert_eq!(status, 400);
    }
    assert_ne!(got[0], got[1]);
    let refresh = tokens["refresh_token"].as_str().unwrap();
    assert_eq!(post(&server, "/revoke", WEB, &[("token", refresh)]).await.0, 200);
    for token in &got {
        assert_eq!(seen(&server, token).await, json!({"active": false}));
    }
}

#[tokio::test]
async fn a_service_brings_what_another_issuer_says_of_a_user_once() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let trusted = folder.path().join("trusted.json");
    let keys = JwkSet::new(vec![key.public()]).unwrap();
    std::fs::write(&trusted, json!({"https://idp.example.test": {"jwks": keys}}).to_string()).unwrap();
    let server = Server::start(&["--resource", RESOURCE, "--trusted-issuers", trusted.to_str().unwrap()]);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let says = |subject: &str| {
        let claims = json!({
            "iss": "https://idp.example.test", "sub": subject, "aud": server.issuer, "jti": subject,
            "iat": now, "exp": now + 60,
        });
        sign_compact(&key, "JWT", claims.to_string().as_bytes()).unwrap()
    };
    let bring = async |assertion: &str| {
        let fields = [
            ("grant_type", JWT_BEARER),
            ("assertion", assertion),
            ("resource", RESOURCE),
            ("scope", "api:read"),
        ];
        post(&server, "/token", SERVICE, &fields).await
    };
    let (status, answer) = bring(&says(USERNAME)).await;
    assert_eq!(status, 200, "{answer}");
    let seen = seen(&server, &answer["access_token"]).await;
    assert_eq!((&seen["sub"], &seen["client_id"]), (&USERNAME.into(), &SERVICE.0.into()));
    for refused in [says(USERNAME), says("nobody")] {
        let (status, answer) = bring(&refused).await;
        assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()));
    }
}
