//! The live configuration, as decisions see it, and the linter that refuses a bad one.

use std::sync::Arc;
use std::time::Duration;

use super::assertion::{self, AssertionPolicy};
use super::key_ring::PublishedKeys;
use super::{Client, Namespace};
use crate::jose::{Algorithm, Audience, Sealer};
use crate::profile::{AssertionAudience, Dials, PkcePolicy, Profile, RefreshRotation};
use crate::protocol::scope::OPENID;
use crate::protocol::{GrantType, Issuer, ResponseMode, ResponseType, Scope};

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
    /// The most live opaque access tokens of one grant; beyond it the oldest ends.
    pub max_access_tokens: usize,
    /// Whether any client secret is kept as a slow hash, so that a failed authentication always costs one.
    pub slow_secrets: bool,
    /// Whether the host is asked if it still knows a subject. If not, whoever has signed in stays active.
    pub accounts: bool,
    /// Whether clients are told over the back channel when a session ends.
    pub backchannel_logout: bool,
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
    /// The defaults of a profile for an issuer.
    #[must_use]
    pub fn new(issuer: Issuer, profile: Profile, sealer: Sealer) -> Self {
        let dials = profile.dials();
        Self {
            namespace: Namespace::of_issuer(issuer.as_str()),
            issuer,
            profile,
            scope: Scope::empty(),
            grant_types: vec![
                GrantType::AuthorizationCode,
                GrantType::RefreshToken,
                GrantType::ClientCredentials,
            ],
            response_types: dials.response_types.to_vec(),
            response_modes: ResponseMode::ALL.to_vec(),
            signing_algorithms: Vec::new(),
            lifetimes: Lifetimes {
                code: dials.code_lifetime,
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
            max_access_tokens: 32,
            slow_secrets: false,
            accounts: false,
            backchannel_logout: false,
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

    /// Whether a client must send a code challenge.
    #[must_use]
    pub fn requires_pkce(&self, client: &Client) -> bool {
        self.dials.pkce == PkcePolicy::Always || client.is_public()
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

    /// Refuses a configuration that contradicts its profile or a specification. Lifetimes other than the code's are
    /// knobs: the profile sets their defaults.
    ///
    /// # Errors
    /// [`ConfigError`], naming the setting and the rule.
    pub fn lint(&self) -> Result<(), ConfigError> {
        let minutes = |n: u64| Duration::from_secs(n * 60);
        let rule =
            |holds: bool, setting, rule| if holds { Ok(()) } else { Err(ConfigError { setting, rule }) };
        let lifetimes = &self.lifetimes;
        rule(
            !lifetimes.code.is_zero() && lifetimes.code <= self.dials.code_lifetime,
            "lifetimes.code",
            "above zero and at most what the profile allows",
        )?;
        rule(!lifetimes.session.is_zero(), "lifetimes.session", "must be above zero")?;
        rule(!lifetimes.refresh_token_idle.is_zero(), "lifetimes.refresh_token_idle", "must be above zero")?;
        rule(
            !lifetimes.jwt_access_token.is_zero() && lifetimes.jwt_access_token <= minutes(24 * 60),
            "lifetimes.jwt_access_token",
            "above zero and at most one day: a JWT cannot be called back from APIs that check it by themselves",
        )?;
        rule(
            !lifetimes.opaque_access_token.is_zero(),
            "lifetimes.opaque_access_token",
            "must be above zero",
        )?;
        rule(
            lifetimes.refresh_token_idle <= lifetimes.refresh_token,
            "lifetimes.refresh_token_idle",
            "must not exceed lifetimes.refresh_token",
        )?;
        rule(
            !lifetimes.interaction.is_zero() && lifetimes.interaction <= minutes(24 * 60),
            "lifetimes.interaction",
            "above zero and at most one day",
        )?;
        rule(
            self.refresh.retry_window <= minutes(5),
            "refresh.retry_window",
            "at most five minutes: it is a window for replays",
        )?;
        rule(
            cfg!(feature = "legacy-implicit") || !self.response_types.iter().any(|own| own.has_token()),
            "response_types",
            "an access token in the authorization response needs the feature legacy-implicit (RFC 9700 §2.1.2)",
        )?;
        rule(
            !self.grant_types.contains(&GrantType::Implicit),
            "grant_types",
            "implicit follows from the response types",
        )?;
        rule(
            !self.assertions.longest_life.is_zero() && self.assertions.longest_life <= minutes(60),
            "assertions.longest_life",
            "above zero and at most one hour: so long a stolen assertion is of use, and its jti remembered",
        )?;
        rule(
            self.dials
                .client_auth_methods
                .iter()
                .filter(|method| method.is_assertion())
                .all(|method| !self.assertions.algorithms(&[*method]).is_empty()),
            "assertions",
            "at least one algorithm for each method that the profile takes",
        )?;
        rule(!lifetimes.id_token.is_zero(), "lifetimes.id_token", "must be above zero")?;
        rule(
            !self.is_openid_provider() || !self.signing_algorithms.is_empty(),
            "scope",
            "openid needs a signer: an ID token is always signed (OpenID Connect Core §2)",
        )?;
        rule(self.max_access_tokens > 0, "max_access_tokens", "must be above zero")?;
        rule(!self.grant_types.is_empty(), "grant_types", "at least one must be switched on")?;
        rule(
            !self.grant_types.contains(&GrantType::AuthorizationCode) || !self.response_types.is_empty(),
            "response_types",
            "authorization_code needs the response type code",
        )
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
