//! OpenID Connect with the server, by the crate `openidconnect`, which checks every ID token by itself.

use openidconnect::core::{
    CoreAuthenticationFlow, CoreClient, CoreIdToken, CoreIdTokenClaims, CoreProviderMetadata,
    CoreTokenResponse, CoreUserInfoClaims,
};
use openidconnect::{
    AccessToken, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointMaybeSet, EndpointNotSet,
    EndpointSet, IssuerUrl, LoginHint, LogoutRequest, Nonce, OAuth2TokenResponse as _, PkceCodeChallenge,
    PkceCodeVerifier, PostLogoutRedirectUrl, ProviderMetadataWithLogout, RedirectUrl, Scope,
    TokenResponse as _,
};
use url::Url;

use crate::support::{Browser, PASSWORD, REDIRECT_URI, Server, USERNAME, carry};

type Client = CoreClient<
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Everything but `offline_access`, which asks for more than this client needs.
const SCOPE: [&str; 4] = ["profile", "email", "address", "phone"];

async fn discover(server: &Server) -> Client {
    let issuer = IssuerUrl::new(server.issuer.clone()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &carry).await.unwrap();
    let secret = ClientSecret::new("demo-web-secret-not-for-production-0001".into());
    CoreClient::from_provider_metadata(metadata, ClientId::new("demo-web".into()), Some(secret))
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.into()).unwrap())
}

/// How people sign in to the example server: by a password.
const PASSWORD_CLASS: &str = "urn:oasis:names:tc:SAML:2.0:ac:classes:Password";

/// What the client keeps while the user is away.
struct Sent {
    url: Url,
    nonce: Nonce,
    verifier: PkceCodeVerifier,
}

fn request(client: &Client, more: &[(&str, &str)]) -> Sent {
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let mut request = client
        .authorize_url(flow, CsrfToken::new_random, Nonce::new_random)
        .add_scopes(SCOPE.map(|scope| Scope::new(scope.into())))
        .set_login_hint(LoginHint::new(USERNAME.into()))
        .set_pkce_challenge(challenge);
    for (name, value) in more {
        request = request.add_extra_param(*name, *value);
    }
    let (url, _, nonce) = request.url();
    Sent { url, nonce, verifier }
}

async fn redeem(client: &Client, code: String, verifier: PkceCodeVerifier) -> CoreTokenResponse {
    let redeem = client.exchange_code(AuthorizationCode::new(code)).unwrap().set_pkce_verifier(verifier);
    redeem.request_async(&carry).await.unwrap()
}

/// The claims of an ID token, once the crate has found nothing wrong with it.
fn verified(
    client: &Client,
    token: &CoreIdToken,
    access: &AccessToken,
    nonce: Option<&Nonce>,
) -> CoreIdTokenClaims {
    let verifier = client.id_token_verifier();
    let claims = match nonce {
        Some(nonce) => token.claims(&verifier, nonce).unwrap().clone(),
        None => token.claims(&verifier, |_: Option<&Nonce>| Ok(())).unwrap().clone(),
    };
    let (algorithm, key) = (token.signing_alg().unwrap(), token.signing_key(&verifier).unwrap());
    let expected = openidconnect::AccessTokenHash::from_token(access, algorithm, key).unwrap();
    assert_eq!(claims.access_token_hash(), Some(&expected));
    claims
}

#[tokio::test]
async fn a_user_signs_in_is_known_and_stays_known_after_a_refresh() {
    let server = Server::start(&["--tls-self-signed", "--test-controls"]);
    let client = discover(&server).await;
    let Sent { url, nonce, verifier } = request(&client, &[]);

    let mut browser = Browser::new(&server);
    let page = browser.get(url.as_str()).await;
    let login = browser.follow(page).await;
    assert_eq!(login.html.matches(r#"name="username" value="alice""#).count(), 1);
    let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
    let back = browser.decide(&consent, "approve", &[&["openid"], &SCOPE[..]].concat()).await;
    let tokens = redeem(&client, back.answer("code").unwrap(), verifier).await;

    let claims = verified(&client, tokens.id_token().unwrap(), tokens.access_token(), Some(&nonce));
    assert_eq!(claims.subject().as_str(), USERNAME);
    assert!(claims.auth_time().is_some());
    assert_eq!(claims.auth_method_refs().unwrap()[0].as_str(), "pwd");
    assert_eq!(claims.auth_context_ref().unwrap().as_str(), PASSWORD_CLASS);
    assert_eq!(claims.email(), None, "nobody asked for it here");

    let subject = Some(claims.subject().clone());
    let user = client.user_info(tokens.access_token().clone(), subject).unwrap();
    let user: CoreUserInfoClaims = user.request_async(&carry).await.unwrap();
    assert_eq!(user.email().unwrap().as_str(), "alice@example.test");
    assert_eq!(user.email_verified(), Some(true));
    assert_eq!(user.phone_number().unwrap().as_str(), "+44 1632 960001");
    assert_eq!(user.address().unwrap().locality.as_ref().unwrap().as_str(), "Oxford");
    assert_eq!(user.given_name().unwrap().get(None).unwrap().as_str(), "Alice");
    assert!(user.updated_at().is_some() && user.birthdate().is_some() && user.zoneinfo().is_some());

    let refresh = client.exchange_refresh_token(tokens.refresh_token().unwrap()).unwrap();
    let fresh = refresh.request_async(&carry).await.unwrap();
    let again = verified(&client, fresh.id_token().unwrap(), fresh.access_token(), None);
    assert_eq!((again.subject(), again.auth_time()), (claims.subject(), claims.auth_time()));
    assert_eq!(again.audiences(), claims.audiences());
    assert!(again.issue_time() >= claims.issue_time());
}

/// The server says how people sign in; a client that insists on another way learns at once that there is none.
#[tokio::test]
async fn a_client_learns_how_people_sign_in_and_cannot_insist_on_another_way() {
    let server = Server::start(&["--tls-self-signed", "--test-controls"]);
    let issuer = IssuerUrl::new(server.issuer.clone()).unwrap();
    let metadata = CoreProviderMetadata::discover_async(issuer, &carry).await.unwrap();
    let classes: Vec<&str> =
        metadata.acr_values_supported().unwrap().iter().map(|acr| acr.as_str()).collect();
    assert_eq!(classes, [PASSWORD_CLASS]);
    let client = discover(&server).await;
    let mut browser = Browser::new(&server);
    for (class, reached) in [("urn:mace:incommon:iap:silver", false), (PASSWORD_CLASS, true)] {
        let claims = format!(r#"{{"id_token":{{"acr":{{"essential":true,"value":"{class}"}}}}}}"#);
        let Sent { url, .. } = request(&client, &[("claims", &claims), ("acr_values", class)]);
        let page = browser.get(url.as_str()).await;
        if !reached {
            assert_eq!(page.answer("error").as_deref(), Some("unmet_authentication_requirements"));
            continue;
        }
        let login = browser.follow(page).await;
        let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
        let back = browser.decide(&consent, "approve", &[&["openid"], &SCOPE[..]].concat()).await;
        assert!(back.answer("code").is_some());
    }
}

/// A client that asks for claims by name gets them with the user's knowledge, and no other way.
#[tokio::test]
async fn whoever_is_asked_for_a_claim_by_name_is_told_and_may_refuse() {
    let server = Server::start(&["--tls-self-signed", "--test-controls"]);
    let client = discover(&server).await;
    let claims = r#"{"userinfo": {"birthdate": {"essential": true}, "phone_number": null}}"#;
    let mut browser = Browser::new(&server);
    let login = browser.get("/login").await;
    browser.sign_in(&login, USERNAME, PASSWORD).await;

    for (allowed, birthdate, phone) in [
        (&["openid", "profile", "phone"][..], true, true),
        (&["openid", "phone"], false, true),
        (&["openid"], false, false),
    ] {
        let sent = request(&client, &[("claims", claims)]);
        let page = browser.get(sent.url.as_str()).await;
        let consent = browser.follow(page).await;
        let back = browser.decide(&consent, "approve", allowed).await;
        let tokens = redeem(&client, back.answer("code").unwrap(), sent.verifier).await;
        let user = client.user_info(tokens.access_token().clone(), None).unwrap();
        let user: CoreUserInfoClaims = user.request_async(&carry).await.unwrap();
        assert_eq!((user.birthdate().is_some(), user.phone_number().is_some()), (birthdate, phone));
    }

    let flow = CoreAuthenticationFlow::AuthorizationCode;
    let bare = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
    let (challenge, _) = PkceCodeChallenge::new_random_sha256();
    let (url, ..) = bare.set_pkce_challenge(challenge).add_extra_param("claims", claims).url();
    let page = browser.get(url.as_str()).await;
    let consent = browser.follow(page).await;
    for words in ["your birthdate", "your phone number"] {
        assert!(consent.html.contains(words), "{words}");
    }
}

#[tokio::test]
async fn a_client_asks_silently_again_or_for_a_new_login() {
    let server = Server::start(&["--tls-self-signed", "--test-controls"]);
    let client = discover(&server).await;
    let mut browser = Browser::new(&server);
    let silent = request(&client, &[("prompt", "none")]);
    let refused = browser.get(silent.url.as_str()).await;
    assert_eq!(refused.answer("error").as_deref(), Some("login_required"));

    let login = browser.get("/login").await;
    browser.sign_in(&login, USERNAME, PASSWORD).await;
    let refused = browser.get(silent.url.as_str()).await;
    assert_eq!(refused.answer("error").as_deref(), Some("consent_required"));

    let again = request(&client, &[("prompt", "login"), ("max_age", "100")]);
    let page = browser.get(again.url.as_str()).await;
    let login = browser.follow(page).await;
    assert!(login.html.contains("id=\"password\""));
    let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
    let back = browser.decide(&consent, "approve", &["openid"]).await;
    let tokens = redeem(&client, back.answer("code").unwrap(), again.verifier).await;
    verified(&client, tokens.id_token().unwrap(), tokens.access_token(), Some(&again.nonce));
}

#[tokio::test]
async fn a_client_signs_the_user_out_with_its_id_token_and_asks_without() {
    let server = Server::start(&["--tls-self-signed", "--test-controls"]);
    let client = discover(&server).await;
    let issuer = IssuerUrl::new(server.issuer.clone()).unwrap();
    let metadata = ProviderMetadataWithLogout::discover_async(issuer, &carry).await.unwrap();
    let endpoint = metadata.additional_metadata().end_session_endpoint.clone().unwrap();
    let signed_out = "http://127.0.0.1:8090/signed-out";
    let ask = |state: &CsrfToken| {
        LogoutRequest::from(endpoint.clone())
            .set_post_logout_redirect_uri(PostLogoutRedirectUrl::new(signed_out.into()).unwrap())
            .set_state(state.clone())
    };
    let mut browser = Browser::new(&server);
    for with_hint in [true, false] {
        let sent = request(&client, &[]);
        let page = browser.get(sent.url.as_str()).await;
        let login = browser.follow(page).await;
        let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
        let back = browser.decide(&consent, "approve", &["openid"]).await;
        let tokens = redeem(&client, back.answer("code").unwrap(), sent.verifier).await;

        let state = CsrfToken::new_random();
        let back = match with_hint {
            true => {
                let url = ask(&state).set_id_token_hint(tokens.id_token().unwrap()).http_get_url();
                browser.get(url.as_str()).await
            }
            false => {
                let url = ask(&state).set_client_id(ClientId::new("demo-web".into())).http_get_url();
                let question = browser.get(url.as_str()).await;
                assert!(question.html.contains("logout-confirm"));
                browser.sign_out(&question).await
            }
        };
        let expected = Url::parse_with_params(signed_out, [("state", state.secret())]).unwrap();
        assert_eq!(back.location(), Some(expected));
        let silent = request(&client, &[("prompt", "none")]);
        let refused = browser.get(silent.url.as_str()).await;
        assert_eq!(refused.answer("error").as_deref(), Some("login_required"));
        let fresh = client.exchange_refresh_token(tokens.refresh_token().unwrap()).unwrap();
        assert!(fresh.request_async(&carry).await.is_err(), "what was bound to the session is dead");
    }
}
