//! The keys of an issuer, sealed: which of them signs, which of them decrypt, and when one may be forgotten.
//!
//! ```text
//! published_at ──► signs_from ──► retired_at ──► forgotten
//!   published        signs          verifies       (its last token has expired)
//! ```
//!
//! A key for encryption is used from the moment it is published, and decrypts until it is forgotten.
//!
//! Order is told by position, the newest last; the clock only says how far along the list signing has come.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key::GrantId;
use crate::jose::{Algorithm, Claims, JoseError, Jwk, JwkSet, KeyAlgorithm};
use crate::protocol::Timestamp;

/// Every key that is still published. A rotation is one commit, so that all processes agree.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyRing {
    /// The keys, oldest first.
    pub keys: Vec<SealedKey>,
}

/// One key.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SealedKey {
    /// Its name in JWKS and headers.
    pub kid: String,
    /// The one algorithm it signs or decrypts with.
    pub alg: KeyAlgorithm,
    /// The public key.
    pub public: Jwk,
    /// The private key (PKCS #8), sealed by the [`Sealer`](crate::jose::Sealer); base64url.
    pub sealed: String,
    /// From when on it is published.
    pub published_at: Timestamp,
    /// From when on it signs.
    pub signs_from: Timestamp,
    /// From when on it no longer signs; `None` while it has no successor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retired_at: Option<Timestamp>,
}

impl KeyRing {
    /// The key that signs with `alg` at `now`: the newest whose time has come, unless it is retired. If the clock has
    /// gone back so far that no time has come, the oldest there is, so that whatever is chosen can be verified.
    #[must_use]
    pub fn signing(&self, alg: Algorithm, now: Timestamp) -> Option<&SealedKey> {
        let signs =
            |key: &&SealedKey| key.alg == alg.into() && !key.retired_at.is_some_and(|at| at.is_past(now));
        let in_time = self.keys.iter().rev().filter(signs).find(|key| key.signs_from.is_past(now));
        in_time.or_else(|| self.keys.iter().find(signs))
    }

    /// Whether a key for `alg` must be made now: there is none without a successor.
    #[must_use]
    pub fn lacks(&self, alg: KeyAlgorithm) -> bool {
        !self.keys.iter().any(|key| key.alg == alg && key.retired_at.is_none())
    }

    /// Whether the newest key for `alg` waits for its time to sign.
    #[must_use]
    pub fn has_next(&self, alg: KeyAlgorithm, now: Timestamp) -> bool {
        self.keys.iter().rev().find(|key| key.alg == alg).is_some_and(|key| !key.signs_from.is_past(now))
    }

    /// Whether the newest key for `alg` will have signed for `period` at `at`.
    #[must_use]
    pub fn is_due(&self, alg: KeyAlgorithm, at: Timestamp, period: Duration) -> bool {
        let newest = self.keys.iter().rev().find(|key| key.alg == alg);
        newest.is_some_and(|key| key.signs_from.plus(period).is_past(at))
    }

    /// Adds a key. From the moment it signs, every older key of its algorithm is retired.
    pub fn add(&mut self, key: SealedKey) {
        self.retire(key.alg, key.signs_from);
        self.keys.push(key);
    }

    /// Retires every key of `alg` at `at`, or earlier where that was already decided.
    pub fn retire(&mut self, alg: KeyAlgorithm, at: Timestamp) {
        for key in self.keys.iter_mut().filter(|key| key.alg == alg) {
            key.retired_at = Some(key.retired_at.map_or(at, |before| before.min(at)));
        }
    }

    /// Forgets the keys that were retired at least `outlives` ago, the longest that anything they signed can live.
    pub fn forget_dead(&mut self, now: Timestamp, outlives: Duration) {
        self.keys.retain(|key| key.retired_at.is_none_or(|at| !at.plus(outlives).is_past(now)));
    }

    /// The public keys: those that sign from the oldest on, and then those for encryption from the newest on, for whoever
    /// takes the first.
    ///
    /// # Errors
    /// `TooManyKeys`, `DuplicateKid`.
    pub fn published(&self) -> Result<JwkSet, JoseError> {
        let signs = |key: &&SealedKey| matches!(key.alg, KeyAlgorithm::Signature(_));
        let signing = self.keys.iter().filter(signs);
        let encrypting = self.keys.iter().rev().filter(|key| !signs(key));
        JwkSet::new(signing.chain(encrypting).map(|key| key.public.clone()).collect())
    }
}

/// A key set that an issuer or a client has published, parsed once: what `/jwks` shows and what signatures are checked
/// with.
#[derive(Clone, Debug)]
pub struct PublishedKeys {
    set: JwkSet,
    #[cfg(feature = "aws-lc-rs")]
    verifying: crate::jose::VerifyingKeySet,
}

impl PublishedKeys {
    /// How long a key set that this server publishes may be cached, in seconds. A new key is published at least as long
    /// before it signs.
    pub const MAX_AGE_SECONDS: u32 = 900;

    /// Parses the keys of a set.
    #[must_use]
    pub fn new(set: JwkSet) -> Self {
        Self {
            #[cfg(feature = "aws-lc-rs")]
            verifying: crate::jose::VerifyingKeySet::new(&set),
            set,
        }
    }

    /// The key set as it is published.
    #[must_use]
    pub const fn set(&self) -> &JwkSet {
        &self.set
    }

    /// The keys that signatures are checked with.
    #[cfg(feature = "aws-lc-rs")]
    #[must_use]
    pub const fn verifying(&self) -> &crate::jose::VerifyingKeySet {
        &self.verifying
    }

    /// The claims of an access token that one of these keys signed (RFC 9068 §4). Without a crypto backend no
    /// signature can be checked, so there are none.
    #[must_use]
    pub fn access_token_claims(&self, token: &str) -> Option<Claims> {
        #[cfg(feature = "aws-lc-rs")]
        {
            use crate::jose::{Algorithm, Unverified, Verification};
            let accepted = Verification::new(&["at+jwt"], &Algorithm::ALL);
            Some(Unverified::parse(token).ok()?.verify(&self.verifying, &accepted).ok()?.into_inner())
        }
        #[cfg(not(feature = "aws-lc-rs"))]
        {
            let _ = token;
            None
        }
    }

    /// What an ID token says that one of these keys signed, expired or not.
    #[must_use]
    pub fn id_token_hint(&self, token: &str, issuer: &str) -> Option<IdTokenHint> {
        #[cfg(feature = "aws-lc-rs")]
        {
            use crate::jose::{Algorithm, Unverified, Verification};
            let accepted = Verification::new(&["JWT"], &Algorithm::ALL).or_untyped();
            let claims = Unverified::parse(token).ok()?.verify(&self.verifying, &accepted).ok()?.into_inner();
            IdTokenHint::read(&claims, issuer)
        }
        #[cfg(not(feature = "aws-lc-rs"))]
        {
            let _ = (token, issuer);
            None
        }
    }
}

/// What an ID token of ours says of whom it was issued for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTokenHint {
    /// `sub`.
    pub subject: String,
    /// `aud`: the client.
    pub client: String,
    /// `sid`.
    pub session: Option<String>,
    /// `jti`: the grant it was issued under, where that was said.
    pub grant: Option<GrantId>,
    /// `exp`.
    pub valid_until: Timestamp,
}

impl IdTokenHint {
    /// What these claims say, if they are those of an ID token of this issuer, expired or not.
    #[must_use]
    pub fn read(claims: &Claims, issuer: &str) -> Option<Self> {
        // A signed answer of the UserInfo endpoint has no `exp` and is no ID token.
        let expires_at = claims.required_date("exp").ok()?;
        let audience = claims.required_audience().ok()?;
        let [client] = audience.recipients() else { return None };
        let ours = claims.required_string("iss").ok()? == issuer;
        ours.then_some(Self {
            subject: claims.required_string("sub").ok()?.to_owned(),
            client: (*client).to_owned(),
            session: claims.string("sid").ok()?.map(str::to_owned),
            grant: claims.string("jti").ok()?.and_then(|id| Some(GrantId(id.parse().ok()?))),
            valid_until: Timestamp(expires_at.floor()),
        })
    }
}

#[cfg(test)]
#[cfg(feature = "aws-lc-rs")]
mod tests {
    use super::*;
    use crate::jose::SigningKey;

    fn key(alg: Algorithm, signs_from: u64) -> SealedKey {
        let key = SigningKey::generate(alg).unwrap();
        SealedKey {
            kid: key.kid().to_owned(),
            alg: alg.into(),
            public: key.public(),
            sealed: String::new(),
            published_at: Timestamp(0),
            signs_from: Timestamp(signs_from),
            retired_at: None,
        }
    }

    fn ring(times: &[u64]) -> KeyRing {
        let mut ring = KeyRing::default();
        for at in times {
            ring.add(key(Algorithm::Es256, *at));
        }
        ring
    }

    fn signing_at(ring: &KeyRing, now: u64) -> usize {
        let kid = &ring.signing(Algorithm::Es256, Timestamp(now)).unwrap().kid;
        ring.keys.iter().position(|key| key.kid == *kid).unwrap()
    }

    #[test]
    fn a_key_signs_from_its_moment_until_its_successors() {
        let ring = ring(&[100, 200, 300]);
        assert_eq!([100, 199, 200, 299, 300, 999].map(|now| signing_at(&ring, now)), [0, 0, 1, 1, 2, 2]);
        let retired: Vec<_> = ring.keys.iter().map(|key| key.retired_at).collect();
        assert_eq!(retired, [Some(Timestamp(200)), Some(Timestamp(300)), None]);
    }

    #[test]
    fn a_retired_key_never_signs_again() {
        let mut ring = ring(&[100, 200, 900]);
        let withdrawn = ring.keys.remove(1);
        assert_eq!(withdrawn.retired_at, Some(Timestamp(900)));
        let waiting = ring.keys[1].kid.clone();
        assert_eq!(ring.signing(Algorithm::Es256, Timestamp(500)).map(|key| &key.kid), Some(&waiting));
        ring.keys.pop();
        assert_eq!(ring.signing(Algorithm::Es256, Timestamp(500)), None);
    }

    #[test]
    fn a_clock_before_every_key_chooses_the_oldest_that_is_left() {
        let mut ring = ring(&[100, 200]);
        assert_eq!(signing_at(&ring, 0), 0);
        ring.forget_dead(Timestamp(250), Duration::from_secs(50));
        assert_eq!(ring.keys.len(), 1);
        assert_eq!(signing_at(&ring, 0), 0);
    }

    #[test]
    fn a_key_added_at_once_overtakes_one_that_still_waits() {
        let ring = ring(&[100, 900, 300]);
        assert_eq!([299, 300, 900, 999].map(|now| signing_at(&ring, now)), [0, 2, 2, 2]);
        assert_eq!(ring.keys[1].retired_at, Some(Timestamp(300)));
    }

    #[test]
    fn algorithms_are_rotated_apart() {
        let mut ring = ring(&[100]);
        ring.add(key(Algorithm::EdDsa, 200));
        assert_eq!(ring.keys[0].retired_at, None);
        assert!(!ring.lacks(Algorithm::Es256.into()) && ring.lacks(Algorithm::Ps256.into()));
        assert!(ring.has_next(Algorithm::EdDsa.into(), Timestamp(199)));
        assert!(!ring.has_next(Algorithm::Es256.into(), Timestamp(199)));
    }

    #[test]
    fn a_retired_key_is_forgotten_when_its_last_token_has_expired_and_not_before() {
        let mut ring = ring(&[100, 200]);
        ring.forget_dead(Timestamp(249), Duration::from_secs(50));
        assert_eq!(ring.keys.len(), 2);
        ring.forget_dead(Timestamp(250), Duration::from_secs(50));
        assert_eq!(ring.keys.len(), 1);
        ring.forget_dead(Timestamp(u64::MAX), Duration::from_secs(50));
        assert_eq!(ring.keys.len(), 1, "a key without a successor is never forgotten");
    }

    #[test]
    fn a_ring_reads_back_as_it_was_written() {
        let ring = ring(&[100, 200]);
        let text = serde_json::to_string(&ring).unwrap();
        assert_eq!(serde_json::from_str::<KeyRing>(&text).unwrap(), ring);
    }
}
