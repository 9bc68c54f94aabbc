//! Signing in: for an authorization request that waits, or to this server alone; and the choice to go on as whoever is
//! signed in already.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use grantor::authorize::{
    Action, Continue, Cookies, ForgetLogin, FormAnswer, HostLogin, InteractReason, InteractionView, Login,
    Step, View,
};
use grantor::host::Clock as _;
use grantor::protocol::{Digest, OAuthError, Params, Reason, Secret, SubjectId};
use grantor::record::InteractionId;
use http::{HeaderValue, Method, StatusCode, header};

use crate::app::App;
use crate::device;
use crate::pages::{self, AccountPage, LoginPage, LoginProblem};
use crate::users::User;
use crate::visit::{self, Answer, Visit};

/// The authentication context class of a login here, the only one there is: by a password and nothing else (SAML 2.0
/// Authentication Context §3.4).
pub(crate) const PASSWORD_CLASS: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";

/// `GET /login`: the form, or the choice of accounts unless `account=other` says that it was made.
pub(crate) async fn show(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let query = visit.query()?;
    let asked = Asked::find(&app, &visit, &query).await?;
    match &asked.by {
        Some((id, view)) => match (view.reason, &view.subject) {
            (InteractReason::Consent, _) => Ok(visit::go_to(&format!("/consent?interaction={id}"))),
            (InteractReason::SelectAccount, Some(subject)) if query.get("account") != Some("other") => {
                choice(&app, *id, view, subject)
            }
            _ => asked.page(&app, view.hints.login_hint.as_deref().unwrap_or_default(), None),
        },
        None if app.server.signed_in(&visit.browser).await?.is_some() => {
            Ok(visit::go_to(&asked.then.location()))
        }
        None => asked.page(&app, "", None),
    }
}

/// `POST /continue`: as who is signed in.
pub(crate) async fn go_on(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let answer = FormAnswer::read(&visit.form()?)?;
    let step = app.server.go_on(&Continue { answer, browser: visit.browser }).await;
    Ok(app.http.step(step, &Method::POST).map(Body::from))
}

/// `POST /sign-out`: from a consent page, to go on as somebody else.
pub(crate) async fn as_somebody_else(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let answer = FormAnswer::read(&visit.form()?)?;
    let step = app.server.forget_login(&ForgetLogin { answer, browser: visit.browser }).await;
    Ok(app.http.step(step, &Method::POST).map(Body::from))
}

/// The choice between who is signed in and somebody else.
fn choice(app: &App, id: InteractionId, view: &InteractionView, subject: &SubjectId) -> Answer {
    let page = AccountPage {
        client_name: pages::client_name(&view.client),
        username: subject.as_str(),
        call_name: app.users.by_subject(subject).map_or(subject.as_str(), User::call_name),
        interaction: &id.to_string(),
        csrf: view.csrf.expose(),
    };
    visit::page(&page, view.destination.origin().as_deref())
}

/// `POST /login`.
pub(crate) async fn submit(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let form = visit.form()?;
    let asked = Asked::find(&app, &visit, &form).await?;
    let csrf = visit::csrf(&form)?;
    asked.check(&app, &visit, &csrf)?;
    let username = form.get("username").unwrap_or_default();
    let password = Secret::new(form.get("password").unwrap_or_default());

    let attempt = match app.throttle.attempt(username, visit.address, app.clock.now()) {
        Ok(attempt) => attempt,
        Err(seconds) => return asked.too_many_attempts(&app, username, seconds),
    };
    let Some(user) = app.users.authenticate(username, password).await? else {
        tracing::info!(address = %visit.address, "a sign-in failed");
        return asked.page(&app, username, Some(LoginProblem::WrongPassword));
    };
    app.throttle.succeeded(&attempt);

    let mut login = HostLogin::now(user.username.as_str(), app.clock.now());
    login.authentication.acr = Some(PASSWORD_CLASS.into());
    login.authentication.amr = vec!["pwd".into()];
    let interaction = asked.by.map(|(id, _)| FormAnswer { id, csrf });
    let step = app.server.login(&Login { interaction, login, browser: visit.browser }).await;
    match step {
        Ok(Step { action: Action::SignedIn, cookies }) => {
            Ok(visit::with_cookies(&app, visit::go_to(&asked.then.location()), &cookies))
        }
        step => Ok(app.http.step(step, &Method::POST).map(Body::from)),
    }
}

/// Where someone goes who signs in to this server itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// To the front page.
    Home,
    /// To enter a user code, which may be known already.
    Device(String),
}

impl Then {
    fn read(params: &Params<'_>) -> Self {
        match params.get("then") {
            Some("device") => Self::Device(params.get("user_code").unwrap_or_default().to_owned()),
            _ => Self::Home,
        }
    }

    fn location(&self) -> String {
        match self {
            Self::Home => "/".to_owned(),
            Self::Device(user_code) => device::location(user_code),
        }
    }
}

/// Who asks for the sign-in, and what its form carries.
struct Asked {
    /// The authorization request that waits; none when someone signs in to this server itself.
    by: Option<(InteractionId, InteractionView)>,
    csrf: Secret,
    cookies: Cookies,
    then: Then,
}

impl Asked {
    async fn find(app: &App, visit: &Visit, params: &Params<'_>) -> Result<Self, OAuthError> {
        let browser = visit.browser.clone();
        let then = Then::read(params);
        match visit::interaction(params)? {
            Some(id) => {
                let view = app.server.interaction(&View { id, browser }).await?;
                Ok(Self { csrf: view.csrf.clone(), by: Some((id, view)), cookies: Cookies::default(), then })
            }
            None => {
                let token = app.server.form_token(&browser)?;
                Ok(Self { csrf: token.csrf, by: None, cookies: token.cookies, then })
            }
        }
    }

    /// Whether the form is one of ours. This comes before the password is looked at: nobody else may have this
    /// browser try passwords.
    fn check(&self, app: &App, visit: &Visit, csrf: &Secret) -> Result<(), OAuthError> {
        if self.by.is_none() {
            return app.server.check_form(&visit.browser, csrf);
        }
        let digest = |token: &Secret| Digest::of(token.expose().as_bytes());
        if digest(&self.csrf) == digest(csrf) { Ok(()) } else { Err(Reason::CsrfMismatch.into()) }
    }

    fn page(&self, app: &App, username: &str, problem: Option<LoginProblem>) -> Answer {
        let view = self.by.as_ref().map(|(_, view)| view);
        let id = self.by.as_ref().map(|(id, _)| id.to_string());
        let page = LoginPage {
            client_name: view.map(|view| pages::client_name(&view.client)),
            interaction: id.as_deref(),
            csrf: self.csrf.expose(),
            device: match &self.then {
                Then::Device(user_code) if view.is_none() => Some(user_code),
                _ => None,
            },
            username,
            wants_account: view.is_some_and(|view| view.reason == InteractReason::Create),
            problem,
        };
        let form_action = view.and_then(|view| view.destination.origin());
        let response = visit::page(&page, form_action.as_deref())?;
        Ok(visit::with_cookies(app, response, &self.cookies))
    }

    fn too_many_attempts(&self, app: &App, username: &str, seconds: u64) -> Answer {
        let mut response = self.page(app, username, Some(LoginProblem::TooManyAttempts { seconds }))?;
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        Ok(response)
    }
}
