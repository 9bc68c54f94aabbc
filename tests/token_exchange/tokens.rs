//! Which tokens can be given, and what each proves.

use super::common::clients::{API, JWT_API, JWT_LOG, REPORTS, resource};
use super::common::{Form, NOW, Tokens, alice, claims, form, machine, scope};
use super::{ACCESS, EXCHANGE, ID, JWT, REFRESH, World, exchanging, given, opaque, reason, text};
use grantor::protocol::{GrantType, TokenType};
use grantor::record::client::Sector;
use grantor::record::exchange::{Form as Words, Principal, Terms};
use grantor::record::{EventKind, grant::GrantStatus};
use grantor::{Reason, Timestamp};
use serde_json::json;

#[tokio::test]
async fn a_token_is_given_for_another_and_the_answer_says_what_it_is() {
    let world = World::new();
    let subject = world.access(API).await;
    let answer =
        world.exchanged("api", &opaque(&subject).add("resource", REPORTS).set("scope", "read")).await;
    let names: Vec<&String> = answer.as_object().unwrap().keys().collect();
    assert_eq!(names, ["access_token", "expires_in", "issued_token_type", "scope", "token_type"]);
    assert_eq!(answer["issued_token_type"], ACCESS);
    assert_eq!((&answer["token_type"], &answer["scope"]), (&json!("Bearer"), &json!("read")));
    let seen = world.fixture.introspect("api", &text(&answer, "access_token")).await;
    assert_eq!((&seen["sub"], &seen["client_id"]), (&json!("alice"), &json!("api")));
    assert_eq!((&seen["aud"], &seen["scope"]), (&json!(REPORTS), &json!("read")));
    assert_eq!(seen["act"], json!({"sub": "api"}));
    assert_eq!(world.fixture.count(EventKind::TokenExchanged), 1);
}

#[tokio::test]
async fn a_jwt_says_the_same_as_introspection() {
    let world = World::new();
    world.policy.set(Terms { may_act: Some(Principal::Client("web".into())), ..Terms::default() });
    let subject = world.access(API).await;
    let token = world.token("api", &opaque(&subject).add("resource", JWT_API)).await;
    let (says, seen) = (claims(&token), world.fixture.introspect("api", &token).await);
    for name in
        ["iss", "sub", "aud", "client_id", "scope", "iat", "exp", "jti", "auth_time", "act", "may_act"]
    {
        assert_eq!(says[name], seen[name], "{name}");
    }
    assert_eq!((&says["act"], &says["may_act"]), (&json!({"sub": "api"}), &json!({"sub": "web"})));
    assert_eq!((&says["sub"], &says["aud"]), (&json!("alice"), &json!(JWT_API)));
}

#[tokio::test]
async fn the_tokens_that_were_given_stay_as_they_were() {
    let world = World::new();
    let before = world.given("openid read write", &[API]).await;
    let (access, refresh) = (text(&before, "access_token"), text(&before, "refresh_token"));
    let grants = world.fixture.grants("web").await;
    for form in [opaque(&access), exchanging(REFRESH, &refresh), exchanging(ID, &text(&before, "id_token"))] {
        world.exchanged("web", &form).await;
    }
    let after = world.fixture.grants("web").await;
    assert_eq!((after[0].clone(), after.len()), (grants[0].clone(), 4));
    assert!(world.alive("web", &access).await);
    world.fixture.refresh("web", &refresh).await.tokens();
}

/// Every token under every type: only the right one is taken.
#[tokio::test]
async fn each_kind_of_token_is_taken_for_what_it_is_and_for_nothing_else() {
    let world = World::new();
    let opaque_tokens = world.given("openid read write", &[API]).await;
    let jwt_tokens = world.given("openid read write", &[JWT_API]).await;
    let tokens = [
        (text(&opaque_tokens, "access_token"), &[ACCESS][..]),
        (text(&jwt_tokens, "access_token"), &[ACCESS, JWT]),
        (text(&opaque_tokens, "refresh_token"), &[REFRESH]),
        (text(&opaque_tokens, "id_token"), &[ID]),
        (world.fixture.code("spa").await, &[]),
        ("nonsense".to_owned(), &[]),
        ("a.b.c".to_owned(), &[]),
    ];
    for (token, types) in &tokens {
        for token_type in [ACCESS, REFRESH, ID, JWT] {
            let as_subject = world.ask("web", &exchanging(token_type, token)).await;
            let subject = exchanging(ACCESS, &tokens[0].0);
            let as_actor = subject.add("actor_token", token).add("actor_token_type", token_type);
            let as_actor = world.ask("web", &as_actor).await;
            if types.contains(&token_type) {
                assert_eq!((as_subject.status, as_actor.status), (200, 200), "{token_type} {token}");
            } else {
                as_subject.refused(400, "invalid_request");
                as_actor.refused(400, "invalid_request");
                assert_eq!(world.reason(), Reason::ActorTokenInvalid, "{token_type} {token}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_but_its_client_presents_a_refresh_or_an_id_token() {
    let world = World::new();
    let tokens = world.given("openid read write", &[API]).await;
    for (token_type, name) in [(REFRESH, "refresh_token"), (ID, "id_token")] {
        let form = exchanging(token_type, &text(&tokens, name));
        world.ask("api", &form).await.refused(400, "invalid_request");
        assert_eq!(world.reason(), Reason::SubjectTokenInvalid);
        assert_eq!(world.exchanged("web", &form).await["scope"], "openid read write");
    }
}

/// A token of a user, one of the client `machine`, and the request to act by it for the user.
async fn with_an_actor(world: &World) -> (String, Tokens, Form) {
    let subject = world.access(API).await;
    let actor = world.fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens();
    let form = opaque(&subject)
        .add("actor_token", &actor.access)
        .add("actor_token_type", JWT)
        .add("resource", REPORTS)
        .add("scope", "read");
    (subject, actor, form)
}

#[tokio::test]
async fn the_policy_is_told_what_is_proven_and_asked() {
    let world = World::new();
    let (subject, _, form) = with_an_actor(&world).await;
    world.exchanged("api", &form).await;
    let asked = world.policy.last();
    assert_eq!(asked.form, Words::Exchange);
    assert_eq!((asked.client.id.as_str(), asked.client.is_public), ("api", false));
    assert_eq!(asked.client.resource_server_of, [resource(API)]);
    assert_eq!(asked.subject.principal, Principal::Subject(alice()));
    assert_eq!(asked.subject.client, Some("web".into()));
    assert_eq!((asked.subject.token_type, asked.requested), (TokenType::AccessToken, TokenType::AccessToken));
    assert_eq!((asked.subject.audience, asked.resources), (vec![resource(API)], vec![resource(REPORTS)]));
    assert_eq!((asked.subject.scope, asked.scope), (scope("openid read write"), scope("read")));
    assert_eq!(asked.subject.valid_until, Timestamp(NOW + 3600));
    let actor = asked.actor.unwrap();
    assert_eq!(actor.principal, Principal::Client("machine".into()));
    assert_eq!((actor.token_type, actor.valid_until), (TokenType::Jwt, Timestamp(NOW + 600)));
    let public = world.ask("spa", &opaque(&subject)).await;
    assert_eq!((public.status, world.policy.last().client.is_public), (200, true));
}

#[tokio::test]
async fn a_client_that_acts_for_itself_is_who_is_acted_for() {
    for target in [JWT_API, API] {
        let world = World::new();
        let own = world.fixture.token("machine", &machine().add("resource", target)).await.tokens().access;
        let form = opaque(&own).add("resource", JWT_LOG);
        let token = world.token("api", &form).await;
        let says = claims(&token);
        assert_eq!((&says["sub"], &says["client_id"]), (&json!("machine"), &json!("api")));
        assert_eq!(world.fixture.introspect("api", &token).await["sub"], "machine");
        assert!(says["auth_time"].is_null());
        let again = world.token("web", &opaque(&token).add("resource", API)).await;
        let seen = world.fixture.introspect("web", &again).await;
        assert_eq!((&seen["sub"], &seen["client_id"]), (&json!("machine"), &json!("web")));
        assert_eq!(seen["act"], json!({"sub": "web", "act": {"sub": "api"}}));
    }
}

#[tokio::test]
async fn an_id_token_counts_until_it_expires_and_as_long_as_its_grant_is_remembered() {
    let world = World::new();
    world
        .fixture
        .clients
        .change("web", |client| client.grant_types.retain(|own| *own != GrantType::RefreshToken));
    let tokens = world.given("openid read write", &[]).await;
    let form = exchanging(ID, &text(&tokens, "id_token"));
    assert_eq!(claims(&text(&tokens, "id_token"))["exp"], NOW + 3600);
    world.fixture.clock.forward(600);
    assert_eq!(world.exchanged("web", &form).await["expires_in"], 3000);
    world.fixture.clock.forward(3000);
    world.ask("web", &form).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn an_id_token_names_its_grant_only_where_tokens_are_exchanged() {
    let world = World::new();
    let named = claims(&text(&world.given("openid", &[]).await, "id_token"));
    assert_eq!(named["jti"], json!(world.fixture.grants("web").await[0].0.to_string()));
    let plain = super::common::Fixture::with(|builder| builder.scope(scope("openid")));
    plain.clients.change("web", |client| client.scope = scope("openid"));
    let tokens = given(&plain, "web", "openid", &[]).await;
    assert!(claims(&text(&tokens, "id_token"))["jti"].is_null());
}

#[tokio::test]
async fn a_user_is_called_what_the_new_client_calls_them() {
    let world = World::new();
    for client in ["web", "jwt-api"] {
        let sector = Sector::new(&format!("{client}.example"));
        world.fixture.clients.change(client, |client| client.openid.sector = Some(sector));
    }
    let tokens = world.given("openid read write", &[JWT_API]).await;
    let theirs = claims(&text(&tokens, "id_token"))["sub"].clone();
    let own = world.token("web", &exchanging(ID, &text(&tokens, "id_token"))).await;
    assert_eq!(claims(&own)["sub"], theirs);
    let other = claims(&world.token("jwt-api", &opaque(&text(&tokens, "access_token"))).await)["sub"].clone();
    assert!(other != theirs && other != json!("alice") && theirs != json!("alice"));
}

#[tokio::test]
async fn a_user_who_acts_is_called_what_the_new_client_calls_them() {
    let world = World::new();
    world.fixture.clients.change("api", |client| client.openid.sector = Some(Sector::new("api.example")));
    let token = world.access(API).await;
    let form = opaque(&token).add("actor_token", &token).add("actor_token_type", ACCESS);
    let seen = world.fixture.introspect("api", &world.token("api", &form).await).await;
    assert_eq!(seen["act"]["sub"], seen["sub"]);
    assert_ne!(seen["sub"], "alice");
}

#[tokio::test]
async fn the_requested_type_is_issued_or_the_request_is_refused() {
    let world = World::new();
    let subject = world.access(API).await;
    let jwt = opaque(&subject).add("requested_token_type", JWT);
    let answer = world.exchanged("web", &jwt.add("resource", JWT_API)).await;
    assert_eq!((&answer["issued_token_type"], &answer["token_type"]), (&json!(JWT), &json!("Bearer")));
    assert_eq!(text(&answer, "access_token").split('.').count(), 3);
    world.ask("web", &jwt.add("resource", API)).await.refused(400, "invalid_target");
    for wrong in ["urn:ietf:params:oauth:token-type:saml2", "access_token"] {
        let form = opaque(&subject).add("requested_token_type", wrong);
        world.ask("web", &form).await.refused(400, "invalid_request");
        assert_eq!(world.reason(), Reason::TokenTypeUnsupported);
    }
}

#[tokio::test]
async fn a_refresh_token_is_issued_only_where_the_policy_and_the_client_allow_it() {
    let world = World::new();
    let subject = world.access(API).await;
    let wanted = opaque(&subject).add("requested_token_type", REFRESH);
    world.ask("web", &wanted).await.refused(400, "invalid_request");
    assert_eq!(world.reason(), Reason::ExchangeRefused);
    world.policy.set(Terms { refresh_token: true, ..Terms::default() });
    let beside = world.exchanged("web", &opaque(&subject)).await;
    world.fixture.refresh("web", &text(&beside, "refresh_token")).await.tokens();
    let alone = world.exchanged("web", &wanted).await;
    assert_eq!((&alone["issued_token_type"], &alone["token_type"]), (&json!(REFRESH), &json!("N_A")));
    assert!(alone["refresh_token"].is_null());
    world.fixture.refresh("web", &text(&alone, "access_token")).await.tokens();
    world.ask("machine", &wanted).await.refused(400, "invalid_request");
    assert!(world.exchanged("machine", &opaque(&subject)).await["refresh_token"].is_null());
}

#[tokio::test]
async fn a_parameter_that_is_missing_repeated_or_alone_is_refused() {
    let world = World::new();
    let subject = world.access(API).await;
    let good = opaque(&subject);
    let actor = good.add("actor_token", &subject);
    for form in [
        good.without("subject_token"),
        good.without("subject_token_type"),
        good.add("subject_token", "x"),
        good.set("subject_token_type", "urn:ietf:params:oauth:token-type:saml1"),
        actor.clone(),
        actor.add("actor_token_type", "x"),
        good.add("actor_token_type", ACCESS),
    ] {
        world.ask("web", &form).await.refused(400, "invalid_request");
    }
    world.exchanged("web", &actor.add("actor_token_type", ACCESS)).await;
    world.ask("web", &form([("grant_type", EXCHANGE)])).await.refused(400, "invalid_request");
    assert_eq!(reason(&world.fixture), Reason::ParameterMissing);
}

#[tokio::test]
async fn a_grant_remembers_that_it_was_exchanged() {
    let world = World::new();
    let subject = world.access(API).await;
    world.token("api", &opaque(&subject)).await;
    let (root, _) = world.fixture.grants("web").await.remove(0);
    let grant = world.fixture.grant("api").await;
    assert_eq!((grant.status, grant.grant_type.as_str()), (GrantStatus::Active, EXCHANGE));
    let source = grantor::record::exchange::RootSource::Grant(root);
    assert_eq!(grant.exchange.unwrap().root.unwrap().source, source);
}

#[tokio::test]
async fn who_acts_by_a_token_acts_no_longer_than_that_token() {
    let world = World::new();
    let (_, actor, form) = with_an_actor(&world).await;
    let got = world.exchanged("api", &form).await;
    assert_eq!((actor.expires_in, &got["expires_in"]), (600, &serde_json::json!(600)));
    world.fixture.clock.set(NOW + 600);
    assert!(!world.alive("api", got["access_token"].as_str().unwrap()).await);
}
