//! Limits on what may be tried or begun too often.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use crate::protocol::Timestamp;
use crate::record::facts::{Allowance, Counter};
use crate::store::StoreError;

/// Counts events, atomically, and says when there were too many.
#[async_trait]
pub trait Limiter: Send + Sync {
    /// Counts one event at `now`.
    ///
    /// # Errors
    /// [`StoreError`] when it cannot be counted; the request then fails with 503.
    async fn count(&self, counter: &Counter, now: Timestamp) -> Result<Allowance, StoreError>;
}

/// How many events of a kind are allowed in one window of time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The window.
    pub window: Duration,
    /// Failed authentications of one client from one address, or of all unknown clients from there.
    pub client_failures: u32,
    /// Tries, right or wrong, of one client's secret from one address, where a person may have chosen the secret; or of
    /// all unknown clients' from there.
    pub slow_comparisons: u32,
    /// Interactions begun for one client from one address.
    pub interactions: u32,
    /// Device authorizations begun by one client from one address.
    pub device_authorizations: u32,
    /// Users asked by one client from one address.
    pub backchannel_authentications: u32,
    /// The window in which user codes are counted, which stands for itself because few are enough to try.
    pub user_code_window: Duration,
    /// User codes tried, right or wrong, in one session.
    pub user_codes_of_session: u32,
    /// User codes tried, right or wrong, from one address.
    pub user_codes_from_address: u32,
    /// Clients that register from one address without an initial access token.
    pub registrations: u32,
    /// Changes of the registration of one client from one address: each may have keys checked, documents fetched and a host
    /// asked.
    pub registration_updates: u32,
    /// Tries, right or wrong, of one user's password from one address.
    pub passwords: u32,
    /// The same of all users' together.
    pub passwords_of_all: u32,
    /// Tries, right or wrong, of one user's password from all addresses together. Below the limit of one address anyone could
    /// lock a user out from one place; far above it, those who have many places could guess as they like.
    pub passwords_from_everywhere: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(60),
            client_failures: 100,
            slow_comparisons: 100,
            interactions: 1000,
            device_authorizations: 1000,
            backchannel_authentications: 1000,
            user_code_window: Duration::from_secs(60 * 60),
            user_codes_of_session: 5,
            user_codes_from_address: 100,
            registrations: 1000,
            registration_updates: 10,
            passwords: 10,
            passwords_of_all: 100,
            passwords_from_everywhere: 50,
        }
    }
}

/// Counters in memory, in fixed windows. They are forgotten when the process ends and are not shared between
/// processes. Of each kind it remembers a bounded number: beyond it, counters of windows that have passed are
/// dropped, and if none has, new counters of that kind are refused until one does.
#[derive(Debug)]
pub struct MemoryLimiter {
    limits: Limits,
    client_failures: Mutex<Windows>,
    slow_comparisons: Mutex<Windows>,
    interactions: Mutex<Windows>,
    device_authorizations: Mutex<Windows>,
    backchannel_authentications: Mutex<Windows>,
    user_codes_of_session: Mutex<Windows>,
    user_codes_from_address: Mutex<Windows>,
    registrations: Mutex<Windows>,
    registration_updates: Mutex<Windows>,
    passwords: Mutex<Windows>,
    passwords_from_everywhere: Mutex<Windows>,
}

/// The most counters of one kind that a [`MemoryLimiter`] remembers.
const MAX_COUNTERS: usize = 50_000;

/// The counters of one kind: when the window of each ends, and how many events it has seen.
#[derive(Debug, Default)]
struct Windows {
    counters: HashMap<Counter, (Timestamp, u32)>,
    swept_at: Timestamp,
}

impl MemoryLimiter {
    /// Counters with these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            client_failures: Mutex::default(),
            slow_comparisons: Mutex::default(),
            interactions: Mutex::default(),
            device_authorizations: Mutex::default(),
            backchannel_authentications: Mutex::default(),
            user_codes_of_session: Mutex::default(),
            user_codes_from_address: Mutex::default(),
            registrations: Mutex::default(),
            registration_updates: Mutex::default(),
            passwords: Mutex::default(),
            passwords_from_everywhere: Mutex::default(),
        }
    }

    fn count_now(&self, counter: &Counter, now: Timestamp) -> Allowance {
        let limits = &self.limits;
        let (windows, limit, counter) = match counter {
            Counter::ClientFailures(client, address) => (
                &self.client_failures,
                limits.client_failures,
                Counter::ClientFailures(client.clone(), network(*address)),
            ),
            Counter::SlowComparisons(client, address) => (
                &self.slow_comparisons,
                limits.slow_comparisons,
                Counter::SlowComparisons(client.clone(), network(*address)),
            ),
            Counter::Interactions(client, address) => (
                &self.interactions,
                limits.interactions,
                Counter::Interactions(client.clone(), network(*address)),
            ),
            Counter::DeviceAuthorizations(client, address) => (
                &self.device_authorizations,
                limits.device_authorizations,
                Counter::DeviceAuthorizations(client.clone(), network(*address)),
            ),
            Counter::BackchannelAuthentications(client, address) => (
                &self.backchannel_authentications,
                limits.backchannel_authentications,
                Counter::BackchannelAuthentications(client.clone(), network(*address)),
            ),
            Counter::UserCodesOfSession(_) => {
                (&self.user_codes_of_session, limits.user_codes_of_session, counter.clone())
            }
            Counter::UserCodesFrom(address) => (
                &self.user_codes_from_address,
                limits.user_codes_from_address,
                Counter::UserCodesFrom(network(*address)),
            ),
            Counter::Registrations(address) => {
                (&self.registrations, limits.registrations, Counter::Registrations(network(*address)))
            }
            Counter::RegistrationUpdates(client, address) => (
                &self.registration_updates,
                limits.registration_updates,
                Counter::RegistrationUpdates(client.clone(), network(*address)),
            ),
            Counter::Passwords(name, address) => (
                &self.passwords,
                if name.is_some() { limits.passwords } else { limits.passwords_of_all },
                Counter::Passwords(*name, network(*address)),
            ),
            Counter::PasswordsFromEverywhere(_) => {
                (&self.passwords_from_everywhere, limits.passwords_from_everywhere, counter.clone())
            }
        };
        let window = match counter {
            Counter::UserCodesOfSession(_) | Counter::UserCodesFrom(_) => limits.user_code_window,
            _ => limits.window,
        };
        let mut windows = windows.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        windows.count(counter, limit, window, now)
    }
}

impl Windows {
    fn count(&mut self, counter: Counter, limit: u32, window: Duration, now: Timestamp) -> Allowance {
        if self.counters.len() >= MAX_COUNTERS && !self.counters.contains_key(&counter) {
            self.sweep(now);
            if self.counters.len() >= MAX_COUNTERS {
                return Allowance::Exhausted { retry_after: seconds(window) };
            }
        }
        let fresh = (now.plus(window), 0);
        let entry = self.counters.entry(counter).or_insert(fresh);
        if entry.0.is_past(now) {
            *entry = fresh;
        }
        if entry.1 >= limit {
            let wait = entry.0.seconds_from(now).clamp(1, window.as_secs().max(1));
            return Allowance::Exhausted { retry_after: u32::try_from(wait).unwrap_or(u32::MAX) };
        }
        entry.1 += 1;
        Allowance::Granted
    }

    /// Drops the counters of windows that have passed, at most once a second.
    fn sweep(&mut self, now: Timestamp) {
        if self.swept_at != now {
            self.swept_at = now;
            self.counters.retain(|_, (ends, _)| !ends.is_past(now));
        }
    }
}

/// Who has one IPv6 address has 2^64 of them: the first half of it counts.
fn network(address: Option<IpAddr>) -> Option<IpAddr> {
    address.map(|address| match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        v4 => v4,
    })
}

fn seconds(window: Duration) -> u32 {
    u32::try_from(window.as_secs()).unwrap_or(u32::MAX)
}

impl Default for MemoryLimiter {
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

#[async_trait]
impl Limiter for MemoryLimiter {
    async fn count(&self, counter: &Counter, now: Timestamp) -> Result<Allowance, StoreError> {
        Ok(self.count_now(counter, now))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counter(name: &str) -> Counter {
        Counter::ClientFailures(Some(name.into()), None)
    }

    #[test]
    fn a_counter_is_exhausted_at_its_limit_and_starts_again_in_the_next_window() {
        let limiter = MemoryLimiter::new(Limits { client_failures: 2, ..Limits::default() });
        assert_eq!(limiter.count_now(&counter("a"), Timestamp(100)), Allowance::Granted);
        assert_eq!(limiter.count_now(&counter("a"), Timestamp(100)), Allowance::Granted);
        assert_eq!(
            limiter.count_now(&counter("a"), Timestamp(110)),
            Allowance::Exhausted { retry_after: 50 }
        );
        assert_eq!(limiter.count_now(&counter("b"), Timestamp(110)), Allowance::Granted);
        assert_eq!(limiter.count_now(&counter("a"), Timestamp(160)), Allowance::Granted);
    }

    #[test]
    fn a_flood_of_failures_stops_no_interaction_and_is_forgotten() {
        let limiter = MemoryLimiter::default();
        for n in 0..MAX_COUNTERS {
            assert_eq!(limiter.count_now(&counter(&n.to_string()), Timestamp(100)), Allowance::Granted);
        }
        assert_eq!(
            limiter.count_now(&counter("one more"), Timestamp(100)),
            Allowance::Exhausted { retry_after: 60 }
        );
        let interaction = Counter::Interactions("web".into(), None);
        assert_eq!(limiter.count_now(&interaction, Timestamp(100)), Allowance::Granted);
        assert_eq!(limiter.count_now(&counter("one more"), Timestamp(160)), Allowance::Granted);
    }

    #[test]
    fn the_addresses_of_one_ipv6_network_count_as_one() {
        let limiter = MemoryLimiter::new(Limits { client_failures: 1, ..Limits::default() });
        let from = |address: &str| Counter::ClientFailures(Some("a".into()), Some(address.parse().unwrap()));
        assert_eq!(limiter.count_now(&from("2001:db8::1"), Timestamp(100)), Allowance::Granted);
        assert_ne!(limiter.count_now(&from("2001:db8::ffff:2"), Timestamp(100)), Allowance::Granted);
        assert_eq!(limiter.count_now(&from("2001:db8:0:1::1"), Timestamp(100)), Allowance::Granted);
        assert_eq!(limiter.count_now(&from("192.0.2.1"), Timestamp(100)), Allowance::Granted);
        assert_ne!(limiter.count_now(&from("::ffff:192.0.2.1"), Timestamp(100)), Allowance::Granted);
        assert_eq!(limiter.count_now(&from("192.0.2.2"), Timestamp(100)), Allowance::Granted);
    }

    #[test]
    fn parallel_events_never_exceed_the_limit() {
        let limiter = MemoryLimiter::new(Limits { client_failures: 10, ..Limits::default() });
        let granted: usize = std::thread::scope(|scope| {
            let count = || {
                (0..50)
                    .filter(|_| limiter.count_now(&counter("a"), Timestamp(1)) == Allowance::Granted)
                    .count()
            };
            let threads: Vec<_> = (0..8).map(|_| scope.spawn(count)).collect();
            threads.into_iter().map(|thread| thread.join().unwrap()).sum()
        });
        assert_eq!(granted, 10);
    }

    #[test]
    fn a_clock_that_goes_back_frees_nothing_and_waits_no_longer_than_a_window() {
        let limiter = MemoryLimiter::new(Limits { client_failures: 1, ..Limits::default() });
        assert_eq!(limiter.count_now(&counter("a"), Timestamp(10_000)), Allowance::Granted);
        assert_eq!(limiter.count_now(&counter("a"), Timestamp(5)), Allowance::Exhausted { retry_after: 60 });
    }
}
