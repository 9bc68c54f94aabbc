//! Which tokens a resource server takes: those of RFC 9068 for itself, and nothing that looks like them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::jose::{Algorithm, Header, SigningKey, attach, sign_compact, signing_input};
use grantor::protocol::{Reason, Scope, Timestamp};
use http::{HeaderMap, HeaderValue};
use jsonwebtoken as judge;
use serde_json::{Value, json};

use crate::support::{API, Answer, ISSUER, START, World, bearer, claims, key, token};

fn with(key: &SigningKey, name: &str, value: Value) -> String {
    let mut changed = claims();
    changed[name] = value;
    sign_compact(key, "at+jwt", changed.to_string().as_bytes()).unwrap()
}

fn without(key: &SigningKey, name: &str) -> String {
    let mut changed = claims();
    changed.as_object_mut().unwrap().remove(name);
    sign_compact(key, "at+jwt", changed.to_string().as_bytes()).unwrap()
}

/// A token under a header of our choice, signed whatever it says.
fn under(key: &SigningKey, header: &str) -> String {
    let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
    let input = format!("{}.{payload}", URL_SAFE_NO_PAD.encode(header));
    let signature = key.sign(input.as_bytes()).unwrap();
    attach(input, &signature)
}

#[tokio::test]
async fn a_good_token_is_read_by_type() {
    for alg in [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256] {
        let signing = key(alg);
        let world = World::new(Answer::keys(&[&signing])).await;
        let read = world.check(&token(&signing)).await.unwrap();
        assert_eq!((read.subject.as_str(), read.client_id.as_str()), ("alice", "app"));
        assert_eq!(read.scope, Scope::parse("write read").unwrap());
        assert_eq!(
            (read.audience.as_slice(), read.expires_at),
            ([API.to_owned()].as_slice(), Timestamp(START + 86_400))
        );
        assert_eq!((read.token_id.as_deref(), &read.claims["tenant"]), (Some("1"), &json!(7)));
        assert!(!format!("{read:?}").contains(": 7"));
    }
}

#[tokio::test]
async fn only_access_tokens_are_access_tokens() {
    let signing = key(Algorithm::Es256);
    let world = World::new(Answer::keys(&[&signing])).await;
    let payload = claims().to_string();
    let typed = |typ: &str| sign_compact(&signing, typ, payload.as_bytes()).unwrap();
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        assert_eq!(world.status(&typed(typ)).await, 200, "{typ}");
    }
    let others = "JWT jwt logout+jwt dpop+jwt oauth-authz-req+jwt token-introspection+jwt secevent+jwt \
        client-authentication+jwt entity-statement+jwt vc+sd-jwt kb+jwt statuslist+jwt at+jwtx xat+jwt text/at+jwt at";
    for typ in others.split_whitespace().chain(["", "at+jwt ", "at +jwt"]) {
        assert_eq!(world.status(&typed(typ)).await, 401, "{typ:?}");
    }
    let input = signing_input(&Header::new(Algorithm::Es256).with_kid(signing.kid()), payload.as_bytes());
    let signature = signing.sign(input.as_bytes()).unwrap();
    assert_eq!(world.status(&attach(input, &signature)).await, 401, "no typ");
}

#[tokio::test]
async fn the_signature_must_be_of_an_accepted_algorithm_by_the_key_it_names() {
    let (signing, rsa) = (key(Algorithm::Es256), key(Algorithm::Rs256));
    let world = World::new(Answer::keys(&[&signing, &rsa])).await;
    let kid = signing.kid();
    let payload = URL_SAFE_NO_PAD.encode(claims().to_string());
    let header = |text: &str| URL_SAFE_NO_PAD.encode(text);
    let good = token(&signing);
    let stripped = good.rsplit_once('.').unwrap().0;
    let public = serde_json::to_string(&signing.public()).unwrap();
    let mut refused = vec![
        format!("{}.{payload}.", header(r#"{"alg":"none","typ":"at+jwt"}"#)),
        format!("{}.{payload}.AAAA", header(r#"{"alg":"none","typ":"at+jwt"}"#)),
        format!("{}.{payload}.", header(&format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#))),
        format!("{stripped}."),
        format!("{stripped}.{}", URL_SAFE_NO_PAD.encode([0; 64])),
        format!("{good}.AAAA"),
        format!("{good}.."),
        stripped.to_owned(),
        under(&signing, &format!(r#"{{"alg":"RS256","typ":"at+jwt","kid":"{kid}"}}"#)),
        under(&signing, &format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{}"}}"#, rsa.kid())),
        under(&signing, r#"{"alg":"ES256","typ":"at+jwt","kid":"unknown"}"#),
        under(&signing, &format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","crit":["exp"]}}"#)),
        under(&signing, &format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","b64":true}}"#)),
        under(&signing, &format!(r#"{{"alg":"ES256","alg":"ES256","typ":"at+jwt","kid":"{kid}"}}"#)),
        token(&key(Algorithm::Es256).with_kid(kid)),
    ];
    let stranger = key(Algorithm::Es256);
    let own = serde_json::to_string(&stranger.public()).unwrap();
    refused.push(under(&stranger, &format!(r#"{{"alg":"ES256","typ":"at+jwt","kid":"{kid}","jwk":{own}}}"#)));
    refused.push(under(&stranger, r#"{"alg":"ES256","typ":"at+jwt","jku":"https://evil.example/"}"#));
    for (secret, alg) in [(public.as_bytes(), judge::Algorithm::HS256), (b"", judge::Algorithm::HS512)] {
        let header =
            judge::Header { typ: Some("at+jwt".into()), kid: Some(kid.into()), ..judge::Header::new(alg) };
        refused.push(judge::encode(&header, &claims(), &judge::EncodingKey::from_secret(secret)).unwrap());
    }
    for token in refused {
        assert_eq!(world.status(&token).await, 401, "{token}");
    }
    assert_eq!(world.status(&good).await, 200);
    assert_eq!(
        world.status(&under(&signing, r#"{"alg":"ES256","typ":"at+jwt"}"#)).await,
        200,
        "the only key that fits"
    );
}

#[tokio::test]
async fn a_verifier_takes_only_the_algorithms_it_lists() {
    use grantor::resource_server::{Guard, JwtVerifier};
    let (ec, rsa) = (key(Algorithm::Es256), key(Algorithm::Rs256));
    let world = World::new(Answer::keys(&[&ec, &rsa])).await;
    let verifier = JwtVerifier::new(ISSUER, &crate::support::api(), world.keys.clone(), world.clock.clone());
    let guard = Guard::new(std::sync::Arc::new(verifier.algorithms([Algorithm::Es256])));
    assert!(crate::support::check(&guard, &token(&ec)).await.is_ok());
    assert!(crate::support::check(&guard, &token(&rsa)).await.is_err());
}

#[tokio::test]
async fn a_claim_that_is_missing_wrong_or_of_another_type_refuses_the_token() {
    let signing = key(Algorithm::Es256);
    let world = World::new(Answer::keys(&[&signing])).await;
    for name in ["iss", "aud", "sub", "client_id", "exp", "iat", "jti"] {
        assert_eq!(world.status(&without(&signing, name)).await, 401, "without {name}");
        for value in [Value::Null, json!(true), json!({}), json!([]), json!([1]), json!("")] {
            if value == json!("") && matches!(name, "sub" | "client_id" | "jti") {
                continue;
            }
            assert_eq!(world.status(&with(&signing, name, value.clone())).await, 401, "{name} {value}");
        }
    }
    let cases = [
        ("exp", json!("1700090000")),
        ("exp", json!("never")),
        ("exp", json!(-1)),
        ("exp", json!(1e300)),
        ("exp", json!(START - 60)),
        ("exp", json!(0)),
        ("nbf", json!("0")),
        ("nbf", Value::Null),
        ("nbf", json!(false)),
        ("nbf", json!(START + 11)),
        ("iat", json!(START + 11)),
        ("iss", json!("https://as.example/")),
        ("iss", json!("HTTPS://as.example")),
        ("iss", json!([ISSUER])),
        ("iss", json!("https://as.example.evil")),
        ("aud", json!("https://api.example")),
        ("aud", json!("https://api.example/x")),
        ("aud", json!("https://api.example/ https://other.example/")),
        ("aud", json!(["https://other.example/"])),
        ("aud", json!([API, 7])),
        ("scope", json!(["read"])),
        ("scope", json!("re\"ad")),
        ("sub", json!(7)),
        ("client_id", json!(7)),
        ("cnf", json!({ "jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I" })),
        ("cnf", Value::Null),
    ];
    for (name, value) in cases {
        assert_eq!(world.status(&with(&signing, name, value.clone())).await, 401, "{name} {value}");
    }
    let good = [
        ("aud", json!([API])),
        ("aud", json!(["https://other.example/", API])),
        ("exp", json!(START as f64 + 0.5)),
        ("exp", json!(START - 59)),
        ("nbf", json!(START + 10)),
        ("scope", json!("")),
    ];
    for (name, value) in good {
        assert_eq!(world.status(&with(&signing, name, value.clone())).await, 200, "{name} {value}");
    }
    let twice = r#"{"sub":"alice","sub":"bob"}"#;
    assert_eq!(world.status(&sign_compact(&signing, "at+jwt", twice.as_bytes()).unwrap()).await, 401);
}

#[tokio::test]
async fn every_refusal_of_a_token_looks_the_same() {
    let signing = key(Algorithm::Es256);
    let world = World::new(Answer::keys(&[&signing])).await;
    let refused = [
        with(&signing, "exp", json!(1)),
        with(&signing, "aud", json!("x")),
        with(&signing, "iss", json!("x")),
        token(&key(Algorithm::Es256).with_kid(signing.kid())),
        "opaque".to_owned(),
        "a.b.c".to_owned(),
    ];
    for token in refused {
        let challenge = world.check(&token).await.unwrap_err();
        assert_eq!(
            challenge.www_authenticate().unwrap(),
            r#"Bearer error="invalid_token", error_description="the access token is invalid""#
        );
    }
}

#[tokio::test]
async fn the_guard_answers_as_rfc_6750_says() {
    let signing = key(Algorithm::Es256);
    let world = World::new(Answer::keys(&[&signing])).await;
    let guard = world.guard.clone().realm("orders").resource_metadata("https://api.example/.well-known/x");
    let named = r#"realm="orders", resource_metadata="https://api.example/.well-known/x""#;
    let refuse = |headers: HeaderMap| {
        let guard = guard.clone();
        async move { guard.check(&headers).await.unwrap_err() }
    };
    let missing = refuse(HeaderMap::new()).await;
    assert_eq!((missing.status(), missing.www_authenticate()), (401, Some(format!("Bearer {named}"))));
    let other_scheme =
        HeaderMap::from_iter([("authorization".parse().unwrap(), HeaderValue::from_static("Basic YTpi"))]);
    assert_eq!(refuse(other_scheme).await.reason(), Reason::BearerMissing);
    assert_eq!(refuse(bearer("a b")).await.status(), 400);
    let mut two = bearer(&token(&signing));
    two.append("authorization", HeaderValue::from_static("Bearer other"));
    let two = refuse(two).await;
    assert_eq!((two.status(), two.reason()), (400, Reason::BearerTwice));
    let response: http::Response<Vec<u8>> = refuse(bearer("opaque")).await.response();
    assert_eq!(response.status(), 401);
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert!(response.headers()["www-authenticate"].to_str().unwrap().ends_with(named));

    let strict = world.guard.clone().requiring(&Scope::parse("read admin").unwrap());
    let challenge = strict.check(&bearer(&token(&signing))).await.unwrap_err();
    assert_eq!(challenge.status(), 403);
    assert!(challenge.www_authenticate().unwrap().ends_with(r#"scope="admin read""#));
    assert!(
        world
            .guard
            .clone()
            .requiring(&Scope::parse("read").unwrap())
            .check(&bearer(&token(&signing)))
            .await
            .is_ok()
    );

    let admin = world.guard.clone().requiring(&Scope::parse("admin").unwrap());
    let route = admin.requiring(&Scope::parse("read").unwrap());
    let challenge = route.check(&bearer(&token(&signing))).await.unwrap_err();
    assert_eq!(challenge.status(), 403, "a route asks for more, never for less");
    assert!(challenge.www_authenticate().unwrap().ends_with(r#"scope="admin read""#));

    let down = World::new(Answer::status(500)).await;
    let response: http::Response<Vec<u8>> = down.check(&token(&signing)).await.unwrap_err().response();
    assert_eq!(response.status(), 503);
    assert!(
        response.headers().contains_key("retry-after")
            && !response.headers().contains_key("www-authenticate")
    );
}

#[tokio::test]
async fn a_token_in_the_query_or_the_body_is_not_looked_at() {
    let signing = key(Algorithm::Es256);
    let world = World::new(Answer::keys(&[&signing])).await;
    let request = http::Request::post(format!("https://api.example/?access_token={}", token(&signing)))
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("access_token={}", token(&signing)))
        .unwrap();
    assert_eq!(world.guard.check(request.headers()).await.unwrap_err().reason(), Reason::BearerMissing);
    assert_eq!(world.server.requests(), 0);
}
