//! Stores that wait and stores that fail, around one that does neither.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use grantor::protocol::Timestamp;
use grantor::record::{Batch, Index, Key, Versioned};
use grantor::store::{CommitError, Listing, MemoryStore, Page, SqliteStore, Store, StoreError};
#[cfg(unix)]
use grantor::store::{PostgresStore, RedisStore};

use super::watched::Watched;

/// Lets others run before and after every call, as a store beyond a network does.
pub(crate) struct Waiting(pub(crate) Arc<dyn Store>);

impl Default for Waiting {
    fn default() -> Self {
        Self(Arc::new(MemoryStore::new()))
    }
}

#[async_trait]
impl Store for Waiting {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        tokio::task::yield_now().await;
        let records = self.0.load(keys).await;
        tokio::task::yield_now().await;
        records
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        tokio::task::yield_now().await;
        let done = self.0.commit(batch).await;
        tokio::task::yield_now().await;
        done
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        tokio::task::yield_now().await;
        self.0.list(index, page).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        tokio::task::yield_now().await;
        self.0.purge(now, limit).await
    }
}

/// A store, and the place that it keeps its records in, which goes with it.
pub(crate) struct Placed<S, P> {
    store: S,
    _place: P,
}

/// A database in a file.
pub(crate) type Sqlite = Placed<SqliteStore, tempfile::TempDir>;

impl Sqlite {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self { store: SqliteStore::open(folder.path().join("grantor.sqlite")).unwrap(), _place: folder }
    }
}

/// A database on a server of its own.
#[cfg(unix)]
pub(crate) type Postgres = Placed<PostgresStore, super::postgres::Server>;

#[cfg(unix)]
impl Postgres {
    /// None where PostgreSQL is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let server = super::postgres::Server::start()?;
        let mut options = super::postgres::patient(server.url());
        options.connections = 8;
        Some(Self { store: PostgresStore::connect_with(&options).await.unwrap(), _place: server })
    }
}

/// A server of its own.
#[cfg(unix)]
pub(crate) type Redis = Placed<RedisStore, super::redis::Server>;

#[cfg(unix)]
impl Redis {
    /// None where Redis is not installed.
    pub(crate) async fn start() -> Option<Self> {
        let server = super::redis::Server::start()?;
        let options = super::redis::patient(server.url());
        Some(Self { store: RedisStore::connect_with(&options).await.unwrap(), _place: server })
    }
}

#[async_trait]
impl<S: Store, P: Send + Sync> Store for Placed<S, P> {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.store.load(keys).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.store.commit(batch).await
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        self.store.list(index, page).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.store.purge(now, limit).await
    }
}

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Nothing happens, and that is said.
    Unavailable,
    /// A commit happens, and nobody hears of it.
    UnknownApplied,
    /// A commit does not happen, and nobody can tell.
    UnknownDropped,
    /// A commit is delivered twice, and the second delivery is the one that is answered.
    ConflictApplied,
    /// A commit is delivered twice, and the first delivery is the one that is answered.
    Twice,
    /// There is no room.
    Full,
    /// A commit is said to be unknown, is not there when it is looked for, and happens just before the next one. No store
    /// may do this.
    LandsLate,
    /// Somebody else does something before the call arrives.
    Overtaken,
    /// Somebody else does something before the call is answered.
    AnsweredLate,
    /// A load tells how it was before the last commit. No store may do this.
    Stale,
}

impl Fault {
    /// All that a store may do.
    pub(crate) const ALL: [Self; 6] = [
        Self::Unavailable,
        Self::UnknownApplied,
        Self::UnknownDropped,
        Self::ConflictApplied,
        Self::Twice,
        Self::Full,
    ];
}

/// When it goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    Never,
    /// At the n-th call.
    Once(usize),
    /// At the n-th call, after which nothing is ever answered.
    From(usize),
    /// At the n-th call and at every one after it.
    Always(usize),
}

/// Fails where it is told to.
pub(crate) struct Faulty {
    inner: Arc<Watched>,
    calls: AtomicUsize,
    plan: Mutex<(When, Fault)>,
    late: Mutex<Option<Batch>>,
    meanwhile: Mutex<Option<Action>>,
}

impl Faulty {
    pub(crate) fn new() -> Arc<Self> {
        let plan = Mutex::new((When::Never, Fault::Unavailable));
        Arc::new(Self {
            inner: Arc::default(),
            calls: AtomicUsize::new(0),
            plan,
            late: Mutex::default(),
            meanwhile: Mutex::default(),
        })
    }

    /// The store itself, which does not fail.
    pub(crate) fn sound(&self) -> Arc<Watched> {
        Arc::clone(&self.inner)
    }

    /// What happens when a call is overtaken.
    pub(crate) fn meanwhile(&self, action: impl Future<Output = ()> + Send + 'static) {
        *self.meanwhile.lock().unwrap() = Some(Box::pin(action));
    }

    async fn let_others(&self) {
        let action = self.meanwhile.lock().unwrap().take();
        if let Some(action) = action {
            action.await;
        }
    }

    /// From now on, counting from the next call.
    pub(crate) fn fail(&self, when: When, fault: Fault) {
        *self.plan.lock().unwrap() = (when, fault);
        self.calls.store(0, Ordering::SeqCst);
    }

    /// Nothing fails any more; returns how many calls there were.
    pub(crate) fn heal(&self) -> usize {
        *self.plan.lock().unwrap() = (When::Never, Fault::Unavailable);
        self.calls.load(Ordering::SeqCst)
    }

    pub(crate) fn len(&self) -> usize {
        self.inner.len()
    }

    fn next(&self) -> Option<Fault> {
        let call = self.calls.fetch_add(1, Ordering::SeqCst);
        let (when, fault) = *self.plan.lock().unwrap();
        match when {
            When::Once(n) | When::From(n) if n == call => Some(fault),
            When::From(n) if n < call => Some(Fault::Unavailable),
            When::Always(n) if n <= call => Some(fault),
            _ => None,
        }
    }
}

#[async_trait]
impl Store for Faulty {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        match self.next() {
            Some(Fault::Unavailable) => Err(StoreError("down".into())),
            Some(Fault::Stale) => self.inner.load_stale(keys).await,
            Some(Fault::Overtaken) => {
                self.let_others().await;
                self.inner.load(keys).await
            }
            Some(Fault::AnsweredLate) => {
                let found = self.inner.load(keys).await;
                self.let_others().await;
                found
            }
            _ => self.inner.load(keys).await,
        }
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let late = self.late.lock().unwrap().take();
        if let Some(late) = late {
            let _ = self.inner.commit(&late).await;
        }
        match self.next() {
            None | Some(Fault::Stale) => self.inner.commit(batch).await,
            Some(Fault::Overtaken) => {
                self.let_others().await;
                self.inner.commit(batch).await
            }
            Some(Fault::AnsweredLate) => {
                let done = self.inner.commit(batch).await;
                self.let_others().await;
                done
            }
            Some(Fault::LandsLate) => {
                *self.late.lock().unwrap() = Some(batch.clone());
                Err(CommitError::Unknown("timed out".into()))
            }
            Some(Fault::Unavailable) => Err(CommitError::Unavailable("down".into())),
            Some(Fault::UnknownDropped) => Err(CommitError::Unknown("timed out".into())),
            Some(Fault::Full) => Err(CommitError::Full),
            Some(Fault::UnknownApplied) => {
                let _ = self.inner.commit(batch).await;
                Err(CommitError::Unknown("timed out".into()))
            }
            Some(Fault::ConflictApplied) => {
                self.inner.commit(batch).await?;
                // The second delivery meets the records of the first.
                Err(CommitError::Conflict)
            }
            Some(Fault::Twice) => {
                let first = self.inner.commit(batch).await;
                let _ = self.inner.commit(batch).await;
                first
            }
        }
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        match self.next() {
            Some(Fault::Unavailable) => Err(StoreError("down".into())),
            _ => self.inner.list(index, page).await,
        }
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        match self.next() {
            Some(Fault::Unavailable) => Err(StoreError("down".into())),
            _ => self.inner.purge(now, limit).await,
        }
    }
}

type Action = std::pin::Pin<Box<dyn Future<Output = ()> + Send>>;

/// Lets something else happen between what a request has read and what it writes.
#[derive(Default)]
pub(crate) struct Between {
    inner: Arc<MemoryStore>,
    before: Mutex<Option<Action>>,
}

impl Between {
    /// The store itself, for whoever comes in between.
    pub(crate) fn inner(&self) -> Arc<MemoryStore> {
        Arc::clone(&self.inner)
    }

    pub(crate) fn before_next_commit(&self, action: impl Future<Output = ()> + Send + 'static) {
        *self.before.lock().unwrap() = Some(Box::pin(action));
    }

    /// Whether it has happened.
    pub(crate) fn happened(&self) -> bool {
        self.before.lock().unwrap().is_none()
    }
}

#[async_trait]
impl Store for Between {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.inner.load(keys).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        let action = self.before.lock().unwrap().take();
        if let Some(action) = action {
            action.await;
        }
        self.inner.commit(batch).await
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        self.inner.list(index, page).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.purge(now, limit).await
    }
}
