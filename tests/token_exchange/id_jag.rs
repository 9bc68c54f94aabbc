//! Grants at another authorization server (Identity Assertion JWT Authorization Grant).

use std::sync::Arc;

use super::common::clients::{client, resource};
use super::common::foreign::{Trust, stated, statement};
use super::common::{Fixture, Form, ISSUER, NOW, claims, form, scope};
use super::{ACCESS, ID, JWT, REFRESH, exchanging, given, served_by, text};
use async_trait::async_trait;
use base64::Engine as _;
use grantor::host::{StaticResources, StaticTrust, TokenExchangePolicy};
use grantor::protocol::{ClientAuthMethod, GrantType};
use grantor::record::assertion::KeySource;
use grantor::record::client::Sector;
use grantor::record::exchange::{Exchange, IdJagTerms, Refusal, Terms, Verdict};
use grantor::record::trust::TrustedIssuer;
use grantor::record::{Client, ResourceServer, TokenFormat};
use grantor::store::{MemoryStore, StoreError};
use serde_json::json;

const JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";
const CHAT: &str = "https://chat.example";

/// Lets `web` ask the chat server to read, for its API, where it is called `wiki`.
struct CrossApp;

#[async_trait]
impl TokenExchangePolicy for CrossApp {
    async fn judge(&self, exchange: &Exchange) -> Result<Verdict, StoreError> {
        if exchange.client.id.as_str() != "web" || exchange.elsewhere.as_deref() != Some("urn:example:chat") {
            return Ok(Verdict::Refuse(Refusal::Target));
        }
        let claims = json!({"email": "alice@example.com", "aud": "evil", "exp": 9});
        let id_jag = IdJagTerms {
            audience: CHAT.into(),
            client_id: "wiki".into(),
            relying_party: Some("first".into()),
            claims: claims.as_object().cloned().unwrap(),
        };
        Ok(Verdict::Allow(Terms {
            scope: Some(scope("chat.read chat.history")),
            id_jag: Some(id_jag),
            ..Terms::default()
        }))
    }

    fn issues_id_jags(&self) -> bool {
        true
    }
}

fn provider() -> Fixture {
    served_by(Arc::new(CrossApp), Arc::new(Trust::default()))
}

fn asking(token_type: &str, token: &str) -> Form {
    exchanging(token_type, token)
        .add("requested_token_type", JAG)
        .add("audience", "urn:example:chat")
        .add("resource", "https://api.chat.example/")
        .add("scope", "chat.read chat.write")
}

#[tokio::test]
async fn a_client_gets_a_grant_at_another_server_for_its_own_id_or_refresh_token() {
    let fixture = provider();
    fixture.clients.change("first", |client| client.openid.sector = Some(Sector::new("chat.example")));
    let tokens = given(&fixture, "web", "openid read", &[]).await;
    let before = fixture.grants("web").await;
    for (token_type, name) in [(ID, "id_token"), (REFRESH, "refresh_token")] {
        let answer = fixture.token("web", &asking(token_type, &text(&tokens, name))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let json = answer.json();
        assert_eq!((&json["issued_token_type"], &json["token_type"]), (&json!(JAG), &json!("N_A")));
        assert_eq!((&json["expires_in"], &json["scope"]), (&json!(300), &json!("chat.read")));
        assert!(json["refresh_token"].is_null());
        let jag = text(&json, "access_token");
        let header = jag.split('.').next().unwrap();
        let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
        let header: serde_json::Value = serde_json::from_slice(&header).unwrap();
        assert_eq!(header["typ"], "oauth-id-jag+jwt");
        let says = claims(&jag);
        assert_eq!((&says["iss"], &says["aud"]), (&json!(ISSUER), &json!(CHAT)));
        assert_eq!((&says["client_id"], &says["scope"]), (&json!("wiki"), &json!("chat.read")));
        assert_eq!(says["resource"], "https://api.chat.example/");
        assert_eq!((&says["iat"], &says["exp"]), (&json!(NOW), &json!(NOW + 300)));
        assert_eq!((&says["auth_time"], &says["email"]), (&json!(NOW), &json!("alice@example.com")));
        let there = given(&fixture, "first", "openid", &[]).await;
        assert_eq!(says["sub"], claims(&text(&there, "id_token"))["sub"], "as that server knows the user");
        assert_ne!(says["sub"], "alice");
    }
    assert_eq!(fixture.grants("web").await, before, "nothing is remembered of it");
}

#[tokio::test]
async fn nothing_else_is_given_for_one_and_nobody_else_gets_one() {
    let fixture = provider();
    let tokens = given(&fixture, "web", "openid read", &[]).await;
    let id_token = text(&tokens, "id_token");
    let good = asking(ID, &id_token);
    for (client, form, code) in [
        ("web", asking(ACCESS, &text(&tokens, "access_token")), "invalid_request"),
        ("web", asking(JWT, &stated(&statement())), "invalid_request"),
        ("web", good.without("audience"), "invalid_request"),
        ("web", good.add("audience", "https://other.example"), "invalid_target"),
        ("web", good.set("audience", "https://other.example"), "invalid_target"),
        ("web", good.add("actor_token", &id_token).add("actor_token_type", ID), "invalid_request"),
        ("web", good.without("requested_token_type"), "invalid_target"),
        ("first", good.clone(), "invalid_request"),
    ] {
        fixture.token(client, &form).await.refused(400, code);
    }
    let jag = text(&fixture.token("web", &good).await.json(), "access_token");
    for token_type in [ACCESS, ID, JWT, JAG] {
        fixture.token("web", &exchanging(token_type, &jag)).await.refused(400, "invalid_request");
    }
    assert_eq!(fixture.introspect("web", &jag).await, json!({"active": false}));
    fixture.server.disable_subject(&"alice".into()).await.unwrap();
    fixture.token("web", &good).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn it_is_advertised_and_asked_for_only_where_the_policy_has_any() {
    let metadata = provider().get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["identity_chaining_requested_token_types_supported"], json!([JAG]));
    assert!(metadata["authorization_grant_profiles_supported"].is_null());
    let world = super::World::new();
    let metadata = world.fixture.get("/.well-known/oauth-authorization-server").await.json();
    assert!(metadata["identity_chaining_requested_token_types_supported"].is_null());
    let tokens = world.given("openid read", &[]).await;
    world.ask("web", &asking(ID, &text(&tokens, "id_token"))).await.refused(400, "invalid_request");
    assert_eq!(world.reason(), grantor::Reason::TokenTypeUnsupported);
}

/// Both sides of the draft, each a server of its own.
#[tokio::test]
async fn what_one_server_issues_another_that_trusts_it_takes() {
    let idp = provider();
    let tokens = given(&idp, "web", "openid read", &[]).await;
    let jag = text(&idp.token("web", &asking(ID, &text(&tokens, "id_token"))).await.json(), "access_token");

    let keys = idp.server.signer().public_keys().await.unwrap();
    let trust = StaticTrust::new([(ISSUER.to_owned(), TrustedIssuer::new(KeySource::Given(keys)))]);
    let wiki = Client {
        grant_types: vec![GrantType::JwtBearer],
        response_types: vec![],
        scope: scope("chat.read chat.history"),
        ..client("wiki", ClientAuthMethod::ClientSecretBasic, &[])
    };
    let catalogue = StaticResources::new([ResourceServer {
        resource: resource("https://api.chat.example/"),
        format: TokenFormat::Opaque,
        scope: None,
        lifetime: None,
    }]);
    let chat = Fixture::at(CHAT, Arc::new(MemoryStore::new()), vec![wiki], |builder| {
        builder
            .scope(scope("chat.read chat.history"))
            .grant_types([GrantType::JwtBearer])
            .resources(Arc::new(catalogue))
            .assertion_trust(Arc::new(trust))
    });
    let grant = form([("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"), ("assertion", &jag)]);
    let token = chat.token("wiki", &grant).await.tokens();
    assert_eq!(token.scope, "chat.read");
    let seen = chat.introspect("wiki", &token.access).await;
    assert_eq!((&seen["aud"], &seen["iss"]), (&json!("https://api.chat.example/"), &json!(CHAT)));
    assert_eq!(seen["sub"], claims(&jag)["sub"]);
    chat.token("wiki", &grant).await.refused(400, "invalid_grant");
}
