//! JWT access tokens of a remote issuer (RFC 9068 §4).

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;

use super::access_token::{AccessToken, Expected, LEEWAY, TokenFault, TokenVerifier, VerifyError};
use crate::host::{Clock, JwksCache, KeysUnavailable};
use crate::jose::{Algorithm, Claims, JoseError, Leeway, Unverified, Verification};
use crate::protocol::{Resource, Timestamp};

/// The algorithms accepted unless others are named.
const ALGORITHMS: [Algorithm; 6] = [
    Algorithm::Es256,
    Algorithm::Es384,
    Algorithm::EdDsa,
    Algorithm::Ed25519,
    Algorithm::Ps256,
    Algorithm::Rs256,
];

/// The one type of token that is accepted, so that an ID token or a logout token is never taken for access.
const TYPES: [&str; 1] = ["at+jwt"];

/// Checks JWT access tokens of one issuer for one API, with keys fetched from the issuer.
///
/// In this order: form, `typ`, `alg`, signature by `kid`, `iss`, `aud`, dates, and that `sub`, `client_id`, `iat` and
/// `jti` are there. A token with `cnf` is refused: a bearer alone does not prove possession of its key.
pub struct JwtVerifier {
    expected: Expected,
    algorithms: Vec<Algorithm>,
    keys: Arc<JwksCache>,
    clock: Arc<dyn Clock>,
}

impl JwtVerifier {
    /// Accepts tokens whose `iss` is exactly `issuer` and whose `aud` names `audience`, signed with ES256, ES384,
    /// Ed25519, PS256 or RS256.
    pub fn new(
        issuer: impl Into<String>,
        audience: &Resource,
        keys: Arc<JwksCache>,
        clock: Arc<dyn Clock>,
    ) -> Self {
        let expected =
            Expected { issuer: issuer.into(), audience: audience.as_str().to_owned(), leeway: LEEWAY };
        Self { expected, algorithms: ALGORITHMS.to_vec(), keys, clock }
    }

    /// Accepts only these algorithms.
    #[must_use]
    pub fn algorithms(mut self, algorithms: impl IntoIterator<Item = Algorithm>) -> Self {
        self.algorithms = algorithms.into_iter().collect();
        self
    }

    /// How far the issuer's clock may be from this one; 10 seconds ahead and 60 behind unless given.
    #[must_use]
    pub const fn leeway(mut self, leeway: Leeway) -> Self {
        self.expected.leeway = leeway;
        self
    }

    async fn signed_claims(&self, token: &str) -> Result<Claims, VerifyError> {
        let unverified = Unverified::parse(token).map_err(TokenFault::from)?;
        let accepted = Verification::new(&TYPES, &self.algorithms);
        let keys = self.keys.keys().await?;
        let verified = match unverified.verify(keys.verifying(), &accepted) {
            Err(JoseError::UnknownKey) => match self.keys.newer_than(&keys).await? {
                Some(newer) => unverified.verify(newer.verifying(), &accepted),
                None => Err(JoseError::UnknownKey),
            },
            verified => verified,
        };
        Ok(verified.map_err(TokenFault::from)?.into_inner())
    }

    fn read(&self, claims: &Claims, now: Timestamp) -> Result<AccessToken, TokenFault> {
        claims.required_string("iss")?;
        let token = self.expected.read(claims, now)?;
        claims.required_date("iat")?;
        claims.required_string("jti")?;
        Ok(token)
    }
}

#[async_trait]
impl TokenVerifier for JwtVerifier {
    async fn verify(&self, token: &str) -> Result<AccessToken, VerifyError> {
        let claims = self.signed_claims(token).await?;
        Ok(self.read(&claims, self.clock.now())?)
    }
}

impl From<KeysUnavailable> for VerifyError {
    fn from(error: KeysUnavailable) -> Self {
        Self::Unavailable(error.0)
    }
}

impl fmt::Debug for JwtVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JwtVerifier")
            .field("expected", &self.expected)
            .field("algorithms", &self.algorithms)
            .finish_non_exhaustive()
    }
}
