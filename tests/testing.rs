//! What hosts have for their own tests.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod host {
    //! A host's test of an API that it protects.

    use grantor::endpoint::resource::ResourceCheck;
    use grantor::testing::{self, TestServer};
    use grantor::token::PresentedToken;
    use grantor::{OAuthError, Scope};

    /// The API under test.
    async fn greet(server: &TestServer, token: &str) -> Result<String, OAuthError> {
        let scope = Scope::parse("api:read").unwrap();
        let check = ResourceCheck { token: PresentedToken::read(token), resource: None, scope };
        let token = server.server.check(&check).await?;
        Ok(format!("Hello, {}!", token.subject.unwrap()))
    }

    #[tokio::test]
    async fn the_api_greets_whom_it_may() {
        let server = testing::server("openid api:read api:write");
        let tokens = server.tokens("alice", "openid api:read").await;
        assert_eq!(greet(&server, tokens.access_token.expose()).await.unwrap(), "Hello, alice!");
        let other = server.tokens("alice", "api:write").await;
        assert_eq!(greet(&server, other.access_token.expose()).await.unwrap_err().status(), 403);
        server.clock.forward(3600);
        assert_eq!(greet(&server, tokens.access_token.expose()).await.unwrap_err().status(), 401);
    }
}

use std::sync::Arc;

use grantor::authorize::HostLogin;
use grantor::endpoint::resource::ResourceCheck;
use grantor::host::{Accounts as _, Clock as _, Entropy as _, StaticResources};
use grantor::jose::Algorithm;
use grantor::protocol::{ErrorCode, Resource, Scope, SubjectId};
use grantor::record::{ResourceServer, TokenFormat};
use grantor::testing::{self, CONFIDENTIAL_CLIENT, PUBLIC_CLIENT, SeededEntropy, TestServer};
use grantor::token::PresentedToken;
use serde_json::Value;

const API: &str = "https://api.example/";

#[test]
fn the_test_of_a_host_takes_fewer_than_25_lines() {
    let source = include_str!("testing.rs");
    let (_, rest) = source.split_once("mod host {").unwrap();
    let lines = rest.split_once("\n}\n").unwrap().0.lines().filter(|line| !line.trim().is_empty());
    assert!(lines.count() < 26, "it begins with the line that says what it is");
}

fn with_api() -> TestServer {
    let api = ResourceServer {
        resource: Resource::parse(API).unwrap(),
        format: TokenFormat::Jwt(Algorithm::Es256),
        scope: None,
        lifetime: None,
    };
    testing::server_with("openid offline_access api:read", |builder| {
        builder.resources(Arc::new(StaticResources::new([api])))
    })
}

fn claims(jwt: &str) -> Value {
    use base64::Engine as _;
    let payload = jwt.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).unwrap())
        .unwrap()
}

#[tokio::test]
async fn either_client_gets_what_the_user_allows_in_the_format_of_the_api() {
    let server = with_api();
    for client in [CONFIDENTIAL_CLIENT, PUBLIC_CLIENT] {
        let scope = "openid offline_access api:read";
        let tokens = server.tokens_for(client, "alice", scope, Some(API)).await;
        let access = claims(tokens.access_token.expose());
        assert_eq!((&access["aud"], &access["sub"]), (&API.into(), &"alice".into()));
        assert_eq!(claims(tokens.id_token.unwrap().expose())["aud"], client);
        let refresh = tokens.refresh_token.unwrap();
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose())];
        server.token(client, &form).await;
    }
    let service = server.service_token("api:read").await;
    assert_eq!(service.scope.to_string(), "api:read");
}

#[tokio::test]
async fn what_the_server_refuses_fails_the_test_and_says_why() {
    let refused = |scope: &'static str| async move {
        let failed = tokio::spawn(async move { testing::server("api:read").tokens("alice", scope).await });
        let panic = failed.await.unwrap_err().into_panic();
        panic.downcast::<String>().unwrap()
    };
    assert!(refused("api:write").await.contains("invalid_scope"));
}

#[tokio::test]
async fn a_user_who_is_locked_gets_nothing_more() {
    let server = with_api();
    let tokens = server.tokens("alice", "offline_access api:read").await;
    let refresh = tokens.refresh_token.unwrap();
    let refreshing = [("grant_type", "refresh_token"), ("refresh_token", refresh.expose())];
    let check = ResourceCheck {
        token: PresentedToken::read(tokens.access_token.expose()),
        resource: None,
        scope: Scope::empty(),
    };
    server.try_token("web", &refreshing).await.unwrap();
    server.server.check(&check).await.unwrap();
    server.users.lock("alice");
    assert_eq!(server.try_token("web", &refreshing).await.unwrap_err().code(), ErrorCode::InvalidGrant);
    assert_eq!(server.server.check(&check).await.unwrap_err().status(), 401);
    let users = testing::TestUsers::default();
    assert_eq!(users.claims(&SubjectId::new("bob")).await.unwrap()["name"], "The user bob");
}

#[tokio::test]
async fn a_browser_that_is_signed_in_stays_so() {
    let server = with_api();
    let mut browser = server.browser();
    let login = HostLogin::now("alice", server.clock.now());
    let answer = browser.authorize(&[("client_id", "nobody")], &login).await;
    assert_eq!((answer.status(), browser.cookies.len()), (http::StatusCode::BAD_REQUEST, 0));
    let request = [
        ("client_id", "web"),
        ("redirect_uri", "https://web.example/callback"),
        ("response_type", "code"),
        ("scope", "openid"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    let answered = |answer: &http::Response<bytes::Bytes>| {
        let location = answer.headers()["location"].to_str().unwrap();
        location.starts_with("https://web.example/callback?code=")
    };
    assert!(answered(&browser.authorize(&request, &login).await));
    let silent = [&request[..], &[("prompt", "none")]].concat();
    assert!(answered(&browser.authorize(&silent, &login).await), "nobody is asked again");
    assert!(!answered(&server.browser().authorize(&silent, &login).await), "another browser is nobody's");
}

#[test]
fn seeded_entropy_repeats_in_every_run_and_never_in_one() {
    let draw = |entropy: &SeededEntropy| {
        let mut bytes = [0; 40];
        entropy.fill(&mut bytes).unwrap();
        bytes
    };
    let (one, same, other) =
        (SeededEntropy::predictable(1), SeededEntropy::predictable(1), SeededEntropy::predictable(2));
    let first = draw(&one);
    assert_eq!(first, draw(&same));
    assert_ne!(first, draw(&one));
    assert_ne!(first, draw(&other));
}
