//! What the host injects, and safe defaults for what it does not. What happens without a part is said where it is given:
//! [`Builder`](crate::server::Builder).

mod accounts;
mod assertion_trust;
mod audit;
mod authentication_device;
mod cached_clients;
mod client_jwks;
mod clients;
mod clock;
mod decrypter;
mod entropy;
mod extension_grant;
mod fetch;
mod flight;
#[cfg(feature = "aws-lc-rs")]
mod jwks_cache;
#[cfg(feature = "aws-lc-rs")]
mod key_ring;
mod limiter;
mod password_verifier;
mod registration_policy;
mod replay_guard;
mod request_objects;
mod requirements;
mod resources;
mod sector;
mod signer;
mod slow_hash;
mod token_exchange_policy;

pub use accounts::Accounts;
pub use assertion_trust::{AssertionTrust, StaticTrust};
pub use audit::{Audit, NoAudit};
pub use authentication_device::AuthenticationDevice;
pub use cached_clients::{CachedClients, CachedClientsOptions};
#[cfg(feature = "aws-lc-rs")]
pub use client_jwks::FetchedJwks;
pub use client_jwks::{ClientJwks, KeysUnavailable};
pub use clients::{Clients, ImmediateClients, StaticClients, keep_secret};
pub use clock::{Clock, SystemClock};
pub use decrypter::{Decrypter, NoDecrypter};
pub use entropy::{Entropy, EntropyError, OsEntropy};
pub use extension_grant::ExtensionGrant;
pub use fetch::{Fetch, FetchError, FetchMethod, FetchRequest, FetchResponse, is_special_use};
#[cfg(feature = "fetch")]
pub use fetch::{HttpFetch, HttpFetchBuilder, Resolver, SystemResolver};
#[cfg(feature = "aws-lc-rs")]
pub use jwks_cache::{JwksCache, JwksOptions};
#[cfg(feature = "aws-lc-rs")]
pub use key_ring::{KeyRingError, KeyRingOptions, KeyRingSigner};
#[cfg(feature = "redis")]
pub use limiter::RedisLimiter;
pub use limiter::{Limiter, Limits, MemoryLimiter};
pub use password_verifier::PasswordVerifier;
pub use registration_policy::{
    ClosedRegistration, InitialAccessRegistration, OpenRegistration, RegistrationPolicy,
};
#[cfg(feature = "redis")]
pub use replay_guard::RedisReplayGuard;
pub use replay_guard::{ReplayGuard, StoreReplayGuard};
pub(crate) use request_objects::RequestObjects;
pub use requirements::Requirements;
pub use resources::{ResourceCatalog, StaticResources};
pub(crate) use sector::sector_document;
pub use sector::{SectorError, verify_sector};
pub use signer::{AddNoClaims, ClaimsHook, NoSigner, Signer, SignerError, SigningKeyName};
pub use slow_hash::{Busy, SlowHashPool, hash_secret};
pub use token_exchange_policy::{AnyExchange, OnBehalfOf, OwnTokenExchange, TokenExchangePolicy};
