//! The server, and what it issued: each step done over HTTP.

use std::sync::Arc;

use async_trait::async_trait;
use grantor::Profile;
use grantor::endpoint::administration::{Party, StandingChange};
use grantor::endpoint::backchannel_answer::{DecideAuthentication, UserAnswer};
use grantor::endpoint::resource::ResourceCheck;
use grantor::host::{
    AuthenticationDevice, Clock as _, Fetch, FetchError, FetchRequest, FetchResponse, OwnTokenExchange,
    TokenExchangePolicy,
};
use grantor::protocol::{DeliveryMode, GrantType, Resource, ResponseType, Scope, TokenType};
use grantor::record::backchannel::{Identified, UserEnquiry, UserHint, UserQuestion};
use grantor::record::exchange::{Exchange, Terms, Verdict};
use grantor::record::grant::{Authentication, GrantStatus};
use grantor::record::{GrantId, Record};
use grantor::store::StoreError;
use grantor::token::{Handle, HandleKind, PresentedToken};
use serde_json::json;
use tokio::runtime::Runtime;

use super::common::clients::API;
use super::common::devices::Device;
use super::common::foreign::{Trust, set, stated, statement};
use super::common::host::{BY_NAME, ByName, TestPasswords, by_name, limitless};
use super::common::{
    Agent, Answer, Fixture, Form, OTHER_VERIFIER, VERIFIER, authorization, form, machine, redemption,
    refreshing, scope,
};
use super::model::Model;
use super::step::{Brings, Change, Direct, Outcome, SUBJECTS, Step, Whose};

/// Finds whoever is named, and disturbs nobody.
struct Phones;

#[async_trait]
impl AuthenticationDevice for Phones {
    async fn identify(&self, enquiry: &UserEnquiry) -> Result<Identified, StoreError> {
        Ok(match &enquiry.hint {
            UserHint::Login(name) => Identified::User(name.as_str().into()),
            _ => Identified::Unknown,
        })
    }

    async fn ask(&self, _: &UserQuestion) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A client exchanges its own tokens, and whoever acts is named.
struct WhoeverActs;

#[async_trait]
impl TokenExchangePolicy for WhoeverActs {
    async fn judge(&self, exchange: &Exchange) -> Result<Verdict, StoreError> {
        let alone = Exchange { actor: None, ..exchange.clone() };
        Ok(match (OwnTokenExchange.judge(&alone).await?, &exchange.actor) {
            (Verdict::Allow(_), Some(_)) => Verdict::Allow(Terms::default()),
            (verdict, _) => verdict,
        })
    }
}

/// Clients that take what they are told.
struct Listening;

#[async_trait]
impl Fetch for Listening {
    async fn fetch(&self, _: FetchRequest) -> Result<FetchResponse, FetchError> {
        Ok(FetchResponse { status: 204, headers: Vec::new(), body: Vec::new() })
    }
}

/// What waits for a user.
enum Waiting {
    /// A device, for whoever enters its code.
    Device(Device),
    /// A client that asked for one, by its `auth_req_id`.
    Asked(String),
}

/// A server, and what it issued, each in the place where the model has it.
pub(crate) struct Server {
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) fixture: Fixture,
    pub(crate) grants: Vec<GrantId>,
    codes: Vec<String>,
    waiting: Vec<Waiting>,
    assertions: Vec<String>,
    pub(crate) access: Vec<String>,
    pub(crate) refresh: Vec<String>,
    pub(crate) steps: usize,
}

fn words(scope: u8) -> &'static str {
    ["", "read", "write", "read write"][usize::from(scope)]
}

fn bits(scope: &str) -> u8 {
    u8::from(scope.contains("read")) | u8::from(scope.contains("write")) << 1
}

/// A server at which every kind of grant is switched on. `web` and `machine` ask users; those two prove themselves, and may
/// present what the other issuer says.
fn fixture() -> Fixture {
    let mut grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::DeviceCode];
    grant_types.extend([GrantType::ClientCredentials, GrantType::Password, GrantType::TokenExchange]);
    grant_types.extend([GrantType::Ciba, GrantType::JwtBearer]);
    let fixture = Fixture::with(|builder| {
        builder
            .profile(Profile::OidcCompat)
            .scope(scope("openid read write"))
            .grant_types(grant_types)
            .limiter(Arc::new(limitless()))
            .password_verifier(Arc::new(TestPasswords::default()))
            .token_exchange(Arc::new(WhoeverActs))
            .assertion_trust(Arc::new(Trust::default()))
            .authentication_device(Arc::new(Phones))
            .fetch(Arc::new(Listening))
            .extension_grant(by_name(), Arc::new(ByName))
    });
    let clients = &fixture.clients;
    clients.change("web", |client| client.grant_types.push(GrantType::Password));
    for name in ["web", "spa"] {
        clients.change(name, |client| {
            client.grant_types.extend([GrantType::Extension(by_name()), GrantType::DeviceCode]);
            client.grant_types.extend([GrantType::TokenExchange, GrantType::Implicit]);
            client.scope = scope("openid read write");
            client.response_types =
                vec![ResponseType::Code, ResponseType::IdTokenToken, ResponseType::CodeToken];
        });
    }
    for (name, mode) in [("web", DeliveryMode::Ping), ("machine", DeliveryMode::Poll)] {
        clients.change(name, |client| {
            client.grant_types.extend([GrantType::Ciba, GrantType::JwtBearer]);
            client.backchannel.mode = Some(mode);
            client.backchannel.endpoint = Some("https://client.example/ping".parse().unwrap());
        });
    }
    clients.change("machine", |client| {
        client.scope = scope("openid read write");
        client.grant_types.push(GrantType::TokenExchange);
    });
    fixture
}

impl Server {
    pub(crate) fn new() -> Self {
        let runtime = Arc::new(tokio::runtime::Builder::new_current_thread().build().unwrap());
        let (grants, codes, waiting, assertions, access, refresh) = Default::default();
        Self { runtime, fixture: fixture(), grants, codes, waiting, assertions, access, refresh, steps: 0 }
    }

    /// Does a step and tells what it gave.
    pub(crate) async fn step(&mut self, step: &Step, model: &Model) -> Outcome {
        let fixture = &self.fixture;
        match step {
            Step::Authorize { client, subject, scope, api, brings } => {
                let openid = if *brings == Brings::Token { "openid " } else { "" };
                let mut request = authorization(client.name())
                    .set("response_type", brings.response_type())
                    .set("scope", &format!("{openid}{}", words(*scope)))
                    .set("nonce", "n-1");
                if *api {
                    request = request.add("resource", API);
                }
                let answer = Agent::new(fixture).walk(&request, SUBJECTS[*subject]).await;
                self.keep_front(&answer)
            }
            Step::Redeem { code, client, right } => {
                let at = code.index(self.codes.len());
                let verifier = if *right { VERIFIER } else { OTHER_VERIFIER };
                // Each code goes back to the redirect URI of the client it was made for.
                let owner = model.owner_of_code(at);
                let form = redemption(owner.name(), &self.codes[at]).set("code_verifier", verifier);
                let answer = fixture.token(client.unwrap_or(owner).name(), &form).await;
                self.keep(&answer, false)
            }
            Step::Refresh { token, client, scope, api } => {
                let at = token.index(self.refresh.len());
                let client = client.unwrap_or(model.owner_of_refresh(at));
                let mut form = asking(refreshing(&self.refresh[at]), *scope);
                if *api {
                    form = form.add("resource", API);
                }
                let answer = fixture.token(client.name(), &form).await;
                self.keep(&answer, false)
            }
            Step::Device { client, scope } => {
                let form = form([("scope", words(*scope))]);
                let answer = fixture.post_as(client.name(), "/device_authorization", &form).await;
                let granted = answer.status == 200;
                if granted {
                    let device = Device { told: answer.json() };
                    self.grants.push(grant_of(&device.device_code()));
                    self.waiting.push(Waiting::Device(device));
                }
                Outcome { granted, ..Outcome::default() }
            }
            Step::Ask { client, subject, scope } => {
                let form = form([
                    ("scope", &format!("openid {}", words(*scope))),
                    ("login_hint", SUBJECTS[*subject]),
                    ("client_notification_token", "8d67dc78-7faa-4d41-aabd-67707b374255"),
                ]);
                let answer = fixture.post_as(client.name(), "/bc-authorize", &form).await;
                let granted = answer.status == 200;
                if granted {
                    let auth_req_id = answer.json()["auth_req_id"].as_str().unwrap().to_owned();
                    self.grants.push(grant_of(&auth_req_id));
                    self.waiting.push(Waiting::Asked(auth_req_id));
                }
                Outcome { granted, ..Outcome::default() }
            }
            Step::Answer { waiting, subject, yes } => {
                let at = waiting.index(self.waiting.len());
                let granted = match &self.waiting[at] {
                    Waiting::Device(device) => answer_device(fixture, device, SUBJECTS[*subject], *yes).await,
                    Waiting::Asked(auth_req_id) => {
                        let asked = scope(&format!("openid {}", words(model.scope_of_waiting(at))));
                        let answer = match yes {
                            true => UserAnswer::Approve { scope: asked, authentication: just_now(fixture) },
                            false => UserAnswer::Deny,
                        };
                        let subject = SUBJECTS[*subject].into();
                        let decided = DecideAuthentication { grant: grant_of(auth_req_id), subject, answer };
                        fixture.server.decide_authentication(&decided).await.is_ok()
                    }
                };
                Outcome { granted, ..Outcome::default() }
            }
            Step::Poll { waiting, client } => {
                let at = waiting.index(self.waiting.len());
                let client = client.unwrap_or(model.owner_of_waiting(at));
                let form = match &self.waiting[at] {
                    Waiting::Device(device) => device.polling(),
                    Waiting::Asked(auth_req_id) => {
                        form([("grant_type", GrantType::Ciba.as_str()), ("auth_req_id", auth_req_id)])
                    }
                };
                let answer = fixture.token(client.name(), &form).await;
                self.keep(&answer, false)
            }
            Step::State { subject } => {
                let now = fixture.clock.now().0;
                let claims = set(statement(), "jti", json!(self.assertions.len().to_string()));
                let claims = set(claims, "sub", json!(format!("{}@idp.example", SUBJECTS[*subject])));
                let claims = set(set(claims, "iat", json!(now)), "exp", json!(now + 300));
                self.assertions.push(stated(&claims));
                Outcome::default()
            }
            Step::Assert { assertion, client, scope } => {
                let assertion = &self.assertions[assertion.index(self.assertions.len())];
                let form = form([("grant_type", GrantType::JwtBearer.as_str()), ("assertion", assertion)]);
                let answer = fixture.token(client.name(), &asking(form, *scope)).await;
                self.keep(&answer, true)
            }
            Step::Exchange { token, actor, client, scope } => {
                let at = token.index(self.access.len());
                let form = form([
                    ("grant_type", GrantType::TokenExchange.as_str()),
                    ("subject_token", &self.access[at]),
                    ("subject_token_type", TokenType::AccessToken.as_str()),
                ]);
                let mut form = asking(form, *scope);
                if let Some(actor) = actor {
                    form = form
                        .add("actor_token", &self.access[actor.index(self.access.len())])
                        .add("actor_token_type", TokenType::AccessToken.as_str());
                }
                if model.access[at].api {
                    form = form.add("resource", API);
                }
                let client = client.unwrap_or(model.owner_of_access(at));
                let answer = fixture.token(client.name(), &form).await;
                self.keep(&answer, true)
            }
            Step::Begin { how, client, scope } => {
                let answer = fixture.token(client.name(), &asking(begin(*how), *scope)).await;
                self.keep(&answer, true)
            }
            Step::RevokeAccess { token, client } => {
                let at = token.index(self.access.len());
                fixture.revoke(client.unwrap_or(model.owner_of_access(at)).name(), &self.access[at]).await;
                Outcome::default()
            }
            Step::RevokeRefresh { token, client } => {
                let at = token.index(self.refresh.len());
                fixture.revoke(client.unwrap_or(model.owner_of_refresh(at)).name(), &self.refresh[at]).await;
                Outcome::default()
            }
            Step::RevokeGrant { grant } => {
                fixture.server.revoke_grant(self.grants[grant.index(self.grants.len())]).await.unwrap();
                Outcome::default()
            }
            Step::Stand { whose, change } => {
                let party = match whose {
                    Whose::Client(client) => Party::Client(client.name().into()),
                    Whose::Subject(subject) => Party::Subject(SUBJECTS[*subject].into()),
                };
                let change = match change {
                    Change::Disable => StandingChange::Disable,
                    Change::Enable => StandingChange::Enable,
                    Change::RevokeAll => StandingChange::RevokeAll,
                };
                fixture.server.change(party, change).await.unwrap();
                Outcome::default()
            }
            Step::Wait { seconds } => {
                fixture.clock.forward(*seconds);
                Outcome::default()
            }
            Step::Purge => {
                fixture.server.purge(1000).await.unwrap();
                Outcome::default()
            }
        }
    }

    /// Keeps what a browser brings.
    fn keep_front(&mut self, answer: &Answer) -> Outcome {
        let (code, token) = (answer.param("code"), answer.param("access_token"));
        let Some(grant) = code.as_deref().or(token.as_deref()) else { return Outcome::default() };
        self.grants.push(grant_of(grant));
        let scope = token.as_ref().map(|_| bits(&answer.param("scope").unwrap()));
        self.codes.extend(code);
        self.access.extend(token);
        Outcome { granted: true, scope, refresh: false }
    }

    /// Keeps the tokens of an answer.
    fn keep(&mut self, answer: &Answer, begins: bool) -> Outcome {
        if answer.status != 200 {
            assert!(matches!(answer.status, 400 | 401), "{answer:?}");
            return Outcome::default();
        }
        let tokens = answer.tokens();
        let refresh = !tokens.refresh.is_empty();
        if begins {
            self.grants.push(grant_of(&tokens.access));
        }
        if refresh {
            self.refresh.push(tokens.refresh);
        }
        self.access.push(tokens.access);
        Outcome { granted: true, scope: Some(bits(&tokens.scope)), refresh }
    }

    /// Whether an access token is taken by the API that it is for, with all the scope that it has.
    async fn lives(&self, at: usize, model: &Model) -> bool {
        let token = model.access[at];
        let check = ResourceCheck {
            token: PresentedToken::read(&self.access[at]),
            resource: token.api.then(|| Resource::parse(API).unwrap()),
            scope: scope(words(token.scope)),
        };
        let live = self.fixture.server.check(&check).await;
        if let Ok(live) = &live {
            assert_eq!(bits(live.scope.as_str()), token.scope, "a token's scope does not change");
            let elsewhere = ResourceCheck {
                resource: (!token.api).then(|| Resource::parse(API).unwrap()),
                scope: Scope::empty(),
                ..check
            };
            assert!(self.fixture.server.check(&elsewhere).await.is_err(), "nor where it is good");
        }
        live.is_ok()
    }

    pub(crate) async fn check(&self, at: usize, model: &Model) {
        assert_eq!(self.lives(at, model).await, model.lives(at), "access token {at} of {model:?}");
    }

    /// What is remembered of a grant is what the model says, as far as it is remembered.
    pub(crate) async fn check_grant(&self, at: usize, model: &Model) {
        let key = self.fixture.server.settings().namespace.grant(self.grants[at]);
        let records = self.fixture.store.load(&[key]).await.unwrap();
        let Some(record) = &records[0] else { return };
        let Record::Grant(grant) = record.record.as_ref() else { panic!("{record:?}") };
        let ended = matches!(grant.status, GrantStatus::Ended(_));
        assert_eq!(ended, model.ended(at), "grant {at}: {grant:?}");
        assert!(grant.access.iter().all(|token| token.scope.is_subset(&grant.scope)), "{grant:?}");
        assert!(grant.access.iter().all(|token| token.audience == grant.resources), "{grant:?}");
    }
}

fn begin(how: Direct) -> Form {
    match how {
        Direct::Machine => machine(),
        Direct::Password => {
            form([("grant_type", "password"), ("username", "alice"), ("password", "wonderland")])
        }
        Direct::Extension(subject) => form([("grant_type", BY_NAME), ("name", SUBJECTS[subject])]),
    }
}

/// Whether a user could decide about a device.
async fn answer_device(fixture: &Fixture, device: &Device, subject: &str, yes: bool) -> bool {
    let mut agent = Agent::new(fixture);
    agent.sign_in(subject).await;
    let Ok(step) = agent.enter(&device.user_code()).await else { return false };
    let answer = agent.shown(Ok(step));
    let id = Agent::interaction(&answer);
    let Ok(asked) = agent.view(id).await else { return false };
    let answer = if yes { agent.approve(id, &asked.scope).await } else { agent.deny(id).await };
    assert_eq!(answer.status, 200, "{answer:?}");
    true
}

/// The same for a narrower scope, perhaps.
fn asking(form: Form, scope: Option<u8>) -> Form {
    match scope {
        Some(scope) => form.set("scope", words(scope)),
        None => form,
    }
}

fn just_now(fixture: &Fixture) -> Authentication {
    Authentication { auth_time: fixture.clock.now(), acr: None, amr: Vec::new() }
}

/// The grant that a token or a code names.
fn grant_of(token: &str) -> GrantId {
    let kinds = [HandleKind::AccessToken, HandleKind::Code, HandleKind::DeviceCode, HandleKind::AuthReqId];
    let handle = kinds.into_iter().find_map(|kind| Handle::decode(kind, token));
    GrantId(handle.unwrap_or_else(|| panic!("{token}")).id)
}
