//! That an assertion is used once, whatever happens at the same time or goes wrong.

use std::collections::HashSet;
use std::sync::Mutex;

use async_trait::async_trait;
use grantor::Reason;
use grantor::host::{Limits, MemoryLimiter, RedisReplayGuard, ReplayGuard};
use grantor::protocol::Timestamp;
use grantor::record::facts::Claim;
use grantor::record::{Key, Kind, Versioned};
use grantor::store::{RedisOptions, StoreError};
use tokio::task::JoinSet;

use super::*;
use crate::common::clients::JWT_API;
use crate::common::stores::{Between, Fault, Faulty, Sqlite, Waiting, When};
use crate::common::{machine, refreshing};

const CROWD: usize = 64;

async fn of_a_crowd_with_one_assertion_exactly_one_passes(store: Arc<dyn Store>) {
    let limits = Limits { client_failures: u32::MAX, ..Limits::default() };
    let fixture = Arc::new(on(store, |builder| builder.limiter(Arc::new(MemoryLimiter::new(limits)))));
    for client in ["signer", "hmac"] {
        // Nothing but the claim is written, a grant is, and nothing ever is.
        for (path, request) in
            [("/token", machine().add("resource", JWT_API)), ("/token", machine()), ("/introspect", asking())]
        {
            let request = asserting(&request, &good(client));
            let mut crowd = JoinSet::new();
            for _ in 0..CROWD {
                let (fixture, request) = (Arc::clone(&fixture), request.clone());
                crowd.spawn(async move { fixture.post(path, None, &request).await });
            }
            let answers = crowd.join_all().await;
            let passed = answers.iter().filter(|answer| answer.status == 200).count();
            assert_eq!(passed, 1, "{client} at {path}");
            for answer in answers.iter().filter(|answer| answer.status != 200) {
                answer.refused(401, "invalid_client");
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_a_crowd_exactly_one_passes_in_memory() {
    of_a_crowd_with_one_assertion_exactly_one_passes(Arc::new(MemoryStore::new())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_a_crowd_exactly_one_passes_beyond_a_network() {
    of_a_crowd_with_one_assertion_exactly_one_passes(Arc::new(Waiting::default())).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_a_crowd_exactly_one_passes_in_sqlite() {
    of_a_crowd_with_one_assertion_exactly_one_passes(Arc::new(Sqlite::new())).await;
}

#[tokio::test]
async fn an_assertion_is_spent_at_whatever_endpoint_and_whatever_is_then_answered() {
    let fixture = fixture();
    let rows = [
        ("/token", refreshing("grt_nonsense"), 400),
        ("/token", asking().set("scope", "nonsense"), 400),
        ("/token", machine(), 200),
        ("/revoke", asking(), 200),
        ("/introspect", asking(), 200),
    ];
    for (path, request, status) in rows {
        let assertion = good("signer");
        assert_eq!(fixture.post(path, None, &asserting(&request, &assertion)).await.status, status, "{path}");
        for path in ENDPOINTS {
            let again = fixture.post(path, None, &asserting(&asking(), &assertion)).await;
            again.refused(401, "invalid_client");
            assert_eq!(reason(&fixture), Reason::AssertionReplayed);
        }
    }
}

#[tokio::test]
async fn the_same_jti_is_anothers_own_and_any_other_assertion_with_it_is_a_replay() {
    let fixture = fixture();
    let named = |client: &str| set(claims(client), "jti", json!("one"));
    assert_eq!(present(&fixture, &sign(&KEY, &named("signer"))).await.status, 200);
    assert_eq!(present(&fixture, &sign(&OTHER_KEY, &named("other"))).await.status, 200);
    let later = set(named("signer"), "exp", json!(NOW + 200));
    present(&fixture, &sign(&KEY, &later)).await.refused(401, "invalid_client");
    assert_eq!(reason(&fixture), Reason::AssertionReplayed);
}

#[tokio::test]
async fn a_request_that_lost_a_race_does_not_take_its_own_assertion_for_a_replay() {
    let store = Arc::new(Between::default());
    let fixture = on(store.clone(), |builder| builder);
    let rival = Arc::new(on(store.inner(), |builder| builder));
    let key = fixture.server.settings().namespace.client_state(&"signer".into());
    store.before_next_commit(async move {
        rival.server.disable_client(&"signer".into()).await.unwrap();
        rival.server.enable_client(&"signer".into()).await.unwrap();
    });
    // The client's standing was read before the claim and changed during it: the grant is decided anew.
    let assertion = good("signer");
    present(&fixture, &assertion).await.tokens();
    assert!(store.happened());
    assert!(store.inner().load(&[key]).await.unwrap()[0].is_some());
    present(&fixture, &assertion).await.refused(401, "invalid_client");
}

#[tokio::test]
async fn a_used_jti_is_remembered_for_as_long_as_the_assertion_could_come_again() {
    let store = Arc::new(MemoryStore::new());
    let fixture = on(store.clone(), |builder| builder);
    let claims = set(claims("signer"), "exp", json!(NOW + 200));
    let (assertion, before) = (sign(&KEY, &claims), store.len());
    fixture.post("/introspect", None, &asserting(&asking(), &assertion)).await;
    assert_eq!(store.len(), before + 1);
    let marker =
        fixture.server.settings().namespace.used_assertion(&"signer".into(), claims["jti"].as_str().unwrap());
    assert_eq!(marker.kind, Kind::UsedJti);
    let found: Option<Versioned> = store.load(&[marker]).await.unwrap().remove(0);
    assert_eq!(*found.unwrap().record, grantor::record::Record::UsedJti);
    // The last second at which it is in time, by a clock that is a minute behind.
    fixture.clock.set(NOW + 200 + 59);
    fixture.server.purge(100).await.unwrap();
    present(&fixture, &assertion).await.refused(401, "invalid_client");
    assert_eq!(reason(&fixture), Reason::AssertionReplayed);
    fixture.clock.forward(1);
    present(&fixture, &assertion).await.refused(401, "invalid_client");
    assert_eq!(reason(&fixture), Reason::AssertionTimes);
    assert_eq!(store.purge(Timestamp(NOW + 200 + 60 + 119), 100).await.unwrap(), 0);
    assert_eq!(store.purge(Timestamp(NOW + 200 + 60 + 121), 100).await.unwrap(), 1);
}

#[tokio::test]
async fn what_a_failing_store_says_of_a_claim_is_taken_for_what_it_is() {
    let store = Faulty::new();
    let fixture = on(store.clone(), |builder| builder);
    for (fault, status, spent) in [
        (Fault::Unavailable, 503, false),
        (Fault::Full, 503, false),
        (Fault::UnknownDropped, 503, false),
        (Fault::UnknownApplied, 200, true),
        (Fault::ConflictApplied, 200, true),
    ] {
        let assertion = good("signer");
        let request = asserting(&asking(), &assertion);
        // The standing of the client is read first, then the claim is committed.
        store.fail(When::Once(1), fault);
        assert_eq!(fixture.post("/introspect", None, &request).await.status, status, "{fault:?}");
        store.heal();
        let again = fixture.post("/introspect", None, &request).await.status;
        assert_eq!(again, if spent { 401 } else { 200 }, "{fault:?}");
    }
}

/// Two servers over one SQLite file that keep what was used in Redis.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_a_crowd_at_two_servers_beside_one_redis_exactly_one_passes() {
    let Some(redis) = crate::common::redis::Server::start() else { return };
    let store: Arc<dyn Store> = Arc::new(Sqlite::new());
    let mut servers = Vec::new();
    for _ in 0..2 {
        let guard = RedisReplayGuard::connect(&RedisOptions::new(redis.url())).await.unwrap();
        servers.push(Arc::new(on(Arc::clone(&store), |builder| builder.replay_guard(Arc::new(guard)))));
    }
    for _ in 0..5 {
        let request = asserting(&machine(), &good("signer"));
        let mut crowd = JoinSet::new();
        for server in servers.iter().cycle().take(CROWD) {
            let (server, request) = (Arc::clone(server), request.clone());
            crowd.spawn(async move { server.post("/token", None, &request).await.status });
        }
        let answers = crowd.join_all().await;
        assert_eq!(answers.iter().filter(|status| **status == 200).count(), 1, "{answers:?}");
    }
    let used: Vec<Vec<u8>> = redis.ask("KEYS {grantor}:used:*");
    assert_eq!(used.len(), 5);
}

#[derive(Default)]
struct OwnGuard(Mutex<HashSet<Key>>);

#[async_trait]
impl ReplayGuard for OwnGuard {
    async fn claim(&self, marker: Key, valid_until: Timestamp) -> Result<Claim, StoreError> {
        assert_eq!(valid_until, Timestamp(NOW + 60 + 60));
        Ok(if self.0.lock().unwrap().insert(marker) { Claim::Fresh } else { Claim::Seen })
    }
}

#[tokio::test]
async fn a_host_may_remember_what_was_used_by_itself() {
    let store = Arc::new(MemoryStore::new());
    let guard = Arc::new(OwnGuard::default());
    let fixture = on(store.clone(), |builder| builder.replay_guard(guard.clone()));
    let request = asserting(&asking(), &good("signer"));
    assert_eq!(fixture.post("/introspect", None, &request).await.status, 200);
    fixture.post("/introspect", None, &request).await.refused(401, "invalid_client");
    assert_eq!((store.len(), guard.0.lock().unwrap().len()), (0, 1));
}
