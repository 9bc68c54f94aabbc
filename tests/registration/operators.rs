//! What an operator sees of the clients that registered themselves, and ends.

use std::collections::BTreeSet;

use grantor::record::EventKind;
use grantor::server::Registration;
use grantor::store::Page;

use super::*;
use crate::common::machine;
use crate::common::stores::{Between, Sqlite};

/// Every client that registered itself, read in pages.
async fn listed(fixture: &Fixture, limit: usize) -> Vec<Registration> {
    let mut page = Page { after: None, limit };
    let mut all = Vec::new();
    loop {
        let listed = fixture.server.registered_clients(page).await.unwrap();
        assert!(listed.clients.len() <= limit);
        all.extend(listed.clients);
        match listed.next {
            Some(next) => page.after = Some(next),
            None => return all,
        }
    }
}

async fn names(fixture: &Fixture) -> BTreeSet<String> {
    listed(fixture, 100).await.into_iter().map(|client| client.client_id.to_string()).collect()
}

async fn every_client_that_registered_itself_is_listed_once_page_by_page(store: Arc<dyn Store>) {
    let fixture = on(store, anybody(), |builder| builder);
    assert_eq!(listed(&fixture, 1).await, [], "the host's own clients are not");
    let mut expected = BTreeSet::new();
    for n in 0..5 {
        let name = json!({ "client_name": format!("client {n}") });
        let client = Registered::new(&fixture, &web(&name)).await;
        client.redemption(&fixture).await;
        expected.insert(client.id);
    }
    for limit in [1, 2, 5, 100] {
        let clients = listed(&fixture, limit).await;
        assert_eq!(clients.len(), 5, "{limit} at a time");
        let names: BTreeSet<String> = clients.iter().map(|client| client.client_id.to_string()).collect();
        assert_eq!(names, expected);
        let called = clients.iter().map(|client| client.record.metadata["client_name"].to_string());
        assert_eq!(called.collect::<BTreeSet<_>>().len(), 5);
        assert!(clients.iter().all(|client| !client.disabled));
    }
}

async fn an_operator_sees_what_changed_and_what_is_switched_off(store: Arc<dyn Store>) {
    let fixture = on(store, anybody(), |builder| builder);
    let client = Registered::new(&fixture, &web(&json!({ "client_name": "Old" }))).await;
    Registered::new(&fixture, &web(&json!({}))).await;
    let new = client.again(&json!({ "client_name": "New" }));
    assert_eq!(client.put(&fixture, &new).await.status, 200);
    let id = client.id.as_str().into();
    let seen = async || {
        let mut clients = listed(&fixture, 100).await;
        assert_eq!(clients.len(), 2);
        clients.retain(|own| own.client_id == id);
        clients.remove(0)
    };
    let updated = seen().await;
    assert_eq!((&updated.record.metadata["client_name"], updated.disabled), (&json!("New"), false));
    fixture.server.disable_client(&id).await.unwrap();
    assert!(seen().await.disabled);
    assert!(!client.is_known(&fixture).await);
    fixture.server.enable_client(&id).await.unwrap();
    assert!(!seen().await.disabled);
    assert!(client.is_known(&fixture).await);
}

async fn whoever_an_operator_deletes_is_gone_for_good_with_everything_it_had(store: Arc<dyn Store>) {
    let fixture = on(store, anybody(), |builder| builder);
    let both = json!({ "grant_types": ["authorization_code", "refresh_token", "client_credentials"] });
    let client = Registered::new(&fixture, &web(&both)).await;
    let other = Registered::new(&fixture, &web(&both)).await;
    let redemption = client.redemption(&fixture).await;
    let tokens = client.token(&fixture, &redemption).await.tokens();
    let own = client.token(&fixture, &machine()).await.tokens();
    let theirs = other.token(&fixture, &machine()).await.tokens();
    let waiting = client.redemption(&fixture).await;
    let id = client.id.as_str().into();

    fixture.server.delete_client(&id).await.unwrap();
    assert_eq!(names(&fixture).await, BTreeSet::from([other.id.clone()]));
    for again in [false, true] {
        if again {
            fixture.server.enable_client(&id).await.unwrap();
        }
        assert!(!fixture.is_live(&tokens.access).await && !fixture.is_live(&own.access).await);
        for form in [&waiting, &common::refreshing(&tokens.refresh), &machine()] {
            client.token(&fixture, form).await.refused(401, "invalid_client");
        }
        assert!(!client.is_known(&fixture).await);
        token_refused(&client.get(&fixture).await);
        token_refused(&client.put(&fixture, &client.again(&json!({}))).await);
    }
    assert!(fixture.is_live(&theirs.access).await && other.is_known(&fixture).await);
    fixture.server.delete_client(&id).await.unwrap();
    assert_eq!(fixture.count(EventKind::ClientDeregistered), 1, "the second time there was none");
}

macro_rules! on_each_store {
    ($($store:ident: $empty:expr;)*) => {
        $(
            mod $store {
                use super::*;

                #[tokio::test]
                async fn every_client_that_registered_itself_is_listed_once_page_by_page() {
                    super::every_client_that_registered_itself_is_listed_once_page_by_page(Arc::new($empty)).await;
                }

                #[tokio::test]
                async fn an_operator_sees_what_changed_and_what_is_switched_off() {
                    super::an_operator_sees_what_changed_and_what_is_switched_off(Arc::new($empty)).await;
                }

                #[tokio::test]
                async fn whoever_an_operator_deletes_is_gone_for_good_with_everything_it_had() {
                    super::whoever_an_operator_deletes_is_gone_for_good_with_everything_it_had(Arc::new($empty)).await;
                }
            }
        )*
    };
}

on_each_store! {
    memory: MemoryStore::new();
    sqlite: Sqlite::new();
}

#[tokio::test]
async fn a_client_of_the_hosts_own_cannot_be_deleted() {
    let fixture = open();
    fixture.server.delete_client(&"web".into()).await.unwrap();
    fixture.tokens("web").await;
    assert_eq!(fixture.count(EventKind::ClientDeregistered), 0);
}

#[tokio::test]
async fn an_update_that_a_deletion_overtook_brings_nothing_back() {
    let store = Arc::new(Between::default());
    let fixture = on(store.clone(), anybody(), |builder| builder);
    let rival = on(store.inner(), anybody(), |builder| builder);
    let client = Registered::new(&fixture, &web(&json!({}))).await;
    let id = client.id.as_str().into();
    store.before_next_commit(async move { rival.server.delete_client(&id).await.unwrap() });
    token_refused(&client.put(&fixture, &client.again(&json!({}))).await);
    assert!(store.happened());
    assert!(names(&fixture).await.is_empty() && !client.is_known(&fixture).await);
}

/// Nothing is kept of a registration that has run out, its place in the list least of all.
#[tokio::test]
async fn a_registration_that_has_run_out_is_listed_until_it_is_forgotten() {
    let terms = Admission { lifetime: Some(std::time::Duration::from_secs(60)), ..anybody().terms };
    let fixture = under(OpenRegistration { terms });
    Registered::new(&fixture, &web(&json!({}))).await;
    fixture.clock.forward(61);
    assert_eq!(listed(&fixture, 10).await.len(), 1);
    fixture.clock.forward(24 * 3600);
    fixture.server.purge(100).await.unwrap();
    assert_eq!(listed(&fixture, 10).await, []);
}
