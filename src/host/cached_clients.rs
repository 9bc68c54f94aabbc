//! Clients that are looked up far away, remembered for a moment.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use hashbrown::HashMap;

use super::flight::{Flight, Turn};
use super::{Clients, Clock};
use crate::protocol::{ClientId, Timestamp};
use crate::record::Client;
use crate::store::StoreError;

/// How much a [`CachedClients`] remembers, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CachedClientsOptions {
    /// How old what is answered may be, in whole seconds; 10 seconds. Zero: nothing is remembered, and still of those who ask
    /// for one client at once, one looks it up for all of them.
    pub max_age: Duration,
    /// The most clients that are remembered, 10,000, and at least two; beyond it the half that was found earlier is forgotten.
    pub capacity: usize,
}

impl Default for CachedClientsOptions {
    fn default() -> Self {
        Self { max_age: Duration::from_secs(10), capacity: 10_000 }
    }
}

/// Remembers for a few seconds the clients that other [`Clients`] have found, such as those in a database of the host's.
///
/// What it answers was true at most [`max_age`](CachedClientsOptions::max_age) ago, by the clock it is given:
///
/// - *Stale* may be what is registered: redirect URIs, scopes, secrets, keys. A redirect URI that was taken away is sent codes
///   for so much longer, unless [`forget`](Self::forget) is called in each process.
/// - *Never stale* is whether a client may act at all:
///   [`disable_client`](crate::AuthorizationServer::disable_client) writes a record that is read with the grant and is a
///   condition of every commit, whatever is remembered here.
/// - That there is *no* such client is never remembered: one that was just added is found at once, and nobody fills the
///   memory with names that do not exist. Of those who ask for one name at once, one looks it up.
/// - A lookup that *fails* is an error (503), even where an answer was known that is now too old.
///
/// Clients that registered themselves (RFC 7591) are not among these: the server reads them as records, which are conditions
/// of the commit, too, so that nothing of them is ever stale.
pub struct CachedClients {
    source: Arc<dyn Clients>,
    clock: Arc<dyn Clock>,
    options: CachedClientsOptions,
    state: Mutex<State>,
}

type Answer = Result<Option<Arc<Client>>, StoreError>;

#[derive(Default)]
struct State {
    /// Those that were found last. Once there are half as many as may be, they take the place of the earlier ones.
    later: HashMap<ClientId, Found>,
    earlier: HashMap<ClientId, Found>,
    /// What is being looked up, and since when.
    lookups: HashMap<ClientId, (Timestamp, Arc<Flight<Answer>>)>,
}

struct Found {
    client: Arc<Client>,
    /// When the lookup began.
    at: Timestamp,
}

impl CachedClients {
    /// Nothing is remembered yet. The clock is the server's own.
    pub fn new(source: Arc<dyn Clients>, clock: Arc<dyn Clock>) -> Self {
        Self::with_options(source, clock, CachedClientsOptions::default())
    }

    /// As [`new`](Self::new), with other bounds.
    pub fn with_options(
        source: Arc<dyn Clients>,
        clock: Arc<dyn Clock>,
        options: CachedClientsOptions,
    ) -> Self {
        Self { source, clock, options, state: Mutex::default() }
    }

    /// Looks this client up again the next time it is asked for: to be called when its registration has changed. What is
    /// being looked up meanwhile is not remembered either. Other processes remember it for as long as they do.
    pub fn forget(&self, client: &ClientId) {
        let mut state = self.lock();
        state.later.remove(client);
        state.earlier.remove(client);
        state.lookups.remove(client);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A client that was found lately, or the lookup to join, which did not begin earlier than that either.
    fn find(&self, id: &ClientId) -> Result<Arc<Client>, Arc<Flight<Answer>>> {
        let now = self.clock.now();
        let is_recent = |at: Timestamp| at <= now && !at.plus(self.options.max_age).is_past(now);
        let mut state = self.lock();
        let found = state.later.get(id).or_else(|| state.earlier.get(id));
        if let Some(found) = found.filter(|found| is_recent(found.at)) {
            return Ok(Arc::clone(&found.client));
        }
        let begun = || (now, Arc::default());
        let lookup = state.lookups.entry(id.clone()).or_insert_with(begun);
        if lookup.0 != now && !is_recent(lookup.0) {
            *lookup = begun();
        }
        Err(Arc::clone(&lookup.1))
    }
}

/// The end of a lookup, whether it was answered or given up: whoever asks from now on begins another.
struct Lookup<'c> {
    clients: &'c CachedClients,
    id: &'c ClientId,
    flight: &'c Arc<Flight<Answer>>,
    found: Option<Found>,
}

impl Drop for Lookup<'_> {
    fn drop(&mut self) {
        let mut state = self.clients.lock();
        if state.lookups.get(self.id).is_none_or(|(_, own)| !Arc::ptr_eq(own, self.flight)) {
            return;
        }
        state.lookups.remove(self.id);
        let Some(found) = self.found.take() else { return };
        if state.later.len() >= self.clients.options.capacity / 2 {
            state.earlier = std::mem::take(&mut state.later);
        }
        state.later.insert(self.id.clone(), found);
    }
}

#[async_trait]
impl Clients for CachedClients {
    async fn client(&self, id: &str) -> Answer {
        let id = ClientId::from(id);
        loop {
            let flight = match self.find(&id) {
                Ok(client) => return Ok(Some(client)),
                Err(flight) => flight,
            };
            match flight.join() {
                Turn::Lead(lead) => {
                    let mut lookup = Lookup { clients: self, id: &id, flight: &flight, found: None };
                    let at = self.clock.now();
                    let answer = self.source.client(id.as_str()).await;
                    if let Ok(Some(client)) = &answer {
                        lookup.found = Some(Found { client: Arc::clone(client), at });
                    }
                    drop(lookup);
                    lead.share(&answer);
                    return answer;
                }
                Turn::Follow(answer) => {
                    if let Ok(answer) = answer.await {
                        return answer;
                    }
                }
            }
        }
    }

    fn has_slow_secrets(&self) -> bool {
        self.source.has_slow_secrets()
    }
}

impl fmt::Debug for CachedClients {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CachedClients").field("options", &self.options).finish_non_exhaustive()
    }
}
