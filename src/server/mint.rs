//! Minting: what a committed decision hands out. Opaque tokens are drawn by the decision itself; a JWT is signed here.

use std::future::Future;
use std::pin::Pin;

use super::AuthorizationServer;
use crate::authorize::{InteractionView, Step};
use crate::endpoint::introspection::Introspection;
use crate::endpoint::token::TokenResponse;
use crate::grant::issue::{AccessTokenPlan, TokenPlan};
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
    fn mint(self, server: &AuthorizationServer) -> Minted<'_, Self::Response>;
}

/// An answer that is there, or will be once something is signed.
#[doc(hidden)]
#[expect(missing_debug_implementations, reason = "holds a future")]
pub enum Minted<'s, R> {
    Now(R),
    Signing(Pin<Box<dyn Future<Output = Result<R, OAuthError>> + Send + 's>>),
}

macro_rules! already_made {
    ($($plan:ty),*) => {
        $(
            impl sealed::Sealed for $plan {}

            impl Mint for $plan {
                type Response = Self;

                fn mint(self, _: &AuthorizationServer) -> Minted<'_, Self> {
                    Minted::Now(self)
                }
            }
        )*
    };
}

already_made!((), Introspection, InteractionView, LiveToken, Option<Login>, Standing, Step);

impl sealed::Sealed for TokenPlan {}

impl Mint for TokenPlan {
    type Response = TokenResponse;

    fn mint(self, server: &AuthorizationServer) -> Minted<'_, TokenResponse> {
        let respond = move |access_token| TokenResponse {
            access_token,
            token_type: "Bearer",
            expires_in: self.expires_in.as_secs(),
            refresh_token: self.refresh_token,
            scope: self.scope,
        };
        match self.access_token {
            AccessTokenPlan::Opaque(token) => Minted::Now(respond(token)),
            AccessTokenPlan::Jwt(claims, algorithm) => Minted::Signing(Box::pin(async move {
                Ok(respond(server.sign_access_token(&claims, algorithm).await?))
            })),
        }
    }
}

impl AuthorizationServer {
    /// Signs an access token as a JWT (RFC 9068 §2).
    async fn sign_access_token(
        &self,
        claims: &AccessTokenClaims,
        algorithm: Algorithm,
    ) -> Result<Secret, OAuthError> {
        let unavailable = |cause: String| OAuthError::new(Reason::SigningUnavailable).detail(cause);
        let custom = self.parts.claims_hook.claims(claims).await.map_err(|error| unavailable(error.0))?;
        let payload = claims.to_json(&custom).map_err(|error| unavailable(error.to_string()))?;
        let key = self.parts.signer.key(algorithm).await.map_err(|error| unavailable(error.0))?;
        let header = Header::new(key.algorithm).with_typ("at+jwt").with_kid(key.kid.as_str());
        let input = signing_input(&header, &payload);
        let signature =
            self.parts.signer.sign(&key, input.as_bytes()).await.map_err(|error| unavailable(error.0))?;
        Ok(Secret::new(attach(input, &signature)))
    }
}
