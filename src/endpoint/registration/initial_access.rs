//! Initial access tokens (RFC 7591 §1.2): whom the operator lets register clients, how often and until when.

use std::time::Duration;

use smallvec::smallvec;

use super::RETENTION_MARGIN;
use crate::protocol::{Reason, Secret};
use crate::record::{
    Batch, Context, Decide, Decision, Event, EventKind, Facts, Halt, InitialAccess, Key, Put, Record,
};
use crate::token::{Handle, HandleKind};

/// An initial access token as it was presented.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitialAccessToken(Option<Handle>);

impl InitialAccessToken {
    /// Reads the text of a bearer token. What is none of ours is found out when it is looked for.
    #[must_use]
    pub fn read(text: &str) -> Self {
        Self(Handle::decode(HandleKind::InitialAccess, text))
    }

    pub(super) fn key(&self, cx: &Context<'_>) -> Option<Key> {
        self.0.as_ref().map(|handle| cx.namespace().initial_access(handle.id))
    }

    /// What is kept of it, if it may be used now.
    pub(super) fn find<'f>(&self, facts: &'f Facts, cx: &Context<'_>) -> Result<&'f InitialAccess, Halt> {
        let (Some(handle), Some(key)) = (&self.0, self.key(cx)) else {
            return Err(Reason::InitialAccessInvalid.into());
        };
        let found = facts.initial_access(key)?.map(|versioned| versioned.record);
        let digest = handle.digest(HandleKind::InitialAccess);
        let right = |access: &&InitialAccess| access.digest == digest && !access.valid_until.is_past(cx.now);
        found.filter(right).ok_or(Reason::InitialAccessInvalid.into())
    }

    /// Uses it once; after its last use it is gone. Of many that use it at once, no more succeed than it has uses: whatever was
    /// read is a condition of the commit.
    pub(super) fn spend(&self, access: &InitialAccess, batch: &mut Batch, cx: &Context<'_>) {
        let Some(key) = self.key(cx) else { return };
        match access.uses_left {
            None => {}
            Some(0 | 1) => batch.delete.push(key),
            Some(uses) => {
                batch.put.push(put(key, InitialAccess { uses_left: Some(uses - 1), ..access.clone() }))
            }
        }
    }
}

fn put(key: Key, access: InitialAccess) -> Put {
    let retain_until = access.valid_until.plus(RETENTION_MARGIN);
    Put { key, record: Record::InitialAccess(access).into(), terms: Vec::new(), retain_until }
}

/// The operator lets someone register clients.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IssueInitialAccess {
    /// What the operator calls it; the policy is told.
    pub name: String,
    /// How long it may be used.
    pub lifetime: Duration,
    /// How many clients may be registered with it; `None` means any number.
    pub uses: Option<u32>,
}

impl Decide for IssueInitialAccess {
    type Plan = Secret;

    fn decide(&self, _: &Facts, cx: &Context<'_>) -> Result<Decision<Secret>, Halt> {
        let handle = Handle { id: cx.id(), secret: cx.random.secret() };
        let access = InitialAccess {
            digest: handle.digest(HandleKind::InitialAccess),
            name: self.name.clone(),
            valid_until: cx.now.plus(self.lifetime),
            uses_left: self.uses,
        };
        let mut batch = cx.batch();
        if self.uses != Some(0) {
            batch.put.push(put(cx.namespace().initial_access(handle.id), access));
        }
        let event = Event::new(EventKind::InitialAccessChanged);
        Ok(Decision {
            batch,
            outcome: Ok(handle.encode(HandleKind::InitialAccess)),
            events: smallvec![event],
        })
    }
}

/// The operator ends an initial access token. The clients that were registered with it stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndInitialAccess(pub InitialAccessToken);

impl Decide for EndInitialAccess {
    type Plan = ();

    fn decide(&self, _: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let mut batch = cx.batch();
        batch.delete.extend(self.0.key(cx));
        let event = Event::new(EventKind::InitialAccessChanged);
        Ok(Decision { batch, outcome: Ok(()), events: smallvec![event] })
    }
}
