//! How a server refuses that cannot work, and what it leaves as it was.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use grantor::host::{ClaimsHook, Signer, SignerError, SigningKeyName};
use grantor::jose::Algorithm;
use grantor::record::key_ring::PublishedKeys;
use grantor::token::AccessTokenClaims;
use serde_json::{Map, Value};

use super::common::clients::JWT_API;
use super::common::host::{BreakableEntropy, TestSigner};
use super::common::stores::{Fault, When};
use super::common::{self, Fixture, ISSUER, authorization, machine};
use super::{everywhere, faulty, honest};

#[tokio::test]
async fn a_check_that_cannot_be_made_is_never_answered_with_yes_or_no() {
    everywhere(|when, fault| async move {
        let mut calls = 0;
        let (store, fixture) = faulty();
        let live = fixture.tokens("web").await.access;
        let dead = fixture.token("post", &machine()).await.tokens().access;
        fixture.revoke("post", &dead).await;
        for (client, token, expected) in [("web", &live, true), ("post", &dead, false)] {
            store.fail(when, fault);
            let request = common::form([("token", token)]);
            let answer = fixture.post_as(client, "/introspect", &request).await;
            calls = calls.max(store.heal());
            if honest(&answer, &format!("{when:?} {fault:?}")) {
                assert_eq!(answer.json()["active"], expected);
            }
        }
        calls
    })
    .await;
}

#[tokio::test]
async fn an_outage_before_the_redirect_uri_is_verified_is_a_page_and_after_it_a_redirect() {
    let (store, fixture) = faulty();
    store.fail(When::From(0), Fault::Unavailable);
    let known = fixture.agent().authorize(&authorization("web")).await;
    assert_eq!(known.param("error").as_deref(), Some("temporarily_unavailable"));
    assert_eq!(known.target(), Some("https://web.example/cb"));
    for request in [
        authorization("web").set("redirect_uri", "https://evil.example/"),
        authorization("web").set("client_id", "nobody"),
        // Nobody vouches for this one: without a user that is known there is no redirect.
        authorization("dynamic"),
        authorization("dynamic-web"),
    ] {
        let answer = fixture.agent().authorize(&request).await;
        assert!(answer.is_page(), "{answer:?}");
        assert!(matches!(answer.status, 400 | 503), "{answer:?}");
    }
}

#[tokio::test]
async fn clients_that_cannot_be_looked_up_are_not_unknown() {
    struct Down;
    #[async_trait]
    impl grantor::host::Clients for Down {
        async fn client(
            &self,
            _: &str,
        ) -> Result<Option<Arc<grantor::record::Client>>, grantor::store::StoreError> {
            Err(grantor::store::StoreError("down".into()))
        }
    }
    let issuer = grantor::protocol::Issuer::new(ISSUER).unwrap();
    let store = Arc::new(grantor::store::MemoryStore::new());
    let server = grantor::server::AuthorizationServer::builder(issuer, store, Arc::new(Down), &[7; 32]);
    let fixture = Fixture { http: grantor::http::HttpServer::new(server.build().unwrap()), ..Fixture::new() };
    fixture.token("machine", &machine()).await.refused(503, "temporarily_unavailable");
    fixture.revoke("machine", "x").await.refused(503, "temporarily_unavailable");
    let page = fixture.agent().authorize(&authorization("web")).await;
    assert!(page.is_page() && page.status == 503, "{page:?}");
}

#[tokio::test]
async fn without_entropy_nothing_is_issued() {
    let entropy = Arc::new(BreakableEntropy::default());
    let fixture = Fixture::with(|builder| builder.entropy(entropy.clone()));
    let code = fixture.code("web").await;
    let tokens = fixture.tokens("spa").await;
    let grants = fixture.grants("web").await;
    entropy.broken.store(true, Ordering::SeqCst);
    fixture.redeem("web", &code).await.refused(503, "temporarily_unavailable");
    fixture.refresh("spa", &tokens.refresh).await.refused(503, "temporarily_unavailable");
    fixture.token("machine", &machine()).await.refused(503, "temporarily_unavailable");
    fixture.revoke("spa", &tokens.access).await.refused(503, "temporarily_unavailable");
    let page = fixture.agent().authorize(&authorization("web")).await;
    assert!(page.is_page() && page.status == 503, "{page:?}");
    assert_eq!(fixture.grants("web").await, grants);
    assert!(fixture.grants("machine").await.is_empty());
    entropy.broken.store(false, Ordering::SeqCst);
    fixture.redeem("web", &code).await.tokens();
    fixture.refresh("spa", &tokens.refresh).await.tokens();
}

/// What a JWT takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Key,
    Signature,
    Claims,
}

/// A signer, in this process or elsewhere, and a claims hook, until a part of it is broken.
#[derive(Default)]
struct Breakable {
    sound: TestSigner,
    elsewhere: bool,
    broken: Mutex<Option<Part>>,
}

impl Breakable {
    async fn reach(&self, part: Part) -> Result<(), SignerError> {
        if self.elsewhere {
            tokio::task::yield_now().await;
        }
        if *self.broken.lock().unwrap() == Some(part) { Err(SignerError("down".into())) } else { Ok(()) }
    }
}

#[async_trait]
impl Signer for Breakable {
    fn algorithms(&self) -> Vec<Algorithm> {
        self.sound.algorithms()
    }

    async fn key(&self, algorithm: Algorithm) -> Result<SigningKeyName, SignerError> {
        self.reach(Part::Key).await?;
        self.sound.key(algorithm).await
    }

    async fn sign(&self, key: &SigningKeyName, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.reach(Part::Signature).await?;
        self.sound.sign(key, message).await
    }

    async fn public_keys(&self) -> Result<Arc<PublishedKeys>, SignerError> {
        self.sound.public_keys().await
    }
}

#[async_trait]
impl ClaimsHook for Breakable {
    async fn claims(&self, _: &AccessTokenClaims) -> Result<Map<String, Value>, SignerError> {
        self.reach(Part::Claims).await.map(|()| Map::new())
    }
}

#[tokio::test]
async fn a_signer_that_fails_issues_nothing_and_burns_nothing() {
    let parts = [Part::Key, Part::Signature, Part::Claims];
    for (part, elsewhere) in parts.into_iter().flat_map(|part| [(part, false), (part, true)]) {
        let signing = Arc::new(Breakable { elsewhere, ..Breakable::default() });
        let fixture = Fixture::with(|builder| builder.signer(signing.clone()).claims_hook(signing.clone()));
        let request = authorization("spa").add("resource", JWT_API);
        let code = async || fixture.agent().walk(&request, "alice").await.param("code").unwrap();
        let tokens = fixture.redeem("spa", &code().await).await.tokens();
        let code = code().await;
        let asking = machine().add("resource", JWT_API);
        let kept = async || (fixture.grants("spa").await, fixture.grants("machine").await);
        let before = kept().await;
        *signing.broken.lock().unwrap() = Some(part);
        for answer in [
            fixture.redeem("spa", &code).await,
            fixture.refresh("spa", &tokens.refresh).await,
            fixture.token("machine", &asking).await,
        ] {
            answer.refused(503, "temporarily_unavailable");
        }
        assert_eq!(kept().await, before, "{part:?} {elsewhere}");
        *signing.broken.lock().unwrap() = None;
        fixture.redeem("spa", &code).await.tokens();
        fixture.refresh("spa", &tokens.refresh).await.tokens();
        fixture.token("machine", &asking).await.tokens();
    }
}

#[tokio::test]
async fn a_full_store_refuses_what_is_new_and_serves_what_is_there() {
    let store = Arc::new(grantor::store::MemoryStore::with_capacity(6));
    let fixture = Fixture::on(store.clone());
    let tokens = fixture.tokens("spa").await;
    let code = fixture.code("web").await;
    while fixture.token("machine", &machine()).await.status == 200 {}
    fixture.token("machine", &machine()).await.refused(503, "temporarily_unavailable");
    let answer = fixture.agent().authorize(&authorization("web")).await;
    assert_eq!(answer.param("error").as_deref(), Some("temporarily_unavailable"));
    assert_eq!(store.len(), 6);
    fixture.redeem("web", &code).await.tokens();
    let next = fixture.refresh("spa", &tokens.refresh).await.tokens();
    assert_eq!(fixture.revoke("spa", &next.refresh).await.status, 200);
}

#[tokio::test]
async fn a_store_full_of_what_no_longer_matters_makes_room() {
    let store = Arc::new(grantor::store::MemoryStore::with_capacity(6));
    let fixture = Fixture::on(store.clone());
    while fixture.token("machine", &machine()).await.status == 200 {}
    fixture.clock.forward(3600 + 121);
    assert_eq!(fixture.token("machine", &machine()).await.status, 200);
    assert_eq!(store.len(), 1);
}
