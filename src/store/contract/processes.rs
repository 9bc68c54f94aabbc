//! Several processes at once. The kit starts none, but says what each has to do and what has to come of it.

use super::bench::{Bench, Ids, counted, one_of};
use super::concurrency::increment;
use crate::record::Key;
use crate::store::{Store, StoreError};

/// Counts so many times up in a store in which other processes count at the same time, each under a number that no other has or
/// had. Where they exclude each other, [`counted_up`] is what all of them have counted together.
///
/// A test starts its own program again for each process, opens the same place in each, and adds up: the tests of the stores that
/// come with this crate show how.
///
/// # Errors
/// [`StoreError`] when the store fails otherwise than by a conflict. Where the outcome of a commit was unknown, that may have
/// counted.
pub async fn count_up(store: &dyn Store, process: u32, times: u64) -> Result<(), StoreError> {
    let ids = Ids::of_process(process);
    for _ in 0..times {
        increment(store, &ids, counter()).await.map_err(|failure| StoreError(failure.0))?;
    }
    Ok(())
}

/// How often all processes together have [counted up](count_up).
///
/// # Errors
/// [`StoreError`] when that cannot be read.
pub async fn counted_up(store: &dyn Store) -> Result<u64, StoreError> {
    let found = one_of(store, counter()).await.map_err(|failure| StoreError(failure.0))?;
    Ok(found.and_then(|versioned| counted(&versioned.record)).unwrap_or_default())
}

fn counter() -> Key {
    Bench::key_at(0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::MemoryStore;
    use crate::store::contract::block_on;

    #[test]
    fn whoever_counts_up_again_writes_other_versions() {
        let store = MemoryStore::new();
        let once = || {
            block_on(count_up(&store, 1, 1)).unwrap();
            block_on(one_of(&store, counter())).ok().flatten().unwrap().version
        };
        assert_ne!(once(), once());
        assert_eq!(block_on(counted_up(&store)), Ok(2));
    }
}
