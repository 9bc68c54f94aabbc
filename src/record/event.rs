//! Audit events: what happened, to whom, and why. They never carry a secret.

use serde::{Deserialize, Serialize};

use super::exchange::Principal;
use super::key::GrantId;
use crate::protocol::{ClientId, Reason, SubjectId};

/// One line of the audit trail.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The client, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<ClientId>,
    /// The subject, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<SubjectId>,
    /// Who acts for the subject, where tokens are exchanged, whether or not the new token names them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Principal>,
    /// The grant, as far as it is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant: Option<GrantId>,
    /// Why it was refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

/// What happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum EventKind {
    /// A user signed in.
    SignedIn,
    /// A user signed out.
    SignedOut,
    /// A user allowed a client to act.
    ConsentGiven,
    /// A user refused.
    ConsentDenied,
    /// An authorization code was issued.
    CodeIssued,
    /// A device code and a user code were issued.
    DeviceCodeIssued,
    /// A client asked for a user, who was asked.
    UserAsked,
    /// Tokens were issued for a new grant or a redeemed code.
    TokensIssued,
    /// Tokens were issued for a refresh token.
    TokensRefreshed,
    /// A token was exchanged for another.
    TokenExchanged,
    /// A token was revoked.
    TokenRevoked,
    /// A grant was revoked.
    GrantRevoked,
    /// A grant ended by itself: nobody decided in time, or its tokens could not be delivered.
    GrantEnded,
    /// A spent credential came back and the grant was ended.
    ReplayDetected,
    /// A subject or a client was switched off, on, or lost everything issued to it.
    StandingChanged,
    /// What was remembered of a subject was deleted.
    SubjectErased,
    /// A client registered itself.
    ClientRegistered,
    /// A client changed its registration.
    ClientUpdated,
    /// A client, or an operator, ended its registration, and with it everything issued to it.
    ClientDeregistered,
    /// An initial access token was issued or ended.
    InitialAccessChanged,
    /// A client was told what the user whom it named has answered, or that nobody has, or was sent its tokens.
    AnswerNotified,
    /// A client could not be told that, this time or for good.
    AnswerNoticeFailed,
    /// A client was told that a session has ended.
    LogoutNotified,
    /// A client could not be told, this time or for good.
    LogoutNoticeFailed,
    /// What is done now and then could not be: to forget what has expired, to send again what waits, to look after the keys.
    SweepFailed,
    /// A request was refused.
    Refused,
}

impl Event {
    /// An event of which nothing more is known yet.
    #[must_use]
    pub const fn new(kind: EventKind) -> Self {
        Self { kind, client: None, subject: None, actor: None, grant: None, reason: None }
    }

    /// Names the client.
    #[must_use]
    pub fn client(mut self, client: &ClientId) -> Self {
        self.client = Some(client.clone());
        self
    }

    /// Names the subject.
    #[must_use]
    pub fn subject(mut self, subject: Option<&SubjectId>) -> Self {
        self.subject = subject.cloned();
        self
    }

    /// Names the one who acts for the subject.
    #[must_use]
    pub fn actor(mut self, actor: &Principal) -> Self {
        self.actor = Some(actor.clone());
        self
    }

    /// Names the grant.
    #[must_use]
    pub const fn grant(mut self, grant: GrantId) -> Self {
        self.grant = Some(grant);
        self
    }

    /// Says why.
    #[must_use]
    pub const fn reason(mut self, reason: Reason) -> Self {
        self.reason = Some(reason);
        self
    }
}
