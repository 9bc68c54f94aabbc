//! What an assertion must be: whose, how protected, for whom, from when to when.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use grantor::Reason;
use grantor::host::{Limits, MemoryLimiter};
use grantor::jose::{KeyType, MacAlgorithm};
use grantor::profile::{AssertionAudience, Profile};
use grantor::record::assertion::AssertionAlgorithm;
use proptest::prelude::*;

use super::*;
use crate::common::clients::{basic, secret};

#[tokio::test]
async fn an_assertion_authenticates_at_every_endpoint_once() {
    let fixture = fixture();
    for client in ["signer", "hmac"] {
        for path in ENDPOINTS {
            for named in [false, true] {
                let request = asserting(&asking(), &good(client));
                let request = if named { request.add("client_id", client) } else { request };
                assert_eq!(fixture.post(path, None, &request).await.status, 200, "{client} at {path}");
                fixture.post(path, None, &request).await.refused(401, "invalid_client");
                assert_eq!(reason(&fixture), Reason::AssertionReplayed);
            }
        }
    }
}

#[tokio::test]
async fn assertions_made_by_another_library_are_taken_with_every_algorithm() {
    use jsonwebtoken::{Algorithm as Theirs, EncodingKey, Header, encode};
    let fixture = fixture();
    let rsa = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8_der().unwrap();
    for (alg, theirs) in [
        (Algorithm::Es256, Theirs::ES256),
        (Algorithm::Es384, Theirs::ES384),
        (Algorithm::EdDsa, Theirs::EdDSA),
        (Algorithm::Rs256, Theirs::RS256),
        (Algorithm::Rs384, Theirs::RS384),
        (Algorithm::Rs512, Theirs::RS512),
        (Algorithm::Ps256, Theirs::PS256),
        (Algorithm::Ps384, Theirs::PS384),
        (Algorithm::Ps512, Theirs::PS512),
    ] {
        let (own, foreign) = match alg.key_type() {
            KeyType::Rsa => (SigningKey::from_pkcs8_der(alg, &rsa), EncodingKey::from_rsa_der(&rsa[26..])),
            _ => {
                let key = SigningKey::generate(alg).unwrap();
                let der = key.to_pkcs8_der().unwrap();
                let foreign = match alg.key_type() {
                    KeyType::Ec => EncodingKey::from_ec_der(&der),
                    _ => EncodingKey::from_ed_der(&der),
                };
                (Ok(key), foreign)
            }
        };
        let own = own.unwrap();
        fixture.clients.change("signer", |client| client.keys = given(&[&own]));
        let header = Header { kid: Some(own.kid().to_owned()), ..Header::new(theirs) };
        let assertion = encode(&header, &claims("signer"), &foreign).unwrap();
        assert_eq!(present(&fixture, &assertion).await.status, 200, "{alg}");
    }
    for alg in [Theirs::HS256, Theirs::HS384, Theirs::HS512] {
        let assertion = hmac(alg, SECRET.as_bytes(), &claims("hmac"));
        assert_eq!(present(&fixture, &assertion).await.status, 200, "{alg:?}");
    }
}

#[tokio::test]
async fn whatever_claim_is_wrong_or_missing_refuses_the_assertion_and_spends_nothing() {
    let fixture = fixture();
    let base = claims("signer");
    let rows = [
        (without(base.clone(), "iss"), Reason::AssertionMalformed),
        (without(base.clone(), "sub"), Reason::AssertionMalformed),
        (without(base.clone(), "aud"), Reason::AssertionMalformed),
        (without(base.clone(), "exp"), Reason::AssertionMalformed),
        (without(base.clone(), "jti"), Reason::AssertionMalformed),
        (set(base.clone(), "iss", json!("other")), Reason::AssertionMalformed),
        (set(base.clone(), "sub", json!("other")), Reason::AssertionMalformed),
        (set(base.clone(), "sub", json!("\u{7}")), Reason::AssertionMalformed),
        (set(base.clone(), "jti", json!("")), Reason::AssertionMalformed),
        (set(base.clone(), "jti", json!(7)), Reason::AssertionMalformed),
        (set(base.clone(), "aud", json!([])), Reason::AssertionMalformed),
        (set(base.clone(), "aud", json!({"a": ISSUER})), Reason::AssertionMalformed),
        (set(base.clone(), "exp", json!("never")), Reason::AssertionMalformed),
        (set(base.clone(), "exp", Value::Null), Reason::AssertionMalformed),
        (set(base.clone(), "iat", json!("now")), Reason::AssertionMalformed),
        (set(base.clone(), "nbf", json!(true)), Reason::AssertionMalformed),
        (set(base.clone(), "exp", json!(NOW - 60)), Reason::AssertionTimes),
        (set(base.clone(), "nbf", json!(NOW + 11)), Reason::AssertionTimes),
        (set(base.clone(), "iat", json!(NOW + 11)), Reason::AssertionTimes),
        (set(base.clone(), "exp", json!(NOW + 301)), Reason::AssertionLife),
        (set(base.clone(), "aud", json!("https://evil.example")), Reason::AssertionAudience),
    ];
    for (claims, expected) in rows {
        for path in ENDPOINTS {
            let request = asserting(&asking(), &sign(&KEY, &claims));
            fixture.post(path, None, &request).await.refused(401, "invalid_client");
            assert_eq!(reason(&fixture), expected, "{claims}");
        }
    }
    let both = set(set(base.clone(), "iss", json!("other")), "sub", json!("other"));
    present(&fixture, &sign(&KEY, &both)).await.refused(401, "invalid_client");
    assert_eq!(reason(&fixture), Reason::AssertionUnproven, "signed by a key that is not of that client");
    assert_eq!(present(&fixture, &sign(&KEY, &base)).await.status, 200, "its jti is still fresh");
}

#[tokio::test]
async fn the_issuer_is_the_only_audience_unless_the_profile_says_otherwise() {
    let token = format!("{ISSUER}/token");
    let rows = [
        (json!(ISSUER), [true, true]),
        (json!([ISSUER]), [true, true]),
        (json!(token), [false, true]),
        (json!([token]), [false, true]),
        (json!(format!("{ISSUER}/introspect")), [false, true]),
        (json!(format!("{ISSUER}/revoke")), [false, true]),
        (json!([ISSUER, "https://evil.example"]), [false, true]),
        (json!([ISSUER, ISSUER]), [false, true]),
        (json!(["https://evil.example", token]), [false, true]),
        (json!(format!("{ISSUER}/")), [false, false]),
        (json!(format!("{ISSUER}/authorize")), [false, false]),
        (json!(format!("{ISSUER}/par")), [false, false]),
        (json!(format!("{token}/")), [false, false]),
        (json!("https://AS.example"), [false, false]),
        (json!("as.example"), [false, false]),
        (json!("https://evil.example"), [false, false]),
        (json!("signer"), [false, false]),
    ];
    for (at, profile) in [Profile::Strict, Profile::OidcCompat].into_iter().enumerate() {
        let fixture = with(|builder| builder.profile(profile).scope(crate::common::scope("read write")));
        for (audience, expected) in &rows {
            for path in ENDPOINTS {
                let assertion = sign(&KEY, &set(claims("signer"), "aud", audience.clone()));
                let answer = fixture.post(path, None, &asserting(&asking(), &assertion)).await;
                assert_eq!(answer.status == 200, expected[at], "{profile:?} {audience} at {path}");
                if !expected[at] {
                    answer.refused(401, "invalid_client");
                    assert_eq!(reason(&fixture), Reason::AssertionAudience);
                }
            }
        }
    }
}

#[test]
fn an_audience_that_must_be_a_string_is_no_array() {
    use grantor::jose::Audience;
    let mut settings = fixture().server.settings().clone();
    settings.dials.assertion_audience = AssertionAudience::IssuerString;
    assert!(settings.is_audience(&Audience::One(ISSUER)));
    assert!(!settings.is_audience(&Audience::Many(vec![ISSUER])));
    assert!(!settings.is_audience(&Audience::One("https://as.example/token")));
}

#[tokio::test]
async fn endpoints_elsewhere_are_audiences_where_they_are() {
    let paths = grantor::endpoint::metadata::Paths { token: "/oauth2/token".into(), ..Default::default() };
    let fixture =
        with(|builder| builder.profile(Profile::OidcCompat).scope(crate::common::scope("read")).paths(paths));
    let ask = async |audience: &str| {
        let assertion = sign(&KEY, &set(claims("signer"), "aud", json!(audience)));
        fixture.post("/introspect", None, &asserting(&asking(), &assertion)).await.status
    };
    assert_eq!(ask("https://as.example/oauth2/token").await, 200);
    assert_eq!(ask("https://as.example/token").await, 401);
}

#[tokio::test]
async fn an_assertion_says_that_it_is_one_or_says_nothing() {
    let fixture = fixture();
    let header = || Header::new(Algorithm::Es256);
    assert_eq!(present(&fixture, &sign_with(&KEY, &header(), &claims("signer"))).await.status, 200);
    for typ in [TYP, "JWT", "jwt", "application/client-authentication+jwt", "Client-Authentication+JWT"] {
        let assertion = sign_with(&KEY, &header().with_typ(typ), &claims("signer"));
        assert_eq!(present(&fixture, &assertion).await.status, 200, "{typ}");
    }
    for typ in [
        "at+jwt",
        "dpop+jwt",
        "oauth-authz-req+jwt",
        "logout+jwt",
        "secevent+jwt",
        "token-introspection+jwt",
        "entity-statement+jwt",
        "authorization-grant+jwt",
        "jose",
        "",
        "client-authentication",
        "text/client-authentication+jwt",
    ] {
        let assertion = sign_with(&KEY, &header().with_typ(typ), &claims("signer"));
        present(&fixture, &assertion).await.refused(401, "invalid_client");
        assert_eq!(reason(&fixture), Reason::AssertionUnproven, "{typ}");
    }
}

#[tokio::test]
async fn clocks_may_differ_by_ten_seconds_ahead_and_sixty_behind() {
    let fixture = fixture();
    for (name, at, accepted) in [
        ("nbf", NOW + 8, true),
        ("nbf", NOW + 10, true),
        ("nbf", NOW + 11, false),
        ("nbf", NOW + 61, false),
        ("iat", NOW + 10, true),
        ("iat", NOW + 11, false),
        ("exp", NOW, true),
        ("exp", NOW - 59, true),
        ("exp", NOW - 60, false),
        ("exp", NOW + 300, true),
        ("exp", NOW + 301, false),
        ("iat", NOW - 240, true),
        ("iat", NOW - 241, false),
    ] {
        let answer = present(&fixture, &sign(&KEY, &set(claims("signer"), name, json!(at)))).await;
        assert_eq!(answer.status == 200, accepted, "{name} {}", i128::from(at) - i128::from(NOW));
    }
    for (ahead, accepted) in [(310, true), (311, false)] {
        let claims = set(without(claims("signer"), "iat"), "exp", json!(NOW + ahead));
        assert_eq!(
            present(&fixture, &sign(&KEY, &claims)).await.status == 200,
            accepted,
            "{ahead} without iat"
        );
    }
}

#[tokio::test]
async fn how_long_an_assertion_may_live_is_a_knob_with_an_end() {
    let fixture =
        with(|builder| builder.assertions(|policy| policy.longest_life = Duration::from_secs(3600)));
    let assertion = sign(&KEY, &set(claims("signer"), "exp", json!(NOW + 3600)));
    assert_eq!(present(&fixture, &assertion).await.status, 200);
    for seconds in [0, 3601] {
        let mut settings = fixture.server.settings().clone();
        settings.assertions.longest_life = Duration::from_secs(seconds);
        assert_eq!(settings.lint().unwrap_err().setting, "assertions.longest_life");
    }
    let mut settings = fixture.server.settings().clone();
    settings.assertions.macs.clear();
    assert_eq!(settings.lint().unwrap_err().setting, "assertions");
}

/// A token with any header, and a signature that is only bytes.
fn raw(header: &Value, claims: &Value, signature: &[u8]) -> String {
    let part = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    format!(
        "{}.{}.{}",
        part(header.to_string().as_bytes()),
        part(claims.to_string().as_bytes()),
        part(signature)
    )
}

#[tokio::test]
async fn how_an_assertion_is_protected_follows_from_the_registration_and_never_from_its_own_word() {
    use jsonwebtoken::Algorithm::{HS256, HS384, HS512};
    let fixture = fixture();
    let public = serde_json::to_vec(&KEY.public()).unwrap();
    let mine = || claims("signer");
    let mut forged = vec![
        raw(&json!({"alg": "none"}), &mine(), b""),
        raw(&json!({"alg": "None"}), &mine(), b""),
        raw(&json!({"alg": "ES256"}), &mine(), b""),
        raw(&json!({"alg": "ES256"}), &mine(), &[0; 64]),
        raw(&json!({}), &mine(), &[0; 64]),
        raw(&json!({"alg": "HS256"}), &mine(), b""),
        raw(&json!({"alg": "ES256", "jwk": OTHER_KEY.public()}), &mine(), &[1; 64]),
        raw(&json!({"alg": "ES256", "jku": "https://evil.example/jwks"}), &mine(), &[1; 64]),
        hmac(HS256, &public, &mine()),
        hmac(HS256, SECRET.as_bytes(), &mine()),
        sign(&OTHER_KEY, &mine()),
        sign_with(&OTHER_KEY, &Header::new(Algorithm::Es256).with_kid(KEY.kid()), &mine()),
        sign_with(&OTHER_KEY, &Header::new(Algorithm::Es256), &mine()),
        // Of a client that shares a secret.
        sign(&KEY, &claims("hmac")),
        hmac(HS256, &[b'x'; 64], &claims("hmac")),
        raw(&json!({"alg": "none"}), &claims("hmac"), b""),
        raw(&json!({"alg": "HS256"}), &claims("hmac"), b""),
    ];
    for alg in [HS256, HS384, HS512] {
        forged.push(hmac(alg, KEY.kid().as_bytes(), &mine()));
        forged.push(hmac(alg, b"", &mine()));
        forged.push(hmac(alg, b"", &claims("hmac")));
    }
    // Of clients that prove themselves otherwise, or not at all, and of nobody.
    for client in ["machine", "post", "spa", "nobody"] {
        forged.push(sign(&KEY, &claims(client)));
        forged.push(hmac(HS256, secret(client).as_bytes(), &claims(client)));
        forged.push(raw(&json!({"alg": "none"}), &claims(client), b""));
    }
    for assertion in forged {
        for path in ENDPOINTS {
            let answer = fixture.post(path, None, &asserting(&asking(), &assertion)).await;
            answer.refused(401, "invalid_client");
        }
    }
}

#[tokio::test]
async fn a_client_that_registered_for_assertions_proves_itself_in_no_other_way() {
    let fixture = fixture();
    for client in ["signer", "hmac"] {
        for path in ENDPOINTS {
            let ask = asking().add("client_id", client);
            fixture.post(path, None, &ask).await.refused(401, "invalid_client");
            fixture.post(path, None, &ask.add("client_secret", SECRET)).await.refused(401, "invalid_client");
            let header = basic(client, SECRET);
            fixture.post(path, Some(&header), &asking()).await.refused(401, "invalid_client");
        }
    }
}

#[tokio::test]
async fn a_registered_algorithm_is_the_only_one() {
    use jsonwebtoken::Algorithm::{HS256, HS512};
    let fixture = fixture();
    let rsa = SigningKey::generate(Algorithm::Ps256).unwrap();
    let der = rsa.to_pkcs8_der().unwrap();
    let keys = [Algorithm::Rs256, Algorithm::Ps256].map(|alg| SigningKey::from_pkcs8_der(alg, &der).unwrap());
    let mut public = serde_json::to_value(rsa.public()).unwrap();
    public.as_object_mut().unwrap().remove("alg");
    let set = JwkSet::parse(json!({ "keys": [public] }).to_string().as_bytes()).unwrap();
    fixture.clients.change("signer", |client| {
        client.keys = ClientKeys {
            source: KeySource::Given(Arc::new(PublishedKeys::new(set))),
            assertion_alg: Some(AssertionAlgorithm::Signature(Algorithm::Ps256)),
        }
    });
    fixture.clients.change("hmac", |client| {
        client.keys.assertion_alg = Some(AssertionAlgorithm::Mac(MacAlgorithm::Hs512));
    });
    let [rs256, ps256] = keys.map(|key| sign(&key, &claims("signer")));
    present(&fixture, &rs256).await.refused(401, "invalid_client");
    assert_eq!(present(&fixture, &ps256).await.status, 200);
    let hs = |alg| hmac(alg, SECRET.as_bytes(), &claims("hmac"));
    present(&fixture, &hs(HS256)).await.refused(401, "invalid_client");
    assert_eq!(present(&fixture, &hs(HS512)).await.status, 200);
}

#[tokio::test]
async fn an_algorithm_that_the_server_has_switched_off_is_not_taken_even_if_registered() {
    let fixture = with(|builder| {
        builder.assertions(|policy| {
            policy.signatures = vec![Algorithm::Ps256];
            policy.macs = vec![MacAlgorithm::Hs384];
        })
    });
    for registered in [false, true] {
        let signature = registered.then_some(AssertionAlgorithm::Signature(Algorithm::Es256));
        let mac = registered.then_some(AssertionAlgorithm::Mac(MacAlgorithm::Hs256));
        fixture.clients.change("signer", |client| client.keys.assertion_alg = signature);
        fixture.clients.change("hmac", |client| client.keys.assertion_alg = mac);
        for client in ["signer", "hmac"] {
            present(&fixture, &good(client)).await.refused(401, "invalid_client");
        }
    }
}

#[tokio::test]
async fn two_methods_are_an_invalid_request_and_another_clients_name_an_invalid_client() {
    let fixture = fixture();
    for path in ENDPOINTS {
        let request = asserting(&asking(), &good("signer"));
        let header = basic("machine", &secret("machine"));
        fixture.post(path, Some(&header), &request).await.refused(400, "invalid_request");
        fixture.post(path, None, &request.add("client_secret", "x")).await.refused(400, "invalid_request");
        fixture.post(path, None, &request.add("client_id", "other")).await.refused(401, "invalid_client");
        assert_eq!(reason(&fixture), Reason::AssertionOtherClient);
        let twice = request.add("client_assertion", &good("signer"));
        fixture.post(path, None, &twice).await.refused(400, "invalid_request");
    }
}

#[tokio::test]
async fn only_one_type_of_assertion_authenticates_and_an_assertion_grant_authenticates_nobody() {
    let fixture = fixture();
    for kind in [
        "urn:ietf:params:oauth:client-assertion-type:saml2-bearer",
        "urn:ietf:params:oauth:client-assertion-type:JWT-bearer",
        "urn:ietf:params:oauth:grant-type:jwt-bearer",
        "urn:ietf:params:oauth:client-assertion-type:jwt-client-attestation",
        "jwt-bearer",
        "",
    ] {
        let request = asserting(&asking(), &good("signer")).set("client_assertion_type", kind);
        fixture.post("/token", None, &request).await.refused(401, "invalid_client");
        assert_eq!(reason(&fixture), Reason::AssertionTypeUnknown, "{kind}");
    }
    for name in ["client_assertion", "client_assertion_type"] {
        let request = asserting(&asking(), &good("signer")).add("client_id", "signer").without(name);
        fixture.post("/token", None, &request).await.refused(401, "invalid_client");
    }
    let grant = asking()
        .set("grant_type", "urn:ietf:params:oauth:grant-type:jwt-bearer")
        .add("client_id", "signer")
        .add("assertion", &good("signer"));
    fixture.post("/token", None, &grant).await.refused(400, "unsupported_grant_type");
    let grant = asking().add("client_id", "signer").add("assertion", &good("signer"));
    fixture.post("/token", None, &grant).await.refused(401, "invalid_client");
}

/// What tells one refusal from another.
fn seen(answer: &Answer) -> (u16, String, Option<String>) {
    (answer.status, answer.text().to_owned(), answer.header("www-authenticate").map(str::to_owned))
}

#[tokio::test]
async fn every_failure_looks_like_a_wrong_secret_and_is_counted_like_one() {
    let fixture = fixture();
    let used = good("signer");
    assert_eq!(present(&fixture, &used).await.status, 200);
    let header = basic("machine", "wrong");
    let wrong_secret = seen(&fixture.post("/token", Some(&header), &asking()).await);
    let failures = [
        used,
        sign(&KEY, &claims("nobody")),
        sign(&OTHER_KEY, &claims("signer")),
        sign_with(&OTHER_KEY, &Header::new(Algorithm::Es256).with_kid(KEY.kid()), &claims("signer")),
        sign(&KEY, &set(claims("signer"), "exp", json!(NOW - 100))),
        hmac(jsonwebtoken::Algorithm::HS256, &[1; 32], &claims("hmac")),
        "a.b.c".to_owned(),
        "x".repeat(16 * 1024),
    ];
    for assertion in &failures {
        assert_eq!(seen(&present(&fixture, assertion).await), wrong_secret);
    }

    let limits = Limits { client_failures: 3, ..Limits::default() };
    for (client, assertion) in
        [("signer", sign(&OTHER_KEY, &claims("signer"))), ("nobody", sign(&KEY, &claims("nobody")))]
    {
        let fixture = with(|builder| builder.limiter(Arc::new(MemoryLimiter::new(limits))));
        for _ in 0..3 {
            present(&fixture, &assertion).await.refused(401, "invalid_client");
        }
        present(&fixture, &assertion).await.refused(429, "slow_down");
        assert_eq!(
            present(&fixture, &good("signer")).await.status,
            200,
            "{client}: the right key still works"
        );
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused_before_anything_is_looked_up() {
    let fixture = fixture();
    let long = set(claims("signer"), "filler", json!("x".repeat(16 * 1024)));
    present(&fixture, &sign(&KEY, &long)).await.refused(400, "invalid_request");
    let name = "x".repeat(256);
    present(&fixture, &sign(&KEY, &claims(&name))).await.refused(401, "invalid_client");
    assert_eq!(reason(&fixture), Reason::AssertionMalformed);
}

#[tokio::test]
async fn an_assertion_of_nobody_costs_about_as_much_as_one_with_a_wrong_signature() {
    let limits = Limits { client_failures: u32::MAX, ..Limits::default() };
    let fixture = with(|builder| builder.limiter(Arc::new(MemoryLimiter::new(limits))));
    let wrong = sign_with(&OTHER_KEY, &Header::new(Algorithm::Es256).with_kid(KEY.kid()), &claims("signer"));
    let unknown_key = sign(&OTHER_KEY, &claims("signer"));
    let nobody = sign(&KEY, &claims("nobody"));
    let not_so_registered = sign(&KEY, &claims("machine"));
    let mut least = [Duration::MAX; 4];
    for _ in 0..60 {
        for (least, assertion) in least.iter_mut().zip([&wrong, &unknown_key, &nobody, &not_so_registered]) {
            let began = Instant::now();
            assert_eq!(present(&fixture, assertion).await.status, 401);
            *least = (*least).min(began.elapsed());
        }
    }
    let (quickest, slowest) = (least.iter().min().unwrap(), least.iter().max().unwrap());
    assert!(*slowest < *quickest * 2, "{least:?}");
}

#[tokio::test]
async fn the_audit_trail_names_the_client_and_the_reason() {
    let fixture = fixture();
    present(&fixture, &sign(&OTHER_KEY, &claims("signer"))).await.refused(401, "invalid_client");
    let told = fixture.events().pop().unwrap();
    assert_eq!((told.client, told.reason), (Some("signer".into()), Some(Reason::AssertionUnproven)));
}

#[test]
fn an_assertion_is_not_shown() {
    let assertion = good("signer");
    let pairs = [("client_assertion_type", JWT_BEARER), ("client_assertion", assertion.as_str())];
    let params = grantor::protocol::Params::from_pairs(pairs);
    let credentials = grantor::client::Credentials::read(None, &params).unwrap();
    assert_eq!(credentials.client_id, "signer");
    let shown = format!("{credentials:?}");
    assert!(assertion.split('.').all(|part| !shown.contains(part)), "{shown}");
}

#[tokio::test]
async fn exactly_the_advertised_algorithms_are_taken() {
    let narrow = with(|builder| {
        builder.assertions(|policy| {
            policy.signatures = vec![Algorithm::Es256, Algorithm::EdDsa];
            policy.macs = vec![MacAlgorithm::Hs256];
        })
    });
    for fixture in [fixture(), narrow] {
        let document = fixture.get("/.well-known/oauth-authorization-server").await.json();
        for (endpoint, path) in
            [("token", "/token"), ("revocation", "/revoke"), ("introspection", "/introspect")]
        {
            let list = |name: &str| -> Vec<String> {
                serde_json::from_value(document[format!("{endpoint}_endpoint_auth_{name}_supported")].clone())
                    .unwrap()
            };
            let (methods, algorithms) = (list("methods"), list("signing_alg_values"));
            assert!(
                methods.contains(&"private_key_jwt".into()) && methods.contains(&"client_secret_jwt".into())
            );
            assert!(!methods.iter().any(|method| method.contains("tls")), "nothing checks certificates");
            assert!(!algorithms.iter().any(|name| name == "none"));
            for alg in [Algorithm::Es256, Algorithm::Es384, Algorithm::EdDsa, Algorithm::Ed25519] {
                let key = SigningKey::generate(alg).unwrap();
                fixture.clients.change("signer", |client| client.keys = given(&[&key]));
                let request = asserting(&asking(), &sign(&key, &claims("signer")));
                let taken = fixture.post(path, None, &request).await.status == 200;
                assert_eq!(taken, algorithms.iter().any(|name| name == alg.as_str()), "{alg} at {path}");
            }
            for (alg, name) in [
                (jsonwebtoken::Algorithm::HS256, "HS256"),
                (jsonwebtoken::Algorithm::HS384, "HS384"),
                (jsonwebtoken::Algorithm::HS512, "HS512"),
            ] {
                let request = asserting(&asking(), &hmac(alg, SECRET.as_bytes(), &claims("hmac")));
                let taken = fixture.post(path, None, &request).await.status == 200;
                assert_eq!(taken, algorithms.iter().any(|own| own == name), "{name} at {path}");
            }
        }
    }
}

static SHARED: LazyLock<(tokio::runtime::Runtime, Fixture)> = LazyLock::new(|| {
    let limits = Limits { client_failures: u32::MAX, ..Limits::default() };
    let fixture = with(|builder| builder.limiter(Arc::new(MemoryLimiter::new(limits))));
    (tokio::runtime::Runtime::new().unwrap(), fixture)
});

fn ask(assertion: &str) -> Answer {
    let (runtime, fixture) = &*SHARED;
    runtime.block_on(present(fixture, assertion))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn no_text_authenticates_or_does_harm(text in "\\PC{0,200}", parts in prop::collection::vec("[A-Za-z0-9_-]{0,60}", 0..5)) {
        for assertion in [text, parts.join(".")] {
            prop_assert!(matches!(ask(&assertion).status, 400 | 401));
        }
    }

    #[test]
    fn no_claims_authenticate_without_a_signature(text in "\\PC{0,80}", header in "\\PC{0,80}", names in prop::collection::vec("iss|sub|aud|exp|jti|nbf|iat", 0..8)) {
        let members: Vec<String> = names.iter().map(|name| format!("{name:?}:{text:?}")).collect();
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        for (header, payload) in [
            (header.as_str(), text.clone()),
            (r#"{"alg":"ES256"}"#, format!("{{{}}}", members.join(","))),
            (r#"{"alg":"HS256"}"#, claims("hmac").to_string()),
            (r#"{"alg":"ES256"}"#, claims("signer").to_string()),
        ] {
            let assertion = format!("{}.{}.{}", part(header), part(&payload), part(&text));
            prop_assert_eq!(ask(&assertion).error(), (401, "invalid_client".to_owned()));
        }
    }

    #[test]
    fn no_changed_byte_of_an_assertion_authenticates(at: prop::sample::Index, byte in "[A-Za-z0-9_.-]", hmac: bool) {
        let assertion = good(if hmac { "hmac" } else { "signer" });
        let at = at.index(assertion.len());
        let mut changed = assertion.clone();
        changed.replace_range(at..=at, &byte);
        if changed != assertion {
            prop_assert_eq!(ask(&changed).status, 401);
        }
        prop_assert_eq!(ask(&assertion).status, 200, "a changed one has not spent it");
    }
}
