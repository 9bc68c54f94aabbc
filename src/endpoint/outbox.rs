//! Messages to other servers: who may try to deliver one, what is sent, and what happens to a message that was sent.
//!
//! ```text
//!   TakeMessage ──► lease ──► PrepareMessage ──► notice ──► posted ──► SettleMessage
//!                   └ a message that was just written is leased to its writer
//! ```

use smallvec::SmallVec;

use crate::client::encryption;
use crate::grant::issue::{self, Protection, TokenPlan};
use crate::grant::{life, pending, push, session};
use crate::protocol::{DeliveryMode, Reason, Secret, SubjectId};
use crate::record::encryption::Recipient;
use crate::record::grant::{EndReason, Grant, GrantStatus};
use crate::record::outbox::{Issue, Message, Outbox};
use crate::record::{
    BatchId, Client, Context, Decide, Decision, Event, EventKind, Facts, GrantId, Halt, OutboxId, SessionId,
};
use crate::token::logout_token::LogoutTokenClaims;
use crate::token::subject::{seen_by, session_seen_by};
use crate::token::{auth_req_id, notification_token};

/// Takes a message that is due, so that nobody else tries to deliver it meanwhile.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TakeMessage(pub OutboxId);

impl Decide for TakeMessage {
    type Plan = Option<Lease>;

    /// Of several who find it due, the one whose write comes first has it; to the others it is not due any more.
    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Self::Plan>, Halt> {
        let found = facts.outbox(cx.namespace().outbox(self.0))?;
        let Some(found) = found.filter(|found| found.record.due_at.is_past(cx.now)) else {
            return Ok(Decision::answer(cx, None));
        };
        let mut batch = cx.batch();
        batch.put.push(session::outbox_put(self.0, found.record.clone().leased(cx.now), cx));
        let lease = Lease { id: self.0, version: batch.id };
        Ok(Decision { batch, outcome: Ok(Some(lease)), events: SmallVec::new() })
    }
}

/// The right to deliver a message: of whoever wrote its record last, until it is due again. A delivery that takes longer
/// may be one of two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Of which message.
    pub id: OutboxId,
    /// The version that was written.
    pub version: BatchId,
}

impl Lease {
    /// The message, unless it is gone or somebody else has taken it since.
    fn message<'f>(&self, facts: &'f Facts, cx: &Context<'_>) -> Result<Option<&'f Outbox>, Halt> {
        let found = facts.outbox(cx.namespace().outbox(self.id))?;
        Ok(found.filter(|found| found.version == self.version).map(|found| found.record))
    }
}

/// Asks what is to be sent for a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareMessage(pub Lease);

/// A logout token to be signed and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutNotice {
    /// `backchannel_logout_uri`.
    pub uri: String,
    /// What the token says.
    pub claims: LogoutTokenClaims,
    /// How it is protected: as the client's ID tokens are (OpenID Connect Back-Channel Logout §2.6).
    pub protection: Protection,
    /// To whom it is encrypted, if ID tokens are (OpenID Connect Back-Channel Logout §2.6).
    pub recipient: Option<Recipient>,
}

/// What tells a client of the answer of the user whom it named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerNotice {
    /// `backchannel_client_notification_endpoint`.
    pub uri: String,
    /// What the client wants to be told with.
    pub token: Secret,
    /// What it waits with.
    pub auth_req_id: Secret,
    /// What it is told.
    pub news: News,
}

/// What a client is told that waits for a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// That there is something to fetch (CIBA Core §10.2).
    Answered,
    /// Its tokens (CIBA Core §10.3).
    Tokens(Box<TokenPlan>),
    /// That it will get none (CIBA Core §12).
    Failed(Reason),
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// That a session has ended.
    Logout(Box<LogoutNotice>),
    /// What a user has answered.
    Answer(AnswerNotice),
}

impl Decide for PrepareMessage {
    type Plan = Option<Notice>;

    /// Nothing is sent to a client that is gone or does not want to be told in this way.
    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Self::Plan>, Halt> {
        let Some(outbox) = self.0.message(facts, cx)? else { return Ok(Decision::answer(cx, None)) };
        let Outbox { client, message, valid_until, .. } = outbox;
        let client = facts.client(client.as_str())?.filter(|_| !valid_until.is_past(cx.now));
        let Some(client) = client else { return Ok(Decision::answer(cx, None)) };
        let waiting = |mode, id| Waiting::find(client, mode, id, facts, cx);
        let notice = match message {
            Message::Logout { subject, session } => {
                let notice = self.logout_notice(client, (subject, *session), facts, cx)?;
                notice.map(|notice| Notice::Logout(Box::new(notice)))
            }
            Message::Answered { grant } => {
                waiting(DeliveryMode::Ping, *grant)?.map(|waiting| waiting.tell(News::Answered, cx))
            }
            Message::Tokens { grant, issue } => match waiting(DeliveryMode::Push, *grant)? {
                Some(waiting) => push::again(*grant, waiting.grant, *issue, client, facts, cx)?
                    .map(|plan| waiting.tell(News::Tokens(Box::new(plan)), cx)),
                None => None,
            },
            Message::Denied { grant } => waiting(DeliveryMode::Push, *grant)?
                .map(|waiting| waiting.tell(News::Failed(Reason::DecisionDenied), cx)),
            Message::Unanswered { grant } => match waiting(DeliveryMode::Push, *grant)? {
                Some(waiting) => return Ok(waiting.told_too_late(cx)),
                None => None,
            },
        };
        Ok(Decision::answer(cx, notice))
    }
}

impl PrepareMessage {
    fn logout_notice(
        self,
        client: &Client,
        (subject, session): (&SubjectId, SessionId),
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Option<LogoutNotice>, Halt> {
        let Some(told) = &client.logout.backchannel else { return Ok(None) };
        let claims = LogoutTokenClaims {
            issuer: cx.settings.issuer.as_str().to_owned(),
            audience: client.id.clone(),
            subject: seen_by(client, subject, cx)?,
            session: session_seen_by(client, session, cx)?,
            issued_at: cx.now,
            id: self.0.id,
        };
        let protection = issue::id_token_protection(client, cx)?;
        let recipient = encryption::recipient(client, client.openid.id_token_encryption, facts, cx)?;
        Ok(Some(LogoutNotice { uri: told.uri.as_str().to_owned(), claims, protection, recipient }))
    }
}

/// A client that waits for a user, and where it is told.
struct Waiting<'f> {
    id: GrantId,
    grant: &'f Grant,
    uri: String,
    token: Secret,
}

impl<'f> Waiting<'f> {
    /// `None`: the grant is forgotten, or the client has changed its mode.
    fn find(
        client: &Client,
        mode: DeliveryMode,
        id: GrantId,
        facts: &'f Facts,
        cx: &Context<'_>,
    ) -> Result<Option<Self>, Halt> {
        let told = client.backchannel.mode == Some(mode);
        let Some(endpoint) = client.backchannel.endpoint.as_ref().filter(|_| told) else { return Ok(None) };
        let Some(found) = facts.grant(cx.namespace().grant(id))? else { return Ok(None) };
        let token = notification_token::of_grant(id, found.record, cx);
        Ok(token.map(|token| Self { id, grant: found.record, uri: endpoint.as_str().to_owned(), token }))
    }

    fn tell(self, news: News, cx: &Context<'_>) -> Notice {
        let Self { id, uri, token, .. } = self;
        Notice::Answer(AnswerNotice { uri, token, auth_req_id: auth_req_id::text_of(id, cx), news })
    }

    /// That it is too late for an answer is decided before the client is told, so that none can follow.
    fn told_too_late(self, cx: &Context<'_>) -> Decision<Option<Notice>> {
        let reason = Reason::DecisionExpired;
        let decision = match self.grant.status {
            GrantStatus::Pending if !pending::is_open(self.grant, cx) => {
                life::end(self.id, self.grant, EndReason::Expired, reason, cx)
            }
            GrantStatus::Ended(EndReason::Expired) => Decision::answer(cx, None),
            _ => return Decision::answer(cx, None),
        };
        Decision { outcome: Ok(Some(self.tell(News::Failed(reason), cx))), ..decision }
    }
}

/// How a message fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The client took it.
    Accepted,
    /// The client refused it: it is not sent again (OpenID Connect Back-Channel Logout §2.5).
    Refused,
    /// There was nobody to send it to: the client is gone, or is not told in this way.
    Unwanted,
    /// The client could not be reached, or said that it cannot answer now.
    Failed,
}

/// Writes down how a message fared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SettleMessage {
    /// Under which lease it was sent.
    pub lease: Lease,
    /// How.
    pub delivery: Delivery,
}

impl SettleMessage {
    /// The message, as long as this lease says what becomes of it. That the client took it holds whoever else is trying.
    fn message<'f>(&self, facts: &'f Facts, cx: &Context<'_>) -> Result<Option<&'f Outbox>, Halt> {
        match self.delivery {
            Delivery::Accepted => {
                let found = facts.outbox(cx.namespace().outbox(self.lease.id))?;
                Ok(found.map(|found| found.record))
            }
            _ => self.lease.message(facts, cx),
        }
    }
}

impl Decide for SettleMessage {
    type Plan = ();

    /// A message that may be sent again is left as it is: when that is due was written down with the lease.
    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let Some(outbox) = self.message(facts, cx)? else { return Ok(Decision::answer(cx, ())) };
        let told = |done, failed| match self.delivery {
            Delivery::Accepted => Some(Event::new(done)),
            Delivery::Unwanted if !outbox.valid_until.is_past(cx.now) => None,
            _ => Some(Event::new(failed)),
        };
        let event = match &outbox.message {
            Message::Logout { subject, .. } => told(EventKind::LogoutNotified, EventKind::LogoutNoticeFailed)
                .map(|event| event.subject(Some(subject))),
            Message::Answered { grant }
            | Message::Tokens { grant, .. }
            | Message::Denied { grant }
            | Message::Unanswered { grant } => told(EventKind::AnswerNotified, EventKind::AnswerNoticeFailed)
                .map(|event| event.grant(*grant)),
        };
        let event = event.map(|event| event.client(&outbox.client));
        let mut decision =
            Decision { batch: cx.batch(), outcome: Ok(()), events: event.into_iter().collect() };
        if self.delivery == Delivery::Failed && outbox.due_at < outbox.valid_until {
            return Ok(decision);
        }
        decision.batch.delete.push(cx.namespace().outbox(self.lease.id));
        if let Message::Tokens { grant, issue } = &outbox.message
            && self.delivery != Delivery::Accepted
        {
            give_up(*grant, *issue, &mut decision, facts, cx)?;
        }
        Ok(decision)
    }
}

/// Ends a grant whose client could not be sent its tokens: nobody is left to use them, or to revoke them.
fn give_up(
    id: GrantId,
    issue: Issue,
    decision: &mut Decision<()>,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<(), Halt> {
    let found = facts.grant(cx.namespace().grant(id))?;
    let Some(found) = found.filter(|found| !push::is_used(id, found.record, issue, cx)) else {
        return Ok(());
    };
    let ended = life::end::<()>(id, found.record, EndReason::Undelivered, Reason::GrantEnded, cx);
    decision.batch.put.extend(ended.batch.put);
    decision.events.extend(ended.events);
    Ok(())
}
