//! ID tokens for tokens: a client is told whose token it has, if the host says that it may be.

use super::common::clients::{API, JWT_API};
use super::common::{Form, ISSUER, NOW, claims, machine, scope};
use super::{ACCESS, ID, World, exchanging, for_api, opaque, text};
use grantor::Reason;
use grantor::record::client::Sector;
use grantor::record::exchange::{Principal, Semantics, Terms};
use serde_json::{Value, json};

fn allowing() -> Terms {
    Terms { id_token: true, ..Terms::default() }
}

fn wanting(token: &str) -> Form {
    opaque(token).add("requested_token_type", ID)
}

async fn world() -> (World, String) {
    let world = World::new();
    world.policy.set(allowing());
    let subject = world.access(API).await;
    (world, subject)
}

#[tokio::test]
async fn an_id_token_is_got_for_a_token_and_the_answer_says_that_it_is_one() {
    let (world, subject) = world().await;
    let answer = world.exchanged("api", &wanting(&subject)).await;
    let names: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "issued_token_type", "scope", "token_type"]);
    assert_eq!((&answer["issued_token_type"], &answer["token_type"]), (&json!(ID), &json!("N_A")));
    let token = text(&answer, "access_token");
    let says = claims(&token);
    assert_eq!((&says["iss"], &says["sub"], &says["aud"]), (&json!(ISSUER), &json!("alice"), &json!("api")));
    assert_eq!((&says["act"], says["auth_time"].is_u64()), (&json!({"sub": "api"}), true));
    for absent in ["nonce", "sid", "jti", "client_id", "scope"] {
        assert_eq!(says[absent], Value::Null, "{absent}");
    }
    // It is no access token, whoever looks at it, and nothing more is got for it.
    assert!(!world.alive("api", &token).await && !world.fixture.is_live(&token).await);
    world.ask("api", &exchanging(ID, &token)).await.refused(400, "invalid_request");
    world.ask("api", &opaque(&token)).await.refused(400, "invalid_request");
    assert!(world.fixture.grants("api").await.is_empty());
}

#[tokio::test]
async fn without_a_word_of_the_policy_there_is_none() {
    let (world, subject) = world().await;
    world.policy.set(Terms::default());
    world.ask("api", &wanting(&subject)).await.refused(400, "invalid_request");
    assert_eq!(world.reason(), Reason::ExchangeRefused);
}

#[tokio::test]
async fn it_takes_openid_in_the_subject_token_in_the_request_and_for_the_client() {
    let (world, subject) = world().await;
    world.ask("api", &wanting(&subject).add("scope", "read")).await.refused(400, "invalid_scope");
    world.exchanged("api", &wanting(&subject).add("scope", "openid")).await;
    world.policy.set(Terms { scope: Some(scope("read")), ..allowing() });
    world.ask("api", &wanting(&subject)).await.refused(400, "invalid_scope");
    world.policy.set(allowing());
    let plain = text(&world.given("read write", &[API]).await, "access_token");
    world.ask("api", &wanting(&plain)).await.refused(400, "invalid_scope");
    world.fixture.clients.change("api", |client| client.scope = scope("read"));
    world.ask("api", &wanting(&subject)).await.refused(400, "invalid_scope");
}

#[tokio::test]
async fn it_is_for_the_client_that_asks_and_for_no_other() {
    let (world, subject) = world().await;
    world.exchanged("api", &wanting(&subject).add("audience", "api")).await;
    for elsewhere in ["web", "nobody", API, ISSUER] {
        let form = wanting(&subject).add("audience", elsewhere);
        world.ask("api", &form).await.refused(400, "invalid_target");
    }
    let both = wanting(&subject).add("audience", "api").add("audience", "web");
    world.ask("api", &both).await.refused(400, "invalid_target");
    world.ask("api", &for_api(&subject).add("requested_token_type", ID)).await.refused(400, "invalid_target");
}

#[tokio::test]
async fn it_is_about_a_user() {
    let (world, _) = world().await;
    world.fixture.clients.change("machine", |client| client.scope = scope("openid read"));
    for resource in [API, JWT_API] {
        let form = machine().add("resource", resource);
        let own = world.fixture.token("machine", &form).await.tokens().access;
        world.ask("api", &wanting(&own)).await.refused(400, "invalid_request");
        assert_eq!(world.reason(), Reason::SubjectTokenInvalid);
    }
}

#[tokio::test]
async fn it_ends_with_the_subject_token_and_the_actor_token_at_the_latest() {
    let (world, subject) = world().await;
    world.fixture.clock.set(NOW + 3000);
    let expires = async |form: &Form| {
        let answer = world.exchanged("api", form).await;
        let exp = claims(&text(&answer, "access_token"))["exp"].as_u64().unwrap();
        assert_eq!(answer["expires_in"], exp - NOW - 3000);
        exp - NOW
    };
    assert_eq!(expires(&wanting(&subject)).await, 3600);
    world.fixture.clock.set(NOW + 2900);
    let actor = world.fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens().access;
    world.fixture.clock.set(NOW + 3000);
    let acting = wanting(&subject).add("actor_token", &actor).add("actor_token_type", ACCESS);
    assert_eq!(expires(&acting).await, 3500);
    world.policy.set(Terms { lifetime: Some(std::time::Duration::from_secs(60)), ..allowing() });
    assert_eq!(expires(&acting).await, 3060);
}

#[tokio::test]
async fn it_says_who_acts_and_calls_everyone_what_its_client_does() {
    let (world, subject) = world().await;
    world.fixture.clients.change("api", |client| client.openid.sector = Some(Sector::new("api.example")));
    let acting = wanting(&subject).add("actor_token", &subject).add("actor_token_type", ACCESS);
    let says = claims(&world.token("api", &acting).await);
    assert_eq!(says["act"]["sub"], says["sub"]);
    assert_ne!(says["sub"], "alice");
    world.policy.set(Terms { semantics: Semantics::Impersonation, ..allowing() });
    assert_eq!(claims(&world.token("api", &acting).await)["act"], Value::Null);
    let may_act = Some(Principal::Client("web".into()));
    world.policy.set(Terms { may_act, ..allowing() });
    assert_eq!(claims(&world.token("api", &acting).await)["may_act"], json!({"sub": "web"}));
}
