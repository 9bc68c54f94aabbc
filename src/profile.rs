//! Profiles: one value that sets every dial which the specifications leave open.
//!
//! A server has one profile, chosen at build. The linter in [`Settings`](crate::record::settings::Settings) refuses a
//! configuration that contradicts it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::protocol::{ClientAuthMethod, ResponseType};

/// A named set of dials.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Profile {
    /// OAuth 2.1 with the security best current practice (RFC 9700).
    #[default]
    Strict,
    /// As lenient as OpenID certification and existing clients need.
    OidcCompat,
}

/// The dials of a profile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Dials {
    /// Who must send a code challenge.
    pub pkce: PkcePolicy,
    /// The response types that are switched on unless the host says otherwise.
    pub response_types: &'static [ResponseType],
    /// The client authentication methods in use.
    pub client_auth_methods: &'static [ClientAuthMethod],
    /// Whom the assertion of a client must be meant for.
    pub assertion_audience: AssertionAudience,
    /// Whether clients may register for ID tokens with an HMAC instead of a signature. Such a token proves nothing to
    /// anyone but its client, which could have made it (OpenID Connect Core §10.1).
    pub id_token_macs: bool,
    /// Which request objects are taken unless the host says otherwise.
    pub request_objects: RequestObjects,
    /// Which rules hold for backchannel authentication, unless the host wants stricter ones.
    pub backchannel: BackchannelRules,
    /// Whether clients may send passwords of users, where the host wants that.
    pub password: bool,
    /// Which clients get a new refresh token at each use.
    pub refresh_rotation: RefreshRotation,
    /// Where a recorded consent may stand in for the user.
    pub silent_consent: SilentConsent,
    /// How long a code can be redeemed.
    pub code_lifetime: Duration,
    /// How long a JWT access token lives.
    pub jwt_lifetime: Duration,
    /// How long an opaque access token lives.
    pub opaque_lifetime: Duration,
}

/// Who must send a code challenge (RFC 7636, RFC 9700 §2.1.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PkcePolicy {
    /// Everyone.
    Always,
    /// Public clients; confidential ones may.
    PublicClients,
}

/// Whom the assertion of a client must be meant for, its `aud` (RFC 7523 §3). Values are compared byte for byte.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum AssertionAudience {
    /// The issuer alone, as a string or as an array of one (RFC 10070): an assertion that also names another server could
    /// be meant to be stolen there.
    Issuer,
    /// The issuer alone, as a string (FAPI 2.0 §5.3.2.1).
    IssuerString,
    /// The issuer or any endpoint at which clients authenticate, perhaps among others (OpenID Connect Core §9).
    IssuerOrEndpoints,
}

/// Which request objects are taken (RFC 9101, OpenID Connect Core §6); each takes what those before it take.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum RequestObjects {
    /// None.
    Off,
    /// Those that the client protects with a key or a secret, by value.
    Protected,
    /// Also those that nobody vouches for, and those behind a `request_uri` that the client registered.
    OpenId,
}

/// Which rules hold for backchannel authentication; each takes less than those before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum BackchannelRules {
    /// Those of CIBA Core.
    Core,
    /// Those of FAPI-CIBA besides: every client signs what it asks, and none is sent its tokens (FAPI-CIBA §5.2.2). Whether a
    /// request says enough without a `binding_message` is for the host to judge, who knows what its scopes mean.
    Fapi,
}

/// Where a recorded consent may stand in for the user (RFC 8252 §8.6, OAuth 2.1 §7.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SilentConsent {
    /// Not where anyone on the device can receive the answer, nor for a public client that registered itself.
    UnlessImpersonable,
    /// Everywhere.
    Everywhere,
}

/// Which clients get a new refresh token at each use (RFC 9700 §2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RefreshRotation {
    /// Clients that cannot authenticate.
    Public,
    /// All clients.
    Always,
}

/// Without a crypto backend no assertion can be checked, so none is accepted.
const CLIENT_AUTH_METHODS: &[ClientAuthMethod] = if cfg!(feature = "aws-lc-rs") {
    ClientAuthMethod::ALL
} else {
    &[ClientAuthMethod::None, ClientAuthMethod::ClientSecretBasic, ClientAuthMethod::ClientSecretPost]
};

impl Profile {
    /// Every profile.
    pub const ALL: &'static [Self] = &[Self::Strict, Self::OidcCompat];

    /// The name on the command line and in configuration.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Strict => "strict",
            Self::OidcCompat => "oidc_compat",
        }
    }

    /// Its dials.
    #[must_use]
    pub const fn dials(self) -> Dials {
        Dials {
            pkce: match self {
                Self::Strict => PkcePolicy::Always,
                Self::OidcCompat => PkcePolicy::PublicClients,
            },
            silent_consent: match self {
                Self::Strict => SilentConsent::UnlessImpersonable,
                Self::OidcCompat => SilentConsent::Everywhere,
            },
            response_types: match self {
                Self::OidcCompat if cfg!(feature = "legacy-implicit") => ResponseType::ALL,
                Self::OidcCompat => &[
                    ResponseType::Code,
                    ResponseType::None,
                    ResponseType::IdToken,
                    ResponseType::CodeIdToken,
                ],
                Self::Strict => &[ResponseType::Code, ResponseType::None],
            },
            assertion_audience: match self {
                Self::Strict => AssertionAudience::Issuer,
                Self::OidcCompat => AssertionAudience::IssuerOrEndpoints,
            },
            request_objects: match self {
                _ if !cfg!(feature = "aws-lc-rs") => RequestObjects::Off,
                Self::Strict => RequestObjects::Protected,
                Self::OidcCompat => RequestObjects::OpenId,
            },
            backchannel: BackchannelRules::Core,
            password: match self {
                Self::Strict => false,
                Self::OidcCompat => cfg!(feature = "legacy-password"),
            },
            id_token_macs: match self {
                Self::Strict => false,
                Self::OidcCompat => cfg!(feature = "aws-lc-rs"),
            },
            client_auth_methods: CLIENT_AUTH_METHODS,
            refresh_rotation: RefreshRotation::Public,
            code_lifetime: Duration::from_secs(60),
            jwt_lifetime: Duration::from_secs(10 * 60),
            opaque_lifetime: Duration::from_secs(60 * 60),
        }
    }
}
