//! A store that fails at every call in turn, entropy that fails, and requests that are dropped half way: no wrong
//! answer, nothing issued twice, and a revocation is only confirmed when it is true.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll, Waker};

use common::clients::{JWT_API, all};
use common::devices::{self, Device, Devices as _};
use common::foreign::{Trust, stated, statement};
use common::host::BreakableEntropy;
use common::phones::{self, asking_to_be_told};
use common::stores::{Fault, Faulty, Waiting, When};
use common::{Agent, Answer, Fixture, ISSUER, alice, authorization, form, machine};
use grantor::endpoint::backchannel_answer::UserAnswer;
use grantor::host::OwnTokenExchange;
use grantor::protocol::{DeliveryMode, GrantType};
use grantor::record::grant::{EndReason, GrantStatus};

/// More calls than any request makes.
const CALLS: usize = 12;

/// Every fault at every call, alone and as the beginning of an outage.
fn faults() -> impl Iterator<Item = (When, Fault)> {
    (0..CALLS).flat_map(|n| {
        Fault::ALL.into_iter().flat_map(move |fault| [(When::Once(n), fault), (When::From(n), fault)])
    })
}

fn faulty() -> (Arc<Faulty>, Fixture) {
    let store = Faulty::new();
    let fixture = Fixture::on(store.clone());
    (store, fixture)
}

/// 200, or a 503 that says so.
#[track_caller]
fn honest(answer: &Answer, row: &str) -> bool {
    if answer.status == 200 {
        return true;
    }
    assert_eq!(answer.error(), (503, "temporarily_unavailable".into()), "{row}: {answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"), "{row}");
    false
}

/// Whether a fault that leaves the store able to answer must not be noticed at all: a commit whose outcome can be
/// read back.
fn is_harmless(when: When, fault: Fault) -> bool {
    let read_back = matches!(fault, Fault::UnknownApplied | Fault::UnknownDropped | Fault::ConflictApplied);
    read_back && matches!(when, When::Once(_))
}

#[tokio::test]
async fn client_credentials_are_issued_once_or_not_at_all() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let (store, fixture) = faulty();
        store.fail(when, fault);
        let answer = fixture.token("machine", &machine()).await;
        store.heal();
        let issued = honest(&answer, &row);
        assert!(issued || !is_harmless(when, fault), "{row}");
        let grants = fixture.grants("machine").await.len();
        if issued {
            assert!(fixture.is_live(&answer.tokens().access).await, "{row}");
            assert_eq!(grants, 1, "{row}");
        } else {
            assert!(
                grants == 0 || fault == Fault::UnknownApplied || fault == Fault::ConflictApplied,
                "{row}"
            );
        }
    }
}

#[tokio::test]
async fn client_credentials_of_a_client_whose_standing_was_touched_are_issued_once_or_not_at_all() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let (store, fixture) = faulty();
        fixture.server.disable_client(&"machine".into()).await.unwrap();
        fixture.server.enable_client(&"machine".into()).await.unwrap();
        store.fail(when, fault);
        let answer = fixture.token("machine", &machine()).await;
        store.heal();
        let issued = honest(&answer, &row);
        assert!(fixture.grants("machine").await.len() <= 1, "{row}");
        if issued {
            assert!(fixture.is_live(&answer.tokens().access).await, "{row}");
        }
    }
}

#[tokio::test]
async fn a_code_is_redeemed_once_or_not_at_all() {
    for (client, resource) in [("web", ""), ("spa", ""), ("web", JWT_API)] {
        for (when, fault) in faults() {
            let row = format!("{client} {when:?} {fault:?}");
            let (store, fixture) = faulty();
            let request = authorization(client).set("resource", resource);
            let code = fixture.agent().walk(&request, "alice").await.param("code").unwrap();
            store.fail(when, fault);
            let answer = fixture.redeem(client, &code).await;
            store.heal();
            let issued = honest(&answer, &row);
            assert!(issued || !is_harmless(when, fault), "{row}");
            if issued {
                let tokens = answer.tokens();
                assert_eq!(fixture.status(client).await, GrantStatus::Active, "{row}");
                fixture.refresh(client, &tokens.refresh).await.tokens();
                fixture.redeem(client, &code).await.refused(400, "invalid_grant");
            } else {
                let again = fixture.redeem(client, &code).await;
                let lost = matches!(fault, Fault::UnknownApplied | Fault::ConflictApplied);
                assert!(again.status == 200 || lost, "{row}: {again:?}");
            }
            assert_eq!(fixture.grants(client).await.len(), 1, "{row}");
        }
    }
}

#[tokio::test]
async fn a_device_is_told_its_codes_or_that_there_are_none_now() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let store = Faulty::new();
        let fixture = devices::over(store.clone(), |builder| builder);
        store.fail(when, fault);
        let answer = fixture.post_as("tv", "/device_authorization", &common::form([])).await;
        store.heal();
        if honest(&answer, &row) {
            let device = Device { told: answer.json() };
            fixture.poll("tv", &device).await.refused(400, "authorization_pending");
            fixture.agent().let_in(&device, "alice").await;
            fixture.poll("tv", &device).await.tokens();
        } else {
            assert!(!is_harmless(when, fault), "{row}");
        }
    }
}

#[tokio::test]
async fn a_device_gets_its_tokens_once_or_not_at_all_and_a_poll_costs_it_nothing() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let store = Faulty::new();
        let fixture = devices::over(store.clone(), |builder| builder);
        let device = fixture.device("tv").await;
        store.fail(when, fault);
        let answer = fixture.poll("tv", &device).await;
        store.heal();
        assert!(matches!(answer.status, 400 | 503), "{row}: {answer:?}");
        fixture.agent().let_in(&device, "alice").await;
        store.fail(when, fault);
        let answer = fixture.poll("tv", &device).await;
        store.heal();
        let issued = honest(&answer, &row);
        assert!(issued || !is_harmless(when, fault), "{row}");
        let again = fixture.poll("tv", &device).await;
        let lost = matches!(fault, Fault::UnknownApplied | Fault::ConflictApplied);
        assert!((again.status == 200) != issued || lost, "{row}: {again:?}");
        assert!(!issued || !fixture.is_live(&answer.tokens().access).await, "{row}: a replay");
    }
}

#[tokio::test]
async fn the_user_decides_about_a_device_once_or_can_decide_again() {
    for (when, fault) in faults() {
        for approves in [true, false] {
            let row = format!("{when:?} {fault:?} {approves}");
            let store = Faulty::new();
            let fixture = devices::over(store.clone(), |builder| builder);
            let device = fixture.device("tv").await;
            let mut agent = fixture.agent();
            agent.sign_in("alice").await;
            let id = agent.at_device(&device).await;
            let form = agent.form(id).await;
            let decide = async |agent: &mut Agent<'_>| match approves {
                true => agent.submit(form.clone(), &common::scope("read")).await,
                false => {
                    let deny = grantor::authorize::Deny { answer: form.clone(), browser: agent.browser() };
                    let step = fixture.server.deny(&deny).await;
                    agent.shown(step)
                }
            };
            store.fail(when, fault);
            let answer = decide(&mut agent).await;
            store.heal();
            assert!(answer.is_page(), "{row}: {answer:?}");
            if answer.status == 503 {
                let lost = matches!(fault, Fault::UnknownApplied | Fault::ConflictApplied);
                assert!(decide(&mut agent).await.status == 200 || lost, "{row}");
            } else {
                let spent = fault == Fault::ConflictApplied;
                assert!(answer.status == 200 || spent, "{row}: {answer:?}");
            }
            let told = fixture.poll("tv", &device).await;
            match approves {
                true => drop(told.tokens()),
                false => told.refused(400, "access_denied"),
            }
        }
    }
}

#[tokio::test]
async fn a_user_is_asked_or_the_client_is_told_that_nobody_is_now() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let store = Faulty::new();
        let (world, told) = phones::told(DeliveryMode::Push, store.clone(), 204);
        store.fail(when, fault);
        let answer = world.ask(&asking_to_be_told()).await;
        store.heal();
        let asked = world.phones.questions.lock().unwrap().len();
        if honest(&answer, &row) {
            assert_eq!(asked, 1, "{row}");
            world.approve("alice", "openid").await.unwrap();
            assert_eq!(told.body()["auth_req_id"], answer.json()["auth_req_id"], "{row}");
        } else {
            assert!(!is_harmless(when, fault) && asked == 0, "{row}");
        }
    }
}

#[tokio::test]
async fn a_user_whom_a_client_named_decides_once_or_can_decide_again() {
    for (when, fault) in faults() {
        for approves in [true, false] {
            let row = format!("{when:?} {fault:?} {approves}");
            let store = Faulty::new();
            let world = phones::over(store.clone(), |builder| builder);
            let polling = world.asked(&phones::asking()).await;
            store.fail(when, fault);
            let answer = world.poll(&polling).await;
            store.heal();
            assert!(matches!(answer.status, 400 | 503), "{row}: {answer:?}");
            let decide = async || match approves {
                true => world.approve("alice", "openid").await,
                false => world.answer("alice", UserAnswer::Deny).await,
            };
            store.fail(when, fault);
            let decided = decide().await;
            store.heal();
            if decided.is_err_and(|error| error.status() == 503) {
                let lost = matches!(fault, Fault::UnknownApplied | Fault::ConflictApplied);
                assert!(decide().await.is_ok() || lost, "{row}");
            }
            match approves {
                true => drop(world.poll(&polling).await.tokens()),
                false => world.poll(&polling).await.refused(400, "access_denied"),
            }
        }
    }
}

/// The decision, the first try to send the tokens, and what is written down of it, with a fault at every call; then the store is
/// well again, and whatever is due is sent.
#[tokio::test]
async fn tokens_that_are_sent_are_issued_once_and_are_the_same_whenever_they_are_sent() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let store = Faulty::new();
        let (world, told) = phones::told(DeliveryMode::Push, store.clone(), 204);
        world.ask(&asking_to_be_told()).await;
        store.fail(when, fault);
        let decided = world.approve("alice", "openid read").await;
        store.heal();
        if decided.is_err() {
            let again = world.approve("alice", "openid read").await;
            let lost = matches!(fault, Fault::UnknownApplied | Fault::ConflictApplied);
            assert!(again.is_ok() || lost, "{row}: {again:?}");
        }
        for _ in 0..3 {
            world.fixture.clock.forward(60);
            world.fixture.server.deliver_outbox(10).await.unwrap();
        }
        let posted = told.take();
        assert!(!posted.is_empty(), "{row}");
        let bodies: Vec<serde_json::Value> =
            posted.iter().map(|one| serde_json::from_slice(&one.body).unwrap()).collect();
        let same = |name: &str| bodies.iter().all(|body| body[name] == bodies[0][name]);
        assert!(same("access_token") && same("refresh_token") && same("auth_req_id"), "{row}");
        let (access, refresh) = (&bodies[0]["access_token"], &bodies[0]["refresh_token"]);
        assert!(world.fixture.is_live(access.as_str().unwrap()).await, "{row}");
        world.fixture.refresh("bank", refresh.as_str().unwrap()).await.tokens();
        assert_eq!(world.fixture.status("bank").await, GrantStatus::Active, "{row}");
    }
}

#[tokio::test]
async fn a_token_is_exchanged_once_or_not_at_all_and_can_be_exchanged_again() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let store = Faulty::new();
        let mut clients = all();
        clients.iter_mut().for_each(|client| client.grant_types.push(GrantType::TokenExchange));
        let fixture = Fixture::over(store.clone(), clients, |builder| {
            let types = [GrantType::ClientCredentials, GrantType::TokenExchange];
            builder.grant_types(types).token_exchange(Arc::new(OwnTokenExchange))
        });
        let given = fixture.token("machine", &machine()).await.tokens().access;
        let request = form([
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("subject_token", &given),
            ("subject_token_type", "urn:ietf:params:oauth:token-type:access_token"),
        ]);
        store.fail(when, fault);
        let answer = fixture.token("machine", &request).await;
        store.heal();
        let issued = honest(&answer, &row);
        assert!(issued || !is_harmless(when, fault), "{row}");
        if issued {
            assert!(fixture.is_live(&answer.tokens().access).await, "{row}");
            assert_eq!(fixture.grants("machine").await.len(), 2, "{row}");
        }
        assert!(fixture.is_live(&given).await, "{row}");
        assert_eq!(fixture.token("machine", &request).await.status, 200, "{row}");
    }
}

#[tokio::test]
async fn an_assertion_is_used_once_or_not_at_all() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let store = Faulty::new();
        let mut clients = all();
        clients.iter_mut().for_each(|client| client.grant_types.push(GrantType::JwtBearer));
        let fixture = Fixture::over(store.clone(), clients, |builder| {
            builder.grant_types([GrantType::JwtBearer]).assertion_trust(Arc::new(Trust::default()))
        });
        let request = form([
            ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
            ("assertion", &stated(&statement())),
        ]);
        store.fail(when, fault);
        let answer = fixture.token("machine", &request).await;
        store.heal();
        let issued = answer.status == 200 || {
            // A claim that was made and not confirmed counts as made by someone else.
            let code = if answer.status == 400 { "invalid_grant" } else { "temporarily_unavailable" };
            assert_eq!(answer.error().1, code, "{row}: {answer:?}");
            false
        };
        if issued {
            assert!(fixture.is_live(&answer.tokens().access).await, "{row}");
        }
        let again = fixture.token("machine", &request).await;
        assert!(!issued || again.status == 400, "{row}");
        assert!(fixture.grants("machine").await.len() <= 1, "{row}");
    }
}

#[tokio::test]
async fn a_refresh_succeeds_or_can_be_tried_again() {
    for client in ["web", "spa"] {
        for (when, fault) in faults() {
            let row = format!("{client} {when:?} {fault:?}");
            let (store, fixture) = faulty();
            let first = fixture.tokens(client).await;
            store.fail(when, fault);
            let answer = fixture.refresh(client, &first.refresh).await;
            store.heal();
            let issued = honest(&answer, &row);
            assert!(issued || !is_harmless(when, fault), "{row}");
            let again = fixture.refresh(client, &first.refresh).await.tokens();
            assert_eq!(fixture.status(client).await, GrantStatus::Active, "{row}");
            if issued {
                assert_eq!(answer.tokens().refresh, again.refresh, "{row}");
                assert!(fixture.is_live(&answer.tokens().access).await, "{row}");
            }
            let generation = fixture.grant(client).await.refresh.unwrap().generation;
            assert_eq!(generation, u32::from(client == "spa"), "{row}: one rotation");
        }
    }
}

#[tokio::test]
async fn a_store_that_applies_a_commit_after_it_was_read_as_lost_makes_nothing_usable_twice() {
    let mut refused = 0;
    for n in 0..CALLS {
        for client in ["web", "spa"] {
            let row = format!("{client} {n}");
            let (store, fixture) = faulty();
            let code = fixture.code(client).await;
            store.fail(When::Once(n), Fault::LandsLate);
            let answer = fixture.redeem(client, &code).await;
            store.heal();
            if answer.status == 200 {
                let tokens = answer.tokens();
                assert!(fixture.is_live(&tokens.access).await, "{row}");
                fixture.redeem(client, &code).await.refused(400, "invalid_grant");
                assert!(!fixture.is_live(&tokens.access).await, "{row}");
            } else {
                answer.refused(400, "invalid_grant");
                refused += 1;
            }
            let grant = fixture.grant(client).await;
            assert_eq!(grant.status, GrantStatus::Ended(EndReason::Replayed), "{row}");

            let (store, fixture) = faulty();
            let first = fixture.tokens(client).await;
            store.fail(When::Once(n), Fault::LandsLate);
            let answer = fixture.refresh(client, &first.refresh).await.tokens();
            store.heal();
            let again = fixture.refresh(client, &first.refresh).await.tokens();
            assert_eq!(answer.refresh, again.refresh, "{row}: the same successor");
            assert!(fixture.is_live(&answer.access).await && fixture.is_live(&again.access).await, "{row}");
            let generation = fixture.grant(client).await.refresh.unwrap().generation;
            assert_eq!(generation, u32::from(client == "spa"), "{row}: one rotation");

            store.fail(When::Once(n), Fault::LandsLate);
            let confirmed = fixture.revoke(client, &again.refresh).await.status;
            store.heal();
            assert_eq!((confirmed, fixture.is_live(&again.access).await), (200, false), "{row}");
        }
        let (store, fixture) = faulty();
        store.fail(When::Once(n), Fault::LandsLate);
        let token = fixture.token("machine", &machine()).await.tokens().access;
        store.heal();
        assert!(fixture.is_live(&token).await, "{n}");
        assert!(fixture.grants("machine").await.len() <= 2, "{n}: at most one whose token nobody has");
    }
    assert_eq!(refused, 2, "each client once, by a commit of its own that landed late");
}

#[tokio::test]
async fn a_replay_that_cannot_be_written_down_is_not_answered() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let (store, fixture) = faulty();
        let code = fixture.code("web").await;
        let tokens = fixture.redeem("web", &code).await.tokens();
        store.fail(when, fault);
        let answer = fixture.redeem("web", &code).await;
        store.heal();
        match answer.status {
            400 => assert!(!fixture.is_live(&tokens.access).await, "{row}"),
            _ => drop(honest(&answer, &row)),
        }
        assert_ne!(answer.status, 200, "{row}");
    }
}

#[tokio::test]
async fn a_revocation_is_confirmed_only_when_the_token_is_dead() {
    for kind in ["access", "refresh", "jwt", "alone"] {
        for (when, fault) in faults() {
            let row = format!("{kind} {when:?} {fault:?}");
            let (store, fixture) = faulty();
            let (client, token) = match kind {
                "access" => ("web", fixture.tokens("web").await.access),
                "refresh" => ("web", fixture.tokens("web").await.refresh),
                "jwt" => {
                    let request = authorization("web").set("resource", JWT_API);
                    let code = fixture.agent().walk(&request, "alice").await.param("code").unwrap();
                    ("web", fixture.redeem("web", &code).await.tokens().access)
                }
                _ => {
                    let request = machine().set("resource", JWT_API);
                    ("machine", fixture.token("machine", &request).await.tokens().access)
                }
            };
            store.fail(when, fault);
            let answer = fixture.revoke(client, &token).await;
            store.heal();
            let confirmed = honest(&answer, &row);
            assert!(confirmed || !is_harmless(when, fault), "{row}");
            let live = fixture.introspect(client, &token).await["active"] == true;
            assert!(!(confirmed && live), "{row}: confirmed and alive");
            assert_eq!(fixture.revoke(client, &token).await.status, 200);
            assert_eq!(fixture.introspect(client, &token).await["active"], false, "{row}");
        }
    }
}

#[tokio::test]
async fn whoever_is_switched_off_is_off_when_that_is_confirmed() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let (store, fixture) = faulty();
        let tokens = fixture.tokens("web").await;
        store.fail(when, fault);
        let confirmed = fixture.server.disable_subject(&alice()).await;
        store.heal();
        match confirmed {
            Ok(()) => assert!(!fixture.is_live(&tokens.access).await, "{row}"),
            Err(error) => assert_eq!(error.status(), 503, "{row}"),
        }
    }
}

#[tokio::test]
async fn a_check_that_cannot_be_made_is_never_answered_with_yes_or_no() {
    for (when, fault) in faults() {
        let (store, fixture) = faulty();
        let live = fixture.tokens("web").await.access;
        let dead = fixture.token("post", &machine()).await.tokens().access;
        fixture.revoke("post", &dead).await;
        for (client, token, expected) in [("web", &live, true), ("post", &dead, false)] {
            store.fail(when, fault);
            let request = common::form([("token", token)]);
            let answer = fixture.post_as(client, "/introspect", &request).await;
            store.heal();
            if honest(&answer, &format!("{when:?} {fault:?}")) {
                assert_eq!(answer.json()["active"], expected);
            }
        }
    }
}

/// Goes through login and consent while the store fails at one call, and says what the client got.
async fn walk_with(fault: Option<(When, Fault)>) -> (usize, Option<Answer>, Arc<Faulty>, Fixture) {
    let (store, fixture) = faulty();
    if let Some((when, fault)) = fault {
        store.fail(when, fault);
    }
    let request = authorization("web");
    let mut agent = fixture.agent();
    let mut answer = agent.authorize(&request).await;
    if Agent::is_at(&answer, "/login") {
        let id = Agent::interaction(&answer);
        let login = grantor::authorize::Login {
            interaction: Some(agent.form(id).await),
            login: agent.host_login("alice"),
            browser: agent.browser(),
        };
        let step = fixture.server.login(&login).await;
        answer = agent.shown(step);
    }
    if Agent::is_at(&answer, "/consent") {
        let id = Agent::interaction(&answer);
        answer = agent.approve(id, &common::scope("read write")).await;
    }
    drop(agent);
    (store.heal(), Some(answer), store, fixture)
}

#[tokio::test]
async fn authorization_login_and_consent_give_one_code_or_say_that_they_cannot() {
    let calls = walk_with(None).await.0;
    assert!(calls >= 8, "{calls}");
    for n in 0..calls {
        for fault in Fault::ALL {
            for when in [When::Once(n), When::From(n)] {
                let row = format!("{when:?} {fault:?}");
                let (_, answer, _, fixture) = walk_with(Some((when, fault))).await;
                let answer = answer.unwrap();
                let code = answer.param_if_redirected("code");
                let error = answer.param_if_redirected("error");
                match (&code, &error) {
                    (Some(code), None) => {
                        fixture.redeem("web", code).await.tokens();
                    }
                    (None, Some(error)) => {
                        assert_eq!(error, "temporarily_unavailable", "{row}");
                        assert_eq!(answer.param("state").as_deref(), Some("af0ifjsldkj"), "{row}");
                        assert_eq!(answer.param("iss").as_deref(), Some(ISSUER), "{row}");
                    }
                    _ => {
                        assert!(answer.is_page(), "{row}: {answer:?}");
                        assert!(matches!(answer.status, 400 | 503), "{row}: {answer:?}");
                        // A page that could not be loaded has no form, and its answer none that fits.
                        let form_lost = matches!(fault, Fault::Unavailable) || matches!(when, When::From(_));
                        let spent = fault == Fault::ConflictApplied;
                        assert!(answer.status == 503 || form_lost || spent, "{row}: {answer:?}");
                    }
                }
                assert!(fixture.grants("web").await.len() <= 1, "{row}");
                assert!(code.is_some() || !is_harmless(when, fault), "{row}: {answer:?}");
            }
        }
    }
}

trait IfRedirected {
    fn param_if_redirected(&self, name: &str) -> Option<String>;
}

impl IfRedirected for Answer {
    /// A parameter of an answer to the client.
    fn param_if_redirected(&self, name: &str) -> Option<String> {
        self.target().filter(|target| target.starts_with("https://web.example/"))?;
        self.param(name)
    }
}

#[tokio::test]
async fn an_outage_before_the_redirect_uri_is_verified_is_a_page_and_after_it_a_redirect() {
    let (store, fixture) = faulty();
    store.fail(When::From(0), Fault::Unavailable);
    let known = fixture.agent().authorize(&authorization("web")).await;
    assert_eq!(known.param("error").as_deref(), Some("temporarily_unavailable"));
    assert_eq!(known.target(), Some("https://web.example/cb"));
    for request in [
        authorization("web").set("redirect_uri", "https://evil.example/"),
        authorization("web").set("client_id", "nobody"),
        // Nobody vouches for this one: without a user that is known there is no redirect.
        authorization("dynamic"),
        authorization("dynamic-web"),
    ] {
        let answer = fixture.agent().authorize(&request).await;
        assert!(answer.is_page(), "{answer:?}");
        assert!(matches!(answer.status, 400 | 503), "{answer:?}");
    }
}

#[tokio::test]
async fn clients_that_cannot_be_looked_up_are_not_unknown() {
    struct Down;
    #[async_trait::async_trait]
    impl grantor::host::Clients for Down {
        async fn client(
            &self,
            _: &str,
        ) -> Result<Option<Arc<grantor::record::Client>>, grantor::store::StoreError> {
            Err(grantor::store::StoreError("down".into()))
        }
    }
    let issuer = grantor::protocol::Issuer::new(ISSUER).unwrap();
    let store = Arc::new(grantor::store::MemoryStore::new());
    let server = grantor::server::AuthorizationServer::builder(issuer, store, Arc::new(Down), &[7; 32]);
    let fixture = Fixture { http: grantor::http::HttpServer::new(server.build().unwrap()), ..Fixture::new() };
    fixture.token("machine", &machine()).await.refused(503, "temporarily_unavailable");
    fixture.revoke("machine", "x").await.refused(503, "temporarily_unavailable");
    let page = fixture.agent().authorize(&authorization("web")).await;
    assert!(page.is_page() && page.status == 503, "{page:?}");
}

#[tokio::test]
async fn without_entropy_nothing_is_issued() {
    let entropy = Arc::new(BreakableEntropy::default());
    let fixture = Fixture::with(|builder| builder.entropy(entropy.clone()));
    let code = fixture.code("web").await;
    let tokens = fixture.tokens("spa").await;
    let grants = fixture.grants("web").await;
    entropy.broken.store(true, Ordering::SeqCst);
    fixture.redeem("web", &code).await.refused(503, "temporarily_unavailable");
    fixture.refresh("spa", &tokens.refresh).await.refused(503, "temporarily_unavailable");
    fixture.token("machine", &machine()).await.refused(503, "temporarily_unavailable");
    fixture.revoke("spa", &tokens.access).await.refused(503, "temporarily_unavailable");
    let page = fixture.agent().authorize(&authorization("web")).await;
    assert!(page.is_page() && page.status == 503, "{page:?}");
    assert_eq!(fixture.grants("web").await, grants);
    assert!(fixture.grants("machine").await.is_empty());
    entropy.broken.store(false, Ordering::SeqCst);
    fixture.redeem("web", &code).await.tokens();
    fixture.refresh("spa", &tokens.refresh).await.tokens();
}

#[tokio::test]
async fn a_signer_that_fails_issues_nothing_and_burns_nothing() {
    struct Broken;
    #[async_trait::async_trait]
    impl grantor::host::ClaimsHook for Broken {
        async fn claims(
            &self,
            _: &grantor::token::AccessTokenClaims,
        ) -> Result<serde_json::Map<String, serde_json::Value>, grantor::host::SignerError> {
            Err(grantor::host::SignerError("down".into()))
        }
    }
    let store: Arc<dyn grantor::store::Store> = Arc::new(grantor::store::MemoryStore::new());
    let broken = Fixture::over(store.clone(), all(), |builder| builder.claims_hook(Arc::new(Broken)));
    let request = authorization("web").add("resource", JWT_API);
    let code = broken.agent().walk(&request, "alice").await.param("code").unwrap();
    broken.redeem("web", &code).await.refused(503, "temporarily_unavailable");
    let sound = Fixture::on(store);
    sound.redeem("web", &code).await.tokens();
}

#[tokio::test]
async fn a_full_store_refuses_what_is_new_and_serves_what_is_there() {
    let store = Arc::new(grantor::store::MemoryStore::with_capacity(6));
    let fixture = Fixture::on(store.clone());
    let tokens = fixture.tokens("spa").await;
    let code = fixture.code("web").await;
    while fixture.token("machine", &machine()).await.status == 200 {}
    fixture.token("machine", &machine()).await.refused(503, "temporarily_unavailable");
    let answer = fixture.agent().authorize(&authorization("web")).await;
    assert_eq!(answer.param("error").as_deref(), Some("temporarily_unavailable"));
    assert_eq!(store.len(), 6);
    fixture.redeem("web", &code).await.tokens();
    let next = fixture.refresh("spa", &tokens.refresh).await.tokens();
    assert_eq!(fixture.revoke("spa", &next.refresh).await.status, 200);
}

#[tokio::test]
async fn a_store_full_of_what_no_longer_matters_makes_room() {
    let store = Arc::new(grantor::store::MemoryStore::with_capacity(6));
    let fixture = Fixture::on(store.clone());
    while fixture.token("machine", &machine()).await.status == 200 {}
    fixture.clock.forward(3600 + 121);
    assert_eq!(fixture.token("machine", &machine()).await.status, 200);
    assert_eq!(store.len(), 1);
}

/// Polls a request so many times, drops it, and says whether it had been answered.
fn poll_and_drop<T>(request: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut request = pin!(request);
    for _ in 0..polls {
        if let Poll::Ready(answer) = request.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(answer);
        }
    }
    None
}

/// Runs `test` with a request dropped at every await in turn, until it is no longer dropped.
async fn dropped_everywhere(mut test: impl AsyncFnMut(&Fixture, usize) -> bool) {
    for polls in 0.. {
        assert!(polls < 100, "it never ends");
        let fixture = Fixture::on(Arc::new(Waiting::default()));
        if test(&fixture, polls).await {
            assert!(polls > 2, "it was never dropped");
            return;
        }
    }
}

#[tokio::test]
async fn a_redemption_that_is_dropped_leaves_the_code_as_it_was_or_spent() {
    dropped_everywhere(async |fixture, polls| {
        let code = fixture.code("web").await;
        let answered = poll_and_drop(fixture.redeem("web", &code), polls);
        let spent = fixture.grant("web").await.redeemable.unwrap().spent;
        let again = fixture.redeem("web", &code).await;
        assert_eq!(again.status == 200, !spent);
        assert!(answered.is_none() || spent);
        answered.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_refresh_that_is_dropped_can_be_made_again() {
    for client in ["web", "spa"] {
        dropped_everywhere(async |fixture, polls| {
            let first = fixture.tokens(client).await;
            let answered = poll_and_drop(fixture.refresh(client, &first.refresh), polls);
            let again = fixture.refresh(client, &first.refresh).await.tokens();
            if let Some(answer) = &answered {
                assert_eq!(answer.tokens().refresh, again.refresh);
            }
            fixture.refresh(client, &again.refresh).await.tokens();
            answered.is_some()
        })
        .await;
    }
}

#[tokio::test]
async fn a_revocation_that_is_dropped_leaves_the_token_alive_or_dead() {
    dropped_everywhere(async |fixture, polls| {
        let tokens = fixture.tokens("web").await;
        let answered = poll_and_drop(fixture.revoke("web", &tokens.refresh), polls);
        let status = fixture.status("web").await;
        let lives = fixture.is_live(&tokens.access).await;
        assert_eq!(lives, status == GrantStatus::Active);
        assert!(answered.is_none() || !lives);
        assert_eq!(fixture.revoke("web", &tokens.refresh).await.status, 200);
        assert!(!fixture.is_live(&tokens.access).await);
        answered.is_some()
    })
    .await;
}

#[tokio::test]
async fn client_credentials_that_are_dropped_leave_one_grant_or_none() {
    dropped_everywhere(async |fixture, polls| {
        let answered = poll_and_drop(fixture.token("machine", &machine()), polls);
        let grants = fixture.grants("machine").await.len();
        assert!(grants <= 1 && (answered.is_none() || grants == 1));
        answered.is_some()
    })
    .await;
}

#[tokio::test]
async fn a_consent_that_is_dropped_is_given_or_can_still_be() {
    dropped_everywhere(async |fixture, polls| {
        let mut agent = fixture.agent();
        let asked = agent.authorize(&authorization("web")).await;
        let id = Agent::interaction(&asked);
        agent.login(id, "alice").await;
        let form = agent.form(id).await;
        let scope = common::scope("read write");
        let answered = poll_and_drop(agent.clone().submit(form.clone(), &scope), polls).is_some();
        let grants = fixture.grants("web").await.len();
        let again = agent.submit(form, &scope).await;
        assert_eq!(again.location().is_some(), grants == 0, "{again:?}");
        assert_eq!(fixture.grants("web").await.len(), 1);
        answered
    })
    .await;
}
