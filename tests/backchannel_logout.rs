//! Clients are told when a session ends (OpenID Connect Back-Channel Logout).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use common::clients::all;
use common::{Agent, Fixture, ISSUER, NOW, alice, authorization, claims, form, scope};
use grantor::authorize::{ForgetLogin, FormAnswer};
use grantor::endpoint::administration::{Party, StandingChange};
use grantor::host::{Fetch, FetchError, FetchRequest, FetchResponse};
use grantor::protocol::{ApplicationType, GrantType, RedirectUri, ResponseType};
use grantor::record::EventKind;
use grantor::record::logout::LogoutUri;
use grantor::store::{MemoryStore, Store};
use jsonwebtoken as judge;
use serde_json::{Value, json};

const SCOPE: &str = "openid read write";

/// The clients' own servers: they keep what they are sent, and answer as a test says.
struct Clients {
    posted: Mutex<Vec<(String, String)>>,
    answer: Mutex<Result<u16, FetchError>>,
}

#[async_trait]
impl Fetch for Clients {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        let body = String::from_utf8(request.body).unwrap();
        self.posted.lock().unwrap().push((request.url.to_string(), body));
        let status = self.answer.lock().unwrap().clone()?;
        Ok(FetchResponse { status, headers: Vec::new(), body: Vec::new() })
    }
}

impl Clients {
    fn new() -> Arc<Self> {
        Arc::new(Self { posted: Mutex::default(), answer: Mutex::new(Ok(200)) })
    }

    fn answer(&self, answer: Result<u16, FetchError>) {
        *self.answer.lock().unwrap() = answer;
    }

    /// The logout tokens that came since the last look, with where to.
    fn told(&self) -> Vec<(String, String)> {
        let posted = std::mem::take(&mut *self.posted.lock().unwrap());
        let token = |body: String| body.strip_prefix("logout_token=").unwrap().to_owned();
        let mut told: Vec<_> = posted.into_iter().map(|(url, body)| (url, token(body))).collect();
        told.sort();
        told
    }
}

fn provider(clients: &Arc<Clients>) -> Fixture {
    provider_on(Arc::new(MemoryStore::new()), clients.clone())
}

/// `web`, `post` and `first` want to be told; `spa` does not.
fn provider_on(store: Arc<dyn Store>, fetch: Arc<dyn Fetch>) -> Fixture {
    let mut clients = all();
    for client in &mut clients {
        client.scope = scope(SCOPE);
        if ["web", "post", "first"].contains(&client.id.as_str()) {
            let uri = format!("https://{}.example/backchannel?a=b", client.id);
            let uri = RedirectUri::parse(&uri, ApplicationType::Web).unwrap();
            client.logout.backchannel = Some(LogoutUri { uri, session_required: true });
        }
    }
    Fixture::over(store, clients, |builder| {
        builder.profile(grantor::Profile::OidcCompat).scope(scope(SCOPE)).fetch(fetch)
    })
}

/// Signs `alice` in for a client, and returns its ID token.
async fn signed_in(fixture: &Fixture, agent: &mut Agent<'_>, client: &str) -> String {
    let answer = agent.walk(&authorization(client).set("scope", "openid read"), "alice").await;
    let code = answer.param("code").unwrap_or_else(|| panic!("{answer:?}"));
    fixture.redeem(client, &code).await.json()["id_token"].as_str().unwrap().to_owned()
}

async fn end_session(fixture: &Fixture, agent: &Agent<'_>) {
    fixture.server.end_session(agent.browser().session_id().unwrap()).await.unwrap();
}

#[tokio::test]
async fn every_client_of_the_session_that_wants_to_know_is_told_before_the_answer_leaves() {
    let clients = Clients::new();
    let fixture = provider(&clients);
    let mut agent = fixture.agent();
    let hint = signed_in(&fixture, &mut agent, "web").await;
    for client in ["post", "spa", "web"] {
        signed_in(&fixture, &mut agent, client).await;
    }
    signed_in(&fixture, &mut fixture.agent(), "first").await;
    agent.get(&format!("/logout?{}", form([("id_token_hint", &hint)]).encode())).await;
    let told = clients.told();
    let urls: Vec<&str> = told.iter().map(|(url, _)| url.as_str()).collect();
    assert_eq!(urls, ["https://post.example/backchannel?a=b", "https://web.example/backchannel?a=b"]);
    assert_eq!(fixture.count(EventKind::LogoutNotified), 2);
    assert_eq!(fixture.server.deliver_outbox(100).await.unwrap(), 0);
    fixture.clock.forward(3600);
    assert_eq!(fixture.server.deliver_outbox(100).await.unwrap(), 0, "what was taken is not sent again");
}

#[tokio::test]
async fn a_logout_token_is_signed_and_says_what_the_specification_asks_and_no_more() {
    let clients = Clients::new();
    let fixture = provider(&clients);
    let mut agent = fixture.agent();
    let id_token = claims(&signed_in(&fixture, &mut agent, "web").await);
    fixture.clock.forward(100);
    end_session(&fixture, &agent).await;
    let (_, token) = clients.told().remove(0);
    let keys: judge::jwk::JwkSet = serde_json::from_value(fixture.get("/jwks").await.json()).unwrap();
    let header = judge::decode_header(&token).unwrap();
    assert_eq!((header.typ.as_deref(), header.alg), (Some("logout+jwt"), judge::Algorithm::ES256));
    let key = judge::DecodingKey::from_jwk(keys.find(header.kid.as_deref().unwrap()).unwrap()).unwrap();
    let mut rules = judge::Validation::new(judge::Algorithm::ES256);
    rules.set_audience(&["web"]);
    rules.set_issuer(&[ISSUER]);
    rules.validate_exp = false;
    let told = judge::decode::<Value>(&token, &key, &rules).unwrap().claims;
    assert_eq!(
        told,
        json!({
            "iss": ISSUER, "aud": "web", "sub": "alice", "sid": id_token["sid"], "jti": told["jti"],
            "iat": NOW + 100, "exp": NOW + 220,
            "events": { "http://schemas.openid.net/event/backchannel-logout": {} },
        })
    );
    assert!(told["jti"].is_string() && told["sid"].is_string());
    let hint = form([("id_token_hint", token.as_str())]).encode();
    assert_eq!(agent.get(&format!("/logout?{hint}")).await.status, 400, "it is no ID token");
}

#[tokio::test]
async fn whatever_ends_the_session_tells_its_clients() {
    for end in ["host", "forget", "another user", "logout", "disabled", "everything revoked"] {
        let clients = Clients::new();
        let fixture = provider(&clients);
        let mut agent = fixture.agent();
        let hint = signed_in(&fixture, &mut agent, "first").await;
        match end {
            "host" => end_session(&fixture, &agent).await,
            "forget" => {
                let answer = agent.authorize(&authorization("web")).await;
                let answer: FormAnswer = agent.form(Agent::interaction(&answer)).await;
                let forget = ForgetLogin { answer, browser: agent.browser() };
                let step = fixture.server.forget_login(&forget).await;
                agent.shown(step);
            }
            "another user" => drop(agent.sign_in("bob").await),
            "disabled" => fixture.server.disable_subject(&alice()).await.unwrap(),
            "everything revoked" => {
                let alice = Party::Subject(alice());
                fixture.server.change(alice, StandingChange::RevokeAll).await.unwrap();
            }
            _ => drop(agent.get(&format!("/logout?{}", form([("id_token_hint", &hint)]).encode())).await),
        }
        let told = clients.told();
        assert_eq!(told.len(), 1, "{end}");
        assert_eq!(claims(&told[0].1)["sid"], claims(&hint)["sid"], "{end}");
    }
}

#[tokio::test]
async fn who_signs_in_again_goes_on_with_the_session_and_its_clients() {
    let clients = Clients::new();
    let fixture = provider(&clients);
    let mut agent = fixture.agent();
    let first = claims(&signed_in(&fixture, &mut agent, "web").await);
    agent.sign_in("alice").await;
    assert!(clients.told().is_empty());
    let second = claims(&signed_in(&fixture, &mut agent, "post").await);
    assert_eq!(first["sid"], second["sid"]);
    end_session(&fixture, &agent).await;
    assert_eq!(clients.told().len(), 2);
}

/// A client that never answers.
struct Silent;

#[async_trait]
impl Fetch for Silent {
    async fn fetch(&self, _: FetchRequest) -> Result<FetchResponse, FetchError> {
        std::future::pending().await
    }
}

#[tokio::test]
async fn a_logout_is_on_the_record_even_if_nobody_waits_for_its_answer() {
    let fixture = provider_on(Arc::new(MemoryStore::new()), Arc::new(Silent));
    let mut agent = fixture.agent();
    signed_in(&fixture, &mut agent, "web").await;
    let session = agent.browser().session_id().unwrap();
    let mut ending = std::pin::pin!(fixture.server.end_session(session));
    let waiting = ending.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    assert!(waiting.is_pending(), "the client has not answered");
    assert_eq!(fixture.count(EventKind::SignedOut), 1);
    assert!(fixture.server.signed_in(&agent.browser()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_that_was_over_does_not_go_on() {
    let clients = Clients::new();
    let fixture = provider(&clients);
    let mut agent = fixture.agent();
    let first = claims(&signed_in(&fixture, &mut agent, "web").await);
    let lifetime = fixture.server.settings().lifetimes.session.as_secs();
    fixture.clock.forward(lifetime + 1);
    let second = claims(&signed_in(&fixture, &mut agent, "post").await);
    assert_ne!(first["sid"], second["sid"]);
    let told: Vec<_> = clients.told().iter().map(|(_, token)| claims(token)["sid"].clone()).collect();
    assert_eq!(told, [first["sid"].clone()]);
}

#[tokio::test]
async fn a_client_that_only_gets_an_id_token_is_told_too() {
    let clients = Clients::new();
    let fixture = provider(&clients);
    fixture.clients.change("web", |client| {
        client.response_types = vec![ResponseType::IdToken];
        client.grant_types = vec![GrantType::Implicit];
    });
    let mut agent = fixture.agent();
    let request = authorization("web").set("scope", "openid read").set("response_type", "id_token");
    let request = request.add("nonce", "n").without("code_challenge").without("code_challenge_method");
    let id_token = agent.walk(&request, "alice").await.param("id_token").unwrap();
    end_session(&fixture, &agent).await;
    let told: Vec<_> = clients.told().iter().map(|(_, token)| claims(token)["sid"].clone()).collect();
    assert_eq!(told, [claims(&id_token)["sid"].clone()]);
}

#[tokio::test]
async fn who_cannot_be_reached_is_told_later_and_who_refuses_is_not() {
    for (answer, again) in [
        (Err(FetchError::Timeout), true),
        (Err(FetchError::Failed("reset".into())), true),
        (Ok(503), true),
        (Ok(429), true),
        (Ok(204), false),
        (Ok(400), false),
        (Ok(302), false),
        (Err(FetchError::Refused("loopback")), false),
    ] {
        let clients = Clients::new();
        let fixture = provider(&clients);
        let mut agent = fixture.agent();
        signed_in(&fixture, &mut agent, "web").await;
        clients.answer(answer.clone());
        end_session(&fixture, &agent).await;
        let first = claims(&clients.told()[0].1);
        assert_eq!(fixture.server.deliver_outbox(10).await.unwrap(), 0, "not yet");
        fixture.clock.forward(61);
        clients.answer(Ok(200));
        assert_eq!(fixture.server.deliver_outbox(10).await.unwrap(), usize::from(again), "{answer:?}");
        if again {
            let second = claims(&clients.told()[0].1);
            assert_eq!(first["jti"], second["jti"]);
            assert_eq!(second["exp"], NOW + 61 + 120);
            assert_eq!(fixture.count(EventKind::LogoutNoticeFailed), 1);
        }
        fixture.clock.forward(3600);
        assert_eq!(fixture.server.deliver_outbox(10).await.unwrap(), 0, "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_is_gone_or_does_not_want_to_be_told_any_more_is_no_failure() {
    let clients = Clients::new();
    let fixture = provider(&clients);
    let mut agent = fixture.agent();
    signed_in(&fixture, &mut agent, "web").await;
    signed_in(&fixture, &mut agent, "post").await;
    fixture.clients.remove("web");
    fixture.clients.change("post", |client| client.logout.backchannel = None);
    end_session(&fixture, &agent).await;
    assert!(clients.told().is_empty());
    assert_eq!(fixture.count(EventKind::LogoutNoticeFailed), 0);
    fixture.clock.forward(3600);
    assert_eq!(fixture.server.deliver_outbox(10).await.unwrap(), 0, "nothing waits any more");
}

#[tokio::test]
async fn a_client_that_stays_away_for_a_day_is_given_up() {
    let clients = Clients::new();
    let fixture = provider(&clients);
    let mut agent = fixture.agent();
    signed_in(&fixture, &mut agent, "web").await;
    clients.answer(Err(FetchError::Timeout));
    end_session(&fixture, &agent).await;
    let mut tried = 0;
    for _ in 0..2000 {
        fixture.clock.forward(60);
        tried += fixture.server.deliver_outbox(10).await.unwrap();
    }
    assert!((5..=12).contains(&tried), "{tried}");
    assert_eq!(fixture.count(EventKind::LogoutNoticeFailed), tried + 1);
}

#[tokio::test]
async fn only_a_provider_that_can_reach_its_clients_says_so() {
    let clients = Clients::new();
    let fixture = provider(&clients);
    let told = fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(told["backchannel_logout_supported"], true);
    assert_eq!(told["backchannel_logout_session_supported"], true);
    let without = Fixture::over(Arc::new(MemoryStore::new()), all(), |b| b.scope(scope(SCOPE)));
    let told = without.get("/.well-known/openid-configuration").await.json();
    assert_eq!(told["backchannel_logout_supported"], false);
}

#[tokio::test]
async fn a_session_that_remembers_too_many_clients_tells_the_oldest() {
    let fetch = Clients::new();
    let mut clients = Vec::new();
    for n in 0..66 {
        let template = all().into_iter().find(|client| client.id.as_str() == "first").unwrap();
        let id = format!("c{n:02}");
        let uri = RedirectUri::parse(&format!("https://{id}.example/out"), ApplicationType::Web).unwrap();
        let mut client = grantor::record::Client { id: id.as_str().into(), scope: scope(SCOPE), ..template };
        client.logout.backchannel = Some(LogoutUri { uri, session_required: false });
        clients.push(client);
    }
    let told = Arc::clone(&fetch);
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients, |b| b.scope(scope(SCOPE)).fetch(told));
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    for n in 0..66 {
        let request = authorization("first").set("client_id", &format!("c{n:02}")).set("scope", "openid");
        assert!(agent.authorize(&request).await.param("code").is_some());
    }
    let urls: Vec<String> = fetch.told().into_iter().map(|(url, _)| url).collect();
    assert_eq!(urls, ["https://c00.example/out", "https://c01.example/out"]);
    end_session(&fixture, &agent).await;
    assert_eq!(fetch.told().len(), 64);
}
