//! The hash of keys and terms: a few multiplications, because ids are random or digests already, under a seed of its
//! own for each store, because some digests are of names that a stranger chose.

use std::hash::{BuildHasher, RandomState};

use super::lock::SHARDS;
use crate::record::{Id, Index, Key};

/// The secret of one store's hash tables.
pub(super) struct Seed([u64; 2]);

/// The hash of a key or term. Its low bits pick a bucket, its highest a tag, bits between them a shard.
#[derive(Clone, Copy)]
pub(super) struct Hash(pub(super) u64);

impl Seed {
    pub(super) fn random() -> Self {
        let source = RandomState::new();
        Self([source.hash_one(0), source.hash_one(1)])
    }

    pub(super) fn of_key(&self, key: &Key) -> Hash {
        self.mix(key.namespace.0, key.kind as u8, key.id)
    }

    pub(super) fn of_term(&self, term: &Index) -> Hash {
        self.mix(term.namespace.0, term.kind as u8, term.id)
    }

    #[inline]
    fn mix(&self, namespace: Id, kind: u8, id: Id) -> Hash {
        let Self([first, second]) = *self;
        let (space_high, space_low) = halves(namespace);
        let (high, low) = halves(id);
        Hash(fold(high ^ space_high ^ first, low ^ space_low ^ second ^ u64::from(kind).rotate_left(29)))
    }
}

impl Hash {
    pub(super) fn shard(self) -> usize {
        (self.0 >> 48) as usize % SHARDS
    }

    pub(super) fn shard_bit(self) -> u64 {
        1 << self.shard()
    }
}

fn halves(id: Id) -> (u64, u64) {
    let whole = u128::from_ne_bytes(id.0);
    ((whole >> 64) as u64, whole as u64)
}

fn fold(left: u64, right: u64) -> u64 {
    let product = u128::from(left) * u128::from(right);
    (product >> 64) as u64 ^ product as u64
}
