//! Redeeming an authorization code.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use common::clients::{API, JWT_API, REPORTS, redirect_uri};
use common::{
    Answer, Fixture, Form, NOW, OTHER_VERIFIER, VERIFIER, alice, authorization, challenge, redemption, scope,
};
use grantor::profile::Profile;
use grantor::protocol::{ApplicationType, ClientAuthMethod, GrantType, RedirectUri};
use grantor::record::EventKind;
use grantor::record::grant::{EndReason, GrantStatus};

const REPLAYED: GrantStatus = GrantStatus::Ended(EndReason::Replayed);

async fn code_for(fixture: &Fixture, request: &Form) -> String {
    fixture.agent().walk(request, "alice").await.param("code").unwrap()
}

#[tokio::test]
async fn a_code_is_redeemed_for_tokens() {
    for client in ["web", "post", "spa", "native", "app", "first", "dynamic"] {
        let fixture = Fixture::new();
        let answer = fixture.redeem(client, &fixture.code(client).await).await;
        let tokens = answer.tokens();
        assert_eq!(answer.json()["token_type"], "Bearer");
        assert_eq!((tokens.scope.as_str(), tokens.expires_in), ("read write", 3600), "{client}");
        assert!(tokens.access.starts_with("gat_") && tokens.refresh.starts_with("grt_"), "{client}");
        assert!(fixture.is_live(&tokens.access).await);
        assert_eq!(fixture.status(client).await, GrantStatus::Active);
        assert_eq!(fixture.count(EventKind::TokensIssued), 1);
    }
}

#[tokio::test]
async fn only_clients_registered_for_it_get_a_refresh_token() {
    let fixture = Fixture::new();
    assert_eq!(fixture.tokens("two").await.refresh, "");
    let off = Fixture::with(|builder| builder.grant_types([GrantType::AuthorizationCode]));
    assert_eq!(off.tokens("web").await.refresh, "");
}

#[tokio::test]
async fn a_code_is_redeemed_at_most_once_and_a_second_time_ends_everything() {
    for client in ["web", "spa"] {
        let fixture = Fixture::new();
        let code = fixture.code(client).await;
        let tokens = fixture.redeem(client, &code).await.tokens();
        fixture.redeem(client, &code).await.refused(400, "invalid_grant");
        assert_eq!(fixture.status(client).await, REPLAYED);
        assert!(!fixture.is_live(&tokens.access).await);
        fixture.refresh(client, &tokens.refresh).await.refused(400, "invalid_grant");
        assert_eq!(fixture.count(EventKind::ReplayDetected), 1);
        fixture.redeem(client, &code).await.refused(400, "invalid_grant");
        assert_eq!(fixture.count(EventKind::ReplayDetected), 1, "what has ended does not end again");
    }
}

#[tokio::test]
async fn a_replay_ends_what_was_refreshed_since() {
    let fixture = Fixture::new();
    let code = fixture.code("spa").await;
    let first = fixture.redeem("spa", &code).await.tokens();
    let second = fixture.refresh("spa", &first.refresh).await.tokens();
    fixture.redeem("spa", &code).await.refused(400, "invalid_grant");
    for token in [&first.access, &second.access] {
        assert!(!fixture.is_live(token).await);
    }
    fixture.refresh("spa", &second.refresh).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn an_expired_code_that_was_spent_still_counts_as_replayed() {
    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    let tokens = fixture.redeem("web", &code).await.tokens();
    fixture.clock.forward(1000);
    assert!(fixture.is_live(&tokens.access).await);
    fixture.redeem("web", &code).await.refused(400, "invalid_grant");
    assert_eq!(fixture.status("web").await, REPLAYED);
    assert!(!fixture.is_live(&tokens.access).await);
}

#[tokio::test]
async fn a_spent_code_outlives_its_validity_in_the_store_as_long_as_its_tokens() {
    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    let tokens = fixture.redeem("web", &code).await.tokens();
    fixture.clock.forward(3599);
    fixture.store.purge(grantor::protocol::Timestamp(NOW + 3599), usize::MAX).await.unwrap();
    assert!(fixture.is_live(&tokens.access).await);
    fixture.redeem("web", &code).await.refused(400, "invalid_grant");
    assert_eq!(fixture.status("web").await, REPLAYED);
}

/// Every way in which a redemption can be wrong: what changes, and what is answered.
fn wrong(client: &str, code: &str) -> Vec<(&'static str, &'static str, Form, (u16, &'static str))> {
    let good = redemption("web", code);
    assert_eq!(client, "web");
    let grant = (400, "invalid_grant");
    let request = (400, "invalid_request");
    vec![
        ("verifier missing", "web", good.without("code_verifier"), grant),
        ("verifier wrong", "web", good.set("code_verifier", OTHER_VERIFIER), grant),
        ("verifier too short", "web", good.set("code_verifier", &VERIFIER[..42]), grant),
        ("verifier too long", "web", good.set("code_verifier", &"v".repeat(129)), request),
        ("verifier in another case", "web", good.set("code_verifier", &VERIFIER.to_uppercase()), grant),
        ("the challenge as verifier", "web", good.set("code_verifier", &challenge(VERIFIER)), grant),
        ("verifier twice", "web", good.add("code_verifier", VERIFIER), request),
        ("redirect_uri missing", "web", good.without("redirect_uri"), request),
        ("redirect_uri empty", "web", good.set("redirect_uri", ""), request),
        ("redirect_uri differs", "web", good.set("redirect_uri", "https://web.example/cb/"), grant),
        ("redirect_uri of another", "web", good.set("redirect_uri", redirect_uri("spa")), grant),
        ("redirect_uri twice", "web", good.add("redirect_uri", redirect_uri("web")), request),
        ("another confidential client", "post", good.clone(), grant),
        ("another public client", "spa", good.clone(), grant),
        ("another client with its own URI", "post", redemption("post", code), grant),
        ("code missing", "web", good.without("code"), request),
        ("code twice", "web", good.add("code", code), request),
        ("resource beyond the grant", "web", good.add("resource", API), (400, "invalid_target")),
        ("resource malformed", "web", good.add("resource", "x"), (400, "invalid_target")),
        (
            "another grant type",
            "web",
            good.set("grant_type", "client_credentials"),
            (400, "unauthorized_client"),
        ),
        ("grant type missing", "web", good.without("grant_type"), request),
        (
            "grant type in another case",
            "web",
            good.set("grant_type", "Authorization_Code"),
            (400, "unsupported_grant_type"),
        ),
    ]
}

#[tokio::test]
async fn a_wrong_redemption_is_refused_and_burns_nothing() {
    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    for (row, client, request, (status, error)) in wrong("web", &code) {
        let answer = fixture.token(client, &request).await;
        assert_eq!(answer.error(), (status, error.to_owned()), "{row}");
    }
    let bad_secret = common::clients::basic("web", "wrong");
    fixture.post("/token", Some(&bad_secret), &redemption("web", &code)).await.refused(401, "invalid_client");
    fixture.redeem("web", &code).await.tokens();
}

#[tokio::test]
async fn a_code_of_another_client_is_refused_even_where_both_share_a_redirect_uri() {
    let fixture = Fixture::new();
    let shared = RedirectUri::parse(redirect_uri("web"), ApplicationType::Web).unwrap();
    for thief in ["post", "spa"] {
        fixture.clients.change(thief, |client| client.redirect_uris = vec![shared.clone()]);
    }
    let code = fixture.code("web").await;
    let tokens = fixture.tokens("first").await;
    for thief in ["post", "spa"] {
        fixture.token(thief, &redemption("web", &code)).await.refused(400, "invalid_grant");
    }
    fixture.redeem("web", &code).await.tokens();
    for thief in ["post", "spa"] {
        fixture.token(thief, &redemption("web", &code)).await.refused(400, "invalid_grant");
    }
    assert_eq!(fixture.status("web").await, GrantStatus::Active);
    assert!(fixture.is_live(&tokens.access).await);
}

#[tokio::test]
async fn a_replay_that_fails_another_check_ends_nothing() {
    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    let tokens = fixture.redeem("web", &code).await.tokens();
    for (row, client, request, (status, error)) in wrong("web", &code) {
        let answer = fixture.token(client, &request).await;
        assert_eq!(answer.error(), (status, error.to_owned()), "{row}");
        assert!(fixture.is_live(&tokens.access).await, "{row}");
    }
    let bad_secret = common::clients::basic("web", "wrong");
    fixture.post("/token", Some(&bad_secret), &redemption("web", &code)).await.refused(401, "invalid_client");
    assert_eq!(fixture.status("web").await, GrantStatus::Active);
    assert_eq!(fixture.count(EventKind::ReplayDetected), 0);
}

#[tokio::test]
async fn unknown_malformed_and_foreign_codes_look_the_same() {
    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    let tokens = fixture.tokens("post").await;
    let mut answers: Vec<Answer> = Vec::new();
    let other_server = Fixture::new().code("web").await;
    let another = if code.as_bytes()[20] == b'A' { 'B' } else { 'A' };
    let flipped = format!("{}{another}{}", &code[..20], &code[21..]);
    for bad in
        ["x", &code[..71], &format!("{code}x"), &flipped, &other_server, &tokens.access, &tokens.refresh]
    {
        answers.push(fixture.redeem("web", bad).await);
    }
    answers.push(fixture.redeem("post", &code).await);
    answers.push(fixture.token("web", &redemption("web", &code).set("code_verifier", OTHER_VERIFIER)).await);
    fixture.clock.forward(60);
    answers.push(fixture.redeem("web", &code).await);
    for answer in &answers {
        answer.refused(400, "invalid_grant");
        assert_eq!((&answer.body, &answer.headers), (&answers[0].body, &answers[0].headers));
    }
}

#[tokio::test]
async fn a_code_lives_sixty_seconds() {
    for (seconds, redeemable) in [(0, true), (59, true), (60, false), (61, false), (10_000_000, false)] {
        let fixture = Fixture::new();
        let code = fixture.code("web").await;
        fixture.clock.forward(seconds);
        assert_eq!(fixture.redeem("web", &code).await.status == 200, redeemable, "{seconds} s");
    }
}

#[tokio::test]
async fn an_expired_code_stays_expired_when_the_clock_goes_back_after_it_was_purged() {
    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    fixture.store.purge(grantor::protocol::Timestamp(NOW + 1000), usize::MAX).await.unwrap();
    fixture.redeem("web", &code).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn a_redirect_uri_that_was_named_must_be_named_again_and_be_the_same() {
    let uri = redirect_uri("web");
    // named at authorization, named at redemption, outcome
    let rows = [
        (Some(uri), Some(uri), None),
        (Some(uri), None, Some("invalid_request")),
        (Some(uri), Some("https://web.example/other"), Some("invalid_grant")),
        (None, None, None),
        (None, Some(uri), None),
        (None, Some("https://web.example/other"), Some("invalid_grant")),
    ];
    for (authorized, redeemed, error) in rows {
        let fixture = Fixture::new();
        let named = |form: Form, uri: Option<&str>| match uri {
            Some(uri) => form.set("redirect_uri", uri),
            None => form.without("redirect_uri"),
        };
        let code = code_for(&fixture, &named(authorization("web"), authorized)).await;
        let answer = fixture.token("web", &named(redemption("web", &code), redeemed)).await;
        match error {
            None => drop(answer.tokens()),
            Some(error) => answer.refused(400, error),
        }
    }
}

#[tokio::test]
async fn the_port_of_a_loopback_uri_is_fixed_once_it_was_used() {
    let fixture = Fixture::new();
    let used = "http://127.0.0.1:51004/cb";
    let code = code_for(&fixture, &authorization("native").set("redirect_uri", used)).await;
    let good = redemption("native", &code);
    fixture
        .token("native", &good.set("redirect_uri", "http://127.0.0.1:51005/cb"))
        .await
        .refused(400, "invalid_grant");
    fixture
        .token("native", &good.set("redirect_uri", "http://127.0.0.1/cb"))
        .await
        .refused(400, "invalid_grant");
    fixture.token("native", &good.set("redirect_uri", used)).await.tokens();
}

#[tokio::test]
async fn a_verifier_is_needed_exactly_when_there_was_a_challenge() {
    // challenge sent, verifier sent, redeemed
    for (challenged, verified, redeemed) in
        [(true, true, true), (true, false, false), (false, true, false), (false, false, true)]
    {
        let fixture =
            Fixture::with(|builder| builder.profile(Profile::OidcCompat).scope(scope("read write")));
        let request = authorization("web");
        let plain = request.without("code_challenge").without("code_challenge_method");
        let code = code_for(&fixture, if challenged { &request } else { &plain }).await;
        let good = redemption("web", &code);
        let request = if verified { good } else { good.without("code_verifier") };
        let answer = fixture.token("web", &request).await;
        if redeemed {
            answer.tokens();
        } else {
            answer.refused(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn public_clients_need_a_challenge_in_every_profile() {
    for profile in Profile::ALL {
        let fixture = Fixture::with(|builder| builder.profile(*profile).scope(scope("read write")));
        let request = authorization("spa").without("code_challenge").without("code_challenge_method");
        let answer = fixture.agent().authorize(&request).await;
        assert_eq!(answer.param("error").as_deref(), Some("invalid_request"), "{profile:?}");
    }
}

#[tokio::test]
async fn what_was_switched_off_meanwhile_redeems_nothing() {
    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    fixture.accounts.lock("alice");
    fixture.redeem("web", &code).await.refused(400, "invalid_grant");

    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    fixture.server.disable_subject(&alice()).await.unwrap();
    fixture.redeem("web", &code).await.refused(400, "invalid_grant");
    fixture.server.enable_subject(&alice()).await.unwrap();
    fixture.redeem("web", &code).await.refused(400, "invalid_grant");

    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    fixture.server.disable_client(&"web".into()).await.unwrap();
    fixture.redeem("web", &code).await.refused(401, "invalid_client");
    fixture.server.enable_client(&"web".into()).await.unwrap();
    fixture.redeem("web", &code).await.refused(400, "invalid_grant");

    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    fixture.clients.remove("web");
    fixture.redeem("web", &code).await.refused(401, "invalid_client");
}

#[tokio::test]
async fn a_client_that_changed_meanwhile_is_judged_as_it_is_now() {
    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    let new = RedirectUri::parse("https://web.example/new", ApplicationType::Web).unwrap();
    fixture.clients.change("web", |client| client.redirect_uris = vec![new]);
    fixture.redeem("web", &code).await.refused(400, "invalid_grant");

    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    fixture.clients.change("web", |client| client.grant_types = vec![]);
    fixture.redeem("web", &code).await.refused(400, "unauthorized_client");

    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    let renewed = grantor::record::client::ClientSecret::generated("a-new-secret-0123456789abcdef0123456789");
    fixture.clients.change("web", |client| client.secrets = vec![renewed]);
    fixture.redeem("web", &code).await.refused(401, "invalid_client");
    let header = common::clients::basic("web", "a-new-secret-0123456789abcdef0123456789");
    fixture.post("/token", Some(&header), &redemption("web", &code)).await.tokens();

    let fixture = Fixture::new();
    let (some, none) = (fixture.code("web").await, fixture.code("web").await);
    fixture.clients.change("web", |client| client.scope = scope("read"));
    assert_eq!(fixture.redeem("web", &some).await.tokens().scope, "read");
    fixture.clients.change("web", |client| client.scope = scope("admin"));
    fixture.redeem("web", &none).await.refused(400, "invalid_scope");
}

#[tokio::test]
async fn a_code_without_a_challenge_opens_nothing_once_its_client_needs_one() {
    let fixture = Fixture::with(|builder| builder.profile(Profile::OidcCompat).scope(scope("read write")));
    let plain = authorization("web").without("code_challenge").without("code_challenge_method");
    let code = code_for(&fixture, &plain).await;
    fixture.clients.change("web", |client| client.auth_method = ClientAuthMethod::None);
    let redemption = redemption("web", &code).without("code_verifier").add("client_id", "web");
    fixture.post("/token", None, &redemption).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn scope_is_ignored_when_a_code_is_redeemed() {
    for asked in ["read", "admin", "bad\"scope", "read write admin"] {
        let fixture = Fixture::new();
        let code = fixture.code("web").await;
        let answer = fixture.token("web", &redemption("web", &code).set("scope", asked)).await;
        assert_eq!(answer.tokens().scope, "read write");
    }
}

#[tokio::test]
async fn a_redemption_may_ask_for_some_of_the_resources_granted() {
    let fixture = Fixture::new();
    let request = authorization("web").add("resource", API).add("resource", REPORTS);
    let code = code_for(&fixture, &request).await;
    let good = redemption("web", &code);
    fixture.token("web", &good.add("resource", JWT_API)).await.refused(400, "invalid_target");
    let tokens = fixture.token("web", &good.add("resource", REPORTS)).await.tokens();
    assert_eq!(tokens.scope, "read", "reports know no other scope");
    assert_eq!(fixture.introspect("web", &tokens.access).await["aud"], REPORTS);
}

#[tokio::test]
async fn a_token_for_a_jwt_resource_is_signed_and_dies_with_its_grant() {
    let fixture = Fixture::new();
    let code = code_for(&fixture, &authorization("web").add("resource", JWT_API)).await;
    let tokens = fixture.redeem("web", &code).await.tokens();
    assert_eq!(tokens.expires_in, 600);
    let seen = fixture.introspect("web", &tokens.access).await;
    assert_eq!(
        (&seen["active"], &seen["aud"], &seen["sub"]),
        (&true.into(), &JWT_API.into(), &"alice".into())
    );
    fixture.redeem("web", &code).await.refused(400, "invalid_grant");
    assert_eq!(fixture.introspect("web", &tokens.access).await, serde_json::json!({"active": false}));
}

#[tokio::test]
async fn nothing_in_the_query_of_a_token_request_is_read() {
    let fixture = Fixture::new();
    let code = fixture.code("spa").await;
    let good = redemption("spa", &code).add("client_id", "spa");
    let target = format!("/token?{}", good.encode());
    let post = |body: String| {
        http::Request::post(&target)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(body.into())
            .unwrap()
    };
    fixture.send(post(String::new())).await.refused(401, "invalid_client");
    fixture.send(post("client_id=spa".into())).await.refused(400, "invalid_request");
    assert_eq!(fixture.get(&target).await.status, 405);
    fixture.send(post(good.encode())).await.tokens();
}

#[tokio::test]
async fn unknown_and_empty_parameters_change_nothing() {
    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    let request =
        redemption("web", &code).add("scope", "").add("audience", "x").add("foo", "bar").add("nonce", "");
    fixture.token("web", &request).await.tokens();
}
