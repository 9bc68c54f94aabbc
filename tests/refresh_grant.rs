//! Using a refresh token, once and again: the rows of the table "refresh token presented again".

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;
use std::time::Duration;

use common::clients::{API, JWT_API, REPORTS};
use common::{Fixture, Form, NOW, Tokens, alice, authorization, refreshing, scope};
use grantor::profile::RefreshRotation;
use grantor::protocol::Scope;
use grantor::record::EventKind;
use grantor::record::grant::{EndReason, GrantStatus};
use grantor::store::MemoryStore;
use grantor::token::RefreshHandle;

const REPLAYED: GrantStatus = GrantStatus::Ended(EndReason::Replayed);
const DAY: u64 = 24 * 3600;

/// `spa` with its first tokens, and the tokens after one rotation.
async fn rotated(fixture: &Fixture) -> (Tokens, Tokens) {
    let first = fixture.tokens("spa").await;
    let second = fixture.refresh("spa", &first.refresh).await.tokens();
    (first, second)
}

#[track_caller]
fn ended(status: GrantStatus) {
    assert_eq!(status, REPLAYED);
}

#[tokio::test]
async fn the_live_token_of_a_public_client_is_replaced() {
    let fixture = Fixture::new();
    let (first, second) = rotated(&fixture).await;
    assert_ne!(first.refresh, second.refresh);
    assert_ne!(first.access, second.access);
    assert_eq!(second.scope, "read write");
    for token in [&first.access, &second.access] {
        assert!(fixture.is_live(token).await);
    }
    assert_eq!(fixture.count(EventKind::TokensRefreshed), 1);
}

#[tokio::test]
async fn the_live_token_of_a_client_that_authenticates_is_kept() {
    let fixture = Fixture::new();
    let first = fixture.tokens("web").await;
    for _ in 0..5 {
        let next = fixture.refresh("web", &first.refresh).await.tokens();
        assert_eq!(next.refresh, first.refresh);
        assert!(fixture.is_live(&next.access).await);
    }
}

#[tokio::test]
async fn rotation_can_be_asked_for_from_everyone() {
    let fixture =
        Fixture::with(|builder| builder.refresh(|policy| policy.rotation = RefreshRotation::Always));
    let first = fixture.tokens("web").await;
    let second = fixture.refresh("web", &first.refresh).await.tokens();
    assert_ne!(second.refresh, first.refresh);
    fixture.refresh("web", &second.refresh).await.tokens();
    fixture.refresh("web", &first.refresh).await.refused(400, "invalid_grant");
    ended(fixture.status("web").await);
}

#[tokio::test]
async fn a_token_just_retired_gets_the_same_successor_three_times_and_then_nothing() {
    let fixture = Fixture::new();
    let (first, second) = rotated(&fixture).await;
    let mut seen = vec![second.access.clone()];
    for _ in 0..3 {
        let again = fixture.refresh("spa", &first.refresh).await.tokens();
        assert_eq!(again.refresh, second.refresh);
        assert!(!seen.contains(&again.access), "a fresh access token");
        seen.push(again.access);
    }
    for _ in 0..2 {
        fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");
        assert_eq!(fixture.status("spa").await, GrantStatus::Active);
    }
    fixture.refresh("spa", &second.refresh).await.tokens();
    for token in &seen {
        assert!(fixture.is_live(token).await);
    }
}

#[tokio::test]
async fn the_window_closes_ten_seconds_after_the_rotation() {
    for (seconds, inside) in [(0, true), (9, true), (10, false), (11, false), (1000, false)] {
        let fixture = Fixture::new();
        let (first, second) = rotated(&fixture).await;
        fixture.clock.forward(seconds);
        let answer = fixture.refresh("spa", &first.refresh).await;
        if inside {
            assert_eq!(answer.tokens().refresh, second.refresh, "{seconds} s");
            assert_eq!(fixture.status("spa").await, GrantStatus::Active);
        } else {
            answer.refused(400, "invalid_grant");
            ended(fixture.status("spa").await);
            assert!(!fixture.is_live(&second.access).await);
            fixture.refresh("spa", &second.refresh).await.refused(400, "invalid_grant");
        }
    }
}

#[tokio::test]
async fn after_the_window_a_retry_ends_the_grant_even_when_its_retries_are_used_up() {
    let fixture = Fixture::new();
    let (first, _) = rotated(&fixture).await;
    for _ in 0..4 {
        fixture.refresh("spa", &first.refresh).await;
    }
    assert_eq!(fixture.status("spa").await, GrantStatus::Active);
    fixture.clock.forward(10);
    fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");
    ended(fixture.status("spa").await);
}

#[tokio::test]
async fn once_the_successor_was_used_its_predecessor_ends_the_grant() {
    let fixture = Fixture::new();
    let (first, second) = rotated(&fixture).await;
    let third = fixture.refresh("spa", &second.refresh).await.tokens();
    fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");
    ended(fixture.status("spa").await);
    for token in [&first.access, &second.access, &third.access] {
        assert!(!fixture.is_live(token).await);
    }
    fixture.refresh("spa", &third.refresh).await.refused(400, "invalid_grant");
    assert_eq!(fixture.count(EventKind::ReplayDetected), 1);
}

#[tokio::test]
async fn any_older_generation_ends_the_grant_whenever_it_comes() {
    for (age, wait) in [(2, 0), (3, 0), (5, 0), (2, 3 * DAY), (5, 9 * DAY)] {
        let fixture = Fixture::new();
        let mut family = vec![fixture.tokens("spa").await];
        for _ in 0..5 {
            let newest = &family[family.len() - 1].refresh;
            family.push(fixture.refresh("spa", newest).await.tokens());
        }
        fixture.clock.forward(wait);
        let old = &family[family.len() - 1 - age];
        fixture.refresh("spa", &old.refresh).await.refused(400, "invalid_grant");
        ended(fixture.status("spa").await);
    }
}

#[tokio::test]
async fn an_expired_token_that_was_retired_still_counts_as_replayed() {
    let fixture = Fixture::new();
    let (first, _) = rotated(&fixture).await;
    fixture.clock.forward(31 * DAY);
    fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");
    ended(fixture.status("spa").await);
}

#[tokio::test]
async fn with_a_window_of_zero_nothing_is_given_twice_whatever_the_clock_does() {
    for back in [0, 1, 3600] {
        let fixture = Fixture::with(|builder| builder.refresh(|policy| policy.retry_window = Duration::ZERO));
        let (first, second) = rotated(&fixture).await;
        fixture.clock.back(back);
        fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");
        ended(fixture.status("spa").await);
        assert!(!fixture.is_live(&second.access).await, "{back} s back");
    }
}

#[tokio::test]
async fn with_no_retries_the_second_time_gets_nothing_and_ends_nothing() {
    let fixture = Fixture::with(|builder| builder.refresh(|policy| policy.retries = 0));
    let (first, second) = rotated(&fixture).await;
    fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");
    fixture.refresh("spa", &second.refresh).await.tokens();
}

#[tokio::test]
async fn order_is_told_by_generation_when_the_clock_goes_back() {
    let fixture = Fixture::new();
    let first = fixture.tokens("spa").await;
    fixture.clock.back(3600);
    let second = fixture.refresh("spa", &first.refresh).await.tokens();
    fixture.clock.back(3600);
    let third = fixture.refresh("spa", &second.refresh).await.tokens();
    fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");
    ended(fixture.status("spa").await);
    assert!(!fixture.is_live(&third.access).await);
}

#[tokio::test]
async fn a_clock_that_goes_back_after_a_rotation_frees_no_more_than_the_retries() {
    let fixture = Fixture::new();
    let (first, second) = rotated(&fixture).await;
    fixture.clock.back(3600);
    for _ in 0..3 {
        assert_eq!(fixture.refresh("spa", &first.refresh).await.tokens().refresh, second.refresh);
    }
    fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");
    fixture.clock.set(NOW + 1000);
    fixture.refresh("spa", &second.refresh).await.tokens();
}

#[tokio::test]
async fn a_right_token_from_a_wrong_client_gets_nothing_and_ends_nothing() {
    let fixture = Fixture::new();
    let (first, second) = rotated(&fixture).await;
    fixture.clock.forward(1000);
    for client in ["native", "web", "post"] {
        for token in [&first.refresh, &second.refresh] {
            fixture.refresh(client, token).await.refused(400, "invalid_grant");
        }
    }
    fixture.refresh("two", &second.refresh).await.refused(400, "unauthorized_client");
    assert_eq!(fixture.status("spa").await, GrantStatus::Active);
    fixture.refresh("spa", &second.refresh).await.tokens();
}

#[tokio::test]
async fn a_failed_authentication_is_told_first_and_ends_nothing() {
    let fixture =
        Fixture::with(|builder| builder.refresh(|policy| policy.rotation = RefreshRotation::Always));
    let first = fixture.tokens("web").await;
    let second = fixture.refresh("web", &first.refresh).await.tokens();
    fixture.refresh("web", &second.refresh).await.tokens();
    let wrong = common::clients::basic("web", "wrong");
    let attempts = [
        (Some(wrong.as_str()), refreshing(&first.refresh)),
        (None, refreshing(&first.refresh).add("client_id", "web")),
        (None, refreshing(&first.refresh)),
    ];
    for (authorization, request) in attempts {
        fixture.post("/token", authorization, &request).await.refused(401, "invalid_client");
    }
    assert_eq!(fixture.status("web").await, GrantStatus::Active);
}

#[tokio::test]
async fn a_token_nobody_issued_gets_nothing_and_ends_nothing() {
    let fixture = Fixture::new();
    let (first, second) = rotated(&fixture).await;
    let real = RefreshHandle::decode(&first.refresh).unwrap();
    let forged = [
        RefreshHandle { secret: [9; 32], ..real.clone() },
        RefreshHandle { tag: [9; 8], ..real.clone() },
        RefreshHandle { generation: 1, ..real.clone() },
        RefreshHandle { generation: u32::MAX, ..real.clone() },
    ];
    let other = Fixture::new().tokens("spa").await.refresh;
    let texts = forged.iter().map(|handle| handle.encode().expose().to_owned());
    for token in texts.chain([other, second.access.clone(), "x".into(), first.refresh[..80].to_owned()]) {
        fixture.refresh("spa", &token).await.refused(400, "invalid_grant");
    }
    assert_eq!(fixture.status("spa").await, GrantStatus::Active);
    fixture.refresh("spa", &second.refresh).await.tokens();
}

#[tokio::test]
async fn a_refresh_that_is_refused_for_another_reason_retires_nothing() {
    let fixture = Fixture::new();
    let first = fixture.tokens("spa").await;
    let good = refreshing(&first.refresh);
    let rows: [(&str, Form, &str); 7] = [
        ("beyond the grant", good.set("scope", "read admin"), "invalid_scope"),
        ("unknown scope", good.set("scope", "nothing"), "invalid_scope"),
        ("malformed scope", good.set("scope", "a\\b"), "invalid_scope"),
        ("resource not granted", good.set("resource", API), "invalid_target"),
        ("resource unknown", good.set("resource", "https://unknown.example/"), "invalid_target"),
        ("resource malformed", good.set("resource", "x"), "invalid_target"),
        ("token missing", good.without("refresh_token"), "invalid_request"),
    ];
    for (row, request, error) in rows {
        let answer = fixture.token("spa", &request).await;
        assert_eq!(answer.error(), (400, error.to_owned()), "{row}");
    }
    fixture.clock.forward(1000);
    fixture.token("spa", &good).await.tokens();
}

#[tokio::test]
async fn narrowing_the_scope_narrows_the_access_token_and_not_the_grant() {
    for client in ["spa", "web"] {
        let fixture = Fixture::new();
        let first = fixture.tokens(client).await;
        let narrow = fixture.token(client, &refreshing(&first.refresh).set("scope", "read")).await.tokens();
        assert_eq!(narrow.scope, "read");
        let wide = fixture.refresh(client, &narrow.refresh).await.tokens();
        assert_eq!(wide.scope, "read write");
    }
}

#[tokio::test]
async fn a_scope_that_the_client_lost_is_gone_from_the_next_token() {
    let fixture = Fixture::new();
    let first = fixture.tokens("spa").await;
    fixture.clients.change("spa", |client| client.scope = scope("read"));
    let asked = refreshing(&first.refresh).set("scope", "read write");
    fixture.token("spa", &asked).await.refused(400, "invalid_scope");
    let second = fixture.refresh("spa", &first.refresh).await.tokens();
    assert_eq!(second.scope, "read");
    fixture.clients.change("spa", |client| client.scope = Scope::empty());
    assert_eq!(fixture.refresh("spa", &second.refresh).await.tokens().scope, "");
}

#[tokio::test]
async fn a_refresh_may_ask_for_some_of_the_resources_and_later_for_all_again() {
    let fixture = Fixture::new();
    let request = authorization("spa").add("resource", API).add("resource", REPORTS);
    let code = fixture.agent().walk(&request, "alice").await.param("code").unwrap();
    let first = fixture.redeem("spa", &code).await.tokens();
    let ask = |token: &str| refreshing(token);
    fixture.token("spa", &ask(&first.refresh).add("resource", JWT_API)).await.refused(400, "invalid_target");
    let some = fixture.token("spa", &ask(&first.refresh).add("resource", API)).await.tokens();
    assert_eq!(fixture.introspect("api", &some.access).await["aud"], API);
    let all = fixture.token("spa", &ask(&some.refresh)).await.tokens();
    assert_eq!(fixture.introspect("api", &all.access).await["aud"], serde_json::json!([API, REPORTS]));
}

#[tokio::test]
async fn a_token_that_is_not_used_for_a_fortnight_expires() {
    for (client, seconds, live) in [
        ("spa", 14 * DAY - 1, true),
        ("spa", 14 * DAY, false),
        ("web", 14 * DAY - 1, true),
        ("web", 14 * DAY, false),
    ] {
        let fixture = Fixture::new();
        let first = fixture.tokens(client).await;
        fixture.clock.forward(seconds);
        assert_eq!(fixture.refresh(client, &first.refresh).await.status == 200, live, "{client} {seconds}");
        assert_eq!(fixture.status(client).await, GrantStatus::Active, "expiry ends nothing");
    }
}

#[tokio::test]
async fn no_rotation_extends_the_life_of_the_family() {
    for client in ["spa", "web"] {
        let fixture = Fixture::new();
        let mut token = fixture.tokens(client).await.refresh;
        for day in [10, 20, 29] {
            fixture.clock.set(NOW + day * DAY);
            token = fixture.refresh(client, &token).await.tokens().refresh;
        }
        fixture.clock.set(NOW + 30 * DAY - 1);
        token = fixture.refresh(client, &token).await.tokens().refresh;
        fixture.clock.set(NOW + 30 * DAY);
        fixture.refresh(client, &token).await.refused(400, "invalid_grant");
    }
}

#[tokio::test]
async fn a_clock_far_in_the_future_or_at_its_end_breaks_nothing() {
    for now in [0, 1, NOW * 1000, u64::MAX - 1, u64::MAX] {
        let fixture = Fixture::new();
        let first = fixture.tokens("spa").await;
        fixture.clock.set(now);
        let answer = fixture.refresh("spa", &first.refresh).await;
        assert!(answer.status == 200 || answer.status == 400, "{answer:?}");
        let fresh = fixture.agent().walk(&authorization("spa"), "alice").await;
        assert!(fresh.status < 500, "{fresh:?}");
    }
}

#[tokio::test]
async fn a_client_may_have_lifetimes_of_its_own() {
    let fixture = Fixture::new();
    fixture.clients.change("spa", |client| {
        client.lifetimes.access_token = Some(Duration::from_secs(60));
        client.lifetimes.refresh_token_idle = Some(Duration::from_secs(100));
        client.lifetimes.refresh_token = Some(Duration::from_secs(150));
    });
    let first = fixture.tokens("spa").await;
    assert_eq!(first.expires_in, 60);
    fixture.clock.forward(99);
    let second = fixture.refresh("spa", &first.refresh).await.tokens();
    fixture.clock.forward(51);
    fixture.refresh("spa", &second.refresh).await.refused(400, "invalid_grant");
}

#[tokio::test]
async fn every_refresh_asks_again_whether_the_user_and_the_client_still_stand() {
    let fixture = Fixture::new();
    let first = fixture.tokens("spa").await;
    fixture.accounts.lock("alice");
    fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");
    assert!(!fixture.is_live(&first.access).await);

    let fixture = Fixture::new();
    let first = fixture.tokens("spa").await;
    fixture.server.disable_subject(&alice()).await.unwrap();
    fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");
    fixture.server.enable_subject(&alice()).await.unwrap();
    fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");

    let fixture = Fixture::new();
    let first = fixture.tokens("spa").await;
    fixture.server.disable_client(&"spa".into()).await.unwrap();
    fixture.refresh("spa", &first.refresh).await.refused(401, "invalid_client");
    assert!(!fixture.is_live(&first.access).await);
    fixture.server.enable_client(&"spa".into()).await.unwrap();
    fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");

    let fixture = Fixture::new();
    let first = fixture.tokens("spa").await;
    fixture.clients.change("spa", |client| client.grant_types.pop().map_or((), drop));
    fixture.refresh("spa", &first.refresh).await.refused(400, "unauthorized_client");
}

#[tokio::test]
async fn access_that_the_user_took_back_cannot_be_refreshed() {
    let fixture = Fixture::new();
    let first = fixture.tokens("spa").await;
    let other = fixture.tokens("web").await;
    fixture.server.revoke_access(&alice(), &"spa".into()).await.unwrap();
    fixture.refresh("spa", &first.refresh).await.refused(400, "invalid_grant");
    assert!(!fixture.is_live(&first.access).await);
    fixture.refresh("web", &other.refresh).await.tokens();
}

#[tokio::test]
async fn a_thousand_refreshes_leave_one_record_that_does_not_grow() {
    let fixture = Fixture::new();
    let mut tokens = fixture.tokens("spa").await;
    let mut size = 0;
    for turn in 0..1000 {
        tokens = fixture.refresh("spa", &tokens.refresh).await.tokens();
        let written = format!("{:?}", fixture.grant("spa").await).len();
        if turn == 100 {
            size = written;
        }
        assert!(turn <= 100 || written <= size + 16, "{turn}: {written} after {size}");
    }
    assert_eq!(fixture.grant("spa").await.access.len(), 32);
}

/// The slower proofs run it for the whole year; here it is a day, unless `REFRESHES` says otherwise.
#[tokio::test]
async fn an_account_that_refreshes_every_minute_for_a_year_still_occupies_one_row() {
    let refreshes = std::env::var("REFRESHES").map_or(24 * 60, |number| number.parse().unwrap());
    let store = Arc::new(MemoryStore::new());
    let fixture = Fixture::over(store.clone(), common::clients::all(), |builder| {
        builder.lifetimes(|lifetimes| lifetimes.refresh_token = Duration::from_secs(400 * DAY))
    });
    let mut tokens = fixture.tokens("spa").await;
    let rows = store.len();
    for _ in 0..refreshes {
        fixture.clock.forward(60);
        tokens = fixture.refresh("spa", &tokens.refresh).await.tokens();
        fixture.events.lock().unwrap().clear();
    }
    assert_eq!(fixture.grant("spa").await.refresh.unwrap().generation, refreshes);
    assert_eq!(store.len(), rows);
    assert!(fixture.is_live(&tokens.access).await);
}

#[tokio::test]
async fn the_oldest_access_token_ends_when_a_grant_has_too_many() {
    let fixture = Fixture::with(|builder| builder.max_access_tokens(3));
    let first = fixture.tokens("web").await;
    let mut all = vec![first.access.clone()];
    for _ in 0..4 {
        all.push(fixture.refresh("web", &first.refresh).await.tokens().access);
    }
    let mut live = Vec::new();
    for token in &all {
        live.push(fixture.is_live(token).await);
    }
    assert_eq!(live, [false, false, true, true, true]);
}
