//! One-time markers: what may be presented once and never again.

#[cfg(feature = "redis")]
mod redis;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use super::Entropy;
use crate::protocol::Timestamp;
use crate::record::facts::Claim;
use crate::record::{Batch, BatchId, Expectation, Id, Key, Put, Record};
use crate::store::{CommitError, Store, StoreError};

#[cfg(feature = "redis")]
pub use self::redis::RedisReplayGuard;

/// How much longer a marker is kept, for processes whose clocks differ.
const RETENTION_MARGIN: Duration = Duration::from_secs(120);

/// Remembers what was used, so that it is used once.
///
/// Of any number of claims of one marker, at whatever process, exactly one is answered with [`Claim::Fresh`].
#[async_trait]
pub trait ReplayGuard: Send + Sync {
    /// Claims `marker`, which must be remembered until after `valid_until`.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be told whether it was claimed before; the request then fails with 503. The
    /// marker may be claimed all the same: whoever presents the same thing again may find it used.
    async fn claim(&self, marker: Key, valid_until: Timestamp) -> Result<Claim, StoreError>;
}

/// Markers as records of a [`Store`].
#[derive(Clone)]
pub struct StoreReplayGuard {
    store: Arc<dyn Store>,
    entropy: Arc<dyn Entropy>,
}

impl StoreReplayGuard {
    /// Markers in `store`.
    pub fn new(store: Arc<dyn Store>, entropy: Arc<dyn Entropy>) -> Self {
        Self { store, entropy }
    }
}

impl std::fmt::Debug for StoreReplayGuard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoreReplayGuard").finish_non_exhaustive()
    }
}

#[async_trait]
impl ReplayGuard for StoreReplayGuard {
    async fn claim(&self, marker: Key, valid_until: Timestamp) -> Result<Claim, StoreError> {
        let mut id = [0; 16];
        self.entropy.fill(&mut id).map_err(|error| StoreError(error.to_string()))?;
        let mut batch = Batch::new(BatchId(Id(id)));
        batch.expect(marker, Expectation::Absent);
        batch.put.push(Put {
            key: marker,
            record: Arc::new(Record::UsedJti),
            terms: Vec::new(),
            retain_until: valid_until.plus(RETENTION_MARGIN),
        });
        match self.store.commit(&batch).await {
            Ok(()) => Ok(Claim::Fresh),
            // The other one may be the first delivery of this very batch: the version tells.
            Err(error @ (CommitError::Conflict | CommitError::Unknown(_))) => {
                match self.store.load(&[marker]).await?.first() {
                    Some(Some(found)) if found.version == batch.id => Ok(Claim::Fresh),
                    Some(Some(_)) => Ok(Claim::Seen),
                    _ => Err(StoreError(error.to_string())),
                }
            }
            Err(error @ (CommitError::Unavailable(_) | CommitError::Full)) => {
                Err(StoreError(error.to_string()))
            }
        }
    }
}
