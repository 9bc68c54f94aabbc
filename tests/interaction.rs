//! Login and consent: bound to one browser, answered once, asked again when it matters.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use common::clients::{API, REPORTS};
use common::{Agent, Answer, Fixture, ISSUER, NOW, alice, authorization, scope};
use grantor::authorize::{
    Approve, Browser, Deny, Destination, ForgetLogin, FormAnswer, InteractReason, Login,
};
use grantor::profile::Profile;
use grantor::protocol::{ClientAuthMethod, ResponseType, Scope, Secret};
use grantor::record::client::ConsentPolicy;
use grantor::record::{Client, EventKind, InteractionId};

/// The page that says that something went wrong.
#[track_caller]
fn refused(answer: &Answer) {
    assert!(answer.is_page() && answer.status == 400, "{answer:?}");
}

fn code(answer: &Answer) -> String {
    answer.param("code").unwrap_or_else(|| panic!("{answer:?}"))
}

/// A browser of `alice` in front of a consent form.
async fn at_consent<'f>(fixture: &'f Fixture, client: &str) -> (Agent<'f>, InteractionId) {
    let mut agent = fixture.agent();
    let answer = agent.authorize(&authorization(client)).await;
    let id = Agent::interaction(&answer);
    let answer = agent.login(id, "alice").await;
    assert!(Agent::is_at(&answer, "/consent"), "{answer:?}");
    (agent, id)
}

#[tokio::test]
async fn a_user_signs_in_is_asked_and_the_client_gets_a_code() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    let answer = agent.authorize(&authorization("web")).await;
    assert_eq!((answer.status, Agent::is_at(&answer, "/login")), (302, true));
    let id = Agent::interaction(&answer);

    let view = agent.view(id).await.unwrap();
    assert_eq!((view.reason, view.subject.clone()), (InteractReason::Login, None));
    let answer = agent.login(id, "alice").await;
    assert_eq!((answer.status, Agent::is_at(&answer, "/consent")), (303, true));
    assert_eq!(Agent::interaction(&answer), id);

    let view = agent.view(id).await.unwrap();
    assert_eq!((view.reason, view.subject), (InteractReason::Consent, Some(alice())));
    assert_eq!((view.client.id.as_str(), view.scope.as_str()), ("web", "read write"));
    let Destination::RedirectUri(uri) = &view.destination else { panic!("no redirect") };
    assert_eq!(uri.as_str(), "https://web.example/cb");
    let answer = agent.approve(id, &scope("read write")).await;
    assert_eq!(answer.status, 303);
    fixture.redeem("web", &code(&answer)).await.tokens();
    let kinds: Vec<EventKind> = fixture.events().iter().map(|event| event.kind).collect();
    let told = [EventKind::SignedIn, EventKind::CodeIssued, EventKind::ConsentGiven, EventKind::TokensIssued];
    assert_eq!(kinds, told);
}

#[tokio::test]
async fn an_interaction_belongs_to_the_browser_that_began_it() {
    let fixture = Fixture::new();
    let (mut victim, id) = at_consent(&fixture, "web").await;
    let form = victim.form(id).await;
    let mut stranger = fixture.agent();
    let mut signed_in = fixture.agent();
    signed_in.sign_in("alice").await;
    let (mut other, _) = at_consent(&fixture, "web").await;
    for agent in [&mut stranger, &mut signed_in, &mut other] {
        assert!(agent.view(id).await.is_err());
        refused(&agent.submit(form.clone(), &scope("read")).await);
        refused(&agent.approve(id, &scope("read")).await);
        refused(&agent.deny(id).await);
        refused(&agent.login(id, "mallory").await);
    }
    code(&victim.submit(form, &scope("read write")).await);
}

#[tokio::test]
async fn a_form_answers_only_its_own_interaction_in_its_own_browser() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    let second = Agent::interaction(&agent.authorize(&authorization("spa")).await);
    let right = agent.form(id).await.csrf;
    let (other_agent, other_id) = at_consent(&fixture, "web").await;
    for csrf in [
        Secret::new(""),
        Secret::new("x"),
        Secret::new(right.expose().to_lowercase()),
        Secret::new(format!("{} ", right.expose())),
        agent.form(second).await.csrf,
        other_agent.form(other_id).await.csrf,
    ] {
        let answer = FormAnswer { id, csrf };
        refused(&agent.submit(answer.clone(), &scope("read")).await);
        let step = fixture.server.deny(&Deny { answer: answer.clone(), browser: agent.browser() }).await;
        refused(&agent.shown(step));
        let step = fixture
            .server
            .forget_login(&ForgetLogin { answer: answer.clone(), browser: agent.browser() })
            .await;
        refused(&agent.shown(step));
        let login = agent.host_login("mallory");
        let login = Login { interaction: Some(answer), login, browser: agent.browser() };
        let step = fixture.server.login(&login).await;
        refused(&agent.shown(step));
    }
    code(&agent.submit(FormAnswer { id, csrf: right }, &scope("read")).await);
}

#[tokio::test]
async fn an_approval_counts_once_and_the_back_button_gives_no_second_code() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    let form = agent.form(id).await;
    code(&agent.submit(form.clone(), &scope("read write")).await);
    for _ in 0..2 {
        refused(&agent.submit(form.clone(), &scope("read write")).await);
    }
    let deny = Deny { answer: form.clone(), browser: agent.browser() };
    let step = fixture.server.deny(&deny).await;
    refused(&agent.shown(step));
    assert!(agent.view(id).await.is_err());
    refused(&agent.login(id, "alice").await);
    assert_eq!(fixture.grants("web").await.len(), 1);
}

#[tokio::test]
async fn a_denial_is_told_to_the_client_and_is_final() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    let form = agent.form(id).await;
    let answer = agent.deny(id).await;
    assert_eq!(answer.status, 303);
    assert_eq!(answer.target(), Some("https://web.example/cb"));
    for (name, value) in [("error", "access_denied"), ("state", "af0ifjsldkj"), ("iss", ISSUER)] {
        assert_eq!(answer.param(name).as_deref(), Some(value));
    }
    refused(&agent.submit(form, &scope("read")).await);
    assert!(fixture.grants("web").await.is_empty());
    assert_eq!(fixture.count(EventKind::ConsentDenied), 1);
}

#[tokio::test]
async fn a_user_may_refuse_without_signing_in() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    let id = Agent::interaction(&agent.authorize(&authorization("web")).await);
    assert_eq!(agent.deny(id).await.param("error").as_deref(), Some("access_denied"));
}

#[tokio::test]
async fn nothing_is_approved_before_the_user_is_known() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    let id = Agent::interaction(&agent.authorize(&authorization("web")).await);
    let answer = agent.approve(id, &scope("read")).await;
    assert!(Agent::is_at(&answer, "/login"), "{answer:?}");
    assert!(fixture.grants("web").await.is_empty());
}

#[tokio::test]
async fn two_tabs_both_come_to_their_end() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    let first = Agent::interaction(&agent.authorize(&authorization("web")).await);
    let second = Agent::interaction(&agent.authorize(&authorization("spa")).await);
    assert_ne!(first, second);
    agent.login(first, "alice").await;
    agent.login(second, "alice").await;
    let one = agent.approve(first, &scope("read write")).await;
    let two = agent.approve(second, &scope("read")).await;
    assert_eq!(one.target(), Some("https://web.example/cb"));
    assert_eq!(two.target(), Some("https://spa.example/cb"));
    fixture.redeem("web", &code(&one)).await.tokens();
    assert_eq!(fixture.redeem("spa", &code(&two)).await.tokens().scope, "read");
}

#[tokio::test]
async fn two_tabs_of_one_client_both_come_to_their_end() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let first = Agent::interaction(&agent.authorize(&authorization("web")).await);
    let second = Agent::interaction(&agent.authorize(&authorization("web").set("state", "2")).await);
    let two = agent.approve(second, &scope("read write")).await;
    let one = agent.approve(first, &scope("read write")).await;
    assert_eq!(
        (two.param("state").as_deref(), one.param("state").as_deref()),
        (Some("2"), Some("af0ifjsldkj"))
    );
    assert_ne!(code(&one), code(&two));
}

#[tokio::test]
async fn when_another_user_signs_in_meanwhile_the_interaction_asks_who_it_is() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    let form = agent.form(id).await;
    agent.sign_in("bob").await;
    let view = agent.view(id).await.unwrap();
    assert_eq!((view.reason, view.subject), (InteractReason::Login, None));
    let answer = agent.submit(form, &scope("read write")).await;
    assert!(Agent::is_at(&answer, "/login"), "{answer:?}");
    assert!(fixture.grants("web").await.is_empty());
}

#[tokio::test]
async fn a_user_may_allow_a_part_and_never_more_than_was_asked() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    for bad in [scope("read admin"), scope("unknown"), Scope::empty()] {
        let answer = agent.approve(id, &bad).await;
        assert!(answer.is_page() && answer.text().contains("invalid_scope"), "{answer:?}");
    }
    let answer = agent.approve(id, &scope("write")).await;
    assert_eq!(fixture.redeem("web", &code(&answer)).await.tokens().scope, "write");
}

#[tokio::test]
async fn an_interaction_expires() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    let form = agent.form(id).await;
    fixture.clock.forward(30 * 60 - 1);
    assert!(agent.view(id).await.is_ok());
    fixture.clock.forward(1);
    assert!(agent.view(id).await.is_err());
    refused(&agent.submit(form, &scope("read")).await);
    refused(&agent.deny(id).await);
    refused(&agent.login(id, "alice").await);
}

/// Whether a second request of the same user is answered without a question.
async fn is_silent(fixture: &Fixture, first: &common::Form, second: &common::Form) -> bool {
    let mut agent = fixture.agent();
    code(&agent.walk(first, "alice").await);
    let answer = agent.authorize(second).await;
    assert!(answer.param("code").is_some() || Agent::is_at(&answer, "/consent"), "{answer:?}");
    answer.param("code").is_some()
}

#[tokio::test]
async fn a_consent_is_remembered_only_where_the_client_cannot_be_impersonated() {
    for (client, silent) in [
        ("web", true),
        ("post", true),
        ("spa", true),
        ("dynamic-web", true),
        ("native", false),
        ("app", false),
        ("dynamic", false),
    ] {
        let request = authorization(client);
        assert_eq!(is_silent(&Fixture::new(), &request, &request).await, silent, "{client}");
    }
}

#[tokio::test]
async fn a_consent_stands_for_what_was_asked_and_for_less() {
    let request = authorization("web");
    let narrow = request.set("scope", "read");
    let with_api = request.set("resource", API);
    for (first, second, silent) in [
        (&request, &narrow, true),
        (&narrow, &request, false),
        (&narrow, &narrow, true),
        (&request, &with_api, false),
        (&with_api, &request, false),
        (&with_api, &with_api, true),
        (&with_api, &request.set("resource", REPORTS), false),
        (&request, &request.set("state", "other"), true),
        (&request, &request.set("response_mode", "fragment"), true),
    ] {
        assert_eq!(is_silent(&Fixture::new(), first, second).await, silent, "{first:?} {second:?}");
    }
    let other = authorization("two").set("redirect_uri", "https://two.example/other");
    assert!(!is_silent(&Fixture::new(), &authorization("two"), &other).await, "another redirect URI");
    assert!(!is_silent(&Fixture::new(), &request, &authorization("post")).await, "another client");
}

#[tokio::test]
async fn what_a_user_allowed_in_part_is_asked_again_in_whole() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    code(&agent.approve(id, &scope("read")).await);
    let answer = agent.authorize(&authorization("web")).await;
    assert!(Agent::is_at(&answer, "/consent"), "{answer:?}");
    let answer = agent.authorize(&authorization("web").set("scope", "read")).await;
    code(&answer);
}

#[tokio::test]
async fn a_value_that_is_unticked_later_is_no_longer_remembered() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    code(&agent.approve(id, &scope("read")).await);
    let answer = agent.authorize(&authorization("web")).await;
    code(&agent.approve(Agent::interaction(&answer), &scope("write")).await);
    let read = agent.authorize(&authorization("web").set("scope", "read")).await;
    assert!(Agent::is_at(&read, "/consent"), "{read:?}");
    code(&agent.authorize(&authorization("web").set("scope", "write")).await);
}

#[tokio::test]
async fn a_user_whom_the_host_has_locked_cannot_sign_in() {
    let fixture = Fixture::new();
    fixture.accounts.lock("alice");
    let mut agent = fixture.agent();
    let id = Agent::interaction(&agent.authorize(&authorization("web")).await);
    refused(&agent.login(id, "alice").await);
}

#[tokio::test]
async fn a_consent_belongs_to_one_user_expires_and_can_be_taken_back() {
    let fixture = Fixture::new();
    let request = authorization("web");
    let mut agent = fixture.agent();
    code(&agent.walk(&request, "alice").await);
    let mut other = fixture.agent();
    other.sign_in("bob").await;
    assert!(Agent::is_at(&other.authorize(&request).await, "/consent"), "another user");

    fixture.clock.forward(90 * 24 * 3600 - 1);
    agent.sign_in("alice").await;
    code(&agent.authorize(&request).await);
    fixture.clock.forward(1);
    assert!(Agent::is_at(&agent.authorize(&request).await, "/consent"), "expired");

    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    code(&agent.walk(&request, "alice").await);
    fixture.server.revoke_access(&alice(), &"web".into()).await.unwrap();
    assert!(Agent::is_at(&agent.authorize(&request).await, "/consent"), "taken back");
}

#[tokio::test]
async fn users_of_the_operators_own_clients_are_not_asked() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    let answer = agent.authorize(&authorization("first")).await;
    let answer = agent.login(Agent::interaction(&answer), "alice").await;
    code(&answer);
    code(&agent.authorize(&authorization("first")).await);
    fixture.clients.change("first", |client| client.consent = ConsentPolicy::Ask);
    assert!(Agent::is_at(&agent.authorize(&authorization("first")).await, "/consent"));
}

#[tokio::test]
async fn every_login_makes_a_new_session_and_ends_the_old_one() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let old = agent.clone();
    let name = "__Host-grantor_session";
    agent.sign_in("alice").await;
    assert_ne!(old.cookies[name], agent.cookies[name]);
    assert_eq!(fixture.server.signed_in(&agent.browser()).await.unwrap().unwrap().subject, alice());
    assert!(fixture.server.signed_in(&old.browser()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_is_known_by_its_whole_cookie_and_until_it_expires() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    agent.sign_in("alice").await;
    let name = "__Host-grantor_session";
    let cookie = agent.cookies[name].clone();
    let handle = grantor::token::Handle::decode(grantor::token::HandleKind::Session, &cookie).unwrap();
    let forged = grantor::token::Handle { secret: [0; 32], ..handle };
    let forged = forged.encode(grantor::token::HandleKind::Session).expose().to_owned();
    for bad in [forged, cookie[..71].to_owned(), "x".to_owned(), format!("{cookie}x")] {
        let mut other = agent.clone();
        other.cookies.insert(name.into(), bad);
        assert!(fixture.server.signed_in(&other.browser()).await.unwrap().is_none());
        assert!(Agent::is_at(&other.authorize(&authorization("web")).await, "/login"));
    }
    fixture.clock.set(NOW + 12 * 3600 - 1);
    assert!(fixture.server.signed_in(&agent.browser()).await.unwrap().is_some());
    fixture.clock.set(NOW + 12 * 3600);
    assert!(fixture.server.signed_in(&agent.browser()).await.unwrap().is_none());
}

#[tokio::test]
async fn a_forged_session_cookie_ends_nobodys_session() {
    let fixture = Fixture::new();
    let mut victim = fixture.agent();
    victim.sign_in("alice").await;
    let name = "__Host-grantor_session";
    let kind = grantor::token::HandleKind::Session;
    let handle = grantor::token::Handle::decode(kind, &victim.cookies[name]).unwrap();
    let forged = grantor::token::Handle { secret: [0; 32], ..handle }.encode(kind);
    let mut thief = fixture.agent();
    thief.cookies.insert(name.into(), forged.expose().to_owned());
    thief.sign_in("mallory").await;
    thief.cookies.insert(name.into(), forged.expose().to_owned());
    let id = Agent::interaction(&thief.authorize(&authorization("web")).await);
    let forget = ForgetLogin { answer: thief.form(id).await, browser: thief.browser() };
    let _ = fixture.server.forget_login(&forget).await.unwrap();
    assert!(fixture.server.signed_in(&victim.browser()).await.unwrap().is_some());
}

#[tokio::test]
async fn a_session_dies_with_its_user() {
    for end in ["lock", "disable"] {
        let fixture = Fixture::new();
        let mut agent = fixture.agent();
        agent.sign_in("alice").await;
        match end {
            "lock" => fixture.accounts.lock("alice"),
            _ => {
                fixture.server.disable_subject(&alice()).await.unwrap();
                fixture.server.enable_subject(&alice()).await.unwrap();
            }
        }
        assert!(fixture.server.signed_in(&agent.browser()).await.unwrap().is_none(), "{end}");
        assert!(Agent::is_at(&agent.authorize(&authorization("web")).await, "/login"), "{end}");
    }
}

#[tokio::test]
async fn a_session_that_was_ended_approves_nothing() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    let form = agent.form(id).await;
    let session = agent.browser().session_id().unwrap();
    fixture.server.end_session(session).await.unwrap();
    let answer = agent.submit(form, &scope("read")).await;
    assert!(Agent::is_at(&answer, "/login"), "{answer:?}");
}

#[tokio::test]
async fn a_user_may_go_on_as_someone_else() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    let forget = ForgetLogin { answer: agent.form(id).await, browser: agent.browser() };
    let step = fixture.server.forget_login(&forget).await;
    let answer = agent.shown(step);
    assert!(Agent::is_at(&answer, "/login"), "{answer:?}");
    assert!(!agent.cookies.contains_key("__Host-grantor_session"));
    agent.login(id, "bob").await;
    let answer = agent.approve(id, &scope("read")).await;
    let token = fixture.redeem("web", &code(&answer)).await.tokens().access;
    assert_eq!(fixture.introspect("web", &token).await["sub"], "bob");
}

#[tokio::test]
async fn a_user_whose_name_is_a_clients_identifier_is_refused() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    let id = Agent::interaction(&agent.authorize(&authorization("web")).await);
    let answer = agent.login(id, "machine").await;
    assert!(answer.is_page() && answer.status == 500, "{answer:?}");
    let answer = agent.sign_in("web").await;
    assert!(answer.is_page() && answer.status == 500, "{answer:?}");
}

/// The answer to a first-party client from a host whose own session has signed this user in.
async fn authorized_by_the_host(fixture: &Fixture, subject: &str) -> Answer {
    let agent = fixture.agent();
    let browser = Browser { host_login: Some(agent.host_login(subject)), ..agent.browser() };
    let params = authorization("first");
    let params = grantor::protocol::Params::from_pairs(
        params.0.iter().map(|(name, value)| (name.as_str(), value.as_str())),
    );
    let request = grantor::authorize::AuthorizationRequest::read(params).unwrap();
    let authorize = grantor::authorize::Authorize { request, browser };
    let step = fixture.server.authorize(&authorize, grantor::server::Origin::default()).await;
    fixture.http.step(step, &http::Method::GET).into()
}

#[tokio::test]
async fn a_user_of_the_hosts_own_session_has_a_name_that_is_no_clients_and_fits_into_a_token() {
    let fixture = Fixture::new();
    for subject in ["machine", "", "alice\n", "élise", &"a".repeat(256)] {
        let answer = authorized_by_the_host(&fixture, subject).await;
        assert_eq!(answer.param("error").as_deref(), Some("server_error"), "{answer:?}");
    }
    assert!(fixture.grants("first").await.is_empty());
}

#[tokio::test]
async fn a_host_with_sessions_of_its_own_is_not_given_another() {
    let answer = authorized_by_the_host(&Fixture::new(), "alice").await;
    assert!(answer.param("code").is_some(), "{answer:?}");
    assert!(answer.header("set-cookie").is_none());
}

#[tokio::test]
async fn a_disabled_user_cannot_sign_in_and_a_disabled_client_is_not_shown() {
    let fixture = Fixture::new();
    fixture.server.disable_subject(&alice()).await.unwrap();
    let mut agent = fixture.agent();
    let id = Agent::interaction(&agent.authorize(&authorization("web")).await);
    refused(&agent.login(id, "alice").await);

    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    let form = agent.form(id).await;
    fixture.server.disable_client(&"web".into()).await.unwrap();
    assert!(agent.view(id).await.is_err());
    refused(&agent.submit(form, &scope("read")).await);
}

#[tokio::test]
async fn what_a_client_may_no_longer_ask_for_is_neither_shown_nor_allowed() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    let form = agent.form(id).await;
    fixture.clients.change("web", |client| client.scope = scope("read"));
    assert_eq!(agent.view(id).await.unwrap().scope, scope("read"));
    let answer = agent.submit(form, &scope("read write")).await;
    assert_eq!(fixture.redeem("web", &code(&answer)).await.tokens().scope, "read");

    let mut agent = fixture.agent();
    let id = Agent::interaction(&agent.authorize(&authorization("first").set("scope", "read write")).await);
    fixture.clients.change("first", |client| client.scope = scope("write"));
    let answer = agent.login(id, "alice").await;
    assert_eq!(fixture.redeem("first", &code(&answer)).await.tokens().scope, "write");

    let lost: [fn(&mut Client); 2] =
        [|client| client.scope = scope("admin"), |client| client.response_types = vec![ResponseType::None]];
    for lose in lost {
        let fixture = Fixture::new();
        let (mut agent, id) = at_consent(&fixture, "web").await;
        let form = agent.form(id).await;
        let mut other = fixture.agent();
        let waiting = Agent::interaction(&other.authorize(&authorization("web")).await);
        let login = other.form(waiting).await;
        fixture.clients.change("web", lose);
        assert!(agent.view(id).await.is_err());
        refused(&agent.submit(form, &scope("read")).await);
        let login =
            Login { interaction: Some(login), login: other.host_login("alice"), browser: other.browser() };
        refused(&other.shown(fixture.server.login(&login).await));
    }
}

#[tokio::test]
async fn a_client_that_needs_a_challenge_by_now_is_not_answered_without_one() {
    let fixture = Fixture::with(|builder| builder.profile(Profile::OidcCompat));
    let request = authorization("web").without("code_challenge").without("code_challenge_method");
    let mut agent = fixture.agent();
    let id = Agent::interaction(&agent.authorize(&request).await);
    agent.login(id, "alice").await;
    let form = agent.form(id).await;
    fixture.clients.change("web", |client| client.auth_method = ClientAuthMethod::None);
    refused(&agent.submit(form, &scope("read")).await);
}

#[tokio::test]
async fn nothing_a_browser_sends_later_changes_the_request() {
    let fixture = Fixture::new();
    let (mut agent, id) = at_consent(&fixture, "web").await;
    let before = agent.view(id).await.unwrap();
    agent.authorize(&authorization("web").set("scope", "read").set("state", "evil")).await;
    let after = agent.view(id).await.unwrap();
    assert_eq!((before.scope, before.destination), (after.scope, after.destination));
    let approve = Approve { answer: agent.form(id).await, scope: scope("read"), browser: agent.browser() };
    let step = fixture.server.approve(&approve).await;
    assert_eq!(agent.shown(step).param("state").as_deref(), Some("af0ifjsldkj"));
}

#[tokio::test]
async fn cookies_belong_to_this_host_alone_and_to_no_script() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    let begun = agent.authorize(&authorization("web")).await;
    let signed_in = agent.login(Agent::interaction(&begun), "alice").await;
    for (answer, name) in [(begun, "__Host-grantor_browser="), (signed_in, "__Host-grantor_session=")] {
        let cookie = answer.header("set-cookie").unwrap();
        assert!(cookie.starts_with(name), "{cookie}");
        assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Lax; Max-Age=43200; Secure"), "{cookie}");
    }
}
