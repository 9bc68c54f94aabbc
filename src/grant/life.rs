//! Whether a grant may be used, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use crate::client::Credentials;
use crate::protocol::{Reason, Timestamp};
use crate::record::facts::Account;
use crate::record::grant::{EndReason, Grant, GrantStatus, GrantSubject};
use crate::record::{
    Batch, Client, Context, Decision, Event, EventKind, Expectation, Facts, GrantId, Halt, Index, Key, Need,
    Put, Record, SessionId, Standing, Versioned,
};

/// How long a record is kept beyond the last moment at which it could matter, for clocks that differ.
pub const RETENTION_MARGIN: Duration = Duration::from_secs(120);

/// Why a live-looking grant must not be used: its client, its subject or its session is gone.
///
/// `Ok(None)` means it may be. The standings are read together in one go.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing.
pub fn obstacle(grant: &Grant, facts: &Facts, cx: &Context<'_>) -> Result<Option<Reason>, Halt> {
    if grant.status != GrantStatus::Active {
        return Ok(Some(Reason::GrantEnded));
    }
    let guards = Guards::of(grant, cx);
    facts.read(guards.keys())?;
    let client = standing(facts.client_state(guards.client)?);
    if client.disabled || client.epoch != grant.client_epoch {
        return Ok(Some(Reason::ClientEpochMoved));
    }
    if let (Some(subject), Some(key)) = (&grant.subject, guards.subject)
        && let Some(reason) = subject_obstacle(subject, key, facts)?
    {
        return Ok(Some(reason));
    }
    match guards.session {
        Some(key) => Ok(facts
            .session(key)?
            .is_none_or(|s| s.record.valid_until.is_past(cx.now))
            .then_some(Reason::SessionEnded)),
        None => Ok(None),
    }
}

/// What [`obstacle`] will ask about the grant that was read, if one was.
#[must_use]
pub fn hints(facts: &Facts, cx: &Context<'_>) -> Vec<Need> {
    let Some(Ok(Some(grant))) = facts.grant_read().map(|key| facts.grant(key)) else { return Vec::new() };
    let mut needs = Vec::with_capacity(2);
    if let Err(Halt::Need(need)) = facts.read(Guards::of(grant.record, cx).keys()) {
        needs.push(need);
    }
    needs.extend(grant.record.subject.as_ref().map(|subject| Need::Account(subject.id.clone())));
    needs
}

fn subject_obstacle(subject: &GrantSubject, key: Key, facts: &Facts) -> Result<Option<Reason>, Halt> {
    let now = standing(facts.subject(key)?);
    let dead = now.disabled || now.epoch != subject.epoch || facts.account(&subject.id)? != Account::Active;
    Ok(dead.then_some(Reason::SubjectDisabled))
}

/// The standing in a record; absent means never touched.
#[must_use]
pub fn standing(record: Option<Versioned<&Standing>>) -> Standing {
    record.map_or_else(Standing::default, |versioned| *versioned.record)
}

/// The records whose state decides, besides the grant itself, whether the grant lives.
struct Guards {
    client: Key,
    subject: Option<Key>,
    session: Option<Key>,
}

impl Guards {
    fn of(grant: &Grant, cx: &Context<'_>) -> Self {
        let namespace = cx.namespace();
        Self {
            client: namespace.client_state(&grant.client),
            subject: grant.subject.as_ref().map(|subject| namespace.subject(&subject.id)),
            session: grant.session.map(|SessionId(id)| namespace.session(SessionId(id))),
        }
    }

    fn keys(&self) -> impl Iterator<Item = Key> + use<> {
        [Some(self.client), self.subject, self.session].into_iter().flatten()
    }
}

/// The client that asks, once it has proved itself and is known to be switched on.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing; what [`Credentials::authenticate`] refuses; `invalid_client` when the client
/// is switched off.
pub fn acting_client<'f>(
    credentials: &Credentials,
    facts: &'f Facts,
    cx: &Context<'_>,
) -> Result<&'f Arc<Client>, Halt> {
    let client = credentials.authenticate(facts, cx)?;
    client_enabled(client, facts, cx)?;
    Ok(client)
}

/// Whether the authenticated client is switched on.
///
/// # Errors
/// [`Halt::Need`] while its standing is unknown; `invalid_client` when it is switched off.
pub fn client_enabled(client: &Client, facts: &Facts, cx: &Context<'_>) -> Result<Standing, Halt> {
    let standing = standing(facts.client_state(cx.namespace().client_state(&client.id))?);
    if standing.disabled { Err(Reason::ClientDisabled.into()) } else { Ok(standing) }
}

/// Writes the next state of a grant that was read, provided that nothing which decided about it has changed:
/// neither the grant nor any of the records that [`obstacle`] read.
pub fn write(
    batch: &mut Batch,
    id: GrantId,
    before: &Versioned<&Grant>,
    after: Grant,
    facts: &Facts,
    cx: &Context<'_>,
) {
    let key = cx.namespace().grant(id);
    batch.expect(key, Expectation::At(before.version));
    for guard in Guards::of(&after, cx).keys() {
        if let Some((_, seen)) = facts.records().iter().find(|(key, _)| *key == guard) {
            batch.expect(guard, Expectation::of(seen.as_ref()));
        }
    }
    batch.put.push(put(key, after, cx));
}

/// A grant as it is written: listed under its client, its subject and its session, kept while it could matter.
#[must_use]
pub fn put(key: Key, grant: Grant, cx: &Context<'_>) -> Put {
    let mut terms = Vec::with_capacity(2);
    terms.push(Index::client(cx.namespace(), &grant.client));
    if let Some(subject) = &grant.subject {
        terms.push(Index::subject(cx.namespace(), &subject.id));
    }
    if let Some(session) = grant.session {
        terms.push(Index::session(cx.namespace(), session));
    }
    let retain_until = retain_until(&grant);
    Put { key, record: Arc::new(Record::Grant(grant)), terms, retain_until }
}

/// The grant, ended.
#[must_use]
pub fn ended(grant: &Grant, reason: EndReason) -> Grant {
    Grant { status: GrantStatus::Ended(reason), ..grant.clone() }
}

/// When the last thing that the grant issued is over, and a little more.
fn retain_until(grant: &Grant) -> Timestamp {
    let access = grant.access.iter().map(|token| token.valid_until);
    let redeemable = grant.redeemable.iter().map(|code| code.valid_until);
    let refresh = grant.refresh.iter().map(|refresh| refresh.valid_until);
    let jwts = grant.jwts.iter().map(|jwts| jwts.valid_until);
    let last = access.chain(redeemable).chain(refresh).chain(jwts).max().unwrap_or(grant.created_at);
    last.plus(RETENTION_MARGIN)
}

/// Ends a grant because of what was presented, and refuses the request once that is written. A grant that has
/// already ended stays as it ended.
pub fn end<P>(
    id: GrantId,
    before: &Versioned<&Grant>,
    end: EndReason,
    reason: Reason,
    facts: &Facts,
    cx: &Context<'_>,
) -> Decision<P> {
    let mut batch = cx.batch();
    let mut events = Vec::new();
    if let GrantStatus::Pending | GrantStatus::Active = before.record.status {
        write(&mut batch, id, before, ended(before.record, end), facts, cx);
        events.push(
            Event::new(EventKind::ReplayDetected)
                .client(&before.record.client)
                .subject(before.record.subject.as_ref().map(|subject| &subject.id))
                .grant(id)
                .reason(reason),
        );
    }
    Decision { batch, outcome: Err(reason.into()), events }
}
