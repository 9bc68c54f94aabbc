//! The pages, without a client: forged forms, guessing, signing out, errors that can be found in the log.

use crate::support::{Browser, PASSWORD, Page, REDIRECT_URI, Server, USERNAME, http_client};

const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

fn request(client_id: &str) -> String {
    format!(
        "/authorize?response_type=code&client_id={client_id}&scope=profile+api%3Aread&state=xyz\
         &code_challenge={CHALLENGE}&code_challenge_method=S256"
    )
}

async fn open(browser: &mut Browser, url: &str) -> Page {
    let page = browser.get(url).await;
    browser.follow(page).await
}

#[tokio::test]
async fn a_page_may_lead_its_forms_to_this_server_and_the_client_alone() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let login = open(&mut browser, &request("demo-web")).await;
    let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
    for page in [&login, &consent] {
        let policy = page.headers["content-security-policy"].to_str().unwrap();
        assert!(policy.contains("form-action 'self' http://127.0.0.1:8090"), "{policy}");
        assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"));
        assert_eq!(page.headers["x-frame-options"], "DENY");
        assert_eq!(page.headers["cache-control"], "no-store");
    }
    let home = browser.get("/").await;
    let policy = home.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.split("form-action 'self'").nth(1).is_some_and(|rest| !rest.contains("http")), "{policy}");
}

#[tokio::test]
async fn denying_tells_the_client_and_an_empty_approval_asks_again() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let login = open(&mut browser, &request("demo-web")).await;
    let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
    let again = browser.decide(&consent, "approve", &[]).await;
    assert!(again.html.contains("Nothing was decided"));
    let back = browser.decide(&again, "deny", &[]).await;
    assert_eq!(back.answer("error").as_deref(), Some("access_denied"));
    assert_eq!(back.answer("state").as_deref(), Some("xyz"));
    assert!(back.location().unwrap().as_str().starts_with(REDIRECT_URI));
}

#[tokio::test]
async fn users_of_a_first_party_client_are_not_asked() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let login = open(&mut browser, &request("demo-first-party")).await;
    let back = browser.sign_in(&login, USERNAME, PASSWORD).await;
    assert!(back.answer("code").is_some());
}

#[tokio::test]
async fn somebody_else_can_go_on_with_an_authorization() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let login = open(&mut browser, &request("demo-web")).await;
    let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
    let fields = consent.fields(&["interaction", "csrf"]);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let page = browser.post("/sign-out", &fields).await;
    let login = browser.follow(page).await;
    assert!(login.html.contains("asks you to sign in"));
    let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
    assert!(browser.decide(&consent, "approve", &["profile"]).await.answer("code").is_some());
}

#[tokio::test]
async fn whoever_is_signed_in_goes_on_or_leaves_it_to_somebody_else() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let login = browser.get("/login").await;
    browser.sign_in(&login, USERNAME, PASSWORD).await;
    let url = format!("{}&prompt=select_account", request("demo-first-party"));

    let choice = open(&mut browser, &url).await;
    assert!(choice.html.contains("Continue as Alice") && choice.html.contains("Use another account"));
    let fields = choice.fields(&["interaction", "csrf"]);
    let unsigned = browser.post("/continue", &[("interaction", &fields[0].1), ("csrf", "forged")]).await;
    assert_eq!(unsigned.status, 400);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    assert!(browser.post("/continue", &fields).await.answer("code").is_some());

    let choice = open(&mut browser, &format!("{}&prompt=select_account", request("demo-web"))).await;
    let fields = choice.fields(&["interaction", "csrf"]);
    let fields: Vec<_> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
    for press in 1..=2 {
        let page = browser.post("/continue", &fields).await;
        assert!(browser.follow(page).await.html.contains("consent-allow"), "press {press}");
    }

    let choice = open(&mut browser, &url).await;
    let other = format!("/login?interaction={}&account=other", choice.field("interaction").unwrap());
    assert!(choice.html.contains(&other.replace('&', "&amp;")));
    let login = browser.get(&other).await;
    assert!(login.html.contains("id=\"password\""));
    assert!(browser.get("/").await.html.contains("Your account"), "nobody is signed out by looking");
    assert!(browser.sign_in(&login, USERNAME, PASSWORD).await.answer("code").is_some());
}

#[tokio::test]
async fn the_sign_in_page_knows_what_the_client_hinted_at() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let hinted = format!("{}&login_hint=alice%22%3E", request("demo-web"));
    let login = open(&mut browser, &hinted).await;
    assert!(login.html.contains(r#"name="username" value="alice&#34;&#62;""#), "{}", login.html);

    let create = format!("{}&prompt=create", request("demo-web"));
    let login = open(&mut browser, &create).await;
    assert!(login.html.contains("Accounts cannot be made here") && login.html.contains("id=\"password\""));
    let back = browser.decide(&login, "deny", &[]).await;
    assert_eq!(back.answer("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn whoever_goes_on_tells_at_least_who_they_are() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let login = open(&mut browser, &request("demo-web").replace("scope=", "scope=openid+")).await;
    let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
    let along = r#"<input type="hidden" name="scope" value="openid">"#;
    assert!(consent.html.contains(along), "it comes along, whatever is unticked");
    assert!(consent.html.contains("Know who you are"));
}

#[tokio::test]
async fn the_home_page_takes_access_back_and_signs_out() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let login = browser.get("/login").await;
    let home = browser.sign_in(&login, USERNAME, PASSWORD).await;
    assert!(home.html.contains("No application has access"));
    let first_session = browser.cookies["grantor_session"].clone();

    let consent = open(&mut browser, &request("demo-web")).await;
    assert!(browser.decide(&consent, "approve", &["profile"]).await.answer("code").is_some());
    let home = browser.get("/").await;
    assert!(home.html.contains("Demo Web") && home.html.contains("See your name and profile"));
    let csrf = home.field("csrf").unwrap();
    let gone = browser.post("/revoke-access", &[("csrf", csrf), ("client_id", "demo-web")]).await;
    let home = browser.follow(gone).await;
    assert!(home.html.contains("No application has access") && home.html.contains(r#"href="/logout""#));

    let question = browser.get("/logout").await;
    assert!(question.html.contains("logout-confirm") && question.html.contains("Signed in as"));
    assert!(browser.get("/").await.html.contains("Your account"), "nobody is signed out by looking");
    assert!(browser.sign_out(&question).await.html.contains("<h1>Signed out</h1>"));
    assert!(!browser.cookies.contains_key("grantor_session"));
    browser.cookies.insert("grantor_session".into(), first_session.clone());
    assert!(browser.get("/").await.html.contains("Welcome"), "the session itself has ended");

    let login = browser.get("/login").await;
    browser.sign_in(&login, USERNAME, PASSWORD).await;
    assert_ne!(browser.cookies["grantor_session"], first_session);
}

#[tokio::test]
async fn a_form_from_elsewhere_does_nothing() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let login = browser.get("/login").await;
    browser.sign_in(&login, USERNAME, PASSWORD).await;
    let mut other = Browser::new(&server);
    let foreign = other.get("/login").await.field("csrf").unwrap().to_owned();
    let stale = login.field("csrf").unwrap();
    for path in ["/login", "/sign-out", "/revoke-access"] {
        for csrf in [None, Some(foreign.as_str()), Some(stale)] {
            let mut fields = vec![("client_id", "demo-web"), ("username", USERNAME), ("password", PASSWORD)];
            fields.extend(csrf.map(|csrf| ("csrf", csrf)));
            assert_eq!(browser.post(path, &fields).await.status, 400, "{path} {csrf:?}");
        }
    }
    assert!(browser.get("/").await.html.contains("Your account"));

    let consent = open(&mut browser, &request("demo-web")).await;
    let interaction = consent.field("interaction").unwrap();
    let fields = [("interaction", interaction), ("csrf", &foreign), ("decision", "approve")];
    assert_eq!(browser.post("/consent", &fields).await.status, 400);
    let answer = browser.decide(&consent, "maybe", &["profile"]).await;
    assert_eq!(answer.status, 400);
    other.get("/login").await;
    assert_eq!(other.decide(&consent, "approve", &["profile"]).await.status, 400, "another browser");
}

#[tokio::test]
async fn a_password_can_be_guessed_at_only_so_often() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let login = browser.get("/login").await;
    for _ in 0..10 {
        let page = browser.sign_in(&login, USERNAME, "looking-glass").await;
        assert_eq!(page.status, 200);
        assert!(page.html.contains("Sign-in failed"));
    }
    let page = browser.sign_in(&login, USERNAME, PASSWORD).await;
    assert_eq!(page.status, 429);
    assert!(page.html.contains("Too many attempts"));
    assert!(page.headers.contains_key("retry-after"));
}

#[tokio::test]
async fn the_reference_of_an_error_page_finds_its_line_in_the_log() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    for url in [
        "/authorize?client_id=nobody",
        "/authorize?client_id=demo-web&redirect_uri=https%3A%2F%2Fevil.example%2F",
        "/consent?interaction=AAAAAAAAAAAAAAAAAAAAAA",
        "/login?interaction=%22%3E",
    ] {
        let page = browser.get(url).await;
        assert_eq!(page.status, 400, "{url}");
        assert!(page.location().is_none());
        let reference = page.html.split("<dt>Reference</dt>").nth(1).unwrap();
        let reference = reference.split("<code>").nth(1).unwrap().split('<').next().unwrap();
        let log = server.log();
        let line = log.lines().find(|line| line.contains(reference)).unwrap();
        assert!(line.contains("WARN"), "{line}");
    }
}

#[tokio::test]
async fn a_form_that_is_too_large_is_not_read() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let large = "x".repeat(70 * 1024);
    let page = browser.post("/login", &[("username", &large)]).await;
    assert_eq!(page.status, 413);
    assert!(page.html.contains("Authorization error"));
}

#[tokio::test]
async fn the_api_says_how_to_ask() {
    let server = Server::start(&[]);
    let me = server.url("/api/me");
    let bare = http_client().get(&me).send().await.unwrap();
    assert_eq!(bare.status(), 401);
    assert_eq!(bare.headers()["www-authenticate"], "Bearer realm=\"demo API\"");
    let wrong = http_client().get(&me).bearer_auth("nonsense").send().await.unwrap();
    assert_eq!(wrong.status(), 401);
    assert!(wrong.headers()["www-authenticate"].to_str().unwrap().contains("error=\"invalid_token\""));
}
