//! What a rule works with: a store of its own, fresh ids, and short words for what it does all the time.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use futures_channel::oneshot;

use super::Harness;
use crate::protocol::Timestamp;
use crate::record::{
    Batch, BatchId, Expectation, Id, Index, IndexKind, Key, Kind, Namespace, Put, Record, Standing, Versioned,
};
use crate::store::{CommitError, Listing, MemoryStore, Page, Store, StoreError};

/// Far beyond every time a rule purges at.
pub(super) const FAR: Timestamp = Timestamp(4_000_000_000);

/// How a rule was broken.
pub(super) struct Failure(pub(super) String);

pub(super) type Verdict = Result<(), Failure>;

impl From<StoreError> for Failure {
    fn from(error: StoreError) -> Self {
        Self(error.to_string())
    }
}

impl From<CommitError> for Failure {
    fn from(error: CommitError) -> Self {
        Self(format!("a commit that had to succeed failed: {error}"))
    }
}

/// The rule is broken unless `got` is `wanted`.
pub(super) fn same<T: PartialEq + Debug>(what: &str, got: &T, wanted: &T) -> Verdict {
    if got == wanted { Ok(()) } else { Err(Failure(format!("{what}: {got:?} instead of {wanted:?}"))) }
}

/// The rule is broken unless `holds`.
pub(super) fn ensure(holds: bool, what: &str) -> Verdict {
    if holds { Ok(()) } else { Err(Failure(what.to_owned())) }
}

/// The rule is broken unless the commit ended in a conflict.
pub(super) fn conflict(what: &str, got: &Result<(), CommitError>) -> Verdict {
    same(what, got, &Err(CommitError::Conflict))
}

pub(super) struct Bench<'a> {
    harness: &'a dyn Harness,
    rule: &'static str,
    pub(super) store: Arc<dyn Store>,
    pub(super) here: Namespace,
    ids: Arc<Ids>,
}

/// Batch ids that no process with another number has, each only once, as long as there are fewer than 2³².
pub(super) struct Ids {
    process: u32,
}

/// How many ids were made in this program: whoever begins again must not make the same.
static MADE: AtomicU64 = AtomicU64::new(0);

impl Ids {
    pub(super) const fn of_process(process: u32) -> Self {
        Self { process }
    }

    pub(super) fn fresh(&self) -> BatchId {
        let n = u64::from(self.process) << 32 | MADE.fetch_add(1, Ordering::Relaxed);
        BatchId(Id::minted(Timestamp(1_700_000_000), 0, n.to_be_bytes()))
    }
}

impl<'a> Bench<'a> {
    pub(super) async fn open(harness: &'a dyn Harness, rule: &'static str) -> Self {
        let store = harness.open(rule).await;
        let here = Self::key_at(0).namespace;
        Self { harness, rule, store, here, ids: Arc::new(Ids::of_process(0)) }
    }

    /// Drops the store and opens its place again.
    pub(super) async fn reopen(&mut self) {
        self.store = Arc::new(MemoryStore::with_capacity(0));
        self.store = self.harness.open(self.rule).await;
    }

    /// A second handle on the same place.
    pub(super) async fn second_handle(&self) -> Arc<dyn Store> {
        self.harness.open(self.rule).await
    }

    pub(super) async fn interrupt(&self) {
        self.harness.interrupt().await;
    }

    pub(super) fn elsewhere(&self) -> Namespace {
        Namespace::of_issuer("https://elsewhere.example")
    }

    pub(super) fn ids(&self) -> Arc<Ids> {
        Arc::clone(&self.ids)
    }

    /// A key of the namespace that every rule works in.
    pub(super) fn key_at(n: u64) -> Key {
        Key { namespace: Namespace::of_issuer("https://here.example"), kind: Kind::Subject, id: number(n) }
    }

    pub(super) fn key(&self, n: u64) -> Key {
        Key { namespace: self.here, ..Self::key_at(n) }
    }

    pub(super) fn term(&self, n: u64) -> Index {
        Index { namespace: self.here, kind: IndexKind::Subject, id: number(n) }
    }

    pub(super) fn batch(&self) -> Batch {
        Batch::new(self.ids.fresh())
    }

    /// A batch that puts one small record under each key, like no record before.
    pub(super) fn puts(&self, keys: impl IntoIterator<Item = Key>) -> Batch {
        let mut batch = self.batch();
        let n = MADE.load(Ordering::Relaxed);
        batch.put = keys.into_iter().map(|key| put(key, n)).collect();
        batch
    }

    /// Writes one small record under each key; answers their version.
    pub(super) async fn write(&self, keys: impl IntoIterator<Item = Key>) -> Result<BatchId, Failure> {
        self.apply(self.puts(keys)).await
    }

    /// Commits a batch that has to succeed; answers its id.
    pub(super) async fn apply(&self, batch: Batch) -> Result<BatchId, Failure> {
        self.store.commit(&batch).await?;
        Ok(batch.id)
    }

    pub(super) async fn delete(&self, keys: impl IntoIterator<Item = Key>) -> Result<BatchId, Failure> {
        let mut batch = self.batch();
        batch.delete = keys.into_iter().collect();
        self.apply(batch).await
    }

    /// Commits a batch that writes to `key` a record under `expectation`.
    pub(super) async fn write_if(
        &self,
        key: Key,
        expected: Key,
        expectation: Expectation,
    ) -> Result<(), CommitError> {
        let mut batch = self.puts([key]);
        batch.expect(expected, expectation);
        self.store.commit(&batch).await
    }

    pub(super) async fn one(&self, key: Key) -> Result<Option<Versioned>, Failure> {
        one_of(&*self.store, key).await
    }

    pub(super) async fn version(&self, key: Key) -> Result<Option<BatchId>, Failure> {
        Ok(self.one(key).await?.map(|versioned| versioned.version))
    }

    /// The one page that holds everything under a term.
    pub(super) async fn listed(&self, term: Index) -> Result<Vec<Key>, Failure> {
        Ok(self.page(term, None, 1000).await?.keys)
    }

    pub(super) async fn page(
        &self,
        term: Index,
        after: Option<Key>,
        limit: usize,
    ) -> Result<Listing, Failure> {
        Ok(self.store.list(&term, Page { after, limit }).await?)
    }

    /// Runs all futures beside one another, started as close together as possible.
    pub(super) async fn together<T, F>(&self, futures: Vec<F>) -> Result<Vec<T>, Failure>
    where
        T: Send + 'static,
        F: Future<Output = T> + Send + 'static,
    {
        let mut gates = Vec::new();
        let mut results = Vec::new();
        for future in futures {
            let (gate, opened) = oneshot::channel::<()>();
            let (answer, result) = oneshot::channel();
            gates.push(gate);
            results.push(result);
            self.harness.spawn(Box::pin(async move {
                let _ = opened.await;
                let _ = answer.send(future.await);
            }));
        }
        for gate in gates {
            let _ = gate.send(());
        }
        let mut values = Vec::new();
        for result in results {
            values.push(result.await.map_err(|_| Failure("a task did not come to its end".to_owned()))?);
        }
        Ok(values)
    }
}

pub(super) async fn one_of(store: &dyn Store, key: Key) -> Result<Option<Versioned>, Failure> {
    Ok(store.load(&[key]).await?.pop().flatten())
}

pub(super) fn number(n: u64) -> Id {
    Id(u128::from(n).to_be_bytes())
}

/// A record that is nothing but a number.
pub(super) fn counter(n: u64) -> Arc<Record> {
    Arc::new(Record::Subject(Standing { disabled: false, epoch: n }))
}

pub(super) fn counted(record: &Record) -> Option<u64> {
    match record {
        Record::Subject(standing) => Some(standing.epoch),
        _ => None,
    }
}

pub(super) fn put(key: Key, n: u64) -> Put {
    Put { key, record: counter(n), terms: Vec::new(), retain_until: FAR }
}

pub(super) fn put_under(key: Key, terms: &[Index]) -> Put {
    Put { terms: terms.to_vec(), ..put(key, 0) }
}

pub(super) fn put_until(key: Key, retain_until: u64) -> Put {
    Put { retain_until: Timestamp(retain_until), ..put(key, 0) }
}
