//! A store that breaks its promise: a commit happens after it was read as lost.

use grantor::record::grant::{EndReason, GrantStatus};

use super::common::machine;
use super::common::stores::{Fault, When};
use super::faulty;

/// More calls than any of these requests makes.
const CALLS: usize = 12;

#[tokio::test]
async fn a_store_that_applies_a_commit_after_it_was_read_as_lost_makes_nothing_usable_twice() {
    let mut refused = 0;
    for n in 0..CALLS {
        for client in ["web", "spa"] {
            let row = format!("{client} {n}");
            let (store, fixture) = faulty();
            let code = fixture.code(client).await;
            store.fail(When::Once(n), Fault::LandsLate);
            let answer = fixture.redeem(client, &code).await;
            store.heal();
            if answer.status == 200 {
                let tokens = answer.tokens();
                assert!(fixture.is_live(&tokens.access).await, "{row}");
                fixture.redeem(client, &code).await.refused(400, "invalid_grant");
                assert!(!fixture.is_live(&tokens.access).await, "{row}");
            } else {
                answer.refused(400, "invalid_grant");
                refused += 1;
            }
            let grant = fixture.grant(client).await;
            assert_eq!(grant.status, GrantStatus::Ended(EndReason::Replayed), "{row}");

            let (store, fixture) = faulty();
            let first = fixture.tokens(client).await;
            store.fail(When::Once(n), Fault::LandsLate);
            let answer = fixture.refresh(client, &first.refresh).await.tokens();
            store.heal();
            let again = fixture.refresh(client, &first.refresh).await.tokens();
            assert_eq!(answer.refresh, again.refresh, "{row}: the same successor");
            assert!(fixture.is_live(&answer.access).await && fixture.is_live(&again.access).await, "{row}");
            let generation = fixture.grant(client).await.refresh.unwrap().generation;
            assert_eq!(generation, u32::from(client == "spa"), "{row}: one rotation");

            store.fail(When::Once(n), Fault::LandsLate);
            let confirmed = fixture.revoke(client, &again.refresh).await.status;
            store.heal();
            assert_eq!((confirmed, fixture.is_live(&again.access).await), (200, false), "{row}");
        }
        let (store, fixture) = faulty();
        store.fail(When::Once(n), Fault::LandsLate);
        let token = fixture.token("machine", &machine()).await.tokens().access;
        store.heal();
        assert!(fixture.is_live(&token).await, "{n}");
        assert!(fixture.grants("machine").await.len() <= 2, "{n}: at most one whose token nobody has");
    }
    assert_eq!(refused, 2, "each client once, by a commit of its own that landed late");
}
