//! Messages to other servers: what is sent, and what happens to a message that was sent.

use std::time::Duration;

use crate::client::encryption;
use crate::grant::issue::{self, Protection};
use crate::grant::session;
use crate::record::encryption::Recipient;
use crate::record::outbox::{Message, Outbox};
use crate::record::{Context, Decide, Decision, Event, EventKind, Facts, Halt, OutboxId};
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

impl Decide for PrepareMessage {
    type Plan = Option<LogoutNotice>;

    const READ_ONLY: bool = true;

    /// Nothing is sent to a client that is gone or does not want to be told in this way.
    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Self::Plan>, Halt> {
        let Some(outbox) = facts.outbox(cx.namespace().outbox(self.0))? else {
            return Ok(Decision::answer(cx, None));
        };
        let Outbox { client, message: Message::Logout { subject, session }, valid_until, .. } = outbox.record;
        let client = facts.client(client.as_str())?.filter(|_| !valid_until.is_past(cx.now));
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
        Ok(Decision::answer(cx, Some(notice)))
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
        let Message::Logout { subject, .. } = &outbox.record.message;
        let kind = match self.delivery {
            Delivery::Accepted => Some(EventKind::LogoutNotified),
            Delivery::Unwanted if !outbox.record.valid_until.is_past(cx.now) => None,
            _ => Some(EventKind::LogoutNoticeFailed),
        };
        let event = kind.map(|kind| Event::new(kind).client(&outbox.record.client).subject(Some(subject)));
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
