//! Redeeming an authorization code (RFC 6749 §4.1.3, RFC 7636 §4.6).
//!
//! Everything is checked before anything is spent: a request that fails a check leaves the code as it was. A
//! second request that passes every check ends the grant and with it all its tokens (OAuth 2.1 §7.5.3).

use super::issue::TokenPlan;
use super::redeem::redeem;
use super::{life, target};
use crate::client::Credentials;
use crate::proof::pkce;
use crate::protocol::{GrantType, OAuthError, Reason, Resource};
use crate::record::grant::{EndReason, Grant, Redeemable};
use crate::record::{Client, Context, Decide, Decision, Facts, GrantId, Halt};
use crate::token::{Handle, HandleKind};

/// A token request with `grant_type=authorization_code`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationCodeRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `code`; `None` when its text cannot be one of ours.
    pub code: Option<Handle>,
    /// `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// `code_verifier`.
    pub code_verifier: Option<crate::protocol::Secret>,
    /// `resource`, sorted.
    pub resources: Vec<Resource>,
}

impl Decide for AuthorizationCodeRequest {
    type Plan = TokenPlan;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let grant = self.code.as_ref().map(|code| cx.namespace().grant(GrantId(code.id)));
        self.credentials.read_ahead(&[grant], facts, cx)?;
        life::read_ahead(grant, facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        let client = life::acting_client(&self.credentials, facts, cx)?;
        if !client.may_use(&GrantType::AuthorizationCode) {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        let handle = self.code.as_ref().ok_or(Reason::CodeMalformed)?;
        let id = GrantId(handle.id);
        let grant = facts.grant(cx.namespace().grant(id))?.ok_or(Reason::CodeUnknown)?;
        let code = presented_code(handle, grant.record, client)?;
        self.check_redirect_uri(code, client)?;
        self.check_verifier(code, client, cx)?;
        let resources = target::within_grant(&self.resources, &grant.record.resources)?;
        if code.spent {
            return Ok(replayed(id, grant.record, cx));
        }
        if code.valid_until.is_past(cx.now) {
            return Err(Reason::CodeExpired.into());
        }
        if let Some(reason) = life::obstacle(grant.record, facts, cx)? {
            return Err(reason.into());
        }
        redeem(id, grant.record, client, &resources, facts, cx)
    }
}

impl AuthorizationCodeRequest {
    fn check_redirect_uri(&self, code: &Redeemable, client: &Client) -> Result<(), OAuthError> {
        let sent_to = code.redirect_uri.as_deref().ok_or(Reason::CodeUnknown)?;
        match &self.redirect_uri {
            None if code.redirect_uri_named => {
                return Err(OAuthError::new(Reason::ParameterMissing).parameter("redirect_uri"));
            }
            Some(uri) if **uri != *sent_to => return Err(Reason::CodeRedirectUriDiffers.into()),
            _ => {}
        }
        if client.redirect_uris.iter().any(|registered| registered.matches(sent_to)) {
            Ok(())
        } else {
            Err(Reason::CodeRedirectUriRemoved.into())
        }
    }

    /// A code without a challenge opens nothing for a client that needs one by now (RFC 9700 §2.1.1).
    fn check_verifier(&self, code: &Redeemable, client: &Client, cx: &Context<'_>) -> Result<(), OAuthError> {
        match (&self.code_verifier, &code.code_challenge) {
            (Some(verifier), Some(challenge)) if pkce::verifies(verifier.expose(), challenge) => Ok(()),
            (Some(_), Some(_)) => Err(Reason::CodeVerifierWrong.into()),
            (None, Some(_)) => Err(Reason::CodeVerifierMissing.into()),
            (Some(_), None) => Err(Reason::CodeVerifierUnexpected.into()),
            (None, None) if cx.settings.requires_pkce(client) => Err(Reason::CodeVerifierMissing.into()),
            (None, None) => Ok(()),
        }
    }
}

fn presented_code<'g>(
    handle: &Handle,
    grant: &'g Grant,
    client: &Client,
) -> Result<&'g Redeemable, OAuthError> {
    let code = grant.redeemable.as_deref().ok_or(Reason::CodeUnknown)?;
    if code.digest != handle.digest(HandleKind::Code) {
        return Err(Reason::CodeUnknown.into());
    }
    if grant.client != client.id {
        return Err(Reason::CodeOtherClient.into());
    }
    Ok(code)
}

/// An otherwise valid second redemption: the grant dies, unless it is already dead.
fn replayed(id: GrantId, before: &Grant, cx: &Context<'_>) -> Decision<TokenPlan> {
    life::end(id, before, EndReason::Replayed, Reason::CodeReplayed, cx)
}
