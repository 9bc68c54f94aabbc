//! The keys of clients that keep them behind a `jwks_uri` (RFC 7591 §2).

use std::sync::Arc;

use async_trait::async_trait;

use crate::record::facts::WantedKey;
use crate::record::key_ring::PublishedKeys;

/// Fetches the key sets of clients.
#[async_trait]
pub trait ClientJwks: Send + Sync {
    /// The key set behind `wanted.uri`. When the wanted key is not among those that are known, the set is fetched
    /// again, unless that was done just now: a new key is found in less than a minute, and no token can make this
    /// process hammer a client's server.
    ///
    /// # Errors
    /// [`KeysUnavailable`] when no set is known and none can be fetched; what needs a key of the client is then refused.
    async fn keys(&self, wanted: &WantedKey) -> Result<Arc<PublishedKeys>, KeysUnavailable>;
}

/// No keys are known, and none can be fetched now.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the keys are unavailable: {0}")]
pub struct KeysUnavailable(pub String);

#[cfg(feature = "aws-lc-rs")]
pub use fetched::FetchedJwks;

#[cfg(feature = "aws-lc-rs")]
mod fetched {
    use std::collections::HashMap;
    use std::fmt;
    use std::sync::{Mutex, PoisonError};

    use url::Url;

    use super::*;
    use crate::host::{Clock, Fetch, JwksCache, JwksOptions};
    use crate::jose::{JoseError, KeyAlgorithm};

    /// The most key sets that are remembered; beyond it, the one that was used longest ago is forgotten.
    const MAX_SETS: usize = 1_000;

    /// Key sets fetched over [`Fetch`], one [`JwksCache`] for each URL: of those who want one at once, one fetches it;
    /// it is fetched again when it is old and when a key is missing, at most every 10 seconds; and while it cannot be
    /// fetched, the last one is used for an hour.
    pub struct FetchedJwks {
        fetch: Arc<dyn Fetch>,
        clock: Arc<dyn Clock>,
        options: JwksOptions,
        sets: Mutex<Sets>,
    }

    #[derive(Default)]
    struct Sets {
        by_url: HashMap<Url, (Arc<JwksCache>, u64)>,
        uses: u64,
    }

    impl FetchedJwks {
        /// Nothing is fetched yet.
        pub fn new(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>) -> Self {
            Self::with_options(fetch, clock, JwksOptions::default())
        }

        /// As [`new`](Self::new), with other times.
        pub fn with_options(fetch: Arc<dyn Fetch>, clock: Arc<dyn Clock>, options: JwksOptions) -> Self {
            Self { fetch, clock, options, sets: Mutex::default() }
        }

        fn set(&self, url: &Url) -> Arc<JwksCache> {
            let mut sets = self.sets.lock().unwrap_or_else(PoisonError::into_inner);
            sets.uses += 1;
            let now = sets.uses;
            if let Some((set, used)) = sets.by_url.get_mut(url) {
                *used = now;
                return Arc::clone(set);
            }
            if sets.by_url.len() >= MAX_SETS
                && let Some(oldest) =
                    sets.by_url.iter().min_by_key(|(_, (_, used))| *used).map(|(url, _)| url.clone())
            {
                sets.by_url.remove(&oldest);
            }
            let (fetch, clock) = (Arc::clone(&self.fetch), Arc::clone(&self.clock));
            let set = Arc::new(JwksCache::with_options(fetch, url.clone(), clock, self.options));
            sets.by_url.insert(url.clone(), (Arc::clone(&set), now));
            set
        }
    }

    #[async_trait]
    impl ClientJwks for FetchedJwks {
        async fn keys(&self, wanted: &WantedKey) -> Result<Arc<PublishedKeys>, KeysUnavailable> {
            let set = self.set(&wanted.uri);
            let keys = set.keys().await?;
            if holds(&keys, wanted) {
                return Ok(keys);
            }
            // What cannot be fetched again is still good for what it holds.
            Ok(set.newer_than(&keys).await.ok().flatten().unwrap_or(keys))
        }
    }

    /// Whether what is wanted is here; a key that is here and is wrong will not be right by being fetched again.
    fn holds(keys: &PublishedKeys, wanted: &WantedKey) -> bool {
        match wanted.alg {
            KeyAlgorithm::Signature(alg) => {
                keys.verifying().find(wanted.kid.as_deref(), alg).err() != Some(JoseError::UnknownKey)
            }
            KeyAlgorithm::Encryption(alg) => keys.set().for_encryption(alg).is_some(),
        }
    }

    impl fmt::Debug for FetchedJwks {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("FetchedJwks").field("options", &self.options).finish_non_exhaustive()
        }
    }
}
