//! Who acts for whom: delegation, impersonation, and the one who may act.

use super::common::claims;
use super::common::clients::{API, JWT_API};
use super::{ACCESS, World, opaque};
use grantor::Reason;
use grantor::record::EventKind;
use grantor::record::exchange::{Principal, Semantics, Terms};
use serde_json::json;

#[tokio::test]
async fn by_delegation_the_actor_is_named_and_by_impersonation_nobody_new() {
    let world = World::new();
    let subject = world.access(API).await;
    let delegated = world.token("api", &opaque(&subject).add("resource", JWT_API)).await;
    assert_eq!(claims(&delegated)["act"], json!({"sub": "api"}));
    world.policy.set(Terms { semantics: Semantics::Impersonation, ..Terms::default() });
    let impersonated = world.token("api", &opaque(&subject).add("resource", JWT_API)).await;
    assert!(claims(&impersonated)["act"].is_null());
    let again = world.token("web", &opaque(&delegated)).await;
    assert_eq!(claims(&again)["act"], json!({"sub": "api"}), "who acted before stays named");
}

/// A token of `first` for `bob`.
pub(crate) async fn bobs_token(world: &World) -> String {
    let request = super::authorization("first").set("scope", "read");
    let code = world.fixture.agent().walk(&request, "bob").await.param("code").unwrap();
    world.fixture.redeem("first", &code).await.tokens().access
}

#[tokio::test]
async fn the_actor_is_whom_the_actor_token_speaks_of() {
    let world = World::new();
    let subject = world.access(API).await;
    let actor = bobs_token(&world).await;
    let form = opaque(&subject).add("actor_token", &actor).add("actor_token_type", ACCESS);
    let seen = world.fixture.introspect("web", &world.token("web", &form).await).await;
    assert_eq!((&seen["sub"], &seen["act"]), (&json!("alice"), &json!({"sub": "bob"})));
}

/// Impersonation hides the actor from whoever reads the token, and from nobody else.
#[tokio::test]
async fn the_audit_trail_names_who_acts_whatever_the_token_says() {
    let world = World::new();
    let subject = world.access(API).await;
    let bob = bobs_token(&world).await;
    let alone = opaque(&subject);
    let acting = alone.add("actor_token", &bob).add("actor_token_type", ACCESS);
    for semantics in [Semantics::Delegation, Semantics::Impersonation] {
        world.policy.set(Terms { semantics, id_token: true, ..Terms::default() });
        for (form, actor) in
            [(&alone, Principal::Client("api".into())), (&acting, Principal::Subject("bob".into()))]
        {
            for form in [form.clone(), form.add("requested_token_type", super::ID)] {
                world.token("api", &form).await;
                let event = world.fixture.events().pop().unwrap();
                assert_eq!((event.kind, event.actor), (EventKind::TokenExchanged, Some(actor.clone())));
                assert_eq!(event.subject, Some("alice".into()));
            }
        }
    }
}

#[tokio::test]
async fn each_exchange_adds_its_actor_until_the_chain_is_too_long() {
    let world = World::new();
    let mut token = world.access(JWT_API).await;
    let mut expected = json!(null);
    for turn in 0..8 {
        let client = ["web", "api"][turn % 2];
        token = world.token(client, &opaque(&token)).await;
        expected = match expected.is_null() {
            true => json!({"sub": client}),
            false => json!({"sub": client, "act": expected}),
        };
        assert_eq!(claims(&token)["act"], expected);
        assert_eq!(claims(&token)["sub"], "alice");
    }
    world.ask("web", &opaque(&token)).await.refused(400, "invalid_request");
    assert_eq!(world.reason(), Reason::ActorsTooMany);
}

#[tokio::test]
async fn who_is_named_by_may_act_is_the_only_one_who_may_exchange_the_token() {
    let world = World::new();
    let subject = world.access(API).await;
    for may_act in [Principal::Client("jwt-api".into()), Principal::Subject("bob".into())] {
        world.policy.set(Terms { may_act: Some(may_act), ..Terms::default() });
        let token = world.token("api", &opaque(&subject)).await;
        world.ask("web", &opaque(&token)).await.refused(400, "invalid_request");
        assert_eq!(world.reason(), Reason::ActorNotAllowed);
        let own = opaque(&token).add("actor_token", &token).add("actor_token_type", ACCESS);
        world.ask("jwt-api", &own).await.refused(400, "invalid_request");
    }
    world.policy.set(Terms { may_act: Some(Principal::Client("jwt-api".into())), ..Terms::default() });
    let token = world.token("api", &opaque(&subject)).await;
    let next = world.token("jwt-api", &opaque(&token)).await;
    let seen = world.fixture.introspect("jwt-api", &next).await;
    assert_eq!(seen["act"], json!({"sub": "jwt-api", "act": {"sub": "api"}}));
}
