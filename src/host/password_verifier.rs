//! Who knows the users' passwords.

use async_trait::async_trait;

use crate::protocol::Timestamp;
use crate::record::password::{PasswordAttempt, PasswordVerdict};
use crate::store::StoreError;

/// The host's users and their passwords, for clients that still send them (RFC 6749 §4.3). The sign-in page of a host
/// does not go through this.
#[async_trait]
pub trait PasswordVerifier: Send + Sync {
    /// Whose name and password these are, at the time `now`. It should take as long to find out that there is no such user, and that the
    /// password is another.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; the request then fails with 503.
    async fn verify(&self, attempt: &PasswordAttempt, now: Timestamp) -> Result<PasswordVerdict, StoreError>;
}
