//! Other issuers whose JWTs are taken: what is trusted of them, what they state, and whom the host takes that for.

use std::time::Duration;

use serde_json::{Map, Value};

use super::assertion::KeySource;
use crate::jose::Algorithm;
use crate::protocol::{ClientId, Resource, Scope, SubjectId};

/// An issuer whose word is taken (RFC 7523 §3, RFC 8693 §2.1).
#[derive(Clone, Debug)]
pub struct TrustedIssuer {
    /// Its public keys.
    pub keys: KeySource,
    /// The algorithms it signs with.
    pub algorithms: Vec<Algorithm>,
    /// The longest life of an assertion with which tokens are asked for, from `iat`, or from now where there is none, to
    /// `exp`. So long, and a little longer, its `jti` is remembered.
    pub longest_life: Duration,
}

impl TrustedIssuer {
    /// An issuer with these keys, every algorithm, and assertions that live one hour at most.
    #[must_use]
    pub fn new(keys: KeySource) -> Self {
        Self { keys, algorithms: Algorithm::ALL.into(), longest_life: Duration::from_secs(3600) }
    }
}

/// What a trusted issuer states, verified: whom is it about?
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Who states it.
    pub issuer: String,
    /// The client that presents it.
    pub client: ClientId,
    /// What the client wants with it.
    pub purpose: Purpose,
    /// All its claims.
    pub claims: Map<String, Value>,
}

/// What a statement is presented for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Purpose {
    /// As the subject token of an exchange (RFC 8693 §2.1).
    SubjectToken,
    /// As a grant (RFC 7523 §2.1).
    Grant,
    /// As a grant for one client, made for another server to sign its users in (Identity Assertion JWT Authorization Grant).
    IdJag,
}

/// Whom the host takes the subject of a statement for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownSubject {
    /// The user.
    pub subject: SubjectId,
    /// The scope at most; `None` means whatever the client may ask for.
    pub scope: Option<Scope>,
    /// The resources at most; `None` means any.
    pub resources: Option<Vec<Resource>>,
}

impl KnownSubject {
    /// This user, with no bounds but those of the client and of the statement itself.
    #[must_use]
    pub fn new(subject: impl Into<SubjectId>) -> Self {
        Self { subject: subject.into(), scope: None, resources: None }
    }
}
