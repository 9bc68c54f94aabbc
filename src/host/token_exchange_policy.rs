//! Which tokens may be exchanged for which. What holds for every exchange is decided in
//! [`grant::token_exchange`](crate::grant::token_exchange).

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use crate::protocol::{ClientId, Resource, TokenType};
use crate::record::exchange::{Exchange, Form, Refusal, Semantics, Terms, Verdict};
use crate::store::StoreError;

/// The host's say in which tokens are exchanged (RFC 8693 §2.1). Without one none are, and the grant type cannot be
/// switched on.
///
/// What it is asked is already proven, and within the scope and the life of the subject token: an answer can only narrow it.
///
/// ```
/// use grantor::host::TokenExchangePolicy;
/// use grantor::record::exchange::{Exchange, Principal, Refusal, Semantics, Terms, Verdict};
/// use grantor::store::StoreError;
///
/// /// Lets the help desk look at what a user sees, for ten minutes.
/// struct HelpDesk;
///
/// #[async_trait::async_trait]
/// impl TokenExchangePolicy for HelpDesk {
///     async fn judge(&self, exchange: &Exchange) -> Result<Verdict, StoreError> {
///         let staff = |who: &Principal| matches!(who, Principal::Subject(id) if id.as_str().starts_with("staff-"));
///         Ok(match &exchange.actor {
///             Some(actor) if exchange.client.id.as_str() == "help-desk" && staff(&actor.principal) => {
///                 Verdict::Allow(Terms {
///                     semantics: Semantics::Delegation,
///                     scope: grantor::Scope::parse("read").ok(),
///                     lifetime: Some(std::time::Duration::from_secs(600)),
///                     ..Terms::default()
///                 })
///             }
///             _ => Verdict::Refuse(Refusal::Tokens),
///         })
///     }
/// }
/// ```
#[async_trait]
pub trait TokenExchangePolicy: Send + Sync {
    /// Whether `exchange` is made, and on which terms.
    ///
    /// # Errors
    /// [`StoreError`] when that cannot be found out; the request then fails with 503.
    async fn judge(&self, exchange: &Exchange) -> Result<Verdict, StoreError>;

    /// Whether it lets any client have an Identity Assertion JWT Authorization Grant for another server, so that one can be
    /// asked for, and the metadata say so.
    fn issues_id_jags(&self) -> bool {
        false
    }
}

/// A client that can authenticate exchanges its own access token, for one that allows less or is good for less. There
/// is no further actor, so the new token names none, and nothing that is done on behalf of anyone: it asks in the words of
/// RFC 8693, for which it is registered.
#[derive(Clone, Copy, Debug, Default)]
pub struct OwnTokenExchange;

#[async_trait]
impl TokenExchangePolicy for OwnTokenExchange {
    async fn judge(&self, exchange: &Exchange) -> Result<Verdict, StoreError> {
        let Exchange { client, subject, actor, .. } = exchange;
        let own = subject.token_type == TokenType::AccessToken && subject.client.as_ref() == Some(&client.id);
        if exchange.form != Form::Exchange || client.is_public || !own || actor.is_some() {
            return Ok(Verdict::Refuse(Refusal::Tokens));
        }
        let narrower = match subject.audience.as_slice() {
            [] => exchange.resources.is_empty(),
            audience => exchange.resources.iter().all(|resource| audience.contains(resource)),
        };
        Ok(match narrower {
            true => Verdict::Allow(Terms { semantics: Semantics::Impersonation, ..Terms::default() }),
            false => Verdict::Refuse(Refusal::Target),
        })
    }
}

/// The on-behalf-of flow: an API that was called with a token of a user gets one for the next API, as the same user.
///
/// ```text
/// client            API A (client "a")           authorization server          API B
///   │  token for A        │                                │                     │
///   ├────────────────────►│  token for A, resource=B       │                     │
///   │                     ├───────────────────────────────►│ A answers for the audience of the token?
///   │                     │                                │ B is a target of "a"?
///   │                     │  token for B                   │                     │
///   │                     │◄───────────────────────────────┤                     │
///   │                     │  token for B: sub is the user, act is "a"            │
///   │                     ├─────────────────────────────────────────────────────►│
/// ```
///
/// The API is a client that can authenticate, may use the grant type, and is registered as the resource server of the
/// audience of the token that it was called with. It asks in the words of RFC 8693:
///
/// ```text
/// POST /token
/// Authorization: Basic …            (or whatever the API registered)
///
/// grant_type=urn:ietf:params:oauth:grant-type:token-exchange
/// &subject_token=…                  (the token that the API was called with)
/// &subject_token_type=urn:ietf:params:oauth:token-type:access_token
/// &resource=https://orders.example/ (the next API)
/// &scope=read
/// ```
///
/// or, with the grant type of RFC 7523 switched on, in those of Microsoft's flow, where the faults are those of an assertion:
///
/// ```text
/// grant_type=urn:ietf:params:oauth:grant-type:jwt-bearer
/// &assertion=…                      (the same token)
/// &requested_token_use=on_behalf_of
/// &resource=https://orders.example/
/// &scope=read
/// ```
///
/// The scope of the new token is within that of the old one: what the next API is to be asked for has to be among the scope
/// values that the first one understands.
///
/// ```
/// use std::sync::Arc;
///
/// use grantor::host::{OnBehalfOf, StaticClients};
/// use grantor::protocol::{GrantType, Issuer, Resource};
/// use grantor::{AuthorizationServer, MemoryStore};
///
/// let clients = StaticClients::from_json(br#"[{
///     "client_id": "shop-api", "client_secret": "0123456789abcdef0123456789abcdef",
///     "grant_types": ["urn:ietf:params:oauth:grant-type:token-exchange"],
///     "scope": "read", "resource_server_of": ["https://shop.example/"]
/// }]"#)?;
/// let orders = Resource::parse("https://orders.example/")?;
/// let issuer = Issuer::new("https://as.example")?;
/// let server = AuthorizationServer::builder(issuer, Arc::new(MemoryStore::new()), Arc::new(clients), &[7; 32])
///     .scope(grantor::Scope::parse("read")?)
///     .grant_types([GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::TokenExchange])
///     .token_exchange(Arc::new(OnBehalfOf::new().allow("shop-api", [orders])))
///     .build()?;
/// # Ok::<_, Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct OnBehalfOf {
    targets: HashMap<ClientId, Vec<Resource>>,
}

impl OnBehalfOf {
    /// Nobody may call anyone.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the API that is this client call these others.
    #[must_use]
    pub fn allow(mut self, client: impl Into<ClientId>, targets: impl IntoIterator<Item = Resource>) -> Self {
        self.targets.entry(client.into()).or_default().extend(targets);
        self
    }
}

#[async_trait]
impl TokenExchangePolicy for OnBehalfOf {
    async fn judge(&self, exchange: &Exchange) -> Result<Verdict, StoreError> {
        let Exchange { client, subject, actor, resources, .. } = exchange;
        let called = subject.token_type == TokenType::AccessToken
            && subject.audience.iter().any(|resource| client.resource_server_of.contains(resource));
        if client.is_public || !called || actor.is_some() {
            return Ok(Verdict::Refuse(Refusal::Tokens));
        }
        let targets = self.targets.get(&client.id).map_or(&[][..], Vec::as_slice);
        let listed = !resources.is_empty() && resources.iter().all(|resource| targets.contains(resource));
        Ok(match listed {
            true => Verdict::Allow(Terms::default()),
            false => Verdict::Refuse(Refusal::Target),
        })
    }
}

/// Asks one policy after the other, until one allows the exchange.
#[derive(Clone, Default)]
pub struct AnyExchange(pub Vec<Arc<dyn TokenExchangePolicy>>);

#[async_trait]
impl TokenExchangePolicy for AnyExchange {
    async fn judge(&self, exchange: &Exchange) -> Result<Verdict, StoreError> {
        let mut refusal = Refusal::Tokens;
        for policy in &self.0 {
            match policy.judge(exchange).await? {
                Verdict::Refuse(Refusal::Target) => refusal = Refusal::Target,
                Verdict::Refuse(_) => {}
                allowed => return Ok(allowed),
            }
        }
        Ok(Verdict::Refuse(refusal))
    }

    fn issues_id_jags(&self) -> bool {
        self.0.iter().any(|policy| policy.issues_id_jags())
    }
}

impl std::fmt::Debug for AnyExchange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AnyExchange").field("policies", &self.0.len()).finish()
    }
}
