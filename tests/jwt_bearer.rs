//! Assertions as grants: JWTs of trusted issuers (RFC 7523 §2.1), Identity Assertion JWT Authorization Grants, and the
//! on-behalf-of form of an exchange.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::Arc;

use common::clients::{API, JWT_API, REPORTS, all, resource};
use common::foreign::{IDP, KEY, OTHER_KEY, Trust, set, signed, stated, statement, without};
use common::{Answer, Fixture, Form, ISSUER, NOW, authorization, claims, form, scope};
use grantor::host::OnBehalfOf;
use grantor::protocol::{GrantType, Issuer};
use grantor::record::EventKind;
use grantor::record::trust::Purpose;
use grantor::server::AuthorizationServer;
use grantor::store::{MemoryStore, Store};
use grantor::{Profile, Reason};
use serde_json::{Value, json};

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const ID_JAG: &str = "oauth-id-jag+jwt";
const SCOPE: &str = "openid read write";

struct World {
    fixture: Fixture,
    trust: Arc<Trust>,
}

impl World {
    fn new() -> Self {
        Self::under(Profile::Strict)
    }

    fn under(profile: Profile) -> Self {
        Self::on(Arc::new(MemoryStore::new()), profile)
    }

    fn on(store: Arc<dyn Store>, profile: Profile) -> Self {
        let mut clients = all();
        for client in &mut clients {
            client.scope = scope(SCOPE);
            client.grant_types.push(GrantType::JwtBearer);
        }
        let trust = Arc::new(Trust::default());
        let trusted = trust.clone();
        let types = [GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::JwtBearer];
        let policy = OnBehalfOf::new().allow("api", [resource(JWT_API)]);
        let fixture = Fixture::over(store, clients, |builder| {
            builder
                .profile(profile)
                .scope(scope(SCOPE))
                .grant_types(types)
                .assertion_trust(trusted)
                .token_exchange(Arc::new(policy))
        });
        Self { fixture, trust }
    }

    async fn ask(&self, client: &str, form: &Form) -> Answer {
        self.fixture.token(client, form).await
    }

    /// The answer to an assertion with these claims, signed with a header of this type.
    async fn typed(&self, client: &str, typ: &str, claims: &Value) -> Answer {
        self.ask(client, &asserting(&signed(&KEY, Some(typ), claims))).await
    }

    fn reason(&self) -> Reason {
        self.fixture.events().pop().unwrap().reason.unwrap()
    }
}

fn asserting(assertion: &str) -> Form {
    form([("grant_type", JWT_BEARER), ("assertion", assertion)])
}

/// The same claims under another name.
fn again(claims: &Value, jti: &str) -> Value {
    set(claims.clone(), "jti", json!(jti))
}

/// What another server says for `web`.
fn id_jag() -> Value {
    let claims = set(statement(), "client_id", json!("web"));
    set(set(claims, "scope", json!("read")), "resource", json!(JWT_API))
}

#[tokio::test]
async fn a_client_gets_a_token_for_the_user_that_a_trusted_issuer_names() {
    let world = World::new();
    let answer = world.ask("web", &asserting(&stated(&statement())).add("resource", JWT_API)).await;
    let json = answer.json();
    let names: Vec<&String> = json.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "id_token", "scope", "token_type"], "no refresh token");
    let says = claims(json["access_token"].as_str().unwrap());
    assert_eq!((&says["sub"], &says["client_id"]), (&json!("alice"), &json!("web")));
    assert_eq!((&says["aud"], &says["scope"]), (&json!(JWT_API), &json!(SCOPE)));
    assert!(says["act"].is_null());
    let asked = world.trust.asked.lock().unwrap().pop().unwrap();
    assert_eq!((asked.issuer.as_str(), asked.client.as_str(), asked.purpose), (IDP, "web", Purpose::Grant));
    assert_eq!(world.fixture.count(EventKind::TokensIssued), 1);
}

#[tokio::test]
async fn a_token_lives_no_longer_than_a_jwt_does() {
    let world = World::new();
    for (n, target, expires_in) in [(0, API, 600), (1, JWT_API, 600)] {
        let form = asserting(&stated(&again(&statement(), &n.to_string()))).add("resource", target);
        assert_eq!(world.ask("web", &form).await.json()["expires_in"], expires_in);
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_an_assertion_is_an_invalid_grant_and_spends_nothing() {
    let world = World::new();
    let good = statement();
    let with = |name: &str, value: Value| stated(&set(good.clone(), name, value));
    for (token, reason) in [
        ("nonsense".to_owned(), Reason::JwtGrantMalformed),
        (stated(&without(good.clone(), "jti")), Reason::JwtGrantMalformed),
        (with("jti", json!("")), Reason::JwtGrantMalformed),
        (stated(&without(good.clone(), "iss")), Reason::JwtGrantMalformed),
        (stated(&without(good.clone(), "sub")), Reason::JwtGrantMalformed),
        (stated(&without(good.clone(), "aud")), Reason::JwtGrantMalformed),
        (stated(&without(good.clone(), "exp")), Reason::JwtGrantMalformed),
        (with("act", json!("x")), Reason::JwtGrantMalformed),
        (with("scope", json!(7)), Reason::JwtGrantMalformed),
        (with("iss", json!("https://evil.example")), Reason::JwtGrantUntrusted),
        (with("iss", json!(ISSUER)), Reason::JwtGrantUntrusted),
        (signed(&OTHER_KEY, Some("JWT"), &good), Reason::JwtGrantUnproven),
        (signed(&KEY, Some("at+jwt"), &good), Reason::JwtGrantUnproven),
        (signed(&KEY, Some("client-authentication+jwt"), &good), Reason::JwtGrantUnproven),
        (with("cnf", json!({"jkt": "x"})), Reason::JwtGrantUnproven),
        (with("aud", json!("https://other.example")), Reason::JwtGrantAudience),
        (with("aud", json!([ISSUER, "https://other.example"])), Reason::JwtGrantAudience),
        (with("aud", json!(format!("{ISSUER}/token"))), Reason::JwtGrantAudience),
        (with("exp", json!(NOW - 60)), Reason::JwtGrantTimes),
        (with("nbf", json!(NOW + 11)), Reason::JwtGrantTimes),
        (with("iat", json!(NOW + 11)), Reason::JwtGrantTimes),
        (with("exp", json!(NOW + 3601)), Reason::JwtGrantTimes),
        (with("sub", json!("alice@elsewhere.example")), Reason::JwtGrantSubject),
    ] {
        world.ask("web", &asserting(&token)).await.refused(400, "invalid_grant");
        assert_eq!(world.reason(), reason, "{}", claims_or_text(&token));
    }
    assert!(world.fixture.grants("web").await.is_empty());
    world.ask("web", &asserting(&stated(&good))).await.tokens();
}

fn claims_or_text(token: &str) -> String {
    if token.contains('.') { claims(token).to_string() } else { token.to_owned() }
}

#[tokio::test]
async fn clocks_may_differ_a_little() {
    let world = World::new();
    for (n, claims) in [
        set(statement(), "exp", json!(NOW - 59)),
        set(statement(), "nbf", json!(NOW + 10)),
        set(statement(), "exp", json!(NOW + 3600)),
    ]
    .iter()
    .enumerate()
    {
        world.ask("web", &asserting(&stated(&again(claims, &n.to_string())))).await.tokens();
    }
}

#[tokio::test]
async fn an_assertion_is_used_once_whoever_uses_it_and_is_remembered_as_long_as_it_could_come_again() {
    let world = World::new();
    let form = asserting(&stated(&statement()));
    world.ask("web", &form).await.tokens();
    for client in ["web", "first", "web"] {
        world.ask(client, &form).await.refused(400, "invalid_grant");
        assert_eq!(world.reason(), Reason::JwtGrantReplayed);
    }
    world.fixture.clock.forward(359);
    world.fixture.server.purge(1000).await.unwrap();
    world.ask("web", &form).await.refused(400, "invalid_grant");
    assert_eq!(world.reason(), Reason::JwtGrantReplayed);
    world.fixture.clock.forward(1);
    world.ask("web", &form).await.refused(400, "invalid_grant");
    assert_eq!(world.reason(), Reason::JwtGrantTimes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_crowd_that_presents_one_assertion_exactly_one_gets_a_token() {
    let world = Arc::new(World::new());
    let form = asserting(&stated(&statement()));
    let tasks: Vec<_> = (0..32)
        .map(|_| {
            let (world, form) = (world.clone(), form.clone());
            tokio::spawn(async move { world.ask("web", &form).await.status })
        })
        .collect();
    let mut got = Vec::new();
    for task in tasks {
        got.push(task.await.unwrap());
    }
    assert_eq!(got.iter().filter(|status| **status == 200).count(), 1, "{got:?}");
    assert_eq!(world.fixture.grants("web").await.len(), 1);
}

#[tokio::test]
async fn a_refusal_for_another_reason_leaves_the_assertion_unused() {
    let world = World::new();
    let form = asserting(&stated(&statement()));
    world.ask("web", &form.add("scope", "admin")).await.refused(400, "invalid_scope");
    world.ask("web", &form.add("resource", "https://unknown.example/")).await.refused(400, "invalid_target");
    world.ask("web", &form).await.tokens();
}

#[tokio::test]
async fn a_user_who_is_locked_is_not_acted_for() {
    let world = World::new();
    world.fixture.accounts.lock("alice");
    world.ask("web", &asserting(&stated(&statement()))).await.refused(400, "invalid_grant");
    assert_eq!(world.reason(), Reason::JwtGrantSubject);
}

#[tokio::test]
async fn nothing_is_got_beyond_what_client_assertion_and_host_allow() {
    let world = World::new();
    world.trust.known.lock().unwrap().scope = Some(scope("read write"));
    world.trust.known.lock().unwrap().resources = Some(vec![resource(API), resource(REPORTS)]);
    let narrow = |n: &str| asserting(&stated(&again(&set(statement(), "scope", json!("read openid")), n)));
    let json = world.ask("web", &narrow("1")).await.json();
    assert_eq!(json["scope"], "read");
    let seen = world.fixture.introspect("web", json["access_token"].as_str().unwrap()).await;
    assert_eq!(seen["aud"], json!([API, REPORTS]));
    for beyond in ["write", "openid", "read write"] {
        world.ask("web", &narrow("2").add("scope", beyond)).await.refused(400, "invalid_scope");
    }
    world.ask("web", &narrow("2").add("resource", JWT_API)).await.refused(400, "invalid_target");
    world.fixture.clients.change("web", |client| client.scope = scope("write"));
    world.ask("web", &narrow("2").add("scope", "read")).await.refused(400, "invalid_scope");
}

#[tokio::test]
async fn only_a_client_that_proves_itself_and_is_registered_for_it_may_ask() {
    let world = World::new();
    let form = asserting(&stated(&statement()));
    world.ask("spa", &form).await.refused(400, "unauthorized_client");
    let wrong = form.add("client_id", "post").add("client_secret", "wrong");
    world.fixture.post("/token", None, &wrong).await.refused(401, "invalid_client");
    world.fixture.post("/token", None, &form).await.refused(401, "invalid_client");
    world.fixture.clients.change("web", |client| client.grant_types.clear());
    world.ask("web", &form).await.refused(400, "unauthorized_client");
    assert!(world.trust.asked.lock().unwrap().is_empty());
    world.ask("first", &asserting("")).await.refused(400, "invalid_request");
    world.ask("first", &form.add("requested_token_use", "magic")).await.refused(400, "invalid_request");
    world.ask("first", &form).await.tokens();
}

#[test]
fn the_grant_type_cannot_be_switched_on_without_trust_in_anyone() {
    let issuer = Issuer::new(ISSUER).unwrap();
    let clients = Arc::new(grantor::StaticClients::new(all()));
    let builder = AuthorizationServer::builder(issuer, Arc::new(MemoryStore::new()), clients, &[7; 32]);
    let error = builder.grant_types([GrantType::JwtBearer]).build().unwrap_err();
    assert_eq!(error.setting, "grant_types");
}

#[tokio::test]
async fn a_grant_ends_with_its_user_and_its_client() {
    let world = World::new();
    let token = world.ask("web", &asserting(&stated(&statement()))).await.tokens().access;
    let other = world.ask("first", &asserting(&stated(&again(&statement(), "2")))).await.tokens().access;
    assert!(world.fixture.is_live(&token).await && world.fixture.is_live(&other).await);
    world.fixture.server.disable_client(&"web".into()).await.unwrap();
    assert!(!world.fixture.is_live(&token).await && world.fixture.is_live(&other).await);
    world.fixture.server.disable_subject(&"alice".into()).await.unwrap();
    assert!(!world.fixture.is_live(&other).await);
}

#[tokio::test]
async fn under_oidc_compat_the_token_endpoint_is_an_audience_too() {
    let world = World::under(Profile::OidcCompat);
    let form = asserting(&stated(&set(statement(), "aud", json!([format!("{ISSUER}/token")]))));
    world.ask("web", &form).await.tokens();
}

#[tokio::test]
async fn an_id_jag_gives_its_client_what_it_says_and_no_other_anything() {
    let world = World::new();
    world.typed("first", ID_JAG, &id_jag()).await.refused(400, "invalid_grant");
    assert_eq!(world.reason(), Reason::JwtGrantClient);
    let json = world.typed("web", ID_JAG, &id_jag()).await.json();
    assert_eq!(json["scope"], "read");
    let says = claims(json["access_token"].as_str().unwrap());
    assert_eq!((&says["sub"], &says["aud"]), (&json!("alice"), &json!(JWT_API)));
    let asked = world.trust.asked.lock().unwrap().pop().unwrap();
    assert_eq!(asked.purpose, Purpose::IdJag);
    world.typed("web", ID_JAG, &id_jag()).await.refused(400, "invalid_grant");
    let metadata = world.fixture.get("/.well-known/oauth-authorization-server").await.json();
    let profile = json!(["urn:ietf:params:oauth:grant-profile:id-jag"]);
    assert_eq!(metadata["authorization_grant_profiles_supported"], profile);
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(JWT_BEARER)));
    assert!(metadata["identity_chaining_requested_token_types_supported"].is_null());
}

#[tokio::test]
async fn an_id_jag_has_its_type_its_client_and_this_server_alone_for_its_audience() {
    let world = World::under(Profile::OidcCompat);
    for (wrong, reason) in [
        (without(id_jag(), "client_id"), Reason::JwtGrantMalformed),
        (without(id_jag(), "iat"), Reason::JwtGrantMalformed),
        (without(id_jag(), "jti"), Reason::JwtGrantMalformed),
        (set(id_jag(), "aud", json!(format!("{ISSUER}/token"))), Reason::JwtGrantAudience),
        (set(id_jag(), "aud", json!([ISSUER, "https://other.example"])), Reason::JwtGrantAudience),
        (set(id_jag(), "resource", json!(7)), Reason::JwtGrantMalformed),
        (set(id_jag(), "resource", json!(["x"])), Reason::JwtGrantMalformed),
        (set(id_jag(), "authorization_details", json!([])), Reason::JwtGrantMalformed),
        (set(id_jag(), "cnf", json!({"jkt": "x"})), Reason::JwtGrantUnproven),
    ] {
        world.typed("web", ID_JAG, &wrong).await.refused(400, "invalid_grant");
        assert_eq!(world.reason(), reason, "{wrong}");
    }
    let several = set(set(id_jag(), "resource", json!([REPORTS, API])), "aud", json!([ISSUER]));
    let tokens = world.typed("web", "application/OAUTH-ID-JAG+jwt", &several).await.tokens();
    assert_eq!(world.fixture.introspect("web", &tokens.access).await["aud"], json!([API, REPORTS]));
}

#[tokio::test]
async fn an_id_jag_is_narrowed_and_never_widened() {
    let world = World::new();
    let ask = async |n: &str, name: &str, value: &str| {
        let claims = again(&set(id_jag(), "resource", json!([API, REPORTS])), n);
        world.ask("web", &asserting(&signed(&KEY, Some(ID_JAG), &claims)).add(name, value)).await
    };
    let one = ask("1", "resource", API).await.tokens();
    assert_eq!(world.fixture.introspect("web", &one.access).await["aud"], API);
    ask("2", "resource", JWT_API).await.refused(400, "invalid_target");
    ask("2", "scope", "write").await.refused(400, "invalid_scope");
    world.trust.known.lock().unwrap().resources = Some(vec![resource(API)]);
    ask("2", "scope", "read").await.refused(400, "invalid_target");
}

#[tokio::test]
async fn who_acts_by_an_assertion_is_named_in_the_token() {
    let world = World::new();
    let claims = set(id_jag(), "act", json!({"sub": "agent-7"}));
    let json = world.typed("web", ID_JAG, &claims).await.json();
    let says = common::claims(json["access_token"].as_str().unwrap());
    assert_eq!(says["act"], json!({"iss": IDP, "sub": "agent-7"}));
}

#[tokio::test]
async fn an_api_may_ask_on_behalf_of_its_caller_in_the_words_of_an_assertion() {
    let world = World::new();
    let request = authorization("spa").set("scope", SCOPE).add("resource", API);
    let code = world.fixture.agent().walk(&request, "alice").await.param("code").unwrap();
    let called_with = world.fixture.redeem("spa", &code).await.tokens().access;
    let form = asserting(&called_with).add("requested_token_use", "on_behalf_of").add("resource", JWT_API);
    let json = world.ask("api", &form).await.json();
    assert!(json["issued_token_type"].is_null());
    let says = claims(json["access_token"].as_str().unwrap());
    assert_eq!((&says["sub"], &says["act"]), (&json!("alice"), &json!({"sub": "api"})));
    assert_eq!((&says["aud"], &says["client_id"]), (&json!(JWT_API), &json!("api")));

    world.ask("api", &form.set("resource", REPORTS)).await.refused(400, "invalid_target");
    world.ask("api", &form.set("scope", "admin")).await.refused(400, "invalid_scope");
    world.ask("web", &form).await.refused(400, "invalid_grant");
    world.ask("api", &form.set("assertion", "nonsense")).await.refused(400, "invalid_grant");
    assert_eq!(world.reason(), Reason::OnBehalfOfRefused);
    world.ask("api", &form.without("requested_token_use")).await.refused(400, "invalid_grant");
    world.fixture.clients.change("api", |client| client.grant_types = vec![GrantType::TokenExchange]);
    world.ask("api", &form).await.refused(400, "unauthorized_client");
}
