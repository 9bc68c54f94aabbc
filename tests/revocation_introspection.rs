//! Revocation and introspection: who may do what to which token, and what is said of it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::clients::{API, JWT_API, all, basic, client, resource, secret};
use common::{Fixture, ISSUER, NOW, Tokens, alice, authorization, form, machine, scope};
use grantor::endpoint::resource::ResourceCheck;
use grantor::protocol::{ClientAuthMethod, ErrorCode, Reason};
use grantor::record::grant::{EndReason, GrantStatus};
use grantor::record::{Client, Event, EventKind};
use grantor::store::MemoryStore;
use grantor::token::PresentedToken;
use serde_json::{Value, json};

const REVOKED: GrantStatus = GrantStatus::Ended(EndReason::Revoked);

fn dead() -> Value {
    json!({ "active": false })
}

async fn tokens_for(fixture: &Fixture, client: &str, resource: &str) -> Tokens {
    let request = authorization(client).add("resource", resource);
    let code = fixture.agent().walk(&request, "alice").await.param("code").unwrap();
    fixture.redeem(client, &code).await.tokens()
}

#[tokio::test]
async fn revoking_an_access_token_ends_that_token_and_nothing_else() {
    let fixture = Fixture::new();
    let first = fixture.tokens("web").await;
    let second = fixture.refresh("web", &first.refresh).await.tokens();
    assert_eq!(fixture.revoke("web", &first.access).await.status, 200);
    assert!(!fixture.is_live(&first.access).await);
    assert!(fixture.is_live(&second.access).await);
    fixture.refresh("web", &first.refresh).await.tokens();
    assert_eq!(fixture.status("web").await, GrantStatus::Active);
}

#[tokio::test]
async fn revoking_a_refresh_token_ends_the_grant_and_every_token_of_it() {
    for client in ["web", "spa"] {
        let fixture = Fixture::new();
        let first = fixture.tokens(client).await;
        let second = fixture.refresh(client, &first.refresh).await.tokens();
        assert_eq!(fixture.revoke(client, &second.refresh).await.status, 200);
        assert_eq!(fixture.status(client).await, REVOKED);
        for token in [&first.access, &second.access] {
            assert!(!fixture.is_live(token).await);
        }
        fixture.refresh(client, &second.refresh).await.refused(400, "invalid_grant");
        assert_eq!(fixture.status(client).await, REVOKED);
    }
}

#[tokio::test]
async fn a_retired_refresh_token_can_still_be_used_to_revoke() {
    let fixture = Fixture::new();
    let first = fixture.tokens("spa").await;
    let second = fixture.refresh("spa", &first.refresh).await.tokens();
    assert_eq!(fixture.revoke("spa", &first.refresh).await.status, 200);
    assert!(!fixture.is_live(&second.access).await);
}

#[tokio::test]
async fn a_grant_whose_last_token_was_revoked_has_ended() {
    let fixture = Fixture::new();
    let token = fixture.token("machine", &machine()).await.tokens().access;
    assert_eq!(fixture.revoke("machine", &token).await.status, 200);
    assert_eq!(fixture.status("machine").await, REVOKED);
}

#[tokio::test]
async fn a_jwt_with_a_grant_and_one_without_are_revoked_alike_and_alone() {
    let fixture = Fixture::new();
    let granted = tokens_for(&fixture, "web", JWT_API).await;
    let other = fixture.refresh("web", &granted.refresh).await.tokens();
    let alone = fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens();
    let twin = fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens();
    assert_eq!(fixture.revoke("web", &granted.access).await.status, 200);
    assert_eq!(fixture.revoke("machine", &alone.access).await.status, 200);
    assert_eq!(fixture.introspect("web", &granted.access).await, dead());
    assert_eq!(fixture.introspect("machine", &alone.access).await, dead());
    assert_eq!(fixture.introspect("web", &other.access).await["active"], json!(true));
    assert_eq!(fixture.introspect("machine", &twin.access).await["active"], json!(true));
    fixture.store.purge(grantor::protocol::Timestamp(NOW + 599), usize::MAX).await.unwrap();
    assert_eq!(
        fixture.introspect("machine", &alone.access).await,
        dead(),
        "its tombstone stays as long as it"
    );
}

#[tokio::test]
async fn what_is_unknown_malformed_or_dead_is_revoked_with_the_same_empty_200() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("web").await;
    let code = fixture.code("web").await;
    fixture.revoke("web", &tokens.access).await;
    let expired = fixture.token("post", &machine()).await.tokens().access;
    let other = Fixture::new().tokens("web").await;
    let jwt = Fixture::new().token("machine", &machine().add("resource", JWT_API)).await.tokens().access;
    let cut = &tokens.refresh[..87];
    fixture.clock.forward(59);
    let mut answers = Vec::new();
    for token in [
        "x",
        "gat_",
        "\u{0}\u{7f}\u{1f600}",
        &"x".repeat(16 * 1024),
        "a.b.c",
        cut,
        &tokens.access,
        &other.access,
        &other.refresh,
        &jwt,
        &code,
    ] {
        answers.push(fixture.revoke("web", token).await);
    }
    fixture.redeem("web", &code).await.tokens();
    fixture.revoke("web", &tokens.refresh).await;
    answers.push(fixture.revoke("web", &tokens.refresh).await);
    fixture.clock.forward(4000);
    answers.push(fixture.revoke("post", &expired).await);
    for answer in answers {
        assert_eq!((answer.status, answer.body.len()), (200, 0));
        assert_eq!(answer.header("content-type"), None);
    }
}

#[tokio::test]
async fn a_token_of_another_client_is_not_revoked() {
    let fixture = Fixture::new();
    let opaque = fixture.tokens("web").await;
    let jwt = tokens_for(&fixture, "spa", JWT_API).await;
    let alone = fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens();
    for (holder, token) in [
        ("web", &opaque.access),
        ("web", &opaque.refresh),
        ("spa", &jwt.access),
        ("spa", &jwt.refresh),
        ("machine", &alone.access),
    ] {
        for thief in ["post", "native", "api"] {
            fixture.revoke(thief, token).await.refused(400, "invalid_grant");
        }
        assert_eq!(fixture.post_as("web", "/introspect", &form([("token", token)])).await.status, 200);
        if holder != "spa" {
            assert_eq!(fixture.introspect(holder, token).await["active"], json!(true));
        }
    }
    fixture.refresh("spa", &jwt.refresh).await.tokens();
}

#[tokio::test]
async fn without_a_token_there_is_nothing_to_do() {
    let fixture = Fixture::new();
    for path in ["/revoke", "/introspect"] {
        fixture.post_as("web", path, &form([])).await.refused(400, "invalid_request");
        fixture.post_as("web", path, &form([("token", "")])).await.refused(400, "invalid_request");
        fixture
            .post_as("web", path, &form([("token", "a"), ("token", "a")]))
            .await
            .refused(400, "invalid_request");
        let long = "x".repeat(16 * 1024 + 1);
        fixture.post_as("web", path, &form([("token", &long)])).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn a_hint_changes_nothing_be_it_right_wrong_or_unknown() {
    for hint in ["access_token", "refresh_token", "id_token", ""] {
        let fixture = Fixture::new();
        let tokens = fixture.tokens("web").await;
        for token in [&tokens.access, &tokens.refresh] {
            let request = form([("token", token), ("token_type_hint", hint)]);
            assert_eq!(fixture.post_as("web", "/introspect", &request).await.json()["active"], json!(true));
            assert_eq!(fixture.post_as("web", "/revoke", &request).await.status, 200);
            assert_eq!(fixture.introspect("web", token).await, dead());
        }
    }
}

#[tokio::test]
async fn a_disabled_client_can_do_neither() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("web").await;
    fixture.server.disable_client(&"web".into()).await.unwrap();
    for path in ["/revoke", "/introspect"] {
        let answer = fixture.post_as("web", path, &form([("token", &tokens.access)])).await;
        answer.refused(401, "invalid_client");
    }
}

#[tokio::test]
async fn a_live_access_token_is_described_to_its_client() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("web").await;
    let seen = fixture.introspect("web", &tokens.access).await;
    assert_eq!(
        seen,
        json!({
            "active": true, "iss": ISSUER, "client_id": "web", "sub": "alice", "aud": ISSUER,
            "scope": "read write", "token_type": "Bearer", "iat": NOW, "exp": NOW + 3600, "auth_time": NOW,
        })
    );
    let jwt = tokens_for(&fixture, "web", JWT_API).await;
    let seen = fixture.introspect("web", &jwt.access).await;
    assert_eq!((&seen["aud"], &seen["exp"]), (&json!(JWT_API), &json!(NOW + 600)));
    assert!(seen["jti"].is_string());
}

#[tokio::test]
async fn a_live_refresh_token_is_described_to_its_client_only_while_it_is_the_newest() {
    let fixture = Fixture::with(|builder| {
        builder.refresh(|policy| policy.rotation = grantor::profile::RefreshRotation::Always)
    });
    let first = fixture.tokens("web").await;
    assert_eq!(
        fixture.introspect("web", &first.refresh).await,
        json!({
            "active": true, "iss": ISSUER, "client_id": "web", "sub": "alice", "scope": "read write",
            "exp": NOW + 14 * 24 * 3600,
        })
    );
    let second = fixture.refresh("web", &first.refresh).await.tokens();
    assert_eq!(fixture.introspect("web", &first.refresh).await, dead());
    assert_eq!(fixture.introspect("web", &second.refresh).await["active"], json!(true));
    fixture.clock.forward(14 * 24 * 3600);
    assert_eq!(fixture.introspect("web", &second.refresh).await, dead());
}

#[tokio::test]
async fn an_api_sees_the_tokens_made_for_it_and_no_others() {
    let fixture = Fixture::new();
    let mine = tokens_for(&fixture, "spa", API).await;
    let issuers = fixture.tokens("spa").await;
    let others = tokens_for(&fixture, "spa", JWT_API).await;
    let seen = fixture.introspect("api", &mine.access).await;
    assert_eq!(
        (&seen["active"], &seen["client_id"], &seen["aud"]),
        (&json!(true), &json!("spa"), &json!(API))
    );
    for token in [&mine.refresh, &issuers.access, &issuers.refresh, &others.access, &others.refresh] {
        assert_eq!(fixture.introspect("api", token).await, dead());
    }
    for stranger in ["web", "post", "machine"] {
        assert_eq!(fixture.introspect(stranger, &mine.access).await, dead());
    }
}

#[tokio::test]
async fn a_client_that_cannot_authenticate_may_not_introspect_even_its_own() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("spa").await;
    fixture
        .post_as("spa", "/introspect", &form([("token", &tokens.access)]))
        .await
        .refused(403, "access_denied");
}

#[tokio::test]
async fn whatever_is_not_alive_is_inactive_and_nothing_more_is_said() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("web").await;
    let jwt = fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens().access;
    let (head, signature) = jwt.rsplit_once('.').unwrap();
    let foreign = Fixture::new().token("machine", &machine().add("resource", JWT_API)).await.tokens().access;
    let tampered = head.replacen('.', ".e30", 1);
    let code = fixture.code("web").await;
    for token in [
        "x",
        "\u{0}",
        "a.b.c",
        &code,
        &foreign,
        &format!("{head}."),
        &format!("{tampered}.{signature}"),
        &format!("{} ", tokens.access),
        &tokens.access.to_lowercase(),
        &tokens.access.replacen("gat_", "grt_", 1),
        &tokens.refresh.replacen("grt_", "gat_", 1),
    ] {
        for caller in ["web", "machine", "api"] {
            let answer = fixture.post_as(caller, "/introspect", &form([("token", token)])).await;
            assert_eq!((answer.status, answer.text()), (200, "{\"active\":false}"), "{token}");
        }
    }
}

#[tokio::test]
async fn a_token_is_alive_until_its_last_second_and_not_in_it() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("web").await;
    fixture.clock.forward(3599);
    assert_eq!(fixture.introspect("web", &tokens.access).await["active"], json!(true));
    fixture.clock.forward(1);
    assert_eq!(fixture.introspect("web", &tokens.access).await, dead());
    assert!(!fixture.is_live(&tokens.access).await);
}

#[tokio::test]
async fn tokens_die_with_their_user_their_client_and_their_grant() {
    for end in ["lock", "subject", "client", "epoch", "grant", "access"] {
        let fixture = Fixture::new();
        let opaque = fixture.tokens("web").await;
        let jwt = tokens_for(&fixture, "web", JWT_API).await;
        match end {
            "lock" => fixture.accounts.lock("alice"),
            "subject" => fixture.server.disable_subject(&alice()).await.unwrap(),
            "client" => {
                fixture.server.disable_client(&"web".into()).await.unwrap();
                fixture.server.enable_client(&"web".into()).await.unwrap();
            }
            "epoch" => {
                let party = grantor::endpoint::administration::Party::Subject(alice());
                let change = grantor::endpoint::administration::StandingChange::RevokeAll;
                fixture.server.change(party, change).await.unwrap();
            }
            "grant" => {
                for (id, _) in fixture.grants("web").await {
                    fixture.server.revoke_grant(id).await.unwrap();
                }
            }
            _ => fixture.server.revoke_access(&alice(), &"web".into()).await.unwrap(),
        }
        for token in [&opaque.access, &opaque.refresh, &jwt.access, &jwt.refresh] {
            assert_eq!(fixture.introspect("web", token).await, dead(), "{end}");
        }
        assert!(!fixture.is_live(&opaque.access).await, "{end}");
    }
}

#[tokio::test]
async fn an_api_in_this_process_takes_only_tokens_for_itself_with_enough_scope() {
    let fixture = Fixture::new();
    let issuers = fixture.tokens("web").await;
    let apis = tokens_for(&fixture, "web", API).await;
    let jwts = tokens_for(&fixture, "web", JWT_API).await;
    let check = async |token: &str, at: Option<&str>, needed: &str| {
        let check = ResourceCheck {
            token: PresentedToken::read(token),
            resource: at.map(resource),
            scope: scope(needed),
        };
        fixture.server.check(&check).await.map(|live| live.subject).map_err(|error| error.code())
    };
    for (token, home) in [(&issuers.access, None), (&apis.access, Some(API)), (&jwts.access, Some(JWT_API))] {
        for at in [None, Some(API), Some(JWT_API)] {
            let answer = check(token, at, "read").await;
            if at == home {
                assert_eq!(answer, Ok(Some(alice())));
            } else {
                assert_eq!(answer, Err(ErrorCode::InvalidToken));
            }
        }
        assert_eq!(check(token, home, "read admin").await, Err(ErrorCode::InsufficientScope));
    }
    assert_eq!(check(&issuers.refresh, None, "").await, Err(ErrorCode::InvalidToken));
    assert_eq!(check("", None, "").await, Err(ErrorCode::InvalidToken));
}

#[tokio::test]
async fn tokens_of_one_issuer_are_nothing_to_another_on_the_same_store() {
    let store = Arc::new(MemoryStore::new());
    let one = Fixture::at(ISSUER, store.clone(), all(), |builder| builder);
    let tokens = one.tokens("web").await;
    let code = one.code("web").await;
    let two = Fixture::at("https://other.example", store, all(), |builder| builder);
    assert_eq!(two.introspect("web", &tokens.access).await, dead());
    two.refresh("web", &tokens.refresh).await.refused(400, "invalid_grant");
    two.redeem("web", &code).await.refused(400, "invalid_grant");
    assert_eq!(two.revoke("web", &tokens.refresh).await.status, 200);
    assert!(one.is_live(&tokens.access).await);
}

#[tokio::test]
async fn revoking_many_jwts_of_one_grant_revokes_at_least_those() {
    let fixture = Fixture::new();
    let mut tokens = vec![tokens_for(&fixture, "web", JWT_API).await];
    for _ in 0..100 {
        tokens.push(fixture.refresh("web", &tokens[0].refresh).await.tokens());
    }
    for at in (0..=90).step_by(2).chain((1..90).step_by(2)) {
        assert_eq!(fixture.revoke("web", &tokens[at].access).await.status, 200);
        assert_eq!(fixture.introspect("web", &tokens[at].access).await, dead(), "{at}");
    }
    for (at, token) in tokens.iter().enumerate() {
        let seen = fixture.introspect("web", &token.access).await["active"].clone();
        assert_eq!(seen, json!(at > 90), "{at}");
    }
}

#[tokio::test]
async fn a_client_may_answer_for_an_api_and_hold_tokens_itself() {
    let both = Client {
        resource_server_of: vec![resource(API)],
        ..client("both", ClientAuthMethod::ClientSecretBasic, &["https://both.example/cb"])
    };
    let mut clients = all();
    clients.push(both);
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| builder);
    let apis = tokens_for(&fixture, "spa", API).await;
    let header = basic("both", &secret("both"));
    let answer = fixture.post("/introspect", Some(&header), &form([("token", &apis.access)])).await;
    assert_eq!(answer.json()["active"], json!(true));
    let answer = fixture.post("/revoke", Some(&header), &form([("token", &apis.access)])).await;
    answer.refused(400, "invalid_grant");
}

#[tokio::test]
async fn under_a_broken_clock_nothing_that_was_revoked_is_forgotten() {
    let fixture = Fixture::new();
    let token = fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens().access;
    assert_eq!(fixture.revoke("machine", &token).await.status, 200);
    fixture.clock.set(u64::MAX);
    let error = fixture.server.purge(100).await.unwrap_err();
    assert_eq!((error.status(), error.reason()), (503, Reason::ClockBroken));
    fixture.clock.set(NOW);
    assert_eq!(fixture.introspect("machine", &token).await, dead());
    fixture.clock.forward(3600);
    assert_eq!(fixture.server.purge(100).await.unwrap(), 1, "once it has expired, it may go");
}

#[tokio::test]
async fn what_is_ended_is_told_to_the_audit_trail_once() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("web").await;
    let (id, _) = fixture.grants("web").await.remove(0);
    let jwt = fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens().access;
    let told = || {
        let mut events = fixture.events();
        events.retain(|event| {
            matches!(
                event.kind,
                EventKind::TokenRevoked | EventKind::GrantRevoked | EventKind::StandingChanged
            )
        });
        fixture.events.lock().unwrap().clear();
        events
    };
    let of_grant = |kind| Event::new(kind).client(&"web".into()).subject(Some(&alice())).grant(id);
    for _ in 0..2 {
        assert_eq!(fixture.revoke("web", &tokens.access).await.status, 200);
    }
    assert_eq!(told(), [of_grant(EventKind::TokenRevoked)]);
    assert_eq!(fixture.revoke("machine", &jwt).await.status, 200);
    assert_eq!(told(), [Event::new(EventKind::TokenRevoked).client(&"machine".into())]);
    for _ in 0..2 {
        assert_eq!(fixture.revoke("web", &tokens.refresh).await.status, 200);
    }
    assert_eq!(told(), [of_grant(EventKind::GrantRevoked)]);

    fixture.tokens("spa").await;
    let (id, _) = fixture.grants("spa").await.remove(0);
    for _ in 0..2 {
        fixture.server.revoke_grant(id).await.unwrap();
    }
    let revoked = Event::new(EventKind::GrantRevoked).client(&"spa".into()).subject(Some(&alice())).grant(id);
    assert_eq!(told(), [revoked]);

    let server = &fixture.server;
    server.disable_subject(&alice()).await.unwrap();
    server.enable_subject(&alice()).await.unwrap();
    let subject = || Event::new(EventKind::StandingChanged).subject(Some(&alice()));
    assert_eq!(told(), [subject(), subject()]);
    server.disable_client(&"web".into()).await.unwrap();
    assert_eq!(told(), [Event::new(EventKind::StandingChanged).client(&"web".into())]);
}
