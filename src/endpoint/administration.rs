//! What operators and users may end: a grant, everything of a subject or a client, a session; and which grants there is
//! something left to end of. The end of a registration is beside the other things that happen to one:
//! [`registration`](super::registration).

use smallvec::{SmallVec, smallvec};
use std::sync::Arc;

use crate::grant::{life, session};
use crate::protocol::{ClientId, SubjectId, Timestamp};
use crate::record::grant::{EndReason, GrantStatus};
use crate::record::{
    Context, Decide, Decision, Event, EventKind, Facts, Grant, GrantId, Halt, Key, Put, Record, SessionId,
    Standing,
};

/// Which of these grants can still be used, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UsableGrants(pub Vec<GrantId>);

impl Decide for UsableGrants {
    type Plan = Vec<(GrantId, Grant)>;

    const READ_ONLY: bool = true;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let keys: Vec<_> = self.0.iter().map(|id| Some(cx.namespace().grant(*id))).collect();
        facts.read(&keys)?;
        let mut grants = Vec::with_capacity(keys.len());
        for key in keys.into_iter().flatten() {
            grants.extend(facts.grant(key)?.map(|grant| grant.record));
        }
        life::read_guards(grants, facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Self::Plan>, Halt> {
        let mut usable = Vec::new();
        for &id in &self.0 {
            let Some(grant) = facts.grant(cx.namespace().grant(id))? else { continue };
            let over = life::usable_until(grant.record).is_none_or(|end| end.is_past(cx.now));
            if !over && life::obstacle(grant.record, facts, cx)?.is_none() {
                usable.push((id, grant.record.clone()));
            }
        }
        Ok(Decision::answer(cx, usable))
    }
}

/// Ends one grant and with it every token it issued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RevokeGrant(pub GrantId);

impl Decide for RevokeGrant {
    type Plan = ();

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let id = self.0;
        let grant = facts.grant(cx.namespace().grant(id))?;
        let Some(grant) = grant.filter(|grant| !matches!(grant.record.status, GrantStatus::Ended(_))) else {
            return Ok(Decision::answer(cx, ()));
        };
        let event = Event::new(EventKind::GrantRevoked)
            .client(&grant.record.client)
            .subject(grant.record.subject.as_ref().map(|subject| &subject.id))
            .grant(id);
        let mut batch = cx.batch();
        batch.put.push(life::put(id, life::ended(grant.record, EndReason::Revoked), cx));
        Ok(Decision { batch, outcome: Ok(()), events: smallvec![event] })
    }
}

/// Whose standing changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Party {
    /// An end user.
    Subject(SubjectId),
    /// A client.
    Client(ClientId),
}

/// How it changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum StandingChange {
    /// Switched off, and everything issued so far is dead for good.
    Disable,
    /// Switched on again.
    Enable,
    /// Stays as it is, but everything issued so far is dead for good.
    RevokeAll,
}

/// Changes the standing of a subject or a client in one write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ChangeStanding {
    /// Whose.
    pub party: Party,
    /// How.
    pub change: StandingChange,
}

impl ChangeStanding {
    fn key(&self, cx: &Context<'_>) -> Key {
        match &self.party {
            Party::Subject(id) => cx.namespace().subject(id),
            Party::Client(id) => cx.namespace().client_state(id),
        }
    }
}

impl Decide for ChangeStanding {
    type Plan = Standing;

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Standing>, Halt> {
        let key = self.key(cx);
        let before = match self.party {
            Party::Subject(_) => facts.subject(key)?,
            Party::Client(_) => facts.client_state(key)?,
        };
        let standing = life::standing(before);
        let after = match self.change {
            StandingChange::Disable => standing.disable(),
            StandingChange::Enable => standing.enable(),
            StandingChange::RevokeAll => standing.revoke_all(),
        };
        let (record, event) = match &self.party {
            Party::Subject(id) => {
                (Record::Subject(after), Event::new(EventKind::StandingChanged).subject(Some(id)))
            }
            Party::Client(id) => {
                (Record::ClientState(after), Event::new(EventKind::StandingChanged).client(id))
            }
        };
        let mut batch = cx.batch();
        batch.put.push(Put {
            key,
            record: Arc::new(record),
            terms: Vec::new(),
            retain_until: Timestamp(u64::MAX),
        });
        Ok(Decision { batch, outcome: Ok(after), events: smallvec![event] })
    }
}

/// Deletes records that tell of a subject who is switched off.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EraseRecords(pub Vec<Key>);

impl Decide for EraseRecords {
    type Plan = ();

    fn decide(&self, _: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let mut batch = cx.batch();
        batch.delete.clone_from(&self.0);
        Ok(Decision { batch, outcome: Ok(()), events: SmallVec::new() })
    }
}

/// Forgets what a subject has allowed a client, so that the next request asks again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgetConsent {
    /// The client.
    pub client: ClientId,
    /// The subject.
    pub subject: SubjectId,
}

impl Decide for ForgetConsent {
    type Plan = ();

    fn decide(&self, _: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let mut batch = cx.batch();
        batch.delete.push(cx.namespace().consent(&self.client, &self.subject));
        Ok(Decision { batch, outcome: Ok(()), events: SmallVec::new() })
    }
}

/// Ends a session; every grant bound to it is dead from then on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EndSession(pub SessionId);

impl Decide for EndSession {
    type Plan = ();

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let key = cx.namespace().session(self.0);
        let Some(ended) = facts.session(key)? else { return Ok(Decision::answer(cx, ())) };
        let event = Event::new(EventKind::SignedOut).subject(Some(&ended.record.subject));
        let mut batch = cx.batch();
        session::end(self.0, ended.record, &mut batch, cx);
        Ok(Decision { batch, outcome: Ok(()), events: smallvec![event] })
    }
}
