//! One at a time: of many who want the same thing fetched, one fetches it and the others wait for that.
//!
//! What was fetched is either where the others look again, or handed to each of them.

use std::sync::{Mutex, PoisonError};

use futures_channel::oneshot;

/// Whether someone is under way, and who waits for them, for an answer of type `A`.
#[derive(Debug)]
pub(super) struct Flight<A = ()> {
    waiting: Mutex<Option<Vec<oneshot::Sender<A>>>>,
}

impl<A> Default for Flight<A> {
    fn default() -> Self {
        Self { waiting: Mutex::default() }
    }
}

/// What one who joins has to do.
pub(super) enum Turn<'f, A> {
    /// Fetch; the others are woken when this is dropped, whatever came of it.
    Lead(Lead<'f, A>),
    /// Wait until the leader is done or gone; where it has shared nothing, look again.
    Follow(oneshot::Receiver<A>),
}

/// The mark of the one who fetches.
pub(super) struct Lead<'f, A>(Option<&'f Flight<A>>);

impl<A> Flight<A> {
    /// Joins: the first one leads.
    pub(super) fn join(&self) -> Turn<'_, A> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match waiting.as_mut() {
            None => {
                *waiting = Some(Vec::new());
                Turn::Lead(Lead(Some(self)))
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

impl<A> Lead<'_, A> {
    /// Who waits; from now on another may lead.
    fn land(&mut self) -> Vec<oneshot::Sender<A>> {
        let waiting =
            |flight: &Flight<A>| flight.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        self.0.take().and_then(waiting).unwrap_or_default()
    }

    /// Hands the answer to all who wait for it.
    pub(super) fn share(mut self, answer: &A)
    where
        A: Clone,
    {
        for follower in self.land() {
            let _ = follower.send(answer.clone());
        }
    }
}

impl<A> Drop for Lead<'_, A> {
    fn drop(&mut self) {
        drop(self.land());
    }
}
