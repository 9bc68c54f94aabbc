//! What operators and users may see and end: grants, everything of a client or a user, and a user altogether.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod common;

use std::sync::Arc;

use common::clients::all;
use common::{Fixture, alice, authorization, machine, scope};
use grantor::endpoint::administration::{Party, StandingChange};
use grantor::protocol::GrantType;
use grantor::record::grant::GrantStatus;
use grantor::record::{EventKind, Index};
use grantor::store::{MemoryStore, Page};

/// Every grant of a party, read in pages.
async fn grants(fixture: &Fixture, party: &Party, limit: usize) -> Vec<GrantType> {
    let mut page = Page { after: None, limit };
    let mut types = Vec::new();
    loop {
        let listed = fixture.server.grants(party, page).await.unwrap();
        assert!(listed.grants.len() <= limit);
        types.extend(listed.grants.into_iter().map(|(_, grant)| grant.grant_type));
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return types,
        }
    }
}

#[tokio::test]
async fn grants_are_listed_page_by_page_by_user_and_by_client() {
    let fixture = Fixture::new();
    for _ in 0..3 {
        fixture.tokens("web").await;
    }
    fixture.tokens("spa").await;
    fixture.token("machine", &machine()).await.tokens();
    for limit in [1, 2, 100] {
        assert_eq!(grants(&fixture, &Party::Subject(alice()), limit).await.len(), 4);
        assert_eq!(grants(&fixture, &Party::Client("web".into()), limit).await.len(), 3);
        let machine = grants(&fixture, &Party::Client("machine".into()), limit).await;
        assert_eq!(machine, [GrantType::ClientCredentials]);
    }
}

#[tokio::test]
async fn a_listed_grant_can_be_ended_alone() {
    let fixture = Fixture::new();
    let (one, two) = (fixture.tokens("web").await, fixture.tokens("web").await);
    let page = Page { after: None, limit: 1 };
    let listed = fixture.server.grants(&Party::Subject(alice()), page).await.unwrap();
    fixture.server.revoke_grant(listed.grants[0].0).await.unwrap();
    assert!(!fixture.is_live(&one.access).await);
    assert!(fixture.is_live(&two.access).await);
}

#[tokio::test]
async fn a_user_is_shown_the_grants_that_can_be_used_now() {
    let known = scope("openid read write");
    let mut clients = all();
    clients.iter_mut().for_each(|client| client.scope = known.clone());
    let fixture =
        Fixture::over(Arc::new(MemoryStore::new()), clients, |builder| builder.scope(known.clone()));
    let usable = async || -> Vec<String> {
        let grants = fixture.server.usable_grants_of(&alice()).await.unwrap();
        grants.into_iter().map(|(_, grant)| grant.client.to_string()).collect()
    };
    let mut agent = fixture.agent();
    // Bound to the session, because of `openid`.
    agent.walk(&authorization("web").set("scope", "openid read"), "alice").await.param("code").unwrap();
    let spa = fixture.tokens("spa").await;
    fixture.tokens("first").await;
    assert_eq!(usable().await, ["web", "spa", "first"]);
    fixture.server.end_sessions_of(&alice()).await.unwrap();
    assert_eq!(usable().await, ["spa", "first"]);
    fixture.revoke("spa", &spa.refresh).await;
    assert_eq!(usable().await, ["first"]);
    fixture.server.disable_client(&"first".into()).await.unwrap();
    assert!(usable().await.is_empty());
    fixture.server.enable_client(&"first".into()).await.unwrap();
    fixture.code("web").await;
    assert_eq!(usable().await, ["web"]);
    fixture.clock.forward(61);
    assert!(usable().await.is_empty(), "a code that nobody redeemed is over");
}

#[tokio::test]
async fn one_write_ends_everything_of_a_client_or_a_user_and_lets_them_begin_anew() {
    for party in [Party::Client("web".into()), Party::Subject(alice())] {
        let fixture = Fixture::new();
        let before = fixture.tokens("web").await;
        fixture.server.change(party, StandingChange::RevokeAll).await.unwrap();
        assert!(!fixture.is_live(&before.access).await);
        fixture.refresh("web", &before.refresh).await.refused(400, "invalid_grant");
        assert_eq!(fixture.status("web").await, GrantStatus::Active, "no grant was written");
        let after = fixture.tokens("web").await;
        assert!(fixture.is_live(&after.access).await);
    }
}

#[tokio::test]
async fn an_erased_user_leaves_nothing_and_gets_nothing() {
    let fixture = Fixture::new();
    let mut agent = fixture.agent();
    let code = agent.code("web").await;
    let tokens = fixture.redeem("web", &code).await.tokens();
    let waiting = fixture.code("spa").await;
    let machine = fixture.token("machine", &machine()).await.tokens();
    fixture.server.erase_subject(&alice()).await.unwrap();

    let index = Index::subject(fixture.server.settings().namespace, &alice());
    let left = fixture.store.list(&index, Page { after: None, limit: 100 }).await.unwrap();
    assert!(left.keys.is_empty(), "{left:?}");
    assert!(fixture.grants("web").await.is_empty());
    assert!(!fixture.is_live(&tokens.access).await);
    fixture.refresh("web", &tokens.refresh).await.refused(400, "invalid_grant");
    fixture.redeem("spa", &waiting).await.refused(400, "invalid_grant");
    assert!(fixture.is_live(&machine.access).await, "it is not the user's");
    assert_eq!(fixture.count(EventKind::SubjectErased), 1);
    fixture.server.erase_subject(&alice()).await.unwrap();

    fixture.server.enable_subject(&alice()).await.unwrap();
    assert!(!fixture.is_live(&tokens.access).await, "what was issued stays dead");
}
