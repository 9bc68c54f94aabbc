//! The Redis store keeps the contract, over several connections and processes, whatever the server and the network do.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "common/batches.rs"]
mod batches;
#[path = "common/daemon.rs"]
mod daemon;
#[path = "common/redis.rs"]
mod redis_server;
#[path = "common/remote.rs"]
mod remote;
#[path = "common/wire.rs"]
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use grantor::protocol::Timestamp;
use grantor::record::{Expectation, Key, Kind};
use grantor::store::{CommitError, Page, RedisOpenError, RedisOptions, RedisStore, Store};

use batches::{fresh, key, putting, term, version};
use daemon::Stop;
use redis_server::{PASSWORD, Redis, Server, hasty, patient};
use remote::Places;
use wire::Wire;

async fn open(server: &Server) -> RedisStore {
    RedisStore::connect(server.url()).await.unwrap()
}

/// What a record, or a term, is called on the server.
fn name(word: &str, number: u8, key: Key) -> Vec<u8> {
    let name = [key.namespace.0.0.as_slice(), &[number], &key.id.0].concat();
    [format!("{{grantor}}:{word}:").as_bytes(), &name].concat()
}

fn record(n: u64) -> Vec<u8> {
    name("record", Kind::Subject as u8, key(n))
}

fn all_of_term() -> Vec<u8> {
    let term = term(1);
    name("term", term.kind as u8, Key { id: term.id, ..key(0) })
}

#[async_trait]
impl Places for Redis {
    async fn open(url: String, place: &str) -> Arc<dyn Store> {
        let mut options = patient(url);
        place.clone_into(&mut options.prefix);
        Arc::new(RedisStore::connect_with(&options).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_redis_store_keeps_the_contract() {
    let Some(server) = Server::start() else { return };
    remote::keeps_the_contract(server).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_of_any_number_and_a_commit_of_any_size_are_one_round_trip_each() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(server.port).await;
    let store = RedisStore::connect(server.url_at("127.0.0.1", wire.port)).await.unwrap();
    // The server has to be told each script once.
    store.commit(&putting(9, 9, [1 << 50])).await.unwrap();
    store.load(&[key(0)]).await.unwrap();
    remote::each_is_one_round_trip(&store, &wire).await;
}

/// All keys, and by which second each lapses.
fn keys_and_their_ends(server: &Server) -> BTreeMap<Vec<u8>, i64> {
    let mut connection = server.connect();
    let keys: Vec<Vec<u8>> = redis::cmd("KEYS").arg("*").query(&mut connection).unwrap();
    let end = |key: &Vec<u8>| redis::cmd("EXPIRETIME").arg(key).query(&mut server.connect()).unwrap();
    keys.into_iter().map(|key| (key.clone(), end(&key))).collect()
}

const WEEK: i64 = 7 * 24 * 60 * 60;

#[tokio::test]
async fn every_key_lapses_a_week_after_its_record_may_be_forgotten_and_has_the_hash_tag() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    let [now, _]: [i64; 2] = server.ask("TIME");
    let mut batch = putting(1, 1, 0..3);
    let retained = [0, 4_000_000_000, u64::MAX];
    batch.put.iter_mut().zip(retained).for_each(|(put, until)| put.retain_until = Timestamp(until));
    store.commit(&batch).await.unwrap();
    let ends = keys_and_their_ends(&server);
    let [soon, later, never] = [0, 1, 2].map(|n| ends[&record(n)]);
    assert!((now + WEEK..now + WEEK + 60).contains(&soon), "{soon}");
    assert_eq!((later, never), (4_000_000_000 + WEEK, 253_402_300_799));
    assert_eq!(ends[&all_of_term()], never, "a term lasts as long as any record that it lists");
    assert_eq!(ends[b"{grantor}:retention".as_slice()], never);

    let mut shorter = putting(1, 2, [2]);
    shorter.expect(key(2), Expectation::At(batch.id));
    shorter.put[0].retain_until = Timestamp(0);
    store.commit(&shorter).await.unwrap();
    assert!(keys_and_their_ends(&server)[&record(2)] < later);

    for (key, end) in keys_and_their_ends(&server) {
        assert!(key.starts_with(b"{grantor}:"), "{key:?}");
        assert_eq!(end == -1, key == b"{grantor}:layout", "only the layout stays: {key:?}");
    }
}

#[tokio::test]
async fn what_has_lapsed_is_neither_listed_nor_in_the_way() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    store.commit(&putting(1, 1, 0..2_500)).await.unwrap();
    let mut connection = server.connect();
    for n in (0..2_500).filter(|n| n % 1_000 != 999) {
        redis::cmd("DEL").arg(record(n)).exec(&mut connection).unwrap();
    }
    let page = store.list(&term(1), Page { after: None, limit: 1 }).await.unwrap();
    assert_eq!((page.keys, page.next), (vec![key(999)], Some(key(999))));
    let page = store.list(&term(1), Page { after: None, limit: 2 }).await.unwrap();
    assert_eq!((page.keys, page.next), (vec![key(999), key(1_999)], None));
    let listed: u64 = redis::cmd("ZCARD").arg(all_of_term()).query(&mut connection).unwrap();
    assert_eq!(listed, 2, "what has lapsed is off the term");
    let mut again = putting(1, 2, [5]);
    again.expect(key(5), Expectation::Absent);
    assert_eq!(store.commit(&again).await, Ok(()));
    assert_eq!(store.load(&[key(4), key(5)]).await.unwrap().iter().flatten().count(), 1);
}

#[tokio::test]
async fn a_purge_goes_on_until_its_limit_or_until_nothing_is_due() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    batches::purges_until_its_limit(&store).await;
    assert_eq!(store.purge(Timestamp(u64::MAX), 450).await, Ok(100));
    let left: Vec<String> = server.ask("KEYS *");
    assert_eq!(left, ["{grantor}:layout"], "nothing is left of any of them");
}

#[tokio::test]
async fn a_purge_by_a_clock_that_is_ahead_forgets_nothing_that_is_not_due() {
    let Some(server) = Server::start() else { return };
    batches::purges_by_no_clock_that_is_ahead(&open(&server).await).await;
}

#[tokio::test]
async fn what_a_newer_release_or_something_else_keeps_is_refused_untouched() {
    let Some(server) = Server::start() else { return };
    let known: i64 = {
        drop(open(&server).await);
        server.ask("GET {grantor}:layout")
    };
    server.ask::<()>("SET {grantor}:layout 99");
    let error = RedisStore::connect(server.url()).await.unwrap_err();
    assert_eq!(error, RedisOpenError::Newer { found: 99, known });
    assert_eq!(error.to_string(), "the server has layout 99, newer than the 1 this release understands");
    for theirs in ["SET {theirs}:layout grid", "LPUSH {theirs}:layout 1"] {
        server.ask::<()>("DEL {theirs}:layout");
        server.ask::<redis::Value>(theirs);
        let before: Vec<u8> = server.ask("DUMP {theirs}:layout");
        let mut options = RedisOptions::new(server.url());
        options.prefix = "theirs".to_owned();
        assert_eq!(RedisStore::connect_with(&options).await.unwrap_err(), RedisOpenError::Foreign);
        assert_eq!(server.ask::<Vec<u8>>("DUMP {theirs}:layout"), before);
    }
    for prefix in ["", "Upper", "a}b", "a:b", "ä", &"x".repeat(64)] {
        let mut options = RedisOptions::new(server.url());
        options.prefix = prefix.to_owned();
        let error = RedisStore::connect_with(&options).await.unwrap_err();
        assert!(matches!(error, RedisOpenError::Options(_)), "{prefix}: {error}");
    }
}

/// A record this release cannot read is an error, never an absent record.
#[tokio::test]
async fn what_cannot_be_decoded_is_an_error() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    store.commit(&putting(1, 1, [1])).await.unwrap();
    let mut connection = server.connect();
    let kept: Vec<u8> = redis::cmd("GET").arg(record(1)).query(&mut connection).unwrap();
    let newer =
        [&kept[..18 + 33], br#"{"schema":2,"kind":"subject","body":{"disabled":false,"epoch":1}}"#].concat();
    for kept in [&newer, &kept[..kept.len() - 1], &kept[..18 + 33], &kept[..18], &kept[..17], &kept[..5], b""]
    {
        redis::cmd("SET").arg(record(1)).arg(kept).exec(&mut connection).unwrap();
        assert!(store.load(&[key(1)]).await.is_err(), "{kept:?}");
    }
}

/// What a script has written when it fails stays written: so it must not fail after it has begun to write.
#[tokio::test]
async fn where_something_else_has_put_its_own_nothing_is_written() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    store.commit(&putting(1, 1, [1, 2])).await.unwrap();
    let mut connection = server.connect();
    let (retention, new_term) =
        (b"{grantor}:retention".to_vec(), name("term", 2, Key { id: term(2).id, ..key(0) }));
    for foreign in [record(2), record(3), all_of_term(), new_term, retention] {
        let dump: Option<Vec<u8>> = redis::cmd("DUMP").arg(&foreign).query(&mut connection).unwrap();
        redis::cmd("DEL").arg(&foreign).exec(&mut connection).unwrap();
        redis::cmd("RPUSH").arg(&foreign).arg("theirs").exec(&mut connection).unwrap();
        let before = keys_and_their_ends(&server);
        let mut batch = putting(1, 2, [1, 3]);
        batch.put[0].terms.push(term(2));
        batch.delete.push(key(2));
        let outcome = store.commit(&batch).await;
        assert!(
            matches!(&outcome, Err(CommitError::Unavailable(why)) if why.contains("WRONGTYPE")),
            "{outcome:?}"
        );
        assert_eq!(keys_and_their_ends(&server), before, "{foreign:?}");
        assert_eq!(version(&store, 1).await, fresh(1, 1).id);
        redis::cmd("DEL").arg(&foreign).exec(&mut connection).unwrap();
        if let Some(dump) = dump {
            redis::cmd("RESTORE").arg(&foreign).arg(0).arg(dump).exec(&mut connection).unwrap();
        }
    }
    redis::cmd("RPUSH").arg(record(7)).arg("theirs").exec(&mut connection).unwrap();
    assert!(store.load(&[key(7)]).await.is_err(), "it is not taken for an absent record");
}

#[tokio::test]
async fn a_record_of_a_kind_that_only_a_newer_release_knows_is_in_nobodys_way() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    let mut batch = putting(1, 1, 1..=4);
    batch.put.iter_mut().zip(1..).for_each(|(put, n)| put.retain_until = Timestamp(100 * n));
    store.commit(&batch).await.unwrap();
    let mut connection = server.connect();
    for n in 1..=4 {
        let theirs = name("record", 250, key(n));
        redis::cmd("COPY").arg(record(n)).arg(&theirs).exec(&mut connection).unwrap();
        let member = &theirs[theirs.len() - 33..];
        redis::cmd("ZADD").arg("{grantor}:retention").arg(50).arg(member).exec(&mut connection).unwrap();
        redis::cmd("ZADD").arg(all_of_term()).arg(0).arg(member).exec(&mut connection).unwrap();
    }
    let page = store.list(&term(1), Page { after: None, limit: 3 }).await.unwrap();
    assert_eq!((page.keys, page.next), ((1..=3).map(key).collect(), Some(key(3))));
    let page = store.list(&term(1), Page { after: None, limit: 4 }).await.unwrap();
    assert_eq!((page.keys, page.next), ((1..=4).map(key).collect(), None));
    assert_eq!(store.purge(Timestamp(201), 10).await, Ok(6), "they are forgotten in their time");
    let listed: u64 = redis::cmd("ZCARD").arg(all_of_term()).query(&mut connection).unwrap();
    assert_eq!(listed, 2, "and so are their terms");
}

#[tokio::test]
async fn a_server_that_would_forget_something_to_make_room_is_refused() {
    let Some(server) = Server::start() else { return };
    for policy in ["allkeys-lru", "volatile-ttl"] {
        server.ask::<()>(&format!("CONFIG SET maxmemory-policy {policy}"));
        let error = RedisStore::connect(server.url()).await.unwrap_err();
        assert_eq!(error, RedisOpenError::Evicts(policy.to_owned()));
        let mut options = RedisOptions::new(server.url());
        options.trust_unread_settings = true;
        let error = RedisStore::connect_with(&options).await.unwrap_err();
        assert_eq!(error, RedisOpenError::Evicts(policy.to_owned()), "it was read");
    }
    server.ask::<()>("CONFIG SET maxmemory-policy noeviction");
    open(&server).await;
}

#[tokio::test]
async fn a_server_that_does_not_tell_its_settings_is_used_only_where_it_is_trusted() {
    let Some(server) = Server::start() else { return };
    server.ask::<()>("ACL SETUSER reticent on >secret ~{grantor}:* +@all -info");
    let mut options = RedisOptions::new(format!("redis://reticent:secret@127.0.0.1:{}", server.port));
    let error = RedisStore::connect_with(&options).await.unwrap_err();
    assert_eq!(error, RedisOpenError::Unread("INFO"));
    options.trust_unread_settings = true;
    let store = RedisStore::connect_with(&options).await.unwrap();
    assert_eq!(store.commit(&putting(1, 1, [1])).await, Ok(()), "and its own keys are all that it needs");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_is_refused_and_a_master_that_became_one_answers_nothing() {
    let (Some(master), Some(other)) = (Server::start(), Server::start()) else { return };
    let store = RedisStore::connect_with(&hasty(other.url())).await.unwrap();
    store.commit(&putting(1, 1, [1])).await.unwrap();
    // It takes over what the other has, which is nothing, but not at once.
    master.pause();
    other.ask::<()>(&format!("REPLICAOF 127.0.0.1 {}", master.port));
    let mut connection = other.connect();
    let stale: bool = redis::cmd("EXISTS").arg(record(1)).query(&mut connection).unwrap();
    assert!(stale, "whoever asks it gets an old answer");
    for _ in 0..2 {
        assert!(store.load(&[key(1)]).await.is_err());
        assert!(store.list(&term(1), Page { after: None, limit: 1 }).await.is_err());
        let outcome = store.commit(&putting(1, 2, [1])).await;
        assert!(matches!(outcome, Err(CommitError::Unavailable(_))), "{outcome:?}");
    }
    master.go_on();
    assert_eq!(RedisStore::connect(other.url()).await.unwrap_err(), RedisOpenError::Replica);
    other.ask::<()>("REPLICAOF NO ONE");
    store.load(&[key(1)]).await.unwrap();
}

#[tokio::test]
async fn a_master_without_the_replicas_it_should_have_answers_nothing() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    store.commit(&putting(1, 1, [1])).await.unwrap();
    server.ask::<()>("CONFIG SET min-replicas-to-write 1");
    let outcome = store.commit(&putting(1, 2, [1])).await;
    assert!(matches!(outcome, Err(CommitError::Unavailable(_))), "{outcome:?}");
    assert!(store.load(&[key(1)]).await.is_err(), "nor what may no longer be true");
    server.ask::<()>("CONFIG SET min-replicas-to-write 0");
    assert_eq!(version(&store, 1).await, fresh(1, 1).id);
}

#[tokio::test]
async fn a_server_without_memory_is_full_and_can_still_be_read_and_purged() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    let mut batch = putting(1, 1, 0..100);
    batch.put.iter_mut().for_each(|put| put.retain_until = Timestamp(5));
    store.commit(&batch).await.unwrap();
    server.ask::<()>("CONFIG SET maxmemory 1mb");
    let mut more = putting(1, 2, 100..200);
    more.expect(key(0), Expectation::At(batch.id));
    assert_eq!(store.commit(&more).await, Err(CommitError::Full));
    let found = store.load(&[key(0), key(100)]).await.unwrap();
    assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false]);
    assert_eq!(store.list(&term(1), Page { after: None, limit: 200 }).await.unwrap().keys.len(), 100);
    assert_eq!(store.purge(Timestamp(6), 40).await, Ok(40));
    // Whoever starts anew on a full server may do as much.
    assert_eq!(open(&server).await.purge(Timestamp(6), 1_000).await, Ok(60));
    server.ask::<()>("CONFIG SET maxmemory 0");
    more.expect.clear();
    assert_eq!(store.commit(&more).await, Ok(()));
}

#[tokio::test]
async fn a_server_that_has_forgotten_the_scripts_is_told_them_again() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    for n in 0..3 {
        store.commit(&putting(1, n, [1])).await.unwrap();
        server.ask::<()>("SCRIPT FLUSH");
        assert_eq!(version(&store, 1).await, fresh(1, n).id);
        server.ask::<()>("SCRIPT FLUSH");
    }
    assert_eq!(store.list(&term(1), Page { after: None, limit: 1 }).await.unwrap().keys, [key(1)]);
}

#[tokio::test]
async fn a_connection_that_ended_in_silence_is_made_anew_before_anything_is_sent() {
    let Some(mut server) = Server::start() else { return };
    let store = open(&server).await;
    store.commit(&putting(1, 1, [1])).await.unwrap();
    server.ask::<u64>("CLIENT KILL TYPE normal SKIPME yes");
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!(store.commit(&putting(1, 2, [1])).await, Ok(()));
    for how in [Stop::Fast, Stop::Immediate] {
        server.stop(how);
        tokio::time::sleep(Duration::from_millis(200)).await;
        let outcome = store.commit(&putting(1, 3, [1])).await;
        assert!(matches!(outcome, Err(CommitError::Unavailable(_))), "{outcome:?}");
        server.resume();
        assert_eq!(version(&store, 1).await, fresh(1, 2).id);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_a_server_that_does_nothing_is_told_so_in_time() {
    let Some(server) = Server::start() else { return };
    let store = Arc::new(RedisStore::connect_with(&hasty(server.url())).await.unwrap());
    store.commit(&putting(1, 1, [1])).await.unwrap();
    server.pause();
    for _ in 0..2 {
        let began = Instant::now();
        let loads: Vec<_> = (0..8)
            .map(|_| {
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.load(&[key(1)]).await })
            })
            .collect();
        for load in loads {
            assert!(load.await.unwrap().is_err());
        }
        assert!(began.elapsed() < Duration::from_millis(2_500), "{:?}", began.elapsed());
    }
    let error = RedisStore::connect_with(&hasty(server.url())).await.unwrap_err();
    assert!(matches!(error, RedisOpenError::Unavailable(_)), "{error}");
    server.go_on();
    assert_eq!(version(&*store, 1).await, fresh(1, 1).id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_heard_of_again_never_lands_after_it_was_looked_for() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(server.port).await;
    let store = RedisStore::connect_with(&hasty(server.url_at("127.0.0.1", wire.port))).await.unwrap();
    remote::what_arrives_late_is_refused(&store, &open(&server).await, &wire).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_known_by_its_version() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(server.port).await;
    let store = RedisStore::connect_with(&hasty(server.url_at("127.0.0.1", wire.port))).await.unwrap();
    remote::what_was_applied_unheard_is_known_by_its_version(&store, &wire).await;
}

/// Where the server cannot be reached either, nothing is said of the records, even once something else could be asked.
#[tokio::test(flavor = "multi_thread")]
async fn no_load_answers_before_an_unknown_outcome_is_settled() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(server.port).await;
    let store = RedisStore::connect_with(&hasty(server.url_at("127.0.0.1", wire.port))).await.unwrap();
    store.commit(&putting(1, 1, [1])).await.unwrap();
    wire.hold();
    server.pause();
    let outcome = store.commit(&putting(1, 2, [1])).await;
    assert!(matches!(outcome, Err(CommitError::Unknown(_))), "{outcome:?}");
    assert!(store.load(&[key(1)]).await.is_err());
    server.go_on();
    assert_eq!(version(&store, 1).await, fresh(1, 1).id);
    wire.release();
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert_eq!(version(&store, 1).await, fresh(1, 1).id);
}

/// The connection is gone, and the server has yet to read what was sent over it.
#[tokio::test(flavor = "multi_thread")]
async fn once_an_unknown_outcome_was_looked_for_it_stays_as_it_was_found() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(server.port).await;
    let options = hasty(server.url_at("127.0.0.1", wire.port));
    let store = Arc::new(RedisStore::connect_with(&options).await.unwrap());
    for round in 1..20 {
        store.commit(&putting(1, round, [1])).await.unwrap();
        server.pause();
        let committing = {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(&putting(2, round, [1])).await })
        };
        tokio::time::sleep(Duration::from_millis(20)).await;
        wire.cut();
        tokio::time::sleep(Duration::from_millis(20)).await;
        server.go_on();
        let outcome = committing.await.unwrap();
        assert!(matches!(outcome, Err(CommitError::Unknown(_))), "{outcome:?}");
        let found = version(&*store, 1).await;
        assert!([fresh(1, round).id, fresh(2, round).id].contains(&found), "{found:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
        assert_eq!(version(&*store, 1).await, found);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_lives_through_restarts_of_its_server_and_loses_and_doubles_nothing() {
    let Some(server) = Server::start() else { return };
    let options = hasty(server.url());
    let store = async || RedisStore::connect_with(&options).await.unwrap();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(store().await), Arc::new(store().await)];
    remote::counts_through_restarts(server, stores).await;
}

/// One of the processes that the test below starts.
#[tokio::test]
async fn as_another_process() {
    batches::counts_as_another_process(async |url| RedisStore::connect(url).await.unwrap()).await;
}

#[tokio::test]
async fn no_increment_of_several_processes_is_lost() {
    let Some(server) = Server::start() else { return };
    batches::no_process_loses_an_increment(server.url(), open(&server)).await;
}

#[tokio::test]
async fn tls_is_spoken_to_the_named_host_alone() {
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let chain = certificate.cert.pem();
    let tls_port = daemon::free_port();
    let started = Server::start_with(|folder| {
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&cert, &chain).unwrap();
        std::fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
        vec![
            format!("--tls-port {tls_port}"),
            format!("--tls-cert-file {}", cert.display()),
            format!("--tls-key-file {}", key.display()),
            format!("--tls-ca-cert-file {}", cert.display()),
            "--tls-auth-clients no".to_owned(),
        ]
    });
    let Some(server) = started else { return };
    let at = |host: &str, port: u16, authorities: &str| {
        let mut options = RedisOptions::new(server.url_at(host, port).replace("redis://", "rediss://"));
        options.authorities = authorities.to_owned();
        options
    };
    let store = RedisStore::connect_with(&at("127.0.0.1", tls_port, &chain)).await.unwrap();
    store.commit(&putting(1, 1, [1])).await.unwrap();
    assert_eq!(store.load(&[key(1)]).await.unwrap().iter().flatten().count(), 1);
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
    for (why, options) in [
        ("another host", at("localhost", tls_port, &chain)),
        ("an authority nobody trusts", at("127.0.0.1", tls_port, "")),
        ("an authority not trusted here", at("127.0.0.1", tls_port, &other)),
        ("a server that does not speak TLS", at("127.0.0.1", server.port, &chain)),
    ] {
        let error = RedisStore::connect_with(&options).await.unwrap_err();
        assert!(matches!(error, RedisOpenError::Unavailable(_)), "{why}: {error}");
    }
    let error = RedisStore::connect_with(&at("127.0.0.1", tls_port, "-----BEGIN CERTIFICATE-----\n!")).await;
    assert!(matches!(error, Err(RedisOpenError::Options(_))), "{error:?}");
}

#[tokio::test]
async fn a_server_is_reached_through_its_socket_too() {
    let Some(server) = Server::start() else { return };
    let store = RedisStore::connect(server.url_of_socket()).await.unwrap();
    store.commit(&putting(1, 1, [1])).await.unwrap();
    assert_eq!(open(&server).await.load(&[key(1)]).await.unwrap().iter().flatten().count(), 1);
}

/// Two nodes of a cluster: the second keeps everything, and the first knows it.
async fn cluster() -> Option<[Server; 2]> {
    let node = || {
        Server::start_with(|_| {
            vec!["--cluster-enabled yes".to_owned(), format!("--cluster-port {}", daemon::free_port())]
        })
    };
    let (asked, keeps) = (node()?, node()?);
    keeps.ask::<()>("CLUSTER ADDSLOTSRANGE 0 16383");
    let bus: Vec<String> = keeps.ask("CONFIG GET cluster-port");
    asked.ask::<()>(&format!("CLUSTER MEET 127.0.0.1 {} {}", keeps.port, bus[1]));
    let settled = |server: &Server| server.ask::<String>("CLUSTER INFO").contains("cluster_state:ok");
    come_about(|| settled(&asked) && settled(&keeps)).await;
    Some([asked, keeps])
}

/// Waits until it is so.
async fn come_about(is_so: impl Fn() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(60), "it does not come about");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn in_a_cluster_the_node_that_keeps_the_keys_is_found() {
    let Some([asked, keeps]) = cluster().await else { return };
    let store = open(&asked).await;
    store.commit(&putting(1, 1, [1, 2])).await.unwrap();
    assert_eq!(store.load(&[key(1), key(2)]).await.unwrap().iter().flatten().count(), 2);
    assert_eq!(
        open(&keeps).await.list(&term(1), Page { after: None, limit: 5 }).await.unwrap().keys.len(),
        2
    );
    assert_eq!(asked.ask::<u64>("DBSIZE"), 0);
}

#[tokio::test]
async fn a_node_that_has_become_a_replica_leads_to_the_one_that_took_over() {
    let Some([next, keeps]) = cluster().await else { return };
    let store = open(&keeps).await;
    store.commit(&putting(1, 1, [1])).await.unwrap();
    next.ask::<()>(&format!("CLUSTER REPLICATE {}", keeps.ask::<String>("CLUSTER MYID")));
    let role = |server: &Server| server.ask::<String>("INFO replication");
    come_about(|| role(&next).contains("master_link_status:up")).await;
    next.ask::<()>("CLUSTER FAILOVER");
    come_about(|| role(&next).contains("role:master") && role(&keeps).contains("role:slave")).await;

    let told = store.commit(&putting(1, 2, [2])).await;
    assert!(matches!(told, Err(CommitError::Unavailable(_))), "{told:?}");
    store.commit(&putting(1, 3, [3])).await.unwrap();
    for store in [store, open(&keeps).await, open(&next).await] {
        let found = store.load(&[key(1), key(2), key(3)]).await.unwrap();
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true]);
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_reported_without_its_password() {
    let url = "redis://somebody:hunter2@127.0.0.1:1/0";
    let options = hasty(url.to_owned());
    assert!(!format!("{options:?}").contains("hunter2"));
    let error = RedisStore::connect_with(&options).await.unwrap_err();
    assert!(matches!(error, RedisOpenError::Unavailable(_)), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    for url in ["", "redis://", "mysql://127.0.0.1/x", "redis://127.0.0.1/hunter2", "127.0.0.1"] {
        let error = RedisStore::connect(url).await.unwrap_err();
        assert!(matches!(error, RedisOpenError::Options(_)), "{url}: {error}");
        assert!(!error.to_string().contains("hunter2"), "{error}");
    }
    let Some(server) = Server::start() else { return };
    let wrong = server.url().replace(PASSWORD, "hunter2");
    let error = RedisStore::connect(wrong).await.unwrap_err();
    assert!(matches!(error, RedisOpenError::Unavailable(_)), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
}
