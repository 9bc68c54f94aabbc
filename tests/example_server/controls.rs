//! What only tests may do, starting, stopping, and what survives.

use serde_json::Value;

use crate::support::{Browser, PASSWORD, Server, USERNAME, http_client};

async fn control(server: &Server, path: &str, header: Option<&str>) -> (u16, Value) {
    let mut request = http_client().post(server.url(path));
    if let Some(value) = header {
        request = request.header("x-test-control", value);
    }
    let answer = request.send().await.unwrap();
    (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

async fn json(url: String) -> Value {
    serde_json::from_slice(&http_client().get(url).send().await.unwrap().bytes().await.unwrap()).unwrap()
}

async fn token(server: &Server) -> String {
    let form = "grant_type=client_credentials&client_id=demo-service&scope=api%3Aread\
                &client_secret=demo-service-secret-not-for-production-0002\
                &resource=https%3A%2F%2Fapi.example.test%2F";
    let request = http_client().post(server.url("/token")).body(form);
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    let answer: Value =
        serde_json::from_slice(&request.send().await.unwrap().bytes().await.unwrap()).unwrap();
    answer["access_token"].as_str().unwrap().to_owned()
}

async fn status_of(server: &Server, token: &str) -> u16 {
    http_client().get(server.url("/api/me")).bearer_auth(token).send().await.unwrap().status().as_u16()
}

#[tokio::test]
async fn the_controls_are_there_only_with_the_flag_and_the_header() {
    let (with, without) = (Server::start(&["--test-controls"]), Server::start(&[]));
    for path in ["/admin/rotate-keys", "/admin/advance-clock?seconds=1", "/admin/crash"] {
        assert_eq!(control(&without, path, Some("1")).await.0, 404, "{path}");
        for header in [None, Some("0"), Some("true")] {
            assert_eq!(control(&with, path, header).await.0, 403, "{path}");
        }
    }
    assert_eq!(control(&with, "/admin/advance-clock?seconds=-1", Some("1")).await.0, 400);
    assert_eq!(http_client().get(with.url("/healthz")).send().await.unwrap().status(), 200);
}

#[tokio::test]
async fn new_keys_sign_at_once_and_what_the_old_ones_signed_stays_good() {
    let server = Server::start(&["--test-controls"]);
    let before = token(&server).await;
    let (status, rotated) = control(&server, "/admin/rotate-keys", Some("1")).await;
    assert_eq!(status, 200);
    let after = token(&server).await;
    assert_ne!(before.split('.').next(), after.split('.').next(), "the header names another key");
    let keys = json(server.url("/jwks")).await;
    let kids: Vec<_> = keys["keys"].as_array().unwrap().iter().map(|key| &key["kid"]).collect();
    assert_eq!(kids.len(), 8, "four algorithms, each with its old key and its new one");
    assert!(kids.contains(&&rotated["kid"]));
    assert_eq!((status_of(&server, &before).await, status_of(&server, &after).await), (200, 200));
}

#[tokio::test]
async fn a_clock_put_forward_ends_tokens() {
    let server = Server::start(&["--test-controls"]);
    let token = token(&server).await;
    assert_eq!(status_of(&server, &token).await, 200);
    assert_eq!(control(&server, "/admin/advance-clock?seconds=601", Some("1")).await.0, 200);
    assert_eq!(status_of(&server, &token).await, 401);
}

#[tokio::test]
async fn tests_on_this_machine_may_sign_in_as_often_as_they_like() {
    let server = Server::start(&["--test-controls"]);
    let mut browser = Browser::new(&server);
    let login = browser.get("/login").await;
    for _ in 0..12 {
        assert_eq!(browser.sign_in(&login, USERNAME, "looking-glass").await.status, 200);
    }
    assert!(browser.sign_in(&login, USERNAME, PASSWORD).await.html.contains("Your account"));
}

#[tokio::test]
async fn guesses_count_for_whoever_a_trusted_proxy_names_and_nobody_else_is_believed() {
    let guesses = async |flags: &[&str], forwarded_for| {
        let server = Server::start(flags);
        let mut browser = Browser::new(&server);
        browser.forwarded_for = forwarded_for;
        let login = browser.get("/login").await;
        for _ in 0..10 {
            assert_eq!(browser.sign_in(&login, USERNAME, "looking-glass").await.status, 200);
        }
        browser.sign_in(&login, USERNAME, "looking-glass").await.status
    };
    let elsewhere = Some("203.0.113.9");
    let behind_proxy = ["--test-controls", "--trusted-proxy", "127.0.0.1"];
    assert_eq!(guesses(&behind_proxy, elsewhere).await, 429);
    assert_eq!(guesses(&behind_proxy, None).await, 200, "the proxy itself");
    assert_eq!(guesses(&["--test-controls"], elsewhere).await, 200, "nobody vouches for it");
}

#[tokio::test]
async fn requests_may_be_begun_a_thousand_times_a_minute_by_tests_more_often() {
    for (flags, last) in [(&[][..], 429), (&["--test-controls"], 302)] {
        let server = Server::start(flags);
        let url = server.url(
            "/authorize?response_type=code&client_id=demo-web&scope=profile&code_challenge_method=S256\
             &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM",
        );
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let http = http.build().unwrap();
        for _ in 0..1_000 {
            assert_eq!(http.get(&url).send().await.unwrap().status(), 302);
        }
        assert_eq!(http.get(&url).send().await.unwrap().status(), last, "{flags:?}");
    }
}

#[cfg(unix)]
#[tokio::test]
async fn what_was_signed_in_and_issued_survives_a_crash_and_a_stop() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("demo.sqlite");
    let database = database.to_str().unwrap();
    // The same place each time, outside the range from which systems pick free ports.
    let listen = format!("127.0.0.1:{}", 20_000 + std::process::id() % 10_000);
    let flags = ["--listen", &listen, "--database", database, "--test-controls"];

    let mut server = Server::start(&flags);
    let mut browser = Browser::new(&server);
    let login = browser.get("/login").await;
    assert!(browser.sign_in(&login, USERNAME, PASSWORD).await.html.contains("Your account"));
    let issued = token(&server).await;
    let crash = http_client().post(server.url("/admin/crash")).header("x-test-control", "1").send().await;
    assert!(crash.is_err(), "nobody is told");
    assert!(!server.wait().success());

    let mut server = Server::start(&flags);
    assert!(browser.get("/").await.html.contains("Your account"));
    assert_eq!(status_of(&server, &issued).await, 200);
    assert_eq!(server.terminate().code(), Some(0));
    assert!(server.log().contains("stopped"));

    let server = Server::start(&flags);
    assert_eq!(status_of(&server, &issued).await, 200);
}
