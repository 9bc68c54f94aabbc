//! What holds when the store fails at every call in turn.

use std::time::Duration;

use grantor::endpoint::registration::IssueInitialAccess;
use grantor::host::InitialAccessRegistration;

use super::*;
use crate::common::stores::{Fault, Faulty, When};

/// More calls than any request makes.
const CALLS: usize = 6;

fn faults() -> impl Iterator<Item = (When, Fault)> {
    (0..CALLS).flat_map(|n| {
        Fault::ALL.into_iter().flat_map(move |fault| [(When::Once(n), fault), (When::From(n), fault)])
    })
}

/// Whether what is answered with 503 may have happened all the same.
fn may_have_happened(fault: Fault) -> bool {
    matches!(fault, Fault::UnknownApplied | Fault::ConflictApplied)
}

#[tokio::test]
async fn a_client_registers_once_or_not_at_all() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let store = Faulty::new();
        let fixture = on(store.clone(), InitialAccessRegistration::default(), |builder| builder);
        let terms =
            IssueInitialAccess { name: "one".into(), lifetime: Duration::from_secs(60), uses: Some(1) };
        let token = fixture.server.issue_initial_access(&terms).await.unwrap().expose().to_owned();
        let metadata = web(&json!({})).to_string();
        let ask = || send(&fixture, "POST", "/register", Some(&token), metadata.as_bytes());
        store.fail(when, fault);
        let answer = ask().await;
        store.heal();
        let again = ask().await;
        if answer.status == 201 {
            let client = Registered::read(answer.json());
            assert!(client.is_known(&fixture).await && client.get(&fixture).await.status == 200, "{row}");
            again.refused(401, "invalid_token");
        } else {
            answer.refused(503, "temporarily_unavailable");
            assert!(again.status == 201 || may_have_happened(fault), "{row}");
        }
    }
}

#[tokio::test]
async fn whoever_has_deregistered_is_gone_when_that_is_confirmed() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let store = Faulty::new();
        let fixture = on(store.clone(), anybody(), |builder| builder);
        let client = Registered::new(&fixture, &web(&json!({}))).await;
        let redemption = client.redemption(&fixture).await;
        let tokens = client.token(&fixture, &redemption).await.tokens();
        store.fail(when, fault);
        let answer = client.delete(&fixture).await;
        store.heal();
        if answer.status == 204 {
            assert!(!client.is_known(&fixture).await && !fixture.is_live(&tokens.access).await, "{row}");
        } else {
            answer.refused(503, "temporarily_unavailable");
            assert!(client.is_known(&fixture).await || may_have_happened(fault), "{row}");
        }
    }
}

/// Whatever came of the first try, the second tells the client its token.
#[tokio::test]
async fn a_client_whose_update_failed_asks_again_with_what_it_has() {
    for (when, fault) in faults() {
        let row = format!("{when:?} {fault:?}");
        let store = Faulty::new();
        let fixture = on(store.clone(), anybody(), |builder| builder);
        let client = Registered::new(&fixture, &web(&json!({ "token_endpoint_auth_method": "none" }))).await;
        let update = client.again(&json!({ "token_endpoint_auth_method": "client_secret_basic" }));
        store.fail(when, fault);
        let first = client.put(&fixture, &update).await;
        store.heal();
        let second = client.put(&fixture, &update).await;
        match first.status {
            200 => assert_eq!(second.body, first.body, "{row}"),
            _ => first.refused(503, "temporarily_unavailable"),
        }
        assert_eq!(second.status, 200, "{row}");
        let updated = Registered::read(second.json());
        let redemption = updated.redemption(&fixture).await;
        updated.token(&fixture, &redemption).await.tokens();
        assert_eq!(updated.get(&fixture).await.status, 200, "{row}");
    }
}

/// A client that cannot be looked up is not unknown.
#[tokio::test]
async fn while_the_store_is_down_a_registered_client_is_neither_known_nor_unknown() {
    let store = Faulty::new();
    let fixture = on(store.clone(), anybody(), |builder| builder);
    let client = Registered::new(&fixture, &web(&json!({}))).await;
    store.fail(When::From(0), Fault::Unavailable);
    client.token(&fixture, &common::machine()).await.refused(503, "temporarily_unavailable");
    client.get(&fixture).await.refused(503, "temporarily_unavailable");
    assert!(fixture.server.client(&client.id).await.is_err());
    assert!(fixture.server.client("web").await.unwrap().is_some());
}
