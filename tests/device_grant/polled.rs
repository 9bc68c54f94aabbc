//! How a device waits, and what it gets.

use super::*;

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
