//! Where the public keys of a client, or of another issuer, are found when one is needed.

use crate::jose::KeyAlgorithm;
use crate::record::assertion::KeySource;
use crate::record::facts::WantedKey;
use crate::record::key_ring::PublishedKeys;
use crate::record::{Facts, Halt};

impl KeySource {
    /// The key set in which a key for `alg` is looked for, of this name if it has one; or why there is none.
    ///
    /// # Errors
    /// [`Halt::Need`] while a set that is elsewhere is unknown.
    pub(crate) fn for_use<'k>(
        &'k self,
        alg: KeyAlgorithm,
        kid: Option<&str>,
        facts: &'k Facts,
    ) -> Result<Result<&'k PublishedKeys, &'k str>, Halt> {
        match self {
            Self::None => Ok(Err("none are registered")),
            Self::Given(keys) => Ok(Ok(keys)),
            Self::At(uri) => {
                let wanted = WantedKey { uri: uri.clone(), kid: kid.map(str::to_owned), alg };
                Ok(facts.client_keys(&wanted)?.map(AsRef::as_ref))
            }
        }
    }
}
