//! Clients that register themselves with the server, by the crate `openidconnect` and by hand.

use openidconnect::core::{
    CoreClient, CoreClientAuthMethod, CoreClientRegistrationRequest, CoreGrantType, CoreProviderMetadata,
};
use openidconnect::registration::{EmptyAdditionalClientMetadata, EmptyAdditionalClientRegistrationResponse};
use openidconnect::{
    AuthorizationCode, ClientName, CsrfToken, IssuerUrl, LocalizedClaim, LogoUrl, Nonce,
    OAuth2TokenResponse as _, PkceCodeChallenge, RedirectUrl, Scope, TokenResponse as _,
};
use serde_json::{Value, json};

use crate::support::{Browser, PASSWORD, Page, REDIRECT_URI, Server, USERNAME, carry, http_client};

const OPEN: [&str; 3] = ["--profile", "oidc_compat", "--open-registration"];

async fn send(method: reqwest::Method, url: &str, token: Option<&str>, body: &Value) -> (u16, Value) {
    let mut request = http_client().request(method, url).header("content-type", "application/json");
    if let Some(token) = token {
        request = request.bearer_auth(token);
    }
    let answer = request.body(body.to_string()).send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

async fn register(server: &Server, metadata: &Value) -> Value {
    let (status, told) = send(reqwest::Method::POST, &server.url("/register"), None, metadata).await;
    assert_eq!(status, 201, "{told}");
    told
}

/// Whether a page is under this directive of the Content-Security-Policy.
fn has_directive(page: &Page, directive: &str) -> bool {
    let policy = page.headers["content-security-policy"].to_str().unwrap();
    policy.split("; ").any(|own| own == directive)
}

/// The consent page that a client's request leads to.
async fn consent(server: &Server, client_id: &str) -> Page {
    let mut browser = Browser::new(server);
    let login = browser.get("/login").await;
    browser.sign_in(&login, USERNAME, PASSWORD).await;
    let page = browser
        .get(&format!("/authorize?response_type=code&client_id={client_id}&scope=openid+api:read"))
        .await;
    browser.follow(page).await
}

/// The crate finds the endpoint, registers, and then is a client like any other.
#[tokio::test]
async fn a_client_of_others_registers_itself_and_signs_a_user_in() {
    let server = Server::start(&[&OPEN[..], &["--tls-self-signed", "--test-controls"]].concat());
    let issuer = IssuerUrl::new(server.issuer.clone()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &carry).await.unwrap();
    let redirect = RedirectUrl::new(REDIRECT_URI.into()).unwrap();
    let mut name = LocalizedClaim::from(ClientName::new("Registered".into()));
    name.insert(Some(openidconnect::LanguageTag::new("de".into())), ClientName::new("Angemeldet".into()));
    let logo = LogoUrl::new("https://client.example.test/logo.png".into()).unwrap();
    let request =
        CoreClientRegistrationRequest::new(vec![redirect.clone()], EmptyAdditionalClientMetadata {})
            .set_client_name(Some(name.clone()))
            .set_logo_uri(Some(LocalizedClaim::from(logo)))
            .set_grant_types(Some(vec![CoreGrantType::AuthorizationCode, CoreGrantType::RefreshToken]))
            .set_token_endpoint_auth_method(Some(CoreClientAuthMethod::ClientSecretPost));
    let told = request.register_async(metadata.registration_endpoint().unwrap(), &carry).await.unwrap();
    let _: &EmptyAdditionalClientRegistrationResponse = told.additional_response();
    assert_eq!(told.client_name(), Some(&name));
    assert_eq!(told.redirect_uris(), std::slice::from_ref(&redirect));
    assert!(told.client_secret_expires_at().is_some());
    assert!(told.registration_client_uri().is_some() && told.registration_access_token().is_some());

    let client =
        CoreClient::from_provider_metadata(metadata, told.client_id().clone(), told.client_secret().cloned())
            .set_auth_type(openidconnect::AuthType::RequestBody)
            .set_redirect_uri(redirect);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = openidconnect::core::CoreAuthenticationFlow::AuthorizationCode;
    let (url, _, nonce) = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scope(Scope::new("email".into()))
        .set_pkce_challenge(challenge)
        .url();
    let mut browser = Browser::new(&server);
    let page = browser.get(url.as_str()).await;
    let login = browser.follow(page).await;
    let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
    let back = browser.decide(&consent, "approve", &["openid", "email"]).await;
    let code = AuthorizationCode::new(back.answer("code").unwrap());
    let tokens = client.exchange_code(code).unwrap().set_pkce_verifier(verifier);
    let tokens = tokens.request_async(&carry).await.unwrap();
    let claims = tokens.id_token().unwrap().claims(&client.id_token_verifier(), &nonce).unwrap();
    assert_eq!(claims.subject().as_str(), USERNAME);
    let fresh = client.exchange_refresh_token(tokens.refresh_token().unwrap()).unwrap();
    fresh.request_async(&carry).await.unwrap();

    let home = browser.get("/").await;
    assert!(home.html.contains("Registered"), "who has access is named");
}

#[tokio::test]
async fn without_the_flag_nobody_registers() {
    let server = Server::start(&[]);
    let (status, _) = send(reqwest::Method::POST, &server.url("/register"), None, &json!({})).await;
    assert_eq!(status, 404);
    assert!(!server.banner.contains("Registration"));
}

#[tokio::test]
async fn the_consent_page_shows_who_asks_and_that_nobody_has_checked_it() {
    let server = Server::start(&OPEN);
    let metadata = json!({
        "redirect_uris": [REDIRECT_URI],
        "client_name": "<b>Sneaky</b>",
        "client_uri": "https://client.example.test/?a=1&b=2",
        "logo_uri": "https://logos.example.test:8443/logo.png?size=64",
        "policy_uri": "https://client.example.test/policy",
        "tos_uri": "https://client.example.test/tos",
    });
    let client = register(&server, &metadata).await;
    let page = consent(&server, client["client_id"].as_str().unwrap()).await;
    for shown in [
        r#"src="https://logos.example.test:8443/logo.png?size=64""#,
        r#"href="https://client.example.test/?a=1&#38;b=2" target="_blank" rel="noopener noreferrer">Website"#,
        r#"href="https://client.example.test/policy" target="_blank" rel="noopener noreferrer">Privacy policy"#,
        r#"href="https://client.example.test/tos" target="_blank" rel="noopener noreferrer">Terms of service"#,
        "registered itself",
    ] {
        assert!(page.html.contains(shown), "{shown} in {}", page.html);
    }
    assert!(!page.html.contains("<b>Sneaky"));
    assert!(has_directive(&page, "img-src 'self' https://logos.example.test:8443"));

    let plain = consent(&server, "demo-web").await;
    assert!(!plain.html.contains("registered itself") && !plain.html.contains("class=\"logo\""));
    assert!(has_directive(&plain, "img-src 'self'"));
}

#[tokio::test]
async fn a_registration_outlives_the_server_and_is_looked_after() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("db.sqlite").to_str().unwrap().to_owned();
    let flags = [&OPEN[..], &["--database", &database]].concat();
    let mut first = Server::start(&flags);
    let told = register(&first, &json!({ "redirect_uris": [REDIRECT_URI], "client_name": "Lasting" })).await;
    first.kill();

    let address = first.issuer.strip_prefix("http://").unwrap().to_owned();
    let second = Server::start(&[&flags[..], &["--listen", &address]].concat());
    let id = told["client_id"].as_str().unwrap();
    assert!(consent(&second, id).await.html.contains("Lasting"));
    let (uri, token) = (
        told["registration_client_uri"].as_str().unwrap(),
        told["registration_access_token"].as_str().unwrap(),
    );
    let (status, read) = send(reqwest::Method::GET, uri, Some(token), &Value::Null).await;
    assert_eq!((status, &read["client_name"]), (200, &json!("Lasting")));
    let (status, _) = send(reqwest::Method::DELETE, uri, Some(token), &Value::Null).await;
    assert_eq!(status, 204);
    let (status, refused) = send(reqwest::Method::GET, uri, Some(token), &Value::Null).await;
    assert_eq!((status, &refused["error"]), (401, &json!("invalid_token")));
}
