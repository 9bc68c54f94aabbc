//! Clients can see that someone has signed in or out (OpenID Connect Session Management). What the script of the page
//! answers is seen by a real browser, in `tests/browser`.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use common::clients::all;
use common::{Agent, Answer, Fixture, Form, ISSUER, authorization, form, scope};
use grantor::authorize::{AuthorizationRequest, Authorize, Browser, Cookie, Cookies, ForgetLogin, HostLogin};
use grantor::protocol::{Digest, Params, Timestamp};
use grantor::record::codec::encode;
use grantor::server::Origin;
use grantor::store::MemoryStore;
use http::Request;
use serde_json::Value;

const COOKIE: &str = "__Host-grantor_state";

fn provider_that(watched: bool) -> Fixture {
    let mut clients = all();
    for client in &mut clients {
        client.scope = scope("openid read write");
    }
    Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| {
        let builder = builder.scope(scope("openid read write"));
        if watched { builder.session_management() } else { builder }
    })
}

fn provider() -> Fixture {
    provider_that(true)
}

fn asking(client: &str) -> Form {
    authorization(client).set("scope", "openid read")
}

/// Whether a client at `origin` would be told `unchanged` by a browser with these cookies.
fn agrees(state: &str, client: &str, origin: &str, agent: &Agent<'_>) -> bool {
    let (digest, salt) = state.split_once('.').unwrap();
    assert_eq!((digest.len(), salt.len()), (43, 22), "{state}");
    let Some(own) = agent.cookies.get(COOKIE) else { return false };
    digest == Digest::of(format!("{client} {origin} {own} {salt}").as_bytes()).to_base64url()
}

fn told(answer: &Answer) -> String {
    answer.param("session_state").unwrap_or_else(|| panic!("{answer:?}"))
}

#[tokio::test]
async fn a_client_is_told_what_it_can_compare_with_the_browser_however_the_answer_travels() {
    let fixture = provider();
    let mut agent = fixture.agent();
    for mode in ["query", "fragment", "form_post"] {
        let answer = agent.walk(&asking("post").set("response_mode", mode), "alice").await;
        let state = match mode {
            "form_post" => {
                let field = answer.text().split("name=\"session_state\" value=\"").nth(1).unwrap();
                field.split('"').next().unwrap().to_owned()
            }
            _ => told(&answer),
        };
        assert!(agrees(&state, "post", "https://post.example", &agent), "{mode}");
        assert!(!agrees(&state, "web", "https://post.example", &agent), "another client");
        assert!(!agrees(&state, "post", "https://post.example:8443", &agent), "another origin");
    }
    let answer =
        agent.walk(&asking("native").set("redirect_uri", "http://127.0.0.1:51004/cb"), "alice").await;
    assert!(agrees(&told(&answer), "native", "http://127.0.0.1:51004", &agent));
    let plain = agent.walk(&authorization("web"), "alice").await;
    assert_eq!(plain.param("session_state"), None, "whoever does not ask who the user is need not know");
}

#[tokio::test]
async fn every_answer_has_another_value_and_errors_have_one_too() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let silent = asking("web").add("prompt", "none");
    let mut values = BTreeSet::new();
    for _ in 0..2 {
        let refused = agent.authorize(&silent).await;
        assert_eq!(refused.param("error").as_deref(), Some("login_required"));
        assert!(agrees(&told(&refused), "web", "https://web.example", &agent));
        values.insert(told(&refused));
    }
    agent.sign_in("alice").await;
    let asked = agent.authorize(&asking("web")).await;
    let denied = agent.deny(Agent::interaction(&asked)).await;
    let needed = agent.authorize(&silent).await;
    let malformed = agent.authorize(&asking("web").set("prompt", "dance")).await;
    for (answer, error) in
        [(denied, "access_denied"), (needed, "consent_required"), (malformed, "invalid_request")]
    {
        assert_eq!(answer.param("error").as_deref(), Some(error));
        assert!(agrees(&told(&answer), "web", "https://web.example", &agent), "{error}");
        values.insert(told(&answer));
    }
    for _ in 0..2 {
        values.insert(told(&agent.walk(&asking("web"), "alice").await));
    }
    assert_eq!(values.len(), 7);
}

#[tokio::test]
async fn what_was_told_holds_until_someone_signs_in_or_out() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let answer = agent.walk(&asking("web"), "alice").await;
    let holds = |state: &str, agent: &Agent<'_>| agrees(state, "web", "https://web.example", agent);
    let first = told(&answer);
    agent.walk(&asking("post"), "alice").await;
    assert!(holds(&first, &agent), "other clients change nothing");
    fixture.clock.forward(1);
    agent.sign_in("alice").await;
    assert!(!holds(&first, &agent), "a new login");
    let second = told(&agent.walk(&asking("web"), "alice").await);
    agent.sign_in("bob").await;
    assert!(!holds(&second, &agent), "another user");
    let third = told(&agent.authorize(&asking("web").add("prompt", "none")).await);
    assert!(holds(&third, &agent));

    let question = agent.get("/logout").await;
    assert!(holds(&third, &agent), "nothing has happened yet");
    let csrf = question.text().split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    agent.post("/logout", &form([("csrf", csrf)])).await;
    assert!(!holds(&third, &agent) && !agent.cookies.contains_key(COOKIE));

    let asked = agent.authorize(&asking("spa")).await;
    let id = Agent::interaction(&asked);
    agent.login(id, "alice").await;
    assert!(agent.cookies.contains_key(COOKIE), "before anything is allowed");
    let forget = ForgetLogin { answer: agent.form(id).await, browser: agent.browser() };
    let step = fixture.server.forget_login(&forget).await;
    agent.shown(step);
    assert!(!agent.cookies.contains_key(COOKIE));
}

#[tokio::test]
async fn a_browser_that_shows_what_is_no_longer_true_is_corrected() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let first = told(&agent.walk(&asking("web"), "alice").await);
    fixture.server.end_session(agent.browser().session_id().unwrap()).await.unwrap();
    assert!(agrees(&first, "web", "https://web.example", &agent), "the browser does not know yet");
    for _ in 0..2 {
        let refused = agent.authorize(&asking("web").add("prompt", "none")).await;
        assert_eq!(refused.param("error").as_deref(), Some("login_required"));
        assert!(!agrees(&first, "web", "https://web.example", &agent));
        let told = told(&refused);
        agent.authorize(&asking("web").add("prompt", "none")).await;
        assert!(agrees(&told, "web", "https://web.example", &agent), "a client that asks again is content");
    }

    agent.walk(&asking("web"), "alice").await;
    agent.cookies.insert(COOKIE.into(), Digest::of(b"planted").to_base64url());
    let answer = agent.authorize(&asking("web")).await;
    assert!(agrees(&told(&answer), "web", "https://web.example", &agent));
}

#[tokio::test]
async fn a_frame_in_a_page_of_another_site_changes_nothing_in_the_browser() {
    let fixture = provider();
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let mut framed = agent.clone();
    framed.cookies.retain(|name, _| name == COOKIE);
    let refused = framed.authorize(&asking("web").add("prompt", "none")).await;
    assert_eq!(refused.param("error").as_deref(), Some("login_required"), "its session stayed behind");
    assert_eq!(
        framed.cookies,
        agent.cookies.clone().into_iter().filter(|(name, _)| name == COOKIE).collect()
    );
    assert!(agrees(&told(&refused), "web", "https://web.example", &framed), "nobody asks for ever");
}

#[tokio::test]
async fn nobody_finds_out_by_a_value_of_their_own_whether_somebody_is_signed_in() {
    let fixture = provider();
    let (mut one, mut other) = (fixture.agent(), fixture.agent());
    let salt = "AAAAAAAAAAAAAAAAAAAAAA";
    let own = Digest::of(format!("web https://web.example  {salt}").as_bytes()).to_base64url();
    let made_up = format!("{own}.{salt}");
    for agent in [&mut one, &mut other] {
        assert!(!agrees(&made_up, "web", "https://web.example", agent));
        agent.authorize(&asking("web").add("prompt", "none")).await;
        assert!(!agrees(&made_up, "web", "https://web.example", agent));
    }
    assert_ne!(
        one.cookies[COOKIE], other.cookies[COOKIE],
        "what one browser shows says nothing about another"
    );
    let script = fixture.get("/check_session").await;
    assert!(script.text().contains("if (!state()) return 'changed';"));
}

#[tokio::test]
async fn the_cookie_can_be_read_by_scripts_and_tells_them_nothing() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let answer = agent.sign_in("alice").await;
    let lines: Vec<&str> =
        answer.headers.get_all("set-cookie").iter().map(|value| value.to_str().unwrap()).collect();
    let [state] = lines.iter().filter(|line| line.starts_with(COOKIE)).collect::<Vec<_>>()[..] else {
        panic!("{lines:?}")
    };
    assert!(state.ends_with("; Path=/; SameSite=None; Max-Age=43200; Secure"), "{state}");
    assert!(!state.contains("HttpOnly"));
    let (state, session) = (&agent.cookies[COOKIE], &agent.cookies["__Host-grantor_session"]);
    let key = fixture.server.settings().namespace.session(agent.browser().session_id().unwrap());
    let kept = fixture.store.load(&[key]).await.unwrap();
    let kept = String::from_utf8(encode(&kept[0].as_ref().unwrap().record).unwrap()).unwrap();
    assert!(!session.contains(state.as_str()) && !kept.contains(state.as_str()));
    let alone = Browser::from_cookie_headers(
        [format!("{COOKIE}={state}").as_str()],
        &fixture.server.settings().issuer,
    );
    assert!(fixture.server.signed_in(&alone).await.unwrap().is_none(), "it opens nothing");

    let other = provider();
    let mut elsewhere = other.agent();
    elsewhere.sign_in("alice").await;
    assert_ne!(elsewhere.cookies[COOKIE], *state);
    let out: Vec<String> = Cookies::signed_out().headers(&fixture.server.settings().issuer).collect();
    assert_eq!(out.len(), 2, "a host that ends its own session removes both");
}

#[tokio::test]
async fn a_host_with_sessions_of_its_own_shows_them_too() {
    let fixture = provider();
    let request = asking("first").0;
    let pairs = request.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    let request = AuthorizationRequest::read(Params::from_pairs(pairs)).unwrap();
    let mut agent = fixture.agent();
    let mut seen = BTreeSet::new();
    for (subject, auth_time) in [("alice", 1), ("alice", 2), ("bob", 2)] {
        let host_login = Some(HostLogin::now(subject, Timestamp(auth_time)));
        for _ in 0..2 {
            let browser = Browser { host_login: host_login.clone(), ..agent.browser() };
            let authorize = Authorize { request: request.clone(), browser };
            let step = fixture.server.authorize(&authorize, Origin::default()).await;
            let answer = agent.shown(step);
            assert!(agrees(&told(&answer), "first", "https://first.example", &agent));
            seen.insert(agent.cookies[COOKIE].clone());
        }
    }
    assert_eq!(seen.len(), 3);
}

#[tokio::test]
async fn the_page_is_the_same_for_everyone_and_may_be_framed_and_kept() {
    let fixture = provider();
    let page = fixture.get("/check_session").await;
    assert_eq!((page.status, page.header("content-type")), (200, Some("text/html; charset=utf-8")));
    assert!(page.text().contains(&format!("<meta name=\"cookie\" content=\"{COOKIE}\">")), "{page:?}");
    let script = page.text().split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
    let hash = STANDARD.encode(Digest::of(script.as_bytes()).0);
    let policy =
        format!("default-src 'none'; base-uri 'none'; form-action 'none'; script-src 'sha256-{hash}'");
    assert_eq!(page.header("content-security-policy"), Some(policy.as_str()));
    assert_eq!(page.header("cache-control"), Some("public, max-age=900"));
    for absent in ["x-frame-options", "set-cookie", "access-control-allow-origin"] {
        assert_eq!(page.header(absent), None, "{absent}");
    }
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    assert_eq!(agent.get("/check_session?x=%3Cscript%3E").await.body, page.body);
    let send =
        |method: &str| Request::builder().method(method).uri("/check_session").body(bytes::Bytes::new());
    let head = fixture.send(send("HEAD").unwrap()).await;
    assert_eq!((head.status, head.body.len()), (200, 0));
    let posted = fixture.send(send("POST").unwrap()).await;
    assert_eq!((posted.status, posted.header("allow")), (405, Some("GET, HEAD")));
}

#[tokio::test]
async fn issuers_of_one_host_do_not_take_each_others_cookies() {
    let at = |issuer: &str| {
        let mut clients = all();
        clients.iter_mut().for_each(|client| client.scope = scope("openid read write"));
        Fixture::at(issuer, Arc::new(MemoryStore::new()), clients, |builder| {
            builder.scope(scope("openid read write")).session_management()
        })
    };
    let names = |issuer: &str, path: &str| {
        let fixture = at(issuer);
        let page = fixture.http.routes().iter().find(|(_, own)| own.ends_with("/check_session")).unwrap();
        assert_eq!(page.1, format!("{path}/check_session"));
        let issuer = fixture.server.settings().issuer.clone();
        let names =
            [Cookie::Session, Cookie::Binding, Cookie::State].map(|cookie| cookie.name(&issuer).into_owned());
        BTreeSet::from(names)
    };
    let root = names("https://as.example", "");
    assert!(root.contains("__Host-grantor_session") && root.contains(COOKIE), "{root:?}");
    let (one, other) =
        (names("https://as.example/one", "/one"), names("https://as.example/one/two", "/one/two"));
    assert!(one.contains("__Host-grantor_session%2Fone"), "{one:?}");
    assert!(root.is_disjoint(&one) && root.is_disjoint(&other) && one.is_disjoint(&other));
}

#[tokio::test]
async fn only_a_provider_where_it_is_switched_on_does_it_and_says_so() {
    let on = provider().get("/.well-known/openid-configuration").await.json();
    assert_eq!(on["check_session_iframe"], format!("{ISSUER}/check_session"));
    let fixture = provider_that(false);
    let off = fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(off["check_session_iframe"], Value::Null);
    assert!(fixture.http.routes().iter().all(|(_, path)| path != "/check_session"));
    let mut agent = fixture.agent();
    let answer = agent.walk(&asking("web"), "alice").await;
    assert_eq!(answer.param("session_state"), None);
    assert!(!agent.cookies.contains_key(COOKIE));
    let plain = Fixture::with(|builder| builder.session_management());
    assert!(!plain.server.settings().session_management, "without openid nobody signs in");
}
