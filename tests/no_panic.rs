//! No request makes a panic or a 500, whatever its bytes.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::{Arc, LazyLock};

use bytes::Bytes;
use common::clients::{JWT_API, all, authenticated, basic, redirect_uri, secret};
use common::devices::{Device, Devices as _};
use common::{Agent, Answer, Fixture, Form, authorization, form, machine, redemption, refreshing, scope};
use grantor::protocol::{DeliveryMode, GrantType};
use grantor::store::MemoryStore;
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
    id_token: String,
    jwt: String,
    cookies: String,
    device: Device,
}

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let runtime = Runtime::new().unwrap();
    let scope = scope("openid profile offline_access read write");
    let mut clients = all();
    clients.iter_mut().for_each(|client| {
        client.scope = scope.clone();
        client.backchannel.mode = (client.id.as_str() == "post").then_some(DeliveryMode::Poll);
    });
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| {
        let limits = grantor::host::Limits {
            client_failures: u32::MAX,
            interactions: u32::MAX,
            device_authorizations: u32::MAX,
            backchannel_authentications: u32::MAX,
            registrations: u32::MAX,
            registration_updates: u32::MAX,
            ..grantor::host::Limits::default()
        };
        builder
            .grant_types(
                GrantType::ALL
                    .iter()
                    .filter(|own| !matches!(own, GrantType::Implicit | GrantType::Password))
                    .cloned(),
            )
            .scope(scope)
            .token_exchange(Arc::new(grantor::host::OwnTokenExchange))
            .authentication_device(Arc::<common::phones::Phones>::default())
            .assertion_trust(Arc::new(common::foreign::Trust::default()))
            .limiter(Arc::new(grantor::host::MemoryLimiter::new(limits)))
            .registration(Arc::new(grantor::host::OpenRegistration::default()))
    });
    let (code, tokens, id_token, jwt, cookies, device) = runtime.block_on(async {
        let mut agent = fixture.agent();
        let code = agent.code("web").await;
        let request = authorization("spa").set("scope", "openid profile offline_access read");
        let redeemed = agent.walk(&request, "alice").await.param("code").unwrap();
        let tokens = fixture.redeem("spa", &redeemed).await;
        let id_token = tokens.json()["id_token"].as_str().unwrap().to_owned();
        let tokens = tokens.tokens();
        let jwt = fixture.token("machine", &machine().add("resource", JWT_API)).await.tokens().access;
        let cookies = agent.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>();
        (code, tokens, id_token, jwt, cookies.join("; "), fixture.device("post").await)
    });
    let (access, refresh) = (tokens.access, tokens.refresh);
    Target { runtime, fixture, code, access, refresh, id_token, jwt, cookies, device }
});

const PATHS: [&str; 12] = [
    "/authorize",
    "/bc-authorize",
    "/device_authorization",
    "/token",
    "/revoke",
    "/introspect",
    "/userinfo",
    "/logout",
    "/register",
    "/jwks",
    "/.well-known/oauth-authorization-server",
    "/.well-known/openid-configuration",
];

/// Sends a request; bytes that no header can carry are left out of it.
fn send(method: &str, target: &str, headers: &[(&'static str, Vec<u8>)], body: Vec<u8>) -> Answer {
    let mut request = Request::builder().method(method).uri(target).body(Bytes::from(body)).unwrap();
    for (name, value) in headers {
        let carried: Vec<u8> =
            value.iter().copied().filter(|byte| matches!(byte, b'\t' | 32..=126 | 128..=255)).collect();
        let value = HeaderValue::from_bytes(&carried).unwrap();
        request.headers_mut().append(HeaderName::from_static(name), value);
    }
    let target = &*TARGET;
    target.runtime.block_on(target.fixture.send(request))
}

/// A query made of any bytes: those that cannot stand in one are percent-encoded.
fn query(bytes: &[u8]) -> String {
    let allowed =
        |byte: u8| matches!(byte, b'!' | b'$'..=b';' | b'=' | b'?'..=b'Z' | b'_' | b'a'..=b'z' | b'~');
    let encoded =
        |byte: &u8| if allowed(*byte) { char::from(*byte).to_string() } else { format!("%{byte:02X}") };
    bytes.iter().map(encoded).collect()
}

#[track_caller]
fn calm(answer: &Answer) -> Result<(), TestCaseError> {
    prop_assert!(answer.status < 500, "{:?}", answer);
    if answer.status == 200 && answer.header("content-type") == Some("application/json") {
        prop_assert!(
            serde_json::from_slice::<serde_json::Value>(&answer.body).is_ok() || answer.body.is_empty()
        );
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
        ("/authorize", authorization("web").add("request", &target.jwt)),
        ("/authorize", authorization("first").set("response_mode", "form_post")),
        ("/token", authenticated("post", &machine()).1),
        ("/token", authenticated("spa", &redemption("spa", &target.code)).1),
        ("/token", authenticated("spa", &refreshing(&target.refresh)).1),
        ("/token", authenticated("post", &target.device.polling()).1),
        ("/device_authorization", authenticated("post", &form([("scope", "read"), ("resource", JWT_API)])).1),
        ("/bc-authorize", authenticated("post", &common::phones::asking().add("binding_message", "4711")).1),
        ("/bc-authorize", authenticated("post", &form([("request", &target.jwt)])).1),
        ("/revoke", authenticated("post", &form([("token", &target.access)])).1),
        ("/revoke", authenticated("post", &form([("token", &target.jwt)])).1),
        ("/introspect", authenticated("post", &form([("token", &target.jwt)])).1),
        (
            "/authorize",
            authorization("web")
                .set("scope", "openid profile")
                .add("id_token_hint", &target.id_token)
                .add("claims", r#"{"id_token":{"acr":{"values":["1"]}},"userinfo":{"name":null}}"#)
                .add("max_age", "10")
                .add("prompt", "login consent"),
        ),
        ("/userinfo", form([("access_token", &target.access)])),
        (
            "/logout",
            form([
                ("id_token_hint", &target.id_token),
                ("client_id", "spa"),
                ("post_logout_redirect_uri", redirect_uri("spa")),
                ("state", "s"),
            ]),
        ),
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
        parameters in bytes(120),
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
        calm(&send(method, &format!("{path}?{}", query(&parameters)), &headers, body))?;
    }

    #[test]
    fn a_right_request_that_is_spoilt_is_answered((path, form) in right(), by in prop::collection::vec(spoil(), 1..5)) {
        let form = spoilt(&form, &by);
        let typed = [("content-type", b"application/x-www-form-urlencoded".to_vec())];
        calm(&send("POST", path, &typed, form.encode().into_bytes()))?;
        if ["/authorize", "/logout"].contains(&path) {
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
