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
            client_auth_methods: ClientAuthMethod::ALL,
            refresh_rotation: RefreshRotation::Public,
            code_lifetime: Duration::from_secs(60),
            jwt_lifetime: Duration::from_secs(10 * 60),
            opaque_lifetime: Duration::from_secs(60 * 60),
        }
    }
}
