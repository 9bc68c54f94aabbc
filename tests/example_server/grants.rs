//! The ways to get a token without a browser, by the crate `oauth2` where it knows them.

use std::time::{SystemTime, UNIX_EPOCH};

use oauth2::basic::BasicClient;
use oauth2::{
    ClientId, ClientSecret, RequestTokenError, ResourceOwnerPassword, ResourceOwnerUsername, Scope,
    TokenResponse as _, TokenUrl,
};
use serde_json::Value;

use crate::support::{PASSWORD, Server, USERNAME, carry, http_client};

const LEGACY_SECRET: &str = "demo-legacy-secret-not-for-production-0005";
/// Alice's, in users.json.
const TOTP_SECRET: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

#[tokio::test]
async fn a_client_sends_a_password_where_the_profile_takes_it() {
    for (profile, taken) in [("oidc_compat", true), ("strict", false)] {
        let server = Server::start(&["--profile", profile]);
        let client = BasicClient::new(ClientId::new("demo-legacy".into()))
            .set_client_secret(ClientSecret::new(LEGACY_SECRET.into()))
            .set_token_uri(TokenUrl::new(server.url("/token")).unwrap());
        let username = ResourceOwnerUsername::new(USERNAME.into());
        let ask = async |password: &str| {
            let password = ResourceOwnerPassword::new(password.into());
            let request =
                client.exchange_password(&username, &password).add_scope(Scope::new("api:read".into()));
            request.request_async(&carry).await
        };
        let code_of = |error| match error {
            RequestTokenError::ServerResponse(refused) => {
                let refused: oauth2::basic::BasicErrorResponse = refused;
                refused.error().as_ref().to_owned()
            }
            other => panic!("{other:?}"),
        };
        if !taken {
            assert_eq!(code_of(ask(PASSWORD).await.unwrap_err()), "unsupported_grant_type");
            continue;
        }
        let tokens = ask(PASSWORD).await.unwrap();
        let request = http_client().get(server.url("/api/me")).bearer_auth(tokens.access_token().secret());
        assert_eq!(request.send().await.unwrap().status(), 200);
        assert!(tokens.refresh_token().is_some());
        assert_eq!(code_of(ask("looking-glass").await.unwrap_err()), "invalid_grant");
        assert!(!server.log().contains(PASSWORD));
    }
}

#[tokio::test]
async fn a_one_time_password_is_taken_once() {
    let server = Server::start(&[]);
    let secret = totp_rs::Secret::try_from_base32(TOTP_SECRET).unwrap();
    let authenticator = totp_rs::Builder::new().with_secret(secret).build().unwrap();
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs();
    let once = authenticator.generate(now).to_string();
    let ask = async |password: &str, once: &str| -> (u16, Value) {
        let form = [
            ("grant_type", "urn:example:grant-type:one-time-password"),
            ("client_id", "demo-cli"),
            ("scope", "openid api:read"),
            ("username", USERNAME),
            ("password", password),
            ("one_time_password", once),
        ];
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let request = http_client().post(server.url("/token")).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap())
    };
    let (status, answer) = ask("looking-glass", &once).await;
    assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()), "{answer}");
    let (status, tokens) = ask(PASSWORD, &once).await;
    assert_eq!(status, 200, "{tokens}");
    assert!(tokens["id_token"].is_string() && tokens["refresh_token"].is_string(), "{tokens}");
    for refused in [once.as_str(), "000000", "not a number"] {
        let (status, answer) = ask(PASSWORD, refused).await;
        assert_eq!((status, &answer["error"]), (400, &"invalid_grant".into()), "{answer}");
    }
    assert!(!server.log().contains(&once), "the log holds a one-time password");
}
