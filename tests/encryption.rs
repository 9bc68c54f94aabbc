//! ID tokens, UserInfo and logout tokens that the client alone can read (OpenID Connect Core §2, §5.3.2, §10.2).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use common::clients::all;
use common::host::BreakableEntropy;
use common::{Agent, Answer, Fixture, Form, ISSUER, authorization, scope};
use grantor::Profile;
use grantor::client::encryption::{CONTENT_ENCRYPTION, KEY_MANAGEMENT};
use grantor::host::{Fetch, FetchError, FetchRequest, FetchResponse, FetchedJwks};
use grantor::jose::{
    Algorithm, ContentEncryption, Decrypted, DecryptingKey, Encrypted, JoseError, Jwk, JwkSet, KeyManagement,
    SigningKey,
};
use grantor::protocol::{ApplicationType, GrantType, RedirectUri, ResponseType};
use grantor::record::assertion::KeySource;
use grantor::record::client::OpenIdRegistration;
use grantor::record::encryption::ResponseEncryption;
use grantor::record::key_ring::PublishedKeys;
use grantor::record::logout::LogoutUri;
use grantor::server::Builder;
use grantor::store::MemoryStore;
use http::{Request, header};
use jsonwebtoken as judge;
use serde_json::{Value, json};

const SCOPE: &str = "openid email read write";
const ECDH: ResponseEncryption =
    ResponseEncryption { alg: KeyManagement::EcdhEs, enc: ContentEncryption::A128CbcHs256 };

/// A key for each algorithm.
static KEYS: LazyLock<Vec<DecryptingKey>> =
    LazyLock::new(|| with_public_keys().map(|alg| DecryptingKey::generate(alg).unwrap()).collect());

/// Those that need no secret of the client.
fn with_public_keys() -> impl Iterator<Item = KeyManagement> {
    KEY_MANAGEMENT.iter().copied().filter(|alg| !alg.is_shared())
}

fn key(alg: KeyManagement) -> &'static DecryptingKey {
    KEYS.iter().find(|key| key.alg() == alg).unwrap()
}

fn public(key: &DecryptingKey) -> Jwk {
    key.public().unwrap().clone()
}

fn given(keys: Vec<Jwk>) -> KeySource {
    KeySource::Given(Arc::new(PublishedKeys::new(JwkSet::new(keys).unwrap())))
}

fn with(configure: impl FnOnce(Builder) -> Builder) -> Fixture {
    let mut clients = all();
    for client in &mut clients {
        client.scope = scope(SCOPE);
        client.keys.source = given(KEYS.iter().map(public).collect());
    }
    Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| configure(builder.scope(scope(SCOPE))))
}

fn provider() -> Fixture {
    with(|builder| builder)
}

fn register(fixture: &Fixture, openid: OpenIdRegistration) {
    fixture.clients.change("web", |client| client.openid = openid);
}

fn encrypted_id_token(encryption: ResponseEncryption) -> OpenIdRegistration {
    OpenIdRegistration { id_token_encryption: Some(encryption), ..OpenIdRegistration::default() }
}

fn asking() -> Form {
    authorization("web").set("scope", "openid email read")
}

async fn code(fixture: &Fixture) -> String {
    fixture.agent().walk(&asking(), "alice").await.param("code").unwrap()
}

async fn tokens(fixture: &Fixture) -> Value {
    let code = code(fixture).await;
    fixture.redeem("web", &code).await.json()
}

async fn userinfo(fixture: &Fixture, token: &str) -> Answer {
    let request = Request::get("/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}"));
    fixture.send(request.body(Bytes::new()).unwrap()).await
}

fn open(token: &str, key: &DecryptingKey) -> Result<Decrypted, JoseError> {
    Encrypted::parse(token)?.decrypt(key, CONTENT_ENCRYPTION)
}

/// The claims of the signed token within, verified with the published keys by a library that is not ours.
async fn nested(fixture: &Fixture, opened: &Decrypted) -> Value {
    assert_eq!(opened.header().cty(), Some("JWT"));
    assert_eq!(
        (opened.header().get("iss"), opened.header().get("aud")),
        (Some(&json!(ISSUER)), Some(&json!("web")))
    );
    let token = std::str::from_utf8(opened.plaintext()).unwrap();
    let keys: judge::jwk::JwkSet = serde_json::from_value(fixture.get("/jwks").await.json()).unwrap();
    let key = keys.find(judge::decode_header(token).unwrap().kid.as_deref().unwrap()).unwrap();
    let mut rules = judge::Validation::new(judge::Algorithm::ES256);
    rules.set_audience(&["web"]);
    rules.set_required_spec_claims(&["aud"]);
    rules.validate_exp = false;
    judge::decode::<Value>(token, &judge::DecodingKey::from_jwk(key).unwrap(), &rules).unwrap().claims
}

#[tokio::test]
async fn an_id_token_is_signed_then_encrypted_with_whatever_was_registered() {
    let fixture = provider();
    for alg in with_public_keys() {
        let stranger = DecryptingKey::generate(alg).unwrap();
        for enc in CONTENT_ENCRYPTION {
            let encryption = ResponseEncryption { alg, enc: *enc };
            register(&fixture, encrypted_id_token(encryption));
            let tokens = tokens(&fixture).await;
            let token = tokens["id_token"].as_str().unwrap();
            let opened = open(token, key(alg)).unwrap();
            assert_eq!((opened.header().alg(), opened.header().enc()), (alg, *enc));
            assert_eq!(opened.header().kid(), key(alg).kid());
            let claims = nested(&fixture, &opened).await;
            assert_eq!((&claims["sub"], &claims["iss"]), (&json!("alice"), &json!(ISSUER)));
            assert_eq!(open(token, &stranger).unwrap_err(), JoseError::Decryption, "{alg} {enc}");
        }
    }
}

#[tokio::test]
async fn no_two_tokens_are_encrypted_alike() {
    let fixture = provider();
    register(&fixture, encrypted_id_token(ECDH));
    let tokens = tokens(&fixture).await;
    let first = tokens["id_token"].as_str().unwrap().to_owned();
    let again = fixture.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.json();
    let again = again["id_token"].as_str().unwrap().to_owned();
    let part = |token: &str, at: usize| token.split('.').nth(at).unwrap().to_owned();
    for at in [0, 2, 3, 4] {
        assert_ne!(part(&first, at), part(&again, at), "{at}");
    }
    assert_eq!(nested(&fixture, &open(&again, key(ECDH.alg)).unwrap()).await["sub"], "alice");
}

#[tokio::test]
async fn an_id_token_through_the_browser_is_encrypted_too_and_what_is_within_is_a_hint() {
    let fixture = with(|builder| builder.profile(Profile::OidcCompat));
    register(&fixture, encrypted_id_token(ECDH));
    fixture.clients.change("web", |client| {
        client.response_types = vec![ResponseType::Code, ResponseType::CodeIdToken];
        client.grant_types.push(GrantType::Implicit);
    });
    let mut agent = fixture.agent();
    let request = asking().set("response_type", "code id_token").add("nonce", "n");
    let answer = agent.walk(&request, "alice").await;
    let opened = open(&answer.param("id_token").unwrap(), key(ECDH.alg)).unwrap();
    let claims = nested(&fixture, &opened).await;
    assert_eq!(claims["nonce"], "n");
    let hint = std::str::from_utf8(opened.plaintext()).unwrap();
    let silent = asking().add("prompt", "none").add("id_token_hint", hint);
    assert!(agent.authorize(&silent).await.param("code").is_some());
    // Without a key, the request is refused before the user is bothered.
    fixture.clients.change("web", |client| client.keys.source = KeySource::None);
    let answer = fixture.agent().authorize(&request).await;
    assert_eq!(
        (answer.param("error").as_deref(), Agent::is_at(&answer, "/login")),
        (Some("invalid_client"), false)
    );
}

#[tokio::test]
async fn userinfo_is_encrypted_signed_or_not_as_was_registered() {
    let fixture = provider();
    let openid = OpenIdRegistration { userinfo_encryption: Some(ECDH), ..OpenIdRegistration::default() };
    for userinfo_alg in [None, Some(Algorithm::Es256)] {
        register(&fixture, OpenIdRegistration { userinfo_alg, ..openid.clone() });
        let tokens = tokens(&fixture).await;
        let answer = userinfo(&fixture, tokens["access_token"].as_str().unwrap()).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/jwt")));
        let opened = open(answer.text(), key(ECDH.alg)).unwrap();
        let claims: Value = match userinfo_alg {
            Some(_) => nested(&fixture, &opened).await,
            None => {
                assert_eq!(opened.header().cty(), Some("json"));
                assert_eq!(opened.nested().unwrap_err(), JoseError::HeaderInvalid("cty"));
                serde_json::from_slice(opened.plaintext()).unwrap()
            }
        };
        assert_eq!((&claims["sub"], &claims["email"]), (&json!("alice"), &json!("alice@example.com")));
        // The ID token was not asked to be encrypted.
        assert_eq!(tokens["id_token"].as_str().unwrap().split('.').count(), 3);
    }
}

/// Another server: it answers with one document, and keeps the last body it was sent.
struct Elsewhere {
    document: Mutex<Vec<u8>>,
    fetched: AtomicUsize,
    posted: Mutex<String>,
}

impl Elsewhere {
    fn with(keys: Vec<Jwk>) -> Arc<Self> {
        let elsewhere =
            Self { document: Mutex::default(), fetched: AtomicUsize::new(0), posted: Mutex::default() };
        elsewhere.publish(keys);
        Arc::new(elsewhere)
    }

    fn publish(&self, keys: Vec<Jwk>) {
        *self.document.lock().unwrap() = serde_json::to_vec(&JwkSet::new(keys).unwrap()).unwrap();
    }
}

#[async_trait]
impl Fetch for Elsewhere {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        self.fetched.fetch_add(1, Ordering::SeqCst);
        *self.posted.lock().unwrap() = String::from_utf8(request.body).unwrap();
        let headers = vec![("content-type".to_owned(), b"application/json".to_vec())];
        Ok(FetchResponse { status: 200, headers, body: self.document.lock().unwrap().clone() })
    }
}

#[tokio::test]
async fn a_logout_token_is_encrypted_where_id_tokens_are() {
    let elsewhere = Elsewhere::with(vec![]);
    let fetch = elsewhere.clone();
    let fixture = with(|builder| builder.fetch(fetch));
    register(&fixture, encrypted_id_token(ECDH));
    fixture.clients.change("web", |client| {
        let uri = RedirectUri::parse("https://web.example/out", ApplicationType::Web).unwrap();
        client.logout.backchannel = Some(LogoutUri { uri, session_required: true });
    });
    let mut agent = fixture.agent();
    agent.walk(&asking(), "alice").await;
    fixture.server.end_session(agent.browser().session_id().unwrap()).await.unwrap();
    let posted = elsewhere.posted.lock().unwrap().clone();
    let opened = open(posted.strip_prefix("logout_token=").unwrap(), key(ECDH.alg)).unwrap();
    assert!(nested(&fixture, &opened).await["events"].is_object());
}

#[tokio::test]
async fn keys_to_encrypt_to_may_be_elsewhere_and_a_set_may_hold_no_others() {
    let elsewhere = Elsewhere::with(vec![public(key(KeyManagement::RsaOaep256))]);
    let jwks = elsewhere.clone();
    let fixture = with(|builder| builder);
    let clock = fixture.clock.clone();
    let fixture = with(|builder| {
        builder.clock(clock.clone()).client_jwks(Arc::new(FetchedJwks::new(jwks, clock.clone())))
    });
    register(&fixture, encrypted_id_token(ECDH));
    fixture.clients.change("web", |client| {
        client.keys.source = KeySource::At("https://web.example/jwks".parse().unwrap());
    });
    let code = code(&fixture).await;
    fixture.redeem("web", &code).await.refused(400, "invalid_client");
    // A key that was missing is looked for again, when the pause is over.
    elsewhere.publish(vec![public(key(ECDH.alg))]);
    clock.forward(11);
    let tokens = fixture.redeem("web", &code).await.json();
    assert_eq!(elsewhere.fetched.load(Ordering::SeqCst), 2);
    open(tokens["id_token"].as_str().unwrap(), key(ECDH.alg)).unwrap();
}

#[tokio::test]
async fn without_a_key_or_without_randomness_nothing_is_issued_and_nothing_spent() {
    let entropy = Arc::new(BreakableEntropy::default());
    let broken = entropy.clone();
    let fixture = with(|builder| builder.entropy(broken));
    register(&fixture, encrypted_id_token(ECDH));
    let code = code(&fixture).await;
    let signing = SigningKey::generate(Algorithm::Es256).unwrap().public();
    for source in [KeySource::None, given(vec![public(key(KeyManagement::RsaOaep))]), given(vec![signing])] {
        fixture.clients.change("web", |client| client.keys.source = source);
        fixture.redeem("web", &code).await.refused(400, "invalid_client");
    }
    fixture.clients.change("web", |client| client.keys.source = given(vec![public(key(ECDH.alg))]));
    entropy.broken.store(true, Ordering::SeqCst);
    fixture.redeem("web", &code).await.refused(503, "temporarily_unavailable");
    entropy.broken.store(false, Ordering::SeqCst);
    assert_eq!(fixture.redeem("web", &code).await.status, 200);
}

#[tokio::test]
async fn of_two_keys_the_one_that_says_it_is_for_encryption_is_taken() {
    let fixture = provider();
    register(&fixture, encrypted_id_token(ECDH));
    let plain = DecryptingKey::generate(ECDH.alg).unwrap();
    let mut json = serde_json::to_value(public(&plain)).unwrap();
    for name in ["alg", "use"] {
        json.as_object_mut().unwrap().remove(name);
    }
    let plain = Jwk::from_value(&json).unwrap();
    for keys in [vec![plain.clone(), public(key(ECDH.alg))], vec![public(key(ECDH.alg)), plain]] {
        fixture.clients.change("web", |client| client.keys.source = given(keys));
        open(tokens(&fixture).await["id_token"].as_str().unwrap(), key(ECDH.alg)).unwrap();
    }
}

#[tokio::test]
async fn discovery_names_what_may_be_registered() {
    let metadata = provider().get("/.well-known/openid-configuration").await.json();
    for kind in ["id_token", "userinfo"] {
        assert_eq!(metadata[format!("{kind}_encryption_alg_values_supported")], json!(KEY_MANAGEMENT));
        assert_eq!(metadata[format!("{kind}_encryption_enc_values_supported")], json!(CONTENT_ENCRYPTION));
    }
}
