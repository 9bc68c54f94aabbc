//! Clients of different sectors call a user by different names, wherever they read one (OpenID Connect Core §8).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use common::clients::{API, JWT_API, all, client, redirect_uri};
use common::{Answer, Fixture, Form, ISSUER, NOW, authorization, claims, form, scope};
use grantor::client::{ClientMetadata, MetadataError};
use grantor::host::{Fetch, FetchError, FetchRequest, FetchResponse, SectorError, verify_sector};
use grantor::jose::Sealer;
use grantor::protocol::{
    ApplicationType, ClientAuthMethod, GrantType, Issuer, RedirectUri, ResponseType, SubjectId,
};
use grantor::record::client::Sector;
use grantor::record::logout::LogoutUri;
use grantor::record::settings::Settings;
use grantor::record::{Client, Context, Random};
use grantor::server::Builder;
use grantor::store::MemoryStore;
use grantor::token::subject::seen_by;
use grantor::{Profile, StaticClients, Timestamp};
use http::{Request, header};
use proptest::prelude::*;
use serde_json::{Value, json};

const SCOPE: &str = "openid offline_access read write";
const SECRET: [u8; 32] = [9; 32];
/// What `web.example` calls `alice` under [`SECRET`], for ever.
const ALICE_AT_WEB: &str = "UhrNgpZPz6lNPeuJiipHiS3Jm8rdLQrw134MsGh0buk";

/// `web` and `post` are of one sector, `first` and `app` of others; the rest is public.
fn sectored() -> Vec<Client> {
    let mut clients = all();
    for client in &mut clients {
        client.scope = scope(SCOPE);
        let sector = match client.id.as_str() {
            "web" | "post" => "web.example",
            "first" => "first.example",
            "app" => "app.example",
            _ => continue,
        };
        client.openid.sector = Some(Sector::new(sector));
    }
    clients
}

fn with(configure: impl FnOnce(Builder) -> Builder) -> Fixture {
    Fixture::over(Arc::new(MemoryStore::new()), sectored(), |builder| {
        configure(builder.scope(scope(SCOPE)).pairwise_subjects(&SECRET))
    })
}

fn provider() -> Fixture {
    with(|builder| builder)
}

fn asking(client: &str) -> Form {
    authorization(client).set("scope", "openid read")
}

fn sub(tokens: &Value) -> String {
    claims(tokens["id_token"].as_str().unwrap())["sub"].as_str().unwrap().to_owned()
}

/// What a client calls `alice`.
async fn name(fixture: &Fixture, client: &str) -> String {
    sub(&fixture.agent().tokens(client, &asking(client)).await)
}

async fn userinfo(fixture: &Fixture, token: &str) -> Value {
    let request = Request::get("/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}"));
    fixture.send(request.body(Bytes::new()).unwrap()).await.json()
}

#[tokio::test]
async fn clients_of_one_sector_call_a_user_alike_and_all_others_differently() {
    let fixture = provider();
    let web = name(&fixture, "web").await;
    assert_eq!(name(&fixture, "post").await, web);
    assert_eq!(name(&fixture, "spa").await, "alice");
    let names = [web, name(&fixture, "first").await, name(&fixture, "app").await, "alice".to_owned()];
    assert!(names.iter().all(|one| names.iter().filter(|other| *other == one).count() == 1), "{names:?}");
}

#[tokio::test]
async fn what_a_client_calls_a_user_never_changes() {
    assert_eq!(name(&provider(), "web").await, ALICE_AT_WEB);
    let other = with(|builder| builder.pairwise_subjects(&[10; 32]));
    assert_ne!(name(&other, "web").await, ALICE_AT_WEB);
}

#[tokio::test]
async fn whatever_is_told_about_a_user_bears_the_same_name_and_never_the_hosts() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let request = asking("web").set("scope", "openid read offline_access").add("prompt", "consent");
    let plain = agent.tokens("web", &request).await;
    let (access, refresh) =
        (plain["access_token"].as_str().unwrap(), plain["refresh_token"].as_str().unwrap());
    let jwt = agent.tokens("web", &asking("web").add("resource", JWT_API)).await;
    let jwt = jwt["access_token"].as_str().unwrap();
    let told = [
        claims(plain["id_token"].as_str().unwrap()),
        userinfo(&fixture, access).await,
        fixture.introspect("web", access).await,
        fixture.introspect("web", refresh).await,
        claims(jwt),
        fixture.introspect("web", jwt).await,
        claims(fixture.refresh("web", refresh).await.json()["id_token"].as_str().unwrap()),
    ];
    for told in told {
        assert_eq!(told["sub"], ALICE_AT_WEB, "{told}");
        assert!(!told.to_string().contains("alice"), "{told}");
    }
}

#[tokio::test]
async fn an_id_token_through_the_browser_bears_it_too() {
    let fixture = with(|builder| builder.profile(Profile::OidcCompat));
    fixture.clients.change("web", |client| {
        client.response_types = vec![ResponseType::IdToken, ResponseType::Code];
        client.grant_types.push(GrantType::Implicit);
    });
    let request = asking("web").set("response_type", "id_token").add("nonce", "n");
    let answer = fixture.agent().walk(&request, "alice").await;
    assert_eq!(claims(&answer.param("id_token").unwrap())["sub"], ALICE_AT_WEB);
}

#[tokio::test]
async fn an_api_reads_the_name_that_the_client_of_the_token_has_and_the_hosts_own_api_the_hosts() {
    let fixture = provider();
    let request = asking("web").add("resource", API);
    let access = fixture.agent().tokens("web", &request).await;
    let access = access["access_token"].as_str().unwrap();
    assert_eq!(fixture.introspect("api", access).await["sub"], ALICE_AT_WEB);
    let check = grantor::endpoint::resource::ResourceCheck {
        token: grantor::token::PresentedToken::read(access),
        resource: Some(common::clients::resource(API)),
        scope: scope("read"),
    };
    assert_eq!(fixture.server.check(&check).await.unwrap().subject, Some(SubjectId::new("alice")));
}

#[tokio::test]
async fn a_client_names_a_user_by_its_own_name_for_it_and_by_no_other() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let hint = |tokens: &Value| tokens["id_token"].as_str().unwrap().to_owned();
    let alice = hint(&agent.tokens("web", &asking("web")).await);
    let mut other = fixture.agent();
    let bob = other.walk(&asking("web"), "bob").await.param("code").unwrap();
    let bob = hint(&fixture.redeem("web", &bob).await.json());
    let silent = asking("web").add("prompt", "none");
    let wished =
        |sub: &str| silent.add("claims", &json!({ "id_token": { "sub": { "value": sub } } }).to_string());
    for (request, answered) in [
        (silent.add("id_token_hint", &alice), true),
        (wished(ALICE_AT_WEB), true),
        (wished(ALICE_AT_WEB).add("id_token_hint", &alice), true),
        (silent.add("id_token_hint", &bob), false),
        (wished("alice"), false),
        (wished(&name(&fixture, "first").await), false),
    ] {
        let answer = agent.authorize(&request).await;
        assert_eq!(answer.param("code").is_some(), answered, "{answer:?}");
        assert!(answered || answer.param("error").as_deref() == Some("login_required"), "{answer:?}");
    }
}

#[tokio::test]
async fn whoever_is_named_by_a_hint_is_the_only_one_who_can_sign_in_for_it() {
    let fixture = provider();
    let hint = fixture.agent().tokens("web", &asking("web")).await;
    let request = asking("web").add("id_token_hint", hint["id_token"].as_str().unwrap());
    for (subject, error) in [("alice", None), ("bob", Some("login_required".to_owned()))] {
        let answer = fixture.agent().walk(&request, subject).await;
        assert_eq!(answer.param("error"), error, "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_logs_out_with_the_hint_it_has() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let hint = agent.tokens("web", &asking("web")).await;
    let hint = form([("id_token_hint", hint["id_token"].as_str().unwrap())]).encode();
    let answer = agent.get(&format!("/logout?{hint}")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(fixture.server.signed_in(&agent.browser()).await.unwrap().is_none());
}

/// Another server: it answers with one document, and keeps what it is sent.
struct Elsewhere {
    answer: Result<(u16, String), FetchError>,
    seen: Mutex<Vec<FetchRequest>>,
}

impl Elsewhere {
    fn answering(answer: Result<(u16, String), FetchError>) -> Arc<Self> {
        Arc::new(Self { answer, seen: Mutex::default() })
    }
}

#[async_trait]
impl Fetch for Elsewhere {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        self.seen.lock().unwrap().push(request);
        let (status, body) = self.answer.clone()?;
        let media_type = if body.starts_with('<') { "text/html" } else { "application/json" };
        let headers = vec![("content-type".to_owned(), media_type.as_bytes().to_vec())];
        Ok(FetchResponse { status, headers, body: body.into_bytes() })
    }
}

#[tokio::test]
async fn a_logout_token_bears_the_name_that_its_client_knows() {
    let elsewhere = Elsewhere::answering(Ok((200, String::new())));
    let fetch = Arc::clone(&elsewhere);
    let fixture = with(|builder| builder.fetch(fetch));
    fixture.clients.change("web", |client| {
        let uri = RedirectUri::parse("https://web.example/out", ApplicationType::Web).unwrap();
        client.logout.backchannel = Some(LogoutUri { uri, session_required: true });
    });
    let mut agent = fixture.agent();
    let one = agent.tokens("web", &asking("web")).await;
    let other = agent.tokens("first", &asking("first")).await;
    let sid = |tokens: &Value| claims(tokens["id_token"].as_str().unwrap())["sid"].clone();
    assert_ne!(sid(&one), sid(&other), "two sectors could compare their sessions");
    fixture.server.end_session(agent.browser().session_id().unwrap()).await.unwrap();
    let sent = elsewhere.seen.lock().unwrap().pop().unwrap();
    let token = String::from_utf8(sent.body).unwrap();
    assert_eq!(claims(&token)["sub"], ALICE_AT_WEB);
    assert_eq!(claims(&token)["sid"], sid(&one));
}

#[tokio::test]
async fn without_its_secret_a_server_tells_a_pairwise_client_nothing() {
    let fixture =
        Fixture::over(Arc::new(MemoryStore::new()), sectored(), |builder| builder.scope(scope(SCOPE)));
    let code = fixture.agent().walk(&asking("web"), "alice").await.param("code").unwrap();
    fixture.redeem("web", &code).await.refused(500, "server_error");
    assert_eq!(name(&fixture, "spa").await, "alice");
}

#[tokio::test]
async fn discovery_names_pairwise_where_clients_may_register_for_it() {
    let types = async |fixture: Fixture| -> Answer { fixture.get("/.well-known/openid-configuration").await };
    let on = types(provider()).await.json();
    assert_eq!(on["subject_types_supported"], json!(["public", "pairwise"]));
    let off = Fixture::with(|builder| builder.scope(scope(SCOPE)));
    assert_eq!(types(off).await.json()["subject_types_supported"], json!(["public"]));
}

const METADATA: &str = r#"[{"client_id":"a","token_endpoint_auth_method":"none","subject_type":"pairwise",
    "redirect_uris":["https://a.example/cb","https://b.example/cb"],"sector_identifier_uri":"https://s.example/list"}]"#;

#[test]
fn a_registration_names_its_sector() {
    let clients = StaticClients::from_json(METADATA.as_bytes()).unwrap();
    assert_eq!(clients.iter().next().unwrap().openid.sector, Some(Sector::new("s.example")));
    let without = METADATA.replace("sector_identifier_uri", "unknown");
    assert!(matches!(
        StaticClients::from_json(without.as_bytes()),
        Err(MetadataError::Contradiction(rule)) if rule.contains("sector_identifier_uri")
    ));
}

#[tokio::test]
async fn a_client_is_of_the_sector_whose_document_lists_its_redirect_uris() {
    let metadata = ClientMetadata::list_from_json(METADATA.as_bytes()).unwrap().remove(0);
    let verify = async |answer: Result<(u16, &str), FetchError>| {
        let elsewhere = Elsewhere::answering(answer.map(|(status, body)| (status, body.to_owned())));
        let verified = verify_sector(elsewhere.as_ref(), &metadata).await;
        assert_eq!(elsewhere.seen.lock().unwrap()[0].url.as_str(), "https://s.example/list");
        verified
    };
    let both = r#"["https://a.example/cb","https://b.example/cb"]"#;
    assert_eq!(verify(Ok((200, both))).await, Ok(()));
    assert_eq!(verify(Ok((404, both))).await, Err(SectorError::Status(404)));
    assert_eq!(verify(Ok((200, "<html>"))).await, Err(SectorError::NotJson));
    assert_eq!(verify(Ok((301, both))).await, Err(SectorError::Status(301)));
    assert_eq!(verify(Err(FetchError::Timeout)).await, Err(SectorError::Fetch(FetchError::Timeout)));
    assert!(matches!(verify(Ok((200, r#"["https://a.example/cb"]"#))).await, Err(SectorError::Metadata(_))));
    let silent = Elsewhere::answering(Err(FetchError::Timeout));
    let plain = METADATA.replace("sector_identifier_uri", "unknown");
    let plain = ClientMetadata::list_from_json(plain.as_bytes()).unwrap().remove(0);
    assert_eq!(verify_sector(silent.as_ref(), &plain).await, Ok(()));
}

proptest! {
    #[test]
    fn names_are_short_ascii_and_differ_whenever_sector_or_user_do(
        a in ("[a-z.]{1,20}", "[!-~]{1,40}"), b in ("[a-z.]{1,20}", "[!-~]{1,40}"), secret: [u8; 32],
    ) {
        let issuer = Issuer::new(ISSUER).unwrap();
        let mut settings = Settings::new(issuer, Profile::Strict, Sealer::new(&[7; 32]));
        settings.pairwise = Some(Sealer::new(&secret));
        let random = Random::from_seed([0; Random::LEN]);
        let cx = Context { settings: &settings, now: Timestamp(NOW), random, sequence: 0, address: None, attempt: 0 };
        let seen = |(sector, subject): &(String, String)| {
            let mut client = client("web", ClientAuthMethod::None, &[redirect_uri("web")]);
            client.openid.sector = Some(Sector::new(sector));
            seen_by(&client, &SubjectId::new(subject.as_str()), &cx).unwrap()
        };
        let name = seen(&a);
        prop_assert!(name.as_str().len() <= 255 && name.as_str().bytes().all(|byte| byte.is_ascii_graphic()));
        prop_assert_eq!(&name, &seen(&a));
        prop_assert_eq!(name == seen(&b), a == b);
        // What ends the one begins the other: the two are kept apart.
        let moved = (format!("{}{}", a.0, &a.1[..1]), a.1[1..].to_owned());
        prop_assert_ne!(name, seen(&moved));
    }
}
