//! The clock of the system, which tests may put forward.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use grantor::host::{Clock, SystemClock};
use grantor::protocol::Timestamp;

/// Tells the time of the system plus what tests have added.
#[derive(Debug, Default)]
pub(crate) struct DemoClock {
    ahead_seconds: AtomicU64,
}

impl DemoClock {
    /// Puts the clock forward; it never goes back.
    pub(crate) fn advance(&self, seconds: u32) {
        self.ahead_seconds.fetch_add(seconds.into(), Ordering::SeqCst);
    }
}

impl Clock for DemoClock {
    fn now(&self) -> Timestamp {
        SystemClock.now().plus(Duration::from_secs(self.ahead_seconds.load(Ordering::SeqCst)))
    }
}
