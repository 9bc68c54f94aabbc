//! The dynamic plan, whose clients register themselves and authenticate by `private_key_jwt`, and the plan for logins that
//! a third party initiates.

use bytes::Bytes;
use grantor::protocol::ResponseType;
use http::{Request, header};
use serde_json::{Value, json};

use crate::common::{ISSUER, form, refreshing};
use crate::suite::{CALLBACK, Outcome, Plan, Suite, key, response, value};

const CODE: Plan = Plan { response_type: ResponseType::Code, mode: None };
const JWKS: &str = "https://suite.example/jwks";

fn id(registered: &Value) -> &str {
    registered["client_id"].as_str().unwrap()
}

/// The usual flow of a client that registered itself.
async fn flow(suite: &Suite, plan: Plan, registered: &Value) -> Outcome {
    let request = plan.asking_at(id(registered), CALLBACK, "openid");
    suite.flow(&mut suite.agent(), plan, &request).await
}

#[tokio::test]
async fn discovery_endpoint_verification() {
    let suite = Suite::new().await;
    let document = suite.fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(document["registration_endpoint"], format!("{ISSUER}/register"));
    let list = |name: &str| document[name].as_array().unwrap().clone();
    for response_type in ["code", "id_token", "id_token token"] {
        assert!(list("response_types_supported").contains(&json!(response_type)), "{response_type}");
    }
    for grant_type in ["authorization_code", "implicit"] {
        assert!(list("grant_types_supported").contains(&json!(grant_type)), "{grant_type}");
    }
    assert!(list("token_endpoint_auth_methods_supported").contains(&json!("private_key_jwt")));
}

#[tokio::test]
async fn server() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let registered = suite.register(plan, key(), &json!({})).await;
        flow(&suite, plan, &registered).await;
    }
}

#[tokio::test]
async fn idtoken_rs256() {
    let suite = Suite::new().await;
    for plan in Plan::with(ResponseType::has_id_token) {
        let members = json!({ "id_token_signed_response_alg": "RS256" });
        let registered = suite.register(plan, key(), &members).await;
        assert_eq!(registered["id_token_signed_response_alg"], "RS256");
        let outcome = flow(&suite, plan, &registered).await;
        let header = jsonwebtoken::decode_header(&outcome.params["id_token"]).unwrap();
        assert_eq!(header.alg, jsonwebtoken::Algorithm::RS256);
    }
}

/// The suite skips this module where `none` is not offered.
#[tokio::test]
async fn idtoken_unsigned() {
    let suite = Suite::new().await;
    let metadata = json!({ "redirect_uris": [CALLBACK], "id_token_signed_response_alg": "none" });
    suite.registration(&metadata).await.refused(400, "invalid_client_metadata");
}

#[tokio::test]
async fn userinfo_rs256() {
    let suite = Suite::new().await;
    let members = json!({ "userinfo_signed_response_alg": "RS256" });
    let registered = suite.register(CODE, key(), &members).await;
    let request = CODE.asking_at(id(&registered), CALLBACK, "openid");
    let answer = suite.agent().walk(&request, "alice").await;
    let code = response(CODE, &request, &answer).remove("code").unwrap();
    let tokens = suite.redeem(&request, &code).await.json();
    let bearer = format!("Bearer {}", tokens["access_token"].as_str().unwrap());
    let request = Request::get("/userinfo").header(header::AUTHORIZATION, bearer);
    let answer = suite.fixture.send(request.body(Bytes::new()).unwrap()).await;
    assert_eq!((answer.status, answer.header("content-type")), (200, Some("application/jwt")));
    let header = jsonwebtoken::decode_header(answer.text()).unwrap();
    assert_eq!(header.alg, jsonwebtoken::Algorithm::RS256);
    let claims = suite.verified(answer.text(), id(&registered)).await;
    assert_eq!((&claims["sub"], &claims["nonce"]), (&json!("alice"), &Value::Null));
}

#[tokio::test]
async fn ensure_redirect_uri_in_authorization_request() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let members = json!({ "redirect_uris": [CALLBACK, "https://suite.example/other"] });
        let registered = suite.register(plan, key(), &members).await;
        let request = plan.asking_at(id(&registered), CALLBACK, "openid").without("redirect_uri");
        let answer = suite.agent().authorize(&request).await;
        assert!(answer.status == 400 && answer.is_page(), "{answer:?}");
    }
}

const WITH_QUERY: &str = "https://suite.example/cb?foo=bar";

#[tokio::test]
async fn redirect_uri_query_ok() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let registered = suite.register(plan, key(), &json!({ "redirect_uris": [WITH_QUERY] })).await;
        let request = plan.asking_at(id(&registered), WITH_QUERY, "openid");
        suite.flow(&mut suite.agent(), plan, &request).await;
    }
}

/// With this registered, the other one leads nowhere.
async fn is_another_redirect_uri(registered: &str, asked: &str) {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let client = suite.register(plan, key(), &json!({ "redirect_uris": [registered] })).await;
        let answer = suite.agent().authorize(&plan.asking_at(id(&client), asked, "openid")).await;
        assert!(answer.status == 400 && answer.is_page(), "{answer:?}");
    }
}

#[tokio::test]
async fn redirect_uri_query_mismatch() {
    is_another_redirect_uri(WITH_QUERY, "https://suite.example/cb?bar=foo").await;
}

#[tokio::test]
async fn redirect_uri_query_added() {
    is_another_redirect_uri(CALLBACK, WITH_QUERY).await;
}

#[tokio::test]
async fn redirect_uri_regfrag() {
    let suite = Suite::new().await;
    let metadata = json!({ "redirect_uris": ["https://suite.example/cb#foobar"] });
    suite.registration(&metadata).await.refused(400, "invalid_redirect_uri");
}

#[tokio::test]
async fn registration_jwks_uri() {
    let suite = Suite::new().await;
    let key = key();
    suite.web.publish_keys(JWKS, &[&key]);
    let registered = suite.register(CODE, key, &json!({ "jwks": null, "jwks_uri": JWKS })).await;
    flow(&suite, CODE, &registered).await;
}

#[tokio::test]
async fn refresh_token_rp_key_rotation() {
    let suite = Suite::new().await;
    let (old, new) = (key(), key());
    suite.web.publish_keys(JWKS, &[&old]);
    let registered = suite.register(CODE, old, &json!({ "jwks": null, "jwks_uri": JWKS })).await;
    let outcome = flow(&suite, CODE, &registered).await;
    suite.web.publish_keys(JWKS, &[&new]);
    suite.rekey(id(&registered), new);
    // The suite waits so long at least, and a minute at most.
    suite.fixture.clock.forward(60);
    let refresh = refreshing(outcome.tokens["refresh_token"].as_str().unwrap());
    assert_eq!(suite.token(id(&registered), &refresh).await.status, 200);
}

#[tokio::test]
async fn refresh_token() {
    let suite = Suite::new().await;
    let one = suite.register(CODE, key(), &json!({})).await;
    let other = suite.register(CODE, key(), &json!({})).await;
    let request = CODE.asking_at(id(&one), CALLBACK, "openid offline_access").add("prompt", "consent");
    let outcome = suite.flow(&mut suite.agent(), CODE, &request).await;
    let refresh = refreshing(outcome.tokens["refresh_token"].as_str().unwrap());
    suite.token(id(&other), &refresh).await.refused(400, "invalid_grant");
    let repeating = refresh.add("scope", value(&request, "scope").unwrap());
    for refresh in [repeating, refresh] {
        let tokens = suite.token(id(&one), &refresh).await.json();
        suite.userinfo(tokens["access_token"].as_str().unwrap()).await;
        let claims = suite.verified(tokens["id_token"].as_str().unwrap(), id(&one)).await;
        assert_eq!(&claims["sub"], outcome.claim("sub"));
    }
}

#[tokio::test]
async fn ensure_client_assertion_with_iss_aud_succeeds() {
    let suite = Suite::new().await;
    let registered = suite.register(CODE, key(), &json!({})).await;
    let request = CODE.asking_at(id(&registered), CALLBACK, "openid");
    for audience in [ISSUER, "https://as.example/token"] {
        let answer = suite.agent().walk(&request, "alice").await;
        let code = response(CODE, &request, &answer).remove("code").unwrap();
        let redemption =
            form([("grant_type", "authorization_code"), ("code", &code), ("redirect_uri", CALLBACK)]);
        let answer = suite.token_for(id(&registered), &redemption, audience).await;
        assert_eq!(answer.status, 200, "{answer:?}");
    }
}

#[tokio::test]
async fn server_rotate_keys() {
    let suite = Suite::new().await;
    let registered = suite.register(CODE, key(), &json!({})).await;
    flow(&suite, CODE, &registered).await;
    let before = suite.keys().await;
    suite.signer.rotate().await.unwrap();
    let after = suite.keys().await;
    let (before, after) = (before["keys"].as_array().unwrap(), after["keys"].as_array().unwrap());
    assert!(before.iter().all(|key| after.contains(key)), "what was signed can be verified still");
    for kty in ["RSA", "EC"] {
        let new: Vec<_> = after.iter().filter(|key| key["kty"] == kty && !before.contains(key)).collect();
        let [new] = new.as_slice() else { panic!("{kty}: {after:?}") };
        for member in ["kid", "n", "x"] {
            let seen = before.iter().any(|key| key[member] != Value::Null && key[member] == new[member]);
            assert!(!seen, "{member} of {new}");
        }
    }
    flow(&suite, CODE, &registered).await;
}

#[tokio::test]
async fn third_party_init_login() {
    let suite = Suite::new().await;
    let initiate = "https://suite.example/initiate";
    let registered = suite.register(CODE, key(), &json!({ "initiate_login_uri": initiate })).await;
    assert_eq!(registered["initiate_login_uri"], initiate);
    let bearer = format!("Bearer {}", registered["registration_access_token"].as_str().unwrap());
    let uri = registered["registration_client_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap();
    let request = Request::get(uri).header(header::AUTHORIZATION, bearer);
    let answer = suite.fixture.send(request.body(Bytes::new()).unwrap()).await;
    assert_eq!((answer.status, &answer.json()["initiate_login_uri"]), (200, &json!(initiate)));
}

#[tokio::test]
async fn third_party_init_login_nohttps() {
    let suite = Suite::new().await;
    let metadata =
        json!({ "redirect_uris": [CALLBACK], "initiate_login_uri": "http://suite.example/initiate" });
    suite.registration(&metadata).await.refused(400, "invalid_client_metadata");
}

/// What the suite does in the end with every client that it registered.
#[tokio::test]
async fn a_client_can_be_deleted_and_gets_nothing_more() {
    let suite = Suite::new().await;
    let registered = suite.register(CODE, key(), &json!({})).await;
    let outcome = flow(&suite, CODE, &registered).await;
    let bearer = format!("Bearer {}", registered["registration_access_token"].as_str().unwrap());
    let uri = registered["registration_client_uri"].as_str().unwrap().strip_prefix(ISSUER).unwrap();
    let request = Request::delete(uri).header(header::AUTHORIZATION, bearer);
    assert_eq!(suite.fixture.send(request.body(Bytes::new()).unwrap()).await.status, 204);
    assert!(!suite.fixture.is_live(outcome.tokens["access_token"].as_str().unwrap()).await);
    let refresh = refreshing(outcome.tokens["refresh_token"].as_str().unwrap());
    suite.token(id(&registered), &refresh).await.refused(401, "invalid_client");
}

const SECTOR: &str = "https://suite.example/sector";

#[tokio::test]
async fn registration_sector_uri() {
    let suite = Suite::new().await;
    suite.web.publish(SECTOR, "application/json", json!([CALLBACK]).to_string().as_bytes());
    let members = json!({ "subject_type": "pairwise", "sector_identifier_uri": SECTOR });
    let registered = suite.register(CODE, key(), &members).await;
    assert_eq!(registered["sector_identifier_uri"], SECTOR);
    let outcome = flow(&suite, CODE, &registered).await;
    assert_ne!(outcome.claim("sub"), "alice");
    let again = suite.register(CODE, key(), &members).await;
    assert_eq!(flow(&suite, CODE, &again).await.claim("sub"), outcome.claim("sub"), "one sector, one name");
}

#[tokio::test]
async fn registration_sector_bad() {
    let suite = Suite::new().await;
    let others = json!(["https://other.example/cb"]).to_string();
    suite.web.publish(SECTOR, "application/json", others.as_bytes());
    let metadata = json!({
        "redirect_uris": [CALLBACK], "subject_type": "pairwise", "sector_identifier_uri": SECTOR,
    });
    suite.registration(&metadata).await.refused(400, "invalid_client_metadata");
}
