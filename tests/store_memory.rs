//! What is particular to the memory store: its bound, and that it never makes a caller wait.

use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use grantor::protocol::Timestamp;
use grantor::record::{
    Batch, BatchId, Expectation, Id, Index, IndexKind, Key, Namespace, Put, Record, SessionId,
};
use grantor::store::{CommitError, MemoryStore, Page, Store};

const HERE: Namespace = Namespace(Id([7; 16]));

fn key(n: u64) -> Key {
    HERE.session(SessionId(Id(u128::from(n).to_be_bytes())))
}

fn term(n: u8) -> Index {
    Index { namespace: HERE, kind: IndexKind::Subject, id: Id([n; 16]) }
}

fn batch(n: u64) -> Batch {
    Batch::new(BatchId(Id(u128::from(n).to_be_bytes())))
}

fn put(n: u64, terms: &[Index]) -> Put {
    Put {
        key: key(n),
        record: Arc::new(Record::RevokedToken),
        terms: terms.to_vec(),
        retain_until: Timestamp(n),
    }
}

/// Polls once: every future of this store is ready at once.
fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => unreachable!("the memory store yielded"),
    }
}

fn write(store: &MemoryStore, id: u64, puts: &[u64], deletes: &[u64]) -> Result<(), CommitError> {
    let mut batch = batch(id);
    batch.put = puts.iter().map(|n| put(*n, &[term(1)])).collect();
    batch.delete = deletes.iter().map(|n| key(*n)).collect();
    now(store.commit(&batch))
}

#[test]
fn a_full_store_refuses_more_records_and_keeps_those_it_has() {
    let store = MemoryStore::with_capacity(100);
    for n in 0..100 {
        assert_eq!(write(&store, n, &[n], &[]), Ok(()));
    }
    assert_eq!(write(&store, 200, &[200], &[]), Err(CommitError::Full));
    assert_eq!(
        write(&store, 201, &[5, 201], &[]),
        Err(CommitError::Full),
        "an overwrite goes down with the rest"
    );
    assert_eq!(store.len(), 100);
    assert_eq!(
        now(store.load(&[key(5)])).unwrap()[0].as_ref().unwrap().version,
        BatchId(Id(5_u128.to_be_bytes()))
    );

    assert_eq!(write(&store, 202, &[5], &[]), Ok(()), "an overwrite needs no room");
    assert_eq!(write(&store, 203, &[203], &[6]), Ok(()), "a batch may use the room it makes");
    assert_eq!(write(&store, 204, &[], &[7]), Ok(()), "a deletion makes room");
    assert_eq!(write(&store, 205, &[205], &[]), Ok(()));
    assert_eq!(write(&store, 206, &[206], &[]), Err(CommitError::Full));
    assert_eq!(now(store.purge(Timestamp(10), 100)), Ok(8), "0 to 4, 5, 8 and 9");
    assert_eq!(store.len(), 92);
    assert_eq!(write(&store, 207, &[206], &[]), Ok(()), "a purge makes room");
    assert_eq!(now(store.load(&[key(99)])).unwrap().len(), 1);
}

#[test]
fn a_conflict_is_told_before_fullness() {
    let store = MemoryStore::with_capacity(1);
    assert_eq!(write(&store, 1, &[1], &[]), Ok(()));
    let mut batch = batch(2);
    batch.expect(key(1), Expectation::Absent);
    batch.put.push(put(2, &[]));
    assert_eq!(now(store.commit(&batch)), Err(CommitError::Conflict));
    assert_eq!(MemoryStore::with_capacity(usize::MAX).capacity(), MemoryStore::MAX_CAPACITY);
}

#[test]
fn many_terms_on_one_record_and_many_records_under_one_term() {
    let store = MemoryStore::new();
    let terms: Vec<Index> = (0..40).map(term).collect();
    let mut first = batch(1);
    first.put = (0..1000).map(|n| put(n, &terms)).collect();
    now(store.commit(&first)).unwrap();
    let mut second = batch(2);
    second.put = (0..1000).map(|n| put(n, terms.get(..n as usize % 40).unwrap())).collect();
    now(store.commit(&second)).unwrap();
    for (n, term) in terms.iter().enumerate() {
        let listed = now(store.list(term, Page { after: None, limit: 2000 })).unwrap();
        let expected: Vec<Key> = (0..1000).filter(|record| *record as usize % 40 > n).map(key).collect();
        assert_eq!(listed.keys, expected);
        assert_eq!(listed.next, None);
    }
    assert_eq!(now(store.purge(Timestamp(u64::MAX), usize::MAX)), Ok(1000));
    assert!(store.is_empty());
    assert!(
        terms
            .iter()
            .all(|term| now(store.list(term, Page { after: None, limit: 1 })).unwrap().keys.is_empty())
    );
}

#[test]
fn a_purge_goes_round_all_shards_within_its_limit() {
    let store = MemoryStore::new();
    let mut all = batch(1);
    all.put = (0..20_000).map(|n| put(n, &[term(1)])).collect();
    now(store.commit(&all)).unwrap();
    let mut calls = 0;
    while now(store.purge(Timestamp(15_000), 1_000)).unwrap() > 0 {
        calls += 1;
    }
    assert_eq!((calls, store.len()), (15, 5_000));
    let kept = now(store.list(&term(1), Page { after: None, limit: usize::MAX })).unwrap().keys;
    assert_eq!(kept, (15_000..20_000).map(key).collect::<Vec<_>>());
}

#[test]
fn batches_and_purges_that_cross_all_shards_never_wait_in_a_circle() {
    let store = MemoryStore::with_capacity(2_000);
    std::thread::scope(|scope| {
        for thread in 0..8_u64 {
            let store = &store;
            scope.spawn(move || {
                for round in 0..300_u64 {
                    let mut batch = batch(thread << 32 | round);
                    let start = (round * 37 + thread * 11) % 500;
                    batch.put =
                        (start..start + 20).map(|n| put(n, &[term((n % 50) as u8), term(99)])).collect();
                    batch.delete = (start + 20..start + 30).map(key).collect();
                    now(store.commit(&batch)).unwrap();
                    let keys: Vec<Key> = (start..start + 20).rev().map(key).collect();
                    now(store.load(&keys)).unwrap();
                    now(store.list(&term(99), Page { after: Some(key(start)), limit: 50 })).unwrap();
                    if round % 10 == 0 {
                        now(store.purge(Timestamp(start), 15)).unwrap();
                    }
                }
            });
        }
    });
    let listed = now(store.list(&term(99), Page { after: None, limit: usize::MAX })).unwrap().keys;
    assert_eq!(listed.len(), store.len(), "every record is listed, and nothing else");
    assert!(now(store.load(&listed)).unwrap().iter().all(Option::is_some));
}
