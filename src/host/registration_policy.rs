//! Who may register as a client by itself. What a client may register is decided in
//! [`client::registration`](crate::client::registration).

use std::sync::Arc;

use async_trait::async_trait;

use crate::record::key_ring::PublishedKeys;
use crate::record::registration::{Admission, Applicant, Refusal, Verdict};
use crate::store::StoreError;

/// The host's say in who becomes a client. Without one nobody does, and there is no registration endpoint.
///
/// ```
/// use grantor::host::RegistrationPolicy;
/// use grantor::record::registration::{Admission, Applicant, Refusal, Verdict};
/// use grantor::store::StoreError;
///
/// /// Takes clients of one domain, and lets them read.
/// struct OneDomain;
///
/// #[async_trait::async_trait]
/// impl RegistrationPolicy for OneDomain {
///     async fn judge(&self, applicant: &Applicant) -> Result<Verdict, StoreError> {
///         let uris = applicant.metadata.get("redirect_uris").and_then(|uris| uris.as_array());
///         let ours = |uri: &serde_json::Value| uri.as_str().is_some_and(|uri| uri.starts_with("https://apps.example/"));
///         Ok(match uris.is_some_and(|uris| uris.iter().all(ours)) {
///             true => Verdict::Admit(Admission {
///                 scope: grantor::Scope::parse("read").ok(),
///                 ..Admission::default()
///             }),
///             false => Verdict::Refuse(Refusal::RedirectUri),
///         })
///     }
/// }
/// ```
#[async_trait]
pub trait RegistrationPolicy: Send + Sync {
    /// Whether `applicant` may register, or change its registration, and on which terms.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; the request then fails with 503.
    async fn judge(&self, applicant: &Applicant) -> Result<Verdict, StoreError>;

    /// The keys of an issuer of software statements (RFC 7591 §2.3); `None` for one whose statements are not approved here.
    /// Nobody's are unless overridden.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; the request then fails with 503.
    async fn statement_keys(&self, issuer: &str) -> Result<Option<Arc<PublishedKeys>>, StoreError> {
        let _ = issuer;
        Ok(None)
    }

    /// Whether there is any way to register, so that the metadata name the endpoint.
    fn takes_new_clients(&self) -> bool {
        true
    }
}

/// Nobody registers any more. Who has registered stays, and looks after its registration, but gains neither scope values nor
/// grant types nor time by that.
#[derive(Clone, Copy, Debug, Default)]
pub struct ClosedRegistration;

/// Everybody may register, as often as the [`Limiter`](super::Limiter) allows from one address.
#[derive(Clone, Debug, Default)]
pub struct OpenRegistration {
    /// On which terms. By default a client may ask users for every scope value that the server has, and gets nothing without a
    /// user.
    pub terms: Admission,
}

/// Whoever has an initial access token may register.
#[derive(Clone, Debug, Default)]
pub struct InitialAccessRegistration {
    /// On which terms.
    pub terms: Admission,
}

#[async_trait]
impl RegistrationPolicy for ClosedRegistration {
    async fn judge(&self, applicant: &Applicant) -> Result<Verdict, StoreError> {
        Ok(match &applicant.client {
            Some(client) => Verdict::Admit(client.terms.clone()),
            None => Verdict::Refuse(Refusal::Closed),
        })
    }

    fn takes_new_clients(&self) -> bool {
        false
    }
}

#[async_trait]
impl RegistrationPolicy for OpenRegistration {
    async fn judge(&self, _: &Applicant) -> Result<Verdict, StoreError> {
        Ok(Verdict::Admit(self.terms.clone()))
    }
}

#[async_trait]
impl RegistrationPolicy for InitialAccessRegistration {
    async fn judge(&self, applicant: &Applicant) -> Result<Verdict, StoreError> {
        Ok(match (&applicant.client, &applicant.initial_access) {
            (None, None) => Verdict::Refuse(Refusal::InitialAccessNeeded),
            _ => Verdict::Admit(self.terms.clone()),
        })
    }
}
