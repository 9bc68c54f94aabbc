//! What a key ring is told at the start, and why it may fail.

use std::time::Duration;

use crate::host::SignerError;
use crate::jose::{Algorithm, JoseError, RsaSize};
use crate::record::key_ring::PublishedKeys;
use crate::record::settings::ConfigError;

/// How long a key stays published beyond the life of the last token it signed, for clocks that differ.
const MARGIN: Duration = Duration::from_secs(5 * 60);

/// How the keys of a [`KeyRingSigner`](super::KeyRingSigner) are made and rotated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyRingOptions {
    /// The algorithms to sign with, one key each.
    pub algorithms: Vec<Algorithm>,
    /// How long a key is published before it signs; at least the `max-age` of the published key set and more than
    /// `reload_after`. 15 minutes.
    pub publish_ahead: Duration,
    /// The longest life of anything that is signed: a retired key stays published so long, and five minutes more.
    /// One day.
    pub longest_token: Duration,
    /// How long a key signs until it is replaced; `None` means until someone rotates. 90 days.
    pub rotate_every: Option<Duration>,
    /// How long a process may go without looking whether the keys have changed: at half of it one request looks, while
    /// the others go on with what is known. One minute.
    pub reload_after: Duration,
    /// The size of new RSA keys. 2048 bits.
    pub rsa_size: RsaSize,
}

impl KeyRingOptions {
    /// The defaults, for these algorithms.
    pub fn new(algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        Self {
            algorithms: algorithms.into_iter().collect(),
            publish_ahead: Duration::from_secs(15 * 60),
            longest_token: Duration::from_secs(24 * 3600),
            rotate_every: Some(Duration::from_secs(90 * 24 * 3600)),
            reload_after: Duration::from_secs(60),
            rsa_size: RsaSize::default(),
        }
    }

    /// How long after its retirement a key is forgotten.
    pub(super) fn outlives(&self) -> Duration {
        self.longest_token.saturating_add(MARGIN)
    }

    pub(super) fn lint(&self) -> Result<(), ConfigError> {
        let rule =
            |holds: bool, setting, rule| if holds { Ok(()) } else { Err(ConfigError { setting, rule }) };
        let twice = |alg: &Algorithm| self.algorithms.iter().filter(|own| own.is_same_as(*alg)).count() > 1;
        rule(!self.algorithms.is_empty(), "algorithms", "at least one is needed")?;
        rule(
            !self.algorithms.iter().any(twice),
            "algorithms",
            "each at most once; EdDSA and Ed25519 are one (RFC 9864 §2.2)",
        )?;
        rule(
            self.reload_after.as_secs() >= 2,
            "reload_after",
            "at least two seconds: a shorter one would read the store for every signature",
        )?;
        rule(
            self.publish_ahead > self.reload_after,
            "publish_ahead",
            "must exceed reload_after, or a process could meet a signature by a key it does not know",
        )?;
        rule(
            self.publish_ahead.as_secs() >= PublishedKeys::MAX_AGE_SECONDS.into(),
            "publish_ahead",
            "at least the max-age of the key set, or a verifier could meet a signature by a key it does not know",
        )?;
        rule(self.longest_token.as_secs() > 0, "longest_token", "must be above zero")?;
        rule(
            self.rotate_every.is_none_or(|period| period > self.publish_ahead),
            "rotate_every",
            "must exceed publish_ahead",
        )
    }
}

/// Why a key ring could not be opened or changed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyRingError {
    /// An option breaks a rule.
    #[error("the key ring's options: {0}")]
    Options(#[from] ConfigError),
    /// The store could not be read or written.
    #[error("the key ring's store is unavailable: {0}")]
    Store(String),
    /// Other processes kept changing the keys first.
    #[error("other processes kept changing the keys")]
    Contention,
    /// A private key does not open.
    #[error(
        "the signing key `{kid}` does not open: it was sealed with another secret, or its record was changed"
    )]
    DoesNotOpen {
        /// Its name.
        kid: String,
    },
    /// A key could not be made, read or published.
    #[error("the signing keys: {0}")]
    Keys(JoseError),
    /// The source of randomness failed.
    #[error("the source of randomness failed")]
    Entropy,
}

impl From<KeyRingError> for SignerError {
    fn from(error: KeyRingError) -> Self {
        Self(error.to_string())
    }
}
