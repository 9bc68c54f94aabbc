//! Signing in: for an authorization request that waits, or to this server alone.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use grantor::authorize::{Cookies, FormAnswer, HostLogin, InteractReason, InteractionView, Login, View};
use grantor::host::Clock as _;
use grantor::protocol::{Digest, OAuthError, Params, Reason, Secret};
use grantor::record::InteractionId;
use http::{HeaderValue, Method, StatusCode, header};

use crate::app::App;
use crate::pages::{LoginPage, LoginProblem};
use crate::visit::{self, Answer, Visit};

/// `GET /login`.
pub(crate) async fn show(State(app): State<Arc<App>>, visit: Visit) -> Answer {
    let asked = Asked::find(&app, &visit, &visit.query()?).await?;
    match &asked.by {
        Some((id, view)) if view.reason == InteractReason::Consent => {
            Ok(visit::go_to(&format!("/consent?interaction={id}")))
        }
        None if app.server.signed_in(&visit.browser).await?.is_some() => Ok(visit::go_to("/")),
        _ => asked.page(&app, "", None),
    }
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
    login.authentication.amr = vec!["pwd".into()];
    let interaction = asked.by.map(|(id, _)| FormAnswer { id, csrf });
    let step = app.server.login(&Login { interaction, login, browser: visit.browser }).await;
    Ok(app.http.step(step, &Method::POST).map(Body::from))
}

/// Who asks for the sign-in, and what its form carries.
struct Asked {
    /// The authorization request that waits; none when someone signs in to this server itself.
    by: Option<(InteractionId, InteractionView)>,
    csrf: Secret,
    cookies: Cookies,
}

impl Asked {
    async fn find(app: &App, visit: &Visit, params: &Params<'_>) -> Result<Self, OAuthError> {
        let browser = visit.browser.clone();
        match visit::interaction(params)? {
            Some(id) => {
                let view = app.server.interaction(&View { id, browser }).await?;
                Ok(Self { csrf: view.csrf.clone(), by: Some((id, view)), cookies: Cookies::default() })
            }
            None => {
                let token = app.server.form_token(&browser)?;
                Ok(Self { csrf: token.csrf, by: None, cookies: token.cookies })
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
            client_name: view.map(|view| view.client.name.as_deref().unwrap_or(view.client.id.as_str())),
            interaction: id.as_deref(),
            csrf: self.csrf.expose(),
            username,
            problem,
        };
        let form_action = view.map(|view| view.redirect_uri.origin());
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
