//! The threads that read, each with a connection of its own.

use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use futures_channel::oneshot;
use rusqlite::Connection;

use super::{SqliteOpenError, SqliteOptions, schema, statements};
use crate::record::{Index, Key, Versioned};
use crate::store::{Listing, Page, StoreError};

type Answer<T> = oneshot::Sender<Result<T, StoreError>>;
type Rows = Vec<Option<Versioned<Vec<u8>>>>;

enum Job {
    Load(Vec<Key>, Answer<Rows>),
    List(Index, Page, Answer<Listing>),
}

/// The near end of the queue.
#[derive(Debug)]
pub(super) struct Readers {
    queue: Option<SyncSender<Job>>,
    threads: Vec<JoinHandle<()>>,
}

impl Readers {
    pub(super) fn start(options: &SqliteOptions) -> Result<Self, SqliteOpenError> {
        let (queue, jobs) = sync_channel(options.queue.max(1));
        let jobs = Arc::new(Mutex::new(jobs));
        let mut readers = Self { queue: Some(queue), threads: Vec::new() };
        for _ in 0..options.readers.max(1) {
            let connection = schema::connect(options)?;
            connection.pragma_update(None, "query_only", true)?;
            let jobs = Arc::clone(&jobs);
            let thread = thread::Builder::new()
                .name("grantor-sqlite-reader".to_owned())
                .spawn(move || serve(&connection, &jobs))
                .map_err(|error| SqliteOpenError::Unavailable(error.to_string()))?;
            readers.threads.push(thread);
        }
        Ok(readers)
    }

    pub(super) async fn load(&self, keys: Vec<Key>) -> Result<Rows, StoreError> {
        self.ask(|answer| Job::Load(keys, answer)).await
    }

    pub(super) async fn list(&self, index: Index, page: Page) -> Result<Listing, StoreError> {
        self.ask(|answer| Job::List(index, page, answer)).await
    }

    async fn ask<T>(&self, job: impl FnOnce(Answer<T>) -> Job) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let sent = match &self.queue {
            Some(queue) => queue.try_send(job(answer)),
            None => return Err(StoreError("the store is closed".to_owned())),
        };
        match sent {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(StoreError("too many reads are waiting".to_owned())),
            Err(TrySendError::Disconnected(_)) => {
                return Err(StoreError("nothing reads any more".to_owned()));
            }
        }
        answered.await.unwrap_or_else(|_| Err(StoreError("the reader ended before it answered".to_owned())))
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        drop(self.queue.take());
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, jobs: &Mutex<Receiver<Job>>) {
    while let Some(job) = next(jobs) {
        match job {
            Job::Load(keys, answer) if !answer.is_canceled() => {
                let _ = answer.send(load(connection, &keys).map_err(|error| unavailable(&error)));
            }
            Job::List(index, page, answer) if !answer.is_canceled() => {
                let _ = answer
                    .send(statements::list(connection, &index, page).map_err(|error| unavailable(&error)));
            }
            Job::Load(..) | Job::List(..) => {}
        }
    }
}

/// Waits for a job; one reader waits at the queue and the others for its place.
fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Job> {
    jobs.lock().ok()?.recv().ok()
}

/// One statement is one read; several keys are read in one transaction.
fn load(connection: &Connection, keys: &[Key]) -> rusqlite::Result<Rows> {
    if let [key] = keys {
        return Ok(vec![statements::load(connection, key)?]);
    }
    let transaction = connection.unchecked_transaction()?;
    let rows = keys.iter().map(|key| statements::load(&transaction, key)).collect::<rusqlite::Result<_>>()?;
    transaction.commit()?;
    Ok(rows)
}

fn unavailable(error: &rusqlite::Error) -> StoreError {
    StoreError(error.to_string())
}
