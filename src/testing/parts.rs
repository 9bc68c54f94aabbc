//! What hosts inject, made for tests: a clock that is set, randomness that repeats, users who are locked, a key of one's own.

use std::collections::HashSet;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::must;
use crate::host::{Accounts, Clock, Entropy, EntropyError, Signer, SignerError, SigningKeyName};
use crate::jose::{Algorithm, JwkSet, SigningKey};
use crate::protocol::{Digest, SubjectId, Timestamp};
use crate::record::facts::Account;
use crate::record::key_ring::PublishedKeys;
use crate::store::StoreError;

/// A clock that stands still until it is set.
#[derive(Debug)]
pub struct TestClock(AtomicU64);

impl TestClock {
    /// A clock that shows this many seconds since the Unix epoch.
    #[must_use]
    pub const fn new(now: u64) -> Self {
        Self(AtomicU64::new(now))
    }

    /// Sets it to this many seconds since the Unix epoch.
    pub fn set(&self, now: u64) {
        self.0.store(now, Ordering::SeqCst);
    }

    /// Sets it so many seconds later.
    pub fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }

    /// Sets it so many seconds earlier.
    pub fn back(&self, seconds: u64) {
        let earlier = |now: u64| Some(now.saturating_sub(seconds));
        let _ = self.0.fetch_update(Ordering::SeqCst, Ordering::SeqCst, earlier);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// The same bytes in every run, and never the same twice in one. **Never for production**: who knows the seed knows every
/// secret that the server will ever draw.
#[derive(Debug)]
pub struct SeededEntropy {
    seed: u64,
    drawn: AtomicU64,
}

impl SeededEntropy {
    /// The bytes that follow from this seed, for anybody who knows it.
    #[must_use]
    pub const fn predictable(seed: u64) -> Self {
        Self { seed, drawn: AtomicU64::new(0) }
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        for chunk in bytes.chunks_mut(32) {
            let drawn = self.drawn.fetch_add(1, Ordering::SeqCst);
            let Digest(block) = Digest::of(format!("{} {drawn}", self.seed).as_bytes());
            chunk.iter_mut().zip(block).for_each(|(byte, drawn)| *byte = drawn);
        }
        Ok(())
    }
}

type Claims = dyn Fn(&SubjectId) -> Value + Send + Sync;

/// Users who are all there, until a test locks them.
pub struct TestUsers {
    locked: Mutex<HashSet<SubjectId>>,
    claims: Box<Claims>,
}

impl TestUsers {
    /// Users of whom this is known: an object of claims for each (OpenID Connect Core §5.1).
    pub fn with_claims(claims: impl Fn(&SubjectId) -> Value + Send + Sync + 'static) -> Self {
        Self { locked: Mutex::default(), claims: Box::new(claims) }
    }

    /// Locks a user: whatever was issued for them is refused from now on.
    pub fn lock(&self, user: &str) {
        self.locked.lock().unwrap_or_else(PoisonError::into_inner).insert(user.into());
    }
}

/// Everyone has a name and an email address that was verified.
impl Default for TestUsers {
    fn default() -> Self {
        Self::with_claims(
            |user| json!({ "name": format!("The user {user}"), "email": format!("{user}@example.com"), "email_verified": true }),
        )
    }
}

impl fmt::Debug for TestUsers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestUsers").field("locked", &self.locked).finish_non_exhaustive()
    }
}

#[async_trait]
impl Accounts for TestUsers {
    async fn account(&self, subject: &SubjectId) -> Result<Account, StoreError> {
        let locked = self.locked.lock().unwrap_or_else(PoisonError::into_inner).contains(subject);
        Ok(if locked { Account::Inactive } else { Account::Active })
    }

    async fn claims(&self, subject: &SubjectId) -> Result<Map<String, Value>, StoreError> {
        let claims = (self.claims)(subject);
        Ok(claims.as_object().cloned().unwrap_or_default())
    }
}

/// Signs with one ES256 key, which is made with it and gone with it.
pub struct TestSigner {
    key: SigningKey,
    published: Arc<PublishedKeys>,
}

impl TestSigner {
    /// A new key.
    #[must_use]
    pub fn new() -> Self {
        let key = must(SigningKey::generate(Algorithm::Es256));
        let published = Arc::new(PublishedKeys::new(must(JwkSet::new(vec![key.public()]))));
        Self { key, published }
    }
}

impl Default for TestSigner {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for TestSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestSigner").field("kid", &self.key.kid()).finish_non_exhaustive()
    }
}

#[async_trait]
impl Signer for TestSigner {
    fn algorithms(&self) -> Vec<Algorithm> {
        vec![Algorithm::Es256]
    }

    async fn key(&self, algorithm: Algorithm) -> Result<SigningKeyName, SignerError> {
        Ok(SigningKeyName { kid: self.key.kid().to_owned(), algorithm })
    }

    async fn sign(&self, _: &SigningKeyName, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        self.key.sign(message).map_err(|error| SignerError(error.to_string()))
    }

    async fn public_keys(&self) -> Result<Arc<PublishedKeys>, SignerError> {
        Ok(Arc::clone(&self.published))
    }
}
