//! What changes while something is on its way: the clock, and the secrets of clients.

use std::sync::Arc;

use grantor::host::Clock as _;
use grantor::protocol::Digest;
use grantor::record::client::ClientSecret;
use grantor::store::MemoryStore;

use super::common::clients::{JWT_API, basic};
use super::common::flows::{asserting, revoke, token};
use super::common::foreign::{stated, statement};
use super::common::stage::{Deed, Outcome, Stage, promises_are_kept};
use super::common::watched::Watched;
use super::common::{Fixture, NOW, machine, redemption, refreshing};

/// Numbers that look drawn, the same in every run.
fn drawn(walk: u64, step: u64, below: usize) -> usize {
    let Digest(bytes) = Digest::of(format!("{walk} {step}").as_bytes());
    bytes.iter().fold(0, |sum, byte| (sum * 256 + usize::from(*byte)) % below)
}

/// A browser's client refreshes, replays and revokes, another acts, and the store is purged, at any time whatever.
#[tokio::test]
async fn whatever_way_the_clock_walks_nothing_that_has_ended_comes_back() {
    const YEAR: i64 = 365 * 24 * 3600;
    const STRIDES: [i64; 12] = [-YEAR, -3600, -60, -1, 0, 0, 1, 11, 60, 3600, 14 * 24 * 3600, YEAR];
    let (mut refreshed, mut refused) = (0, 0);
    for walk in 0..40 {
        let store = Arc::<Watched>::default();
        let stage = Stage::on(store.clone());
        let code = token("spa", redemption("spa", &stage.fixture.code("spa").await));
        stage.must(&code).await;
        for step in 0..25 {
            let stride = STRIDES[drawn(walk, 2 * step, STRIDES.len())];
            let now = stage.fixture.clock.now().0.saturating_add_signed(stride);
            stage.fixture.clock.set(now);
            let handed = stage.handed();
            let refresh: Vec<&String> = handed.iter().filter(|own| own.starts_with("grt_")).collect();
            let any = refresh[drawn(walk, 1000 + step, refresh.len())];
            let newest = refresh[refresh.len() - 1];
            let outcome = match drawn(walk, 2 * step + 1, 12) {
                0 => stage.perform(&code).await,
                1 => stage.perform(&token("spa", refreshing(any))).await,
                2 => stage.perform(&Deed::Purge).await,
                3 => stage.perform(&token("machine", machine())).await,
                4 if step > 12 => stage.perform(&revoke("spa", any)).await,
                _ => {
                    let outcome = stage.perform(&token("spa", refreshing(newest))).await;
                    refreshed += usize::from(outcome == Outcome::Done);
                    refused += usize::from(outcome != Outcome::Done);
                    outcome
                }
            };
            assert_ne!(outcome, Outcome::Unavailable, "{walk} {step}");
            promises_are_kept(&[&stage], &store, &format!("{walk} {step}")).await;
        }
    }
    assert!(refreshed > 100 && refused > 100, "{refreshed} {refused}");
}

/// Two kinds of record keep something out by being there: a signed token that was revoked and that no grant remembers, and an
/// assertion that was used. A purge believes the clock, and so one that is ahead of all margins forgets them too early.
#[tokio::test]
async fn what_was_revoked_or_used_comes_back_where_a_clock_that_was_far_ahead_has_purged_it() {
    let stage = Stage::on(Arc::new(MemoryStore::new()));
    let alone = stage.jwt_of_its_own().await.access;
    let granted = stage.tokens("web", &[("resource", JWT_API)]).await.access;
    stage.must(&revoke("machine", &alone)).await;
    stage.must(&revoke("web", &granted)).await;
    let assertion = token("machine", asserting(&stated(&statement())));
    stage.must(&assertion).await;
    let come_back = async || {
        let used_again = stage.perform(&assertion).await == Outcome::Done;
        (stage.lives(&alone).await, used_again, stage.lives(&granted).await)
    };
    for (ahead, comes_back) in [(0, false), (60, false), (24 * 3600, true)] {
        stage.fixture.clock.set(NOW + ahead);
        stage.must(&Deed::Purge).await;
        stage.fixture.clock.set(NOW);
        assert_eq!(come_back().await, (comes_back, comes_back, false), "{ahead} seconds ahead");
    }
}

#[tokio::test]
async fn a_code_is_redeemed_with_the_secret_of_now_and_not_of_then() {
    const NEW: &str = "another-secret-0123456789abcdef0123456789abcdef";
    let fixture = Fixture::new();
    let code = fixture.code("web").await;
    fixture.clients.change("web", |client| client.secrets = vec![ClientSecret::generated(NEW)]);
    fixture.redeem("web", &code).await.refused(401, "invalid_client");
    let answer = fixture.post("/token", Some(&basic("web", NEW)), &redemption("web", &code)).await;
    let refresh = answer.tokens().refresh;
    fixture.refresh("web", &refresh).await.refused(401, "invalid_client");
    fixture.post("/token", Some(&basic("web", NEW)), &refreshing(&refresh)).await.tokens();
}
