//! Configuration: what is required is asked for by name, the rest has safe defaults, and `build` refuses mistakes.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::{AuthorizationServer, Parts};
use crate::endpoint::metadata::Paths;
use crate::host::{
    Accounts, AddNoClaims, Audit, ClaimsHook, ClientJwks, Clients, Clock, Entropy, Fetch, Limiter,
    MemoryLimiter, NoAudit, NoClientJwks, NoSigner, OsEntropy, ReplayGuard, ResourceCatalog, Signer,
    SlowHashPool, StaticResources, SystemClock,
};
use crate::jose::{Algorithm, Sealer};
use crate::profile::Profile;
use crate::protocol::{GrantType, Issuer, Scope};
use crate::record::assertion::AssertionPolicy;
use crate::record::settings::{ConfigError, Lifetimes, RefreshPolicy, Settings};
use crate::store::Store;

/// Configures an [`AuthorizationServer`].
#[must_use]
pub struct Builder {
    parts: Parts,
}

macro_rules! injected {
    ($($(#[$doc:meta])* $name:ident: $trait:ident;)*) => {
        $(
            $(#[$doc])*
            pub fn $name(mut self, $name: Arc<dyn $trait>) -> Self {
                self.parts.$name = $name.into();
                self
            }
        )*
    };
}

impl Builder {
    pub(super) fn new(
        issuer: Issuer,
        store: Arc<dyn Store>,
        clients: Arc<dyn Clients>,
        secret: &[u8; 32],
    ) -> Self {
        Self {
            parts: Parts {
                settings: Settings::new(issuer, Profile::default(), Sealer::new(secret)),
                store,
                clients,
                clock: Arc::new(SystemClock),
                entropy: Arc::new(OsEntropy),
                accounts: None,
                resources: Arc::new(StaticResources::default()),
                limiter: Arc::new(MemoryLimiter::default()),
                replay_guard: None,
                client_jwks: Arc::new(NoClientJwks),
                fetch: None,
                audit: Arc::new(NoAudit),
                signer: Arc::new(NoSigner),
                claims_hook: Arc::new(AddNoClaims),
                slow_hashes: SlowHashPool::default(),
                sequence: AtomicU32::new(0),
                paths: Paths::default(),
            },
        }
    }

    injected! {
        /// Tells the time; the operating system's clock unless given.
        clock: Clock;
        /// The source of randomness; the operating system's unless given.
        entropy: Entropy;
        /// Knows the host's users; everyone who signed in is active unless given.
        accounts: Accounts;
        /// Knows the APIs for which tokens can be asked; none unless given.
        resources: ResourceCatalog;
        /// Counts what may be tried too often; in memory unless given.
        limiter: Limiter;
        /// Remembers what may be used once; over the store unless given.
        replay_guard: ReplayGuard;
        /// Fetches the key sets of clients that registered a `jwks_uri`; none are fetched unless given.
        client_jwks: ClientJwks;
        /// Reaches other servers, to tell clients that a session has ended; nobody is told unless given.
        fetch: Fetch;
        /// The audit trail; none unless given.
        audit: Audit;
        /// Signs; without one, every access token is opaque.
        signer: Signer;
        /// Adds claims to JWT access tokens; none unless given.
        claims_hook: ClaimsHook;
    }

    /// The profile, [`Profile::Strict`] unless given. It sets lifetimes and refresh tokens anew, so it comes before
    /// changes of those.
    pub fn profile(mut self, profile: Profile) -> Self {
        let before = &self.parts.settings;
        self.parts.settings = Settings {
            scope: before.scope.clone(),
            grant_types: before.grant_types.clone(),
            max_access_tokens: before.max_access_tokens,
            frontchannel_logout: before.frontchannel_logout,
            session_management: before.session_management,
            ..Settings::new(before.issuer.clone(), profile, before.sealer.clone())
        };
        self
    }

    /// The scope values that exist.
    pub fn scope(mut self, scope: Scope) -> Self {
        self.parts.settings.scope = scope;
        self
    }

    /// The grant types that are switched on; all that this release implements unless given.
    pub fn grant_types(mut self, grant_types: impl IntoIterator<Item = GrantType>) -> Self {
        self.parts.settings.grant_types = grant_types.into_iter().collect();
        self
    }

    /// How long things live.
    pub fn lifetimes(mut self, change: impl FnOnce(&mut Lifetimes)) -> Self {
        change(&mut self.parts.settings.lifetimes);
        self
    }

    /// How refresh tokens behave.
    pub fn refresh(mut self, change: impl FnOnce(&mut RefreshPolicy)) -> Self {
        change(&mut self.parts.settings.refresh);
        self
    }

    /// How assertions of clients are judged.
    pub fn assertions(mut self, change: impl FnOnce(&mut AssertionPolicy)) -> Self {
        change(&mut self.parts.settings.assertions);
        self
    }

    /// Tells clients that a session has ended in frames of the page after a logout, which the host's
    /// [`Pages::logged_out`](crate::http::Pages::logged_out) has to carry (OpenID Connect Front-Channel Logout); off unless
    /// called. A browser that keeps the cookies of embedded sites apart leaves such a client signed in: the back channel
    /// is the surer one.
    pub fn frontchannel_logout(mut self) -> Self {
        self.parts.settings.frontchannel_logout = true;
        self
    }

    /// Lets pages of clients see that someone has signed in or out in their browser (OpenID Connect Session Management); off
    /// unless called. It needs a cookie that scripts of the issuer's origin can read, and that pages of other sites send:
    /// it says no more than that it has changed. A session that ends elsewhere shows only at the browser's next visit. The
    /// session's own cookie stays away from frames of other sites: a client that learns of a change asks again in the whole
    /// window.
    pub fn session_management(mut self) -> Self {
        self.parts.settings.session_management = true;
        self
    }

    /// Where the endpoints are, below the issuer; [`Paths::default`] unless given.
    pub fn paths(mut self, paths: Paths) -> Self {
        self.parts.paths = paths;
        self
    }

    /// The most live opaque access tokens of one grant, 32 unless given; beyond it the oldest ends.
    pub fn max_access_tokens(mut self, most: usize) -> Self {
        self.parts.settings.max_access_tokens = most;
        self
    }

    /// Checks the configuration and builds the server.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting and the rule it breaks.
    pub fn build(mut self) -> Result<AuthorizationServer, ConfigError> {
        let settings = &mut self.parts.settings;
        settings.slow_secrets = self.parts.clients.has_slow_secrets();
        settings.endpoint_urls = self.parts.paths.authenticated(&settings.issuer).into();
        let mut algorithms = self.parts.signer.algorithms();
        algorithms.sort_by_key(|algorithm| *algorithm != Algorithm::Rs256);
        settings.signing_algorithms = algorithms;
        if !settings.is_openid_provider() {
            settings.response_types.retain(|own| !own.has_id_token());
        }
        settings.accounts = self.parts.accounts.is_some();
        settings.backchannel_logout = settings.is_openid_provider() && self.parts.fetch.is_some();
        settings.frontchannel_logout &= settings.is_openid_provider();
        settings.session_management &= settings.is_openid_provider();
        self.parts.settings.lint()?;
        Ok(AuthorizationServer { parts: Arc::new(self.parts) })
    }
}
