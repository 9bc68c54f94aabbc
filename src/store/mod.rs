//! Where records are kept: the trait, and the stores that come with it.
//!
//! What a store promises is written on [`Store`], and [`contract`] holds any implementation to it.

pub mod contract;
mod memory;
#[cfg(any(feature = "postgres", feature = "redis"))]
pub(crate) mod names;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "redis")]
pub(crate) mod redis;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod remote;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(any(feature = "postgres", feature = "redis"))]
mod tls;

use async_trait::async_trait;

#[cfg(feature = "redis")]
pub use self::redis::{RedisOpenError, RedisOptions, RedisStore};
pub use memory::MemoryStore;
#[cfg(feature = "postgres")]
pub use postgres::{PostgresOpenError, PostgresOptions, PostgresStore};
#[cfg(feature = "sqlite")]
pub use sqlite::{SqliteOpenError, SqliteOptions, SqliteStats, SqliteStore};

use crate::protocol::Timestamp;
use crate::record::{Batch, Index, Key, Versioned};

/// Durable, conditional storage of records.
///
/// - **Atomic**: a batch is applied whole or not at all, and no reader ever sees a part of it.
/// - **Conditional**: a batch is applied only if every expectation holds at that moment.
/// - **Linearizable per key**: a read that starts after a commit was acknowledged sees that commit or a later one.
/// - **Durable** as far as the store says: an acknowledged commit survives what the store promises to survive.
/// - **Settled by reading**: a commit that was answered with [`CommitError::Unknown`] is applied, or never will be, before
///   a later load of a key it writes answers. Whoever reads one of its versions back knows that it was applied, and
///   whoever finds none may try again.
/// - **Cancellation-safe**: a future dropped at any point leaves the old state or the new one.
/// - **Blind to validity**: a store returns what it keeps, expired or not, until `purge` is told to forget it.
/// - **Never "not found" for a failure**: what could not be read is an error.
#[async_trait]
pub trait Store: Send + Sync {
    /// The records under `keys`, in that order, as one consistent read; absent is `None`. One round trip.
    ///
    /// # Errors
    /// [`StoreError`] when the records could not be read, for whatever reason.
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError>;

    /// Applies all of `batch` or none of it. The written records get the batch's id as their version.
    ///
    /// # Errors
    /// [`CommitError`]; only [`CommitError::Unknown`] leaves open whether the batch was applied.
    async fn commit(&self, batch: &Batch) -> Result<(), CommitError>;

    /// A page of the keys listed under `index`, ascending. A key present throughout the listing appears.
    ///
    /// # Errors
    /// [`StoreError`] when the index could not be read.
    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError>;

    /// Deletes at most `limit` records whose `retain_until` is before `now`; returns how many. Those that are not due by a clock
    /// of the store's own may stay: markers of what was revoked or used once must outlive a process whose clock is ahead.
    ///
    /// # Errors
    /// [`StoreError`] when nothing could be deleted.
    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError>;

    /// This very store, if it never waits: it is then called without making a future for each call.
    fn immediate(&self) -> Option<&dyn ImmediateStore> {
        None
    }
}

/// A [`Store`] that never waits. It promises the same.
pub trait ImmediateStore: Send + Sync {
    /// As [`Store::load`]; hands each key and its record to `found`, in the order of `keys`.
    ///
    /// # Errors
    /// As [`Store::load`]; then nothing was handed over.
    fn load_now(&self, keys: &[Key], found: &mut dyn FnMut(Key, Option<Versioned>))
    -> Result<(), StoreError>;

    /// As [`Store::commit`].
    ///
    /// # Errors
    /// As [`Store::commit`].
    fn commit_now(&self, batch: &Batch) -> Result<(), CommitError>;
}

/// Which part of a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Page {
    /// Start after this key; `None` starts at the beginning.
    pub after: Option<Key>,
    /// At most so many keys; at least one.
    pub limit: usize,
}

/// One page of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Listing {
    /// The keys, ascending.
    pub keys: Vec<Key>,
    /// Where the next page starts; `None` when this was the last.
    pub next: Option<Key>,
}

#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
impl Listing {
    /// A page of at most `limit` of these keys: those beyond it only tell that there are more.
    fn cut(mut keys: Vec<Key>, limit: usize) -> Self {
        let more = keys.len() > limit;
        keys.truncate(limit);
        let next = keys.last().copied().filter(|_| more);
        Self { keys, next }
    }
}

/// A store could not answer. Nothing is known of the records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the store is unavailable: {0}")]
pub struct StoreError(pub String);

/// Why a batch was not acknowledged.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CommitError {
    /// An expectation did not hold; nothing was written.
    #[error("a precondition did not hold")]
    Conflict,
    /// The batch may or may not have been written; a later load of what it writes tells.
    #[error("the outcome of the commit is unknown: {0}")]
    Unknown(String),
    /// Nothing was written.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// Nothing was written, because the store holds as much as it may.
    #[error("the store is full")]
    Full,
}

/// Purges step by step, so that nobody waits long for the end of one; returns how many records that were in all.
#[cfg(any(feature = "sqlite", feature = "postgres", feature = "redis"))]
async fn in_steps<Step>(
    limit: usize,
    most: usize,
    mut purge: impl FnMut(usize) -> Step + Send,
) -> Result<usize, StoreError>
where
    Step: Future<Output = Result<usize, StoreError>> + Send,
{
    let mut total = 0;
    while total < limit {
        let step = most.min(limit - total);
        match purge(step).await {
            Ok(deleted) => {
                total += deleted;
                if deleted < step {
                    break;
                }
            }
            Err(_) if total > 0 => break,
            Err(error) => return Err(error),
        }
    }
    Ok(total)
}
