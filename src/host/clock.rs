//! The clock.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::protocol::Timestamp;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Now.
    fn now(&self) -> Timestamp;
}

/// The clock of the operating system. One that is set before 1970 reads as [`Timestamp::END`], when everything has
/// expired: a broken clock revives nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(Timestamp::END, |since| Timestamp(since.as_secs()))
    }
}
