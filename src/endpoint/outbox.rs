//! Messages to other servers: what is sent, and what happens to a message that was sent.

use std::time::Duration;

use super::backchannel_authentication;
use crate::client::encryption;
use crate::grant::issue::{self, Protection};
use crate::grant::session;
use crate::protocol::{DeliveryMode, Secret};
use crate::record::encryption::Recipient;
use crate::record::outbox::{Message, Outbox};
use crate::record::{Client, Context, Decide, Decision, Event, EventKind, Facts, GrantId, Halt, OutboxId};
use crate::token::auth_req_id;
use crate::token::logout_token::LogoutTokenClaims;
use crate::token::subject::{seen_by, session_seen_by};

/// Asks what is to be sent for a message that waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrepareMessage(pub OutboxId);

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

/// What tells a client that the user whom it named has answered (CIBA Core §10.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AnswerNotice {
    /// `backchannel_client_notification_endpoint`.
    pub uri: String,
    /// What the client wants to be told with.
    pub token: Secret,
    /// What it waits with.
    pub auth_req_id: Secret,
}

/// What is sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// That a session has ended.
    Logout(Box<LogoutNotice>),
    /// That a user has answered.
    Answer(AnswerNotice),
}

impl Decide for PrepareMessage {
    type Plan = Option<Notice>;

    const READ_ONLY: bool = true;

    /// Nothing is sent to a client that is gone or does not want to be told in this way.
    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Self::Plan>, Halt> {
        let Some(outbox) = facts.outbox(cx.namespace().outbox(self.0))? else {
            return Ok(Decision::answer(cx, None));
        };
        let Outbox { client, message, valid_until, .. } = outbox.record;
        let client = facts.client(client.as_str())?.filter(|_| !valid_until.is_past(cx.now));
        let (subject, session) = match message {
            Message::Logout { subject, session } => (subject, session),
            Message::Answered { grant } => {
                let notice = client.map(|client| answer_notice(client, *grant, facts, cx)).transpose()?;
                return Ok(Decision::answer(cx, notice.flatten().map(Notice::Answer)));
            }
        };
        let Some((client, told)) =
            client.and_then(|client| Some((client, client.logout.backchannel.as_ref()?)))
        else {
            return Ok(Decision::answer(cx, None));
        };
        let claims = LogoutTokenClaims {
            issuer: cx.settings.issuer.as_str().to_owned(),
            audience: client.id.clone(),
            subject: seen_by(client, subject, cx)?,
            session: session_seen_by(client, *session, cx)?,
            issued_at: cx.now,
            id: self.0,
        };
        let protection = issue::id_token_protection(client, cx)?;
        let recipient = encryption::recipient(client, client.openid.id_token_encryption, facts, cx)?;
        let notice = LogoutNotice { uri: told.uri.as_str().to_owned(), claims, protection, recipient };
        Ok(Decision::answer(cx, Some(Notice::Logout(Box::new(notice)))))
    }
}

/// Nothing is sent to a client that has changed its mode, or left.
fn answer_notice(
    client: &Client,
    grant: GrantId,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Option<AnswerNotice>, Halt> {
    let pinged = client.backchannel.mode == Some(DeliveryMode::Ping);
    let Some(endpoint) = client.backchannel.endpoint.as_ref().filter(|_| pinged) else { return Ok(None) };
    let Some(found) = facts.grant(cx.namespace().grant(grant))? else { return Ok(None) };
    let token = backchannel_authentication::notification_token(grant, found.record, cx);
    let auth_req_id = auth_req_id::text_of(grant, cx);
    Ok(token.map(|token| AnswerNotice { uri: endpoint.as_str().to_owned(), token, auth_req_id }))
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
    /// Which one.
    pub id: OutboxId,
    /// How.
    pub delivery: Delivery,
}

/// How long after the first failure a message is sent again; each time twice as long.
const BACKOFF: Duration = Duration::from_secs(60);

impl Decide for SettleMessage {
    type Plan = ();

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let key = cx.namespace().outbox(self.id);
        let Some(outbox) = facts.outbox(key)? else { return Ok(Decision::answer(cx, ())) };
        let told = |done, failed| match self.delivery {
            Delivery::Accepted => Some(Event::new(done)),
            Delivery::Unwanted if !outbox.record.valid_until.is_past(cx.now) => None,
            _ => Some(Event::new(failed)),
        };
        let event = match &outbox.record.message {
            Message::Logout { subject, .. } => told(EventKind::LogoutNotified, EventKind::LogoutNoticeFailed)
                .map(|event| event.subject(Some(subject))),
            Message::Answered { grant } => told(EventKind::AnswerNotified, EventKind::AnswerNoticeFailed)
                .map(|event| event.grant(*grant)),
        };
        let event = event.map(|event| event.client(&outbox.record.client));
        let attempts = outbox.record.attempts.saturating_add(1);
        let due_at = cx.now.plus(BACKOFF.saturating_mul(1 << outbox.record.attempts.min(16)));
        let mut batch = cx.batch();
        if self.delivery == Delivery::Failed && due_at < outbox.record.valid_until {
            let again = Outbox { attempts, due_at, ..outbox.record.clone() };
            batch.put.push(session::outbox_put(self.id, again, cx));
        } else {
            batch.delete.push(key);
        }
        Ok(Decision { batch, outcome: Ok(()), events: event.into_iter().collect() })
    }
}
