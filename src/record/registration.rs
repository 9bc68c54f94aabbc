//! A client that registered itself, and whom the server lets register (RFC 7591, RFC 7592).

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::client::ClientSecret;
use super::grant::Nonce;
use super::key::Id;
use crate::protocol::{ClientId, Digest, GrantType, Scope, Timestamp};

/// A client that registered itself. The record is the whole registration: what it may do follows from `metadata`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RegisteredClient {
    /// Its metadata as registered, by their registered names: with every default filled in, and without what only an
    /// operator may say.
    pub metadata: Map<String, Value>,
    /// Its secrets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<ClientSecret>,
    /// What is kept of its registration access token.
    pub token_digest: Digest,
    /// `client_id_issued_at`.
    pub issued_at: Timestamp,
    /// From when on the client is as good as gone; `None` means never.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_until: Option<Timestamp>,
    /// The name of the initial access token with which it began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub introduced_by: Option<String>,
    /// The update that made it what it is, while an answer that was lost may still be asked for again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry: Option<UpdateRetry>,
}

/// Lets a client that lost the answer to an update ask for it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UpdateRetry {
    /// With the request, the token it was made with and the server's key, this derives again what was handed out.
    pub nonce: Nonce,
    /// When the update happened.
    pub updated_at: Timestamp,
}

impl RegisteredClient {
    /// Whether a client of this identifier may have registered itself: those are random. A host may choose such a one, too.
    #[must_use]
    pub fn may_be(id: &ClientId) -> bool {
        id.as_str().parse::<Id>().is_ok()
    }

    /// Whether its time has not run out.
    #[must_use]
    pub fn is_current(&self, now: Timestamp) -> bool {
        self.valid_until.is_none_or(|until| !until.is_past(now))
    }

    /// The terms that leave it what it has: no other scope value or grant type, and no more time.
    #[must_use]
    pub fn terms(&self, now: Timestamp) -> Admission {
        let member = |name| self.metadata.get(name).cloned().unwrap_or_default();
        let left = |until: Timestamp| Duration::from_secs(until.seconds_from(now));
        Admission {
            scope: Some(serde_json::from_value(member("scope")).unwrap_or_else(|_| Scope::empty())),
            grant_types: serde_json::from_value(member("grant_types")).unwrap_or_default(),
            lifetime: self.valid_until.map(left),
            secret_lifetime: self.secrets.first().and_then(|secret| secret.expires_at).map(left),
            ..Admission::default()
        }
    }
}

/// What is kept of an initial access token (RFC 7591 §1.2): it lets whoever holds it register clients.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InitialAccess {
    /// What is kept of the token.
    pub digest: Digest,
    /// What the operator calls it. The policy is told, when a client registers with it and whenever that client changes
    /// its registration.
    pub name: String,
    /// Until when it may be used.
    pub valid_until: Timestamp,
    /// How many clients may still be registered with it; `None` means any number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uses_left: Option<u32>,
}

/// Who wants to register, or to change its registration: what a policy is asked about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applicant {
    /// The client whose registration is to change; `None` for a new client.
    pub client: Option<PresentClient>,
    /// What it would register, by the registered names, with every default filled in. All of it is valid, none of it is
    /// proven: a client can call itself anything.
    pub metadata: Map<String, Value>,
    /// The name of the initial access token it began with, if there was one.
    pub initial_access: Option<String>,
    /// The claims of its software statement, verified with the keys of their issuer (RFC 7591 §2.3).
    pub software_statement: Option<Map<String, Value>>,
    /// The address the request came from, as far as it can be trusted.
    pub address: Option<IpAddr>,
}

/// A client that wants to change its registration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PresentClient {
    /// Its identifier.
    pub id: ClientId,
    /// Its metadata as they are registered, `client_id` among them.
    pub metadata: Map<String, Value>,
    /// The terms that leave it what it has: no other scope value or grant type, and no more time. A policy that answers with
    /// these lets it change everything else.
    pub terms: Admission,
}

/// What a policy answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client is registered, on these terms.
    Admit(Admission),
    /// It is not.
    Refuse(Refusal),
}

/// On which terms a client is registered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Admission {
    /// The scope values it may ask for at most; `None` means all that the server has. A client that registers no `scope`
    /// may ask for all of these.
    pub scope: Option<Scope>,
    /// The grant types it may use at most, of those that the server has. By default those at whose beginning a user is asked on a
    /// page of the server: with another, whoever may register would get tokens that no user has allowed.
    pub grant_types: Vec<GrantType>,
    /// Metadata that replace what the client asked for, by their registered names; `null` takes a member away. They keep the
    /// rules that the client's own keep (RFC 7591 §2).
    pub metadata: Map<String, Value>,
    /// How long the registration lasts; `None` means until the client ends it.
    pub lifetime: Option<Duration>,
    /// How long its secret can be used; `None` means as long as the registration.
    pub secret_lifetime: Option<Duration>,
}

impl Default for Admission {
    fn default() -> Self {
        Self {
            scope: None,
            grant_types: vec![
                GrantType::AuthorizationCode,
                GrantType::RefreshToken,
                GrantType::Implicit,
                GrantType::DeviceCode,
            ],
            metadata: Map::new(),
            lifetime: None,
            secret_lifetime: None,
        }
    }
}

/// Why a policy refuses (RFC 7591 §3.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Nobody may register here.
    Closed,
    /// An initial access token is needed.
    InitialAccessNeeded,
    /// The metadata are not acceptable.
    Metadata,
    /// A redirect URI is not acceptable.
    RedirectUri,
    /// The software statement is not one that is approved here, or there is none.
    SoftwareStatement,
}
