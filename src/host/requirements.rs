//! What the host itself requires of a user before a client is answered.

use std::sync::Arc;

use async_trait::async_trait;

use crate::record::facts::Visitor;
use crate::store::StoreError;

/// Steps of the host's own, between the login and the consent: terms to accept, a second factor to enrol, a profile to
/// complete. None unless given. Grants that begin without a page of the server (CIBA, passwords, exchanges, assertions,
/// grant types of the host's own) do not come by here: there the host decides in its own part.
///
/// A step is named by the host and done on a page of the host
/// ([`HttpServer::step_url`](crate::http::HttpServer::step_url)). When it is done the page
/// [continues](crate::authorize::Continue), and the host is asked again: for the next step, until there is none. A client
/// that wants no page to be shown is told `interaction_required` (OpenID Connect Core §3.1.2.6).
#[async_trait]
pub trait Requirements: Send + Sync {
    /// The first step that is left for this visitor; `None` when there is none.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; the request then fails with 503.
    async fn step(&self, visitor: &Visitor) -> Result<Option<Arc<str>>, StoreError>;
}
