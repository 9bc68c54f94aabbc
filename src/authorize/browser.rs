//! The browser: the cookies it brings, the cookies it gets, and who is signed in.

use std::borrow::Cow;
use std::time::Duration;

use url::form_urlencoded::byte_serialize;

use crate::grant::{begin, life};
use crate::jose::{Purpose, Sealer};
use crate::protocol::{Digest, Issuer, OAuthError, Reason, Secret, SubjectId};
use crate::record::interaction::SignedIn;
use crate::record::{Context, Decide, Decision, Facts, Halt, Key, Session, SessionId};
use crate::token::{Handle, HandleKind};

/// What came with a request from a browser.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Browser {
    /// The session cookie, if it can be one of ours.
    pub session: Option<Handle>,
    /// The cookie that binds interactions to this browser, if it can be one of ours.
    pub binding: Option<Handle>,
    /// The cookie that scripts may read, if it can be one of ours.
    pub state: Option<Digest>,
    /// Who is signed in, where the host keeps sessions of its own. The library's session is then not looked at.
    pub host_login: Option<HostLogin>,
}

/// A user whom the host's own session has signed in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HostLogin {
    /// Who.
    pub subject: SubjectId,
    /// Whether the host's session signs in several users of which this is the one it would suggest, until the user has
    /// chosen. A client that names its user is answered without a choice (OpenID Connect Core §3.1.2.1).
    pub one_of_several: bool,
    /// How and when. A login that is older than the client asked for (`max_age`, `prompt=login`) answers no interaction: the
    /// user is asked to sign in again.
    pub authentication: crate::record::grant::Authentication,
}

/// The cookies of this library.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cookie {
    /// Holds the session.
    Session,
    /// Binds interactions to the browser.
    Binding,
    /// Shows to scripts of this server, in a frame too, whether someone else has signed in (OpenID Connect Session
    /// Management §3.2).
    State,
}

impl Cookie {
    /// Its name at an issuer; the prefix makes browsers refuse it from anywhere but this very host over TLS (RFC 6265bis
    /// §4.1.3.2). Without TLS, on a loopback address, the prefix is not possible. An issuer with a path has it in the name,
    /// so that issuers of one host do not take each other's.
    #[must_use]
    pub fn name(self, issuer: &Issuer) -> Cow<'static, str> {
        let name = match (self, issuer.is_https()) {
            (Self::Session, true) => "__Host-grantor_session",
            (Self::Session, false) => "grantor_session",
            (Self::Binding, true) => "__Host-grantor_browser",
            (Self::Binding, false) => "grantor_browser",
            (Self::State, true) => "__Host-grantor_state",
            (Self::State, false) => "grantor_state",
        };
        match issuer.path() {
            "" => Cow::Borrowed(name),
            path => {
                Cow::Owned(byte_serialize(path.as_bytes()).fold(name.to_owned(), |name, part| name + part))
            }
        }
    }
}

/// What to do with the cookies of this library; the host sends it with whatever it answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cookies {
    set: Vec<(Cookie, Option<(Secret, Duration)>)>,
}

impl Cookies {
    /// Sets a cookie for so long.
    pub(crate) fn set(&mut self, cookie: Cookie, value: Secret, lifetime: Duration) {
        self.set.push((cookie, Some((value, lifetime))));
    }

    /// Removes the cookies that say who is signed in.
    #[must_use]
    pub fn signed_out() -> Self {
        Self { set: vec![(Cookie::Session, None), (Cookie::State, None)] }
    }

    /// The `Set-Cookie` header values (RFC 6265 §4.1), for the whole host: HttpOnly and SameSite=Lax but for the one that
    /// scripts read, which a frame in a page of another site has to see.
    pub fn headers(&self, issuer: &Issuer) -> impl Iterator<Item = String> {
        let secure = issuer.is_https();
        self.set.iter().map(move |(cookie, value)| {
            let (value, age) =
                value.as_ref().map_or(("", 0), |(value, lifetime)| (value.expose(), lifetime.as_secs()));
            let reach = match (cookie, secure) {
                (Cookie::State, true) => "SameSite=None",
                (Cookie::State, false) => "SameSite=Lax",
                (Cookie::Session | Cookie::Binding, _) => "HttpOnly; SameSite=Lax",
            };
            let suffix = if secure { "; Secure" } else { "" };
            format!("{}={value}; Path=/; {reach}; Max-Age={age}{suffix}", cookie.name(issuer))
        })
    }
}

/// What a form of the host's own carries, outside any interaction: its sign-in, its sign-out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormToken {
    /// Goes into the form and comes back with it. Only who can read pages of this browser knows it, and another
    /// session has another.
    pub csrf: Secret,
    /// Binds the browser, where it is not bound yet.
    pub cookies: Cookies,
}

/// Asks who is signed in.
impl Decide for Browser {
    type Plan = Option<SignedIn>;

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Option<SignedIn>>, Halt> {
        Ok(Decision::answer(cx, self.signed_in(facts, cx)?))
    }
}

impl Browser {
    /// Picks the cookies of this library out of the `Cookie` headers. Of two with one name the first that can be one of
    /// ours counts.
    #[must_use]
    pub fn from_cookie_headers<'h>(headers: impl IntoIterator<Item = &'h str>, issuer: &Issuer) -> Self {
        let [session, binding, state] =
            [Cookie::Session, Cookie::Binding, Cookie::State].map(|cookie| cookie.name(issuer));
        let mut browser = Self::default();
        for pair in headers.into_iter().flat_map(|header| header.split(';')) {
            let Some((name, value)) = pair.trim().split_once('=') else { continue };
            if name == state {
                browser.state = browser.state.or_else(|| Digest::from_base64url(value));
            }
            let (field, kind) = match name {
                name if name == session => (&mut browser.session, HandleKind::Session),
                name if name == binding => (&mut browser.binding, HandleKind::Browser),
                _ => continue,
            };
            *field = field.take().or_else(|| Handle::decode(kind, value));
        }
        browser
    }

    /// The session named by the cookie, unproven.
    #[must_use]
    pub fn session_id(&self) -> Option<SessionId> {
        self.session.as_ref().map(|handle| SessionId(handle.id))
    }

    /// Where the session named by the cookie is kept.
    pub(super) fn session_key(&self, cx: &Context<'_>) -> Option<Key> {
        self.session_id().map(|id| cx.namespace().session(id))
    }

    /// The session that the cookie proves, expired or not.
    ///
    /// # Errors
    /// [`Halt::Need`] while the session is unknown.
    pub(crate) fn proven_session<'f>(
        &self,
        facts: &'f Facts,
        cx: &Context<'_>,
    ) -> Result<Option<(SessionId, &'f Session)>, Halt> {
        let Some(handle) = &self.session else { return Ok(None) };
        let id = SessionId(handle.id);
        let session = facts.session(cx.namespace().session(id))?.map(|session| session.record);
        let proven = session.filter(|session| session.digest == handle.digest(HandleKind::Session));
        Ok(proven.map(|session| (id, session)))
    }

    /// Who seems to be signed in, so that what depends on it can be read in one go.
    pub(super) fn claimed_subject(&self, facts: &Facts, cx: &Context<'_>) -> Result<Option<SubjectId>, Halt> {
        if let Some(login) = &self.host_login {
            return Ok(Some(login.subject.clone()));
        }
        let Some(session) = self.session_key(cx) else { return Ok(None) };
        Ok(facts.session(session)?.map(|session| session.record.subject.clone()))
    }

    /// Who is signed in, if anyone is: the session lives and its subject may be acted for.
    ///
    /// # Errors
    /// [`Halt::Need`] while a fact is missing; `server_error` when the host's user bears a name that no user may.
    pub fn signed_in(&self, facts: &Facts, cx: &Context<'_>) -> Result<Option<SignedIn>, Halt> {
        let (subject, authentication, session, epoch) = match &self.host_login {
            Some(login) => {
                begin::check_subject(&login.subject, facts)?;
                (login.subject.clone(), login.authentication.clone(), None, None)
            }
            None => {
                let Some(handle) = &self.session else { return Ok(None) };
                let id = SessionId(handle.id);
                let Some(session) = facts.session(cx.namespace().session(id))? else { return Ok(None) };
                let session = session.record;
                if session.digest != handle.digest(HandleKind::Session) || session.valid_until.is_past(cx.now)
                {
                    return Ok(None);
                }
                (
                    session.subject.clone(),
                    session.authentication.clone(),
                    Some(id),
                    Some(session.subject_epoch),
                )
            }
        };
        let standing = life::standing(facts.subject(cx.namespace().subject(&subject))?);
        let stale = epoch.is_some_and(|epoch| epoch != standing.epoch);
        if standing.disabled || stale || !life::has_account(&subject, facts, cx)? {
            return Ok(None);
        }
        Ok(Some(SignedIn { subject, subject_epoch: standing.epoch, authentication, session }))
    }

    /// The digest of this browser's binding cookie.
    pub(crate) fn binding_digest(&self) -> Option<Digest> {
        Some(self.binding.as_ref()?.digest(HandleKind::Browser))
    }

    /// The token for a form of the host's own.
    #[must_use]
    pub fn form_token(&self, cx: &Context<'_>) -> FormToken {
        let sealer = &cx.settings.sealer;
        if let Some(csrf) = self.form_csrf(sealer) {
            return FormToken { csrf, cookies: Cookies::default() };
        }
        let binding = new_binding(cx);
        let mut cookies = Cookies::default();
        cookies.set(Cookie::Binding, binding.encode(HandleKind::Browser), cx.settings.lifetimes.session);
        FormToken { csrf: form_csrf(sealer, &binding, self.session.as_ref()), cookies }
    }

    /// Whether `csrf` comes from a form that carried the [`FormToken`] of this browser.
    ///
    /// # Errors
    /// [`Reason::CsrfMismatch`].
    pub fn check_form(&self, csrf: &Secret, sealer: &Sealer) -> Result<(), OAuthError> {
        let digest = |token: &Secret| Digest::of(token.expose().as_bytes());
        match self.form_csrf(sealer) {
            Some(expected) if digest(&expected) == digest(csrf) => Ok(()),
            _ => Err(Reason::CsrfMismatch.into()),
        }
    }

    fn form_csrf(&self, sealer: &Sealer) -> Option<Secret> {
        Some(form_csrf(sealer, self.binding.as_ref()?, self.session.as_ref()))
    }
}

/// A new binding cookie.
pub(crate) fn new_binding(cx: &Context<'_>) -> Handle {
    Handle { id: cx.id(), secret: cx.random.secret() }
}

fn form_csrf(sealer: &Sealer, binding: &Handle, session: Option<&Handle>) -> Secret {
    let session = session.map_or(&[][..], |session| &session.secret);
    let mac = sealer.mac(Purpose::Csrf, &[b"form", &binding.secret, session]);
    Secret::new(Digest(mac).to_base64url())
}
