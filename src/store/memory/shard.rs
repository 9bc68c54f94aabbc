//! A share of the records, by key and by when they may be forgotten.

use std::cmp::Ordering;
use std::sync::Arc;

use hashbrown::HashTable;

use super::hash::{Hash, Seed};
use super::index::TermRefs;
use super::slab::Slab;
use crate::protocol::Timestamp;
use crate::record::{BatchId, Key, Put, Record, Versioned};

/// Records under one lock.
#[derive(Default)]
pub(super) struct RecordShard {
    table: HashTable<u32>,
    entries: Slab<Entry>,
    /// A binary heap, earliest first; each entry knows its place in it.
    retention: Vec<Due>,
}

/// A record as it is kept.
pub(super) struct Entry {
    record: Arc<Record>,
    terms: TermRefs,
    place: u32,
    key: Key,
    version: BatchId,
}

#[derive(Clone, Copy)]
struct Due {
    retain_until: Timestamp,
    slot: u32,
}

impl Entry {
    pub(super) fn key(&self) -> &Key {
        &self.key
    }

    pub(super) fn version(&self) -> BatchId {
        self.version
    }

    pub(super) fn terms(&self) -> &TermRefs {
        &self.terms
    }

    pub(super) fn versioned(&self) -> Versioned {
        Versioned { version: self.version, record: Arc::clone(&self.record) }
    }
}

impl RecordShard {
    pub(super) fn get(&self, hash: Hash, key: &Key) -> Option<&Entry> {
        self.find(hash, key).and_then(|slot| self.entries.get(slot))
    }

    pub(super) fn at(&self, slot: u32) -> Option<&Entry> {
        self.entries.get(slot)
    }

    /// Writes a record, over the one that [`RecordShard::find`] found; answers whether there was none.
    pub(super) fn put(
        &mut self,
        hash: Hash,
        found: Option<u32>,
        version: BatchId,
        put: &Put,
        terms: TermRefs,
        seed: &Seed,
    ) -> bool {
        let record = Arc::clone(&put.record);
        if let Some(slot) = found {
            if let Some(entry) = self.entries.get_mut(slot) {
                let place = entry.place as usize;
                *entry = Entry { record, terms, place: entry.place, key: put.key, version };
                self.move_due(place, put.retain_until);
            }
            return false;
        }
        let place = self.retention.len() as u32;
        let slot = self.entries.insert(Entry { record, terms, place, key: put.key, version });
        let entries = &self.entries;
        self.table.insert_unique(hash.0, slot, |slot| {
            entries.get(*slot).map_or(0, |entry| seed.of_key(&entry.key).0)
        });
        self.retention.push(Due { retain_until: put.retain_until, slot });
        self.sift_up(place as usize);
        true
    }

    pub(super) fn delete(&mut self, hash: Hash, key: &Key) -> Option<Entry> {
        let entries = &self.entries;
        let found =
            self.table.find_entry(hash.0, |slot| entries.get(*slot).is_some_and(|entry| entry.key == *key));
        let (slot, _) = found.ok()?.remove();
        let entry = self.entries.remove(slot)?;
        self.remove_due(entry.place as usize);
        Some(entry)
    }

    /// The record that may be forgotten first, if that is before `now`.
    pub(super) fn first_before(&self, now: Timestamp) -> Option<&Entry> {
        let first = self.retention.first().filter(|due| due.retain_until < now)?;
        self.entries.get(first.slot)
    }

    pub(super) fn delete_first(&mut self, seed: &Seed) -> Option<Entry> {
        let key = self.entries.get(self.retention.first()?.slot)?.key;
        self.delete(seed.of_key(&key), &key)
    }

    pub(super) fn find(&self, hash: Hash, key: &Key) -> Option<u32> {
        self.table
            .find(hash.0, |slot| self.entries.get(*slot).is_some_and(|entry| entry.key == *key))
            .copied()
    }

    fn move_due(&mut self, place: usize, retain_until: Timestamp) {
        let Some(due) = self.retention.get_mut(place) else { return };
        let before = std::mem::replace(&mut due.retain_until, retain_until);
        match retain_until.cmp(&before) {
            Ordering::Less => self.sift_up(place),
            Ordering::Equal => {}
            Ordering::Greater => self.sift_down(place),
        }
    }

    fn remove_due(&mut self, place: usize) {
        if place < self.retention.len() {
            self.retention.swap_remove(place);
        }
        if place < self.retention.len() {
            self.note_place(place);
            self.sift_up(place);
            self.sift_down(place);
        }
    }

    fn sift_up(&mut self, mut place: usize) {
        while place > 0 {
            let parent = (place - 1) / 2;
            if self.due_at(parent) <= self.due_at(place) {
                break;
            }
            self.swap_dues(place, parent);
            place = parent;
        }
    }

    fn sift_down(&mut self, mut place: usize) {
        loop {
            let (left, right) = (2 * place + 1, 2 * place + 2);
            if left >= self.retention.len() {
                break;
            }
            let has_right = right < self.retention.len();
            let child = if has_right && self.due_at(right) < self.due_at(left) { right } else { left };
            if self.due_at(place) <= self.due_at(child) {
                break;
            }
            self.swap_dues(place, child);
            place = child;
        }
    }

    fn due_at(&self, place: usize) -> Timestamp {
        self.retention.get(place).map_or(Timestamp(u64::MAX), |due| due.retain_until)
    }

    fn swap_dues(&mut self, one: usize, other: usize) {
        self.retention.swap(one, other);
        self.note_place(one);
        self.note_place(other);
    }

    fn note_place(&mut self, place: usize) {
        if let Some(entry) = self.retention.get(place).and_then(|due| self.entries.get_mut(due.slot)) {
            entry.place = place as u32;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;
    use crate::record::{Id, Namespace};

    fn put(n: u8, retain_until: u64) -> Put {
        let key = Namespace(Id([0; 16])).revoked_token(Id([n; 16]));
        Put {
            key,
            record: Arc::new(Record::RevokedToken),
            terms: Vec::new(),
            retain_until: Timestamp(retain_until),
        }
    }

    proptest! {
        #[test]
        fn records_leave_in_the_order_of_their_retention(
            steps in prop::collection::vec((any::<u8>(), prop::option::of(0_u64..50)), 0..600),
        ) {
            let seed = Seed::random();
            let (mut shard, mut model) = (RecordShard::default(), BTreeMap::new());
            for (n, retain_until) in steps {
                let put = put(n, retain_until.unwrap_or(0));
                let hash = seed.of_key(&put.key);
                match retain_until {
                    Some(until) => {
                        let (found, version) = (shard.find(hash, &put.key), BatchId(Id([0; 16])));
                        let new = shard.put(hash, found, version, &put, TermRefs::default(), &seed);
                        prop_assert_eq!(new, model.insert(put.key, until).is_none());
                    }
                    None => prop_assert_eq!(shard.delete(hash, &put.key).is_some(), model.remove(&put.key).is_some()),
                }
            }
            for now in 0..=50 {
                while shard.first_before(Timestamp(now)).is_some() {
                    let gone = shard.delete_first(&seed).unwrap();
                    prop_assert_eq!(model.remove(gone.key()), Some(now - 1));
                }
            }
            prop_assert!(model.is_empty());
            prop_assert_eq!(shard.entries.len(), 0);
        }
    }
}
