//! The live configuration, as decisions see it. A bad one is refused by [`Settings::lint`].

mod lint;

use std::sync::Arc;
use std::time::Duration;

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

pub use lint::ConfigError;

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
    /// Whether keys of clients are fetched from where clients registered them.
    pub remote_keys: bool,
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
            remote_keys: false,
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
}
