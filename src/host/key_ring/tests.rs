use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use super::*;
use crate::jose::{JoseError, sign_compact};
use crate::record::{Index, Versioned};
use crate::store::{Listing, MemoryStore, Page, StoreError};

const START: u64 = 1_700_000_000;
const AHEAD: u64 = 15 * 60;

#[derive(Debug, Default)]
struct TestClock(AtomicU64);

impl TestClock {
    fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(START)))
    }

    fn set(&self, at: u64) {
        self.0.store(at, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// How the next calls of a [`Flaky`] store fail.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Fault {
    None,
    Down,
    /// The commit is made, but its answer is lost.
    LostAnswer,
}

struct Flaky {
    inner: MemoryStore,
    fault: Mutex<Fault>,
    loads: AtomicUsize,
    commits: AtomicUsize,
}

impl Flaky {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            inner: MemoryStore::new(),
            fault: Mutex::new(Fault::None),
            loads: AtomicUsize::new(0),
            commits: AtomicUsize::new(0),
        })
    }

    fn fail(&self, fault: Fault) {
        *self.fault.lock().unwrap() = fault;
    }

    fn fault(&self) -> Fault {
        *self.fault.lock().unwrap()
    }
}

#[async_trait]
impl Store for Flaky {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        self.loads.fetch_add(1, Ordering::SeqCst);
        tokio::task::yield_now().await;
        if self.fault() == Fault::Down {
            return Err(StoreError("down".into()));
        }
        self.inner.load(keys).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        tokio::task::yield_now().await;
        if self.fault() == Fault::Down {
            return Err(CommitError::Unavailable("down".into()));
        }
        self.inner.commit(batch).await?;
        self.commits.fetch_add(1, Ordering::SeqCst);
        if self.fault() == Fault::LostAnswer {
            self.fail(Fault::None);
            return Err(CommitError::Unknown("lost".into()));
        }
        Ok(())
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        self.inner.list(index, page).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        self.inner.purge(now, limit).await
    }
}

fn namespace() -> Namespace {
    Namespace::of_issuer("https://as.example")
}

async fn open_with(
    store: &Arc<Flaky>,
    clock: &Arc<TestClock>,
    secret: u8,
    options: KeyRingOptions,
) -> Result<KeyRingSigner, KeyRingError> {
    let sealer = Sealer::new(&[secret; 32]);
    KeyRingSigner::open(store.clone(), namespace(), sealer, clock.clone(), options).await
}

async fn open(store: &Arc<Flaky>, clock: &Arc<TestClock>) -> KeyRingSigner {
    open_with(store, clock, 1, KeyRingOptions::new([Algorithm::Es256])).await.unwrap()
}

async fn kid(signer: &KeyRingSigner) -> String {
    signer.key(Algorithm::Es256).await.unwrap().kid
}

async fn kids(signer: &KeyRingSigner) -> Vec<String> {
    let keys = signer.public_keys().await.unwrap();
    keys.set().keys().iter().map(|key| key.kid().unwrap().to_owned()).collect()
}

/// An access token signed by whatever key signs now.
async fn token(signer: &KeyRingSigner, alg: Algorithm) -> String {
    let key = signer.key(alg).await.unwrap();
    let header = crate::jose::Header::new(alg).with_typ("at+jwt").with_kid(key.kid.as_str());
    let input = crate::jose::signing_input(&header, br#"{"sub":"alice"}"#);
    let signature = signer.sign(&key, input.as_bytes()).await.unwrap();
    crate::jose::attach(input, &signature)
}

async fn accepts(signer: &KeyRingSigner, token: &str) -> bool {
    signer.public_keys().await.unwrap().access_token_claims(token).is_some()
}

#[tokio::test]
async fn every_algorithm_signs_and_every_process_verifies() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let algs = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256, Algorithm::Ps256];
    let first = open_with(&store, &clock, 1, KeyRingOptions::new(algs)).await.unwrap();
    let second = open_with(&store, &clock, 1, KeyRingOptions::new(algs)).await.unwrap();
    assert_eq!(first.algorithms(), algs);
    for alg in algs {
        assert_eq!(first.key(alg).await.unwrap(), second.key(alg).await.unwrap());
        assert!(accepts(&second, &token(&first, alg).await).await, "{alg}");
        assert!(accepts(&first, &token(&second, alg).await).await, "{alg}");
    }
    assert!(first.key(Algorithm::Ps512).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn eight_processes_that_start_together_make_one_ring() {
    for _ in 0..20 {
        let (store, clock) = (Flaky::new(), TestClock::new());
        let mut openers = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let (store, clock) = (store.clone(), clock.clone());
            openers.spawn(async move { kid(&open(&store, &clock).await).await });
        }
        let mut seen = openers.join_all().await;
        seen.dedup();
        assert_eq!(seen.len(), 1);
        assert_eq!(store.commits.load(Ordering::SeqCst), 1);
    }
}

#[tokio::test]
async fn a_successor_is_published_before_it_signs() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = open(&store, &clock).await;
    let old = kid(&signer).await;
    signer.rotate().await.unwrap();
    let published = kids(&signer).await;
    assert_eq!(published.len(), 2);
    clock.set(START + AHEAD - 1);
    assert_eq!(kid(&signer).await, old);
    clock.set(START + AHEAD);
    assert_eq!(kid(&signer).await, published[1]);
}

#[tokio::test]
async fn a_successor_that_waits_gets_no_second_one() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let (first, second) = (open(&store, &clock).await, open(&store, &clock).await);
    first.rotate().await.unwrap();
    second.rotate().await.unwrap();
    first.rotate().await.unwrap();
    assert_eq!(kids(&first).await.len(), 2);
    assert_eq!(kids(&second).await, kids(&first).await);
}

#[tokio::test]
async fn a_retired_key_verifies_until_its_tokens_are_dead_and_then_vanishes() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = open(&store, &clock).await;
    let old = kid(&signer).await;
    signer.rotate().await.unwrap();
    clock.set(START + AHEAD - 1);
    let last = token(&signer, Algorithm::Es256).await;
    let dead = START + AHEAD + 24 * 3600 + 5 * 60;
    clock.set(dead - 1);
    signer.tend().await.unwrap();
    assert!(accepts(&signer, &last).await);
    clock.set(dead);
    assert!(accepts(&signer, &last).await, "the clock moved by less than reload_after");
    signer.tend().await.unwrap();
    assert!(!accepts(&signer, &last).await);
    assert!(!kids(&signer).await.contains(&old));
    assert_eq!(kids(&open(&store, &clock).await).await.len(), 1);
}

#[tokio::test]
async fn keys_are_rotated_by_themselves_when_they_are_due() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = open(&store, &clock).await;
    let (old, due) = (kid(&signer).await, START + 90 * 24 * 3600);
    clock.set(due - AHEAD - 1);
    assert_eq!((kid(&signer).await, kids(&signer).await.len()), (old.clone(), 1));
    clock.set(due - AHEAD + 60);
    assert_eq!((kid(&signer).await, kids(&signer).await.len()), (old.clone(), 2));
    clock.set(due + 60);
    assert_ne!(kid(&signer).await, old);
    let never = KeyRingOptions { rotate_every: None, ..KeyRingOptions::new([Algorithm::Es256]) };
    let signer = open_with(&Flaky::new(), &clock, 1, never).await.unwrap();
    clock.set(due * 2);
    assert_eq!(kids(&signer).await.len(), 1);
}

#[tokio::test]
async fn in_an_emergency_the_new_key_signs_at_once_here_and_soon_elsewhere() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let (here, there) = (open(&store, &clock).await, open(&store, &clock).await);
    let old = kid(&here).await;
    let token_before = token(&here, Algorithm::Es256).await;
    here.rotate().await.unwrap();
    here.rotate_now().await.unwrap();
    let new = kid(&here).await;
    assert_ne!(new, old);
    assert!(accepts(&here, &token_before).await);
    assert_eq!(kid(&there).await, old);
    clock.set(START + 60);
    assert_eq!(kid(&there).await, new);
    clock.set(START + 2 * AHEAD);
    assert_eq!(kid(&here).await, new, "the key that was waiting never signs");
}

#[tokio::test]
async fn what_a_withdrawn_key_signed_is_accepted_no_more() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let (here, there) = (open(&store, &clock).await, open(&store, &clock).await);
    let (old, token) = (kid(&here).await, token(&here, Algorithm::Es256).await);
    here.withdraw("unknown").await.unwrap();
    assert!(accepts(&here, &token).await);
    here.withdraw(&old).await.unwrap();
    assert!(!accepts(&here, &token).await);
    assert_ne!(kid(&here).await, old);
    clock.set(START + 60);
    assert!(!accepts(&there, &token).await);
    assert_eq!(kids(&there).await, kids(&here).await);
}

#[tokio::test]
async fn withdrawing_the_old_key_while_its_successor_waits_leaves_one_that_signs() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = open(&store, &clock).await;
    let old = kid(&signer).await;
    signer.rotate().await.unwrap();
    let waiting = kids(&signer).await.pop().unwrap();
    signer.withdraw(&old).await.unwrap();
    let now = kid(&signer).await;
    assert!(now != old && now != waiting);
}

#[tokio::test]
async fn withdrawing_a_key_does_not_revive_the_one_it_replaced() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = open(&store, &clock).await;
    let retired = kid(&signer).await;
    signer.rotate_now().await.unwrap();
    let signing = kid(&signer).await;
    signer.rotate().await.unwrap();
    let waiting = kids(&signer).await.pop().unwrap();
    signer.withdraw(&signing).await.unwrap();
    let now = kid(&signer).await;
    assert!(![retired, signing, waiting].contains(&now));
    assert_eq!(kids(&signer).await.last(), Some(&now));
}

#[tokio::test]
async fn a_key_another_process_made_is_loaded_when_it_is_met() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let (here, there) = (open(&store, &clock).await, open(&store, &clock).await);
    here.rotate_now().await.unwrap();
    let name = here.key(Algorithm::Es256).await.unwrap();
    let signature = there.sign(&name, b"message").await.unwrap();
    assert_eq!(signature.len(), 64);
    let unknown = SigningKeyName { kid: "unknown".into(), algorithm: Algorithm::Es256 };
    assert!(there.sign(&unknown, b"message").await.is_err());
    let other_alg = SigningKeyName { kid: name.kid, algorithm: Algorithm::Es384 };
    assert!(there.sign(&other_alg, b"message").await.is_err());
}

#[tokio::test]
async fn a_clock_that_goes_back_still_signs_with_a_published_key() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = open(&store, &clock).await;
    signer.rotate().await.unwrap();
    clock.set(START + AHEAD + 48 * 3600);
    signer.tend().await.unwrap();
    for at in [START + AHEAD + 1, START + 1, 1, 0] {
        clock.set(at);
        let token = token(&signer, Algorithm::Es256).await;
        assert!(accepts(&signer, &token).await, "at {at}");
    }
    assert_eq!(kids(&signer).await.len(), 1);
}

#[tokio::test]
async fn a_clock_that_goes_back_does_not_keep_old_keys_longer() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let (here, there) = (open(&store, &clock).await, open(&store, &clock).await);
    clock.set(START - 1000);
    here.rotate_now().await.unwrap();
    assert_eq!(kid(&there).await, kid(&here).await);
}

#[tokio::test]
async fn a_key_already_opened_is_not_taken_for_another_of_its_name() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = open(&store, &clock).await;
    let loaded = signer.current();
    let mut ring = loaded.ring.clone();
    ring.keys[0].public =
        SigningKey::generate(Algorithm::Es256).unwrap().public().with_kid(kid(&signer).await);
    let other = Some(BatchId(Id([9; 16])));
    assert!(signer.parse(loaded.ring.clone(), other, Timestamp(START), &loaded).is_ok());
    assert!(signer.parse(ring, other, Timestamp(START), &loaded).is_err());
}

#[tokio::test]
async fn a_copied_store_signs_nothing_without_the_secret() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = open(&store, &clock).await;
    let error = open_with(&store, &clock, 2, KeyRingOptions::new([Algorithm::Es256])).await.unwrap_err();
    assert_eq!(error, KeyRingError::DoesNotOpen { kid: kid(&signer).await });
    assert!(error.to_string().contains("sealed with another secret"));
    assert_eq!(kids(&signer).await.len(), 1, "nothing was replaced");
}

#[tokio::test]
async fn a_sealed_key_opens_only_as_itself() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = open(&store, &clock).await;
    signer.rotate_now().await.unwrap();
    let ring = signer.current().ring.clone();
    for key in &ring.keys {
        assert!(signer.unseal(key).is_ok());
        let other = ring.keys.iter().find(|other| other.kid != key.kid).unwrap();
        let swaps = [
            SealedKey { sealed: other.sealed.clone(), ..key.clone() },
            SealedKey { public: other.public.clone(), ..key.clone() },
            SealedKey { kid: other.kid.clone(), ..key.clone() },
            SealedKey { alg: Algorithm::Es384, ..key.clone() },
            SealedKey { sealed: String::new(), ..key.clone() },
            SealedKey { sealed: "!".into(), ..key.clone() },
        ];
        for swapped in swaps {
            assert!(signer.unseal(&swapped).is_err());
        }
    }
}

#[tokio::test]
async fn no_private_key_is_published_stored_or_shown() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let algs = [Algorithm::Es256, Algorithm::EdDsa, Algorithm::Rs256];
    let signer = open_with(&store, &clock, 1, KeyRingOptions::new(algs)).await.unwrap();
    let set = serde_json::to_value(signer.public_keys().await.unwrap().set()).unwrap();
    for key in set["keys"].as_array().unwrap() {
        let members: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        let public = ["alg", "crv", "e", "kid", "kty", "n", "use", "x", "y"];
        assert!(members.iter().all(|member| public.contains(member)), "{members:?}");
    }
    let record = store.inner.load(&[namespace().key_ring()]).await.unwrap().remove(0).unwrap().record;
    let stored = String::from_utf8(crate::record::codec::encode(&record).unwrap()).unwrap();
    let shown = format!("{signer:?} {:?}", signer.public_keys().await.unwrap());
    for key in &signer.current().opened {
        let der = key.to_pkcs8_der().unwrap();
        for window in der.windows(24).step_by(8) {
            let text = URL_SAFE_NO_PAD.encode(window);
            let public = serde_json::to_string(&key.public()).unwrap();
            assert!(public.contains(&text) || !(stored.contains(&text) || shown.contains(&text)));
        }
    }
    assert!(shown.contains("KeyRingSigner") && !shown.contains("sealed"));
}

#[tokio::test]
async fn without_its_store_a_signer_stops_within_its_staleness_and_recovers() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = open(&store, &clock).await;
    store.fail(Fault::Down);
    clock.set(START + 59);
    assert!(signer.key(Algorithm::Es256).await.is_ok());
    clock.set(START + 60);
    assert!(signer.key(Algorithm::Es256).await.unwrap_err().0.contains("down"));
    assert!(signer.public_keys().await.is_err());
    assert!(matches!(signer.rotate().await, Err(KeyRingError::Store(_))));
    assert!(matches!(
        open_with(&store, &clock, 1, KeyRingOptions::new([Algorithm::Es256])).await,
        Err(KeyRingError::Store(_))
    ));
    store.fail(Fault::None);
    assert!(signer.key(Algorithm::Es256).await.is_ok());
    assert_eq!(kids(&signer).await.len(), 1);
}

#[tokio::test]
async fn of_many_who_need_the_keys_when_they_are_due_one_reads_them() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = Arc::new(open(&store, &clock).await);
    for (at, what) in [(START + 30, "known well enough"), (START + 90, "too old to go on with")] {
        clock.set(at);
        let before = store.loads.load(Ordering::SeqCst);
        let mut many = tokio::task::JoinSet::new();
        for _ in 0..50 {
            let signer = signer.clone();
            many.spawn(async move { kid(&signer).await });
        }
        assert_eq!(many.join_all().await.len(), 50);
        assert_eq!(store.loads.load(Ordering::SeqCst) - before, 1, "{what}");
    }
    store.fail(Fault::Down);
    clock.set(START + 120);
    let (leads, goes_on) = tokio::join!(signer.key(Algorithm::Es256), signer.key(Algorithm::Es256));
    assert!(leads.is_ok() && goes_on.is_ok(), "what is known is still good");
    clock.set(START + 150);
    let (leads, waits) = tokio::join!(signer.key(Algorithm::Es256), signer.key(Algorithm::Es256));
    assert!(leads.is_err() && waits.is_err());
}

#[tokio::test]
async fn a_commit_whose_answer_is_lost_is_recognised() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    store.fail(Fault::LostAnswer);
    let signer = open(&store, &clock).await;
    store.fail(Fault::LostAnswer);
    signer.rotate_now().await.unwrap();
    assert_eq!(kids(&signer).await.len(), 2);
    assert_eq!(store.commits.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn an_algorithm_added_later_gets_a_key_and_one_taken_away_is_retired_at_the_next_rotation() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    drop(open(&store, &clock).await);
    let both = KeyRingOptions::new([Algorithm::Es256, Algorithm::EdDsa]);
    let both = open_with(&store, &clock, 1, both).await.unwrap();
    assert!(both.key(Algorithm::EdDsa).await.is_ok());
    let one = open(&store, &clock).await;
    assert_eq!(kids(&one).await.len(), 2);
    one.rotate().await.unwrap();
    clock.set(START + 2 * 24 * 3600);
    one.tend().await.unwrap();
    assert_eq!(one.public_keys().await.unwrap().set().keys().len(), 1);
}

#[tokio::test]
async fn two_issuers_in_one_store_have_keys_of_their_own() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let first = open(&store, &clock).await;
    let (sealer, other) = (Sealer::new(&[1; 32]), Namespace::of_issuer("https://other.example"));
    let options = KeyRingOptions::new([Algorithm::Es256]);
    let second = KeyRingSigner::open(store.clone(), other, sealer, clock.clone(), options).await.unwrap();
    assert_ne!(kid(&first).await, kid(&second).await);
    assert!(second.unseal(&first.current().ring.keys[0]).is_err(), "a record copied to another issuer");
    assert!(!accepts(&second, &token(&first, Algorithm::Es256).await).await);
}

#[tokio::test]
async fn a_read_that_comes_back_late_does_not_undo_a_change() {
    let (store, clock) = (Flaky::new(), TestClock::new());
    let signer = open(&store, &clock).await;
    let late = signer.current();
    signer.withdraw(&kid(&signer).await).await.unwrap();
    let after = kids(&signer).await;
    let late = signer.parse(late.ring.clone(), late.version, Timestamp(START), &late).unwrap();
    signer.swap(late);
    assert_eq!(kids(&signer).await, after);
}

#[tokio::test]
async fn bad_options_are_refused_by_name() {
    let base = || KeyRingOptions::new([Algorithm::Es256]);
    let cases = [
        ("algorithms", KeyRingOptions::new([])),
        ("algorithms", KeyRingOptions::new([Algorithm::EdDsa, Algorithm::Ed25519])),
        ("reload_after", KeyRingOptions { reload_after: Duration::ZERO, ..base() }),
        ("reload_after", KeyRingOptions { reload_after: Duration::from_secs(1), ..base() }),
        ("publish_ahead", KeyRingOptions { reload_after: Duration::from_secs(900), ..base() }),
        ("publish_ahead", KeyRingOptions { publish_ahead: Duration::from_secs(899), ..base() }),
        ("longest_token", KeyRingOptions { longest_token: Duration::ZERO, ..base() }),
        ("rotate_every", KeyRingOptions { rotate_every: Some(Duration::from_secs(900)), ..base() }),
    ];
    for (setting, options) in cases {
        match open_with(&Flaky::new(), &TestClock::new(), 1, options).await {
            Err(KeyRingError::Options(error)) => assert_eq!(error.setting, setting),
            other => panic!("{setting}: {other:?}"),
        }
    }
}

#[test]
fn a_key_signed_by_hand_is_not_one_of_the_ring() {
    let foreign = SigningKey::generate(Algorithm::Es256).unwrap();
    let token = sign_compact(&foreign, "at+jwt", b"{}").unwrap();
    assert!(Loaded::nothing().published.access_token_claims(&token).is_none());
    assert_eq!(
        KeyRingError::Keys(JoseError::TooManyKeys).to_string(),
        "the signing keys: too many keys in the set"
    );
}
