//! Whose objects are taken, and what in them counts.

use super::*;

#[tokio::test]
async fn an_object_of_the_client_is_the_request() {
    for fixture in [strict(), compat()] {
        let object = sign(&claims("web"));
        let request = form([("client_id", "web"), ("request", &object)]);
        let (code, target, state) = allowed(&fixture, &request).await;
        assert_eq!((target.as_deref(), state.as_deref()), (Some(redirect_uri("web")), Some("inside")));
        let tokens = fixture.redeem("web", &code).await.tokens();
        assert_eq!(tokens.scope, "read");
    }
}

#[tokio::test]
async fn of_what_stands_beside_an_object_nothing_counts() {
    let fixture = compat();
    let beside = carrying("web", &sign(&without(claims("web"), "state")));
    let beside = beside.add("scope", "openid read write").add("prompt", "none").add("max_age", "x");
    let beside = beside.add("nonce", "n").add("resource", API).set("redirect_uri", "https://evil.example/");
    let (code, target, state) = allowed(&fixture, &beside).await;
    assert_eq!((target.as_deref(), state), (Some(redirect_uri("web")), None));
    assert_eq!(fixture.redeem("web", &code).await.tokens().scope, "read");

    let good = carrying("web", &sign(&claims("web")));
    for (name, malformed) in [
        ("registration", "x"),
        ("resource", "no uri"),
        ("resource", "https://api.example/#fragment"),
        ("scope", "\"read"),
        ("response_mode", "carrier_pigeon"),
        ("code_challenge", "x"),
        ("code_challenge_method", "plain"),
        ("prompt", "none login"),
        ("claims", "{"),
        ("id_token_hint", "x"),
        ("redirect_uri", "x"),
    ] {
        assert!(is_taken(&fixture, &good.set(name, malformed)).await, "{name}={malformed}");
    }
    for (twice, value) in [("prompt", "login"), ("state", "s")] {
        let answer = ask(&fixture, &good.add(twice, value).add(twice, value)).await;
        assert_eq!(answer.param("error").as_deref(), Some("invalid_request"), "{twice}");
    }
}

#[tokio::test]
async fn the_redirect_uri_within_is_the_one_that_is_verified_and_used() {
    let fixture = compat();
    let key = Header::new(KEY.alg()).with_kid(KEY.kid());
    let object = |uri: &str| sign_with(&KEY, &key, &set(claims("two"), "redirect_uri", uri));
    let other = "https://two.example/other";
    let (_, target, _) = allowed(&fixture, &carrying("two", &object(other))).await;
    assert_eq!(target.as_deref(), Some(other));
    for uri in ["https://evil.example/", "https://two.example/other?x"] {
        assert!(ask(&fixture, &carrying("two", &object(uri))).await.is_page(), "{uri}");
    }
    let none = sign_with(&KEY, &key, &without(claims("two"), "redirect_uri"));
    assert!(ask(&fixture, &carrying("two", &none)).await.is_page());
}

#[tokio::test]
async fn a_fault_within_a_trusted_object_is_answered_as_the_object_says() {
    let fixture = strict();
    for (name, value, code) in [
        ("scope", "phantom", "invalid_scope"),
        ("response_mode", "carrier_pigeon", "invalid_request"),
        ("code_challenge_method", "plain", "invalid_request"),
        ("prompt", "none login", "invalid_request"),
        ("registration", "{}", "registration_not_supported"),
    ] {
        let answer = ask(&fixture, &carrying("web", &sign(&set(claims("web"), name, value)))).await;
        let told = (answer.param("error"), answer.param("state"));
        assert_eq!(told, (Some(code.to_owned()), Some("inside".to_owned())), "{name}");
    }
    let fragment = set(set(claims("web"), "response_mode", "fragment"), "scope", "phantom");
    let answer = ask(&fixture, &carrying("web", &sign(&fragment))).await;
    assert!(answer.location().unwrap().contains("#error=invalid_scope"), "{answer:?}");
}

/// Objects that are not to be trusted, and why.
fn untrusted() -> Vec<(&'static str, String)> {
    let good = || claims("web");
    let header = || Header::new(KEY.alg()).with_kid(KEY.kid());
    let mut faults = vec![
        ("garbage", "a.b.c".to_owned()),
        ("no token", "x".to_owned()),
        ("five parts", format!("{}.a.b", sign(&good()))),
        ("unsecured", unsecured(&good())),
        ("a stranger's key", sign_with(&OTHER_KEY, &header(), &good())),
        ("another client's object", sign_with(&OTHER_KEY, &Header::new(KEY.alg()), &claims("post"))),
        ("another client's iss", sign(&set(good(), "iss", "post"))),
        ("no iss", sign(&without(good(), "iss"))),
        ("iss no text", sign(&set(good(), "iss", 1))),
        ("no aud", sign(&without(good(), "aud"))),
        ("another aud", sign(&set(good(), "aud", "https://other.example"))),
        ("an endpoint as aud", sign(&set(good(), "aud", format!("{ISSUER}/authorize")))),
        ("no good aud", sign(&set(good(), "aud", json!(["https://other.example", format!("{ISSUER}/")])))),
        ("expired", sign(&set(good(), "exp", NOW - 60))),
        ("exp no date", sign(&set(good(), "exp", "never"))),
        ("not yet valid", sign(&set(good(), "nbf", NOW + 11))),
        ("made in the future", sign(&set(good(), "iat", NOW + 11))),
        ("a client assertion", sign(&set(good(), "sub", "web"))),
        ("no client_id", sign(&without(good(), "client_id"))),
        ("another client_id", sign(&set(good(), "client_id", "post"))),
        ("client_id no text", sign(&set(good(), "client_id", json!(["web"])))),
        ("another response_type", sign(&set(good(), "response_type", "none"))),
        ("an object within", sign(&set(good(), "request", sign(&good())))),
        ("a reference within", sign(&set(good(), "request_uri", "https://web.example/object"))),
        ("null", sign(&set(good(), "nonce", Value::Null))),
        ("a redirect_uri too long", sign(&set(good(), "redirect_uri", "x".repeat(9000)))),
        ("too many members", {
            let mut many = good();
            (0..64).for_each(|n| many[format!("x{n}")] = 1.into());
            sign(&many)
        }),
        ("no object", sign_with(&KEY, &header(), &json!([]))),
    ];
    for typ in ["at+jwt", "client-authentication+jwt", "logout+jwt", "dpop+jwt", "secevent+jwt", "x/jwt"] {
        faults.push((typ, sign_with(&KEY, &header().with_typ(typ), &good())));
    }
    faults
}

#[tokio::test]
async fn an_object_that_cannot_be_trusted_is_answered_to_whom_the_request_beside_it_names() {
    let fixture = strict();
    for (fault, object) in untrusted() {
        let request = carrying("web", &object);
        refused_beside(&ask(&fixture, &request).await, "invalid_request_object", fault);
        assert!(ask(&fixture, &request.without("redirect_uri")).await.is_page(), "{fault}");
        let evil = request.set("redirect_uri", "https://evil.example/");
        assert!(ask(&fixture, &evil).await.is_page(), "{fault}");
        // Who is signed in makes no difference.
        let mut agent = fixture.agent();
        agent.sign_in("alice").await;
        refused_beside(&agent.authorize_by_post(&request).await, "invalid_request_object", fault);
    }
    assert!(ask(&fixture, &carrying("nobody", &sign(&claims("nobody")))).await.is_page());
}

#[tokio::test]
async fn the_answer_about_an_untrusted_object_travels_as_the_request_beside_it_says() {
    let request = carrying("web", "a.b.c").add("response_mode", "fragment");
    let answer = ask(&strict(), &request).await;
    assert!(answer.location().unwrap().contains("#error=invalid_request_object"), "{answer:?}");
}

#[tokio::test]
async fn whatever_byte_of_an_object_is_changed_it_is_not_the_clients_any_more() {
    let fixture = strict();
    let object = sign(&claims("web"));
    assert!(is_taken(&fixture, &carrying("web", &object)).await);
    for at in 0..object.len() {
        let mut bytes = object.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(bytes).unwrap();
        let answer = ask(&fixture, &carrying("web", &changed)).await;
        refused_beside(&answer, "invalid_request_object", &format!("byte {at}"));
    }
}

#[tokio::test]
async fn what_an_object_may_say_or_leave_out() {
    let fixture = strict();
    let header = || Header::new(KEY.alg()).with_kid(KEY.kid());
    for typ in [TYP, "OAuth-Authz-Req+JWT", "application/oauth-authz-req+jwt", "JWT", "jwt"] {
        let object = sign_with(&KEY, &header().with_typ(typ), &claims("web"));
        assert!(is_taken(&fixture, &carrying("web", &object)).await, "{typ}");
    }
    for good in [
        claims("web"),
        set(claims("web"), "aud", json!([ISSUER])),
        set(claims("web"), "aud", json!(["https://other.example", ISSUER])),
        set(claims("web"), "nbf", NOW + 8),
        set(claims("web"), "iat", NOW + 8),
        set(claims("web"), "exp", NOW - 50),
        set(claims("web"), "sub", "alice"),
        set(claims("web"), "extension", json!({ "x": [null] })),
        ["exp", "iat", "jti"].into_iter().fold(claims("web"), without),
    ] {
        let untyped = sign_with(&KEY, &header(), &good);
        assert!(is_taken(&fixture, &carrying("web", &untyped)).await, "{good}");
        assert!(is_taken(&fixture, &carrying("web", &untyped).without("response_type")).await, "{good}");
    }
}

#[tokio::test]
async fn members_are_parameters_whatever_their_json_type() {
    let fixture = compat();
    let object = set(claims("web"), "scope", "openid read");
    let object = set(object, "claims", json!({ "userinfo": { "email": { "essential": true } } }));
    let object = set(object, "claims_locales", "de en");
    let object = set(set(object, "max_age", 600), "resource", json!([API]));
    let (code, ..) = allowed(&fixture, &carrying("web", &sign(&object))).await;
    assert_eq!(fixture.grant("web").await.resources[0].as_str(), API);
    let asked = fixture.grant("web").await.claims.unwrap();
    assert!(asked.userinfo["email"].essential);
    assert_eq!(asked.locales, Locales::parse("de en"));
    assert_eq!(fixture.redeem("web", &code).await.status, 200);
    for (name, value) in [("max_age", json!(1.5)), ("max_age", json!("x")), ("claims", json!([1]))] {
        let answer = ask(&fixture, &carrying("web", &sign(&set(object.clone(), name, value)))).await;
        assert_eq!(answer.param("error").as_deref(), Some("invalid_request"), "{name}");
    }
}

#[tokio::test]
async fn every_algorithm_is_taken_and_a_registered_one_is_the_only_one() {
    let fixture = compat();
    for alg in Algorithm::ALL {
        let key = SigningKey::generate(alg).unwrap();
        fixture.clients.change("web", |client| client.keys.source = given(&[&key]));
        let object = sign_with(&key, &Header::new(alg).with_kid(key.kid()), &claims("web"));
        let own = RequestObjectAlgorithm::Protected(AssertionAlgorithm::Signature(alg));
        let rs384 = RequestObjectAlgorithm::Protected(AssertionAlgorithm::Mac(MacAlgorithm::Hs384));
        for (registration, taken) in [
            (RequestObjectRegistration::default(), true),
            (registered_alg(own), true),
            (registered_alg(rs384), false),
            (registered_alg(RequestObjectAlgorithm::Unsecured), false),
        ] {
            register(&fixture, "web", registration.clone());
            assert_eq!(is_taken(&fixture, &carrying("web", &object)).await, taken, "{alg} {registration:?}");
        }
    }
    let narrow = with(|builder| builder.assertions(|policy| policy.signatures = vec![Algorithm::Ps256]));
    assert!(!is_taken(&narrow, &carrying("web", &sign(&claims("web")))).await);
}

#[tokio::test]
async fn an_hmac_is_taken_with_a_secret_that_is_kept_sealed_and_alive() {
    let fixture = strict();
    let hmac = |alg, secret: &str| {
        let key = jsonwebtoken::EncodingKey::from_secret(secret.as_bytes());
        jsonwebtoken::encode(&jsonwebtoken::Header::new(alg), &claims("web"), &key).unwrap()
    };
    let sealed = ClientSecret::sealed(SECRET, &"web".into(), &Sealer::new(&[7; 32])).unwrap();
    use jsonwebtoken::Algorithm::{HS256, HS384, HS512};
    let good = carrying("web", &hmac(HS256, SECRET));
    let digest = carrying("web", &hmac(HS256, &common::clients::secret("web")));
    for request in [&good, &digest] {
        refused_beside(&ask(&fixture, request).await, "invalid_request_object", "only a digest is kept");
    }
    fixture.clients.change("web", |client| client.secrets.push(sealed.clone()));
    for alg in [HS256, HS384, HS512] {
        assert!(is_taken(&fixture, &carrying("web", &hmac(alg, SECRET))).await, "{alg:?}");
    }
    refused_beside(&ask(&fixture, &digest).await, "invalid_request_object", "another secret");
    // A public key is no secret.
    let public = serde_json::to_string(&KEY.public()).unwrap();
    let confused = carrying("web", &hmac(HS256, &public));
    refused_beside(&ask(&fixture, &confused).await, "invalid_request_object", "the public key as a secret");
    fixture.clients.change("web", |client| {
        client.secrets.retain(|secret| !secret.is_slow());
        for secret in &mut client.secrets {
            secret.expires_at = Some(Timestamp(NOW));
        }
    });
    refused_beside(&ask(&fixture, &good).await, "invalid_request_object", "expired");
}

#[tokio::test]
async fn who_must_sign_must_sign() {
    let fixture = compat();
    let required = RequestObjectRegistration { required: true, ..RequestObjectRegistration::default() };
    register(&fixture, "web", required);
    let plain = authorization("web").set("state", "outside");
    refused_beside(&ask(&fixture, &plain).await, "invalid_request", "no object");
    assert_eq!(reason(&fixture), Reason::RequestObjectMissing);
    let request = carrying("web", &unsecured(&claims("web")));
    refused_beside(&ask(&fixture, &request).await, "invalid_request_object", "unsecured");
    assert!(is_taken(&fixture, &carrying("web", &sign(&claims("web")))).await);
}

#[tokio::test]
async fn an_unsecured_object_is_taken_where_the_profile_and_the_client_allow_it() {
    let bare = ["iss", "aud", "exp", "iat", "client_id"].into_iter().fold(claims("spa"), without);
    let es256 = RequestObjectAlgorithm::Protected(AssertionAlgorithm::Signature(Algorithm::Es256));
    for (fixture, registration, taken) in [
        (compat(), RequestObjectRegistration::default(), true),
        (compat(), registered_alg(RequestObjectAlgorithm::Unsecured), true),
        (compat(), registered_alg(es256), false),
        (strict(), RequestObjectRegistration::default(), false),
        (strict(), registered_alg(RequestObjectAlgorithm::Unsecured), false),
        (
            with(|builder| builder.profile(Profile::OidcCompat).request_objects(RequestObjects::Protected)),
            RequestObjectRegistration::default(),
            false,
        ),
    ] {
        register(&fixture, "spa", registration.clone());
        for object in [&claims("spa"), &bare] {
            let request = carrying("spa", &unsecured(object)).without("state");
            assert_eq!(is_taken(&fixture, &request).await, taken, "{registration:?}");
        }
        if taken {
            let request = carrying("spa", &unsecured(&bare)).without("state");
            assert_eq!(allowed(&fixture, &request).await.2.as_deref(), Some("inside"));
        }
    }
    let fixture = compat();
    for (name, value) in
        [("iss", "web"), ("aud", "https://other.example"), ("client_id", "web"), ("sub", "spa")]
    {
        let request = carrying("spa", &unsecured(&set(bare.clone(), name, value)));
        assert!(!is_taken(&fixture, &request).await, "{name}");
    }
    let expired = unsecured(&set(bare.clone(), "exp", NOW - 61));
    assert!(!is_taken(&fixture, &carrying("spa", &expired)).await);
}

#[tokio::test]
async fn no_token_stands_for_another() {
    let fixture = compat();
    let signing = |client: &mut grantor::record::Client| {
        client.auth_method = ClientAuthMethod::PrivateKeyJwt;
        client.secrets.clear();
    };
    let code = fixture.code("web").await;
    let hint = fixture.agent().walk(&authorization("web").set("scope", "openid"), "alice").await;
    let hint = fixture.redeem("web", &hint.param("code").unwrap()).await.json();
    let jwt = fixture.agent().walk(&authorization("web").add("resource", JWT_API), "alice").await;
    let jwt = fixture.redeem("web", &jwt.param("code").unwrap()).await.json();
    // What the server signed, and what the client signed to authenticate, are no requests.
    let assertion =
        json!({ "iss": "web", "sub": "web", "aud": ISSUER, "jti": "2", "iat": NOW, "exp": NOW + 60 });
    let header = Header::new(KEY.alg()).with_kid(KEY.kid());
    for (name, token) in [
        ("ID token", hint["id_token"].as_str().unwrap().to_owned()),
        ("access token", jwt["access_token"].as_str().unwrap().to_owned()),
        ("assertion", sign_with(&KEY, &header, &assertion)),
        (
            "typed assertion",
            sign_with(&KEY, &header.clone().with_typ("client-authentication+jwt"), &assertion),
        ),
    ] {
        refused_beside(&ask(&fixture, &carrying("web", &token)).await, "invalid_request_object", name);
    }
    // A request is no assertion, no hint and no access token.
    fixture.clients.change("web", signing);
    let object = sign(&set(claims("web"), "redirect_uri", redirect_uri("web")));
    let presented = common::redemption("web", &code)
        .add("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
    for object in [&object, &sign_with(&KEY, &header, &set(claims("web"), "sub", "alice"))] {
        let answer = fixture.post("/token", None, &presented.add("client_assertion", object)).await;
        answer.refused(401, "invalid_client");
    }
    let hinted = authorization("web").set("scope", "openid").add("id_token_hint", &object);
    assert_eq!(ask(&fixture, &hinted).await.param("error").as_deref(), Some("invalid_request"));
    assert!(!fixture.is_live(&object).await);
    let good = sign_with(&KEY, &header, &assertion);
    assert_eq!(fixture.post("/token", None, &presented.add("client_assertion", &good)).await.status, 200);
}

#[tokio::test]
async fn what_is_switched_off_is_refused_and_never_ignored() {
    let off = with(|builder| builder.request_objects(RequestObjects::Off));
    let plain = authorization("web").set("state", "outside");
    let object = plain.add("request", &sign(&claims("web")));
    refused_beside(&ask(&off, &object).await, "request_not_supported", "request");
    for fixture in [&off, &strict(), &compat()] {
        let uri = plain.add("request_uri", "https://web.example/object");
        refused_beside(&ask(fixture, &uri).await, "request_uri_not_supported", "request_uri");
        let both = uri.add("request", &sign(&claims("web")));
        refused_beside(&ask(fixture, &both).await, "invalid_request", "both");
    }
    let twice = object.add("request", "x");
    refused_beside(&ask(&strict(), &twice).await, "invalid_request", "twice");
}

#[test]
fn no_server_takes_more_than_its_profile() {
    let build = |profile, taken| {
        let store = Arc::new(MemoryStore::new());
        let clients = Arc::new(StaticClients::default());
        let builder = AuthorizationServer::builder(Issuer::new(ISSUER).unwrap(), store, clients, &[7; 32]);
        builder.profile(profile).request_objects(taken).build().is_ok()
    };
    use RequestObjects::{Off, OpenId, Protected};
    assert_eq!([Off, Protected, OpenId].map(|taken| build(Profile::Strict, taken)), [true, true, false]);
    assert_eq!([Off, Protected, OpenId].map(|taken| build(Profile::OidcCompat, taken)), [true, true, true]);
}
