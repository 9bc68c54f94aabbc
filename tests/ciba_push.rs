//! Clients that are sent their tokens (CIBA Core §10.3, §12).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::clients::JWT_API;
use common::phones::{self, TOKEN, Told, World, asking_to_be_told};
use common::{NOW, alice, claims, form};
use grantor::endpoint::backchannel_answer::UserAnswer;
use grantor::host::{Clock as _, HttpFetch};
use grantor::profile::BackchannelRules;
use grantor::protocol::{DeliveryMode, GrantType, Reason};
use grantor::record::grant::{EndReason, GrantStatus};
use grantor::record::{EventKind, Index, codec};
use grantor::store::{MemoryStore, Page};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A server at which `bank` is sent its tokens.
fn pushing(status: u16) -> (World, Arc<Told>) {
    phones::told(DeliveryMode::Push, Arc::new(MemoryStore::new()), status)
}

/// How many messages wait.
async fn waiting(world: &World) -> usize {
    let index = Index::outbox(world.fixture.server.settings().namespace);
    world.fixture.store.list(&index, Page { after: None, limit: 100 }).await.unwrap().keys.len()
}

/// Lets time pass, and delivers what is due then.
async fn after(world: &World, seconds: u64) {
    world.fixture.clock.forward(seconds);
    world.fixture.server.deliver_outbox(10).await.unwrap();
}

fn half_hash(text: &Value) -> String {
    URL_SAFE_NO_PAD.encode(&Sha256::digest(text.as_str().unwrap())[..16])
}

fn text<'v>(told: &'v Value, name: &str) -> &'v str {
    told[name].as_str().unwrap_or_else(|| panic!("{name}: {told}"))
}

#[tokio::test]
async fn a_client_is_sent_its_tokens_once_its_user_has_allowed_it() {
    let (world, told) = pushing(204);
    let asked = world.ask(&asking_to_be_told()).await.json();
    assert_eq!((waiting(&world).await, told.take().len()), (1, 0), "it is told nothing before");
    world.approve("alice", "openid read").await.unwrap();
    let posted = told.take();
    let [push] = posted.as_slice() else { panic!("{posted:?}") };
    assert_eq!(push.url.as_str(), "https://bank.example/cb");
    assert!(push.headers.contains(&("authorization", format!("Bearer {TOKEN}"))));
    assert!(push.headers.contains(&("content-type", "application/json".to_owned())));
    let body: Value = serde_json::from_slice(&push.body).unwrap();
    let members: Vec<&String> = body.as_object().unwrap().keys().collect();
    let all =
        ["access_token", "auth_req_id", "expires_in", "id_token", "refresh_token", "scope", "token_type"];
    assert_eq!(members, all);
    assert_eq!(
        (&body["auth_req_id"], &body["token_type"], &body["expires_in"], &body["scope"]),
        (&asked["auth_req_id"], &json!("Bearer"), &json!(3600), &json!("openid read"))
    );
    let id_token = claims(text(&body, "id_token"));
    assert_eq!((&id_token["sub"], &id_token["aud"]), (&json!("alice"), &json!("bank")));
    assert_eq!(id_token["at_hash"], half_hash(&body["access_token"]));
    assert_eq!(id_token["urn:openid:params:jwt:claim:rt_hash"], half_hash(&body["refresh_token"]));
    assert_eq!(id_token["urn:openid:params:jwt:claim:auth_req_id"], asked["auth_req_id"]);
    assert!(world.fixture.is_live(text(&body, "access_token")).await);
    let refreshed = world.fixture.refresh("bank", text(&body, "refresh_token")).await;
    refreshed.tokens();
    let later = claims(refreshed.json()["id_token"].as_str().unwrap());
    assert!(later.as_object().unwrap().keys().all(|name| !name.starts_with("urn:")), "{later}");
    for kind in [EventKind::ConsentGiven, EventKind::TokensIssued, EventKind::AnswerNotified] {
        assert_eq!(world.fixture.count(kind), 1, "{kind:?}");
    }
    after(&world, 3600).await;
    assert_eq!((waiting(&world).await, told.take().len()), (0, 0), "it is sent them once");
}

#[tokio::test]
async fn a_client_that_gets_no_refresh_tokens_is_sent_none_and_no_hash_of_one() {
    let (world, told) = pushing(200);
    world.fixture.clients.change("bank", |client| client.grant_types.truncate(1));
    world.ask(&asking_to_be_told()).await;
    world.approve("alice", "openid").await.unwrap();
    let body = told.body();
    assert!(body["refresh_token"].is_null());
    let id_token = claims(text(&body, "id_token"));
    assert!(id_token["at_hash"].is_string() && id_token["urn:openid:params:jwt:claim:rt_hash"].is_null());
}

#[tokio::test]
async fn a_client_is_told_once_that_its_user_has_refused() {
    let (world, told) = pushing(204);
    let asked = world.ask(&asking_to_be_told()).await.json();
    world.answer("alice", UserAnswer::Deny).await.unwrap();
    let description = "the user denied the request";
    let expected = json!({
        "auth_req_id": asked["auth_req_id"], "error": "access_denied", "error_description": description,
    });
    assert_eq!(told.body(), expected);
    after(&world, 600).await;
    assert_eq!((waiting(&world).await, told.take().len()), (0, 0));
    assert_eq!(world.fixture.count(EventKind::AnswerNotified), 1);
}

#[tokio::test]
async fn a_client_is_told_once_that_nobody_has_answered_and_nobody_can_any_more() {
    let (world, told) = pushing(0);
    let request = asking_to_be_told().add("requested_expiry", "30");
    let asked = world.ask(&request).await.json();
    after(&world, 29).await;
    assert_eq!(told.take().len(), 0);
    // It cannot be reached at first.
    after(&world, 1).await;
    let first = told.body();
    assert_eq!((&first["auth_req_id"], &first["error"]), (&asked["auth_req_id"], &json!("expired_token")));
    assert_eq!(world.status().await, GrantStatus::Ended(EndReason::Expired));
    assert_eq!(world.fixture.count(EventKind::GrantEnded), 1);
    let late = world.approve("alice", "openid").await.unwrap_err();
    assert_eq!(late.reason(), Reason::AlreadyDecided);
    told.status.store(204, Ordering::SeqCst);
    after(&world, 60).await;
    assert_eq!(told.body(), first);
    after(&world, 600).await;
    assert_eq!((waiting(&world).await, told.take().len()), (0, 0));
}

#[tokio::test]
async fn a_client_that_is_sent_its_tokens_fetches_none() {
    let (world, told) = pushing(204);
    let polling = world.asked(&asking_to_be_told()).await;
    world.poll(&polling).await.refused(400, "unauthorized_client");
    world.approve("alice", "openid").await.unwrap();
    world.poll(&polling).await.refused(400, "unauthorized_client");
    assert_eq!(world.status().await, GrantStatus::Active);
    assert!(world.fixture.is_live(text(&told.body(), "access_token")).await);
    world.ask(&phones::asking()).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn who_cannot_be_reached_is_sent_the_same_tokens_again() {
    for resource in ["", JWT_API] {
        let (world, told) = pushing(0);
        world.ask(&asking_to_be_told().set("resource", resource)).await;
        world.approve("alice", "openid read").await.unwrap();
        let first = told.body();
        assert_eq!(world.fixture.count(EventKind::AnswerNoticeFailed), 1);
        for (status, wait) in [(503, 60), (429, 120), (204, 240)] {
            told.status.store(status, Ordering::SeqCst);
            after(&world, wait).await;
            let again = told.body();
            for name in ["auth_req_id", "refresh_token", "scope", "token_type"] {
                assert_eq!(again[name], first[name], "{name}");
            }
            let passed = world.fixture.clock.now().0 - NOW;
            assert_eq!(again["expires_in"], first["expires_in"].as_u64().unwrap() - passed);
            // What is signed says the same, but for the hash of what was signed anew.
            let says = |told: &Value, name| {
                let mut says = claims(text(told, name));
                drop(says.as_object_mut().unwrap().remove("at_hash"));
                says
            };
            assert_eq!(says(&again, "id_token"), says(&first, "id_token"));
            assert_eq!(claims(text(&again, "id_token"))["at_hash"], half_hash(&again["access_token"]));
            if resource.is_empty() {
                assert_eq!(again["access_token"], first["access_token"]);
                assert!(world.fixture.is_live(text(&again, "access_token")).await);
            } else {
                assert_eq!(says(&again, "access_token"), says(&first, "access_token"));
                assert_eq!(
                    world.fixture.introspect("bank", text(&again, "access_token")).await["active"],
                    true
                );
            }
        }
        assert_eq!(world.fixture.count(EventKind::TokensIssued), 1);
        assert_eq!(world.fixture.count(EventKind::AnswerNotified), 1);
        assert_eq!((waiting(&world).await, world.status().await), (0, GrantStatus::Active));
        world.fixture.refresh("bank", text(&first, "refresh_token")).await.tokens();
    }
}

#[tokio::test]
async fn once_nobody_tries_any_more_to_send_them_the_tokens_are_worth_nothing() {
    for (status_code, tries) in [(400, 1), (401, 1), (403, 1), (404, 1), (301, 1), (0, 6), (500, 6)] {
        let (world, told) = pushing(status_code);
        world.ask(&asking_to_be_told()).await;
        world.approve("alice", "openid read").await.unwrap();
        let mut sent = told.take();
        for _ in 0..80 {
            after(&world, 60).await;
            sent.extend(told.take());
        }
        assert_eq!((sent.len(), waiting(&world).await), (tries, 0), "{status_code}");
        assert_eq!(world.status().await, GrantStatus::Ended(EndReason::Undelivered), "{status_code}");
        assert_eq!(world.fixture.count(EventKind::AnswerNoticeFailed), tries);
        assert_eq!(world.fixture.count(EventKind::GrantEnded), 1);
        let body: Value = serde_json::from_slice(&sent[0].body).unwrap();
        assert!(!world.fixture.is_live(text(&body, "access_token")).await);
        world.fixture.refresh("bank", text(&body, "refresh_token")).await.refused(400, "invalid_grant");
    }
}

/// It took them, and its answer was lost, or it will not take the same ones twice.
#[tokio::test]
async fn a_client_that_has_refreshed_its_tokens_has_them_and_keeps_them() {
    for resource in ["", JWT_API] {
        let (world, told) = pushing(0);
        world.ask(&asking_to_be_told().set("resource", resource)).await;
        world.approve("alice", "openid read").await.unwrap();
        let body = told.body();
        let refreshed = world.fixture.refresh("bank", text(&body, "refresh_token")).await.tokens();
        told.status.store(404, Ordering::SeqCst);
        after(&world, 61).await;
        assert_eq!((told.take().len(), waiting(&world).await), (0, 0));
        assert_eq!(world.status().await, GrantStatus::Active);
        world.fixture.refresh("bank", &refreshed.refresh).await.tokens();
    }
}

#[tokio::test]
async fn a_client_that_has_revoked_the_access_token_alone_keeps_the_rest() {
    let (world, told) = pushing(0);
    world.ask(&asking_to_be_told()).await;
    world.approve("alice", "openid read").await.unwrap();
    let body = told.body();
    world.fixture.post_as("bank", "/revoke", &form([("token", text(&body, "access_token"))])).await;
    after(&world, 61).await;
    assert_eq!((told.take().len(), world.status().await), (0, GrantStatus::Active));
    world.fixture.refresh("bank", text(&body, "refresh_token")).await.tokens();
}

/// What would be issued now is not what the grant knows: nothing else is sent in its place.
#[tokio::test]
async fn other_tokens_than_those_issued_are_never_sent() {
    let (world, told) = pushing(0);
    world.ask(&asking_to_be_told()).await;
    world.approve("alice", "openid read").await.unwrap();
    told.take();
    world.fixture.clients.change("bank", |client| {
        client.grant_types.retain(|own| *own != GrantType::RefreshToken);
    });
    after(&world, 61).await;
    assert_eq!((told.take().len(), waiting(&world).await), (0, 0));
}

#[tokio::test]
async fn nothing_that_is_kept_tells_the_tokens() {
    let (world, told) = pushing(0);
    world.ask(&asking_to_be_told()).await;
    world.approve("alice", "openid read").await.unwrap();
    let body = told.body();
    let index = Index::outbox(world.fixture.server.settings().namespace);
    let mut keys = world.fixture.store.list(&index, Page { after: None, limit: 10 }).await.unwrap().keys;
    let (id, _) = world.fixture.grants("bank").await.pop().unwrap();
    keys.push(world.fixture.server.settings().namespace.grant(id));
    let records = world.fixture.store.load(&keys).await.unwrap();
    assert_eq!(records.len(), 2);
    for record in records.into_iter().flatten() {
        let kept = String::from_utf8(codec::encode(&record.record).unwrap()).unwrap();
        let shown = format!("{:?}", record.record);
        for name in ["access_token", "refresh_token", "id_token", "auth_req_id"] {
            // The prefix and the id of the grant are no secret.
            let secret = &text(&body, name)[28..];
            assert!(!kept.contains(secret) && !shown.contains(secret), "{name}: {kept}");
        }
        assert!(!kept.contains(TOKEN) && !shown.contains(TOKEN));
    }
}

#[tokio::test]
async fn nothing_is_sent_for_a_grant_that_has_ended_or_to_a_client_that_is_gone() {
    type End = fn(&World) -> std::pin::Pin<Box<dyn Future<Output = ()> + '_>>;
    let ends: [End; 5] = [
        |world| {
            Box::pin(async { world.fixture.server.disable_client(&"bank".into()).await.map(drop).unwrap() })
        },
        |world| Box::pin(async { world.fixture.server.disable_subject(&alice()).await.map(drop).unwrap() }),
        |world| {
            Box::pin(async {
                world.fixture.server.revoke_grant(world.question().grant).await.map(drop).unwrap()
            })
        },
        |world| Box::pin(async { world.fixture.accounts.lock("alice") }),
        |world| {
            let mode = Some(DeliveryMode::Poll);
            Box::pin(
                async move { world.fixture.clients.change("bank", |client| client.backchannel.mode = mode) },
            )
        },
    ];
    for (number, end) in ends.iter().enumerate() {
        let (world, told) = pushing(503);
        world.ask(&asking_to_be_told()).await;
        world.approve("alice", "openid read").await.unwrap();
        assert_eq!(told.take().len(), 1);
        end(&world).await;
        after(&world, 60).await;
        assert_eq!((told.take().len(), waiting(&world).await), (0, 0), "{number}");
        assert!(matches!(world.status().await, GrantStatus::Ended(_)), "{number}");
    }
}

#[tokio::test]
async fn an_answer_for_a_client_that_no_longer_stands_is_refused_and_nothing_is_kept_or_sent() {
    for mode in [DeliveryMode::Poll, DeliveryMode::Ping, DeliveryMode::Push] {
        let (world, told) = phones::told(mode, Arc::new(MemoryStore::new()), 204);
        let bank = "bank".into();
        for turn in 0..2 {
            world.ask(&asking_to_be_told()).await;
            world.fixture.server.disable_client(&bank).await.unwrap();
            if turn == 1 {
                // It is back, but what it had asked for before is gone.
                world.fixture.server.enable_client(&bank).await.unwrap();
            }
            let refused = world.approve("alice", "openid").await.unwrap_err();
            assert_eq!(refused.reason(), Reason::AuthorizeClientUnknown);
            let refused = world.answer("alice", UserAnswer::Deny).await.unwrap_err();
            assert_eq!(refused.reason(), Reason::AuthorizeClientUnknown);
            assert_eq!((world.status().await, told.take().len()), (GrantStatus::Pending, 0));
            world.fixture.server.enable_client(&bank).await.unwrap();
        }
    }
}

#[tokio::test]
async fn how_a_client_is_registered_when_its_user_answers_says_how_it_learns_of_it() {
    let (world, told) = pushing(204);
    for (mode, fetches) in
        [(DeliveryMode::Ping, true), (DeliveryMode::Poll, true), (DeliveryMode::Push, false)]
    {
        world.fixture.clients.change("bank", |client| client.backchannel.mode = Some(DeliveryMode::Push));
        let polling = world.asked(&asking_to_be_told()).await;
        world.fixture.clients.change("bank", |client| client.backchannel.mode = Some(mode));
        world.approve("alice", "openid").await.unwrap();
        assert_eq!(told.take().len(), usize::from(mode != DeliveryMode::Poll), "{mode:?}");
        assert_eq!(world.poll(&polling).await.status == 200, fetches, "{mode:?}");
    }
    // What was to say that nobody has answered finds that somebody has.
    after(&world, 600).await;
    assert_eq!((waiting(&world).await, told.take().len()), (0, 0));
}

#[tokio::test]
async fn a_user_who_could_not_be_asked_is_not_said_to_have_kept_silent() {
    let (world, told) = pushing(204);
    *world.phones.down.lock().unwrap() = true;
    world.ask(&asking_to_be_told()).await.refused(503, "temporarily_unavailable");
    after(&world, 600).await;
    assert_eq!((waiting(&world).await, told.take().len()), (0, 0));
}

#[tokio::test]
async fn no_client_is_sent_its_tokens_under_the_rules_of_fapi() {
    let world = phones::over(Arc::new(MemoryStore::new()), |builder| {
        builder.fetch(Told::new(204)).backchannel_rules(BackchannelRules::Fapi)
    });
    world.fixture.clients.change("bank", |client| client.backchannel.mode = Some(DeliveryMode::Push));
    world.ask(&asking_to_be_told()).await.refused(400, "unauthorized_client");
    let metadata = world.fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(metadata["backchannel_token_delivery_modes_supported"], json!(["poll", "ping"]));
}

/// Over the wire: the client's server hangs up before it answers, and gets the same once it is there again.
#[tokio::test]
async fn a_server_that_hangs_up_is_sent_the_same_again() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let fetch = HttpFetch::builder().dangerous_allow_loopback().build().unwrap();
    let world = phones::over(Arc::new(MemoryStore::new()), |builder| builder.fetch(Arc::new(fetch)));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}/cb", listener.local_addr().unwrap());
    world.fixture.clients.change("bank", |client| {
        client.backchannel.mode = Some(DeliveryMode::Push);
        client.backchannel.endpoint = Some(endpoint.parse().unwrap());
    });
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        for answer in ["", "HTTP/1.1 204 No Content\r\n\r\n"] {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"}") {
                assert!(stream.read_buf(&mut request).await.unwrap() > 0, "it broke off");
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
            let request = String::from_utf8(request).unwrap();
            heard.push(serde_json::from_str::<Value>(request.split("\r\n\r\n").last().unwrap()).unwrap());
        }
        heard
    });
    world.ask(&asking_to_be_told()).await;
    world.approve("alice", "openid read").await.unwrap();
    assert_eq!(world.fixture.count(EventKind::AnswerNoticeFailed), 1);
    after(&world, 60).await;
    let heard = heard.await.unwrap();
    for name in ["access_token", "refresh_token", "auth_req_id"] {
        assert!(heard[0][name].is_string() && heard[0][name] == heard[1][name], "{name}");
    }
    assert!(world.fixture.is_live(text(&heard[1], "access_token")).await);
    assert_eq!((waiting(&world).await, world.fixture.count(EventKind::AnswerNotified)), (0, 1));
}
