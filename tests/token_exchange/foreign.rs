//! Tokens of other issuers: who is trusted with what, and what a JWT of theirs has to be.

use super::common::clients::{API, REPORTS, resource};
use super::common::foreign::{KEY, OTHER_KEY, set, signed, stated, statement, without};
use super::common::{ISSUER, NOW, claims, scope};
use super::{ACCESS, ID, JWT, World, exchanging, opaque};
use grantor::Reason;
use grantor::record::exchange::Principal;
use grantor::record::trust::Purpose;
use serde_json::json;

#[tokio::test]
async fn a_user_of_a_trusted_issuer_becomes_the_one_that_the_host_takes_them_for() {
    let world = World::new();
    let stated_at = set(statement(), "auth_time", json!(NOW - 50));
    let form = exchanging(JWT, &stated(&stated_at)).add("resource", API);
    let answer = world.exchanged("api", &form).await;
    assert_eq!(
        (&answer["scope"], &answer["expires_in"]),
        (&json!("offline_access openid read write"), &json!(300))
    );
    let seen = world.fixture.introspect("api", answer["access_token"].as_str().unwrap()).await;
    assert_eq!((&seen["sub"], &seen["auth_time"]), (&json!("alice"), &json!(NOW - 50)));
    assert_eq!(seen["act"], json!({"sub": "api"}));
    let asked = world.trust.asked.lock().unwrap().pop().unwrap();
    assert_eq!((asked.client.as_str(), asked.purpose), ("api", Purpose::SubjectToken));
    assert_eq!(json!(asked.claims), stated_at);
    assert_eq!(json!(world.policy.last().subject.claims.unwrap()), stated_at);
}

#[tokio::test]
async fn whatever_is_wrong_with_a_foreign_token_refuses_it() {
    let world = World::new();
    let good = statement();
    let wrong = [
        ("another key", signed(&OTHER_KEY, Some("JWT"), &good)),
        ("an access token of the issuer", signed(&KEY, Some("at+jwt"), &good)),
        ("an assertion of a client", signed(&KEY, Some("client-authentication+jwt"), &good)),
        ("another issuer", stated(&set(good.clone(), "iss", json!("https://evil.example")))),
        ("no issuer", stated(&without(good.clone(), "iss"))),
        ("ourselves", stated(&set(good.clone(), "iss", json!(ISSUER)))),
        ("another audience", stated(&set(good.clone(), "aud", json!("https://other.example")))),
        ("two audiences", stated(&set(good.clone(), "aud", json!([ISSUER, "https://other.example"])))),
        ("the token endpoint", stated(&set(good.clone(), "aud", json!(format!("{ISSUER}/token"))))),
        ("no audience", stated(&without(good.clone(), "aud"))),
        ("no subject", stated(&without(good.clone(), "sub"))),
        ("an empty subject", stated(&set(good.clone(), "sub", json!("")))),
        ("no end", stated(&without(good.clone(), "exp"))),
        ("the past", stated(&set(good.clone(), "exp", json!(NOW)))),
        ("the future", stated(&set(good.clone(), "nbf", json!(NOW + 11)))),
        ("issued in the future", stated(&set(good.clone(), "iat", json!(NOW + 11)))),
        ("nobody here", stated(&set(good.clone(), "sub", json!("alice@elsewhere.example")))),
        ("a key it is bound to", stated(&set(good.clone(), "cnf", json!({"jkt": "x"})))),
        ("a scope that is none", stated(&set(good.clone(), "scope", json!(["read"])))),
    ];
    for (what, token) in &wrong {
        let answer = world.ask("web", &exchanging(JWT, token)).await;
        assert_eq!(answer.error(), (400, "invalid_request".to_owned()), "{what}");
        assert_eq!(world.reason(), Reason::SubjectTokenInvalid, "{what}");
    }
    for token_type in [ACCESS, ID] {
        world.ask("web", &exchanging(token_type, &stated(&good))).await.refused(400, "invalid_request");
    }
    world.exchanged("web", &exchanging(JWT, &stated(&good))).await;
    world.exchanged("web", &exchanging(JWT, &signed(&KEY, None, &good))).await;
    world.trust.issuer.lock().unwrap().algorithms = vec![grantor::jose::Algorithm::EdDsa];
    world.ask("web", &exchanging(JWT, &stated(&good))).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn nobody_is_trusted_unless_the_host_says_so() {
    let policy = World::new().policy;
    let fixture = super::common::Fixture::over(
        std::sync::Arc::new(grantor::store::MemoryStore::new()),
        super::clients(),
        |builder| builder.grant_types(super::GRANT_TYPES).token_exchange(policy),
    );
    let answer = fixture.token("web", &exchanging(JWT, &stated(&statement()))).await;
    answer.refused(400, "invalid_request");
}

#[tokio::test]
async fn a_user_who_is_locked_or_disabled_is_not_acted_for() {
    let world = World::new();
    let form = exchanging(JWT, &stated(&statement()));
    let before = world.token("web", &form).await;
    world.fixture.server.disable_subject(&"alice".into()).await.unwrap();
    world.ask("web", &form).await.refused(400, "invalid_request");
    world.fixture.server.enable_subject(&"alice".into()).await.unwrap();
    assert!(!world.alive("web", &before).await);
    let after = world.token("web", &form).await;
    world.fixture.accounts.lock("alice");
    assert!(!world.alive("web", &after).await);
    world.ask("web", &form).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn a_user_whose_name_is_a_clients_identifier_is_refused() {
    let world = World::new();
    let form = exchanging(JWT, &stated(&set(statement(), "sub", json!("web@idp.example"))));
    world.ask("api", &form).await.refused(500, "server_error");
    assert_eq!(world.reason(), Reason::SubjectNamesClient);
}

#[tokio::test]
async fn what_the_host_allows_of_an_issuer_bounds_scope_and_resources() {
    let world = World::new();
    world.trust.known.lock().unwrap().scope = Some(scope("read"));
    world.trust.known.lock().unwrap().resources = Some(vec![resource(API)]);
    let form = exchanging(JWT, &stated(&statement()));
    let answer = world.exchanged("web", &form).await;
    assert_eq!(answer["scope"], "read");
    let seen = world.fixture.introspect("web", answer["access_token"].as_str().unwrap()).await;
    assert_eq!(seen["aud"], API);
    world.ask("web", &form.add("scope", "write")).await.refused(400, "invalid_scope");
    world.ask("web", &form.add("resource", REPORTS)).await.refused(400, "invalid_target");
    let stated_scope = exchanging(JWT, &stated(&set(statement(), "scope", json!("write openid"))));
    world.ask("web", &stated_scope.add("scope", "read")).await.refused(400, "invalid_scope");
    world.trust.known.lock().unwrap().scope = None;
    assert_eq!(world.exchanged("web", &stated_scope).await["scope"], "openid write");
}

#[tokio::test]
async fn a_foreign_actor_keeps_its_own_name_and_needs_no_account() {
    let world = World::new();
    let subject = world.access(API).await;
    let actor = stated(&set(statement(), "sub", json!("robot")));
    let form = opaque(&subject).add("actor_token", &actor).add("actor_token_type", JWT);
    let seen = world.fixture.introspect("web", &world.token("web", &form).await).await;
    assert_eq!(seen["act"], json!({"iss": "https://idp.example", "sub": "robot"}));
    assert!(world.trust.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_foreign_chain_of_actors_is_carried_on() {
    let world = World::new();
    let chain = json!({"sub": "b", "act": {"sub": "a", "iss": "https://other.example"}});
    let form = exchanging(JWT, &stated(&set(statement(), "act", chain))).add("resource", super::JWT_API);
    let says = claims(&world.token("web", &form).await);
    let expected = json!({"sub": "web", "act": {"sub": "b", "iss": "https://idp.example",
        "act": {"sub": "a", "iss": "https://other.example"}}});
    assert_eq!(says["act"], expected);
    let deep = (0..9).fold(json!({"sub": "a"}), |act, _| json!({"sub": "a", "act": act}));
    for bad in [json!("b"), json!({}), json!({"sub": 1}), json!({"sub": "b", "act": "a"}), deep] {
        let form = exchanging(JWT, &stated(&set(statement(), "act", bad.clone())));
        assert_eq!(world.ask("web", &form).await.error().1, "invalid_request", "{bad}");
    }
}

#[tokio::test]
async fn a_foreign_may_act_names_the_only_one_who_may() {
    let world = World::new();
    let robot = stated(&set(statement(), "sub", json!("robot")));
    let ask = async |may_act: serde_json::Value, actor: Option<&str>| {
        let form = exchanging(JWT, &stated(&set(statement(), "may_act", may_act)));
        let form = match actor {
            Some(actor) => form.add("actor_token", actor).add("actor_token_type", JWT),
            None => form,
        };
        world.ask("web", &form).await.status
    };
    assert_eq!(ask(json!({"sub": "robot"}), Some(&robot)).await, 200);
    assert_eq!(
        world.policy.last().subject.may_act,
        Some(Principal::Foreign { issuer: "https://idp.example".into(), subject: "robot".into() })
    );
    assert_eq!(ask(json!({"sub": "robot"}), None).await, 400);
    assert_eq!(world.reason(), Reason::ActorNotAllowed);
    assert_eq!(ask(json!({"sub": "other"}), Some(&robot)).await, 400);
    assert_eq!(ask(json!({"sub": "robot", "iss": "https://other.example"}), Some(&robot)).await, 400);
    assert_eq!(ask(json!({"sub": "web", "iss": ISSUER}), None).await, 200);
    assert_eq!(
        ask(json!({"sub": "web"}), None).await,
        400,
        "a name without an issuer is one of its issuer's"
    );
    assert_eq!(ask(json!({"sub": "robot", "email": "r@idp.example"}), Some(&robot)).await, 400);
    for malformed in [json!("robot"), json!({}), json!({"sub": 7})] {
        assert_eq!(ask(malformed, Some(&robot)).await, 400);
    }
}
