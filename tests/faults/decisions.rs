//! What users decide is decided once, and what clients are sent of it is one thing.

use grantor::endpoint::backchannel_answer::UserAnswer;
use grantor::protocol::DeliveryMode;
use grantor::record::grant::GrantStatus;

use super::common::devices::{self, Devices as _};
use super::common::phones::{self, asking_to_be_told};
use super::common::stores::{Fault, Faulty};
use super::common::{Agent, scope};
use super::{everywhere, hides_what_happened};

#[tokio::test]
async fn the_user_decides_about_a_device_once_or_can_decide_again() {
    for approves in [true, false] {
        everywhere(|when, fault| async move {
            let row = format!("{when:?} {fault:?} {approves}");
            let store = Faulty::new();
            let fixture = devices::over(store.clone(), |builder| builder);
            let device = fixture.device("tv").await;
            let mut agent = fixture.agent();
            agent.sign_in("alice").await;
            let id = agent.at_device(&device).await;
            let form = agent.form(id).await;
            let decide = async |agent: &mut Agent<'_>| match approves {
                true => agent.submit(form.clone(), &scope("read")).await,
                false => {
                    let deny = grantor::authorize::Deny { answer: form.clone(), browser: agent.browser() };
                    let step = fixture.server.deny(&deny).await;
                    agent.shown(step)
                }
            };
            store.fail(when, fault);
            let answer = decide(&mut agent).await;
            let calls = store.heal();
            assert!(answer.is_page(), "{row}: {answer:?}");
            if answer.status == 503 {
                let again = decide(&mut agent).await.status == 200;
                assert!(again || hides_what_happened(fault), "{row}");
            } else {
                let spent = fault == Fault::ConflictApplied;
                assert!(answer.status == 200 || spent, "{row}: {answer:?}");
            }
            let told = fixture.poll("tv", &device).await;
            match approves {
                true => drop(told.tokens()),
                false => told.refused(400, "access_denied"),
            }
            calls
        })
        .await;
    }
}

#[tokio::test]
async fn a_user_whom_a_client_named_decides_once_or_can_decide_again() {
    for approves in [true, false] {
        everywhere(|when, fault| async move {
            let row = format!("{when:?} {fault:?} {approves}");
            let store = Faulty::new();
            let world = phones::over(store.clone(), |builder| builder);
            let polling = world.asked(&phones::asking()).await;
            store.fail(when, fault);
            let answer = world.poll(&polling).await;
            let polls = store.heal();
            assert!(matches!(answer.status, 400 | 503), "{row}: {answer:?}");
            let decide = async || match approves {
                true => world.approve("alice", "openid").await,
                false => world.answer("alice", UserAnswer::Deny).await,
            };
            store.fail(when, fault);
            let decided = decide().await;
            let calls = store.heal().max(polls);
            if decided.is_err_and(|error| error.status() == 503) {
                assert!(decide().await.is_ok() || hides_what_happened(fault), "{row}");
            }
            match approves {
                true => drop(world.poll(&polling).await.tokens()),
                false => world.poll(&polling).await.refused(400, "access_denied"),
            }
            calls
        })
        .await;
    }
}

/// The decision, the first try to send the tokens, and what is written down of it, with a fault at every call; then the store is
/// well again, and whatever is due is sent.
#[tokio::test]
async fn tokens_that_are_sent_are_issued_once_and_are_the_same_whenever_they_are_sent() {
    everywhere(|when, fault| async move {
        let row = format!("{when:?} {fault:?}");
        let store = Faulty::new();
        let (world, told) = phones::told(DeliveryMode::Push, store.clone(), 204);
        world.ask(&asking_to_be_told()).await;
        store.fail(when, fault);
        let decided = world.approve("alice", "openid read").await;
        let calls = store.heal();
        if decided.is_err() {
            let again = world.approve("alice", "openid read").await;
            assert!(again.is_ok() || hides_what_happened(fault), "{row}: {again:?}");
        }
        for _ in 0..3 {
            world.fixture.clock.forward(60);
            world.fixture.server.deliver_outbox(10).await.unwrap();
        }
        let posted = told.take();
        assert!(!posted.is_empty(), "{row}");
        let bodies: Vec<serde_json::Value> =
            posted.iter().map(|one| serde_json::from_slice(&one.body).unwrap()).collect();
        let same = |name: &str| bodies.iter().all(|body| body[name] == bodies[0][name]);
        assert!(same("access_token") && same("refresh_token") && same("auth_req_id"), "{row}");
        let (access, refresh) = (&bodies[0]["access_token"], &bodies[0]["refresh_token"]);
        assert!(world.fixture.is_live(access.as_str().unwrap()).await, "{row}");
        world.fixture.refresh("bank", refresh.as_str().unwrap()).await.tokens();
        assert_eq!(world.fixture.status("bank").await, GrantStatus::Active, "{row}");
        calls
    })
    .await;
}
