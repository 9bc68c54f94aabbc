//! The one call an API makes: may this request pass, and if not, what to answer.

use std::fmt;
use std::sync::Arc;

use super::access_token::{AccessToken, TokenVerifier, VerifyError};
use super::bearer::{self, BearerFault};
use super::challenge::Challenge;
use crate::protocol::{Reason, Scope};

/// Guards an API, or one route of it. Cheap to clone: a guard for the whole API and, from it, one
/// [`requiring`](Self::requiring) more for each route.
#[derive(Clone)]
pub struct Guard {
    verifier: Arc<dyn TokenVerifier>,
    scope: Scope,
    realm: Option<Arc<str>>,
    resource_metadata: Option<Arc<str>>,
}

impl Guard {
    /// Lets pass whatever `verifier` believes, whatever its scope.
    pub fn new(verifier: Arc<dyn TokenVerifier>) -> Self {
        Self { verifier, scope: Scope::empty(), realm: None, resource_metadata: None }
    }

    /// The same guard, requiring all of `scope` too.
    #[must_use]
    pub fn requiring(mut self, scope: &Scope) -> Self {
        self.scope = self.scope.union(scope);
        self
    }

    /// Names the `realm` in challenges (RFC 9110 §11.5).
    #[must_use]
    pub fn realm(mut self, realm: &str) -> Self {
        self.realm = Some(realm.into());
        self
    }

    /// Names the URL of the resource's metadata in challenges (RFC 9728 §5.1).
    #[must_use]
    pub fn resource_metadata(mut self, url: &str) -> Self {
        self.resource_metadata = Some(url.into());
        self
    }

    /// Checks the `Authorization` header of a request.
    ///
    /// # Errors
    /// The [`Challenge`] to answer with: 401 without a token or with a bad one, 400 for a malformed header or several,
    /// 403 for too little scope, 503 when the token cannot be checked now.
    #[cfg(feature = "http")]
    pub async fn check(&self, headers: &http::HeaderMap) -> Result<AccessToken, Challenge> {
        let values = headers.get_all(http::header::AUTHORIZATION);
        let token = bearer::read(values.iter().map(http::HeaderValue::as_bytes));
        self.check_read(token).await
    }

    /// As `check`, over the values of all `Authorization` headers, for frameworks that have their own types.
    ///
    /// # Errors
    /// As `check`.
    pub async fn check_values(&self, authorization: &[&[u8]]) -> Result<AccessToken, Challenge> {
        self.check_read(bearer::read(authorization.iter().copied())).await
    }

    async fn check_read(&self, token: Result<&str, BearerFault>) -> Result<AccessToken, Challenge> {
        let token = token.map_err(|fault| self.challenge(fault.into()))?;
        let token = self.verifier.verify(token).await.map_err(|error| {
            #[cfg(feature = "tracing")]
            tracing::debug!(%error, "refused");
            match error {
                VerifyError::Invalid(_) => self.challenge(Reason::BearerInvalid),
                VerifyError::Unavailable(_) => self.challenge(Reason::VerificationUnavailable),
            }
        })?;
        if self.scope.is_subset(&token.scope) { Ok(token) } else { Err(self.challenge(Reason::BearerScope)) }
    }

    fn challenge(&self, reason: Reason) -> Challenge {
        let mut challenge = Challenge::new(reason).scope(&self.scope);
        let named = [("realm", &self.realm), ("resource_metadata", &self.resource_metadata)];
        for (name, value) in named {
            if let Some(value) = value {
                challenge = challenge.parameter(name, value);
            }
        }
        challenge
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("scope", &self.scope.as_str()).finish_non_exhaustive()
    }
}
