//! The authorization endpoint: what is answered, through which channel, and where to.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::clients::{API, JWT_API, REPORTS, redirect_uri};
use common::{Agent, Answer, Fixture, Form, ISSUER, authorization};
use grantor::protocol::{ApplicationType, ErrorCode, RedirectUri, ResponseType};
use proptest::prelude::*;

async fn ask(request: &Form) -> Answer {
    Fixture::new().agent().authorize(request).await
}

/// The error is sent to the client's own URI, with state and issuer.
#[track_caller]
fn redirected(answer: &Answer, request: &Form, code: ErrorCode, row: &str) {
    let value = |name: &str| request.0.iter().find(|(own, _)| own == name).map(|(_, value)| value.clone());
    let uri = value("redirect_uri").unwrap();
    assert_eq!(answer.status, 302, "{row}: {answer:?}");
    assert_eq!(answer.target(), uri.split('?').next(), "{row}");
    assert_eq!(answer.param("error").as_deref(), Some(code.as_str()), "{row}");
    assert!(answer.param("error_description").is_some(), "{row}");
    assert_eq!(answer.param("iss").as_deref(), Some(ISSUER), "{row}");
    assert_eq!(answer.param("state"), value("state"), "{row}");
    assert_eq!(answer.param("code"), None, "{row}");
}

#[track_caller]
fn page(answer: &Answer, status: u16, code: &str, row: &str) {
    assert!(answer.is_page(), "{row}: {answer:?}");
    assert_eq!(answer.status, status, "{row}");
    assert!(answer.text().contains(&format!("<code>{code}</code>")), "{row}: {}", answer.text());
}

#[tokio::test]
async fn a_request_whose_client_or_redirect_uri_is_not_sure_gets_a_page_and_never_a_redirect() {
    let good = authorization("web");
    let rows = [
        ("unknown client", good.set("client_id", "nobody"), "invalid_client"),
        ("client missing", good.without("client_id"), "invalid_request"),
        ("client empty", good.set("client_id", ""), "invalid_request"),
        ("client twice", good.add("client_id", "web"), "invalid_request"),
        ("client too long", good.set("client_id", &"x".repeat(256)), "invalid_request"),
        ("client not visible ASCII", good.set("client_id", "wéb"), "invalid_request"),
        ("URI unregistered", good.set("redirect_uri", "https://evil.example/cb"), "invalid_request"),
        ("URI twice", good.add("redirect_uri", redirect_uri("web")), "invalid_request"),
        ("URI malformed", good.set("redirect_uri", "::"), "invalid_request"),
        (
            "URI too long",
            good.set("redirect_uri", &format!("https://{}", "a".repeat(9000))),
            "invalid_request",
        ),
        ("URI missing, two registered", authorization("two").without("redirect_uri"), "invalid_request"),
        ("URI missing, none registered", authorization("machine").without("redirect_uri"), "invalid_request"),
        ("another client's URI", good.set("redirect_uri", redirect_uri("post")), "invalid_request"),
        ("state too long", good.set("state", &"s".repeat(4097)), "invalid_request"),
    ];
    for (row, request, code) in rows {
        page(&ask(&request).await, 400, code, row);
        for other_fault in
            [("response_type", "token"), ("code_challenge_method", "plain"), ("prompt", "none")]
        {
            let worse = request.set(other_fault.0, other_fault.1);
            page(&ask(&worse).await, 400, code, row);
        }
    }
}

#[tokio::test]
async fn a_disabled_client_is_as_unknown_as_one_that_never_was() {
    let fixture = Fixture::new();
    fixture.server.disable_client(&"web".into()).await.unwrap();
    let answer = fixture.agent().authorize(&authorization("web")).await;
    page(&answer, 400, "invalid_client", "disabled");
}

#[tokio::test]
async fn every_other_fault_is_answered_to_the_client_with_state_and_issuer() {
    use ErrorCode::*;
    let good = authorization("web");
    let many_values = (0..101).map(|n| format!("v{n}")).collect::<Vec<_>>().join(" ");
    let seventeen = (0..17).fold(good.clone(), |form, n| form.add("resource", &format!("{API}{n}")));
    let rows = [
        ("scope twice", good.add("scope", "read"), InvalidRequest),
        ("unknown parameter twice", good.add("x", "1").add("x", "1"), InvalidRequest),
        ("response_type twice", good.add("response_type", "code"), InvalidRequest),
        ("response_type missing", good.without("response_type"), InvalidRequest),
        ("response_type empty", good.set("response_type", ""), InvalidRequest),
        ("response_type token", good.set("response_type", "token"), UnsupportedResponseType),
        ("response_type unknown", good.set("response_type", "magic"), UnsupportedResponseType),
        ("response_type in upper case", good.set("response_type", "CODE"), UnsupportedResponseType),
        ("response_mode unknown", good.set("response_mode", "pigeon"), InvalidRequest),
        (
            "response_mode twice",
            good.add("response_mode", "query").add("response_mode", "query"),
            InvalidRequest,
        ),
        ("scope syntax", good.set("scope", "re\"ad"), InvalidScope),
        ("scope of 101 values", good.set("scope", &many_values), InvalidScope),
        ("scope of more than 4 KiB", good.set("scope", &"s".repeat(4097)), InvalidScope),
        ("known scope, not allowed", good.set("scope", "read admin"), InvalidScope),
        ("no scope left", good.set("scope", "unknown"), InvalidScope),
        ("no challenge", good.without("code_challenge").without("code_challenge_method"), InvalidRequest),
        ("plain challenge", good.set("code_challenge_method", "plain"), InvalidRequest),
        ("challenge without method", good.without("code_challenge_method"), InvalidRequest),
        ("method without challenge", good.without("code_challenge"), InvalidRequest),
        ("method in lower case", good.set("code_challenge_method", "s256"), InvalidRequest),
        ("challenge too short", good.set("code_challenge", &"a".repeat(42)), InvalidRequest),
        ("challenge too long", good.set("code_challenge", &"a".repeat(44)), InvalidRequest),
        (
            "challenge with padding",
            good.set("code_challenge", &format!("{}=", "A".repeat(43))),
            InvalidRequest,
        ),
        ("challenge in another alphabet", good.set("code_challenge", &"+".repeat(43)), InvalidRequest),
        ("resource unknown", good.set("resource", "https://unknown.example/"), InvalidTarget),
        ("resource malformed", good.set("resource", "not a uri"), InvalidTarget),
        ("resource with a fragment", good.set("resource", &format!("{API}#f")), InvalidTarget),
        ("resources of two formats", good.add("resource", API).add("resource", JWT_API), InvalidTarget),
        ("seventeen resources", seventeen, InvalidTarget),
        ("request", good.set("request", "e30.e30."), InvalidRequestObject),
        ("request_uri", good.set("request_uri", "https://x.example/"), RequestUriNotSupported),
        ("registration", good.set("registration", "{}"), RegistrationNotSupported),
        ("a parameter too long", good.set("nonce", &"n".repeat(513)), InvalidRequest),
    ];
    for (row, request, code) in rows {
        redirected(&ask(&request).await, &request, code, row);
        let silent = request.without("state");
        redirected(&ask(&silent).await, &silent, code, row);
    }
}

#[tokio::test]
async fn a_state_that_is_sent_twice_is_not_echoed() {
    let request = authorization("web");
    let answer = ask(&request.add("state", "second")).await;
    redirected(&answer, &request.without("state"), ErrorCode::InvalidRequest, "state twice");
}

#[tokio::test]
async fn a_response_type_that_the_client_is_not_registered_for_is_unauthorized() {
    let fixture = Fixture::new();
    fixture.clients.change("web", |client| client.response_types.retain(|own| *own != ResponseType::Code));
    let answer = fixture.agent().authorize(&authorization("web")).await;
    redirected(&answer, &authorization("web"), ErrorCode::UnauthorizedClient, "unregistered");
}

#[tokio::test]
async fn without_the_code_grant_no_code_is_given_out() {
    use grantor::protocol::GrantType;
    let fixture = Fixture::with(|builder| builder.grant_types([GrantType::ClientCredentials]));
    let answer = fixture.agent().authorize(&authorization("web")).await;
    redirected(&answer, &authorization("web"), ErrorCode::UnsupportedResponseType, "switched off");
}

#[tokio::test]
async fn state_comes_back_byte_for_byte_and_only_if_it_was_sent() {
    for state in ["a", " a+b%20&=#?\"<>'\\", "\u{e9}\u{1f600}", "%2541", &"s".repeat(4096)] {
        let request = authorization("web").set("state", state);
        for mode in ["query", "fragment"] {
            let fixture = Fixture::new();
            let answer = fixture.agent().walk(&request.set("response_mode", mode), "alice").await;
            assert!(answer.param("code").is_some(), "{answer:?}");
            assert_eq!(answer.param("state").as_deref(), Some(state));
        }
        redirected(&ask(&request.set("scope", "admin")).await, &request, ErrorCode::InvalidScope, state);
    }
    for request in [authorization("web").without("state"), authorization("web").set("state", "")] {
        let answer = Fixture::new().agent().walk(&request, "alice").await;
        assert!(answer.param("code").is_some());
        assert_eq!(answer.param("state"), None);
    }
}

#[tokio::test]
async fn an_answer_travels_as_asked_and_always_names_the_issuer() {
    let request = authorization("post");
    let walk = |mode: &str| {
        let request = request.set("response_mode", mode);
        async move { Fixture::new().agent().walk(&request, "alice").await }
    };
    let query = walk("query").await;
    assert_eq!(query.status, 303);
    assert!(query.location().unwrap().starts_with("https://post.example/cb?tenant=1&code="), "{query:?}");
    let fragment = walk("fragment").await;
    assert!(
        fragment.location().unwrap().starts_with("https://post.example/cb?tenant=1#code="),
        "{fragment:?}"
    );
    for answer in [query, fragment] {
        assert_eq!(answer.param("iss").as_deref(), Some(ISSUER));
    }

    let posted = walk("form_post").await;
    assert!(posted.is_page() && posted.status == 200, "{posted:?}");
    let html = posted.text();
    assert!(html.contains("<form method=\"post\" action=\"https://post.example/cb?tenant=1\">"), "{html}");
    for field in
        ["name=\"code\"", "name=\"state\" value=\"af0ifjsldkj\"", "name=\"iss\" value=\"https://as.example\""]
    {
        assert!(html.contains(field), "{html}");
    }
}

#[tokio::test]
async fn a_posted_form_is_escaped_for_errors_too() {
    let request = authorization("web")
        .set("response_mode", "form_post")
        .set("state", "\"><script>alert(1)</script>'&")
        .set("scope", "admin");
    let answer = ask(&request).await;
    let html = answer.text();
    assert!(answer.is_page() && html.contains("value=\"invalid_scope\""), "{html}");
    assert!(html.contains("&quot;&gt;&lt;script&gt;alert(1)&lt;/script&gt;&#39;&amp;"), "{html}");
    assert_eq!(html.matches("<script>").count(), 1, "its own script and no other");
}

#[tokio::test]
async fn an_unknown_response_mode_is_answered_in_the_query() {
    let answer = ask(&authorization("web").set("response_mode", "web_message")).await;
    assert!(answer.location().unwrap().starts_with("https://web.example/cb?error=invalid_request&"));
}

#[tokio::test]
async fn unknown_scope_values_are_left_out_and_the_token_response_says_what_is_left() {
    let fixture = Fixture::new();
    let request = authorization("web").set("scope", "read unknown");
    let code = fixture.agent().walk(&request, "alice").await.param("code").unwrap();
    assert_eq!(fixture.redeem("web", &code).await.tokens().scope, "read");
}

#[tokio::test]
async fn a_request_without_scope_is_granted_none() {
    let fixture = Fixture::new();
    let request = authorization("web").without("scope");
    let code = fixture.agent().walk(&request, "alice").await.param("code").unwrap();
    assert_eq!(fixture.redeem("web", &code).await.tokens().scope, "");
}

#[tokio::test]
async fn parameters_nobody_knows_and_empty_ones_change_nothing() {
    let fixture = Fixture::new();
    let request =
        authorization("web").add("display", "").add("xyz", "1").add("request", "").add("response_mode", "");
    let answer = fixture.agent().walk(&request, "alice").await;
    assert!(answer.param("code").is_some(), "{answer:?}");
}

#[tokio::test]
async fn the_only_registered_redirect_uri_may_be_left_out() {
    let answer = Fixture::new().agent().walk(&authorization("web").without("redirect_uri"), "alice").await;
    assert_eq!(answer.target(), Some(redirect_uri("web")));
    assert!(answer.param("code").is_some());
}

#[tokio::test]
async fn with_two_registered_redirect_uris_the_one_named_is_used() {
    let other = "https://two.example/other";
    let answer = Fixture::new().agent().walk(&authorization("two").set("redirect_uri", other), "alice").await;
    assert_eq!(answer.target(), Some(other));
}

#[tokio::test]
async fn the_port_of_a_loopback_redirect_uri_may_vary_and_nothing_else() {
    let request = authorization("native");
    for port in ["", ":1", ":51004", ":65535"] {
        let uri = format!("http://127.0.0.1{port}/cb");
        let answer = Fixture::new().agent().walk(&request.set("redirect_uri", &uri), "alice").await;
        assert_eq!(answer.target(), Some(uri.as_str()));
        assert!(answer.param("code").is_some());
    }
    for uri in [
        "http://127.0.0.1:0/cb",
        "http://127.0.0.1:65536/cb",
        "http://127.0.0.1:80 /cb",
        "http://127.0.0.1:8080/cb/",
        "http://127.0.0.1:8080/cb?x=1",
        "http://127.0.0.1:8080/cb#",
        "http://user@127.0.0.1:8080/cb",
        "http://127.0.0.1@evil.example/cb",
        "http://127.0.0.1:8080@evil.example/cb",
        "http://localhost:8080/cb",
        "http://[::1]:8080/cb",
        "https://127.0.0.1:8080/cb",
        "HTTP://127.0.0.1:8080/cb",
        "http://127.0.0.2:8080/cb",
        "http://127.1:8080/cb",
    ] {
        page(&ask(&request.set("redirect_uri", uri)).await, 400, "invalid_request", uri);
    }
}

#[tokio::test]
async fn a_client_that_registered_itself_gets_no_refusal_before_the_user_is_known_unless_it_asks_silently() {
    for client in ["dynamic", "dynamic-web"] {
        let fixture = Fixture::new();
        let bad = authorization(client).set("scope", "admin");
        let mut agent = fixture.agent();
        page(&agent.authorize(&bad).await, 400, "invalid_scope", client);
        agent.sign_in("alice").await;
        redirected(&agent.authorize(&bad).await, &bad, ErrorCode::InvalidScope, client);

        let silent = authorization(client).add("prompt", "none");
        redirected(&fixture.agent().authorize(&silent).await, &silent, ErrorCode::LoginRequired, client);
        let bad = bad.add("prompt", "none");
        page(&fixture.agent().authorize(&bad).await, 400, "invalid_scope", client);
    }
}

#[tokio::test]
async fn a_request_may_be_posted_and_then_its_query_is_not_read() {
    let fixture = Fixture::new();
    let answer = fixture.agent().authorize_by_post(&authorization("web")).await;
    assert_eq!(answer.status, 303);
    assert!(Agent::is_at(&answer, "/login"), "{answer:?}");

    let request = http::Request::post(format!("/authorize?{}", authorization("web").encode()))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(bytes::Bytes::new())
        .unwrap();
    page(&fixture.send(request).await, 400, "invalid_request", "the query of a POST");
    let request = http::Request::post("/authorize").body(authorization("web").encode().into()).unwrap();
    page(&fixture.send(request).await, 415, "invalid_request", "no content type");
}

#[tokio::test]
async fn a_form_of_another_site_finds_the_user_signed_in() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    agent.code("web").await;
    let waiting = Agent::interaction(&agent.authorize(&authorization("two")).await);
    let request = authorization("web").set("state", "a\"&<b").add("prompt", "none").add("submit", "Go");
    let answer = agent.post_from_elsewhere("/authorize", &request).await;
    assert!(answer.param("code").is_some(), "{answer:?}");
    assert_eq!(answer.param("state").as_deref(), Some("a\"&<b"));
    assert!(agent.view(waiting).await.is_ok(), "what else the browser was asked still waits for it");
}

#[tokio::test]
async fn parameters_that_cannot_be_decoded_get_a_page() {
    let fixture = Fixture::new();
    let good = authorization("web").encode();
    for bad in ["&x=%", "&x=%zz", "&x=%C0%AF", "&x=%ED%A0%80", "&%FF=1"] {
        let answer = fixture.get(&format!("/authorize?{good}{bad}")).await;
        page(&answer, 400, "invalid_request", bad);
    }
    let many = (0..60).fold(authorization("web"), |form, n| form.add(&format!("p{n}"), "1"));
    page(&ask(&many).await, 400, "invalid_request", "67 parameters");
}

#[tokio::test]
async fn interactions_beyond_the_quota_of_an_address_get_429_and_are_not_kept() {
    use grantor::host::{Limits, MemoryLimiter};
    let limits = Limits { interactions: 2, ..Limits::default() };
    let fixture = Fixture::with(|builder| builder.limiter(std::sync::Arc::new(MemoryLimiter::new(limits))));
    for _ in 0..2 {
        assert!(Agent::is_at(&fixture.agent().authorize(&authorization("web")).await, "/login"));
    }
    let answer = fixture.agent().authorize(&authorization("web")).await;
    page(&answer, 429, "slow_down", "third");
    assert_eq!(answer.header("retry-after"), Some("60"));
    assert!(
        Agent::is_at(&fixture.agent().authorize(&authorization("spa")).await, "/login"),
        "another client"
    );
    fixture.clock.forward(60);
    assert!(Agent::is_at(&fixture.agent().authorize(&authorization("web")).await, "/login"), "next window");
}

#[tokio::test]
async fn resources_asked_for_become_the_audience() {
    let fixture = Fixture::new();
    let request = authorization("web").add("resource", API).add("resource", REPORTS);
    let code = fixture.agent().walk(&request, "alice").await.param("code").unwrap();
    let token = fixture.redeem("web", &code).await.tokens().access;
    assert_eq!(fixture.introspect("web", &token).await["aud"], serde_json::json!([API, REPORTS]));
}

/// Whether the location of an answer lies at a URI that is registered for `client`, if it leaves the server.
fn stays_home(answer: &Answer, client: &str) -> bool {
    let Some(target) = answer.target() else { return true };
    let registered = RedirectUri::parse(redirect_uri(client), ApplicationType::Native).unwrap();
    let own_page = target == format!("{ISSUER}/login") || target == format!("{ISSUER}/consent");
    own_page || registered.matches(target) || registered.as_str().split('?').next() == Some(target)
}

/// A URI that differs from a registered one a little.
fn near_miss(uri: &'static str) -> impl Strategy<Value = String> {
    let at = 0..uri.len();
    prop_oneof![
        (at.clone(), any::<char>()).prop_map(move |(at, c)| format!("{}{c}{}", &uri[..at], &uri[at..])),
        (at.clone(), prop::char::range(' ', '~')).prop_map(move |(at, c)| format!(
            "{}{c}{}",
            &uri[..at],
            &uri[at + 1..]
        )),
        at.clone().prop_map(move |at| format!("{}{}", &uri[..at], &uri[at + 1..])),
        "[.@:/#?%;a-z0-9\\\\\t\n]{1,12}".prop_map(move |tail| format!("{uri}{tail}")),
        Just(uri.to_uppercase()),
        Just(uri.replace("example", "example.evil.example")),
        Just(uri.replacen("://", "://evil.example@", 1)),
        Just(uri.replacen("://", ":\\\\", 1)),
        Just(uri.replacen("/cb", "/%63b", 1)),
        Just(uri.replacen("/cb", "/x/../cb", 1)),
        Just(uri.replacen("/cb", "/cb/..;/evil", 1)),
        Just(uri.replacen("example", "example.", 1)),
    ]
}

fn known_client() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec!["web", "post", "spa", "native", "app", "first", "dynamic"])
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn whatever_is_asked_the_browser_is_only_ever_sent_to_a_registered_uri(
        client in known_client(),
        changes in prop::collection::vec(
            (
                prop::sample::select(vec![
                    "client_id", "redirect_uri", "response_type", "response_mode", "scope", "state",
                    "code_challenge", "code_challenge_method", "resource", "request", "prompt",
                ]),
                prop_oneof![
                    Just(None),
                    prop::sample::select(vec![
                        "", "web", "spa", "https://evil.example/", "//evil.example", "token", "code", "fragment",
                        "form_post", "query", "none", "admin", "plain",
                    ]).prop_map(|value| Some(value.to_owned())),
                    "\\PC{0,20}".prop_map(Some),
                ],
                any::<bool>(),
            ),
            0..4,
        ),
        signed_in: bool,
    ) {
        let mut request = authorization(client);
        for (name, value, twice) in changes {
            request = match value {
                None => request.without(name),
                Some(value) if twice => request.add(name, &value),
                Some(value) => request.set(name, &value),
            };
        }
        let named = request.0.iter().find(|(name, _)| name == "client_id").map_or("", |(_, id)| id.as_str());
        let answer = tokio::runtime::Runtime::new().unwrap().block_on(async {
            let fixture = Fixture::new();
            let mut agent = fixture.agent();
            if signed_in {
                agent.sign_in("alice").await;
            }
            agent.authorize(&request).await
        });
        prop_assert!(answer.status < 500, "{:?}", answer);
        prop_assert!(stays_home(&answer, named), "{:?}", answer);
    }

    #[test]
    fn a_redirect_uri_that_differs_in_anything_gets_a_page(
        (client, uri) in prop_oneof![
            near_miss(redirect_uri("web")).prop_map(|uri| ("web", uri)),
            near_miss(redirect_uri("spa")).prop_map(|uri| ("spa", uri)),
            near_miss(redirect_uri("app")).prop_map(|uri| ("app", uri)),
        ],
    ) {
        prop_assume!(uri != redirect_uri(client));
        let request = authorization(client).set("redirect_uri", &uri);
        let answer = tokio::runtime::Runtime::new().unwrap().block_on(ask(&request));
        prop_assert!(answer.is_page() && answer.status == 400, "{:?}", answer);
    }
}

#[tokio::test]
async fn a_redirect_uri_that_was_removed_meanwhile_gets_no_answer() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    let answer = agent.authorize(&authorization("web")).await;
    let id = Agent::interaction(&answer);
    agent.login(id, "alice").await;
    let asked = agent.form(id).await;
    fixture.clients.change("web", |client| {
        client.redirect_uris =
            vec![RedirectUri::parse("https://new.example/", ApplicationType::Web).unwrap()];
    });
    page(&agent.submit(asked, &common::scope("read")).await, 400, "invalid_request", "removed");
    page(&agent.deny(id).await, 400, "invalid_request", "removed");
}

#[tokio::test]
async fn query_parameters_of_a_registered_uri_are_kept_and_never_overridden() {
    let answer = ask(&authorization("post").set("scope", "admin")).await;
    let location = answer.location().unwrap();
    assert!(location.starts_with("https://post.example/cb?tenant=1&error=invalid_scope&"), "{location}");
    for name in ["code", "state", "iss", "error"] {
        let uri = format!("https://post.example/cb?{name}=x");
        assert!(RedirectUri::parse(&uri, ApplicationType::Web).is_err(), "{uri}");
    }
}
