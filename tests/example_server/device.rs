//! Devices: the crate `oauth2` polls as one while a person lets it in, or does not; and the demo television.

use std::time::Duration;

use oauth2::basic::BasicClient;
use oauth2::{
    ClientId, DeviceAuthorizationUrl, DeviceCodeErrorResponseType, RequestTokenError, Scope,
    StandardDeviceAuthorizationResponse, TokenResponse as _, TokenUrl,
};

use crate::support::{Browser, PASSWORD, Page, Server, USERNAME, carry, http_client};

/// Goes to where a device sends its user, signs in if asked, and comes to the page for the code.
async fn at_device(browser: &mut Browser, url: &str) -> Page {
    let page = browser.get(url).await;
    let page = browser.follow(page).await;
    if page.html.contains("id=\"password\"") {
        return browser.sign_in(&page, USERNAME, PASSWORD).await;
    }
    page
}

/// Posts a code from the page for it.
async fn enter(browser: &mut Browser, page: &Page, code: &str) -> Page {
    let csrf = page.field("csrf").unwrap().to_owned();
    let page = browser.post("/device", &[("csrf", &csrf), ("user_code", code)]).await;
    browser.follow(page).await
}

#[tokio::test]
async fn a_device_waits_until_a_person_has_let_it_in_or_kept_it_out() {
    let server = Server::start(&["--tls-self-signed"]);
    let client = BasicClient::new(ClientId::new("demo-tv".into()))
        .set_device_authorization_url(
            DeviceAuthorizationUrl::new(server.url("/device_authorization")).unwrap(),
        )
        .set_token_uri(TokenUrl::new(server.url("/token")).unwrap());
    for decision in ["approve", "deny"] {
        let asked = client.exchange_device_code().add_scope(Scope::new("profile".into()));
        let told: StandardDeviceAuthorizationResponse = asked.request_async(&carry).await.unwrap();
        assert_eq!((told.interval(), told.expires_in()), (Duration::from_secs(5), Duration::from_secs(600)));
        assert_eq!(**told.verification_uri(), server.url("/device"));

        let polling = client.exchange_device_access_token(&told);
        let polling = polling.request_async(&carry, tokio::time::sleep, Some(Duration::from_secs(60)));
        let person = async {
            let mut browser = Browser::new(&server);
            let complete = told.verification_uri_complete().unwrap().secret();
            let page = at_device(&mut browser, complete).await;
            let code = told.user_code().secret();
            assert!(page.html.contains(&format!("value=\"{code}\"")), "the field is filled in");
            let consent = enter(&mut browser, &page, &code.to_lowercase()).await;
            assert!(consent.html.contains(code) && consent.html.contains("Demo Television"));
            let done = browser.decide(&consent, decision, &["profile"]).await;
            assert_eq!(done.status, 200);
            assert!(done.location().is_none());
            done
        };
        let (tokens, done) = tokio::join!(polling, person);
        if decision == "approve" {
            assert!(done.html.contains("device-approved"));
            let tokens = tokens.unwrap();
            assert!(tokens.refresh_token().is_some());
            let me = http_client().get(server.url("/api/me")).bearer_auth(tokens.access_token().secret());
            assert_eq!(me.send().await.unwrap().status(), 403, "it asked for no scope of the API");
        } else {
            assert!(done.html.contains("device-denied"));
            let Err(RequestTokenError::ServerResponse(error)) = tokens else { panic!("{tokens:?}") };
            assert_eq!(error.error(), &DeviceCodeErrorResponseType::AccessDenied);
        }
    }
}

#[tokio::test]
async fn a_wrong_code_is_asked_for_again_and_after_five_it_is_time_to_wait() {
    let server = Server::start(&[]);
    let mut browser = Browser::new(&server);
    let login = browser.get("/device?user_code=%22%3E%3Cscript%3E").await;
    let login = browser.follow(login).await;
    assert!(login.html.contains("let a device use"));
    let page = browser.sign_in(&login, USERNAME, PASSWORD).await;
    assert!(page.html.contains("user-code") && !page.html.contains("<script>"), "{}", page.html);
    for _ in 0..5 {
        let again = enter(&mut browser, &page, "BCDF-GHJK").await;
        assert_eq!(again.status, 200);
        assert!(again.html.contains("That code does not work") && again.html.contains("BCDF-GHJK"));
    }
    let wait = enter(&mut browser, &page, "BCDF-GHJK").await;
    assert_eq!(wait.status, 429);
    assert!(wait.headers.contains_key("retry-after") && wait.html.contains("Too many codes"));
    let forged = browser.post("/device", &[("csrf", "forged"), ("user_code", "BCDF-GHJK")]).await;
    assert_eq!(forged.status, 400);
}

#[tokio::test]
async fn the_television_shows_what_it_is_told_and_greets_who_lets_it_in() {
    let server = Server::start(&["--test-controls"]);
    let mut tv = Browser::new(&server);
    let off = tv.get("/tv").await;
    assert!(off.html.contains("tv-sign-in"));
    for forged in [&[][..], &[("csrf", "x")]] {
        assert_eq!(tv.post("/tv", forged).await.status, 400);
    }
    let screen = tv.post("/tv", &[("csrf", off.field("csrf").unwrap())]).await;
    assert!(screen.html.contains("<svg") && screen.html.contains(&server.url("/device")));
    let (device_code, user_code) =
        (screen.field("device_code").unwrap().to_owned(), screen.field("user_code").unwrap().to_owned());
    let fields = [("device_code", device_code.as_str()), ("user_code", user_code.as_str())];
    let waiting = tv.post("/tv/poll", &fields).await;
    assert!(waiting.html.contains("Waiting for your answer") && waiting.html.contains(&user_code));

    let mut phone = Browser::new(&server);
    let page = at_device(&mut phone, "/device").await;
    let consent = enter(&mut phone, &page, &user_code).await;
    phone.decide(&consent, "approve", &["openid", "profile"]).await;
    assert!(tv.post("/tv/poll", &fields).await.html.contains("Hello Alice!"));
    assert!(phone.get("/").await.html.contains("Demo Television"), "access can be taken back at home");
}
