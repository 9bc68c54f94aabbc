//! What the host's login and consent pages need: reading their requests, and answering them.

use std::net::IpAddr;

use bytes::Bytes;
use http::{Request, Response};

use super::pages::hidden_field;
use super::{HttpServer, form, reply};
use crate::authorize::{
    Approve, Continue, Deny, EnterUserCode, FormAnswer, HostLogin, InteractionView, Login, Step, View,
};
use crate::protocol::{OAuthError, Params, Reason, Scope, Secret};
use crate::record::InteractionId;

impl HttpServer {
    /// What the page at `?interaction=…` is about.
    ///
    /// # Errors
    /// The error page to answer with.
    pub async fn interaction(
        &self,
        request: &Request<Bytes>,
    ) -> Result<InteractionView, Box<Response<Bytes>>> {
        self.view(request).await.map_err(|error| Box::new(self.error_page(&error)))
    }

    async fn view(&self, request: &Request<Bytes>) -> Result<InteractionView, OAuthError> {
        let mut view = self.read_view(request)?;
        self.recognise(&mut view.browser, request.headers()).await?;
        self.server().interaction(&view).await
    }

    /// A page of the host's own, with the headers that keep it from being framed, cached or scripted. Its forms lead to
    /// this server, and through it to the client of the interaction that the page is about, if it is about one.
    #[must_use]
    pub fn page(&self, html: impl Into<Bytes>, view: Option<&InteractionView>) -> Response<Bytes> {
        let mut response = Response::new(html.into());
        let onward = view.and_then(|view| view.destination.origin());
        response.headers_mut().extend(reply::page_headers(None, onward.as_deref()));
        response
    }

    /// The user who posted the login form, with the hidden fields of its page, is `login`: the host has checked that.
    pub async fn login(&self, request: &Request<Bytes>, login: HostLogin) -> Response<Bytes> {
        let step = match form::body(request).and_then(|params| FormAnswer::read(&params)) {
            Ok(answer) => {
                let mut browser = self.browser(request.headers());
                browser.host_login = self.host_sessions.is_some().then(|| login.clone());
                self.server().login(&Login { interaction: Some(answer), login, browser }).await
            }
            Err(error) => Err(error),
        };
        self.step(step, request.method())
    }

    /// The user goes on as who is signed in, from a page with the hidden fields: the [choice](crate::authorize::Continue)
    /// is made, or the host's step is done.
    pub async fn go_on(&self, request: &Request<Bytes>) -> Response<Bytes> {
        let step = async {
            let answer = FormAnswer::read(&form::body(request)?)?;
            let mut browser = self.browser(request.headers());
            self.recognise(&mut browser, request.headers()).await?;
            self.server().go_on(&Continue { answer, browser }).await
        };
        self.step(step.await, request.method())
    }

    /// The user posted the consent form: `decision=approve` with the allowed values in repeated `scope` fields, or
    /// `decision=deny`.
    ///
    /// # Errors
    /// Inside the step: what is shown on an error page; `ScopeNothingLeft` leaves the interaction open.
    pub async fn consent(&self, request: &Request<Bytes>) -> Result<Step, OAuthError> {
        let params = form::body(request)?;
        let answer = FormAnswer::read(&params)?;
        let mut browser = self.browser(request.headers());
        self.recognise(&mut browser, request.headers()).await?;
        match params.get("decision") {
            Some("approve") => {
                let values: Vec<&str> = params.all("scope").collect();
                let scope = Scope::parse(&values.join(" ")).map_err(|_| Reason::ScopeMalformed)?;
                self.server().approve(&Approve { answer, scope, browser }).await
            }
            Some("deny") => self.server().deny(&Deny { answer, browser }).await,
            _ => Err(OAuthError::new(Reason::ParameterMissing).parameter("decision")),
        }
    }

    /// The user posted the form of the page at `verification_uri`: the typed `user_code`, and `csrf`, a
    /// [form token](crate::server::AuthorizationServer::form_token). `peer` is the other end of the connection.
    ///
    /// # Errors
    /// Those of [`enter_user_code`](crate::server::AuthorizationServer::enter_user_code), inside the step.
    pub async fn enter_user_code(
        &self,
        request: &Request<Bytes>,
        peer: Option<IpAddr>,
    ) -> Result<Step, OAuthError> {
        let params = form::body(request)?;
        let required = |name| {
            let missing = || OAuthError::new(Reason::ParameterMissing).parameter(name);
            params.get(name).map(Secret::new).ok_or_else(missing)
        };
        let (typed, csrf) = (required("user_code")?, required("csrf")?);
        let mut browser = self.browser(request.headers());
        self.recognise(&mut browser, request.headers()).await?;
        let origin = self.origin(peer, request.headers());
        self.server().enter_user_code(&EnterUserCode { typed, csrf, browser }, origin).await
    }

    fn read_view(&self, request: &Request<Bytes>) -> Result<View, OAuthError> {
        let params = form::query(request)?;
        Ok(View { id: interaction_id(&params)?, browser: self.browser(request.headers()) })
    }
}

fn interaction_id(params: &Params<'_>) -> Result<InteractionId, OAuthError> {
    let text = params
        .get("interaction")
        .ok_or(OAuthError::new(Reason::ParameterMissing).parameter("interaction"))?;
    Ok(InteractionId(text.parse().map_err(|_| Reason::InteractionUnknown)?))
}

impl FormAnswer {
    /// Reads the hidden fields `interaction` and `csrf`.
    ///
    /// # Errors
    /// `invalid_request` when one is missing.
    pub fn read(params: &Params<'_>) -> Result<Self, OAuthError> {
        let csrf = params.get("csrf").ok_or(OAuthError::new(Reason::ParameterMissing).parameter("csrf"))?;
        Ok(Self { id: interaction_id(params)?, csrf: Secret::new(csrf) })
    }
}

impl InteractionView {
    /// The hidden fields of the page's form, as HTML.
    #[must_use]
    pub fn hidden_fields(&self) -> String {
        hidden_field("interaction", &self.id.to_string()) + &hidden_field("csrf", self.csrf.expose())
    }
}
