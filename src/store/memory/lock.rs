//! Sixty-four locks, and holding several of them without ever waiting in a circle: ascending, each once.

use std::sync::{Mutex, MutexGuard};

use smallvec::SmallVec;

/// How many shards there are, so that a set of them is one `u64`.
pub(super) const SHARDS: usize = 64;

/// A thread panicked while it held a lock; what it guards may be half changed.
pub(super) struct Poisoned;

/// Values behind one lock each.
pub(super) struct Shards<T>(Box<[Padded<T>]>);

/// Keeps neighbouring locks off each other's cache line.
#[repr(align(64))]
struct Padded<T>(Mutex<T>);

/// The locked shards of a set, found again by their number.
pub(super) struct Guards<'a, T> {
    mask: u64,
    first: Option<MutexGuard<'a, T>>,
    rest: SmallVec<[MutexGuard<'a, T>; 3]>,
}

impl<T: Default> Shards<T> {
    pub(super) fn new() -> Self {
        Self((0..SHARDS).map(|_| Padded(Mutex::default())).collect())
    }
}

impl<T> Shards<T> {
    /// Locks one shard.
    pub(super) fn lock_one(&self, shard: usize) -> Result<Option<MutexGuard<'_, T>>, Poisoned> {
        self.0.get(shard).map(|Padded(lock)| lock.lock().map_err(|_| Poisoned)).transpose()
    }

    /// Locks every shard whose bit is set.
    pub(super) fn lock(&self, mask: u64) -> Result<Guards<'_, T>, Poisoned> {
        let mut guards = Guards { mask, first: None, rest: SmallVec::new() };
        let mut left = mask;
        while left != 0 {
            let Some(Padded(lock)) = self.0.get(left.trailing_zeros() as usize) else { break };
            let guard = lock.lock().map_err(|_| Poisoned)?;
            if guards.first.is_none() {
                guards.first = Some(guard);
            } else {
                guards.rest.push(guard);
            }
            left &= left - 1;
        }
        Ok(guards)
    }
}

impl<T> Guards<'_, T> {
    /// The shard with this number, if it was locked.
    pub(super) fn get(&mut self, shard: usize) -> Option<&mut T> {
        let bit = 1_u64 << shard;
        if self.mask == bit {
            return self.first.as_deref_mut();
        }
        if self.mask & bit == 0 {
            return None;
        }
        match (self.mask & (bit - 1)).count_ones() as usize {
            0 => self.first.as_deref_mut(),
            n => self.rest.get_mut(n - 1).map(|guard| &mut **guard),
        }
    }

    /// Every locked shard.
    pub(super) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest).map(|guard| &**guard)
    }
}
