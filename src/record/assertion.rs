//! Client assertions: with what a client makes them, and which ones the server takes (RFC 7523, OpenID Connect Core §9).

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use url::Url;

use super::key_ring::PublishedKeys;
use crate::jose::{Algorithm, Claims, JoseError, JwkSet, Leeway, MacAlgorithm, NumericDate};
use crate::protocol::{ClientAuthMethod, Timestamp};

/// The keys of a client and what it signs with.
#[derive(Clone, Debug, Default)]
pub struct ClientKeys {
    /// Where its public keys are.
    pub source: KeySource,
    /// The one algorithm of its assertions (`token_endpoint_auth_signing_alg`); `None` means any that the server takes.
    pub assertion_alg: Option<AssertionAlgorithm>,
}

/// Where the public keys of a client are: here or elsewhere, never both (RFC 7591 §2).
#[derive(Clone, Debug, Default)]
pub enum KeySource {
    /// It has none.
    #[default]
    None,
    /// Registered by value (`jwks`).
    Given(Arc<PublishedKeys>),
    /// Behind a URL (`jwks_uri`).
    At(Url),
}

/// The algorithm of a JWT between a client and the server, first of all an assertion: a signature, or an HMAC with the
/// client's secret. `none` cannot be named.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum AssertionAlgorithm {
    /// With a private key, as for `private_key_jwt`.
    Signature(Algorithm),
    /// With the secret, as for `client_secret_jwt`.
    Mac(MacAlgorithm),
}

impl AssertionAlgorithm {
    /// The registered name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Signature(alg) => alg.as_str(),
            Self::Mac(alg) => alg.as_str(),
        }
    }

    /// The HMAC, if it is one.
    #[must_use]
    pub const fn mac(self) -> Option<MacAlgorithm> {
        match self {
            Self::Signature(_) => None,
            Self::Mac(alg) => Some(alg),
        }
    }

    /// The method of authentication that uses it.
    #[must_use]
    pub const fn method(self) -> ClientAuthMethod {
        match self {
            Self::Signature(_) => ClientAuthMethod::PrivateKeyJwt,
            Self::Mac(_) => ClientAuthMethod::ClientSecretJwt,
        }
    }
}

impl From<Algorithm> for AssertionAlgorithm {
    fn from(alg: Algorithm) -> Self {
        Self::Signature(alg)
    }
}

impl fmt::Display for AssertionAlgorithm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<AssertionAlgorithm> for &'static str {
    fn from(alg: AssertionAlgorithm) -> Self {
        alg.as_str()
    }
}

impl FromStr for AssertionAlgorithm {
    type Err = JoseError;

    fn from_str(name: &str) -> Result<Self, JoseError> {
        name.parse().map(Self::Signature).or_else(|_| name.parse().map(Self::Mac))
    }
}

impl TryFrom<String> for AssertionAlgorithm {
    type Error = JoseError;

    fn try_from(name: String) -> Result<Self, JoseError> {
        name.parse()
    }
}

/// How far the clock of whoever makes an assertion may be from ours.
pub const LEEWAY: Leeway = Leeway::OTHERS;

/// Why the dates of an assertion are not those of one that can be used now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum WindowFault {
    /// One is missing, or is no date.
    Malformed(JoseError),
    /// It has expired, or has not begun.
    Closed(JoseError),
    /// It lives too long.
    TooLong,
}

/// Until when an assertion could be presented again, if it can be used at `now` (RFC 7523 §3).
///
/// # Errors
/// [`WindowFault`].
pub fn window(claims: &Claims, longest_life: Duration, now: Timestamp) -> Result<Timestamp, WindowFault> {
    let times = claims.check_times(now.0, LEEWAY).map_err(|error| match error {
        JoseError::ClaimMissing(_) | JoseError::ClaimInvalid(_) => WindowFault::Malformed(error),
        _ => WindowFault::Closed(error),
    })?;
    let expires_at = times.exp.map_or(0, NumericDate::ceil);
    let begins = times.iat.map_or(now.0.saturating_add(LEEWAY.ahead), NumericDate::floor);
    if expires_at > Timestamp(begins).plus(longest_life).0 {
        return Err(WindowFault::TooLong);
    }
    Ok(Timestamp(expires_at.saturating_add(LEEWAY.behind)))
}

/// Which assertions the server takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AssertionPolicy {
    /// The algorithms of `private_key_jwt`.
    pub signatures: Vec<Algorithm>,
    /// The algorithms of `client_secret_jwt`.
    pub macs: Vec<MacAlgorithm>,
    /// The longest time from `iat`, or from now where there is none, to `exp`; five minutes unless changed. So long, and
    /// a little longer, its `jti` is remembered.
    pub longest_life: Duration,
}

impl Default for AssertionPolicy {
    fn default() -> Self {
        Self {
            signatures: Algorithm::ALL.into(),
            macs: MacAlgorithm::ALL.into(),
            longest_life: Duration::from_secs(5 * 60),
        }
    }
}

impl AssertionPolicy {
    /// The algorithms of the assertions among these methods.
    #[must_use]
    pub fn algorithms(&self, methods: &[ClientAuthMethod]) -> Vec<AssertionAlgorithm> {
        let signatures = self.signatures.iter().copied().map(AssertionAlgorithm::Signature);
        let macs = self.macs.iter().copied().map(AssertionAlgorithm::Mac);
        signatures.chain(macs).filter(|alg| methods.contains(&alg.method())).collect()
    }
}

/// Keys of nobody, one for each type and curve; their private halves were never kept.
const DECOYS: &[u8] = br#"{"keys":[{"kty":"EC","crv":"P-256","x":"FeXsynSGZWCdPfKYLib9t7-u0wcvzbxmDuZDdj5hVyc","y":"YL_ZWZOhWYQ0R4IYqa-GWm_2ENwVNSeynxYi5RqbFOI"},
{"kty":"EC","crv":"P-384","x":"ZuiYdrqEx9H19q3fwjYDn4NomAW_B4jUINWaAtBtbOEx8j4mxDiTjDV4NSj9vmfm","y":"OXMfAgY4eyxsZ5AoL4eLKDsoBQp7zfxUzX4TjextPMZ9t7YKieSAGj1LS2BQw6o6"},
{"kty":"OKP","crv":"Ed25519","x":"7po6kVrjfwB6KWySIl3Y9CEqpa67aLQUpgvp0oijUrk"},
{"kty":"RSA","n":"mklikvGNheqLQP1r2vkC7SC8rg9hboGFDIgf8jDbeF8-O_1PZNnBZ03e2Y7Y2D__xUYZ0RO1Cl-oRSlvsfRNoR16OmNmg3I2rkJ8MM8ZUvKDyHuzNnv8b69sy-Uq8pr_eEnAzP-UUF6BFLKNaii4xKblFbeGsixqa-I1k48y3J-1ALH7ZFucJkjTAonsAN9nlPCtRGkeQSaj5iWwOMgqoaxkloUYuFL1Hjl_n-7iMiOlo2ZmfxyygB-b_OMRBWTb2ge2vNYuYoJoLCl0AxgnYFDaN8UFAtToykOADvyw0Z4hA1z1WpUk1075wGCjJDR3k5ncfl1-gRv64crCohZyKw","e":"AQAB"}]}"#;

/// Keys of nobody, with which an assertion is verified that nobody's keys are known for, so that it costs as much as
/// another.
#[must_use]
pub(super) fn decoys() -> Arc<PublishedKeys> {
    Arc::new(PublishedKeys::new(JwkSet::parse(DECOYS).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_algorithm_is_read_back_by_its_name_and_none_is_none() {
        for alg in AssertionPolicy::default().algorithms(ClientAuthMethod::ALL) {
            let text = serde_json::to_string(&alg).unwrap();
            assert_eq!(serde_json::from_str::<AssertionAlgorithm>(&text).unwrap(), alg);
        }
        for name in ["none", "None", "", "HS1", "RSA-OAEP", "A128GCM"] {
            assert_eq!(name.parse::<AssertionAlgorithm>(), Err(JoseError::UnsupportedAlgorithm));
        }
    }

    #[cfg(feature = "aws-lc-rs")]
    #[test]
    fn there_is_exactly_one_decoy_for_every_algorithm() {
        let decoys = decoys();
        for alg in Algorithm::ALL {
            decoys.verifying().find(None, alg).unwrap();
        }
    }
}
