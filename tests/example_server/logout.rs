//! Signing out, with and without a client that asks for it.

use grantor::http::LOGGED_OUT_SCRIPT;

use crate::support::{Browser, PASSWORD, Page, Server, USERNAME};

const BACK: &str = "http://127.0.0.1:8090/signed-out";
const ASKED_BY_WEB: &str = "/logout?client_id=demo-web&post_logout_redirect_uri=http%3A%2F%2F127.0.0.1%3A8090%2Fsigned-out&state=xyz";

async fn signed_in(server: &Server) -> Browser {
    let mut browser = Browser::new(server);
    let login = browser.get("/login").await;
    browser.sign_in(&login, USERNAME, PASSWORD).await;
    browser
}

fn is_page(page: &Page) {
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && policy.contains("default-src 'none'"), "{policy}");
    assert_eq!(page.headers["cache-control"], "no-store");
}

#[tokio::test]
async fn a_client_may_ask_and_the_person_decides() {
    let server = Server::start(&[]);
    let mut browser = signed_in(&server).await;
    let question = browser.get(ASKED_BY_WEB).await;
    is_page(&question);
    for words in ["Demo Web", "alice", "127.0.0.1:8090", "logout-decline"] {
        assert!(question.html.contains(words), "{words}: {}", question.html);
    }
    let escaped = browser.get(&ASKED_BY_WEB.replace("xyz", "%22%3E")).await;
    assert_eq!(escaped.field("state"), Some("&#34;&#62;"));
    assert!(browser.get("/").await.html.contains("Your account"));
    let back = browser.sign_out(&question).await;
    assert_eq!(back.location().unwrap().as_str(), format!("{BACK}?state=xyz"));
    assert!(browser.get("/").await.html.contains("Welcome"));
    let unknown = browser.get(&ASKED_BY_WEB.replace("signed-out", "elsewhere")).await;
    assert_eq!(unknown.status, 400);
    assert!(unknown.html.contains("Authorization error"));
}

#[tokio::test]
async fn whoever_is_signed_out_is_told_so_with_a_way_back() {
    let server = Server::start(&[]);
    let mut browser = signed_in(&server).await;
    let question = browser.get("/logout").await;
    let done = [browser.sign_out(&question).await, browser.sign_out(&question).await];
    for page in done.iter().chain([&browser.get("/logout").await, &browser.get("/logged-out").await]) {
        is_page(page);
        assert_eq!(page.status, 200);
        assert!(page.html.contains("<title>Signed out") && page.html.contains("<h1>Signed out</h1>"));
        assert!(page.html.contains(r#"href="/""#) && page.html.contains(r#"href="/login""#));
    }
}

#[tokio::test]
async fn a_client_that_wants_to_be_told_by_the_browser_is_in_the_page_that_goes_on() {
    let server = Server::start(&[]);
    let mut browser = signed_in(&server).await;
    let request = "/authorize?response_type=code&client_id=demo-first-party&scope=openid\
                   &code_challenge=E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM&code_challenge_method=S256";
    assert!(browser.get(request).await.answer("code").is_some());
    let asked = ASKED_BY_WEB.replace("demo-web", "demo-first-party").replace("8090", "8091");
    let question = browser.get(&asked).await;
    let done = browser.sign_out(&question).await;
    is_page(&done);
    let policy = done.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("; frame-src http://127.0.0.1:8091; "), "{policy}");
    let issuer: String = url::form_urlencoded::byte_serialize(server.issuer.as_bytes()).collect();
    let frame = format!("<iframe src=\"http://127.0.0.1:8091/frontchannel-logout?iss={issuer}&amp;sid=");
    assert!(done.html.contains(&frame), "{}", done.html);
    assert!(done.html.contains(&format!("<script>{LOGGED_OUT_SCRIPT}</script>")));
    assert!(done.html.contains(r#"href="http://127.0.0.1:8091/signed-out?state=xyz" id="continue""#));
}
