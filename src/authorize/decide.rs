//! What happens next to an authorization request: an answer, a login, or a question to the user.

use smallvec::SmallVec;
use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::Arc;

use super::browser::{self, Browser, Cookie, Cookies};
use super::device::DeviceAnswer;
use super::grant;
use super::request::{Asked, AuthorizationRequest};
use super::request_object;
use super::response::AuthorizationResponse;
use super::session_state;
use crate::grant::{life, session};
use crate::profile::SilentConsent;
use crate::protocol::{ClientId, MatchedRedirectUri, OAuthError, Reason, Scope, SubjectId};
use crate::record::client::ConsentPolicy;
use crate::record::facts::{Counter, Visitor};
use crate::record::interaction::{InteractReason, Interaction, Pending, PendingRequest, SignedIn};
use crate::record::{
    ClaimsRequest, Client, Context, Decide, Decision, Event, EventKind, Facts, Halt, InteractionId, Key, Put,
    Record, SessionId,
};
use crate::token::subject::seen_by;
use crate::token::{HandleKind, user_claims};

/// An authorization request in a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Authorize<'p> {
    /// What is asked.
    pub request: AuthorizationRequest<'p>,
    /// By which browser.
    pub browser: Browser,
}

/// What the host does next.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Step {
    /// Send the browser on, or show a page.
    pub action: Action,
    /// Cookies to send along.
    pub cookies: Cookies,
}

/// Send the browser on, or show a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The request is answered.
    Respond(Box<AuthorizationResponse>),
    /// The user is needed.
    Interact(Interact),
    /// The device that waits is answered, whenever it asks: the host tells the user to go back to it.
    AnswerDevice(DeviceAnswer),
    /// The user has signed in, and no request waits: the host shows what it likes.
    SignedIn,
}

/// The user is needed: the host shows its page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Interact {
    /// Names the interaction, in the URL of the host's page.
    pub id: InteractionId,
    /// What for.
    pub reason: InteractReason,
}

impl Decide for Authorize<'_> {
    type Plan = Step;

    fn client_id(&self) -> Option<ClientId> {
        Some(self.request.client_id.as_ref().into())
    }

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let Some(client) = facts.client(&self.request.client_id)? else { return Ok(()) };
        let standing = cx.namespace().client_state(&client.id);
        if self.browser.host_login.is_none() {
            facts.read(&[Some(standing), self.browser.session_key(cx)])?;
        }
        let Some(subject) = self.browser.claimed_subject(facts, cx)? else { return Ok(()) };
        let own = cx.namespace().subject(&subject);
        facts.read(&[Some(standing), Some(own), consent_key(client, &subject, cx)])?;
        life::has_account(&subject, facts, cx).map(|_| ())
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Step>, Halt> {
        let client = self.request.client(facts)?;
        if life::standing(facts.client_state(cx.namespace().client_state(&client.id))?).disabled {
            return Err(Reason::AuthorizeClientUnknown.into());
        }
        let request = request_object::resolve(&self.request, client, facts, cx)?;
        let redirect_uri = request.verify(client)?;
        let login = self.browser.signed_in(facts, cx)?;
        let mut decision = self.answer(&request, client, redirect_uri, login, facts, cx)?;
        let told = Some(&client.id).filter(|_| cx.settings.session_management && request.is_openid());
        session_state::tell(&mut decision, told, &self.browser, facts, cx)?;
        Ok(decision)
    }

    /// The client is told once its redirect URI is verified, and the user known where nobody vouches for the client.
    fn failure(&self, error: &OAuthError, facts: &Facts, cx: &Context<'_>) -> Option<Step> {
        let client = self.request.client(facts).ok()?;
        let request = request_object::resolve(&self.request, client, facts, cx);
        let request = request.unwrap_or(Cow::Borrowed(&self.request));
        let uri = request.verify(client).ok()?;
        if client.self_registered && !matches!(self.browser.signed_in(facts, cx), Ok(Some(_))) {
            return None;
        }
        Some(Step::respond(request.refusal(uri, error.clone(), cx)))
    }
}

impl Authorize<'_> {
    fn answer(
        &self,
        request: &AuthorizationRequest<'_>,
        client: &Client,
        redirect_uri: MatchedRedirectUri,
        login: Option<SignedIn>,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Decision<Step>, Halt> {
        let asked = match request.validate(client, &redirect_uri, facts, cx) {
            Ok(asked) => asked,
            Err(Halt::Need(need)) => return Err(Halt::Need(need)),
            // Nobody vouches for a client that registered itself: a request that may not be asked gets it no redirect
            // before the user is known. One that may, and is to be answered silently, does, below (RFC 9700 §4.11.2).
            Err(Halt::Refuse(error)) if client.self_registered && login.is_none() => return Err(error.into()),
            Err(Halt::Refuse(error)) => return Ok(refuse(request, client, redirect_uri, error, cx)),
        };
        let ask = match (self.needs_user(&asked, client, login.as_ref(), cx), &login) {
            (None, Some(login)) => match next(&asked.pending, client, login, facts, cx)? {
                Next::Grant(scope) => {
                    let mut decision = grant::grant(&asked.pending, client, login, &scope, facts, cx)?;
                    remember_client(&mut decision, client, login.session, facts, cx)?;
                    return Ok(decision);
                }
                Next::Ask(ask) => ask,
            },
            (reason, _) => reason.unwrap_or_default().into(),
        };
        if asked.prompts.none {
            return Ok(refuse(request, client, redirect_uri, unshown(ask.reason).into(), cx));
        }
        let login = login.filter(|_| matches!(ask.reason, InteractReason::Step | InteractReason::Consent));
        self.interact(asked.pending, ask, login, facts, cx)
    }

    /// What the user is needed for before anything can be allowed, if anything (OpenID Connect Core §3.1.2.3).
    fn needs_user(
        &self,
        asked: &Asked,
        client: &Client,
        login: Option<&SignedIn>,
        cx: &Context<'_>,
    ) -> Option<InteractReason> {
        if asked.prompts.create {
            return Some(InteractReason::Create);
        }
        let fresh = |login: &&SignedIn| {
            let auth_time = login.authentication.auth_time;
            !asked.max_age.is_some_and(|age| auth_time.plus(age).is_past(cx.now))
        };
        match login.filter(fresh) {
            Some(login) if !asked.prompts.login && suits(&asked.pending, client, login, cx).is_ok() => {
                let several = self.browser.host_login.as_ref().is_some_and(|login| login.one_of_several);
                let unnamed = asked.pending.subject.is_none();
                let choose = asked.prompts.select_account || (several && unnamed);
                choose.then_some(InteractReason::SelectAccount)
            }
            _ => Some(InteractReason::Login),
        }
    }
}

/// What a client is told that wants no page to be shown where one is needed (OpenID Connect Core §3.1.2.6).
const fn unshown(reason: InteractReason) -> Reason {
    match reason {
        InteractReason::Login | InteractReason::Create => Reason::LoginNeeded,
        InteractReason::SelectAccount => Reason::AccountChoiceNeeded,
        InteractReason::Step => Reason::StepNeeded,
        InteractReason::Consent => Reason::ConsentNeeded,
    }
}

/// Whether this login can answer this request.
///
/// # Errors
/// Why it cannot.
pub(super) fn suits(
    request: &PendingRequest,
    client: &Client,
    login: &SignedIn,
    cx: &Context<'_>,
) -> Result<(), Reason> {
    if let Some(named) = &request.subject
        && *named != seen_by(client, &login.subject, cx)?
    {
        return Err(Reason::LoginOfAnother);
    }
    let acr = login.authentication.acr.as_deref();
    let suits = |claims: &ClaimsRequest| claims.acr_suits(|essential| Some(essential) == acr);
    if request.claims.as_deref().is_none_or(suits) { Ok(()) } else { Err(Reason::AcrUnmet) }
}

impl Authorize<'_> {
    /// Stores the request until the user has answered.
    fn interact(
        &self,
        request: PendingRequest,
        Ask { reason, step }: Ask,
        login: Option<SignedIn>,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Decision<Step>, Halt> {
        let counter = Counter::Interactions(request.client.clone(), cx.address);
        facts.within_limit(&counter, Reason::QuotaExhausted)?;
        let mut cookies = Cookies::default();
        let browser = match self.browser.binding_digest() {
            Some(digest) => digest,
            None => {
                let binding = browser::new_binding(cx);
                let cookie = binding.encode(HandleKind::Browser);
                cookies.set(Cookie::Binding, cookie, cx.settings.lifetimes.session);
                binding.digest(HandleKind::Browser)
            }
        };
        let id = InteractionId(cx.other_id());
        let valid_until = cx.now.plus(cx.settings.lifetimes.interaction);
        let mut batch = cx.batch();
        let request = Pending::Authorization(Box::new(request));
        batch.put.push(put(id, Interaction { browser, request, reason, step, login, valid_until }, cx));
        let shown = Step { action: Action::Interact(Interact { id, reason }), cookies };
        Ok(Decision { batch, outcome: Ok(shown), events: SmallVec::new() })
    }
}

fn refuse(
    request: &AuthorizationRequest<'_>,
    client: &Client,
    uri: MatchedRedirectUri,
    error: OAuthError,
    cx: &Context<'_>,
) -> Decision<Step> {
    let event = Event::new(EventKind::Refused).client(&client.id).reason(error.reason());
    Decision::answer(cx, Step::respond(request.refusal(uri, error, cx))).event(event)
}

impl Step {
    pub(crate) fn respond(response: AuthorizationResponse) -> Self {
        Self { action: Action::Respond(Box::new(response)), cookies: Cookies::default() }
    }
}

pub(super) fn put(id: InteractionId, interaction: Interaction, cx: &Context<'_>) -> Put {
    let retain_until = interaction.valid_until.plus(life::RETENTION_MARGIN);
    let record = Arc::new(Record::Interaction(interaction));
    Put { key: cx.namespace().interaction(id), record, terms: Vec::new(), retain_until }
}

/// What comes next for a signed-in user.
pub(super) enum Next {
    Ask(Ask),
    Grant(Scope),
}

/// What the user is needed for, and which step of the host's own if it is for one.
pub(super) struct Ask {
    pub(super) reason: InteractReason,
    pub(super) step: Option<Arc<str>>,
}

impl From<InteractReason> for Ask {
    fn from(reason: InteractReason) -> Self {
        Self { reason, step: None }
    }
}

/// The step that the host requires of the user first.
pub(super) fn required(
    client: &ClientId,
    scope: &Scope,
    login: &SignedIn,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Option<Ask>, Halt> {
    if !cx.settings.requirements {
        return Ok(None);
    }
    let visitor = Visitor {
        subject: login.subject.clone(),
        authentication: login.authentication.clone(),
        client: client.clone(),
        scope: scope.clone(),
    };
    let step = facts.step(&visitor)?;
    Ok(step.map(|step| Ask { reason: InteractReason::Step, step: Some(step.clone()) }))
}

/// Whether the user has something to do first, and whether to be asked (RFC 6749 §10.2, RFC 8252 §8.6, RFC 9700 §4.7).
pub(super) fn next(
    request: &PendingRequest,
    client: &Client,
    login: &SignedIn,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Next, Halt> {
    if let Some(step) = required(&client.id, &request.scope, login, facts, cx)? {
        return Ok(Next::Ask(step));
    }
    let consent = || Next::Ask(InteractReason::Consent.into());
    if request.ask {
        return Ok(consent());
    }
    if client.consent == ConsentPolicy::FirstParty {
        return Ok(Next::Grant(request.scope.clone()));
    }
    if !may_reuse_consent(request, client, cx) {
        return Ok(consent());
    }
    let recorded = facts.consent(cx.namespace().consent(&client.id, &login.subject))?;
    let given = recorded.is_some_and(|recorded| {
        recorded.record.entries.iter().any(|entry| {
            entry.redirect_uri == request.redirect_uri
                && entry.resources == request.resources
                && request.scope.is_subset(&entry.scope)
                && !entry.valid_until.is_past(cx.now)
        })
    });
    Ok(if given { Next::Grant(request.scope.clone()) } else { consent() })
}

/// Where it is kept what a user has allowed a client; `None` where no user is asked.
pub(super) fn consent_key(client: &Client, subject: &SubjectId, cx: &Context<'_>) -> Option<Key> {
    (client.consent != ConsentPolicy::FirstParty).then(|| cx.namespace().consent(&client.id, subject))
}

/// Whether a recorded consent may stand in for the user. Anyone on the device can receive at a loopback or
/// private-scheme URI, and nobody vouches for a public client that registered itself: there the user is asked anew. So
/// they are about claims asked for by name, of which no record says that they were allowed.
fn may_reuse_consent(request: &PendingRequest, client: &Client, cx: &Context<'_>) -> bool {
    if !claims_by_name(request).is_empty() {
        return false;
    }
    if cx.settings.dials.silent_consent == SilentConsent::Everywhere {
        return true;
    }
    let impersonable = client
        .redirect_uris
        .iter()
        .filter(|uri| uri.matches(&request.redirect_uri))
        .any(|uri| uri.is_loopback() || uri.is_private_scheme());
    let unvouched = client.self_registered && client.is_public();
    !(impersonable || unvouched)
}

/// The claims about the user that the request names itself, beyond those that its scope brings.
pub(super) fn claims_by_name(request: &PendingRequest) -> BTreeSet<&str> {
    request.claims.as_ref().map(|claims| user_claims::beyond(claims, &request.scope)).unwrap_or_default()
}

/// Remembers a client in the session that it learns of, so that it is told when the session ends.
pub(super) fn remember_client(
    decision: &mut Decision<Step>,
    client: &Client,
    session: Option<SessionId>,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<(), Halt> {
    let Some(id) = session else { return Ok(()) };
    let Some(before) = facts.session(cx.namespace().session(id))? else { return Ok(()) };
    if tells_of(decision, id) && session::forgot(before.record, client, cx) {
        let mut session = before.record.clone();
        session::remember(&mut session, id, client, &mut decision.batch, cx);
        decision.batch.put.push(session::put(id, session, cx));
    }
    Ok(())
}

/// Whether what is answered names the session: in an ID token, now or for the code.
pub(super) fn tells_of(decision: &Decision<Step>, id: SessionId) -> bool {
    let begins = |put: &Put| matches!(&*put.record, Record::Grant(grant) if grant.session == Some(id));
    let id_token = matches!(
        &decision.outcome,
        Ok(Step { action: Action::Respond(answer), .. })
            if answer.to_sign.as_ref().is_some_and(|front| front.id_token.is_some())
    );
    id_token || decision.batch.put.iter().any(begins)
}
