//! How often a request waits for the store: loads, each of which needs what the one before it told, and commits.
//!
//! The client, the account, the resource and the keys come from elsewhere and are not counted. Two rows cost more than
//! they would if a client could not be switched off:
//!
//! - A JWT for a client that acts for itself is written nowhere, so nothing but a load can tell that the client was
//!   switched off: the load of its standing, before such a token is made and whenever one is judged.
//! - An opaque token for such a client is written, and that nobody has touched the client's standing is a condition of
//!   the write. It fails once where somebody has, and only then is anything loaded.

#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use common::clients::{self, API, JWT_API, resource};
use common::devices::{self, Device, Devices as _};
use common::phones::{self, CIBA, asking_to_be_told};
use common::{
    Agent, Answer, Fixture, Form, NOW, Tokens, alice, authorization, form, machine, redemption, refreshing,
    scope,
};
use grantor::authorize::{
    Approve, AuthorizationRequest, Authorize, Continue, Deny, ForgetLogin, Login, View,
};
use grantor::endpoint::backchannel_answer::{DecideAuthentication, UserAnswer};
use grantor::endpoint::registration::IssueInitialAccess;
use grantor::endpoint::resource::ResourceCheck;
use grantor::endpoint::userinfo::UserInfoRequest;
use grantor::host::{OpenRegistration, TokenExchangePolicy};
use grantor::protocol::{DeliveryMode, GrantType, Params, Timestamp};
use grantor::record::exchange::{Exchange, Terms, Verdict};
use grantor::record::grant::Authentication;
use grantor::record::registration::Admission;
use grantor::record::{Batch, Index, InteractionId, Key, Versioned};
use grantor::server::Origin;
use grantor::store::{CommitError, Listing, MemoryStore, Page, Store, StoreError};
use grantor::token::PresentedToken;

/// Counts what another store is asked.
#[derive(Default)]
struct Counting {
    inner: MemoryStore,
    loads: AtomicUsize,
    commits: AtomicUsize,
}

#[async_trait]
impl Store for Counting {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        self.inner.load(keys).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        self.commits.fetch_add(1, Ordering::SeqCst);
        self.inner.commit(batch).await
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        self.inner.list(index, page).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.purge(now, limit).await
    }
}

/// Allows every exchange.
struct Everything;

#[async_trait]
impl TokenExchangePolicy for Everything {
    async fn judge(&self, _: &Exchange) -> Result<Verdict, StoreError> {
        Ok(Verdict::Allow(Terms::default()))
    }
}

/// What a request cost.
#[derive(Debug, PartialEq, Eq)]
struct Trips {
    loads: usize,
    commits: usize,
}

const fn trips(loads: usize, commits: usize) -> Trips {
    Trips { loads, commits }
}

struct World {
    fixture: Fixture,
    store: Arc<Counting>,
}

const SCOPE: &str = "openid read write";

fn world() -> World {
    let store = Arc::new(Counting::default());
    let mut clients = clients::all();
    clients.iter_mut().for_each(|client| client.scope = scope(SCOPE));
    World { fixture: Fixture::over(store.clone(), clients, |builder| builder.scope(scope(SCOPE))), store }
}

impl World {
    /// What a request answers and what it costs.
    async fn cost<T>(&self, request: impl Future<Output = T>) -> (T, Trips) {
        let asked = || (self.store.loads.load(Ordering::SeqCst), self.store.commits.load(Ordering::SeqCst));
        let (loads, commits) = asked();
        let answer = request.await;
        let (loads_after, commits_after) = asked();
        (answer, trips(loads_after - loads, commits_after - commits))
    }

    /// What a token request costs that is answered with tokens.
    async fn token(&self, client: &str, form: &Form) -> (Tokens, Trips) {
        let (answer, trips) = self.cost(self.fixture.token(client, form)).await;
        (answer.tokens(), trips)
    }

    /// The tokens that a client got for a code of `alice`, all for the issuer or all for one API.
    async fn tokens(&self, client: &str, resource: Option<&str>) -> Tokens {
        let code = self.code(client, resource).await;
        self.fixture.redeem(client, &code).await.tokens()
    }

    async fn code(&self, client: &str, resource: Option<&str>) -> String {
        let request = resource.iter().fold(authorization(client), |form, uri| form.add("resource", uri));
        let answer = self.fixture.agent().walk(&request, "alice").await;
        answer.param("code").unwrap_or_else(|| panic!("{answer:?}"))
    }

    /// What introspection costs, and whether it found a token that lives.
    async fn introspect(&self, client: &str, token: &str) -> (bool, Trips) {
        let (answer, trips) = self.cost(self.fixture.introspect(client, token)).await;
        (answer["active"] == true, trips)
    }

    /// What the check of a token for an API costs, and whether it passes.
    async fn check(&self, token: &str, api: Option<&str>) -> (bool, Trips) {
        let check = ResourceCheck {
            token: PresentedToken::read(token),
            resource: api.map(resource),
            scope: scope("read"),
        };
        let (answer, trips) = self.cost(self.fixture.server.check(&check)).await;
        (answer.is_ok(), trips)
    }

    async fn revoke(&self, client: &str, token: &str) -> Trips {
        let (answer, trips) = self.cost(self.fixture.revoke(client, token)).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        trips
    }

    async fn authorize(&self, agent: &mut Agent<'_>, client: &str) -> (Answer, Trips) {
        self.cost(agent.authorize(&authorization(client))).await
    }

    /// A browser in front of the consent form of `web`, where `alice` has signed in.
    async fn at_consent(&self) -> (Agent<'_>, InteractionId) {
        let mut agent = self.fixture.agent();
        let id = Agent::interaction(&agent.authorize(&authorization("web")).await);
        agent.login(id, "alice").await;
        (agent, id)
    }
}

#[tokio::test]
async fn a_client_that_acts_for_itself_costs_one_commit_or_for_a_jwt_one_load() {
    let world = world();
    assert_eq!(world.token("machine", &machine()).await.1, trips(0, 1));
    assert_eq!(world.token("machine", &machine().add("resource", API)).await.1, trips(0, 1));
    assert_eq!(world.token("machine", &machine().add("resource", JWT_API)).await.1, trips(1, 0));
}

#[tokio::test]
async fn a_client_that_was_ever_switched_off_writes_twice_and_reads_its_standing_in_between() {
    let world = world();
    world.fixture.server.disable_client(&"machine".into()).await.unwrap();
    world.fixture.server.enable_client(&"machine".into()).await.unwrap();
    // One load tells that the conflict is no late echo of this very write, the other what the standing is.
    assert_eq!(world.token("machine", &machine()).await.1, trips(2, 2));
    assert_eq!(world.token("machine", &machine().add("resource", JWT_API)).await.1, trips(1, 0));
}

/// Where clients may register themselves, the host's own are found without the store, and the others with one load.
#[tokio::test]
async fn a_client_that_registered_itself_costs_one_load_more_and_registering_one_commit() {
    let store = Arc::new(Counting::default());
    let terms = Admission { grant_types: vec![GrantType::ClientCredentials], ..Admission::default() };
    let fixture = Fixture::over(store.clone(), clients::all(), |builder| {
        builder.scope(scope(SCOPE)).registration(Arc::new(OpenRegistration { terms }))
    });
    let world = World { fixture, store };
    assert_eq!(world.token("machine", &machine()).await.1, trips(0, 1));

    let send = |method: &'static str, target: String, token: Option<String>, body: String| {
        let mut request = http::Request::builder().method(method).uri(target);
        request = request.header("content-type", "application/json");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        world.cost(world.fixture.send(request.body(body.into()).unwrap()))
    };
    let metadata = r#"{"grant_types":["client_credentials"]}"#.to_owned();
    let (answer, cost) = send("POST", "/register".into(), None, metadata.clone()).await;
    assert_eq!((answer.status, cost), (201, trips(0, 1)));
    let told = answer.json();
    let (id, secret) = (told["client_id"].as_str().unwrap(), told["client_secret"].as_str().unwrap());
    let header = clients::basic(id, secret);
    let (answer, cost) = world.cost(world.fixture.post("/token", Some(&header), &machine())).await;
    assert_eq!((answer.status, cost), (200, trips(1, 1)));

    let terms = IssueInitialAccess { name: "x".into(), lifetime: Duration::from_secs(60), uses: Some(2) };
    let (initial, cost) = world.cost(world.fixture.server.issue_initial_access(&terms)).await;
    assert_eq!(cost, trips(0, 1));
    let initial = initial.unwrap().expose().to_owned();
    let (answer, cost) = send("POST", "/register".into(), Some(initial), metadata).await;
    assert_eq!((answer.status, cost), (201, trips(1, 1)));
    let told = answer.json();
    let target = format!("/register?client_id={}", told["client_id"].as_str().unwrap());
    let token = told["registration_access_token"].as_str().map(str::to_owned);
    let (answer, cost) = send("GET", target.clone(), token.clone(), String::new()).await;
    assert_eq!((answer.status, cost), (200, trips(1, 0)));
    let body = format!(r#"{{"client_id":{},"grant_types":["client_credentials"]}}"#, told["client_id"]);
    let (answer, cost) = send("PUT", target.clone(), token, body).await;
    assert_eq!((answer.status, cost), (200, trips(1, 1)));
    let token = answer.json()["registration_access_token"].as_str().map(str::to_owned);
    let (answer, cost) = send("DELETE", target, token, String::new()).await;
    assert_eq!((answer.status, cost), (204, trips(1, 1)));
}

#[tokio::test]
async fn an_authorization_request_costs_a_second_load_only_for_what_the_session_names() {
    let world = world();
    let mut agent = world.fixture.agent();
    assert_eq!(world.authorize(&mut agent, "web").await.1, trips(1, 1), "nobody is signed in");
    agent.sign_in("alice").await;
    let (asked, cost) = world.authorize(&mut agent, "web").await;
    assert!(Agent::is_at(&asked, "/consent"));
    assert_eq!(cost, trips(2, 1), "consent is asked for");
    agent.approve(Agent::interaction(&asked), &scope("read write")).await;
    for client in ["web", "first"] {
        let (answer, cost) = world.authorize(&mut agent, client).await;
        assert!(answer.param("code").is_some());
        assert_eq!(cost, trips(2, 1), "{client} gets a code at once");
    }

    let form = authorization("web");
    let params = Params::from_pairs(form.0.iter().map(|(name, value)| (name.as_str(), value.as_str())));
    let mut browser = agent.browser();
    browser.host_login = Some(agent.host_login("alice"));
    let request = Authorize { request: AuthorizationRequest::read(params).unwrap(), browser };
    let (_, cost) = world.cost(world.fixture.server.authorize(&request, Origin::default())).await;
    assert_eq!(cost, trips(1, 1), "the host keeps the session");

    let (answer, cost) = world.authorize(&mut agent, "nobody").await;
    assert!(answer.is_page());
    assert_eq!(cost, trips(0, 0), "there is no such client");
}

#[tokio::test]
async fn the_redemption_of_a_code_costs_two_loads_and_one_commit() {
    let world = world();
    for (client, api) in [("web", None), ("spa", None), ("web", Some(JWT_API))] {
        let request = redemption(client, &world.code(client, api).await);
        assert_eq!(world.token(client, &request).await.1, trips(2, 1), "{client} {api:?}");
        let (replay, cost) = world.cost(world.fixture.token(client, &request)).await;
        replay.refused(400, "invalid_grant");
        assert_eq!(cost, trips(2, 1), "{client} {api:?}: a replay");
    }
}

#[tokio::test]
async fn a_refresh_costs_two_loads_and_one_commit_whether_the_token_rotates_or_not() {
    let world = world();
    for (client, api) in [("web", None), ("spa", None), ("web", Some(JWT_API))] {
        let first = world.tokens(client, api).await;
        let (second, cost) = world.token(client, &refreshing(&first.refresh)).await;
        assert_eq!(cost, trips(2, 1), "{client} {api:?}");
        assert_eq!(second.refresh != first.refresh, client == "spa");
        let again = world.token(client, &refreshing(&first.refresh)).await.1;
        assert_eq!(again, trips(2, 1), "{client} {api:?}: once more");
    }
}

#[tokio::test]
async fn an_exchange_costs_two_loads_and_one_commit_however_long_the_chain() {
    let store = Arc::new(Counting::default());
    let mut all = clients::all();
    all.iter_mut().for_each(|client| client.grant_types = GrantType::ALL.to_vec());
    let types = [GrantType::AuthorizationCode, GrantType::ClientCredentials, GrantType::TokenExchange];
    let fixture = Fixture::over(store.clone(), all, |builder| {
        builder.scope(scope(SCOPE)).grant_types(types).token_exchange(Arc::new(Everything))
    });
    let world = World { fixture, store };
    const ACCESS: &str = "urn:ietf:params:oauth:token-type:access_token";
    let exchanging = |token: &str| {
        form([
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", token),
            ("subject_token_type", ACCESS),
        ])
    };
    for api in [API, JWT_API] {
        let mut token = world.tokens("web", Some(api)).await.access;
        for turn in 0..3 {
            let (next, cost) = world.token("machine", &exchanging(&token)).await;
            // A JWT names all that its life hangs on, except where it goes back to another token.
            let loads = if api == JWT_API && turn == 0 { 1 } else { 2 };
            assert_eq!(cost, trips(loads, 1), "{api} {turn}");
            token = next.access;
        }
        let actor = world.tokens("web", Some(api)).await.access;
        let both = exchanging(&token).add("actor_token", &actor).add("actor_token_type", ACCESS);
        assert_eq!(world.token("machine", &both).await.1, trips(2, 1), "{api}: with an actor token");
        assert_eq!(world.introspect("machine", &token).await, (true, trips(2, 0)), "{api}");
        assert_eq!(world.check(&token, Some(api)).await, (true, trips(2, 0)), "{api}");
    }
    let own = world.token("machine", &machine().add("resource", JWT_API)).await.0.access;
    assert_eq!(world.token("web", &exchanging(&own)).await.1, trips(1, 1), "nothing remembers it");
}

#[tokio::test]
async fn an_assertion_costs_two_loads_one_commit_and_the_claim_of_its_name() {
    let store = Arc::new(Counting::default());
    let mut all = clients::all();
    all.iter_mut().for_each(|client| client.grant_types = GrantType::ALL.to_vec());
    let trust = Arc::new(common::foreign::Trust::default());
    let fixture = Fixture::over(store.clone(), all, |builder| {
        builder.scope(scope("read write")).grant_types([GrantType::JwtBearer]).assertion_trust(trust)
    });
    let world = World { fixture, store };
    let assertion = common::foreign::stated(&common::foreign::statement());
    let request = form([
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", assertion.as_str()),
    ]);
    assert_eq!(world.token("machine", &request).await.1, trips(2, 2));
    let (replay, cost) = world.cost(world.fixture.token("machine", &request)).await;
    replay.refused(400, "invalid_grant");
    assert_eq!(cost, trips(3, 1), "the name was claimed before");
}

#[tokio::test]
async fn introspection_costs_a_second_load_only_for_what_the_grant_alone_names() {
    let world = world();
    let tokens = world.tokens("web", None).await;
    assert_eq!(world.introspect("web", &tokens.access).await, (true, trips(2, 0)));
    assert_eq!(world.introspect("web", &tokens.refresh).await, (true, trips(2, 0)));
    let tokens = world.tokens("web", Some(API)).await;
    assert_eq!(world.introspect("api", &tokens.access).await, (true, trips(2, 0)));

    let own = world.token("machine", &machine().add("resource", API)).await.0;
    assert_eq!(world.introspect("machine", &own.access).await, (true, trips(1, 0)), "no other party");
    assert_eq!(world.introspect("api", &own.access).await, (true, trips(2, 0)));

    let jwt = world.tokens("web", Some(JWT_API)).await;
    assert_eq!(world.introspect("web", &jwt.access).await, (true, trips(1, 0)));
    assert_eq!(world.introspect("api", &jwt.access).await, (false, trips(1, 0)), "not for this API to know");
    let own = world.token("machine", &machine().add("resource", JWT_API)).await.0;
    assert_eq!(world.introspect("machine", &own.access).await, (true, trips(1, 0)));
    let forged = own.access.rsplit_once('.').unwrap().0.to_owned() + "." + &"A".repeat(86);
    assert_eq!(world.introspect("machine", &forged).await, (false, trips(1, 0)), "nobody signed it");
    assert_eq!(world.introspect("machine", "nonsense").await, (false, trips(1, 0)));
}

#[tokio::test]
async fn the_check_of_a_token_costs_a_second_load_only_for_what_the_grant_alone_names() {
    let world = world();
    let tokens = world.tokens("web", None).await;
    assert_eq!(world.check(&tokens.access, None).await, (true, trips(2, 0)));
    let own = world.token("machine", &machine()).await.0;
    assert_eq!(world.check(&own.access, None).await, (true, trips(2, 0)));

    let jwt = world.tokens("web", Some(JWT_API)).await;
    assert_eq!(world.check(&jwt.access, Some(JWT_API)).await, (true, trips(1, 0)));
    let own = world.token("machine", &machine().add("resource", JWT_API)).await.0;
    assert_eq!(world.check(&own.access, Some(JWT_API)).await, (true, trips(1, 0)), "no grant behind it");
    assert_eq!(world.check("nonsense", None).await, (false, trips(0, 0)));
}

#[tokio::test]
async fn what_is_told_of_a_user_costs_two_loads() {
    let world = world();
    let request = authorization("web").set("scope", "openid");
    let code = world.fixture.agent().walk(&request, "alice").await.param("code").unwrap();
    let (tokens, cost) = world.token("web", &redemption("web", &code)).await;
    assert_eq!(cost, trips(2, 1), "an ID token costs no more");
    let userinfo = UserInfoRequest::read(&tokens.access);
    let (answer, cost) = world.cost(world.fixture.server.userinfo(&userinfo, Origin::default())).await;
    assert!(answer.is_ok(), "{answer:?}");
    assert_eq!(cost, trips(2, 0));
}

#[tokio::test]
async fn a_revocation_costs_one_load_and_one_commit() {
    let world = world();
    let tokens = world.tokens("web", None).await;
    assert_eq!(world.revoke("web", &tokens.access).await, trips(1, 1), "an opaque token");
    assert_eq!(world.revoke("web", &tokens.refresh).await, trips(1, 1), "a refresh token");
    assert_eq!(world.revoke("web", &tokens.refresh).await, trips(1, 0), "once more");

    let jwt = world.tokens("web", Some(JWT_API)).await;
    assert_eq!(world.revoke("web", &jwt.access).await, trips(1, 1), "a JWT");
    let own = world.token("machine", &machine().add("resource", JWT_API)).await.0;
    assert_eq!(world.revoke("machine", &own.access).await, trips(1, 1), "a JWT with no grant behind it");
    assert_eq!(world.check(&own.access, Some(JWT_API)).await, (false, trips(1, 0)));
}

#[tokio::test]
async fn a_login_costs_a_second_load_and_a_commit_only_for_a_request_that_waits() {
    let world = world();
    let server = &world.fixture.server;
    for client in ["web", "first"] {
        let mut agent = world.fixture.agent();
        let id = Agent::interaction(&agent.authorize(&authorization(client)).await);
        let login = Login {
            interaction: Some(agent.form(id).await),
            login: agent.host_login("alice"),
            browser: agent.browser(),
        };
        let (step, cost) = world.cost(server.login(&login)).await;
        assert_eq!(cost, trips(2, 1), "{client}");
        assert_eq!(agent.shown(step).param("code").is_some(), client == "first");
    }
    let mut agent = world.fixture.agent();
    assert_eq!(world.cost(agent.sign_in("alice")).await.1, trips(1, 1));
    assert_eq!(world.cost(agent.sign_in("alice")).await.1, trips(1, 1), "in place of another session");
    assert_eq!(world.cost(server.signed_in(&agent.browser())).await.1, trips(2, 0));
}

#[tokio::test]
async fn every_answer_of_the_user_costs_two_loads_and_one_commit() {
    let world = world();
    let server = &world.fixture.server;
    for answer in ["approve", "approve again", "deny", "forget"] {
        let (agent, id) = world.at_consent().await;
        let (form, browser) = (agent.form(id).await, agent.browser());
        let (step, cost) = match answer {
            "deny" => world.cost(server.deny(&Deny { answer: form, browser })).await,
            "forget" => world.cost(server.forget_login(&ForgetLogin { answer: form, browser })).await,
            _ => world.cost(server.approve(&Approve { answer: form, scope: scope("read"), browser })).await,
        };
        assert!(step.is_ok(), "{answer}: {step:?}");
        assert_eq!(cost, trips(2, 1), "{answer}");
    }
}

#[tokio::test]
async fn a_choice_of_accounts_costs_two_loads_to_look_at_and_two_and_a_commit_to_go_on() {
    let world = world();
    for client in ["web", "first"] {
        let mut agent = world.fixture.agent();
        agent.sign_in("alice").await;
        let request = authorization(client).add("prompt", "select_account");
        let (asked, cost) = world.cost(agent.authorize(&request)).await;
        assert_eq!(cost, trips(2, 1), "{client}");
        let id = Agent::interaction(&asked);
        let (form, cost) = world.cost(agent.form(id)).await;
        assert_eq!(cost, trips(2, 0), "{client}");
        let go_on = Continue { answer: form, browser: agent.browser() };
        let (step, cost) = world.cost(world.fixture.server.go_on(&go_on)).await;
        assert_eq!(cost, trips(2, 1), "{client}");
        assert_eq!(agent.shown(step).param("code").is_some(), client == "first");
    }
}

#[tokio::test]
async fn the_view_of_an_interaction_costs_two_loads() {
    let world = world();
    let mut stranger = world.fixture.agent();
    let asked = Agent::interaction(&stranger.authorize(&authorization("web")).await);
    let signed_in = world.at_consent().await;
    for (agent, id) in [(stranger, asked), signed_in] {
        let view = View { id, browser: agent.browser() };
        let (view, cost) = world.cost(world.fixture.server.interaction(&view)).await;
        assert_eq!(cost, trips(2, 0), "{:?}", view.unwrap().reason);
    }
}

#[tokio::test]
async fn a_device_costs_one_commit_to_begin_one_load_and_one_commit_to_wait_and_one_load_more_to_end() {
    let store = Arc::new(Counting::default());
    let world = World { fixture: devices::over(store.clone(), |builder| builder), store };
    for answer in ["approve", "deny"] {
        let request = form([("scope", "openid read")]);
        let (answered, cost) =
            world.cost(world.fixture.post_as("tv", "/device_authorization", &request)).await;
        assert_eq!((answered.status, cost), (200, trips(0, 1)));
        let device = Device { told: answered.json() };
        assert_eq!(world.cost(world.fixture.poll("tv", &device)).await.1, trips(1, 1), "pending");
        assert_eq!(world.cost(world.fixture.poll("tv", &device)).await.1, trips(1, 1), "too fast");

        let mut agent = world.fixture.agent();
        agent.sign_in("alice").await;
        let wrong = agent.entering("BCDF-GHJK");
        let server = &world.fixture.server;
        assert_eq!(world.cost(server.enter_user_code(&wrong, Origin::default())).await.1, trips(2, 0));
        let right = agent.entering(&device.user_code());
        let (step, cost) = world.cost(server.enter_user_code(&right, Origin::default())).await;
        assert_eq!(
            cost,
            trips(3, 1),
            "the user code, which alone names the grant, which alone names the client"
        );
        let id = Agent::interaction(&agent.shown(step));
        let view = View { id, browser: agent.browser() };
        assert_eq!(world.cost(server.interaction(&view)).await.1, trips(2, 0));
        let (form, browser) = (agent.form(id).await, agent.browser());
        let (step, cost) = match answer {
            "approve" => {
                world.cost(server.approve(&Approve { answer: form, scope: scope("read"), browser })).await
            }
            _ => world.cost(server.deny(&Deny { answer: form, browser })).await,
        };
        assert!(step.is_ok(), "{answer}: {step:?}");
        assert_eq!(cost, trips(2, 1), "{answer}");

        let (redeemed, cost) = world.cost(world.fixture.poll("tv", &device)).await;
        match answer {
            "approve" => assert_eq!((redeemed.status, cost), (200, trips(2, 1))),
            _ => assert_eq!((redeemed.status, cost), (400, trips(1, 0))),
        }
    }
}

#[tokio::test]
async fn a_client_that_names_its_user_costs_no_more_than_a_device_but_for_what_it_is_told() {
    // What is told is read once to be sent, and once to be forgotten.
    let modes = [
        (DeliveryMode::Poll, trips(2, 1)),
        (DeliveryMode::Ping, trips(5, 2)),
        (DeliveryMode::Push, trips(6, 2)),
    ];
    for (mode, expected) in modes {
        let store = Arc::new(Counting::default());
        let (phones, _) = phones::told(mode, store.clone(), 204);
        let named = |answer: &Answer| {
            form([("grant_type", CIBA), ("auth_req_id", answer.json()["auth_req_id"].as_str().unwrap())])
        };
        let world = World { fixture: phones.fixture, store };
        let request = asking_to_be_told();
        let (answered, cost) = world.cost(world.fixture.post_as("bank", "/bc-authorize", &request)).await;
        // Whether the client may ask at all is looked up before the host is, and whether the user may be asked after it.
        assert_eq!((answered.status, cost), (200, trips(2, 1)), "{mode:?}");
        let question = phones.phones.questions.lock().unwrap().last().unwrap().clone();
        let authentication = Authentication { auth_time: Timestamp(NOW), acr: None, amr: Vec::new() };
        let answer = UserAnswer::Approve { scope: question.scope, authentication };
        let decided = DecideAuthentication { grant: question.grant, subject: question.user.subject, answer };
        let (done, cost) = world.cost(world.fixture.server.decide_authentication(&decided)).await;
        done.unwrap();
        assert_eq!(cost, expected, "{mode:?}");
        let (redeemed, cost) = world.cost(world.fixture.token("bank", &named(&answered))).await;
        match mode {
            DeliveryMode::Push => assert_eq!((redeemed.status, cost), (400, trips(2, 0))),
            _ => assert_eq!((redeemed.status, cost), (200, trips(2, 1))),
        }
    }
}

#[tokio::test]
async fn whatever_an_operator_ends_costs_one_load_and_one_commit_and_so_does_each_session_of_a_subject() {
    let world = world();
    let server = &world.fixture.server;
    world.tokens("web", None).await;
    let (grant, _) = world.fixture.grants("web").await.remove(0);
    assert_eq!(world.cost(server.revoke_grant(grant)).await.1, trips(1, 1));
    assert_eq!(world.cost(server.revoke_grant(grant)).await.1, trips(1, 0), "once more");
    // Her standing, what is listed under her, and her session.
    assert_eq!(world.cost(server.disable_subject(&alice())).await.1, trips(3, 2));
    assert_eq!(world.cost(server.disable_client(&"web".into())).await.1, trips(1, 1));
    let mut agent = world.fixture.agent();
    agent.sign_in("bob").await;
    let session = agent.browser().session_id().unwrap();
    assert_eq!(world.cost(server.end_session(session)).await.1, trips(1, 1));
}

#[tokio::test]
async fn a_request_of_a_client_that_does_not_prove_itself_commits_nothing() {
    let world = world();
    let tokens = world.tokens("web", None).await;
    for (path, request) in
        [("/token", refreshing(&tokens.refresh)), ("/revoke", form([("token", &tokens.refresh)]))]
    {
        let wrong = clients::basic("web", "wrong");
        let (answer, cost) = world.cost(world.fixture.post(path, Some(&wrong), &request)).await;
        answer.refused(401, "invalid_client");
        assert_eq!(cost.commits, 0, "{path}");
        assert!(cost.loads <= 2, "{path}: {cost:?}");
    }
}
