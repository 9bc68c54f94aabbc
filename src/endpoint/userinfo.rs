//! UserInfo (OpenID Connect Core §5.3): what a client may know of the user, told to whoever holds the access token.

use serde_json::{Map, Value};

use crate::client::encryption;
use crate::grant::resolve;
use crate::jose::Algorithm;
use crate::protocol::scope::OPENID;
use crate::protocol::{ClientId, Reason};
use crate::record::encryption::Recipient;
use crate::record::{ClaimsRequest, Context, Decide, Decision, Facts, Halt};
use crate::token::subject::seen_by;
use crate::token::{PresentedToken, user_claims};

/// A request to the UserInfo endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfoRequest {
    /// The access token.
    pub token: PresentedToken,
}

/// What is answered, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserInfoPlan {
    /// The claims, `sub` among them.
    pub claims: Map<String, Value>,
    /// How they are signed, and for whom, where the client registered for that (OpenID Connect Core §5.3.2).
    pub signed: Option<(Algorithm, ClientId)>,
    /// To whom they are encrypted, signed or not, where the client registered for that.
    pub recipient: Option<Recipient>,
}

/// The answer of the UserInfo endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserInfo {
    /// `application/json`.
    Json(Map<String, Value>),
    /// `application/jwt`.
    Jwt(String),
}

impl UserInfoRequest {
    /// Reads the text of a bearer token.
    #[must_use]
    pub fn read(token: &str) -> Self {
        Self { token: PresentedToken::read(token) }
    }
}

impl Decide for UserInfoRequest {
    type Plan = UserInfoPlan;

    const READ_ONLY: bool = true;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        resolve::read_ahead(&self.token, facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<UserInfoPlan>, Halt> {
        let token = resolve::live_access_token(&self.token, facts, cx)?.ok_or(Reason::BearerInvalid)?;
        // A token for another audience is not for us (RFC 9068 §4).
        let (Some(id), Some(subject), []) = (token.grant, &token.subject, token.audience.as_slice()) else {
            return Err(Reason::BearerInvalid.into());
        };
        if !token.scope.contains(OPENID) {
            return Err(Reason::BearerScope.into());
        }
        let client = facts.client(token.client.as_str())?.ok_or(Reason::BearerInvalid)?;
        let grant = facts.grant(cx.namespace().grant(id))?.ok_or(Reason::BearerInvalid)?;
        let asked = grant.record.claims.as_deref().unwrap_or(ClaimsRequest::NOTHING);
        let told = facts.claims(subject)?;
        let mut claims = user_claims::select(told, Some(&token.scope), &asked.userinfo, &asked.locales);
        claims.insert("sub".to_owned(), seen_by(client, subject, cx)?.as_str().into());
        let algorithms = &cx.settings.signing_algorithms;
        let chosen = client.openid.userinfo_alg;
        if chosen.is_some_and(|chosen| !algorithms.contains(&chosen)) {
            return Err(Reason::SigningUnavailable.into());
        }
        let recipient = encryption::recipient(client, client.openid.userinfo_encryption, facts, cx)?;
        let signed = chosen.map(|alg| (alg, token.client));
        Ok(Decision::answer(cx, UserInfoPlan { claims, signed, recipient }))
    }
}
