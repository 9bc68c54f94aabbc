//! Opaque tokens, asked of the authorization server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use grantor::protocol::Secret;
use grantor::resource_server::{Guard, IntrospectionSettings, IntrospectionVerifier};
use serde_json::{Value, json};

use crate::support::{API, Answer, ISSUER, START, Server, TestClock, api, check, fetch};

fn active() -> Value {
    json!({
        "active": true, "iss": ISSUER, "aud": API, "sub": "alice", "client_id": "app", "scope": "read",
        "token_type": "Bearer", "exp": START + 600,
    })
}

fn verifier(server: &Server, clock: &Arc<TestClock>) -> IntrospectionVerifier {
    let settings = IntrospectionSettings {
        endpoint: server.url("/introspect").parse().unwrap(),
        client_id: "api:1".into(),
        client_secret: Secret::new("s:e c+ret%"),
        issuer: ISSUER.to_owned(),
        audience: api(),
    };
    IntrospectionVerifier::new(fetch(), settings, clock.clone())
}

fn guard(server: &Server, clock: &Arc<TestClock>) -> Guard {
    Guard::new(Arc::new(verifier(server, clock)))
}

async fn status(guard: &Guard, token: &str) -> u16 {
    check(guard, token).await.map_or_else(|challenge| challenge.status(), |_| 200)
}

#[tokio::test]
async fn the_question_is_an_authenticated_form_and_the_answer_is_read_by_type() {
    let heard = Arc::new(Mutex::new(String::new()));
    let ear = heard.clone();
    let server = Server::with(move |request| {
        *ear.lock().unwrap() = request;
        Answer::json(active().to_string())
    })
    .await;
    let token = check(&guard(&server, &TestClock::new()), "abc+/=").await.unwrap();
    assert_eq!((token.subject.as_str(), token.scope.as_str()), ("alice", "read"));
    let heard = heard.lock().unwrap().clone();
    let credentials = STANDARD.encode("api%3A1:s%3Ae+c%2Bret%25");
    assert!(
        heard.starts_with("POST /introspect HTTP/1.1\r\n") && heard.contains(&format!("Basic {credentials}"))
    );
    assert!(heard.ends_with("\r\n\r\ntoken=abc%2B%2F%3D&token_type_hint=access_token"));
}

#[tokio::test]
async fn an_answer_that_does_not_name_this_api_and_a_live_bearer_token_refuses_it() {
    let (server, clock) = (Server::start(Answer::json("{}")).await, TestClock::new());
    let guard = guard(&server, &clock);
    let cases = [
        ("active", json!(false), 401),
        ("active", json!("true"), 503),
        ("active", json!(1), 503),
        ("active", Value::Null, 503),
        ("aud", json!("https://other.example/"), 401),
        ("aud", json!(["https://other.example/"]), 401),
        ("aud", json!(["https://other.example/", API]), 200),
        ("iss", json!("https://other.example"), 401),
        ("exp", json!(START - 60), 401),
        ("exp", json!("1800000000"), 401),
        ("nbf", json!(START + 60), 401),
        ("token_type", json!("DPoP"), 401),
        ("token_type", json!("bearer"), 200),
        ("cnf", json!({ "jkt": "x" }), 401),
        ("sub", json!(7), 401),
    ];
    for (name, value, expected) in cases {
        let mut answer = active();
        answer[name] = value.clone();
        server.say(Answer::json(answer.to_string()));
        assert_eq!(status(&guard, "t").await, expected, "{name} {value}");
    }
    for (name, expected) in
        [("active", 503), ("aud", 401), ("exp", 401), ("sub", 401), ("client_id", 401), ("iss", 200)]
    {
        let mut answer = active();
        answer.as_object_mut().unwrap().remove(name);
        server.say(Answer::json(answer.to_string()));
        assert_eq!(status(&guard, "t").await, expected, "without {name}");
    }
}

#[tokio::test]
async fn a_server_that_cannot_answer_is_503_and_lets_nobody_pass() {
    let (server, clock) = (Server::start(Answer::status(500)).await, TestClock::new());
    let guard = guard(&server, &clock);
    let html = Answer { headers: "Content-Type: text/html\r\n".into(), ..Answer::json(active().to_string()) };
    let twice = active().to_string().replacen('{', r#"{"active":false,"#, 1);
    let huge = active().to_string().replace("alice", &"a".repeat(70_000));
    let bad = [
        Answer::status(401),
        Answer { status: 302, ..Answer::json(active().to_string()) },
        html,
        Answer::json("[]"),
        Answer::json("{"),
        Answer::json(twice),
        Answer::json(huge),
        Answer::json(active().to_string()).delayed(Duration::from_secs(4)),
    ];
    for answer in bad {
        server.say(answer);
        assert_eq!(status(&guard, "t").await, 503);
    }
    server.say(Answer::json(active().to_string()));
    assert_eq!(status(&guard, "t").await, 200);
}

#[tokio::test]
async fn nothing_is_remembered_unless_it_is_asked_for() {
    let (server, clock) = (Server::start(Answer::json(active().to_string())).await, TestClock::new());
    let guard = guard(&server, &clock);
    assert_eq!(status(&guard, "t").await, 200);
    server.say(Answer::json(r#"{"active":false}"#));
    assert_eq!(status(&guard, "t").await, 401);
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_remembered_token_is_good_for_its_time_and_never_past_its_expiry() {
    let (server, clock) = (Server::start(Answer::json(active().to_string())).await, TestClock::new());
    let guard = Guard::new(Arc::new(verifier(&server, &clock).remember_for(Duration::from_secs(30))));
    assert_eq!(status(&guard, "t").await, 200);
    server.say(Answer::json(r#"{"active":false}"#));
    clock.advance(29);
    assert_eq!((status(&guard, "t").await, server.requests()), (200, 1));
    clock.advance(1);
    assert_eq!((status(&guard, "t").await, server.requests()), (401, 2));
    assert_eq!((status(&guard, "t").await, server.requests()), (401, 3), "what is refused is not remembered");

    clock.set(START + 590);
    server.say(Answer::json(active().to_string()));
    assert_eq!(status(&guard, "t").await, 200);
    server.say(Answer::json(r#"{"active":false}"#));
    clock.set(START + 599);
    assert_eq!(status(&guard, "t").await, 200);
    clock.set(START + 600);
    assert_eq!(status(&guard, "t").await, 401);
}

#[tokio::test]
async fn what_is_remembered_of_one_token_is_never_said_of_another() {
    let server = Server::with(|request| {
        let token = request.rsplit("token=").next().unwrap().split('&').next().unwrap().to_owned();
        let mut answer = active();
        answer["sub"] = json!(token);
        Answer::json(answer.to_string())
    })
    .await;
    let guard =
        Guard::new(Arc::new(verifier(&server, &TestClock::new()).remember_for(Duration::from_secs(30))));
    let long = "a".repeat(1000);
    for _ in 0..2 {
        for token in ["a", "A", "aa", &long, &format!("{long}a"), &format!("{long}b")] {
            assert_eq!(check(&guard, token).await.unwrap().subject, *token);
        }
    }
    assert_eq!(server.requests(), 6);
}
