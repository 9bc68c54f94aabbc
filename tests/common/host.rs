//! What a host injects, made for tests: a clock that is set, accounts that are switched off, entropy that repeats or fails.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use grantor::host::{
    Accounts, AuthenticationDevice, Clock, Entropy, EntropyError, Fetch, FetchError, FetchRequest,
    FetchResponse, Limits, MemoryLimiter, PasswordVerifier, Signer, SignerError, SigningKeyName,
};
use grantor::jose::{Algorithm, JwkSet, SigningKey};
use grantor::protocol::{Digest, SubjectId, Timestamp};
use grantor::record::backchannel::{Identified, UserEnquiry, UserQuestion};
use grantor::record::facts::Account;
use grantor::record::grant::{AuthenticatedSubject, Authentication};
use grantor::record::key_ring::PublishedKeys;
use grantor::record::password::{PasswordAttempt, PasswordVerdict};
use grantor::store::StoreError;
use serde_json::{Map, Value, json};

/// A clock that stands still until it is set.
pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn new(now: u64) -> Self {
        Self(AtomicU64::new(now))
    }

    pub(crate) fn set(&self, now: u64) {
        self.0.store(now, Ordering::SeqCst);
    }

    pub(crate) fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    pub(crate) fn back(&self, seconds: u64) {
        self.0.fetch_sub(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// The same bytes in every run, and never the same twice.
pub(crate) struct SeededEntropy {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededEntropy {
    pub(crate) fn new(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }

    /// How much was drawn so far.
    pub(crate) fn drawn(&self) -> u64 {
        self.drawn.load(Ordering::SeqCst)
    }

    /// Goes back to where it was when so much was drawn.
    pub(crate) fn rewind(&self, drawn: u64) {
        self.drawn.store(drawn, Ordering::SeqCst);
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(32) {
            let drawn = self.drawn.fetch_add(1, Ordering::SeqCst);
            let Digest(block) = Digest::of(format!("{} {drawn}", self.seed).as_bytes());
            chunk.copy_from_slice(&block[..chunk.len()]);
        }
        Ok(())
    }
}

/// The system's entropy, until it is broken.
#[derive(Default)]
pub(crate) struct BreakableEntropy {
    pub(crate) broken: AtomicBool,
}

impl Entropy for BreakableEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        if self.broken.load(Ordering::SeqCst) {
            return Err(EntropyError);
        }
        grantor::host::OsEntropy.fill(bytes)
    }
}

/// Accounts that are active until the host locks them.
#[derive(Default)]
pub(crate) struct TestAccounts {
    locked: Mutex<HashSet<String>>,
}

impl TestAccounts {
    pub(crate) fn lock(&self, subject: &str) {
        self.locked.lock().unwrap().insert(subject.to_owned());
    }
}

#[async_trait]
impl Accounts for TestAccounts {
    async fn account(&self, subject: &SubjectId) -> Result<Account, StoreError> {
        let locked = self.locked.lock().unwrap().contains(subject.as_str());
        Ok(if locked { Account::Inactive } else { Account::Active })
    }

    async fn claims(&self, subject: &SubjectId) -> Result<Map<String, Value>, StoreError> {
        let claims = json!({
            "sub": "somebody else",
            "name": format!("The user {subject}"),
            "name#de": format!("Benutzer {subject}"),
            "email": format!("{subject}@example.com"),
            "email_verified": true,
            "employee_id": 7,
        });
        Ok(claims.as_object().cloned().unwrap_or_default())
    }
}

/// Alice's password is `wonderland`; the database of `bob` is down.
#[derive(Default)]
pub(crate) struct TestPasswords {
    pub(crate) asked: AtomicUsize,
}

#[async_trait]
impl PasswordVerifier for TestPasswords {
    async fn verify(&self, attempt: &PasswordAttempt, now: Timestamp) -> Result<PasswordVerdict, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        let authentication = Authentication { auth_time: now, acr: None, amr: vec!["pwd".into()] };
        match (attempt.username.expose(), attempt.password.expose()) {
            ("bob", _) => Err(StoreError("the users are away".into())),
            ("alice", "wonderland") => Ok(PasswordVerdict::Right(AuthenticatedSubject {
                id: SubjectId::new("alice"),
                authentication,
            })),
            _ => Ok(PasswordVerdict::Wrong),
        }
    }
}

/// What is allowed so far beyond measure that no limit is ever met.
pub(crate) fn limitless() -> MemoryLimiter {
    MemoryLimiter::new(Limits {
        client_failures: u32::MAX,
        interactions: u32::MAX,
        device_authorizations: u32::MAX,
        backchannel_authentications: u32::MAX,
        user_codes_of_session: u32::MAX,
        user_codes_from_address: u32::MAX,
        passwords: u32::MAX,
        passwords_of_all: u32::MAX,
        passwords_from_everywhere: u32::MAX,
        ..Limits::default()
    })
}

/// Signs with one ES256 key.
pub(crate) struct TestSigner(SigningKey, Arc<PublishedKeys>);

impl TestSigner {
    pub(crate) fn new() -> Self {
        let key = SigningKey::generate(Algorithm::Es256).unwrap();
        let published = PublishedKeys::new(JwkSet::new(vec![key.public()]).unwrap());
        Self(key, Arc::new(published))
    }
}

#[async_trait]
impl Signer for TestSigner {
    fn algorithms(&self) -> Vec<Algorithm> {
        vec![Algorithm::Es256]
    }

    async fn key(&self, algorithm: Algorithm) -> Result<SigningKeyName, SignerError> {
        Ok(SigningKeyName { kid: self.0.kid().to_owned(), algorithm })
    }

    async fn sign(&self, _: &SigningKeyName, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.0.sign(message).map_err(|error| SignerError(error.to_string()))
    }

    async fn public_keys(&self) -> Result<Arc<PublishedKeys>, SignerError> {
        Ok(Arc::clone(&self.1))
    }
}

/// A host that finds and reaches nobody.
pub(crate) struct NobodyAtHome;

#[async_trait]
impl AuthenticationDevice for NobodyAtHome {
    async fn identify(&self, _: &UserEnquiry) -> Result<Identified, StoreError> {
        Ok(Identified::Unknown)
    }

    async fn ask(&self, _: &UserQuestion) -> Result<(), StoreError> {
        Err(StoreError("nobody at home".into()))
    }
}

/// None of the clients' servers can be reached.
pub(crate) struct NoServers;

#[async_trait]
impl Fetch for NoServers {
    async fn fetch(&self, _: FetchRequest) -> Result<FetchResponse, FetchError> {
        Err(FetchError::Timeout)
    }
}
