//! What a host requires of its users before a client is answered: terms to accept, a second factor to enrol (OpenID Connect
//! Core §3.1.2.3, §3.1.2.6).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use common::devices::Devices as _;
use common::{Agent, Answer, Fixture, Form, alice, authorization, form, scope};
use grantor::authorize::InteractReason;
use grantor::host::Requirements;
use grantor::record::InteractionId;
use grantor::record::facts::Visitor;
use grantor::store::{MemoryStore, StoreError};
use http::{Request, header};

const SCOPE: &str = "openid read write";

/// A host with two steps, each done once by each user, and the second only for who wants to write.
#[derive(Default)]
struct Host {
    done: Mutex<BTreeSet<(String, &'static str)>>,
    unreachable: Mutex<bool>,
}

impl Host {
    fn done(&self, step: &'static str) {
        self.done.lock().unwrap().insert(("alice".to_owned(), step));
    }
}

#[async_trait]
impl Requirements for Host {
    async fn step(&self, visitor: &Visitor) -> Result<Option<Arc<str>>, StoreError> {
        if *self.unreachable.lock().unwrap() {
            return Err(StoreError("the host is down".into()));
        }
        let steps = if visitor.scope.contains("write") { &["terms", "factor"][..] } else { &["terms"] };
        let done = self.done.lock().unwrap();
        let left = steps.iter().find(|step| !done.contains(&(visitor.subject.as_str().to_owned(), **step)));
        Ok(left.map(|step| (*step).into()))
    }
}

fn world() -> (Fixture, Arc<Host>) {
    let host = Arc::new(Host::default());
    let mut clients = common::clients::all();
    clients.iter_mut().for_each(|client| client.scope = scope(SCOPE));
    let requirements = host.clone();
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| {
        builder.scope(scope(SCOPE)).requirements(requirements)
    });
    (fixture, host)
}

fn error(answer: &Answer) -> Option<String> {
    answer.param("error")
}

/// The host's page posts its form.
async fn post(agent: &mut Agent<'_>, fixture: &Fixture, id: InteractionId) -> Answer {
    let csrf = agent.form(id).await.csrf;
    let fields = form([("interaction", &id.to_string()), ("csrf", csrf.expose())]);
    let cookies: Vec<_> = agent.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let request = Request::post("/step")
        .header(header::COOKIE, cookies.join("; "))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(Bytes::from(fields.encode()))
        .unwrap();
    fixture.http.go_on(&request).await.into()
}

async fn is_asked_for(agent: &Agent<'_>, answer: &Answer, step: &str) -> InteractionId {
    assert!(Agent::is_at(answer, "/step"), "{answer:?}");
    let id = Agent::interaction(answer);
    let view = agent.view(id).await.unwrap();
    assert_eq!((view.reason, view.step.as_deref()), (InteractReason::Step, Some(step)));
    assert_eq!(view.subject, Some(alice()));
    id
}

fn asking(client: &str, scope: &str) -> Form {
    authorization(client).set("scope", scope)
}

#[tokio::test]
async fn every_step_is_taken_in_turn_between_the_login_and_the_consent() {
    let (fixture, host) = world();
    let mut agent = fixture.agent();
    let answer = agent.authorize(&asking("web", "openid read write")).await;
    let answer = agent.login(Agent::interaction(&answer), "alice").await;
    let id = is_asked_for(&agent, &answer, "terms").await;
    let undone = post(&mut agent, &fixture, id).await;
    assert_eq!(is_asked_for(&agent, &undone, "terms").await, id, "who goes on without it comes back");
    host.done("terms");
    let answer = post(&mut agent, &fixture, id).await;
    is_asked_for(&agent, &answer, "factor").await;
    host.done("factor");
    let answer = post(&mut agent, &fixture, id).await;
    assert!(Agent::is_at(&answer, "/consent"), "{answer:?}");
    let view = agent.view(id).await.unwrap();
    assert_eq!((view.reason, view.step), (InteractReason::Consent, None));
    let answer = agent.approve(id, &scope("openid read write")).await;
    assert_eq!(fixture.redeem("web", &answer.param("code").unwrap()).await.status, 200);
}

#[tokio::test]
async fn who_is_signed_in_and_need_not_be_asked_takes_the_steps_all_the_same_and_once() {
    let (fixture, host) = world();
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let request = asking("first", "openid read");
    let answer = agent.authorize(&request).await;
    let id = is_asked_for(&agent, &answer, "terms").await;
    host.done("terms");
    assert!(post(&mut agent, &fixture, id).await.param("code").is_some());
    assert!(agent.authorize(&request).await.param("code").is_some());
    let more = agent.authorize(&asking("first", "openid write")).await;
    is_asked_for(&agent, &more, "factor").await;
}

#[tokio::test]
async fn a_client_that_wants_no_page_learns_that_one_is_needed() {
    let (fixture, host) = world();
    let mut agent = fixture.agent();
    let silent = asking("first", "openid read").add("prompt", "none");
    assert_eq!(error(&agent.authorize(&silent).await).as_deref(), Some("login_required"));
    agent.sign_in("alice").await;
    let answer = agent.authorize(&silent).await;
    assert_eq!(error(&answer).as_deref(), Some("interaction_required"));
    assert!(answer.param("state").is_some() && answer.param("iss").is_some(), "{answer:?}");
    let asked = asking("web", "openid read").add("prompt", "none");
    assert_eq!(error(&agent.authorize(&asked).await).as_deref(), Some("interaction_required"));
    host.done("terms");
    assert_eq!(error(&agent.authorize(&asked).await).as_deref(), Some("consent_required"));
    assert!(agent.authorize(&silent).await.param("code").is_some());
}

#[tokio::test]
async fn no_step_is_skipped_by_posting_the_form_of_a_later_page() {
    let (fixture, host) = world();
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let answer = agent.authorize(&asking("web", "openid read")).await;
    let id = is_asked_for(&agent, &answer, "terms").await;
    let answer = agent.approve(id, &scope("openid read")).await;
    is_asked_for(&agent, &answer, "terms").await;
    // Nor one that came up while the consent page was open.
    host.done("terms");
    assert!(Agent::is_at(&post(&mut agent, &fixture, id).await, "/consent"));
    host.done.lock().unwrap().clear();
    let answer = agent.approve(id, &scope("openid read")).await;
    is_asked_for(&agent, &answer, "terms").await;
    // Nor by somebody else in the same browser.
    agent.sign_in("bob").await;
    let answer = post(&mut agent, &fixture, id).await;
    assert!(Agent::is_at(&answer, "/login"), "{answer:?}");
}

#[tokio::test]
async fn a_user_may_refuse_a_step() {
    let (fixture, _) = world();
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let answer = agent.authorize(&asking("web", "openid read")).await;
    let answer = agent.deny(Agent::interaction(&answer)).await;
    assert_eq!(error(&answer).as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn a_host_that_cannot_say_what_it_requires_is_not_taken_to_require_nothing() {
    let (fixture, host) = world();
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    *host.unreachable.lock().unwrap() = true;
    let answer = agent.authorize(&asking("first", "openid read")).await;
    assert_eq!((error(&answer).as_deref(), answer.param("code")), (Some("temporarily_unavailable"), None));
}

#[tokio::test]
async fn the_user_of_a_device_takes_them_too() {
    let host = Arc::new(Host::default());
    let requirements = host.clone();
    let fixture = common::devices::with(|builder| builder.requirements(requirements));
    let device = fixture.device("tv").await;
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let entered = agent.enter(&device.user_code()).await;
    let answer = agent.shown(entered);
    let id = is_asked_for(&agent, &answer, "terms").await;
    let unasked = agent.approve(id, &scope("read write")).await;
    is_asked_for(&agent, &unasked, "terms").await;
    fixture.poll("tv", &device).await.refused(400, "authorization_pending");
    host.done("terms");
    host.done("factor");
    let answer = post(&mut agent, &fixture, id).await;
    assert!(Agent::is_at(&answer, "/consent"), "{answer:?}");
    agent.approve(id, &scope("read write")).await;
    fixture.clock.forward(6);
    assert_eq!(fixture.poll("tv", &device).await.status, 200);
}
