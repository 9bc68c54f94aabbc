//! What a client does with the server, by the crate `oauth2`, over TLS.

use oauth2::basic::{BasicClient, BasicErrorResponseType, BasicTokenType};
use oauth2::{
    AccessToken, AuthType, AuthUrl, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EndpointNotSet,
    EndpointSet, IntrospectionUrl, PkceCodeChallenge, RedirectUrl, RefreshToken, RequestTokenError,
    RevocationUrl, Scope, TokenIntrospectionResponse as _, TokenResponse as _, TokenUrl,
};

use crate::support::{Browser, PASSWORD, REDIRECT_URI, Server, USERNAME, carry, http_client};

type Client = BasicClient<EndpointSet, EndpointNotSet, EndpointSet, EndpointSet, EndpointSet>;

const WEB_SECRET: &str = "demo-web-secret-not-for-production-0001";
const SERVICE_SECRET: &str = "demo-service-secret-not-for-production-0002";
const API_SECRET: &str = "demo-api-secret-not-for-production-0003";
const RESOURCE: &str = "https://api.example.test/";

fn client(server: &Server, id: &str, secret: &str) -> Client {
    BasicClient::new(ClientId::new(id.into()))
        .set_client_secret(ClientSecret::new(secret.into()))
        .set_auth_uri(AuthUrl::new(server.url("/authorize")).unwrap())
        .set_token_uri(TokenUrl::new(server.url("/token")).unwrap())
        .set_introspection_url(IntrospectionUrl::new(server.url("/introspect")).unwrap())
        .set_revocation_url(RevocationUrl::new(server.url("/revoke")).unwrap())
        .set_redirect_uri(RedirectUrl::new(REDIRECT_URI.into()).unwrap())
}

async fn is_active(client: &Client, token: &AccessToken) -> bool {
    client.introspect(token).request_async(&carry).await.unwrap().active()
}

async fn me(server: &Server, token: &AccessToken) -> (u16, serde_json::Value) {
    let request = http_client().get(server.url("/api/me")).bearer_auth(token.secret());
    let answer = request.send().await.unwrap();
    let status = answer.status().as_u16();
    (status, serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap_or_default())
}

#[tokio::test]
async fn a_code_becomes_tokens_that_refresh_open_the_api_and_end() {
    let server = Server::start(&["--tls-self-signed", "--refresh-rotation", "always"]);
    let web = client(&server, "demo-web", WEB_SECRET);
    let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
    let (url, state) = web
        .authorize_url(CsrfToken::new_random)
        .add_scopes(["profile", "api:read"].map(|scope| Scope::new(scope.into())))
        .set_pkce_challenge(challenge)
        .url();

    let mut browser = Browser::new(&server);
    let page = browser.get(url.as_str()).await;
    let login = browser.follow(page).await;
    let consent = browser.sign_in(&login, USERNAME, PASSWORD).await;
    let back = browser.decide(&consent, "approve", &["profile", "api:read"]).await;
    assert!(back.location().unwrap().as_str().starts_with(REDIRECT_URI));
    assert_eq!(back.status, 303);
    assert_eq!(back.answer("state").as_ref(), Some(state.secret()));
    assert_eq!(back.answer("iss").as_ref(), Some(&server.issuer));
    for cookie in &browser.set_cookies {
        assert!(cookie.starts_with("__Host-"), "{cookie}");
        for attribute in ["; Secure", "; HttpOnly", "; SameSite=Lax", "; Path=/"] {
            assert!(cookie.contains(attribute), "{cookie}");
        }
    }

    let code = AuthorizationCode::new(back.answer("code").unwrap());
    let redeem = web.exchange_code(code).set_pkce_verifier(verifier);
    let tokens = redeem.request_async(&carry).await.unwrap();
    assert_eq!(tokens.token_type(), &BasicTokenType::Bearer);
    let (status, about) = me(&server, tokens.access_token()).await;
    assert_eq!((status, &about["sub"], &about["client_id"]), (200, &"alice".into(), &"demo-web".into()));
    assert_eq!(about["name"], "Alice Pleasance Liddell");

    let seen = web.introspect(tokens.access_token()).request_async(&carry).await.unwrap();
    assert!(seen.active());
    assert_eq!(seen.username(), None);
    assert_eq!(seen.sub(), Some(USERNAME));
    assert!(is_active(&client(&server, "demo-api", API_SECRET), tokens.access_token()).await);

    let refresh: &RefreshToken = tokens.refresh_token().unwrap();
    let fresh = web.exchange_refresh_token(refresh).request_async(&carry).await.unwrap();
    assert_ne!(fresh.refresh_token().unwrap().secret(), refresh.secret());
    assert_eq!(me(&server, fresh.access_token()).await.0, 200);

    let revoke = web.revoke_token(fresh.refresh_token().unwrap().into()).unwrap();
    revoke.request_async(&carry).await.unwrap();
    assert!(!is_active(&web, fresh.access_token()).await);
    assert_eq!(me(&server, fresh.access_token()).await.0, 401);
    let again = web.exchange_refresh_token(fresh.refresh_token().unwrap()).request_async(&carry).await;
    let Err(RequestTokenError::ServerResponse(error)) = again else { panic!("{again:?}") };
    assert_eq!(error.error(), &BasicErrorResponseType::InvalidGrant);

    let log = server.log();
    for secret in [PASSWORD, WEB_SECRET, refresh.secret(), fresh.access_token().secret()] {
        assert!(!log.contains(secret), "the log holds a secret");
    }
}

#[tokio::test]
async fn a_client_gets_a_jwt_of_its_own_for_a_known_resource_only() {
    let server = Server::start(&["--tls-self-signed"]);
    let service = client(&server, "demo-service", SERVICE_SECRET).set_auth_type(AuthType::RequestBody);
    let ask = |resource: &'static str| {
        let request = service.exchange_client_credentials().add_scope(Scope::new("api:read".into()));
        request.add_extra_param("resource", resource)
    };
    let tokens = ask(RESOURCE).request_async(&carry).await.unwrap();
    let token = tokens.access_token();
    assert_eq!(token.secret().split('.').count(), 3);
    let (status, about) = me(&server, token).await;
    assert_eq!((status, &about["sub"]), (200, &"demo-service".into()));
    let api = client(&server, "demo-api", API_SECRET);
    let seen = api.introspect(token).request_async(&carry).await.unwrap();
    assert_eq!(seen.aud().unwrap(), &[RESOURCE.to_owned()]);
    assert!(!is_active(&client(&server, "demo-web", WEB_SECRET), token).await);

    let refused = ask("https://other.example.test/").request_async(&carry).await;
    let Err(RequestTokenError::ServerResponse(error)) = refused else { panic!("{refused:?}") };
    assert_eq!(error.error(), &BasicErrorResponseType::Extension("invalid_target".into()));

    let opaque = service.exchange_client_credentials().add_scope(Scope::new("api:write".into()));
    let opaque = opaque.request_async(&carry).await.unwrap();
    assert!(is_active(&api, opaque.access_token()).await);
    assert_eq!(me(&server, opaque.access_token()).await.0, 403);
}
