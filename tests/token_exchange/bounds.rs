//! What is got is never worth more than what was given.

use std::time::Duration;

use super::common::clients::{API, JWT_API, JWT_LOG, REPORTS, resource};
use super::common::{Form, NOW, claims, scope};
use super::{JWT_API as JWTS, REFRESH, World, exchanging, for_api, opaque, text};
use grantor::Reason;
use grantor::record::exchange::{Refusal, Terms, Verdict};
use proptest::prelude::*;
use serde_json::json;

#[tokio::test]
async fn a_scope_beyond_the_subject_tokens_or_the_clients_is_refused_and_the_default_is_within_both() {
    let world = World::new();
    let subject = text(&world.given("openid read", &[API]).await, "access_token");
    for beyond in ["write", "read write", "admin", "unknown"] {
        world.ask("api", &opaque(&subject).add("scope", beyond)).await.refused(400, "invalid_scope");
    }
    assert_eq!(world.exchanged("api", &opaque(&subject)).await["scope"], "openid read");
    world.fixture.clients.change("api", |client| client.scope = scope("read write"));
    assert_eq!(world.exchanged("api", &opaque(&subject)).await["scope"], "read");
    world.ask("api", &opaque(&subject).add("scope", "openid")).await.refused(400, "invalid_scope");
    world.fixture.clients.change("api", |client| client.scope = scope("write"));
    assert!(world.exchanged("api", &opaque(&subject)).await["scope"].is_null());
}

#[tokio::test]
async fn the_policy_can_narrow_the_scope_but_not_widen_it() {
    let world = World::new();
    let subject = text(&world.given("openid read", &[API]).await, "access_token");
    world.policy.set(Terms { scope: Some(scope("read write admin")), ..Terms::default() });
    assert_eq!(world.exchanged("api", &opaque(&subject)).await["scope"], "read");
    world.policy.set(Terms { scope: Some(scope("write")), ..Terms::default() });
    world.ask("api", &opaque(&subject)).await.refused(400, "invalid_scope");
    assert_eq!(world.reason(), Reason::ScopeNothingLeft);
}

#[tokio::test]
async fn without_a_target_the_new_token_is_for_where_the_old_one_was() {
    let world = World::new();
    for target in [API, JWT_API] {
        let token = world.token("web", &opaque(&world.access(target).await)).await;
        assert_eq!(world.fixture.introspect("web", &token).await["aud"], target);
    }
    let at_issuer = text(&world.given("openid read", &[]).await, "access_token");
    let token = world.token("web", &opaque(&at_issuer)).await;
    assert_eq!(world.fixture.introspect("web", &token).await["aud"], super::common::ISSUER);
}

#[tokio::test]
async fn the_policy_chooses_among_the_targets_that_are_asked_for_and_adds_none() {
    let world = World::new();
    let subject = world.access(API).await;
    let both = for_api(&subject).add("resource", REPORTS);
    let only = |uris: &[&str]| {
        let resources = Some(uris.iter().map(|uri| resource(uri)).collect());
        Terms { resources, ..Terms::default() }
    };
    world.policy.set(only(&[REPORTS]));
    let token = world.token("web", &both).await;
    assert_eq!(world.fixture.introspect("web", &token).await["aud"], REPORTS);
    for beyond in [only(&[JWT_API]), only(&[API, JWT_API]), only(&[])] {
        world.policy.set(beyond);
        world.ask("web", &both).await.refused(400, "invalid_target");
    }
}

#[tokio::test]
async fn a_target_is_a_resource_or_a_client_that_answers_for_some() {
    let world = World::new();
    let subject = world.access(API).await;
    for (name, audience) in [(JWT_LOG, JWT_LOG), ("jwt-api", JWT_API), ("api", API)] {
        let token = world.token("web", &opaque(&subject).add("audience", name)).await;
        assert_eq!(world.fixture.introspect("web", &token).await["aud"], audience);
    }
    let two = opaque(&subject).add("audience", "jwt-api").add("resource", JWT_LOG).add("audience", JWT_API);
    let token = world.token("web", &two).await;
    assert_eq!(claims(&token)["aud"], json!([JWT_API, JWT_LOG]));
    for unknown in ["web", "nobody", "https://unknown.example/", super::common::ISSUER] {
        world.ask("web", &opaque(&subject).add("audience", unknown)).await.refused(400, "invalid_target");
    }
    for unknown in ["https://unknown.example/", "x", "https://api.example/#f"] {
        world.ask("web", &opaque(&subject).add("resource", unknown)).await.refused(400, "invalid_target");
    }
    world.ask("web", &for_api(&subject).add("resource", JWT_API)).await.refused(400, "invalid_target");
    let many = (0..17).fold(opaque(&subject), |form, n| form.add("audience", &format!("{API}{n}")));
    world.ask("web", &many).await.refused(400, "invalid_target");
}

/// A client that answers for the issuer sees the tokens for the issuer; that is nothing to be asked for by its name.
#[tokio::test]
async fn a_client_that_answers_for_the_issuer_too_is_asked_for_its_apis_alone() {
    let world = World::new();
    let subject = world.access(API).await;
    let named = opaque(&subject).add("audience", "jwt-api");
    let answers_for = |uris: &[&str]| {
        let uris = uris.iter().map(|uri| resource(uri)).collect();
        world.fixture.clients.change("jwt-api", |client| client.resource_server_of = uris);
    };
    answers_for(&[JWT_API, super::common::ISSUER]);
    assert_eq!(claims(&world.token("web", &named).await)["aud"], JWT_API);
    assert_eq!(world.policy.last().resources, [resource(JWT_API)]);
    answers_for(&[super::common::ISSUER]);
    world.ask("web", &named).await.refused(400, "invalid_target");
    assert_eq!(world.reason(), Reason::AudienceUnknown);
}

#[tokio::test]
async fn a_new_token_ends_with_the_old_one_at_the_latest() {
    let world = World::new();
    let subject = world.access(API).await;
    world.fixture.clock.set(NOW + 3300);
    for (target, token_type) in [(REPORTS, "opaque"), (JWT_API, "jwt")] {
        let answer = world.exchanged("api", &opaque(&subject).add("resource", target)).await;
        assert_eq!(answer["expires_in"], 300, "{token_type}");
        let token = text(&answer, "access_token");
        assert_eq!(world.fixture.introspect("api", &token).await["exp"], NOW + 3600);
        world.fixture.clock.set(NOW + 3599);
        assert!(world.alive("api", &token).await);
        world.fixture.clock.set(NOW + 3600);
        assert!(!world.alive("api", &token).await);
        world.fixture.clock.set(NOW + 3300);
    }
    let early = world.exchanged("api", &opaque(&subject).add("resource", JWT_API)).await;
    world.fixture.clock.set(NOW + 3600);
    world.ask("api", &opaque(&subject)).await.refused(400, "invalid_request");
    assert_eq!(early["expires_in"], 300);
}

#[tokio::test]
async fn the_policy_can_shorten_the_life_but_not_lengthen_it() {
    let world = World::new();
    let subject = world.access(API).await;
    for (most, expires_in) in [(60, 60), (86_400, 3600)] {
        world.policy.set(Terms { lifetime: Some(Duration::from_secs(most)), ..Terms::default() });
        assert_eq!(world.exchanged("web", &for_api(&subject)).await["expires_in"], expires_in);
    }
}

#[tokio::test]
async fn a_refresh_token_ends_with_the_token_it_was_exchanged_for_and_so_does_all_that_it_brings() {
    let world = World::new();
    world.policy.set(Terms { refresh_token: true, ..Terms::default() });
    let subject = world.access(API).await;
    let first = world.exchanged("web", &for_api(&subject)).await;
    world.fixture.clock.set(NOW + 3500);
    let answer = world.fixture.refresh("web", &text(&first, "refresh_token")).await;
    let again = answer.tokens();
    assert_eq!(again.expires_in, 100);
    assert!(answer.json().get("id_token").is_none(), "nobody has signed in to this client");
    world.fixture.clock.set(NOW + 3600);
    assert!(!world.alive("web", &again.access).await);
    world.fixture.refresh("web", &again.refresh).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_refresh_token_is_exchanged_for_as_long_as_it_lives_itself() {
    let world = World::new();
    let tokens = world.given("openid offline_access read write", &[JWTS]).await;
    let form = exchanging(REFRESH, &text(&tokens, "refresh_token"));
    world.fixture.clock.forward(13 * 24 * 3600);
    assert_eq!(world.exchanged("web", &form).await["expires_in"], 600);
    world.fixture.clock.forward(24 * 3600 - 60);
    assert_eq!(world.exchanged("web", &form).await["expires_in"], 60);
    world.fixture.clock.forward(60);
    world.ask("web", &form).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn what_the_policy_refuses_is_refused_in_the_words_of_the_specification() {
    let world = World::new();
    let subject = world.access(API).await;
    for (refusal, code) in [(Refusal::Tokens, "invalid_request"), (Refusal::Target, "invalid_target")] {
        *world.policy.verdict.lock().unwrap() = Verdict::Refuse(refusal);
        world.ask("web", &for_api(&subject)).await.refused(400, code);
    }
    assert_eq!(world.fixture.grants("web").await.len(), 1);
}

/// One step of a chain: who asks, after how long, for what.
#[derive(Clone, Debug)]
struct Step {
    client: &'static str,
    wait: u64,
    scope: Option<&'static str>,
    target: Option<&'static str>,
    terms: Terms,
}

fn step() -> impl Strategy<Value = Step> {
    let scopes = [None, Some("read"), Some("write"), Some("openid read"), Some("read write")];
    let terms = (
        proptest::option::of(0_u64..5000),
        proptest::sample::select(vec![None, Some("read"), Some("read write admin openid")]),
        any::<bool>(),
    );
    (
        proptest::sample::select(vec!["web", "api", "jwt-api", "machine"]),
        0_u64..900,
        proptest::sample::select(scopes.to_vec()),
        proptest::sample::select(vec![None, Some(API), Some(REPORTS), Some(JWT_API)]),
        terms,
    )
        .prop_map(|(client, wait, asked, target, (lifetime, most, refresh_token))| Step {
            client,
            wait,
            scope: asked,
            target,
            terms: Terms {
                lifetime: lifetime.map(Duration::from_secs),
                scope: most.map(scope),
                refresh_token,
                ..Terms::default()
            },
        })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]
    #[test]
    fn scope_and_life_never_grow_over_any_chain_of_exchanges(steps in proptest::collection::vec(step(), 1..8)) {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(async {
            let world = World::new();
            let mut token = world.access(API).await;
            for step in &steps {
                world.fixture.clock.forward(step.wait);
                world.policy.set(step.terms.clone());
                let before = world.seen(&token).await;
                let wish = |form: Form, name, value: Option<&str>| match value {
                    Some(value) => form.add(name, value),
                    None => form,
                };
                let form = wish(opaque(&token), "scope", step.scope);
                let answer = world.ask(step.client, &wish(form, "resource", step.target)).await;
                if answer.status != 200 {
                    continue;
                }
                let json = answer.json();
                let mut got = vec![text(&json, "access_token")];
                if let Some(refresh) = json["refresh_token"].as_str() {
                    got.push(world.fixture.refresh(step.client, refresh).await.tokens().access);
                }
                for next in &got {
                    let after = world.seen(next).await;
                    let values = |json: &serde_json::Value| scope(json["scope"].as_str().unwrap_or_default());
                    assert!(values(&after).is_subset(&values(&before)), "{before} {after} {step:?}");
                    if after["active"] == true {
                        assert!(after["exp"].as_u64() <= before["exp"].as_u64(), "{before} {after} {step:?}");
                    }
                    if let Some(asked) = step.target {
                        assert!(after["active"] == false || after["aud"] == asked);
                    } else {
                        assert!(after["active"] == false || after["aud"] == before["aud"]);
                    }
                }
                token = got.remove(0);
            }
        });
    }
}
