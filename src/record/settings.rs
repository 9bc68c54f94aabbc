//! The live configuration, as decisions see it, and the linter that refuses a bad one.

use std::sync::Arc;
use std::time::Duration;

use url::Url;

use super::assertion::{self, AssertionAlgorithm, AssertionPolicy};
use super::extension::Extensions;
use super::key_ring::PublishedKeys;
use super::request_object::RequestObjectAlgorithm;
use super::{Client, Namespace};
use crate::jose::{Algorithm, Audience, KeyManagement, MacAlgorithm, Sealer};
use crate::profile::{
    AssertionAudience, BackchannelRules, Dials, PkcePolicy, Profile, RefreshRotation, RequestObjects,
};
use crate::protocol::scope::OPENID;
use crate::protocol::{
    ClientAuthMethod, DeliveryMode, GrantType, Issuer, Locales, ResponseMode, ResponseType, Scope,
    UserCodeAlphabet,
};

/// Everything a decision may know of the server. Built by
/// [`AuthorizationServer::builder`](crate::server::AuthorizationServer::builder).
#[derive(Clone, Debug)]
pub struct Settings {
    /// The issuer identifier.
    pub issuer: Issuer,
    /// The namespace of its records.
    pub namespace: Namespace,
    /// The chosen profile.
    pub profile: Profile,
    /// The profile's dials.
    pub dials: Dials,
    /// The scope values that exist.
    pub scope: Scope,
    /// The grant types that are switched on.
    pub grant_types: Vec<GrantType>,
    /// The grant types of the host's own.
    pub extensions: Extensions,
    /// Whether the host knows the users' passwords.
    pub passwords: bool,
    /// The response types that are switched on.
    pub response_types: Vec<ResponseType>,
    /// The response modes that are switched on.
    pub response_modes: Vec<ResponseMode>,
    /// The algorithms the server can sign with, its first choice for ID tokens first.
    pub signing_algorithms: Vec<Algorithm>,
    /// How long things live.
    pub lifetimes: Lifetimes,
    /// How refresh tokens behave.
    pub refresh: RefreshPolicy,
    /// How users are asked, where `grant_types` has that switched on.
    pub backchannel: BackchannelPolicy,
    /// How devices are authorized, where `grant_types` has that switched on.
    pub device: DevicePolicy,
    /// The longest that a JWT may live, one day at most: it cannot be called back from those who check it by
    /// themselves, and has to end before the signer forgets its key.
    pub longest_jwt: Duration,
    /// The most live opaque access tokens of one grant; beyond it the oldest ends.
    pub max_access_tokens: usize,
    /// Whether any client secret is kept as a slow hash, so that a failed authentication always costs one.
    pub slow_secrets: bool,
    /// Whether the host is asked if it still knows a subject. If not, whoever has signed in stays active.
    pub accounts: bool,
    /// Whether the host is asked what it requires of a user before a client is answered.
    pub requirements: bool,
    /// Whether the host says which tokens may be exchanged.
    pub token_exchange: bool,
    /// Whether some of them may be for grants at other servers.
    pub issues_id_jags: bool,
    /// Whether the host trusts other issuers.
    pub assertion_trust: bool,
    /// Whether clients are told over the back channel when a session ends.
    pub backchannel_logout: bool,
    /// Whether clients are told in frames of the page after a logout.
    pub frontchannel_logout: bool,
    /// Whether clients can see in the browser that who is signed in has changed.
    pub session_management: bool,
    /// The authentication context classes that logins at the host can reach, as far as the host says so.
    pub acr_values: Vec<Arc<str>>,
    /// The languages of the host's pages, and of the claims it tells, as far as the host says so.
    pub languages: Languages,
    /// Which request objects are taken.
    pub request_objects: RequestObjects,
    /// The algorithms by which request objects may be encrypted to the server: those that it has a key for, and those with a
    /// key that it shares with the client.
    pub decryption_algorithms: Vec<KeyManagement>,
    /// Whether request objects are fetched from where clients registered them.
    pub remote_requests: bool,
    /// Makes what pairwise clients call a user; `None` where there are no such clients.
    pub pairwise: Option<Sealer>,
    /// Keyed digests under the server's own secret.
    pub sealer: Sealer,
    /// How assertions of clients are judged.
    pub assertions: AssertionPolicy,
    /// The URLs of the endpoints at which clients authenticate.
    pub endpoint_urls: Vec<String>,
    /// How clients register themselves; `None` where they never could.
    pub self_registration: Option<SelfRegistration>,
    /// Keys of nobody, so that an assertion of an unknown client costs as much as another.
    pub decoys: Arc<PublishedKeys>,
}

/// Languages of the host; empty where it does not say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Languages {
    /// Those of its pages (`ui_locales_supported`, OpenID Connect Discovery §3).
    pub ui: Locales,
    /// Those in which it tells claims about users (`claims_locales_supported`).
    pub claims: Locales,
}

/// How clients register themselves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SelfRegistration {
    /// The URL of the registration endpoint.
    pub url: String,
    /// Whether new clients may.
    pub open: bool,
}

/// How long things live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lifetimes {
    /// An authorization code; at most 10 minutes (RFC 6749 §4.1.2).
    pub code: Duration,
    /// A device code and its user code: long enough to fetch another device and sign in there, and no longer, for whoever
    /// has a user code by fraud has it as long (RFC 8628 §5.4).
    pub device_code: Duration,
    /// A backchannel authentication request, unless its client asks for less.
    pub auth_req_id: Duration,
    /// A JWT access token, unless its resource or client says otherwise.
    pub jwt_access_token: Duration,
    /// An opaque access token, unless its resource or client says otherwise.
    pub opaque_access_token: Duration,
    /// An ID token.
    pub id_token: Duration,
    /// A refresh token between two uses.
    pub refresh_token_idle: Duration,
    /// A refresh token from the first to the last.
    pub refresh_token: Duration,
    /// An authorization request that waits for the user.
    pub interaction: Duration,
    /// A session.
    pub session: Duration,
    /// A remembered consent.
    pub consent: Duration,
}

/// How users are asked whom clients name (CIBA Core).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BackchannelPolicy {
    /// How long a client waits between two polls; longer once it has polled too fast.
    pub interval: Duration,
    /// Whether the host can reach its users.
    pub reaches_users: bool,
    /// Whether users may have user codes.
    pub user_codes: bool,
    /// Whether clients can be told that the user has answered.
    pub pings: bool,
    /// The rules that requests and registrations have to keep.
    pub rules: BackchannelRules,
}

impl BackchannelPolicy {
    /// Whether every request has to be signed, whatever its client registered.
    #[must_use]
    pub fn takes_signed_only(&self) -> bool {
        self.rules == BackchannelRules::Fapi
    }
}

/// How devices are authorized (RFC 8628).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DevicePolicy {
    /// How long a device waits between two polls; longer once it has polled too fast.
    pub interval: Duration,
    /// What user codes are made of.
    pub alphabet: UserCodeAlphabet,
    /// Where users enter them, on a page of the host's: best short, for it is typed. `/device` below the issuer unless set.
    pub verification_uri: String,
}

/// How refresh tokens behave when they are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RefreshPolicy {
    /// Which clients get a new one at each use.
    pub rotation: RefreshRotation,
    /// How long a client may ask again for the response to a rotation; zero means never.
    pub retry_window: Duration,
    /// How often it may.
    pub retries: u8,
}

impl Settings {
    /// The longest that anything issued to a client can be used, where its resource does not say otherwise.
    #[must_use]
    pub fn longest_life(&self) -> Duration {
        let Lifetimes { refresh_token, opaque_access_token, interaction, .. } = self.lifetimes;
        refresh_token.max(opaque_access_token).max(interaction).max(self.longest_jwt)
    }

    /// The defaults of a profile for an issuer.
    #[must_use]
    pub fn new(issuer: Issuer, profile: Profile, sealer: Sealer) -> Self {
        let dials = profile.dials();
        Self {
            namespace: Namespace::of_issuer(issuer.as_str()),
            backchannel: BackchannelPolicy {
                interval: Duration::from_secs(5),
                reaches_users: false,
                user_codes: false,
                pings: false,
                rules: dials.backchannel,
            },
            device: DevicePolicy {
                interval: Duration::from_secs(5),
                alphabet: UserCodeAlphabet::default(),
                verification_uri: issuer.endpoint("/device"),
            },
            issuer,
            profile,
            scope: Scope::empty(),
            grant_types: vec![
                GrantType::AuthorizationCode,
                GrantType::RefreshToken,
                GrantType::ClientCredentials,
            ],
            extensions: Extensions::default(),
            passwords: false,
            response_types: dials.response_types.to_vec(),
            response_modes: ResponseMode::ALL.to_vec(),
            signing_algorithms: Vec::new(),
            lifetimes: Lifetimes {
                code: dials.code_lifetime,
                device_code: Duration::from_secs(10 * 60),
                auth_req_id: Duration::from_secs(10 * 60),
                jwt_access_token: dials.jwt_lifetime,
                opaque_access_token: dials.opaque_lifetime,
                id_token: Duration::from_secs(60 * 60),
                refresh_token_idle: Duration::from_secs(14 * 24 * 3600),
                refresh_token: Duration::from_secs(30 * 24 * 3600),
                interaction: Duration::from_secs(30 * 60),
                session: Duration::from_secs(12 * 3600),
                consent: Duration::from_secs(90 * 24 * 3600),
            },
            refresh: RefreshPolicy {
                rotation: dials.refresh_rotation,
                retry_window: Duration::from_secs(10),
                retries: 3,
            },
            longest_jwt: Duration::from_secs(24 * 3600),
            max_access_tokens: 32,
            slow_secrets: false,
            accounts: false,
            requirements: false,
            token_exchange: false,
            issues_id_jags: false,
            assertion_trust: false,
            backchannel_logout: false,
            frontchannel_logout: false,
            session_management: false,
            acr_values: Vec::new(),
            languages: Languages::default(),
            request_objects: dials.request_objects,
            decryption_algorithms: Vec::new(),
            remote_requests: false,
            pairwise: None,
            sealer,
            assertions: AssertionPolicy::default(),
            endpoint_urls: Vec::new(),
            self_registration: None,
            decoys: assertion::decoys(),
            dials,
        }
    }

    /// Whether the server is an OpenID Provider: `openid` is a scope value.
    #[must_use]
    pub fn is_openid_provider(&self) -> bool {
        self.scope.contains(OPENID)
    }

    /// Whether a login might be of this context class; of any where the host does not say.
    #[must_use]
    pub fn may_reach(&self, acr: &str) -> bool {
        self.acr_values.is_empty() || self.acr_values.iter().any(|own| **own == *acr)
    }

    /// Whether a client must send a code challenge.
    #[must_use]
    pub fn requires_pkce(&self, client: &Client) -> bool {
        self.dials.pkce == PkcePolicy::Always || client.is_public()
    }

    /// Whether an authorization request may be a JWT.
    #[must_use]
    pub fn takes_request_objects(&self) -> bool {
        self.request_objects != RequestObjects::Off
    }

    /// The HMACs that clients may register for their ID tokens.
    #[must_use]
    pub const fn id_token_macs(&self) -> &'static [MacAlgorithm] {
        if self.dials.id_token_macs { &MacAlgorithm::ALL } else { &[] }
    }

    /// How request objects may be protected.
    #[must_use]
    pub fn request_object_algorithms(&self) -> Vec<RequestObjectAlgorithm> {
        let methods = [ClientAuthMethod::PrivateKeyJwt, ClientAuthMethod::ClientSecretJwt];
        let taken = |_: &AssertionAlgorithm| self.takes_request_objects();
        let protected = self.assertions.algorithms(&methods).into_iter().filter(taken);
        let unsecured = self.takes_unsecured_requests().then_some(RequestObjectAlgorithm::Unsecured);
        protected.map(RequestObjectAlgorithm::Protected).chain(unsecured).collect()
    }

    /// Whether an authorization request may be a JWT that nobody vouches for.
    #[must_use]
    pub fn takes_unsecured_requests(&self) -> bool {
        self.request_objects == RequestObjects::OpenId
    }

    /// Whether an assertion with this audience is meant for this server, by the profile's dial.
    #[must_use]
    pub fn is_audience(&self, audience: &Audience<'_>) -> bool {
        let issuer = self.issuer.as_str();
        match self.dials.assertion_audience {
            AssertionAudience::Issuer => audience.is_only(issuer),
            AssertionAudience::IssuerString => *audience == Audience::One(issuer),
            AssertionAudience::IssuerOrEndpoints => {
                audience.contains(issuer) || self.endpoint_urls.iter().any(|url| audience.contains(url))
            }
        }
    }

    /// How clients may learn of the answer of a user whom they named (CIBA Core §5).
    #[must_use]
    pub const fn delivery_modes(&self) -> &'static [DeliveryMode] {
        match (self.backchannel.pings, self.backchannel.rules) {
            (false, _) => &[DeliveryMode::Poll],
            (true, BackchannelRules::Core) => DeliveryMode::ALL,
            (true, BackchannelRules::Fapi) => &[DeliveryMode::Poll, DeliveryMode::Ping],
        }
    }

    /// Whether users can be sent to this URL, with something appended.
    fn is_page(&self, url: &str) -> bool {
        let scheme =
            |url: &Url| url.scheme() == "https" || (url.scheme() == "http" && !self.issuer.is_https());
        Url::parse(url).is_ok_and(|url| scheme(&url) && url.query().is_none() && url.fragment().is_none())
    }

    /// Refuses a configuration that contradicts its profile or a specification. Lifetimes other than the code's are
    /// knobs: the profile sets their defaults.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting and the rule.
    pub fn lint(&self) -> Result<(), ConfigError> {
        let broken = self.rules().into_iter().find(|(holds, ..)| !holds);
        broken.map_or(Ok(()), |(_, setting, rule)| Err(ConfigError { setting, rule }))
    }

    /// Whether each rule holds, the setting it is about, and the rule.
    fn rules(&self) -> [(bool, &'static str, &'static str); 32] {
        const DAY: Duration = Duration::from_secs(24 * 3600);
        const MINUTE: Duration = Duration::from_secs(60);
        const WHOLE: &str = "whole seconds, and above zero";
        let whole = |time: Duration| time.subsec_nanos() == 0;
        let lasting = |time: Duration| whole(time) && !time.is_zero();
        let Self { lifetimes, refresh, backchannel, device, assertions, grant_types, response_types, .. } =
            self;
        [
            (
                lasting(lifetimes.code) && lifetimes.code <= self.dials.code_lifetime,
                "lifetimes.code",
                "whole seconds, above zero and at most what the profile allows",
            ),
            (
                lasting(lifetimes.device_code) && lifetimes.device_code <= 60 * MINUTE,
                "lifetimes.device_code",
                "whole seconds, above zero and at most one hour: a user code can be phished as long",
            ),
            (
                lasting(lifetimes.auth_req_id) && lifetimes.auth_req_id <= 60 * MINUTE,
                "lifetimes.auth_req_id",
                "whole seconds, above zero and at most one hour",
            ),
            (
                lasting(backchannel.interval) && backchannel.interval <= MINUTE,
                "backchannel.interval",
                "whole seconds, above zero and at most one minute",
            ),
            (
                !grant_types.contains(&GrantType::Ciba)
                    || (backchannel.reaches_users && self.is_openid_provider()),
                "grant_types",
                "backchannel authentication needs an authentication device and the scope openid (CIBA Core §7.1)",
            ),
            (backchannel.rules >= self.dials.backchannel, "backchannel.rules", "no laxer than the profile's"),
            (
                lasting(device.interval) && device.interval <= MINUTE,
                "device.interval",
                "whole seconds, above zero and at most one minute",
            ),
            (
                self.is_page(&device.verification_uri),
                "device.verification_uri",
                "an https URL without query and fragment, or an http URL where the issuer is one",
            ),
            (lasting(lifetimes.session), "lifetimes.session", WHOLE),
            (whole(lifetimes.consent), "lifetimes.consent", "whole seconds"),
            (lasting(lifetimes.refresh_token), "lifetimes.refresh_token", WHOLE),
            (lasting(lifetimes.refresh_token_idle), "lifetimes.refresh_token_idle", WHOLE),
            (
                lifetimes.refresh_token_idle <= lifetimes.refresh_token,
                "lifetimes.refresh_token_idle",
                "must not exceed lifetimes.refresh_token",
            ),
            (
                lasting(lifetimes.jwt_access_token) && lifetimes.jwt_access_token <= self.longest_jwt,
                "lifetimes.jwt_access_token",
                "whole seconds, above zero and at most the signer's longest token or one day: a JWT cannot be called \
                 back",
            ),
            (
                lasting(lifetimes.id_token) && lifetimes.id_token <= self.longest_jwt,
                "lifetimes.id_token",
                "whole seconds, above zero and at most the signer's longest token or one day: a JWT cannot be called \
                 back",
            ),
            (lasting(lifetimes.opaque_access_token), "lifetimes.opaque_access_token", WHOLE),
            (
                lasting(lifetimes.interaction) && lifetimes.interaction <= DAY,
                "lifetimes.interaction",
                "whole seconds, above zero and at most one day",
            ),
            (
                whole(refresh.retry_window) && refresh.retry_window <= 5 * MINUTE,
                "refresh.retry_window",
                "whole seconds and at most five minutes: it is a window for replays",
            ),
            (
                response_types.iter().all(|own| !own.has_token() || self.dials.response_types.contains(own)),
                "response_types",
                "an access token in the authorization response needs the feature legacy-implicit and a profile that \
                 takes it (RFC 9700 §2.1.2)",
            ),
            (
                !grant_types.contains(&GrantType::Implicit),
                "grant_types",
                "implicit follows from the response types",
            ),
            (
                !grant_types.contains(&GrantType::TokenExchange) || self.token_exchange,
                "grant_types",
                "token exchange needs a policy that says who may (RFC 8693 §5)",
            ),
            (
                !grant_types.contains(&GrantType::JwtBearer) || self.assertion_trust || self.token_exchange,
                "grant_types",
                "assertions as grants need someone who knows which issuers to trust, or a policy of exchanges (RFC 7521 §8.1)",
            ),
            (
                !grant_types.contains(&GrantType::Password) || (self.dials.password && self.passwords),
                "grant_types",
                "password needs the feature legacy-password, the profile oidc_compat and someone who knows the passwords \
                 (RFC 9700 §2.4)",
            ),
            (
                grant_types.iter().all(|own| match own {
                    GrantType::Extension(name) => self.extensions.get(name).is_some(),
                    _ => true,
                }),
                "grant_types",
                "a grant type of the host's own is added together with how it decides",
            ),
            (!grant_types.is_empty(), "grant_types", "at least one must be switched on"),
            (
                !grant_types.contains(&GrantType::AuthorizationCode)
                    || response_types.iter().any(|own| own.has_code()),
                "response_types",
                "authorization_code needs one with a code",
            ),
            (
                lasting(assertions.longest_life) && assertions.longest_life <= 60 * MINUTE,
                "assertions.longest_life",
                "whole seconds, above zero and at most one hour: so long a stolen assertion is of use, and its jti \
                 remembered",
            ),
            (
                self.dials
                    .client_auth_methods
                    .iter()
                    .filter(|method| method.is_assertion())
                    .all(|method| !assertions.algorithms(&[*method]).is_empty()),
                "assertions",
                "at least one algorithm for each method that the profile takes",
            ),
            (
                self.request_objects <= self.dials.request_objects,
                "request_objects",
                "no more than the profile takes",
            ),
            (
                !self.is_openid_provider() || !self.signing_algorithms.is_empty(),
                "scope",
                "openid needs a signer: an ID token is always signed (OpenID Connect Core §2)",
            ),
            (self.longest_jwt <= DAY, "longest_jwt", "at most one day"),
            (self.max_access_tokens > 0, "max_access_tokens", "must be above zero"),
        ]
    }
}

/// A configuration mistake.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{setting}: {rule}")]
pub struct ConfigError {
    /// The setting at fault.
    pub setting: &'static str,
    /// The rule it breaks.
    pub rule: &'static str,
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::protocol::ExtensionGrantType;

    type Mistake = (&'static str, fn(&mut Settings));

    const SECOND: Duration = Duration::from_secs(1);
    const HALF: Duration = Duration::from_millis(500);
    const DAY: Duration = Duration::from_secs(24 * 3600);

    /// An OpenID Provider with a signer.
    fn settings() -> Settings {
        let issuer = Issuer::new("https://as.example").unwrap();
        let mut settings = Settings::new(issuer, Profile::Strict, Sealer::new(&[1; 32]));
        settings.scope = Scope::parse("openid read").unwrap();
        settings.signing_algorithms = vec![Algorithm::Es256];
        settings
    }

    const MISTAKES: &[Mistake] = &[
        ("lifetimes.code", |s| s.lifetimes.code = Duration::ZERO),
        ("lifetimes.code", |s| s.lifetimes.code = s.dials.code_lifetime + SECOND),
        ("lifetimes.code", |s| s.lifetimes.code = HALF),
        ("lifetimes.device_code", |s| s.lifetimes.device_code = Duration::ZERO),
        ("lifetimes.device_code", |s| s.lifetimes.device_code = Duration::from_secs(3601)),
        ("lifetimes.auth_req_id", |s| s.lifetimes.auth_req_id = HALF),
        ("lifetimes.auth_req_id", |s| s.lifetimes.auth_req_id = Duration::from_secs(3601)),
        ("backchannel.interval", |s| s.backchannel.interval = Duration::ZERO),
        ("backchannel.interval", |s| s.backchannel.interval = Duration::from_secs(61)),
        ("backchannel.rules", |s| s.dials.backchannel = BackchannelRules::Fapi),
        ("grant_types", |s| s.grant_types.push(GrantType::Ciba)),
        ("device.interval", |s| s.device.interval = HALF),
        ("device.interval", |s| s.device.interval = Duration::ZERO),
        ("device.interval", |s| s.device.interval = Duration::from_secs(61)),
        ("device.verification_uri", |s| s.device.verification_uri = "http://as.example/device".into()),
        ("device.verification_uri", |s| s.device.verification_uri = "https://as.example/device?x=y".into()),
        ("device.verification_uri", |s| s.device.verification_uri = "https://as.example/device#x".into()),
        ("device.verification_uri", |s| s.device.verification_uri = "/device".into()),
        ("request_objects", |s| s.request_objects = RequestObjects::OpenId),
        ("lifetimes.session", |s| s.lifetimes.session = HALF),
        ("lifetimes.session", |s| s.lifetimes.session = Duration::ZERO),
        ("lifetimes.consent", |s| s.lifetimes.consent = HALF),
        ("lifetimes.refresh_token", |s| s.lifetimes.refresh_token = Duration::ZERO),
        ("lifetimes.refresh_token", |s| s.lifetimes.refresh_token += HALF),
        ("lifetimes.refresh_token_idle", |s| s.lifetimes.refresh_token_idle = HALF),
        ("lifetimes.refresh_token_idle", |s| s.lifetimes.refresh_token_idle = Duration::ZERO),
        ("lifetimes.refresh_token_idle", |s| {
            s.lifetimes.refresh_token_idle = s.lifetimes.refresh_token + SECOND;
        }),
        ("lifetimes.jwt_access_token", |s| s.lifetimes.jwt_access_token = Duration::ZERO),
        ("lifetimes.jwt_access_token", |s| s.lifetimes.jwt_access_token = HALF),
        ("lifetimes.jwt_access_token", |s| s.lifetimes.jwt_access_token = DAY + SECOND),
        ("lifetimes.jwt_access_token", |s| s.longest_jwt = s.lifetimes.jwt_access_token - SECOND),
        ("lifetimes.id_token", |s| s.lifetimes.id_token = Duration::ZERO),
        ("lifetimes.id_token", |s| s.lifetimes.id_token = HALF),
        ("lifetimes.id_token", |s| s.lifetimes.id_token = DAY + SECOND),
        ("lifetimes.id_token", |s| s.longest_jwt = s.lifetimes.id_token - SECOND),
        ("lifetimes.opaque_access_token", |s| s.lifetimes.opaque_access_token = Duration::ZERO),
        ("lifetimes.opaque_access_token", |s| s.lifetimes.opaque_access_token = HALF),
        ("lifetimes.interaction", |s| s.lifetimes.interaction = Duration::ZERO),
        ("lifetimes.interaction", |s| s.lifetimes.interaction = HALF),
        ("lifetimes.interaction", |s| s.lifetimes.interaction = DAY + SECOND),
        ("refresh.retry_window", |s| s.refresh.retry_window = HALF),
        ("refresh.retry_window", |s| s.refresh.retry_window = Duration::from_secs(301)),
        ("response_types", |s| s.response_types.push(ResponseType::CodeToken)),
        ("response_types", |s| s.response_types.clear()),
        ("response_types", |s| s.response_types = vec![ResponseType::None, ResponseType::IdToken]),
        ("grant_types", |s| s.grant_types.push(GrantType::Implicit)),
        ("grant_types", |s| s.grant_types.push(GrantType::Password)),
        ("grant_types", |s| s.grant_types.push(GrantType::TokenExchange)),
        ("grant_types", |s| s.grant_types.push(GrantType::JwtBearer)),
        ("grant_types", |s| {
            let name = ExtensionGrantType::new("urn:example:nobody").unwrap();
            s.grant_types.push(GrantType::Extension(name));
        }),
        ("grant_types", |s| s.grant_types.clear()),
        ("assertions.longest_life", |s| s.assertions.longest_life = Duration::ZERO),
        ("assertions.longest_life", |s| s.assertions.longest_life = HALF),
        ("assertions.longest_life", |s| s.assertions.longest_life = Duration::from_secs(3601)),
        #[cfg(feature = "aws-lc-rs")]
        ("assertions", |s| s.assertions.macs.clear()),
        #[cfg(feature = "aws-lc-rs")]
        ("assertions", |s| s.assertions.signatures.clear()),
        ("scope", |s| s.signing_algorithms.clear()),
        ("longest_jwt", |s| s.longest_jwt = DAY + SECOND),
        ("max_access_tokens", |s| s.max_access_tokens = 0),
    ];

    #[test]
    fn every_mistake_is_refused_by_the_name_of_its_setting() {
        assert_eq!(settings().lint(), Ok(()));
        let mut broken = BTreeSet::new();
        for (number, (setting, make)) in MISTAKES.iter().enumerate() {
            let mut settings = settings();
            make(&mut settings);
            assert_eq!(settings.lint().unwrap_err().setting, *setting, "mistake {number}");
            broken.insert(settings.lint().unwrap_err().rule.to_owned() + setting);
        }
        let never = usize::from(cfg!(not(feature = "aws-lc-rs")));
        assert_eq!(broken.len() + never, settings().rules().len(), "a rule that no mistake breaks");
    }

    #[test]
    fn what_is_just_within_a_rule_is_accepted() {
        let within: [fn(&mut Settings); 8] = [
            |s| s.lifetimes.code = s.dials.code_lifetime,
            |s| s.lifetimes.jwt_access_token = DAY,
            |s| s.lifetimes.id_token = DAY,
            |s| s.lifetimes.refresh_token_idle = s.lifetimes.refresh_token,
            |s| s.refresh.retry_window = Duration::ZERO,
            |s| s.lifetimes.consent = Duration::ZERO,
            |s| s.max_access_tokens = 1,
            |s| {
                s.grant_types = vec![GrantType::ClientCredentials];
                s.response_types.clear();
            },
        ];
        for (number, change) in within.iter().enumerate() {
            let mut settings = settings();
            change(&mut settings);
            assert_eq!(settings.lint(), Ok(()), "change {number}");
        }
    }
}
