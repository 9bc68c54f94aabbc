//! The user's answers. Each belongs to one stored request, one browser and one form, and the last one ends it.
//!
//! ```text
//! login ──► (steps of the host?) ──► (asked?) ──► approve ──► code
//!   ▲                 │                  │           │
//!   └───── forget ────┴─────── deny ─────┴───────────┴──► access_denied
//! ```

use std::sync::Arc;

use super::browser::{Browser, Cookie, Cookies, HostLogin};
use super::decide::{self, Action, Step};
use super::grant;
use super::open::{Asked, Open};
use super::response::AuthorizationResponse;
use super::session_state;
use crate::grant::{begin, life, session};
use crate::protocol::{OAuthError, Reason, Scope, Secret, SubjectId};
use crate::record::consent::{Consent, ConsentEntry};
use crate::record::grant::Authentication;
use crate::record::interaction::{InteractReason, Interaction, Pending, PendingRequest, SignedIn};
use crate::record::session::Session;
use crate::record::{
    Client, Context, Decide, Decision, Event, EventKind, Facts, Halt, InteractionId, Key, Put, Record,
    SessionId,
};
use crate::token::{Handle, HandleKind};

/// The user has signed in: the host has checked who it is. Without an interaction, the host also has to check that the
/// form was its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Login {
    /// Which interaction; `None` when the user signs in without one.
    pub interaction: Option<FormAnswer>,
    /// Who, how and when.
    pub login: HostLogin,
    /// The browser.
    pub browser: Browser,
}

/// Proof that an answer comes from the form of an interaction.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormAnswer {
    /// The interaction.
    pub id: InteractionId,
    /// What its form carried.
    pub csrf: Secret,
}

/// The user allows what is asked, or a part of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approve {
    /// Which interaction.
    pub answer: FormAnswer,
    /// What of the scope is allowed.
    pub scope: Scope,
    /// The browser.
    pub browser: Browser,
}

/// The user refuses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deny {
    /// Which interaction.
    pub answer: FormAnswer,
    /// The browser.
    pub browser: Browser,
}

/// The user goes on as who is signed in: that is the choice that was to be made, or a step of the host's own is done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Continue {
    /// Which interaction.
    pub answer: FormAnswer,
    /// The browser.
    pub browser: Browser,
}

/// The user wants to go on as someone else: the session ends, and the interaction waits for a new login.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForgetLogin {
    /// Which interaction.
    pub answer: FormAnswer,
    /// The browser.
    pub browser: Browser,
}

/// Reads ahead in two goes: the interaction with what lies beside it, then the standing of its client with what else it
/// names.
pub(super) fn read_ahead(
    id: InteractionId,
    beside: [Option<Key>; 2],
    named: impl FnOnce(&Interaction) -> Result<[Option<Key>; 2], Halt>,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<(), Halt> {
    let key = cx.namespace().interaction(id);
    let [first, second] = beside;
    facts.read(&[Some(key), first, second])?;
    let Some(interaction) = facts.interaction(key)? else { return Ok(()) };
    let request = &interaction.record.request;
    let client = cx.namespace().client_state(request.client());
    let grant = match request {
        Pending::Authorization(_) => None,
        Pending::Device(device) => Some(cx.namespace().grant(device.grant)),
    };
    let [first, second] = named(interaction.record)?;
    facts.read(&[Some(client), grant, first, second])
}

/// Reads ahead what allowing takes besides: who seems to be signed in, and what that user allowed before.
fn read_consent_ahead(
    id: InteractionId,
    browser: &Browser,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<(), Halt> {
    let named = |interaction: &Interaction| {
        let Some(subject) = browser.claimed_subject(facts, cx)? else { return Ok([None, None]) };
        let consent = match &interaction.request {
            Pending::Authorization(request) => Some(cx.namespace().consent(&request.client, &subject)),
            Pending::Device(_) => None,
        };
        Ok([Some(cx.namespace().subject(&subject)), consent])
    };
    read_ahead(id, [browser.session_key(cx), None], named, facts, cx)
}

impl Decide for Login {
    type Plan = Step;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let subject = &self.login.subject;
        let beside = [Some(cx.namespace().subject(subject)), self.browser.session_key(cx)];
        let Some(answer) = &self.interaction else { return facts.read(&beside) };
        let named = |interaction: &Interaction| {
            let Pending::Authorization(request) = &interaction.request else { return Ok([None, None]) };
            let client = facts.client(request.client.as_str())?;
            Ok([client.and_then(|client| decide::consent_key(client, subject, cx)), None])
        };
        read_ahead(answer.id, beside, named, facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Step>, Halt> {
        let HostLogin { subject, authentication, .. } = &self.login;
        begin::check_subject(subject, facts)?;
        let standing = life::standing(facts.subject(cx.namespace().subject(subject))?);
        if standing.disabled || !life::has_account(subject, facts, cx)? {
            return Err(Reason::SubjectDisabledAtAuthorize.into());
        }
        let open = match &self.interaction {
            Some(answer) => Some(Open::answered(answer, &self.browser, facts, cx)?),
            None => None,
        };
        let before = self.browser.proven_session(facts, cx)?;
        let goes_on = before.filter(|(_, old)| self.continues(old, standing.epoch, cx));
        let new = self.new_session(goes_on, standing.epoch, cx);
        let login = SignedIn {
            subject: subject.clone(),
            subject_epoch: standing.epoch,
            authentication: authentication.clone(),
            session: new.as_ref().map(|new| new.id),
        };
        let mut decision = match &open {
            Some(open) if !open.is_fresh_enough(&login) => open.needs_login(cx),
            Some(open) => open.signed_in(login.clone(), facts, cx)?,
            None => Decision::answer(cx, Step { action: Action::SignedIn, cookies: Cookies::default() }),
        };
        let told = open.as_ref().and_then(Open::told);
        session_state::tell_of(&login, &mut decision, told, &self.browser, cx);
        let client = open.map(|open| open.client.as_ref());
        if let (Some((id, old)), None) = (before, goes_on) {
            session::end(id, old, &mut decision.batch, cx);
        }
        if let Some(new) = new {
            new.begin(client, &mut decision, cx);
        }
        Ok(decision.event(Event::new(EventKind::SignedIn).subject(Some(subject))))
    }
}

impl Login {
    /// Whether the browser's session goes on: the same user signs in again while it lives. What clients hold of it lives on,
    /// too.
    fn continues(&self, old: &Session, subject_epoch: u64, cx: &Context<'_>) -> bool {
        self.browser.host_login.is_none()
            && old.subject == self.login.subject
            && old.subject_epoch == subject_epoch
            && !old.valid_until.is_past(cx.now)
    }

    /// The session from now on, with a new cookie whether it goes on or begins, so that nobody who knew the old one comes
    /// along; none where the host keeps its own.
    fn new_session(
        &self,
        goes_on: Option<(SessionId, &Session)>,
        subject_epoch: u64,
        cx: &Context<'_>,
    ) -> Option<NewSession> {
        if self.browser.host_login.is_some() {
            return None;
        }
        let id = goes_on.map_or_else(|| SessionId(cx.other_id()), |(id, _)| id);
        let handle = Handle { id: id.0, secret: cx.random.other_secret() };
        let session = Session {
            digest: handle.digest(HandleKind::Session),
            subject: self.login.subject.clone(),
            subject_epoch,
            authentication: self.login.authentication.clone(),
            valid_until: cx.now.plus(cx.settings.lifetimes.session),
            clients: goes_on.map(|(_, old)| old.clients.clone()).unwrap_or_default(),
        };
        Some(NewSession { id, session, cookie: handle.encode(HandleKind::Session) })
    }
}

/// A session that begins, or goes on with a new cookie.
struct NewSession {
    id: SessionId,
    session: Session,
    cookie: Secret,
}

impl NewSession {
    /// Adds it to what is decided. The client that is answered now, if one is, learns of it.
    fn begin(mut self, client: Option<&Client>, decision: &mut Decision<Step>, cx: &Context<'_>) {
        if let Some(client) = client
            && decide::tells_of(decision, self.id)
            && session::forgot(&self.session, client, cx)
        {
            session::remember(&mut self.session, self.id, client, &mut decision.batch, cx);
        }
        decision.batch.put.push(session::put(self.id, self.session, cx));
        if let Ok(step) = &mut decision.outcome {
            step.cookies.set(Cookie::Session, self.cookie, cx.settings.lifetimes.session);
        }
    }
}

impl Decide for Continue {
    type Plan = Step;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        read_consent_ahead(self.answer.id, &self.browser, facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Step>, Halt> {
        let open = Open::answered(&self.answer, &self.browser, facts, cx)?;
        let login = match open.record.record.reason {
            InteractReason::SelectAccount => {
                self.browser.signed_in(facts, cx)?.filter(|login| open.is_fresh_enough(login))
            }
            // The choice was made before: the form was sent twice.
            _ => open.same_user(&self.browser, facts, cx)?,
        };
        match login {
            Some(login) => {
                let session = login.session;
                let mut decision = open.signed_in(login, facts, cx)?;
                decide::remember_client(&mut decision, open.client, session, facts, cx)?;
                session_state::tell(&mut decision, open.told(), &self.browser, facts, cx)?;
                Ok(decision)
            }
            None => Ok(open.needs_login(cx)),
        }
    }
}

impl Decide for Approve {
    type Plan = Step;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        read_consent_ahead(self.answer.id, &self.browser, facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Step>, Halt> {
        let open = Open::answered(&self.answer, &self.browser, facts, cx)?;
        let Some(login) = open.same_user(&self.browser, facts, cx)? else { return Ok(open.needs_login(cx)) };
        // Whoever posts this form has not always been shown it.
        if let Some(ask) = open.required(&login, facts, cx)? {
            return Ok(open.wait(Some(login), ask, cx));
        }
        if let Some(refused) = open.unsuited(&login, cx)? {
            return Ok(refused);
        }
        let scope = self.scope.intersection(open.asked.scope());
        let nothing = scope.is_empty() && !open.asked.scope().is_empty();
        if !self.scope.is_subset(open.shown) || nothing || open.asked.is_pointless_within(&scope) {
            return Err(OAuthError::new(Reason::ScopeNothingLeft).into());
        }
        let mut decision = match &open.asked {
            Asked::Authorization(request) => {
                let mut decision = grant::grant(request, open.client, &login, &scope, facts, cx)?;
                remember(&mut decision, request, &login.subject, &scope, facts, cx)?;
                decision
            }
            Asked::Device(device) => device.approve(&login, &scope, cx),
        };
        decide::remember_client(&mut decision, open.client, login.session, facts, cx)?;
        open.close(&mut decision, cx);
        session_state::tell(&mut decision, open.told(), &self.browser, facts, cx)?;
        Ok(decision.event(open.event(EventKind::ConsentGiven).subject(Some(&login.subject))))
    }
}

impl Decide for Deny {
    type Plan = Step;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        read_ahead(self.answer.id, [None, None], |_| Ok([None, None]), facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Step>, Halt> {
        let open = Open::answered(&self.answer, &self.browser, facts, cx)?;
        let subject = open.record.record.login.as_ref().map(|login| &login.subject);
        let event = open.event(EventKind::ConsentDenied).subject(subject);
        let mut decision = match &open.asked {
            Asked::Authorization(request) => {
                let denied = Reason::UserDenied.into();
                let response = AuthorizationResponse::error_for(request, open.client, denied, cx)
                    .ok_or(Reason::RedirectUriUnregistered)?;
                Decision::answer(cx, Step::respond(response))
            }
            Asked::Device(device) => device.deny(cx),
        }
        .event(event);
        open.close(&mut decision, cx);
        session_state::tell(&mut decision, open.told(), &self.browser, facts, cx)?;
        Ok(decision)
    }
}

impl Decide for ForgetLogin {
    type Plan = Step;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        read_ahead(self.answer.id, [self.browser.session_key(cx), None], |_| Ok([None, None]), facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Step>, Halt> {
        let open = Open::answered(&self.answer, &self.browser, facts, cx)?;
        let mut decision = open.needs_login(cx);
        if let Ok(step) = &mut decision.outcome {
            step.cookies = Cookies::signed_out();
        }
        if let Some((id, ended)) = self.browser.proven_session(facts, cx)? {
            session::end(id, ended, &mut decision.batch, cx);
        }
        Ok(decision)
    }
}

/// The most entries of one consent record; the oldest is forgotten first.
const MAX_CONSENT_ENTRIES: usize = 32;

/// Remembers what was allowed, beside what was allowed before at the same place.
fn remember(
    decision: &mut Decision<Step>,
    request: &PendingRequest,
    subject: &SubjectId,
    scope: &Scope,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<(), Halt> {
    let key = cx.namespace().consent(&request.client, subject);
    let before = facts.consent(key)?;
    let mut consent = before.map_or_else(Consent::default, |consent| consent.record.clone());
    consent.entries.retain(|entry| !entry.valid_until.is_past(cx.now));
    let here = |entry: &ConsentEntry| {
        entry.redirect_uri == request.redirect_uri && entry.resources == request.resources
    };
    let earlier = consent.entries.iter().position(here).map(|at| consent.entries.remove(at).scope);
    // What was asked now is as the user answered now; what was not asked stays as it was.
    let kept =
        earlier.map_or_else(Scope::empty, |earlier| earlier.filter(|value| !request.scope.contains(value)));
    let excess = (consent.entries.len() + 1).saturating_sub(MAX_CONSENT_ENTRIES);
    consent.entries.drain(..excess);
    let valid_until = cx.now.plus(cx.settings.lifetimes.consent);
    consent.entries.push(ConsentEntry {
        redirect_uri: request.redirect_uri.clone(),
        resources: request.resources.clone(),
        scope: kept.union(scope),
        given_at: cx.now,
        valid_until,
    });
    decision.batch.put.push(Put {
        key,
        record: Arc::new(Record::Consent(consent)),
        terms: vec![crate::record::Index::subject(cx.namespace(), subject)],
        retain_until: valid_until.plus(life::RETENTION_MARGIN),
    });
    Ok(())
}

impl HostLogin {
    /// A user who signed in just now.
    #[must_use]
    pub fn now(subject: impl Into<Arc<str>>, auth_time: crate::protocol::Timestamp) -> Self {
        let authentication = Authentication { auth_time, acr: None, amr: Vec::new() };
        Self { subject: SubjectId::new(subject), one_of_several: false, authentication }
    }
}
