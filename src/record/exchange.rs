//! Token exchange (RFC 8693): what a grant remembers of the token it was made from, and what a policy is asked and answers.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::key::{GrantId, Id};
use crate::protocol::{ClientId, Digest, GrantType, Resource, Scope, SubjectId, Timestamp, TokenType};

/// What a grant owes to the token it was exchanged for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchanged {
    /// What it hangs on; `None` where the token was of another issuer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub root: Option<Root>,
    /// When the subject token ends: nothing that the grant issues outlives it.
    pub valid_until: Timestamp,
    /// Who acts for the subject, the last one first (`act`, RFC 8693 §4.1).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub actors: Vec<Principal>,
    /// Who showed the last `actor_token` of this server in the chain, whether or not they are named: nothing is left of it once
    /// they may act no longer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Actor>,
    /// The one who may act for the subject in a further exchange (`may_act`, RFC 8693 §4.4); `None` leaves that to the policy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub may_act: Option<Principal>,
}

/// A user or a client of this server who acts for somebody.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// Who it is.
    pub principal: Principal,
    /// Their epoch when their token was issued.
    pub epoch: u64,
}

impl Exchanged {
    /// The client that is acted for where no user is, by a grant of this client.
    #[must_use]
    pub fn client_acted_for<'c>(&'c self, holder: &'c ClientId) -> &'c ClientId {
        self.root.as_ref().map_or(holder, |root| &root.client)
    }
}

/// What was granted at the beginning of a chain of exchanges. When that grant is dead, or the access token of it that was
/// given, so is whatever came of it; a token in the middle that is revoked alone takes nothing with it, and neither does a
/// client in the middle that is switched off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Root {
    /// Where it is remembered.
    pub source: RootSource,
    /// Whom it was issued to; where there is no user, that is who is acted for.
    pub client: ClientId,
    /// The epoch of that client when it was issued.
    pub client_epoch: u64,
    /// The access token of that grant that was given. A refresh or an ID token stands for all of the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<RootToken>,
}

/// An access token as its grant knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootToken {
    /// An opaque one, by its digest.
    Opaque(Digest),
    /// A JWT, by its number.
    Jwt(u32),
}

/// Where the token at the beginning is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RootSource {
    /// In a grant.
    Grant(GrantId),
    /// Nowhere, until it is revoked: a JWT of a client that acts for itself.
    Token(Id),
}

/// Someone who can act or be acted for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Principal {
    /// A user of this server.
    Subject(SubjectId),
    /// A client of this server.
    Client(ClientId),
    /// Someone whom another issuer names.
    Foreign {
        /// The issuer.
        issuer: Arc<str>,
        /// What it calls them.
        subject: Arc<str>,
    },
}

impl Principal {
    /// Whether both are the same, to an issuer whose users and clients have different names.
    #[must_use]
    pub fn is(&self, other: &Self, issuer: &str) -> bool {
        self.named(issuer) == other.named(issuer)
    }

    /// The issuer that names them, and the name.
    fn named<'p>(&'p self, issuer: &'p str) -> (&'p str, &'p str) {
        match self {
            Self::Subject(id) => (issuer, id.as_str()),
            Self::Client(id) => (issuer, id.as_str()),
            Self::Foreign { issuer, subject } => (issuer, subject),
        }
    }

    /// As a token names them: `sub`, and `iss` where that is another issuer (RFC 8693 §4.1).
    #[must_use]
    pub fn to_claim(&self) -> Map<String, Value> {
        let mut claim = Map::from_iter([("sub".to_owned(), json!(self.named("").1))]);
        if let Self::Foreign { issuer, .. } = self {
            claim.insert("iss".to_owned(), json!(issuer));
        }
        claim
    }
}

/// The `act` claim of a chain of actors, the last one outermost; `None` where nobody acts (RFC 8693 §4.1).
#[must_use]
pub fn act(actors: &[Principal]) -> Option<Value> {
    actors.iter().rev().fold(None, |earlier, actor| {
        let mut claim = actor.to_claim();
        claim.extend(earlier.map(|earlier| ("act".to_owned(), earlier)));
        Some(claim.into())
    })
}

/// In which words an exchange is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Those of RFC 8693.
    Exchange,
    /// Those of Microsoft's on-behalf-of flow: `grant_type` is that of RFC 7523, `assertion` is the access token that an API
    /// was called with, and `requested_token_use` is `on_behalf_of`. Its faults are those of an assertion.
    OnBehalfOf,
}

impl Form {
    /// The grant type that the client must be registered for.
    #[must_use]
    pub const fn grant_type(self) -> GrantType {
        match self {
            Self::Exchange => GrantType::TokenExchange,
            Self::OnBehalfOf => GrantType::JwtBearer,
        }
    }
}

/// An exchange that is asked for: all of it is proven, and within what the subject token allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// In which words: a client that asks in those of the on-behalf-of flow may be registered for no others.
    pub form: Form,
    /// Who asks.
    pub client: Asker,
    /// Who is to be acted for, and by which token.
    pub subject: Presented,
    /// Who is to act, and by which token; `None` where the client presents none.
    pub actor: Option<Presented>,
    /// The resources that are asked for; those of the subject token where none are. Empty means the issuer itself, and
    /// nothing where an ID token is asked for, which is for the client alone.
    pub resources: Vec<Resource>,
    /// The scope that is asked for; where none is, what of the subject token's the client may have.
    pub scope: Scope,
    /// The kind of token that is asked for.
    pub requested: TokenType,
    /// The other authorization server for which an Identity Assertion JWT Authorization Grant is asked for, as the client names
    /// it. Scope and resources are then that server's, and nothing has been found out about them.
    pub elsewhere: Option<String>,
}

impl Exchange {
    /// The resources that these terms leave of those that are asked for; `None` when they are no part of them. None at all would
    /// be the issuer itself, which is a part of nothing else.
    #[must_use]
    pub fn within(&self, terms: &Terms) -> Option<Vec<Resource>> {
        let asked = &self.resources;
        match &terms.resources {
            None => Some(asked.clone()),
            Some(allowed) if allowed.is_empty() != asked.is_empty() => None,
            Some(allowed) => allowed.iter().all(|resource| asked.contains(resource)).then(|| allowed.clone()),
        }
    }
}

/// The client that asks for an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asker {
    /// Its identifier.
    pub id: ClientId,
    /// Whether it has no means to authenticate: whoever holds the subject token may be asking.
    pub is_public: bool,
    /// Whether it registered itself, so that nobody vouches for it.
    pub self_registered: bool,
    /// The resources it answers for.
    pub resource_server_of: Vec<Resource>,
}

/// A token that was presented for an exchange, and lives.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Presented {
    /// What kind of token it is.
    pub token_type: TokenType,
    /// Whom it speaks of. The subject of another issuer's token is the one that the host knows them as.
    pub principal: Principal,
    /// The client it was issued to; `None` where another server issued it.
    pub client: Option<ClientId>,
    /// What it allows.
    pub scope: Scope,
    /// Where; empty means the issuer itself.
    pub audience: Vec<Resource>,
    /// Until when it is valid.
    pub valid_until: Timestamp,
    /// Who already acts, the last one first (`act`).
    pub actors: Vec<Principal>,
    /// The one who may act (`may_act`): it has been found to be the one who wants to.
    pub may_act: Option<Principal>,
    /// The claims of a token of another issuer.
    pub claims: Option<Map<String, Value>>,
}

/// What a policy answers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::large_enum_variant, reason = "there is one in each exchange")]
pub enum Verdict {
    /// The exchange is made, on these terms.
    Allow(Terms),
    /// It is not.
    Refuse(Refusal),
}

/// On which terms an exchange is made. By default as it was asked for, by delegation, and without a refresh token.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Terms {
    /// Whether the new token says who acts.
    pub semantics: Semantics,
    /// The scope at most; `None` means what is asked for.
    pub scope: Option<Scope>,
    /// The resources, out of those that are asked for; `None` means all of them.
    pub resources: Option<Vec<Resource>>,
    /// How long the new token lives at most; `None` means as long as its resource and the subject token let it.
    pub lifetime: Option<Duration>,
    /// Whether there is a refresh token, if the client may have one. It ends with the subject token.
    pub refresh_token: bool,
    /// Whether the client may have an ID token where it asks for one. That tells it, and whoever takes its word, that the user
    /// has signed in, though not to it, and of the user whatever the scope asks for (OpenID Connect Core §5.4).
    pub id_token: bool,
    /// The one who may act for the subject in an exchange of the new token (`may_act`, RFC 8693 §4.4).
    pub may_act: Option<Principal>,
    /// Who the client is at the other server, where a grant there is asked for; `None` refuses it.
    pub id_jag: Option<Box<IdJagTerms>>,
}

/// An Identity Assertion JWT Authorization Grant that a host lets a client have.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct IdJagTerms {
    /// The issuer identifier of the other server (`aud`).
    pub audience: String,
    /// What that server calls the client (`client_id`).
    pub client_id: String,
    /// The client that the other server is here, when it signs users in: it knows the user by the name that client is told
    /// (`sub`). `None` means the name that the asking client is told.
    pub relying_party: Option<ClientId>,
    /// What else the other server is told of the user, such as `email`, `aud_sub` or `tenant`.
    pub claims: Map<String, Value>,
}

/// Whether a token says who acts with it (RFC 8693 §1.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Semantics {
    /// It does, by `act`: whom the actor token speaks of, and the client itself where there is none.
    #[default]
    Delegation,
    /// It does not: to whoever reads it, the subject acts. Who acted before stays named.
    Impersonation,
}

/// Why a policy refuses (RFC 8693 §2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Not with these tokens: `invalid_request`.
    Tokens,
    /// Not for this resource: `invalid_target`.
    Target,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(issuer: &str, subject: &str) -> Principal {
        Principal::Foreign { issuer: issuer.into(), subject: subject.into() }
    }

    #[test]
    fn the_last_actor_is_outermost_and_the_first_innermost() {
        let actors = [Principal::Client("b".into()), foreign("https://idp.example", "a")];
        let expected = json!({"sub": "b", "act": {"sub": "a", "iss": "https://idp.example"}});
        assert_eq!((act(&actors), act(&[])), (Some(expected), None));
    }

    #[test]
    fn a_name_counts_only_with_its_issuer() {
        let own = "https://as.example";
        let (client, subject) = (Principal::Client("x".into()), Principal::Subject("x".into()));
        assert!(client.is(&foreign(own, "x"), own) && subject.is(&foreign(own, "x"), own));
        assert!(!client.is(&foreign("https://idp.example", "x"), own));
        assert!(!client.is(&foreign(own, "y"), own));
    }
}
