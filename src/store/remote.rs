//! What stores on a server have in common: why there is no answer, and commits of which nobody heard again.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::StoreError;
use crate::record::{Batch, BatchId, Key};

/// Why there is no answer.
pub(crate) enum Failure<Code> {
    /// There was no connection: nothing was sent.
    Unreachable(String),
    /// The server said no, and nothing of what was asked is done.
    Refused {
        /// Which kind of no.
        code: Code,
        /// In words.
        why: String,
    },
    /// It was sent, and that is all that is known.
    Lost(String),
}

impl<Code> From<Failure<Code>> for StoreError {
    fn from(failure: Failure<Code>) -> Self {
        match failure {
            Failure::Unreachable(why) | Failure::Refused { why, .. } | Failure::Lost(why) => Self(why),
        }
    }
}

/// Batches of unknown outcome, until their server has refused them.
#[derive(Default)]
pub(super) struct Unsettled(Mutex<Vec<(BatchId, Vec<Key>)>>);

impl Unsettled {
    pub(super) fn add(&self, batch: &Batch) {
        let written = batch.put.iter().map(|put| put.key).chain(batch.delete.iter().copied()).collect();
        self.batches().push((batch.id, written));
    }

    /// Has `refuse` settle all of them, which is told the batches and all keys that they write.
    pub(super) async fn settle<Refused, E>(
        &self,
        refuse: impl FnOnce(Vec<BatchId>, Vec<Key>) -> Refused + Send,
    ) -> Result<(), E>
    where
        Refused: Future<Output = Result<(), E>> + Send,
    {
        let (ids, written): (Vec<_>, Vec<_>) = self.batches().iter().cloned().unzip();
        if ids.is_empty() {
            return Ok(());
        }
        refuse(ids.clone(), written.concat()).await?;
        self.batches().retain(|(id, _)| !ids.contains(id));
        Ok(())
    }

    fn batches(&self) -> MutexGuard<'_, Vec<(BatchId, Vec<Key>)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
