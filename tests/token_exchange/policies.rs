//! Who may exchange at all, and the policies that come with the crate.

use std::sync::Arc;

use super::common::clients::{API, JWT_API, REPORTS, all, resource};
use super::common::foreign::{Trust, stated, statement};
use super::common::{Fixture, ISSUER, claims, form, machine, scope};
use super::{
    ACCESS, EXCHANGE, JWT, REFRESH, World, clients, exchanging, for_api, given, opaque, reason, served_by,
    text,
};
use grantor::Reason;
use grantor::host::{AnyExchange, OnBehalfOf, OwnTokenExchange};
use grantor::protocol::{GrantType, Issuer};
use grantor::server::AuthorizationServer;
use grantor::store::MemoryStore;
use serde_json::json;

#[tokio::test]
async fn without_a_policy_nothing_is_exchanged_and_nothing_is_advertised() {
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients(), |builder| builder);
    let subject = given(&fixture, "web", "read", &[API]).await;
    let answer = fixture.token("web", &opaque(&text(&subject, "access_token"))).await;
    answer.refused(400, "unsupported_grant_type");
    let metadata = fixture.get("/.well-known/oauth-authorization-server").await.json();
    assert!(!metadata["grant_types_supported"].as_array().unwrap().contains(&json!(EXCHANGE)));
    let world = World::new();
    let metadata = world.fixture.get("/.well-known/oauth-authorization-server").await.json();
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(EXCHANGE)));
}

#[test]
fn the_grant_type_cannot_be_switched_on_without_a_policy() {
    let build = |with_policy: bool| {
        let clients = grantor::StaticClients::new(all());
        let issuer = Issuer::new(ISSUER).unwrap();
        let builder =
            AuthorizationServer::builder(issuer, Arc::new(MemoryStore::new()), Arc::new(clients), &[7; 32]);
        let builder = builder.grant_types([GrantType::ClientCredentials, GrantType::TokenExchange]);
        if with_policy { builder.token_exchange(Arc::new(OwnTokenExchange)).build() } else { builder.build() }
    };
    assert_eq!(build(false).unwrap_err().setting, "grant_types");
    build(true).unwrap();
}

#[tokio::test]
async fn a_client_that_is_not_registered_for_it_or_does_not_prove_itself_is_refused() {
    let world = World::new();
    let subject = world.access(API).await;
    world.fixture.clients.change("api", |client| client.grant_types.clear());
    world.ask("api", &opaque(&subject)).await.refused(400, "unauthorized_client");
    let wrong = opaque(&subject).add("client_id", "post").add("client_secret", "wrong");
    world.fixture.post("/token", None, &wrong).await.refused(401, "invalid_client");
    world.fixture.server.disable_client(&"jwt-api".into()).await.unwrap();
    world.ask("jwt-api", &opaque(&subject)).await.refused(401, "invalid_client");
    assert!(world.policy.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_client_narrows_its_own_access_token_and_no_other() {
    let fixture = served_by(Arc::new(OwnTokenExchange), Arc::new(Trust::default()));
    let tokens = given(&fixture, "web", "openid read write", &[API, REPORTS]).await;
    let own = text(&tokens, "access_token");
    let narrow = opaque(&own).add("resource", API).add("scope", "read");
    let token = text(&fixture.token("web", &narrow).await.json(), "access_token");
    let seen = fixture.introspect("web", &token).await;
    assert_eq!((&seen["aud"], &seen["scope"], &seen["act"]), (&json!(API), &json!("read"), &json!(null)));
    fixture.token("web", &opaque(&own).add("resource", JWT_API)).await.refused(400, "invalid_target");
    fixture.token("api", &opaque(&own)).await.refused(400, "invalid_request");
    fixture
        .token("web", &exchanging(REFRESH, &text(&tokens, "refresh_token")))
        .await
        .refused(400, "invalid_request");
    fixture.token("web", &exchanging(JWT, &stated(&statement()))).await.refused(400, "invalid_request");
    let with_actor = opaque(&own).add("actor_token", &own).add("actor_token_type", ACCESS);
    fixture.token("web", &with_actor).await.refused(400, "invalid_request");
    let at_issuer = text(&given(&fixture, "web", "openid read", &[]).await, "access_token");
    assert_eq!(fixture.token("web", &opaque(&at_issuer)).await.status, 200);
    fixture.token("web", &for_api(&at_issuer)).await.refused(400, "invalid_target");
    let public = text(&given(&fixture, "spa", "openid read", &[API]).await, "access_token");
    fixture.token("spa", &opaque(&public)).await.refused(400, "invalid_request");
}

/// A client that may bring assertions, and exchange nothing, narrows nothing in the words of the on-behalf-of flow.
#[tokio::test]
async fn a_policy_for_one_form_of_exchange_is_none_for_the_other() {
    let mut clients = clients();
    clients.iter_mut().for_each(|client| client.grant_types.push(GrantType::JwtBearer));
    let policy = Arc::new(OwnTokenExchange);
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| {
        let on = super::GRANT_TYPES.into_iter().chain([GrantType::JwtBearer]);
        let builder = builder.scope(scope(super::SCOPE)).grant_types(on);
        builder.assertion_trust(Arc::new(Trust::default())).token_exchange(policy)
    });
    let own = text(&given(&fixture, "web", "openid read", &[API]).await, "access_token");
    let words = [
        ("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer"),
        ("assertion", &own),
        ("requested_token_use", "on_behalf_of"),
    ];
    fixture.token("web", &form(words)).await.refused(400, "invalid_grant");
    assert_eq!(reason(&fixture), Reason::OnBehalfOfRefused);
    assert_eq!(fixture.token("web", &opaque(&own)).await.status, 200);
}

fn on_behalf_of() -> Fixture {
    let policy = OnBehalfOf::new().allow("api", [resource(JWT_API)]).allow("spa", [resource(JWT_API)]);
    served_by(Arc::new(policy), Arc::new(Trust::default()))
}

#[tokio::test]
async fn an_api_that_was_called_gets_a_token_for_the_next_one_as_the_same_user() {
    let fixture = on_behalf_of();
    let called_with = text(&given(&fixture, "spa", "openid read write", &[API]).await, "access_token");
    let form = opaque(&called_with).add("resource", JWT_API).add("scope", "read");
    let says = claims(&text(&fixture.token("api", &form).await.json(), "access_token"));
    assert_eq!((&says["sub"], &says["aud"]), (&json!("alice"), &json!(JWT_API)));
    assert_eq!((&says["client_id"], &says["act"]), (&json!("api"), &json!({"sub": "api"})));
    assert_eq!(says["scope"], "read");
}

#[tokio::test]
async fn an_api_acts_on_nobodys_behalf_with_a_token_for_elsewhere_or_towards_an_api_that_is_not_listed() {
    let fixture = on_behalf_of();
    let token = async |resources: &[&str]| {
        text(&given(&fixture, "spa", "openid read write", resources).await, "access_token")
    };
    let to = |token: &str, uri: &str| opaque(token).add("resource", uri);
    for elsewhere in [&[REPORTS][..], &[JWT_API], &[]] {
        let token = token(elsewhere).await;
        fixture.token("api", &to(&token, JWT_API)).await.refused(400, "invalid_request");
        assert_eq!(reason(&fixture), Reason::ExchangeRefused);
    }
    let called_with = token(&[API]).await;
    for target in [REPORTS, API] {
        fixture.token("api", &to(&called_with, target)).await.refused(400, "invalid_target");
    }
    fixture.token("api", &opaque(&called_with)).await.refused(400, "invalid_target");
    fixture.token("web", &to(&called_with, JWT_API)).await.refused(400, "invalid_request");
    fixture.clients.change("spa", |client| client.resource_server_of = vec![resource(API)]);
    fixture.token("spa", &to(&called_with, JWT_API)).await.refused(400, "invalid_request");
    let with_actor =
        to(&called_with, JWT_API).add("actor_token", &called_with).add("actor_token_type", ACCESS);
    fixture.token("api", &with_actor).await.refused(400, "invalid_request");
}

#[tokio::test]
async fn of_several_policies_one_is_enough() {
    let on_behalf_of = OnBehalfOf::new().allow("api", [resource(JWT_API)]);
    let policy = AnyExchange(vec![Arc::new(OwnTokenExchange), Arc::new(on_behalf_of)]);
    let fixture = served_by(Arc::new(policy), Arc::new(Trust::default()));
    let token = text(&given(&fixture, "web", "openid read", &[API]).await, "access_token");
    let next = opaque(&token).add("resource", JWT_API);
    assert_eq!(fixture.token("web", &opaque(&token)).await.status, 200);
    assert_eq!(fixture.token("api", &next).await.status, 200);
    fixture.token("web", &next).await.refused(400, "invalid_target");
    fixture.token("jwt-api", &next).await.refused(400, "invalid_request");
    let nobody = served_by(Arc::new(AnyExchange::default()), Arc::new(Trust::default()));
    let token = nobody.token("machine", &machine()).await.tokens().access;
    nobody.token("machine", &opaque(&token)).await.refused(400, "invalid_request");
}
