//! Accounts: whether the host still knows a subject, and what it says about it.

use async_trait::async_trait;
use serde_json::{Map, Value};

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

    /// What is known about `subject`, by claim (OpenID Connect Core §5.1, §5.2, §5.6), `sub` left out. Only what a
    /// client asked for and was allowed ever leaves the server.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; the request then fails with 503.
    async fn claims(&self, subject: &SubjectId) -> Result<Map<String, Value>, StoreError> {
        let _ = subject;
        Ok(Map::new())
    }
}
