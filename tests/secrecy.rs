//! No secret is ever printed, logged or kept.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::clients::{basic, secret};
use common::devices;
use common::{Agent, Fixture, VERIFIER, authorization, machine, redemption, refreshing};
use grantor::authorize::{
    Approve, AuthorizationRequest, Authorize, Browser, Deny, EnterUserCode, ForgetLogin, FormAnswer, Login,
    View,
};
use grantor::client::Credentials;
use grantor::endpoint::device_authorization::DeviceAuthorizationRequest;
use grantor::endpoint::introspection::IntrospectionRequest;
use grantor::endpoint::registration::{
    EndRegistration, ReadRegistration, RegistrationAccess, RegistrationRequest, ReplaceRegistration,
};
use grantor::endpoint::resource::ResourceCheck;
use grantor::endpoint::revocation::RevocationRequest;
use grantor::endpoint::token::TokenRequest;
use grantor::protocol::{GrantType, Params, Secret};
use grantor::record::codec::encode;
use grantor::record::facts::Fact;
use grantor::record::{Decide, Facts, Need};
use grantor::server::{Origin, Trace};
use grantor::token::{Handle, HandleKind, PresentedToken, RefreshHandle};

const CANARY: &str = "canary-0123456789abcdef0123456789abcdef-canary";

#[track_caller]
fn keeps_quiet(value: &dyn std::fmt::Debug) {
    for text in [format!("{value:?}"), format!("{value:#?}")] {
        assert!(!text.contains("canary") && !text.contains("0123456789abcdef"), "{text}");
        assert!(
            !text.contains("48, 49, 50, 51") && !text.contains(&handle(HandleKind::Code)[30..]),
            "{text}"
        );
    }
}

/// A handle whose secret is a canary too.
fn handle(kind: HandleKind) -> String {
    let secret = *b"0123456789abcdef0123456789abcdef";
    Handle { id: grantor::record::Id([7; 16]), secret }.encode(kind).expose().to_owned()
}

fn params(pairs: &[(&'static str, &'static str)]) -> Params<'static> {
    Params::from_pairs(pairs.iter().copied())
}

#[test]
fn no_request_prints_a_secret_that_it_carries() {
    let common = [("client_id", "post"), ("client_secret", CANARY), ("token", CANARY)];
    let with = |more: &[(&'static str, &'static str)]| params(&[&common[..], more].concat());
    for grant in [
        &[("grant_type", "authorization_code"), ("code", CANARY), ("code_verifier", CANARY)][..],
        &[("grant_type", "refresh_token"), ("refresh_token", CANARY)],
        &[("grant_type", "client_credentials")],
        &[("grant_type", devices::DEVICE_CODE), ("device_code", CANARY)],
    ] {
        keeps_quiet(&TokenRequest::read(None, &with(grant), GrantType::ALL).unwrap());
    }
    let code = handle(HandleKind::DeviceCode);
    let form = [("grant_type", devices::DEVICE_CODE), ("client_id", "tv"), ("device_code", code.as_str())];
    keeps_quiet(&TokenRequest::read(None, &Params::from_pairs(form), GrantType::ALL).unwrap());
    keeps_quiet(&DeviceAuthorizationRequest::read(None, &with(&[])).unwrap());
    keeps_quiet(&RevocationRequest::read(None, &with(&[])).unwrap());
    keeps_quiet(&IntrospectionRequest::read(None, &with(&[])).unwrap());
    keeps_quiet(&Credentials::read(Some(basic("web", CANARY).as_bytes()), &params(&[])).unwrap());
    let code = handle(HandleKind::Code);
    let form = [("grant_type", "authorization_code"), ("client_id", "spa"), ("code", code.as_str())];
    keeps_quiet(&TokenRequest::read(None, &Params::from_pairs(form), GrantType::ALL).unwrap());
    for token in [CANARY.to_owned(), format!("{CANARY}.a.b"), handle(HandleKind::AccessToken)] {
        keeps_quiet(&ResourceCheck {
            token: PresentedToken::read(&token),
            resource: None,
            scope: common::scope(""),
        });
    }

    let body = format!(r#"{{"client_id":"x","client_secret":"{CANARY}"}}"#);
    let initial = handle(HandleKind::InitialAccess);
    keeps_quiet(&RegistrationRequest::read(Some(&initial), body.as_bytes()).unwrap());
    let access = || RegistrationAccess::read("x", &handle(HandleKind::Registration));
    keeps_quiet(&ReplaceRegistration::read(access(), body.as_bytes()).unwrap());
    keeps_quiet(&ReadRegistration(access()));
    keeps_quiet(&EndRegistration(access()));

    let [session, binding] = [HandleKind::Session, HandleKind::Browser].map(handle);
    let lines = format!("__Host-grantor_session={session}; __Host-grantor_browser={binding}");
    let browser =
        Browser::from_cookie_headers([lines.as_str()], &grantor::Issuer::new("https://as.example").unwrap());
    assert!(browser.session.is_some() && browser.binding.is_some());
    keeps_quiet(&browser);
    let request = AuthorizationRequest::read(params(&[("client_id", "web"), ("request", CANARY)])).unwrap();
    keeps_quiet(&Authorize { request, browser: browser.clone() });
    let id = grantor::record::InteractionId(grantor::record::Id([0; 16]));
    let answer = FormAnswer { id, csrf: Secret::new(CANARY) };
    let login = grantor::authorize::HostLogin::now("alice", grantor::protocol::Timestamp(0));
    keeps_quiet(&View { id, browser: browser.clone() });
    keeps_quiet(&Login { interaction: Some(answer.clone()), login, browser: browser.clone() });
    keeps_quiet(&Approve { answer: answer.clone(), scope: common::scope(""), browser: browser.clone() });
    keeps_quiet(&Deny { answer: answer.clone(), browser: browser.clone() });
    let (typed, csrf) = (Secret::new(CANARY), Secret::new(CANARY));
    keeps_quiet(&EnterUserCode { typed, csrf, browser: browser.clone() });
    keeps_quiet(&ForgetLogin { answer, browser });
    keeps_quiet(&Need::SlowHash { presented: Secret::new(CANARY), expected: Secret::new(CANARY) });
}

#[test]
fn no_refusal_repeats_what_was_sent() {
    let header = basic("web", CANARY);
    for (authorization, pairs) in [
        (Some(header.as_str()), &[("client_secret", CANARY)][..]),
        (Some(header.as_str()), &[("client_id", "other")]),
        (Some("Basic canary"), &[]),
        (None, &[("client_id", "post"), ("client_secret", CANARY), ("grant_type", CANARY)]),
        (None, &[("client_id", "post"), ("client_secret", CANARY), ("client_secret", CANARY)]),
        (None, &[("client_id", "post"), ("grant_type", "client_credentials"), ("scope", "\"canary")]),
        (None, &[("client_id", "post"), ("grant_type", "client_credentials"), ("resource", "canary")]),
    ] {
        let error =
            TokenRequest::read(authorization.map(str::as_bytes), &params(pairs), GrantType::ALL).unwrap_err();
        keeps_quiet(&error);
        assert!(!error.to_string().contains("canary") && !error.description().contains("canary"));
    }
}

/// The parts of a handle by which it could be used.
fn usable(text: &str) -> Vec<String> {
    vec![text.to_owned(), text.get(27..60).unwrap_or(text).to_owned()]
}

#[tokio::test]
async fn nothing_that_is_kept_printed_or_told_can_be_used() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    let mut secrets = vec![VERIFIER.to_owned(), secret("web"), secret("post")];

    let asked = agent.authorize(&authorization("spa")).await;
    let id = Agent::interaction(&asked);
    let form = agent.form(id).await;
    agent.login(id, "alice").await;
    let view = agent.view(id).await.unwrap();
    let code = agent.approve(id, &common::scope("read write")).await.param("code").unwrap();
    let first = fixture.redeem("spa", &code).await.tokens();
    let second = fixture.refresh("spa", &first.refresh).await.tokens();
    let own = fixture.token("machine", &machine()).await.tokens();
    secrets.push(form.csrf.expose().to_owned());
    for text in [&code, &first.access, &first.refresh, &second.access, &second.refresh, &own.access] {
        secrets.extend(usable(text));
    }
    for cookie in agent.cookies.values() {
        secrets.extend(usable(cookie));
    }

    let mut seen = vec![format!("{view:?} {form:?}"), format!("{:?}", fixture.events())];
    for client in ["spa", "machine"] {
        for (_, grant) in fixture.grants(client).await {
            seen.push(format!("{grant:?}"));
            let record = grantor::record::Record::Grant(grant);
            seen.push(String::from_utf8(encode(&record).unwrap()).unwrap());
        }
    }
    seen.push(format!("{:?} {:?} {:?}", fixture.server, fixture.http, fixture.server.settings()));
    let clients = common::clients::all();
    seen.push(format!("{clients:?}"));

    let requests = [refreshing(&second.refresh), redemption("spa", &code)];
    for request in requests {
        let request = request.add("client_id", "spa");
        let params =
            Params::from_pairs(request.0.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        let request = TokenRequest::read(None, &params, GrantType::ALL).unwrap();
        let (answer, trace) = fixture.server.trace(&request, Origin::default()).await;
        if let Ok(tokens) = &answer {
            secrets.extend(usable(tokens.access_token.expose()));
            secrets.extend(usable(tokens.refresh_token.as_ref().unwrap().expose()));
        }
        let trace: Trace<'_> = trace.unwrap();
        seen.push(format!("{request:?} {answer:?} {trace:?}"));
        seen.push(format!("{:?}", request.decide(&trace.facts, &trace.context)));
    }
    for secret in &secrets {
        for text in &seen {
            assert!(!text.contains(secret.as_str()), "{secret} in {text}");
        }
    }
}

#[test]
fn handles_and_facts_print_no_secret() {
    let handle = Handle { id: grantor::record::Id([1; 16]), secret: [0xab; 32] };
    let key = grantor::record::grant::TagKey(grantor::record::Id([0xcd; 16]));
    let refresh = RefreshHandle::new(handle.id, 0, [0xab; 32], &key);
    let digest = handle.digest(HandleKind::AccessToken);
    for text in [format!("{handle:?}"), format!("{refresh:?}"), format!("{key:?}"), format!("{digest:?}")] {
        assert!(!text.contains("171") && !text.contains("ab, ") && !text.contains("q6ur"), "{text}");
        assert!(!text.contains("205") && !text.contains("zc3N"), "{text}");
    }
    let mut facts = Facts::new();
    facts.learn(Fact::Client("web".into(), common::clients::all().into_iter().next().map(Arc::new)));
    let text = format!("{facts:?}");
    assert!(!text.contains(&secret("web")), "{text}");
    let kept = grantor::protocol::Digest::of(secret("web").as_bytes()).to_base64url();
    assert!(!text.contains(&kept), "{text}");
}

#[test]
fn what_a_grant_type_of_the_host_asks_and_is_told_is_not_printed() {
    use grantor::record::extension::{HostAnswer, HostQuestion};
    use grantor::record::facts::{Fact, Facts};
    let question = HostQuestion {
        grant_type: grantor::protocol::ExtensionGrantType::new("urn:example:grant-type").unwrap(),
        question: serde_json::json!({ "voucher": "open sesame" }),
    };
    let answer = HostAnswer(serde_json::json!({ "account": "treasure 40" }));
    let mut facts = Facts::new();
    facts.learn(Fact::Host(Box::new(question.clone()), answer));
    let printed = format!("{facts:?} {question:?}");
    assert!(printed.contains("urn:example:grant-type"), "{printed}");
    assert!(!printed.contains("sesame") && !printed.contains("treasure"), "{printed}");
}
