//! What an access token says once it is believed, and why one is not.

use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::jose::{Claims, JoseError, Leeway};
use crate::protocol::{ClientId, Scope, Timestamp};

/// An access token that is good at this API.
#[derive(Clone, PartialEq)]
pub struct AccessToken {
    /// Who is acted for (`sub`); the client itself where it acts for itself.
    pub subject: String,
    /// Who acts (`client_id`).
    pub client_id: ClientId,
    /// What is allowed (`scope`).
    pub scope: Scope,
    /// Where it may be used (`aud`); this API is among them.
    pub audience: Vec<String>,
    /// Until when it is valid (`exp`).
    pub expires_at: Timestamp,
    /// Its name (`jti`), if it has one.
    pub token_id: Option<String>,
    /// Every claim, as it was sent.
    pub claims: Map<String, Value>,
}

/// Shows the names of the claims, not their values.
impl fmt::Debug for AccessToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AccessToken")
            .field("subject", &self.subject)
            .field("client_id", &self.client_id)
            .field("scope", &self.scope.as_str())
            .field("audience", &self.audience)
            .field("expires_at", &self.expires_at)
            .field("claims", &self.claims.keys().collect::<Vec<_>>())
            .finish_non_exhaustive()
    }
}

/// Tells whether an access token is good here.
#[async_trait]
pub trait TokenVerifier: Send + Sync {
    /// What the token says, if it is believed.
    ///
    /// # Errors
    /// [`VerifyError::Invalid`] if it is not; [`VerifyError::Unavailable`] if that cannot be found out now.
    async fn verify(&self, token: &str) -> Result<AccessToken, VerifyError>;
}

/// Why a token is not believed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum VerifyError {
    /// The token is no good here.
    #[error("the access token is invalid: {0}")]
    Invalid(#[from] TokenFault),
    /// The keys or the authorization server cannot be reached.
    #[error("the access token cannot be checked: {0}")]
    Unavailable(String),
}

/// Why a token is no good here.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenFault {
    /// Its form, type, algorithm, signature, dates or the type of a claim.
    #[error("{0}")]
    Jose(#[from] JoseError),
    /// Another issuer.
    #[error("it is of another issuer")]
    Issuer,
    /// Another audience.
    #[error("it is for another audience")]
    Audience,
    /// Its scope is malformed.
    #[error("its scope is malformed")]
    Scope,
    /// It is bound to a key (`cnf`, RFC 7800 §3) and was sent as a mere bearer token.
    #[error("it is bound to a key and was sent without proof")]
    SenderConstrained,
    /// The authorization server says that it is not active.
    #[error("it is not active")]
    Inactive,
}

/// What a token must say to be good here, whichever way it was checked.
#[derive(Clone, Debug)]
pub(super) struct Expected {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) leeway: Leeway,
}

/// How far another's clock may be from ours.
pub(super) const LEEWAY: Leeway = Leeway::OTHERS;

impl Expected {
    /// Reads trusted claims (RFC 9068 §4 from the issuer on; RFC 7662 §2.2).
    pub(super) fn read(&self, claims: &Claims, now: Timestamp) -> Result<AccessToken, TokenFault> {
        if claims.string("iss")?.is_some_and(|issuer| issuer != self.issuer) {
            return Err(TokenFault::Issuer);
        }
        let audience = claims.required_audience()?;
        if !audience.contains(&self.audience) {
            return Err(TokenFault::Audience);
        }
        let times = claims.check_times(now.0, self.leeway)?;
        let expires_at = times.exp.ok_or(JoseError::ClaimMissing("exp"))?.floor();
        if claims.get("cnf").is_some() {
            return Err(TokenFault::SenderConstrained);
        }
        let scope =
            Scope::parse(claims.string("scope")?.unwrap_or_default()).map_err(|_| TokenFault::Scope)?;
        Ok(AccessToken {
            subject: claims.required_string("sub")?.to_owned(),
            client_id: claims.required_string("client_id")?.into(),
            scope,
            audience: audience.recipients().iter().map(|&own| own.to_owned()).collect(),
            expires_at: Timestamp(expires_at),
            token_id: claims.string("jti")?.map(str::to_owned),
            claims: claims.members().clone(),
        })
    }
}
