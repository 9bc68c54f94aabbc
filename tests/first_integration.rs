//! The README's first integration is what it says: short, complete, and running.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "../examples/first_integration.rs"]
#[expect(dead_code, reason = "the test serves the app itself and leaves `main` alone")]
mod first_integration;

use axum::Router;
use axum::body::Body;
use http_body_util::BodyExt as _;
use tower::ServiceExt as _;

const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

#[test]
fn it_stands_in_the_readme_word_for_word_in_fewer_than_60_lines() {
    let (readme, example) = (include_str!("../README.md"), include_str!("../examples/first_integration.rs"));
    assert!(example.lines().count() < 60);
    assert!(readme.contains(example), "the README shows another program");
}

struct Answer {
    status: u16,
    location: String,
    cookies: String,
    body: String,
}

async fn send(app: &Router, method: &str, uri: &str, cookies: &str, body: &str) -> Answer {
    let request = http::Request::builder()
        .method(method)
        .uri(uri)
        .header("cookie", cookies)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(body.to_owned()))
        .unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    let header = |name: &str| {
        let values = response.headers().get_all(name).iter().map(|value| value.to_str().unwrap().to_owned());
        values.collect::<Vec<_>>()
    };
    let set: Vec<String> =
        header("set-cookie").iter().map(|c| c.split(';').next().unwrap().to_owned()).collect();
    Answer {
        status: response.status().as_u16(),
        location: header("location").pop().unwrap_or_default(),
        cookies: set.join("; "),
        body: String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap(),
    }
}

fn hidden<'p>(page: &'p str, name: &str) -> &'p str {
    page.split_once(&format!("name=\"{name}\" value=\"")).unwrap().1.split_once('"').unwrap().0
}

#[tokio::test]
async fn it_signs_a_user_in_and_hands_out_tokens() {
    let app = first_integration::app("http://127.0.0.1:8080", &[7; 32]).unwrap();
    let authorize = format!(
        "/authorize?response_type=code&client_id=web&scope=profile&state=s&code_challenge_method=S256&code_challenge={CHALLENGE}"
    );
    let begun = send(&app, "GET", &authorize, "", "").await;
    assert_eq!(begun.status, 302, "{}", begun.body);
    let page =
        send(&app, "GET", begun.location.strip_prefix("http://127.0.0.1:8080").unwrap(), &begun.cookies, "")
            .await;
    let form = |password: &str| {
        let (interaction, csrf) = (hidden(&page.body, "interaction"), hidden(&page.body, "csrf"));
        format!("interaction={interaction}&csrf={csrf}&username=alice&password={password}")
    };
    let wrong = send(&app, "POST", "/login", &begun.cookies, &form("x")).await;
    assert!(wrong.body.contains("Wrong user name"), "{}", wrong.body);
    let signed_in = send(&app, "POST", "/login", &begun.cookies, &form("wonderland")).await;
    assert_eq!(signed_in.status, 303, "{}", signed_in.body);
    let answer = url::Url::parse(&signed_in.location).unwrap();
    let parameter = |name: &str| answer.query_pairs().find(|(own, _)| own == name).unwrap().1.into_owned();
    assert_eq!((parameter("state"), parameter("iss")), ("s".into(), "http://127.0.0.1:8080".into()));

    let redeem = format!(
        "grant_type=authorization_code&code={}&code_verifier={VERIFIER}&client_id=web&client_secret=x",
        parameter("code")
    );
    let refused = send(&app, "POST", "/token", "", &redeem).await;
    assert_eq!(refused.status, 401, "{}", refused.body);
    let basic = {
        use base64::Engine as _;
        base64::engine::general_purpose::STANDARD.encode("web:a-secret-of-at-least-32-characters")
    };
    let request = http::Request::post("/token")
        .header("authorization", format!("Basic {basic}"))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(Body::from(redeem.replace("&client_id=web&client_secret=x", "")))
        .unwrap();
    let response = app.clone().oneshot(request).await.unwrap();
    assert_eq!(response.status(), 200);
    let tokens: serde_json::Value =
        serde_json::from_slice(&response.into_body().collect().await.unwrap().to_bytes()).unwrap();
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["scope"], "profile");
    assert!(tokens["refresh_token"].is_string());
}
