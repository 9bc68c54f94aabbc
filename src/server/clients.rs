//! Looking a client up: among the host's own first, then among those that registered themselves.
//!
//! The record of a registered client is read each time and learned like any other, so that a decision about the client is
//! written only while the registration is what was read. Only what was made of a record is kept between requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use smallvec::smallvec;

use super::AuthorizationServer;
use super::driver::unavailable;
use super::facts::Learned;
use crate::protocol::{ClientId, OAuthError, Reason, Timestamp};
use crate::record::facts::Fact;
use crate::record::{BatchId, Client, Facts, Halt, Key, RegisteredClient, Versioned};

/// The most registrations of which the clients are kept.
const MAX_CLIENTS: usize = 1000;

/// The clients that were made of registrations, by the versions of those.
#[derive(Default)]
pub(super) struct MadeClients(Mutex<HashMap<Key, (BatchId, Arc<Client>)>>);

impl MadeClients {
    /// The client of a registration; none of one that breaks the rules, which were others when it was written. To make one takes
    /// parsing its keys.
    fn client(&self, key: Key, record: &Versioned<&RegisteredClient>) -> Option<Arc<Client>> {
        let lock = || self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((version, client)) = lock().get(&key)
            && *version == record.version
        {
            return Some(Arc::clone(client));
        }
        let made = record.record.client();
        #[cfg(feature = "tracing")]
        if let Err(error) = &made {
            tracing::warn!(client = ?record.record.metadata.get("client_id"), %error, "a registration breaks the rules");
        }
        let client = Arc::new(made.ok()?);
        let mut made = lock();
        if made.len() >= MAX_CLIENTS {
            made.clear();
        }
        made.insert(key, (record.version, Arc::clone(&client)));
        Some(client)
    }
}

impl AuthorizationServer {
    /// The client of this identifier: one of the host's own, or one that registered itself.
    ///
    /// # Errors
    /// 503 when that cannot be found out.
    pub async fn client(&self, id: &str) -> Result<Option<Arc<Client>>, OAuthError> {
        let mut facts = Facts::new();
        let learned = self.find_client(id.to_owned(), None, self.parts.clock.now()).await?;
        learned.into_iter().for_each(|fact| facts.learn(fact));
        Ok(facts.client(id).map_err(asked_in_vain)?.cloned())
    }

    /// The registration of this client, where it was read already.
    pub(super) fn registration_in(&self, facts: &Facts, id: &str) -> Option<Option<Versioned>> {
        facts.record(self.registration_key(id)).ok().map(Option::<&Versioned>::cloned)
    }

    fn registration_key(&self, id: &str) -> Key {
        self.parts.settings.namespace.client(&ClientId::from(id))
    }

    /// Looks a client up; its registration only if that was not `read` yet.
    pub(super) async fn find_client(
        &self,
        id: String,
        read: Option<Option<Versioned>>,
        now: Timestamp,
    ) -> Result<Learned, OAuthError> {
        let client = self.parts.clients.client(&id).await.map_err(unavailable)?;
        if client.is_some() || self.parts.registration.is_none() {
            return Ok(smallvec![Fact::Client(id, client)]);
        }
        let key = self.registration_key(&id);
        let mut facts = Facts::new();
        let mut learned = Learned::new();
        let record = match read {
            Some(record) => record,
            None => {
                let record = self.parts.store.load(&[key]).await.map_err(unavailable)?.pop().flatten();
                learned.push(Fact::Records(vec![(key, record.clone())]));
                record
            }
        };
        facts.learn_record(key, record);
        let registration = facts.registered_client(key).map_err(asked_in_vain)?;
        let current = registration.filter(|versioned| versioned.record.is_current(now));
        let client = current.and_then(|versioned| self.parts.made_clients.client(key, &versioned));
        learned.push(Fact::Client(id, client));
        Ok(learned)
    }
}

/// What was just learned is known.
fn asked_in_vain(halt: Halt) -> OAuthError {
    match halt {
        Halt::Refuse(error) => error,
        Halt::Need(_) => Reason::Bug.into(),
    }
}
