//! Small records and batches of them, and what is asked of more than one store with them.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::ffi::OsStr;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, UNIX_EPOCH};

use grantor::protocol::Timestamp;
use grantor::record::{
    Batch, BatchId, Expectation, Id, Index, IndexKind, Key, Kind, Namespace, Put, Record, Standing, Versioned,
};
use grantor::store::contract;
use grantor::store::{CommitError, Page, Store};

pub(crate) const HERE: Namespace = Namespace(Id([7; 16]));

pub(crate) fn key(n: u64) -> Key {
    Key { namespace: HERE, kind: Kind::Subject, id: Id(u128::from(n).to_be_bytes()) }
}

pub(crate) fn term(n: u8) -> Index {
    Index { namespace: HERE, kind: IndexKind::Client, id: Id([n; 16]) }
}

pub(crate) fn fresh(writer: u64, n: u64) -> Batch {
    Batch::new(BatchId(Id((u128::from(writer) << 64 | u128::from(n)).to_be_bytes())))
}

pub(crate) fn put(key: Key, epoch: u64) -> Put {
    let record = Arc::new(Record::Subject(Standing { disabled: false, epoch }));
    Put { key, record, terms: vec![term(1)], retain_until: Timestamp(4_000_000_000) }
}

pub(crate) fn putting(writer: u64, n: u64, keys: impl IntoIterator<Item = u64>) -> Batch {
    let mut batch = fresh(writer, n);
    batch.put = keys.into_iter().map(|number| put(key(number), n)).collect();
    batch
}

/// The version of a record that is there.
pub(crate) async fn version(store: &dyn Store, n: u64) -> BatchId {
    store.load(&[key(n)]).await.unwrap()[0].as_ref().unwrap().version
}

/// What became of the increments of one writer.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Tally {
    pub(crate) applied: u64,
    pub(crate) unavailable: u64,
    pub(crate) unknown: u64,
}

impl std::ops::Add for Tally {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            applied: self.applied + other.applied,
            unavailable: self.unavailable + other.unavailable,
            unknown: self.unknown + other.unknown,
        }
    }
}

/// Increments a counter that all share, with a mark of its own beside each increment, until it is over.
pub(crate) async fn count_up(store: &dyn Store, writer: u64, over: &AtomicBool) -> Tally {
    let mut tally = Tally::default();
    for n in 1.. {
        if over.load(Ordering::SeqCst) {
            break;
        }
        let Ok(found) = store.load(&[key(0)]).await else {
            tally.unavailable += 1;
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let count = counted(found[0].as_ref());
        let mark = key((writer + 1) << 32 | n);
        let mut batch = fresh(writer, n);
        batch.expect(key(0), Expectation::of(found[0].as_ref()));
        batch.expect(mark, Expectation::Absent);
        batch.put = vec![put(key(0), count + 1), put(mark, n)];
        match store.commit(&batch).await {
            Ok(()) => tally.applied += 1,
            Err(CommitError::Conflict) => {}
            Err(CommitError::Unavailable(_)) => tally.unavailable += 1,
            Err(CommitError::Unknown(_)) => {
                tally.unknown += 1;
                let found = loop {
                    match store.load(&[mark]).await {
                        Ok(found) => break found,
                        Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
                    }
                };
                tally.applied += u64::from(found[0].is_some());
            }
            Err(error) => panic!("{error}"),
        }
    }
    tally
}

/// The number in a record, which an absent one has not begun.
pub(crate) fn counted(found: Option<&Versioned>) -> u64 {
    match found.map(|found| &*found.record) {
        Some(Record::Subject(standing)) => standing.epoch,
        _ => 0,
    }
}

/// The counter that all share is what the writers say, and each increment has left its mark.
pub(crate) async fn assert_counted(store: &dyn Store, total: Tally) {
    assert_eq!(counted(store.load(&[key(0)]).await.unwrap()[0].as_ref()), total.applied);
    let mut marks = 0;
    let mut page = Page { after: None, limit: 500 };
    loop {
        let listing = store.list(&term(1), page).await.unwrap();
        marks += listing.keys.len() as u64;
        match listing.next {
            None => break,
            next => page.after = next,
        }
    }
    assert_eq!(marks, total.applied + 1, "a mark for each increment, and the counter itself");
}

/// A purge takes several of the steps in which a store forgets, until there are as many as it may forget, the longest due
/// first, or until nothing is due.
pub(crate) async fn purges_until_its_limit(store: &dyn Store) {
    let mut batch = putting(1, 1, 0..700);
    batch.put.iter_mut().zip(0..).for_each(|(put, n)| put.retain_until = Timestamp(n));
    store.commit(&batch).await.unwrap();
    assert_eq!(store.purge(Timestamp(600), 450).await, Ok(450));
    let listed = store.list(&term(1), Page { after: None, limit: 1_000 }).await.unwrap();
    assert_eq!(listed.keys, (450..700).map(key).collect::<Vec<_>>(), "the longest due went first");
    assert_eq!(store.purge(Timestamp(600), 450).await, Ok(150));
    assert_eq!(store.purge(Timestamp(600), 450).await, Ok(0));
}

/// A purge by a clock that is ahead of the server's forgets nothing that is not due.
pub(crate) async fn purges_by_no_clock_that_is_ahead(store: &dyn Store) {
    let now = UNIX_EPOCH.elapsed().unwrap().as_secs();
    let mut batch = putting(1, 1, [1, 2]);
    batch
        .put
        .iter_mut()
        .zip([now - 10, now + 100])
        .for_each(|(put, until)| put.retain_until = Timestamp(until));
    store.commit(&batch).await.unwrap();
    for ahead in [now + 1_000, u64::MAX] {
        store.purge(Timestamp(ahead), 10).await.unwrap();
        let found = store.load(&[key(1), key(2)]).await.unwrap();
        assert_eq!(found.iter().map(Option::is_some).collect::<Vec<_>>(), [false, true], "{ahead}");
    }
}

/// Tells a process that it is to count up, and where.
const PLACE: &str = "GRANTOR_TEST_PLACE";
const PROCESSES: u64 = 3;
const INCREMENTS: u64 = 60;

/// Counts up at once with other processes: each runs the test `as_another_process` of this program. All open the place at the
/// same time.
pub(crate) async fn no_process_loses_an_increment<S: Store>(
    place: impl AsRef<OsStr>,
    opened: impl Future<Output = S>,
) {
    let mut others: Vec<_> = (0..PROCESSES)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "as_another_process"])
                .env(PLACE, &place)
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let store = opened.await;
    contract::count_up(&store, 1, INCREMENTS).await.unwrap();
    assert!(others.iter_mut().all(|other| other.wait().unwrap().success()));
    assert_eq!(contract::counted_up(&store).await, Ok((PROCESSES + 1) * INCREMENTS));
}

/// Does nothing unless this is another process.
pub(crate) async fn counts_as_another_process<S: Store>(open: impl AsyncFnOnce(String) -> S) {
    if let Ok(place) = std::env::var(PLACE) {
        contract::count_up(&open(place).await, std::process::id(), INCREMENTS).await.unwrap();
    }
}
