//! The device authorization grant (RFC 8628): what a device is told, how it waits, and what its user is asked.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::clients::{API, JWT_API, REPORTS};
use common::devices::{self, Device, Devices as _, SCOPE};
use common::{Agent, Answer, Fixture, NOW, alice, claims, form, scope};
use grantor::authorize::{Destination, DeviceAnswer, EnterUserCode, InteractReason};
use grantor::host::{Limits, MemoryLimiter};
use grantor::protocol::{ErrorCode, GrantType, OAuthError, Reason, Secret, UserCode, UserCodeAlphabet};
use grantor::record::codec::encode;
use grantor::record::grant::{EndReason, GrantStatus};
use grantor::record::{EventKind, Key};
use grantor::server::Origin;
use grantor::store::MemoryStore;
use http::Request;
use serde_json::json;

const LIFETIME: u64 = 600;

#[track_caller]
fn refused_as<T: std::fmt::Debug>(result: Result<T, OAuthError>, reason: Reason) {
    assert_eq!(result.unwrap_err().reason(), reason);
}

/// A device of `tv`, and a server that lets devices in.
async fn waiting() -> (Fixture, Device) {
    let fixture = devices::fixture();
    let device = fixture.device("tv").await;
    (fixture, device)
}

// What a device is told

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

#[tokio::test]
async fn a_device_waits_until_its_user_has_let_it_in() {
    for client in ["tv", "box"] {
        let fixture = devices::fixture();
        let device = fixture.device(client).await;
        fixture.poll(client, &device).await.refused(400, "authorization_pending");
        let page = fixture.agent().let_in(&device, "alice").await;
        assert!(page.is_page() && page.status == 200, "{page:?}");
        let answer = fixture.poll(client, &device).await;
        let tokens = answer.tokens();
        assert_eq!((tokens.scope.as_str(), tokens.expires_in), ("read write", 3600), "{client}");
        assert!(tokens.refresh.starts_with("grt_") && fixture.is_live(&tokens.access).await);
        assert_eq!(answer.json()["id_token"], json!(null));
        fixture.refresh(client, &tokens.refresh).await.tokens();
        let grant = fixture.grant(client).await;
        assert_eq!((grant.status, grant.subject.unwrap().id), (GrantStatus::Active, alice()));
        assert_eq!(fixture.count(EventKind::ConsentGiven), 1);
        assert_eq!(fixture.count(EventKind::TokensIssued), 1);
        assert_eq!(fixture.count(EventKind::Refused), 0, "to be told to wait is no refusal");
    }
}

#[tokio::test]
async fn whoever_polls_too_fast_waits_five_seconds_longer_for_good() {
    let (fixture, device) = waiting().await;
    let poll = |after: u64, code: &'static str| {
        fixture.clock.forward(after);
        let (fixture, device) = (&fixture, &device);
        async move { fixture.poll("tv", device).await.refused(400, code) }
    };
    poll(0, "authorization_pending").await;
    poll(5, "authorization_pending").await;
    poll(4, "slow_down").await;
    poll(9, "slow_down").await;
    poll(15, "authorization_pending").await;
    poll(14, "slow_down").await;
    poll(20, "authorization_pending").await;
    poll(20, "authorization_pending").await;
    fixture.clock.back(1);
    poll(0, "slow_down").await;
    // However fast it polled, what its user allowed is its own at once.
    fixture.agent().let_in(&device, "alice").await;
    fixture.poll("tv", &device).await.tokens();
}

#[tokio::test]
async fn a_poll_writes_beside_the_grant_and_never_into_it() {
    let (fixture, device) = waiting().await;
    let namespace = fixture.server.settings().namespace;
    let (id, _) = fixture.grants("tv").await.remove(0);
    let version =
        async |key: Key| fixture.store.load(&[key]).await.unwrap().remove(0).map(|record| record.version);
    let before = version(namespace.grant(id)).await;
    let mut polled = Vec::new();
    for _ in 0..3 {
        fixture.poll("tv", &device).await;
        polled.push(version(namespace.poll(id)).await.unwrap());
    }
    assert_eq!(version(namespace.grant(id)).await, before);
    polled.dedup();
    assert_eq!(polled.len(), 3);
}

#[tokio::test]
async fn a_device_that_is_kept_out_is_told_so() {
    let (fixture, device) = waiting().await;
    let page = fixture.agent().keep_out(&device, "alice").await;
    assert!(page.is_page() && page.text().contains("denied"), "{page:?}");
    for _ in 0..2 {
        fixture.poll("tv", &device).await.refused(400, "access_denied");
    }
    assert_eq!(fixture.status("tv").await, GrantStatus::Ended(EndReason::Denied));
    assert_eq!(fixture.count(EventKind::ConsentDenied), 1);
}

#[tokio::test]
async fn whoever_was_told_that_it_is_too_late_is_told_so_for_ever() {
    for approved in [false, true] {
        let (fixture, device) = waiting().await;
        fixture.clock.forward(LIFETIME - 1);
        fixture.poll("tv", &device).await.refused(400, "authorization_pending");
        let mut agent = fixture.agent();
        agent.sign_in("alice").await;
        let id = agent.at_device(&device).await;
        let form = agent.form(id).await;
        if approved {
            assert_eq!(agent.submit(form.clone(), &scope("read")).await.status, 200);
        }
        fixture.clock.forward(1);
        fixture.poll("tv", &device).await.refused(400, "expired_token");
        assert_eq!(fixture.status("tv").await, GrantStatus::Ended(EndReason::Expired));
        fixture.clock.back(300);
        fixture.poll("tv", &device).await.refused(400, "expired_token");
        let late = agent.submit(form, &scope("read")).await;
        assert!(late.is_page() && late.status == 400, "{late:?}");
        refused_as(agent.enter(&device.user_code()).await, Reason::UserCodeUnknown);
    }
}

#[tokio::test]
async fn a_wrong_poll_is_refused_and_ends_nothing() {
    let (fixture, device) = waiting().await;
    let poll = device.polling();
    for wrong in
        ["x", "", "gdc_x", &device.device_code()[..71], &device.device_code().replace("gdc_", "gac_")]
    {
        let answer = fixture.token("tv", &poll.set("device_code", wrong)).await;
        let code = if wrong.is_empty() { "invalid_request" } else { "invalid_grant" };
        answer.refused(400, code);
    }
    fixture.token("box", &poll).await.refused(400, "invalid_grant");
    fixture.token("web", &poll).await.refused(400, "unauthorized_client");
    fixture.token("tv", &poll.add("resource", API)).await.refused(400, "invalid_target");
    fixture.agent().let_in(&device, "alice").await;
    fixture.token("box", &poll).await.refused(400, "invalid_grant");
    fixture.token("tv", &poll.add("resource", API)).await.refused(400, "invalid_target");
    let tokens = fixture.poll("tv", &device).await.tokens();
    fixture.token("box", &poll).await.refused(400, "invalid_grant");
    assert!(fixture.is_live(&tokens.access).await);
    assert_eq!(fixture.status("tv").await, GrantStatus::Active);
}

#[tokio::test]
async fn a_device_code_that_comes_back_ends_the_grant_even_when_it_is_old() {
    for later in [0, LIFETIME + 1] {
        let (fixture, device) = waiting().await;
        fixture.agent().let_in(&device, "alice").await;
        let tokens = fixture.poll("tv", &device).await.tokens();
        fixture.clock.forward(later);
        fixture.poll("tv", &device).await.refused(400, "invalid_grant");
        assert_eq!(fixture.status("tv").await, GrantStatus::Ended(EndReason::Replayed));
        assert!(!fixture.is_live(&tokens.access).await);
        fixture.refresh("tv", &tokens.refresh).await.refused(400, "invalid_grant");
        assert_eq!(fixture.count(EventKind::ReplayDetected), 1);
    }
}

#[tokio::test]
async fn no_code_of_one_kind_is_good_for_the_other() {
    let fixture = devices::with(|builder| builder);
    fixture.clients.change("web", |client| client.grant_types.push(GrantType::DeviceCode));
    let device = fixture.device("web").await;
    fixture.agent().let_in(&device, "alice").await;
    fixture.redeem("web", &device.device_code()).await.refused(400, "invalid_grant");
    let code = fixture.code("web").await;
    let poll = device.polling().set("device_code", &code);
    fixture.token("web", &poll).await.refused(400, "invalid_grant");
    // The secret of one in the form of the other.
    use grantor::token::{Handle, HandleKind};
    let recast = |text: &str, from, to| Handle::decode(from, text).unwrap().encode(to).expose().to_owned();
    let as_code = recast(&device.device_code(), HandleKind::DeviceCode, HandleKind::Code);
    fixture.redeem("web", &as_code).await.refused(400, "invalid_grant");
    let as_device_code = recast(&code, HandleKind::Code, HandleKind::DeviceCode);
    fixture.token("web", &poll.set("device_code", &as_device_code)).await.refused(400, "invalid_grant");
    fixture.poll("web", &device).await.tokens();
    fixture.redeem("web", &code).await.tokens();
}

#[tokio::test]
async fn whoever_is_locked_in_the_meantime_gets_a_device_nothing() {
    let (fixture, device) = waiting().await;
    fixture.agent().let_in(&device, "alice").await;
    fixture.accounts.lock("alice");
    fixture.poll("tv", &device).await.refused(400, "invalid_grant");

    let (fixture, device) = waiting().await;
    fixture.agent().let_in(&device, "alice").await;
    fixture.server.disable_subject(&alice()).await.unwrap();
    fixture.poll("tv", &device).await.refused(400, "invalid_grant");
    fixture.server.enable_subject(&alice()).await.unwrap();
    fixture.poll("tv", &device).await.refused(400, "invalid_grant");

    let (fixture, device) = waiting().await;
    fixture.agent().let_in(&device, "alice").await;
    fixture.server.disable_client(&"tv".into()).await.unwrap();
    fixture.poll("tv", &device).await.refused(401, "invalid_client");
    fixture.server.enable_client(&"tv".into()).await.unwrap();
    fixture.poll("tv", &device).await.refused(400, "invalid_grant");

    let (fixture, device) = waiting().await;
    fixture.agent().let_in(&device, "alice").await;
    fixture.server.revoke_access(&alice(), &"tv".into()).await.unwrap();
    fixture.poll("tv", &device).await.refused(400, "invalid_grant");
}

/// Switched off, or back again without what it was issued before: nobody can let in what asked before that.
#[tokio::test]
async fn a_device_whose_client_no_longer_stands_is_neither_let_in_nor_asked_about() {
    for back in [false, true] {
        let fixture = devices::fixture();
        let tv = "tv".into();
        let (entered, waiting) = (fixture.device("tv").await, fixture.device("tv").await);
        let mut agent = fixture.agent();
        agent.sign_in("alice").await;
        let id = agent.at_device(&entered).await;
        let form = agent.form(id).await;
        fixture.server.disable_client(&tv).await.unwrap();
        if back {
            fixture.server.enable_client(&tv).await.unwrap();
        }
        let refused = agent.enter(&waiting.user_code()).await.unwrap_err();
        assert_eq!(refused.reason(), Reason::AuthorizeClientUnknown);
        let view = agent.view(id).await.unwrap_err();
        assert_eq!(view.reason(), Reason::AuthorizeClientUnknown);
        let answer = agent.submit(form.clone(), &scope("read")).await;
        assert!(answer.is_page() && answer.status == 400, "{answer:?}");
        let deny = grantor::authorize::Deny { answer: form, browser: agent.browser() };
        assert_eq!(fixture.server.deny(&deny).await.unwrap_err().reason(), Reason::AuthorizeClientUnknown);
        for (_, grant) in fixture.grants("tv").await {
            assert_eq!(grant.status, GrantStatus::Pending);
        }
    }
}

#[tokio::test]
async fn resources_asked_for_become_the_audience_of_what_a_device_gets() {
    let fixture = devices::fixture();
    let both = form([("scope", "read write"), ("resource", API), ("resource", REPORTS)]);
    let device = fixture.device_for("tv", &both).await;
    fixture.agent().let_in(&device, "alice").await;
    let answer = fixture.token("tv", &device.polling().add("resource", REPORTS)).await;
    assert_eq!(answer.tokens().scope, "read", "what this API understands");
    let device = fixture.device_for("tv", &form([("scope", "read write"), ("resource", JWT_API)])).await;
    fixture.agent().let_in(&device, "alice").await;
    let jwt = fixture.poll("tv", &device).await.tokens().access;
    assert_eq!(claims(&jwt)["aud"], JWT_API);
}

#[tokio::test]
async fn a_device_that_asks_who_its_user_is_gets_an_id_token() {
    let fixture = devices::fixture();
    let device = fixture.device_for("tv", &form([("scope", "openid profile")])).await;
    fixture.clock.forward(30);
    let mut agent = fixture.agent();
    agent.let_in(&device, "alice").await;
    let answer = fixture.poll("tv", &device).await;
    let id_token = claims(answer.json()["id_token"].as_str().unwrap());
    assert_eq!((&id_token["sub"], &id_token["aud"]), (&json!("alice"), &json!("tv")));
    assert_eq!(id_token["auth_time"], NOW + 30);
    assert!(id_token["sid"].is_string());
    // Without offline_access it lasts as long as the session in which it was allowed.
    let refresh = answer.tokens().refresh;
    fixture.server.end_session(agent.browser().session_id().unwrap()).await.unwrap();
    fixture.refresh("tv", &refresh).await.refused(400, "invalid_grant");

    let device = fixture.device_for("tv", &form([("scope", "openid offline_access")])).await;
    let mut agent = fixture.agent();
    agent.let_in(&device, "alice").await;
    let refresh = fixture.poll("tv", &device).await.tokens().refresh;
    fixture.server.end_session(agent.browser().session_id().unwrap()).await.unwrap();
    fixture.refresh("tv", &refresh).await.tokens();

    fixture.clients.change("tv", |client| client.grant_types.retain(|own| *own != GrantType::RefreshToken));
    let device = fixture.device_for("tv", &form([("scope", "openid offline_access")])).await;
    fixture.agent().let_in(&device, "alice").await;
    let tokens = fixture.poll("tv", &device).await.tokens();
    assert_eq!((tokens.scope.as_str(), tokens.refresh.as_str()), ("openid", ""));
}

#[tokio::test]
async fn what_a_client_may_no_longer_have_it_does_not_get() {
    let (fixture, device) = waiting().await;
    fixture.agent().let_in(&device, "alice").await;
    fixture.clients.change("tv", |client| client.scope = scope("read"));
    assert_eq!(fixture.poll("tv", &device).await.tokens().scope, "read");

    let (fixture, device) = waiting().await;
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let id = agent.at_device(&device).await;
    fixture.clients.change("tv", |client| client.scope = scope("read"));
    assert_eq!(agent.view(id).await.unwrap().scope, scope("read"));
    fixture.clients.change("tv", |client| client.grant_types.clear());
    refused_as(agent.view(id).await, Reason::GrantTypeUnregistered);
    fixture.clients.remove("tv");
    refused_as(agent.view(id).await, Reason::AuthorizeClientUnknown);
}

// What its user is asked

#[tokio::test]
async fn the_user_is_asked_with_client_scope_and_code_whatever_was_allowed_before() {
    let fixture = devices::fixture();
    for client in ["tv", "box"] {
        for again in [false, true] {
            let device = fixture.device(client).await;
            let mut agent = fixture.agent();
            agent.sign_in("alice").await;
            let id = agent.at_device(&device).await;
            let view = agent.view(id).await.unwrap();
            assert_eq!((view.reason, view.client.id.as_str()), (InteractReason::Consent, client), "{again}");
            assert_eq!((view.subject, &view.scope), (Some(alice()), &scope("read write")));
            let shown = UserCode::read(&device.user_code(), UserCodeAlphabet::Letters).unwrap();
            assert_eq!(view.destination, Destination::Device(shown));
            fixture.poll(client, &device).await;
            assert_eq!(
                fixture.grants(client).await.pop().unwrap().1.status,
                GrantStatus::Pending,
                "nothing is decided by looking"
            );
            agent.approve(id, &scope("read write")).await;
        }
    }
    // Nor is the user of a client whose users are never asked.
    fixture
        .clients
        .change("tv", |client| client.consent = grantor::record::client::ConsentPolicy::FirstParty);
    let device = fixture.device("tv").await;
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    agent.at_device(&device).await;
    fixture.poll("tv", &device).await.refused(400, "authorization_pending");
}

#[tokio::test]
async fn a_part_of_what_is_asked_can_be_allowed_and_nothing_more() {
    let (fixture, device) = waiting().await;
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let id = agent.at_device(&device).await;
    for beyond in ["", "read admin", "admin"] {
        let page = agent.approve(id, &scope(beyond)).await;
        assert!(page.is_page() && page.status == 400, "{page:?}");
    }
    agent.approve(id, &scope("read")).await;
    assert_eq!(fixture.poll("tv", &device).await.tokens().scope, "read");
}

#[tokio::test]
async fn nobody_enters_a_code_who_has_not_signed_in() {
    let (fixture, device) = waiting().await;
    let mut agent = fixture.agent();
    refused_as(agent.enter(&device.user_code()).await, Reason::LoginNeeded);
    agent.sign_in("alice").await;
    let entered = agent.entering(&device.user_code());
    fixture.server.end_session(agent.browser().session_id().unwrap()).await.unwrap();
    refused_as(fixture.server.enter_user_code(&entered, Origin::default()).await, Reason::LoginNeeded);
    fixture.accounts.lock("bob");
    let mut agent = fixture.agent();
    agent.sign_in("bob").await;
    refused_as(agent.enter(&device.user_code()).await, Reason::LoginNeeded);
}

#[tokio::test]
async fn a_code_is_taken_from_a_form_of_this_very_browser_alone() {
    let (fixture, device) = waiting().await;
    let (mut agent, mut other) = (fixture.agent(), fixture.agent());
    agent.sign_in("alice").await;
    other.sign_in("mallory").await;
    let own = agent.entering(&device.user_code());
    let foreign = other.entering(&device.user_code());
    for (csrf, browser) in [
        (foreign.csrf.clone(), own.browser.clone()),
        (own.csrf.clone(), foreign.browser.clone()),
        (Secret::new(""), own.browser.clone()),
    ] {
        let forged = EnterUserCode { typed: own.typed.clone(), csrf, browser };
        refused_as(fixture.server.enter_user_code(&forged, Origin::default()).await, Reason::CsrfMismatch);
    }
    // What the one has entered is nothing to the other.
    let id = agent.at_device(&device).await;
    refused_as(other.view(id).await, Reason::InteractionOtherBrowser);
    let page = other.deny(id).await;
    assert!(page.is_page() && page.status == 400, "{page:?}");
    fixture.poll("tv", &device).await.refused(400, "authorization_pending");
}

#[tokio::test]
async fn an_unknown_a_used_and_a_late_code_look_the_same() {
    let fixture = devices::fixture();
    let [used, denied, late] =
        [fixture.device("tv").await, fixture.device("tv").await, fixture.device("tv").await];
    fixture.agent().let_in(&used, "alice").await;
    fixture.agent().keep_out(&denied, "alice").await;
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    for code in
        [used.user_code(), denied.user_code(), "BCDF-GHJK".to_owned(), "BCD".to_owned(), String::new()]
    {
        refused_as(agent.enter(&code).await, Reason::UserCodeUnknown);
    }
    fixture.clock.forward(LIFETIME);
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    refused_as(agent.enter(&late.user_code()).await, Reason::UserCodeUnknown);
}

#[tokio::test]
async fn a_code_is_read_however_it_is_typed() {
    let fixture = devices::fixture();
    let ways: [fn(&str) -> String; 4] = [
        |code| code.to_lowercase(),
        |code| code.replace('-', ""),
        |code| format!("  {}  ", code.replace('-', " ")),
        |code| code.chars().map(|letter| format!("{letter}.")).collect(),
    ];
    for way in ways {
        let device = fixture.device("tv").await;
        let mut agent = fixture.agent();
        agent.sign_in("alice").await;
        assert!(agent.enter(&way(&device.user_code())).await.is_ok(), "{}", way(&device.user_code()));
    }
}

#[tokio::test]
async fn five_codes_are_tried_in_a_session_whether_one_was_right_or_not() {
    let fixture = devices::fixture();
    let device = fixture.device("tv").await;
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    for _ in 0..3 {
        refused_as(agent.enter("BCDF-GHJK").await, Reason::UserCodeUnknown);
    }
    refused_as(agent.enter("not long").await, Reason::UserCodeUnknown);
    agent.let_in_again(&device).await;
    // The fifth: a right one in between has reset nothing.
    refused_as(agent.enter("BCDF-GHJK").await, Reason::UserCodeUnknown);
    let other = fixture.device("tv").await;
    let error = agent.enter(&other.user_code()).await.unwrap_err();
    assert_eq!((error.reason(), error.status()), (Reason::UserCodeTriesExhausted, 429));
    assert_eq!((error.code(), error.retry_after_seconds()), (ErrorCode::SlowDown, Some(3600)));
    fixture.poll("tv", &other).await.refused(400, "authorization_pending");
    // Another session has tries of its own.
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    agent.let_in_again(&other).await;
}

#[tokio::test]
async fn a_hundred_codes_are_tried_from_an_address_in_an_hour_however_many_sessions_there_are() {
    let fixture = devices::fixture();
    let from = |address: &str| Origin { address: Some(address.parse().unwrap()) };
    for n in 0..100 {
        let mut agent = fixture.agent();
        agent.sign_in("mallory").await;
        let entered = agent.entering("BCDF-GHJK");
        let result = fixture.server.enter_user_code(&entered, from("192.0.2.1")).await;
        assert_eq!(result.unwrap_err().reason(), Reason::UserCodeUnknown, "{n}");
    }
    let device = fixture.device("tv").await;
    let mut agent = fixture.agent();
    agent.sign_in("mallory").await;
    let entered = agent.entering(&device.user_code());
    let result = fixture.server.enter_user_code(&entered, from("192.0.2.1")).await;
    refused_as(result, Reason::UserCodeTriesExhausted);
    assert!(fixture.server.enter_user_code(&entered, from("192.0.2.2")).await.is_ok());
}

#[tokio::test]
async fn the_first_decision_wins() {
    for (first_approves, second_approves) in [(true, true), (true, false), (false, true)] {
        let (fixture, device) = waiting().await;
        let (mut first, mut second) = (fixture.agent(), fixture.agent());
        first.sign_in("alice").await;
        second.sign_in("bob").await;
        let (one, two) = (first.at_device(&device).await, second.at_device(&device).await);
        let form = second.form(two).await;
        let answer =
            if first_approves { first.approve(one, &scope("read")).await } else { first.deny(one).await };
        assert_eq!(answer.status, 200, "{answer:?}");
        let late = match second_approves {
            true => second.submit(form, &scope("read")).await,
            false => second.deny(two).await,
        };
        assert!(late.is_page() && late.status == 400, "{late:?}");
        match first_approves {
            true => {
                fixture.poll("tv", &device).await.tokens();
                assert_eq!(fixture.grant("tv").await.subject.unwrap().id, alice());
            }
            false => fixture.poll("tv", &device).await.refused(400, "access_denied"),
        }
    }
}

#[tokio::test]
async fn the_user_can_go_on_as_somebody_else() {
    let (fixture, device) = waiting().await;
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let id = agent.at_device(&device).await;
    let forget = grantor::authorize::ForgetLogin { answer: agent.form(id).await, browser: agent.browser() };
    let step = fixture.server.forget_login(&forget).await;
    let answer = agent.shown(step);
    assert!(Agent::is_at(&answer, "/login"), "{answer:?}");
    assert_eq!(agent.view(id).await.unwrap().reason, InteractReason::Login);
    let answer = agent.login(id, "bob").await;
    assert!(Agent::is_at(&answer, "/consent"), "{answer:?}");
    agent.approve(id, &scope("read")).await;
    fixture.poll("tv", &device).await.tokens();
    assert_eq!(fixture.grant("tv").await.subject.unwrap().id.as_str(), "bob");
}

#[tokio::test]
async fn the_host_can_keep_the_sessions() {
    let (fixture, device) = waiting().await;
    let mut agent = fixture.agent();
    let mut entered = agent.entering(&device.user_code());
    entered.browser.host_login = Some(agent.host_login("alice"));
    let step = fixture.server.enter_user_code(&entered, Origin::default()).await;
    let id = Agent::interaction(&agent.shown(step));
    let browser = || entered.browser.clone();
    let view = grantor::authorize::View { id, browser: browser() };
    let view = fixture.server.interaction(&view).await.unwrap();
    assert_eq!(view.subject, Some(alice()));
    let answer = grantor::authorize::FormAnswer { id, csrf: view.csrf };
    let approve = grantor::authorize::Approve { answer, scope: scope("read"), browser: browser() };
    let step = fixture.server.approve(&approve).await.unwrap();
    assert_eq!(step.action, grantor::authorize::Action::AnswerDevice(DeviceAnswer::Approved));
    fixture.poll("tv", &device).await.tokens();
    // Tries count for the user where there is no session.
    for _ in 0..4 {
        let again = EnterUserCode { typed: Secret::new("BCDF-GHJK"), ..entered.clone() };
        refused_as(fixture.server.enter_user_code(&again, Origin::default()).await, Reason::UserCodeUnknown);
    }
    refused_as(
        fixture.server.enter_user_code(&entered, Origin::default()).await,
        Reason::UserCodeTriesExhausted,
    );
}

// What is kept

#[tokio::test]
async fn nothing_that_is_kept_or_printed_tells_a_code() {
    let fixture = devices::fixture();
    let device = fixture.device_for("tv", &form([("scope", SCOPE)])).await;
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let entered = agent.entering(&device.user_code());
    let id = agent.at_device(&device).await;
    let view = agent.view(id).await.unwrap();
    fixture.poll("tv", &device).await;
    let namespace = fixture.server.settings().namespace;
    let grant = fixture.grants("tv").await.remove(0).0;
    let keys = [namespace.grant(grant), namespace.poll(grant), namespace.interaction(id)];
    let mut seen = vec![format!("{view:?} {entered:?} {:?}", fixture.events())];
    for record in fixture.store.load(&keys).await.unwrap() {
        let record = record.unwrap().record;
        seen.push(format!("{record:?} {}", String::from_utf8(encode(&record).unwrap()).unwrap()));
    }
    let code = device.user_code();
    let plain = code.replace('-', "");
    let digest = grantor::protocol::Digest::of(plain.as_bytes()).to_base64url();
    for text in &seen {
        for tells in [&code, &plain, &digest, &device.device_code()[27..60].to_owned()] {
            assert!(!text.contains(tells.as_str()), "{tells} in {text}");
        }
    }
}

#[tokio::test]
async fn what_no_longer_matters_is_forgotten() {
    let store = Arc::new(MemoryStore::new());
    let fixture = devices::over(store.clone(), |builder| builder);
    let device = fixture.device("tv").await;
    fixture.poll("tv", &device).await;
    assert_eq!(store.len(), 3);
    fixture.clock.forward(LIFETIME + 119);
    assert_eq!(fixture.server.purge(100).await.unwrap(), 0);
    fixture.poll("tv", &device).await.refused(400, "expired_token");
    fixture.clock.forward(2);
    assert_eq!(fixture.server.purge(100).await.unwrap(), 3);
    fixture.poll("tv", &device).await.refused(400, "invalid_grant");
    // Once the user has decided, the code is free at once.
    let device = fixture.device("tv").await;
    let before = store.len();
    fixture.agent().keep_out(&device, "alice").await;
    // The session came, the user code and the interaction went.
    assert_eq!(store.len(), before);
}

trait Again {
    /// Lets a device in, as who is signed in already.
    async fn let_in_again(&mut self, device: &Device) -> Answer;
}

impl Again for Agent<'_> {
    async fn let_in_again(&mut self, device: &Device) -> Answer {
        let id = self.at_device(device).await;
        self.approve(id, &scope("read")).await
    }
}
