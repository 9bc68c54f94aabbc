//! The life of grants against a model of it: any sequence of steps, by any client, at any time, gives what the model says,
//! and no token lives that must not, or is dead that may live.
//!
//! `GRANT_MODEL_STEPS` says how many steps are tried in all, `GRANT_MODEL_SEED` which; a failure prints the seed and the
//! shortest sequence that fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "places among what was issued before")]

#[path = "../common/mod.rs"]
mod common;
mod model;

use std::cell::Cell;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use common::clients::API;
use common::host::TestPasswords;
use common::{
    Agent, Answer, Fixture, Form, OTHER_VERIFIER, authorization, form, machine, redemption, refreshing, scope,
};
use grantor::Profile;
use grantor::endpoint::administration::{Party, StandingChange};
use grantor::endpoint::resource::ResourceCheck;
use grantor::grant::extension::refused;
use grantor::host::{ExtensionGrant, Limits, MemoryLimiter};
use grantor::protocol::{ExtensionGrantType, GrantType, Resource, Scope, SubjectId};
use grantor::record::extension::{ExtensionRequest, Permission};
use grantor::record::grant::{AuthenticatedSubject, Authentication, GrantStatus};
use grantor::record::{Context, Facts, GrantId, Halt, Record};
use grantor::token::{PresentedToken, RefreshHandle};
use model::{Change, Direct, Model, Outcome, SUBJECTS, Step, Whose};
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use tokio::runtime::Runtime;

const EXTENSION: &str = "urn:example:grant-type:by-name";
/// How many steps a sequence has at most.
const LENGTH: usize = 60;

/// Allows whatever is asked, for whoever is named.
struct ByName;

#[async_trait]
impl ExtensionGrant for ByName {
    fn decide(
        &self,
        request: &ExtensionRequest<'_>,
        _: &Facts,
        cx: &Context<'_>,
    ) -> Result<Permission, Halt> {
        let name = request.parameter("name").ok_or_else(|| refused("nobody is named"))?;
        let authentication = Authentication { auth_time: cx.now, acr: None, amr: Vec::new() };
        let subject = AuthenticatedSubject { id: SubjectId::new(name.expose()), authentication };
        Ok(Permission { subject: Some(subject), scope: request.scope.clone(), refreshable: true })
    }
}

/// A server, and what it issued, each in the place where the model has it.
struct Server {
    runtime: Arc<Runtime>,
    fixture: Fixture,
    grants: Vec<GrantId>,
    codes: Vec<String>,
    access: Vec<String>,
    refresh: Vec<String>,
    steps: usize,
}

fn words(scope: u8) -> &'static str {
    ["", "read", "write", "read write"][usize::from(scope)]
}

fn bits(scope: &str) -> u8 {
    u8::from(scope.contains("read")) | u8::from(scope.contains("write")) << 1
}

fn extension() -> ExtensionGrantType {
    ExtensionGrantType::new(EXTENSION).unwrap()
}

impl Server {
    fn new() -> Self {
        let runtime = Arc::new(tokio::runtime::Builder::new_current_thread().build().unwrap());
        let limits = Limits {
            client_failures: u32::MAX,
            interactions: u32::MAX,
            passwords: u32::MAX,
            passwords_of_all: u32::MAX,
            ..Limits::default()
        };
        let fixture = Fixture::with(|builder| {
            let mut grant_types = vec![GrantType::AuthorizationCode, GrantType::RefreshToken];
            grant_types.extend([GrantType::ClientCredentials, GrantType::Password]);
            builder
                .profile(Profile::OidcCompat)
                .scope(scope("read write"))
                .grant_types(grant_types)
                .limiter(Arc::new(MemoryLimiter::new(limits)))
                .password_verifier(Arc::new(TestPasswords::default()))
                .extension_grant(extension(), Arc::new(ByName))
        });
        fixture.clients.change("web", |client| client.grant_types.push(GrantType::Password));
        for client in ["web", "spa"] {
            fixture
                .clients
                .change(client, |client| client.grant_types.push(GrantType::Extension(extension())));
        }
        let (grants, codes, access, refresh) = Default::default();
        Self { runtime, fixture, grants, codes, access, refresh, steps: 0 }
    }

    /// Does a step and tells what it gave.
    async fn step(&mut self, step: &Step, model: &Model) -> Outcome {
        let fixture = &self.fixture;
        match step {
            Step::Authorize { client, subject, scope, api } => {
                let mut request = authorization(client.name()).set("scope", words(*scope));
                if *api {
                    request = request.add("resource", API);
                }
                let code = Agent::new(fixture).walk(&request, SUBJECTS[*subject]).await;
                let code = code.location().and_then(|_| code.param("code"));
                if let Some(code) = &code {
                    self.grants.push(grant_of(code));
                    self.codes.push(code.clone());
                }
                Outcome { granted: code.is_some(), ..Outcome::default() }
            }
            Step::Redeem { code, client, right } => {
                let at = code.index(self.codes.len());
                let verifier = if *right { common::VERIFIER } else { OTHER_VERIFIER };
                // Each code goes back to the redirect URI of the client it was made for.
                let owner = model.owner_of_code(at);
                let form = redemption(owner.name(), &self.codes[at]).set("code_verifier", verifier);
                let answer = fixture.token(client.unwrap_or(owner).name(), &form).await;
                self.keep(&answer, false)
            }
            Step::Refresh { token, client, scope, api } => {
                let at = token.index(self.refresh.len());
                let client = client.unwrap_or(model.owner_of_refresh(at));
                let mut form = refreshing(&self.refresh[at]);
                if let Some(scope) = scope {
                    form = form.set("scope", words(*scope));
                }
                if *api {
                    form = form.add("resource", API);
                }
                let answer = fixture.token(client.name(), &form).await;
                self.keep(&answer, false)
            }
            Step::Begin { how, client, scope } => {
                let mut form = begin(*how);
                if let Some(scope) = scope {
                    form = form.set("scope", words(*scope));
                }
                let answer = fixture.token(client.name(), &form).await;
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

    async fn check(&self, at: usize, model: &Model) {
        assert_eq!(self.lives(at, model).await, model.lives(at), "access token {at} of {model:?}");
    }

    /// What is remembered of a grant is what the model says, as far as it is remembered.
    async fn check_grant(&self, at: usize, model: &Model) {
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
        Direct::Extension(subject) => form([("grant_type", EXTENSION), ("name", SUBJECTS[subject])]),
    }
}

/// The grant that a token or a code names.
fn grant_of(token: &str) -> GrantId {
    use grantor::token::{Handle, HandleKind};
    let handle =
        Handle::decode(HandleKind::AccessToken, token).or_else(|| Handle::decode(HandleKind::Code, token));
    GrantId(handle.unwrap_or_else(|| panic!("{token}")).id)
}

impl StateMachineTest for Server {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        Self::new()
    }

    fn apply(mut server: Self, model: &Model, step: Step) -> Self {
        let runtime = Arc::clone(&server.runtime);
        runtime.block_on(async {
            let outcome = server.step(&step, model).await;
            assert_eq!(outcome, model.outcome, "{step:?} at {}", model.now);
            assert_eq!(server.access.len(), model.access.len());
            assert_eq!(server.refresh.len(), model.refresh.len());
            assert_eq!(server.grants.len(), model.grants());
            server.steps += 1;
            // The newest and one of the others; at the end all.
            if let Some(newest) = server.access.len().checked_sub(1) {
                server.check(newest, model).await;
                server.check(server.steps * 7 % server.access.len(), model).await;
            }
        });
        server
    }

    fn teardown(server: Self, model: Model) {
        server.runtime.block_on(async {
            for at in 0..server.access.len() {
                server.check(at, &model).await;
            }
            for at in 0..server.grants.len() {
                server.check_grant(at, &model).await;
            }
            let live: Vec<_> =
                server.refresh.iter().filter_map(|token| RefreshHandle::decode(token)).collect();
            assert_eq!(live.len(), server.refresh.len(), "every refresh token can be read again");
        });
    }
}

fn number<N: FromStr>(name: &str) -> Option<N> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn grants_live_and_die_as_the_model_says() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("GRANT_MODEL_SEED").unwrap_or(u64::from(now.subsec_nanos()));
    let steps = number("GRANT_MODEL_STEPS").unwrap_or(6_000_usize);
    let (done, issued) = (Cell::new(0), Cell::new(0));
    for seed in seed.. {
        if done.get() >= steps {
            break;
        }
        let config = Config {
            cases: 20,
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            ..Config::default()
        };
        let sequences = Model::sequential_strategy(1..LENGTH);
        let outcome = TestRunner::new(config).run(&sequences, |(model, steps, seen)| {
            done.set(done.get() + steps.len());
            issued.set(issued.get() + steps.iter().fold(model.clone(), Model::apply).access.len());
            Server::test_sequential(Config::default(), model, steps, seen);
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(why, (_, steps, _))) => panic!("GRANT_MODEL_SEED={seed}: {why}\n{steps:#?}"),
            Err(other) => panic!("GRANT_MODEL_SEED={seed}: {other:?}"),
        }
    }
    println!("{} steps, {} access tokens, from GRANT_MODEL_SEED={seed} on", done.get(), issued.get());
    assert!(issued.get() * 10 > done.get(), "most steps came to nothing");
}
