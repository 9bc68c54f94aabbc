//! Which other issuers are trusted, and whom their users are here. What a JWT of theirs has to be is decided in
//! [`grant::foreign`](crate::grant::foreign).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::protocol::SubjectId;
use crate::record::trust::{KnownSubject, Statement, TrustedIssuer};
use crate::store::StoreError;

/// The host's trust in other issuers. Without one no JWT of another issuer is taken. Who is trusted is for the operator to
/// say: nothing that a client registers or sends can add to it.
///
/// ```
/// use std::sync::Arc;
///
/// use grantor::host::AssertionTrust;
/// use grantor::record::assertion::KeySource;
/// use grantor::record::trust::{KnownSubject, Statement, TrustedIssuer};
/// use grantor::store::StoreError;
///
/// /// Takes employees of the company for the users of the same name.
/// struct Company(Arc<TrustedIssuer>);
///
/// #[async_trait::async_trait]
/// impl AssertionTrust for Company {
///     async fn issuer(&self, issuer: &str) -> Result<Option<Arc<TrustedIssuer>>, StoreError> {
///         Ok((issuer == "https://idp.company.example").then(|| Arc::clone(&self.0)))
///     }
///
///     async fn subject(&self, statement: &Statement) -> Result<Option<KnownSubject>, StoreError> {
///         let email = statement.claims.get("email").and_then(|email| email.as_str());
///         Ok(email.and_then(|email| email.strip_suffix("@company.example")).map(KnownSubject::new))
///     }
/// }
///
/// let keys = KeySource::At("https://idp.company.example/jwks".parse().unwrap());
/// let trust: Arc<dyn AssertionTrust> = Arc::new(Company(Arc::new(TrustedIssuer::new(keys))));
/// ```
#[async_trait]
pub trait AssertionTrust: Send + Sync {
    /// What is trusted of an issuer; `None` for one that is not trusted.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; the request then fails with 503.
    async fn issuer(&self, issuer: &str) -> Result<Option<Arc<TrustedIssuer>>, StoreError>;

    /// The user that a verified statement is about; `None` when nobody here is meant, or not to this client.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; the request then fails with 503.
    async fn subject(&self, statement: &Statement) -> Result<Option<KnownSubject>, StoreError>;
}

/// Trusts a fixed list of issuers, each of which calls the users of this server by the names that they have here.
#[derive(Clone, Debug, Default)]
pub struct StaticTrust {
    issuers: HashMap<String, Arc<TrustedIssuer>>,
}

impl StaticTrust {
    /// Trusts these issuers.
    pub fn new(issuers: impl IntoIterator<Item = (String, TrustedIssuer)>) -> Self {
        Self { issuers: issuers.into_iter().map(|(name, issuer)| (name, Arc::new(issuer))).collect() }
    }
}

#[async_trait]
impl AssertionTrust for StaticTrust {
    async fn issuer(&self, issuer: &str) -> Result<Option<Arc<TrustedIssuer>>, StoreError> {
        Ok(self.issuers.get(issuer).cloned())
    }

    async fn subject(&self, statement: &Statement) -> Result<Option<KnownSubject>, StoreError> {
        let named = statement.claims.get("sub").and_then(|sub| sub.as_str());
        Ok(named.map(|name| KnownSubject::new(SubjectId::new(name))))
    }
}
