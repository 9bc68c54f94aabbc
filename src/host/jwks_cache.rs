//! The keys behind a URL, of a remote issuer or of a client, fetched when they are needed and never trusted for long.
//!
//! ```text
//! fetched ──► fresh (max-age, within bounds) ──► stale: fetched again; if that fails, still used ──► unusable
//!                                                                            └ for `stale_for` ┘
//! ```
//!
//! However many requests want the keys, one fetches and the others wait. After a failure, and for a `kid` that is not
//! known, there is a pause before the next attempt, so that no token can make this process hammer another server.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use url::Url;

use super::flight::{Flight, Turn};
use super::{Clock, Fetch, FetchRequest, FetchResponse, KeysUnavailable};
use crate::jose::JwkSet;
use crate::protocol::Timestamp;
use crate::record::key_ring::PublishedKeys;

/// How often one caller may find that somebody else's attempt came to nothing.
const MAX_TURNS: u32 = 16;

/// How long fetched keys are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct JwksOptions {
    /// The shortest time keys stay fresh, whatever the response says; one minute.
    pub min_age: Duration,
    /// The longest time keys stay fresh, whatever the response says; 15 minutes.
    pub max_age: Duration,
    /// How long keys stay fresh when the response does not say; 5 minutes.
    pub default_age: Duration,
    /// How long keys are still used after that while they cannot be fetched; one hour. A key that was withdrawn is
    /// trusted so much longer by whoever cannot reach its issuer.
    pub stale_for: Duration,
    /// The pause after a fetch before a failure or an unknown `kid` causes the next one; 10 seconds.
    pub pause: Duration,
}

impl Default for JwksOptions {
    fn default() -> Self {
        Self {
            min_age: Duration::from_secs(60),
            max_age: Duration::from_secs(15 * 60),
            default_age: Duration::from_secs(5 * 60),
            stale_for: Duration::from_secs(3600),
            pause: Duration::from_secs(10),
        }
    }
}

/// The keys behind a `jwks_uri`.
pub struct JwksCache {
    fetch: Arc<dyn Fetch>,
    url: Url,
    clock: Arc<dyn Clock>,
    options: JwksOptions,
    state: RwLock<State>,
    flight: Flight,
}

#[derive(Clone, Default)]
struct State {
    keys: Option<Keys>,
    attempt: Option<Timestamp>,
    failure: Option<String>,
}

#[derive(Clone)]
struct Keys {
    set: Arc<PublishedKeys>,
    fetched_at: Timestamp,
    age: Duration,
}

impl JwksCache {
    /// Nothing is fetched yet.
    pub fn new(fetch: Arc<dyn Fetch>, url: Url, clock: Arc<dyn Clock>) -> Self {
        Self::with_options(fetch, url, clock, JwksOptions::default())
    }

    /// As [`new`](Self::new), with other times.
    pub fn with_options(
        fetch: Arc<dyn Fetch>,
        url: Url,
        clock: Arc<dyn Clock>,
        options: JwksOptions,
    ) -> Self {
        Self { fetch, url, clock, options, state: RwLock::default(), flight: Flight::default() }
    }

    /// The keys: fresh ones if they can be had, else those that were fetched last, while they may still be used.
    ///
    /// # Errors
    /// [`KeysUnavailable`].
    pub async fn keys(&self) -> Result<Arc<PublishedKeys>, KeysUnavailable> {
        for _ in 0..MAX_TURNS {
            let state = self.state();
            if let Some(keys) = self.fresh(&state) {
                return Ok(keys);
            }
            if state.failure.is_some() && self.must_pause(&state) {
                return self.usable(&state);
            }
            match self.flight.join() {
                Turn::Lead(_lead) => {
                    let state = self.state();
                    if self.fresh(&state).is_none() {
                        self.refresh().await;
                    }
                    return self.usable(&self.state());
                }
                Turn::Follow(woken) => {
                    if let Ok(keys) = self.usable(&state) {
                        return Ok(keys);
                    }
                    let _ = woken.await;
                }
            }
        }
        self.usable(&self.state())
    }

    /// Keys fetched later than `seen`, in which a `kid` was not found: fetched now unless a pause is due.
    ///
    /// # Errors
    /// [`KeysUnavailable`] when they were to be fetched and could not be.
    pub(crate) async fn newer_than(
        &self,
        seen: &Arc<PublishedKeys>,
    ) -> Result<Option<Arc<PublishedKeys>>, KeysUnavailable> {
        let newer = |state: &State| {
            state.keys.as_ref().map(|keys| keys.set.clone()).filter(|set| !Arc::ptr_eq(set, seen))
        };
        loop {
            if let Some(set) = newer(&self.state()) {
                return Ok(Some(set));
            }
            let led = match self.flight.join() {
                Turn::Lead(_lead) => {
                    if newer(&self.state()).is_none() {
                        if self.must_pause(&self.state()) {
                            return Ok(None);
                        }
                        self.refresh().await;
                    }
                    true
                }
                Turn::Follow(woken) => {
                    let _ = woken.await;
                    false
                }
            };
            let after = self.state();
            match (newer(&after), after.failure) {
                (Some(set), _) => return Ok(Some(set)),
                (None, Some(failure)) => return Err(KeysUnavailable(failure)),
                (None, None) if led => return Ok(None),
                // Who led has found nothing new, which is a reason to pause, or has given up.
                (None, None) => {}
            }
        }
    }

    async fn refresh(&self) {
        let request = FetchRequest::get_json(self.url.clone(), JwkSet::MAX_BYTES);
        let answer = self.fetch.fetch(request).await;
        let read = answer.map_err(|error| error.to_string()).and_then(|response| self.read(&response));
        let now = self.clock.now();
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.attempt = Some(now);
        match read {
            Ok((set, age)) => {
                state.keys = Some(Keys { set: Arc::new(set), fetched_at: now, age });
                state.failure = None;
            }
            Err(failure) => state.failure = Some(failure),
        }
    }

    fn read(&self, response: &FetchResponse) -> Result<(PublishedKeys, Duration), String> {
        if response.status != 200 {
            return Err(format!("status {}", response.status));
        }
        if !response.is_json() {
            return Err("the response is not JSON".into());
        }
        let set = JwkSet::parse(&response.body).map_err(|error| error.to_string())?;
        if set.keys().is_empty() {
            return Err("no key of the set can be used".into());
        }
        let age = max_age(response).unwrap_or(self.options.default_age);
        Ok((PublishedKeys::new(set), age.min(self.options.max_age).max(self.options.min_age)))
    }

    fn fresh(&self, state: &State) -> Option<Arc<PublishedKeys>> {
        let keys = state.keys.as_ref()?;
        (self.since(keys.fetched_at) < keys.age).then(|| keys.set.clone())
    }

    fn usable(&self, state: &State) -> Result<Arc<PublishedKeys>, KeysUnavailable> {
        let keys = state
            .keys
            .as_ref()
            .filter(|keys| self.since(keys.fetched_at) < keys.age.saturating_add(self.options.stale_for));
        let unavailable =
            || KeysUnavailable(state.failure.clone().unwrap_or_else(|| "they were never fetched".to_owned()));
        keys.map(|keys| keys.set.clone()).ok_or_else(unavailable)
    }

    /// Whether nothing was fetched just now.
    pub(crate) fn rests(&self) -> bool {
        !self.must_pause(&self.state())
    }

    fn must_pause(&self, state: &State) -> bool {
        state.attempt.is_some_and(|at| self.since(at) < self.options.pause)
    }

    /// How long ago `then` was. If the clock has gone back, for ever: then nothing is fresh and nothing is paused.
    fn since(&self, then: Timestamp) -> Duration {
        self.clock.now().0.checked_sub(then.0).map_or(Duration::MAX, Duration::from_secs)
    }

    fn state(&self) -> State {
        self.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl fmt::Debug for JwksCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwksCache")
            .field("url", &self.url.as_str())
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}

/// How long the response stays fresh (RFC 9111 §5.2.2); `None` when it does not say.
fn max_age(response: &FetchResponse) -> Option<Duration> {
    let directives = response.header("cache-control")?.split(',').map(str::trim);
    let mut age = None;
    for directive in directives {
        let (name, value) = directive.split_once('=').unwrap_or((directive, ""));
        if name.eq_ignore_ascii_case("no-store") || name.eq_ignore_ascii_case("no-cache") {
            return Some(Duration::ZERO);
        }
        if name.eq_ignore_ascii_case("max-age") && age.is_none() {
            age = value.trim_matches('"').parse().ok().map(Duration::from_secs);
        }
    }
    age
}
