//! Logout at the request of a client (OpenID Connect RP-Initiated Logout), and what the browser tells other clients of it
//! (OpenID Connect Front-Channel Logout).
//!
//! ```text
//! request ─► verified ─► for the session of this browser? ──yes──► session ends ─► back to the client, or a page
//!               │                      │                              ▲
//!             page                     no ──► the user is asked ──yes─┘
//! ```
//!
//! Nothing is stored while the user is asked: the form carries the request, without its hint, and a token that only
//! pages of this browser and this session know. When the session has ended, the token has too.

use std::sync::Arc;

use smallvec::smallvec;

use super::browser::{Browser, Cookies, FormToken};
use crate::client::id_token_hint;
use crate::grant::{life, session};
use crate::protocol::{ClientId, MatchedRedirectUri, OAuthError, Params, Reason, Secret, SubjectId};
use crate::record::key_ring::IdTokenHint;
use crate::record::logout::LogoutUri;
use crate::record::{Client, Context, Decide, Decision, Event, EventKind, Facts, Halt, Session, SessionId};
use crate::token::subject::{seen_by, session_seen_by};

/// The parameters of a logout request, as they came (OpenID Connect RP-Initiated Logout §2).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogoutRequest {
    /// `id_token_hint`.
    pub id_token_hint: Option<Secret>,
    /// `client_id`.
    pub client_id: Option<String>,
    /// `post_logout_redirect_uri`.
    pub post_logout_redirect_uri: Option<String>,
    /// `state`.
    pub state: Option<String>,
    /// What the page may want to know.
    pub hints: LogoutHints,
}

/// What the client would like the page to know. Nothing here is verified.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogoutHints {
    /// `logout_hint`: who the user may be.
    pub logout_hint: Option<String>,
    /// `ui_locales`: languages of the page, by preference.
    pub ui_locales: Option<String>,
}

/// A logout request in a browser.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logout {
    /// What is asked.
    pub request: LogoutRequest,
    /// By which browser.
    pub browser: Browser,
    /// What the form of [`LogoutPage`] carried, once the user has said yes.
    pub csrf: Option<Secret>,
}

/// What happens next to a logout request.
#[derive(Clone, Debug)]
#[must_use]
pub struct LogoutStep {
    /// Ask the user, or say that it is done.
    pub action: LogoutAction,
    /// Cookies to send along.
    pub cookies: Cookies,
}

/// Ask the user, or say that it is done.
#[derive(Clone, Debug)]
pub enum LogoutAction {
    /// The user is asked: nothing has happened yet.
    Confirm(Box<LogoutPage>),
    /// Nobody is signed in any more. A host with sessions of its own ends its own now.
    LoggedOut(Box<LoggedOut>),
}

/// What the page needs to know that asks the user.
#[derive(Clone, Debug)]
pub struct LogoutPage {
    /// Who asks, as far as the request names somebody.
    pub client: Option<Arc<Client>>,
    /// Who is signed in.
    pub subject: SubjectId,
    /// What the client would like the page to know; nothing of it is verified.
    pub hints: LogoutHints,
    /// Where the browser will be sent after a yes.
    pub redirect_uri: Option<MatchedRedirectUri>,
    /// What the form of the page posts back to the logout endpoint: hidden fields, by name and value.
    pub fields: Vec<(&'static str, Secret)>,
}

/// What the browser gets when it is done.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoggedOut {
    /// Where the client wants the browser to go, with `state`; a page of the server's own where it does not say.
    pub location: Option<String>,
    /// Whether the browser goes there by itself. Else the page has a link: nobody vouches for a client that registered
    /// itself, and nobody was signed in whose word or whose session stands behind its request (RFC 9700 §4.11.2).
    pub goes_on: bool,
    /// What the browser loads, before it goes there: so clients learn of the logout.
    pub frames: Vec<LogoutFrame>,
}

/// A page of a client that signs the user out there when a browser loads it in a frame (OpenID Connect Front-Channel Logout
/// §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogoutFrame {
    /// `frontchannel_logout_uri`, with `iss` and `sid` where the client requires them.
    pub url: String,
    /// Its origin, as a source expression for the Content-Security-Policy directive `frame-src`.
    pub origin: String,
}

impl LogoutFrame {
    fn new(client: &Client, session: SessionId, cx: &Context<'_>) -> Option<Self> {
        let LogoutUri { uri, session_required } = client.logout.frontchannel.as_ref()?;
        let session = session_seen_by(client, session, cx).ok()?;
        let named = [("iss", cx.settings.issuer.as_str()), ("sid", &session)];
        let url = uri.as_registered().with_query(named.into_iter().filter(|_| *session_required));
        Some(Self { url, origin: uri.origin() })
    }
}

impl LogoutRequest {
    /// Reads the parameters.
    ///
    /// # Errors
    /// `invalid_request` for a parameter that is repeated or too long.
    pub fn read(params: &Params<'_>) -> Result<Self, OAuthError> {
        if let Some((name, fault)) = params.first_fault() {
            return Err(OAuthError::new(fault.into()).detail(name));
        }
        let text = |name: &str| params.get(name).map(str::to_owned);
        Ok(Self {
            id_token_hint: params.get("id_token_hint").map(Secret::new),
            client_id: text("client_id"),
            post_logout_redirect_uri: text("post_logout_redirect_uri"),
            state: text("state"),
            hints: LogoutHints { logout_hint: text("logout_hint"), ui_locales: text("ui_locales") },
        })
    }

    /// What of the request can be relied on. The URI is compared byte for byte with those registered with the client that
    /// the hint or the request names (OpenID Connect RP-Initiated Logout §3); without a client there is none.
    fn verify(&self, facts: &Facts, cx: &Context<'_>) -> Result<Verified, Halt> {
        let named = match (&self.id_token_hint, &self.client_id) {
            (Some(_), Some(id)) => facts.client(id)?,
            _ => None,
        };
        let hint = match &self.id_token_hint {
            Some(hint) => Some(
                id_token_hint::read(hint.expose(), named.map(AsRef::as_ref), facts, cx)?
                    .ok_or(Reason::LogoutHintInvalid)?,
            ),
            None => None,
        };
        if let (Some(hint), Some(named)) = (&hint, &self.client_id)
            && hint.client != *named
        {
            return Err(Reason::LogoutClientMismatch.into());
        }
        let client = match hint.as_ref().map(|hint| &hint.client).or(self.client_id.as_ref()) {
            Some(id) => Some(known_client(id, facts, cx)?),
            None => None,
        };
        let redirect_uri = match (&self.post_logout_redirect_uri, &client) {
            (Some(presented), Some(client)) => {
                let registered = &client.logout.post_logout_redirect_uris;
                let same = registered.iter().find(|uri| uri.as_str() == presented);
                Some(same.ok_or(Reason::LogoutRedirectUnregistered)?.as_registered())
            }
            (Some(_), None) => return Err(Reason::LogoutRedirectUnregistered.into()),
            (None, _) => None,
        };
        Ok(Verified { hint, client, redirect_uri })
    }
}

fn known_client(id: &str, facts: &Facts, cx: &Context<'_>) -> Result<Arc<Client>, Halt> {
    let client = facts.client(id)?.ok_or(Reason::LogoutClientUnknown)?;
    match life::standing(facts.client_state(cx.namespace().client_state(&client.id))?).disabled {
        true => Err(Reason::LogoutClientUnknown.into()),
        false => Ok(Arc::clone(client)),
    }
}

struct Verified {
    hint: Option<IdTokenHint>,
    client: Option<Arc<Client>>,
    redirect_uri: Option<MatchedRedirectUri>,
}

/// Whom a logout would sign out.
struct Current<'f> {
    subject: SubjectId,
    /// The session of the library's own; `None` where the host keeps its own.
    session: Option<(SessionId, &'f Session)>,
}

impl<'f> Current<'f> {
    fn of(browser: &Browser, facts: &'f Facts, cx: &Context<'_>) -> Result<Option<Self>, Halt> {
        if let Some(login) = &browser.host_login {
            return Ok(Some(Self { subject: login.subject.clone(), session: None }));
        }
        let session = browser.proven_session(facts, cx)?;
        Ok(session.map(|own| Self { subject: own.1.subject.clone(), session: Some(own) }))
    }

    /// Whether the client holds an ID token of this very session: then its word is enough.
    fn is_named_by(&self, verified: &Verified, cx: &Context<'_>) -> Result<bool, Reason> {
        let (Some(hint), Some(client)) = (&verified.hint, &verified.client) else { return Ok(false) };
        let session = self.session.map(|(id, _)| session_seen_by(client, id, cx)).transpose()?;
        Ok(hint.session == session && hint.subject == seen_by(client, &self.subject, cx)?.as_str())
    }
}

impl Decide for Logout {
    type Plan = LogoutStep;

    fn client_id(&self) -> Option<ClientId> {
        Some(self.request.client_id.as_deref()?.into())
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<LogoutStep>, Halt> {
        let verified = self.request.verify(facts, cx)?;
        let current = Current::of(&self.browser, facts, cx)?;
        if let Some(current) = &current {
            let named = current.is_named_by(&verified, cx)?;
            match &self.csrf {
                Some(csrf) => self.browser.check_form(csrf, &cx.settings.sealer)?,
                None if named => {}
                None => return Ok(self.ask(verified, current.subject.clone(), cx)),
            }
        }
        self.log_out(&verified, current, facts, cx)
    }
}

impl Logout {
    fn ask(&self, verified: Verified, subject: SubjectId, cx: &Context<'_>) -> Decision<LogoutStep> {
        let FormToken { csrf, cookies } = self.browser.form_token(cx);
        let Verified { client, redirect_uri, .. } = verified;
        let fields = [
            ("client_id", client.as_ref().map(|client| Secret::new(client.id.as_str()))),
            ("post_logout_redirect_uri", redirect_uri.as_ref().map(|uri| Secret::new(uri.as_str()))),
            ("state", self.request.state.as_deref().map(Secret::new)),
            ("csrf", Some(csrf)),
        ];
        let fields = fields.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let hints = self.request.hints.clone();
        let page = LogoutPage { client, subject, hints, redirect_uri, fields };
        Decision::answer(cx, LogoutStep { action: LogoutAction::Confirm(Box::new(page)), cookies })
    }

    /// Ends the session, if there is one: to be signed out already is no error (OpenID Connect RP-Initiated Logout §4).
    fn log_out(
        &self,
        verified: &Verified,
        current: Option<Current<'_>>,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Decision<LogoutStep>, Halt> {
        let state = self.request.state.as_deref().map(|state| ("state", state));
        let location = verified.redirect_uri.as_ref().map(|uri| uri.with_query(state));
        let session = current.as_ref().and_then(|current| current.session);
        let frames = match session {
            Some((id, ended)) => frames(id, ended, facts, cx)?,
            None => Vec::new(),
        };
        let vouched = verified.client.as_ref().is_some_and(|client| !client.self_registered);
        let goes_on = vouched || current.is_some();
        let action = LogoutAction::LoggedOut(Box::new(LoggedOut { location, goes_on, frames }));
        let step = LogoutStep { action, cookies: Cookies::signed_out() };
        let Some(current) = current else { return Ok(Decision::answer(cx, step)) };
        let event = Event::new(EventKind::SignedOut).subject(Some(&current.subject));
        let event = verified.client.iter().fold(event, |event, client| event.client(&client.id));
        let mut batch = cx.batch();
        if let Some((id, ended)) = session {
            session::end(id, ended, &mut batch, cx);
        }
        Ok(Decision { batch, outcome: Ok(step), events: smallvec![event] })
    }
}

/// The frames for the clients of a session that are told by the browser, as they are registered now.
fn frames(
    id: SessionId,
    session: &Session,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Vec<LogoutFrame>, Halt> {
    if !cx.settings.frontchannel_logout {
        return Ok(Vec::new());
    }
    let frame = |client: &ClientId| {
        Ok(facts.client(client.as_str())?.and_then(|client| LogoutFrame::new(client, id, cx)))
    };
    session.clients.iter().filter_map(|client| frame(client).transpose()).collect()
}
