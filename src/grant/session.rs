//! The life of a session: the clients that may hold an ID token of it are remembered while it lives, and told when it
//! ends (OpenID Connect Back-Channel Logout §2.3, Front-Channel Logout §3).
//!
//! A client that is told by the browser alone learns of a logout in that browser, and of no other end: of one that the
//! host decides, of another user who signs in, of being one client too many.

use std::sync::Arc;
use std::time::Duration;

use super::life;
use crate::protocol::{ClientId, Digest, SubjectId};
use crate::record::outbox::{Message, Outbox};
use crate::record::session::Session;
use crate::record::{Batch, Client, Context, Id, Index, OutboxId, Put, Record, SessionId};

/// The most clients that a session remembers; beyond it the oldest is told to log out, if the server can tell it, and
/// forgotten.
pub const MAX_CLIENTS: usize = 64;
/// How long a client that cannot be reached is tried again.
const PERSISTENCE: Duration = Duration::from_secs(24 * 3600);

/// A session as it is written: listed under its subject.
#[must_use]
pub fn put(id: SessionId, session: Session, cx: &Context<'_>) -> Put {
    Put {
        key: cx.namespace().session(id),
        terms: vec![Index::subject(cx.namespace(), &session.subject)],
        retain_until: session.valid_until.plus(life::RETENTION_MARGIN),
        record: Arc::new(Record::Session(session)),
    }
}

/// Whether a client that learns of the session now wants to be told of its end, and is not remembered yet.
#[must_use]
pub fn forgot(session: &Session, client: &Client, cx: &Context<'_>) -> bool {
    let back = cx.settings.backchannel_logout && client.logout.backchannel.is_some();
    let front = cx.settings.frontchannel_logout && client.logout.frontchannel.is_some();
    (back || front) && !session.clients.contains(&client.id)
}

/// Remembers a client until the session ends.
pub fn remember(session: &mut Session, id: SessionId, client: &Client, batch: &mut Batch, cx: &Context<'_>) {
    let excess = (session.clients.len() + 1).saturating_sub(MAX_CLIENTS);
    for oldest in session.clients.drain(..excess) {
        tell(&oldest, id, &session.subject, batch, cx);
    }
    session.clients.push(client.id.clone());
}

/// Ends a session: every grant bound to it is dead, and every client that it remembers is told over the back channel, if
/// it can be.
pub fn end(id: SessionId, session: &Session, batch: &mut Batch, cx: &Context<'_>) {
    batch.delete.push(cx.namespace().session(id));
    for client in &session.clients {
        tell(client, id, &session.subject, batch, cx);
    }
}

/// A client is told as it is registered when the message is sent; who does not want it then is not sent any.
fn tell(client: &ClientId, session: SessionId, subject: &SubjectId, batch: &mut Batch, cx: &Context<'_>) {
    if !cx.settings.backchannel_logout {
        return;
    }
    let once = batch.id.0.to_string();
    let id = OutboxId(Id(Digest::key_of(&[client.as_str(), &session.to_string(), &once])));
    let valid_until = cx.now.plus(PERSISTENCE);
    let message = Message::Logout { subject: subject.clone(), session };
    let outbox = Outbox::new(client.clone(), message, cx.now, valid_until).leased(cx.now);
    batch.put.push(outbox_put(id, outbox, cx));
}

/// A message as it is written: listed among all that wait. One with tokens is kept as long as they could be used, because their
/// grant ends with it.
#[must_use]
pub fn outbox_put(id: OutboxId, outbox: Outbox, cx: &Context<'_>) -> Put {
    let matters_until = match outbox.message {
        Message::Tokens { issue, .. } => {
            outbox.valid_until.max(issue.issued_at.plus(cx.settings.longest_life()))
        }
        _ => outbox.valid_until,
    };
    Put {
        key: cx.namespace().outbox(id),
        terms: vec![Index::outbox(cx.namespace())],
        retain_until: matters_until.plus(life::RETENTION_MARGIN),
        record: Arc::new(Record::Outbox(outbox)),
    }
}
