//! How the host reaches its users outside a browser of the client's.

use async_trait::async_trait;

use crate::record::backchannel::{Identified, UserEnquiry, UserQuestion};
use crate::store::StoreError;

/// Finds the users whom clients mean, and asks them on a device of theirs: by an app, a message, a page that they have open
/// (CIBA Core §8). Their answers come back through
/// [`decide_authentication`](crate::server::AuthorizationServer::decide_authentication).
#[async_trait]
pub trait AuthenticationDevice: Send + Sync {
    /// Who is meant, and whether that user may be asked this. How often someone may be disturbed is for the host to say, and
    /// so is how often a user code may be tried.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; the request then fails with 503.
    async fn identify(&self, enquiry: &UserEnquiry) -> Result<Identified, StoreError>;

    /// Asks the user. It waits until the question is on its way, and not for the answer.
    ///
    /// # Errors
    /// [`StoreError`] when the user cannot be reached; the client is then told 503, and waits for nothing.
    async fn ask(&self, question: &UserQuestion) -> Result<(), StoreError>;

    /// Whether users may have user codes (CIBA Core §7.1.2), so that the metadata say so. None have unless overridden.
    fn takes_user_codes(&self) -> bool {
        false
    }
}
