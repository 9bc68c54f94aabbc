//! What the user of a device enters, and is asked.

use super::*;

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
