//! A decision can be taken again: the same request, facts and context give the same decision, byte for byte, and it is
//! the one that was answered.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::fmt::Debug;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use common::clients::{API, JWT_API, secret};
use common::devices;
use common::host::NoServers;
use common::{Agent, Fixture, VERIFIER, alice, authorization, scope};
use grantor::authorize::{
    Action, Approve, AuthorizationRequest, Authorize, Browser, Deny, ForgetLogin, Login, View,
};
use grantor::client::Credentials;
use grantor::client::authentication::ClientProof;
use grantor::endpoint::administration::{
    ChangeStanding, EndSession, ForgetConsent, Party, RevokeGrant, StandingChange, UsableGrants,
};
use grantor::endpoint::device_authorization::DeviceAuthorizationRequest;
use grantor::endpoint::introspection::IntrospectionRequest;
use grantor::endpoint::outbox::{Lease, PrepareMessage, TakeMessage};
use grantor::endpoint::registration::{
    EndRegistration, IssueInitialAccess, ReadRegistration, RegistrationAccess, RegistrationRequest,
    ReplaceRegistration,
};
use grantor::endpoint::resource::ResourceCheck;
use grantor::endpoint::revocation::RevocationRequest;
use grantor::endpoint::token::TokenRequest;
use grantor::endpoint::userinfo::UserInfoRequest;
use grantor::grant::authorization_code::AuthorizationCodeRequest;
use grantor::grant::client_credentials::ClientCredentialsRequest;
use grantor::grant::device_code::DeviceCodeRequest;
use grantor::grant::issue::{AccessTokenPlan, TokenPlan};
use grantor::grant::refresh_token::RefreshTokenRequest;
use grantor::protocol::{ApplicationType, OAuthError, Params, Reason, RedirectUri, Resource, Secret};
use grantor::record::codec::encode;
use grantor::record::facts::Fact;
use grantor::record::logout::LogoutUri;
use grantor::record::{
    Context, Decide, Decision, Facts, Halt, Id, Index, Need, OutboxId, Random, Record, Settings,
};
use grantor::server::{Mint, Origin, Trace};
use grantor::store::Page;
use grantor::testing::SeededEntropy;
use grantor::token::{Handle, HandleKind, PresentedToken, RefreshHandle};

/// What a decision says, secrets and records included.
trait Exposed {
    fn exposed(&self) -> String;
}

impl Exposed for TokenPlan {
    fn exposed(&self) -> String {
        let access = match &self.access_token {
            AccessTokenPlan::Opaque(token) => token.expose().to_owned(),
            AccessTokenPlan::Jwt(claims, algorithm) => format!("{claims:?} {algorithm:?}"),
            AccessTokenPlan::IdJag(claims, algorithm) => format!("{claims:?} {algorithm:?}"),
            AccessTokenPlan::IdToken(plan) => format!("{plan:?}"),
        };
        let refresh = self.refresh_token.as_ref().map(Secret::expose);
        format!("{access} {refresh:?} {self:?}")
    }
}

impl Exposed for grantor::authorize::Step {
    fn exposed(&self) -> String {
        let location = match &self.action {
            Action::Respond(response) => response.location().unwrap_or_default(),
            _ => String::new(),
        };
        let cookies: Vec<String> =
            self.cookies.headers(&grantor::Issuer::new(common::ISSUER).unwrap()).collect();
        format!("{location} {cookies:?} {self:?}")
    }
}

impl Exposed for grantor::authorize::InteractionView {
    fn exposed(&self) -> String {
        format!("{} {self:?}", self.csrf.expose())
    }
}

impl Exposed for grantor::endpoint::registration::ClientInformation {
    fn exposed(&self) -> String {
        String::from_utf8(self.to_json().unwrap()).unwrap()
    }
}

impl Exposed for grantor::endpoint::device_authorization::DeviceAuthorization {
    fn exposed(&self) -> String {
        String::from_utf8(self.to_json().unwrap()).unwrap()
    }
}

impl Exposed for Secret {
    fn exposed(&self) -> String {
        self.expose().to_owned()
    }
}

macro_rules! shown {
    ($($plan:ty),*) => {
        $(impl Exposed for $plan {
            fn exposed(&self) -> String {
                format!("{self:?}")
            }
        })*
    };
}

shown!(
    (),
    Vec<(grantor::record::GrantId, grantor::record::Grant)>,
    grantor::endpoint::introspection::Introspection,
    grantor::grant::resolve::LiveToken,
    grantor::endpoint::userinfo::UserInfoPlan,
    Option<grantor::endpoint::outbox::Notice>,
    grantor::record::Standing,
    Option<Lease>,
    Option<grantor::record::interaction::SignedIn>
);

fn written<P: Exposed>(decision: Result<Decision<P>, Halt>) -> String {
    let Decision { batch, outcome, events } = match decision {
        Ok(decision) => decision,
        Err(Halt::Refuse(error)) => return format!("{error}"),
        Err(Halt::Need(need)) => panic!("a recorded fact is missing: {need:?}"),
    };
    let records: Vec<String> = batch
        .put
        .iter()
        .map(|put| {
            let bytes = encode(&put.record).unwrap();
            format!(
                "{:?} {} {:?} {:?}",
                put.key,
                String::from_utf8(bytes).unwrap(),
                put.terms,
                put.retain_until
            )
        })
        .collect();
    let outcome = outcome.map(|plan| plan.exposed()).map_err(|error| error.to_string());
    format!("{:?} {:?} {:?} {records:?} {outcome:?} {events:?}", batch.id, batch.expect, batch.delete)
}

/// Runs a request, decides it again from its recording in several ways, and returns the decision and the answer.
async fn recorded<Q>(
    fixture: &Fixture,
    request: &Q,
) -> (String, Result<<Q::Plan as Mint>::Response, OAuthError>)
where
    Q: Decide + Sync + Debug,
    Q::Plan: Mint + Exposed,
{
    let (answer, trace) = fixture.server.trace(request, Origin::default()).await;
    let Trace { facts, context } = trace.unwrap();
    let first = written(request.decide(&facts, &context));
    let mut later = context.clone();
    later.random = context.random.clone();
    assert_eq!(first, written(request.decide(&facts.clone(), &later)), "{request:?}");

    if Q::READ_ONLY {
        later.random = Random::from_seed([7; Random::LEN]);
        let drawn = request.decide(&facts, &later).map(|mut decision| {
            decision.batch.id = context.batch().id;
            decision
        });
        assert_eq!(first, written(drawn), "it is given no randomness, so it must not draw any");
    }

    let mut backwards = facts.clone();
    backwards.forget_records();
    backwards.learn(Fact::Records(facts.records().iter().rev().cloned().collect()));
    let again = loop {
        match request.decide(&backwards, &context) {
            Err(Halt::Need(Need::Client(id))) => {
                let client = facts.client(&id).unwrap().cloned();
                backwards.learn(Fact::Client(id, client));
            }
            decided => break decided,
        }
    };
    assert_eq!(first, written(again), "the order of what was read is no fact");

    if let Some(batch) = request.decide(&facts, &context).ok().map(|decision| decision.batch) {
        let keys: Vec<_> = batch.put.iter().map(|put| put.key).collect();
        let kept = fixture.store.load(&keys).await.unwrap();
        for (put, kept) in batch.put.iter().zip(kept) {
            let kept = kept.unwrap();
            assert_eq!(
                (kept.version, &kept.record),
                (batch.id, &put.record),
                "what was decided is what is kept"
            );
        }
    }
    (first, answer)
}

fn basic(client: &str) -> Credentials {
    Credentials { client_id: client.into(), proof: ClientProof::Basic(Secret::new(secret(client))) }
}

fn public(client: &str) -> Credentials {
    Credentials { client_id: client.into(), proof: ClientProof::None }
}

fn redeeming(credentials: Credentials, code: &str) -> TokenRequest {
    let redirect_uri = common::clients::redirect_uri(&credentials.client_id).to_owned();
    TokenRequest::AuthorizationCode(AuthorizationCodeRequest {
        credentials,
        code: Handle::decode(HandleKind::Code, code),
        redirect_uri: Some(redirect_uri),
        code_verifier: Some(Secret::new(VERIFIER)),
        resources: vec![],
    })
}

fn refreshing(credentials: Credentials, token: &str) -> TokenRequest {
    TokenRequest::RefreshToken(RefreshTokenRequest {
        credentials,
        refresh_token: RefreshHandle::decode(token),
        scope: None,
        resources: vec![],
    })
}

fn machine(resource: Option<&str>) -> TokenRequest {
    let resources = resource.iter().map(|uri| Resource::parse(uri).unwrap()).collect();
    TokenRequest::ClientCredentials(ClientCredentialsRequest {
        credentials: basic("machine"),
        scope: None,
        resources,
    })
}

fn authorize(client: &str, browser: Browser) -> Authorize<'static> {
    let params = Params::from_pairs(authorization(client).0);
    Authorize { request: AuthorizationRequest::read(params).unwrap(), browser }
}

#[tokio::test]
async fn every_token_request_is_decided_again_as_it_was_answered() {
    let fixture = Fixture::new();
    for client in ["web", "spa"] {
        let credentials = || if client == "web" { basic(client) } else { public(client) };
        let code = fixture.code(client).await;
        let request = redeeming(credentials(), &code);
        let (decision, answer) = recorded(&fixture, &request).await;
        let tokens = answer.unwrap();
        assert!(decision.contains(tokens.access_token.expose()));
        let first = tokens.refresh_token.unwrap();
        assert!(decision.contains(first.expose()));

        let (decision, answer) = recorded(&fixture, &refreshing(credentials(), first.expose())).await;
        let tokens = answer.unwrap();
        assert!(decision.contains(tokens.access_token.expose()));
        assert!(decision.contains(tokens.refresh_token.as_ref().unwrap().expose()));
        let again = recorded(&fixture, &refreshing(credentials(), first.expose())).await.1.unwrap();
        assert_eq!(again.refresh_token, tokens.refresh_token);

        assert!(recorded(&fixture, &request).await.1.is_err(), "a replay");
        let refused = recorded(&fixture, &refreshing(credentials(), first.expose())).await;
        assert!(refused.1.is_err(), "a dead grant");
    }
    for resource in [None, Some(API), Some(JWT_API), Some("https://unknown.example/")] {
        let (decision, answer) = recorded(&fixture, &machine(resource)).await;
        if let Ok(tokens) = answer {
            assert!(decision.contains(tokens.access_token.expose()) || resource == Some(JWT_API));
        }
    }
    let wrong = Credentials { client_id: "web".into(), proof: ClientProof::Basic(Secret::new("wrong")) };
    assert!(recorded(&fixture, &refreshing(wrong, "x")).await.1.is_err());
}

#[tokio::test]
async fn every_step_of_an_authorization_is_decided_again_as_it_was_answered() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    for client in ["web", "first", "native"] {
        let _ = recorded(&fixture, &authorize(client, agent.browser())).await.1.unwrap();
    }
    for end in ["approve", "deny", "forget"] {
        let asked = agent.authorize(&authorization("native")).await;
        let id = Agent::interaction(&asked);
        recorded(&fixture, &View { id, browser: agent.browser() }).await.1.unwrap();
        let login = Login {
            interaction: Some(agent.form(id).await),
            login: agent.host_login("alice"),
            browser: agent.browser(),
        };
        let (decision, step) = recorded(&fixture, &login).await;
        let step = step.unwrap();
        assert!(
            step.cookies
                .headers(&grantor::Issuer::new(common::ISSUER).unwrap())
                .all(|cookie| decision.contains(&cookie))
        );
        agent.shown(Ok(step));
        let answer = agent.form(id).await;
        let browser = agent.browser();
        let step = match end {
            "approve" => recorded(&fixture, &Approve { answer, scope: scope("read"), browser }).await,
            "deny" => recorded(&fixture, &Deny { answer, browser }).await,
            _ => recorded(&fixture, &ForgetLogin { answer, browser }).await,
        };
        let shown = agent.shown(step.1);
        if end == "approve" {
            assert!(step.0.contains(&shown.param("code").unwrap()));
        }
    }
    agent.sign_in("alice").await;
    recorded(&fixture, &agent.browser()).await.1.unwrap();
    let _ = recorded(&fixture, &authorize("first", agent.browser())).await.1.unwrap();
    let alone = Login { interaction: None, login: agent.host_login("bob"), browser: agent.browser() };
    let _ = recorded(&fixture, &alone).await.1.unwrap();
}

#[tokio::test]
async fn every_step_of_a_device_is_decided_again_as_it_was_answered() {
    let fixture = devices::fixture();
    for answer in ["approve", "deny"] {
        let form = [("client_id", "tv"), ("scope", "openid read")];
        let asked = DeviceAuthorizationRequest::read(None, &Params::from_pairs(form)).unwrap();
        let (decision, told) = recorded(&fixture, &asked).await;
        let told = told.unwrap();
        assert!(decision.contains(told.device_code.expose()));
        let polled = TokenRequest::DeviceCode(DeviceCodeRequest {
            credentials: public("tv"),
            device_code: Handle::decode(HandleKind::DeviceCode, told.device_code.expose()),
            resources: vec![],
        });
        for _ in 0..2 {
            assert!(recorded(&fixture, &polled).await.1.is_err(), "nobody has decided yet");
        }
        let mut agent = fixture.agent();
        agent.sign_in("alice").await;
        assert!(recorded(&fixture, &agent.entering("BCDF-GHJK")).await.1.is_err());
        let (_, step) = recorded(&fixture, &agent.entering(&told.user_code.shown())).await;
        let id = Agent::interaction(&agent.shown(step));
        recorded(&fixture, &View { id, browser: agent.browser() }).await.1.unwrap();
        let (form, browser) = (agent.form(id).await, agent.browser());
        let step = match answer {
            "approve" => recorded(&fixture, &Approve { answer: form, scope: scope("openid"), browser }).await,
            _ => recorded(&fixture, &Deny { answer: form, browser }).await,
        };
        assert!(step.1.is_ok());
        for turn in 0..2 {
            let answered = recorded(&fixture, &polled).await.1.is_ok();
            assert_eq!(answered, answer == "approve" && turn == 0);
        }
    }
}

#[tokio::test]
async fn every_other_request_is_decided_again_as_it_was_answered() {
    let fixture = Fixture::new();
    let tokens = fixture.tokens("web").await;
    let jwt = recorded(&fixture, &machine(Some(JWT_API))).await.1.unwrap().access_token;
    for (client, token) in
        [("web", tokens.access.as_str()), ("web", &tokens.refresh), ("machine", jwt.expose()), ("web", "x")]
    {
        let token = || PresentedToken::read(token);
        let asked = IntrospectionRequest { credentials: basic(client), token: token() };
        recorded(&fixture, &asked).await.1.unwrap();
        let check = ResourceCheck { token: token(), resource: None, scope: scope("read") };
        let _ = recorded(&fixture, &check).await.1;
        recorded(&fixture, &RevocationRequest { credentials: basic(client), token: token() })
            .await
            .1
            .unwrap();
        recorded(&fixture, &asked).await.1.unwrap();
    }
    fixture.tokens("spa").await;
    let (id, _) = fixture.grants("spa").await.remove(0);
    let (decision, _) = recorded(&fixture, &UsableGrants(vec![id])).await;
    assert!(decision.contains("spa"), "{decision}");
    recorded(&fixture, &RevokeGrant(id)).await.1.unwrap();
    for change in [StandingChange::Disable, StandingChange::Enable, StandingChange::RevokeAll] {
        for party in [Party::Subject(alice()), Party::Client("web".into())] {
            recorded(&fixture, &ChangeStanding { party, change }).await.1.unwrap();
        }
    }
    recorded(&fixture, &ForgetConsent { client: "web".into(), subject: alice() }).await.1.unwrap();
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    recorded(&fixture, &EndSession(agent.browser().session_id().unwrap())).await.1.unwrap();
}

#[tokio::test]
async fn every_request_about_a_registration_is_decided_again_as_it_was_answered() {
    let fixture = Fixture::with(|builder| {
        builder.registration(Arc::new(grantor::host::InitialAccessRegistration::default()))
    });
    let terms = IssueInitialAccess { name: "x".into(), lifetime: Duration::from_secs(60), uses: Some(3) };
    let initial = recorded(&fixture, &terms).await.1.unwrap();
    for method in ["none", "client_secret_basic", "client_secret_jwt", "client_secret_post"] {
        let wishes =
            format!(r#""redirect_uris":["https://a.example/cb"],"token_endpoint_auth_method":"{method}""#);
        let body = format!("{{{wishes}}}");
        let register = RegistrationRequest::read(Some(initial.expose()), body.as_bytes()).unwrap();
        let Ok(told) = recorded(&fixture, &register).await.1 else {
            assert_eq!(method, "client_secret_post", "the fourth finds the token used up");
            continue;
        };
        let id = told.metadata.get("client_id").and_then(|id| id.as_str()).unwrap();
        let access = |token: &Secret| RegistrationAccess::read(id, token.expose());
        let token = told.registration_access_token;
        recorded(&fixture, &ReadRegistration(access(&token))).await.1.unwrap();
        let body = format!(r#"{{"client_id":"{id}",{wishes}}}"#);
        let replace = ReplaceRegistration::read(access(&token), body.as_bytes()).unwrap();
        let token = recorded(&fixture, &replace).await.1.unwrap().registration_access_token;
        let again = recorded(&fixture, &replace).await.1.unwrap();
        assert_eq!(again.registration_access_token, token);
        recorded(&fixture, &EndRegistration(access(&token))).await.1.unwrap();
    }
}

#[tokio::test]
async fn what_is_told_of_a_user_and_of_a_logout_is_decided_again_as_it_was_answered() {
    let fixture = Fixture::with(|builder| builder.scope(scope("openid read")).fetch(Arc::new(NoServers)));
    let uri = RedirectUri::parse("https://web.example/out", ApplicationType::Web).unwrap();
    fixture.clients.change("web", |client| {
        client.scope = scope("openid read");
        client.logout.backchannel = Some(LogoutUri { uri, session_required: true });
    });
    let mut agent = fixture.agent();
    let answer = agent.walk(&authorization("web").set("scope", "openid read"), "alice").await;
    let tokens = fixture.redeem("web", &answer.param("code").unwrap()).await.tokens();
    recorded(&fixture, &UserInfoRequest::read(&tokens.access)).await.1.unwrap();
    assert!(recorded(&fixture, &UserInfoRequest::read("x")).await.1.is_err());

    fixture.server.end_session(agent.browser().session_id().unwrap()).await.unwrap();
    let outbox = Index::outbox(fixture.server.settings().namespace);
    let waiting = fixture.store.list(&outbox, Page { after: None, limit: 10 }).await.unwrap();
    let [message] = waiting.keys.as_slice() else { panic!("{waiting:?}") };
    fixture.clock.forward(60);
    let (_, lease) = recorded(&fixture, &TakeMessage(OutboxId(message.id))).await;
    let lease = lease.unwrap().unwrap();
    let (decision, _) = recorded(&fixture, &PrepareMessage(lease)).await;
    assert!(decision.contains("https://web.example/out"));
    recorded(&fixture, &PrepareMessage(Lease { id: OutboxId(Id([0; 16])), ..lease })).await.1.unwrap();
}

/// A decision that says that it only reads, and writes.
#[derive(Debug)]
struct Pretends;

impl Decide for Pretends {
    type Plan = ();

    const READ_ONLY: bool = true;

    fn decide(&self, _: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let mut batch = cx.batch();
        batch.delete.push(cx.namespace().subject(&alice()));
        Ok(Decision { batch, outcome: Ok(()), events: Default::default() })
    }
}

/// What it wrote would be named by randomness that everyone knows.
#[tokio::test]
async fn a_decision_that_says_that_it_only_reads_cannot_write() {
    let error = Fixture::new().server.run(&Pretends, Origin::default()).await.unwrap_err();
    assert_eq!(error.reason(), Reason::Bug);
}

/// The text of every source file below a folder.
fn sources(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let text = |path: PathBuf| match path.is_dir() {
        true => sources(&path),
        false => vec![std::fs::read_to_string(path).unwrap()],
    };
    entries.flat_map(text).collect()
}

/// So that none of them draws randomness, of which it is given none.
#[test]
fn every_decision_that_only_reads_is_among_those_recorded() {
    let (_, here) = include_str!("replay_recording.rs").split_once("/// What a decision says").unwrap();
    let mut found = 0;
    for source in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src")) {
        for decision in source.split("impl Decide for ").skip(1) {
            let (name, rest) = decision.split_once(' ').unwrap();
            if rest.split("\n}").next().unwrap().contains("const READ_ONLY: bool = true") {
                let recorded = [format!("recorded(&fixture, &{name}"), format!("= {name} {{")];
                assert!(recorded.iter().any(|call| here.contains(call)), "{name}");
                found += 1;
            }
        }
    }
    assert!(found >= 4, "{found}");
}

#[tokio::test]
async fn the_same_entropy_and_clock_give_the_same_answers_all_the_way() {
    let run = async |seed: u64| {
        let fixture = Fixture::with(|builder| builder.entropy(Arc::new(SeededEntropy::predictable(seed))));
        let code = fixture.code("spa").await;
        let first = fixture.redeem("spa", &code).await.tokens();
        let second = fixture.refresh("spa", &first.refresh).await.tokens();
        let machine = fixture.token("machine", &common::machine()).await.tokens();
        (code, first, second, machine, fixture.events())
    };
    assert_eq!(run(1).await, run(1).await);
    assert_ne!(run(1).await.1, run(2).await.1);
}

#[tokio::test]
async fn settings_that_were_never_linted_still_leave_one_token() {
    let fixture = Fixture::new();
    let first = fixture.tokens("web").await;
    let request = refreshing(basic("web"), &first.refresh);
    let trace = fixture.server.trace(&request, Origin::default()).await.1.unwrap();
    let settings = Settings { max_access_tokens: 0, ..fixture.server.settings().clone() };
    let random = trace.context.random.clone();
    let unlinted = Context { settings: &settings, random, ..trace.context };
    let decision = request.decide(&trace.facts, &unlinted).ok().unwrap();
    let [put] = decision.batch.put.as_slice() else { panic!("one record is written") };
    let Record::Grant(grant) = put.record.as_ref() else { panic!("it is the grant") };
    assert_eq!(grant.access.len(), 1);
}
