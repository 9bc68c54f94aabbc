//! Races that any store must bear. Each takes an empty store, so that one list of tests serves them all.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use grantor::authorize::{Logout, LogoutAction, LogoutRequest};
use grantor::endpoint::backchannel_answer::UserAnswer;
use grantor::protocol::{DeliveryMode, SubjectId};
use grantor::record::grant::{EndReason, GrantStatus};
use grantor::store::Store;
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use super::clients::JWT_API;
use super::devices::{self, Devices as _};
use super::phones;
use super::{Answer, Fixture, Tokens, alice, authorization, machine, redemption, refreshing};

type AnyStore = Arc<dyn Store>;

/// How many requests are sent at once.
const CROWD: usize = 64;

/// Runs all at once, each on a task of its own, and returns what they return.
async fn at_once<T, F>(tasks: impl IntoIterator<Item = F>) -> Vec<T>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let tasks: Vec<F> = tasks.into_iter().collect();
    let start = Arc::new(Barrier::new(tasks.len()));
    let mut running = JoinSet::new();
    for task in tasks {
        let start = Arc::clone(&start);
        running.spawn(async move {
            start.wait().await;
            task.await
        });
    }
    running.join_all().await
}

/// Sends the same token request many times at once.
async fn crowd(fixture: &Arc<Fixture>, client: &'static str, request: super::Form) -> Vec<Answer> {
    at_once((0..CROWD).map(|_| {
        let (fixture, request) = (Arc::clone(fixture), request.clone());
        async move { fixture.token(client, &request).await }
    }))
    .await
}

/// The answers that are tokens; every other must be `invalid_grant`.
fn granted(answers: &[Answer]) -> Vec<Tokens> {
    answers
        .iter()
        .filter_map(|answer| match answer.status {
            200 => Some(answer.tokens()),
            _ => {
                answer.refused(400, "invalid_grant");
                None
            }
        })
        .collect()
}

pub(crate) async fn of_many_redemptions_of_a_code_one_succeeds_and_the_grant_ends_replayed(store: AnyStore) {
    let fixture = Arc::new(Fixture::on(store));
    for client in ["web", "spa"] {
        let code = fixture.code(client).await;
        let tokens = granted(&crowd(&fixture, client, redemption(client, &code)).await);
        assert_eq!(tokens.len(), 1);
        assert_eq!(fixture.status(client).await, GrantStatus::Ended(EndReason::Replayed));
        assert!(!fixture.is_live(&tokens[0].access).await);
        fixture.refresh(client, &tokens[0].refresh).await.refused(400, "invalid_grant");
    }
}

pub(crate) async fn of_many_redemptions_with_a_wrong_verifier_none_burns_the_code(store: AnyStore) {
    let fixture = Arc::new(Fixture::on(store));
    let code = fixture.code("spa").await;
    let wrong = redemption("spa", &code).set("code_verifier", super::OTHER_VERIFIER);
    assert!(granted(&crowd(&fixture, "spa", wrong).await).is_empty());
    fixture.redeem("spa", &code).await.tokens();
}

pub(crate) async fn many_refreshes_of_a_rotating_token_get_one_and_the_same_successor(store: AnyStore) {
    let fixture = Arc::new(Fixture::on(store));
    let first = fixture.tokens("spa").await;
    let tokens = granted(&crowd(&fixture, "spa", refreshing(&first.refresh)).await);
    assert!((1..=4).contains(&tokens.len()), "{}", tokens.len());
    let successor = &tokens[0].refresh;
    assert!(tokens.iter().all(|tokens| tokens.refresh == *successor && *successor != first.refresh));
    assert_eq!(fixture.status("spa").await, GrantStatus::Active);
    for tokens in &tokens {
        assert!(fixture.is_live(&tokens.access).await);
    }
    assert_eq!(fixture.grant("spa").await.refresh.unwrap().generation, 1);
    fixture.refresh("spa", successor).await.tokens();
}

pub(crate) async fn many_refreshes_in_strict_mode_leave_no_live_token_or_one(store: AnyStore) {
    let fixture = Fixture::over(store, super::clients::all(), |builder| {
        builder.refresh(|policy| policy.retry_window = std::time::Duration::ZERO)
    });
    let fixture = Arc::new(fixture);
    let first = fixture.tokens("spa").await;
    let tokens = granted(&crowd(&fixture, "spa", refreshing(&first.refresh)).await);
    assert_eq!(tokens.len(), 1);
    assert_eq!(fixture.status("spa").await, GrantStatus::Ended(EndReason::Replayed));
    assert!(!fixture.is_live(&tokens[0].access).await);
}

pub(crate) async fn many_refreshes_by_a_client_that_authenticates_all_succeed(store: AnyStore) {
    let fixture = Arc::new(Fixture::on(store));
    let first = fixture.tokens("web").await;
    let tokens = granted(&crowd(&fixture, "web", refreshing(&first.refresh)).await);
    assert_eq!(tokens.len(), CROWD);
    assert!(tokens.iter().all(|tokens| tokens.refresh == first.refresh));
    let mut live = 0;
    for tokens in &tokens {
        live += usize::from(fixture.is_live(&tokens.access).await);
    }
    assert_eq!(live, fixture.server.settings().max_access_tokens);
}

pub(crate) async fn many_submissions_of_one_consent_give_one_code(store: AnyStore) {
    let fixture = Arc::new(Fixture::on(store));
    let mut agent = fixture.agent();
    let asked = agent.authorize(&authorization("web")).await;
    let id = super::Agent::interaction(&asked);
    agent.login(id, "alice").await;
    let approve = grantor::authorize::Approve {
        answer: agent.form(id).await,
        scope: super::scope("read write"),
        browser: agent.browser(),
    };
    let steps = at_once((0..CROWD).map(|_| {
        let (fixture, approve) = (Arc::clone(&fixture), approve.clone());
        async move { fixture.server.approve(&approve).await }
    }))
    .await;
    assert_eq!(steps.iter().filter(|step| step.is_ok()).count(), 1);
    assert!(steps.iter().flat_map(|step| step.as_ref().err()).all(|error| error.status() == 400));
    assert_eq!(fixture.grants("web").await.len(), 1);
}

pub(crate) async fn of_many_redemptions_of_a_device_code_one_succeeds_and_the_grant_ends_replayed(
    store: AnyStore,
) {
    let fixture = Arc::new(devices::over(store, |builder| builder));
    for client in ["tv", "box"] {
        let device = fixture.device(client).await;
        fixture.agent().let_in(&device, "alice").await;
        let tokens = granted(&crowd(&fixture, client, device.polling()).await);
        assert_eq!(tokens.len(), 1);
        assert_eq!(fixture.status(client).await, GrantStatus::Ended(EndReason::Replayed));
        assert!(!fixture.is_live(&tokens[0].access).await);
        fixture.refresh(client, &tokens[0].refresh).await.refused(400, "invalid_grant");
    }
}

/// How many polls run against those who decide.
const POLLS: usize = 32;

/// What one of those did who decide about a grant, wait for it, or let time pass.
enum Did {
    Polled(Answer),
    Decided(bool, bool),
    Other,
}

/// What all of them did.
#[derive(Default)]
struct Outcome {
    tokens: usize,
    decisions: Vec<bool>,
    codes: Vec<String>,
}

impl Outcome {
    fn of(all: Vec<Did>) -> Self {
        let mut outcome = Self::default();
        for did in all {
            match did {
                Did::Polled(answer) if answer.status == 200 => outcome.tokens += 1,
                Did::Polled(answer) => {
                    assert_eq!(answer.status, 400, "{answer:?}");
                    outcome.codes.push(answer.error().1);
                }
                Did::Decided(approved, true) => outcome.decisions.push(approved),
                Did::Decided(_, false) | Did::Other => {}
            }
        }
        assert!(outcome.tokens <= 1 && outcome.decisions.len() <= 1, "{:?}", outcome.decisions);
        outcome
    }

    /// Whether what was told agrees with the decision and with what is left, and how it ended, in words.
    fn agrees(&self, status: GrantStatus, may_expire: bool) -> String {
        let Self { tokens, decisions, codes } = self;
        let told = |code: &str| codes.iter().any(|own| own == code);
        match (decisions.first(), status) {
            (Some(true), GrantStatus::Active) => assert!(!told("access_denied") && !told("expired_token")),
            (Some(true), GrantStatus::Ended(EndReason::Replayed)) => {
                assert!(*tokens == 1 && !told("access_denied") && !told("expired_token"));
            }
            (Some(false), GrantStatus::Ended(EndReason::Denied)) => {
                assert!(*tokens == 0 && !told("expired_token") && !told("invalid_grant"));
            }
            (None | Some(true), GrantStatus::Ended(EndReason::Expired)) => {
                assert!(*tokens == 0 && may_expire && !told("access_denied") && !told("invalid_grant"));
            }
            (None, GrantStatus::Pending) => assert_eq!((*tokens, may_expire), (0, true)),
            other => panic!("{other:?} {tokens} {codes:?}"),
        }
        format!("{:?} {status:?}", decisions.first())
    }
}

/// Lets a few others run first. In two of the turns whoever is the second to decide comes late, so that each of the two has been
/// the first wherever a store is far away and one decision takes longer than the other.
async fn stand_back(turn: usize, n: usize) {
    if matches!((turn, n), (1 | 2, 1)) {
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    for _ in 0..(turn * 7 + n) % 5 {
        tokio::task::yield_now().await;
    }
}

/// Which of the two who decide allows it: they begin by turns.
const fn allows(turn: usize, n: usize) -> bool {
    (turn + n).is_multiple_of(2)
}

/// Somebody approves, somebody else denies, time runs out, and the device polls all the while.
pub(crate) async fn of_all_who_decide_about_a_device_the_first_wins(store: AnyStore, turns: usize) {
    let fixture = Arc::new(devices::over(store, |builder| builder));
    let mut ends = BTreeSet::new();
    for turn in 0..turns.div_ceil(3) {
        let device = fixture.device("tv").await;
        let (mut yes, mut no) = (fixture.agent(), fixture.agent());
        yes.sign_in("alice").await;
        no.sign_in("bob").await;
        let (one, two) = (yes.at_device(&device).await, no.at_device(&device).await);
        let approve = grantor::authorize::Approve {
            answer: yes.form(one).await,
            scope: super::scope("read"),
            browser: yes.browser(),
        };
        let deny = grantor::authorize::Deny { answer: no.form(two).await, browser: no.browser() };
        let each = (0..POLLS + 3).map(|n| {
            let (fixture, device) = (Arc::clone(&fixture), device.clone());
            let (approve, deny) = (approve.clone(), deny.clone());
            async move {
                stand_back(turn, n).await;
                match n {
                    0 | 1 if allows(turn, n) => {
                        Did::Decided(true, fixture.server.approve(&approve).await.is_ok())
                    }
                    0 | 1 => Did::Decided(false, fixture.server.deny(&deny).await.is_ok()),
                    2 => {
                        if turn % 3 == 0 {
                            fixture.clock.forward(600);
                        }
                        Did::Other
                    }
                    _ => Did::Polled(fixture.poll("tv", &device).await),
                }
            }
        });
        let outcome = Outcome::of(at_once(each).await);
        let status = fixture.grants("tv").await.pop().unwrap().1.status;
        ends.insert(outcome.agrees(status, turn % 3 == 0));
    }
    assert!(ends.len() > 1, "it always ends in the same way: {ends:?}");
}

/// The user allows it on one device and refuses on another, time runs out, and the client polls all the while.
pub(crate) async fn of_all_who_decide_for_a_client_that_named_its_user_the_first_wins(
    store: AnyStore,
    turns: usize,
) {
    let world = Arc::new(phones::over(store, |builder| builder));
    let mut ends = BTreeSet::new();
    for turn in 0..turns.div_ceil(3) {
        let polling = world.asked(&phones::asking()).await;
        let each = (0..POLLS + 3).map(|n| {
            let (world, polling) = (Arc::clone(&world), polling.clone());
            async move {
                stand_back(turn, n).await;
                match n {
                    0 | 1 if allows(turn, n) => {
                        Did::Decided(true, world.approve("alice", "openid").await.is_ok())
                    }
                    0 | 1 => Did::Decided(false, world.answer("alice", UserAnswer::Deny).await.is_ok()),
                    2 => {
                        if turn % 3 == 0 {
                            world.fixture.clock.forward(600);
                        }
                        Did::Other
                    }
                    _ => Did::Polled(world.poll(&polling).await),
                }
            }
        });
        let outcome = Outcome::of(at_once(each).await);
        ends.insert(outcome.agrees(world.status().await, turn % 3 == 0));
    }
    assert!(ends.len() > 1, "it always ends in the same way: {ends:?}");
}

/// The same where the client is sent its tokens, and everybody delivers what is due: it is told of one outcome alone.
pub(crate) async fn of_all_who_decide_for_a_client_that_is_sent_its_tokens_the_first_wins(
    store: AnyStore,
    turns: usize,
) {
    let (world, told) = phones::told(DeliveryMode::Push, store, 204);
    let world = Arc::new(world);
    let mut ends = BTreeSet::new();
    for turn in 0..turns.div_ceil(3) {
        let polling = world.asked(&phones::asking_to_be_told()).await;
        let each = (0..16).map(|n| {
            let (world, polling) = (Arc::clone(&world), polling.clone());
            async move {
                stand_back(turn, n).await;
                match n {
                    0 | 1 if allows(turn, n) => {
                        Did::Decided(true, world.approve("alice", "openid").await.is_ok())
                    }
                    0 | 1 => Did::Decided(false, world.answer("alice", UserAnswer::Deny).await.is_ok()),
                    2 if turn % 3 == 0 => {
                        world.fixture.clock.forward(600);
                        Did::Other
                    }
                    n if n % 4 == 0 => {
                        world.poll(&polling).await.refused(400, "unauthorized_client");
                        Did::Other
                    }
                    _ => {
                        world.fixture.server.deliver_outbox(10).await.unwrap();
                        Did::Other
                    }
                }
            }
        });
        let outcome = Outcome::of(at_once(each).await);
        world.fixture.server.deliver_outbox(10).await.unwrap();
        let status = world.status().await;
        let news: BTreeSet<String> = told
            .take()
            .iter()
            .map(|posted| {
                let body: serde_json::Value = serde_json::from_slice(&posted.body).unwrap();
                body["error"].as_str().or(body["access_token"].as_str()).unwrap().to_owned()
            })
            .collect();
        assert_eq!(news.len(), 1, "{news:?}");
        let news = news.first().unwrap().as_str();
        match (outcome.decisions.first(), status) {
            (Some(true), GrantStatus::Active) => assert!(world.fixture.is_live(news).await || turn % 3 == 0),
            (Some(false), GrantStatus::Ended(EndReason::Denied)) => assert_eq!(news, "access_denied"),
            (None, GrantStatus::Ended(EndReason::Expired)) => {
                assert_eq!((news, turn % 3), ("expired_token", 0))
            }
            other => panic!("{other:?} {news}"),
        }
        ends.insert(format!("{status:?}"));
    }
    assert!(ends.len() > 1, "it always ends in the same way: {ends:?}");
}

/// Whether any of these tokens can still be used for anything.
async fn alive(fixture: &Fixture, client: &str, answers: &[Answer]) -> Vec<String> {
    let mut found = Vec::new();
    for answer in answers.iter().filter(|answer| answer.status == 200) {
        let tokens = answer.tokens();
        if tokens.access.contains('.') {
            let seen = fixture.introspect(client, &tokens.access).await;
            if seen["active"] == true {
                found.push(tokens.access);
            }
        } else if fixture.is_live(&tokens.access).await {
            found.push(tokens.access);
        }
        if !tokens.refresh.is_empty() && fixture.refresh(client, &tokens.refresh).await.status == 200 {
            found.push(tokens.refresh);
        }
    }
    found
}

/// Runs some token requests against something that ends what they ask for, and returns their answers.
async fn against<F>(
    fixture: &Arc<Fixture>,
    client: &'static str,
    request: super::Form,
    turn: usize,
    end: F,
) -> Vec<Answer>
where
    F: Future<Output = ()> + Send + 'static,
{
    let ask = |fixture: Arc<Fixture>, request: super::Form, delay: usize| async move {
        for _ in 0..delay {
            tokio::task::yield_now().await;
        }
        Some(fixture.token(client, &request).await)
    };
    let asks = (0..3).map(|n| {
        let ask = ask(Arc::clone(fixture), request.clone(), (turn + n) % 4);
        Box::pin(ask) as std::pin::Pin<Box<dyn Future<Output = Option<Answer>> + Send>>
    });
    let end = Box::pin(async move {
        for _ in 0..turn % 3 {
            tokio::task::yield_now().await;
        }
        end.await;
        None
    });
    at_once(asks.chain([end as std::pin::Pin<Box<dyn Future<Output = Option<Answer>> + Send>>]))
        .await
        .into_iter()
        .flatten()
        .collect()
}

fn no_fault(answers: &[Answer]) {
    for answer in answers {
        assert!(matches!(answer.status, 200 | 400 | 401), "{answer:?}");
    }
}

pub(crate) async fn once_a_revocation_is_answered_nothing_lives(store: AnyStore, turns: usize) {
    let fixture = Arc::new(Fixture::on(store));
    for turn in 0..turns {
        for client in ["spa", "web"] {
            let first = fixture.tokens(client).await;
            let (other, token) = (Arc::clone(&fixture), first.refresh.clone());
            let answers = against(&fixture, client, refreshing(&first.refresh), turn, async move {
                assert_eq!(other.revoke(client, &token).await.status, 200);
            })
            .await;
            no_fault(&answers);
            assert_eq!(alive(&fixture, client, &answers).await, Vec::<String>::new());
            assert!(!fixture.is_live(&first.access).await);
            fixture.refresh(client, &first.refresh).await.refused(400, "invalid_grant");
        }
    }
}

pub(crate) async fn once_a_subject_is_disabled_nothing_of_it_lives(store: AnyStore, turns: usize) {
    let fixture = Arc::new(Fixture::on(store));
    for turn in 0..turns {
        let subject = SubjectId::new(format!("user-{turn}"));
        for (client, redeem) in [("spa", false), ("web", true)] {
            let code = fixture.agent().walk(&authorization(client), subject.as_str()).await.param("code");
            let Some(code) = code else { continue };
            let request = if redeem {
                redemption(client, &code)
            } else {
                refreshing(&fixture.redeem(client, &code).await.tokens().refresh)
            };
            let (other, target) = (Arc::clone(&fixture), subject.clone());
            let answers = against(&fixture, client, request, turn, async move {
                other.server.disable_subject(&target).await.unwrap();
            })
            .await;
            no_fault(&answers);
            assert_eq!(alive(&fixture, client, &answers).await, Vec::<String>::new());
            fixture.server.enable_subject(&subject).await.unwrap();
            assert_eq!(alive(&fixture, client, &answers).await, Vec::<String>::new());
        }
    }
}

pub(crate) async fn once_a_client_is_disabled_nothing_of_it_lives(store: AnyStore, turns: usize) {
    let fixture = Arc::new(Fixture::on(store));
    for turn in 0..turns {
        let refresh = refreshing(&fixture.tokens("spa").await.refresh);
        let code = redemption("web", &fixture.code("web").await);
        let jwt = machine().add("resource", JWT_API);
        for (client, request) in [("spa", refresh), ("web", code), ("machine", machine()), ("machine", jwt)] {
            let other = Arc::clone(&fixture);
            let answers = against(&fixture, client, request, turn, async move {
                other.server.disable_client(&client.into()).await.unwrap();
            })
            .await;
            no_fault(&answers);
            fixture.server.enable_client(&client.into()).await.unwrap();
            assert_eq!(alive(&fixture, client, &answers).await, Vec::<String>::new());
        }
    }
}

pub(crate) async fn once_the_user_took_access_back_nothing_lives(store: AnyStore, turns: usize) {
    let fixture = Arc::new(Fixture::on(store));
    for turn in 0..turns {
        let first = fixture.tokens("web").await;
        let other = Arc::clone(&fixture);
        let answers = against(&fixture, "web", refreshing(&first.refresh), turn, async move {
            other.server.revoke_access(&alice(), &"web".into()).await.unwrap();
        })
        .await;
        no_fault(&answers);
        assert_eq!(alive(&fixture, "web", &answers).await, Vec::<String>::new());
    }
}

pub(crate) async fn a_redemption_against_a_replay_leaves_nothing_alive(store: AnyStore, turns: usize) {
    let fixture = Arc::new(Fixture::on(store));
    for turn in 0..turns {
        let code = fixture.code("spa").await;
        let first = fixture.redeem("spa", &code).await.tokens();
        let (other, replay) = (Arc::clone(&fixture), code.clone());
        let answers = against(&fixture, "spa", refreshing(&first.refresh), turn, async move {
            other.redeem("spa", &replay).await.refused(400, "invalid_grant");
        })
        .await;
        no_fault(&answers);
        assert_eq!(alive(&fixture, "spa", &answers).await, Vec::<String>::new());
    }
}

pub(crate) async fn once_a_logout_is_answered_nothing_of_the_session_lives(store: AnyStore, turns: usize) {
    let mut clients = super::clients::all();
    for client in &mut clients {
        client.scope = super::scope("openid read write");
    }
    let scope = super::scope("openid read write");
    let fixture = Arc::new(Fixture::over(store, clients, |builder| builder.scope(scope)));
    for turn in 0..turns {
        for (client, redeem) in [("spa", false), ("web", false), ("spa", true), ("web", true)] {
            let mut agent = fixture.agent();
            let asked = authorization(client).set("scope", "openid read");
            let code = agent.walk(&asked, "alice").await.param("code").unwrap();
            let hint = agent.walk(&asked, "alice").await.param("code").unwrap();
            let hint = fixture.redeem(client, &hint).await;
            let request = if redeem {
                redemption(client, &code)
            } else {
                refreshing(&fixture.redeem(client, &code).await.tokens().refresh)
            };
            let id_token = hint.json()["id_token"].as_str().map(grantor::protocol::Secret::new);
            let logout = Logout {
                request: LogoutRequest { id_token_hint: id_token, ..LogoutRequest::default() },
                browser: agent.browser(),
                csrf: None,
            };
            let other = Arc::clone(&fixture);
            let mut answers = against(&fixture, client, request, turn, async move {
                let step = other.server.logout(&logout).await.unwrap();
                assert!(matches!(step.action, LogoutAction::LoggedOut(_)));
            })
            .await;
            no_fault(&answers);
            answers.push(hint);
            assert_eq!(alive(&fixture, client, &answers).await, Vec::<String>::new());
        }
    }
}
