//! What a user answers whom a client named (CIBA Core §8), and what the client is told of it (§10.2, §10.3, §12).

use smallvec::smallvec;

use crate::grant::{life, pending, push, session};
use crate::protocol::scope::OPENID;
use crate::protocol::{ClientId, DeliveryMode, Digest, Reason, Scope, SubjectId, Timestamp};
use crate::record::grant::{Authentication, EndReason, Grant};
use crate::record::interaction::SignedIn;
use crate::record::outbox::{Message, Outbox};
use crate::record::{
    Client, Context, Decide, Decision, Event, EventKind, Facts, GrantId, Halt, Id, OutboxId, Put,
};

/// A user whom a client asked answers on a device of theirs. The host has checked who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecideAuthentication {
    /// What is decided.
    pub grant: GrantId,
    /// Who answers: the user who was asked.
    pub subject: SubjectId,
    /// What.
    pub answer: UserAnswer,
}

/// What a user answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserAnswer {
    /// The client may have this scope, or a part of it, with `openid` at least.
    Approve {
        /// What is allowed.
        scope: Scope,
        /// How and when the user signed in.
        authentication: Authentication,
    },
    /// It may not.
    Deny,
}

impl Decide for DecideAuthentication {
    type Plan = ();

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let subject = cx.namespace().subject(&self.subject);
        facts.read(&[Some(cx.namespace().grant(self.grant)), Some(subject)])
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let grant = facts.grant(cx.namespace().grant(self.grant))?.ok_or(Reason::AlreadyDecided)?.record;
        let asked = grant.asked.as_ref().filter(|asked| asked.subject == self.subject);
        let asked = asked.filter(|_| pending::is_open(grant, cx)).ok_or(Reason::AlreadyDecided)?;
        let client = pending::standing_client(grant, facts, cx)?;
        let mode = asked.ping.as_ref().and(client.backchannel.mode);
        let mode = mode.filter(|mode| cx.settings.delivery_modes().contains(mode));
        let mut decision = match &self.answer {
            UserAnswer::Deny => self.denied(grant, mode, cx),
            UserAnswer::Approve { scope, authentication } => {
                if !scope.is_subset(&grant.scope) || !scope.contains(OPENID) {
                    return Err(Reason::ScopeNothingLeft.into());
                }
                let login = self.login(authentication, facts, cx)?;
                let allowed = grant.clone().allowed_by(&login, scope);
                self.allowed(allowed, client, mode, facts, cx)?
            }
        };
        if mode == Some(DeliveryMode::Ping) {
            let message = Message::Answered { grant: self.grant };
            decision.batch.put.push(news(self.grant, &client.id, message, waits_until(grant, cx), cx));
        }
        Ok(decision)
    }
}

impl DecideAuthentication {
    /// Who answers, if tokens may be issued for that user now.
    fn login(
        &self,
        authentication: &Authentication,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<SignedIn, Halt> {
        let standing = life::standing(facts.subject(cx.namespace().subject(&self.subject))?);
        if standing.disabled || !life::has_account(&self.subject, facts, cx)? {
            return Err(Reason::SubjectDisabledAtAuthorize.into());
        }
        Ok(SignedIn {
            subject: self.subject.clone(),
            subject_epoch: standing.epoch,
            authentication: authentication.clone(),
            session: None,
        })
    }

    fn denied(&self, grant: &Grant, mode: Option<DeliveryMode>, cx: &Context<'_>) -> Decision<()> {
        let mut decision = self.decided(grant, EventKind::ConsentDenied, cx);
        decision.batch.put.push(life::put(self.grant, life::ended(grant, EndReason::Denied), cx));
        if mode == Some(DeliveryMode::Push) {
            let message = Message::Denied { grant: self.grant };
            let until = waits_until(grant, cx).plus(life::RETENTION_MARGIN);
            decision.batch.put.push(news(self.grant, &grant.client, message, until, cx));
        }
        decision
    }

    /// A client that is sent its tokens has them issued with the decision, so that they are issued once.
    fn allowed(
        &self,
        allowed: Grant,
        client: &Client,
        mode: Option<DeliveryMode>,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Decision<()>, Halt> {
        let mut decision = self.decided(&allowed, EventKind::ConsentGiven, cx);
        if mode != Some(DeliveryMode::Push) {
            decision.batch.put.push(life::put(self.grant, allowed, cx));
            return Ok(decision);
        }
        let (issued, issue, valid_until) = push::issue(self.grant, &allowed, client, facts, cx)?;
        decision.batch.put.extend(issued.batch.put);
        decision.events.extend(issued.events);
        let message = Message::Tokens { grant: self.grant, issue };
        decision.batch.put.push(news(self.grant, &client.id, message, valid_until, cx));
        Ok(decision)
    }

    fn decided(&self, grant: &Grant, kind: EventKind, cx: &Context<'_>) -> Decision<()> {
        let event = Event::new(kind).client(&grant.client).subject(Some(&self.subject)).grant(self.grant);
        Decision { batch: cx.batch(), outcome: Ok(()), events: smallvec![event] }
    }
}

/// How long the client waits for the answer.
fn waits_until(grant: &Grant, cx: &Context<'_>) -> Timestamp {
    grant.redeemable.as_ref().map_or(cx.now, |code| code.valid_until)
}

/// What tells the client of a grant that nobody has answered, once nobody can any more, and while the grant is remembered.
pub(super) fn unanswered(grant: GrantId, client: &ClientId, at: Timestamp, cx: &Context<'_>) -> Put {
    let until = at.plus(life::RETENTION_MARGIN);
    put(grant, Outbox::new(client.clone(), Message::Unanswered { grant }, at, until), cx)
}

/// What tells the client of a grant something that has just happened.
fn news(grant: GrantId, client: &ClientId, message: Message, until: Timestamp, cx: &Context<'_>) -> Put {
    put(grant, Outbox::new(client.clone(), message, cx.now, until).leased(cx.now), cx)
}

/// There is one message for each grant: a later one takes the place of an earlier.
fn put(grant: GrantId, outbox: Outbox, cx: &Context<'_>) -> Put {
    let id = OutboxId(Id(Digest::key_of(&["answered", &grant.to_string()])));
    session::outbox_put(id, outbox, cx)
}
