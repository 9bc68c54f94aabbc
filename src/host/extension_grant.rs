//! Grant types of the host's own.

use async_trait::async_trait;
use serde_json::Value;

use crate::record::extension::{ExtensionRequest, Permission};
use crate::record::{Context, Facts, Halt};
use crate::store::StoreError;

/// A grant type of the host's own (RFC 6749 §4.5), added by
/// [`Builder::extension_grant`](crate::server::Builder::extension_grant).
///
/// ```
/// use grantor::grant::extension::refused;
/// use grantor::host::ExtensionGrant;
/// use grantor::protocol::{SubjectId, Timestamp};
/// use grantor::record::extension::{ExtensionRequest, Permission};
/// use grantor::record::grant::{AuthenticatedSubject, Authentication};
/// use grantor::record::{Context, Facts, Halt};
/// use grantor::store::StoreError;
/// use serde_json::{Value, json};
///
/// /// Vouchers on paper: the host knows who was given which.
/// struct Vouchers;
///
/// #[async_trait::async_trait]
/// impl ExtensionGrant for Vouchers {
///     fn decide(
///         &self,
///         request: &ExtensionRequest<'_>,
///         facts: &Facts,
///         cx: &Context<'_>,
///     ) -> Result<Permission, Halt> {
///         let voucher = request.parameter("voucher").ok_or_else(|| refused("no voucher"))?;
///         let owner = request.ask(json!(voucher.expose()), facts)?;
///         let owner = owner.as_str().ok_or_else(|| refused("nobody was given this voucher"))?;
///         let authentication = Authentication { auth_time: cx.now, acr: None, amr: Vec::new() };
///         Ok(Permission {
///             subject: Some(AuthenticatedSubject { id: SubjectId::new(owner), authentication }),
///             scope: request.scope.clone(),
///             refreshable: false,
///         })
///     }
///
///     async fn answer(&self, question: &Value) -> Result<Value, StoreError> {
///         Ok(if question == "8 Mile" { json!("marshall") } else { Value::Null })
///     }
/// }
/// ```
#[async_trait]
pub trait ExtensionGrant: Send + Sync {
    /// Decides: what the client is allowed, what is missing, or why it is refused. It is run again with each fact that it
    /// asked for, so it must be pure: the same request, facts and context give the same decision.
    ///
    /// # Errors
    /// [`Halt::Need`] from whatever it asks of `facts`, or through [`ExtensionRequest::ask`]; [`Halt::Refuse`] with what
    /// the client is answered, mostly [`refused`](crate::grant::extension::refused).
    fn decide(
        &self,
        request: &ExtensionRequest<'_>,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Permission, Halt>;

    /// Answers what [`decide`](Self::decide) asked by [`ExtensionRequest::ask`]. Whatever can be guessed should be counted
    /// here. A grant type that asks nothing needs none.
    ///
    /// # Errors
    /// [`StoreError`] when there is no answer to be had; the request then fails with 503.
    async fn answer(&self, question: &Value) -> Result<Value, StoreError> {
        let _ = question;
        Err(StoreError("a grant type asked a question that its host does not answer".into()))
    }
}
