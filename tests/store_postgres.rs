//! The PostgreSQL store keeps the contract, over several connections and processes, whatever the server and the network do.

#![cfg(unix)]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

#[path = "common/batches.rs"]
mod batches;
#[path = "common/daemon.rs"]
mod daemon;
#[path = "common/postgres.rs"]
mod postgres;
#[path = "common/remote.rs"]
mod remote;
#[path = "common/wire.rs"]
mod wire;

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use grantor::protocol::Timestamp;
use grantor::record::Expectation;
use grantor::store::{CommitError, Page, PostgresOpenError, PostgresOptions, PostgresStore, Store};

use batches::{fresh, key, putting, term, version};
use daemon::Stop;
use postgres::{Postgres, Server, patient};
use remote::Places;
use wire::Wire;

async fn open(server: &Server) -> PostgresStore {
    PostgresStore::connect(server.url()).await.unwrap()
}

/// Somebody else in the same database.
async fn sql(server: &Server) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&server.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("SET search_path TO grantor").await.unwrap();
    client
}

#[async_trait]
impl Places for Postgres {
    async fn open(url: String, place: &str) -> Arc<dyn Store> {
        let mut options = patient(url);
        place.clone_into(&mut options.schema);
        Arc::new(PostgresStore::connect_with(&options).await.unwrap())
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_postgres_store_keeps_the_contract() {
    let Some(server) = Server::start() else { return };
    remote::keeps_the_contract(server).await;
}

/// Each of two relies on the other's record being as it was, and writes its own: with both, what one relied on would not
/// have been true. Nothing but a lock on what is only read keeps them apart, and where it is absent no row could be locked.
#[tokio::test(flavor = "multi_thread")]
async fn of_two_commits_that_each_write_what_the_other_relies_on_one_wins() {
    let Some(server) = Server::start() else { return };
    let stores = [Arc::new(open(&server).await), Arc::new(open(&server).await)];
    let mut both_refused = 0;
    for round in 0..300 {
        let keys = [key(2 * round), key(2 * round + 1)];
        if round % 2 == 0 {
            stores[0].commit(&putting(9, round, [2 * round, 2 * round + 1])).await.unwrap();
        }
        let found = stores[0].load(&keys).await.unwrap();
        let expectations = [0, 1].map(|n: usize| Expectation::of(found[n].as_ref()));
        let racing = [0, 1].map(|n: usize| {
            let mut batch = putting(n as u64, round, [2 * round + n as u64]);
            batch.expect(keys[1 - n], expectations[1 - n]);
            let store = Arc::clone(&stores[n]);
            tokio::spawn(async move { store.commit(&batch).await })
        });
        let mut won = 0;
        for outcome in racing {
            match outcome.await.unwrap() {
                Ok(()) => won += 1,
                Err(error) => assert_eq!(error, CommitError::Conflict),
            }
        }
        assert!(won <= 1, "both won in round {round}");
        both_refused += u64::from(won == 0);
    }
    assert_eq!(both_refused, 0, "whoever comes first finds everything as it was");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_load_of_any_number_and_a_commit_of_any_size_are_one_round_trip_each() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(server.port).await;
    let store = PostgresStore::connect(server.url_at("127.0.0.1", wire.port)).await.unwrap();
    // The first to ask makes a connection.
    store.load(&[key(0)]).await.unwrap();
    remote::each_is_one_round_trip(&store, &wire).await;
}

#[tokio::test]
async fn every_lookup_goes_by_an_index() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    let scans = async || {
        // A session tells what it has done at least every second.
        tokio::time::sleep(Duration::from_millis(1_500)).await;
        store.load(&[key(0)]).await.unwrap();
        tokio::time::sleep(Duration::from_millis(500)).await;
        let query = "SELECT relname::text, seq_scan, idx_scan FROM pg_stat_user_tables
            WHERE schemaname = 'grantor' AND relname <> 'grantor_layout' ORDER BY 1";
        let rows = sql(&server).await.query(query, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect::<Vec<(String, i64, i64)>>()
    };
    let before = scans().await;
    for n in 0..20 {
        let mut batch = putting(1, n, n..n + 3);
        batch.expect(key(n + 2), Expectation::Absent);
        batch.delete.push(key(n + 100));
        batch.put[0].retain_until = Timestamp(n);
        store.commit(&batch).await.unwrap();
        store.load(&[key(n), key(n + 1), key(n + 200)]).await.unwrap();
        store.list(&term(1), Page { after: Some(key(n)), limit: 2 }).await.unwrap();
        store.purge(Timestamp(n), 10).await.unwrap();
    }
    for ((table, scanned, looked_up), (_, scanned_after, looked_up_after)) in
        before.into_iter().zip(scans().await)
    {
        assert_eq!(scanned_after, scanned, "{table} was read from end to end");
        assert!(looked_up_after >= looked_up + 20, "{table}: {looked_up} {looked_up_after}");
    }
}

#[tokio::test]
async fn a_purge_goes_on_until_its_limit_or_until_nothing_is_due() {
    let Some(server) = Server::start() else { return };
    batches::purges_until_its_limit(&open(&server).await).await;
}

#[tokio::test]
async fn a_purge_by_a_clock_that_is_ahead_forgets_nothing_that_is_not_due() {
    let Some(server) = Server::start() else { return };
    batches::purges_by_no_clock_that_is_ahead(&open(&server).await).await;
}

#[tokio::test]
async fn a_schema_of_a_newer_release_or_of_something_else_is_refused_untouched() {
    let Some(server) = Server::start() else { return };
    drop(open(&server).await);
    let other = sql(&server).await;
    other.batch_execute("UPDATE grantor_layout SET version = 99").await.unwrap();
    let error = PostgresStore::connect(server.url()).await.unwrap_err();
    assert_eq!(error, PostgresOpenError::Newer { found: 99, known: 1 });
    assert_eq!(error.to_string(), "the database has layout 99, newer than the 1 this release understands");

    other.batch_execute("CREATE SCHEMA foreign_one; CREATE TABLE foreign_one.t (n int)").await.unwrap();
    let mut options = PostgresOptions::new(server.url());
    options.schema = "foreign_one".to_owned();
    assert_eq!(PostgresStore::connect_with(&options).await.unwrap_err(), PostgresOpenError::Foreign);
    let count = "SELECT count(*) FROM pg_class WHERE relnamespace = 'foreign_one'::regnamespace";
    assert_eq!(other.query_one(count, &[]).await.unwrap().get::<_, i64>(0), 1);

    // A schema that somebody made for it, empty, is taken, whatever else the role may do.
    other.batch_execute("CREATE SCHEMA made_before").await.unwrap();
    options.schema = "made_before".to_owned();
    PostgresStore::connect_with(&options).await.unwrap();
    for name in ["", "9lives", "Upper", "a\"b", "ä", &"x".repeat(64)] {
        options.schema = name.to_owned();
        let error = PostgresStore::connect_with(&options).await.unwrap_err();
        assert!(matches!(error, PostgresOpenError::Options(_)), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_may_open_an_empty_database_at_once() {
    let Some(server) = Server::start() else { return };
    let opening: Vec<_> = (0..12)
        .map(|n| {
            let url = server.url();
            tokio::spawn(async move {
                let store = PostgresStore::connect(url).await.unwrap();
                store.commit(&putting(n, 1, [n])).await
            })
        })
        .collect();
    for opened in opening {
        assert_eq!(opened.await.unwrap(), Ok(()));
    }
    let layout = sql(&server).await.query("SELECT version FROM grantor_layout", &[]).await.unwrap();
    assert_eq!(layout.iter().map(|row| row.get(0)).collect::<Vec<i64>>(), [1]);
}

/// A record this release cannot read is an error, never an absent record.
#[tokio::test]
async fn what_cannot_be_decoded_is_an_error() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    store.commit(&putting(1, 1, [1])).await.unwrap();
    let other = sql(&server).await;
    for body in [r#"{"schema":2,"kind":"subject","body":{"disabled":false,"epoch":1}}"#, "{}", ""] {
        other.execute("UPDATE records SET body = $1", &[&body.as_bytes()]).await.unwrap();
        assert!(store.load(&[key(1)]).await.is_err(), "{body}");
    }
}

#[tokio::test]
async fn a_record_of_a_kind_that_only_a_newer_release_knows_is_in_nobodys_way() {
    let Some(server) = Server::start() else { return };
    let store = open(&server).await;
    let mut batch = putting(1, 1, 1..=4);
    batch.put.iter_mut().zip(1..).for_each(|(put, n)| put.retain_until = Timestamp(100 * n));
    store.commit(&batch).await.unwrap();
    let newer = "WITH theirs AS (
            INSERT INTO records SELECT set_byte(key, 16, 250), version, 50, body FROM records RETURNING key)
        INSERT INTO terms SELECT term, set_byte(key, 16, 250) FROM terms";
    sql(&server).await.batch_execute(newer).await.unwrap();
    let page = store.list(&term(1), Page { after: None, limit: 3 }).await.unwrap();
    assert_eq!((page.keys, page.next), ((1..=3).map(key).collect(), Some(key(3))));
    assert_eq!(store.purge(Timestamp(201), 10).await, Ok(6), "they are forgotten in their time");
    let listed = sql(&server).await.query("SELECT key FROM terms", &[]).await.unwrap();
    assert_eq!(listed.len(), 2, "and so are their terms");
}

#[tokio::test]
async fn every_session_waits_for_the_disk_and_sees_what_was_committed_before() {
    let Some(server) = Server::start_with(|_| {
        ["synchronous_commit=off", "default_transaction_isolation=serializable"].map(String::from).into()
    }) else {
        return;
    };
    let store = open(&server).await;
    store.commit(&putting(1, 1, [1])).await.unwrap();
    let other = sql(&server).await;
    let probe = "CREATE TABLE seen (durable text);
        CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO seen VALUES (current_setting('synchronous_commit'));
            RETURN NEW;
        END $$;
        CREATE TRIGGER note BEFORE INSERT ON records FOR EACH ROW EXECUTE FUNCTION note();";
    other.batch_execute(probe).await.unwrap();
    store.commit(&putting(1, 2, [2])).await.unwrap();
    let seen = other.query_one("SELECT durable FROM seen", &[]).await.unwrap();
    assert_eq!(seen.get::<_, String>(0), "on");
    // Whoever calls the function at a level at which it would see an old state is refused.
    let empty = "SELECT apply_batch('', '{}', '{}', '{}', '{}', '{}', '{}', '{}', '{}')";
    let error = other.query_one(empty, &[]).await.unwrap_err();
    assert!(format!("{error:?}").contains("read committed"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_takes_no_writes_is_not_spoken_to() {
    let Some(server) = Server::start() else { return };
    drop(open(&server).await);
    let other = sql(&server).await;
    other.batch_execute("ALTER ROLE grantor SET default_transaction_read_only TO on").await.unwrap();
    let error = PostgresStore::connect(server.url()).await.unwrap_err();
    assert!(matches!(error, PostgresOpenError::Unavailable(_)), "{error}");
}

/// Options under which a silent server is not awaited for long.
fn hasty(url: String) -> PostgresOptions {
    let mut options = PostgresOptions::new(url);
    options.connection_timeout = Duration::from_secs(10);
    options.statement_timeout = Duration::from_secs(1);
    options
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_nobody_heard_of_again_never_lands_after_it_was_looked_for() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(server.port).await;
    let store = PostgresStore::connect_with(&hasty(server.url_at("127.0.0.1", wire.port))).await.unwrap();
    remote::what_arrives_late_is_refused(&store, &open(&server).await, &wire).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_whose_answer_is_lost_is_known_by_its_version() {
    let Some(server) = Server::start() else { return };
    let wire = Wire::to(server.port).await;
    let store = PostgresStore::connect_with(&hasty(server.url_at("127.0.0.1", wire.port))).await.unwrap();
    remote::what_was_applied_unheard_is_known_by_its_version(&store, &wire).await;
}

/// The connection is gone, and the commit still waits in the server for somebody else.
#[tokio::test(flavor = "multi_thread")]
async fn a_load_waits_for_a_commit_of_unknown_outcome_that_is_under_way() {
    let Some(mut server) = Server::start() else { return };
    let wire = Wire::to(server.port).await;
    let mut options = hasty(server.url_at("127.0.0.1", wire.port));
    options.statement_timeout = Duration::from_secs(10);
    let store = Arc::new(PostgresStore::connect_with(&options).await.unwrap());
    store.commit(&putting(1, 1, [1])).await.unwrap();
    let other = sql(&server).await;
    other.batch_execute("BEGIN; SELECT FROM records FOR UPDATE").await.unwrap();
    let committing = {
        let store = Arc::clone(&store);
        tokio::spawn(async move { store.commit(&putting(1, 2, [1])).await })
    };
    let waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype <> 'advisory'";
    while other.query_one(waiting, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    wire.cut();
    // The store has lost its answer, and has the batch refused, which waits for it.
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(!committing.is_finished());
    other.batch_execute("COMMIT").await.unwrap();
    let outcome = committing.await.unwrap();
    assert!(matches!(outcome, Err(CommitError::Unknown(_))), "{outcome:?}");
    assert_eq!(version(&*store, 1).await, fresh(1, 2).id);

    // Where the server cannot be reached either, nothing is said of the records.
    wire.mute();
    let last = putting(1, 3, [1]);
    let (lost, ()) = tokio::join!(store.commit(&last), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        tokio::task::block_in_place(|| server.stop(Stop::Fast));
    });
    assert!(matches!(lost, Err(CommitError::Unknown(_))), "{lost:?}");
    assert!(store.load(&[key(1)]).await.is_err());
    tokio::task::block_in_place(|| server.resume());
    assert_eq!(version(&*store, 1).await, fresh(1, 3).id);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_gets_no_connection_is_told_so_in_time() {
    let Some(server) = Server::start() else { return };
    let mut options = PostgresOptions::new(server.url());
    options.connections = 2;
    options.connection_timeout = Duration::from_millis(800);
    options.statement_timeout = Duration::from_secs(3);
    let store = Arc::new(PostgresStore::connect_with(&options).await.unwrap());
    let other = sql(&server).await;
    let connected = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'grantor'";
    while other.query_one(connected, &[]).await.unwrap().get::<_, i64>(0) < 2 {
        let keys = [key(1)];
        let _ = tokio::join!(store.load(&keys), store.load(&keys), store.load(&keys));
    }
    store.commit(&putting(1, 1, [1])).await.unwrap();
    other.batch_execute("BEGIN; LOCK TABLE records IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let began = Instant::now();
    let commits: Vec<_> = (0..8)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { (store.commit(&putting(2, n, [n])).await, began.elapsed()) })
        })
        .collect();
    let (mut turned_away, mut given_up) = (0, 0);
    for commit in commits {
        let (outcome, after) = commit.await.unwrap();
        assert!(matches!(outcome, Err(CommitError::Unavailable(_))), "{outcome:?}");
        match after.as_millis() {
            800..2_900 => turned_away += 1,
            3_000..5_000 => given_up += 1,
            other => panic!("answered after {other} ms"),
        }
    }
    assert_eq!((turned_away, given_up), (6, 2), "two had a connection");
    assert!(store.load(&[key(1)]).await.is_err());
    other.batch_execute("ROLLBACK").await.unwrap();
    assert_eq!(version(&*store, 1).await, fresh(1, 1).id);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_lives_through_restarts_of_its_server_and_loses_and_doubles_nothing() {
    let Some(server) = Server::start() else { return };
    let mut options = PostgresOptions::new(server.url());
    options.connections = 4;
    options.connection_timeout = Duration::from_secs(1);
    let store = async || PostgresStore::connect_with(&options).await.unwrap();
    let stores: [Arc<dyn Store>; 2] = [Arc::new(store().await), Arc::new(store().await)];
    remote::counts_through_restarts(server, stores).await;
}

/// One of the processes that the test below starts.
#[tokio::test]
async fn as_another_process() {
    batches::counts_as_another_process(async |url| PostgresStore::connect(url).await.unwrap()).await;
}

/// They make the tables together, too.
#[tokio::test]
async fn no_increment_of_several_processes_is_lost() {
    let Some(server) = Server::start() else { return };
    batches::no_process_loses_an_increment(server.url(), open(&server)).await;
}

#[tokio::test]
async fn a_required_tls_connection_is_made_to_the_named_host_alone() {
    let certificate = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let chain = certificate.cert.pem();
    let started = Server::start_with(|folder| {
        let (cert, key) = (folder.join("cert.pem"), folder.join("key.pem"));
        std::fs::write(&cert, &chain).unwrap();
        std::fs::write(&key, certificate.signing_key.serialize_pem()).unwrap();
        std::fs::set_permissions(&key, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        vec![
            "ssl=on".to_owned(),
            format!("ssl_cert_file={}", cert.display()),
            format!("ssl_key_file={}", key.display()),
        ]
    });
    let Some(server) = started else { return };
    let at = |host, mode: &str, authorities: &str| {
        let mut options = PostgresOptions::new(server.url_at(host, server.port) + mode);
        options.authorities = authorities.to_owned();
        options
    };
    let encrypted = async || {
        let query =
            "SELECT count(*), count(*) FILTER (WHERE ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'grantor'";
        let row = sql(&server).await.query_one(query, &[]).await.unwrap();
        (row.get::<_, i64>(0), row.get::<_, i64>(1))
    };
    let store = PostgresStore::connect_with(&at("127.0.0.1", "?sslmode=require", &chain)).await.unwrap();
    store.commit(&putting(1, 1, [1])).await.unwrap();
    assert_eq!(encrypted().await, (1, 1));
    drop(store);
    for plain in ["?sslmode=disable", ""] {
        let store = PostgresStore::connect_with(&at("127.0.0.1", plain, &chain)).await.unwrap();
        store.commit(&putting(1, 2, [1])).await.unwrap();
        while encrypted().await != (1, 0) {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
    let other = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap().cert.pem();
    for (why, options) in [
        ("another host", at("localhost", "?sslmode=require", &chain)),
        ("an authority nobody trusts", at("127.0.0.1", "?sslmode=require", "")),
        ("an authority not trusted here", at("127.0.0.1", "?sslmode=require", &other)),
    ] {
        let error = PostgresStore::connect_with(&options).await.unwrap_err();
        assert!(matches!(error, PostgresOpenError::Unavailable(_)), "{why}: {error}");
    }
    for mode in ["?sslmode=verify", "?sslrootcert=x"] {
        let error = PostgresStore::connect_with(&at("127.0.0.1", mode, "")).await.unwrap_err();
        assert!(matches!(error, PostgresOpenError::Options(_)), "{mode}: {error}");
    }
}

#[tokio::test]
async fn a_server_without_tls_is_not_spoken_to_where_tls_is_required() {
    let Some(server) = Server::start() else { return };
    let error = PostgresStore::connect(server.url() + "?sslmode=require").await.unwrap_err();
    assert!(matches!(error, PostgresOpenError::Unavailable(_)), "{error}");
}

#[tokio::test]
async fn a_database_that_is_not_there_is_reported_without_its_password() {
    let url = "postgres://somebody:hunter2@127.0.0.1:1/nowhere";
    let options = hasty(url.to_owned());
    assert!(!format!("{options:?}").contains("hunter2"));
    let error = PostgresStore::connect_with(&options).await.unwrap_err();
    assert!(matches!(error, PostgresOpenError::Unavailable(_)), "{error}");
    assert!(!error.to_string().contains("hunter2"), "{error}");
    for url in ["", "postgres://", "mysql://127.0.0.1/x", "dbname=x"] {
        let error = PostgresStore::connect(url).await.unwrap_err();
        assert!(matches!(error, PostgresOpenError::Options(_)), "{url}: {error}");
    }
}

#[tokio::test]
async fn each_way_in_which_the_server_says_no_has_its_name() {
    let Some(server) = Server::start() else { return };
    let store = PostgresStore::connect_with(&hasty(server.url())).await.unwrap();
    let other = sql(&server).await;
    let says_no = "CREATE FUNCTION say_no() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            IF TG_ARGV[0] = 'FATAL' THEN
                PERFORM pg_terminate_backend(pg_backend_pid());
            END IF;
            RAISE 'no' USING ERRCODE = TG_ARGV[0];
        END $$";
    other.batch_execute(says_no).await.unwrap();
    for (n, state) in ["40001", "40P01", "23505", "53100", "53200", "XX000", "FATAL"].into_iter().enumerate()
    {
        let trigger = format!(
            "DROP TRIGGER IF EXISTS no ON records;
             CREATE TRIGGER no AFTER INSERT ON records FOR EACH ROW EXECUTE FUNCTION say_no('{state}')"
        );
        other.batch_execute(&trigger).await.unwrap();
        let outcome = store.commit(&putting(1, n as u64, [1])).await;
        let named = match state {
            "40001" | "40P01" | "23505" => outcome == Err(CommitError::Conflict),
            "53100" => outcome == Err(CommitError::Full),
            "FATAL" => matches!(outcome, Err(CommitError::Unknown(_))),
            _ => matches!(outcome, Err(CommitError::Unavailable(_))),
        };
        assert!(named, "{state}: {outcome:?}");
        assert_eq!(store.load(&[key(1)]).await.unwrap(), [None], "{state}");
    }
}
