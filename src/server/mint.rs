//! Minting: what a committed decision hands out. Opaque tokens are drawn by the decision itself; a JWT is signed here.

use std::future::Future;

use super::AuthorizationServer;
use crate::authorize::{InteractionView, LogoutStep, Step};
use crate::endpoint::introspection::Introspection;
use crate::endpoint::outbox::LogoutNotice;
use crate::endpoint::token::TokenResponse;
use crate::endpoint::userinfo::{UserInfo, UserInfoPlan};
use crate::grant::issue::{AccessTokenPlan, IdTokenPlan, TokenPlan};
use crate::grant::resolve::LiveToken;
use crate::jose::{Algorithm, Header, attach, signing_input};
use crate::protocol::{OAuthError, Reason, Secret};
use crate::record::Standing;
use crate::record::interaction::Login;
use crate::token::AccessTokenClaims;

mod sealed {
    pub trait Sealed {}
}

/// A plan that can be made into an answer. Implemented for the plans of this crate.
pub trait Mint: sealed::Sealed + Send {
    /// The answer.
    type Response: Send;

    #[doc(hidden)]
    fn mint(
        self,
        server: &AuthorizationServer,
    ) -> impl Future<Output = Result<Self::Response, OAuthError>> + Send;
}

macro_rules! already_made {
    ($($plan:ty),*) => {
        $(
            impl sealed::Sealed for $plan {}

            impl Mint for $plan {
                type Response = Self;

                async fn mint(self, _: &AuthorizationServer) -> Result<Self, OAuthError> {
                    Ok(self)
                }
            }
        )*
    };
}

already_made!((), Introspection, InteractionView, LiveToken, LogoutStep, Option<Login>, Standing, Step);

impl sealed::Sealed for TokenPlan {}

impl Mint for TokenPlan {
    type Response = TokenResponse;

    async fn mint(self, server: &AuthorizationServer) -> Result<TokenResponse, OAuthError> {
        let access_token = match self.access_token {
            AccessTokenPlan::Opaque(token) => token,
            AccessTokenPlan::Jwt(claims, algorithm) => server.sign_access_token(&claims, algorithm).await?,
        };
        let id_token = match &self.id_token {
            Some(plan) => Some(server.sign_id_token(plan, &access_token).await?),
            None => None,
        };
        Ok(TokenResponse {
            access_token,
            id_token,
            token_type: "Bearer",
            expires_in: self.expires_in.as_secs(),
            refresh_token: self.refresh_token,
            scope: self.scope,
        })
    }
}

impl sealed::Sealed for UserInfoPlan {}

impl Mint for UserInfoPlan {
    type Response = UserInfo;

    async fn mint(self, server: &AuthorizationServer) -> Result<UserInfo, OAuthError> {
        let Some((algorithm, client)) = self.signed else { return Ok(UserInfo::Json(self.claims)) };
        let mut claims = self.claims;
        claims.insert("iss".to_owned(), server.settings().issuer.as_str().into());
        claims.insert("aud".to_owned(), client.as_str().into());
        let payload = serde_json::to_vec(&claims).map_err(|error| unavailable(error.to_string()))?;
        Ok(UserInfo::Jwt(server.sign(algorithm, "JWT", &payload).await?))
    }
}

impl sealed::Sealed for Option<LogoutNotice> {}

impl Mint for Option<LogoutNotice> {
    /// Where it goes, and the signed token.
    type Response = Option<(String, String)>;

    async fn mint(self, server: &AuthorizationServer) -> Result<Self::Response, OAuthError> {
        let Some(LogoutNotice { uri, claims, algorithm }) = self else { return Ok(None) };
        let payload = claims.to_json().to_string();
        Ok(Some((uri, server.sign(algorithm, "logout+jwt", payload.as_bytes()).await?)))
    }
}

fn unavailable(cause: String) -> OAuthError {
    OAuthError::new(Reason::SigningUnavailable).detail(cause)
}

impl AuthorizationServer {
    /// Signs an access token as a JWT (RFC 9068 §2).
    async fn sign_access_token(
        &self,
        claims: &AccessTokenClaims,
        algorithm: Algorithm,
    ) -> Result<Secret, OAuthError> {
        let custom = self.parts.claims_hook.claims(claims).await.map_err(|error| unavailable(error.0))?;
        let payload = claims.to_json(&custom).map_err(|error| unavailable(error.to_string()))?;
        Ok(Secret::new(self.sign(algorithm, "at+jwt", &payload).await?))
    }

    /// Signs an ID token, which hashes the access token it is issued beside (OpenID Connect Core §3.1.3.6).
    async fn sign_id_token(&self, plan: &IdTokenPlan, access_token: &Secret) -> Result<Secret, OAuthError> {
        let payload = plan.claims.to_json(plan.algorithm, Some(access_token.expose()));
        let payload = payload.map_err(|error| unavailable(error.to_string()))?;
        Ok(Secret::new(self.sign(plan.algorithm, "JWT", &payload).await?))
    }

    /// Signs a payload with the key that signs with `algorithm` now.
    async fn sign(&self, algorithm: Algorithm, typ: &str, payload: &[u8]) -> Result<String, OAuthError> {
        let signer = &self.parts.signer;
        let key = signer.key(algorithm).await.map_err(|error| unavailable(error.0))?;
        let header = Header::new(key.algorithm).with_typ(typ).with_kid(key.kid.as_str());
        let input = signing_input(&header, payload);
        let signature = signer.sign(&key, input.as_bytes()).await.map_err(|error| unavailable(error.0))?;
        Ok(attach(input, &signature))
    }
}
