//! Accounts: whether the host still knows a subject.

use async_trait::async_trait;

use crate::protocol::SubjectId;
use crate::record::facts::Account;
use crate::store::StoreError;

/// The host's users, asked at every redemption, refresh and check. Without this, whoever has signed in stays active
/// until [`disable_subject`](crate::server::AuthorizationServer::disable_subject).
#[async_trait]
pub trait Accounts: Send + Sync {
    /// Whether `subject` may be acted for.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; the request then fails with 503.
    async fn account(&self, subject: &SubjectId) -> Result<Account, StoreError>;
}
