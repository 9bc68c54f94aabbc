//! The backchannel authentication endpoint (CIBA Core §7), and what the user answers.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

#[cfg(feature = "aws-lc-rs")]
use serde_json::Value;
use smallvec::smallvec;

use super::token::refuse_faults;
use crate::client::{Credentials, id_token_hint};
use crate::grant::{begin, life, pending, session, target};
use crate::protocol::id::is_b64token;
use crate::protocol::scope::{OFFLINE_ACCESS, OPENID};
use crate::protocol::{
    ClientId, DeliveryMode, Digest, GrantType, OAuthError, Params, Reason, Resource, Scope, Secret, SubjectId,
};
use crate::record::backchannel::{AskedUser, Identified, UserEnquiry, UserHint, UserQuestion};
use crate::record::client::SealedSecret;
use crate::record::facts::{Allowance, Counter};
use crate::record::grant::{Authentication, EndReason, Grant};
use crate::record::interaction::SignedIn;
use crate::record::outbox::{Message, Outbox};
use crate::record::{
    Client, Context, Decide, Decision, Event, EventKind, Facts, GrantId, Halt, Id, OutboxId, Put,
};
use crate::token::{HandleKind, auth_req_id};

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
    ) -> Result<Cow<'_, AskedParameters>, Halt> {
        match &self.request {
            None if client.backchannel.signing_alg.is_some() => Err(Reason::SignedRequestMissing.into()),
            None => Ok(Cow::Borrowed(&self.asked)),
            Some(_) if self.asked != AskedParameters::default() => Err(Reason::SignedRequestMixed.into()),
            Some(object) => Ok(Cow::Owned(signed(object, client, facts, cx)?)),
        }
    }
}

#[cfg(feature = "aws-lc-rs")]
fn signed(
    object: &Secret,
    client: &Client,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<AskedParameters, Halt> {
    let claims = crate::client::signed_authentication::verify(object.expose(), client, facts, cx)?;
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
    Ok(AskedParameters::read(&params)?)
}

/// Without a crypto backend no signature can be checked.
#[cfg(not(feature = "aws-lc-rs"))]
fn signed(_: &Secret, _: &Client, _: &Facts, _: &Context<'_>) -> Result<AskedParameters, Halt> {
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
        let client = self.credentials.authenticate(facts, cx)?;
        if !cx.settings.grant_types.contains(&GrantType::Ciba) {
            return Err(Reason::GrantTypeUnsupported.into());
        }
        if !client.may_use(&GrantType::Ciba) || client.is_public() {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        let mode = client.backchannel.mode.filter(|mode| cx.settings.delivery_modes().contains(mode));
        let mode = mode.ok_or(Reason::GrantTypeUnregistered)?;
        let asked = self.asked(client, facts, cx)?;
        let hint = asked.hint(client, facts, cx)?;
        let scope = asked.grantable_scope(client, cx)?;
        target::resolve(&asked.resources, client, facts, cx)?;
        let lifetime = asked.lifetime(cx)?;
        let token = match mode {
            DeliveryMode::Poll => None,
            DeliveryMode::Ping => Some(asked.notification_token()?),
        };
        let enquiry = UserEnquiry {
            client: client.id.clone(),
            hint,
            user_code: asked.user_code.clone(),
            binding_message: asked.fit_binding_message()?,
            acr_values: asked.acr_values.as_deref().map(Into::into),
            scope,
        };
        let counter = Counter::BackchannelAuthentications(client.id.clone(), cx.address);
        if let Allowance::Exhausted { retry_after } = facts.allowance(&counter)? {
            return Err(OAuthError::new(Reason::QuotaExhausted).retry_after(retry_after).into());
        }
        let subject = asked_subject(&enquiry, facts, cx)?;
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
                // What a pairwise client calls a user leads to nobody else.
                if client.openid.sector.is_some() {
                    return Err(Reason::HintedUserUnknown.into());
                }
                let hint = id_token_hint::read(token.expose(), Some(client), facts, cx)?;
                let own = hint.filter(|hint| hint.client == client.id.as_str());
                Ok(UserHint::Subject(own.ok_or(Reason::HintedUserUnknown)?.subject.as_str().into()))
            }
            _ => Err(Reason::HintsNotOne.into()),
        }
    }

    /// As at the authorization endpoint, but always of OpenID Connect; the user is asked in any case.
    fn grantable_scope(&self, client: &Client, cx: &Context<'_>) -> Result<Scope, Reason> {
        let known = life::known_scope(self.scope.as_deref(), client, cx)?;
        if !known.contains(OPENID) {
            return Err(Reason::BackchannelScope);
        }
        if client.may_use(&GrantType::RefreshToken) {
            return Ok(known);
        }
        Ok(known.filter(|value| value != OFFLINE_ACCESS))
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
        let epoch = life::epoch_for_new(client, &mut batch, facts, cx)?;
        let id = GrantId(cx.id());
        let code = auth_req_id::of_grant(id, cx);
        let ping = token.map(|token| sealed(token, id, cx)).transpose()?;
        let UserEnquiry { binding_message, acr_values, scope, .. } = enquiry;
        let asked = (scope, self.resources.clone());
        let valid_until = cx.now.plus(lifetime);
        let with = (&code, HandleKind::AuthReqId, valid_until);
        let user = AskedUser { subject, binding_message, acr_values, ping: None };
        let grant = Grant {
            asked: Some(Box::new(AskedUser { ping, ..user.clone() })),
            ..pending::begun(GrantType::Ciba, with, client, epoch, asked, cx)
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
        batch.put = vec![life::put(id, grant, cx)];
        let plan = BackchannelAuthentication {
            auth_req_id: code.encode(HandleKind::AuthReqId),
            expires_in: lifetime.as_secs(),
            interval: cx.settings.backchannel.interval.as_secs(),
            question,
        };
        Ok(Decision { batch, outcome: Ok(plan), events: smallvec![event] })
    }
}

/// What the label of a sealed notification token is.
#[cfg(feature = "aws-lc-rs")]
const LABEL: &str = "client_notification_token";

#[cfg(feature = "aws-lc-rs")]
fn sealed(token: &Secret, grant: GrantId, cx: &Context<'_>) -> Result<SealedSecret, Reason> {
    let sealed = cx.settings.sealer.seal(LABEL, &grant.0.0, token.expose().as_bytes());
    Ok(SealedSecret(sealed.map_err(|_| Reason::Bug)?.into()))
}

#[cfg(not(feature = "aws-lc-rs"))]
fn sealed(_: &Secret, _: GrantId, _: &Context<'_>) -> Result<SealedSecret, Reason> {
    Err(Reason::Bug)
}

/// The token with which the client of a grant wants to be told, if it wants to be and the secret of the server is the one
/// under which it was sealed.
#[cfg(feature = "aws-lc-rs")]
pub(super) fn notification_token(id: GrantId, grant: &Grant, cx: &Context<'_>) -> Option<Secret> {
    let sealed = grant.asked.as_ref()?.ping.as_ref()?;
    let opened = cx.settings.sealer.open(LABEL, &id.0.0, &sealed.0).ok()?;
    Secret::from_utf8(opened.to_vec())
}

#[cfg(not(feature = "aws-lc-rs"))]
pub(super) const fn notification_token(_: GrantId, _: &Grant, _: &Context<'_>) -> Option<Secret> {
    None
}

/// A user whom a client asked answers on a device of theirs. The host has checked who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DecideAuthentication {
    /// What is decided.
    pub grant: GrantId,
    /// Who answers: the user who was asked.
    pub subject: SubjectId,
    /// What.
    pub answer: UserAnswer,
}

/// Tells the client that it can fetch the answer, for as long as it can.
fn ping(id: GrantId, grant: &Grant, cx: &Context<'_>) -> Put {
    let message = OutboxId(Id(Digest::key_of(&["answered", &id.to_string()])));
    let outbox = Outbox {
        client: grant.client.clone(),
        message: Message::Answered { grant: id },
        attempts: 0,
        due_at: cx.now.plus(session::FIRST_TRY),
        valid_until: grant.redeemable.as_ref().map_or(cx.now, |code| code.valid_until),
    };
    session::outbox_put(message, outbox, cx)
}

/// What a user answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UserAnswer {
    /// The client may have this scope, or a part of it, with `openid` at least.
    Approve {
        /// What is allowed.
        scope: Scope,
        /// How and when the user signed in.
        authentication: Authentication,
    },
    /// It may not.
    Deny,
}

impl Decide for DecideAuthentication {
    type Plan = ();

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let subject = cx.namespace().subject(&self.subject);
        facts.read(&[Some(cx.namespace().grant(self.grant)), Some(subject)])
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let grant = facts.grant(cx.namespace().grant(self.grant))?.ok_or(Reason::AlreadyDecided)?.record;
        let asked = grant.asked.as_ref().is_some_and(|asked| asked.subject == self.subject);
        if !asked || !pending::is_open(grant, cx) {
            return Err(Reason::AlreadyDecided.into());
        }
        let (decided, kind) = match &self.answer {
            UserAnswer::Deny => (life::ended(grant, EndReason::Denied), EventKind::ConsentDenied),
            UserAnswer::Approve { scope, authentication } => {
                if !scope.is_subset(&grant.scope) || !scope.contains(OPENID) {
                    return Err(Reason::ScopeNothingLeft.into());
                }
                let standing = life::standing(facts.subject(cx.namespace().subject(&self.subject))?);
                if standing.disabled || !life::has_account(&self.subject, facts, cx)? {
                    return Err(Reason::SubjectDisabledAtAuthorize.into());
                }
                let login = SignedIn {
                    subject: self.subject.clone(),
                    subject_epoch: standing.epoch,
                    authentication: authentication.clone(),
                    session: None,
                };
                (grant.clone().allowed_by(&login, scope), EventKind::ConsentGiven)
            }
        };
        let event = Event::new(kind).client(&grant.client).subject(Some(&self.subject)).grant(self.grant);
        let mut batch = cx.batch();
        if grant.asked.as_ref().is_some_and(|asked| asked.ping.is_some()) {
            batch.put.push(ping(self.grant, grant, cx));
        }
        batch.put.push(life::put(self.grant, decided, cx));
        Ok(Decision { batch, outcome: Ok(()), events: smallvec![event] })
    }
}
