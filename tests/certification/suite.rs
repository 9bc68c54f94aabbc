//! A provider as the suite meets it, the plans it is put through, and what is checked of every answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use grantor::Profile;
use grantor::host::{
    Accounts, Clock as _, Fetch, FetchError, FetchRequest, FetchResponse, FetchedJwks, KeyRingOptions,
    KeyRingSigner, OpenRegistration, SystemClock,
};
use grantor::jose::{Algorithm, JwkSet, Sealer, SigningKey, sign_compact};
use grantor::protocol::{Digest, GrantType, ResponseMode, ResponseType, SubjectId};
use grantor::record::facts::Account;
use grantor::record::{Client, Namespace};
use grantor::server::Builder;
use grantor::store::{MemoryStore, StoreError};
use http::{Request, header};
use jsonwebtoken as judge;
use serde_json::{Map, Value, json};

use crate::common::clients::{all, redirect_uri};
use crate::common::host::TestClock;
use crate::common::{Agent, Answer, Fixture, Form, ISSUER, NOW, form, scope};

pub(crate) const SCOPE: &str = "openid profile email address phone offline_access read";
/// Where the clients that register themselves are answered.
pub(crate) const CALLBACK: &str = "https://suite.example/cb";
/// How many assertions were made.
static MADE: AtomicU64 = AtomicU64::new(0);
const STATE: &str = "af0ifjsldkj";

/// A response type and how its answer travels.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    pub(crate) response_type: ResponseType,
    pub(crate) mode: Option<ResponseMode>,
}

impl Plan {
    /// Basic, implicit and hybrid, as they are and with form post.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let types = ResponseType::ALL.iter().copied().filter(|own| *own != ResponseType::None);
        types.flat_map(|response_type| {
            [None, Some(ResponseMode::FormPost)].map(|mode| Self { response_type, mode })
        })
    }

    pub(crate) fn with(applies: impl Fn(ResponseType) -> bool) -> impl Iterator<Item = Self> {
        Self::all().filter(move |plan| applies(plan.response_type))
    }

    fn mode(self) -> ResponseMode {
        let usual = match self.response_type {
            ResponseType::Code => ResponseMode::Query,
            _ => ResponseMode::Fragment,
        };
        self.mode.unwrap_or(usual)
    }

    /// What a client of this plan registers.
    fn grant_types(self) -> Vec<&'static str> {
        let Self { response_type, .. } = self;
        let mut grant_types = Vec::new();
        if response_type.has_code() {
            grant_types.extend(["authorization_code", "refresh_token"]);
        }
        if response_type.has_token() || response_type.has_id_token() {
            grant_types.push("implicit");
        }
        grant_types
    }

    /// The request of a client, with this scope.
    pub(crate) fn asking(self, client: &str, scope: &str) -> Form {
        self.asking_at(client, redirect_uri(client), scope)
    }

    /// The same, with this redirect URI.
    pub(crate) fn asking_at(self, client: &str, redirect_uri: &str, scope: &str) -> Form {
        let request = form([
            ("client_id", client),
            ("redirect_uri", redirect_uri),
            ("response_type", self.response_type.as_str()),
            ("scope", scope),
            ("state", STATE),
            ("nonce", "n-0S6_WzA2Mj"),
        ]);
        self.mode.iter().fold(request, |request, mode| request.add("response_mode", mode.as_str()))
    }
}

/// What a flow came to.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) params: BTreeMap<String, String>,
    /// The claims of the ID token; where there are two, those of the token endpoint.
    pub(crate) id_token: Option<Value>,
    pub(crate) tokens: Value,
    /// What the UserInfo endpoint says, where there is a token for it.
    pub(crate) userinfo: Option<Value>,
}

impl Outcome {
    pub(crate) fn claim(&self, name: &str) -> &Value {
        self.id_token.as_ref().map_or(&Value::Null, |claims| &claims[name])
    }

    /// What the client learns of the user: from UserInfo, or else from the ID token.
    pub(crate) fn user(&self) -> &Value {
        self.userinfo.as_ref().or(self.id_token.as_ref()).unwrap_or(&Value::Null)
    }
}

/// The servers of clients: what lies where.
#[derive(Default)]
pub(crate) struct Web(Mutex<BTreeMap<String, (&'static str, Vec<u8>)>>);

impl Web {
    pub(crate) fn publish(&self, url: &str, content_type: &'static str, body: &[u8]) {
        self.0.lock().unwrap().insert(url.to_owned(), (content_type, body.to_owned()));
    }

    pub(crate) fn publish_keys(&self, url: &str, keys: &[&SigningKey]) {
        let set = JwkSet::new(keys.iter().map(|key| key.public()).collect()).unwrap();
        self.publish(url, "application/json", &serde_json::to_vec(&set).unwrap());
    }
}

#[async_trait]
impl Fetch for Web {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let pages = self.0.lock().unwrap();
        let found = pages.get(request.url.as_str());
        let (content_type, body) = found.ok_or(FetchError::Failed("nothing is there".into()))?;
        let headers = vec![("content-type".to_owned(), content_type.as_bytes().to_vec())];
        Ok(FetchResponse { status: 200, headers, body: body.clone() })
    }
}

pub(crate) fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).unwrap()
}

/// A user of whom everything is known (OpenID Connect Core §5.1).
struct Everything;

#[async_trait]
impl Accounts for Everything {
    async fn account(&self, _: &SubjectId) -> Result<Account, StoreError> {
        Ok(Account::Active)
    }

    async fn claims(&self, _: &SubjectId) -> Result<Map<String, Value>, StoreError> {
        let claims = json!({
            "name": "Alice Liddell", "given_name": "Alice", "family_name": "Liddell", "middle_name": "Pleasance",
            "nickname": "Al", "preferred_username": "alice", "profile": "https://alice.example/",
            "picture": "https://alice.example/me.png", "website": "https://alice.example/", "gender": "female",
            "birthdate": "1852-05-04", "zoneinfo": "Europe/London", "locale": "en-GB", "updated_at": NOW - 60,
            "email": "alice@example.com", "email_verified": true,
            "phone_number": "+44 1865 000000", "phone_number_verified": false,
            "address": { "formatted": "Christ Church, Oxford", "country": "GB" },
        });
        Ok(claims.as_object().cloned().unwrap_or_default())
    }
}

/// The claims each scope value stands for (OpenID Connect Core §5.4).
pub(crate) fn claims_of(value: &str) -> &'static [&'static str] {
    match value {
        "profile" => &[
            "name",
            "given_name",
            "family_name",
            "middle_name",
            "nickname",
            "preferred_username",
            "profile",
            "picture",
            "website",
            "gender",
            "birthdate",
            "zoneinfo",
            "locale",
            "updated_at",
        ],
        "email" => &["email", "email_verified"],
        "address" => &["address"],
        "phone" => &["phone_number", "phone_number_verified"],
        other => panic!("no claims for {other}"),
    }
}

/// The provider under test.
pub(crate) struct Suite {
    pub(crate) fixture: Fixture,
    pub(crate) signer: Arc<KeyRingSigner>,
    pub(crate) web: Arc<Web>,
    /// The keys of the clients that registered themselves here.
    keys: Mutex<BTreeMap<String, SigningKey>>,
}

impl Suite {
    /// A provider that signs with RS256 and ES256, whose clients may use every response type, and at which everybody may
    /// register.
    pub(crate) async fn new() -> Self {
        let mut clients = all();
        clients.iter_mut().for_each(Self::open_up);
        Self::with(clients, |builder| builder).await
    }

    pub(crate) fn open_up(client: &mut Client) {
        client.scope = scope(SCOPE);
        client.response_types = ResponseType::ALL.to_vec();
        client.grant_types.push(GrantType::Implicit);
    }

    pub(crate) async fn with(clients: Vec<Client>, configure: impl FnOnce(Builder) -> Builder) -> Self {
        let store = Arc::new(MemoryStore::new());
        let signer = KeyRingSigner::open(
            store.clone(),
            Namespace::of_issuer(ISSUER),
            Sealer::new(&[7; 32]),
            Arc::new(SystemClock),
            KeyRingOptions::new([Algorithm::Rs256, Algorithm::Es256]),
        );
        let signer = Arc::new(signer.await.unwrap());
        let web = Arc::new(Web::default());
        let clock = Arc::new(TestClock::new(NOW));
        let jwks = Arc::new(FetchedJwks::new(web.clone(), clock.clone()));
        let fixture = Fixture::over(store, clients, |builder| {
            let builder = builder
                .profile(Profile::OidcCompat)
                .scope(scope(SCOPE))
                .signer(signer.clone())
                .accounts(Arc::new(Everything))
                .registration(Arc::new(OpenRegistration::default()))
                .pairwise_subjects(&[3; 32])
                .fetch(web.clone())
                .client_jwks(jwks)
                .clock(clock.clone());
            configure(builder)
        });
        Self { fixture: Fixture { clock, ..fixture }, signer, web, keys: Mutex::default() }
    }

    /// The answer to a registration.
    pub(crate) async fn registration(&self, metadata: &Value) -> Answer {
        let request = Request::post("/register").header(header::CONTENT_TYPE, "application/json");
        self.fixture.send(request.body(metadata.to_string().into()).unwrap()).await
    }

    /// Registers a client that authenticates by `private_key_jwt`, with these members besides, and returns what it is
    /// told.
    pub(crate) async fn register(&self, plan: Plan, key: SigningKey, members: &Value) -> Value {
        let mut metadata = json!({
            "client_name": "the suite",
            "redirect_uris": [CALLBACK],
            "contacts": ["certification@oidf.org"],
            "token_endpoint_auth_method": "private_key_jwt",
            "response_types": [plan.response_type.as_str()],
            "grant_types": plan.grant_types(),
            "jwks": JwkSet::new(vec![key.public()]).unwrap(),
        });
        for (name, value) in members.as_object().unwrap() {
            metadata[name] = value.clone();
        }
        metadata.as_object_mut().unwrap().retain(|_, value| !value.is_null());
        let answer = self.registration(&metadata).await;
        assert_eq!(answer.status, 201, "{answer:?}");
        let told = answer.json();
        for member in ["error", "client_secret"] {
            assert_eq!(told[member], Value::Null, "{told}");
        }
        assert!(told["registration_client_uri"].as_str().unwrap().starts_with("https://"), "{told}");
        assert!(!told["registration_access_token"].as_str().unwrap().is_empty(), "{told}");
        let id = told["client_id"].as_str().unwrap().to_owned();
        self.keys.lock().unwrap().insert(id, key);
        told
    }

    /// The client uses another key from now on.
    pub(crate) fn rekey(&self, client: &str, key: SigningKey) {
        self.keys.lock().unwrap().insert(client.to_owned(), key);
    }

    /// The assertion of a client that registered itself here, for this audience.
    fn assertion(&self, client: &str, audience: &str) -> Option<String> {
        let keys = self.keys.lock().unwrap();
        let key = keys.get(client)?;
        let now = self.fixture.clock.now().0;
        let jti = format!("jti-{}", MADE.fetch_add(1, Ordering::SeqCst));
        let claims = json!({
            "iss": client, "sub": client, "aud": audience, "jti": jti, "iat": now, "exp": now + 60,
        });
        Some(sign_compact(key, "JWT", claims.to_string().as_bytes()).unwrap())
    }

    /// A request at the token endpoint, authenticated as the client registered.
    pub(crate) async fn token(&self, client: &str, request: &Form) -> Answer {
        self.token_for(client, request, ISSUER).await
    }

    /// The same, with an assertion for this audience.
    pub(crate) async fn token_for(&self, client: &str, request: &Form, audience: &str) -> Answer {
        match self.assertion(client, audience) {
            Some(assertion) => {
                let kind = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
                let request = request.add("client_assertion_type", kind).add("client_assertion", &assertion);
                self.fixture.post("/token", None, &request).await
            }
            None => self.fixture.token(client, request).await,
        }
    }

    pub(crate) fn agent(&self) -> Agent<'_> {
        self.fixture.agent()
    }

    /// A whole flow: sign in and consent where asked, then everything that follows from the answer.
    pub(crate) async fn flow(&self, agent: &mut Agent<'_>, plan: Plan, request: &Form) -> Outcome {
        let answer = agent.walk(request, "alice").await;
        self.outcome(plan, request, &answer).await
    }

    /// What follows from an answer that grants what was asked.
    pub(crate) async fn outcome(&self, plan: Plan, request: &Form, answer: &Answer) -> Outcome {
        let params = response(plan, request, answer);
        let known =
            ["code", "access_token", "token_type", "expires_in", "scope", "id_token", "session_state"];
        expect_only(&params, &known);
        let given = |name: &str| params.get(name).map(String::as_str);
        let asked = plan.response_type;
        assert_eq!(given("code").is_some(), asked.has_code(), "{params:?}");
        assert_eq!(given("access_token").is_some(), asked.has_token(), "{params:?}");
        assert_eq!(given("id_token").is_some(), asked.has_id_token(), "{params:?}");
        let client = value(request, "client_id").unwrap();
        let mut id_token = None;
        if let Some(front) = given("id_token") {
            let claims = self.id_token(front, client, request).await;
            assert_eq!(claims["c_hash"], given("code").map_or(Value::Null, half_hash), "c_hash");
            assert_eq!(claims["at_hash"], given("access_token").map_or(Value::Null, half_hash), "at_hash");
            id_token = Some(claims);
        }
        let mut tokens = Value::Null;
        if let Some(code) = given("code") {
            assert!(shannon_entropy(code) > 96.0 && code.len() * 6 >= 128, "{code}");
            tokens = self.redeem(request, code).await.json();
            let back = self.check_tokens(client, &tokens, request).await;
            assert!(id_token.iter().all(|front| front["sub"] == back["sub"]), "two users: {back}");
            id_token = Some(back);
        }
        let token = tokens["access_token"].as_str().or(given("access_token"));
        let mut userinfo = None;
        if let Some(token) = token {
            let claims = self.userinfo(token).await;
            assert!(id_token.iter().all(|own| own["sub"] == claims["sub"]), "another user: {claims}");
            userinfo = Some(claims);
        }
        Outcome { params, id_token, tokens, userinfo }
    }

    pub(crate) async fn redeem(&self, request: &Form, code: &str) -> Answer {
        let redemption = form([
            ("grant_type", "authorization_code"),
            ("code", code),
            ("redirect_uri", value(request, "redirect_uri").unwrap()),
        ]);
        self.token(value(request, "client_id").unwrap(), &redemption).await
    }

    /// A token response and the claims of its ID token.
    pub(crate) async fn check_tokens(&self, client: &str, tokens: &Value, request: &Form) -> Value {
        let access = tokens["access_token"].as_str().unwrap();
        assert!(shannon_entropy(access) > 96.0 && access.bytes().all(|byte| (0x20..0x7f).contains(&byte)));
        assert_eq!(tokens["token_type"], "Bearer");
        assert!((1..365 * 24 * 3600).contains(&tokens["expires_in"].as_u64().unwrap()));
        let claims = self.id_token(tokens["id_token"].as_str().unwrap(), client, request).await;
        assert_eq!(claims["at_hash"], half_hash(access), "at_hash");
        claims
    }

    /// The claims of an ID token, verified by a library that is not ours with the one key that its `kid` names.
    pub(crate) async fn id_token(&self, token: &str, client: &str, request: &Form) -> Value {
        let claims = self.verified(token, client).await;
        assert_eq!(claims["nonce"].as_str(), value(request, "nonce"));
        let whole = |name: &str| claims[name].as_u64().unwrap_or_else(|| panic!("{name}: {claims}"));
        let now = self.fixture.clock.now().0;
        assert!(whole("iat") <= now && whole("iat") + 24 * 3600 > now && whole("exp") > now, "{claims}");
        assert!(whole("auth_time") <= now, "{claims}");
        let sub = claims["sub"].as_str().unwrap();
        assert!(!sub.is_empty() && sub.len() <= 255 && sub.is_ascii());
        has_right_types(&claims);
        claims
    }

    /// The claims of a JWT of ours.
    pub(crate) async fn verified(&self, token: &str, client: &str) -> Value {
        let keys: judge::jwk::JwkSet = serde_json::from_value(self.keys().await).unwrap();
        let header = judge::decode_header(token).unwrap();
        let kid = header.kid.as_deref().unwrap();
        let mut named = keys.keys.iter().filter(|key| key.common.key_id.as_deref() == Some(kid));
        let key = named.next().unwrap();
        assert!(named.next().is_none(), "{kid} names two keys");
        let mut rules = judge::Validation::new(header.alg);
        rules.set_audience(&[client]);
        rules.set_issuer(&[ISSUER]);
        rules.set_required_spec_claims(&["iss", "sub", "aud"]);
        rules.validate_exp = false;
        judge::decode::<Value>(token, &judge::DecodingKey::from_jwk(key).unwrap(), &rules).unwrap().claims
    }

    /// The published keys: public, each with a name of its own.
    pub(crate) async fn keys(&self) -> Value {
        let set = self.fixture.get("/jwks").await.json();
        let keys = set["keys"].as_array().unwrap();
        let names: BTreeSet<_> = keys.iter().map(|key| key["kid"].as_str().unwrap()).collect();
        assert_eq!(names.len(), keys.len(), "{set}");
        for key in keys {
            assert_ne!(key["kty"], "oct");
            for private in ["d", "p", "q", "dp", "dq", "qi", "k"] {
                assert_eq!(key[private], Value::Null, "{private}");
            }
        }
        set
    }

    pub(crate) async fn userinfo(&self, token: &str) -> Value {
        let request = Request::get("/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}"));
        userinfo_claims(&self.fixture.send(request.body(Bytes::new()).unwrap()).await)
    }
}

pub(crate) fn userinfo_claims(answer: &Answer) -> Value {
    assert_eq!(answer.status, 200, "{answer:?}");
    let claims = answer.json();
    has_right_types(&claims);
    claims
}

/// The code of a refusal, which is where the answer would have been and says what it may.
pub(crate) fn refusal(plan: Plan, request: &Form, answer: &Answer) -> String {
    let mut params = response(plan, request, answer);
    expect_only(&params, &["error", "error_description", "error_uri", "session_state"]);
    let described = params.get("error_description").map_or("", String::as_str);
    assert!(described.bytes().all(|byte| matches!(byte, 0x20..=0x21 | 0x23..=0x5b | 0x5d..=0x7e)));
    params.remove("error").unwrap_or_else(|| panic!("{answer:?}"))
}

/// The parameters of an answer, which are in the one place where they belong, with the state and the issuer.
pub(crate) fn response(plan: Plan, request: &Form, answer: &Answer) -> BTreeMap<String, String> {
    let target = value(request, "redirect_uri").unwrap();
    let pairs = match plan.mode() {
        ResponseMode::FormPost => {
            assert!(answer.status == 200 && answer.is_page(), "{answer:?}");
            let action = format!("<form method=\"post\" action=\"{target}\"");
            assert!(answer.text().contains(&action), "{answer:?}");
            answer.hidden_fields().0
        }
        mode => {
            let url = url::Url::parse(answer.location().unwrap_or_else(|| panic!("{answer:?}"))).unwrap();
            let (target, own) = target.split_once('?').unwrap_or((target, ""));
            assert_eq!(answer.target(), Some(target));
            // The query of the redirect URI itself stays where it is, in front.
            let query = url.query().unwrap_or_default().strip_prefix(own).unwrap().trim_start_matches('&');
            let (filled, empty) = match mode {
                ResponseMode::Query => (query, url.fragment().unwrap_or_default()),
                _ => (url.fragment().unwrap_or_default(), query),
            };
            assert_eq!(empty, "", "parameters where none belong: {url}");
            url::form_urlencoded::parse(filled.as_bytes()).into_owned().collect()
        }
    };
    let count = pairs.len();
    let params: BTreeMap<_, _> = pairs.into_iter().collect();
    assert_eq!(params.len(), count, "a parameter is there twice: {params:?}");
    assert_eq!(params.get("state").map(String::as_str), value(request, "state"));
    assert_eq!(params.get("iss").map(String::as_str), Some(ISSUER));
    params
}

pub(crate) fn expect_only(params: &BTreeMap<String, String>, names: &[&str]) {
    let foreign = params
        .keys()
        .find(|name| !["state", "iss"].contains(&name.as_str()) && !names.contains(&name.as_str()));
    assert_eq!(foreign, None, "{params:?}");
}

/// Standard claims are of the types that OpenID Connect Core §5.1 gives them.
fn has_right_types(claims: &Value) {
    for (name, value) in claims.as_object().unwrap() {
        let right = match name.as_str() {
            "email_verified" | "phone_number_verified" => value.is_boolean(),
            "updated_at" => value.as_u64().is_some_and(|at| at <= NOW),
            "address" => value.is_object(),
            _ if claims_of("profile").contains(&name.as_str()) => value.is_string(),
            _ => true,
        };
        assert!(right, "{name}: {value}");
    }
}

pub(crate) fn value<'f>(form: &'f Form, name: &str) -> Option<&'f str> {
    form.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
}

/// The left half of a SHA-256 digest (OpenID Connect Core §3.1.3.6).
fn half_hash(text: &str) -> Value {
    let Digest(digest) = Digest::of(text.as_bytes());
    json!(URL_SAFE_NO_PAD.encode(&digest[..16]))
}

/// Bits of a text, estimated from how often each of its characters occurs.
#[allow(clippy::cast_precision_loss, reason = "an estimate over short texts")]
fn shannon_entropy(text: &str) -> f64 {
    let mut counts = BTreeMap::new();
    text.chars().for_each(|each| *counts.entry(each).or_insert(0_u32) += 1);
    let length = text.len() as f64;
    let per_character = counts.values().map(|count| {
        let share = f64::from(*count) / length;
        -share * share.log2()
    });
    per_character.sum::<f64>() * length
}
