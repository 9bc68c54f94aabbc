//! The authorization request: what was asked, and whether it may be asked.
//!
//! Until the client and its redirect URI are verified, every fault is an error page. After that every fault is an
//! answer to the client.

use std::sync::Arc;

use crate::grant::target;
use crate::proof::pkce;
use crate::protocol::{
    Digest, GrantType, MatchedRedirectUri, OAuthError, ParamFault, Params, Reason, Resource, ResponseMode,
    ResponseType, Scope, id,
};
use crate::record::interaction::PendingRequest;
use crate::record::{Client, Context, Facts, Halt};

/// The parameters of an authorization request, as they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationRequest {
    /// `client_id`.
    pub client_id: String,
    /// `redirect_uri`.
    pub redirect_uri: Option<String>,
    /// `response_type`.
    pub response_type: Option<String>,
    /// `response_mode`.
    pub response_mode: Option<String>,
    /// `state`.
    pub state: Option<String>,
    /// `scope`.
    pub scope: Option<String>,
    /// `code_challenge` (RFC 7636 §4.3).
    pub code_challenge: Option<String>,
    /// `code_challenge_method` (RFC 7636 §4.3).
    pub code_challenge_method: Option<String>,
    /// `resource`, or why it cannot be read (RFC 8707 §2.1).
    pub resources: Vec<Resource>,
    /// A fault that is answered to the client: it was found while reading, and counts once the client is verified.
    pub fault: Option<Reason>,
}

/// Parameters that ask for what this server does not do, and how that is said.
const UNSUPPORTED: &[(&str, Reason)] = &[
    ("request", Reason::RequestObjectUnsupported),
    ("request_uri", Reason::RequestUriUnsupported),
    ("registration", Reason::RegistrationUnsupported),
];

impl AuthorizationRequest {
    /// Reads the parameters.
    ///
    /// # Errors
    /// A fault of `client_id`, `redirect_uri` or `state`, for which there is only an error page.
    pub fn read(params: &Params<'_>) -> Result<Self, OAuthError> {
        for name in ["client_id", "redirect_uri"] {
            if let Some(fault) = params.fault(name) {
                return Err(OAuthError::new(fault_reason(fault)).parameter(name));
            }
        }
        if params.fault("state") == Some(ParamFault::TooLong) {
            return Err(OAuthError::new(Reason::ParameterTooLong).parameter("state"));
        }
        let client_id = params
            .get("client_id")
            .ok_or(OAuthError::new(Reason::ParameterMissing).parameter("client_id"))?;
        if !id::is_vschar(client_id) {
            return Err(OAuthError::new(Reason::ParameterMalformed).parameter("client_id"));
        }
        let text = |name: &str| params.get(name).map(str::to_owned);
        let (resources, resource_fault) = match target::read_resources(params) {
            Ok(resources) => (resources, None),
            Err(error) => (Vec::new(), Some(error.reason())),
        };
        let both = params.get("request").is_some() && params.get("request_uri").is_some();
        let both = both.then_some(Reason::RequestTwice);
        let unsupported =
            UNSUPPORTED.iter().find(|(name, _)| params.get(name).is_some()).map(|(_, reason)| *reason);
        let fault = params.first_fault().map(|(_, fault)| fault_reason(fault));
        Ok(Self {
            client_id: client_id.to_owned(),
            redirect_uri: text("redirect_uri"),
            response_type: text("response_type"),
            response_mode: text("response_mode"),
            state: text("state"),
            scope: text("scope"),
            code_challenge: text("code_challenge"),
            code_challenge_method: text("code_challenge_method"),
            resources,
            fault: fault.or(both).or(unsupported).or(resource_fault),
        })
    }

    /// The client and the verified redirect URI (RFC 6749 §3.1.2, RFC 9700 §4.1.3).
    ///
    /// # Errors
    /// [`Halt::Need`] while the client is unknown; a refusal that is only ever shown on an error page.
    pub fn verify<'f>(&self, facts: &'f Facts) -> Result<(&'f Arc<Client>, MatchedRedirectUri), Halt> {
        let client = facts.client(&self.client_id)?.ok_or(Reason::AuthorizeClientUnknown)?;
        let uri = match (&self.redirect_uri, client.redirect_uris.as_slice()) {
            (Some(presented), registered) => registered.iter().find_map(|uri| uri.accept(presented)),
            (None, [only]) => Some(only.as_registered()),
            (None, _) => return Err(OAuthError::new(Reason::RedirectUriMissing).into()),
        };
        Ok((client, uri.ok_or(Reason::RedirectUriUnregistered)?))
    }

    /// How the answer travels: as asked where that is possible, else as the response type has it by default.
    #[must_use]
    pub fn mode(&self, cx: &Context<'_>) -> ResponseMode {
        self.asked_mode(cx).unwrap_or(ResponseMode::Query)
    }

    fn asked_mode(&self, cx: &Context<'_>) -> Result<ResponseMode, Reason> {
        let Some(name) = &self.response_mode else { return Ok(ResponseMode::Query) };
        ResponseMode::from_name(name)
            .filter(|mode| cx.settings.response_modes.contains(mode))
            .ok_or(Reason::ResponseModeUnsupported)
    }

    /// The request, if it may be asked.
    ///
    /// # Errors
    /// [`Halt::Need`] while a fact is missing; a refusal that is answered to the client.
    pub fn validate(
        &self,
        client: &Client,
        redirect_uri: &MatchedRedirectUri,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<PendingRequest, Halt> {
        if let Some(fault) = self.fault {
            return Err(fault.into());
        }
        self.check_response_type(client, cx)?;
        let response_mode = self.asked_mode(cx)?;
        let code_challenge = self.code_challenge(client, cx)?;
        let scope = self.grantable_scope(client, cx)?;
        target::resolve(&self.resources, client, facts, cx)?;
        Ok(PendingRequest {
            client: client.id.clone(),
            redirect_uri: redirect_uri.to_text(),
            redirect_uri_named: self.redirect_uri.is_some(),
            response_mode,
            state: self.state.as_deref().map(Into::into),
            scope,
            resources: self.resources.clone(),
            code_challenge,
        })
    }

    fn check_response_type(&self, client: &Client, cx: &Context<'_>) -> Result<(), OAuthError> {
        let missing = || OAuthError::new(Reason::ParameterMissing).parameter("response_type");
        let name = self.response_type.as_deref().ok_or_else(missing)?;
        let codes = cx.settings.grant_types.contains(&GrantType::AuthorizationCode);
        let known =
            ResponseType::from_name(name).filter(|own| codes && cx.settings.response_types.contains(own));
        let response_type = known.ok_or(Reason::ResponseTypeUnsupported)?;
        if client.response_types.contains(&response_type) {
            Ok(())
        } else {
            Err(Reason::ResponseTypeUnregistered.into())
        }
    }

    /// RFC 7636 §4.3 and §4.4.1: S256 or nothing, and nothing only where the client may do without.
    fn code_challenge(&self, client: &Client, cx: &Context<'_>) -> Result<Option<Digest>, Reason> {
        match (&self.code_challenge, self.code_challenge_method.as_deref()) {
            (Some(challenge), Some("S256")) => {
                pkce::challenge(challenge).map(Some).ok_or(Reason::CodeChallengeMalformed)
            }
            (_, Some(_)) | (Some(_), None) => Err(Reason::CodeChallengeMethod),
            (None, None) if cx.settings.requires_pkce(client) => Err(Reason::CodeChallengeMissing),
            (None, None) => Ok(None),
        }
    }

    /// What of the asked scope exists (RFC 6749 §3.3). What does not exist is dropped; what exists and is not
    /// allowed to this client is refused. No scope asked is no scope granted.
    fn grantable_scope(&self, client: &Client, cx: &Context<'_>) -> Result<Scope, Reason> {
        let Some(text) = &self.scope else { return Ok(Scope::empty()) };
        let asked = Scope::parse(text).map_err(|_| Reason::ScopeMalformed)?;
        let known = asked.intersection(&cx.settings.scope);
        if !known.is_subset(&client.scope) {
            return Err(Reason::ScopeNotAllowed);
        }
        if known.is_empty() && !asked.is_empty() {
            return Err(Reason::ScopeNothingLeft);
        }
        Ok(known)
    }
}

const fn fault_reason(fault: ParamFault) -> Reason {
    match fault {
        ParamFault::Repeated => Reason::ParameterRepeated,
        ParamFault::TooLong => Reason::ParameterTooLong,
    }
}
