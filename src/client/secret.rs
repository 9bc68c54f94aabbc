//! Client secrets at rest and how they are compared.

#[cfg(feature = "aws-lc-rs")]
use zeroize::Zeroizing;

#[cfg(feature = "aws-lc-rs")]
use crate::jose::{JoseError, MacAlgorithm, Sealer};
use crate::protocol::{ClientId, Digest, Secret};
#[cfg(feature = "aws-lc-rs")]
use crate::record::client::SealedSecret;
use crate::record::client::{ClientSecret, SecretVerifier};
use crate::record::{Context, Facts, Halt};

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

    /// A secret kept as it is, sealed for this client: where it is the key of an HMAC, or keys are derived from it.
    ///
    /// # Errors
    /// [`JoseError::KeyStrength`] when it is shorter than the least HMAC allows, 32 bytes (RFC 7518 §3.2, OpenID Connect
    /// Core §16.19);
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

    /// Whether `presented` is this secret of `client`.
    ///
    /// # Errors
    /// [`Halt::Need`] while a slow hash has not been computed.
    pub fn matches(
        &self,
        presented: &Secret,
        client: &ClientId,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<bool, Halt> {
        match &self.verifier {
            SecretVerifier::Argon2(phc) => facts.slow_hash(presented, phc),
            _ => Ok(self.is(presented, client, cx)),
        }
    }

    /// Whether `presented` is this secret of `client`, as far as that can be said at once: never of a slow hash.
    pub(crate) fn is(&self, presented: &Secret, client: &ClientId, cx: &Context<'_>) -> bool {
        let presented = Digest::of(presented.expose().as_bytes());
        match &self.verifier {
            SecretVerifier::Digest(digest) => *digest == presented,
            SecretVerifier::Sealed(_) => self.sealed_digest(client, cx) == Some(presented),
            SecretVerifier::Argon2(_) => false,
        }
    }

    /// The digest of a secret that is kept sealed for `client`; `None` where it is not, or does not open.
    #[cfg(feature = "aws-lc-rs")]
    pub(crate) fn sealed_digest(&self, client: &ClientId, cx: &Context<'_>) -> Option<Digest> {
        self.open(client, &cx.settings.sealer).map(|secret| Digest::of(&secret))
    }

    /// Without a crypto backend nothing is sealed.
    #[cfg(not(feature = "aws-lc-rs"))]
    pub(crate) const fn sealed_digest(&self, _: &ClientId, _: &Context<'_>) -> Option<Digest> {
        None
    }

    /// Whether it is kept sealed.
    #[must_use]
    pub const fn is_sealed(&self) -> bool {
        matches!(self.verifier, SecretVerifier::Sealed(_))
    }

    /// Whether comparing with it is slow.
    #[must_use]
    pub const fn is_slow(&self) -> bool {
        matches!(self.verifier, SecretVerifier::Argon2(_))
    }
}
