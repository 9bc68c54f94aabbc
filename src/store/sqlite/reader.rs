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

/// The most jobs that one transaction reads for: others wait for another reader meanwhile.
const TOGETHER: usize = 16;

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

/// Whatever waits is read in one transaction: what was committed before it was asked for is there, and what another has
/// just read need not be fetched again.
fn serve(connection: &Connection, jobs: &Mutex<Receiver<Job>>) {
    while let Some(taken) = next(jobs) {
        let view = statements::begin_to_read(connection);
        for job in taken {
            let refused = view.as_ref().err().map(unavailable);
            match job {
                Job::Load(keys, answer) if !answer.is_canceled() => {
                    let _ = answer.send(refused.map_or_else(|| load(connection, &keys), Err));
                }
                Job::List(index, page, answer) if !answer.is_canceled() => {
                    let _ = answer.send(refused.map_or_else(|| list(connection, &index, page), Err));
                }
                Job::Load(..) | Job::List(..) => {}
            }
        }
        // It has written nothing that could be lost.
        let _ = statements::end_of_reading(connection);
    }
}

/// Waits for a job, and takes what waits behind it; one reader waits at the queue and the others for its place.
fn next(jobs: &Mutex<Receiver<Job>>) -> Option<Vec<Job>> {
    let jobs = jobs.lock().ok()?;
    let mut taken = vec![jobs.recv().ok()?];
    taken.extend(jobs.try_iter().take(TOGETHER - 1));
    Some(taken)
}

fn load(connection: &Connection, keys: &[Key]) -> Result<Rows, StoreError> {
    keys.iter().map(|key| statements::load(connection, key).map_err(|error| unavailable(&error))).collect()
}

fn list(connection: &Connection, index: &Index, page: Page) -> Result<Listing, StoreError> {
    statements::list(connection, index, page).map_err(|error| unavailable(&error))
}

fn unavailable(error: &rusqlite::Error) -> StoreError {
    StoreError(error.to_string())
}
