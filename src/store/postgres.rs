//! Records in a PostgreSQL database (13 and later): durable, for any number of processes on any number of machines.
//!
//! Promised: everything [`Store`] promises. An acknowledged commit survives what the server's `synchronous_commit` makes it
//! survive: with `on`, the usual setting, a crash of the server, and of the machine as far as its disk keeps what it reported
//! as written; with synchronous standbys the loss of the machine too. `off` would lose what was acknowledged, and a session
//! that finds it sets it to `on`. Not promised: anything where the server itself runs with `fsync=off`, where a standby that
//! had not received a commit takes over, or through a pooler that hands one connection to several sessions by turns. Only a
//! server that takes writes is spoken to; a standby would answer with what was true some time ago.
//!
//! ```text
//!   load     ─► SELECT … unnest($keys) …      one statement, one snapshot, one round trip
//!   commit   ─► SELECT apply_batch(…)         one statement, one transaction, one round trip
//!                 1. a lock on every key it looks at (shared) or writes (exclusive), in one order for all
//!                 2. does each expectation hold?   no: answers false, and has written nothing
//!                 3. deletions, records, terms
//! ```
//!
//! **Why a commit is safe.** Every statement in `apply_batch` sees what was committed before that statement began (READ
//! COMMITTED, which the function insists on). The locks are PostgreSQL's advisory ones, named by a hash of the key and held
//! until the transaction is over and its outcome is to be seen; a purge takes them too. So of two commits of which one
//! writes what the other looks at, the second looks only when the first is over. A lock is on the *name* of a record: it
//! excludes a creation where there is no row yet to be locked, and looking at a record writes nothing, as a row lock would.
//! Two keys of one hash wait for each other now and then, which is all that comes of it. As all take their locks in the order
//! of their names, there is no deadlock among them. `SERIALIZABLE` would do without locks, but takes neighbours in an index
//! for conflicts and refuses commits that have nothing to do with each other.
//!
//! The server keeps about `max_locks_per_transaction × max_connections` locks, 6,400 unless changed. A batch that finds no
//! room for the locks on its keys is unavailable.
//!
//! **An unknown outcome** is what a commit has whose connection is lost, or silent for too long, after it was sent. Before
//! the next load answers, the store has the server refuse the batch: under the same locks, so that it waits for the commit
//! if that is under way, its id is written to a list that `apply_batch` looks at, and kept there for a day. From then on it was
//! applied or never will be. As long as this cannot be done, loads are unavailable.
//!
//! A purge goes by the server's clock or the process's own, whichever is earlier.
//!
//! A store belongs to the `tokio` runtime that it was connected in.

mod connections;
mod schema;
mod statements;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use deadpool_postgres::tokio_postgres::error::SqlState;

use self::connections::{Connections, Failure};
use self::statements::Write;
use super::remote::Unsettled;
use super::{CommitError, Listing, Page, Store, StoreError};
use crate::protocol::Timestamp;
use crate::record::{Batch, Index, Key, Versioned};

/// How many records one transaction purges, and so how many locks it holds.
const PURGE_STEP: usize = 200;

/// How a PostgreSQL store is reached.
#[derive(Clone)]
#[non_exhaustive]
pub struct PostgresOptions {
    /// The server, the database and the role: `postgres://user:password@host/database?sslmode=require`, or words as
    /// `host=/run/postgresql dbname=grantor`. The parameters are those of `tokio_postgres::Config`, but for the timeouts,
    /// which are set here, and `target_session_attrs`: of several hosts the one that takes writes is spoken to.
    ///
    /// `sslmode=require` is TLS with a certificate that a trusted authority issued for this very host. `sslmode=disable` is
    /// none. Where neither is said, it is `disable` on a loopback address or a Unix socket, and `require` anywhere else;
    /// there is no mode in which somebody on the way decides. TLS client certificates are not supported.
    pub url: String,
    /// The schema of its own that the store keeps its tables in, created if it does not exist; `grantor` unless changed. At
    /// most 63 of `[a-z0-9_]`, not a digit first.
    pub schema: String,
    /// Authorities to trust instead of those of the operating system, in PEM. Empty unless changed.
    pub authorities: String,
    /// The most connections; at least one, 16 unless changed.
    pub connections: usize,
    /// How long to wait for a connection, a new one or one that another request gives back; 3 seconds unless changed. Beyond
    /// that the store is unavailable.
    pub connection_timeout: Duration,
    /// How long the server may work at one statement, waiting for locks included; 5 seconds unless changed. Beyond that it
    /// gives up and the store is unavailable. Its answer is awaited for one second more.
    pub statement_timeout: Duration,
}

impl PostgresOptions {
    /// The usual options for a database.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            schema: "grantor".to_owned(),
            authorities: String::new(),
            connections: 16,
            connection_timeout: Duration::from_secs(3),
            statement_timeout: Duration::from_secs(5),
        }
    }
}

/// Without the URL, in which there may be a password.
impl fmt::Debug for PostgresOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresOptions")
            .field("schema", &self.schema)
            .field("connections", &self.connections)
            .field("connection_timeout", &self.connection_timeout)
            .field("statement_timeout", &self.statement_timeout)
            .finish_non_exhaustive()
    }
}

/// Why a PostgreSQL store could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PostgresOpenError {
    /// The URL or another option cannot be what it is.
    #[error("the options of the database are not valid: {0}")]
    Options(String),
    /// A newer release has changed the layout of the tables.
    #[error("the database has layout {found}, newer than the {known} this release understands")]
    Newer {
        /// The layout of the tables.
        found: i64,
        /// The newest layout this release understands.
        known: i64,
    },
    /// The schema holds tables of something else.
    #[error("the schema belongs to another application")]
    Foreign,
    /// The database could not be reached or prepared.
    #[error("the database cannot be opened: {0}")]
    Unavailable(String),
}

/// A store in a PostgreSQL database.
pub struct PostgresStore {
    connections: Connections,
    unsettled: Unsettled,
}

impl fmt::Debug for PostgresStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresStore").finish_non_exhaustive()
    }
}

impl PostgresStore {
    /// Connects with the usual options, and makes or updates the tables.
    ///
    /// # Errors
    /// [`PostgresOpenError`] when there is no database that this release can use.
    pub async fn connect(url: impl Into<String>) -> Result<Self, PostgresOpenError> {
        Self::connect_with(&PostgresOptions::new(url)).await
    }

    /// Connects, and makes or updates the tables.
    ///
    /// # Errors
    /// [`PostgresOpenError`] when there is no database that this release can use.
    pub async fn connect_with(options: &PostgresOptions) -> Result<Self, PostgresOpenError> {
        let connections = Connections::open(options).await?;
        Ok(Self { connections, unsettled: Unsettled::default() })
    }

    /// Has the server refuse every batch of unknown outcome, so that none can be applied later.
    async fn settle(&self) -> Result<(), Failure> {
        self.unsettled
            .settle(|ids, keys| async move { statements::refuse(&self.connections, &ids, &keys).await })
            .await
    }
}

#[async_trait]
impl Store for PostgresStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.settle().await?;
        statements::load(&self.connections, keys).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        if batch.is_empty() && batch.expect.is_empty() {
            return Ok(());
        }
        let write = Write::of(batch)?;
        match statements::apply(&self.connections, &write).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(CommitError::Conflict),
            Err(Failure::Lost(why)) => {
                self.unsettled.add(batch);
                // Where the server can still be reached, it is settled for every process. Else the next load tries again.
                let _ = self.settle().await;
                Err(CommitError::Unknown(why))
            }
            Err(failure) => Err(nothing_written(failure)),
        }
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        statements::list(&self.connections, index, page).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        super::in_steps(limit, PURGE_STEP, |step| statements::purge(&self.connections, now, step)).await
    }
}

/// What the server, or its absence, says of a batch that was certainly not applied.
fn nothing_written(failure: Failure) -> CommitError {
    match failure {
        Failure::Refused { code: Some(code), .. }
            if code == SqlState::T_R_SERIALIZATION_FAILURE
                || code == SqlState::T_R_DEADLOCK_DETECTED
                || code == SqlState::UNIQUE_VIOLATION =>
        {
            CommitError::Conflict
        }
        Failure::Refused { code: Some(code), .. } if code == SqlState::DISK_FULL => CommitError::Full,
        Failure::Refused { why, .. } | Failure::Unreachable(why) | Failure::Lost(why) => {
            CommitError::Unavailable(why)
        }
    }
}
