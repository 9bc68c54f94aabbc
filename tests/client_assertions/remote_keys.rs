//! Keys that a client keeps behind its `jwks_uri`.

use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use async_trait::async_trait;
use grantor::Reason;
use grantor::host::{ClientJwks, Fetch, FetchError, FetchRequest, FetchResponse, FetchedJwks};
use grantor::jose::KeyAlgorithm;
use grantor::record::facts::WantedKey;
use tokio::task::JoinSet;

use super::*;
use crate::common::host::TestClock;

/// The web as far as clients have keys there.
struct Web {
    answer: Mutex<Result<Vec<u8>, FetchError>>,
    fetched: AtomicUsize,
}

impl Web {
    fn publishing(keys: &[&SigningKey]) -> Arc<Self> {
        let web = Self { answer: Mutex::new(Err(FetchError::Timeout)), fetched: AtomicUsize::new(0) };
        web.publish(keys);
        Arc::new(web)
    }

    fn publish(&self, keys: &[&SigningKey]) {
        let set = JwkSet::new(keys.iter().map(|key| key.public()).collect()).unwrap();
        self.say(Ok(serde_json::to_vec(&set).unwrap()));
    }

    fn say(&self, answer: Result<Vec<u8>, FetchError>) {
        *self.answer.lock().unwrap() = answer;
    }

    fn fetched(&self) -> usize {
        self.fetched.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl Fetch for Web {
    async fn fetch(&self, request: FetchRequest) -> Result<FetchResponse, FetchError> {
        assert_eq!(request.max_bytes, JwkSet::MAX_BYTES);
        self.fetched.fetch_add(1, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(20)).await;
        let body = self.answer.lock().unwrap().clone()?;
        let headers = vec![("content-type".to_owned(), b"application/jwk-set+json".to_vec())];
        Ok(FetchResponse { status: 200, headers, body })
    }
}

/// A server at which the keys of `signer` and `other` are elsewhere.
fn world(web: &Arc<Web>) -> Fixture {
    let clock = Arc::new(TestClock::new(NOW));
    let jwks = Arc::new(FetchedJwks::new(web.clone(), clock.clone()));
    let fixture = with(|builder| builder.clock(clock.clone()).client_jwks(jwks));
    for id in ["signer", "other"] {
        fixture.clients.change(id, |client| {
            let uri = format!("https://{id}.example/jwks").parse().unwrap();
            client.keys = ClientKeys { source: KeySource::At(uri), assertion_alg: None };
        });
    }
    Fixture { clock, ..fixture }
}

/// An assertion of `signer` made at the time of the server.
fn assertion(fixture: &Fixture, key: &SigningKey) -> String {
    use grantor::host::Clock as _;
    let now = fixture.clock.now().0;
    sign(key, &set(set(claims("signer"), "iat", json!(now)), "exp", json!(now + 60)))
}

fn key() -> SigningKey {
    SigningKey::generate(Algorithm::Es256).unwrap()
}

#[tokio::test]
async fn keys_are_fetched_when_they_are_needed_and_kept() {
    let web = Web::publishing(&[&KEY]);
    let fixture = world(&web);
    assert_eq!(web.fetched(), 0);
    for _ in 0..5 {
        for path in ENDPOINTS {
            let request = asserting(&asking(), &assertion(&fixture, &KEY));
            assert_eq!(fixture.post(path, None, &request).await.status, 200);
        }
    }
    assert_eq!(web.fetched(), 1);
    fixture.clock.forward(300);
    assert_eq!(present(&fixture, &assertion(&fixture, &KEY)).await.status, 200);
    assert_eq!(web.fetched(), 2, "after five minutes");
}

#[tokio::test]
async fn a_new_key_of_a_client_is_found_by_its_kid_in_less_than_a_minute() {
    let (old, new) = (key(), key());
    let web = Web::publishing(&[&old]);
    let fixture = world(&web);
    assert_eq!(present(&fixture, &assertion(&fixture, &old)).await.status, 200);
    web.publish(&[&new]);
    present(&fixture, &assertion(&fixture, &new)).await.refused(401, "invalid_client");
    assert_eq!(web.fetched(), 1, "too soon to ask again");
    fixture.clock.forward(10);
    assert_eq!(present(&fixture, &assertion(&fixture, &new)).await.status, 200);
    assert_eq!(web.fetched(), 2);
    present(&fixture, &assertion(&fixture, &old)).await.refused(401, "invalid_client");
}

#[tokio::test]
async fn unknown_kids_cause_no_more_than_one_fetch_in_ten_seconds() {
    let web = Web::publishing(&[&KEY]);
    let fixture = world(&web);
    for second in 0..30 {
        for _ in 0..3 {
            let answer = present(&fixture, &assertion(&fixture, &key())).await;
            answer.refused(401, "invalid_client");
            assert_eq!(reason(&fixture), Reason::AssertionUnproven);
        }
        assert_eq!(web.fetched(), 1 + second / 10);
        fixture.clock.forward(1);
    }
}

#[tokio::test]
async fn keys_that_cannot_be_fetched_again_are_still_used_and_no_keys_are_an_invalid_client() {
    let web = Web::publishing(&[&KEY]);
    let fixture = world(&web);
    assert_eq!(present(&fixture, &assertion(&fixture, &KEY)).await.status, 200);
    for failure in [
        Err(FetchError::Timeout),
        Err(FetchError::TooLarge),
        Ok(b"{}".to_vec()),
        Ok(br#"{"keys":[]}"#.to_vec()),
        Ok(br#"{"keys":[{"kty":"oct","k":"AAAA"}]}"#.to_vec()),
    ] {
        web.say(failure);
        fixture.clock.forward(301);
        assert_eq!(present(&fixture, &assertion(&fixture, &KEY)).await.status, 200, "stale");
        present(&fixture, &assertion(&fixture, &key())).await.refused(401, "invalid_client");
        assert_eq!(reason(&fixture), Reason::AssertionUnproven);
    }
    fixture.clock.forward(3600);
    present(&fixture, &assertion(&fixture, &KEY)).await.refused(401, "invalid_client");
    assert_eq!(reason(&fixture), Reason::AssertionKeysUnavailable);
    web.publish(&[&KEY]);
    fixture.clock.forward(10);
    assert_eq!(present(&fixture, &assertion(&fixture, &KEY)).await.status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn however_many_ask_at_once_the_keys_of_a_client_are_fetched_once() {
    let web = Web::publishing(&[&KEY]);
    let fixture = Arc::new(world(&web));
    let mut crowd = JoinSet::new();
    for _ in 0..50 {
        let fixture = Arc::clone(&fixture);
        crowd.spawn(async move { present(&fixture, &assertion(&fixture, &KEY)).await.status });
    }
    assert!(crowd.join_all().await.iter().all(|status| *status == 200));
    assert_eq!(web.fetched(), 1);
}

#[tokio::test]
async fn an_assertion_of_nobody_fetches_nothing_and_a_server_that_fetches_nothing_takes_no_jwks_uri() {
    let web = Web::publishing(&[&KEY]);
    let fixture = world(&web);
    present(&fixture, &sign(&KEY, &claims("nobody"))).await.refused(401, "invalid_client");
    assert_eq!(web.fetched(), 0);
    let alone = with(|builder| builder);
    let uri = "https://signer.example/jwks".parse().unwrap();
    alone.clients.change("signer", |client| client.keys.source = KeySource::At(uri));
    present(&alone, &good("signer")).await.refused(401, "invalid_client");
    assert_eq!(reason(&alone), Reason::AssertionKeysUnavailable);
}

#[tokio::test]
async fn of_very_many_key_sets_the_one_used_longest_ago_is_forgotten() {
    let web = Web::publishing(&[&KEY]);
    let clock = Arc::new(TestClock::new(NOW));
    let jwks = Arc::new(FetchedJwks::new(web.clone(), clock.clone()));
    let wanted = |n: usize| WantedKey {
        uri: format!("https://{n}.example/jwks").parse().unwrap(),
        kid: None,
        alg: KeyAlgorithm::Signature(Algorithm::Es256),
    };
    let mut all = JoinSet::new();
    for n in 0..1_000 {
        let (jwks, wanted) = (jwks.clone(), wanted(n));
        all.spawn(async move { jwks.keys(&wanted).await.unwrap() });
    }
    all.join_all().await;
    jwks.keys(&wanted(0)).await.unwrap();
    assert_eq!(web.fetched(), 1_000);
    assert!(jwks.keys(&wanted(1_000)).await.is_err(), "none of those that were fetched just now gives way");
    assert_eq!(web.fetched(), 1_000);
    clock.forward(10);
    jwks.keys(&wanted(1_000)).await.unwrap();
    jwks.keys(&wanted(0)).await.unwrap();
    assert_eq!(web.fetched(), 1_001, "the first was used again and is still known");
}
