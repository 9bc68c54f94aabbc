//! What a device asks for, and what it is told.

use super::*;

#[tokio::test]
async fn a_device_is_told_a_code_to_wait_with_and_one_to_show() {
    for client in ["tv", "box"] {
        let fixture = devices::fixture();
        let device = fixture.device(client).await;
        let user_code = device.user_code();
        let expected = json!({
            "device_code": device.device_code(),
            "user_code": user_code,
            "verification_uri": "https://as.example/device",
            "verification_uri_complete": format!("https://as.example/device?user_code={user_code}"),
            "expires_in": LIFETIME,
            "interval": 5,
        });
        assert_eq!(device.told, expected);
        assert!(device.device_code().starts_with("gdc_") && device.device_code().len() == 72);
        let (first, rest) = user_code.split_once('-').unwrap();
        assert_eq!((first.len(), rest.len()), (4, 4));
        assert!(user_code.replace('-', "").chars().all(|letter| "BCDFGHJKLMNPQRSTVWXZ".contains(letter)));
        let grant = fixture.grant(client).await;
        assert_eq!((grant.status, grant.grant_type), (GrantStatus::Pending, GrantType::DeviceCode));
        assert_eq!((grant.scope, grant.subject), (scope("read write"), None));
        assert_eq!(fixture.count(EventKind::DeviceCodeIssued), 1);
    }
}

#[tokio::test]
async fn lifetime_interval_alphabet_and_page_are_the_hosts_to_choose() {
    let fixture = devices::with(|builder| {
        builder.lifetimes(|lifetimes| lifetimes.device_code = Duration::from_secs(1800)).device(|device| {
            device.interval = Duration::from_secs(10);
            device.alphabet = UserCodeAlphabet::Digits;
            device.verification_uri = "https://tv.example/go".into();
        })
    });
    let device = fixture.device("tv").await;
    assert_eq!(
        (device.told["expires_in"].as_u64(), device.told["interval"].as_u64()),
        (Some(1800), Some(10))
    );
    let parts: Vec<String> = device.user_code().split('-').map(str::to_owned).collect();
    assert!(parts.iter().all(|part| part.len() == 4 && part.bytes().all(|byte| byte.is_ascii_digit())));
    assert_eq!(parts.len(), 3);
    assert_eq!(device.told["verification_uri"], "https://tv.example/go");
    fixture.poll("tv", &device).await.refused(400, "authorization_pending");
    fixture.clock.forward(9);
    fixture.poll("tv", &device).await.refused(400, "slow_down");
    let mut agent = fixture.agent();
    let page = agent.let_in(&device, "alice").await;
    assert_eq!(page.status, 200, "{page:?}");
    fixture.poll("tv", &device).await.tokens();
}

#[tokio::test]
async fn only_a_client_that_is_registered_for_it_and_proves_itself_may_ask() {
    let fixture = devices::fixture();
    let ask = |client: &'static str| {
        let fixture = &fixture;
        async move { fixture.post_as(client, "/device_authorization", &form([("scope", "read")])).await }
    };
    ask("web").await.refused(400, "unauthorized_client");
    ask("nobody").await.refused(401, "invalid_client");
    let wrong = common::clients::basic("box", "wrong");
    let answer = fixture.post("/device_authorization", Some(&wrong), &form([("scope", "read")])).await;
    answer.refused(401, "invalid_client");
    fixture.server.disable_client(&"tv".into()).await.unwrap();
    ask("tv").await.refused(401, "invalid_client");
    fixture.server.enable_client(&"tv".into()).await.unwrap();
    assert_eq!(ask("tv").await.status, 200, "it was only switched off");
    for client in ["web", "tv"] {
        assert!(fixture.grants(client).await.len() <= 1);
    }
}

#[tokio::test]
async fn what_is_asked_follows_the_rules_of_the_authorization_endpoint() {
    let fixture = devices::fixture();
    let ask = |pairs: &[(&str, &str)]| {
        let form = pairs.iter().fold(form([]), |form, (name, value)| form.add(name, value));
        let fixture = &fixture;
        async move { fixture.post_as("tv", "/device_authorization", &form).await }
    };
    for (pairs, code) in [
        (&[("scope", "admin")][..], "invalid_scope"),
        (&[("scope", "unheard-of")], "invalid_scope"),
        (&[("scope", "re\"ad")], "invalid_scope"),
        (&[("scope", "read"), ("scope", "read")], "invalid_request"),
        (&[("resource", "https://nowhere.example/")], "invalid_target"),
        (&[("resource", "not a uri")], "invalid_target"),
        (&[("resource", API), ("resource", JWT_API)], "invalid_target"),
    ] {
        ask(pairs).await.refused(400, code);
    }
    // RFC 8628 §3.1: without a value is without the parameter, and what nobody knows is ignored.
    let granted = [
        (&[("scope", "read unheard-of")][..], "read"),
        (&[("scope", "")], ""),
        (
            &[
                ("scope", "read"),
                ("prompt", "none"),
                ("redirect_uri", "https://evil.example/"),
                ("state", "x"),
            ],
            "read",
        ),
    ];
    for (pairs, expected) in granted {
        assert_eq!(ask(pairs).await.status, 200);
        assert_eq!(fixture.grants("tv").await.pop().unwrap().1.scope, scope(expected));
    }
}

#[tokio::test]
async fn the_endpoint_is_there_exactly_where_the_grant_is_switched_on() {
    let on = devices::fixture();
    let off = Fixture::new();
    let metadata = on.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["device_authorization_endpoint"], "https://as.example/device_authorization");
    assert!(metadata["grant_types_supported"].as_array().unwrap().contains(&json!(devices::DEVICE_CODE)));
    let metadata = off.get("/.well-known/oauth-authorization-server").await.json();
    assert_eq!(metadata["device_authorization_endpoint"], json!(null));
    assert!(!metadata["grant_types_supported"].as_array().unwrap().contains(&json!(devices::DEVICE_CODE)));
    assert!(off.http.routes().iter().all(|(_, path)| path != "/device_authorization"));
    off.token("post", &form([("grant_type", devices::DEVICE_CODE), ("device_code", "x")]))
        .await
        .refused(400, "unsupported_grant_type");
}

#[tokio::test]
async fn a_client_registers_for_devices_alone_and_needs_no_redirect_uri() {
    let open = Arc::new(grantor::host::OpenRegistration::default());
    let fixture = devices::with(|builder| builder.registration(open));
    let wishes = json!({ "grant_types": [devices::DEVICE_CODE], "token_endpoint_auth_method": "none" });
    let request = Request::post("/register").header("content-type", "application/json");
    let answer = fixture.send(request.body(wishes.to_string().into()).unwrap()).await;
    assert_eq!(answer.status, 201, "{answer:?}");
    let client = answer.json();
    assert_eq!((&client["response_types"], &client["redirect_uris"]), (&json!([]), &json!(null)));
    let id = client["client_id"].as_str().unwrap();
    let asked = form([("client_id", id), ("scope", "read")]);
    let answer = fixture.post("/device_authorization", None, &asked).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    let device = Device { told: answer.json() };
    fixture.agent().let_in(&device, "alice").await;
    let answer = fixture.post("/token", None, &device.polling().add("client_id", id)).await;
    assert_eq!((answer.tokens().scope.as_str(), answer.tokens().refresh.as_str()), ("read", ""));
}

#[tokio::test]
async fn what_costs_a_record_is_counted_by_client_and_address() {
    let limits = Limits { device_authorizations: 3, ..Limits::default() };
    let fixture = devices::with(|builder| builder.limiter(Arc::new(MemoryLimiter::new(limits))));
    for _ in 0..3 {
        fixture.device("tv").await;
    }
    let answer = fixture.post_as("tv", "/device_authorization", &form([])).await;
    answer.refused(429, "slow_down");
    assert!(answer.header("retry-after").is_some());
    fixture.device("box").await;
    assert_eq!(fixture.grants("tv").await.len(), 3);
}

// How it waits
