//! What is asked of every store that is kept on a server.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use grantor::record::{Batch, Expectation, Key};
use grantor::store::contract::{self, Harness, Outcome, Task};
use grantor::store::{CommitError, Store};

use super::batches::{Tally, assert_counted, count_up, counted, fresh, key, putting, version};
use super::daemon::{Daemon, Engine, Stop};
use super::wire::Wire;

/// A server that keeps the records of several places apart.
#[async_trait]
pub(crate) trait Places: Engine {
    /// Opens one of them, for crowds.
    async fn open(url: String, place: &str) -> Arc<dyn Store>;
}

struct On<E: Places>(Mutex<Daemon<E>>);

#[async_trait]
impl<E: Places> Harness for On<E> {
    async fn open(&self, place: &str) -> Arc<dyn Store> {
        let url = self.0.lock().unwrap().url();
        E::open(url, place).await
    }

    fn lasting(&self) -> bool {
        true
    }

    fn shared(&self) -> bool {
        true
    }

    fn interruptible(&self) -> bool {
        true
    }

    async fn interrupt(&self) {
        self.0.lock().unwrap().restart(Stop::Immediate);
    }

    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }
}

/// Every rule is for such a store, and it keeps them all.
pub(crate) async fn keeps_the_contract<E: Places>(server: Daemon<E>) {
    let report = contract::run(&On(Mutex::new(server))).await;
    println!("{report}");
    report.assert();
    assert!(report.results.iter().all(|(_, outcome)| *outcome == Outcome::Held));
}

/// A load of any number and a commit of any size, over a wire on which nothing is left to be told once.
pub(crate) async fn each_is_one_round_trip(store: &dyn Store, wire: &Wire) {
    let mut before = wire.round_trips();
    let mut trips = || wire.round_trips() - std::mem::replace(&mut before, wire.round_trips());
    for (n, size) in [1, 2, 12, 150].into_iter().enumerate() {
        let mut batch = putting(1, n as u64, 0..size);
        store.commit(&batch).await.unwrap();
        assert_eq!(trips(), 1, "a commit of {size}");
        let keys: Vec<Key> = (0..size).map(key).collect();
        assert_eq!(store.load(&keys).await.unwrap().iter().flatten().count() as u64, size);
        assert_eq!(trips(), 1, "a load of {size}");
        assert_eq!(store.load(&[key(1 << 40)]).await.unwrap(), [None]);
        assert_eq!(trips(), 1, "a load of what is absent");

        batch.expect(key(0), Expectation::Absent);
        assert_eq!(store.commit(&batch).await, Err(CommitError::Conflict));
        assert_eq!(trips(), 1, "a conflict");
        let mut change = fresh(2, n as u64);
        change.expect = keys.iter().map(|key| (*key, Expectation::At(batch.id))).collect();
        change.put = batch.put.split_off(1);
        change.delete.push(key(0));
        store.commit(&change).await.unwrap();
        assert_eq!(trips(), 1, "expectations, a deletion and {} records", size - 1);
    }
}

/// What was sent over a wire and not answered arrives after it was looked for, by `store` and by another one.
pub(crate) async fn what_arrives_late_is_refused(store: &dyn Store, other: &dyn Store, wire: &Wire) {
    store.commit(&putting(1, 1, [1, 2])).await.unwrap();
    wire.hold();
    let mut late = putting(1, 2, [2, 3]);
    late.expect(key(2), Expectation::At(fresh(1, 1).id));
    late.delete.push(key(1));
    let outcome = store.commit(&late).await;
    assert!(matches!(outcome, Err(CommitError::Unknown(_))), "{outcome:?}");
    let is_as_before = async || {
        for store in [other, store] {
            let found = store.load(&[key(1), key(2), key(3)]).await.unwrap();
            let versions: Vec<_> =
                found.iter().map(|found| found.as_ref().map(|found| found.version)).collect();
            assert_eq!(versions, [Some(fresh(1, 1).id), Some(fresh(1, 1).id), None]);
        }
    };
    is_as_before().await;
    wire.release();
    // What was held back reaches the server meanwhile.
    tokio::time::sleep(Duration::from_millis(500)).await;
    is_as_before().await;
    let again = Batch { id: fresh(1, 3).id, ..late };
    assert_eq!(store.commit(&again).await, Ok(()), "nothing is in the way of another try");
}

/// The answer to a commit over a wire is lost.
pub(crate) async fn what_was_applied_unheard_is_known_by_its_version(store: &dyn Store, wire: &Wire) {
    store.commit(&putting(1, 1, [1])).await.unwrap();
    wire.mute();
    let batch = putting(1, 2, [1]);
    let outcome = store.commit(&batch).await;
    assert!(matches!(outcome, Err(CommitError::Unknown(_))), "{outcome:?}");
    assert_eq!(version(store, 1).await, batch.id);
}

/// Writers count up in two handles on a server that is stopped and started again meanwhile: nothing is lost and nothing doubled.
pub(crate) async fn counts_through_restarts<E: Engine>(mut server: Daemon<E>, stores: [Arc<dyn Store>; 2]) {
    const WRITERS: u64 = 6;
    let over = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (store, over) = (Arc::clone(&stores[writer as usize % 2]), Arc::clone(&over));
            tokio::spawn(async move { count_up(&*store, writer, &over).await })
        })
        .collect();
    for how in [Stop::Fast, Stop::Immediate, Stop::Immediate, Stop::Fast] {
        get_on(&*stores[0]).await;
        tokio::task::block_in_place(|| {
            server.stop(how);
            std::thread::sleep(Duration::from_millis(100));
            server.resume();
        });
    }
    get_on(&*stores[0]).await;
    over.store(true, Ordering::SeqCst);
    let mut total = Tally::default();
    for writer in writers {
        total = total + writer.await.unwrap();
    }
    println!("{total:?}");
    assert!(total.unavailable > 0, "the server was away: {total:?}");
    assert_counted(&*stores[1], total).await;
}

/// Waits until twenty more are counted.
async fn get_on(store: &dyn Store) {
    let (began, mut first) = (Instant::now(), None);
    loop {
        if let Ok(found) = store.load(&[key(0)]).await {
            let count = counted(found[0].as_ref());
            if count >= *first.get_or_insert(count) + 20 {
                return;
            }
        }
        assert!(began.elapsed() < Duration::from_secs(60), "nobody gets on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
