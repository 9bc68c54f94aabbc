//! What each response type hands out, and how it travels (OAuth 2.0 Multiple Response Types, OpenID Connect Core §3).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::Arc;

use common::clients::{JWT_API, all};
use common::{Agent, Answer, Fixture, Form, ISSUER, authorization, claims, scope};
use grantor::Profile;
use grantor::jose::Algorithm;
use grantor::protocol::{GrantType, ResponseType};
use grantor::record::Client;
use grantor::store::MemoryStore;
use grantor::token::id_token::half_hash;
use serde_json::json;

const SCOPE: &str = "openid profile email read";

fn provider() -> Fixture {
    let mut clients = all();
    for client in &mut clients {
        client.scope = scope(SCOPE);
        client.response_types = ResponseType::ALL.to_vec();
        client.grant_types.push(GrantType::Implicit);
    }
    over(clients)
}

fn over(clients: Vec<Client>) -> Fixture {
    Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| {
        builder.profile(Profile::OidcCompat).scope(scope(SCOPE))
    })
}

fn asking(response_type: &str) -> Form {
    authorization("web")
        .set("scope", "openid email read")
        .set("response_type", response_type)
        .add("nonce", "n-1")
}

fn error(answer: &Answer) -> String {
    answer.param("error").unwrap_or_else(|| panic!("{answer:?}"))
}

#[tokio::test]
async fn each_type_answers_with_what_it_names_and_binds_it_by_hashes() {
    let fixture = provider();
    for response_type in ResponseType::ALL.iter().copied().filter(|own| *own != ResponseType::None) {
        let answer = fixture.agent().walk(&asking(response_type.as_str()), "alice").await;
        let (code, token, id_token) =
            (answer.param("code"), answer.param("access_token"), answer.param("id_token"));
        assert_eq!(code.is_some(), response_type.has_code(), "{answer:?}");
        assert_eq!(token.is_some(), response_type.has_token(), "{answer:?}");
        assert_eq!(id_token.is_some(), response_type.has_id_token(), "{answer:?}");
        assert_eq!(answer.location().unwrap().contains('#'), response_type != ResponseType::Code);
        assert_eq!((answer.param("iss").as_deref(), answer.param("state").is_some()), (Some(ISSUER), true));
        if let Some(token) = &token {
            assert_eq!(answer.param("token_type").as_deref(), Some("Bearer"));
            assert_eq!(answer.param("expires_in").as_deref(), Some("3600"));
            assert_eq!(answer.param("scope").as_deref(), Some("email openid read"));
            assert!(fixture.is_live(token).await);
        }
        if let Some(id_token) = &id_token {
            let claims = claims(id_token);
            let hash =
                |text: &Option<String>| json!(text.as_deref().map(|text| half_hash(Algorithm::Es256, text)));
            assert_eq!(
                (&claims["c_hash"], &claims["at_hash"]),
                (&hash(&code), &hash(&token)),
                "{response_type}"
            );
            assert_eq!(claims["s_hash"], hash(&answer.param("state")));
            assert_eq!((claims["nonce"].as_str(), claims["sub"].as_str()), (Some("n-1"), Some("alice")));
            // Where no token for the UserInfo endpoint is issued, the ID token tells what the scope asks for.
            assert_eq!(
                claims["email"].is_string(),
                response_type == ResponseType::IdToken,
                "{response_type}"
            );
        }
        if let Some(code) = &code {
            let tokens = fixture.redeem("web", code).await.json();
            let redeemed = claims(tokens["id_token"].as_str().unwrap());
            assert_eq!((redeemed["sub"].as_str(), redeemed["nonce"].as_str()), (Some("alice"), Some("n-1")));
            if let Some(token) = &token {
                assert!(fixture.is_live(token).await, "the code's end is not the token's");
            }
            fixture.redeem("web", code).await.refused(400, "invalid_grant");
            if let Some(token) = &token {
                assert!(!fixture.is_live(token).await, "a replayed code ends all that came of its grant");
            }
        }
    }
}

#[tokio::test]
async fn none_answers_that_it_was_allowed_and_leaves_nothing_behind() {
    let fixture = provider();
    let answer = fixture.agent().walk(&asking("none"), "alice").await;
    let location = answer.location().unwrap();
    assert!(!location.contains('#'), "{location}");
    let query = url::Url::parse(location).unwrap();
    let names: Vec<_> = query.query_pairs().map(|(name, _)| name.into_owned()).collect();
    assert_eq!(names, ["state", "iss"]);
    assert!(fixture.grants("web").await.is_empty());
}

#[tokio::test]
async fn the_values_of_a_type_come_in_any_order_and_others_are_unsupported() {
    let fixture = provider();
    let answer = fixture.agent().walk(&asking("token code id_token"), "alice").await;
    assert!(answer.param("code").is_some() && answer.param("id_token").is_some());
    for bad in ["token", "code none", "code code", "code  id_token", "CODE", "x"] {
        let answer = fixture.agent().authorize(&asking(bad)).await;
        assert_eq!(error(&answer), "unsupported_response_type", "{bad}");
    }
}

#[tokio::test]
async fn an_id_token_through_the_browser_needs_a_nonce_and_the_scope_openid() {
    let fixture = provider();
    for response_type in ResponseType::ALL.iter().filter(|own| own.has_id_token()) {
        let request = asking(response_type.as_str());
        for bad in [request.without("nonce"), request.set("scope", "read")] {
            let answer = fixture.agent().authorize(&bad).await;
            assert_eq!(error(&answer), "invalid_request", "{response_type}");
            assert!(answer.location().unwrap().contains('#'), "{response_type}");
        }
    }
    let answer = fixture.agent().walk(&asking("code token").without("nonce"), "alice").await;
    assert!(answer.param("access_token").is_some());
}

#[tokio::test]
async fn who_allows_an_id_token_allows_openid() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let answer = agent.authorize(&asking("id_token")).await;
    let answer = agent.login(Agent::interaction(&answer), "alice").await;
    let id = Agent::interaction(&answer);
    let without = agent.approve(id, &scope("email")).await;
    assert!(without.status == 400 && without.is_page(), "{without:?}");
    assert!(agent.approve(id, &scope("openid")).await.param("id_token").is_some());
}

#[tokio::test]
async fn tokens_never_travel_in_the_query() {
    let fixture = provider();
    for response_type in ["id_token", "code id_token", "code token"] {
        let request = asking(response_type);
        let answer = fixture.agent().authorize(&request.add("response_mode", "query")).await;
        assert_eq!(error(&answer), "invalid_request");
        assert!(answer.location().unwrap().contains('#'), "{response_type}");
        let posted = fixture.agent().walk(&request.add("response_mode", "form_post"), "alice").await;
        assert!(posted.is_page() && posted.text().contains("method=\"post\""), "{posted:?}");
    }
}

#[tokio::test]
async fn a_refusal_says_so_where_the_answer_would_have_been() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let answer = agent.authorize(&asking("code id_token").add("prompt", "none")).await;
    assert_eq!(error(&answer), "login_required");
    assert!(answer.location().unwrap().contains("/cb#"), "{answer:?}");
    let answer = agent.authorize(&asking("id_token")).await;
    let asked = agent.login(Agent::interaction(&answer), "alice").await;
    let denied = agent.deny(Agent::interaction(&asked)).await;
    assert_eq!(error(&denied), "access_denied");
    assert!(denied.location().unwrap().contains("/cb#"), "{denied:?}");
    assert!(fixture.grants("web").await.is_empty());
}

#[tokio::test]
async fn a_type_that_is_not_switched_on_is_unsupported_and_one_not_registered_unauthorized() {
    let strict = Fixture::over(Arc::new(MemoryStore::new()), provider_clients(), |builder| {
        builder.scope(scope(SCOPE))
    });
    let answer = strict.agent().authorize(&asking("code id_token")).await;
    assert_eq!(error(&answer), "unsupported_response_type");
    let plain = over(all());
    assert_eq!(error(&plain.agent().authorize(&asking("code id_token")).await), "unauthorized_client");
    let supported = strict.get("/.well-known/openid-configuration").await.json();
    assert_eq!(supported["response_types_supported"], json!(["code", "none"]));
    assert!(!supported["grant_types_supported"].as_array().unwrap().contains(&json!("implicit")));
    let supported = provider().get("/.well-known/openid-configuration").await.json();
    assert_eq!(supported["response_types_supported"].as_array().unwrap().len(), 7);
    assert!(supported["grant_types_supported"].as_array().unwrap().contains(&json!("implicit")));
}

fn provider_clients() -> Vec<Client> {
    let mut clients = all();
    clients.iter_mut().for_each(|client| client.response_types = ResponseType::ALL.to_vec());
    clients
}

#[tokio::test]
async fn an_id_token_through_the_browser_may_be_switched_on_in_any_profile_and_an_access_token_not() {
    let types = [ResponseType::Code, ResponseType::CodeIdToken, ResponseType::IdToken];
    let mut clients = provider_clients();
    clients.iter_mut().for_each(|client| client.scope = scope(SCOPE));
    let strict = |builder: grantor::server::Builder| builder.scope(scope(SCOPE)).response_types(types);
    let fixture = Fixture::over(Arc::new(MemoryStore::new()), clients, strict);
    for response_type in ["id_token", "code id_token"] {
        let answer = fixture.agent().walk(&asking(response_type), "alice").await;
        assert!(answer.param("id_token").is_some(), "{answer:?}");
    }
    assert_eq!(error(&fixture.agent().authorize(&asking("code token")).await), "unsupported_response_type");
    let store = Arc::new(MemoryStore::new());
    let clients = Arc::new(grantor::StaticClients::new(provider_clients()));
    let builder = grantor::AuthorizationServer::builder(
        grantor::Issuer::new(ISSUER).unwrap(),
        store,
        clients,
        &[7; 32],
    );
    let refused = builder.response_types([ResponseType::Code, ResponseType::CodeToken]).build().unwrap_err();
    assert_eq!(refused.setting, "response_types");
}

#[tokio::test]
async fn an_access_token_through_the_browser_has_the_format_of_its_resource() {
    let fixture = provider();
    let request = asking("code token").add("resource", JWT_API);
    let answer = fixture.agent().walk(&request, "alice").await;
    let claims = claims(&answer.param("access_token").unwrap());
    assert_eq!((claims["aud"].as_str(), claims["sub"].as_str()), (Some(JWT_API), Some("alice")));
}

#[tokio::test]
async fn implicit_is_no_grant_type_of_the_token_endpoint() {
    let fixture = provider();
    let request = common::form([("grant_type", "implicit")]);
    fixture.token("web", &request).await.refused(400, "unsupported_grant_type");
}
