//! Records in an SQLite file: durable, for one machine.
//!
//! Promised: everything [`Store`] promises. An acknowledged commit survives a killed process and a lost power supply as
//! far as the disk keeps what it reported as written (write-ahead log, `synchronous=FULL`). Several processes may use
//! one file on a local disk. A commit has an unknown outcome only where the disk failed or the writer is gone. It is then
//! as a load shows it, unless the process ends before the next commit: what the log still holds of it may be found when the
//! file is opened again. Not promised: anything on a network file system.
//!
//! ```text
//!   commit ─► bounded queue ─► one writer thread: BEGIN IMMEDIATE · every queued batch · COMMIT ─► acknowledgements
//!   load, list ─► bounded queue ─► reader threads: BEGIN · every queued load, some at a time · ROLLBACK ─► answers
//!   a long log ─► one checkpoint thread, for which nobody waits
//! ```
//!
//! One transaction carries all batches that wait (group commit), so that they share one flush of the disk. Each is
//! judged in turn: one that conflicts writes nothing and is no hindrance to the others. A full queue refuses at once.
//! The threads are plain ones, so that any async runtime, or none, will do.

mod checkpoint;
mod reader;
mod schema;
mod statements;
mod writer;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use self::checkpoint::Checkpointer;
use self::reader::Readers;
use self::writer::{Counters, Purge, Row, Write, Writer};
use super::{CommitError, Listing, Page, Store, StoreError};
use crate::protocol::Timestamp;
use crate::record::{Batch, Index, Key, Record, Versioned, codec};

/// How many records one transaction purges: what commits meanwhile waits for as long as that takes, and the terms of each are
/// somewhere else in the file.
const PURGE_STEP: usize = 4;

/// How an SQLite store is opened.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// The database file; its directory has to exist.
    pub path: PathBuf,
    /// How many threads read; at least one, 2 unless changed.
    pub readers: usize,
    /// How many commits, and how many reads, may wait; 4,096 unless changed. Beyond that they are refused.
    pub queue: usize,
    /// The most batches one transaction carries; at least one, 512 unless changed.
    pub group: usize,
    /// How long to wait for another process that writes; 5 seconds unless changed.
    pub busy_timeout: Duration,
    /// How large the file may grow, the log beside it not counted; unlimited unless changed. Beyond it commits fail
    /// with [`CommitError::Full`] until records are deleted or purged.
    pub max_bytes: Option<u64>,
}

impl SqliteOptions {
    /// The usual options for a file.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self {
            path: path.into(),
            readers: 2,
            queue: 4_096,
            group: 512,
            busy_timeout: Duration::from_secs(5),
            max_bytes: None,
        }
    }
}

/// Why an SQLite store could not be opened.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SqliteOpenError {
    /// A newer release has changed the layout of the file.
    #[error("the database has layout {found}, newer than the {known} this release understands")]
    Newer {
        /// The layout of the file.
        found: i64,
        /// The newest layout this release understands.
        known: i64,
    },
    /// The file is a database of something else.
    #[error("the file is a database of another application")]
    Foreign,
    /// The file could not be opened or prepared.
    #[error("the database cannot be opened: {0}")]
    Unavailable(String),
}

impl From<rusqlite::Error> for SqliteOpenError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

/// What an SQLite store has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SqliteStats {
    /// Batches that were applied.
    pub batches: u64,
    /// Transactions that carried them.
    pub transactions: u64,
}

/// A store in an SQLite file. Dropping it finishes what is queued and joins its threads.
#[derive(Debug)]
pub struct SqliteStore {
    // Closed in this order: of several connections that close at once none is the last, and the log would stay.
    readers: Readers,
    _checkpointer: Checkpointer,
    writer: Writer,
    counters: Arc<Counters>,
}

impl SqliteStore {
    /// Opens or creates a database with the usual options.
    ///
    /// # Errors
    /// [`SqliteOpenError`] when the file is not a database this release can use.
    pub fn open(path: impl Into<PathBuf>) -> Result<Self, SqliteOpenError> {
        Self::open_with(&SqliteOptions::new(path))
    }

    /// Opens or creates a database.
    ///
    /// # Errors
    /// [`SqliteOpenError`] when the file is not a database this release can use.
    pub fn open_with(options: &SqliteOptions) -> Result<Self, SqliteOpenError> {
        let mut connection = schema::connect(options)?;
        schema::prepare(&mut connection, options)?;
        schema::limit(&connection, options)?;
        let readers = Readers::start(options)?;
        let checkpointer = Checkpointer::start(&mut connection, options)?;
        let counters = Arc::new(Counters::default());
        let writer = Writer::start(connection, options, Arc::clone(&counters))?;
        Ok(Self { readers, _checkpointer: checkpointer, writer, counters })
    }

    /// What it has done since it was opened.
    #[must_use]
    pub fn stats(&self) -> SqliteStats {
        self.counters.read()
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let found = self.readers.load(keys.to_vec()).await?;
        found.into_iter().map(|row| row.map(|row| decode(&row)).transpose()).collect()
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        if batch.is_empty() && batch.expect.is_empty() {
            return Ok(());
        }
        self.writer.commit(encode(batch)?).await
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        self.readers.list(*index, page).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        super::in_steps(limit, PURGE_STEP, |limit| self.writer.purge(Purge { now, limit })).await
    }
}

fn encode(batch: &Batch) -> Result<Write, CommitError> {
    let mut put = Vec::with_capacity(batch.put.len());
    for own in &batch.put {
        let body = codec::encode(&own.record).map_err(|error| CommitError::Unavailable(error.to_string()))?;
        put.push(Row { key: own.key, body, terms: own.terms.clone(), retain_until: own.retain_until });
    }
    Ok(Write { id: batch.id, expect: batch.expect.clone(), put, delete: batch.delete.clone() })
}

fn decode(row: &Versioned<Vec<u8>>) -> Result<Versioned, StoreError> {
    let record: Record = codec::decode(&row.record).map_err(|error| StoreError(error.to_string()))?;
    Ok(Versioned { version: row.version, record: Arc::new(record) })
}
