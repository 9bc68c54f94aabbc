//! What the host injects, and safe defaults for what it does not.

mod accounts;
mod audit;
mod clients;
mod clock;
mod entropy;
mod fetch;
#[cfg(feature = "aws-lc-rs")]
mod key_ring;
mod limiter;
mod resources;
mod signer;
mod slow_hash;

pub use accounts::Accounts;
pub use audit::{Audit, NoAudit};
pub use clients::{Clients, ImmediateClients, StaticClients, keep_secret};
pub use clock::{Clock, SystemClock};
pub use entropy::{Entropy, EntropyError, OsEntropy};
pub use fetch::{Fetch, FetchError, FetchMethod, FetchRequest, FetchResponse, is_special_use};
#[cfg(feature = "fetch")]
pub use fetch::{HttpFetch, HttpFetchBuilder, Resolver, SystemResolver};
#[cfg(feature = "aws-lc-rs")]
pub use key_ring::{KeyRingError, KeyRingOptions, KeyRingSigner};
pub use limiter::{Limiter, Limits, MemoryLimiter};
pub use resources::{ResourceCatalog, StaticResources};
pub use signer::{AddNoClaims, ClaimsHook, NoSigner, Signer, SignerError, SigningKeyName};
pub use slow_hash::{Busy, SlowHashPool, hash_secret};
