//! An interaction while it waits: what it asks, and what comes next once someone has signed in for it.

use std::borrow::Cow;
use std::sync::Arc;

use super::browser::{Browser, Cookies};
use super::decide::{self, Action, Ask, Interact, Next, Step};
use super::interaction::FormAnswer;
use super::request::still_asked;
use super::response::{AuthorizationResponse, still_registered};
use super::view::Destination;
use super::{device, grant};
use crate::grant::life;
use crate::jose::Purpose;
use crate::protocol::scope::OPENID;
use crate::protocol::{ClientId, Reason, Resource, Scope, Secret};
use crate::record::interaction::{InteractReason, Interaction, Pending, PendingRequest, SignedIn};
use crate::record::{Client, Context, Decision, Event, EventKind, Facts, Halt, InteractionId, Versioned};

/// An interaction that waits, found by the browser it belongs to.
pub(super) struct Open<'f> {
    pub(super) id: InteractionId,
    pub(super) record: Versioned<&'f Interaction>,
    pub(super) asked: Asked<'f>,
    /// The scope that a page may have shown.
    pub(super) shown: &'f Scope,
    pub(super) client: &'f Arc<Client>,
}

/// What of a request that waits may be asked now.
pub(super) enum Asked<'f> {
    Authorization(Cow<'f, PendingRequest>),
    Device(device::Waiting<'f>),
}

impl Asked<'_> {
    pub(super) fn scope(&self) -> &Scope {
        match self {
            Self::Authorization(request) => &request.scope,
            Self::Device(device) => &device.scope,
        }
    }

    pub(super) fn resources(&self) -> &[Resource] {
        match self {
            Self::Authorization(request) => &request.resources,
            Self::Device(device) => &device.grant.resources,
        }
    }

    /// Whether this scope would leave nothing to answer: an ID token is all that some response types answer with.
    pub(super) fn is_pointless_within(&self, scope: &Scope) -> bool {
        match self {
            Self::Authorization(request) => request.response_type.has_id_token() && !scope.contains(OPENID),
            Self::Device(_) => false,
        }
    }
}

impl<'f> Open<'f> {
    pub(super) fn find(
        id: InteractionId,
        browser: &Browser,
        facts: &'f Facts,
        cx: &Context<'_>,
    ) -> Result<Self, Halt> {
        let record = facts.interaction(cx.namespace().interaction(id))?.ok_or(Reason::InteractionUnknown)?;
        if browser.binding_digest() != Some(record.record.browser) {
            return Err(Reason::InteractionOtherBrowser.into());
        }
        if record.record.valid_until.is_past(cx.now) {
            return Err(Reason::InteractionUnknown.into());
        }
        let request = &record.record.request;
        let client = facts.client(request.client().as_str())?.ok_or(Reason::AuthorizeClientUnknown)?;
        if life::standing(facts.client_state(cx.namespace().client_state(&client.id))?).disabled {
            return Err(Reason::AuthorizeClientUnknown.into());
        }
        let (asked, shown) = match request {
            Pending::Authorization(request) => {
                (Asked::Authorization(still_asked(request, client, cx)?), &request.scope)
            }
            Pending::Device(device) => {
                let device = device::Waiting::find(device, facts, cx)?;
                let shown = &device.grant.scope;
                (Asked::Device(device), shown)
            }
        };
        Ok(Self { id, record, asked, shown, client })
    }

    pub(super) fn answered(
        answer: &FormAnswer,
        browser: &Browser,
        facts: &'f Facts,
        cx: &Context<'_>,
    ) -> Result<Self, Halt> {
        let open = Self::find(answer.id, browser, facts, cx)?;
        let expected = crate::protocol::Digest::of(open.csrf(browser, cx).expose().as_bytes());
        if crate::protocol::Digest::of(answer.csrf.expose().as_bytes()) != expected {
            return Err(Reason::CsrfMismatch.into());
        }
        Ok(open)
    }

    /// The client, if it asked who the user is.
    pub(super) fn told(&self) -> Option<&'f ClientId> {
        Some(&self.client.id).filter(|_| self.asked.scope().contains(OPENID))
    }

    pub(super) fn destination(&self, cx: &Context<'_>) -> Result<Destination, Reason> {
        match &self.asked {
            Asked::Authorization(request) => still_registered(request, self.client)
                .map(Destination::RedirectUri)
                .ok_or(Reason::RedirectUriUnregistered),
            Asked::Device(device) => Ok(Destination::Device(device.user_code(cx))),
        }
    }

    /// Something that happens to this request.
    pub(super) fn event(&self, kind: EventKind) -> Event {
        let event = Event::new(kind).client(&self.client.id);
        match &self.asked {
            Asked::Authorization(_) => event,
            Asked::Device(device) => event.grant(device.id),
        }
    }

    /// What the forms of this interaction carry: known only to who can read pages of this browser.
    pub(super) fn csrf(&self, browser: &Browser, cx: &Context<'_>) -> Secret {
        let binding = browser.binding.as_ref().map_or(&[][..], |binding| &binding.secret);
        let mac = cx.settings.sealer.mac(Purpose::Csrf, &[&self.id.0.0, binding]);
        Secret::new(crate::protocol::Digest(mac).to_base64url())
    }

    /// Who has signed in for this interaction, as long as that is still who is signed in in this browser.
    pub(super) fn same_user(
        &self,
        browser: &Browser,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Option<SignedIn>, Halt> {
        let Some(login) = &self.record.record.login else { return Ok(None) };
        Ok(browser.signed_in(facts, cx)?.filter(|now| now.subject == login.subject))
    }

    /// The user has signed in: the request is answered, or the user is asked.
    pub(super) fn signed_in(
        &self,
        login: SignedIn,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Decision<Step>, Halt> {
        let Asked::Authorization(request) = &self.asked else {
            let ask = self.required(&login, facts, cx)?.unwrap_or(InteractReason::Consent.into());
            return Ok(self.wait(Some(login), ask, cx));
        };
        if let Some(refused) = self.unsuited(&login, cx)? {
            return Ok(refused);
        }
        match decide::next(request, self.client, &login, facts, cx)? {
            Next::Grant(scope) => {
                let mut decision = grant::grant(request, self.client, &login, &scope, facts, cx)?;
                self.close(&mut decision, cx);
                Ok(decision)
            }
            Next::Ask(ask) => Ok(self.wait(Some(login), ask, cx)),
        }
    }

    /// Whether a login is as recent as the client asked for (OpenID Connect Core §3.1.2.1): another than the one that was judged
    /// when the request came.
    pub(super) fn is_fresh_enough(&self, login: &SignedIn) -> bool {
        let Asked::Authorization(request) = &self.asked else { return true };
        request.signed_in_since.is_none_or(|since| login.authentication.auth_time >= since)
    }

    /// The refusal, where this login is not what the client needs.
    pub(super) fn unsuited(
        &self,
        login: &SignedIn,
        cx: &Context<'_>,
    ) -> Result<Option<Decision<Step>>, Reason> {
        let Asked::Authorization(request) = &self.asked else { return Ok(None) };
        let Err(reason) = decide::suits(request, self.client, login, cx) else { return Ok(None) };
        let response = AuthorizationResponse::error_for(request, self.client, reason.into(), cx)
            .ok_or(Reason::RedirectUriUnregistered)?;
        let event = Event::new(EventKind::Refused).client(&request.client).reason(reason);
        let mut decision = Decision::answer(cx, Step::respond(response)).event(event);
        self.close(&mut decision, cx);
        Ok(Some(decision))
    }

    /// The step that the host requires of the user first.
    pub(super) fn required(
        &self,
        login: &SignedIn,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Option<Ask>, Halt> {
        decide::required(&self.client.id, self.asked.scope(), login, facts, cx)
    }

    pub(super) fn needs_login(&self, cx: &Context<'_>) -> Decision<Step> {
        self.wait(None, InteractReason::Login.into(), cx)
    }

    pub(super) fn wait(
        &self,
        login: Option<SignedIn>,
        Ask { reason, step }: Ask,
        cx: &Context<'_>,
    ) -> Decision<Step> {
        let interaction = Interaction { login, reason, step, ..self.record.record.clone() };
        let step =
            Step { action: Action::Interact(Interact { id: self.id, reason }), cookies: Cookies::default() };
        let mut decision = Decision::answer(cx, step);
        decision.batch.put.push(decide::put(self.id, interaction, cx));
        decision
    }

    /// Ends the interaction.
    pub(super) fn close(&self, decision: &mut Decision<Step>, cx: &Context<'_>) {
        decision.batch.delete.push(cx.namespace().interaction(self.id));
    }
}
