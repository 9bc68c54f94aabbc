//! What clients are told of their users: ID tokens, UserInfo, claims.

use super::*;

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
