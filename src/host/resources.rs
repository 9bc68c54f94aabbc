//! The catalogue of protected resources (RFC 8707).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::protocol::Resource;
use crate::record::ResourceServer;
use crate::store::StoreError;

/// The APIs for which tokens can be asked.
#[async_trait]
pub trait ResourceCatalog: Send + Sync {
    /// What is known of `resource`; `None` when no token can be asked for it.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out.
    async fn resource(&self, resource: &Resource) -> Result<Option<Arc<ResourceServer>>, StoreError>;
}

/// A fixed list of resources; the empty list knows none.
#[derive(Clone, Debug, Default)]
pub struct StaticResources {
    resources: HashMap<Resource, Arc<ResourceServer>>,
}

impl StaticResources {
    /// A list of these resources.
    pub fn new(resources: impl IntoIterator<Item = ResourceServer>) -> Self {
        Self {
            resources: resources
                .into_iter()
                .map(|server| (server.resource.clone(), Arc::new(server)))
                .collect(),
        }
    }
}

#[async_trait]
impl ResourceCatalog for StaticResources {
    async fn resource(&self, resource: &Resource) -> Result<Option<Arc<ResourceServer>>, StoreError> {
        Ok(self.resources.get(resource).cloned())
    }
}
