//! JWT access tokens (RFC 9068) from the token endpoint to revocation, signed by the key ring or by keys elsewhere.

#![cfg(feature = "aws-lc-rs")]
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use grantor::endpoint::introspection::IntrospectionRequest;
use grantor::endpoint::resource::ResourceCheck;
use grantor::endpoint::revocation::RevocationRequest;
use grantor::endpoint::token::{TokenRequest, TokenResponse};
use grantor::host::{
    ClaimsHook, Clock, KeyRingOptions, KeyRingSigner, Signer, SignerError, SigningKeyName, StaticClients,
    StaticResources,
};
use grantor::jose::{Algorithm, JwkSet, Sealer, SigningKey, sign_compact};
use grantor::protocol::{
    ClientAuthMethod, ErrorCode, GrantType, Issuer, OAuthError, Params, Reason, Resource, Scope, Timestamp,
};
use grantor::record::client::{ClientLifetimes, ClientSecret, ConsentPolicy, OpenIdRegistration};
use grantor::record::key_ring::PublishedKeys;
use grantor::record::{Client, Namespace, ResourceServer, TokenFormat};
use grantor::server::{AuthorizationServer, Origin};
use grantor::store::{MemoryStore, Store as _};
use grantor::token::claims::RESERVED;
use grantor::token::{AccessTokenClaims, PresentedToken};
use jsonwebtoken as judge;
use serde_json::{Map, Value, json};

const ISSUER: &str = "https://as.example";
const SECRET: [u8; 32] = [7; 32];
const ALGORITHMS: [(Algorithm, judge::Algorithm); 4] = [
    (Algorithm::Es256, judge::Algorithm::ES256),
    (Algorithm::EdDsa, judge::Algorithm::EdDSA),
    (Algorithm::Rs256, judge::Algorithm::RS256),
    (Algorithm::Ps256, judge::Algorithm::PS256),
];

struct TestClock(AtomicU64);

impl TestClock {
    fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// Tries to add whatever it holds.
struct Hook(Mutex<Map<String, Value>>);

#[async_trait]
impl ClaimsHook for Hook {
    async fn claims(&self, _: &AccessTokenClaims) -> Result<Map<String, Value>, SignerError> {
        Ok(self.0.lock().unwrap().clone())
    }
}

struct World {
    server: AuthorizationServer,
    clock: Arc<TestClock>,
    store: Arc<MemoryStore>,
    hook: Arc<Hook>,
}

fn api(alg: Algorithm) -> Resource {
    Resource::parse(&format!("https://api.example/{alg}")).unwrap()
}

fn client(id: &str, answers_for: Vec<Resource>) -> Client {
    Client {
        id: id.into(),
        name: None,
        auth_method: ClientAuthMethod::ClientSecretBasic,
        secrets: vec![ClientSecret::generated(&secret_of(id))],
        redirect_uris: Vec::new(),
        grant_types: vec![GrantType::ClientCredentials],
        response_types: Vec::new(),
        scope: Scope::parse("read write").unwrap(),
        consent: ConsentPolicy::Ask,
        self_registered: false,
        resource_server_of: answers_for,
        keys: Default::default(),
        lifetimes: ClientLifetimes::default(),
        about: Default::default(),
        openid: OpenIdRegistration::default(),
        request_objects: Default::default(),
        backchannel: Default::default(),
        logout: grantor::record::logout::LogoutRegistration::default(),
    }
}

fn secret_of(id: &str) -> String {
    format!("{id}-secret-of-at-least-32-characters-")
}

fn basic(id: &str) -> String {
    format!("Basic {}", STANDARD.encode(format!("{id}:{}", secret_of(id))))
}

fn clock() -> Arc<TestClock> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    Arc::new(TestClock(AtomicU64::new(now)))
}

async fn ring(store: &Arc<MemoryStore>, clock: &Arc<TestClock>, issuer: &str) -> Arc<KeyRingSigner> {
    let options = KeyRingOptions::new(ALGORITHMS.map(|(alg, _)| alg));
    let namespace = Namespace::of_issuer(issuer);
    let signer =
        KeyRingSigner::open(store.clone(), namespace, Sealer::new(&SECRET), clock.clone(), options).await;
    Arc::new(signer.unwrap())
}

fn world(issuer: &str, store: Arc<MemoryStore>, clock: Arc<TestClock>, signer: Arc<dyn Signer>) -> World {
    let apis: Vec<_> = ALGORITHMS.iter().map(|(alg, _)| api(*alg)).collect();
    let resources = StaticResources::new(ALGORITHMS.iter().map(|(alg, _)| ResourceServer {
        resource: api(*alg),
        format: TokenFormat::Jwt(*alg),
        scope: None,
        lifetime: None,
    }));
    let clients = [client("app", vec![]), client("api", apis), client("other", vec![])];
    let hook = Arc::new(Hook(Mutex::default()));
    let server = AuthorizationServer::builder(
        Issuer::new(issuer).unwrap(),
        store.clone(),
        Arc::new(StaticClients::new(clients)),
        &SECRET,
    )
    .clock(clock.clone())
    .resources(Arc::new(resources))
    .signer(signer)
    .claims_hook(hook.clone())
    .scope(Scope::parse("read write").unwrap())
    .build()
    .unwrap();
    World { server, clock, store, hook }
}

async fn started() -> (World, Arc<KeyRingSigner>) {
    let (store, clock) = (Arc::new(MemoryStore::new()), clock());
    let signer = ring(&store, &clock, ISSUER).await;
    (world(ISSUER, store, clock, signer.clone()), signer)
}

impl World {
    async fn ask(&self, alg: Algorithm) -> Result<TokenResponse, OAuthError> {
        let api = api(alg);
        let pairs = [("grant_type", "client_credentials"), ("scope", "read"), ("resource", api.as_str())];
        let request =
            TokenRequest::read(Some(basic("app").as_bytes()), &Params::from_pairs(pairs), GrantType::ALL)
                .unwrap();
        self.server.token(&request, Origin::default()).await
    }

    async fn token(&self, alg: Algorithm) -> String {
        self.ask(alg).await.unwrap().access_token.expose().to_owned()
    }

    async fn introspect(&self, caller: &str, token: &str) -> Value {
        let params = Params::from_pairs([("token", token)]);
        let request = IntrospectionRequest::read(Some(basic(caller).as_bytes()), &params).unwrap();
        let answer = self.server.introspect(&request, Origin::default()).await.unwrap();
        serde_json::from_slice(&answer.to_json()).unwrap()
    }

    async fn revoke(&self, caller: &str, token: &str) -> Result<(), OAuthError> {
        let params = Params::from_pairs([("token", token)]);
        let request = RevocationRequest::read(Some(basic(caller).as_bytes()), &params).unwrap();
        self.server.revoke(&request, Origin::default()).await
    }

    async fn check(&self, alg: Algorithm, token: &str, scope: &str) -> Result<(), Reason> {
        let check = ResourceCheck {
            token: PresentedToken::read(token),
            resource: Some(api(alg)),
            scope: Scope::parse(scope).unwrap(),
        };
        self.server.check(&check).await.map(drop).map_err(|error| error.reason())
    }

    async fn is_dead(&self, alg: Algorithm, token: &str) -> bool {
        let told = self.introspect("app", token).await;
        let checked = self.check(alg, token, "").await;
        assert_eq!(told["active"] == json!(false), checked.is_err(), "both ways of asking agree");
        if checked.is_err() {
            assert_eq!(told, json!({ "active": false }));
            assert_eq!(checked, Err(Reason::BearerInvalid));
        }
        checked.is_err()
    }

    async fn judge_key(&self, kid: &str) -> judge::DecodingKey {
        let keys = self.server.signer().public_keys().await.unwrap();
        let jwk = keys.set().keys().iter().find(|key| key.kid() == Some(kid)).unwrap();
        judge::DecodingKey::from_jwk(&serde_json::from_value(serde_json::to_value(jwk).unwrap()).unwrap())
            .unwrap()
    }
}

fn part(token: &str, at: usize) -> Value {
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(token.split('.').nth(at).unwrap()).unwrap()).unwrap()
}

#[tokio::test]
async fn an_access_token_is_what_rfc_9068_says_and_the_judge_verifies_it() {
    let (world, _) = started().await;
    let now = world.clock.now().0;
    for (alg, theirs) in ALGORITHMS {
        let response = world.ask(alg).await.unwrap();
        assert_eq!((response.token_type, response.expires_in), ("Bearer", 600));
        let token = response.access_token.expose();
        let header = judge::decode_header(token).unwrap();
        assert_eq!((header.typ.as_deref(), header.alg), (Some("at+jwt"), theirs));
        let mut validation = judge::Validation::new(theirs);
        validation.set_audience(&[api(alg).as_str()]);
        validation.set_issuer(&[ISSUER]);
        let key = world.judge_key(header.kid.as_deref().unwrap()).await;
        let claims = judge::decode::<Value>(token, &key, &validation).unwrap().claims;
        let jti = claims["jti"].as_str().unwrap();
        let expected = json!({
            "iss": ISSUER, "sub": "app", "aud": api(alg).as_str(), "client_id": "app", "scope": "read",
            "iat": now, "exp": now + 600, "jti": jti,
        });
        assert_eq!(claims, expected, "{alg}");
        assert_ne!(part(&world.token(alg).await, 1)["jti"], jti);
    }
}

#[tokio::test]
async fn issuing_a_jwt_for_the_client_itself_writes_nothing() {
    let (world, _) = started().await;
    let before = world.store.len();
    world.token(Algorithm::Es256).await;
    assert_eq!(world.store.len(), before);
}

#[tokio::test]
async fn only_its_own_client_and_its_resource_learn_of_a_token() {
    let (world, _) = started().await;
    let (token, now) = (world.token(Algorithm::Es256).await, world.clock.now().0);
    let expected = json!({
        "active": true, "iss": ISSUER, "client_id": "app", "sub": "app", "scope": "read",
        "aud": api(Algorithm::Es256).as_str(), "token_type": "Bearer", "iat": now, "exp": now + 600,
        "jti": part(&token, 1)["jti"],
    });
    assert_eq!(world.introspect("app", &token).await, expected);
    assert_eq!(world.introspect("api", &token).await, expected);
    assert_eq!(world.introspect("other", &token).await, json!({ "active": false }));
}

#[tokio::test]
async fn a_token_is_taken_only_by_its_own_audience_and_for_its_own_scope() {
    let (world, _) = started().await;
    let token = world.token(Algorithm::Es256).await;
    assert_eq!(world.check(Algorithm::Es256, &token, "read").await, Ok(()));
    assert_eq!(world.check(Algorithm::Es256, &token, "read write").await, Err(Reason::BearerScope));
    assert_eq!(world.check(Algorithm::EdDsa, &token, "read").await, Err(Reason::BearerInvalid));
}

#[tokio::test]
async fn a_revoked_token_is_dead_and_its_tombstone_goes_with_it() {
    let (world, _) = started().await;
    let (token, other) = (world.token(Algorithm::Es256).await, world.token(Algorithm::Es256).await);
    assert_eq!(world.revoke("other", &token).await.unwrap_err().reason(), Reason::TokenOtherClient);
    assert!(!world.is_dead(Algorithm::Es256, &token).await);
    world.revoke("app", &token).await.unwrap();
    world.revoke("app", &token).await.unwrap();
    assert!(world.is_dead(Algorithm::Es256, &token).await);
    assert!(!world.is_dead(Algorithm::Es256, &other).await);
    world.clock.advance(600);
    assert!(world.is_dead(Algorithm::Es256, &token).await);
    let records = world.store.len();
    world.clock.advance(7 * 24 * 3600);
    assert_eq!(world.store.purge(world.clock.now(), 10).await.unwrap(), 1);
    assert_eq!(world.store.len(), records - 1);
}

#[tokio::test]
async fn a_token_dies_at_its_expiry() {
    let (world, _) = started().await;
    let token = world.token(Algorithm::Es256).await;
    world.clock.advance(599);
    assert!(!world.is_dead(Algorithm::Es256, &token).await);
    world.clock.advance(1);
    assert!(world.is_dead(Algorithm::Es256, &token).await);
}

#[tokio::test]
async fn disabling_a_client_ends_its_tokens_for_good() {
    let (world, _) = started().await;
    let token = world.token(Algorithm::Es256).await;
    world.server.disable_client(&"app".into()).await.unwrap();
    assert_eq!(world.check(Algorithm::Es256, &token, "").await, Err(Reason::BearerInvalid));
    assert_eq!(world.introspect("api", &token).await, json!({ "active": false }));
    assert_eq!(world.ask(Algorithm::Es256).await.unwrap_err().code(), ErrorCode::InvalidClient);
    world.server.enable_client(&"app".into()).await.unwrap();
    assert!(world.is_dead(Algorithm::Es256, &token).await);
    let after = world.token(Algorithm::Es256).await;
    assert!(!world.is_dead(Algorithm::Es256, &after).await);
}

#[tokio::test]
async fn a_token_changed_anywhere_is_no_token() {
    let (world, _) = started().await;
    for (alg, _) in ALGORITHMS {
        let token = world.token(alg).await;
        for (at, byte) in token.bytes().enumerate().step_by(7).filter(|(_, byte)| *byte != b'.') {
            let other = if byte == b'A' { 'B' } else { 'A' };
            let mut changed = token.clone();
            changed.replace_range(at..=at, &other.to_string());
            assert!(world.is_dead(alg, &changed).await, "{alg} at {at}");
            assert_eq!(world.revoke("app", &changed).await, Ok(()), "unknown, so nothing is said");
        }
        for changed in [&token[1..], &token[..token.len() - 1], &format!("{token}A"), &format!("{token}.")] {
            assert!(world.is_dead(alg, changed).await);
        }
        assert!(!world.is_dead(alg, &token).await);
    }
}

#[tokio::test]
async fn tokens_of_another_issuer_type_or_key_are_no_tokens() {
    let (store, clock) = (Arc::new(MemoryStore::new()), clock());
    let mine = Arc::new(SigningKey::generate(Algorithm::Es256).unwrap());
    let kms = Arc::new(Kms::new(mine.clone()));
    let world = world(ISSUER, store, clock, kms);
    let token = world.token(Algorithm::Es256).await;
    let claims = part(&token, 1);
    let with = |name: &str, value: Value| {
        let mut changed = claims.clone();
        changed[name] = value;
        sign_compact(&mine, "at+jwt", changed.to_string().as_bytes()).unwrap()
    };
    assert!(!world.is_dead(Algorithm::Es256, &with("scope", json!("read"))).await, "the forge works");
    let stranger = SigningKey::generate(Algorithm::Es256).unwrap();
    let payload = claims.to_string();
    let typed = |key: &SigningKey, typ: &str| sign_compact(key, typ, payload.as_bytes()).unwrap();
    let stranger_under_my_name = stranger.with_kid(mine.kid());
    let header = URL_SAFE_NO_PAD.encode(r#"{"alg":"none","typ":"at+jwt"}"#);
    let mut refused = vec![
        with("iss", json!("https://as.example/")),
        with("iss", json!("https://other.example")),
        with("exp", json!("9999999999")),
        with("exp", json!(-1)),
        with("exp", Value::Null),
        with("iat", json!("x")),
        with("jti", json!("x")),
        with("client_id", json!(7)),
        typed(&mine, "JWT"),
        typed(&mine, "logout+jwt"),
        typed(&mine, "dpop+jwt"),
        typed(&stranger_under_my_name, "at+jwt"),
        format!("{header}.{}.", URL_SAFE_NO_PAD.encode(&payload)),
    ];
    for name in ["iss", "sub", "aud", "exp", "iat", "jti", "client_id"] {
        let mut without = claims.clone();
        without.as_object_mut().unwrap().remove(name);
        refused.push(sign_compact(&mine, "at+jwt", without.to_string().as_bytes()).unwrap());
    }
    for token in refused {
        assert!(world.is_dead(Algorithm::Es256, &token).await, "{:?} {:?}", part(&token, 0), part(&token, 1));
    }
}

#[tokio::test]
async fn two_issuers_on_one_store_do_not_take_each_others_tokens() {
    let (store, clock) = (Arc::new(MemoryStore::new()), clock());
    let signers = [ring(&store, &clock, ISSUER).await, ring(&store, &clock, "https://b.example").await];
    let a = world(ISSUER, store.clone(), clock.clone(), signers[0].clone());
    let b = world("https://b.example", store, clock, signers[1].clone());
    let token = a.token(Algorithm::Es256).await;
    assert!(!a.is_dead(Algorithm::Es256, &token).await);
    assert!(b.is_dead(Algorithm::Es256, &token).await);
}

#[tokio::test]
async fn a_hook_adds_claims_and_overwrites_none() {
    let (world, _) = started().await;
    let mut evil: Map<_, _> = RESERVED.iter().map(|name| ((*name).to_owned(), json!("evil"))).collect();
    evil.insert("tenant".into(), json!({ "id": 7 }));
    *world.hook.0.lock().unwrap() = evil;
    let token = world.token(Algorithm::Es256).await;
    let claims = part(&token, 1);
    assert_eq!(claims["tenant"], json!({ "id": 7 }));
    assert!(!claims.to_string().contains("evil"));
    assert!(!world.is_dead(Algorithm::Es256, &token).await);
}

#[tokio::test]
async fn rotation_under_load_keeps_every_token_alive() {
    let (world, signer) = started().await;
    let mut tokens = Vec::new();
    for _ in 0..6 {
        for (alg, _) in ALGORITHMS.into_iter().take(2) {
            tokens.push((alg, world.token(alg).await));
        }
        signer.rotate().await.unwrap();
        world.clock.advance(90);
    }
    signer.rotate_now().await.unwrap();
    tokens.push((Algorithm::Es256, world.token(Algorithm::Es256).await));
    for (alg, token) in &tokens {
        assert!(!world.is_dead(*alg, token).await);
    }
    let kids: std::collections::HashSet<_> =
        tokens.iter().map(|(_, token)| part(token, 0)["kid"].as_str().unwrap().to_owned()).collect();
    assert_eq!(kids.len(), 3, "one key per algorithm, and the emergency's");
}

/// A key management service: the private key is elsewhere, answers take time, and it may be out of reach.
struct Kms {
    elsewhere: Arc<SigningKey>,
    down: AtomicBool,
}

impl Kms {
    fn new(elsewhere: Arc<SigningKey>) -> Self {
        Self { elsewhere, down: AtomicBool::new(false) }
    }

    async fn reach(&self) -> Result<(), SignerError> {
        tokio::time::sleep(Duration::from_millis(1)).await;
        if self.down.load(Ordering::SeqCst) { Err(SignerError("the service is down".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl Signer for Kms {
    fn algorithms(&self) -> Vec<Algorithm> {
        vec![self.elsewhere.alg()]
    }

    async fn key(&self, algorithm: Algorithm) -> Result<SigningKeyName, SignerError> {
        Ok(SigningKeyName { kid: self.elsewhere.kid().to_owned(), algorithm })
    }

    async fn sign(&self, _: &SigningKeyName, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.reach().await?;
        self.elsewhere.sign(message).map_err(|error| SignerError(error.to_string()))
    }

    async fn public_keys(&self) -> Result<Arc<PublishedKeys>, SignerError> {
        self.reach().await?;
        Ok(Arc::new(PublishedKeys::new(JwkSet::new(vec![self.elsewhere.public()]).unwrap())))
    }
}

#[tokio::test]
async fn a_key_elsewhere_signs_and_its_failure_is_503_with_nothing_written() {
    let (store, clock) = (Arc::new(MemoryStore::new()), clock());
    let kms = Arc::new(Kms::new(Arc::new(SigningKey::generate(Algorithm::EdDsa).unwrap())));
    let world = world(ISSUER, store, clock, kms.clone());
    let token = world.token(Algorithm::EdDsa).await;
    assert!(!world.is_dead(Algorithm::EdDsa, &token).await);
    let before = world.store.len();
    kms.down.store(true, Ordering::SeqCst);
    let error = world.ask(Algorithm::EdDsa).await.unwrap_err();
    assert_eq!((error.code(), error.status()), (ErrorCode::TemporarilyUnavailable, 503));
    assert_eq!(error.reason(), Reason::SigningUnavailable);
    assert_eq!(world.check(Algorithm::EdDsa, &token, "").await, Err(Reason::SigningUnavailable));
    assert_eq!(world.revoke("app", &token).await.unwrap_err().status(), 503, "not believed dead");
    assert_eq!(world.store.len(), before);
    kms.down.store(false, Ordering::SeqCst);
    assert!(!world.is_dead(Algorithm::EdDsa, &token).await);
}
