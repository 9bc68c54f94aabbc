//! What the host's page is shown of an interaction: who asks for what, and why the user is needed.

use std::sync::Arc;

use super::browser::Browser;
use super::decide;
use super::interaction::read_ahead;
use super::open::{Asked, Open};
use crate::protocol::{MatchedRedirectUri, Resource, Scope, Secret, SubjectId, UserCode};
use crate::record::interaction::{InteractReason, Interaction, PageHints};
use crate::record::{Client, Context, Decide, Decision, Facts, Halt, InteractionId};

/// Looks at an interaction, for the host's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// Which one.
    pub id: InteractionId,
    /// The browser that asks.
    pub browser: Browser,
}

/// What the host's page needs to know.
#[derive(Clone, Debug)]
pub struct InteractionView {
    /// Which one.
    pub id: InteractionId,
    /// Who asks.
    pub client: Arc<Client>,
    /// What the user is needed for.
    pub reason: InteractReason,
    /// Which step of the host's own, where it is for one.
    pub step: Option<Arc<str>>,
    /// Who is signed in for it, or who could go on without signing in again.
    pub subject: Option<SubjectId>,
    /// What the client would like the page to know; nothing of it is verified.
    pub hints: PageHints,
    /// What is asked.
    pub scope: Scope,
    /// The claims about the user that are asked for by name, beyond those that `scope` brings; who approves allows them
    /// (OpenID Connect Core §5.5).
    pub claims: Vec<String>,
    /// For which resources.
    pub resources: Vec<Resource>,
    /// Who waits for the answer.
    pub destination: Destination,
    /// Goes into the form and comes back with it.
    pub csrf: Secret,
}

/// Who waits for the answer of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Destination {
    /// The client, to which the browser will be sent: here exactly.
    RedirectUri(MatchedRedirectUri),
    /// A device that shows this code. The page has to show it, too, and the user to compare (RFC 8628 §5.4).
    Device(UserCode),
}

impl Destination {
    /// Where the browser will be sent, as a source of the page's `form-action` (Content Security Policy).
    #[must_use]
    pub fn origin(&self) -> Option<String> {
        match self {
            Self::RedirectUri(uri) => Some(uri.origin()),
            Self::Device(_) => None,
        }
    }
}

impl Decide for View {
    type Plan = InteractionView;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let named = |_: &Interaction| {
            let subject = self.browser.claimed_subject(facts, cx)?;
            Ok([subject.map(|subject| cx.namespace().subject(&subject)), None])
        };
        read_ahead(self.id, [self.browser.session_key(cx), None], named, facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<InteractionView>, Halt> {
        let open = Open::find(self.id, &self.browser, facts, cx)?;
        let signed_in = open.same_user(&self.browser, facts, cx)?;
        let (reason, subject) = match (signed_in, open.record.record.reason) {
            (Some(login), InteractReason::Step) => (InteractReason::Step, Some(login.subject)),
            (Some(login), _) => (InteractReason::Consent, Some(login.subject)),
            (None, InteractReason::SelectAccount) => match self.browser.signed_in(facts, cx)? {
                Some(login) => (InteractReason::SelectAccount, Some(login.subject)),
                None => (InteractReason::Login, None),
            },
            (None, InteractReason::Create) => (InteractReason::Create, None),
            (None, _) => (InteractReason::Login, None),
        };
        let mut view = InteractionView {
            id: self.id,
            client: Arc::clone(open.client),
            reason,
            step: open.record.record.step.clone().filter(|_| reason == InteractReason::Step),
            subject,
            hints: PageHints::default(),
            scope: open.asked.scope().clone(),
            claims: Vec::new(),
            resources: open.asked.resources().to_vec(),
            destination: open.destination(cx)?,
            csrf: open.csrf(&self.browser, cx),
        };
        if let Asked::Authorization(request) = &open.asked {
            view.hints = request.hints.as_deref().cloned().unwrap_or_default();
            view.claims = decide::claims_by_name(request).into_iter().map(str::to_owned).collect();
        }
        Ok(Decision::answer(cx, view))
    }
}
