//! The table of flows: what a server can be asked, each up to the request that is looked at.

use std::time::Duration;

use grantor::authorize::{Approve, Deny, Login, Logout, LogoutRequest};
use grantor::endpoint::administration::{Party, StandingChange};
use grantor::endpoint::registration::IssueInitialAccess;
use grantor::protocol::Secret;
use grantor::record::GrantId;
use serde_json::{Value, json};

use super::clients::{API, JWT_API};
use super::devices::{Device, Devices as _};
use super::foreign::{KEY, set, signed, stated, statement};
use super::host::BY_NAME;
use super::phones::{self, CIBA};
use super::stage::{Deed, ELSEWHERE, Outcome, Stage};
use super::{Agent, Form, Tokens, alice, authorization, form, machine, redemption, refreshing, scope};

pub(crate) const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
const ID: &str = "urn:ietf:params:oauth:token-type:id_token";
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

/// What must come of a request that is made again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Promise {
    /// It succeeds every time, and harms nothing.
    Again,
    /// It succeeds once.
    Once,
    /// It is refused until something else happens.
    Waits,
    /// It is refused, and once it is, nothing lives that was issued before.
    Replays,
    /// Once it has succeeded, nothing lives that was issued before.
    Ends,
}

/// A flow up to the last request.
pub(crate) struct Ready {
    /// That request.
    pub(crate) deed: Deed,
    /// The access tokens that were issued so far.
    pub(crate) held: Vec<String>,
    /// What else nobody may do any more once it has ended what was issued.
    pub(crate) closed: Option<Deed>,
}

impl From<Deed> for Ready {
    fn from(deed: Deed) -> Self {
        Self { deed, held: Vec::new(), closed: None }
    }
}

impl Deed {
    fn holding(self, tokens: &Tokens) -> Ready {
        Ready { deed: self, held: vec![tokens.access.clone()], closed: None }
    }

    /// Of all that was issued to a client the refresh token, too.
    fn holding_all(self, client: &'static str, tokens: &Tokens) -> Ready {
        let refresh = token(client, refreshing(&tokens.refresh));
        Ready { closed: Some(refresh), ..self.holding(tokens) }
    }
}

macro_rules! flows {
    ($($name:ident: $promise:ident = $prepare:expr;)*) => {
        /// Something that a server can be asked.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(crate) enum Flow { $($name),* }

        impl Flow {
            pub(crate) const ALL: &[Self] = &[$(Self::$name),*];

            pub(crate) const fn promise(self) -> Promise {
                match self { $(Self::$name => Promise::$promise),* }
            }

            /// Goes on up to the last request.
            pub(crate) async fn prepare(self, stage: &Stage) -> Ready {
                match self { $(Self::$name => Box::pin(($prepare)(stage)).await.into()),* }
            }
        }
    };
}

flows! {
    ClientCredentials: Again = async |_: &Stage| token("machine", machine());
    ClientCredentialsAtAnApi: Again = async |_: &Stage| token("machine", machine().add("resource", API));
    ClientCredentialsAsJwt: Again = async |_: &Stage| token("machine", machine().add("resource", JWT_API));
    ClientCredentialsOfAClientThatWasOff: Again = async |stage: &Stage| {
        for change in [StandingChange::Disable, StandingChange::Enable] {
            stage.must(&Deed::Change(Party::Client("machine".into()), change)).await;
        }
        token("machine", machine())
    };

    Code: Once = async |stage: &Stage| stage.redeeming("web", &[]).await;
    CodeOfAPublicClient: Once = async |stage: &Stage| stage.redeeming("spa", &[]).await;
    CodeForAJwt: Once = async |stage: &Stage| stage.redeeming("web", &[("resource", JWT_API)]).await;
    CodeForAnIdToken: Once = async |stage: &Stage| stage.redeeming("web", &[("scope", "openid read")]).await;
    CodeThatComesBack: Replays = async |stage: &Stage| {
        let Deed::Post(client, path, form) = stage.redeeming("web", &[]).await else { unreachable!() };
        let tokens = stage.fixture.token(client, &form).await.tokens();
        Deed::Post(client, path, form).holding_all(client, &tokens)
    };

    Refresh: Again = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[]).await;
        token("web", refreshing(&tokens.refresh)).holding(&tokens)
    };
    RefreshThatRotates: Again = async |stage: &Stage| {
        let tokens = stage.tokens("spa", &[]).await;
        token("spa", refreshing(&tokens.refresh)).holding(&tokens)
    };
    RefreshForAJwt: Again = async |stage: &Stage| {
        let tokens = stage.tokens("spa", &[("resource", JWT_API)]).await;
        token("spa", refreshing(&tokens.refresh)).holding(&tokens)
    };
    RefreshThatComesBack: Replays = async |stage: &Stage| {
        let first = stage.tokens("spa", &[]).await;
        let second = stage.fixture.refresh("spa", &first.refresh).await.tokens();
        let third = stage.fixture.refresh("spa", &second.refresh).await.tokens();
        token("spa", refreshing(&first.refresh)).holding_all("spa", &third)
    };

    Device: Again = async |_: &Stage| Deed::Post("spa", "/device_authorization", Form::default());
    DevicePolls: Waits = async |stage: &Stage| token("spa", stage.fixture.device("spa").await.polling());
    UserCode: Again = async |stage: &Stage| {
        let device = stage.fixture.device("spa").await;
        let mut agent = stage.signed_in().await;
        Deed::EnterUserCode(agent.entering(&device.user_code()))
    };
    DeviceIsLetIn: Once = async |stage: &Stage| Deed::Approve(stage.at_device().await.0);
    DeviceIsKeptOut: Once = async |stage: &Stage| {
        let Approve { answer, browser, .. } = stage.at_device().await.0;
        Deed::Deny(Deny { answer, browser })
    };
    DeviceCode: Once = async |stage: &Stage| {
        let (approve, device) = stage.at_device().await;
        stage.must(&Deed::Approve(approve)).await;
        token("spa", device.polling())
    };

    AskingAUser: Again = async |_: &Stage| asking("machine");
    AskingAUserForTokens: Again = async |_: &Stage| asking("post");
    AskedUserAllows: Once = async |stage: &Stage| {
        stage.asked("machine").await;
        stage.answering(true)
    };
    AskedUserRefuses: Once = async |stage: &Stage| {
        stage.asked("machine").await;
        stage.answering(false)
    };
    AskedUserAllowsAndTheClientIsTold: Once = async |stage: &Stage| {
        stage.asked("web").await;
        stage.answering(true)
    };
    AskedUserAllowsAndTheClientIsSentItsTokens: Once = async |stage: &Stage| {
        stage.asked("post").await;
        stage.answering(true)
    };
    AskedUserRefusesAndTheClientIsTold: Once = async |stage: &Stage| {
        stage.asked("post").await;
        stage.answering(false)
    };
    AskingPolls: Waits = async |stage: &Stage| token("machine", stage.asked("machine").await);
    AuthReqId: Once = async |stage: &Stage| {
        let polling = stage.asked("machine").await;
        stage.must(&stage.answering(true)).await;
        token("machine", polling)
    };

    Exchange: Again = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[]).await;
        token("machine", exchanging(ACCESS, &tokens.access)).holding(&tokens)
    };
    ExchangeForAJwt: Again = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[("resource", JWT_API)]).await;
        token("machine", exchanging(ACCESS, &tokens.access)).holding(&tokens)
    };
    ExchangeByAnActor: Again = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[]).await;
        let actor = stage.fixture.token("machine", &machine()).await.tokens().access;
        let form = exchanging(ACCESS, &tokens.access);
        token("machine", form.add("actor_token", &actor).add("actor_token_type", ACCESS)).holding(&tokens)
    };
    ExchangeOfAForeignToken: Again = async |_: &Stage| {
        token("machine", exchanging(JWT, &stated(&statement())))
    };
    OnBehalfOf: Again = async |stage: &Stage| {
        let tokens = stage.tokens("spa", &[("resource", API)]).await;
        let form = asserting(&tokens.access).add("requested_token_use", "on_behalf_of");
        token("api", form.add("resource", JWT_API)).holding(&tokens)
    };
    GrantElsewhere: Again = async |stage: &Stage| {
        let id_token = stage.id_token("web").await.1;
        let form = exchanging(ID, &id_token).add("requested_token_type", ID_JAG);
        token("web", form.add("audience", ELSEWHERE))
    };

    Assertion: Once = async |_: &Stage| token("machine", asserting(&stated(&statement())));
    GrantFromElsewhere: Once = async |_: &Stage| {
        let claims = set(statement(), "client_id", json!("web"));
        token("web", asserting(&signed(&KEY, Some("oauth-id-jag+jwt"), &claims)))
    };
    Password: Again = async |_: &Stage| {
        let words = [("grant_type", "password"), ("username", "alice"), ("password", "wonderland")];
        token("web", form(words))
    };
    Extension: Again = async |_: &Stage| token("web", form([("grant_type", BY_NAME), ("name", "alice")]));

    Authorize: Again = async |stage: &Stage| visit(&stage.fixture.agent(), &authorization("web"));
    AuthorizeWithoutAQuestion: Again = async |stage: &Stage| {
        visit(&stage.signed_in().await, &authorization("first"))
    };
    SignIn: Once = async |stage: &Stage| {
        let mut agent = stage.fixture.agent();
        let id = Agent::interaction(&agent.authorize(&authorization("first")).await);
        let (login, browser) = (agent.host_login("alice"), agent.browser());
        Deed::Login(Login { interaction: Some(agent.form(id).await), login, browser })
    };
    Approve: Once = async |stage: &Stage| Deed::Approve(stage.at_consent("code").await);
    ApproveHybrid: Once = async |stage: &Stage| {
        Deed::Approve(stage.at_consent("code id_token token").await)
    };
    ApproveImplicit: Once = async |stage: &Stage| Deed::Approve(stage.at_consent("id_token token").await);
    Refuse: Once = async |stage: &Stage| {
        let Approve { answer, browser, .. } = stage.at_consent("code").await;
        Deed::Deny(Deny { answer, browser })
    };

    RevokeAccessToken: Ends = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[]).await;
        revoke("web", &tokens.access).holding(&tokens)
    };
    RevokeRefreshToken: Ends = async |stage: &Stage| {
        let tokens = stage.tokens("spa", &[]).await;
        revoke("spa", &tokens.refresh).holding_all("spa", &tokens)
    };
    RevokeJwt: Ends = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[("resource", JWT_API)]).await;
        revoke("web", &tokens.access).holding(&tokens)
    };
    RevokeJwtOfItsOwn: Ends = async |stage: &Stage| {
        let tokens = stage.jwt_of_its_own().await;
        revoke("machine", &tokens.access).holding(&tokens)
    };
    Introspect: Again = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[]).await;
        Deed::Post("web", "/introspect", form([("token", &tokens.access)])).holding(&tokens)
    };
    UserInfo: Again = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[("scope", "openid read")]).await;
        let bearer = Some(tokens.access.clone());
        Deed::Send("GET", "/userinfo".into(), bearer, String::new()).holding(&tokens)
    };

    Register: Again = async |_: &Stage| registering(None);
    RegisterWithATokenThatIsGoodOnce: Once = async |stage: &Stage| {
        let token = stage.fixture.server.issue_initial_access(&initial_access()).await.unwrap();
        registering(Some(token.expose().to_owned()))
    };
    ReadRegistration: Again = async |stage: &Stage| stage.registered("GET", |_| String::new()).await;
    UpdateRegistration: Again = async |stage: &Stage| {
        stage.registered("PUT", |id| json!({ "client_id": id, "grant_types": [] }).to_string()).await
    };
    Deregister: Ends = async |stage: &Stage| {
        let read = stage.registered("GET", |_| String::new()).await;
        let Deed::Send(_, target, token, body) = read.clone() else { unreachable!() };
        Ready { closed: Some(read), ..Deed::Send("DELETE", target, token, body).into() }
    };
    DeregisterByAnOperator: Ends = async |stage: &Stage| {
        let read = stage.registered("GET", |_| String::new()).await;
        let Deed::Send(_, target, ..) = &read else { unreachable!() };
        let deregister = Deed::Deregister(target.split_once('=').unwrap().1.into());
        Ready { closed: Some(read), ..deregister.into() }
    };
    InitialAccess: Again = async |_: &Stage| Deed::IssueInitialAccess(initial_access());

    Logout: Ends = async |stage: &Stage| {
        let (tokens, id_token, agent) = stage.id_token("web").await;
        logout(&agent, &id_token).holding_all("web", &tokens)
    };
    EndSession: Ends = async |stage: &Stage| {
        let (tokens, _, agent) = stage.id_token("web").await;
        Deed::EndSession(agent.browser().session_id().unwrap()).holding_all("web", &tokens)
    };
    RevokeGrant: Ends = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[]).await;
        Deed::RevokeGrant(stage.last_grant("web").await).holding_all("web", &tokens)
    };
    TakeAccessBack: Ends = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[]).await;
        Deed::RevokeAccess("web".into()).holding_all("web", &tokens)
    };
    DisableSubject: Ends = async |stage: &Stage| {
        let tokens = stage.id_token("web").await.0;
        Deed::Change(Party::Subject(alice()), StandingChange::Disable).holding_all("web", &tokens)
    };
    DisableClient: Ends = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[]).await;
        Deed::Change(Party::Client("web".into()), StandingChange::Disable).holding_all("web", &tokens)
    };
    RevokeAllOfAClient: Ends = async |stage: &Stage| {
        let tokens = stage.tokens("web", &[]).await;
        Deed::Change(Party::Client("web".into()), StandingChange::RevokeAll).holding_all("web", &tokens)
    };
    RevokeAllOfAClientForItself: Ends = async |stage: &Stage| {
        let tokens = stage.jwt_of_its_own().await;
        Deed::Change(Party::Client("machine".into()), StandingChange::RevokeAll).holding(&tokens)
    };
    Erase: Ends = async |stage: &Stage| {
        let tokens = stage.id_token("web").await.0;
        Deed::Erase(alice()).holding_all("web", &tokens)
    };
    Deliver: Again = async |stage: &Stage| {
        stage.clients_listen(false);
        stage.asked("post").await;
        stage.must(&stage.answering(true)).await;
        stage.clients_listen(true);
        stage.fixture.clock.forward(60);
        Deed::Deliver
    };
    Purge: Again = async |stage: &Stage| {
        stage.fixture.token("machine", &machine()).await.tokens();
        stage.fixture.clock.forward(100 * 24 * 3600);
        Deed::Purge
    };
}

pub(crate) fn token(client: &'static str, form: Form) -> Deed {
    Deed::Post(client, "/token", form)
}

pub(crate) fn revoke(client: &'static str, token: &str) -> Deed {
    Deed::Post(client, "/revoke", form([("token", token)]))
}

pub(crate) fn exchanging(token_type: &str, token: &str) -> Form {
    form([
        ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
        ("subject_token", token),
        ("subject_token_type", token_type),
    ])
}

pub(crate) fn asserting(assertion: &str) -> Form {
    form([("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", assertion)])
}

fn asking(client: &'static str) -> Deed {
    let form = match client {
        "machine" => phones::asking(),
        _ => phones::asking_to_be_told(),
    };
    Deed::Post(client, "/bc-authorize", form)
}

pub(crate) fn logout(agent: &Agent<'_>, id_token: &str) -> Deed {
    let id_token_hint = Some(Secret::new(id_token));
    let request = LogoutRequest { id_token_hint, ..LogoutRequest::default() };
    Deed::Logout(Logout { request, browser: agent.browser(), csrf: None })
}

fn visit(agent: &Agent<'_>, request: &Form) -> Deed {
    Deed::Visit(agent.cookies.clone(), format!("/authorize?{}", request.encode()))
}

fn initial_access() -> IssueInitialAccess {
    IssueInitialAccess { name: "one".into(), lifetime: Duration::from_secs(60), uses: Some(1) }
}

fn registering(token: Option<String>) -> Deed {
    let metadata = json!({ "redirect_uris": ["https://client.example/cb"] });
    Deed::Send("POST", "/register".into(), token, metadata.to_string())
}

/// The same request with these parameters instead.
fn with(request: &Form, parameters: &[(&str, &str)]) -> Form {
    parameters.iter().fold(request.clone(), |form, (name, value)| form.set(name, value))
}

impl Stage {
    /// Does what must succeed.
    pub(crate) async fn must(&self, deed: &Deed) {
        assert_eq!(self.perform(deed).await, Outcome::Done);
    }

    pub(crate) async fn signed_in(&self) -> Agent<'_> {
        let mut agent = self.fixture.agent();
        agent.sign_in("alice").await;
        agent
    }

    /// The redemption of a code of `alice`.
    pub(crate) async fn redeeming(&self, client: &'static str, parameters: &[(&str, &str)]) -> Deed {
        let request = with(&authorization(client), parameters);
        let answer = self.fixture.agent().walk(&request, "alice").await;
        token(client, redemption(client, &answer.param("code").unwrap_or_else(|| panic!("{answer:?}"))))
    }

    pub(crate) async fn tokens(&self, client: &'static str, parameters: &[(&str, &str)]) -> Tokens {
        let Deed::Post(client, _, form) = self.redeeming(client, parameters).await else { unreachable!() };
        self.fixture.token(client, &form).await.tokens()
    }

    /// A token of `machine` that no grant remembers.
    pub(crate) async fn jwt_of_its_own(&self) -> Tokens {
        self.fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens()
    }

    /// Tokens that end with the session, the ID token, and the browser.
    pub(crate) async fn id_token(&self, client: &str) -> (Tokens, String, Agent<'_>) {
        let mut agent = self.fixture.agent();
        let answer = agent.walk(&authorization(client).set("scope", "openid read"), "alice").await;
        let answer = self.fixture.redeem(client, &answer.param("code").unwrap()).await;
        (answer.tokens(), answer.json()["id_token"].as_str().unwrap().to_owned(), agent)
    }

    pub(crate) async fn last_grant(&self, client: &str) -> GrantId {
        self.fixture.grants(client).await.pop().unwrap().0
    }

    /// `alice`, who is asked about a device.
    async fn at_device(&self) -> (Approve, Device) {
        let device = self.fixture.device_for("spa", &form([("scope", "read")])).await;
        (self.asked_about(&device, "alice").await, device)
    }

    /// What a user answers who is asked about a device, and lets it in.
    pub(crate) async fn asked_about(&self, device: &Device, subject: &str) -> Approve {
        let mut agent = self.fixture.agent();
        agent.sign_in(subject).await;
        let id = agent.at_device(device).await;
        Approve { answer: agent.form(id).await, scope: scope("read"), browser: agent.browser() }
    }

    /// `alice`, who is asked what `web` may do.
    pub(crate) async fn at_consent(&self, response_type: &str) -> Approve {
        let mut agent = self.signed_in().await;
        let scope = scope("openid read");
        let parameters = [("response_type", response_type), ("scope", scope.as_str()), ("nonce", "n-1")];
        let asked = agent.authorize(&with(&authorization("web"), &parameters)).await;
        let answer = agent.form(Agent::interaction(&asked)).await;
        Approve { answer, scope, browser: agent.browser() }
    }

    /// A client asks `alice`, and this is how it polls.
    pub(crate) async fn asked(&self, client: &'static str) -> Form {
        let Deed::Post(_, path, form) = asking(client) else { unreachable!() };
        let answer = self.fixture.post_as(client, path, &form).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        super::form([("grant_type", CIBA), ("auth_req_id", answer.json()["auth_req_id"].as_str().unwrap())])
    }

    /// What a client that registered itself does with its registration.
    async fn registered(&self, method: &'static str, body: impl FnOnce(&str) -> String) -> Deed {
        let Deed::Send(post, target, token, metadata) = registering(None) else { unreachable!() };
        let request = http::Request::builder().method(post).uri(target);
        assert!(token.is_none());
        let request = request.header(http::header::CONTENT_TYPE, "application/json");
        let answer = self.fixture.send(request.body(metadata.into()).unwrap()).await;
        let told: Value = answer.json();
        let text = |name: &str| told[name].as_str().unwrap_or_else(|| panic!("{told}")).to_owned();
        let target = format!("/register?client_id={}", text("client_id"));
        Deed::Send(method, target, Some(text("registration_access_token")), body(&text("client_id")))
    }
}
