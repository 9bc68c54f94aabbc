//! What a request may ask of the login.

use super::*;

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
    let mut last = id_token(&fixture, &agent.tokens("first", &request).await, "first").await;
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
            if name == "max_age" {
                let silent = agent.authorize(&request.add(name, value).add("prompt", "none")).await;
                assert_eq!(error(&silent), "login_required", "{name}={value}");
            }
            let answer = agent.login(Agent::interaction(&answer), "alice").await;
            let tokens = fixture.redeem("first", &answer.param("code").unwrap()).await.json();
            let again = id_token(&fixture, &tokens, "first").await;
            assert!(again["auth_time"].as_u64() > last["auth_time"].as_u64(), "{name}={value}");
            last = again;
        }
    }
    for bad in ["-1", "1.5", "x", "99999999999999999999"] {
        assert_eq!(error(&agent.authorize(&request.add("max_age", bad)).await), "invalid_request", "{bad}");
    }
}

#[tokio::test]
async fn a_login_of_before_is_no_answer_to_who_asks_for_a_newer_one() {
    let fixture = provider();
    let before = fixture.clock.now();
    for (name, value, enough) in
        [("prompt", "login", false), ("max_age", "0", false), ("max_age", "60", true), ("state", "s", true)]
    {
        fixture.clock.forward(30);
        let mut agent = fixture.agent();
        let asked = agent.authorize(&asking("first", "openid").set(name, value)).await;
        let id = Agent::interaction(&asked);
        let login = HostLogin::now(
            "alice",
            if enough { fixture.clock.now().minus(Duration::from_secs(9)) } else { before },
        );
        let answer = agent.login_as(id, login).await;
        assert_eq!(answer.param("code").is_some(), enough, "{name}={value}: {answer:?}");
        if !enough {
            assert!(Agent::is_at(&answer, "/login"), "{name}={value}: {answer:?}");
            assert!(agent.login(id, "alice").await.param("code").is_some(), "{name}={value}");
        }
    }
}

#[tokio::test]
async fn a_client_may_register_how_old_a_login_may_be() {
    let openid = OpenIdRegistration {
        default_max_age: Some(Duration::from_secs(60)),
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
