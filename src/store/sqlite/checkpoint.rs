//! The thread that carries what was committed from the log into the file, so that no commit waits for that.
//!
//! SQLite leaves it to the commit that makes the log long, which then has to wait until a thousand pages are written all over
//! the file and flushed. Here that commit rings a bell.

use std::ffi::c_int;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::{self, JoinHandle};

use rusqlite::Connection;

use super::{SqliteOpenError, SqliteOptions, schema};

/// How many pages of 4 KiB make the log long: as many as for SQLite itself.
const LONG: c_int = 1_000;
/// Commits that never pause might keep the thread from ever reaching the end of the log, from where it is written anew. After
/// so many pages the writer goes the rest of the way itself.
const TOO_LONG: c_int = 16 * LONG;

#[derive(Clone, Copy)]
enum Task {
    CarryOver,
    Stop,
}

/// The near end of the bell.
#[derive(Debug)]
pub(super) struct Checkpointer {
    bell: SyncSender<Task>,
    thread: Option<JoinHandle<()>>,
}

impl Checkpointer {
    /// Has the commits of `writer` ring for a thread with a connection of its own.
    pub(super) fn start(writer: &mut Connection, options: &SqliteOptions) -> Result<Self, SqliteOpenError> {
        let (bell, rung) = sync_channel(1);
        let connection = schema::connect(options)?;
        let thread = thread::Builder::new()
            .name("grantor-sqlite-checkpoint".to_owned())
            .spawn(move || serve(&connection, &rung))
            .map_err(|error| SqliteOpenError::Unavailable(error.to_string()))?;
        let ring = bell.clone();
        writer.wal_hook(Some(move |log: &mut rusqlite::hooks::Wal, pages| {
            // The commit stands, whatever becomes of this: the next one tries again.
            if pages >= TOO_LONG {
                let _ = log.checkpoint();
            } else if pages >= LONG {
                let _ = ring.try_send(Task::CarryOver);
            }
            Ok(())
        }))?;
        Ok(Self { bell, thread: Some(thread) })
    }
}

impl Drop for Checkpointer {
    fn drop(&mut self) {
        let _ = self.bell.send(Task::Stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn serve(connection: &Connection, rung: &Receiver<Task>) {
    while let Ok(Task::CarryOver) = rung.recv() {
        let _ = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(()));
    }
}
