//! What is used once and what is counted, on Redis beside grants that are kept elsewhere; and a server whose grants are there.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;
#[path = "common/wire.rs"]
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use common::clients::{all, basic};
use common::daemon::Stop;
use common::redis::{Server, hasty};
use common::stores::Sqlite;
use common::{Fixture, machine};
use grantor::host::{Limiter, Limits, MemoryLimiter, RedisLimiter, RedisReplayGuard, ReplayGuard};
use grantor::protocol::Timestamp;
use grantor::record::facts::{Allowance, Claim, Counter};
use grantor::record::{Id, Key, Kind, Namespace};
use grantor::store::{RedisOpenError, RedisOptions, RedisStore, Store};
use tokio::task::JoinSet;
use wire::Wire;

const CROWD: usize = 64;

fn marker(n: u64) -> Key {
    Key { namespace: Namespace(Id([7; 16])), kind: Kind::UsedJti, id: Id(u128::from(n).to_be_bytes()) }
}

async fn guard(server: &Server) -> Arc<RedisReplayGuard> {
    Arc::new(RedisReplayGuard::connect(&RedisOptions::new(server.url())).await.unwrap())
}

async fn limiter(server: &Server, limits: Limits) -> Arc<RedisLimiter> {
    Arc::new(RedisLimiter::connect(&RedisOptions::new(server.url()), limits).await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn of_many_claims_of_one_marker_one_is_fresh() {
    let Some(server) = Server::start() else { return };
    let guards = [guard(&server).await, guard(&server).await];
    for n in 0..10 {
        let mut crowd = JoinSet::new();
        for guard in guards.iter().cycle().take(CROWD) {
            let guard = Arc::clone(guard);
            crowd.spawn(async move { guard.claim(marker(n), Timestamp(4_000_000_000)).await.unwrap() });
        }
        let fresh = crowd.join_all().await.into_iter().filter(|claim| *claim == Claim::Fresh).count();
        assert_eq!(fresh, 1);
    }
}

#[tokio::test]
async fn a_marker_lapses_ten_minutes_after_its_time() {
    let Some(server) = Server::start() else { return };
    let guard = guard(&server).await;
    let [now, _]: [u64; 2] = server.ask("TIME");
    for (n, valid_until, lapses) in [
        (1, 0, now + 600),
        (2, now - 5, now + 600),
        (3, now + 1_000, now + 1_600),
        (4, u64::MAX, 253_402_300_799),
    ] {
        let until = Timestamp(valid_until);
        assert_eq!(guard.claim(marker(n), until).await, Ok(Claim::Fresh));
        let keys: Vec<Vec<u8>> = server.ask("KEYS {grantor}:used:*");
        assert_eq!(keys.len(), 1);
        let ends: u64 = redis::cmd("EXPIRETIME").arg(&keys[0]).query(&mut server.connect()).unwrap();
        assert!((lapses..lapses + 60).contains(&ends), "{ends} {lapses}");
        assert_eq!(guard.claim(marker(n), until).await, Ok(Claim::Seen));
        redis::cmd("DEL").arg(&keys[0]).exec(&mut server.connect()).unwrap();
        assert_eq!(guard.claim(marker(n), until).await, Ok(Claim::Fresh));
        redis::cmd("DEL").arg(&keys[0]).exec(&mut server.connect()).unwrap();
    }
}

fn counters() -> Vec<Counter> {
    let addresses = ["192.0.2.1", "::ffff:192.0.2.1", "2001:db8::1", "2001:db8::2", "2001:db8:0:1::1"];
    let addresses = addresses.map(|address| Some(address.parse().unwrap()));
    let mut counters = vec![
        Counter::UserCodesOfSession(Id([1; 16])),
        Counter::PasswordsFromEverywhere(Id([1; 16])),
        Counter::PasswordsFromEverywhere(Id([2; 16])),
    ];
    for address in addresses.into_iter().chain([None]) {
        counters.extend([
            Counter::ClientFailures(None, address),
            Counter::ClientFailures(Some("a".into()), address),
            Counter::ClientFailures(Some("b\", None".into()), address),
            Counter::SlowComparisons(Some("a".into()), address),
            Counter::Interactions("a".into(), address),
            Counter::UserCodesFrom(address),
            Counter::Passwords(None, address),
            Counter::Passwords(Some(Id([1; 16])), address),
        ]);
    }
    counters
}

/// Whatever is counted, in whatever order, while the clock goes on, leaps and goes back.
#[tokio::test]
async fn the_limiter_answers_as_the_one_in_memory_does() {
    let Some(server) = Server::start() else { return };
    let limits = Limits {
        client_failures: 2,
        slow_comparisons: 1,
        interactions: 1,
        user_codes_of_session: 3,
        user_codes_from_address: 2,
        passwords: 1,
        passwords_of_all: 3,
        passwords_from_everywhere: 2,
        ..Limits::default()
    };
    let (memory, redis) = (MemoryLimiter::new(limits), limiter(&server, limits).await);
    let counters = counters();
    let (mut now, mut random, mut exhausted) = (1_000_000, 1_u64, 0);
    for _ in 0..4_000 {
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        now = match random >> 58 {
            0 => now - 30,
            1 => now + 100,
            2 => now + 4_000,
            3..20 => now + 1,
            _ => now,
        };
        let counter = &counters[(random >> 32) as usize % counters.len()];
        let answer = redis.count(counter, Timestamp(now)).await;
        assert_eq!(answer, memory.count(counter, Timestamp(now)).await, "{counter:?} at {now}");
        exhausted += usize::from(answer != Ok(Allowance::Granted));
    }
    assert!((500..3_500).contains(&exhausted), "{exhausted}");
    for key in server.ask::<Vec<Vec<u8>>>("KEYS *").iter().filter(|key| !key.ends_with(b"layout")) {
        let left: i64 = redis::cmd("TTL").arg(key).query(&mut server.connect()).unwrap();
        assert!(key.starts_with(b"{grantor}:count:") && (1..=3_660).contains(&left), "{key:?} {left}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 8)]
async fn parallel_events_at_several_processes_never_exceed_the_limit() {
    let Some(server) = Server::start() else { return };
    let limits = Limits { passwords: 10, ..Limits::default() };
    let limiters = [limiter(&server, limits).await, limiter(&server, limits).await];
    let mut crowd = JoinSet::new();
    for limiter in limiters.iter().cycle().take(CROWD) {
        let limiter = Arc::clone(limiter);
        let counter = Counter::Passwords(Some(Id([1; 16])), None);
        crowd.spawn(async move { limiter.count(&counter, Timestamp(1_000)).await.unwrap() });
    }
    let granted = crowd.join_all().await.into_iter().filter(|answer| *answer == Allowance::Granted).count();
    assert_eq!(granted, 10);
}

/// The first try fails each time; the limit is two.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_claimed_or_counted_unheard_is_an_error_and_counts_all_the_same_where_it_arrived() {
    let Some(mut server) = Server::start() else { return };
    let wire = Wire::to(server.port).await;
    let options = hasty(server.url_at("127.0.0.1", wire.port));
    let guard = RedisReplayGuard::connect(&options).await.unwrap();
    let limits = Limits { passwords: 2, ..Limits::default() };
    let limiter = RedisLimiter::connect(&options, limits).await.unwrap();
    let both = async |n: u8| {
        let counter = Counter::Passwords(Some(Id([n; 16])), None);
        let count = limiter.count(&counter, Timestamp(1_000));
        tokio::join!(guard.claim(marker(n.into()), Timestamp(4_000_000_000)), count)
    };
    let fails = async |n| {
        let (claimed, counted) = both(n).await;
        assert!(claimed.is_err() && counted.is_err(), "{n}: {claimed:?} {counted:?}");
    };
    let first_time = (Ok(Claim::Fresh), Ok(Allowance::Granted));
    let second_time = (Ok(Claim::Seen), Ok(Allowance::Granted));
    assert_eq!(both(0).await, first_time);

    wire.mute();
    fails(1).await;
    assert_eq!(both(1).await, second_time, "it had arrived");

    server.pause();
    tokio::join!(fails(2), async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        wire.cut();
    });
    server.go_on();
    assert_eq!(both(2).await, second_time, "it had arrived, too");

    tokio::task::block_in_place(|| server.stop(Stop::Immediate));
    fails(3).await;
    tokio::task::block_in_place(|| server.resume());
    assert_eq!(both(3).await, first_time, "it had not");
    assert_eq!(both(0).await, second_time, "what was acknowledged is remembered");
    let (claimed, counted) = both(0).await;
    assert_eq!(claimed, Ok(Claim::Seen));
    assert!(matches!(counted, Ok(Allowance::Exhausted { .. })), "{counted:?}");
}

#[tokio::test]
async fn a_server_that_would_forget_what_was_used_or_counted_is_refused() {
    let Some(server) = Server::start() else { return };
    server.ask::<()>("CONFIG SET maxmemory-policy allkeys-lfu");
    let options = RedisOptions::new(server.url());
    let evicts = RedisOpenError::Evicts("allkeys-lfu".to_owned());
    assert_eq!(RedisReplayGuard::connect(&options).await.unwrap_err(), evicts);
    assert_eq!(RedisLimiter::connect(&options, Limits::default()).await.unwrap_err(), evicts);
}

/// Two servers over one SQLite file, as two processes on one machine would be.
#[tokio::test(flavor = "multi_thread")]
async fn servers_beside_one_redis_have_one_limit_and_say_so_when_they_cannot_count() {
    let Some(server) = Server::start() else { return };
    let limits = Limits { client_failures: 3, ..Limits::default() };
    let store: Arc<dyn Store> = Arc::new(Sqlite::new());
    let mut fixtures = Vec::new();
    for _ in 0..2 {
        let limiter = Arc::new(RedisLimiter::connect(&hasty(server.url()), limits).await.unwrap());
        fixtures.push(Fixture::over(Arc::clone(&store), all(), |builder| builder.limiter(limiter)));
    }
    let guess = async |at: usize| {
        fixtures[at].post("/token", Some(&basic("machine", "wrong")), &machine()).await.status
    };
    assert_eq!((guess(0).await, guess(1).await, guess(0).await), (401, 401, 401));
    assert_eq!((guess(0).await, guess(1).await), (429, 429));
    fixtures[1].clock.forward(60);
    assert_eq!(guess(1).await, 401);
    server.pause();
    assert_eq!(guess(1).await, 503);
    fixtures[1].token("machine", &machine()).await.tokens();
    server.go_on();
    assert_eq!(guess(1).await, 401);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_whose_redis_does_nothing_answers_503_in_time_and_goes_on_afterwards() {
    let Some(server) = Server::start() else { return };
    let fixture = Fixture::on(Arc::new(RedisStore::connect_with(&hasty(server.url())).await.unwrap()));
    let first = fixture.tokens("web").await;
    let second = fixture.refresh("web", &first.refresh).await.tokens();
    let revoked = fixture.tokens("web").await;
    assert_eq!(fixture.revoke("web", &revoked.refresh).await.status, 200);

    let code = fixture.code("web").await;
    server.pause();
    let began = Instant::now();
    assert_eq!(fixture.redeem("web", &code).await.status, 503);
    assert_eq!(fixture.refresh("web", &second.refresh).await.status, 503);
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    server.go_on();
    fixture.redeem("web", &code).await.tokens();
    assert!(fixture.is_live(&second.access).await && !fixture.is_live(&revoked.access).await);

    let layout = b"{grantor}:layout".to_vec();
    for key in server.ask::<Vec<Vec<u8>>>("KEYS *") {
        let left: i64 = redis::cmd("TTL").arg(&key).query(&mut server.connect()).unwrap();
        assert!(key.starts_with(b"{grantor}:"), "{key:?}");
        assert_eq!(left > 0, key != layout, "{key:?} lapses in {left} seconds");
    }
}
