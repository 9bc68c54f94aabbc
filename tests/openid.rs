//! OpenID Connect: ID tokens, UserInfo, and what a request may say about the login (OpenID Connect Core).

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::collections::BTreeSet;
use std::sync::Arc;

use bytes::Bytes;
use common::clients::{API, all};
use common::{Agent, Answer, Fixture, Form, ISSUER, NOW, authorization, form, refreshing, scope};
use grantor::authorize::{Continue, InteractReason};
use grantor::jose::Algorithm;
use grantor::protocol::{ErrorCode, Locales, ResponseMode};
use grantor::record::Client;
use grantor::record::client::{ConsentPolicy, OpenIdRegistration};
use grantor::record::grant::Authentication;
use grantor::record::settings::Languages;
use grantor::store::MemoryStore;
use http::{Method, Request, header};
use jsonwebtoken as judge;
use serde_json::{Value, json};

const SCOPE: &str = "openid profile email offline_access read write";

fn provider() -> Fixture {
    with_clients(|_| ())
}

fn with_clients(change: impl Fn(&mut Client)) -> Fixture {
    let mut clients = all();
    for client in &mut clients {
        client.scope = scope(SCOPE);
        change(client);
    }
    Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| builder.scope(scope(SCOPE)))
}

/// The code request of a client, with this scope.
fn asking(client: &str, scope: &str) -> Form {
    authorization(client).set("scope", scope)
}

/// The claims of an ID token, verified with the published keys by a library that is not ours.
async fn verified(fixture: &Fixture, token: &str, client: &str) -> Value {
    let keys: judge::jwk::JwkSet = serde_json::from_value(fixture.get("/jwks").await.json()).unwrap();
    let header = judge::decode_header(token).unwrap();
    let key = keys.find(header.kid.as_deref().unwrap()).unwrap();
    let mut rules = judge::Validation::new(judge::Algorithm::ES256);
    rules.set_audience(&[client]);
    rules.set_issuer(&[ISSUER]);
    rules.set_required_spec_claims(&["iss", "sub", "aud", "exp", "iat"]);
    rules.validate_exp = false;
    judge::decode::<Value>(token, &judge::DecodingKey::from_jwk(key).unwrap(), &rules).unwrap().claims
}

async fn id_token(fixture: &Fixture, tokens: &Value, client: &str) -> Value {
    verified(fixture, tokens["id_token"].as_str().unwrap(), client).await
}

async fn userinfo(fixture: &Fixture, token: &str) -> Answer {
    let request = Request::get("/userinfo").header(header::AUTHORIZATION, format!("Bearer {token}"));
    fixture.send(request.body(Bytes::new()).unwrap()).await
}

fn names(claims: &Value) -> BTreeSet<&str> {
    claims.as_object().unwrap().keys().map(String::as_str).collect()
}

fn error(answer: &Answer) -> String {
    answer.param("error").unwrap_or_else(|| panic!("{answer:?}"))
}

#[tokio::test]
async fn an_id_token_says_who_signed_in_when_for_whom_and_hashes_the_access_token() {
    let fixture = provider();
    let request = asking("web", "openid profile").add("nonce", "n-0S6_WzA2Mj");
    let tokens = fixture.agent().tokens("web", &request).await;
    let claims = id_token(&fixture, &tokens, "web").await;
    assert_eq!((claims["iss"].as_str(), claims["aud"].as_str()), (Some(ISSUER), Some("web")));
    assert_eq!((claims["sub"].as_str(), claims["nonce"].as_str()), (Some("alice"), Some("n-0S6_WzA2Mj")));
    assert_eq!((claims["iat"].as_u64(), claims["auth_time"].as_u64()), (Some(NOW), Some(NOW)));
    assert_eq!(claims["exp"].as_u64(), Some(NOW + 3600));
    let access = tokens["access_token"].as_str().unwrap();
    let digest = grantor::protocol::Digest::of(access.as_bytes()).0;
    let half = grantor::token::id_token::half_hash(Algorithm::Es256, access);
    assert_eq!(
        half,
        base64::Engine::encode(&base64::engine::general_purpose::URL_SAFE_NO_PAD, &digest[..16])
    );
    assert_eq!(claims["at_hash"].as_str(), Some(half.as_str()));
    // What the scope asks for is told at the UserInfo endpoint and nowhere else.
    let known = ["at_hash", "aud", "auth_time", "exp", "iat", "iss", "nonce", "sid", "sub"];
    assert_eq!(names(&claims), known.into());
}

#[tokio::test]
async fn without_openid_there_is_no_id_token_and_without_a_nonce_none_is_made_up() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let plain = agent.tokens("web", &asking("web", "read")).await;
    assert_eq!(plain["id_token"], Value::Null);
    let openid = agent.tokens("web", &asking("web", "openid")).await;
    assert_eq!(id_token(&fixture, &openid, "web").await["nonce"], Value::Null);
}

#[tokio::test]
async fn a_refresh_gives_a_new_id_token_for_the_same_login_unless_openid_is_left_out() {
    let fixture = provider();
    let request = asking("web", "openid read").add("nonce", "n");
    let first = fixture.agent().tokens("web", &request).await;
    let before = id_token(&fixture, &first, "web").await;
    fixture.clock.forward(100);
    let refresh = first["refresh_token"].as_str().unwrap();
    let answer = fixture.refresh("web", refresh).await;
    let after = id_token(&fixture, &answer.json(), "web").await;
    for name in ["iss", "sub", "aud", "auth_time", "sid"] {
        assert_eq!(before[name], after[name], "{name}");
    }
    assert_eq!((after["iat"].as_u64(), &after["nonce"]), (Some(NOW + 100), &Value::Null));
    assert_ne!(before["at_hash"], after["at_hash"]);
    let narrowed = fixture.token("web", &refreshing(refresh).add("scope", "read")).await.json();
    assert_eq!(narrowed["id_token"], Value::Null);
}

#[tokio::test]
async fn userinfo_tells_what_the_scope_asks_for_and_no_more() {
    let fixture = provider();
    for (asked, told) in [
        ("openid", vec!["sub"]),
        ("openid profile", vec!["name", "name#de", "sub"]),
        ("openid email", vec!["email", "email_verified", "sub"]),
    ] {
        let tokens = fixture.agent().tokens("web", &asking("web", asked)).await;
        let answer = userinfo(&fixture, tokens["access_token"].as_str().unwrap()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(names(&answer.json()), told.into_iter().collect(), "{asked}");
        assert_eq!(answer.json()["sub"], "alice");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
    }
}

#[tokio::test]
async fn claims_may_be_asked_for_one_by_one_in_either_place() {
    let fixture = provider();
    let claims = r#"{"id_token":{"email":null,"sid":null},"userinfo":{"name":{"essential":true},"employee_id":{"value":8}}}"#;
    let request = asking("web", "openid").add("claims", claims);
    let tokens = fixture.agent().tokens("web", &request).await;
    let id_token = id_token(&fixture, &tokens, "web").await;
    assert_eq!((id_token["email"].as_str(), &id_token["name"]), (Some("alice@example.com"), &Value::Null));
    let told = userinfo(&fixture, tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!(names(&told), ["name", "name#de", "sub"].into());
    for bad in ["{", "[]", r#"{"userinfo":1}"#, r#"{"id_token":{"a":null,"a":null}}"#] {
        let answer = fixture.agent().authorize(&asking("web", "openid").add("claims", bad)).await;
        assert_eq!(error(&answer), "invalid_request", "{bad}");
    }
}

#[tokio::test]
async fn claims_come_in_the_language_that_was_preferred_as_long_as_the_grant_lives() {
    let fixture = provider();
    let claims = r#"{"id_token":{"name":null}}"#;
    for (preferred, names) in [
        ("de", json!({"name": "Benutzer alice"})),
        ("fr DE-at en", json!({"name": "Benutzer alice"})),
        ("fr", json!({"name": "The user alice"})),
        ("* d\u{e9} -", json!({"name": "The user alice", "name#de": "Benutzer alice"})),
    ] {
        let request = asking("web", "openid profile offline_access").add("claims", claims);
        let request = request.add("claims_locales", preferred).add("prompt", "consent");
        let tokens = fixture.agent().tokens("web", &request).await;
        let later = fixture.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.json();
        for tokens in [tokens, later] {
            let told = userinfo(&fixture, tokens["access_token"].as_str().unwrap()).await.json();
            for claims in [told, id_token(&fixture, &tokens, "web").await] {
                let named = claims.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("name"));
                assert_eq!(
                    named.map(|(name, value)| (name.clone(), value.clone())).collect::<Value>(),
                    names
                );
            }
        }
    }
}

#[tokio::test]
async fn a_claim_asked_for_in_a_language_comes_in_it_whatever_is_preferred() {
    let fixture = provider();
    let request = asking("web", "openid profile").add("claims", r#"{"userinfo":{"name#de":null}}"#);
    let tokens = fixture.agent().tokens("web", &request.add("claims_locales", "fr")).await;
    let told = userinfo(&fixture, tokens["access_token"].as_str().unwrap()).await.json();
    assert_eq!(
        (told["name"].as_str(), told["name#de"].as_str()),
        (Some("The user alice"), Some("Benutzer alice"))
    );
}

#[tokio::test]
async fn languages_are_advertised_where_the_host_says_which_it_has() {
    let languages = async |fixture: &Fixture| {
        let document = fixture.get("/.well-known/openid-configuration").await.json();
        ["ui_locales_supported", "claims_locales_supported"].map(|name| document[name].clone())
    };
    assert_eq!(languages(&provider()).await, [Value::Null, Value::Null]);
    let own = Languages { ui: Locales::parse("en-GB de"), claims: Locales::parse("en") };
    let fixture = Fixture::with(|builder| builder.scope(scope(SCOPE)).languages(own));
    assert_eq!(languages(&fixture).await, [json!(["en-GB", "de"]), json!(["en"])]);
}

#[tokio::test]
async fn userinfo_takes_the_token_in_the_header_or_in_a_form_and_never_in_both() {
    let fixture = provider();
    let tokens = fixture.agent().tokens("web", &asking("web", "openid")).await;
    let token = tokens["access_token"].as_str().unwrap();
    let bearer = format!("Bearer {token}");
    let body = form([("access_token", token)]);
    let empty = Request::post("/userinfo").header(header::AUTHORIZATION, &bearer).body(Bytes::new()).unwrap();
    assert_eq!(fixture.send(empty).await.status, 200);
    assert_eq!(fixture.post("/userinfo", None, &body).await.status, 200);
    fixture.post("/userinfo", Some(&bearer), &body).await.refused(400, "invalid_request");
    fixture.post("/userinfo", None, &body.add("access_token", token)).await.refused(400, "invalid_request");
    let other = Request::put("/userinfo").body(Bytes::new()).unwrap();
    let other = fixture.send(other).await;
    assert_eq!((other.status, other.header("allow")), (405, Some("GET, POST, OPTIONS")));
    let preflight = Request::builder().method(Method::OPTIONS).uri("/userinfo").body(Bytes::new()).unwrap();
    assert_eq!(fixture.send(preflight).await.header("access-control-allow-methods"), Some("GET, POST"));
}

#[tokio::test]
async fn userinfo_refuses_what_is_no_token_for_it_with_a_challenge_that_says_why() {
    let fixture = provider();
    let none = fixture.get("/userinfo").await;
    assert_eq!((none.status, none.header("www-authenticate")), (401, Some("Bearer")));
    let plain = fixture.agent().tokens("web", &asking("web", "read")).await;
    let plain = userinfo(&fixture, plain["access_token"].as_str().unwrap()).await;
    assert_eq!(plain.status, 403);
    assert!(plain.header("www-authenticate").unwrap().contains("insufficient_scope"));
    let api = asking("web", "openid").add("resource", API);
    let api = fixture.agent().tokens("web", &api).await;
    for token in [api["access_token"].as_str().unwrap(), "garbage", api["id_token"].as_str().unwrap()] {
        let answer = userinfo(&fixture, token).await;
        assert_eq!(answer.status, 401, "{token}");
        assert!(answer.header("www-authenticate").unwrap().contains("invalid_token"), "{token}");
    }
}

#[tokio::test]
async fn userinfo_and_refresh_stop_at_once_when_the_user_goes_or_takes_the_consent_back() {
    for end in ["disable", "lock", "revoke access"] {
        let fixture = provider();
        let request = asking("web", "openid");
        let tokens = fixture.agent().tokens("web", &request).await;
        let token = tokens["access_token"].as_str().unwrap();
        assert_eq!(userinfo(&fixture, token).await.status, 200);
        match end {
            "disable" => fixture.server.disable_subject(&common::alice()).await.unwrap(),
            "lock" => fixture.accounts.lock("alice"),
            _ => fixture.server.revoke_access(&common::alice(), &"web".into()).await.unwrap(),
        }
        assert_eq!(userinfo(&fixture, token).await.status, 401, "{end}");
        let answer = fixture.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        answer.refused(400, "invalid_grant");
    }
}

#[tokio::test]
async fn userinfo_is_signed_for_a_client_that_registered_for_it() {
    let openid = OpenIdRegistration { userinfo_alg: Some(Algorithm::Es256), ..OpenIdRegistration::default() };
    let fixture = with_clients(|client| client.openid = openid.clone());
    let tokens = fixture.agent().tokens("web", &asking("web", "openid email")).await;
    let answer = userinfo(&fixture, tokens["access_token"].as_str().unwrap()).await;
    assert_eq!(answer.header("content-type"), Some("application/jwt"));
    let claims = common::claims(answer.text());
    assert_eq!(claims["email"], "alice@example.com");
    assert_eq!(
        (&claims["iss"], &claims["aud"], &claims["sub"]),
        (&json!(ISSUER), &json!("web"), &json!("alice"))
    );
}

#[tokio::test]
async fn nobody_gets_another_signature_than_the_one_they_registered_for() {
    let openid = OpenIdRegistration { userinfo_alg: Some(Algorithm::Rs256), ..OpenIdRegistration::default() };
    let fixture = with_clients(|client| client.openid = openid.clone());
    let told = fixture.agent().tokens("web", &asking("web", "openid")).await;
    assert_eq!(userinfo(&fixture, told["access_token"].as_str().unwrap()).await.status, 503);

    let openid =
        OpenIdRegistration { id_token_alg: Some(Algorithm::Rs256.into()), ..OpenIdRegistration::default() };
    let fixture = with_clients(|client| client.openid = openid.clone());
    let answer = fixture.agent().walk(&asking("web", "openid"), "alice").await;
    let answer = fixture.redeem("web", &answer.param("code").unwrap()).await;
    answer.refused(503, "temporarily_unavailable");
}

#[tokio::test]
async fn prompt_none_answers_silently_or_says_what_the_user_is_needed_for() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let request = asking("web", "openid");
    let silent = request.add("prompt", "none");
    let answer = agent.authorize(&silent).await;
    assert_eq!((error(&answer), answer.param("state")), ("login_required".into(), request_state(&request)));
    agent.sign_in("alice").await;
    assert_eq!(error(&agent.authorize(&silent).await), "consent_required");
    let first = agent.tokens("web", &request).await;
    fixture.clock.forward(50);
    let code = agent.authorize(&silent).await.param("code").unwrap();
    let second = fixture.redeem("web", &code).await.json();
    let (first, second) = (id_token(&fixture, &first, "web").await, id_token(&fixture, &second, "web").await);
    assert_eq!((&first["sub"], &first["auth_time"]), (&second["sub"], &second["auth_time"]));
}

fn request_state(request: &Form) -> Option<String> {
    request.0.iter().find(|(name, _)| name == "state").map(|(_, value)| value.clone())
}

#[tokio::test]
async fn a_login_is_asked_for_again_when_the_client_says_so_or_finds_it_too_old() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let request = asking("first", "openid");
    let first = id_token(&fixture, &agent.tokens("first", &request).await, "first").await;
    fixture.clock.forward(100);
    for (name, value, asked) in [
        ("prompt", "login", true),
        ("max_age", "0", true),
        ("max_age", "1", true),
        ("max_age", "15000", false),
    ] {
        fixture.clock.forward(10);
        let answer = agent.authorize(&request.add(name, value)).await;
        assert_eq!(Agent::is_at(&answer, "/login"), asked, "{name}={value}: {answer:?}");
        if asked {
            let silent = agent.authorize(&request.add("max_age", value).add("prompt", "none")).await;
            assert!(name == "prompt" || error(&silent) == "login_required", "{name}={value}");
            let answer = agent.login(Agent::interaction(&answer), "alice").await;
            let tokens = fixture.redeem("first", &answer.param("code").unwrap()).await.json();
            let again = id_token(&fixture, &tokens, "first").await;
            assert!(again["auth_time"].as_u64() > first["auth_time"].as_u64(), "{name}={value}");
        }
    }
    for bad in ["-1", "1.5", "x", "99999999999999999999"] {
        assert_eq!(error(&agent.authorize(&request.add("max_age", bad)).await), "invalid_request", "{bad}");
    }
}

#[tokio::test]
async fn a_client_may_register_how_old_a_login_may_be() {
    let openid = OpenIdRegistration {
        default_max_age: Some(std::time::Duration::from_secs(60)),
        ..OpenIdRegistration::default()
    };
    let fixture = with_clients(|client| client.openid = openid.clone());
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let request = asking("first", "openid");
    assert!(agent.authorize(&request).await.param("code").is_some());
    fixture.clock.forward(61);
    assert!(Agent::is_at(&agent.authorize(&request).await, "/login"));
    assert!(agent.authorize(&request.add("max_age", "100")).await.param("code").is_some());
}

#[tokio::test]
async fn prompt_consent_asks_whatever_was_allowed_before_even_for_the_operators_own_client() {
    let fixture = provider();
    for client in ["web", "first"] {
        let mut agent = fixture.agent();
        let request = asking(client, "openid");
        agent.tokens(client, &request).await;
        assert!(agent.authorize(&request).await.param("code").is_some(), "{client}");
        assert!(Agent::is_at(&agent.authorize(&request.add("prompt", "consent")).await, "/consent"));
        let both = agent.authorize(&request.add("prompt", "login consent")).await;
        let after = agent.login(Agent::interaction(&both), "alice").await;
        assert!(Agent::is_at(&after, "/consent"), "{client}");
    }
}

#[tokio::test]
async fn a_prompt_that_is_unknown_or_contradicts_itself_is_an_invalid_request() {
    let fixture = provider();
    for bad in ["none login", "none consent", "later", "NONE"] {
        let answer = fixture.agent().authorize(&asking("web", "openid").add("prompt", bad)).await;
        assert_eq!(error(&answer), "invalid_request", "{bad}");
    }
}

#[tokio::test]
async fn an_id_token_hint_names_the_only_user_who_may_answer() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let request = asking("first", "openid");
    let alices = agent.tokens("first", &request).await;
    let hint = alices["id_token"].as_str().unwrap();
    // An expired hint is as good as a new one.
    fixture.clock.forward(7200);
    let hinted = request.add("id_token_hint", hint);
    assert!(agent.authorize(&hinted.add("prompt", "none")).await.param("code").is_some());

    let mut other = fixture.agent();
    other.sign_in("bob").await;
    assert_eq!(error(&other.authorize(&hinted.add("prompt", "none")).await), "login_required");
    let answer = other.authorize(&hinted).await;
    assert!(Agent::is_at(&answer, "/login"));
    let still_bob = other.login(Agent::interaction(&answer), "bob").await;
    assert_eq!(error(&still_bob), "login_required");
    let answer = other.authorize(&hinted).await;
    assert!(other.login(Agent::interaction(&answer), "alice").await.param("code").is_some());
}

#[tokio::test]
async fn a_hint_that_is_not_ours_or_for_another_client_is_an_invalid_request() {
    let fixture = provider();
    let request = asking("first", "openid");
    let for_web = fixture.agent().tokens("web", &asking("web", "openid")).await;
    let ours = for_web["id_token"].as_str().unwrap();
    let (head, signature) = ours.rsplit_once('.').unwrap();
    let forged = format!("{head}.{}", signature.chars().rev().collect::<String>());
    let payload = head.split_once('.').unwrap().1;
    let unsigned = format!("eyJhbGciOiJub25lIn0.{payload}.");
    let stranger = {
        let other = provider();
        other.agent().tokens("first", &request).await["id_token"].as_str().unwrap().to_owned()
    };
    let access = for_web["access_token"].as_str().unwrap();
    for bad in [ours, &forged, &unsigned, &stranger, access, "x"] {
        let answer = fixture.agent().authorize(&request.add("id_token_hint", bad)).await;
        assert_eq!(error(&answer), "invalid_request", "{bad}");
    }
}

#[tokio::test]
async fn a_choice_of_accounts_lets_the_user_go_on_without_a_password_or_sign_in_as_another() {
    let fixture = provider();
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let request = asking("first", "openid").add("prompt", "select_account");
    let answer = agent.authorize(&request).await;
    let id = Agent::interaction(&answer);
    let view = agent.view(id).await.unwrap();
    assert_eq!((view.reason, view.subject), (InteractReason::SelectAccount, Some(common::alice())));
    let go_on = Continue { answer: agent.form(id).await, browser: agent.browser() };
    let step = fixture.server.go_on(&go_on).await;
    assert!(agent.shown(step).param("code").is_some());

    let answer = agent.authorize(&request).await;
    let as_bob = agent.login(Agent::interaction(&answer), "bob").await;
    let tokens = fixture.redeem("first", &as_bob.param("code").unwrap()).await.json();
    assert_eq!(id_token(&fixture, &tokens, "first").await["sub"], "bob");

    // Where the password is asked for, going on is not enough.
    let answer = agent.authorize(&asking("first", "openid").add("prompt", "login select_account")).await;
    let id = Agent::interaction(&answer);
    let go_on = Continue { answer: agent.form(id).await, browser: agent.browser() };
    let step = fixture.server.go_on(&go_on).await;
    assert!(Agent::is_at(&agent.shown(step), "/login"));
    assert_eq!(agent.view(id).await.unwrap().reason, InteractReason::Login);
}

#[tokio::test]
async fn the_pages_learn_what_the_client_would_like_them_to_know() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let request = asking("web", "openid").add("login_hint", "alice@example.com").add("ui_locales", "de en");
    let request = request.add("display", "popup").add("acr_values", "gold silver").add("prompt", "create");
    let answer = agent.authorize(&request).await;
    let view = agent.view(Agent::interaction(&answer)).await.unwrap();
    assert_eq!(view.reason, InteractReason::Create);
    assert_eq!(view.hints.login_hint.as_deref(), Some("alice@example.com"));
    assert_eq!(view.hints.ui_locales.as_deref(), Some("de en"));
    assert_eq!(
        (view.hints.display.as_deref(), view.hints.acr_values.as_deref()),
        (Some("popup"), Some("gold silver"))
    );
}

#[tokio::test]
async fn an_essential_context_class_is_reached_or_the_client_is_told() {
    let fixture = provider();
    let claims = r#"{"id_token":{"acr":{"essential":true,"values":["gold"]}}}"#;
    let request = asking("first", "openid").add("claims", claims);
    for (acr, code) in [
        (Some("gold"), None),
        (Some("silver"), Some("unmet_authentication_requirements")),
        (None, Some("unmet_authentication_requirements")),
    ] {
        let mut agent = fixture.agent();
        agent.sign_in("alice").await;
        assert_eq!(error(&agent.authorize(&request.add("prompt", "none")).await), "login_required");
        let answer = agent.authorize(&request).await;
        let mut login = agent.host_login("alice");
        login.authentication = Authentication { acr: acr.map(Into::into), ..login.authentication };
        let form = agent.form(Agent::interaction(&answer)).await;
        let login = grantor::authorize::Login { interaction: Some(form), login, browser: agent.browser() };
        let step = fixture.server.login(&login).await;
        assert_eq!(agent.shown(step).param("error").as_deref(), code, "{acr:?}");
    }
}

#[tokio::test]
async fn a_context_class_that_no_login_reaches_is_refused_before_anyone_signs_in() {
    let fixture = Fixture::with(|builder| builder.scope(scope(SCOPE)).acr_values(["silver", "gold"]));
    fixture.clients.change("web", |client| client.scope = scope(SCOPE));
    let document = fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(document["acr_values_supported"], json!(["silver", "gold"]));
    let asked = async |wish: &str, prompt: &str| {
        let claims = format!(r#"{{"id_token":{{"acr":{wish}}}}}"#);
        let request = asking("web", "openid").add("claims", &claims).add("prompt", prompt);
        let answer = fixture.agent().authorize(&request).await;
        answer.param("error").unwrap_or_else(|| answer.target().unwrap().to_owned())
    };
    let (login, unmet) = (format!("{ISSUER}/login"), "unmet_authentication_requirements");
    for (wish, said) in [
        (r#"{"essential":true,"values":["platinum","diamond"]}"#, unmet),
        (r#"{"essential":true,"value":"platinum"}"#, unmet),
        (r#"{"essential":true,"values":["platinum","gold"]}"#, &login),
        (r#"{"values":["platinum"]}"#, &login),
        (r#"{"essential":true}"#, &login),
    ] {
        assert_eq!(asked(wish, "").await, said, "{wish}");
        let silently = asked(wish, "none").await;
        assert_eq!(silently, if said == unmet { unmet } else { "login_required" }, "{wish}");
    }
}

#[tokio::test]
async fn who_signs_in_again_keeps_what_clients_hold_and_loses_the_old_cookie() {
    let fixture = provider();
    let mut agent = fixture.agent();
    let tokens = agent.tokens("web", &asking("web", "openid read")).await;
    let before = agent.clone();
    agent.authorize(&asking("two", "openid").add("prompt", "login")).await;
    agent.sign_in("alice").await;
    assert!(fixture.is_live(tokens["access_token"].as_str().unwrap()).await);
    assert_eq!(fixture.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.status, 200);
    assert!(fixture.server.signed_in(&agent.browser()).await.unwrap().is_some());
    assert!(fixture.server.signed_in(&before.browser()).await.unwrap().is_none());
    agent.sign_in("bob").await;
    fixture.refresh("web", tokens["refresh_token"].as_str().unwrap()).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_grant_ends_with_its_session_unless_offline_access_was_given() {
    let fixture = provider();
    for (asked, prompt, survives) in [
        ("openid", "consent", false),
        ("openid offline_access", "consent", true),
        ("openid offline_access", "", false),
        ("read", "", true),
    ] {
        let mut agent = fixture.agent();
        let request = asking("web", asked).add("prompt", prompt);
        let tokens = agent.tokens("web", &request).await;
        let session = agent.browser().session.unwrap().id;
        fixture.server.end_session(grantor::record::SessionId(session)).await.unwrap();
        let answer = fixture.refresh("web", tokens["refresh_token"].as_str().unwrap()).await;
        assert_eq!(answer.status == 200, survives, "{asked} {prompt}: {answer:?}");
        assert_eq!(
            fixture.is_live(tokens["access_token"].as_str().unwrap()).await,
            survives,
            "{asked} {prompt}"
        );
    }
}

#[tokio::test]
async fn offline_access_is_dropped_and_never_an_error_where_its_conditions_fail() {
    let fixture = with_clients(|client| {
        if client.id.as_str() == "post" {
            client.grant_types.retain(|grant| grant.as_str() != "refresh_token");
        }
    });
    let granted = async |client: &str, prompt: &str| {
        let request = asking(client, "openid offline_access").add("prompt", prompt);
        fixture.agent().tokens(client, &request).await["scope"].as_str().unwrap().to_owned()
    };
    assert_eq!(granted("web", "consent").await, "offline_access openid");
    assert_eq!(granted("web", "").await, "openid");
    assert_eq!(granted("post", "consent").await, "openid");
    let operators = with_clients(|client| client.consent = ConsentPolicy::FirstParty);
    let request = asking("web", "openid offline_access");
    let answer = operators.agent().tokens("web", &request).await;
    assert_eq!(answer["scope"], "offline_access openid");
}

#[tokio::test]
async fn discovery_is_one_document_at_two_places_and_says_what_is_true() {
    let fixture = provider();
    let discovered = fixture.get("/.well-known/openid-configuration").await.json();
    assert_eq!(discovered, fixture.get("/.well-known/oauth-authorization-server").await.json());
    assert_eq!(discovered["issuer"], ISSUER);
    assert_eq!(discovered["userinfo_endpoint"], format!("{ISSUER}/userinfo"));
    assert_eq!(discovered["subject_types_supported"], json!(["public"]));
    assert_eq!(discovered["id_token_signing_alg_values_supported"], json!(["ES256"]));
    let claims = discovered["claims_supported"].as_array().unwrap();
    assert!(
        claims.contains(&json!("email")) && !claims.contains(&json!("phone_number")),
        "phone is no scope value here"
    );
    for prompt in discovered["prompt_values_supported"].as_array().unwrap() {
        let request = asking("web", "openid").add("prompt", prompt.as_str().unwrap());
        let answer = fixture.agent().authorize(&request).await;
        assert_ne!(answer.param("error").as_deref(), Some("invalid_request"), "{prompt}");
    }
    let path = "https://as.example/tenant/one";
    let at_path = Fixture::at(path, Arc::new(MemoryStore::new()), all(), |b| b.scope(scope(SCOPE)));
    let document = at_path.get("/tenant/one/.well-known/openid-configuration").await.json();
    assert_eq!(document["issuer"], path);
    let plain = Fixture::new();
    assert!(
        plain.http.routes().iter().all(|(_, path)| !path.contains("openid") && !path.contains("userinfo"))
    );
    assert_eq!(
        plain.get("/.well-known/oauth-authorization-server").await.json()["userinfo_endpoint"],
        Value::Null
    );
}

#[tokio::test]
async fn a_provider_without_a_signer_is_a_configuration_mistake() {
    let clients = Arc::new(grantor::host::StaticClients::new(all()));
    let issuer = grantor::protocol::Issuer::new(ISSUER).unwrap();
    let server = grantor::server::AuthorizationServer::builder(
        issuer,
        Arc::new(MemoryStore::new()),
        clients,
        &[7; 32],
    );
    let error = server.scope(scope("openid")).build().unwrap_err();
    assert_eq!(error.setting, "scope");
}

#[tokio::test]
async fn refusals_travel_in_the_response_mode_that_was_asked_for() {
    let fixture = provider();
    for mode in [ResponseMode::Query, ResponseMode::Fragment] {
        let request = asking("web", "openid").add("prompt", "none").add("response_mode", mode.as_str());
        let answer = fixture.agent().authorize(&request).await;
        assert_eq!(answer.location().unwrap().contains('#'), mode == ResponseMode::Fragment);
        assert_eq!(error(&answer), ErrorCode::LoginRequired.as_str());
        assert_eq!(answer.param("iss").as_deref(), Some(ISSUER));
    }
}

#[tokio::test]
async fn who_signs_in_less_well_before_allowing_has_not_met_what_is_essential() {
    let fixture = provider();
    let claims = r#"{"id_token":{"acr":{"essential":true,"values":["gold"]}}}"#;
    let request = asking("web", "openid").add("claims", claims);
    let mut agent = fixture.agent();
    let signing_in = async |agent: &mut Agent<'_>, answer: Option<&Answer>, acr: &str| {
        let mut login = agent.host_login("alice");
        login.authentication.acr = Some(acr.into());
        let interaction = match answer {
            Some(answer) => Some(agent.form(Agent::interaction(answer)).await),
            None => None,
        };
        let login = grantor::authorize::Login { interaction, login, browser: agent.browser() };
        let step = fixture.server.login(&login).await;
        agent.shown(step)
    };
    let answer = agent.authorize(&request).await;
    let consent = signing_in(&mut agent, Some(&answer), "gold").await;
    assert!(Agent::is_at(&consent, "/consent"), "{consent:?}");
    signing_in(&mut agent, None, "silver").await;
    let refused = agent.approve(Agent::interaction(&consent), &scope("openid")).await;
    assert_eq!(error(&refused), "unmet_authentication_requirements");
}
