//! What a grant type of the host's own is asked, and what it says (RFC 6749 §4.5).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use serde_json::Value;

use super::facts::Claim;
use super::grant::AuthenticatedSubject;
use super::{Client, Context, Facts, Halt, Namespace};
use crate::protocol::{ExtensionGrantType, Resource, Scope, Secret, Timestamp};

/// A token request of a grant type of the host's own, by a client that has proved itself and may use it.
#[derive(Clone, Copy, Debug)]
pub struct ExtensionRequest<'r> {
    /// The grant type.
    pub grant_type: &'r ExtensionGrantType,
    /// Who asks.
    pub client: &'r Client,
    /// What else was sent, by name: without what says who the client is, `grant_type`, `scope` and `resource`.
    pub parameters: &'r BTreeMap<String, Secret>,
    /// `scope`, as far as the client may have it; all that it may have where it asked for none.
    pub scope: &'r Scope,
    /// `resource`, sorted.
    pub resources: &'r [Resource],
}

impl<'r> ExtensionRequest<'r> {
    /// The parameter of this name, if it was sent.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&'r Secret> {
        self.parameters.get(name)
    }

    /// What the host answers to a question of its own, which is asked once, however often the decision is run again: the same
    /// question, so it should hold neither the time nor anything random.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn ask<'f>(&self, question: Value, facts: &'f Facts) -> Result<&'f Value, Halt> {
        facts.host_answer(&HostQuestion { grant_type: self.grant_type.clone(), question })
    }

    /// Claims something that may be used once, by its name among all that this grant type ever claims.
    ///
    /// # Errors
    /// [`Halt::Need`] while it has not been claimed.
    pub fn claim(
        &self,
        name: &str,
        valid_until: Timestamp,
        facts: &Facts,
        namespace: Namespace,
    ) -> Result<Claim, Halt> {
        facts.claim(namespace.used_by_extension(self.grant_type, name), valid_until)
    }
}

/// What a grant type of the host's own allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// For whom the client may act; `None`: for itself.
    pub subject: Option<AuthenticatedSubject>,
    /// Within which scope; beyond what the client may have nothing is granted, and the request is refused.
    pub scope: Scope,
    /// Whether it gets a refresh token, if it is registered for those.
    pub refreshable: bool,
}

/// A question of a grant type to its host. It may hold secrets, so it is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct HostQuestion {
    /// Who asks.
    pub grant_type: ExtensionGrantType,
    /// What.
    pub question: Value,
}

impl fmt::Debug for HostQuestion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HostQuestion").field("grant_type", &self.grant_type).finish_non_exhaustive()
    }
}

/// What the host answers to a question of its own. It may hold secrets, so it is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct HostAnswer(pub Value);

impl fmt::Debug for HostAnswer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// How a grant type of the host's own decides.
pub type DecideExtension =
    dyn Fn(&ExtensionRequest<'_>, &Facts, &Context<'_>) -> Result<Permission, Halt> + Send + Sync;

/// The grant types of the host's own, and how each decides.
#[derive(Clone, Default)]
pub struct Extensions(Vec<(ExtensionGrantType, Arc<DecideExtension>)>);

impl Extensions {
    /// Adds one, in place of another with its name.
    pub fn add(&mut self, name: ExtensionGrantType, decide: Arc<DecideExtension>) {
        self.0.retain(|(own, _)| *own != name);
        self.0.push((name, decide));
    }

    /// How the one with this name decides.
    #[must_use]
    pub fn get(&self, name: &ExtensionGrantType) -> Option<&DecideExtension> {
        self.0.iter().find(|(own, _)| own == name).map(|(_, decide)| decide.as_ref())
    }
}

impl fmt::Debug for Extensions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.iter().map(|(name, _)| name)).finish()
    }
}
