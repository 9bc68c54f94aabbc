//! Sessions that the host keeps itself.

use async_trait::async_trait;
use http::{HeaderMap, HeaderValue};

use super::HttpServer;
use crate::authorize::{Browser, HostLogin};
use crate::protocol::OAuthError;

/// A host that keeps sessions of its own: who is signed in is whom it names, and this library keeps no session beside it.
/// ID tokens then name no session (`sid`), and no grant is bound to one.
#[async_trait]
pub trait HostSessions: Send + Sync {
    /// Whom the cookies of a request sign in, and how and when that was proved.
    ///
    /// # Errors
    /// What is shown on an error page, when it cannot be found out.
    async fn login(&self, headers: &HeaderMap) -> Result<Option<HostLogin>, OAuthError>;

    /// Ends the session of a request whose user signs out, and returns the `Set-Cookie` headers that this takes.
    ///
    /// # Errors
    /// What is shown on an error page, when the session could not be ended.
    async fn end(&self, headers: &HeaderMap) -> Result<Vec<HeaderValue>, OAuthError>;
}

impl HttpServer {
    /// Finds out who is signed in, where the host keeps the sessions.
    pub(super) async fn recognise(
        &self,
        browser: &mut Browser,
        headers: &HeaderMap,
    ) -> Result<(), OAuthError> {
        if let Some(sessions) = &self.host_sessions {
            browser.host_login = sessions.login(headers).await?;
        }
        Ok(())
    }
}
