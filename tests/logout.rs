//! Logout at the request of a client (OpenID Connect RP-Initiated Logout).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use common::clients::all;
use common::{Agent, Answer, Fixture, Form, ISSUER, Tokens, authorization, form, scope};
use grantor::authorize::{HostLogin, Logout, LogoutAction, LogoutRequest};
use grantor::protocol::{ApplicationType, RedirectUri, Secret, Timestamp};
use grantor::record::{Client, EventKind};
use grantor::store::MemoryStore;
use http::{Method, Request};
use serde_json::{Value, json};

const SCOPE: &str = "openid offline_access read write";
const BACK: &str = "https://web.example/signed-out?from=as";

fn provider() -> Fixture {
    let mut clients = all();
    for client in &mut clients {
        client.scope = scope(SCOPE);
        register(client, &format!("https://{}.example/signed-out?from=as", client.id));
    }
    Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| builder.scope(scope(SCOPE)))
}

fn register(client: &mut Client, uri: &str) {
    let uri = RedirectUri::parse(uri, ApplicationType::Web).unwrap();
    client.logout.post_logout_redirect_uris.push(uri);
}

/// Signs `alice` in for a client, and returns its tokens with its ID token.
async fn signed_in(fixture: &Fixture, agent: &mut Agent<'_>, client: &str) -> (Tokens, String) {
    let answer = agent.walk(&authorization(client).set("scope", "openid read"), "alice").await;
    let answer = fixture.redeem(client, &answer.param("code").unwrap_or_else(|| panic!("{answer:?}"))).await;
    (answer.tokens(), answer.json()["id_token"].as_str().unwrap().to_owned())
}

fn asking(hint: &str) -> Form {
    form([("id_token_hint", hint), ("post_logout_redirect_uri", BACK), ("state", "a b&c")])
}

async fn log_out(agent: &mut Agent<'_>, request: &Form) -> Answer {
    agent.get(&format!("/logout?{}", request.encode())).await
}

async fn is_signed_in(fixture: &Fixture, agent: &Agent<'_>) -> bool {
    fixture.server.signed_in(&agent.browser()).await.unwrap().is_some()
}

/// The fields of the form of a page that asks.
fn fields(page: &Answer) -> Form {
    let fields = page.hidden_fields();
    assert!(fields.0.iter().any(|(name, _)| name == "csrf"), "no form: {page:?}");
    fields
}

#[track_caller]
fn refused(answer: &Answer) {
    assert!(answer.status == 400 && answer.is_page(), "{answer:?}");
}

#[track_caller]
fn says_signed_out(answer: &Answer) {
    assert!(answer.status == 200 && answer.is_page(), "{answer:?}");
    assert!(answer.text().contains("You are signed out"), "{answer:?}");
}

#[tokio::test]
async fn a_client_that_holds_an_id_token_of_this_session_logs_out_at_once_and_gets_its_state_back() {
    for by_post in [false, true] {
        let fixture = provider();
        let mut agent = fixture.agent();
        let (tokens, hint) = signed_in(&fixture, &mut agent, "web").await;
        let session = agent.cookies.get("__Host-grantor_session").cloned().unwrap();
        let answer = match by_post {
            true => agent.post("/logout", &asking(&hint)).await,
            false => log_out(&mut agent, &asking(&hint)).await,
        };
        assert_eq!(answer.status, if by_post { 303 } else { 302 });
        assert_eq!(answer.location(), Some(format!("{BACK}&state=a+b%26c").as_str()));
        assert!(!agent.cookies.contains_key("__Host-grantor_session"), "the cookie is removed");
        assert!(!fixture.is_live(&tokens.access).await);
        fixture.refresh("web", &tokens.refresh).await.refused(400, "invalid_grant");
        agent.cookies.insert("__Host-grantor_session".into(), session);
        assert!(!is_signed_in(&fixture, &agent).await, "the record is deleted");
        let silent = authorization("web").set("scope", "openid read").add("prompt", "none");
        assert_eq!(agent.authorize(&silent).await.param("error").as_deref(), Some("login_required"));
        assert_eq!(fixture.count(EventKind::SignedOut), 1);
    }
}

#[tokio::test]
async fn without_a_state_none_is_returned_and_without_a_uri_there_is_a_page() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let (_, hint) = signed_in(&fixture, &mut agent, "web").await;
    let answer = log_out(&mut agent, &asking(&hint).without("state")).await;
    assert_eq!(answer.location(), Some(BACK));
    let (_, hint) = signed_in(&fixture, &mut agent, "web").await;
    says_signed_out(&log_out(&mut agent, &asking(&hint).without("post_logout_redirect_uri")).await);
    assert!(!is_signed_in(&fixture, &agent).await);
}

#[tokio::test]
async fn a_hint_that_has_expired_is_still_a_hint() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let (_, hint) = signed_in(&fixture, &mut agent, "web").await;
    fixture.clock.forward(4000);
    assert_eq!(log_out(&mut agent, &asking(&hint)).await.target(), Some("https://web.example/signed-out"));
}

#[tokio::test]
async fn whatever_is_wrong_with_a_request_ends_on_a_page_and_nothing_happens() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let (tokens, hint) = signed_in(&fixture, &mut agent, "web").await;
    let other = provider();
    let (_, foreign) = signed_in(&other, &mut other.agent(), "web").await;
    let parts: Vec<&str> = hint.split('.').collect();
    let unsigned = format!("{}.{}.", URL_SAFE_NO_PAD.encode(r#"{"alg":"none"}"#), parts[1]);
    let changed = format!("{}.{}.{}", parts[0], URL_SAFE_NO_PAD.encode("{}"), parts[2]);
    let api = authorization("web").set("scope", "read").add("resource", common::clients::JWT_API);
    let code = agent.walk(&api, "alice").await.param("code").unwrap();
    let access = fixture.redeem("web", &code).await.tokens().access;
    let good = asking(&hint);
    for bad in [
        good.set("id_token_hint", &unsigned),
        good.set("id_token_hint", &foreign),
        good.set("id_token_hint", &changed),
        good.set("id_token_hint", &access),
        good.set("id_token_hint", "garbage"),
        good.add("client_id", "post"),
        good.add("client_id", "nobody"),
        good.without("id_token_hint"),
        good.without("id_token_hint").add("client_id", "nobody"),
        good.without("id_token_hint").add("client_id", "post"),
        good.set("post_logout_redirect_uri", &format!("{BACK}&more=1")),
        good.set("post_logout_redirect_uri", "https://web.example/signed-out"),
        good.set("post_logout_redirect_uri", "https://web.example/cb"),
        good.set("post_logout_redirect_uri", "https://post.example/signed-out?from=as"),
        good.set("post_logout_redirect_uri", "https://evil.example/"),
        good.add("state", "again"),
        good.set("state", &"s".repeat(4097)),
    ] {
        refused(&log_out(&mut agent, &bad).await);
        refused(&agent.post("/logout", &bad).await);
    }
    fixture.server.disable_client(&"post".into()).await.unwrap();
    let disabled = form([
        ("client_id", "post"),
        ("post_logout_redirect_uri", "https://post.example/signed-out?from=as"),
    ]);
    refused(&log_out(&mut agent, &disabled).await);
    assert!(is_signed_in(&fixture, &agent).await && fixture.is_live(&tokens.access).await);
}

#[tokio::test]
async fn the_user_is_asked_unless_the_hint_is_of_this_very_session() {
    let fixture = provider();
    let mut other = fixture.agent();
    let (_, of_another_browser) = signed_in(&fixture, &mut other, "web").await;
    let hint_only = |hint: &str| form([("id_token_hint", hint)]);
    let named = form([("client_id", "web"), ("post_logout_redirect_uri", BACK), ("state", "s")]);
    for (request, back) in [
        (form([]), None),
        (form([("state", "s")]), None),
        (form([("client_id", "web"), ("logout_hint", "alice"), ("ui_locales", "de")]), None),
        (hint_only(&of_another_browser), None),
        (named.clone(), Some(format!("{BACK}&state=s"))),
        (asking(&of_another_browser), Some(format!("{BACK}&state=a+b%26c"))),
    ] {
        let mut agent = fixture.agent();
        agent.sign_in("alice").await;
        let page = log_out(&mut agent, &request).await;
        let fields = fields(&page);
        let policy = page.header("content-security-policy").unwrap();
        assert_eq!(policy.contains("form-action 'self' https://web.example"), back.is_some());
        assert!(policy.contains("frame-ancestors 'none'"));
        assert!(is_signed_in(&fixture, &agent).await);
        let answer = agent.post("/logout", &fields).await;
        match &back {
            Some(uri) => assert_eq!((answer.status, answer.location()), (303, Some(uri.as_str()))),
            None => says_signed_out(&answer),
        }
        assert!(!is_signed_in(&fixture, &agent).await, "{request:?}");
        let again = agent.post("/logout", &fields).await;
        assert_eq!(
            (again.status, again.location()),
            (answer.status, answer.location()),
            "the page is reloaded"
        );
    }
    assert!(is_signed_in(&fixture, &other).await);
}

#[tokio::test]
async fn the_form_counts_only_in_its_own_browser_and_session() {
    let fixture = provider();
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let mut other = fixture.agent();
    other.sign_in("alice").await;
    let stolen = fields(&log_out(&mut other, &form([])).await);
    log_out(&mut agent, &form([])).await;
    refused(&agent.post("/logout", &stolen.set("csrf", "x")).await);
    refused(&agent.post("/logout", &stolen).await);
    let without = agent.post("/logout", &stolen.without("csrf")).await;
    assert!(without.text().contains("Sign out?"), "{without:?}");
    let own = fields(&log_out(&mut agent, &form([])).await);
    agent.sign_in("alice").await;
    refused(&agent.post("/logout", &own).await);
    let by_get = log_out(&mut agent, &own).await;
    assert!(by_get.text().contains("Sign out?"), "a link is not an answer: {by_get:?}");
    assert!(is_signed_in(&fixture, &agent).await && is_signed_in(&fixture, &other).await);
}

#[tokio::test]
async fn to_be_signed_out_already_is_no_error() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let (_, hint) = signed_in(&fixture, &mut agent, "web").await;
    for _ in 0..2 {
        let answer = log_out(&mut agent, &asking(&hint)).await;
        assert_eq!(answer.target(), Some("https://web.example/signed-out"));
    }
    says_signed_out(&log_out(&mut fixture.agent(), &form([])).await);
    assert_eq!(fixture.count(EventKind::SignedOut), 1);
}

#[tokio::test]
async fn a_client_that_registered_itself_sends_nobody_anywhere_who_is_not_signed_in() {
    let fixture = provider();
    let place = "https://dynamic-web.example/signed-out?from=as";
    let by_name = form([("client_id", "dynamic-web"), ("post_logout_redirect_uri", place)]);
    let stays = |answer: &Answer| {
        says_signed_out(answer);
        assert_eq!(answer.location(), None);
        assert!(
            answer.text().contains(place) && !answer.text().contains("<script"),
            "a plain link: {answer:?}"
        );
        assert!(!answer.header("content-security-policy").unwrap().contains("script-src"), "{answer:?}");
    };
    let mut agent = fixture.agent();
    stays(&log_out(&mut agent, &by_name).await);
    stays(&agent.post("/logout", &by_name).await);
    stays(&agent.post("/logout", &by_name.add("csrf", "x")).await);

    let (_, hint) = signed_in(&fixture, &mut agent, "dynamic-web").await;
    let hinted = by_name.without("client_id").add("id_token_hint", &hint);
    assert_eq!(log_out(&mut agent, &hinted).await.location(), Some(place));
    stays(&log_out(&mut agent, &hinted).await);

    agent.sign_in("alice").await;
    let confirmed = fields(&log_out(&mut agent, &by_name).await);
    assert_eq!(agent.post("/logout", &confirmed).await.location(), Some(place));
    stays(&agent.post("/logout", &confirmed).await);
}

#[tokio::test]
async fn a_form_of_the_clients_own_site_comes_back_with_the_cookies() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let (_, hint) = signed_in(&fixture, &mut agent, "web").await;
    let answer = agent.post_from_elsewhere("/logout", &asking(&hint)).await;
    assert_eq!(answer.param("state").as_deref(), Some("a b&c"));
    assert!(!is_signed_in(&fixture, &agent).await);
}

#[tokio::test]
async fn grants_that_outlive_the_session_live_on_and_so_do_other_sessions() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let request = authorization("web").set("scope", "openid offline_access read").add("prompt", "consent");
    let code = agent.walk(&request, "alice").await.param("code").unwrap();
    let offline = fixture.redeem("web", &code).await.tokens();
    let (bound, hint) = signed_in(&fixture, &mut agent, "web").await;
    let (elsewhere, _) = signed_in(&fixture, &mut fixture.agent(), "web").await;
    log_out(&mut agent, &asking(&hint)).await;
    assert!(fixture.is_live(&offline.access).await && fixture.is_live(&elsewhere.access).await);
    assert!(!fixture.is_live(&bound.access).await);
    assert_eq!(fixture.refresh("web", &offline.refresh).await.status, 200);
}

#[tokio::test]
async fn a_host_with_sessions_of_its_own_is_told_to_end_them() {
    let fixture = provider();
    let host_login = HostLogin::now("alice", Timestamp(common::NOW));
    let browser = grantor::authorize::Browser { host_login: Some(host_login), ..fixture.agent().browser() };
    let mut logout = Logout { request: LogoutRequest::default(), browser, csrf: None };
    let step = fixture.server.logout(&logout).await.unwrap();
    let LogoutAction::Confirm(page) = &step.action else { panic!("{step:?}") };
    let csrf = page.fields.iter().find(|(name, _)| *name == "csrf").unwrap().1.clone();
    assert_eq!(page.subject.as_str(), "alice");
    let mut agent = fixture.agent();
    agent.shown_logout(Ok(step));
    let host_login = logout.browser.host_login.take();
    logout.browser = grantor::authorize::Browser { host_login, ..agent.browser() };
    logout.csrf = Some(csrf);
    let step = fixture.server.logout(&logout).await.unwrap();
    assert!(matches!(step.action, LogoutAction::LoggedOut(_)));
    logout.csrf = Some(Secret::new("x"));
    assert_eq!(fixture.server.logout(&logout).await.unwrap_err().status(), 400);
}

#[tokio::test]
async fn the_endpoint_is_advertised_where_it_is_and_only_by_a_provider() {
    let fixture = provider();
    let discovered = fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(discovered["end_session_endpoint"], json!(format!("{ISSUER}/logout")));
    let other = Request::builder().method(Method::PUT).uri("/logout").body(bytes::Bytes::new()).unwrap();
    let other = fixture.send(other).await;
    assert_eq!((other.status, other.header("allow")), (405, Some("GET, POST")));
    let plain = Fixture::new();
    assert!(plain.http.routes().iter().all(|(_, path)| path != "/logout"));
    let discovered = plain.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(discovered["end_session_endpoint"], Value::Null);
}
