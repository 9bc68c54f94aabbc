//! The authorization request: what was asked, and whether it may be asked.
//!
//! Until the client and its redirect URI are verified, every fault is an error page. After that every fault is an
//! answer to the client.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use super::response::AuthorizationResponse;
use crate::client::{encryption, id_token_hint};
use crate::grant::{life, target};
use crate::proof::pkce;
use crate::protocol::scope::{OFFLINE_ACCESS, OPENID};
use crate::protocol::{
    Digest, GrantType, Locales, MatchedRedirectUri, OAuthError, ParamFault, Params, Prompts, Reason,
    Resource, ResponseMode, ResponseType, Scope, Secret, SubjectId, id,
};
use crate::record::client::ConsentPolicy;
use crate::record::interaction::{PageHints, PendingRequest};
use crate::record::{ClaimsRequest, Client, Context, Facts, Halt};

/// How much the clock of whoever signs a user in may be behind that of whoever is asked for it.
const SKEW: Duration = Duration::from_secs(10);

/// The parameters of an authorization request, as they came: borrowed from it where nothing was escaped.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AuthorizationRequest<'p> {
    /// `client_id`.
    pub client_id: Cow<'p, str>,
    /// `redirect_uri`.
    pub redirect_uri: Option<Cow<'p, str>>,
    /// `response_type`.
    pub response_type: Option<Cow<'p, str>>,
    /// `response_mode`.
    pub response_mode: Option<Cow<'p, str>>,
    /// `state`.
    pub state: Option<Cow<'p, str>>,
    /// `scope`.
    pub scope: Option<Cow<'p, str>>,
    /// `code_challenge` (RFC 7636 §4.3).
    pub code_challenge: Option<Cow<'p, str>>,
    /// `code_challenge_method` (RFC 7636 §4.3).
    pub code_challenge_method: Option<Cow<'p, str>>,
    /// `nonce` (OpenID Connect Core §3.1.2.1).
    pub nonce: Option<Cow<'p, str>>,
    /// `prompt` (OpenID Connect Core §3.1.2.1).
    pub prompt: Option<Cow<'p, str>>,
    /// `max_age` (OpenID Connect Core §3.1.2.1).
    pub max_age: Option<Cow<'p, str>>,
    /// `id_token_hint` (OpenID Connect Core §3.1.2.1).
    pub id_token_hint: Option<Secret>,
    /// `claims` (OpenID Connect Core §5.5).
    pub claims: Option<Cow<'p, str>>,
    /// `claims_locales` (OpenID Connect Core §5.2).
    pub claims_locales: Option<Cow<'p, str>>,
    /// `request`: the request as a JWT (RFC 9101 §5.1).
    pub request: Option<Secret>,
    /// `request_uri`: where that JWT is (OpenID Connect Core §6.2).
    pub request_uri: Option<Cow<'p, str>>,
    /// What the host's pages may want to know.
    pub hints: PageHints,
    /// `resource` (RFC 8707 §2.1).
    pub resources: Vec<Resource>,
    /// A fault that is answered to the client: it was found while reading, and counts once the client is verified.
    pub fault: Option<OAuthError>,
    /// The same in parameters that count only where no request object takes their place: `resource`, which cannot be read,
    /// or `registration`.
    pub content_fault: Option<Reason>,
}

impl<'p> AuthorizationRequest<'p> {
    /// Reads the parameters.
    ///
    /// # Errors
    /// A fault of `client_id`, `redirect_uri` or `state`, for which there is only an error page.
    pub fn read(params: Params<'p>) -> Result<Self, OAuthError> {
        let fault = params.first_fault().map(|(_, fault)| fault);
        if fault.is_some() {
            refuse_faults_of_the_way_back(&params)?;
        }
        let mut request = Self::default();
        match target::read_resources(&params) {
            Ok(resources) => request.resources = resources,
            Err(error) => request.content_fault = Some(error.reason()),
        }
        for (name, value) in params.into_pairs() {
            match name.as_ref() {
                "client_id" => request.client_id = value,
                "redirect_uri" => request.redirect_uri = Some(value),
                "response_type" => request.response_type = Some(value),
                "response_mode" => request.response_mode = Some(value),
                "state" => request.state = Some(value),
                "scope" => request.scope = Some(value),
                "code_challenge" => request.code_challenge = Some(value),
                "code_challenge_method" => request.code_challenge_method = Some(value),
                "nonce" => request.nonce = Some(value),
                "prompt" => request.prompt = Some(value),
                "max_age" => request.max_age = Some(value),
                "id_token_hint" => request.id_token_hint = Some(Secret::new(value)),
                "claims" => request.claims = Some(value),
                "claims_locales" => request.claims_locales = Some(value),
                "request" => request.request = Some(Secret::new(value)),
                "request_uri" => request.request_uri = Some(value),
                "registration" => request.content_fault = Some(Reason::RegistrationUnsupported),
                "login_hint" => request.hints.login_hint = Some(value.into()),
                "display" => request.hints.display = Some(value.into()),
                "ui_locales" => request.hints.ui_locales = Some(value.into()),
                "acr_values" => request.hints.acr_values = Some(value.into()),
                _ => {}
            }
        }
        if request.client_id.is_empty() {
            return Err(OAuthError::new(Reason::ParameterMissing).parameter("client_id"));
        }
        if !id::is_vschar(&request.client_id) {
            return Err(OAuthError::new(Reason::ParameterMalformed).parameter("client_id"));
        }
        let twice = request.request.is_some() && request.request_uri.is_some();
        let fault = fault.map(Reason::from).or(twice.then_some(Reason::RequestTwice));
        request.fault = fault.map(OAuthError::new);
        Ok(request)
    }

    /// The client.
    ///
    /// # Errors
    /// [`Halt::Need`] while the client is unknown; a refusal that is only ever shown on an error page.
    pub fn client<'f>(&self, facts: &'f Facts) -> Result<&'f Arc<Client>, Halt> {
        Ok(facts.client(&self.client_id)?.ok_or(Reason::AuthorizeClientUnknown)?)
    }

    /// The verified redirect URI (RFC 6749 §3.1.2, RFC 9700 §4.1.3).
    ///
    /// # Errors
    /// A refusal that is only ever shown on an error page.
    pub fn verify(&self, client: &Client) -> Result<MatchedRedirectUri, Reason> {
        let uri = match (&self.redirect_uri, client.redirect_uris.as_slice()) {
            (Some(presented), registered) => registered.iter().find_map(|uri| uri.accept(presented)),
            (None, [only]) => Some(only.as_registered()),
            (None, _) => return Err(Reason::RedirectUriMissing),
        };
        uri.ok_or(Reason::RedirectUriUnregistered)
    }

    /// An error that is answered to the client.
    pub(super) fn refusal(
        &self,
        uri: MatchedRedirectUri,
        error: OAuthError,
        cx: &Context<'_>,
    ) -> AuthorizationResponse {
        AuthorizationResponse::error(uri, self.mode(cx), error, self.state.as_deref(), cx)
    }

    /// Whether it asks who the user is (OpenID Connect Core §3.1.2.1).
    #[must_use]
    pub fn is_openid(&self) -> bool {
        self.scope.iter().flat_map(|scope| scope.split(' ')).any(|value| value == OPENID)
    }

    /// How the answer travels: as asked where that is possible, else as the response type has it by default.
    #[must_use]
    pub fn mode(&self, cx: &Context<'_>) -> ResponseMode {
        self.asked_mode(cx).unwrap_or(self.default_mode())
    }

    fn default_mode(&self) -> ResponseMode {
        let response_type = self.response_type.as_deref().and_then(ResponseType::from_values);
        response_type.unwrap_or(ResponseType::Code).default_mode()
    }

    /// A response type whose default is the fragment is never answered in the query, where tokens end up in logs
    /// (OAuth 2.0 Multiple Response Types §5).
    fn asked_mode(&self, cx: &Context<'_>) -> Result<ResponseMode, Reason> {
        let default = self.default_mode();
        let Some(name) = &self.response_mode else { return Ok(default) };
        ResponseMode::from_name(name)
            .filter(|mode| cx.settings.response_modes.contains(mode))
            .filter(|mode| *mode != ResponseMode::Query || default == ResponseMode::Query)
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
    ) -> Result<Asked, Halt> {
        if let Some(fault) = &self.fault {
            return Err(fault.clone().into());
        }
        if let Some(fault) = self.content_fault {
            return Err(fault.into());
        }
        let response_type = self.response_type(client, cx)?;
        let response_mode = self.asked_mode(cx)?;
        let code_challenge = self.code_challenge(response_type, client, cx)?;
        let prompts = self.prompts()?;
        let scope = self.grantable_scope(client, prompts, cx)?;
        target::resolve(&self.resources, client, facts, cx)?;
        let openid = scope.contains(OPENID);
        if response_type.has_id_token() && !openid {
            return Err(Reason::OpenIdScopeMissing.into());
        }
        if response_type.has_id_token() && self.nonce.is_none() {
            return Err(Reason::NonceMissing.into());
        }
        if response_type.has_id_token() {
            encryption::recipient(client, client.openid.id_token_encryption, facts, cx)?;
        }
        let claims = if openid { self.claims()? } else { None };
        if claims.as_ref().is_some_and(|claims| !claims.acr_suits(|acr| cx.settings.may_reach(acr))) {
            return Err(Reason::AcrUnmet.into());
        }
        let subject = if openid { self.subject(claims.as_ref(), client, facts, cx)? } else { None };
        let max_age = if openid { self.max_age(client)? } else { None };
        let oldest = if prompts.login { Some(Duration::ZERO) } else { max_age };
        let pending = PendingRequest {
            client: client.id.clone(),
            redirect_uri: redirect_uri.to_text(),
            redirect_uri_named: self.redirect_uri.is_some(),
            response_type,
            response_mode,
            state: self.state.as_deref().map(Into::into),
            scope,
            resources: self.resources.clone(),
            code_challenge,
            nonce: self.nonce.as_deref().filter(|_| openid).map(Into::into),
            claims: claims.map(Box::new),
            subject,
            signed_in_since: oldest.map(|age| cx.now.minus(age).minus(SKEW)),
            ask: prompts.consent,
            hints: Some(self.hints_for(client)).filter(|hints| *hints != PageHints::default()).map(Box::new),
        };
        Ok(Asked { pending, prompts, max_age })
    }

    /// What the client would like the pages to know, for this request or for all (`default_acr_values`).
    fn hints_for(&self, client: &Client) -> PageHints {
        let mut hints = self.hints.clone();
        hints.acr_values = hints.acr_values.or_else(|| client.openid.default_acr_values.clone());
        hints
    }

    fn prompts(&self) -> Result<Prompts, Reason> {
        Prompts::parse(self.prompt.as_deref().unwrap_or_default()).ok_or(Reason::PromptInvalid)
    }

    fn max_age(&self, client: &Client) -> Result<Option<Duration>, Reason> {
        let Some(text) = &self.max_age else { return Ok(client.openid.default_max_age) };
        let digits = text.len() <= 15 && text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds = text.parse().ok().filter(|_| digits).ok_or(Reason::MaxAgeInvalid)?;
        Ok(Some(Duration::from_secs(seconds)))
    }

    fn claims(&self) -> Result<Option<ClaimsRequest>, Reason> {
        let wished =
            self.claims.as_deref().map(|text| ClaimsRequest::parse(text).ok_or(Reason::ClaimsInvalid));
        let locales = self.claims_locales.as_deref().map(Locales::parse).unwrap_or_default();
        let claims = ClaimsRequest { locales, ..wished.transpose()?.unwrap_or_default() };
        Ok(Some(claims).filter(|claims| !claims.is_empty()))
    }

    /// The user whom the client names by an ID token of ours, expired or not, or by a wish for one `sub`
    /// (OpenID Connect Core §3.1.2.1, §5.5.1).
    fn subject(
        &self,
        claims: Option<&ClaimsRequest>,
        client: &Client,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Option<SubjectId>, Halt> {
        let wished = claims.and_then(ClaimsRequest::subject);
        let Some(hint) = &self.id_token_hint else { return Ok(wished.map(Into::into)) };
        let hinted = id_token_hint::read(hint.expose(), Some(client), facts, cx)?
            .filter(|hint| hint.client == client.id.as_str())
            .ok_or(Reason::IdTokenHintInvalid)?
            .subject;
        match wished {
            Some(wished) if wished != hinted => Err(Reason::IdTokenHintInvalid.into()),
            _ => Ok(Some(hinted.as_str().into())),
        }
    }

    fn response_type(&self, client: &Client, cx: &Context<'_>) -> Result<ResponseType, OAuthError> {
        let missing = || OAuthError::new(Reason::ParameterMissing).parameter("response_type");
        let name = self.response_type.as_deref().ok_or_else(missing)?;
        let response_type = ResponseType::from_values(name).ok_or(Reason::ResponseTypeUnsupported)?;
        check_response_type(response_type, client, cx)?;
        Ok(response_type)
    }

    /// RFC 7636 §4.3 and §4.4.1: S256 or nothing, and nothing only where the client may do without.
    fn code_challenge(
        &self,
        response_type: ResponseType,
        client: &Client,
        cx: &Context<'_>,
    ) -> Result<Option<Digest>, Reason> {
        match (&self.code_challenge, self.code_challenge_method.as_deref()) {
            (Some(challenge), Some("S256")) => {
                pkce::challenge(challenge).map(Some).ok_or(Reason::CodeChallengeMalformed)
            }
            (_, Some(_)) | (Some(_), None) => Err(Reason::CodeChallengeMethod),
            (None, None) => check_challenge(None, response_type, client, cx).map(|()| None),
        }
    }

    /// What of the asked scope could be granted (RFC 6749 §3.3). Beside `openid`, `offline_access` is dropped unless the client
    /// may refresh and the user is asked for it, or need not be (OpenID Connect Core §11); alone it means nothing, because no
    /// grant without `openid` ends with a session.
    fn grantable_scope(&self, client: &Client, prompts: Prompts, cx: &Context<'_>) -> Result<Scope, Reason> {
        let known = life::known_scope(self.scope.as_deref(), client, cx)?;
        let asked_for = prompts.consent || client.consent == ConsentPolicy::FirstParty;
        let codes = self.response_type.as_deref().and_then(ResponseType::from_values);
        let asked_for = asked_for && codes.is_some_and(ResponseType::has_code);
        if !known.contains(OPENID) || (asked_for && client.may_use(&GrantType::RefreshToken)) {
            return Ok(known);
        }
        Ok(known.filter(|value| value != OFFLINE_ACCESS))
    }
}

/// A request that waits, with what of it may be asked by its client as it is registered now.
///
/// # Errors
/// Why it may not be asked any more.
pub(super) fn still_asked<'r>(
    request: &'r PendingRequest,
    client: &Client,
    cx: &Context<'_>,
) -> Result<Cow<'r, PendingRequest>, Reason> {
    check_response_type(request.response_type, client, cx)?;
    check_challenge(request.code_challenge.as_ref(), request.response_type, client, cx)?;
    let scope = life::some_scope_left(&request.scope, client, cx)?;
    if request.response_type.has_id_token() && !scope.contains(OPENID) {
        return Err(Reason::OpenIdScopeMissing);
    }
    Ok(match scope == request.scope {
        true => Cow::Borrowed(request),
        false => Cow::Owned(PendingRequest { scope, ..request.clone() }),
    })
}

fn check_response_type(response_type: ResponseType, client: &Client, cx: &Context<'_>) -> Result<(), Reason> {
    let codes = cx.settings.grant_types.contains(&GrantType::AuthorizationCode);
    if !codes || !cx.settings.response_types.contains(&response_type) {
        return Err(Reason::ResponseTypeUnsupported);
    }
    if client.response_types.contains(&response_type) {
        Ok(())
    } else {
        Err(Reason::ResponseTypeUnregistered)
    }
}

fn check_challenge(
    challenge: Option<&Digest>,
    response_type: ResponseType,
    client: &Client,
    cx: &Context<'_>,
) -> Result<(), Reason> {
    let missing = challenge.is_none() && response_type.has_code() && cx.settings.requires_pkce(client);
    if missing { Err(Reason::CodeChallengeMissing) } else { Ok(()) }
}

/// An authorization request that may be asked, with what counts only at this moment.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What is stored while the user is needed.
    pub pending: PendingRequest,
    /// What the client wants the user to be shown.
    pub prompts: Prompts,
    /// How old a login may be.
    pub max_age: Option<Duration>,
}

/// Without these nobody knows where an answer may go, or what it answers.
fn refuse_faults_of_the_way_back(params: &Params<'_>) -> Result<(), OAuthError> {
    for name in ["client_id", "redirect_uri"] {
        if let Some(fault) = params.fault(name) {
            return Err(OAuthError::new(Reason::from(fault)).parameter(name));
        }
    }
    match params.fault("state") {
        Some(ParamFault::TooLong) => Err(OAuthError::new(Reason::ParameterTooLong).parameter("state")),
        _ => Ok(()),
    }
}
