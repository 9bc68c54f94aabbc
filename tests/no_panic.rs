//! No request makes a panic or a 500, whatever its bytes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::LazyLock;

use bytes::Bytes;
use common::clients::{JWT_API, authenticated, basic, secret};
use common::{Agent, Answer, Fixture, Form, authorization, form, machine, redemption, refreshing};
use http::{HeaderName, HeaderValue, Request};
use proptest::prelude::*;
use tokio::runtime::Runtime;

/// One server for all cases, with tokens and a waiting interaction to aim at.
struct Target {
    runtime: Runtime,
    fixture: Fixture,
    code: String,
    access: String,
    refresh: String,
    jwt: String,
    cookies: String,
}

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let fixture = Fixture::with(|builder| {
        let limits = grantor::host::Limits {
            client_failures: u32::MAX,
            interactions: u32::MAX,
            registrations: u32::MAX,
            ..grantor::host::Limits::default()
        };
        builder
            .limiter(std::sync::Arc::new(grantor::host::MemoryLimiter::new(limits)))
            .registration(std::sync::Arc::new(grantor::host::OpenRegistration::default()))
    });
    let (code, tokens, jwt, cookies) = runtime.block_on(async {
        let mut agent = fixture.agent();
        let code = agent.code("web").await;
        let tokens = fixture.tokens("spa").await;
        let jwt = fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens().access;
        let cookies = agent.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        (code, tokens, jwt, cookies.join("; "))
    });
    Target { runtime, fixture, code, access: tokens.access, refresh: tokens.refresh, jwt, cookies }
});

const PATHS: [&str; 7] = [
    "/authorize",
    "/token",
    "/revoke",
    "/introspect",
    "/register",
    "/jwks",
    "/.well-known/oauth-authorization-server",
];

fn send(method: &str, target: &str, headers: &[(&'static str, Vec<u8>)], body: Vec<u8>) -> Option<Answer> {
    let mut request = Request::builder().method(method).uri(target).body(Bytes::from(body)).ok()?;
    for (name, value) in headers {
        let value = HeaderValue::from_bytes(value).ok()?;
        request.headers_mut().append(HeaderName::from_static(name), value);
    }
    let target = &*TARGET;
    target.runtime.block_on(target.fixture.http.handle(request, None)).map(Answer::from)
}

#[track_caller]
fn calm(answer: &Option<Answer>) -> Result<(), TestCaseError> {
    if let Some(answer) = answer {
        prop_assert!(answer.status < 500, "{:?}", answer);
        if answer.status == 200 && answer.header("content-type") == Some("application/json") {
            prop_assert!(
                serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok() || answer.body.is_empty()
            );
        }
    }
    Ok(())
}

fn bytes(most: usize) -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        prop::collection::vec(any::<u8>(), 0..most),
        "[a-z_=&%+0-9]{0,200}".prop_map(String::into_bytes),
        "\\PC{0,60}".prop_map(String::into_bytes),
    ]
}

/// A form that would be right, before it is spoilt.
fn right() -> impl Strategy<Value = (&'static str, Form)> {
    let target = &*TARGET;
    prop::sample::select(vec![
        ("/authorize", authorization("web")),
        ("/authorize", authorization("native")),
        ("/authorize", authorization("first").set("response_mode", "form_post")),
        ("/token", authenticated("post", &machine()).1),
        ("/token", authenticated("spa", &redemption("spa", &target.code)).1),
        ("/token", authenticated("spa", &refreshing(&target.refresh)).1),
        ("/revoke", authenticated("post", &form([("token", &target.access)])).1),
        ("/revoke", authenticated("post", &form([("token", &target.jwt)])).1),
        ("/introspect", authenticated("post", &form([("token", &target.jwt)])).1),
    ])
}

/// One way to spoil a parameter list.
#[derive(Clone, Debug)]
enum Spoil {
    Drop(prop::sample::Index),
    Repeat(prop::sample::Index),
    Replace(prop::sample::Index, String),
    Cut(prop::sample::Index, prop::sample::Index),
    Insert(prop::sample::Index, prop::sample::Index, char),
    Swap(prop::sample::Index, prop::sample::Index),
    Add(String, String),
}

fn spoil() -> impl Strategy<Value = Spoil> {
    let index = any::<prop::sample::Index>;
    prop_oneof![
        index().prop_map(Spoil::Drop),
        index().prop_map(Spoil::Repeat),
        (index(), "\\PC{0,40}").prop_map(|(at, value)| Spoil::Replace(at, value)),
        (index(), index()).prop_map(|(at, length)| Spoil::Cut(at, length)),
        (index(), index(), any::<char>()).prop_map(|(at, place, c)| Spoil::Insert(at, place, c)),
        (index(), index()).prop_map(|(one, other)| Spoil::Swap(one, other)),
        ("[a-z_]{1,12}", "\\PC{0,40}").prop_map(|(name, value)| Spoil::Add(name, value)),
    ]
}

fn spoilt(form: &Form, by: &[Spoil]) -> Form {
    let mut pairs = form.0.clone();
    for spoil in by.iter().filter(|_| !form.0.is_empty()) {
        if pairs.is_empty() {
            break;
        }
        let count = pairs.len();
        let place = |text: &str, at: &prop::sample::Index| {
            let places: Vec<usize> = text.char_indices().map(|(at, _)| at).chain([text.len()]).collect();
            *at.get(&places)
        };
        match spoil {
            Spoil::Drop(at) => drop(pairs.remove(at.index(count))),
            Spoil::Repeat(at) => pairs.push(at.get(&pairs).clone()),
            Spoil::Replace(at, value) => at.get_mut(&mut pairs).1.clone_from(value),
            Spoil::Cut(at, length) => {
                let value = &mut at.get_mut(&mut pairs).1;
                value.truncate(place(value, length));
            }
            Spoil::Insert(at, where_, c) => {
                let value = &mut at.get_mut(&mut pairs).1;
                value.insert(place(value, where_), *c);
            }
            Spoil::Swap(one, other) => {
                let value = other.get(&pairs).1.clone();
                one.get_mut(&mut pairs).1 = value;
            }
            Spoil::Add(name, value) => pairs.push((name.clone(), value.clone())),
        }
    }
    Form(pairs)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1500))]

    #[test]
    fn any_bytes_anywhere_are_answered(
        path in prop::sample::select(PATHS.to_vec()),
        method in prop::sample::select(vec!["GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"]),
        query in "[ -~]{0,120}",
        body in bytes(400),
        authorization in prop::option::of(bytes(80)),
        cookie in prop::option::of(bytes(120)),
        content_type in prop::option::weighted(
            0.9,
            prop::sample::select(vec![&b"application/x-www-form-urlencoded"[..], b"application/json"]),
        ),
    ) {
        let content_type = content_type.map(<[u8]>::to_vec);
        let headers: Vec<(&'static str, Vec<u8>)> = [
            ("authorization", authorization),
            ("cookie", cookie),
            ("content-type", content_type),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect();
        calm(&send(method, &format!("{path}?{query}"), &headers, body))?;
    }

    #[test]
    fn a_right_request_that_is_spoilt_is_answered((path, form) in right(), by in prop::collection::vec(spoil(), 1..5)) {
        let form = spoilt(&form, &by);
        let typed = [("content-type", b"application/x-www-form-urlencoded".to_vec())];
        calm(&send("POST", path, &typed, form.encode().into_bytes()))?;
        if path == "/authorize" {
            calm(&send("GET", &format!("{path}?{}", form.encode()), &[], Vec::new()))?;
            let cookies = [("cookie", TARGET.cookies.clone().into_bytes())];
            calm(&send("GET", &format!("{path}?{}", form.encode()), &cookies, Vec::new()))?;
        }
    }

    #[test]
    fn a_right_header_that_is_spoilt_is_answered(
        path in prop::sample::select(vec!["/token", "/revoke", "/introspect"]),
        at in any::<prop::sample::Index>(),
        with in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut header = basic("machine", &secret("machine")).into_bytes();
        let at = at.index(header.len());
        header.splice(at..(at + 1), with);
        let headers =
            [("authorization", header), ("content-type", b"application/x-www-form-urlencoded".to_vec())];
        calm(&send("POST", path, &headers, machine().add("token", "x").encode().into_bytes()))?;
    }

    #[test]
    fn a_right_cookie_that_is_spoilt_is_answered(
        at in any::<prop::sample::Index>(),
        with in prop::collection::vec(any::<u8>(), 0..4),
    ) {
        let mut cookies = TARGET.cookies.clone().into_bytes();
        let at = at.index(cookies.len());
        cookies.splice(at..(at + 1), with);
        let target = format!("/authorize?{}", authorization("web").encode());
        calm(&send("GET", &target, &[("cookie", cookies)], Vec::new()))?;
    }

    #[test]
    fn any_token_text_is_answered(
        text in prop_oneof![
            "\\PC{0,300}",
            "g(at|rt|ac|se)_[A-Za-z0-9_-]{60,90}",
            "[A-Za-z0-9_-]{0,40}\\.[A-Za-z0-9_-]{0,80}\\.[A-Za-z0-9_-]{0,90}",
        ],
        spoil in any::<(prop::sample::Index, char)>(),
    ) {
        let target = &*TARGET;
        let mut near = target.jwt.clone();
        near.insert(spoil.0.index(near.len()), spoil.1);
        for token in [text, near] {
            let request = form([("token", &token), ("refresh_token", &token), ("code", &token)]);
            for (path, grant) in [("/revoke", ""), ("/introspect", ""), ("/token", "refresh_token"), ("/token", "authorization_code")] {
                let (_, request) = authenticated("post", &request.set("grant_type", grant));
                let typed = [("content-type", b"application/x-www-form-urlencoded".to_vec())];
                calm(&send("POST", path, &typed, request.encode().into_bytes()))?;
            }
        }
    }

    #[test]
    fn any_clock_is_borne(times in prop::collection::vec(any::<u64>(), 1..5)) {
        let fixture = Fixture::new();
        let answers = TARGET.runtime.block_on(async {
            let mut answers = Vec::new();
            let mut agent = fixture.agent();
            let mut refresh = fixture.tokens("spa").await.refresh;
            for now in times {
                fixture.clock.set(now);
                let asked = agent.authorize(&authorization("web")).await;
                if Agent::is_at(&asked, "/login") {
                    answers.push(agent.login(Agent::interaction(&asked), "alice").await);
                }
                answers.push(asked);
                let refreshed = fixture.refresh("spa", &refresh).await;
                if refreshed.status == 200 {
                    refresh = refreshed.tokens().refresh;
                }
                answers.push(refreshed);
                answers.push(fixture.token("machine", &machine().add("resource", JWT_API)).await);
                answers.push(fixture.revoke("spa", "gat_x").await);
            }
            answers
        });
        for answer in answers {
            prop_assert!(answer.status < 500, "{:?}", answer);
        }
    }
}
