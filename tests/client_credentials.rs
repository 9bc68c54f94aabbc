//! Client credentials: a client acts for itself.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::clients::{API, JWT_API, JWT_LOG, REPORTS, basic, secret};
use common::{Fixture, NOW, machine, scope};
use grantor::protocol::GrantType;
use grantor::record::grant::GrantStatus;
use serde_json::json;

#[tokio::test]
async fn a_confidential_client_gets_an_access_token_and_no_refresh_token() {
    for client in ["machine", "post"] {
        let fixture = Fixture::new();
        let answer = fixture.token(client, &machine()).await;
        let tokens = answer.tokens();
        assert_eq!(answer.json().as_object().unwrap().len(), 4, "{}", answer.text());
        assert_eq!((tokens.scope.as_str(), tokens.refresh.as_str()), ("read write", ""));
        assert!(fixture.is_live(&tokens.access).await);
        let seen = fixture.introspect(client, &tokens.access).await;
        assert_eq!((&seen["sub"], &seen["client_id"]), (&json!(client), &json!(client)));
        assert_eq!(fixture.status(client).await, GrantStatus::Active);
    }
}

#[tokio::test]
async fn a_scope_is_granted_whole_or_refused() {
    for (asked, granted) in [
        ("read", Some("read")),
        ("write read write", Some("read write")),
        ("admin", None),
        ("read admin", None),
        ("unknown", None),
        ("re\"ad", None),
        ("r\u{e9}ad", None),
    ] {
        let answer = Fixture::new().token("machine", &machine().set("scope", asked)).await;
        match granted {
            Some(granted) => assert_eq!(answer.tokens().scope, granted),
            None => answer.refused(400, "invalid_scope"),
        }
    }
}

#[tokio::test]
async fn a_client_that_cannot_authenticate_or_is_not_registered_for_it_is_refused() {
    let fixture = Fixture::new();
    fixture.token("web", &machine()).await.refused(400, "unauthorized_client");
    fixture.token("spa", &machine()).await.refused(400, "unauthorized_client");
    fixture.clients.change("spa", |client| client.grant_types = GrantType::ALL.to_vec());
    fixture.token("spa", &machine()).await.refused(400, "unauthorized_client");
    fixture.token("api", &machine()).await.refused(400, "unauthorized_client");
}

#[tokio::test]
async fn a_grant_type_that_is_switched_off_or_unknown_is_unsupported() {
    let fixture = Fixture::with(|builder| builder.grant_types([GrantType::AuthorizationCode]));
    fixture.token("machine", &machine()).await.refused(400, "unsupported_grant_type");
    let fixture = Fixture::new();
    for name in ["password", "implicit", "urn:ietf:params:oauth:grant-type:device_code", "CLIENT_CREDENTIALS"]
    {
        fixture
            .token("machine", &machine().set("grant_type", name))
            .await
            .refused(400, "unsupported_grant_type");
    }
}

#[tokio::test]
async fn resources_decide_audience_format_and_scope() {
    let fixture = Fixture::new();
    let ask = |uris: &[&str]| uris.iter().fold(machine(), |form, uri| form.add("resource", uri));
    let opaque = fixture.token("machine", &ask(&[API, REPORTS, API])).await.tokens();
    assert!(opaque.access.starts_with("gat_"));
    assert_eq!(fixture.introspect("machine", &opaque.access).await["aud"], json!([API, REPORTS]));
    assert!(!fixture.is_live(&opaque.access).await, "it is not for the issuer itself");

    let reports = fixture.token("machine", &ask(&[REPORTS])).await.tokens();
    assert_eq!(reports.scope, "read");

    let jwt = fixture.token("machine", &ask(&[JWT_API, JWT_LOG])).await.tokens();
    assert_eq!((jwt.access.split('.').count(), jwt.expires_in), (3, 600));
    let seen = fixture.introspect("machine", &jwt.access).await;
    assert_eq!((&seen["active"], &seen["aud"]), (&json!(true), &json!([JWT_API, JWT_LOG])));

    for bad in [&[API, JWT_API][..], &["https://unknown.example/"], &["x"], &["https://api.example/#f"]] {
        fixture.token("machine", &ask(bad)).await.refused(400, "invalid_target");
    }
    let many: Vec<String> = (0..17).map(|n| format!("{API}{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    fixture.token("machine", &ask(&many)).await.refused(400, "invalid_target");
}

#[tokio::test]
async fn a_jwt_leaves_no_record_and_an_opaque_token_one() {
    let fixture = Fixture::new();
    fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens();
    assert!(fixture.grants("machine").await.is_empty());
    fixture.token("machine", &machine()).await.tokens();
    assert_eq!(fixture.grants("machine").await.len(), 1);
}

#[tokio::test]
async fn a_token_lives_an_hour_or_as_long_as_its_client_says() {
    let fixture = Fixture::new();
    let hour = fixture.token("machine", &machine()).await.tokens();
    fixture.clients.change("machine", |client| {
        client.lifetimes.access_token = Some(std::time::Duration::from_secs(5));
    });
    let short = fixture.token("machine", &machine()).await.tokens();
    let jwt = fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens();
    assert_eq!((hour.expires_in, short.expires_in, jwt.expires_in), (3600, 5, 5));
    let alive = async |token: &str| fixture.introspect("machine", token).await["active"] == json!(true);
    for (now, expected) in
        [(NOW + 4, (true, true, true)), (NOW + 5, (true, false, false)), (NOW + 3600, (false, false, false))]
    {
        fixture.clock.set(now);
        let seen = (alive(&hour.access).await, alive(&short.access).await, alive(&jwt.access).await);
        assert_eq!(seen, expected, "{now}");
    }
}

#[tokio::test]
async fn a_disabled_client_gets_nothing_and_what_it_got_before_stays_dead() {
    let fixture = Fixture::new();
    let asked = [machine(), machine().add("resource", JWT_API)];
    let mut before = Vec::new();
    for request in &asked {
        before.push(fixture.token("machine", request).await.tokens().access);
    }
    fixture.server.disable_client(&"machine".into()).await.unwrap();
    for request in &asked {
        fixture.token("machine", request).await.refused(401, "invalid_client");
    }
    fixture.server.enable_client(&"machine".into()).await.unwrap();
    for token in &before {
        assert_eq!(fixture.introspect("machine", token).await, json!({"active": false}));
    }
    for request in &asked {
        let again = fixture.token("machine", request).await.tokens().access;
        assert_eq!(fixture.introspect("machine", &again).await["active"], json!(true));
    }
}

#[tokio::test]
async fn scope_that_the_server_does_not_know_is_never_granted() {
    let fixture = Fixture::new();
    fixture.clients.change("machine", |client| client.scope = scope("read phantom"));
    assert_eq!(fixture.token("machine", &machine()).await.tokens().scope, "read");
    fixture.token("machine", &machine().set("scope", "phantom")).await.refused(400, "invalid_scope");
}

#[tokio::test]
async fn duplicate_parameters_are_refused_wherever_they_come() {
    let fixture = Fixture::new();
    for name in ["grant_type", "scope", "client_id", "client_secret", "unheard_of"] {
        let twice = machine().add(name, "x").add(name, "x");
        let header = basic("machine", &secret("machine"));
        fixture.post("/token", Some(&header), &twice).await.refused(400, "invalid_request");
    }
}
