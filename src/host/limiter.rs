//! Limits on what may be tried or begun too often.

#[cfg(feature = "redis")]
mod redis;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Mutex;
use std::time::Duration;

use async_trait::async_trait;

use crate::protocol::Timestamp;
use crate::record::facts::{Allowance, Counter};
use crate::store::StoreError;

#[cfg(feature = "redis")]
pub use self::redis::RedisLimiter;

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

/// What counts as one, and how often it may happen in which time.
struct Rule {
    counter: Counter,
    limit: u32,
    window: Duration,
}

impl Limits {
    fn rule(&self, counter: &Counter) -> Rule {
        let (counter, limit) = match counter.clone() {
            Counter::ClientFailures(client, address) => {
                (Counter::ClientFailures(client, network(address)), self.client_failures)
            }
            Counter::SlowComparisons(client, address) => {
                (Counter::SlowComparisons(client, network(address)), self.slow_comparisons)
            }
            Counter::Interactions(client, address) => {
                (Counter::Interactions(client, network(address)), self.interactions)
            }
            Counter::DeviceAuthorizations(client, address) => {
                (Counter::DeviceAuthorizations(client, network(address)), self.device_authorizations)
            }
            Counter::BackchannelAuthentications(client, address) => (
                Counter::BackchannelAuthentications(client, network(address)),
                self.backchannel_authentications,
            ),
            Counter::UserCodesOfSession(session) => {
                (Counter::UserCodesOfSession(session), self.user_codes_of_session)
            }
            Counter::UserCodesFrom(address) => {
                (Counter::UserCodesFrom(network(address)), self.user_codes_from_address)
            }
            Counter::Registrations(address) => (Counter::Registrations(network(address)), self.registrations),
            Counter::RegistrationUpdates(client, address) => {
                (Counter::RegistrationUpdates(client, network(address)), self.registration_updates)
            }
            Counter::Passwords(name, address) => {
                let limit = if name.is_some() { self.passwords } else { self.passwords_of_all };
                (Counter::Passwords(name, network(address)), limit)
            }
            Counter::PasswordsFromEverywhere(name) => {
                (Counter::PasswordsFromEverywhere(name), self.passwords_from_everywhere)
            }
        };
        let window = match counter {
            Counter::UserCodesOfSession(_) | Counter::UserCodesFrom(_) => self.user_code_window,
            _ => self.window,
        };
        Rule { counter, limit, window }
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
        let mut windows = self.windows(counter).lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        windows.count(self.limits.rule(counter), now)
    }

    const fn windows(&self, counter: &Counter) -> &Mutex<Windows> {
        match counter {
            Counter::ClientFailures(..) => &self.client_failures,
            Counter::SlowComparisons(..) => &self.slow_comparisons,
            Counter::Interactions(..) => &self.interactions,
            Counter::DeviceAuthorizations(..) => &self.device_authorizations,
            Counter::BackchannelAuthentications(..) => &self.backchannel_authentications,
            Counter::UserCodesOfSession(_) => &self.user_codes_of_session,
            Counter::UserCodesFrom(_) => &self.user_codes_from_address,
            Counter::Registrations(_) => &self.registrations,
            Counter::RegistrationUpdates(..) => &self.registration_updates,
            Counter::Passwords(..) => &self.passwords,
            Counter::PasswordsFromEverywhere(_) => &self.passwords_from_everywhere,
        }
    }
}

impl Windows {
    fn count(&mut self, rule: Rule, now: Timestamp) -> Allowance {
        let Rule { counter, limit, window } = rule;
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
            return Allowance::Exhausted { retry_after: wait(entry.0, now, window) };
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

/// After how many seconds it is worth while to try again: no later than a whole window from now, whatever the clock did.
fn wait(ends: Timestamp, now: Timestamp, window: Duration) -> u32 {
    u32::try_from(ends.seconds_from(now).clamp(1, window.as_secs().max(1))).unwrap_or(u32::MAX)
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
