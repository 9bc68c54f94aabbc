//! Which keys are listed under which term.

use hashbrown::HashTable;

use super::hash::{Hash, Seed};
use super::slab::Slab;
use super::sorted::SortedKeys;
use crate::record::{Index, Key};
use crate::store::{Listing, Page};

const SHARD_BITS: u32 = 6;
const MAX_TERMS: usize = 1 << (32 - SHARD_BITS);

/// The terms of one shard. A term exists while it lists a key.
#[derive(Default)]
pub(super) struct TermShard {
    table: HashTable<u32>,
    terms: Slab<Term>,
}

struct Term {
    index: Index,
    keys: Keys,
}

/// Most terms list one key.
enum Keys {
    One(Key),
    Many(SortedKeys),
}

impl TermShard {
    pub(super) fn has_room_for(&self, more: usize) -> bool {
        self.terms.len().saturating_add(more) < MAX_TERMS
    }

    /// Lists `key` under `index`; answers where the term is kept.
    pub(super) fn add(&mut self, hash: Hash, index: &Index, key: Key, seed: &Seed) -> u32 {
        if let Some(slot) = self.find(hash, index) {
            if let Some(term) = self.terms.get_mut(slot) {
                term.keys.insert(key);
            }
            return slot;
        }
        let slot = self.terms.insert(Term { index: *index, keys: Keys::One(key) });
        let terms = &self.terms;
        self.table.insert_unique(hash.0, slot, |slot| {
            terms.get(*slot).map_or(0, |term| seed.of_term(&term.index).0)
        });
        slot
    }

    /// Whether this term is kept at `slot`.
    pub(super) fn is_at(&self, slot: u32, index: &Index) -> bool {
        self.terms.get(slot).is_some_and(|term| term.index == *index)
    }

    /// Lists `key` no longer under the term that is kept at `slot`.
    pub(super) fn remove(&mut self, slot: u32, key: &Key, seed: &Seed) {
        let Some(term) = self.terms.get_mut(slot) else { return };
        match &mut term.keys {
            Keys::One(only) if only == key => {}
            Keys::One(_) => return,
            Keys::Many(keys) => {
                keys.remove(key);
                if !keys.is_empty() {
                    return;
                }
            }
        }
        let hash = seed.of_term(&term.index);
        if let Ok(entry) = self.table.find_entry(hash.0, |own| *own == slot) {
            entry.remove();
        }
        self.terms.remove(slot);
    }

    pub(super) fn page(&self, hash: Hash, index: &Index, page: Page) -> Listing {
        match self.find(hash, index).and_then(|slot| self.terms.get(slot)).map(|term| &term.keys) {
            None => Listing::default(),
            Some(Keys::One(key)) => {
                cut(Some(key).filter(|key| page.after.is_none_or(|after| **key > after)), page)
            }
            Some(Keys::Many(keys)) => cut(keys.after(page.after), page),
        }
    }

    fn find(&self, hash: Hash, index: &Index) -> Option<u32> {
        self.table
            .find(hash.0, |slot| self.terms.get(*slot).is_some_and(|term| term.index == *index))
            .copied()
    }
}

fn cut<'a>(keys: impl IntoIterator<Item = &'a Key>, page: Page) -> Listing {
    let mut rest = keys.into_iter().copied();
    let keys: Vec<Key> = rest.by_ref().take(page.limit.max(1)).collect();
    let next = rest.next().and(keys.last().copied());
    Listing { keys, next }
}

impl Keys {
    fn insert(&mut self, key: Key) {
        match self {
            Self::One(only) if *only == key => {}
            Self::One(only) => {
                let mut keys = SortedKeys::of_one(*only);
                keys.insert(key);
                *self = Self::Many(keys);
            }
            Self::Many(keys) => keys.insert(key),
        }
    }
}

/// Where a term is kept: its shard and its slot there.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct TermRef(u32);

impl TermRef {
    const NONE: Self = Self(u32::MAX);

    pub(super) fn new(shard: usize, slot: u32) -> Self {
        Self(slot << SHARD_BITS | shard as u32)
    }

    pub(super) const fn shard(self) -> usize {
        (self.0 % (1 << SHARD_BITS)) as usize
    }

    pub(super) const fn slot(self) -> u32 {
        self.0 >> SHARD_BITS
    }
}

/// The terms of one record, each once; up to two take no room of their own.
pub(super) enum TermRefs {
    Few([TermRef; 2]),
    Many(Box<[TermRef]>),
}

impl Default for TermRefs {
    fn default() -> Self {
        Self::Few([TermRef::NONE; 2])
    }
}

impl TermRefs {
    pub(super) fn push(&mut self, term: TermRef) {
        if self.contains(term) {
            return;
        }
        match self {
            Self::Few([free, _] | [_, free]) if *free == TermRef::NONE => *free = term,
            Self::Few(_) | Self::Many(_) => *self = Self::Many(self.iter().chain([term]).collect()),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = TermRef> {
        let all = match self {
            Self::Few(few) => few.as_slice(),
            Self::Many(many) => many,
        };
        all.iter().copied().take_while(|term| *term != TermRef::NONE)
    }

    pub(super) fn contains(&self, term: TermRef) -> bool {
        self.iter().any(|own| own == term)
    }

    pub(super) fn shard_mask(&self) -> u64 {
        self.iter().fold(0, |mask, term| mask | 1 << term.shard())
    }
}
