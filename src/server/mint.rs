//! Minting: what a committed decision hands out. Opaque tokens are drawn by the decision itself; a JWT is signed here.

use std::future::Future;
use std::pin::Pin;

use serde_json::{Map, Value};

use super::AuthorizationServer;
use super::facts::poll_once;
use super::outbox::Posting;
use crate::authorize::{Action, AuthorizationResponse, InteractionView, LogoutStep, Step};
use crate::endpoint::backchannel_authentication::BackchannelAuthentication;
use crate::endpoint::device_authorization::DeviceAuthorization;
use crate::endpoint::introspection::Introspection;
use crate::endpoint::outbox::{AnswerNotice, Lease, LogoutNotice, News, Notice};
use crate::endpoint::registration::ClientInformation;
use crate::endpoint::token::TokenResponse;
use crate::endpoint::userinfo::{UserInfo, UserInfoPlan};
use crate::grant::issue::{AccessTokenPlan, IdTokenPlan, Protection, TokenPlan};
use crate::grant::resolve::LiveToken;
#[cfg(feature = "aws-lc-rs")]
use crate::jose::mac_compact;
use crate::jose::{Algorithm, Header, attach, signing_input};
use crate::protocol::{ClientId, OAuthError, Reason, Secret, TokenType};
use crate::record::encryption::Recipient;
use crate::record::interaction::SignedIn;
use crate::record::{Grant, GrantId, Standing};
use crate::token::AccessTokenClaims;
use crate::token::id_jag;
use crate::token::id_token::Beside;

mod sealed {
    pub trait Sealed {}
}

/// A plan that can be made into an answer. Implemented for the plans of this crate.
pub trait Mint: sealed::Sealed + Send {
    /// The answer.
    type Response: Send;

    #[doc(hidden)]
    fn mint(self, server: &AuthorizationServer) -> Result<Minted<'_, Self::Response>, OAuthError>;
}

/// An answer that is there, or will be once something is signed.
#[doc(hidden)]
#[expect(missing_debug_implementations, reason = "holds a future")]
pub enum Minted<'s, R> {
    Now(R),
    Signing(Pin<Box<dyn Future<Output = Result<R, OAuthError>> + Send + 's>>),
}

impl<'s, R> Minted<'s, R> {
    /// Signs, and with keys in this process is done at once.
    fn signed(signing: impl Future<Output = Result<R, OAuthError>> + Send + 's) -> Result<Self, OAuthError> {
        let mut signing = Box::pin(signing);
        match poll_once(signing.as_mut()) {
            Some(answer) => answer.map(Self::Now),
            None => Ok(Self::Signing(signing)),
        }
    }
}

macro_rules! already_made {
    ($($plan:ty),*) => {
        $(
            impl sealed::Sealed for $plan {}

            impl Mint for $plan {
                type Response = Self;

                fn mint(self, _: &AuthorizationServer) -> Result<Minted<'_, Self>, OAuthError> {
                    Ok(Minted::Now(self))
                }
            }
        )*
    };
}

already_made!(
    (),
    Vec<(GrantId, Grant)>,
    BackchannelAuthentication,
    ClientInformation,
    DeviceAuthorization,
    Introspection,
    InteractionView,
    LiveToken,
    LogoutStep,
    Option<Lease>,
    Option<SignedIn>,
    Secret,
    Standing
);

impl sealed::Sealed for Step {}

impl Mint for Step {
    type Response = Self;

    fn mint(mut self, server: &AuthorizationServer) -> Result<Minted<'_, Self>, OAuthError> {
        match &self.action {
            Action::Respond(response) if response.to_sign.is_some() => Minted::signed(async move {
                if let Action::Respond(response) = &mut self.action {
                    server.sign_front_tokens(response).await?;
                }
                Ok(self)
            }),
            _ => Ok(Minted::Now(self)),
        }
    }
}

impl sealed::Sealed for TokenPlan {}

impl Mint for TokenPlan {
    type Response = TokenResponse;

    fn mint(self, server: &AuthorizationServer) -> Result<Minted<'_, TokenResponse>, OAuthError> {
        match (self.access_token, self.id_token) {
            (AccessTokenPlan::Opaque(access_token), None) => Ok(Minted::Now(TokenResponse {
                access_token,
                id_token: None,
                token_type: token_type(self.issued_token_type),
                expires_in: self.expires_in.as_secs(),
                refresh_token: self.refresh_token,
                scope: self.scope,
                issued_token_type: self.issued_token_type,
            })),
            (access_token, id_token) => {
                Minted::signed(server.make_tokens(Self { access_token, id_token, ..self }, None))
            }
        }
    }
}

/// How the token is used: a refresh token is none to be sent to an API (RFC 8693 §2.2.1).
const fn token_type(issued: Option<TokenType>) -> &'static str {
    match issued {
        None | Some(TokenType::AccessToken | TokenType::Jwt) => "Bearer",
        Some(_) => "N_A",
    }
}

impl sealed::Sealed for UserInfoPlan {}

impl Mint for UserInfoPlan {
    type Response = UserInfo;

    fn mint(self, server: &AuthorizationServer) -> Result<Minted<'_, UserInfo>, OAuthError> {
        let Self { mut claims, signed, recipient } = self;
        let Some((algorithm, client)) = signed else { return server.unsigned_userinfo(claims, recipient) };
        claims.insert("iss".to_owned(), server.settings().issuer.as_str().into());
        claims.insert("aud".to_owned(), client.as_str().into());
        Minted::signed(async move {
            let payload = serde_json::to_vec(&claims).map_err(|error| unavailable(error.to_string()))?;
            let token = server.sign(algorithm, "JWT", &payload).await?;
            Ok(UserInfo::Jwt(server.enclose(token, recipient.as_ref())?))
        })
    }
}

impl sealed::Sealed for Option<Notice> {}

impl Mint for Option<Notice> {
    type Response = Option<Posting>;

    fn mint(self, server: &AuthorizationServer) -> Result<Minted<'_, Self::Response>, OAuthError> {
        match self {
            None => Ok(Minted::Now(None)),
            Some(Notice::Answer(notice)) => Minted::signed(server.answer_posting(notice)),
            Some(Notice::Logout(notice)) => Minted::signed(async move {
                let LogoutNotice { uri, claims, protection, recipient } = *notice;
                let payload = claims.to_json().to_string();
                let token =
                    server.protect(&protection, &claims.audience, "logout+jwt", payload.as_bytes()).await?;
                Ok(Some(Posting::logout(uri, &server.enclose(token, recipient.as_ref())?)))
            }),
        }
    }
}

fn unavailable(cause: String) -> OAuthError {
    OAuthError::new(Reason::SigningUnavailable).detail(cause)
}

impl AuthorizationServer {
    /// Adds the tokens of an authorization response to what it says (OpenID Connect Core §3.3.2.5).
    async fn sign_front_tokens(&self, response: &mut AuthorizationResponse) -> Result<(), OAuthError> {
        let Some(front) = response.to_sign.take() else { return Ok(()) };
        if let Some((plan, expires_in, scope)) = front.access_token {
            response.parameters.extend([
                ("access_token", self.access_token(plan).await?),
                ("token_type", Secret::new("Bearer")),
                ("expires_in", Secret::new(expires_in.as_secs().to_string())),
                ("scope", Secret::new(scope.as_str())),
            ]);
        }
        if let Some(plan) = front.id_token {
            let beside = Beside {
                access_token: response.parameter("access_token"),
                code: response.parameter("code"),
                state: response.parameter("state"),
                ..Beside::default()
            };
            let id_token = self.sign_id_token(&plan, beside).await?;
            response.parameters.push(("id_token", id_token));
        }
        Ok(())
    }

    /// What is told of a user as it is, or encrypted and no more (OpenID Connect Core §5.3.2).
    fn unsigned_userinfo(
        &self,
        claims: Map<String, Value>,
        recipient: Option<Recipient>,
    ) -> Result<Minted<'_, UserInfo>, OAuthError> {
        let Some(recipient) = recipient else { return Ok(Minted::Now(UserInfo::Json(claims))) };
        Minted::signed(async move {
            let payload = serde_json::to_vec(&claims).map_err(|error| unavailable(error.to_string()))?;
            Ok(UserInfo::Jwt(self.encrypt(&payload, "json", &recipient)?))
        })
    }

    /// Makes the tokens of an answer. An ID token that is sent together with an `auth_req_id` binds it, and the refresh token
    /// (CIBA Core §10.3.1).
    async fn make_tokens(
        &self,
        plan: TokenPlan,
        auth_req_id: Option<&Secret>,
    ) -> Result<TokenResponse, OAuthError> {
        let access_token = self.access_token(plan.access_token).await?;
        let refresh_token = plan.refresh_token.as_ref().filter(|_| auth_req_id.is_some());
        let beside = Beside {
            access_token: Some(access_token.expose()),
            refresh_token: refresh_token.map(Secret::expose),
            auth_req_id: auth_req_id.map(Secret::expose),
            ..Beside::default()
        };
        let id_token = match &plan.id_token {
            Some(plan) => Some(self.sign_id_token(plan, beside).await?),
            None => None,
        };
        Ok(TokenResponse {
            access_token,
            id_token,
            token_type: token_type(plan.issued_token_type),
            expires_in: plan.expires_in.as_secs(),
            refresh_token: plan.refresh_token,
            scope: plan.scope,
            issued_token_type: plan.issued_token_type,
        })
    }

    /// What a client is told of the answer of the user whom it named (CIBA Core §10.2, §10.3.1, §12).
    async fn answer_posting(&self, notice: AnswerNotice) -> Result<Option<Posting>, OAuthError> {
        let AnswerNotice { uri, token, auth_req_id, news } = notice;
        let told = match news {
            News::Answered => Map::new(),
            News::Tokens(plan) => {
                let tokens = self.make_tokens(*plan, Some(&auth_req_id)).await?;
                serde_json::from_slice(&tokens.to_json()).map_err(|error| unavailable(error.to_string()))?
            }
            News::Failed(reason) => {
                let error = OAuthError::new(reason);
                let (code, words) = (error.code().as_str().to_owned(), error.description().into_owned());
                [("error", code), ("error_description", words)]
                    .map(|(name, value)| (name.to_owned(), Value::String(value)))
                    .into_iter()
                    .collect()
            }
        };
        Ok(Some(Posting::answer(uri, &token, &auth_req_id, told)))
    }

    async fn access_token(&self, plan: AccessTokenPlan) -> Result<Secret, OAuthError> {
        match plan {
            AccessTokenPlan::Opaque(token) => Ok(token),
            AccessTokenPlan::Jwt(claims, algorithm) => self.sign_access_token(&claims, algorithm).await,
            AccessTokenPlan::IdJag(claims, algorithm) => {
                Ok(Secret::new(self.sign(algorithm, id_jag::TYPE, &claims.to_json()).await?))
            }
            AccessTokenPlan::IdToken(plan) => self.sign_id_token(&plan, Beside::default()).await,
        }
    }

    /// Signs an access token as a JWT (RFC 9068 §2).
    async fn sign_access_token(
        &self,
        claims: &AccessTokenClaims,
        algorithm: Algorithm,
    ) -> Result<Secret, OAuthError> {
        let custom = self.parts.claims_hook.claims(claims).await.map_err(|error| unavailable(error.0))?;
        let payload = claims.to_json(&custom);
        Ok(Secret::new(self.sign(algorithm, "at+jwt", &payload).await?))
    }

    /// Signs an ID token, and encrypts it for a client that wants that (OpenID Connect Core §2).
    async fn sign_id_token(&self, plan: &IdTokenPlan, beside: Beside<'_>) -> Result<Secret, OAuthError> {
        let payload = plan.claims.to_json(plan.protection.algorithm(), beside);
        let token = self.protect(&plan.protection, &plan.claims.audience, "JWT", &payload).await?;
        Ok(Secret::new(self.enclose(token, plan.recipient.as_ref())?))
    }

    /// Protects what a client is told, as it registered for.
    async fn protect(
        &self,
        protection: &Protection,
        client: &ClientId,
        typ: &str,
        payload: &[u8],
    ) -> Result<String, OAuthError> {
        match protection {
            Protection::Signature(algorithm) => self.sign(*algorithm, typ, payload).await,
            #[cfg(feature = "aws-lc-rs")]
            Protection::Mac(algorithm, secret) => {
                let secret = secret.open(client, &self.parts.settings.sealer);
                let secret = secret.ok_or_else(|| unavailable("the secret does not open".to_owned()))?;
                mac_compact(*algorithm, typ, payload, &secret).map_err(|error| unavailable(error.to_string()))
            }
            #[cfg(not(feature = "aws-lc-rs"))]
            Protection::Mac(..) => Err(unavailable(format!("{client} has no secret kept sealed"))),
        }
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
