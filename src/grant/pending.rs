//! A grant that waits for its user, who decides on another device, while its client polls (RFC 8628 §3.3 to §3.5, CIBA Core
//! §8 to §11).
//!
//! ```text
//!               approve                       redeem
//! Pending ────────────────► Active ────────────────────────► Active, spent
//!    │                        │ nobody redeemed it in time     │ redeemed again
//!    ├── deny ─────► Ended(denied)                             ▼
//!    └── nobody decided in time, or redeemed ─► Ended(expired) Ended(replayed)
//! ```
//!
//! The first decision wins: each is a condition of its own commit. A poll writes beside the grant and never into it, so
//! that no number of polls is in the way of a decision; a decision makes every poll that did not see it decide again.

use std::sync::Arc;
use std::time::Duration;

use smallvec::SmallVec;

use super::issue::TokenPlan;
use super::redeem::redeem;
use super::{life, target};
use crate::client::Credentials;
use crate::protocol::{DeliveryMode, GrantType, Reason, Resource, Scope, Timestamp};
use crate::record::grant::{EndReason, Grant, GrantStatus, Redeemable};
use crate::record::settings::Settings;
use crate::record::{Client, Context, Decision, Facts, GrantId, Halt, Poll, Put, Record};
use crate::token::{Handle, HandleKind};

/// How many seconds longer a client has to wait from now on, each time it has polled too fast.
const SLOW_DOWN: u32 = 5;

/// What a client waits with, and so for how it asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// A device waits with a device code (RFC 8628).
    Device,
    /// A client that named its user waits with an `auth_req_id` (CIBA Core).
    Ciba,
}

impl Flow {
    /// The grant type of its grants.
    #[must_use]
    pub const fn grant_type(self) -> GrantType {
        match self {
            Self::Device => GrantType::DeviceCode,
            Self::Ciba => GrantType::Ciba,
        }
    }

    const fn kind(self) -> HandleKind {
        match self {
            Self::Device => HandleKind::DeviceCode,
            Self::Ciba => HandleKind::AuthReqId,
        }
    }

    /// Whether a client may ask; one that is sent its tokens fetches none (CIBA Core §11).
    fn is_open_to(self, client: &Client) -> bool {
        let sent = self == Self::Ciba && client.backchannel.mode == Some(DeliveryMode::Push);
        !sent && client.may_use(&self.grant_type())
    }

    const fn interval(self, settings: &Settings) -> Duration {
        match self {
            Self::Device => settings.device.interval,
            Self::Ciba => settings.backchannel.interval,
        }
    }
}

/// A grant that nobody has decided yet, whose client waits with `code`.
#[must_use]
pub fn begun(
    flow: Flow,
    (code, valid_until): (&Handle, Timestamp),
    client: &Client,
    client_epoch: u64,
    (scope, resources): (Scope, Vec<Resource>),
    cx: &Context<'_>,
) -> Grant {
    Grant {
        status: GrantStatus::Pending,
        resources,
        redeemable: Some(Box::new(Redeemable {
            digest: code.digest(flow.kind()),
            valid_until,
            spent: false,
            redirect_uri: None,
            redirect_uri_named: false,
            code_challenge: None,
            nonce: None,
        })),
        ..Grant::begun(flow.grant_type(), client.id.clone(), client_epoch, scope, cx.now)
    }
}

/// The client of a grant that waits, if it stands as it did when it asked.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing; what is shown on an error page when the client is gone or switched off, or has
/// lost since what was issued to it.
pub fn standing_client<'f>(
    grant: &Grant,
    facts: &'f Facts,
    cx: &Context<'_>,
) -> Result<&'f Arc<Client>, Halt> {
    let client = facts.client(grant.client.as_str())?.ok_or(Reason::AuthorizeClientUnknown)?;
    let standing = life::standing(facts.client_state(cx.namespace().client_state(&client.id))?);
    if standing.disabled || standing.epoch != grant.client_epoch {
        return Err(Reason::AuthorizeClientUnknown.into());
    }
    Ok(client)
}

/// Whether a user may still decide.
#[must_use]
pub fn is_open(grant: &Grant, cx: &Context<'_>) -> bool {
    grant.status == GrantStatus::Pending && !is_late(grant, cx)
}

fn is_late(grant: &Grant, cx: &Context<'_>) -> bool {
    grant.redeemable.as_ref().is_none_or(|code| code.valid_until.is_past(cx.now))
}

/// A token request of a client that waits for a user.
#[derive(Debug)]
pub(super) struct Request<'r> {
    pub(super) flow: Flow,
    pub(super) credentials: &'r Credentials,
    pub(super) code: Option<&'r Handle>,
    pub(super) resources: &'r [Resource],
}

impl Request<'_> {
    pub(super) fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let id = self.code.map(|code| GrantId(code.id));
        let grant = id.map(|id| cx.namespace().grant(id));
        self.credentials.read_ahead(&[grant, id.map(|id| cx.namespace().poll(id))], facts, cx)?;
        life::read_ahead(grant, facts, cx)
    }

    pub(super) fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        let client = life::acting_client(self.credentials, facts, cx)?;
        if !self.flow.is_open_to(client) {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        let handle = self.code.ok_or(Reason::PendingCodeMalformed)?;
        let id = GrantId(handle.id);
        let grant = facts.grant(cx.namespace().grant(id))?.ok_or(Reason::PendingCodeUnknown)?.record;
        let code = grant.redeemable.as_deref().ok_or(Reason::PendingCodeUnknown)?;
        if code.digest != handle.digest(self.flow.kind()) {
            return Err(Reason::PendingCodeUnknown.into());
        }
        if grant.client != client.id {
            return Err(Reason::PendingCodeOtherClient.into());
        }
        let resources = target::within_grant(self.resources, &grant.resources)?;
        if code.spent {
            return Ok(life::end(id, grant, EndReason::Replayed, Reason::PendingCodeReplayed, cx));
        }
        match grant.status {
            GrantStatus::Ended(EndReason::Denied) => Err(Reason::DecisionDenied.into()),
            GrantStatus::Ended(EndReason::Expired) => Err(Reason::DecisionExpired.into()),
            GrantStatus::Ended(_) => Err(Reason::GrantEnded.into()),
            // Whoever was told that it is too late is told so for ever, whatever clocks do.
            _ if is_late(grant, cx) => {
                Ok(life::end(id, grant, EndReason::Expired, Reason::DecisionExpired, cx))
            }
            GrantStatus::Pending if life::client_enabled(client, facts, cx)?.epoch != grant.client_epoch => {
                Err(Reason::ClientEpochMoved.into())
            }
            GrantStatus::Pending => polled(id, grant, self.flow, facts, cx),
            GrantStatus::Active => match life::obstacle(grant, facts, cx)? {
                Some(reason) => Err(reason.into()),
                None => redeem(id, grant, client, &resources, facts, cx),
            },
        }
    }
}

/// Nobody has decided yet. A client that asks too fast has to wait longer, now and from now on (RFC 8628 §3.5).
fn polled(
    id: GrantId,
    grant: &Grant,
    flow: Flow,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Decision<TokenPlan>, Halt> {
    let key = cx.namespace().poll(id);
    let shortest = u32::try_from(flow.interval(cx.settings).as_secs()).unwrap_or(u32::MAX);
    let (interval, reason) = match facts.poll(key)?.map(|poll| *poll.record) {
        None => (shortest, Reason::DecisionPending),
        Some(last) if may_ask_again(last).is_past(cx.now) => (last.interval, Reason::DecisionPending),
        Some(last) => (last.interval.saturating_add(SLOW_DOWN), Reason::PolledTooFast),
    };
    let poll = Poll { polled_at: cx.now, interval };
    let mut batch = cx.batch();
    batch.put.push(Put {
        key,
        record: Arc::new(Record::Poll(poll)),
        terms: Vec::new(),
        retain_until: life::retain_until(grant),
    });
    Ok(Decision { batch, outcome: Err(reason.into()), events: SmallVec::new() })
}

const fn may_ask_again(last: Poll) -> Timestamp {
    last.polled_at.plus(Duration::from_secs(last.interval as u64))
}
