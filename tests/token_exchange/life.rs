//! What ends an exchanged token: whatever ends the one at the beginning of its chain, and the end of its own grant.

use super::actors::bobs_token;
use super::common::clients::{API, JWT_API};
use super::common::foreign::{stated, statement};
use super::common::{alice, machine};
use super::{ID, JWT, REFRESH, World, exchanging, opaque, text};
use bytes::Bytes;
use grantor::Reason;
use grantor::record::exchange::{Semantics, Terms};
use grantor::record::{EventKind, GrantId};
use http::{Request, header};
use serde_json::Value;

/// Everything that hangs on one grant of `web`: exchanged once and twice, opaque and as JWTs.
struct Chain {
    world: World,
    root: GrantId,
    given: Value,
    /// Who holds it, the access token, the refresh token.
    tokens: Vec<(&'static str, String, String)>,
}

async fn chain(scope: &str) -> Chain {
    let world = World::new();
    world.policy.set(Terms { refresh_token: true, ..Terms::default() });
    let given = world.given(scope, &[]).await;
    let root = world.fixture.grants("web").await[0].0;
    let subject = text(&given, "access_token");
    let mut tokens = Vec::new();
    for target in [None, Some(API), Some(JWT_API)] {
        let wish = |token: &str| target.iter().fold(opaque(token), |form, uri| form.add("resource", uri));
        let first = world.exchanged("api", &wish(&subject)).await;
        let second = world.exchanged("jwt-api", &wish(&text(&first, "access_token"))).await;
        for (client, answer) in [("api", first), ("jwt-api", second)] {
            tokens.push((client, text(&answer, "access_token"), text(&answer, "refresh_token")));
        }
    }
    for token_type in [REFRESH, ID] {
        let name = if token_type == ID { "id_token" } else { "refresh_token" };
        let answer = world.exchanged("web", &exchanging(token_type, &text(&given, name))).await;
        tokens.push(("web", text(&answer, "access_token"), text(&answer, "refresh_token")));
    }
    Chain { world, root, given, tokens }
}

impl Chain {
    async fn userinfo(&self, token: &str) -> u16 {
        let request = Request::get("/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}"));
        self.world.fixture.send(request.body(Bytes::new()).unwrap()).await.status
    }

    /// Whether every token is as good as it can be, everywhere.
    async fn is_alive(&self) {
        for (client, access, _) in &self.tokens {
            let seen = self.world.fixture.introspect(client, access).await;
            assert_eq!(seen["active"], true);
            assert_eq!(self.userinfo(access).await == 200, seen["aud"] == super::common::ISSUER, "{seen}");
        }
    }

    /// Whether every token is worth nothing, anywhere.
    async fn is_dead(&self, why: &str) {
        let Self { world, tokens, .. } = self;
        for (client, access, refresh) in tokens {
            assert!(!world.alive(client, access).await, "{why}");
            assert!(!world.alive(client, refresh).await, "{why}");
            assert!(!world.fixture.is_live(access).await, "{why}");
            assert_eq!(self.userinfo(access).await, 401, "{why}");
            let refreshed = world.fixture.refresh(client, refresh).await;
            assert_eq!(refreshed.error(), (400, "invalid_grant".to_owned()), "{why}");
            let exchanged = world.ask(client, &opaque(access)).await;
            assert_eq!(exchanged.error(), (400, "invalid_request".to_owned()), "{why}");
        }
    }
}

#[tokio::test]
async fn when_the_grant_at_the_beginning_ends_so_does_all_that_came_of_it() {
    let chain = chain("openid offline_access read write").await;
    chain.is_alive().await;
    chain.world.fixture.server.revoke_grant(chain.root).await.unwrap();
    chain.is_dead("revoked by the operator").await;
    assert_eq!(chain.world.reason(), Reason::SubjectTokenInvalid);

    let chain = super::life::chain("openid offline_access read write").await;
    chain.world.fixture.revoke("web", &text(&chain.given, "refresh_token")).await;
    chain.is_dead("revoked by its client").await;
}

#[tokio::test]
async fn a_replay_at_the_beginning_ends_all_that_came_of_it() {
    let chain = chain("openid offline_access read write").await;
    let world = &chain.world;
    world.fixture.clients.change("web", |client| {
        client.auth_method = grantor::protocol::ClientAuthMethod::None;
        client.secrets.clear();
    });
    let refresh = super::common::refreshing(&text(&chain.given, "refresh_token")).add("client_id", "web");
    world.fixture.post("/token", None, &refresh).await.tokens();
    world.fixture.clock.forward(60);
    world.fixture.post("/token", None, &refresh).await.refused(400, "invalid_grant");
    assert_eq!(world.fixture.count(EventKind::ReplayDetected), 1);
    for (client, access, _) in chain.tokens.iter().filter(|(client, ..)| *client != "web") {
        assert!(!world.alive(client, access).await);
    }
}

#[tokio::test]
async fn when_the_user_is_locked_or_disabled_so_is_all_that_came_of_them() {
    let chain = chain("openid offline_access read write").await;
    chain.world.fixture.accounts.lock("alice");
    chain.is_dead("locked by the host").await;

    let chain = super::life::chain("openid offline_access read write").await;
    chain.world.fixture.server.disable_subject(&alice()).await.unwrap();
    chain.is_dead("disabled").await;
    chain.world.fixture.server.enable_subject(&alice()).await.unwrap();
    chain.is_dead("enabled again").await;
}

#[tokio::test]
async fn when_the_session_ends_so_does_all_that_is_bound_to_it() {
    for (scope, survives) in [("openid read write", false), ("openid offline_access read write", true)] {
        let chain = chain(scope).await;
        chain.world.fixture.server.end_sessions_of(&alice()).await.unwrap();
        match survives {
            true => chain.is_alive().await,
            false => chain.is_dead("logged out").await,
        }
    }
}

#[tokio::test]
async fn when_the_client_at_the_beginning_is_switched_off_so_is_all_that_came_of_it() {
    let chain = chain("openid offline_access read write").await;
    let world = &chain.world;
    world.fixture.server.disable_client(&"web".into()).await.unwrap();
    for (client, access, _) in chain.tokens.iter().filter(|(client, ..)| *client != "web") {
        assert!(!world.alive(client, access).await);
    }
    world.fixture.server.enable_client(&"web".into()).await.unwrap();
    chain.is_dead("switched on again").await;
}

#[tokio::test]
async fn when_a_client_in_the_middle_is_switched_off_its_own_tokens_are_dead() {
    let chain = chain("openid offline_access read write").await;
    let world = &chain.world;
    world.fixture.server.disable_client(&"api".into()).await.unwrap();
    world.fixture.server.enable_client(&"api".into()).await.unwrap();
    for (client, access, _) in &chain.tokens {
        assert_eq!(world.alive(client, access).await, *client != "api");
    }
}

#[tokio::test]
async fn when_a_jwt_that_no_grant_remembers_is_revoked_so_is_all_that_came_of_it() {
    let world = World::new();
    let own = world.fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens().access;
    let first = world.token("api", &opaque(&own).add("resource", API)).await;
    let second = world.token("web", &opaque(&first).add("resource", JWT_API)).await;
    assert!(world.alive("api", &first).await && world.alive("web", &second).await);
    world.fixture.revoke("machine", &own).await;
    assert!(!world.alive("api", &first).await && !world.alive("web", &second).await);
    world.ask("api", &opaque(&own)).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn when_a_client_that_acts_for_itself_is_switched_off_so_is_all_that_came_of_it() {
    for target in [API, JWT_API] {
        let world = World::new();
        let own = world.fixture.token("machine", &machine().add("resource", target)).await.tokens().access;
        let token = world.token("api", &opaque(&own)).await;
        assert!(world.alive("api", &token).await);
        world.fixture.server.disable_client(&"machine".into()).await.unwrap();
        assert!(!world.alive("api", &token).await);
        world.fixture.server.enable_client(&"machine".into()).await.unwrap();
        assert!(!world.alive("api", &token).await);
    }
}

#[tokio::test]
async fn an_exchanged_token_is_revoked_by_its_own_client_and_nothing_else_is() {
    let chain = chain("openid offline_access read write").await;
    let (client, access, _) = &chain.tokens[0];
    chain.world.fixture.revoke("web", access).await.refused(400, "invalid_grant");
    assert_eq!(chain.world.fixture.revoke(client, access).await.status, 200);
    assert!(!chain.world.alive(client, access).await);
    for (client, access, _) in &chain.tokens[1..] {
        assert!(chain.world.alive(client, access).await);
    }
    assert!(chain.world.alive("web", &text(&chain.given, "access_token")).await);
}

#[tokio::test]
async fn when_the_access_token_that_was_given_is_revoked_so_is_all_that_came_of_it() {
    for target in [API, JWT_API] {
        let world = World::new();
        let given = world.given("openid offline_access read write", &[target]).await;
        let (subject, refresh) = (text(&given, "access_token"), text(&given, "refresh_token"));
        let first = world.token("api", &opaque(&subject).add("resource", API)).await;
        let second = world.token("jwt-api", &opaque(&first).add("resource", JWT_API)).await;
        let of_refresh = world.token("web", &exchanging(REFRESH, &refresh)).await;
        let other = world.fixture.refresh("web", &refresh).await.tokens().access;
        let of_other = world.token("api", &opaque(&other)).await;
        assert!(world.alive("api", &first).await && world.alive("jwt-api", &second).await);
        world.fixture.revoke("web", &subject).await;
        assert!(!world.alive("api", &first).await && !world.alive("jwt-api", &second).await);
        world.ask("jwt-api", &opaque(&first)).await.refused(400, "invalid_request");
        // What hangs on all of the grant, or on another token of it, stays.
        assert!(world.alive("web", &of_refresh).await && world.alive("api", &of_other).await);
    }
}

#[tokio::test]
async fn when_whoever_acts_may_act_no_longer_what_they_act_by_is_dead() {
    for semantics in [Semantics::Delegation, Semantics::Impersonation] {
        for target in [API, JWT_API] {
            let world = World::new();
            world.policy.set(Terms { semantics, refresh_token: true, ..Terms::default() });
            let subject = world.access(API).await;
            let bob = bobs_token(&world).await;
            let machine = world.fixture.token("machine", &machine()).await.tokens().access;
            let acting = |actor: &str| {
                let form = opaque(&subject).add("resource", target);
                form.add("actor_token", actor).add("actor_token_type", super::ACCESS)
            };
            let by_bob = world.exchanged("api", &acting(&bob)).await;
            let by_machine = world.token("api", &acting(&machine)).await;
            let further = opaque(&text(&by_bob, "access_token"));
            let by_a_stranger =
                further.add("actor_token", &stated(&statement())).add("actor_token_type", JWT);
            let by_a_stranger = world.token("jwt-api", &by_a_stranger).await;
            let further = world.token("jwt-api", &further).await;
            let by_none = world.token("api", &opaque(&subject)).await;
            let lives = async || {
                let bob = world.alive("api", &text(&by_bob, "access_token")).await;
                for further in [&further, &by_a_stranger] {
                    assert_eq!(world.alive("jwt-api", further).await, bob, "further on as well");
                }
                (bob, world.alive("api", &by_machine).await, world.alive("api", &by_none).await)
            };
            assert_eq!(lives().await, (true, true, true));
            world.fixture.server.disable_client(&"machine".into()).await.unwrap();
            assert_eq!(lives().await, (true, false, true));
            world.fixture.server.disable_subject(&"bob".into()).await.unwrap();
            assert_eq!(lives().await, (false, false, true));
            let refresh = text(&by_bob, "refresh_token");
            world.fixture.refresh("api", &refresh).await.refused(400, "invalid_grant");
            assert_eq!(world.reason(), Reason::ActorDisabled);
            world.fixture.server.enable_subject(&"bob".into()).await.unwrap();
            world.fixture.server.enable_client(&"machine".into()).await.unwrap();
            assert_eq!(lives().await, (false, false, true), "what has ended stays so");
        }
    }
    let world = World::new();
    let bob = bobs_token(&world).await;
    let form = opaque(&world.access(API).await).add("actor_token", &bob);
    let token = world.token("api", &form.add("actor_token_type", super::ACCESS)).await;
    assert!(world.alive("api", &token).await);
    world.fixture.accounts.lock("bob");
    assert!(!world.alive("api", &token).await, "the host has a say in who acts");
}

#[tokio::test]
async fn a_dead_actor_token_is_refused() {
    let world = World::new();
    let subject = world.access(API).await;
    let actor = world.fixture.token("machine", &machine()).await.tokens().access;
    let form = opaque(&subject).add("actor_token", &actor).add("actor_token_type", super::ACCESS);
    world.exchanged("web", &form).await;
    world.fixture.revoke("machine", &actor).await;
    world.ask("web", &form).await.refused(400, "invalid_request");
    assert_eq!(world.reason(), Reason::ActorTokenInvalid);
}
