//! Records in memory: fast, bounded, and gone with the process.
//!
//! Promised: everything [`Store`] promises, except durability: nothing survives the process, and two processes never
//! see each other's records. No commit has an unknown outcome. Never promised: a limit on bytes; the bound is a number
//! of records.
//!
//! ```text
//!   commit ─► lock the record shards it touches ─► check ─► lock the term shards it touches ─► apply ─► unlock
//!                  (ascending, each once)                        (ascending, each once)
//! ```
//!
//! Record shards are always locked before term shards, so that no two callers can wait for each other. No call ever
//! yields: its future is ready at the first poll, and no lock outlives that poll.

mod hash;
mod index;
mod lock;
mod shard;
mod slab;
mod sorted;

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;

use self::hash::Seed;
use self::index::{TermRef, TermRefs, TermShard};
use self::lock::{Guards, Poisoned, Shards};
use self::shard::{Entry, RecordShard};
use super::{CommitError, ImmediateStore, Listing, Page, Store, StoreError};
use crate::protocol::Timestamp;
use crate::record::{Batch, Index, Key, Put, Versioned};

/// How many records a purge deletes under one lock.
const PURGE_STEP: usize = 128;

/// A store that keeps its records in this process's memory.
///
/// It holds at most a fixed number of records. Beyond that a commit that would add one fails with
/// [`CommitError::Full`], while commits that only overwrite or delete still work; nothing is ever dropped to make
/// room, except by [`Store::purge`].
pub struct MemoryStore {
    seed: Seed,
    records: Shards<RecordShard>,
    terms: Shards<TermShard>,
    len: AtomicUsize,
    capacity: usize,
    purge_from: AtomicUsize,
}

impl MemoryStore {
    /// How many records [`MemoryStore::new`] holds: one million.
    pub const DEFAULT_CAPACITY: usize = 1_000_000;
    /// The most records any memory store can hold: 2²⁶.
    pub const MAX_CAPACITY: usize = 1 << 26;

    /// An empty store for [`MemoryStore::DEFAULT_CAPACITY`] records.
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(Self::DEFAULT_CAPACITY)
    }

    /// An empty store for `max_records` records, at most [`MemoryStore::MAX_CAPACITY`]. Nothing is allocated yet.
    #[must_use]
    pub fn with_capacity(max_records: usize) -> Self {
        Self {
            seed: Seed::random(),
            records: Shards::new(),
            terms: Shards::new(),
            len: AtomicUsize::new(0),
            capacity: max_records.min(Self::MAX_CAPACITY),
            purge_from: AtomicUsize::new(0),
        }
    }

    /// How many records it holds now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len.load(Ordering::Relaxed)
    }

    /// Whether it holds no record.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many records it can hold.
    #[must_use]
    pub const fn capacity(&self) -> usize {
        self.capacity
    }

    fn read(&self, keys: &[Key], mut found: impl FnMut(Key, Option<Versioned>)) -> Result<(), Poisoned> {
        if let [key] = keys {
            let hash = self.seed.of_key(key);
            let shard = self.records.lock_one(hash.shard())?;
            found(*key, shard.and_then(|shard| shard.get(hash, key).map(Entry::versioned)));
            return Ok(());
        }
        let hash = |key: &Key| self.seed.of_key(key);
        let shards = keys.iter().fold(0, |mask, key| mask | hash(key).shard_bit());
        let mut guards = self.records.lock(shards)?;
        for key in keys {
            let hash = hash(key);
            let shard = guards.get(hash.shard());
            found(*key, shard.and_then(|shard| shard.get(hash, key)).map(Entry::versioned));
        }
        Ok(())
    }

    fn apply(&self, batch: &Batch) -> Result<(), CommitError> {
        let touched = keys_of(batch).fold(0, |mask, key| mask | self.seed.of_key(key).shard_bit());
        let mut records = self.records.lock(touched)?;
        self.check(batch, &mut records)?;
        if batch.is_empty() {
            return Ok(());
        }

        let change = self.survey(batch, &mut records);
        let mut terms = self.terms.lock(change.term_shards)?;
        if terms.iter().any(|shard| !shard.has_room_for(change.new_terms)) {
            return Err(CommitError::Full);
        }
        self.reserve(&change)?;

        let mut gone = 0;
        for key in &batch.delete {
            gone += usize::from(self.delete(key, &mut records, &mut terms));
        }
        let mut made = 0;
        for put in &batch.put {
            made += usize::from(self.put(batch, put, &mut records, &mut terms));
        }
        self.settle(&change, made, gone);
        Ok(())
    }

    fn check(&self, batch: &Batch, records: &mut Guards<'_, RecordShard>) -> Result<(), CommitError> {
        for (key, expectation) in &batch.expect {
            let hash = self.seed.of_key(key);
            let version =
                records.get(hash.shard()).and_then(|shard| shard.get(hash, key)).map(Entry::version);
            if !expectation.holds(version) {
                return Err(CommitError::Conflict);
            }
        }
        Ok(())
    }

    /// What a batch will touch: the term shards, and by how much the number of records can change.
    fn survey(&self, batch: &Batch, records: &mut Guards<'_, RecordShard>) -> Change {
        let mut change = Change::default();
        for key in &batch.delete {
            let hash = self.seed.of_key(key);
            if let Some(entry) = records.get(hash.shard()).and_then(|shard| shard.get(hash, key)) {
                change.term_shards |= entry.terms().shard_mask();
                change.fewer += 1;
            }
        }
        for put in &batch.put {
            let hash = self.seed.of_key(&put.key);
            match records.get(hash.shard()).and_then(|shard| shard.get(hash, &put.key)) {
                Some(entry) => change.term_shards |= entry.terms().shard_mask(),
                None => change.more += 1,
            }
            for term in &put.terms {
                change.term_shards |= self.seed.of_term(term).shard_bit();
            }
            change.new_terms += put.terms.len();
        }
        change
    }

    /// Takes the room the batch needs beyond what it frees itself.
    fn reserve(&self, change: &Change) -> Result<(), CommitError> {
        let needed = change.reserved();
        if needed == 0 {
            return Ok(());
        }
        let take = |len: usize| len.checked_add(needed).filter(|len| *len <= self.capacity);
        match self.len.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take) {
            Ok(_) => Ok(()),
            Err(_) => Err(CommitError::Full),
        }
    }

    /// Corrects the count from what was reserved to what happened.
    fn settle(&self, change: &Change, made: usize, gone: usize) {
        let surplus = (change.reserved() + gone).saturating_sub(made);
        if surplus > 0 {
            self.len.fetch_sub(surplus, Ordering::Relaxed);
        }
    }

    fn put(
        &self,
        batch: &Batch,
        put: &Put,
        records: &mut Guards<'_, RecordShard>,
        terms: &mut Guards<'_, TermShard>,
    ) -> bool {
        let hash = self.seed.of_key(&put.key);
        let Some(shard) = records.get(hash.shard()) else { return false };
        let slot = shard.find(hash, &put.key);
        let earlier = slot.and_then(|slot| shard.at(slot)).map(Entry::terms);

        let mut refs = TermRefs::default();
        for term in &put.terms {
            let hash = self.seed.of_term(term);
            let Some(terms) = terms.get(hash.shard()) else { continue };
            let kept = earlier.and_then(|earlier| {
                earlier.iter().find(|own| own.shard() == hash.shard() && terms.is_at(own.slot(), term))
            });
            refs.push(match kept {
                Some(kept) => kept,
                None => TermRef::new(hash.shard(), terms.add(hash, term, put.key, &self.seed)),
            });
        }
        for stale in earlier.into_iter().flat_map(TermRefs::iter).filter(|own| !refs.contains(*own)) {
            if let Some(terms) = terms.get(stale.shard()) {
                terms.remove(stale.slot(), &put.key, &self.seed);
            }
        }
        shard.put(hash, slot, batch.id, put, refs, &self.seed)
    }

    fn delete(
        &self,
        key: &Key,
        records: &mut Guards<'_, RecordShard>,
        terms: &mut Guards<'_, TermShard>,
    ) -> bool {
        let hash = self.seed.of_key(key);
        let Some(entry) = records.get(hash.shard()).and_then(|shard| shard.delete(hash, key)) else {
            return false;
        };
        self.unlist(&entry, terms);
        true
    }

    fn unlist(&self, entry: &Entry, terms: &mut Guards<'_, TermShard>) {
        for term in entry.terms().iter() {
            if let Some(shard) = terms.get(term.shard()) {
                shard.remove(term.slot(), entry.key(), &self.seed);
            }
        }
    }

    fn page(&self, index: &Index, page: Page) -> Result<Listing, Poisoned> {
        let hash = self.seed.of_term(index);
        let shard = self.terms.lock_one(hash.shard())?;
        Ok(shard.map(|shard| shard.page(hash, index, page)).unwrap_or_default())
    }

    /// Goes round the shards from where the last purge stopped, a bounded step under each lock.
    fn forget(&self, now: Timestamp, limit: usize) -> Result<usize, Poisoned> {
        let mut total = 0;
        let mut idle = 0;
        while total < limit && idle < lock::SHARDS {
            let shard = self.purge_from.fetch_add(1, Ordering::Relaxed) % lock::SHARDS;
            let gone = self.forget_in(shard, now, PURGE_STEP.min(limit - total))?;
            idle = if gone == PURGE_STEP { 0 } else { idle + 1 };
            total += gone;
        }
        Ok(total)
    }

    fn forget_in(&self, shard: usize, now: Timestamp, limit: usize) -> Result<usize, Poisoned> {
        let mut records = self.records.lock(1 << shard)?;
        let Some(records) = records.get(shard) else { return Ok(0) };
        let mut gone = 0;
        while gone < limit {
            let Some(term_shards) = records.first_before(now).map(|entry| entry.terms().shard_mask()) else {
                break;
            };
            let mut terms = self.terms.lock(term_shards)?;
            let Some(entry) = records.delete_first(&self.seed) else { break };
            self.unlist(&entry, &mut terms);
            self.len.fetch_sub(1, Ordering::Relaxed);
            gone += 1;
        }
        Ok(gone)
    }
}

/// What a batch is about to change.
#[derive(Default)]
struct Change {
    term_shards: u64,
    new_terms: usize,
    more: usize,
    fewer: usize,
}

impl Change {
    fn reserved(&self) -> usize {
        self.more.saturating_sub(self.fewer)
    }
}

fn keys_of(batch: &Batch) -> impl Iterator<Item = &Key> {
    let expected = batch.expect.iter().map(|(key, _)| key);
    expected.chain(batch.put.iter().map(|put| &put.key)).chain(&batch.delete)
}

impl Default for MemoryStore {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("len", &self.len()).field("capacity", &self.capacity).finish()
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        let mut records = Vec::with_capacity(keys.len());
        self.read(keys, |_, record| records.push(record))?;
        Ok(records)
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.apply(batch)
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        Ok(self.page(index, page)?)
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        Ok(self.forget(now, limit)?)
    }

    fn immediate(&self) -> Option<&dyn ImmediateStore> {
        Some(self)
    }
}

impl ImmediateStore for MemoryStore {
    fn load_now(
        &self,
        keys: &[Key],
        found: &mut dyn FnMut(Key, Option<Versioned>),
    ) -> Result<(), StoreError> {
        Ok(self.read(keys, found)?)
    }

    fn commit_now(&self, batch: &Batch) -> Result<(), CommitError> {
        self.apply(batch)
    }
}

impl From<Poisoned> for StoreError {
    fn from(Poisoned: Poisoned) -> Self {
        Self("a thread panicked inside the memory store".to_owned())
    }
}

impl From<Poisoned> for CommitError {
    fn from(poisoned: Poisoned) -> Self {
        Self::Unavailable(StoreError::from(poisoned).0)
    }
}
