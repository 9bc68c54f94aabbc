//! A browser: it keeps cookies, follows the server to the host's pages, and answers them.

use std::ops::{Deref, DerefMut};

use grantor::authorize::{Approve, Browser, Deny, FormAnswer, HostLogin, InteractionView, Login, Step, View};
use grantor::host::Clock as _;
use grantor::protocol::{OAuthError, Scope, Secret};
use grantor::record::InteractionId;
use grantor::testing::TestBrowser;
use http::{Method, Request, header};
use serde_json::Value;

use super::{Answer, Fixture, Form, authorization};

/// A browser and its cookies.
#[derive(Clone)]
pub(crate) struct Agent<'f> {
    fixture: &'f Fixture,
    jar: TestBrowser,
}

impl Deref for Agent<'_> {
    type Target = TestBrowser;

    fn deref(&self) -> &TestBrowser {
        &self.jar
    }
}

impl DerefMut for Agent<'_> {
    fn deref_mut(&mut self) -> &mut TestBrowser {
        &mut self.jar
    }
}

impl<'f> Agent<'f> {
    pub(crate) fn new(fixture: &'f Fixture) -> Self {
        Self { fixture, jar: TestBrowser::new(&fixture.http) }
    }

    pub(crate) const fn fixture(&self) -> &'f Fixture {
        self.fixture
    }

    /// Takes the cookies that came with a page of the host.
    pub(crate) fn take(&mut self, cookies: &grantor::authorize::Cookies) {
        for line in cookies.headers(&self.fixture.server.settings().issuer) {
            let (name, value) = line.split(';').next().unwrap().split_once('=').unwrap();
            self.cookies.insert(name.to_owned(), value.to_owned());
        }
    }

    /// What the host hands to the server of this browser.
    pub(crate) fn browser(&self) -> Browser {
        self.fixture.http.browser(&self.jar.headers())
    }

    fn keep(&mut self, answer: Answer) -> Answer {
        self.jar.keep(&answer.headers);
        answer
    }

    pub(crate) async fn authorize(&mut self, request: &Form) -> Answer {
        self.get(&format!("/authorize?{}", request.encode())).await
    }

    pub(crate) async fn get(&mut self, target: &str) -> Answer {
        self.jar.get(target).await.into()
    }

    pub(crate) async fn authorize_by_post(&mut self, request: &Form) -> Answer {
        self.post("/authorize", request).await
    }

    pub(crate) async fn post(&mut self, path: &str, request: &Form) -> Answer {
        let form: Vec<_> = request.0.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        self.jar.post(path, &form).await.into()
    }

    /// Submits a form on the page of another site: the cookies stay behind, and the page that answers posts it again with
    /// them.
    pub(crate) async fn post_from_elsewhere(&mut self, path: &str, form: &Form) -> Answer {
        let mut request = Request::post(path).header("sec-fetch-site", "cross-site");
        request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        let page = self.fixture.send(request.body(form.encode().into()).unwrap()).await;
        assert!(
            page.header("set-cookie").is_none(),
            "a cookie would replace the one that stayed behind: {page:?}"
        );
        assert!(page.text().contains("<script>document.forms[0].submit()</script>"), "{page:?}");
        let fields = page.hidden_fields();
        assert!(
            fields.0.iter().all(|(name, _)| name != "submit"),
            "it hides the method of the form: {page:?}"
        );
        self.post(path, &fields).await
    }

    /// The interaction to which an answer sends the browser.
    pub(crate) fn interaction(answer: &Answer) -> InteractionId {
        InteractionId(answer.param("interaction").unwrap_or_else(|| panic!("{answer:?}")).parse().unwrap())
    }

    pub(crate) async fn view(&self, id: InteractionId) -> Result<InteractionView, OAuthError> {
        self.fixture.server.interaction(&View { id, browser: self.browser() }).await
    }

    /// What the form of an interaction carries.
    pub(crate) async fn form(&self, id: InteractionId) -> FormAnswer {
        FormAnswer { id, csrf: self.view(id).await.map_or(Secret::new("none"), |view| view.csrf) }
    }

    pub(crate) fn host_login(&self, subject: &str) -> HostLogin {
        HostLogin::now(subject, self.fixture.clock.now())
    }

    /// The host's answer after a step.
    pub(crate) fn shown(&mut self, step: Result<Step, OAuthError>) -> Answer {
        let answer = self.fixture.http.step(step, &Method::POST).into();
        self.keep(answer)
    }

    pub(crate) fn shown_logout(
        &mut self,
        step: Result<grantor::authorize::LogoutStep, OAuthError>,
    ) -> Answer {
        let answer = self.fixture.http.logout_step(step, &Method::POST).into();
        self.keep(answer)
    }

    pub(crate) async fn login(&mut self, id: InteractionId, subject: &str) -> Answer {
        let login = self.host_login(subject);
        self.login_as(id, login).await
    }

    /// Signs in as the host says.
    pub(crate) async fn login_as(&mut self, id: InteractionId, login: HostLogin) -> Answer {
        let form = self.form(id).await;
        let login = Login { interaction: Some(form), login, browser: self.browser() };
        let step = self.fixture.server.login(&login).await;
        self.shown(step)
    }

    /// Signs in where no request waits.
    pub(crate) async fn sign_in(&mut self, subject: &str) -> Answer {
        let login = Login { interaction: None, login: self.host_login(subject), browser: self.browser() };
        let step = self.fixture.server.login(&login).await;
        self.shown(step)
    }

    pub(crate) async fn approve(&mut self, id: InteractionId, scope: &Scope) -> Answer {
        let answer = self.form(id).await;
        self.submit(answer, scope).await
    }

    /// Submits a consent form that was loaded before.
    pub(crate) async fn submit(&mut self, answer: FormAnswer, scope: &Scope) -> Answer {
        let approve = Approve { answer, scope: scope.clone(), browser: self.browser() };
        let step = self.fixture.server.approve(&approve).await;
        self.shown(step)
    }

    pub(crate) async fn deny(&mut self, id: InteractionId) -> Answer {
        let deny = Deny { answer: self.form(id).await, browser: self.browser() };
        let step = self.fixture.server.deny(&deny).await;
        self.shown(step)
    }

    /// Asks, signs in if needed, allows everything if needed, and returns the answer to the client.
    pub(crate) async fn walk(&mut self, request: &Form, subject: &str) -> Answer {
        let answer = self.authorize(request).await;
        self.finish(answer, subject).await
    }

    /// Goes on from the first answer: signs in if needed, allows everything if needed.
    pub(crate) async fn finish(&mut self, mut answer: Answer, subject: &str) -> Answer {
        if Self::is_at(&answer, "/login") {
            answer = self.login(Self::interaction(&answer), subject).await;
        }
        if Self::is_at(&answer, "/consent") {
            let id = Self::interaction(&answer);
            let asked = self.view(id).await.unwrap().scope;
            answer = self.approve(id, &asked).await;
        }
        answer
    }

    /// What the token endpoint answers to the code of such a walk of `alice`.
    pub(crate) async fn tokens(&mut self, client: &str, request: &Form) -> Value {
        let answer = self.walk(request, "alice").await;
        let code = answer.param("code").unwrap_or_else(|| panic!("{answer:?}"));
        let answer = self.fixture.redeem(client, &code).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    /// Whether the browser is sent to this page of the host.
    pub(crate) fn is_at(answer: &Answer, page: &str) -> bool {
        answer.target() == Some(&format!("{}{page}", super::ISSUER))
    }

    /// A code for a client, from `alice`.
    pub(crate) async fn code(&mut self, client: &str) -> String {
        let answer = self.walk(&authorization(client), "alice").await;
        answer.param("code").unwrap_or_else(|| panic!("{answer:?}"))
    }
}
