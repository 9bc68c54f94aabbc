//! Clients: where registrations are looked up.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::protocol::ClientId;
use crate::record::Client;
use crate::store::StoreError;

/// The registered clients. Hosts keep them in tables of their own.
#[async_trait]
pub trait Clients: Send + Sync {
    /// The client registered as `id`; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; it is never "not found".
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError>;

    /// Whether any secret is kept as a slow hash. If so, every failed authentication costs one, so that clients
    /// that exist cannot be told from those that do not.
    fn has_slow_secrets(&self) -> bool {
        false
    }
}

/// A fixed list of clients.
#[derive(Clone, Debug, Default)]
pub struct StaticClients {
    clients: HashMap<ClientId, Arc<Client>>,
}

impl StaticClients {
    /// A list of these clients; of two with one identifier the later counts.
    pub fn new(clients: impl IntoIterator<Item = Client>) -> Self {
        Self { clients: clients.into_iter().map(|client| (client.id.clone(), Arc::new(client))).collect() }
    }

    /// The clients, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.clients.values()
    }
}

#[async_trait]
impl Clients for StaticClients {
    async fn client(&self, id: &ClientId) -> Result<Option<Arc<Client>>, StoreError> {
        Ok(self.clients.get(id).cloned())
    }

    fn has_slow_secrets(&self) -> bool {
        self.clients.values().any(|client| client.secrets.iter().any(|secret| secret.is_slow()))
    }
}
