//! Clients: where registrations are looked up.

use std::sync::Arc;

use async_trait::async_trait;
use hashbrown::HashMap;

use super::slow_hash::hash_secret;
use crate::client::secret::is_generated;
use crate::client::{ClientMetadata, MetadataError};
#[cfg(feature = "aws-lc-rs")]
use crate::jose::Sealer;
use crate::protocol::{ClientId, Timestamp};
use crate::record::Client;
use crate::record::client::ClientSecret;
use crate::store::StoreError;

/// The registered clients. Hosts keep them in tables of their own.
#[async_trait]
pub trait Clients: Send + Sync {
    /// The client registered as `id`; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; it is never "not found".
    async fn client(&self, id: &str) -> Result<Option<Arc<Client>>, StoreError>;

    /// Whether any secret is kept as a slow hash. If so, every failed authentication costs one at least, so that clients
    /// that exist cannot be told from those that do not.
    fn has_slow_secrets(&self) -> bool {
        false
    }

    /// These very clients, if finding one never waits: they are then asked without making a future each time.
    fn immediate(&self) -> Option<&dyn ImmediateClients> {
        None
    }
}

/// [`Clients`] that never wait.
pub trait ImmediateClients: Send + Sync {
    /// As [`Clients::client`].
    ///
    /// # Errors
    /// As [`Clients::client`].
    fn client_now(&self, id: &str) -> Result<Option<Arc<Client>>, StoreError>;
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

    /// Reads a JSON array of client metadata (RFC 7591 §2). Secrets are kept as digests where they are long enough to
    /// have been generated, else as slow hashes, each of which takes tens of milliseconds to make.
    ///
    /// A client whose secret authenticates or encrypts a JWT is refused here: see
    /// [`from_json_sealed_by`](Self::from_json_sealed_by).
    ///
    /// # Errors
    /// [`MetadataError`], naming the member and the rule.
    pub fn from_json(json: &[u8]) -> Result<Self, MetadataError> {
        Self::read(json, |_, secret| keep_secret(secret))
    }

    /// As [`from_json`](Self::from_json), and secrets are kept sealed where the server
    /// [needs them again](ClientMetadata::needs_secret_sealed). `sealer` must be made from the same 32 bytes as the server's.
    ///
    /// # Errors
    /// [`MetadataError`], naming the member and the rule.
    #[cfg(feature = "aws-lc-rs")]
    pub fn from_json_sealed_by(json: &[u8], sealer: &Sealer) -> Result<Self, MetadataError> {
        Self::read(json, |metadata, secret| match metadata.needs_secret_sealed() {
            true => ClientSecret::sealed(secret, &metadata.client_id, sealer)
                .map_err(|_| MetadataError::Contradiction("client_secret has fewer than 32 bytes")),
            false => keep_secret(secret),
        })
    }

    fn read(
        json: &[u8],
        keep: impl Fn(&ClientMetadata, &str) -> Result<ClientSecret, MetadataError>,
    ) -> Result<Self, MetadataError> {
        let mut clients = Vec::new();
        for metadata in ClientMetadata::list_from_json(json)? {
            let secrets = metadata.operator.client_secret.iter().map(|secret| {
                let expires_at =
                    Some(metadata.operator.client_secret_expires_at).filter(|at| *at != Timestamp(0));
                Ok(ClientSecret { expires_at, ..keep(&metadata, secret.expose())? })
            });
            clients.push(metadata.register(secrets.collect::<Result<_, MetadataError>>()?)?);
        }
        Ok(Self::new(clients))
    }

    /// The clients, in no particular order.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Client>> {
        self.clients.values()
    }
}

/// What is kept of a client secret: a digest of one that was generated, a slow hash of any other.
///
/// # Errors
/// [`MetadataError::Contradiction`] when the secret is too long to be hashed or the system has no randomness.
pub fn keep_secret(secret: &str) -> Result<ClientSecret, MetadataError> {
    if is_generated(secret) {
        return Ok(ClientSecret::generated(secret));
    }
    let hash =
        hash_secret(secret).map_err(|_| MetadataError::Contradiction("client_secret cannot be hashed"))?;
    Ok(ClientSecret::argon2(hash))
}

#[async_trait]
impl Clients for StaticClients {
    async fn client(&self, id: &str) -> Result<Option<Arc<Client>>, StoreError> {
        self.client_now(id)
    }

    fn has_slow_secrets(&self) -> bool {
        self.clients.values().any(|client| client.secrets.iter().any(|secret| secret.is_slow()))
    }

    fn immediate(&self) -> Option<&dyn ImmediateClients> {
        Some(self)
    }
}

impl ImmediateClients for StaticClients {
    fn client_now(&self, id: &str) -> Result<Option<Arc<Client>>, StoreError> {
        Ok(self.clients.get(id).cloned())
    }
}
