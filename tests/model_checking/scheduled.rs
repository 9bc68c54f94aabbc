//! A store that lets a scheduler choose who goes on, whenever it is called. Nothing else that a request does can be seen by
//! another one, so these are all the points at which it matters who runs.

use std::future::poll_fn;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::Poll;

use async_trait::async_trait;
use grantor::protocol::Timestamp;
use grantor::record::{Batch, Index, Key, Versioned};
use grantor::store::{CommitError, Listing, Page, Store, StoreError};
use shuttle::current::context_switches;

use super::common::watched::Watched;

#[derive(Default)]
pub(crate) struct Scheduled {
    inner: Mutex<Arc<Watched>>,
    on: AtomicBool,
}

impl Scheduled {
    /// Whether it asks the scheduler.
    pub(crate) fn switch(&self, on: bool) {
        self.on.store(on, Ordering::SeqCst);
    }

    /// What is kept now.
    pub(crate) fn now(&self) -> Arc<Watched> {
        Arc::clone(&self.inner.lock().unwrap())
    }

    /// From now on it keeps this.
    pub(crate) fn set(&self, store: Watched) {
        *self.inner.lock().unwrap() = Arc::new(store);
    }

    async fn next(&self) -> Arc<Watched> {
        if self.on.load(Ordering::SeqCst) {
            let before = context_switches();
            poll_fn(|task| {
                // Who only looks whether there is anything to wait for comes again before anybody was chosen.
                if context_switches() > before {
                    return Poll::Ready(());
                }
                task.waker().wake_by_ref();
                Poll::Pending
            })
            .await;
        }
        self.now()
    }
}

#[async_trait]
impl Store for Scheduled {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.next().await.load(keys).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.next().await.commit(batch).await
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        self.next().await.list(index, page).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.next().await.purge(now, limit).await
    }
}
