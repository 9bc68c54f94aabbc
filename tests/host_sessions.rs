//! A host that keeps the sessions of its users itself, behind the same endpoints.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use common::{Agent, Answer, Fixture, Form, NOW, authorization, claims, form, scope};
use grantor::authorize::{HostLogin, InteractReason, InteractionView};
use grantor::http::HostSessions;
use grantor::record::InteractionId;
use grantor::{OAuthError, Reason, Timestamp};
use http::{HeaderMap, HeaderValue, Request, header};

const SCOPE: &str = "openid read write";

/// The host's own table of sessions, by the value of its cookie.
#[derive(Default)]
struct Sessions(Mutex<BTreeMap<String, &'static str>>);

fn cookie(headers: &HeaderMap) -> Option<&str> {
    let cookies = headers.get(header::COOKIE)?.to_str().unwrap();
    cookies.split("; ").find_map(|pair| pair.strip_prefix("host="))
}

#[async_trait]
impl HostSessions for Sessions {
    async fn login(&self, headers: &HeaderMap) -> Result<Option<HostLogin>, OAuthError> {
        match cookie(headers) {
            Some("unreachable") => Err(OAuthError::new(Reason::StoreUnavailable)),
            value => {
                let sessions = self.0.lock().unwrap();
                let user = value.and_then(|value| sessions.get(value).copied());
                let one_of_several = value.is_some_and(|value| value.ends_with("or another"));
                let old = value.is_some_and(|value| value.starts_with("old"));
                let since = Timestamp(if old { NOW - 3600 } else { NOW });
                Ok(user.map(|user| HostLogin { one_of_several, ..HostLogin::now(user, since) }))
            }
        }
    }

    async fn end(&self, headers: &HeaderMap) -> Result<Vec<HeaderValue>, OAuthError> {
        if let Some(value) = cookie(headers) {
            self.0.lock().unwrap().remove(value);
        }
        Ok(vec![
            HeaderValue::from_static("host=; Max-Age=0"),
            HeaderValue::from_static("host_hint=; Max-Age=0"),
        ])
    }
}

/// A server whose host has signed `alice` in at the browser with the cookie `host=a`.
fn world() -> (Fixture, Arc<Sessions>) {
    let sessions = Arc::new(Sessions::default());
    sessions.0.lock().unwrap().insert("a".to_owned(), "alice");
    let mut clients = common::clients::all();
    clients.iter_mut().for_each(|client| client.scope = scope(SCOPE));
    let store = Arc::new(grantor::store::MemoryStore::new());
    let fixture = Fixture::over(store, clients, |builder| builder.scope(scope(SCOPE)));
    let http = fixture.http.clone().host_sessions(sessions.clone());
    (Fixture { http, ..fixture }, sessions)
}

fn signed_in<'f>(fixture: &'f Fixture) -> Agent<'f> {
    let mut agent = fixture.agent();
    agent.cookies.insert("host".to_owned(), "a".to_owned());
    agent
}

fn keeps_no_session(agent: &Agent<'_>) {
    assert!(agent.cookies.keys().all(|name| !name.contains("session")), "{:?}", agent.cookies);
}

/// The form of a page, posted to the host's own route.
fn post(agent: &Agent<'_>, form: &Form) -> Request<Bytes> {
    let cookies: Vec<_> = agent.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    Request::post("/consent")
        .header(header::COOKIE, cookies.join("; "))
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
        .body(form.encode().into())
        .unwrap()
}

/// What the host's page is told of an interaction.
async fn view(fixture: &Fixture, agent: &Agent<'_>, id: InteractionId) -> InteractionView {
    let (mut parts, _) = post(agent, &form([])).into_parts();
    parts.method = http::Method::GET;
    parts.uri = format!("/consent?interaction={id}").parse().unwrap();
    fixture.http.interaction(&Request::from_parts(parts, Bytes::new())).await.unwrap()
}

#[tokio::test]
async fn whoever_the_host_has_signed_in_is_not_asked_to_sign_in() {
    let (fixture, _) = world();
    let mut agent = signed_in(&fixture);
    let answer = agent.authorize(&authorization("first").set("scope", "openid read")).await;
    let tokens = fixture.redeem("first", &answer.param("code").unwrap()).await.json();
    keeps_no_session(&agent);
    let claims = claims(tokens["id_token"].as_str().unwrap());
    assert_eq!((claims["sub"].as_str(), claims["auth_time"].as_u64()), (Some("alice"), Some(NOW)));
    assert!(claims["sid"].is_null(), "{claims}");
    let stranger = fixture.agent().authorize(&authorization("first")).await;
    assert!(Agent::is_at(&stranger, "/login"), "{stranger:?}");
}

#[tokio::test]
async fn the_consent_page_knows_whom_the_host_has_signed_in() {
    let (fixture, _) = world();
    let mut agent = signed_in(&fixture);
    let id = Agent::interaction(&agent.authorize(&authorization("web")).await);
    let view = view(&fixture, &agent, id).await;
    assert_eq!(view.subject, Some(common::alice()));
    let answer = form([
        ("interaction", &id.to_string()),
        ("csrf", view.csrf.expose()),
        ("decision", "approve"),
        ("scope", "read"),
    ]);
    let step = fixture.http.consent(&post(&agent, &answer)).await;
    let answer = agent.shown(step);
    assert!(answer.param("code").is_some(), "{answer:?}");
    keeps_no_session(&agent);
}

#[tokio::test]
async fn a_login_at_the_hosts_page_begins_no_session_of_the_library() {
    let (fixture, _) = world();
    let mut agent = fixture.agent();
    let id = Agent::interaction(&agent.authorize(&authorization("first")).await);
    let csrf = agent.form(id).await.csrf;
    let posted = form([("interaction", &id.to_string()), ("csrf", csrf.expose())]);
    let login = HostLogin::now("alice", Timestamp(NOW));
    let answer: Answer = fixture.http.login(&post(&agent, &posted), login).await.into();
    assert!(answer.param("code").is_some(), "{answer:?}");
    assert!(answer.header("set-cookie").is_none(), "{answer:?}");
}

#[tokio::test]
async fn who_is_one_of_several_chooses_before_a_client_is_answered_that_does_not_say_whom_it_means() {
    let (fixture, sessions) = world();
    sessions.0.lock().unwrap().extend([("alice or another".to_owned(), "alice"), ("b".to_owned(), "bob")]);
    let browser = || {
        let mut agent = fixture.agent();
        agent.cookies.insert("host".to_owned(), "alice or another".to_owned());
        agent
    };
    let request = authorization("first").set("scope", "openid read");
    let silent = request.add("prompt", "none");
    let answer = browser().authorize(&silent).await;
    assert_eq!(answer.param("error").as_deref(), Some("account_selection_required"));
    assert!(answer.param("state").is_some() && answer.param("iss").is_some(), "{answer:?}");
    let fields = |id: InteractionId, csrf: &str| form([("interaction", &id.to_string()), ("csrf", csrf)]);

    // The one that is suggested.
    let mut agent = browser();
    let id = Agent::interaction(&agent.authorize(&request).await);
    let view = view(&fixture, &agent, id).await;
    assert_eq!((view.reason, view.subject), (InteractReason::SelectAccount, Some(common::alice())));
    let chosen: Answer = fixture.http.go_on(&post(&agent, &fields(id, view.csrf.expose()))).await.into();
    let tokens = fixture.redeem("first", &chosen.param("code").unwrap()).await.json();
    let id_token = tokens["id_token"].as_str().unwrap().to_owned();
    assert_eq!(claims(&id_token)["sub"], "alice");

    // Another one, whom the host's session then names.
    let mut agent = browser();
    let id = Agent::interaction(&agent.authorize(&request).await);
    let csrf = agent.form(id).await.csrf;
    agent.cookies.insert("host".to_owned(), "b".to_owned());
    let login = HostLogin::now("bob", Timestamp(NOW));
    let chosen: Answer = fixture.http.login(&post(&agent, &fields(id, csrf.expose())), login).await.into();
    let tokens = fixture.redeem("first", &chosen.param("code").unwrap()).await.json();
    assert_eq!(claims(tokens["id_token"].as_str().unwrap())["sub"], "bob");
    assert!(agent.authorize(&silent).await.param("code").is_some(), "the choice is made");

    // A client that says whom it means asks for no choice.
    let answer = browser().authorize(&silent.add("id_token_hint", &id_token)).await;
    assert!(answer.param("code").is_some(), "{answer:?}");
}

#[tokio::test]
async fn who_signs_out_is_asked_and_then_the_hosts_session_ends() {
    let (fixture, sessions) = world();
    let mut agent = signed_in(&fixture);
    let question = agent.get("/logout").await;
    assert_eq!(sessions.0.lock().unwrap().len(), 1, "nothing has happened yet");
    let done = agent.post("/logout", &question.hidden_fields()).await;
    assert!(done.text().contains("You are signed out"), "{done:?}");
    assert!(sessions.0.lock().unwrap().is_empty());
    let set: Vec<_> = done.headers.get_all(header::SET_COOKIE).iter().collect();
    assert!(set.contains(&&HeaderValue::from_static("host=; Max-Age=0")), "{set:?}");
    assert!(set.contains(&&HeaderValue::from_static("host_hint=; Max-Age=0")), "{set:?}");
}

#[tokio::test]
async fn a_host_that_does_not_know_who_is_signed_in_is_not_taken_to_say_nobody() {
    let (fixture, _) = world();
    let mut agent = fixture.agent();
    agent.cookies.insert("host".to_owned(), "unreachable".to_owned());
    for target in [format!("/authorize?{}", authorization("first").encode()), "/logout".to_owned()] {
        let answer = agent.get(&target).await;
        assert!(answer.is_page() && answer.status == 503, "{answer:?}");
    }
}

#[tokio::test]
async fn who_is_chosen_has_signed_in_as_recently_as_the_client_asked_for() {
    for (chosen, page) in [("old b", "/login"), ("b", "/consent")] {
        let (fixture, sessions) = world();
        let rows = [("alice or another", "alice"), ("old b", "bob"), ("b", "bob")];
        sessions.0.lock().unwrap().extend(rows.map(|(value, user)| (value.to_owned(), user)));
        let mut agent = fixture.agent();
        agent.cookies.insert("host".to_owned(), "alice or another".to_owned());
        let request = authorization("web").set("scope", "openid read").add("max_age", "60");
        let id = Agent::interaction(&agent.authorize(&request).await);
        let view = view(&fixture, &agent, id).await;
        assert_eq!(view.reason, InteractReason::SelectAccount);
        agent.cookies.insert("host".to_owned(), chosen.to_owned());
        let fields = form([("interaction", &id.to_string()), ("csrf", view.csrf.expose())]);
        let answer: Answer = fixture.http.go_on(&post(&agent, &fields)).await.into();
        assert!(Agent::is_at(&answer, page), "{chosen}: {answer:?}");
    }
}
