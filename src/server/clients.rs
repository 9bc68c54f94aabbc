//! Looking a client up: among the host's own first, then among those that registered themselves.
//!
//! The record of a registered client is read each time and learned like any other, so that a decision about the client is
//! written only while the registration is what was read. Only what was made of a record is kept between requests.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::AuthorizationServer;
use super::driver::unavailable;
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
        self.learn_client(id.to_owned(), &mut facts, self.parts.clock.now()).await?;
        Ok(facts.client(id).map_err(asked_in_vain)?.cloned())
    }

    pub(super) async fn learn_client(
        &self,
        id: String,
        facts: &mut Facts,
        now: Timestamp,
    ) -> Result<(), OAuthError> {
        let mut client = self.parts.clients.client(&id).await.map_err(unavailable)?;
        if client.is_none() && self.parts.registration.is_some() {
            client = self.registered(&id, facts, now).await?;
        }
        facts.learn(Fact::Client(id, client));
        Ok(())
    }

    async fn registered(
        &self,
        id: &str,
        facts: &mut Facts,
        now: Timestamp,
    ) -> Result<Option<Arc<Client>>, OAuthError> {
        let key = self.parts.settings.namespace.client(&ClientId::from(id));
        if facts.record(key).is_err() {
            let record = self.parts.store.load(&[key]).await.map_err(unavailable)?.pop().flatten();
            facts.learn_record(key, record);
        }
        let record = facts.registered_client(key).map_err(asked_in_vain)?;
        let current = record.filter(|versioned| versioned.record.is_current(now));
        Ok(current.and_then(|versioned| self.parts.made_clients.client(key, &versioned)))
    }
}

/// What was just learned is known.
fn asked_in_vain(halt: Halt) -> OAuthError {
    match halt {
        Halt::Refuse(error) => error,
        Halt::Need(_) => Reason::Bug.into(),
    }
}
