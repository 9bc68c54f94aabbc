//! Authorization requests as JWTs (RFC 9101, OpenID Connect Core §6), from bytes to bytes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

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

#[tokio::test]
async fn an_object_of_the_client_is_the_request() {
    for fixture in [strict(), compat()] {
        let object = sign(&claims("web"));
        let request = form([("client_id", "web"), ("request", &object)]);
        let (code, target, state) = allowed(&fixture, &request).await;
        assert_eq!((target.as_deref(), state.as_deref()), (Some(redirect_uri("web")), Some("inside")));
        let tokens = fixture.redeem("web", &code).await.tokens();
        assert_eq!(tokens.scope, "read");
    }
}

#[tokio::test]
async fn of_what_stands_beside_an_object_nothing_counts() {
    let fixture = compat();
    let beside = carrying("web", &sign(&without(claims("web"), "state")));
    let beside = beside.add("scope", "openid read write").add("prompt", "none").add("max_age", "x");
    let beside = beside.add("nonce", "n").add("resource", API).set("redirect_uri", "https://evil.example/");
    let (code, target, state) = allowed(&fixture, &beside).await;
    assert_eq!((target.as_deref(), state), (Some(redirect_uri("web")), None));
    assert_eq!(fixture.redeem("web", &code).await.tokens().scope, "read");

    let good = carrying("web", &sign(&claims("web")));
    for (name, malformed) in [
        ("registration", "x"),
        ("resource", "no uri"),
        ("resource", "https://api.example/#fragment"),
        ("scope", "\"read"),
        ("response_mode", "carrier_pigeon"),
        ("code_challenge", "x"),
        ("code_challenge_method", "plain"),
        ("prompt", "none login"),
        ("claims", "{"),
        ("id_token_hint", "x"),
        ("redirect_uri", "x"),
    ] {
        assert!(is_taken(&fixture, &good.set(name, malformed)).await, "{name}={malformed}");
    }
    for (twice, value) in [("prompt", "login"), ("state", "s")] {
        let answer = ask(&fixture, &good.add(twice, value).add(twice, value)).await;
        assert_eq!(answer.param("error").as_deref(), Some("invalid_request"), "{twice}");
    }
}

#[tokio::test]
async fn the_redirect_uri_within_is_the_one_that_is_verified_and_used() {
    let fixture = compat();
    let key = Header::new(KEY.alg()).with_kid(KEY.kid());
    let object = |uri: &str| sign_with(&KEY, &key, &set(claims("two"), "redirect_uri", uri));
    let other = "https://two.example/other";
    let (_, target, _) = allowed(&fixture, &carrying("two", &object(other))).await;
    assert_eq!(target.as_deref(), Some(other));
    for uri in ["https://evil.example/", "https://two.example/other?x"] {
        assert!(ask(&fixture, &carrying("two", &object(uri))).await.is_page(), "{uri}");
    }
    let none = sign_with(&KEY, &key, &without(claims("two"), "redirect_uri"));
    assert!(ask(&fixture, &carrying("two", &none)).await.is_page());
}

#[tokio::test]
async fn a_fault_within_a_trusted_object_is_answered_as_the_object_says() {
    let fixture = strict();
    for (name, value, code) in [
        ("scope", "phantom", "invalid_scope"),
        ("response_mode", "carrier_pigeon", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("registration", "{}", "registration_not_supported"),
    ] {
        let answer = ask(&fixture, &carrying("web", &sign(&set(claims("web"), name, value)))).await;
        let told = (answer.param("error"), answer.param("state"));
        assert_eq!(told, (Some(code.to_owned()), Some("inside".to_owned())), "{name}");
    }
    let fragment = set(set(claims("web"), "response_mode", "fragment"), "scope", "phantom");
    let answer = ask(&fixture, &carrying("web", &sign(&fragment))).await;
    assert!(answer.location().unwrap().contains("#error=invalid_scope"), "{answer:?}");
}

/// Objects that are not to be trusted, and why.
fn untrusted() -> Vec<(&'static str, String)> {
    let good = || claims("web");
    let header = || Header::new(KEY.alg()).with_kid(KEY.kid());
    let mut faults = vec![
        ("garbage", "a.b.c".to_owned()),
        ("no token", "x".to_owned()),
        ("five parts", format!("{}.a.b", sign(&good()))),
        ("unsecured", unsecured(&good())),
        ("a stranger's key", sign_with(&OTHER_KEY, &header(), &good())),
        ("another client's object", sign_with(&OTHER_KEY, &Header::new(KEY.alg()), &claims("post"))),
        ("another client's iss", sign(&set(good(), "iss", "post"))),
        ("no iss", sign(&without(good(), "iss"))),
        ("iss no text", sign(&set(good(), "iss", 1))),
        ("no aud", sign(&without(good(), "aud"))),
        ("another aud", sign(&set(good(), "aud", "https://other.example"))),
        ("an endpoint as aud", sign(&set(good(), "aud", format!("{ISSUER}/authorize")))),
        ("no good aud", sign(&set(good(), "aud", json!(["https://other.example", format!("{ISSUER}/")])))),
        ("expired", sign(&set(good(), "exp", NOW - 60))),
        ("exp no date", sign(&set(good(), "exp", "never"))),
        ("not yet valid", sign(&set(good(), "nbf", NOW + 11))),
        ("made in the future", sign(&set(good(), "iat", NOW + 11))),
        ("a client assertion", sign(&set(good(), "sub", "web"))),
        ("no client_id", sign(&without(good(), "client_id"))),
        ("another client_id", sign(&set(good(), "client_id", "post"))),
        ("client_id no text", sign(&set(good(), "client_id", json!(["web"])))),
        ("another response_type", sign(&set(good(), "response_type", "none"))),
        ("an object within", sign(&set(good(), "request", sign(&good())))),
        ("a reference within", sign(&set(good(), "request_uri", "https://web.example/object"))),
        ("null", sign(&set(good(), "nonce", Value::Null))),
        ("a redirect_uri too long", sign(&set(good(), "redirect_uri", "x".repeat(9000)))),
        ("too many members", {
            let mut many = good();
            (0..64).for_each(|n| many[format!("x{n}")] = 1.into());
            sign(&many)
        }),
        ("no object", sign_with(&KEY, &header(), &json!([]))),
    ];
    for typ in ["at+jwt", "client-authentication+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "x/jwt"] {
        faults.push((typ, sign_with(&KEY, &header().with_typ(typ), &good())));
    }
    faults
}

#[tokio::test]
async fn an_object_that_cannot_be_trusted_is_answered_to_whom_the_request_beside_it_names() {
    let fixture = strict();
    for (fault, object) in untrusted() {
        let request = carrying("web", &object);
        refused_beside(&ask(&fixture, &request).await, "invalid_request_object", fault);
        assert!(ask(&fixture, &request.without("redirect_uri")).await.is_page(), "{fault}");
        let evil = request.set("redirect_uri", "https://evil.example/");
        assert!(ask(&fixture, &evil).await.is_page(), "{fault}");
        // Who is signed in makes no difference.
        let mut agent = fixture.agent();
        agent.sign_in("alice").await;
        refused_beside(&agent.authorize_by_post(&request).await, "invalid_request_object", fault);
    }
    assert!(ask(&fixture, &carrying("nobody", &sign(&claims("nobody")))).await.is_page());
}

#[tokio::test]
async fn the_answer_about_an_untrusted_object_travels_as_the_request_beside_it_says() {
    let request = carrying("web", "a.b.c").add("response_mode", "fragment");
    let answer = ask(&strict(), &request).await;
    assert!(answer.location().unwrap().contains("#error=invalid_request_object"), "{answer:?}");
}

#[tokio::test]
async fn whatever_byte_of_an_object_is_changed_it_is_not_the_clients_any_more() {
    let fixture = strict();
    let object = sign(&claims("web"));
    assert!(is_taken(&fixture, &carrying("web", &object)).await);
    for at in 0..object.len() {
        let mut bytes = object.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let answer = ask(&fixture, &carrying("web", &changed)).await;
        refused_beside(&answer, "invalid_request_object", &format!("byte {at}"));
    }
}

#[tokio::test]
async fn what_an_object_may_say_or_leave_out() {
    let fixture = strict();
    let header = || Header::new(KEY.alg()).with_kid(KEY.kid());
    for typ in [TYP, "OAuth-Authz-Req+JWT", "application/oauth-authz-req+jwt", "JWT", "jwt"] {
        let object = sign_with(&KEY, &header().with_typ(typ), &claims("web"));
        assert!(is_taken(&fixture, &carrying("web", &object)).await, "{typ}");
    }
    for good in [
        claims("web"),
        set(claims("web"), "aud", json!([ISSUER])),
        set(claims("web"), "aud", json!(["https://other.example", ISSUER])),
        set(claims("web"), "nbf", NOW + 8),
        set(claims("web"), "iat", NOW + 8),
        set(claims("web"), "exp", NOW - 50),
        set(claims("web"), "sub", "alice"),
        set(claims("web"), "extension", json!({ "x": [null] })),
        ["exp", "iat", "jti"].into_iter().fold(claims("web"), without),
    ] {
        let untyped = sign_with(&KEY, &header(), &good);
        assert!(is_taken(&fixture, &carrying("web", &untyped)).await, "{good}");
        assert!(is_taken(&fixture, &carrying("web", &untyped).without("response_type")).await, "{good}");
    }
}

#[tokio::test]
async fn members_are_parameters_whatever_their_json_type() {
    let fixture = compat();
    let object = set(claims("web"), "scope", "openid read");
    let object = set(object, "claims", json!({ "userinfo": { "email": { "essential": true } } }));
    let object = set(object, "claims_locales", "de en");
    let object = set(set(object, "max_age", 600), "resource", json!([API]));
    let (code, ..) = allowed(&fixture, &carrying("web", &sign(&object))).await;
    assert_eq!(fixture.grant("web").await.resources[0].as_str(), API);
    let asked = fixture.grant("web").await.claims.unwrap();
    assert!(asked.userinfo["email"].essential);
    assert_eq!(asked.locales, Locales::parse("de en"));
    assert_eq!(fixture.redeem("web", &code).await.status, 200);
    for (name, value) in [("max_age", json!(1.5)), ("max_age", json!("x")), ("claims", json!([1]))] {
        let answer = ask(&fixture, &carrying("web", &sign(&set(object.clone(), name, value)))).await;
        assert_eq!(answer.param("error").as_deref(), Some("invalid_request"), "{name}");
    }
}

#[tokio::test]
async fn every_algorithm_is_taken_and_a_registered_one_is_the_only_one() {
    let fixture = compat();
    for alg in Algorithm::ALL {
        let key = SigningKey::generate(alg).unwrap();
        fixture.clients.change("web", |client| client.keys.source = given(&[&key]));
        let object = sign_with(&key, &Header::new(alg).with_kid(key.kid()), &claims("web"));
        let own = RequestObjectAlgorithm::Protected(AssertionAlgorithm::Signature(alg));
        let rs384 = RequestObjectAlgorithm::Protected(AssertionAlgorithm::Mac(MacAlgorithm::Hs384));
        for (registration, taken) in [
            (RequestObjectRegistration::default(), true),
            (registered_alg(own), true),
            (registered_alg(rs384), false),
            (registered_alg(RequestObjectAlgorithm::Unsecured), false),
        ] {
            register(&fixture, "web", registration.clone());
            assert_eq!(is_taken(&fixture, &carrying("web", &object)).await, taken, "{alg} {registration:?}");
        }
    }
    let narrow = with(|builder| builder.assertions(|policy| policy.signatures = vec![Algorithm::Ps256]));
    assert!(!is_taken(&narrow, &carrying("web", &sign(&claims("web")))).await);
}

#[tokio::test]
async fn an_hmac_is_taken_with_a_secret_that_is_kept_sealed_and_alive() {
    let fixture = strict();
    let hmac = |alg, secret: &str| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::new(alg), &claims("web"), &key).unwrap()
    };
    let sealed = ClientSecret::sealed(SECRET, &"web".into(), &Sealer::new(&[7; 32])).unwrap();
    use jsonwebtoken::Algorithm::{HS256, HS384, HS512};
    let good = carrying("web", &hmac(HS256, SECRET));
    let digest = carrying("web", &hmac(HS256, &common::clients::secret("web")));
    for request in [&good, &digest] {
        refused_beside(&ask(&fixture, request).await, "invalid_request_object", "only a digest is kept");
    }
    fixture.clients.change("web", |client| client.secrets.push(sealed.clone()));
    for alg in [HS256, HS384, HS512] {
        assert!(is_taken(&fixture, &carrying("web", &hmac(alg, SECRET))).await, "{alg:?}");
    }
    refused_beside(&ask(&fixture, &digest).await, "invalid_request_object", "another secret");
    // A public key is no secret.
    let public = serde_json::to_string(&KEY.public()).unwrap();
    let confused = carrying("web", &hmac(HS256, &public));
    refused_beside(&ask(&fixture, &confused).await, "invalid_request_object", "the public key as a secret");
    fixture.clients.change("web", |client| {
        client.secrets.retain(|secret| !secret.is_slow());
        for secret in &mut client.secrets {
            secret.expires_at = Some(Timestamp(NOW));
        }
    });
    refused_beside(&ask(&fixture, &good).await, "invalid_request_object", "expired");
}

#[tokio::test]
async fn who_must_sign_must_sign() {
    let fixture = compat();
    let required = RequestObjectRegistration { required: true, ..RequestObjectRegistration::default() };
    register(&fixture, "web", required);
    let plain = authorization("web").set("state", "outside");
    refused_beside(&ask(&fixture, &plain).await, "invalid_request", "no object");
    assert_eq!(reason(&fixture), Reason::RequestObjectMissing);
    let request = carrying("web", &unsecured(&claims("web")));
    refused_beside(&ask(&fixture, &request).await, "invalid_request_object", "unsecured");
    assert!(is_taken(&fixture, &carrying("web", &sign(&claims("web")))).await);
}

#[tokio::test]
async fn an_unsecured_object_is_taken_where_the_profile_and_the_client_allow_it() {
    let bare = ["iss", "aud", "exp", "iat", "client_id"].into_iter().fold(claims("spa"), without);
    let es256 = RequestObjectAlgorithm::Protected(AssertionAlgorithm::Signature(Algorithm::Es256));
    for (fixture, registration, taken) in [
        (compat(), RequestObjectRegistration::default(), true),
        (compat(), registered_alg(RequestObjectAlgorithm::Unsecured), true),
        (compat(), registered_alg(es256), false),
        (strict(), RequestObjectRegistration::default(), false),
        (strict(), registered_alg(RequestObjectAlgorithm::Unsecured), false),
        (
            with(|builder| builder.profile(Profile::OidcCompat).request_objects(RequestObjects::Protected)),
            RequestObjectRegistration::default(),
            false,
        ),
    ] {
        register(&fixture, "spa", registration.clone());
        for object in [&claims("spa"), &bare] {
            let request = carrying("spa", &unsecured(object)).without("state");
            assert_eq!(is_taken(&fixture, &request).await, taken, "{registration:?}");
        }
        if taken {
            let request = carrying("spa", &unsecured(&bare)).without("state");
            assert_eq!(allowed(&fixture, &request).await.2.as_deref(), Some("inside"));
        }
    }
    let fixture = compat();
    for (name, value) in
        [("iss", "web"), ("aud", "https://other.example"), ("client_id", "web"), ("sub", "spa")]
    {
        let request = carrying("spa", &unsecured(&set(bare.clone(), name, value)));
        assert!(!is_taken(&fixture, &request).await, "{name}");
    }
    let expired = unsecured(&set(bare.clone(), "exp", NOW - 61));
    assert!(!is_taken(&fixture, &carrying("spa", &expired)).await);
}

#[tokio::test]
async fn no_token_stands_for_another() {
    let fixture = compat();
    let signing = |client: &mut grantor::record::Client| {
        client.auth_method = ClientAuthMethod::PrivateKeyJwt;
        client.secrets.clear();
    };
    let code = fixture.code("web").await;
    let hint = fixture.agent().walk(&authorization("web").set("scope", "openid"), "alice").await;
    let hint = fixture.redeem("web", &hint.param("code").unwrap()).await.json();
    let jwt = fixture.agent().walk(&authorization("web").add("resource", JWT_API), "alice").await;
    let jwt = fixture.redeem("web", &jwt.param("code").unwrap()).await.json();
    // What the server signed, and what the client signed to authenticate, are no requests.
    let assertion =
        json!({ "iss": "web", "sub": "web", "aud": ISSUER, "jti": "2", "iat": NOW, "exp": NOW + 60 });
    let header = Header::new(KEY.alg()).with_kid(KEY.kid());
    for (name, token) in [
        ("ID token", hint["id_token"].as_str().unwrap().to_owned()),
        ("access token", jwt["access_token"].as_str().unwrap().to_owned()),
        ("assertion", sign_with(&KEY, &header, &assertion)),
        (
            "typed assertion",
            sign_with(&KEY, &header.clone().with_typ("client-authentication+jwt"), &assertion),
        ),
    ] {
        refused_beside(&ask(&fixture, &carrying("web", &token)).await, "invalid_request_object", name);
    }
    // A request is no assertion, no hint and no access token.
    fixture.clients.change("web", signing);
    let object = sign(&set(claims("web"), "redirect_uri", redirect_uri("web")));
    let presented = common::redemption("web", &code)
        .add("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    for object in [&object, &sign_with(&KEY, &header, &set(claims("web"), "sub", "alice"))] {
        let answer = fixture.post("/token", None, &presented.add("client_assertion", object)).await;
        answer.refused(401, "invalid_client");
    }
    let hinted = authorization("web").set("scope", "openid").add("id_token_hint", &object);
    assert_eq!(ask(&fixture, &hinted).await.param("error").as_deref(), Some("invalid_request"));
    assert!(!fixture.is_live(&object).await);
    let good = sign_with(&KEY, &header, &assertion);
    assert_eq!(fixture.post("/token", None, &presented.add("client_assertion", &good)).await.status, 200);
}

#[tokio::test]
async fn what_is_switched_off_is_refused_and_never_ignored() {
    let off = with(|builder| builder.request_objects(RequestObjects::Off));
    let plain = authorization("web").set("state", "outside");
    let object = plain.add("request", &sign(&claims("web")));
    refused_beside(&ask(&off, &object).await, "request_not_supported", "request");
    for fixture in [&off, &strict(), &compat()] {
        let uri = plain.add("request_uri", "https://web.example/object");
        refused_beside(&ask(fixture, &uri).await, "request_uri_not_supported", "request_uri");
        let both = uri.add("request", &sign(&claims("web")));
        refused_beside(&ask(fixture, &both).await, "invalid_request", "both");
    }
    let twice = object.add("request", "x");
    refused_beside(&ask(&strict(), &twice).await, "invalid_request", "twice");
}

#[test]
fn no_server_takes_more_than_its_profile() {
    let build = |profile, taken| {
        let store = Arc::new(MemoryStore::new());
        let clients = Arc::new(StaticClients::default());
        let builder = AuthorizationServer::builder(Issuer::new(ISSUER).unwrap(), store, clients, &[7; 32]);
        builder.profile(profile).request_objects(taken).build().is_ok()
    };
    use RequestObjects::{Off, OpenId, Protected};
    assert_eq!([Off, Protected, OpenId].map(|taken| build(Profile::Strict, taken)), [true, true, false]);
    assert_eq!([Off, Protected, OpenId].map(|taken| build(Profile::OidcCompat, taken)), [true, true, true]);
}

/// The web: it answers every request alike, and remembers where it was asked.
struct Web {
    answer: Mutex<Result<(u16, Vec<u8>), FetchError>>,
    asked: Mutex<Vec<FetchRequest>>,
}

impl Web {
    fn with(document: impl Into<Vec<u8>>) -> Arc<Self> {
        Arc::new(Self { answer: Mutex::new(Ok((200, document.into()))), asked: Mutex::default() })
    }

    fn say(&self, answer: Result<(u16, Vec<u8>), FetchError>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }
}

#[async_trait]
impl Fetch for Web {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        self.asked.lock().unwrap().push(request);
        tokio::task::yield_now().await;
        let (status, body) = self.answer.lock().unwrap().clone()?;
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        Ok(FetchResponse { status, headers, body })
    }
}

const PLACE: &str = "https://web.example/object?a=b";

/// A server that fetches request objects, for `web` from [`PLACE`].
fn fetching(web: &Arc<Web>) -> Fixture {
    let web = web.clone();
    let fixture = with(|builder| builder.profile(Profile::OidcCompat).fetch(web));
    let uris = vec![format!("{PLACE}#registered").into(), "https://web.example/other".into()];
    register(&fixture, "web", RequestObjectRegistration { uris, ..RequestObjectRegistration::default() });
    fixture
}

fn referring(uri: &str) -> Form {
    carrying("web", "").without("request").add("request_uri", uri)
}

#[tokio::test]
async fn an_object_may_be_where_the_client_registered_it() {
    for object in [sign(&claims("web")), unsecured(&claims("web")), format!("{}\n", sign(&claims("web")))] {
        let web = Web::with(object);
        let fixture = fetching(&web);
        for uri in [format!("{PLACE}#registered"), PLACE.to_owned(), format!("{PLACE}#L7y0cPFCqk")] {
            let (_, _, state) = allowed(&fixture, &referring(&uri)).await;
            assert_eq!(state.as_deref(), Some("inside"));
        }
        let asked = web.asked.lock().unwrap();
        assert!(asked.iter().all(|request| request.url.as_str() == PLACE && request.max_bytes == 32 * 1024));
    }
}

#[tokio::test]
async fn no_object_is_fetched_from_anywhere_else() {
    let web = Web::with(sign(&claims("web")));
    let fixture = fetching(&web);
    let long = format!("{PLACE}#{}", "x".repeat(512));
    for uri in [
        "https://web.example/object",
        "https://web.example/object?a=b&c",
        "https://web.example/object?A=b",
        "http://web.example/object?a=b",
        "https://evil.example/object?a=b",
        "https://web.example:444/object?a=b",
        "urn:ietf:params:oauth:request_uri:6esc_11ACC5bwc014ltc14eY22c",
        "file:///etc/passwd",
        "x",
        &long,
    ] {
        refused_beside(&ask(&fixture, &referring(uri)).await, "invalid_request_uri", uri);
        assert!(ask(&fixture, &referring(uri).without("redirect_uri")).await.is_page(), "{uri}");
        let other = referring(uri).set("client_id", "post").set("redirect_uri", redirect_uri("post"));
        let answer = ask(&fixture, &other).await;
        assert_eq!(answer.param("error").as_deref(), Some("invalid_request_uri"), "{uri}");
    }
    let other = referring(PLACE).set("client_id", "post").set("redirect_uri", redirect_uri("post"));
    assert_eq!(ask(&fixture, &other).await.param("error").as_deref(), Some("invalid_request_uri"));
    fixture.server.disable_client(&"web".into()).await.unwrap();
    assert!(ask(&fixture, &referring(PLACE)).await.is_page());
    assert_eq!(web.asked(), 0);
}

#[tokio::test]
async fn an_object_that_cannot_be_had_or_is_none_is_answered_to_the_client() {
    let web = Web::with("");
    let fixture = fetching(&web);
    let mut place = 0;
    let mut ask_anew = async |answer| {
        web.say(answer);
        fixture.clock.forward(10);
        place += 1;
        ask(&fixture, &referring(&format!("{PLACE}#{place}"))).await
    };
    for answer in [
        Err(FetchError::Timeout),
        Err(FetchError::TooLarge),
        Err(FetchError::Refused("a special-use address")),
        Ok((404, sign(&claims("web")).into_bytes())),
        Ok((302, sign(&claims("web")).into_bytes())),
        Ok((200, vec![0xff])),
    ] {
        refused_beside(&ask_anew(answer.clone()).await, "invalid_request_uri", &format!("{answer:?}"));
    }
    for document in [String::new(), "<html>".to_owned(), sign(&claims("post")), unsecured(&claims("post"))] {
        let answer = ask_anew(Ok((200, document.clone().into_bytes()))).await;
        refused_beside(&answer, "invalid_request_object", &document);
    }
}

#[tokio::test]
async fn a_document_is_kept_for_a_minute_and_a_failure_for_ten_seconds() {
    let web = Web::with(sign(&set(claims("web"), "exp", NOW + 600)));
    let fixture = fetching(&web);
    for (after, asked) in [(0, 1), (59, 1), (1, 2), (30, 2)] {
        fixture.clock.forward(after);
        assert!(is_taken(&fixture, &referring(PLACE)).await);
        assert_eq!(web.asked(), asked, "after {after}");
    }
    assert!(is_taken(&fixture, &referring(&format!("{PLACE}#new"))).await);
    assert_eq!(web.asked(), 3, "another fragment is another version");
    fixture.clock.forward(10);
    web.say(Err(FetchError::Timeout));
    let other = referring("https://web.example/other");
    for (after, asked) in [(0, 4), (9, 4), (1, 5)] {
        fixture.clock.forward(after);
        assert!(!is_taken(&fixture, &other).await);
        assert_eq!(web.asked(), asked, "after {after}");
    }
}

#[tokio::test]
async fn a_document_is_fetched_three_times_in_ten_seconds_whatever_the_fragments() {
    let web = Web::with(sign(&claims("web")));
    let fixture = fetching(&web);
    for (after, asked) in [(0, 3), (9, 3), (1, 6)] {
        fixture.clock.forward(after);
        for fragment in 0..20 {
            let taken = is_taken(&fixture, &referring(&format!("{PLACE}#{after}-{fragment}"))).await;
            assert!(taken, "what was fetched last is good for everyone");
        }
        assert_eq!(web.asked(), asked, "after {after}");
    }
    web.say(Err(FetchError::Timeout));
    fixture.clock.forward(60);
    for fragment in 0..20 {
        assert!(!is_taken(&fixture, &referring(&format!("{PLACE}#failing-{fragment}"))).await);
    }
    assert_eq!(web.asked(), 9);
}

#[tokio::test]
async fn who_asks_for_a_document_that_is_being_fetched_waits_for_it() {
    let web = Web::with(sign(&claims("web")));
    let fixture = fetching(&web);
    let request = referring(PLACE);
    let (one, two, three) = tokio::join!(
        is_taken(&fixture, &request),
        is_taken(&fixture, &request),
        is_taken(&fixture, &request)
    );
    assert!(one && two && three);
    assert_eq!(web.asked(), 1);
}

#[tokio::test]
async fn a_new_document_is_kept_instead_of_the_oldest() {
    let web = Web::with(sign(&claims("web")));
    let fixture = fetching(&web);
    let places: Vec<String> = (0..257).map(|number| format!("https://web.example/{number}")).collect();
    let uris = places.iter().map(|place| place.as_str().into()).collect();
    register(&fixture, "web", RequestObjectRegistration { uris, ..RequestObjectRegistration::default() });
    for place in &places {
        assert!(is_taken(&fixture, &referring(place)).await);
    }
    for (number, asked) in [(256, 257), (1, 257), (0, 258)] {
        assert!(is_taken(&fixture, &referring(&places[number])).await);
        assert_eq!(web.asked(), asked, "{number}");
    }
}

#[tokio::test]
async fn what_was_asked_stays_what_it_was_while_the_user_answers() {
    let web = Web::with(sign(&claims("web")));
    let fixture = fetching(&web);
    let mut agent = fixture.agent();
    let answer = agent.authorize(&referring(PLACE)).await;
    web.say(Ok((200, sign(&set(claims("web"), "scope", "read write")).into_bytes())));
    fixture.clock.forward(100);
    let answer = agent.login(Agent::interaction(&answer), "alice").await;
    let id = Agent::interaction(&answer);
    assert_eq!(agent.view(id).await.unwrap().scope, scope("read"));
    let answer = agent.approve(id, &scope("read")).await;
    assert_eq!((answer.param("state").as_deref(), web.asked()), (Some("inside"), 1));
}

#[tokio::test]
async fn the_keys_of_the_client_may_be_elsewhere() {
    let set = JwkSet::new(vec![KEY.public()]).unwrap();
    let web = Web::with(serde_json::to_vec(&set).unwrap());
    let keys = web.clone();
    let clock = strict().clock;
    let fixture = with(|builder| {
        builder.clock(clock.clone()).client_jwks(Arc::new(FetchedJwks::new(keys, clock.clone())))
    });
    fixture.clients.change("web", |client| {
        client.keys.source = KeySource::At("https://web.example/jwks".parse().unwrap());
    });
    assert!(is_taken(&fixture, &carrying("web", &sign(&claims("web")))).await);
    fixture.clients.change("web", |client| client.keys.source = KeySource::None);
    let request = carrying("web", &sign(&claims("web")));
    refused_beside(&ask(&fixture, &request).await, "invalid_request_object", "no keys");
}

#[tokio::test]
async fn discovery_says_what_is_taken() {
    let document = async |fixture: &Fixture| fixture.get("/.well-known/openid-configuration").await.json();
    let signed: Vec<_> =
        Algorithm::ALL.iter().map(|alg| alg.as_str()).chain(["HS256", "HS384", "HS512"]).collect();
    let web = Web::with("");
    for (fixture, by_value, by_reference, unsecured) in [
        (with(|builder| builder.request_objects(RequestObjects::Off)), false, false, None),
        (strict(), true, false, None),
        (compat(), true, false, Some("none")),
        (fetching(&web), true, true, Some("none")),
    ] {
        let said = document(&fixture).await;
        assert_eq!(said["request_parameter_supported"], json!(by_value));
        assert_eq!(said["request_uri_parameter_supported"], json!(by_reference));
        assert_eq!(said["require_request_uri_registration"].as_bool().unwrap_or(false), by_reference);
        let algorithms: Vec<_> = signed.iter().copied().chain(unsecured).collect();
        let expected = if by_value { json!(algorithms) } else { Value::Null };
        assert_eq!(said["request_object_signing_alg_values_supported"], expected);
    }
}

#[test]
fn what_a_client_registers_about_request_objects_can_be_kept() {
    let jwk = serde_json::to_string(&KEY.public()).unwrap();
    let register = |members: &str| {
        let json = format!(
            r#"[{{"client_id":"a","client_secret":"{SECRET}","redirect_uris":["https://a.example/cb"],
                "jwks":{{"keys":[{jwk}]}},{members}}}]"#
        );
        StaticClients::from_json(json.as_bytes())
    };
    let kept = register(
        r#""request_object_signing_alg":"ES256","require_signed_request_object":true,
           "request_object_encryption_alg":"ECDH-ES","request_object_encryption_enc":"A128GCM",
           "request_uris":["https://a.example/object#f","http://127.0.0.1:8080/object"]"#,
    );
    let kept = kept.unwrap().iter().next().unwrap().request_objects.clone();
    let es256 = RequestObjectAlgorithm::Protected(AssertionAlgorithm::Signature(Algorithm::Es256));
    assert_eq!((kept.alg, kept.required, kept.uris.len()), (Some(es256), true, 2));
    let none = register(r#""request_object_signing_alg":"none""#).unwrap();
    let none = none.iter().next().unwrap().request_objects.alg;
    assert_eq!(none, Some(RequestObjectAlgorithm::Unsecured));
    let long = format!(r#""request_uris":["https://a.example/{}"]"#, "x".repeat(512));
    for refused in [
        r#""request_object_signing_alg":"RS256""#,
        r#""request_object_signing_alg":"HS256""#,
        r#""request_object_signing_alg":"none","require_signed_request_object":true"#,
        r#""request_uris":["http://a.example/object"]"#,
        r#""request_object_encryption_enc":"A128GCM""#,
        r#""request_object_encryption_alg":"dir""#,
        r#""request_uris":["urn:x"]"#,
        r#""request_uris":["https://u@a.example/object"]"#,
        &long,
    ] {
        assert!(matches!(register(refused), Err(MetadataError::Contradiction(_))), "{refused}");
    }
    let unknown = register(r#""request_object_signing_alg":"HS1""#);
    assert!(matches!(unknown, Err(MetadataError::Json(_))));
}

/// Encrypts to the first key of the server that is for `alg`.
async fn encrypt(fixture: &Fixture, alg: KeyManagement, content: &str) -> String {
    let keys = JwkSet::from_value(&fixture.get("/jwks").await.json()).unwrap();
    let key = EncryptingKey::new(keys.for_encryption(alg).unwrap(), alg).unwrap();
    encrypt_to(&key, content)
}

fn encrypt_to(key: &EncryptingKey, content: &str) -> String {
    let mut random = [0; EncryptionSeed::LEN];
    grantor::host::OsEntropy.fill(&mut random).unwrap();
    let header = key.header(ContentEncryption::A256Gcm).with_cty("JWT");
    encrypt_compact(key, &header, content.as_bytes(), EncryptionSeed::new(&random)).unwrap()
}

/// A server with keys for these algorithms.
async fn decrypting(
    algorithms: &[KeyManagement],
    configure: impl FnOnce(Builder) -> Builder,
) -> (Fixture, Arc<KeyRingSigner>) {
    let plain = strict();
    let ring = KeyRingSigner::open(
        plain.store.clone(),
        plain.server.settings().namespace,
        Sealer::new(&[7; 32]),
        plain.clock.clone(),
        KeyRingOptions::new([Algorithm::Es256]).encryption(algorithms.iter().copied()),
    );
    let ring = Arc::new(ring.await.unwrap());
    let (signer, decrypter, clock) = (ring.clone(), ring.clone(), plain.clock.clone());
    let fixture = with(|builder| configure(builder.signer(signer).decrypter(decrypter).clock(clock)));
    (Fixture { clock: plain.clock, ..fixture }, ring)
}

const FOR_US: [KeyManagement; 2] = [KeyManagement::EcdhEs, KeyManagement::RsaOaep256];

#[tokio::test]
async fn an_object_may_be_encrypted_to_the_server_and_is_signed_all_the_same() {
    let (fixture, _) = decrypting(&FOR_US, |builder| builder).await;
    for alg in FOR_US {
        let object = encrypt(&fixture, alg, &sign(&claims("web"))).await;
        let (_, _, state) = allowed(&fixture, &carrying("web", &object)).await;
        assert_eq!(state.as_deref(), Some("inside"), "{alg}");
        for content in [
            unsecured(&claims("web")),
            claims("web").to_string(),
            sign_with(&OTHER_KEY, &Header::new(KEY.alg()), &claims("web")),
            encrypt(&fixture, alg, &sign(&claims("web"))).await,
        ] {
            let request = carrying("web", &encrypt(&fixture, alg, &content).await);
            refused_beside(&ask(&fixture, &request).await, "invalid_request_object", &content);
        }
        for at in [object.len() - 1, object.len() / 2] {
            let (start, end) = object.split_at(at);
            let changed = format!("{start}{}{}", if end.starts_with('A') { 'B' } else { 'A' }, &end[1..]);
            refused_beside(
                &ask(&fixture, &carrying("web", &changed)).await,
                "invalid_request_object",
                "changed",
            );
        }
        let stranger = DecryptingKey::generate(alg).unwrap();
        let stranger = EncryptingKey::new(stranger.public().unwrap(), alg).unwrap();
        let elsewhere = carrying("web", &encrypt_to(&stranger, &sign(&claims("web"))));
        refused_beside(&ask(&fixture, &elsewhere).await, "invalid_request_object", "not for us");
        let keyless = carrying("web", &object);
        refused_beside(&ask(&strict(), &keyless).await, "invalid_request_object", "no key here");
    }
}

#[tokio::test]
async fn what_is_encrypted_and_no_more_is_unsecured() {
    let (fixture, _) = decrypting(&FOR_US, |builder| builder.profile(Profile::OidcCompat)).await;
    let object = encrypt(&fixture, FOR_US[0], &unsecured(&claims("spa"))).await;
    assert!(is_taken(&fixture, &carrying("spa", &object)).await);
    let required = RequestObjectRegistration { required: true, ..RequestObjectRegistration::default() };
    register(&fixture, "spa", required);
    assert!(!is_taken(&fixture, &carrying("spa", &object)).await);
}

#[tokio::test]
async fn keys_to_encrypt_to_are_published_and_outlive_their_rotation() {
    let (fixture, ring) = decrypting(&FOR_US[..1], |builder| builder).await;
    let document = fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(
        document["request_object_encryption_alg_values_supported"],
        json!(["ECDH-ES", "A128KW", "A192KW", "A256KW", "A128GCMKW", "A192GCMKW", "A256GCMKW", "dir"])
    );
    assert_eq!(document["request_object_encryption_enc_values_supported"], json!(ContentEncryption::ALL));
    let kid = async || {
        let keys = fixture.get("/jwks").await.json();
        let uses: Vec<_> = keys["keys"].as_array().unwrap().iter().map(|key| key["use"].clone()).collect();
        assert_eq!(uses.iter().filter(|one| *one == "sig").count(), uses.len() / 2, "{uses:?}");
        let keys = JwkSet::from_value(&keys).unwrap();
        keys.for_encryption(FOR_US[0]).unwrap().kid().unwrap().to_owned()
    };
    let before = kid().await;
    let lasting = without(claims("web"), "exp");
    let object = encrypt(&fixture, FOR_US[0], &sign(&lasting)).await;
    ring.rotate().await.unwrap();
    assert_ne!(kid().await, before, "the newest is the first");
    assert!(is_taken(&fixture, &carrying("web", &object)).await);
    let object = encrypt(&fixture, FOR_US[0], &sign(&lasting)).await;
    assert!(is_taken(&fixture, &carrying("web", &object)).await);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_text_for_an_object_is_taken_or_makes_the_server_panic(
        text in "\\PC{0,200}", header in "\\PC{0,60}", payload in "\\PC{0,200}", cut in any::<prop::sample::Index>(),
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let fixture = strict();
        let encode = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let good = sign(&claims("web"));
        let cut = good[..cut.index(good.len())].to_owned();
        for object in [text, format!("{}.{}.", encode(&header), encode(&payload)), format!("{cut}.{payload}"), cut] {
            let answer = runtime.block_on(ask(&fixture, &carrying("web", &object).add("x", "y")));
            let plain = object.is_empty();
            prop_assert_eq!(Agent::is_at(&answer, "/login"), false);
            prop_assert!(plain || answer.param("error").as_deref() == Some("invalid_request_object"), "{:?}", answer);
        }
    }
}
