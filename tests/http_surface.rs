//! HTTP: methods, content types, sizes, and the headers of every kind of answer.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use bytes::Bytes;
use common::clients::{basic, secret};
use common::devices;
use common::phones::Phones;
use common::{Agent, Answer, Fixture, authorization, form, machine};
use grantor::protocol::{DeliveryMode, GrantType};
use http::{Method, Request};
use tower::ServiceExt as _;

const FORMS: [&str; 5] = ["/token", "/revoke", "/introspect", "/device_authorization", "/bc-authorize"];
const DOCUMENTS: [&str; 2] = ["/jwks", "/.well-known/oauth-authorization-server"];

/// A server with every endpoint that takes a form, for the client `machine`, too.
fn everything() -> Fixture {
    let on = [
        GrantType::AuthorizationCode,
        GrantType::RefreshToken,
        GrantType::ClientCredentials,
        GrantType::DeviceCode,
        GrantType::Ciba,
    ];
    let phones = Arc::new(Phones::default());
    let fixture = devices::with(|builder| builder.grant_types(on).authentication_device(phones));
    fixture.clients.change("machine", |client| {
        client.grant_types.extend([GrantType::DeviceCode, GrantType::Ciba]);
        client.backchannel.mode = Some(DeliveryMode::Poll);
    });
    fixture
}

async fn send(fixture: &Fixture, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    fixture.send(request.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()).await
}

/// Every header of an answer, sorted, in lines.
fn headers(answer: &Answer) -> String {
    let mut lines: Vec<String> =
        answer.headers.iter().map(|(name, value)| format!("{name}: {}", value.to_str().unwrap())).collect();
    lines.sort();
    lines.join("\n")
}

const JSON: &str = "\
access-control-allow-origin: *
access-control-expose-headers: WWW-Authenticate, DPoP-Nonce
cache-control: no-store
content-type: application/json
pragma: no-cache
referrer-policy: no-referrer
x-content-type-options: nosniff";

#[tokio::test]
async fn secret_answers_in_json_are_never_kept() {
    let fixture = everything();
    let tokens = fixture.token("machine", &machine()).await;
    assert_eq!(headers(&tokens), JSON);
    let introspected = fixture.post_as("machine", "/introspect", &form([("token", "x")])).await;
    assert_eq!(headers(&introspected), JSON);
    let refused = fixture.token("web", &machine()).await;
    assert_eq!((refused.status, headers(&refused)), (400, JSON.to_owned()));
}

#[tokio::test]
async fn an_authentication_that_failed_names_its_scheme() {
    let fixture = everything();
    for path in FORMS {
        let answer = fixture.post(path, None, &machine()).await;
        let expected = format!("{JSON}\nwww-authenticate: Basic realm=\"oauth\", charset=\"UTF-8\"");
        let mut lines: Vec<&str> = expected.lines().collect();
        lines.sort_unstable();
        assert_eq!((answer.status, headers(&answer)), (401, lines.join("\n")));
    }
}

#[tokio::test]
async fn a_revocation_is_answered_with_nothing_at_all() {
    let answer = everything().revoke("web", "x").await;
    assert_eq!((answer.status, answer.body.len()), (200, 0));
    assert_eq!(headers(&answer), JSON.replace("content-type: application/json\n", ""));
}

#[tokio::test]
async fn public_documents_may_be_kept_and_read_by_anyone() {
    let fixture = everything();
    for path in DOCUMENTS {
        let answer = fixture.get(path).await;
        let length = answer.body.len();
        assert!(answer.status == 200 && length > 0);
        let expected = format!(
            "access-control-allow-origin: *\ncache-control: public, max-age=900\ncontent-length: {length}\n\
             content-type: application/json\nreferrer-policy: no-referrer\nx-content-type-options: nosniff"
        );
        assert_eq!(headers(&answer), expected);
        let head = send(&fixture, "HEAD", path, &[], "").await;
        assert_eq!((head.status, head.body.len(), headers(&head)), (200, 0, expected));
    }
}

const PAGE: &str = "\
cache-control: no-store
content-security-policy: default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self'; img-src 'self'
content-type: text/html; charset=utf-8
cross-origin-opener-policy: same-origin
permissions-policy: camera=(), geolocation=(), microphone=()
pragma: no-cache
referrer-policy: no-referrer
x-content-type-options: nosniff
x-frame-options: DENY";

#[tokio::test]
async fn pages_cannot_be_framed_kept_or_scripted() {
    let fixture = everything();
    let error = fixture.get("/authorize").await;
    assert_eq!((error.status, headers(&error)), (400, PAGE.to_owned()));

    let request = authorization("web").set("response_mode", "form_post").set("scope", "admin");
    let posted = fixture.agent().authorize(&request).await;
    let hash = grantor::http::FORM_POST_SCRIPT_HASH;
    let policy = format!("form-action 'self' https://web.example; img-src 'self'; script-src {hash}");
    let page = PAGE.replace("form-action 'self'; img-src 'self'", &policy);
    assert_eq!((posted.status, headers(&posted)), (200, page));
    let native = authorization("native").set("response_mode", "form_post").set("scope", "admin");
    let native = native.set("redirect_uri", "http://127.0.0.1:51004/cb");
    let posted = fixture.agent().authorize(&native).await;
    let policy = posted.header("content-security-policy").unwrap().to_owned();
    assert!(policy.contains("form-action 'self' http://127.0.0.1:51004;"), "{policy}");
}

#[tokio::test]
async fn the_script_of_the_posted_form_is_the_one_that_the_policy_names() {
    use base64::Engine as _;
    let request = authorization("web").set("response_mode", "form_post").set("scope", "admin");
    let page = everything().agent().authorize(&request).await;
    let script = page.text().split("<script>").nth(1).unwrap().split("</script>").next().unwrap();
    let grantor::protocol::Digest(digest) = grantor::protocol::Digest::of(script.as_bytes());
    let hash = base64::engine::general_purpose::STANDARD.encode(digest);
    assert_eq!(grantor::http::FORM_POST_SCRIPT_HASH, format!("'sha256-{hash}'"));
}

const REDIRECT: &str = "\
cache-control: no-store
location: LOCATION
pragma: no-cache
referrer-policy: no-referrer
x-content-type-options: nosniff";

#[tokio::test]
async fn a_redirect_is_302_after_get_and_303_after_post_and_tells_no_other_origin() {
    let fixture = everything();
    let bad = authorization("web").set("scope", "admin");
    let got = fixture.agent().authorize(&bad).await;
    let posted = fixture.agent().authorize_by_post(&bad).await;
    assert_eq!((got.status, posted.status), (302, 303));
    for answer in [got, posted] {
        assert_eq!(headers(&answer), REDIRECT.replace("LOCATION", answer.location().unwrap()));
    }
    let mut agent = fixture.agent();
    let asked = agent.authorize(&authorization("web")).await;
    assert_eq!(asked.status, 302);
    let login = agent.login(Agent::interaction(&asked), "alice").await;
    let approved = agent.approve(Agent::interaction(&asked), &common::scope("read")).await;
    assert_eq!((login.status, approved.status), (303, 303));
    assert_eq!(headers(&approved), REDIRECT.replace("LOCATION", approved.location().unwrap()));
}

#[tokio::test]
async fn a_preflight_is_answered_everywhere_but_at_authorize() {
    let fixture = everything();
    let origin = [("origin", "https://spa.example"), ("access-control-request-method", "POST")];
    for (paths, methods) in [(&FORMS[..], "POST"), (&DOCUMENTS[..], "GET, HEAD")] {
        for path in paths {
            let answer = send(&fixture, "OPTIONS", path, &origin, "").await;
            assert_eq!((answer.status, answer.body.len()), (204, 0), "{path}");
            let expected = format!(
                "access-control-allow-headers: authorization, content-type, dpop\n\
                 access-control-allow-methods: {methods}\naccess-control-allow-origin: *\n\
                 access-control-max-age: 3600"
            );
            assert_eq!(headers(&answer), expected, "{path}");
        }
    }
    let answer = send(&fixture, "OPTIONS", "/authorize", &origin, "").await;
    assert_eq!((answer.status, answer.header("allow")), (405, Some("GET, POST")));
    assert!(!headers(&answer).contains("access-control"), "{answer:?}");
}

#[tokio::test]
async fn authorize_never_speaks_to_scripts_of_another_origin() {
    let fixture = everything();
    let good = authorization("web").encode();
    for target in
        ["/authorize".to_owned(), format!("/authorize?{good}"), format!("/authorize?{good}&scope=x")]
    {
        for method in ["GET", "POST", "OPTIONS", "PUT"] {
            let answer = send(&fixture, method, &target, &[("origin", "https://web.example")], "").await;
            assert!(!headers(&answer).contains("access-control"), "{method} {target}");
        }
    }
}

#[tokio::test]
async fn no_answer_allows_credentials_or_echoes_an_origin() {
    let fixture = everything();
    for path in FORMS.iter().chain(&DOCUMENTS) {
        for method in ["GET", "POST", "OPTIONS"] {
            let answer = send(&fixture, method, path, &[("origin", "https://evil.example")], "").await;
            let headers = headers(&answer);
            assert!(!headers.contains("credentials") && !headers.contains("evil"), "{headers}");
        }
    }
}

#[tokio::test]
async fn every_other_method_gets_405_and_is_told_which_are_allowed() {
    let fixture = everything();
    for (paths, allowed) in [
        (&FORMS[..], "POST, OPTIONS"),
        (&DOCUMENTS[..], "GET, HEAD, OPTIONS"),
        (&["/authorize"][..], "GET, POST"),
    ] {
        for path in paths {
            for method in
                ["GET", "HEAD", "POST", "OPTIONS", "PUT", "DELETE", "PATCH", "TRACE", "CONNECT", "BREW"]
            {
                let named = allowed.split(", ").any(|own| own == method);
                if named {
                    continue;
                }
                let answer = send(&fixture, method, path, &[], "").await;
                assert_eq!((answer.status, answer.header("allow")), (405, Some(allowed)), "{method} {path}");
            }
        }
    }
}

#[tokio::test]
async fn only_a_form_is_read() {
    let fixture = everything();
    let header = basic("machine", &secret("machine"));
    let body = machine().add("token", "x").set("scope", "openid").add("login_hint", "alice").encode();
    let ask = async |path: &str, types: &[&str]| {
        let mut headers = vec![("authorization", header.as_str())];
        headers.extend(types.iter().map(|value| ("content-type", *value)));
        send(&fixture, "POST", path, &headers, &body).await
    };
    for path in FORMS {
        for right in [
            "application/x-www-form-urlencoded",
            "application/x-www-form-urlencoded; charset=UTF-8",
            "Application/X-WWW-Form-URLEncoded ;charset=utf-8",
        ] {
            assert_eq!(ask(path, &[right]).await.status, 200, "{path} {right}");
        }
        for wrong in [
            &[][..],
            &[""],
            &["application/json"],
            &["text/plain"],
            &["multipart/form-data; boundary=x"],
            &["application/x-www-form-urlencoded, text/plain"],
            &["application/x-www-form-urlencoded-x"],
            &["application/x-www-form-urlencoded", "application/x-www-form-urlencoded"],
        ] {
            ask(path, wrong).await.refused(415, "invalid_request");
        }
    }
}

#[tokio::test]
async fn what_is_too_large_is_refused_before_it_is_looked_at() {
    let fixture = everything();
    let header = basic("machine", &secret("machine"));
    let typed = ("content-type", "application/x-www-form-urlencoded");
    let fill = |n: usize| "x".repeat(n);
    for path in FORMS {
        let body = |n: usize| format!("{}{}", "&".repeat(n - 20), "grant_type=x&token=x");
        let exact =
            send(&fixture, "POST", path, &[("authorization", &header), typed], &body(64 * 1024)).await;
        assert_ne!(exact.status, 413, "{path}");
        let over =
            send(&fixture, "POST", path, &[("authorization", &header), typed], &body(64 * 1024 + 1)).await;
        over.refused(413, "invalid_request");
        let target = format!("{path}?{}", fill(16 * 1024));
        send(&fixture, "POST", &target, &[typed], "").await.refused(414, "invalid_request");
        send(&fixture, "POST", path, &[typed, ("x-fill", &fill(16 * 1024))], "")
            .await
            .refused(431, "invalid_request");
    }
    let long = fixture.get(&format!("/authorize?{}", fill(16 * 1024))).await;
    assert!(long.is_page() && long.status == 414);
    let wide = send(&fixture, "GET", "/authorize", &[("cookie", &fill(16 * 1024))], "").await;
    assert!(wide.is_page() && wide.status == 431);
    let big = send(&fixture, "POST", "/authorize", &[typed], &fill(64 * 1024 + 1)).await;
    assert!(big.is_page() && big.status == 413);
}

#[tokio::test]
async fn a_body_that_breaks_off_is_not_called_too_large() {
    let fixture = everything();
    let send = async |path: &str, chunks: Vec<std::io::Result<Bytes>>| -> Answer {
        let (sender, body) = futures_channel::mpsc::unbounded();
        chunks.into_iter().for_each(|chunk| sender.unbounded_send(chunk).unwrap());
        drop(sender);
        let request = Request::post(path).header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(axum::body::Body::from_stream(body)).unwrap();
        let response = grantor::http::axum::router(&fixture.http).oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = axum::body::to_bytes(body, usize::MAX).await.unwrap();
        http::Response::from_parts(parts, body).into()
    };
    let broken = || vec![Ok(Bytes::from("grant_type=x")), Err(std::io::ErrorKind::ConnectionReset.into())];
    let long = || vec![Ok(Bytes::from(vec![b'x'; 64 * 1024 + 1]))];
    for path in FORMS {
        send(path, broken()).await.refused(400, "invalid_request");
        send(path, long()).await.refused(413, "invalid_request");
    }
    let page = send("/authorize", broken()).await;
    assert!(page.is_page() && page.status == 400);
}

#[tokio::test]
async fn sixty_four_parameters_are_read_and_sixty_five_are_not() {
    let fixture = everything();
    for (extra, status) in [(63, 200), (64, 400)] {
        let request = (0..extra).fold(machine(), |form, n| form.add(&format!("p{n}"), "1"));
        assert_eq!(fixture.token("machine", &request).await.status, status, "{extra}");
    }
}

#[tokio::test]
async fn a_form_that_cannot_be_decoded_without_loss_is_refused() {
    let fixture = everything();
    let header = basic("machine", &secret("machine"));
    let typed = ("content-type", "application/x-www-form-urlencoded");
    for path in FORMS {
        for bad in ["%", "a=%4", "a=%zz", "a=%C0%AF", "a=%ED%A0%80", "%FF=1"] {
            let body = format!("grant_type=client_credentials&token=x&{bad}");
            send(&fixture, "POST", path, &[("authorization", &header), typed], &body)
                .await
                .refused(400, "invalid_request");
        }
    }
}

#[tokio::test]
async fn nothing_is_derived_from_the_host_or_from_what_was_forwarded() {
    let fixture = everything();
    let evil =
        [("host", "evil.example"), ("x-forwarded-host", "evil.example"), ("forwarded", "host=evil.example")];
    for path in DOCUMENTS {
        let plain = fixture.get(path).await;
        assert_eq!(send(&fixture, "GET", path, &evil, "").await.body, plain.body);
    }
    let target = format!("/authorize?{}", authorization("web").encode());
    let answer = send(&fixture, "GET", &target, &evil, "").await;
    assert_eq!(answer.target(), Some("https://as.example/login"));
}

#[tokio::test]
async fn a_path_that_is_no_endpoint_is_left_to_the_host() {
    let fixture = Fixture::new();
    for path in
        ["/", "/token/", "/TOKEN", "//token", "/authorize/x", "/.well-known/openid-configuration", "*"]
    {
        let request = Request::builder().method(Method::GET).uri(path).body(Bytes::new()).unwrap();
        assert!(fixture.http.handle(request, None).await.is_none(), "{path}");
    }
}

#[tokio::test]
async fn the_error_page_carries_a_reference_and_no_text_of_the_request() {
    let request = authorization("web").set("client_id", "<script>alert(1)</script>");
    let first = everything().agent().authorize(&request).await;
    let second = everything().agent().authorize(&request).await;
    assert!(!first.text().contains("script"), "{}", first.text());
    let reference = |answer: &Answer| {
        answer.text().split("reference <code>").nth(1).unwrap().split('<').next().unwrap().to_owned()
    };
    assert_ne!(reference(&first), reference(&second));
}

#[tokio::test]
async fn descriptions_stay_within_their_grammar_whatever_is_sent() {
    let fixture = everything();
    let nasty = "\"\\\r\n\u{e9}<b>";
    for name in ["grant_type", "scope", "resource", "code", "refresh_token"] {
        for kind in ["client_credentials", "authorization_code", "refresh_token"] {
            let request = form([("grant_type", kind)]).set(name, nasty);
            let answer = fixture.token("post", &request).await;
            let text = answer.json()["error_description"].as_str().unwrap_or_default().to_owned();
            assert!(
                text.bytes().all(|byte| matches!(byte, 0x20 | 0x21 | 0x23..=0x5b | 0x5d..=0x7e)),
                "{text}"
            );
        }
    }
}
