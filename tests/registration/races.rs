//! What holds when requests race, on every store.

use std::time::Duration;

use grantor::endpoint::registration::IssueInitialAccess;
use grantor::host::{InitialAccessRegistration, Limits, MemoryLimiter};
use tokio::task::JoinSet;

use super::*;
use crate::common::stores::{Between, Sqlite, Waiting};

const CROWD: usize = 64;

async fn an_initial_access_token_is_used_no_more_often_than_it_may(store: Arc<dyn Store>) {
    let fixture = Arc::new(on(store, InitialAccessRegistration::default(), |builder| builder));
    for uses in [1, 10] {
        let terms =
            IssueInitialAccess { name: "crowd".into(), lifetime: Duration::from_secs(60), uses: Some(uses) };
        let token = fixture.server.issue_initial_access(&terms).await.unwrap().expose().to_owned();
        let mut crowd = JoinSet::new();
        for _ in 0..CROWD {
            let (fixture, token) = (Arc::clone(&fixture), token.clone());
            crowd.spawn(async move {
                let body = web(&json!({})).to_string();
                send(&fixture, "POST", "/register", Some(&token), body.as_bytes()).await
            });
        }
        let answers = crowd.join_all().await;
        let (registered, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 201);
        assert_eq!(registered.len(), usize::try_from(uses).unwrap());
        refused.iter().for_each(|answer| answer.refused(401, "invalid_token"));
        for answer in registered {
            assert!(Registered::read(answer.json()).is_known(&fixture).await);
        }
    }
}

async fn of_many_updates_with_one_token_exactly_one_counts(store: Arc<dyn Store>) {
    let limits = Limits { registration_updates: u32::MAX, ..Limits::default() };
    let fixture =
        Arc::new(on(store, anybody(), |builder| builder.limiter(Arc::new(MemoryLimiter::new(limits)))));
    let client = Arc::new(Registered::new(&fixture, &web(&json!({}))).await);
    let mut crowd = JoinSet::new();
    for n in 0..CROWD {
        let (fixture, client) = (Arc::clone(&fixture), Arc::clone(&client));
        crowd.spawn(async move {
            client.put(&fixture, &client.again(&json!({ "client_name": n.to_string() }))).await
        });
    }
    let answers = crowd.join_all().await;
    let (counted, refused): (Vec<_>, Vec<_>) = answers.iter().partition(|answer| answer.status == 200);
    assert_eq!(counted.len(), 1);
    refused.iter().for_each(|answer| answer.refused(401, "invalid_token"));
    let winner = Registered::read(counted[0].json());
    assert_eq!(winner.get(&fixture).await.json()["client_name"], winner.information["client_name"]);
}

/// Sends token requests while something else happens, and returns what they were answered.
async fn against<F>(
    fixture: &Arc<Fixture>,
    client: &Arc<Registered>,
    turn: usize,
    form: &Form,
    other: F,
) -> Vec<Answer>
where
    F: Future<Output = ()> + Send + 'static,
{
    let mut asking = JoinSet::new();
    for n in 0..3 {
        let (fixture, client, form) = (Arc::clone(fixture), Arc::clone(client), form.clone());
        asking.spawn(async move {
            for _ in 0..(turn + n) % 4 {
                tokio::task::yield_now().await;
            }
            client.token(&fixture, &form).await
        });
    }
    let other = tokio::spawn(other);
    let answers = asking.join_all().await;
    other.await.unwrap();
    answers
}

async fn once_a_client_has_deregistered_nothing_of_it_lives(store: Arc<dyn Store>, turns: usize) {
    let limits = Limits { client_failures: u32::MAX, ..Limits::default() };
    let fixture =
        Arc::new(on(store, anybody(), |builder| builder.limiter(Arc::new(MemoryLimiter::new(limits)))));
    let metadata =
        web(&json!({ "grant_types": ["authorization_code", "refresh_token", "client_credentials"] }));
    for turn in 0..turns {
        let client = Arc::new(Registered::new(&fixture, &metadata).await);
        let form = match turn % 2 {
            0 => common::machine(),
            _ => client.redemption(&fixture).await,
        };
        let (place, gone) = (Arc::clone(&fixture), Arc::clone(&client));
        let answers = against(&fixture, &client, turn, &form, async move {
            assert_eq!(gone.delete(&place).await.status, 204);
        })
        .await;
        for answer in answers {
            match answer.status {
                200 => assert!(!fixture.is_live(&answer.tokens().access).await, "turn {turn}"),
                _ => assert!(matches!(answer.status, 400 | 401), "{answer:?}"),
            }
        }
        client.token(&fixture, &common::machine()).await.refused(401, "invalid_client");
    }
}

/// A request that is answered after an update was decided by it: what the update took away is never handed out afterwards.
async fn once_an_update_is_answered_nothing_is_issued_by_the_old_registration(
    store: Arc<dyn Store>,
    turns: usize,
) {
    let fixture = Arc::new(on(store, anybody(), |builder| builder));
    let metadata =
        web(&json!({ "grant_types": ["authorization_code", "client_credentials"], "scope": "read write" }));
    for turn in 0..turns {
        let client = Arc::new(Registered::new(&fixture, &metadata).await);
        let (place, changed) = (Arc::clone(&fixture), Arc::clone(&client));
        let narrower = client.again(&json!({ "scope": "read" }));
        let answers = against(&fixture, &client, turn, &common::machine(), async move {
            assert_eq!(changed.put(&place, &narrower).await.status, 200);
        })
        .await;
        assert!(answers.iter().all(|answer| answer.status == 200), "{answers:?}");
        assert_eq!(client.token(&fixture, &common::machine()).await.tokens().scope, "read", "turn {turn}");
        let asked = client.token(&fixture, &common::machine().add("scope", "write")).await;
        asked.refused(400, "invalid_scope");
    }
}

/// What was read of a registration is a condition of what is written.
#[tokio::test]
async fn a_request_that_an_update_or_an_end_overtook_is_decided_anew() {
    let grants = json!(["authorization_code", "client_credentials"]);
    let metadata = web(&json!({ "grant_types": grants, "scope": "read write" }));
    let narrower = json!({ "scope": "read", "redirect_uris": ["https://client.example/new"] });
    for (ends, redeems) in [(false, false), (false, true), (true, false), (true, true)] {
        let store = Arc::new(Between::default());
        let fixture = on(store.clone(), anybody(), |builder| builder);
        let rival = on(store.inner(), anybody(), |builder| builder);
        let client = Arc::new(Registered::new(&fixture, &metadata).await);
        let request = if redeems { client.redemption(&fixture).await } else { common::machine() };
        let (overtaking, narrower) = (Arc::clone(&client), client.again(&narrower));
        store.before_next_commit(async move {
            let answer =
                if ends { overtaking.delete(&rival).await } else { overtaking.put(&rival, &narrower).await };
            assert!(answer.status < 300, "{answer:?}");
        });
        let answer = client.token(&fixture, &request).await;
        assert!(store.happened());
        match (ends, redeems) {
            (true, _) => answer.refused(401, "invalid_client"),
            (false, true) => answer.refused(400, "invalid_grant"),
            (false, false) => assert_eq!(answer.tokens().scope, "read"),
        }
    }
}

macro_rules! races {
    ($($store:ident, turns $turns:literal: $empty:expr;)*) => {
        $(
            mod $store {
                use super::*;

                #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
                async fn an_initial_access_token_is_used_no_more_often_than_it_may() {
                    super::an_initial_access_token_is_used_no_more_often_than_it_may(Arc::new($empty)).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
                async fn of_many_updates_with_one_token_exactly_one_counts() {
                    super::of_many_updates_with_one_token_exactly_one_counts(Arc::new($empty)).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
                async fn once_a_client_has_deregistered_nothing_of_it_lives() {
                    super::once_a_client_has_deregistered_nothing_of_it_lives(Arc::new($empty), $turns).await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 8)]
                async fn once_an_update_is_answered_nothing_is_issued_by_the_old_registration() {
                    super::once_an_update_is_answered_nothing_is_issued_by_the_old_registration(Arc::new($empty), $turns).await;
                }
            }
        )*
    };
}

races! {
    memory, turns 200: MemoryStore::new();
    memory_with_delays, turns 200: Waiting::default();
    sqlite, turns 20: Sqlite::new();
}
