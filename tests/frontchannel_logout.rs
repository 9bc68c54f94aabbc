//! The browser tells clients of a logout (OpenID Connect Front-Channel Logout).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::Arc;

use common::clients::all;
use common::host::NoServers;
use common::{Agent, Answer, Fixture, authorization, claims, form, scope};
use grantor::http::LOGGED_OUT_SCRIPT_HASH;
use grantor::protocol::{ApplicationType, RedirectUri};
use grantor::record::logout::LogoutUri;
use grantor::record::{Client, EventKind, Index};
use grantor::server::Builder;
use grantor::store::{MemoryStore, Page};

const SCOPE: &str = "openid read write";
const BACK: &str = "https://web.example/signed-out";

fn uri(text: &str) -> RedirectUri {
    RedirectUri::parse(text, ApplicationType::Web).unwrap()
}

/// `web` wants to be told which session ended, `post` only that one did; `spa` does not want to be told.
fn provider() -> Fixture {
    provider_with(|builder| builder.frontchannel_logout())
}

fn provider_with(configure: impl FnOnce(Builder) -> Builder) -> Fixture {
    let mut clients = all();
    for client in &mut clients {
        client.scope = scope(SCOPE);
        client.logout.post_logout_redirect_uris = vec![uri(BACK)];
    }
    for client in &mut clients {
        client.logout.frontchannel = match client.id.as_str() {
            "web" => Some(LogoutUri { uri: uri("https://web.example/out?a=b&c"), session_required: true }),
            "post" => Some(LogoutUri { uri: uri("https://post.example/out?x=1"), session_required: false }),
            _ => None,
        };
    }
    Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| configure(builder.scope(scope(SCOPE))))
}

/// Signs `alice` in for a client, and returns its ID token.
async fn signed_in(fixture: &Fixture, agent: &mut Agent<'_>, client: &str) -> String {
    let answer = agent.walk(&authorization(client).set("scope", "openid read"), "alice").await;
    let code = answer.param("code").unwrap_or_else(|| panic!("{answer:?}"));
    fixture.redeem(client, &code).await.json()["id_token"].as_str().unwrap().to_owned()
}

fn session(id_token: &str) -> String {
    claims(id_token)["sid"].as_str().unwrap().to_owned()
}

async fn log_out(agent: &mut Agent<'_>, hint: &str, more: &[(&str, &str)]) -> Answer {
    let request =
        more.iter().fold(form([("id_token_hint", hint)]), |form, (name, value)| form.add(name, value));
    agent.get(&format!("/logout?{}", request.encode())).await
}

/// What the page loads in frames.
fn frames(page: &Answer) -> Vec<String> {
    assert!(page.status == 200 && page.is_page(), "{page:?}");
    let frames = page.text().split("<iframe src=\"").skip(1);
    frames.map(|frame| frame.split('"').next().unwrap().replace("&amp;", "&")).collect()
}

fn directive<'a>(page: &'a Answer, name: &str) -> Option<&'a str> {
    let mut directives = page.header("content-security-policy").unwrap().split("; ");
    directives.find_map(|directive| directive.strip_prefix(name)?.strip_prefix(' '))
}

#[tokio::test]
async fn the_clients_of_the_session_are_told_in_frames_and_then_the_browser_goes_on() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let hint = signed_in(&fixture, &mut agent, "web").await;
    for client in ["post", "spa", "web"] {
        signed_in(&fixture, &mut agent, client).await;
    }
    let page = log_out(&mut agent, &hint, &[("post_logout_redirect_uri", BACK), ("state", "a\"b")]).await;
    let told = format!("https://web.example/out?a=b&c&iss=https%3A%2F%2Fas.example&sid={}", session(&hint));
    assert_eq!(frames(&page), [told.as_str(), "https://post.example/out?x=1"]);
    assert_eq!(directive(&page, "frame-src"), Some("https://post.example https://web.example"));
    assert_eq!(directive(&page, "script-src"), Some(LOGGED_OUT_SCRIPT_HASH));
    assert_eq!(directive(&page, "default-src"), Some("'none'"));
    assert_eq!(page.text().matches("hidden></iframe>").count(), 2);
    let link = format!("<a id=\"continue\" href=\"{BACK}?state=a%22b\">");
    assert!(page.text().contains(&link) && page.text().contains("<script>"), "{page:?}");
    assert!(fixture.server.signed_in(&agent.browser()).await.unwrap().is_none());
    let again = log_out(&mut agent, &hint, &[("post_logout_redirect_uri", BACK)]).await;
    assert_eq!((again.status, again.location()), (302, Some(BACK)), "the others have been told");
}

#[tokio::test]
async fn without_a_place_to_go_to_the_page_stays_and_runs_nothing() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let hint = signed_in(&fixture, &mut agent, "post").await;
    let page = log_out(&mut agent, &hint, &[]).await;
    assert_eq!(frames(&page), ["https://post.example/out?x=1"]);
    assert_eq!(directive(&page, "script-src"), None);
    assert!(!page.text().contains("<script>") && page.text().contains("You are signed out"));
}

#[tokio::test]
async fn only_the_logout_in_this_browser_is_told_and_nothing_is_sent() {
    let fixture = provider_with(|builder| builder.frontchannel_logout().fetch(Arc::new(NoServers)));
    fixture.clients.change("post", |client| client.logout.backchannel = client.logout.frontchannel.clone());
    let mut agent = fixture.agent();
    let elsewhere = signed_in(&fixture, &mut fixture.agent(), "web").await;
    let hint = signed_in(&fixture, &mut agent, "web").await;
    let page = log_out(&mut agent, &hint, &[]).await;
    assert_eq!(frames(&page).len(), 1);
    assert!(!frames(&page)[0].contains(&session(&elsewhere)));
    signed_in(&fixture, &mut agent, "web").await;
    agent.sign_in("bob").await;
    let outbox = Index::outbox(fixture.server.settings().namespace);
    let waiting = fixture.store.list(&outbox, Page { after: None, limit: 10 });
    assert!(waiting.await.unwrap().keys.is_empty());
    assert_eq!(fixture.count(EventKind::LogoutNoticeFailed), 0);

    let mut agent = fixture.agent();
    let hint = signed_in(&fixture, &mut agent, "post").await;
    assert_eq!(frames(&log_out(&mut agent, &hint, &[]).await).len(), 1);
    assert_eq!(fixture.count(EventKind::LogoutNoticeFailed), 1, "whoever asks for both is told by both");
}

#[tokio::test]
async fn a_client_is_told_as_it_is_registered_when_the_session_ends() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let hint = signed_in(&fixture, &mut agent, "spa").await;
    signed_in(&fixture, &mut agent, "web").await;
    signed_in(&fixture, &mut agent, "post").await;
    fixture.clients.remove("post");
    let moved = LogoutUri { uri: uri("https://web.example/elsewhere"), session_required: false };
    fixture.clients.change("web", |client| client.logout.frontchannel = Some(moved));
    let page = log_out(&mut agent, &hint, &[]).await;
    assert_eq!(frames(&page), ["https://web.example/elsewhere"]);
}

#[tokio::test]
async fn a_client_that_moved_to_the_other_channel_is_told_over_that() {
    let fixture = provider_with(|builder| builder.frontchannel_logout().fetch(Arc::new(NoServers)));
    let there = |place: &str| Some(LogoutUri { uri: uri(place), session_required: false });
    fixture.clients.change("spa", |client| client.logout.backchannel = there("https://spa.example/back"));
    let mut agent = fixture.agent();
    signed_in(&fixture, &mut agent, "spa").await;
    let hint = signed_in(&fixture, &mut agent, "web").await;
    fixture.clients.change("spa", |client| {
        client.logout.backchannel = None;
        client.logout.frontchannel = there("https://spa.example/front");
    });
    fixture.clients.change("web", |client| {
        client.logout.frontchannel = None;
        client.logout.backchannel = there("https://web.example/back");
    });
    let page = log_out(&mut agent, &hint, &[]).await;
    assert_eq!(frames(&page), ["https://spa.example/front"]);
    let events = fixture.events();
    let told: Vec<_> = events.iter().filter(|event| event.kind == EventKind::LogoutNoticeFailed).collect();
    assert_eq!(told.len(), 1, "who is told by the browser alone is no failure: {told:?}");
    assert_eq!(told[0].client.as_ref().map(|client| client.as_str()), Some("web"));
}

#[tokio::test]
async fn only_a_provider_that_does_it_says_so() {
    for (fixture, on) in [(provider(), true), (provider_with(|builder| builder), false)] {
        let told = fixture.get("/.well-known/openid-configuration").await.json();
        assert_eq!(told["frontchannel_logout_supported"], on);
        assert_eq!(told["frontchannel_logout_session_supported"], on);
        let mut agent = fixture.agent();
        let hint = signed_in(&fixture, &mut agent, "web").await;
        let answer = log_out(&mut agent, &hint, &[("post_logout_redirect_uri", BACK)]).await;
        assert_eq!(answer.status, if on { 200 } else { 302 });
    }
    let plain = Fixture::with(|builder| builder.frontchannel_logout());
    assert!(!plain.server.settings().frontchannel_logout, "without openid nobody signs in");
}

#[tokio::test]
async fn sixty_four_clients_are_told_and_an_older_one_is_forgotten() {
    let template = all().into_iter().find(|client| client.id.as_str() == "first").unwrap();
    let client = |n: u32| {
        let id = format!("c{n:02}");
        let mut client = Client { id: id.as_str().into(), scope: scope(SCOPE), ..template.clone() };
        let uri = uri(&format!("https://{id}.example/out"));
        client.logout.frontchannel = Some(LogoutUri { uri, session_required: true });
        client
    };
    let clients = (0..66).map(client).collect();
    let store = Arc::new(MemoryStore::new());
    let fixture = Fixture::over(store, clients, |builder| builder.scope(scope(SCOPE)).frontchannel_logout());
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    for n in 0..66 {
        let request = authorization("first").set("client_id", &format!("c{n:02}")).set("scope", "openid");
        assert!(agent.authorize(&request).await.param("code").is_some());
    }
    let question = agent.get("/logout?client_id=c65").await;
    let csrf = question.text().split("name=\"csrf\" value=\"").nth(1).unwrap().split('"').next().unwrap();
    let page = agent.post("/logout", &form([("client_id", "c65"), ("csrf", csrf)])).await;
    let told = frames(&page);
    assert_eq!(told.len(), 64);
    assert!(told[0].starts_with("https://c02.example/out?iss=https%3A%2F%2Fas.example&sid="));
}
