//! Passwords sent by clients: only where the host insists, and never more often than a person would type them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use common::clients::authenticated;
use common::host::TestPasswords;
use common::{Answer, Fixture, Form, alice, claims, form, scope};
use grantor::Profile;
use grantor::protocol::GrantType;
use grantor::record::grant::GrantStatus;
use grantor::record::{EventKind, Settings};
use grantor::server::{AuthorizationServer, Builder};
use http::{Request, header};
use serde_json::json;

fn with_passwords(builder: Builder, passwords: &Arc<TestPasswords>) -> Builder {
    builder
        .profile(Profile::OidcCompat)
        .scope(scope("openid read write admin"))
        .password_verifier(Arc::clone(passwords) as _)
        .grant_types([GrantType::AuthorizationCode, GrantType::RefreshToken, GrantType::Password])
}

/// `web` and `spa` may send passwords.
fn fixture() -> (Fixture, Arc<TestPasswords>) {
    let passwords = Arc::new(TestPasswords::default());
    let fixture = Fixture::with(|builder| with_passwords(builder, &passwords));
    for client in ["web", "spa"] {
        fixture.clients.change(client, |client| {
            client.grant_types.push(GrantType::Password);
            client.scope = scope("openid read write");
        });
    }
    (fixture, passwords)
}

fn login(username: &str, password: &str) -> Form {
    form([("grant_type", "password"), ("username", username), ("password", password)])
}

#[tokio::test]
async fn the_right_password_gets_tokens_for_the_user() {
    let (fixture, _) = fixture();
    for client in ["web", "spa"] {
        let answer = fixture.token(client, &login("alice", "wonderland").set("scope", "openid read")).await;
        let tokens = answer.tokens();
        assert_eq!(tokens.scope, "openid read");
        assert!(fixture.is_live(&tokens.access).await);
        let id_token = claims(answer.json()["id_token"].as_str().unwrap());
        assert_eq!((&id_token["sub"], &id_token["amr"]), (&json!("alice"), &json!(["pwd"])));
        let refreshed = fixture.refresh(client, &tokens.refresh).await.tokens();
        assert!(fixture.is_live(&refreshed.access).await);
        let grant = fixture.grant(client).await;
        assert_eq!((grant.grant_type, grant.status), (GrantType::Password, GrantStatus::Active));
    }
    assert_eq!(fixture.count(EventKind::TokensIssued), 2);
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_name_are_refused_alike() {
    let (fixture, _) = fixture();
    let wrong = fixture.token("web", &login("alice", "looking-glass")).await;
    let unknown = fixture.token("web", &login("nobody", "wonderland")).await;
    wrong.refused(400, "invalid_grant");
    assert_eq!((wrong.status, &wrong.body), (unknown.status, &unknown.body));
    fixture.token("web", &login("bob", "x")).await.refused(503, "temporarily_unavailable");
    for missing in ["username", "password"] {
        let form = login("alice", "wonderland").without(missing);
        fixture.token("web", &form).await.refused(400, "invalid_request");
    }
    assert!(fixture.grants("web").await.is_empty());
}

#[tokio::test]
async fn whatever_else_is_wrong_is_found_before_the_password_is_looked_at() {
    let (fixture, passwords) = fixture();
    let right = login("alice", "wonderland");
    fixture.token("first", &right).await.refused(400, "unauthorized_client");
    fixture.token("web", &right.set("scope", "admin")).await.refused(400, "invalid_scope");
    fixture.post("/token", None, &right.set("client_id", "web")).await.refused(401, "invalid_client");
    fixture.server.disable_client(&"web".into()).await.unwrap();
    fixture.token("web", &right).await.refused(401, "invalid_client");
    assert_eq!(passwords.asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_user_who_is_switched_off_gets_nothing_for_the_right_password() {
    let (fixture, _) = fixture();
    let tokens = fixture.token("web", &login("alice", "wonderland")).await.tokens();
    fixture.server.disable_subject(&alice()).await.unwrap();
    assert!(!fixture.is_live(&tokens.access).await);
    fixture.token("web", &login("alice", "wonderland")).await.refused(400, "invalid_grant");
    fixture.server.enable_subject(&alice()).await.unwrap();
    assert!(!fixture.is_live(&tokens.access).await);
    fixture.accounts.lock("alice");
    fixture.token("web", &login("alice", "wonderland")).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn passwords_of_a_user_can_be_guessed_ten_times_a_minute_and_the_right_one_counts() {
    let (fixture, passwords) = fixture();
    fixture.token("web", &login("alice", "wonderland")).await.tokens();
    for _ in 1..10 {
        fixture.token("web", &login("alice", "x")).await.refused(400, "invalid_grant");
    }
    let refused = fixture.token("spa", &login("alice", "wonderland")).await;
    refused.refused(429, "slow_down");
    assert!(refused.header("retry-after").is_some());
    assert_eq!(passwords.asked.load(Ordering::SeqCst), 10);
    fixture.clock.forward(61);
    fixture.token("spa", &login("alice", "wonderland")).await.tokens();
}

#[tokio::test]
async fn guesses_at_many_names_from_one_address_are_limited_together() {
    let (fixture, passwords) = fixture();
    for name in 0..100 {
        fixture.token("web", &login(&format!("user{name}"), "x")).await.refused(400, "invalid_grant");
    }
    fixture.token("web", &login("alice", "wonderland")).await.refused(429, "slow_down");
    assert_eq!(passwords.asked.load(Ordering::SeqCst), 100);
}

/// Each address has its ten tries, until all of them have had fifty. What one address is refused counts against nobody.
#[tokio::test]
async fn guesses_at_one_name_from_many_addresses_are_limited_together_and_no_address_locks_a_user_out() {
    let (fixture, passwords) = fixture();
    let from = async |place: u8, password: &str| {
        let (authorization, form) = authenticated("web", &login("alice", password));
        let request = Request::post("/token")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::AUTHORIZATION, authorization.unwrap());
        let request = request.body(form.encode().into()).unwrap();
        let address = std::net::IpAddr::from([192, 0, 2, place]);
        Answer::from(fixture.http.handle(request, Some(address)).await.unwrap())
    };
    for _ in 0..100 {
        from(0, "x").await;
    }
    assert_eq!(passwords.asked.load(Ordering::SeqCst), 10);
    from(1, "wonderland").await.tokens();
    for place in 1..5 {
        for _ in 0..10 {
            from(place, "x").await;
        }
    }
    assert_eq!(passwords.asked.load(Ordering::SeqCst), 50);
    from(5, "wonderland").await.refused(429, "slow_down");
    fixture.token("web", &login("carol", "x")).await.refused(400, "invalid_grant");
    fixture.clock.forward(61);
    from(5, "wonderland").await.tokens();
}

#[test]
fn passwords_need_the_lenient_profile_and_someone_who_knows_them() {
    let passwords = Arc::new(TestPasswords::default());
    let server = |change: fn(Builder) -> Builder| {
        let builder = AuthorizationServer::builder(
            grantor::Issuer::new("https://as.example").unwrap(),
            Arc::new(grantor::MemoryStore::new()),
            Arc::new(grantor::StaticClients::default()),
            &[7; 32],
        );
        change(with_passwords(builder, &passwords).scope(scope("read"))).build()
    };
    assert!(server(|builder| builder).is_ok());
    assert_eq!(server(|builder| builder.profile(Profile::Strict)).unwrap_err().setting, "grant_types");
    let nobody = AuthorizationServer::builder(
        grantor::Issuer::new("https://as.example").unwrap(),
        Arc::new(grantor::MemoryStore::new()),
        Arc::new(grantor::StaticClients::default()),
        &[7; 32],
    );
    let nobody = nobody.profile(Profile::OidcCompat).grant_types([GrantType::Password]);
    assert_eq!(nobody.build().unwrap_err().setting, "grant_types");
    let settings: &Settings = &server(|builder| builder).unwrap().settings().clone();
    assert!(settings.grant_types.contains(&GrantType::Password));
}
