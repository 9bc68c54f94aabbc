//! A server at which everything is switched on, and whatever can be asked of it, as often as wanted.

use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, LazyLock, Mutex};

use async_trait::async_trait;
use grantor::Profile;
use grantor::authorize::{Approve, Deny, EnterUserCode, Login, Logout, Step};
use grantor::endpoint::administration::{Party, StandingChange};
use grantor::endpoint::backchannel_answer::{DecideAuthentication, UserAnswer};
use grantor::endpoint::registration::IssueInitialAccess;
use grantor::endpoint::resource::ResourceCheck;
use grantor::host::{OpenRegistration, TokenExchangePolicy};
use grantor::protocol::{
    ApplicationType, ClientId, DeliveryMode, GrantType, OAuthError, RedirectUri, ResponseType, Scope,
    SubjectId, Timestamp,
};
use grantor::record::exchange::{Exchange, IdJagTerms, Terms, Verdict};
use grantor::record::grant::Authentication;
use grantor::record::logout::LogoutUri;
use grantor::record::registration::Admission;
use grantor::record::{Client, Event, GrantId, SessionId};
use grantor::server::{Builder, Origin};
use grantor::store::{Store, StoreError};
use grantor::token::PresentedToken;
use http::{Method, Request, header};

use super::clients::{self, API, JWT_API, resource};
use super::foreign::Trust;
use super::host::{ByName, TestPasswords, TestSigner, by_name, limitless};
use super::phones::{Phones, Told};
use super::watched::Watched;
use super::{Agent, Answer, Fixture, Form, ISSUER, NOW, alice, scope};

pub(crate) const SCOPE: &str = "openid offline_access read write";
/// The other server for which this one issues grants.
pub(crate) const ELSEWHERE: &str = "https://chat.example";

/// All nodes sign with one key.
static SIGNER: LazyLock<Arc<TestSigner>> = LazyLock::new(|| Arc::new(TestSigner::new()));

/// Allows every exchange, and grants at one other server.
struct Everything;

#[async_trait]
impl TokenExchangePolicy for Everything {
    async fn judge(&self, exchange: &Exchange) -> Result<Verdict, StoreError> {
        let id_jag = exchange.elsewhere.as_deref().map(|_| {
            let (claims, client_id) = (serde_json::Map::new(), "wiki".into());
            Box::new(IdJagTerms { audience: ELSEWHERE.into(), client_id, relying_party: None, claims })
        });
        Ok(Verdict::Allow(Terms { id_jag, ..Terms::default() }))
    }

    fn issues_id_jags(&self) -> bool {
        true
    }
}

/// The usual clients, who may do everything; `web` is told that users have answered, `post` is sent its tokens, and `machine`
/// asks for them.
fn everyone() -> Vec<Client> {
    let mut all = clients::all();
    for client in &mut all {
        client.scope = scope(SCOPE);
        client.grant_types = GrantType::ALL.to_vec();
        client.grant_types.push(GrantType::Extension(by_name()));
        if !client.redirect_uris.is_empty() {
            client.response_types = ResponseType::ALL.to_vec();
        }
        client.backchannel.mode = match client.id.as_str() {
            "web" => Some(DeliveryMode::Ping),
            "post" => Some(DeliveryMode::Push),
            "machine" => Some(DeliveryMode::Poll),
            _ => None,
        };
        client.backchannel.endpoint = Some("https://client.example/told".parse().unwrap());
        let uri = RedirectUri::parse("https://client.example/logout", ApplicationType::Web).unwrap();
        client.logout.backchannel = Some(LogoutUri { uri, session_required: true });
    }
    all
}

/// Something that someone asks of the server.
#[derive(Clone)]
pub(crate) enum Deed {
    /// A client posts a form.
    Post(&'static str, &'static str, Form),
    /// Anybody sends JSON, or nothing, with a bearer token.
    Send(&'static str, String, Option<String>, String),
    /// A browser with these cookies opens a page.
    Visit(BTreeMap<String, String>, String),
    Login(Login),
    Approve(Approve),
    Deny(Deny),
    EnterUserCode(EnterUserCode),
    Logout(Logout),
    /// A user answers on a device.
    Answer(DecideAuthentication),
    Change(Party, StandingChange),
    RevokeGrant(GrantId),
    EndSession(SessionId),
    RevokeAccess(ClientId),
    Erase(SubjectId),
    Deregister(ClientId),
    IssueInitialAccess(IssueInitialAccess),
    Deliver,
    Purge,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Done,
    /// With this code, or status.
    Refused(String),
    /// Not now.
    Unavailable,
}

/// The server, and what it handed out.
pub(crate) struct Stage {
    pub(crate) fixture: Fixture,
    pub(crate) phones: Arc<Phones>,
    pub(crate) told: Arc<Told>,
    handed: Mutex<Vec<String>>,
}

impl Stage {
    pub(crate) fn on(store: Arc<dyn Store>) -> Self {
        Self::with(store, |builder| builder)
    }

    pub(crate) fn with(store: Arc<dyn Store>, configure: impl FnOnce(Builder) -> Builder) -> Self {
        let (phones, told) = (Arc::<Phones>::default(), Told::new(204));
        let (device, fetch) = (Arc::clone(&phones), Arc::clone(&told));
        let terms = Admission { grant_types: GrantType::ALL.to_vec(), ..Admission::default() };
        let fixture = Fixture::over(store, everyone(), |builder| {
            let builder = builder
                .profile(Profile::OidcCompat)
                .scope(scope(SCOPE))
                .grant_types(GrantType::ALL.iter().filter(|own| **own != GrantType::Implicit).cloned())
                .password_verifier(Arc::new(TestPasswords::default()))
                .token_exchange(Arc::new(Everything))
                .assertion_trust(Arc::new(Trust::default()))
                .authentication_device(device)
                .fetch(fetch)
                .limiter(Arc::new(limitless()))
                .signer(SIGNER.clone())
                .registration(Arc::new(OpenRegistration { terms }))
                .extension_grant(by_name(), Arc::new(ByName));
            configure(builder)
        });
        Self { fixture, phones, told, handed: Mutex::default() }
    }

    pub(crate) async fn perform(&self, deed: &Deed) -> Outcome {
        let (server, http) = (&self.fixture.server, &self.fixture.http);
        let shown = |step: Result<Step, OAuthError>| Answer::from(http.step(step, &Method::POST));
        let answer = match deed.clone() {
            Deed::Post(client, path, form) => self.fixture.post_as(client, path, &form).await,
            Deed::Send(method, target, token, body) => {
                let mut request = Request::builder().method(method).uri(target);
                request = request.header(header::CONTENT_TYPE, "application/json");
                if let Some(token) = token {
                    request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
                }
                self.fixture.send(request.body(body.into()).unwrap()).await
            }
            Deed::Visit(cookies, target) => {
                let mut agent = Agent::new(&self.fixture);
                agent.cookies = cookies;
                agent.get(&target).await
            }
            Deed::Login(login) => shown(server.login(&login).await),
            Deed::Approve(approve) => shown(server.approve(&approve).await),
            Deed::Deny(deny) => shown(server.deny(&deny).await),
            Deed::EnterUserCode(entered) => shown(server.enter_user_code(&entered, Origin::default()).await),
            Deed::Logout(logout) => http.logout_step(server.logout(&logout).await, &Method::POST).into(),
            Deed::Answer(decided) => return self.done(server.decide_authentication(&decided).await),
            Deed::Change(party, change) => return self.done(server.change(party, change).await),
            Deed::RevokeGrant(grant) => return self.done(server.revoke_grant(grant).await),
            Deed::EndSession(session) => return self.done(server.end_session(session).await),
            Deed::RevokeAccess(client) => return self.done(server.revoke_access(&alice(), &client).await),
            Deed::Erase(subject) => return self.done(server.erase_subject(&subject).await),
            Deed::Deregister(client) => return self.done(server.delete_client(&client).await),
            Deed::IssueInitialAccess(terms) => return self.done(server.issue_initial_access(&terms).await),
            Deed::Deliver => return self.done(server.deliver_outbox(100).await),
            Deed::Purge => return self.done(server.purge(100).await),
        };
        self.read(&answer)
    }

    /// Forgets what was handed out, and what was told after so many events.
    pub(crate) fn rewind(&self, events: usize) {
        self.told.take();
        self.handed.lock().unwrap().clear();
        self.fixture.events.lock().unwrap().truncate(events);
    }

    fn done<T>(&self, result: Result<T, OAuthError>) -> Outcome {
        match result {
            Ok(_) => Outcome::Done,
            Err(error) if error.status() == 503 => Outcome::Unavailable,
            Err(error) => Outcome::Refused(error.code().to_string()),
        }
    }

    /// What an answer says. One that is no honest answer is a failure of the test.
    fn read(&self, answer: &Answer) -> Outcome {
        if let Some(error) = answer.location().and_then(|_| answer.param("error")) {
            let told = (answer.param("iss"), answer.param("state"));
            assert_eq!(told, (Some(ISSUER.to_owned()), Some("af0ifjsldkj".to_owned())), "{answer:?}");
            return match error.as_str() {
                "temporarily_unavailable" => Outcome::Unavailable,
                // This is how the client is told what the user has answered.
                "access_denied" => Outcome::Done,
                _ => Outcome::Refused(error),
            };
        }
        match answer.status {
            200..=399 => {
                self.keep(answer);
                Outcome::Done
            }
            503 => {
                assert_eq!(answer.header("retry-after"), Some("1"), "{answer:?}");
                assert!(answer.is_page() || answer.error().1 == "temporarily_unavailable", "{answer:?}");
                Outcome::Unavailable
            }
            400..=499 if answer.is_page() => Outcome::Refused(answer.status.to_string()),
            400..=499 => Outcome::Refused(answer.error().1),
            _ => panic!("{answer:?}"),
        }
    }

    /// Keeps what an answer hands out.
    fn keep(&self, answer: &Answer) {
        let mut handed = self.handed.lock().unwrap();
        let names = ["code", "access_token", "id_token"];
        handed.extend(names.iter().filter_map(|name| answer.location().and_then(|_| answer.param(name))));
        let body: serde_json::Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        handed.extend(secrets_of(&body));
    }

    /// Everything that was handed out so far, what clients were sent included.
    pub(crate) fn handed(&self) -> Vec<String> {
        let mut handed = self.handed.lock().unwrap();
        for posted in self.told.take() {
            handed.extend(secrets_of(&serde_json::from_slice(&posted.body).unwrap_or_default()));
        }
        handed.clone()
    }

    /// Whether an access token is taken anywhere.
    pub(crate) async fn lives(&self, token: &str) -> bool {
        for api in [None, Some(API), Some(JWT_API)] {
            let check = ResourceCheck {
                token: PresentedToken::read(token),
                resource: api.map(resource),
                scope: Scope::empty(),
            };
            match self.fixture.server.check(&check).await {
                Ok(_) => return true,
                Err(error) => assert_eq!(error.status(), 401, "{error}"),
            }
        }
        false
    }

    /// What the user was asked last, and this answer.
    pub(crate) fn answering(&self, yes: bool) -> Deed {
        let question = self.phones.questions.lock().unwrap().last().unwrap().clone();
        let authentication = Authentication { auth_time: Timestamp(NOW), acr: None, amr: Vec::new() };
        let answer = match yes {
            true => UserAnswer::Approve { scope: question.scope, authentication },
            false => UserAnswer::Deny,
        };
        Deed::Answer(DecideAuthentication { grant: question.grant, subject: question.user.subject, answer })
    }

    /// Whether the clients' own servers take what they are sent.
    pub(crate) fn clients_listen(&self, listen: bool) {
        self.told.status.store(if listen { 204 } else { 503 }, Ordering::SeqCst);
    }
}

/// Holds all that was written, handed out and told at these nodes to the rules of [`Watched`].
pub(crate) async fn promises_are_kept(nodes: &[&Stage], store: &Watched, row: &str) {
    let handed: Vec<String> = nodes.iter().flat_map(|node| node.handed()).collect();
    let events: Vec<Event> = nodes.iter().flat_map(|node| node.fixture.events()).collect();
    let mut live = Vec::new();
    for token in &handed {
        if nodes[0].lives(token).await {
            live.push(token.clone());
        }
    }
    store.keeps_its_promises(&handed, &live, &events, row);
}

/// What nobody else may learn of an answer in JSON.
fn secrets_of(body: &serde_json::Value) -> impl Iterator<Item = String> {
    let names = [
        "access_token",
        "refresh_token",
        "id_token",
        "device_code",
        "user_code",
        "auth_req_id",
        "client_secret",
        "registration_access_token",
    ];
    names.into_iter().filter_map(|name| body[name].as_str().map(str::to_owned))
}
