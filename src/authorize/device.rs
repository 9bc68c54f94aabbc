//! The user's side of the device grant (RFC 8628 §3.3): a user code is entered, and what it stands for is allowed or refused.
//!
//! ```text
//! signed in ──► user code ──► client, scope, user code: ok? ──► approve or deny ──► back to the device
//! ```
//!
//! Nobody tries codes who has not signed in, and every try counts, right or wrong. Nothing is ever allowed without the
//! question, whatever was allowed before: whoever sends someone a code wants exactly that (§5.4).

use super::browser::{Browser, Cookies};
use super::decide::{self, Action, Interact, Step};
use crate::grant::{life, pending};
use crate::protocol::{Reason, Scope, Secret, UserCode};
use crate::record::facts::Counter;
use crate::record::grant::{EndReason, Grant};
use crate::record::interaction::{InteractReason, Interaction, Pending, PendingDevice, SignedIn};
use crate::record::{Context, Decide, Decision, Facts, GrantId, Halt, Id, InteractionId};
use crate::token::user_code;

/// Someone who is signed in enters a user code. The host shows its page again where the code is not right
/// (`UserCodeUnknown`), its login page where nobody is signed in any more (`LoginNeeded`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EnterUserCode {
    /// What was typed.
    pub typed: Secret,
    /// What the form carried: a [`FormToken`](super::FormToken).
    pub csrf: Secret,
    /// The browser.
    pub browser: Browser,
}

/// What a device is answered, which its user is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeviceAnswer {
    /// It may act.
    Approved,
    /// It may not.
    Denied,
}

impl EnterUserCode {
    fn code(&self, cx: &Context<'_>) -> Option<UserCode> {
        UserCode::read(self.typed.expose(), cx.settings.device.alphabet)
    }

    /// A code can be guessed, so that every try is counted before it is judged (RFC 8628 §5.1).
    fn count_try(login: &SignedIn, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let session = match login.session {
            Some(session) => session.0,
            None => Id(login.subject.key()),
        };
        for counter in [Counter::UserCodesOfSession(session), Counter::UserCodesFrom(cx.address)] {
            facts.within_limit(&counter, Reason::UserCodeTriesExhausted)?;
        }
        Ok(())
    }
}

impl Decide for EnterUserCode {
    type Plan = Step;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let entry = self.code(cx).map(|code| user_code::key(&code, cx));
        facts.read(&[self.browser.session_key(cx), entry])?;
        let grant = match entry {
            Some(key) => facts.user_code(key)?.map(|entry| cx.namespace().grant(entry.record.grant)),
            None => None,
        };
        let subject = self.browser.claimed_subject(facts, cx)?;
        facts.read(&[subject.map(|subject| cx.namespace().subject(&subject)), grant])
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Step>, Halt> {
        self.browser.check_form(&self.csrf, &cx.settings.sealer)?;
        let login = self.browser.signed_in(facts, cx)?.ok_or(Reason::LoginNeeded)?;
        let code = self.code(cx).ok_or(Reason::UserCodeUnknown)?;
        Self::count_try(&login, facts, cx)?;
        let entry = facts.user_code(user_code::key(&code, cx))?.ok_or(Reason::UserCodeUnknown)?;
        let id = entry.record.grant;
        let grant = facts.grant(cx.namespace().grant(id))?.ok_or(Reason::UserCodeUnknown)?.record;
        let code = grant.redeemable.as_ref().filter(|_| pending::is_open(grant, cx));
        let valid_until = code.ok_or(Reason::UserCodeUnknown)?.valid_until;
        pending::standing_client(grant, facts, cx)?;
        let browser = self.browser.binding_digest().ok_or(Reason::CsrfMismatch)?;
        let asked = decide::required(&grant.client, &grant.scope, &login, facts, cx)?;
        let decide::Ask { reason, step } = asked.unwrap_or(InteractReason::Consent.into());
        let interaction = Interaction {
            browser,
            request: Pending::Device(PendingDevice { client: grant.client.clone(), grant: id }),
            reason,
            step,
            login: Some(login),
            valid_until: valid_until.min(cx.now.plus(cx.settings.lifetimes.interaction)),
        };
        let interact = Interact { id: InteractionId(cx.other_id()), reason };
        let step = Step { action: Action::Interact(interact), cookies: Cookies::default() };
        let mut decision = Decision::answer(cx, step);
        decision.batch.put.push(decide::put(interact.id, interaction, cx));
        Ok(decision)
    }
}

/// A device whose user has not decided yet.
pub(super) struct Waiting<'f> {
    pub(super) id: GrantId,
    pub(super) grant: &'f Grant,
    /// What of its scope may be asked for now.
    pub(super) scope: Scope,
}

impl<'f> Waiting<'f> {
    pub(super) fn find(device: &PendingDevice, facts: &'f Facts, cx: &Context<'_>) -> Result<Self, Halt> {
        let grant = facts.grant(cx.namespace().grant(device.grant))?.ok_or(Reason::AlreadyDecided)?.record;
        if !pending::is_open(grant, cx) {
            return Err(Reason::AlreadyDecided.into());
        }
        let client = pending::standing_client(grant, facts, cx)?;
        let on = cx.settings.grant_types.contains(&grant.grant_type);
        if !on || !client.may_use(&grant.grant_type) {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        Ok(Self { id: device.grant, grant, scope: life::some_scope_left(&grant.scope, client, cx)? })
    }

    /// The code that the user has to see on the device, too.
    pub(super) fn user_code(&self, cx: &Context<'_>) -> UserCode {
        user_code::of_grant(self.id, cx)
    }

    pub(super) fn approve(&self, login: &SignedIn, scope: &Scope, cx: &Context<'_>) -> Decision<Step> {
        self.decided(self.grant.clone().allowed_by(login, scope), DeviceAnswer::Approved, cx)
    }

    pub(super) fn deny(&self, cx: &Context<'_>) -> Decision<Step> {
        self.decided(life::ended(self.grant, EndReason::Denied), DeviceAnswer::Denied, cx)
    }

    /// The user code is no longer good for anything.
    fn decided(&self, grant: Grant, answer: DeviceAnswer, cx: &Context<'_>) -> Decision<Step> {
        let step = Step { action: Action::AnswerDevice(answer), cookies: Cookies::default() };
        let mut decision = Decision::answer(cx, step);
        decision.batch.put.push(life::put(self.id, grant, cx));
        decision.batch.delete.push(user_code::key(&self.user_code(cx), cx));
        decision
    }
}
