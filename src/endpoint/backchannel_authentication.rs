//! The backchannel authentication endpoint (CIBA Core §7). What the user answers: [`backchannel_answer`].

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use smallvec::smallvec;

use super::backchannel_answer;
use super::token::refuse_faults;
#[cfg(feature = "aws-lc-rs")]
use crate::client::signed_authentication;
use crate::client::signed_authentication::Once;
use crate::client::{Credentials, id_token_hint};
use crate::grant::pending::{self, Flow};
use crate::grant::{begin, life, target};
use crate::jose::json;
use crate::protocol::id::is_b64token;
use crate::protocol::scope::OPENID;
use crate::protocol::{
    ClientId, DeliveryMode, GrantType, OAuthError, Params, Reason, Resource, Scope, Secret, SubjectId,
};
use crate::record::backchannel::{AskedUser, Identified, UserEnquiry, UserHint, UserQuestion};
use crate::record::facts::Counter;
use crate::record::grant::Grant;
use crate::record::{Client, Context, Decide, Decision, Event, EventKind, Facts, GrantId, Halt};
use crate::token::{HandleKind, auth_req_id, notification_token};

/// The longest binding message, in characters: it is shown on small screens.
pub const MAX_BINDING_MESSAGE: usize = 100;

/// The longest `client_notification_token`, in bytes (CIBA Core §7.1).
pub const MAX_NOTIFICATION_TOKEN: usize = 1024;

/// A backchannel authentication request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackchannelAuthenticationRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// What is asked, where it is not in `request`.
    pub asked: AskedParameters,
    /// `request`: what is asked as a signed JWT.
    pub request: Option<Secret>,
}

/// The parameters of an authentication request (CIBA Core §7.1).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AskedParameters {
    /// `scope`.
    pub scope: Option<String>,
    /// `login_hint`.
    pub login_hint: Option<String>,
    /// `login_hint_token`.
    pub login_hint_token: Option<Secret>,
    /// `id_token_hint`.
    pub id_token_hint: Option<Secret>,
    /// `binding_message`.
    pub binding_message: Option<String>,
    /// `user_code`.
    pub user_code: Option<Secret>,
    /// `requested_expiry`.
    pub requested_expiry: Option<String>,
    /// `acr_values`.
    pub acr_values: Option<String>,
    /// `client_notification_token`.
    pub client_notification_token: Option<Secret>,
    /// `request_context` (FAPI-CIBA §5.3).
    pub request_context: Option<String>,
    /// `resource`, sorted (RFC 8707 §2).
    pub resources: Vec<Resource>,
}

impl BackchannelAuthenticationRequest {
    /// Reads the form body and the `Authorization` header. Parameters that nobody asked for are ignored.
    ///
    /// # Errors
    /// `invalid_request`, `invalid_client` or `invalid_target`, as the parameter at fault asks for.
    pub fn read(authorization: Option<&[u8]>, params: &Params<'_>) -> Result<Self, OAuthError> {
        refuse_faults(params)?;
        Ok(Self {
            credentials: Credentials::read(authorization, params)?,
            asked: AskedParameters::read(params)?,
            request: params.get("request").map(Secret::new),
        })
    }

    /// What is asked: in the form, or signed, as the client is registered. Nothing may stand beside a signed request.
    fn asked(
        &self,
        client: &Client,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<(Cow<'_, AskedParameters>, Option<Once>), Halt> {
        match &self.request {
            None if cx.settings.backchannel.takes_signed_only()
                || client.backchannel.signing_alg.is_some() =>
            {
                Err(Reason::SignedRequestMissing.into())
            }
            None => Ok((Cow::Borrowed(&self.asked), None)),
            Some(_) if self.asked != AskedParameters::default() => Err(Reason::SignedRequestMixed.into()),
            Some(object) => {
                let (asked, once) = signed(object, client, facts, cx)?;
                Ok((Cow::Owned(asked), Some(once)))
            }
        }
    }
}

#[cfg(feature = "aws-lc-rs")]
fn signed(
    object: &Secret,
    client: &Client,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<(AskedParameters, Once), Halt> {
    let (claims, once) = signed_authentication::verify(object.expose(), client, facts, cx)?;
    let fault = |why: String| OAuthError::new(Reason::SignedRequestInvalid).detail(why);
    let mut pairs = Vec::new();
    for (name, value) in claims.members() {
        let values = match value {
            Value::Array(values) if Params::may_repeat(name) => values.as_slice(),
            value => std::slice::from_ref(value),
        };
        pairs.extend(values.iter().map(|value| match value {
            Value::String(text) => (Cow::Borrowed(name.as_str()), Cow::Borrowed(text.as_str())),
            value => (Cow::Borrowed(name.as_str()), Cow::Owned(value.to_string())),
        }));
    }
    let params = Params::from_pairs(pairs);
    refuse_faults(&params).map_err(|error| fault(error.to_string()))?;
    Ok((AskedParameters::read(&params)?, once))
}

/// Without a crypto backend no signature can be checked.
#[cfg(not(feature = "aws-lc-rs"))]
fn signed(_: &Secret, _: &Client, _: &Facts, _: &Context<'_>) -> Result<(AskedParameters, Once), Halt> {
    Err(Reason::RequestObjectUnsupported.into())
}

/// What a client is told that asks (CIBA Core §7.3), and what its user is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BackchannelAuthentication {
    /// `auth_req_id`.
    pub auth_req_id: Secret,
    /// `expires_in`, in seconds.
    pub expires_in: u64,
    /// `interval`, in seconds.
    pub interval: u64,
    /// What the user is asked. The client is not told.
    pub question: UserQuestion,
}

impl BackchannelAuthentication {
    /// The answer as JSON.
    ///
    /// # Errors
    /// None that its strings can cause.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&serde_json::json!({
            "auth_req_id": self.auth_req_id.expose(),
            "expires_in": self.expires_in,
            "interval": self.interval,
        }))
    }
}

impl Decide for BackchannelAuthenticationRequest {
    type Plan = BackchannelAuthentication;

    fn client_id(&self) -> Option<ClientId> {
        Some(self.credentials.client_id.as_str().into())
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<Self::Plan>, Halt> {
        // Known to be switched on before the host is asked about anyone.
        let client = life::acting_client(&self.credentials, facts, cx)?;
        if !cx.settings.grant_types.contains(&GrantType::Ciba) {
            return Err(Reason::GrantTypeUnsupported.into());
        }
        if !client.may_use(&GrantType::Ciba) || client.is_public() {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        let mode = client.backchannel.mode.filter(|mode| cx.settings.delivery_modes().contains(mode));
        let mode = mode.ok_or(Reason::GrantTypeUnregistered)?;
        let (asked, once) = self.asked(client, facts, cx)?;
        let hint = asked.hint(client, facts, cx)?;
        let scope = asked.grantable_scope(client, cx)?;
        target::resolve(&asked.resources, client, facts, cx)?;
        let lifetime = asked.lifetime(cx)?;
        let token = match mode {
            DeliveryMode::Poll => None,
            DeliveryMode::Ping | DeliveryMode::Push => Some(asked.notification_token()?),
        };
        let enquiry = UserEnquiry {
            client: client.id.clone(),
            hint,
            user_code: asked.user_code.clone(),
            binding_message: asked.fit_binding_message()?,
            acr_values: asked.acr_values.as_deref().map(Into::into),
            context: asked.context()?,
            scope,
        };
        let counter = Counter::BackchannelAuthentications(client.id.clone(), cx.address);
        facts.within_limit(&counter, Reason::QuotaExhausted)?;
        let subject = asked_subject(&enquiry, facts, cx)?;
        once.map_or(Ok(()), |once| once.spend(facts))?;
        asked.begin(client, enquiry, (subject, token), lifetime, facts, cx)
    }
}

/// The user whom the host finds by a hint, and whom it lets be asked.
fn asked_subject(enquiry: &UserEnquiry, facts: &Facts, cx: &Context<'_>) -> Result<SubjectId, Halt> {
    let reason = match facts.identified(enquiry)? {
        Identified::User(subject) => {
            begin::check_subject(subject, facts)?;
            let standing = life::standing(facts.subject(cx.namespace().subject(subject))?);
            match !standing.disabled && life::has_account(subject, facts, cx)? {
                true => return Ok(subject.clone()),
                false => Reason::HintedUserUnknown,
            }
        }
        Identified::Unknown => Reason::HintedUserUnknown,
        Identified::HintExpired => Reason::HintTokenExpired,
        Identified::UserCodeMissing => Reason::BackchannelUserCodeMissing,
        Identified::UserCodeWrong => Reason::BackchannelUserCodeWrong,
        Identified::BindingMessageUnfit => Reason::BindingMessageUnfit,
        Identified::Refused => Reason::BackchannelRefused,
    };
    Err(reason.into())
}

impl AskedParameters {
    fn read(params: &Params<'_>) -> Result<Self, OAuthError> {
        let text = |name: &str| params.get(name).map(str::to_owned);
        let secret = |name: &str| params.get(name).map(Secret::new);
        Ok(Self {
            scope: text("scope"),
            login_hint: text("login_hint"),
            login_hint_token: secret("login_hint_token"),
            id_token_hint: secret("id_token_hint"),
            binding_message: text("binding_message"),
            user_code: secret("user_code"),
            requested_expiry: text("requested_expiry"),
            acr_values: text("acr_values"),
            client_notification_token: secret("client_notification_token"),
            request_context: text("request_context"),
            resources: target::read_resources(params)?,
        })
    }

    /// The one hint that there has to be (CIBA Core §7.1). An ID token is one that this server issued to this very client,
    /// expired or not.
    fn hint(&self, client: &Client, facts: &Facts, cx: &Context<'_>) -> Result<UserHint, Halt> {
        match (&self.login_hint, &self.login_hint_token, &self.id_token_hint) {
            (Some(name), None, None) => Ok(UserHint::Login(name.clone())),
            (None, Some(token), None) => Ok(UserHint::Token(token.clone())),
            (None, None, Some(token)) => {
                let hint = id_token_hint::read(token.expose(), Some(client), facts, cx)?;
                let own = hint.filter(|hint| hint.client == client.id.as_str());
                let own = own.ok_or(Reason::HintedUserUnknown)?;
                if client.openid.sector.is_none() {
                    return Ok(UserHint::Subject(own.subject.as_str().into()));
                }
                // Nothing leads from what a pairwise client calls a user to whom that is, but the grant does.
                let id = own.grant.ok_or(Reason::HintedUserUnknown)?;
                let grant =
                    facts.grant(cx.namespace().grant(id))?.filter(|grant| grant.record.client == client.id);
                let subject = grant.and_then(|grant| grant.record.subject.as_ref());
                Ok(UserHint::Subject(subject.ok_or(Reason::HintedUserUnknown)?.id.clone()))
            }
            _ => Err(Reason::HintsNotOne.into()),
        }
    }

    /// As at the authorization endpoint, but always of OpenID Connect; the user is asked in any case.
    fn grantable_scope(&self, client: &Client, cx: &Context<'_>) -> Result<Scope, Reason> {
        let known = life::known_scope_to_ask_for(self.scope.as_deref(), client, cx)?;
        if known.contains(OPENID) { Ok(known) } else { Err(Reason::BackchannelScope) }
    }

    /// How long the user can answer: as long as the server lets it, or less where the client asks for that.
    fn lifetime(&self, cx: &Context<'_>) -> Result<Duration, OAuthError> {
        let longest = cx.settings.lifetimes.auth_req_id;
        let Some(text) = &self.requested_expiry else { return Ok(longest) };
        let digits = text.len() <= 10 && text.bytes().all(|byte| byte.is_ascii_digit());
        let seconds: Option<u64> = text.parse().ok().filter(|seconds| digits && *seconds > 0);
        let fault = || OAuthError::new(Reason::ParameterMalformed).parameter("requested_expiry");
        Ok(Duration::from_secs(seconds.ok_or_else(fault)?).min(longest))
    }

    /// What the client wants to be told with (CIBA Core §7.1).
    fn notification_token(&self) -> Result<&Secret, OAuthError> {
        let name = "client_notification_token";
        let missing = || OAuthError::new(Reason::ParameterMissing).parameter(name);
        let token = self.client_notification_token.as_ref().ok_or_else(missing)?;
        let proper = token.expose().len() <= MAX_NOTIFICATION_TOKEN && is_b64token(token.expose());
        if proper { Ok(token) } else { Err(OAuthError::new(Reason::ParameterMalformed).parameter(name)) }
    }

    /// What the client knows of where its user is, a JSON object.
    fn context(&self) -> Result<Option<Map<String, Value>>, OAuthError> {
        let Some(text) = &self.request_context else { return Ok(None) };
        match json::parse(text.as_bytes()) {
            Ok(Value::Object(context)) => Ok(Some(context)),
            _ => Err(OAuthError::new(Reason::ParameterMalformed).parameter("request_context")),
        }
    }

    fn fit_binding_message(&self) -> Result<Option<Arc<str>>, Reason> {
        let Some(text) = &self.binding_message else { return Ok(None) };
        let plain = text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
        if text.len() > MAX_BINDING_MESSAGE || !plain {
            return Err(Reason::BindingMessageUnfit);
        }
        Ok(Some(text.as_str().into()))
    }

    /// One write.
    fn begin(
        &self,
        client: &Client,
        enquiry: UserEnquiry,
        (subject, token): (SubjectId, Option<&Secret>),
        lifetime: Duration,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Decision<BackchannelAuthentication>, Halt> {
        let mut batch = cx.batch();
        let epoch = life::client_enabled(client, facts, cx)?.epoch;
        let id = GrantId(cx.id());
        let code = auth_req_id::of_grant(id, cx);
        let ping = token.map(|token| notification_token::seal(token, id, cx)).transpose()?;
        let UserEnquiry { binding_message, acr_values, scope, .. } = enquiry;
        let asked = (scope, self.resources.clone());
        let valid_until = cx.now.plus(lifetime);
        let user = AskedUser { subject, binding_message, acr_values, ping: None };
        let grant = Grant {
            asked: Some(Box::new(AskedUser { ping, ..user.clone() })),
            ..pending::begun(Flow::Ciba, (&code, valid_until), client, epoch, asked, cx)
        };
        let question = UserQuestion {
            grant: id,
            client: client.id.clone(),
            user,
            scope: grant.scope.clone(),
            resources: grant.resources.clone(),
            valid_until,
        };
        let event = Event::new(EventKind::UserAsked)
            .client(&client.id)
            .subject(Some(&question.user.subject))
            .grant(id);
        if client.backchannel.mode == Some(DeliveryMode::Push) {
            batch.put.push(backchannel_answer::unanswered(id, &client.id, valid_until, cx));
        }
        batch.put.push(life::put(id, grant, cx));
        let plan = BackchannelAuthentication {
            auth_req_id: code.encode(HandleKind::AuthReqId),
            expires_in: lifetime.as_secs(),
            interval: cx.settings.backchannel.interval.as_secs(),
            question,
        };
        Ok(Decision { batch, outcome: Ok(plan), events: smallvec![event] })
    }
}
