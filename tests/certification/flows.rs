//! The basic, implicit and hybrid plans and their form post twins: each module for each response type it is about.

use bytes::Bytes;
use grantor::protocol::ResponseType;
use http::{Request, header};
use serde_json::{Value, json};

use crate::common::{Agent, Form, OTHER_VERIFIER, challenge, form, refreshing};
use crate::suite::{Plan, Suite, claims_of, refusal, userinfo_claims, value};

/// A flow that differs from the usual one by this parameter, which changes nothing.
async fn succeeds_with(name: &str, value: &str) {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let request = plan.asking("web", "openid").add(name, value);
        suite.flow(&mut suite.agent(), plan, &request).await;
    }
}

#[tokio::test]
async fn server() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let outcome = suite.flow(&mut suite.agent(), plan, &plan.asking("web", "openid")).await;
        assert_eq!(outcome.claim("name"), &Value::Null, "nobody asked for a name");
    }
}

#[tokio::test]
async fn response_type_missing() {
    let suite = Suite::new().await;
    let plan = Plan { response_type: ResponseType::Code, mode: None };
    let request = plan.asking("web", "openid").without("response_type");
    let answer = suite.agent().authorize(&request).await;
    assert_eq!(refusal(plan, &request, &answer), "invalid_request");
}

#[tokio::test]
async fn idtoken_signature() {
    let suite = Suite::new().await;
    for plan in Plan::with(ResponseType::has_id_token) {
        let outcome = suite.flow(&mut suite.agent(), plan, &plan.asking("web", "openid")).await;
        let header = jsonwebtoken::decode_header(&outcome.params["id_token"]).unwrap();
        assert_eq!(header.alg, jsonwebtoken::Algorithm::RS256, "the client registered nothing");
    }
}

/// The suite skips this module where `none` is not offered.
#[tokio::test]
async fn idtoken_unsigned() {
    let suite = Suite::new().await;
    let document = suite.fixture.get("/.well-known/openid-configuration").await.json();
    let offered = document["id_token_signing_alg_values_supported"].as_array().unwrap();
    assert!(!offered.contains(&json!("none")), "{offered:?}");
}

/// An access token of the client `web`.
async fn access_token(suite: &Suite, plan: Plan) -> String {
    let outcome = suite.flow(&mut suite.agent(), plan, &plan.asking("web", "openid")).await;
    let token = outcome.tokens["access_token"].as_str().map(str::to_owned);
    token.unwrap_or_else(|| outcome.params["access_token"].clone())
}

fn brings_a_token(response_type: ResponseType) -> bool {
    response_type.has_code() || response_type.has_token()
}

#[tokio::test]
async fn userinfo_get() {
    let suite = Suite::new().await;
    for plan in Plan::with(brings_a_token) {
        suite.userinfo(&access_token(&suite, plan).await).await;
    }
}

#[tokio::test]
async fn userinfo_post_header() {
    let suite = Suite::new().await;
    for plan in Plan::with(brings_a_token) {
        let bearer = format!("Bearer {}", access_token(&suite, plan).await);
        let request = Request::post("/userinfo").header(header::AUTHORIZATION, bearer);
        userinfo_claims(&suite.fixture.send(request.body(Bytes::new()).unwrap()).await);
    }
}

#[tokio::test]
async fn userinfo_post_body() {
    let suite = Suite::new().await;
    for plan in Plan::with(brings_a_token) {
        let request = form([("access_token", &access_token(&suite, plan).await)]);
        userinfo_claims(&suite.fixture.post("/userinfo", None, &request).await);
    }
}

#[tokio::test]
async fn ensure_request_without_nonce_succeeds_for_code_flow() {
    let suite = Suite::new().await;
    for plan in Plan::with(|own| !own.has_id_token()) {
        let request = plan.asking("web", "openid").without("nonce");
        let outcome = suite.flow(&mut suite.agent(), plan, &request).await;
        assert_eq!(outcome.claim("nonce"), &Value::Null);
    }
}

#[tokio::test]
async fn ensure_request_without_nonce_fails() {
    let suite = Suite::new().await;
    for plan in Plan::with(ResponseType::has_id_token) {
        let request = plan.asking("web", "openid").without("nonce");
        let answer = suite.agent().authorize(&request).await;
        assert_eq!(refusal(plan, &request, &answer), "invalid_request");
    }
}

/// The client learns every claim that these scope values stand for, and none of the others.
async fn tells_the_claims_of(values: &[&str]) {
    tells_the_claims_of_with(values, None).await;
}

/// The same where this is asked besides.
async fn tells_the_claims_of_with(values: &[&str], besides: Option<(&str, &str)>) {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let request = plan.asking("web", &format!("openid {}", values.join(" ")));
        let request = besides.map_or(request.clone(), |(name, value)| request.add(name, value));
        let outcome = suite.flow(&mut suite.agent(), plan, &request).await;
        for value in ["profile", "email", "address", "phone"] {
            for claim in claims_of(value) {
                let told = outcome.user()[claim] != Value::Null;
                assert_eq!(told, values.contains(&value), "{plan:?} {claim}");
            }
        }
    }
}

#[tokio::test]
async fn scope_profile() {
    tells_the_claims_of(&["profile"]).await;
}

#[tokio::test]
async fn scope_email() {
    tells_the_claims_of(&["email"]).await;
}

#[tokio::test]
async fn scope_address() {
    tells_the_claims_of(&["address"]).await;
}

#[tokio::test]
async fn scope_phone() {
    tells_the_claims_of(&["phone"]).await;
}

#[tokio::test]
async fn scope_all() {
    tells_the_claims_of(&["profile", "email", "address", "phone"]).await;
}

#[tokio::test]
async fn alternate_happy_flow() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let Form(mut pairs) = plan.asking("web", "phone address email profile openid");
        pairs.reverse();
        suite.flow(&mut suite.agent(), plan, &Form(pairs)).await;
    }
}

#[tokio::test]
async fn display_page() {
    succeeds_with("display", "page").await;
}

#[tokio::test]
async fn display_popup() {
    succeeds_with("display", "popup").await;
}

#[tokio::test]
async fn ui_locales() {
    succeeds_with("ui_locales", "se").await;
}

#[tokio::test]
async fn claims_locales() {
    tells_the_claims_of_with(&["profile"], Some(("claims_locales", "se"))).await;
}

#[tokio::test]
async fn login_hint() {
    succeeds_with("login_hint", "alice").await;
}

#[tokio::test]
async fn ensure_request_with_unknown_parameter_succeeds() {
    succeeds_with("extra", "foobar").await;
}

#[tokio::test]
async fn ensure_request_with_acr_values_succeeds() {
    succeeds_with("acr_values", "1 2").await;
}

#[tokio::test]
async fn ensure_request_with_valid_pkce_succeeds() {
    let suite = Suite::new().await;
    for plan in Plan::with(ResponseType::has_code) {
        let request = plan
            .asking("web", "openid")
            .add("code_challenge", &challenge(OTHER_VERIFIER))
            .add("code_challenge_method", "S256");
        let answer = suite.agent().walk(&request, "alice").await;
        let code = code_of(plan, &request, &answer);
        suite.redeem(&request, &code).await.refused(400, "invalid_grant");
        let redemption = crate::common::redemption("web", &code).set("code_verifier", OTHER_VERIFIER);
        let tokens = suite.fixture.token("web", &redemption).await.json();
        suite.check_tokens("web", &tokens, &request).await;
    }
}

/// The code of an answer, before it is redeemed.
fn code_of(plan: Plan, request: &Form, answer: &crate::common::Answer) -> String {
    crate::suite::response(plan, request, answer).remove("code").unwrap()
}

#[tokio::test]
async fn prompt_login() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let mut agent = suite.agent();
        let first = suite.flow(&mut agent, plan, &plan.asking("web", "openid")).await;
        suite.fixture.clock.forward(2);
        let request = plan.asking("web", "openid").add("prompt", "login");
        let answer = agent.authorize(&request).await;
        assert!(Agent::is_at(&answer, "/login"), "{answer:?}");
        let answer = agent.finish(answer, "alice").await;
        let second = suite.outcome(plan, &request, &answer).await;
        assert!(second.claim("auth_time").as_u64() > first.claim("auth_time").as_u64());
    }
}

#[tokio::test]
async fn prompt_none_not_logged_in() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let request = plan.asking("web", "openid").add("prompt", "none");
        let answer = suite.agent().authorize(&request).await;
        assert_eq!(refusal(plan, &request, &answer), "login_required");
    }
}

#[tokio::test]
async fn prompt_none_logged_in() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let mut agent = suite.agent();
        let first = suite.flow(&mut agent, plan, &plan.asking("web", "openid")).await;
        suite.fixture.clock.forward(2);
        let request = plan.asking("web", "openid").add("prompt", "none");
        let answer = agent.authorize(&request).await;
        is_of_the_same_login(&first, &suite.outcome(plan, &request, &answer).await);
    }
}

fn is_of_the_same_login(first: &crate::suite::Outcome, second: &crate::suite::Outcome) {
    for claim in ["sub", "auth_time"] {
        assert_eq!(first.claim(claim), second.claim(claim), "{claim}");
    }
}

#[tokio::test]
async fn id_token_hint() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let mut agent = suite.agent();
        let first = suite.flow(&mut agent, plan, &plan.asking("web", "openid")).await;
        let hint = first.tokens["id_token"].as_str().or(first.params.get("id_token").map(String::as_str));
        let request = plan.asking("web", "openid").add("prompt", "none").add("id_token_hint", hint.unwrap());
        let answer = agent.authorize(&request).await;
        is_of_the_same_login(&first, &suite.outcome(plan, &request, &answer).await);
    }
}

#[tokio::test]
async fn max_age_1() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let mut agent = suite.agent();
        let first = suite.flow(&mut agent, plan, &plan.asking("web", "openid")).await;
        suite.fixture.clock.forward(2);
        let request = plan.asking("web", "openid").add("max_age", "1");
        let answer = agent.authorize(&request).await;
        assert!(Agent::is_at(&answer, "/login"), "{answer:?}");
        let answer = agent.finish(answer, "alice").await;
        let second = suite.outcome(plan, &request, &answer).await;
        assert!(second.claim("auth_time").as_u64() > first.claim("auth_time").as_u64());
    }
}

#[tokio::test]
async fn max_age_10000() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let mut agent = suite.agent();
        let request = plan.asking("web", "openid").add("max_age", "15000");
        let first = suite.flow(&mut agent, plan, &request).await;
        suite.fixture.clock.forward(2);
        let request = plan.asking("web", "openid").add("max_age", "10000");
        let answer = agent.authorize(&request).await;
        is_of_the_same_login(&first, &suite.outcome(plan, &request, &answer).await);
    }
}

/// Redeems a code twice, so many seconds apart; the second time is refused, and ends what came of the first.
async fn is_redeemed_once(seconds: u64) {
    let suite = Suite::new().await;
    for plan in Plan::with(ResponseType::has_code) {
        let outcome = suite.flow(&mut suite.agent(), plan, &plan.asking("web", "openid")).await;
        suite.fixture.clock.forward(seconds);
        suite
            .redeem(&plan.asking("web", "openid"), &outcome.params["code"])
            .await
            .refused(400, "invalid_grant");
        assert!(!suite.fixture.is_live(outcome.tokens["access_token"].as_str().unwrap()).await);
    }
}

#[tokio::test]
async fn codereuse() {
    is_redeemed_once(0).await;
}

#[tokio::test]
async fn codereuse_30seconds() {
    is_redeemed_once(30).await;
}

#[tokio::test]
async fn ensure_registered_redirect_uri() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let request = plan.asking("web", "openid").set("redirect_uri", "https://web.example/other");
        let answer = suite.agent().authorize(&request).await;
        assert!(answer.status == 400 && answer.is_page(), "{answer:?}");
    }
}

#[tokio::test]
async fn ensure_post_request_succeeds() {
    let suite = Suite::new().await;
    for plan in Plan::all() {
        let request = plan.asking("web", "openid");
        let mut agent = suite.agent();
        let answer = agent.authorize_by_post(&request).await;
        let answer = agent.finish(answer, "alice").await;
        suite.outcome(plan, &request, &answer).await;
    }
}

#[tokio::test]
async fn server_client_secret_post() {
    let suite = Suite::new().await;
    for plan in Plan::with(ResponseType::has_code) {
        suite.flow(&mut suite.agent(), plan, &plan.asking("post", "openid")).await;
    }
}

#[tokio::test]
async fn claims_essential() {
    let suite = Suite::new().await;
    for plan in Plan::with(brings_a_token) {
        let request =
            plan.asking("web", "openid").add("claims", r#"{"userinfo":{"name":{"essential":true}}}"#);
        let outcome = suite.flow(&mut suite.agent(), plan, &request).await;
        assert_eq!(outcome.userinfo.as_ref().unwrap()["name"], "Alice Liddell");
        assert_eq!(outcome.claim("name"), &Value::Null, "it was asked for at the UserInfo endpoint");
    }
}

#[tokio::test]
async fn refresh_token() {
    let suite = Suite::new().await;
    for plan in Plan::with(ResponseType::has_code) {
        let request = plan.asking("web", "openid offline_access").add("prompt", "consent");
        let outcome = suite.flow(&mut suite.agent(), plan, &request).await;
        let first = outcome.tokens["refresh_token"].as_str().unwrap();
        suite.fixture.refresh("post", first).await.refused(400, "invalid_grant");
        suite.fixture.clock.forward(1);
        let repeating = refreshing(first).add("scope", value(&request, "scope").unwrap());
        for refresh in [repeating, refreshing(first)] {
            let answer = suite.fixture.token("web", &refresh).await;
            assert!(answer.header("cache-control").unwrap().contains("no-store"), "{answer:?}");
            let tokens = answer.json();
            // An ID token on refresh bears no nonce that was not in the request (OpenID Connect Core §12.2).
            let claims = suite.verified(tokens["id_token"].as_str().unwrap(), "web").await;
            for claim in ["iss", "sub", "aud", "auth_time", "azp"] {
                assert_eq!(&claims[claim], outcome.claim(claim), "{claim}");
            }
            assert!(claims["iat"].as_u64() > outcome.claim("iat").as_u64());
            suite.userinfo(tokens["access_token"].as_str().unwrap()).await;
        }
    }
}
