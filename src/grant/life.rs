//! Whether a grant may be used, and how it ends.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use crate::client::Credentials;
use crate::protocol::scope::{OFFLINE_ACCESS, OPENID};
use crate::protocol::{ClientId, GrantType, Reason, Scope, SubjectId, Timestamp};
use crate::record::exchange::{Actor, Principal, Root, RootSource, RootToken};
use crate::record::facts::Account;
use crate::record::grant::{EndReason, Grant, GrantStatus};
use crate::record::{
    Batch, Client, Context, Decision, Event, EventKind, Expectation, Facts, GrantId, Halt, Index, Key, Put,
    Record, RegisteredClient, Standing, Versioned,
};

/// How long a record is kept beyond the last moment at which it could matter, for clocks that differ.
pub const RETENTION_MARGIN: Duration = Duration::from_secs(120);

/// Why a live-looking grant must not be used: its client, its subject, its session, its root or its actor is gone.
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
    facts.read(&guards.keys())?;
    if !standing(facts.client_state(guards.client)?).upholds(grant.client_epoch) {
        return Ok(Some(Reason::ClientEpochMoved));
    }
    if let (Some(subject), Some(key)) = (&grant.subject, guards.subject)
        && !subject_stands((&subject.id, subject.epoch), key, facts, cx)?
    {
        return Ok(Some(Reason::SubjectDisabled));
    }
    if let Some(key) = guards.session
        && facts.session(key)?.is_none_or(|session| session.record.valid_until.is_past(cx.now))
    {
        return Ok(Some(Reason::SessionEnded));
    }
    let Some(exchange) = grant.exchange.as_deref() else { return Ok(None) };
    if let Some(root) = &exchange.root
        && !lives(root, facts, cx)?
    {
        return Ok(Some(Reason::RootEnded));
    }
    match (&exchange.actor, guards.actor) {
        (Some(actor), Some(key)) => Ok((!acts(actor, key, facts, cx)?).then_some(Reason::ActorDisabled)),
        _ => Ok(None),
    }
}

/// Whether the one who acts may still act.
fn acts(actor: &Actor, key: Key, facts: &Facts, cx: &Context<'_>) -> Result<bool, Halt> {
    match &actor.principal {
        Principal::Subject(id) => subject_stands((id, actor.epoch), key, facts, cx),
        _ => Ok(standing(facts.client_state(key)?).upholds(actor.epoch)),
    }
}

/// The token that the grant goes back to by exchanges.
fn root(grant: &Grant) -> Option<&Root> {
    grant.exchange.as_deref()?.root.as_ref()
}

/// Whoever showed a token to act by the grant.
fn actor(grant: &Grant) -> Option<&Actor> {
    grant.exchange.as_deref()?.actor.as_ref()
}

/// Whether the token at the beginning of a chain of exchanges has not been ended. Its subject and its session are those
/// of the grant.
fn lives(root: &Root, facts: &Facts, cx: &Context<'_>) -> Result<bool, Halt> {
    let remembered = match root.source {
        RootSource::Grant(id) => facts.grant(cx.namespace().grant(id))?.is_some_and(|grant| {
            grant.record.status == GrantStatus::Active && holds(grant.record, root.token)
        }),
        RootSource::Token(id) => facts.record(cx.namespace().revoked_token(id))?.is_none(),
    };
    let client = standing(facts.client_state(cx.namespace().client_state(&root.client))?);
    Ok(remembered && client.upholds(root.client_epoch) && !is_gone(&root.client, facts)?)
}

/// Whether a client is gone. Only one that registered itself can be while its standing says nothing of it; no other costs a
/// look.
///
/// # Errors
/// [`Halt::Need`] while it is unknown.
pub fn is_gone(client: &ClientId, facts: &Facts) -> Result<bool, Halt> {
    Ok(RegisteredClient::may_be(client) && facts.client(client.as_str())?.is_none())
}

/// Whether a grant has not lost an access token of its own.
fn holds(grant: &Grant, token: Option<RootToken>) -> bool {
    match token {
        None => true,
        Some(RootToken::Opaque(digest)) => grant.access.iter().any(|own| own.digest == digest),
        Some(RootToken::Jwt(sequence)) => grant.jwts.as_ref().is_some_and(|ledger| !ledger.is_dead(sequence)),
    }
}

/// Reads ahead what [`obstacle`] will ask about the grant under `key`, if there is one.
///
/// # Errors
/// [`Halt::Need`] while any of it is unknown.
pub fn read_ahead(key: Option<Key>, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
    let Some(key) = key else { return Ok(()) };
    let Some(grant) = facts.grant(key)? else { return Ok(()) };
    facts.read(&Guards::of(grant.record, cx).keys())?;
    read_accounts(grant.record, facts, cx)
}

/// The same for several grants, in one go.
///
/// # Errors
/// [`Halt::Need`] while any of it is unknown.
pub fn read_all_ahead<const N: usize>(
    keys: [Option<Key>; N],
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<(), Halt> {
    facts.read(&keys)?;
    let mut grants: [Option<&Grant>; N] = [None; N];
    for (grant, key) in grants.iter_mut().zip(keys) {
        let Some(key) = key else { continue };
        *grant = facts.grant(key)?.map(|grant| grant.record);
    }
    let guards = grants.map(|grant| grant.map(|grant| Guards::of(grant, cx).keys()));
    facts.read(guards.iter().flatten().flatten())?;
    grants.iter().flatten().try_for_each(|grant| read_accounts(grant, facts, cx))
}

fn read_accounts(grant: &Grant, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
    let subject = grant.subject.as_ref().map(|subject| &subject.id);
    for subject in subject.into_iter().chain(acting_subject(grant)) {
        has_account(subject, facts, cx)?;
    }
    Ok(())
}

/// The user who acts, if one does.
fn acting_subject(grant: &Grant) -> Option<&SubjectId> {
    match &actor(grant)?.principal {
        Principal::Subject(id) => Some(id),
        _ => None,
    }
}

/// Whether what was issued to a user at this epoch has not been taken back, by this server or by the host.
fn subject_stands(
    (id, epoch): (&SubjectId, u64),
    key: Key,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<bool, Halt> {
    Ok(standing(facts.subject(key)?).upholds(epoch) && has_account(id, facts, cx)?)
}

/// Whether the host, if it wants to be asked, says that the subject may be acted for.
///
/// # Errors
/// [`Halt::Need`] while that is unknown.
pub fn has_account(subject: &SubjectId, facts: &Facts, cx: &Context<'_>) -> Result<bool, Halt> {
    Ok(!cx.settings.accounts || facts.account(subject)? == Account::Active)
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
    root: Option<[Key; 2]>,
    actor: Option<Key>,
}

impl Guards {
    fn of(grant: &Grant, cx: &Context<'_>) -> Self {
        let namespace = cx.namespace();
        Self {
            client: namespace.client_state(&grant.client),
            subject: grant.subject.as_ref().map(|subject| namespace.subject(&subject.id)),
            session: grant.session.filter(|_| !grant.offline).map(|session| namespace.session(session)),
            root: root(grant).map(|root| {
                let source = match root.source {
                    RootSource::Grant(id) => namespace.grant(id),
                    RootSource::Token(id) => namespace.revoked_token(id),
                };
                [source, namespace.client_state(&root.client)]
            }),
            actor: actor(grant).and_then(|actor| match &actor.principal {
                Principal::Subject(id) => Some(namespace.subject(id)),
                Principal::Client(id) => Some(namespace.client_state(id)),
                Principal::Foreign { .. } => None,
            }),
        }
    }

    fn keys(&self) -> [Option<Key>; 6] {
        let [source, client] = self.root.map_or([None; 2], |keys| keys.map(Some));
        [Some(self.client), self.subject, self.session, source, client, self.actor]
    }
}

/// Reads ahead what [`obstacle`] will ask about these grants, accounts left out.
///
/// # Errors
/// [`Halt::Need`] while any of it is unknown.
pub fn read_guards<'g>(
    grants: impl IntoIterator<Item = &'g Grant>,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<(), Halt> {
    let mut keys = Vec::new();
    for key in grants.into_iter().flat_map(|grant| Guards::of(grant, cx).keys()) {
        if !keys.contains(&key) {
            keys.push(key);
        }
    }
    facts.read(&keys)
}

/// What of a scope that was asked for, or granted, is still allowed to its client.
#[must_use]
pub fn scope_left(scope: &Scope, client: &Client, cx: &Context<'_>) -> Scope {
    scope.intersection(&client.scope).intersection(&cx.settings.scope)
}

/// The same for what nobody has used yet, and which is worth nothing without it.
///
/// # Errors
/// `invalid_scope` when nothing of it is left.
pub fn some_scope_left(scope: &Scope, client: &Client, cx: &Context<'_>) -> Result<Scope, Reason> {
    let left = scope_left(scope, client, cx);
    if left.is_empty() && !scope.is_empty() { Err(Reason::ScopeNothingLeft) } else { Ok(left) }
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

/// The epoch of a client for which a grant begins. It takes one write and, at first, no read: that nobody has touched the
/// client's standing is a condition of the commit, and only when it fails is the standing read.
///
/// # Errors
/// [`Halt::Need`] while the standing is unknown; `invalid_client` when the client is switched off.
pub fn epoch_for_new(
    client: &Client,
    batch: &mut Batch,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<u64, Halt> {
    if cx.attempt > 0 {
        return Ok(client_enabled(client, facts, cx)?.epoch);
    }
    batch.expect(cx.namespace().client_state(&client.id), Expectation::Absent);
    Ok(0)
}

/// What of an asked scope exists (RFC 6749 §3.3). What does not exist is dropped; what exists and is not allowed to this
/// client is refused. No scope asked is no scope granted.
///
/// # Errors
/// `invalid_scope` when it is malformed, not allowed, or nothing of it exists.
pub fn known_scope(text: Option<&str>, client: &Client, cx: &Context<'_>) -> Result<Scope, Reason> {
    let Some(text) = text else { return Ok(Scope::empty()) };
    let asked = Scope::parse(text).map_err(|_| Reason::ScopeMalformed)?;
    let known = asked.intersection(&cx.settings.scope);
    if !known.is_subset(&client.scope) {
        return Err(Reason::ScopeNotAllowed);
    }
    if known.is_empty() && !asked.is_empty() { Err(Reason::ScopeNothingLeft) } else { Ok(known) }
}

/// As [`known_scope`], where the user is asked in any case: `offline_access` is dropped unless the client may refresh (OpenID
/// Connect Core §11).
///
/// # Errors
/// As [`known_scope`].
pub fn known_scope_to_ask_for(
    text: Option<&str>,
    client: &Client,
    cx: &Context<'_>,
) -> Result<Scope, Reason> {
    let known = known_scope(text, client, cx)?;
    if !known.contains(OPENID) || client.may_use(&GrantType::RefreshToken) {
        return Ok(known);
    }
    Ok(known.filter(|value| value != OFFLINE_ACCESS))
}

/// A grant as it is written: listed under its client, its subject and its session, kept while it could matter.
#[must_use]
pub fn put(id: GrantId, grant: Grant, cx: &Context<'_>) -> Put {
    let mut terms = Vec::with_capacity(2);
    terms.push(Index::client(cx.namespace(), &grant.client));
    let asked = grant.asked.as_ref().map(|asked| &asked.subject);
    if let Some(subject) = grant.subject.as_ref().map(|subject| &subject.id).or(asked) {
        terms.push(Index::subject(cx.namespace(), subject));
    }
    if let Some(session) = grant.session {
        terms.push(Index::session(cx.namespace(), session));
    }
    let retain_until = retain_until(&grant);
    Put { key: cx.namespace().grant(id), record: Arc::new(Record::Grant(grant)), terms, retain_until }
}

/// The grant, ended.
#[must_use]
pub fn ended(grant: &Grant, reason: EndReason) -> Grant {
    Grant { status: GrantStatus::Ended(reason), ..grant.clone() }
}

/// When the last thing that the grant issued is over, and a little more.
pub(crate) fn retain_until(grant: &Grant) -> Timestamp {
    last_moment(grant).plus(RETENTION_MARGIN)
}

/// When the last thing is over that the grant is known to have issued; after that it may be forgotten.
#[must_use]
pub fn last_moment(grant: &Grant) -> Timestamp {
    let access = grant.access.iter().map(|token| token.valid_until);
    let redeemable = grant.redeemable.iter().map(|code| code.valid_until);
    let refresh = grant.refresh.iter().map(|refresh| refresh.valid_until);
    let jwts = grant.jwts.iter().map(|jwts| jwts.valid_until);
    access.chain(redeemable).chain(refresh).chain(jwts).max().unwrap_or(grant.created_at)
}

/// When the last thing is over that can still be used; `None` where there is nothing.
#[must_use]
pub fn usable_until(grant: &Grant) -> Option<Timestamp> {
    let access = grant.access.iter().map(|token| token.valid_until);
    let redeemable = grant.redeemable.iter().filter(|code| !code.spent).map(|code| code.valid_until);
    let refresh = grant.refresh.iter().map(|refresh| refresh.idle_until.min(refresh.valid_until));
    let jwts = grant.jwts.iter().map(|jwts| jwts.valid_until);
    access.chain(redeemable).chain(refresh).chain(jwts).max()
}

/// Ends a grant because of what was presented, and refuses the request once that is written. A grant that has
/// already ended stays as it ended.
pub fn end<P>(id: GrantId, before: &Grant, end: EndReason, reason: Reason, cx: &Context<'_>) -> Decision<P> {
    let mut batch = cx.batch();
    let mut events = SmallVec::new();
    if let GrantStatus::Pending | GrantStatus::Active = before.status {
        batch.put.push(put(id, ended(before, end), cx));
        let kind = match end {
            EndReason::Replayed => EventKind::ReplayDetected,
            _ => EventKind::GrantEnded,
        };
        events.push(
            Event::new(kind)
                .client(&before.client)
                .subject(before.subject.as_ref().map(|subject| &subject.id))
                .grant(id)
                .reason(reason),
        );
    }
    Decision { batch, outcome: Err(reason.into()), events }
}
