//! Client secrets at rest and how they are compared.

#[cfg(feature = "aws-lc-rs")]
use zeroize::Zeroizing;

#[cfg(feature = "aws-lc-rs")]
use crate::jose::{JoseError, MacAlgorithm, Sealer};
#[cfg(feature = "aws-lc-rs")]
use crate::protocol::ClientId;
use crate::protocol::{Digest, Secret};
#[cfg(feature = "aws-lc-rs")]
use crate::record::client::SealedSecret;
use crate::record::client::{ClientSecret, SecretVerifier};
use crate::record::{Facts, Halt};

/// A generated secret shorter than this many characters is treated as one that a person may have chosen.
pub const GENERATED_SECRET_CHARACTERS: usize = 32;

/// A hash in the form of those that are kept, of a secret nobody knows. Comparing with it costs what comparing
/// with a real one costs: Argon2id, 19 MiB, two passes.
pub const DUMMY_ARGON2: &str =
    "$argon2id$v=19$m=19456,t=2,p=1$Z3JhbnRvci1kdW1teS1zYWx0$yQZr6jW0ghvmuVxPZqnk7QqTTm6gqkAMOxi1w6zVYXo";

/// What sealed client secrets are sealed as.
#[cfg(feature = "aws-lc-rs")]
const SEAL_LABEL: &str = "client secret";

/// Whether a secret is long enough to have been generated, so that a fast digest is enough to keep of it.
#[must_use]
pub fn is_generated(secret: &str) -> bool {
    secret.len() >= GENERATED_SECRET_CHARACTERS
}

impl ClientSecret {
    /// A generated secret, kept as its SHA-256 digest. It must hold at least 256 bits of randomness.
    #[must_use]
    pub fn generated(secret: &str) -> Self {
        Self { verifier: SecretVerifier::Digest(Digest::of(secret.as_bytes())), expires_at: None }
    }

    /// A secret kept as an Argon2id hash in PHC form.
    #[must_use]
    pub fn argon2(phc: impl Into<Box<str>>) -> Self {
        Self { verifier: SecretVerifier::Argon2(phc.into()), expires_at: None }
    }

    /// A secret kept as it is, sealed for this client: for `client_secret_jwt`, where it is the key of an HMAC.
    ///
    /// # Errors
    /// [`JoseError::KeyStrength`] when it is shorter than the least HMAC allows, 32 bytes (RFC 7518 §3.2);
    /// [`JoseError::Sealing`] when the crypto library cannot seal it.
    #[cfg(feature = "aws-lc-rs")]
    pub fn sealed(secret: &str, client: &ClientId, sealer: &Sealer) -> Result<Self, JoseError> {
        if secret.len() < MacAlgorithm::Hs256.min_secret_bytes() {
            return Err(JoseError::KeyStrength);
        }
        let sealed = sealer.seal(SEAL_LABEL, client.as_str().as_bytes(), secret.as_bytes())?;
        Ok(Self { verifier: SecretVerifier::Sealed(SealedSecret(sealed.into())), expires_at: None })
    }

    /// The secret, if it is kept sealed for this client.
    #[cfg(feature = "aws-lc-rs")]
    pub(crate) fn open(&self, client: &ClientId, sealer: &Sealer) -> Option<Zeroizing<Vec<u8>>> {
        match &self.verifier {
            SecretVerifier::Sealed(sealed) => {
                sealer.open(SEAL_LABEL, client.as_str().as_bytes(), &sealed.0).ok()
            }
            SecretVerifier::Digest(_) | SecretVerifier::Argon2(_) => None,
        }
    }

    /// Whether `presented` is this secret. One that is kept sealed is never presented.
    ///
    /// # Errors
    /// [`Halt::Need`] while a slow hash has not been computed.
    pub fn matches(&self, presented: &Secret, facts: &Facts) -> Result<bool, Halt> {
        match &self.verifier {
            SecretVerifier::Digest(digest) => Ok(Digest::of(presented.expose().as_bytes()) == *digest),
            SecretVerifier::Argon2(phc) => facts.slow_hash(presented, phc),
            SecretVerifier::Sealed(_) => Ok(false),
        }
    }

    /// Whether comparing with it is slow.
    #[must_use]
    pub const fn is_slow(&self) -> bool {
        matches!(self.verifier, SecretVerifier::Argon2(_))
    }
}
