//! The one thread that writes: it takes whatever is queued into one transaction and answers after its `COMMIT`.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;
use rusqlite::{Connection, ErrorCode};

use super::{SqliteOpenError, SqliteOptions, SqliteStats, statements};
use crate::protocol::Timestamp;
use crate::record::{BatchId, Expectation, Index, Key};
use crate::store::{CommitError, StoreError};

/// A batch, its records encoded.
pub(super) struct Write {
    pub(super) id: BatchId,
    pub(super) expect: Vec<(Key, Expectation)>,
    pub(super) put: Vec<Row>,
    pub(super) delete: Vec<Key>,
}

/// A record to be written.
pub(super) struct Row {
    pub(super) key: Key,
    pub(super) body: Vec<u8>,
    pub(super) terms: Vec<Index>,
    pub(super) retain_until: Timestamp,
}

/// Records to be forgotten.
pub(super) struct Purge {
    pub(super) now: Timestamp,
    pub(super) limit: usize,
}

enum Work {
    Write(Write),
    Purge(Purge),
}

struct Job {
    work: Work,
    answer: oneshot::Sender<Result<usize, CommitError>>,
}

/// What was done, counted.
#[derive(Debug, Default)]
pub(super) struct Counters {
    batches: AtomicU64,
    transactions: AtomicU64,
}

impl Counters {
    pub(super) fn read(&self) -> SqliteStats {
        SqliteStats {
            batches: self.batches.load(Ordering::Relaxed),
            transactions: self.transactions.load(Ordering::Relaxed),
        }
    }

    fn count(&self, batches: usize) {
        self.batches.fetch_add(batches as u64, Ordering::Relaxed);
        self.transactions.fetch_add(1, Ordering::Relaxed);
    }
}

/// The near end of the queue.
#[derive(Debug)]
pub(super) struct Writer {
    queue: Option<SyncSender<Job>>,
    thread: Option<JoinHandle<()>>,
    path: PathBuf,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        options: &SqliteOptions,
        counters: Arc<Counters>,
    ) -> Result<Self, SqliteOpenError> {
        let (queue, jobs) = sync_channel(options.queue.max(1));
        let group = options.group.max(1);
        let thread = thread::Builder::new()
            .name("grantor-sqlite-writer".to_owned())
            .spawn(move || Desk { connection, counters }.serve(&jobs, group))
            .map_err(|error| SqliteOpenError::Unavailable(error.to_string()))?;
        Ok(Self { queue: Some(queue), thread: Some(thread), path: options.path.clone() })
    }

    pub(super) async fn commit(&self, write: Write) -> Result<(), CommitError> {
        self.send(Work::Write(write)).await.map(|_| ())
    }

    pub(super) async fn purge(&self, purge: Purge) -> Result<usize, StoreError> {
        self.send(Work::Purge(purge)).await.map_err(|error| StoreError(error.to_string()))
    }

    async fn send(&self, work: Work) -> Result<usize, CommitError> {
        let (answer, answered) = oneshot::channel();
        let sent = match &self.queue {
            Some(queue) => queue.try_send(Job { work, answer }),
            None => return Err(CommitError::Unavailable("the store is closed".to_owned())),
        };
        match sent {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => {
                return Err(CommitError::Unavailable("too many commits are waiting".to_owned()));
            }
            Err(TrySendError::Disconnected(_)) => {
                return Err(CommitError::Unavailable(format!(
                    "nothing writes to {} any more",
                    self.path.display()
                )));
            }
        }
        answered
            .await
            .unwrap_or_else(|_| Err(CommitError::Unknown("the writer ended before it answered".to_owned())))
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        drop(self.queue.take());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The far end of the queue.
struct Desk {
    connection: Connection,
    counters: Arc<Counters>,
}

/// Why a transaction came to nothing, or to nobody knows what.
struct Fault {
    error: CommitError,
    /// Whether one piece of work brought it about, so that the others may fare better without it.
    single: bool,
}

impl Desk {
    fn serve(&self, jobs: &Receiver<Job>, group: usize) {
        while let Ok(first) = jobs.recv() {
            let mut taken = vec![first];
            while taken.len() < group
                && let Ok(next) = jobs.try_recv()
            {
                taken.push(next);
            }
            taken.retain(|job| !job.answer.is_canceled());
            if !taken.is_empty() {
                self.settle(taken);
            }
        }
    }

    /// Answers every job. Where one cannot be carried through, each gets a transaction of its own.
    fn settle(&self, jobs: Vec<Job>) {
        match self.transact(jobs.iter().map(|job| &job.work)) {
            Ok(outcomes) => {
                for (job, outcome) in jobs.into_iter().zip(outcomes) {
                    let _ = job.answer.send(outcome);
                }
            }
            Err(Fault { single: true, .. }) if jobs.len() > 1 => {
                jobs.into_iter().for_each(|job| self.settle(vec![job]));
            }
            Err(Fault { error, .. }) => {
                for job in jobs {
                    let _ = job.answer.send(Err(error.clone()));
                }
            }
        }
    }

    /// One transaction around everything that waits. On a fault nothing of it is written, unless the fault says
    /// that this is unknown.
    fn transact<'a>(
        &self,
        work: impl Iterator<Item = &'a Work>,
    ) -> Result<Vec<Result<usize, CommitError>>, Fault> {
        let begun = self.connection.execute_batch("BEGIN IMMEDIATE");
        begun.map_err(|error| Fault { error: nothing_written(&error), single: false })?;
        let mut outcomes = Vec::new();
        let mut applied = 0;
        for work in work {
            match self.carry_out(work) {
                Ok(outcome) => {
                    applied += usize::from(outcome.is_ok() && matches!(work, Work::Write(_)));
                    outcomes.push(outcome);
                }
                Err(error) => {
                    self.roll_back();
                    return Err(Fault { error: nothing_written(&error), single: true });
                }
            }
        }
        if let Err(error) = self.connection.execute_batch("COMMIT") {
            self.roll_back();
            return Err(commit_fault(&error));
        }
        if applied > 0 {
            self.counters.count(applied);
        }
        Ok(outcomes)
    }

    fn carry_out(&self, work: &Work) -> rusqlite::Result<Result<usize, CommitError>> {
        match work {
            Work::Write(write) => Ok(if self.write(write)? { Ok(0) } else { Err(CommitError::Conflict) }),
            Work::Purge(purge) => Ok(Ok(statements::purge(&self.connection, purge.now, purge.limit)?)),
        }
    }

    /// Whether the expectations held; if not, nothing was touched.
    fn write(&self, write: &Write) -> rusqlite::Result<bool> {
        for (key, expectation) in &write.expect {
            if !expectation.holds(statements::version(&self.connection, key)?) {
                return Ok(false);
            }
        }
        for key in &write.delete {
            statements::delete(&self.connection, key)?;
        }
        for row in &write.put {
            statements::put(&self.connection, write.id, row)?;
        }
        Ok(true)
    }

    fn roll_back(&self) {
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
    }
}

fn nothing_written(error: &rusqlite::Error) -> CommitError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => CommitError::Full,
        _ => CommitError::Unavailable(error.to_string()),
    }
}

/// Where the log had no room or another process was in the way, nothing was written: what makes a transaction valid is
/// the last thing in the log. After any other failure, a failed flush above all, it may be found there or not.
fn commit_fault(error: &rusqlite::Error) -> Fault {
    match error.sqlite_error_code() {
        Some(ErrorCode::DiskFull) => Fault { error: CommitError::Full, single: true },
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Fault { error: nothing_written(error), single: false }
        }
        _ => Fault { error: CommitError::Unknown(error.to_string()), single: false },
    }
}
