//! Time on the wire and in records: whole seconds since 1970-01-01T00:00:00Z.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// A moment in whole seconds since the Unix epoch (`NumericDate`, RFC 7519 §2). Arithmetic saturates.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub u64);

impl Timestamp {
    /// The end of time, when everything has expired.
    pub const END: Self = Self(u64::MAX);

    /// The moment `duration` later; part seconds are dropped.
    #[must_use]
    pub const fn plus(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(duration.as_secs()))
    }

    /// The moment `duration` earlier, never before the epoch; part seconds are dropped.
    #[must_use]
    pub const fn minus(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(duration.as_secs()))
    }

    /// Whether something valid *until* this moment has ended at `now`: the moment itself is already too late.
    #[must_use]
    pub const fn is_past(self, now: Self) -> bool {
        self.0 <= now.0
    }

    /// Whole seconds from `now` until this moment, zero when it is past.
    #[must_use]
    pub const fn seconds_from(self, now: Self) -> u64 {
        self.0.saturating_sub(now.0)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_deadline_is_past_at_its_own_second_and_not_one_before() {
        let deadline = Timestamp(100);
        assert!(!deadline.is_past(Timestamp(99)));
        assert!(deadline.is_past(Timestamp(100)));
        assert!(deadline.is_past(Timestamp(101)));
    }

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        assert_eq!(Timestamp(u64::MAX).plus(Duration::from_secs(9)), Timestamp(u64::MAX));
        assert_eq!(Timestamp(3).minus(Duration::from_secs(9)), Timestamp(0));
        assert_eq!(Timestamp(3).seconds_from(Timestamp(9)), 0);
    }
}
