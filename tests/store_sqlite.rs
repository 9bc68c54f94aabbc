//! The SQLite store keeps the contract, over its own file, over a copied one and between processes.

#[path = "common/batches.rs"]
mod batches;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use grantor::protocol::Timestamp;
use grantor::record::{Key, Kind, Put};
use grantor::store::contract::{self, Harness, Task};
use grantor::store::{CommitError, Page, SqliteOpenError, SqliteOptions, SqliteStore, Store};
use tempfile::TempDir;

use batches::{HERE, fresh, key, put, putting, term, version};

#[expect(clippy::unwrap_used, reason = "a test may fail this way")]
fn open(path: impl Into<PathBuf>) -> SqliteStore {
    SqliteStore::open(path).unwrap()
}

struct Files(TempDir);

#[async_trait]
impl Harness for Files {
    async fn open(&self, place: &str) -> Arc<dyn Store> {
        Arc::new(open(self.0.path().join(place)))
    }

    fn lasting(&self) -> bool {
        true
    }

    fn shared(&self) -> bool {
        true
    }

    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_sqlite_store_keeps_the_contract() {
    let report = contract::run(&Files(tempfile::tempdir().unwrap())).await;
    println!("{report}");
    report.assert();
}

/// No runtime at all: a thread for each task.
struct FilesOnThreads(TempDir);

#[async_trait]
impl Harness for FilesOnThreads {
    async fn open(&self, place: &str) -> Arc<dyn Store> {
        Arc::new(open(self.0.path().join(place)))
    }
}

#[test]
fn the_sqlite_store_needs_no_runtime() {
    contract::block_on(contract::run(&FilesOnThreads(tempfile::tempdir().unwrap()))).assert();
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_commits_share_a_transaction() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(open(folder.path().join("store")));
    let tasks: Vec<_> = (0..64_u64)
        .map(|task| {
            let store = Arc::clone(&store);
            tokio::spawn(async move {
                for n in 0..50 {
                    store.commit(&putting(task, n, [task << 32 | n])).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let stats = store.stats();
    println!("{stats:?}: {} commits in a transaction", stats.batches / stats.transactions);
    assert_eq!(stats.batches, 64 * 50);
    assert!(stats.batches >= 8 * stats.transactions, "{stats:?}");
}

#[tokio::test]
async fn what_was_acknowledged_is_in_the_files_at_that_moment() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store"));
    for n in 0..40 {
        let batch = putting(1, n, [n, n + 1]);
        store.commit(&batch).await.unwrap();
        if n % 8 == 7 {
            let copy = folder.path().join(format!("copy{n}"));
            for ending in ["", "-wal"] {
                let from = folder.path().join(format!("store{ending}"));
                std::fs::copy(from, folder.path().join(format!("copy{n}{ending}"))).unwrap();
            }
            let found = open(copy).load(&[key(n), key(n + 1)]).await.unwrap();
            assert!(found.iter().all(|found| found.as_ref().is_some_and(|found| found.version == batch.id)));
        }
    }
}

#[tokio::test]
async fn a_torn_log_is_the_state_of_some_commit_and_never_a_part_of_one() {
    let folder = tempfile::tempdir().unwrap();
    let store = open(folder.path().join("store"));
    let keys: Vec<Key> = (0..20).map(key).collect();
    for n in 0..4 {
        store.commit(&putting(1, n, 0..20)).await.unwrap();
    }
    let database = std::fs::read(folder.path().join("store")).unwrap();
    let log = std::fs::read(folder.path().join("store-wal")).unwrap();
    let mut states = std::collections::BTreeSet::new();
    for cut in (0..=60).map(|n| log.len() * n / 60) {
        let copy = folder.path().join(format!("cut{cut}"));
        std::fs::write(&copy, &database).unwrap();
        std::fs::write(folder.path().join(format!("cut{cut}-wal")), &log[..cut]).unwrap();
        let store = open(&copy);
        let found = store.load(&keys).await.unwrap();
        let versions: Vec<_> = found.iter().map(|found| found.as_ref().map(|found| found.version)).collect();
        assert!(versions.iter().all(|version| *version == versions[0]), "cut at {cut}");
        let listed = store.list(&term(1), Page { after: None, limit: 100 }).await.unwrap().keys;
        assert_eq!(listed.len(), if versions[0].is_some() { 20 } else { 0 });
        states.insert(versions[0]);
    }
    assert_eq!(states.len(), 5, "nothing, and each of the four commits");
}

/// Nobody's commit has to do it: from so many pages none would, as yet.
#[tokio::test]
async fn a_long_log_is_carried_over_into_the_file_beside_the_commits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    let size = || std::fs::metadata(&path).unwrap().len();
    let before = size();
    for n in 0..600 {
        store.commit(&putting(1, n, [n])).await.unwrap();
    }
    let began = Instant::now();
    while size() == before {
        assert!(began.elapsed() < Duration::from_secs(60), "everything is in the log alone");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn dropping_the_store_finishes_what_is_queued() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    let mut acknowledged = Vec::new();
    for n in 0..100 {
        let batch = putting(1, n, [n]);
        if store.commit(&batch).await.is_ok() {
            acknowledged.push(batch.id);
        }
    }
    drop(store);
    assert!(!folder.path().join("store-wal").exists(), "the last handle leaves one file");
    let store = open(&path);
    for (n, id) in acknowledged.into_iter().enumerate() {
        assert_eq!(version(&store, n as u64).await, id);
    }
}

#[tokio::test]
async fn a_file_of_a_newer_release_or_of_something_else_is_refused_untouched() {
    let folder = tempfile::tempdir().unwrap();
    let newer = folder.path().join("newer");
    drop(open(&newer));
    rusqlite::Connection::open(&newer).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let error = SqliteStore::open(&newer).unwrap_err();
    assert_eq!(error, SqliteOpenError::Newer { found: 99, known: 1 });
    assert_eq!(error.to_string(), "the database has layout 99, newer than the 1 this release understands");

    let foreign = folder.path().join("foreign");
    let connection = rusqlite::Connection::open(&foreign).unwrap();
    connection.execute_batch("CREATE TABLE theirs (n INTEGER)").unwrap();
    let before = std::fs::read(&foreign).unwrap();
    assert_eq!(SqliteStore::open(&foreign).unwrap_err(), SqliteOpenError::Foreign);
    assert_eq!(std::fs::read(&foreign).unwrap(), before);

    let garbage = folder.path().join("garbage");
    std::fs::write(&garbage, [0x55; 8192]).unwrap();
    assert!(matches!(SqliteStore::open(&garbage), Err(SqliteOpenError::Unavailable(_))));
    assert!(matches!(
        SqliteStore::open(folder.path().join("no/folder")),
        Err(SqliteOpenError::Unavailable(_))
    ));
}

#[tokio::test]
async fn an_empty_file_is_taken_and_many_may_open_it_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    std::fs::write(&path, []).unwrap();
    std::thread::scope(|scope| {
        let opened: Vec<_> = (0..8).map(|_| scope.spawn(|| SqliteStore::open(&path).map(drop))).collect();
        for opened in opened {
            assert_eq!(opened.join().unwrap(), Ok(()));
        }
    });
    let pragma = |name| {
        let connection = rusqlite::Connection::open(&path).unwrap();
        connection.pragma_query_value(None, name, |row| row.get::<_, i64>(0)).unwrap()
    };
    assert_eq!((pragma("user_version"), pragma("application_id")), (1, 0x6772_6e74));
}

#[tokio::test]
async fn a_full_file_refuses_more_records_and_keeps_those_it_has() {
    let folder = tempfile::tempdir().unwrap();
    let mut options = SqliteOptions::new(folder.path().join("store"));
    options.max_bytes = Some(400_000);
    let store = SqliteStore::open_with(&options).unwrap();
    let large = |n: u64| {
        let mut batch = fresh(1, n);
        batch.put = vec![Put {
            key: Key { kind: Kind::Grant, ..key(n) },
            record: Arc::new(contract::sample(Kind::Grant)),
            terms: vec![term(2)],
            retain_until: Timestamp(n),
        }];
        batch
    };
    let mut kept = 0;
    let full = loop {
        match store.commit(&large(kept)).await {
            Ok(()) => kept += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(full, CommitError::Full);
    assert!(kept > 50, "{kept}");
    assert_eq!(
        store.list(&term(2), Page { after: None, limit: 10_000 }).await.unwrap().keys.len() as u64,
        kept
    );
    assert_eq!(store.purge(Timestamp(40), 1000).await, Ok(40));
    assert_eq!(store.commit(&large(kept)).await, Ok(()));
}

#[tokio::test]
async fn a_commit_that_cannot_get_the_lock_is_unavailable_and_written_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut options = SqliteOptions::new(&path);
    options.busy_timeout = Duration::from_millis(50);
    let store = SqliteStore::open_with(&options).unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let batch = putting(1, 1, [1]);
    assert!(matches!(store.commit(&batch).await, Err(CommitError::Unavailable(_))));
    assert_eq!(store.load(&[key(1)]).await.unwrap(), [None], "reads go on");
    other.execute_batch("ROLLBACK").unwrap();
    assert_eq!(store.commit(&batch).await, Ok(()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_queue_refuses_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let mut options = SqliteOptions::new(&path);
    options.queue = 4;
    options.group = 2;
    let store = Arc::new(SqliteStore::open_with(&options).unwrap());
    let other = rusqlite::Connection::open(&path).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let tasks: Vec<_> = (0..20)
        .map(|n| {
            let store = Arc::clone(&store);
            tokio::spawn(async move { store.commit(&putting(1, n, [n])).await })
        })
        .collect();
    // Six find a place: four in the queue and two in the writer's hands. All others are refused while it waits.
    let all_refused = async {
        while tasks.iter().filter(|task| task.is_finished()).count() < 20 - 4 - 2 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(4), all_refused).await.expect("no refusal waits for the lock");
    other.execute_batch("ROLLBACK").unwrap();
    for task in tasks {
        let outcome = task.await.unwrap();
        assert!(matches!(outcome, Ok(()) | Err(CommitError::Unavailable(_))), "{outcome:?}");
    }
}

/// A record this release cannot read is an error, never an absent record.
#[tokio::test]
async fn what_cannot_be_decoded_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    store.commit(&putting(1, 1, [1])).await.unwrap();
    let other = rusqlite::Connection::open(&path).unwrap();
    for body in [r#"{"schema":2,"kind":"subject","body":{"disabled":false,"epoch":1}}"#, "{}", ""] {
        other.execute("UPDATE record SET body = ?1", [body.as_bytes()]).unwrap();
        assert!(store.load(&[key(1)]).await.is_err(), "{body}");
    }
}

/// One of the processes that the test below starts.
#[tokio::test]
async fn as_another_process() {
    batches::counts_as_another_process(async |path| open(path)).await;
}

#[tokio::test]
async fn no_increment_of_several_processes_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    batches::no_process_loses_an_increment(&path, async { open(&path) }).await;
}

#[tokio::test]
async fn a_purge_goes_on_until_its_limit_or_until_nothing_is_due() {
    let folder = tempfile::tempdir().unwrap();
    batches::purges_until_its_limit(&open(folder.path().join("store"))).await;
}

#[tokio::test]
async fn a_record_of_a_kind_that_only_a_newer_release_knows_is_in_nobodys_way() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store");
    let store = open(&path);
    let mut batch = fresh(1, 1);
    batch.put = (1..=4).map(|n| Put { retain_until: Timestamp(100 * n), ..put(key(n), n) }).collect();
    store.commit(&batch).await.unwrap();
    let newer = rusqlite::Connection::open(&path).unwrap();
    for (n, kind) in [(0_u8, 0), (1, 250), (2, 70_000)] {
        for (table, columns, values) in [
            ("record", "version, retain_until, body", "zeroblob(16), 50, x'7b7d'"),
            ("term", "term_namespace, term_kind, term_id", "?1, 2, ?4"),
        ] {
            let sql = format!(
                "INSERT INTO {table} (namespace, kind, id, {columns}) SELECT ?1, ?2, ?3, {values} WHERE ?4 NOT NULL"
            );
            newer.execute(&sql, rusqlite::params![HERE.0.0, kind, [n; 16], term(1).id.0]).unwrap();
        }
    }
    drop(newer);
    let list = async |after, limit| store.list(&term(1), Page { after, limit }).await.unwrap();
    let first = list(None, 3).await;
    assert_eq!((first.keys, first.next), (vec![key(1), key(2), key(3)], Some(key(3))));
    let second = list(first.next, 3).await;
    assert_eq!((second.keys, second.next), (vec![key(4)], None));
    assert_eq!(store.purge(Timestamp(51), 2).await.unwrap(), 2);
    assert_eq!(store.purge(Timestamp(101), 10).await.unwrap(), 2);
    assert_eq!(list(None, 10).await.keys, [key(2), key(3), key(4)]);
}
