//! Keys in the store: sealed, shared by every process, rotated by a commit.
//!
//! ```text
//! open ──► keys there? ──no──► make one per algorithm, commit if still absent ──lost──► load the winner's
//!              │yes                              │won
//!              ▼                                 ▼
//!           loaded ◄──── every `reload_after`, and when a key is not known ────┐
//!              │                                                              │
//!              └── a key is missing, due or dead ──► commit the change if nothing changed meanwhile
//! ```
//!
//! What is in the store opens only with the server's secret. What is in memory is parsed once and swapped whole; no
//! lock is held across an await. Making a key or a signature runs on the calling thread: about 20 µs for a signature
//! with ES256, 0.4 ms with RSA, and up to a second to make an RSA key, which happens at the first start and at a
//! rotation.

mod options;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use zeroize::Zeroizing;

pub use self::options::{KeyRingError, KeyRingOptions};
use super::flight::{Flight, Turn};
use super::{Clock, Decrypter, Entropy, OsEntropy, Signer, SignerError, SigningKeyName};
use crate::jose::{
    Algorithm, ContentEncryption, DecryptingKey, Encrypted, JoseError, Jwk, KeyAlgorithm, KeyManagement,
    Sealer, SigningKey,
};
use crate::protocol::{Secret, Timestamp};
use crate::record::key_ring::{KeyRing, PublishedKeys, SealedKey};
use crate::record::{Batch, BatchId, Expectation, Id, Key, Namespace, Put, Record};
use crate::store::{CommitError, Store};

/// How often a change is tried again after another process changed the keys first.
const MAX_ATTEMPTS: u32 = 16;

/// The labels under which private keys are sealed.
const SEAL_LABEL: &str = "signing key";
const SEAL_LABEL_ENCRYPTION: &str = "decryption key";

/// Signs, and decrypts, with keys that are kept, sealed, in the store.
///
/// Every process that opens the same namespace of the same store with the same secret signs with the same keys. A
/// successor is published `publish_ahead` before it signs, and a retired key stays published until the last token it
/// signed has expired.
pub struct KeyRingSigner {
    store: Arc<dyn Store>,
    key: Key,
    sealer: Sealer,
    clock: Arc<dyn Clock>,
    options: KeyRingOptions,
    loaded: RwLock<Arc<Loaded>>,
    reads: AtomicU64,
    flight: Flight,
}

/// The keys as of one read or write; a later one never gives way to an earlier one that came back late.
struct Loaded {
    ticket: u64,
    at: Timestamp,
    version: Option<BatchId>,
    ring: KeyRing,
    opened: Vec<Arc<OpenedKey>>,
    published: Arc<PublishedKeys>,
}

/// A private key, ready for the one thing it is for.
enum OpenedKey {
    Signing(SigningKey),
    Decrypting(DecryptingKey),
}

impl OpenedKey {
    fn public(&self) -> Option<Jwk> {
        match self {
            Self::Signing(key) => Some(key.public()),
            Self::Decrypting(key) => key.public().cloned(),
        }
    }

    fn to_pkcs8_der(&self) -> Result<Zeroizing<Vec<u8>>, JoseError> {
        match self {
            Self::Signing(key) => key.to_pkcs8_der(),
            Self::Decrypting(key) => key.to_pkcs8_der(),
        }
    }

    fn kid(&self) -> &str {
        match self {
            Self::Signing(key) => key.kid(),
            Self::Decrypting(key) => key.kid().unwrap_or_default(),
        }
    }
}

/// When a rotation's new keys begin to sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Begin {
    AfterPublication,
    AtOnce,
}

impl KeyRingSigner {
    /// Loads the keys of an issuer, and makes them if there are none yet.
    ///
    /// `sealer` must be derived from the same secret in every process; `namespace` is that of the issuer
    /// ([`Namespace::of_issuer`]).
    ///
    /// # Errors
    /// [`KeyRingError`]: bad options, an unavailable store, a secret that does not open the keys.
    pub async fn open(
        store: Arc<dyn Store>,
        namespace: Namespace,
        sealer: Sealer,
        clock: Arc<dyn Clock>,
        options: KeyRingOptions,
    ) -> Result<Self, KeyRingError> {
        options.lint()?;
        let signer = Self {
            store,
            key: namespace.key_ring(),
            sealer,
            clock,
            options,
            loaded: RwLock::new(Arc::new(Loaded::nothing())),
            reads: AtomicU64::new(1),
            flight: Flight::default(),
        };
        signer.tend().await?;
        Ok(signer)
    }

    /// Loads the keys again, makes those that are missing or due, and forgets those that are dead. Signing does this
    /// by itself within every `reload_after`; a server that seldom signs may call it now and then.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub async fn tend(&self) -> Result<(), KeyRingError> {
        self.change(|signer, ring, now| {
            let options = &signer.options;
            ring.forget_dead(now, options.outlives());
            for alg in options.keys() {
                if ring.lacks(alg) {
                    ring.add(signer.make(alg, now, now)?);
                } else if let Some(period) = options.rotate_every
                    && ring.is_due(alg, now.plus(options.publish_ahead), period)
                {
                    ring.add(signer.make(alg, now, now.plus(options.publish_ahead))?);
                }
            }
            Ok(())
        })
        .await
    }

    /// Adds a successor for every algorithm: published now, signing after `publish_ahead`. An algorithm whose
    /// successor is already waiting gets no second one. Keys of algorithms that are no longer configured are retired.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub async fn rotate(&self) -> Result<(), KeyRingError> {
        self.renew(Begin::AfterPublication).await
    }

    /// As [`rotate`](Self::rotate), but the new keys sign at once, in this process now and in the others within
    /// `reload_after`. For emergencies: verifiers with a cached key set must fetch it again. What the old keys
    /// signed stays valid; to end that too, see [`withdraw`](Self::withdraw).
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub async fn rotate_now(&self) -> Result<(), KeyRingError> {
        self.renew(Begin::AtOnce).await
    }

    /// Takes a key that is no longer trusted out of the published set, so that nothing it signed is accepted any more:
    /// at once by this process, within `reload_after` by the others, and by remote verifiers when they next fetch the
    /// set. If it was the last for its algorithm, a new one signs at once. An unknown `kid` changes nothing.
    ///
    /// # Errors
    /// [`KeyRingError`].
    pub async fn withdraw(&self, kid: &str) -> Result<(), KeyRingError> {
        self.change(|signer, ring, now| {
            let Some(at) = ring.keys.iter().position(|key| key.kid == kid) else { return Ok(()) };
            let alg = ring.keys.remove(at).alg;
            let left = ring.keys.iter().any(|key| key.alg == alg && key.retired_at.is_none());
            let serves = |key: &SealedKey| {
                key.signs_from.is_past(now) && !key.retired_at.is_some_and(|at| at.is_past(now))
            };
            let signs = ring.keys.iter().any(|key| key.alg == alg && serves(key));
            if !(left && signs) {
                ring.add(signer.make(alg, now, now)?);
            }
            Ok(())
        })
        .await
    }

    async fn renew(&self, begin: Begin) -> Result<(), KeyRingError> {
        self.change(|signer, ring, now| {
            let configured: Vec<_> = signer.options.keys().collect();
            let foreign: Vec<_> =
                ring.keys.iter().map(|key| key.alg).filter(|alg| !configured.contains(alg)).collect();
            for alg in foreign {
                ring.retire(alg, now);
            }
            ring.forget_dead(now, signer.options.outlives());
            for alg in configured {
                match begin {
                    Begin::AtOnce => ring.add(signer.make(alg, now, now)?),
                    Begin::AfterPublication if ring.lacks(alg) => ring.add(signer.make(alg, now, now)?),
                    Begin::AfterPublication if ring.has_next(alg, now) => {}
                    Begin::AfterPublication => {
                        ring.add(signer.make(alg, now, now.plus(signer.options.publish_ahead))?);
                    }
                }
            }
            Ok(())
        })
        .await
    }

    /// Loads the keys, changes them, and commits the change unless another process changed them meanwhile; then the
    /// change is made anew on what that process wrote.
    async fn change(
        &self,
        change: impl Fn(&Self, &mut KeyRing, Timestamp) -> Result<(), KeyRingError> + Send + Sync,
    ) -> Result<(), KeyRingError> {
        let mut mine = None;
        for _ in 0..MAX_ATTEMPTS {
            let now = self.clock.now();
            let loaded = self.load(now).await?;
            if mine.is_some() && mine == loaded.version {
                return Ok(());
            }
            let mut ring = loaded.ring.clone();
            change(self, &mut ring, now)?;
            if ring == loaded.ring {
                return Ok(());
            }
            let id = BatchId(Id(random()?));
            let mut next = self.parse(ring.clone(), Some(id), now, &loaded)?;
            let mut batch = Batch::new(id);
            batch.expect(self.key, loaded.version.map_or(Expectation::Absent, Expectation::At));
            batch.put.push(Put {
                key: self.key,
                record: Arc::new(Record::KeyRing(ring)),
                terms: Vec::new(),
                retain_until: Timestamp(u64::MAX),
            });
            match self.store.commit(&batch).await {
                Ok(()) => {
                    next.ticket = self.ticket();
                    self.swap(next);
                    return Ok(());
                }
                Err(CommitError::Conflict) => mine = None,
                Err(CommitError::Unknown(_)) => mine = Some(id),
                Err(error) => return Err(KeyRingError::Store(error.to_string())),
            }
        }
        Err(KeyRingError::Contention)
    }

    /// Reads the keys from the store and remembers them.
    async fn load(&self, now: Timestamp) -> Result<Arc<Loaded>, KeyRingError> {
        let ticket = self.ticket();
        let records = self.store.load(&[self.key]).await.map_err(|error| KeyRingError::Store(error.0))?;
        let before = self.current();
        let mut next = match records.into_iter().next() {
            None => return Err(KeyRingError::Store("the store left out a record".into())),
            Some(None) => self.parse(KeyRing::default(), None, now, &before)?,
            Some(Some(found)) => match found.record.as_ref() {
                Record::KeyRing(ring) => self.parse(ring.clone(), Some(found.version), now, &before)?,
                _ => return Err(KeyRingError::Store("the record is no key ring".into())),
            },
        };
        next.ticket = ticket;
        Ok(self.swap(next))
    }

    /// Opens the keys that are not opened yet.
    fn parse(
        &self,
        ring: KeyRing,
        version: Option<BatchId>,
        at: Timestamp,
        before: &Loaded,
    ) -> Result<Loaded, KeyRingError> {
        if version == before.version {
            let (opened, published) = (before.opened.clone(), before.published.clone());
            return Ok(Loaded { ticket: 0, at, version, ring, opened, published });
        }
        let opened = ring
            .keys
            .iter()
            .map(|key| {
                match before.opened(&key.kid).filter(|own| own.public().as_ref() == Some(&key.public)) {
                    Some(own) => Ok(own.clone()),
                    None => self.unseal(key).map(Arc::new),
                }
            })
            .collect::<Result<_, _>>()?;
        let set = ring.published().map_err(KeyRingError::Keys)?;
        Ok(Loaded { ticket: 0, at, version, ring, opened, published: Arc::new(PublishedKeys::new(set)) })
    }

    fn make(&self, alg: KeyAlgorithm, now: Timestamp, from: Timestamp) -> Result<SealedKey, KeyRingError> {
        let key = match alg {
            KeyAlgorithm::Signature(alg) => {
                SigningKey::generate_sized(alg, self.options.rsa_size).map(OpenedKey::Signing)
            }
            KeyAlgorithm::Encryption(alg) => DecryptingKey::generate(alg).map(OpenedKey::Decrypting),
        };
        let key = key.map_err(KeyRingError::Keys)?;
        let der = key.to_pkcs8_der().map_err(KeyRingError::Keys)?;
        let place = self.place(key.kid(), alg);
        let sealed = self.sealer.seal(label(alg), &place, &der).map_err(KeyRingError::Keys)?;
        Ok(SealedKey {
            kid: key.kid().to_owned(),
            alg,
            public: key.public().ok_or(KeyRingError::Keys(JoseError::KeyGeneration))?,
            sealed: URL_SAFE_NO_PAD.encode(sealed),
            published_at: now,
            signs_from: from,
            retired_at: None,
        })
    }

    fn unseal(&self, key: &SealedKey) -> Result<OpenedKey, KeyRingError> {
        let broken = || KeyRingError::DoesNotOpen { kid: key.kid.clone() };
        let sealed = URL_SAFE_NO_PAD.decode(&key.sealed).map_err(|_| broken())?;
        let der = self
            .sealer
            .open(label(key.alg), &self.place(&key.kid, key.alg), &sealed)
            .map_err(|_| broken())?;
        let kid = key.kid.as_str();
        let opened = match key.alg {
            KeyAlgorithm::Signature(alg) => {
                SigningKey::from_pkcs8_der(alg, &der).map(|key| OpenedKey::Signing(key.with_kid(kid)))
            }
            KeyAlgorithm::Encryption(alg) => {
                DecryptingKey::from_pkcs8_der(alg, &der).map(|key| OpenedKey::Decrypting(key.with_kid(kid)))
            }
        };
        let opened = opened.map_err(KeyRingError::Keys)?;
        if opened.public().as_ref() == Some(&key.public) { Ok(opened) } else { Err(broken()) }
    }

    /// Where a private key is kept: it opens only in this issuer's ring, under its own name and algorithm.
    fn place(&self, kid: &str, alg: KeyAlgorithm) -> Vec<u8> {
        [self.key.namespace.0.0.as_slice(), alg.as_str().as_bytes(), &[0], kid.as_bytes()].concat()
    }

    /// The keys as last read, read again by one request once half of `reload_after` has passed. Until all of it has,
    /// the others go on with what is known, and so does that one if it comes back with nothing.
    async fn fresh(&self) -> Result<Arc<Loaded>, KeyRingError> {
        let loaded = self.current();
        if self.is_within(self.options.reload_after / 2, &loaded) {
            return Ok(loaded);
        }
        let good = self.is_within(self.options.reload_after, &loaded);
        let _lead = match self.flight.join() {
            Turn::Lead(lead) => Some(lead),
            Turn::Follow(_) if good => return Ok(loaded),
            Turn::Follow(woken) => {
                let _ = woken.await;
                None
            }
        };
        if !self.is_within(self.options.reload_after / 2, &self.current())
            && let Err(error) = self.tend().await
            && !good
        {
            return Err(error);
        }
        Ok(self.current())
    }

    /// Whether the keys were read less than `time` ago; if the clock has gone back since, they were not.
    fn is_within(&self, time: Duration, loaded: &Loaded) -> bool {
        let now = self.clock.now();
        now >= loaded.at && !loaded.at.plus(time).is_past(now)
    }

    fn current(&self) -> Arc<Loaded> {
        self.loaded.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn ticket(&self) -> u64 {
        self.reads.fetch_add(1, Ordering::Relaxed)
    }

    fn swap(&self, next: Loaded) -> Arc<Loaded> {
        let next = Arc::new(next);
        let mut loaded = self.loaded.write().unwrap_or_else(PoisonError::into_inner);
        if next.ticket > loaded.ticket {
            *loaded = next.clone();
        }
        next
    }
}

impl Loaded {
    fn nothing() -> Self {
        Self {
            ticket: 0,
            at: Timestamp(0),
            version: None,
            ring: KeyRing::default(),
            opened: Vec::new(),
            published: Arc::new(PublishedKeys::new(crate::jose::JwkSet::default())),
        }
    }

    fn opened(&self, kid: &str) -> Option<&Arc<OpenedKey>> {
        self.opened.iter().find(|key| key.kid() == kid)
    }
}

const fn label(alg: KeyAlgorithm) -> &'static str {
    match alg {
        KeyAlgorithm::Signature(_) => SEAL_LABEL,
        KeyAlgorithm::Encryption(_) => SEAL_LABEL_ENCRYPTION,
    }
}

fn random<const N: usize>() -> Result<[u8; N], KeyRingError> {
    let mut bytes = [0; N];
    OsEntropy.fill(&mut bytes).map_err(|_| KeyRingError::Entropy)?;
    Ok(bytes)
}

#[async_trait]
impl Signer for KeyRingSigner {
    fn algorithms(&self) -> Vec<Algorithm> {
        self.options.algorithms.clone()
    }

    fn longest_token(&self) -> Option<Duration> {
        Some(self.options.longest_token)
    }

    async fn key(&self, algorithm: Algorithm) -> Result<SigningKeyName, SignerError> {
        let unknown = || SignerError(format!("there is no signing key for {algorithm}"));
        if !self.options.algorithms.contains(&algorithm) {
            return Err(unknown());
        }
        let loaded = self.fresh().await?;
        let key = loaded.ring.signing(algorithm, self.clock.now()).ok_or_else(unknown)?;
        Ok(SigningKeyName { kid: key.kid.clone(), algorithm })
    }

    async fn sign(&self, key: &SigningKeyName, message: &[u8]) -> Result<Vec<u8>, SignerError> {
        let mut loaded = self.current();
        if loaded.opened(&key.kid).is_none() {
            loaded = self.load(self.clock.now()).await?;
        }
        match loaded.opened(&key.kid).map(AsRef::as_ref) {
            Some(OpenedKey::Signing(own)) if own.alg() == key.algorithm => {
                own.sign(message).map_err(|error| SignerError(error.to_string()))
            }
            _ => Err(SignerError(format!("there is no signing key `{}`", key.kid))),
        }
    }

    async fn public_keys(&self) -> Result<Arc<PublishedKeys>, SignerError> {
        Ok(self.fresh().await?.published.clone())
    }

    async fn tend(&self) -> Result<(), SignerError> {
        Ok(Self::tend(self).await?)
    }
}

#[async_trait]
impl Decrypter for KeyRingSigner {
    fn key_management(&self) -> Vec<KeyManagement> {
        self.options.encryption.clone()
    }

    /// A key is found by its name; a token without one is tried with every key of its algorithm.
    async fn decrypt(&self, token: &str) -> Result<Option<Secret>, SignerError> {
        let Ok(encrypted) = Encrypted::parse(token) else { return Ok(None) };
        let kid = encrypted.header().kid();
        let mut loaded = self.fresh().await?;
        if kid.is_some_and(|kid| loaded.opened(kid).is_none()) {
            loaded = self.load(self.clock.now()).await?;
        }
        let opened = loaded.opened.iter().filter(|key| kid.is_none_or(|kid| key.kid() == kid));
        let mut contents = opened.filter_map(|key| match key.as_ref() {
            OpenedKey::Decrypting(key) => encrypted.decrypt(key, &ContentEncryption::ALL).ok(),
            OpenedKey::Signing(_) => None,
        });
        let content = contents.next();
        Ok(content.and_then(|content| std::str::from_utf8(content.plaintext()).ok().map(Secret::new)))
    }
}

impl fmt::Debug for KeyRingSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyRingSigner")
            .field("options", &self.options)
            .field("keys", &self.current().ring.keys.iter().map(|key| &key.kid).collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}
