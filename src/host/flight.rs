//! One at a time: of many who want the same thing fetched, one fetches it and the others wait for that.

use std::sync::{Mutex, PoisonError};

use futures_channel::oneshot;

/// Whether someone is under way, and who waits for them.
#[derive(Debug, Default)]
pub(super) struct Flight {
    waiting: Mutex<Option<Vec<oneshot::Sender<()>>>>,
}

/// What one who joins has to do.
pub(super) enum Turn<'f> {
    /// Fetch; the others are woken when this is dropped, whatever came of it.
    Lead(Lead<'f>),
    /// Wait until the leader is done or gone, then look again.
    Follow(oneshot::Receiver<()>),
}

/// The mark of the one who fetches.
pub(super) struct Lead<'f>(&'f Flight);

impl Flight {
    /// Joins: the first one leads.
    pub(super) fn join(&self) -> Turn<'_> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.as_mut() {
            None => {
                *waiting = Some(Vec::new());
                Turn::Lead(Lead(self))
            }
            Some(others) => {
                let (wake, woken) = oneshot::channel();
                others.retain(|other| !other.is_canceled());
                others.push(wake);
                Turn::Follow(woken)
            }
        }
    }
}

impl Drop for Lead<'_> {
    fn drop(&mut self) {
        drop(self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}
