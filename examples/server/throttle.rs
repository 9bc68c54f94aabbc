//! How often a password may be guessed: of one user from one address, of anyone from there, and of one user from wherever.
//! What one address can try is far too little to lock a user out.
//!
//! An attempt counts before the password is looked at, so that parallel guesses count too; one that succeeds is taken
//! off again. Names of users who do not exist count like all others, so the answer tells nothing about them.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use grantor::protocol::Timestamp;

/// The window in which attempts are counted.
const WINDOW: Duration = Duration::from_secs(5 * 60);
/// Failed attempts for one user from one address in a window.
const PER_USER_AND_ADDRESS: u32 = 10;
/// Failed attempts from one address in a window.
const PER_ADDRESS: u32 = 50;
/// Failed attempts for one user in a window.
const PER_USER: u32 = 50;
/// The most counters in memory. When all are in use, whoever has none yet has to wait.
const MAX_COUNTERS: usize = 100_000;

/// Counts attempts to sign in.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    counters: Mutex<HashMap<Counted, Counter>>,
    loopback_is_free: bool,
}

/// An attempt that may go on.
#[derive(Debug)]
pub(crate) struct Attempt(Vec<Counted>);

#[derive(Clone, Debug, PartialEq, Eq, Hash)]
enum Counted {
    Address(IpAddr),
    UserFrom(String, IpAddr),
    User(String),
}

#[derive(Clone, Copy, Debug)]
struct Counter {
    ends: Timestamp,
    attempts: u32,
}

impl Throttle {
    /// A throttle; `loopback_is_free` lets tests on this machine sign in as often as they like.
    pub(crate) fn new(loopback_is_free: bool) -> Self {
        Self { loopback_is_free, ..Self::default() }
    }

    /// Counts an attempt, or says after how many seconds to try again.
    pub(crate) fn attempt(&self, username: &str, address: IpAddr, now: Timestamp) -> Result<Attempt, u64> {
        if self.loopback_is_free && address.is_loopback() {
            return Ok(Attempt(Vec::new()));
        }
        let (user, network) = (username.to_owned(), network(address));
        let all = [Counted::Address(network), Counted::UserFrom(user.clone(), network), Counted::User(user)];
        let mut counters = self.counters();
        for counted in &all {
            count(&mut counters, counted, now)?;
        }
        Ok(Attempt(all.into()))
    }

    /// Takes an attempt off again: the password was right.
    pub(crate) fn succeeded(&self, attempt: &Attempt) {
        let mut counters = self.counters();
        for counted in &attempt.0 {
            if let Some(counter) = counters.get_mut(counted) {
                counter.attempts = counter.attempts.saturating_sub(1);
            }
        }
    }

    fn counters(&self) -> MutexGuard<'_, HashMap<Counted, Counter>> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn count(counters: &mut HashMap<Counted, Counter>, counted: &Counted, now: Timestamp) -> Result<(), u64> {
    if counters.len() >= MAX_COUNTERS && !counters.contains_key(counted) {
        counters.retain(|_, counter| !counter.ends.is_past(now));
        if counters.len() >= MAX_COUNTERS {
            return Err(WINDOW.as_secs());
        }
    }
    let fresh = Counter { ends: now.plus(WINDOW), attempts: 0 };
    let counter = counters.entry(counted.clone()).or_insert(fresh);
    if counter.ends.is_past(now) {
        *counter = fresh;
    }
    let limit = match counted {
        Counted::Address(_) => PER_ADDRESS,
        Counted::UserFrom(..) => PER_USER_AND_ADDRESS,
        Counted::User(_) => PER_USER,
    };
    if counter.attempts >= limit {
        return Err(counter.ends.seconds_from(now).clamp(1, WINDOW.as_secs()));
    }
    counter.attempts += 1;
    Ok(())
}

/// What one person has to themselves: an IPv4 address, or the upper half of an IPv6 address.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() >> 64 << 64).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    fn address(last: u8) -> IpAddr {
        [192, 0, 2, last].into()
    }

    #[test]
    fn a_user_can_be_guessed_at_only_so_often_from_wherever() {
        let throttle = Throttle::default();
        for n in 0..50 {
            assert!(throttle.attempt("alice", address(n), NOW).is_ok());
        }
        assert_eq!(throttle.attempt("alice", address(99), NOW).unwrap_err(), 300);
        assert!(throttle.attempt("bob", address(99), NOW).is_ok());
        assert!(throttle.attempt("alice", address(99), Timestamp(1_301)).is_ok());
    }

    #[test]
    fn an_address_can_guess_at_a_user_only_so_often_and_locks_nobody_out() {
        let throttle = Throttle::default();
        for n in 0..100 {
            assert_eq!(throttle.attempt("alice", address(1), NOW).is_ok(), n < 10);
        }
        assert!(throttle.attempt("alice", address(2), NOW).is_ok());
    }

    #[test]
    fn an_address_can_guess_only_so_often_at_whomever() {
        let throttle = Throttle::default();
        for n in 0..50 {
            assert!(throttle.attempt(&format!("user{n}"), address(1), NOW).is_ok());
        }
        assert!(throttle.attempt("alice", address(1), NOW).is_err());
        let (one, other) = ("2001:db8::1".parse().unwrap(), "2001:db8::ffff:1".parse().unwrap());
        assert_eq!(network(one), network(other));
    }

    #[test]
    fn a_right_password_costs_nothing() {
        let throttle = Throttle::default();
        for _ in 0..1_000 {
            let attempt = throttle.attempt("alice", address(1), NOW).unwrap();
            throttle.succeeded(&attempt);
        }
    }

    #[test]
    fn only_tests_on_this_machine_are_free() {
        let throttle = Throttle::new(true);
        for _ in 0..100 {
            assert!(throttle.attempt("alice", [127, 0, 0, 1].into(), NOW).is_ok());
        }
        for _ in 0..10 {
            let _ = throttle.attempt("alice", address(1), NOW);
        }
        assert!(throttle.attempt("alice", address(1), NOW).is_err());
    }
}
