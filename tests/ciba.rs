//! Client-initiated backchannel authentication (CIBA): a client names its user, who answers on a device of their own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::clients::{API, basic, secret};
use common::phones::{self, CIBA, TOKEN, Told, World, asking, asking_to_be_told};
use common::{Fixture, Form, NOW, alice, authorization, claims, form};
use grantor::endpoint::backchannel_answer::UserAnswer;
use grantor::host::{FetchMethod, Limits, MemoryLimiter};
use grantor::jose::{Algorithm, JwkSet, SigningKey, sign_compact};
use grantor::profile::BackchannelRules;
use grantor::protocol::{ClientAuthMethod, DeliveryMode, GrantType, OAuthError, Reason, Timestamp};
use grantor::record::EventKind;
use grantor::record::assertion::KeySource;
use grantor::record::backchannel::UserHint;
use grantor::record::client::Sector;
use grantor::record::grant::{EndReason, GrantStatus};
use grantor::record::key_ring::PublishedKeys;
use grantor::server::Builder;
use grantor::store::MemoryStore;
use serde_json::json;

const LIFETIME: u64 = 600;
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// A server at which the client `bank` asks users; `till` asks them, too.
fn world() -> World {
    with(|builder| builder)
}

fn with(configure: impl FnOnce(Builder) -> Builder) -> World {
    phones::over(Arc::new(MemoryStore::new()), configure)
}

#[track_caller]
fn refused_as<T: std::fmt::Debug>(result: Result<T, OAuthError>, reason: Reason) {
    assert_eq!(result.unwrap_err().reason(), reason);
}

#[tokio::test]
async fn a_client_names_its_user_who_is_asked_and_answers() {
    let world = world();
    let request = asking().add("binding_message", "W4SCT").add("acr_values", "gold silver");
    let answer = world.ask(&request).await;
    let told = answer.json();
    let auth_req_id = told["auth_req_id"].as_str().unwrap();
    assert_eq!(told, json!({ "auth_req_id": auth_req_id, "expires_in": LIFETIME, "interval": 5 }));
    assert!(auth_req_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-_".contains(&byte)));
    let question = world.question();
    assert_eq!((question.client.as_str(), &question.user.subject), ("bank", &alice()));
    assert_eq!(question.user.binding_message.as_deref(), Some("W4SCT"));
    assert_eq!(question.user.acr_values.as_deref(), Some("gold silver"));
    assert_eq!((question.scope.as_str(), question.valid_until), ("openid read", Timestamp(NOW + LIFETIME)));

    let polling = form([("grant_type", CIBA), ("auth_req_id", auth_req_id)]);
    world.poll(&polling).await.refused(400, "authorization_pending");
    let waiting = world.fixture.server.grants_of(&alice()).await.unwrap();
    assert_eq!(waiting.len(), 1, "a host finds what waits for a user");
    world.approve("alice", "openid read").await.unwrap();
    let answer = world.poll(&polling).await;
    let tokens = answer.tokens();
    assert_eq!(tokens.scope, "openid read");
    let id_token = claims(answer.json()["id_token"].as_str().unwrap());
    assert_eq!(
        (&id_token["sub"], &id_token["aud"], &id_token["acr"]),
        (&json!("alice"), &json!("bank"), &json!("silver"))
    );
    assert_eq!((&id_token["sid"], &id_token["nonce"]), (&json!(null), &json!(null)));
    world.fixture.refresh("bank", &tokens.refresh).await.tokens();
    assert_eq!(world.fixture.count(EventKind::UserAsked), 1);
    assert_eq!(world.fixture.count(EventKind::ConsentGiven), 1);
}

#[tokio::test]
async fn exactly_one_hint_names_the_user() {
    let world = world();
    let id_token = {
        let agent_code =
            world.fixture.agent().walk(&authorization("web").set("scope", "openid"), "alice").await;
        let redeemed = world.fixture.redeem("web", &agent_code.param("code").unwrap()).await;
        redeemed.json()["id_token"].as_str().unwrap().to_owned()
    };
    let bare = form([("scope", "openid")]);
    world.ask(&bare).await.refused(400, "invalid_request");
    world.ask(&asking().add("login_hint_token", "alice")).await.refused(400, "invalid_request");
    world.ask(&asking().add("id_token_hint", "x")).await.refused(400, "invalid_request");
    world.ask(&bare.add("login_hint", "nobody")).await.refused(400, "unknown_user_id");
    world.ask(&bare.add("login_hint_token", "old")).await.refused(400, "expired_login_hint_token");
    assert_eq!(world.ask(&bare.add("login_hint_token", "alice")).await.status, 200);
    world.ask(&bare.add("id_token_hint", "x")).await.refused(400, "unknown_user_id");
    // An ID token counts that this server issued to this very client.
    world.ask(&bare.add("id_token_hint", &id_token)).await.refused(400, "unknown_user_id");
    let polling = world.asked(&asking()).await;
    world.approve("alice", "openid read").await.unwrap();
    let own = world.poll(&polling).await.json()["id_token"].as_str().unwrap().to_owned();
    assert_eq!(world.ask(&bare.add("id_token_hint", &own)).await.status, 200);
    assert_eq!(world.phones.enquiries.lock().unwrap().last().unwrap().hint, UserHint::Subject(alice()));
}

/// What such a client calls its user says nothing to anyone; the grant behind the ID token says who it is.
#[tokio::test]
async fn a_pairwise_client_names_its_user_by_its_own_id_token_too() {
    let world = with(|builder| builder.pairwise_subjects(&[9; 32]));
    for (client, sector) in [("bank", "bank.example"), ("till", "till.example")] {
        world.fixture.clients.change(client, |client| client.openid.sector = Some(Sector::new(sector)));
    }
    let polling = world.asked(&asking()).await;
    world.approve("alice", "openid read").await.unwrap();
    let id_token = world.poll(&polling).await.json()["id_token"].as_str().unwrap().to_owned();
    assert_ne!(claims(&id_token)["sub"], "alice");
    let bare = form([("scope", "openid")]);
    assert_eq!(world.ask(&bare.add("id_token_hint", &id_token)).await.status, 200);
    assert_eq!(world.phones.enquiries.lock().unwrap().last().unwrap().hint, UserHint::Subject(alice()));
    let till = world.fixture.post_as("till", "/bc-authorize", &bare.add("id_token_hint", &id_token)).await;
    till.refused(400, "unknown_user_id");
    world.fixture.server.erase_subject(&alice()).await.unwrap();
    world.ask(&bare.add("id_token_hint", &id_token)).await.refused(400, "unknown_user_id");
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_and_nobody_is_disturbed() {
    let world = world();
    let base = asking();
    for (request, code) in [
        (base.set("scope", "read"), "invalid_scope"),
        (base.without("scope"), "invalid_scope"),
        (base.set("scope", "openid admin"), "invalid_scope"),
        (base.add("resource", "https://nowhere.example/"), "invalid_target"),
        (base.add("requested_expiry", "0"), "invalid_request"),
        (base.add("requested_expiry", "-1"), "invalid_request"),
        (base.add("requested_expiry", "1.5"), "invalid_request"),
        (base.add("requested_expiry", "soon"), "invalid_request"),
        (base.add("binding_message", &"x".repeat(101)), "invalid_binding_message"),
        (base.add("binding_message", "a\u{202e}b"), "invalid_binding_message"),
        (base.add("binding_message", "a\nb"), "invalid_binding_message"),
        (base.add("request", "a.b.c"), "invalid_request"),
        (base.add("login_hint", "alice"), "invalid_request"),
        (base.set("login_hint", "bob"), "missing_user_code"),
        (base.set("login_hint", "bob").add("user_code", "4321"), "invalid_user_code"),
    ] {
        world.ask(&request).await.refused(400, code);
    }
    world.ask(&base.set("login_hint", "carol")).await.refused(403, "access_denied");
    world.fixture.accounts.lock("locked");
    world.ask(&base.set("login_hint", "locked")).await.refused(400, "unknown_user_id");
    world.ask(&base.set("login_hint", "web")).await.refused(500, "server_error");
    assert!(world.phones.questions.lock().unwrap().is_empty());
    assert!(world.fixture.grants("bank").await.is_empty());
    assert_eq!(world.ask(&base.set("login_hint", "bob").add("user_code", "1234")).await.status, 200);
}

#[tokio::test]
async fn only_a_client_that_is_registered_for_it_and_proves_itself_may_ask() {
    let world = world();
    let ask = async |client: &str| world.fixture.post_as(client, "/bc-authorize", &asking()).await;
    ask("web").await.refused(400, "unauthorized_client");
    ask("spa").await.refused(400, "unauthorized_client");
    ask("nobody").await.refused(401, "invalid_client");
    let header = basic("bank", "wrong");
    world.fixture.post("/bc-authorize", Some(&header), &asking()).await.refused(401, "invalid_client");
    world.fixture.clients.change("spa", |client| client.grant_types.push(GrantType::Ciba));
    ask("spa").await.refused(400, "unauthorized_client");
    world.fixture.server.disable_client(&"bank".into()).await.unwrap();
    ask("bank").await.refused(401, "invalid_client");
    assert!(!secret("bank").is_empty() && world.phones.questions.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_may_wait_less_long_and_no_longer() {
    let world = world();
    for (asked, expected) in [("30", 30), ("99999", LIFETIME)] {
        let told = world.ask(&asking().add("requested_expiry", asked)).await.json();
        assert_eq!(told["expires_in"], expected);
    }
    let polling = world.asked(&asking().add("requested_expiry", "30")).await;
    world.fixture.clock.forward(30);
    world.poll(&polling).await.refused(400, "expired_token");
    refused_as(world.approve("alice", "openid").await, Reason::AlreadyDecided);
}

#[tokio::test]
async fn whoever_polls_too_fast_waits_longer_for_good() {
    let world = world();
    let polling = world.asked(&asking()).await;
    for (after, code) in
        [(0, "authorization_pending"), (4, "slow_down"), (9, "slow_down"), (15, "authorization_pending")]
    {
        world.fixture.clock.forward(after);
        world.poll(&polling).await.refused(400, code);
    }
    world.approve("alice", "openid read").await.unwrap();
    world.poll(&polling).await.tokens();
}

#[tokio::test]
async fn only_the_user_who_was_asked_decides_once_and_never_beyond_what_was_asked() {
    let world = world();
    let polling = world.asked(&asking()).await;
    refused_as(world.approve("bob", "openid read").await, Reason::AlreadyDecided);
    refused_as(world.answer("bob", UserAnswer::Deny).await, Reason::AlreadyDecided);
    for values in ["read", "", "openid admin", "openid write"] {
        refused_as(world.approve("alice", values).await, Reason::ScopeNothingLeft);
    }
    world.poll(&polling).await.refused(400, "authorization_pending");
    world.approve("alice", "openid").await.unwrap();
    refused_as(world.approve("alice", "openid read").await, Reason::AlreadyDecided);
    refused_as(world.answer("alice", UserAnswer::Deny).await, Reason::AlreadyDecided);
    assert_eq!(world.poll(&polling).await.tokens().scope, "openid");

    let polling = world.asked(&asking()).await;
    world.answer("alice", UserAnswer::Deny).await.unwrap();
    refused_as(world.approve("alice", "openid").await, Reason::AlreadyDecided);
    world.poll(&polling).await.refused(400, "access_denied");
    let ended = world.fixture.grants("bank").await.pop().unwrap().1.status;
    assert_eq!(ended, GrantStatus::Ended(EndReason::Denied));
}

#[tokio::test]
async fn an_auth_req_id_is_its_clients_and_is_redeemed_once() {
    let world = world();
    let polling = world.asked(&asking()).await;
    world.fixture.token("till", &polling).await.refused(400, "invalid_grant");
    world.approve("alice", "openid read").await.unwrap();
    world.fixture.token("till", &polling).await.refused(400, "invalid_grant");
    world.poll(&polling.add("resource", API)).await.refused(400, "invalid_target");
    let tokens = world.poll(&polling).await.tokens();
    world.poll(&polling).await.refused(400, "invalid_grant");
    assert!(!world.fixture.is_live(&tokens.access).await);
    for wrong in ["x", "gdc_x"] {
        world.poll(&polling.set("auth_req_id", wrong)).await.refused(400, "invalid_grant");
    }
}

#[tokio::test]
async fn whoever_is_locked_in_the_meantime_gets_the_client_nothing() {
    let world = world();
    let polling = world.asked(&asking()).await;
    world.approve("alice", "openid read").await.unwrap();
    world.fixture.accounts.lock("alice");
    world.poll(&polling).await.refused(400, "invalid_grant");

    let world = self::world();
    world.asked(&asking()).await;
    world.fixture.server.disable_subject(&alice()).await.unwrap();
    refused_as(world.approve("alice", "openid read").await, Reason::SubjectDisabledAtAuthorize);
}

#[tokio::test]
async fn a_user_who_cannot_be_reached_is_not_waited_for() {
    let world = world();
    *world.phones.down.lock().unwrap() = true;
    world.ask(&asking()).await.refused(503, "temporarily_unavailable");
    let asked = world.fixture.server.grants_of(&alice()).await.unwrap();
    assert_eq!(asked.len(), 1);
    assert_eq!(asked[0].1.status, GrantStatus::Ended(EndReason::Revoked));
}

#[tokio::test]
async fn a_user_who_is_switched_off_is_not_disturbed() {
    let world = world();
    world.fixture.server.disable_subject(&alice()).await.unwrap();
    world.ask(&asking()).await.refused(400, "unknown_user_id");
    assert!(world.phones.questions.lock().unwrap().is_empty());
}

/// A server at which `bank` is told that its user has answered.
fn pinging(status: u16) -> (World, Arc<Told>) {
    phones::told(DeliveryMode::Ping, Arc::new(MemoryStore::new()), status)
}

#[tokio::test]
async fn a_client_that_wants_to_be_told_is_told_once_the_user_has_answered() {
    for approves in [true, false] {
        let (world, told) = pinging(204);
        let polling = world.asked(&asking_to_be_told()).await;
        world.poll(&polling).await.refused(400, "authorization_pending");
        assert!(told.posted.lock().unwrap().is_empty());
        match approves {
            true => world.approve("alice", "openid").await.unwrap(),
            false => world.answer("alice", UserAnswer::Deny).await.unwrap(),
        }
        let posted = told.posted.lock().unwrap().clone();
        let [ping] = posted.as_slice() else { panic!("{posted:?}") };
        assert_eq!((ping.method, ping.url.as_str()), (FetchMethod::Post, "https://bank.example/cb"));
        assert!(ping.headers.contains(&("authorization", format!("Bearer {TOKEN}"))));
        assert!(ping.headers.contains(&("content-type", "application/json".to_owned())));
        let auth_req_id = &polling.0.iter().find(|(name, _)| name == "auth_req_id").unwrap().1;
        let body: serde_json::Value = serde_json::from_slice(&ping.body).unwrap();
        assert_eq!(body, json!({ "auth_req_id": auth_req_id }));
        assert_eq!(world.poll(&polling).await.status, if approves { 200 } else { 400 });
        assert_eq!(world.fixture.count(EventKind::AnswerNotified), 1);
        world.fixture.clock.forward(120);
        assert_eq!(world.fixture.server.deliver_outbox(10).await.unwrap(), 0, "it is told once");
    }
}

#[tokio::test]
async fn a_client_that_cannot_be_reached_is_told_again_and_one_that_refuses_is_not() {
    for (status, again) in [(500, true), (503, true), (429, true), (401, false), (403, false), (301, false)] {
        let (world, told) = pinging(status);
        let polling = world.asked(&asking_to_be_told()).await;
        world.approve("alice", "openid").await.unwrap();
        assert_eq!(world.fixture.count(EventKind::AnswerNoticeFailed), 1, "{status}");
        told.status.store(200, Ordering::SeqCst);
        world.fixture.clock.forward(61);
        world.fixture.server.deliver_outbox(10).await.unwrap();
        assert_eq!(told.posted.lock().unwrap().len(), 1 + usize::from(again), "{status}");
        world.poll(&polling).await.tokens();
    }
}

#[tokio::test]
async fn a_client_says_with_which_token_it_wants_to_be_told() {
    let (world, _) = pinging(204);
    world.ask(&asking()).await.refused(400, "invalid_request");
    for wrong in ["a b", "a\"b", "=", &"x".repeat(1025)] {
        let request = asking().add("client_notification_token", wrong);
        world.ask(&request).await.refused(400, "invalid_request");
    }
    let longest = "x".repeat(1024);
    assert_eq!(world.ask(&asking().add("client_notification_token", &longest)).await.status, 200);
    // Nothing that is kept tells the token, nor is it asked of a client that polls.
    let (_, grant) = world.fixture.grants("bank").await.pop().unwrap();
    let record = grantor::record::codec::encode(&grantor::record::Record::Grant(grant.clone())).unwrap();
    assert!(!String::from_utf8(record).unwrap().contains(&longest) && !format!("{grant:?}").contains("xxxx"));
    assert!(world.question().user.ping.is_none());
    assert_eq!(self::world().ask(&asking().add("client_notification_token", "a b")).await.status, 200);
    // Where clients cannot be told, one that wants to be cannot ask.
    let deaf = self::world();
    deaf.fixture.clients.change("bank", |client| client.backchannel.mode = Some(DeliveryMode::Ping));
    deaf.ask(&asking().add("client_notification_token", TOKEN)).await.refused(400, "unauthorized_client");
    let metadata = world.fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["backchannel_token_delivery_modes_supported"], json!(["poll", "ping", "push"]));
}

/// A server at which `bank` signs what it asks.
fn signing(world: World) -> (World, SigningKey) {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let published = PublishedKeys::new(JwkSet::new(vec![key.public()]).unwrap());
    world.fixture.clients.change("bank", |client| {
        client.keys.source = KeySource::Given(Arc::new(published));
        client.backchannel.signing_alg = Some(Algorithm::Es256);
    });
    (world, key)
}

/// What `bank` signs, with a number of its own.
fn claims_of(jti: u32) -> serde_json::Value {
    json!({
        "iss": "bank", "aud": common::ISSUER, "iat": NOW, "nbf": NOW, "exp": NOW + 300, "jti": jti.to_string(),
        "scope": "openid read", "login_hint": "alice", "requested_expiry": 30,
    })
}

fn sign(key: &SigningKey, claims: &serde_json::Value) -> Form {
    form([("request", &sign_compact(key, "JWT", claims.to_string().as_bytes()).unwrap())])
}

#[tokio::test]
async fn a_client_that_signs_its_requests_signs_them_all_and_each_is_taken_once() {
    let (world, key) = signing(world());
    let request = sign(&key, &claims_of(1));
    let told = world.ask(&request).await;
    assert_eq!((told.status, &told.json()["expires_in"]), (200, &json!(30)), "{told:?}");
    world.ask(&request).await.refused(400, "invalid_request");
    world.ask(&asking()).await.refused(400, "invalid_request");
    for (name, value) in [("scope", "openid"), ("login_hint", "bob"), ("binding_message", "x")] {
        world.ask(&sign(&key, &claims_of(2)).add(name, value)).await.refused(400, "invalid_request");
    }
    let text = json!("30");
    let mut as_text = claims_of(3);
    as_text["requested_expiry"] = text;
    assert_eq!(world.ask(&sign(&key, &as_text)).await.status, 200);
    let metadata = world.fixture.get("/.well-known/openid-configuration").await.json();
    let algorithms = &metadata["backchannel_authentication_request_signing_alg_values_supported"];
    assert!(
        algorithms.as_array().unwrap().contains(&json!("ES256")) && !algorithms.to_string().contains("HS")
    );
}

#[tokio::test]
async fn whatever_is_wrong_with_a_signed_request_it_is_an_invalid_request() {
    let (world, key) = signing(world());
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    world.ask(&sign(&other, &claims_of(0))).await.refused(400, "invalid_request");
    for text in ["x", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "a.b.c.d.e"] {
        world.ask(&form([("request", text)])).await.refused(400, "invalid_request");
    }
    let spoilt: [(&str, serde_json::Value); 17] = [
        ("iss", json!(null)),
        ("iss", json!("till")),
        ("aud", json!(null)),
        ("aud", json!("https://other.example")),
        ("iat", json!(null)),
        ("iat", json!(NOW + 600)),
        ("nbf", json!(null)),
        ("nbf", json!(NOW + 600)),
        ("nbf", json!(NOW - 70 * 60)),
        ("exp", json!(null)),
        ("exp", json!(NOW - 61)),
        ("exp", json!(NOW + 70 * 60)),
        ("jti", json!(null)),
        ("sub", json!("bank")),
        ("scope", json!(null)),
        ("login_hint", json!(null)),
        ("login_hint_token", json!("alice")),
    ];
    for (number, (name, value)) in (1..).zip(&spoilt) {
        let mut claims = claims_of(number);
        match value.is_null() {
            true => drop(claims.as_object_mut().unwrap().remove(*name)),
            false => claims[*name] = value.clone(),
        }
        let code = if *name == "scope" { "invalid_scope" } else { "invalid_request" };
        world.ask(&sign(&key, &claims)).await.refused(400, code);
    }
    let mut claims = claims_of(100);
    claims["client_id"] = json!("till");
    world.ask(&sign(&key, &claims)).await.refused(401, "invalid_client");
    assert!(world.phones.questions.lock().unwrap().is_empty());
    // Another algorithm than the registered one, with a key of the client's all the same.
    world.fixture.clients.change("bank", |client| client.backchannel.signing_alg = Some(Algorithm::Ps256));
    world.ask(&sign(&key, &claims_of(101))).await.refused(400, "invalid_request");
    // Who has registered no algorithm signs nothing.
    world.fixture.clients.change("bank", |client| client.backchannel.signing_alg = None);
    world.ask(&sign(&key, &claims_of(102))).await.refused(400, "invalid_request");
    world.fixture.clients.change("bank", |client| client.backchannel.signing_alg = Some(Algorithm::Es256));
    assert_eq!(world.ask(&sign(&key, &claims_of(103))).await.status, 200);
}

/// Both the client and what it asks are signed, as FAPI-CIBA wants it.
#[tokio::test]
async fn a_client_that_does_not_prove_itself_is_told_so_whatever_it_asks() {
    let (world, key) = signing(with(|builder| builder.backchannel_rules(BackchannelRules::Fapi)));
    world.fixture.clients.change("bank", |client| client.auth_method = ClientAuthMethod::PrivateKeyJwt);
    let other = SigningKey::generate(Algorithm::Es256).unwrap();
    let rsa = SigningKey::generate(Algorithm::Rs256).unwrap();
    let assertion = |key: &SigningKey, client: &str, n: u32| {
        let claims = json!({ "iss": client, "sub": client, "aud": common::ISSUER, "jti": n.to_string(), "exp": NOW + 60 });
        sign_compact(key, "JWT", claims.to_string().as_bytes()).unwrap()
    };
    let ask = async |n: u32, assertion: &str| {
        let request = sign(&key, &claims_of(n)).add("client_assertion_type", JWT_BEARER);
        world.fixture.post("/bc-authorize", None, &request.add("client_assertion", assertion)).await
    };
    assert_eq!(ask(1, &assertion(&key, "bank", 1)).await.status, 200);
    let unsecured =
        assertion(&key, "bank", 2).split('.').nth(1).map(|body| format!("eyJhbGciOiJub25lIn0.{body}."));
    for wrong in [
        assertion(&other, "bank", 3),
        assertion(&rsa, "bank", 4),
        assertion(&key, "till", 5),
        assertion(&key, "nobody", 6),
        unsecured.unwrap(),
    ] {
        ask(7, &wrong).await.refused(401, "invalid_client");
    }
    let bare = sign(&key, &claims_of(8));
    world.fixture.post("/bc-authorize", None, &bare).await.refused(401, "invalid_client");
    let by_secret = world.fixture.post("/bc-authorize", Some(&basic("bank", &secret("bank"))), &bare).await;
    by_secret.refused(401, "invalid_client");
    assert_eq!(world.phones.questions.lock().unwrap().len(), 1);
}

/// The `jti` of a request is remembered once nothing but the store and the user's device can fail.
#[tokio::test]
async fn a_signed_request_that_is_refused_is_not_spent() {
    let limits = Limits { backchannel_authentications: 1, ..Limits::default() };
    let (world, key) = signing(with(|builder| builder.limiter(Arc::new(MemoryLimiter::new(limits)))));
    let mut unknown = claims_of(1);
    unknown["scope"] = json!("read");
    world.ask(&sign(&key, &unknown)).await.refused(400, "invalid_scope");
    assert_eq!(world.ask(&sign(&key, &claims_of(1))).await.status, 200);
    world.ask(&sign(&key, &claims_of(2))).await.refused(429, "slow_down");
    world.fixture.clock.forward(60);
    assert_eq!(world.ask(&sign(&key, &claims_of(2))).await.status, 200, "it was not asked before");
    world.fixture.clock.forward(60);
    world.ask(&sign(&key, &claims_of(2))).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn under_the_rules_of_fapi_every_client_signs_and_none_is_sent_its_tokens() {
    let (world, key) = signing(with(|builder| builder.backchannel_rules(BackchannelRules::Fapi)));
    assert_eq!(world.ask(&sign(&key, &claims_of(1))).await.status, 200);
    for client in ["bank", "till"] {
        let unsigned = world.fixture.post_as(client, "/bc-authorize", &asking()).await;
        unsigned.refused(400, "invalid_request");
    }
    let unsecured = "eyJhbGciOiJub25lIn0.e30.";
    let answer = world.fixture.post_as("till", "/bc-authorize", &form([("request", unsecured)])).await;
    answer.refused(400, "invalid_request");
    assert_eq!(world.phones.questions.lock().unwrap().len(), 1);
}

#[tokio::test]
async fn what_a_client_knows_of_where_its_user_is_reaches_the_host() {
    let context = json!({ "location": { "lat": 51.17397, "lng": -1.82238 } });
    let seen = |world: &World| world.phones.enquiries.lock().unwrap().last().unwrap().context.clone();
    let world = world();
    world.asked(&asking().add("request_context", &context.to_string())).await;
    assert_eq!(seen(&world), context.as_object().cloned());
    world.asked(&asking()).await;
    assert_eq!(seen(&world), None);
    for wrong in ["x", "[]", "\"x\"", "{\"a\":1,\"a\":2}", "{} {}", "null"] {
        world.ask(&asking().add("request_context", wrong)).await.refused(400, "invalid_request");
    }
    let (world, key) = signing(world);
    let mut claims = claims_of(1);
    claims["request_context"] = context.clone();
    assert_eq!(world.ask(&sign(&key, &claims)).await.status, 200);
    assert_eq!(seen(&world), context.as_object().cloned());
}

#[tokio::test]
async fn how_often_users_are_asked_is_limited() {
    let limits = Limits { backchannel_authentications: 2, ..Limits::default() };
    let world = with(|builder| builder.limiter(Arc::new(MemoryLimiter::new(limits))));
    for _ in 0..2 {
        world.asked(&asking()).await;
    }
    world.ask(&asking()).await.refused(429, "slow_down");
    assert_eq!(world.phones.questions.lock().unwrap().len(), 2);
}

#[tokio::test]
async fn the_metadata_say_so_exactly_where_users_can_be_asked() {
    let metadata = world().fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["backchannel_authentication_endpoint"], "https://as.example/bc-authorize");
    assert_eq!(metadata["backchannel_token_delivery_modes_supported"], json!(["poll"]));
    assert_eq!(metadata["backchannel_user_code_parameter_supported"], true);
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(CIBA)));
    let off = Fixture::new();
    let metadata = off.get("/.well-known/oauth-authorization-server").await.json();
    assert!(!metadata.as_object().unwrap().keys().any(|name| name.starts_with("backchannel_a")));
    assert!(off.http.routes().iter().all(|(_, path)| path != "/bc-authorize"));
}
