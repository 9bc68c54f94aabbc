//! Configuration: what is required is asked for by name, the rest has safe defaults, and `build` refuses mistakes.

use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::Duration;

use super::clients::MadeClients;
use super::{AuthorizationServer, Parts};
use crate::client::encryption::KEY_MANAGEMENT;
use crate::endpoint::metadata::Paths;
use crate::host::{
    Accounts, AddNoClaims, AssertionTrust, Audit, AuthenticationDevice, ClaimsHook, ClientJwks, Clients,
    Clock, Decrypter, Entropy, ExtensionGrant, Fetch, Limiter, MemoryLimiter, NoAudit, NoDecrypter, NoSigner,
    OsEntropy, PasswordVerifier, RegistrationPolicy, ReplayGuard, RequestObjects, Requirements,
    ResourceCatalog, Signer, SlowHashPool, StaticResources, SystemClock, TokenExchangePolicy,
};
use crate::jose::{Algorithm, Sealer};
use crate::profile::{self, BackchannelRules, Profile};
use crate::protocol::{ExtensionGrantType, GrantType, Issuer, ResponseType, Scope};
use crate::record::assertion::AssertionPolicy;
use crate::record::settings::{
    ConfigError, DevicePolicy, Languages, Lifetimes, RefreshPolicy, SelfRegistration, Settings,
};
use crate::store::Store;

/// Configures an [`AuthorizationServer`].
#[must_use]
pub struct Builder {
    parts: Parts,
    profile: Profile,
    changes: Vec<Change>,
}

/// Something that differs from the profile.
type Change = Box<dyn FnOnce(&mut Settings) + Send>;

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
                requirements: None,
                resources: Arc::new(StaticResources::default()),
                limiter: Arc::new(MemoryLimiter::default()),
                replay_guard: None,
                client_jwks: None,
                fetch: None,
                request_objects: None,
                registration: None,
                token_exchange: None,
                assertion_trust: None,
                made_clients: MadeClients::default(),
                extensions: Vec::new(),
                password_verifier: None,
                authentication_device: None,
                audit: Arc::new(NoAudit),
                signer: Arc::new(NoSigner),
                decrypter: Arc::new(NoDecrypter),
                claims_hook: Arc::new(AddNoClaims),
                slow_hashes: SlowHashPool::default(),
                sequence: AtomicU32::new(0),
                paths: Paths::default(),
            },
            profile: Profile::default(),
            changes: Vec::new(),
        }
    }

    injected! {
        /// Tells the time; the operating system's clock unless given.
        clock: Clock;
        /// The source of randomness; the operating system's unless given.
        entropy: Entropy;
        /// Knows the host's users; everyone who signed in is active unless given.
        accounts: Accounts;
        /// Requires steps of its own of users before a client is answered; none unless given.
        requirements: Requirements;
        /// Knows the APIs for which tokens can be asked; none unless given.
        resources: ResourceCatalog;
        /// Counts what may be tried too often; in memory unless given.
        limiter: Limiter;
        /// Remembers what may be used once; over the store unless given.
        replay_guard: ReplayGuard;
        /// Fetches the key sets of clients that registered a `jwks_uri`; none are fetched unless given, and no client may register
        /// one by itself.
        client_jwks: ClientJwks;
        /// Reaches the servers of clients: to tell them that a session has ended or a user has answered, and to fetch the lists of
        /// sectors, and request objects where the profile allows it. None of that is done unless given.
        fetch: Fetch;
        /// Says which clients may register themselves; none can unless given, and nobody is looked up in the store.
        registration: RegistrationPolicy;
        /// Says which tokens may be exchanged for which; without one, the grant type cannot be switched on.
        token_exchange: TokenExchangePolicy;
        /// Knows the other issuers whose JWTs are taken; none are unless given.
        assertion_trust: AssertionTrust;
        /// The audit trail; none unless given.
        audit: Audit;
        /// Signs; without one, every access token is opaque.
        signer: Signer;
        /// Decrypts request objects that clients encrypted to keys of the server; without one, they can be encrypted only
        /// with a key derived from the secret of the client.
        decrypter: Decrypter;
        /// Knows the users' passwords, for clients that send them (RFC 6749 §4.3), which nobody should want (RFC 9700 §2.4);
        /// none unless given. It takes the feature `legacy-password`, the profile `oidc_compat`, and `password` among
        /// [`grant_types`](Self::grant_types).
        password_verifier: PasswordVerifier;
        /// Finds the users whom clients name, and asks them on a device of theirs, where the [grant types](Self::grant_types) have
        /// that switched on (CIBA Core); nobody is asked unless given.
        authentication_device: AuthenticationDevice;
        /// Adds claims to JWT access tokens; none unless given.
        claims_hook: ClaimsHook;
    }

    /// The profile, [`Profile::Strict`] unless given. Whatever else is set differs from it, before or after.
    pub const fn profile(mut self, profile: Profile) -> Self {
        self.profile = profile;
        self
    }

    /// The scope values that exist.
    pub fn scope(self, scope: Scope) -> Self {
        self.change(|settings| settings.scope = scope)
    }

    /// The grant types that are switched on; `authorization_code`, `refresh_token` and `client_credentials` unless given.
    pub fn grant_types(self, grant_types: impl IntoIterator<Item = GrantType>) -> Self {
        let grant_types = grant_types.into_iter().collect();
        self.change(|settings| settings.grant_types = grant_types)
    }

    /// Adds a grant type of the host's own, in place of another with its name. Clients use it that are registered for it.
    pub fn extension_grant(mut self, name: ExtensionGrantType, grant: Arc<dyn ExtensionGrant>) -> Self {
        self.parts.extensions.retain(|(own, _)| *own != name);
        self.parts.extensions.push((name, grant));
        self
    }

    /// The response types that are switched on; those of the profile unless given. `id_token` and `code id_token` may be
    /// added to any profile, those with an access token to none (OAuth 2.0 Multiple Response Types §3, §5).
    pub fn response_types(self, response_types: impl IntoIterator<Item = ResponseType>) -> Self {
        let response_types = response_types.into_iter().collect();
        self.change(|settings| settings.response_types = response_types)
    }

    /// How long things live.
    pub fn lifetimes(self, change: impl FnOnce(&mut Lifetimes) + Send + 'static) -> Self {
        self.change(|settings| change(&mut settings.lifetimes))
    }

    /// How refresh tokens behave.
    pub fn refresh(self, change: impl FnOnce(&mut RefreshPolicy) + Send + 'static) -> Self {
        self.change(|settings| change(&mut settings.refresh))
    }

    /// How devices are authorized, where the [grant types](Self::grant_types) have that switched on (RFC 8628).
    pub fn device(self, change: impl FnOnce(&mut DevicePolicy) + Send + 'static) -> Self {
        self.change(|settings| change(&mut settings.device))
    }

    /// How long a client waits between two polls for a user whom it named; five seconds unless given.
    pub fn backchannel_interval(self, interval: Duration) -> Self {
        self.change(move |settings| settings.backchannel.interval = interval)
    }

    /// The rules that backchannel authentication has to keep; those of the profile unless given, and never laxer ones.
    pub fn backchannel_rules(self, rules: BackchannelRules) -> Self {
        self.change(move |settings| settings.backchannel.rules = rules)
    }

    /// Lets clients register as `pairwise` (OpenID Connect Core §8.1), which none may unless this is given: each sector of
    /// clients calls a user by another name, derived from these 32 secret random bytes, the sector and the subject.
    ///
    /// With other bytes every such user is somebody else to every such client, for ever. So they are apart from the
    /// server's own secret, which may be replaced; keep them as long as the users.
    pub fn pairwise_subjects(self, secret: &[u8; 32]) -> Self {
        let salt = Sealer::new(secret);
        self.change(|settings| settings.pairwise = Some(salt))
    }

    /// The authentication context classes (`acr`) that logins at the host can reach, which clients can then find out. A
    /// request that insists on others is refused before anyone signs in in vain (OpenID Connect Core Unmet Authentication
    /// Requirements §1). Unless given, nothing is said of them, and any login may reach any.
    pub fn acr_values<A: Into<Arc<str>>>(self, classes: impl IntoIterator<Item = A>) -> Self {
        let classes = classes.into_iter().map(Into::into).collect();
        self.change(|settings| settings.acr_values = classes)
    }

    /// The languages of the host's pages and of the claims it tells, which clients can then find out; nothing is said of
    /// them unless given. Clients may prefer any language all the same.
    pub fn languages(self, languages: Languages) -> Self {
        self.change(|settings| settings.languages = languages)
    }

    /// Which request objects are taken, all that the profile takes unless given.
    pub fn request_objects(self, taken: profile::RequestObjects) -> Self {
        self.change(move |settings| settings.request_objects = taken)
    }

    /// How assertions of clients are judged.
    pub fn assertions(self, change: impl FnOnce(&mut AssertionPolicy) + Send + 'static) -> Self {
        self.change(|settings| change(&mut settings.assertions))
    }

    fn change(mut self, change: impl FnOnce(&mut Settings) + Send + 'static) -> Self {
        self.changes.push(Box::new(change));
        self
    }

    /// Tells clients that a session has ended in frames of the page after a logout, which the host's
    /// [`Pages::logged_out`](crate::http::Pages::logged_out) has to carry (OpenID Connect Front-Channel Logout); off unless
    /// called. A browser that keeps the cookies of embedded sites apart leaves such a client signed in: the back channel
    /// is the surer one.
    pub fn frontchannel_logout(self) -> Self {
        self.change(|settings| settings.frontchannel_logout = true)
    }

    /// Lets pages of clients see that someone has signed in or out in their browser (OpenID Connect Session Management); off
    /// unless called. It needs a cookie that scripts of the issuer's origin can read, and that pages of other sites send:
    /// it says no more than that it has changed. A session that ends elsewhere shows only at the browser's next visit. The
    /// session's own cookie stays away from frames of other sites: a client that learns of a change asks again in the whole
    /// window.
    pub fn session_management(self) -> Self {
        self.change(|settings| settings.session_management = true)
    }

    /// Where the endpoints are, below the issuer; [`Paths::default`] unless given.
    pub fn paths(mut self, paths: Paths) -> Self {
        self.parts.paths = paths;
        self
    }

    /// The most live opaque access tokens of one grant, 32 unless given; beyond it the oldest ends.
    pub fn max_access_tokens(self, most: usize) -> Self {
        self.change(move |settings| settings.max_access_tokens = most)
    }

    /// Checks the configuration and builds the server.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting and the rule it breaks.
    pub fn build(self) -> Result<AuthorizationServer, ConfigError> {
        let Self { mut parts, profile, changes } = self;
        let Settings { issuer, sealer, .. } = parts.settings;
        let mut settings = Settings::new(issuer, profile, sealer);
        changes.into_iter().for_each(|change| change(&mut settings));
        for (name, grant) in &parts.extensions {
            let grant = Arc::clone(grant);
            settings.grant_types.push(GrantType::Extension(name.clone()));
            settings
                .extensions
                .add(name.clone(), Arc::new(move |request, facts, cx| grant.decide(request, facts, cx)));
        }
        settings.backchannel.reaches_users = parts.authentication_device.is_some();
        settings.backchannel.pings = cfg!(feature = "aws-lc-rs") && parts.fetch.is_some();
        settings.backchannel.user_codes =
            parts.authentication_device.as_ref().is_some_and(|device| device.takes_user_codes());
        settings.passwords = parts.password_verifier.is_some();
        settings.slow_secrets = parts.clients.has_slow_secrets();
        settings.endpoint_urls = parts.paths.authenticated(&settings.issuer).into();
        let mut algorithms = parts.signer.algorithms();
        algorithms.sort_by_key(|algorithm| *algorithm != Algorithm::Rs256);
        settings.signing_algorithms = algorithms;
        if let Some(longest) = parts.signer.longest_token() {
            settings.longest_jwt = settings.longest_jwt.min(longest);
        }
        if !settings.is_openid_provider() {
            settings.response_types.retain(|own| !own.has_id_token());
        }
        settings.accounts = parts.accounts.is_some();
        settings.requirements = parts.requirements.is_some();
        settings.token_exchange = parts.token_exchange.is_some();
        settings.issues_id_jags = parts.token_exchange.as_ref().is_some_and(|own| own.issues_id_jags());
        settings.assertion_trust = parts.assertion_trust.is_some();
        settings.backchannel_logout = settings.is_openid_provider() && parts.fetch.is_some();
        if settings.takes_request_objects() {
            let shared = KEY_MANAGEMENT.iter().copied().filter(|alg| alg.is_shared());
            settings.decryption_algorithms =
                parts.decrypter.key_management().into_iter().chain(shared).collect();
        }
        settings.remote_requests = settings.takes_unsecured_requests() && parts.fetch.is_some();
        if settings.remote_requests {
            parts.request_objects = parts.fetch.clone().map(RequestObjects::new);
        }
        settings.remote_keys = parts.client_jwks.is_some();
        settings.frontchannel_logout &= settings.is_openid_provider();
        settings.session_management &= settings.is_openid_provider();
        settings.self_registration = parts.registration.as_ref().map(|policy| SelfRegistration {
            url: settings.issuer.endpoint(&parts.paths.register),
            open: policy.takes_new_clients(),
        });
        settings.lint()?;
        parts.paths.lint(&settings.issuer)?;
        parts.settings = settings;
        Ok(AuthorizationServer { parts: Arc::new(parts) })
    }
}
