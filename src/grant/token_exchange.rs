//! Token exchange (RFC 8693): a token of someone is given, and one that allows less, or is for elsewhere, is got.
//!
//! ```text
//! client                                authorization server
//!   │  subject_token, actor_token?, resource?, scope?   │
//!   ├──────────────────────────────────────────────────►│ client ─► tokens, proven ─► may_act
//!   │                                                   │   ─► scope, resources ─► the host's policy
//!   │  access_token, issued_token_type                  │
//!   │◄──────────────────────────────────────────────────┤ a grant that hangs on its root
//!
//! root ──► subject token ──exchange──► grant ──exchange──► grant
//!   └──── when it ends, all of them are dead ──────────────┘
//! ```
//!
//! What is got is never worth more than what was given: its scope is within the subject token's, and it ends no later. Who
//! gets what at all is the host's [`TokenExchangePolicy`](crate::host::TokenExchangePolicy) to say, which can only narrow it. An
//! exchange leaves the tokens that were given as they were (RFC 8693 §2.1).
//!
//! What ends what is got, besides its own expiry and revocation: the end of the grant at the beginning of the chain, of the
//! access token of it that was given, of the user, of a session that it is bound to, of the client at the beginning and of the
//! one that has it, and of whoever showed the last `actor_token`.
//!
//! [`security_token`](super::security_token) says which tokens can be given, and
//! [`OnBehalfOf`](crate::host::OnBehalfOf) is the policy for APIs that call each other, who may also ask in the words of
//! [`Form::OnBehalfOf`].

use std::time::Duration;

use smallvec::smallvec;

use super::foreign::MAX_ACTORS;
use super::issue::{self, AccessTokenPlan, TokenPlan};
use super::security_token::{Proven, Role, SecurityToken};
use super::target::{MAX_RESOURCES, Target};
use super::{id_jag, life, target};
use crate::client::Credentials;
use crate::protocol::scope::OPENID;
use crate::protocol::{ErrorCode, OAuthError, Params, Reason, Resource, Scope, TokenType};
use crate::record::exchange::{
    Asker, Exchange, Exchanged, Form, Principal, Refusal, Semantics, Terms, Verdict,
};
use crate::record::grant::Grant;
use crate::record::{Client, Context, Decide, Decision, Event, EventKind, Facts, GrantId, Halt};

/// The value of `requested_token_use` that makes an exchange of a request with an assertion.
pub const ON_BEHALF_OF: &str = "on_behalf_of";

/// A refusal in the words of a form (RFC 8693 §2.2.2, RFC 7523 §3.1).
fn refusal(form: Form, halt: Halt) -> Halt {
    match halt {
        Halt::Refuse(error) if form == Form::OnBehalfOf && error.code() == ErrorCode::InvalidRequest => {
            Halt::Refuse(OAuthError::new(Reason::OnBehalfOfRefused).detail(error.to_string()))
        }
        other => other,
    }
}

/// A token request with `grant_type=urn:ietf:params:oauth:grant-type:token-exchange`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenExchangeRequest {
    /// In which words.
    pub form: Form,
    /// Who asks.
    pub credentials: Credentials,
    /// `subject_token` and its type: who is to be acted for.
    pub subject: SecurityToken,
    /// `actor_token` and its type: who is to act.
    pub actor: Option<SecurityToken>,
    /// `requested_token_type`; an access token unless given.
    pub requested: TokenType,
    /// `scope`; absent means what of the subject token's the client may have.
    pub scope: Option<Scope>,
    /// `resource`, sorted.
    pub resources: Vec<Resource>,
    /// `audience`: resources, or clients that answer for some.
    pub audience: Vec<String>,
}

impl TokenExchangeRequest {
    /// Reads the parameters of RFC 8693 §2.1.
    ///
    /// # Errors
    /// `invalid_request` when one is missing or no such type is known; `invalid_target` when too many targets are named.
    pub fn read(
        credentials: Credentials,
        scope: Option<Scope>,
        resources: Vec<Resource>,
        params: &Params<'_>,
    ) -> Result<Self, OAuthError> {
        let missing = |name| OAuthError::new(Reason::ParameterMissing).parameter(name);
        let subject = params.get("subject_token").ok_or_else(|| missing("subject_token"))?;
        let subject_type =
            token_type(params, "subject_token_type")?.ok_or_else(|| missing("subject_token_type"))?;
        let actor = match (params.get("actor_token"), token_type(params, "actor_token_type")?) {
            (Some(actor), Some(actor_type)) => Some(SecurityToken::read(actor_type, actor)),
            (Some(_), None) => return Err(missing("actor_token_type")),
            (None, Some(_)) => return Err(Reason::ActorTokenMissing.into()),
            (None, None) => None,
        };
        let requested = token_type(params, "requested_token_type")?.unwrap_or(TokenType::AccessToken);
        let audience: Vec<String> = params.all("audience").map(str::to_owned).collect();
        if audience.len() > MAX_RESOURCES {
            return Err(Reason::ResourcesTooMany.into());
        }
        let subject = SecurityToken::read(subject_type, subject);
        let form = Form::Exchange;
        Ok(Self { form, credentials, subject, actor, requested, scope, resources, audience })
    }

    /// The same in the words of the on-behalf-of flow.
    #[must_use]
    pub fn on_behalf_of(
        credentials: Credentials,
        scope: Option<Scope>,
        resources: Vec<Resource>,
        assertion: &str,
    ) -> Self {
        Self {
            form: Form::OnBehalfOf,
            credentials,
            subject: SecurityToken::read(TokenType::AccessToken, assertion),
            actor: None,
            requested: TokenType::AccessToken,
            scope,
            resources,
            audience: Vec::new(),
        }
    }
}

fn token_type(params: &Params<'_>, name: &'static str) -> Result<Option<TokenType>, OAuthError> {
    let known = |text: &str| {
        TokenType::from_name(text)
            .ok_or_else(|| OAuthError::new(Reason::TokenTypeUnsupported).parameter(name))
    };
    params.get(name).map(known).transpose()
}

impl Decide for TokenExchangeRequest {
    type Plan = TokenPlan;

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let [subject, actor] = [Some(&self.subject), self.actor.as_ref()];
        let records = |token: Option<&SecurityToken>| token.map_or([None; 3], |token| token.records(cx));
        self.credentials.read_ahead(&[records(subject), records(actor)].concat(), facts, cx)?;
        for token in [subject, actor].into_iter().flatten() {
            token.read_keys_ahead(facts)?;
        }
        let grant = |token: Option<&SecurityToken>| token.and_then(|token| token.grant(cx));
        life::read_all_ahead([grant(subject), grant(actor)], facts, cx)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        let client = life::acting_client(&self.credentials, facts, cx)?;
        if !client.may_use(&self.form.grant_type()) {
            return Err(Reason::GrantTypeUnregistered.into());
        }
        if self.form == Form::OnBehalfOf && client.is_public() {
            return Err(Reason::ClientMustBeConfidential.into());
        }
        self.exchange(client, facts, cx).map_err(|halt| refusal(self.form, halt))
    }
}

impl TokenExchangeRequest {
    fn exchange(
        &self,
        client: &Client,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Decision<TokenPlan>, Halt> {
        let mut subject = self.subject.prove(Role::Subject, client, facts, cx)?;
        let actor = match &self.actor {
            Some(actor) => Some(actor.prove(Role::Actor, client, facts, cx)?),
            None => None,
        };
        let bounds = actor.as_ref().map(|actor| (actor.presented.valid_until, actor.as_actor()));
        let acting = match &actor {
            Some(actor) => actor.presented.principal.clone(),
            None => Principal::Client(client.id.clone()),
        };
        let named = subject.presented.may_act.as_ref();
        if named.is_some_and(|named| !named.is(&acting, cx.settings.issuer.as_str())) {
            return Err(Reason::ActorNotAllowed.into());
        }
        let elsewhere = self.elsewhere(&subject, cx)?;
        let exchange = Exchange {
            form: self.form,
            client: Asker {
                id: client.id.clone(),
                is_public: client.is_public(),
                self_registered: client.self_registered,
                resource_server_of: client.resource_server_of.clone(),
            },
            resources: match elsewhere {
                Some(_) => self.resources.clone(),
                None if self.requested == TokenType::IdToken => self.client_alone(client)?,
                None => self.targets(&subject, facts, cx)?,
            },
            scope: match elsewhere {
                Some(_) => self.scope.clone().unwrap_or_else(Scope::empty),
                None => self.scope(&subject, client, cx)?,
            },
            requested: self.requested,
            elsewhere,
            subject: subject.presented.clone(),
            actor: actor.map(|actor| actor.presented),
        };
        let terms = match facts.exchange(&exchange)? {
            Verdict::Allow(terms) => terms,
            Verdict::Refuse(Refusal::Target) => return Err(Reason::ExchangeTargetRefused.into()),
            Verdict::Refuse(_) => return Err(Reason::ExchangeRefused.into()),
        };
        if exchange.elsewhere.is_some() {
            return id_jag::issue(&exchange, terms, &subject, client, facts, cx);
        }
        // Whoever acts by a token acts no longer than that, and no longer than they may act at all.
        if let Some((until, actor)) = bounds {
            subject.presented.valid_until = subject.presented.valid_until.min(until);
            subject.actor = actor.or(subject.actor);
        }
        let made = Made { exchange: &exchange, terms, subject, acting };
        match self.requested {
            TokenType::IdToken => made.id_token(client, facts, cx),
            _ => made.settle(client, facts, cx),
        }
    }

    /// An ID token is for the client that asks (OpenID Connect Core §2): with one for another, it could pass for the user there.
    fn client_alone(&self, client: &Client) -> Result<Vec<Resource>, Reason> {
        let alone = self.resources.is_empty() && self.audience.iter().all(|name| name == client.id.as_str());
        if alone { Ok(Vec::new()) } else { Err(Reason::ExchangeTargetRefused) }
    }

    /// The other server, if a grant there is asked for: exactly one, with what the client has from this server as the relying
    /// party of its user (Identity Assertion JWT Authorization Grant §4.3). What an actor token would mean is not defined.
    fn elsewhere(&self, subject: &Proven, cx: &Context<'_>) -> Result<Option<String>, OAuthError> {
        if self.requested != TokenType::IdJag {
            return Ok(None);
        }
        if !cx.settings.issues_id_jags {
            return Err(OAuthError::new(Reason::TokenTypeUnsupported).parameter("requested_token_type"));
        }
        if !matches!(subject.presented.token_type, TokenType::IdToken | TokenType::RefreshToken) {
            return Err(OAuthError::new(Reason::TokenTypeUnsupported).parameter("subject_token_type"));
        }
        match self.audience.as_slice() {
            _ if self.actor.is_some() => Err(Reason::ExchangeRefused.into()),
            [] => Err(OAuthError::new(Reason::ParameterMissing).parameter("audience")),
            [one] => Ok(Some(one.clone())),
            _ => Err(Reason::AudienceUnknown.into()),
        }
    }

    /// The resources that are asked for, whichever way they are named; those of the subject token where none are. A client that
    /// may look at the tokens for the issuer itself answers for it to no one else.
    fn targets(&self, subject: &Proven, facts: &Facts, cx: &Context<'_>) -> Result<Vec<Resource>, Halt> {
        let issuer = cx.settings.issuer.as_str();
        let mut targets = self.resources.clone();
        for name in &self.audience {
            if let Ok(resource) = Resource::parse(name)
                && facts.resource(&resource)?.is_some()
            {
                targets.push(resource);
                continue;
            }
            let known = targets.len();
            let api = facts.client(name)?.ok_or(Reason::AudienceUnknown)?;
            targets.extend(api.resource_server_of.iter().filter(|own| own.as_str() != issuer).cloned());
            if targets.len() == known {
                return Err(Reason::AudienceUnknown.into());
            }
        }
        if targets.is_empty() {
            return Ok(subject.presented.audience.clone());
        }
        targets.sort_unstable();
        targets.dedup();
        if targets.len() > MAX_RESOURCES {
            return Err(Reason::ResourcesTooMany.into());
        }
        match &subject.resources {
            Some(most) => Ok(target::within_grant(&targets, most)?),
            None => Ok(targets),
        }
    }

    /// The scope that is asked for, within what the subject token allows and the client may have.
    fn scope(&self, subject: &Proven, client: &Client, cx: &Context<'_>) -> Result<Scope, Halt> {
        let allowed = life::scope_left(&subject.presented.scope, client, cx);
        match &self.scope {
            None => Ok(allowed),
            Some(asked) if asked.is_subset(&allowed) => Ok(asked.clone()),
            Some(_) => Err(Reason::ScopeBeyondGrant.into()),
        }
    }
}

/// An exchange that the policy allows.
struct Made<'e> {
    exchange: &'e Exchange,
    terms: &'e Terms,
    subject: Proven,
    /// Who acts, if anyone is to be named.
    acting: Principal,
}

impl Made<'_> {
    fn settle(self, client: &Client, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        let target = self.target(client, facts, cx)?;
        let scope = self.scope(&target)?;
        let id = GrantId(cx.id());
        let mut grant = self.grant(client, &scope, &target, facts, cx)?;
        let refreshable = self.terms.refresh_token && issue::may_refresh(client, cx);
        let requested = self.exchange.requested;
        if requested == TokenType::RefreshToken && !refreshable {
            return Err(Reason::ExchangeRefused.into());
        }
        let refresh_token = refreshable.then(|| issue::first_refresh_token(&mut grant, id, client, cx));
        let (token, expires_in, refresh_token) = match (requested, refresh_token) {
            (TokenType::RefreshToken, Some(token)) => {
                let family = grant.refresh.as_ref().map_or(cx.now, |family| family.idle_until);
                let left = Duration::from_secs(family.seconds_from(cx.now));
                (AccessTokenPlan::Opaque(token), left, None)
            }
            (_, refresh_token) => {
                let (token, expires_in) = issue::access_token(&mut grant, id, client, &scope, &target, cx)?;
                (token, expires_in, refresh_token)
            }
        };
        if requested == TokenType::Jwt && matches!(token, AccessTokenPlan::Opaque(_)) {
            return Err(Reason::ExchangeTargetRefused.into());
        }
        let event = self.event(&grant, client).grant(id);
        let mut batch = cx.batch();
        batch.put = vec![life::put(id, grant, cx)];
        let plan = TokenPlan {
            access_token: token,
            expires_in,
            scope,
            refresh_token,
            id_token: None,
            issued_token_type: (self.exchange.form == Form::Exchange).then_some(requested),
        };
        Ok(Decision { batch, outcome: Ok(plan), events: smallvec![event] })
    }

    /// An ID token, which says who acts as an access token would. Nothing is remembered of it: it ends by itself alone, and is
    /// no subject token of a further exchange. Nobody has signed in to this client, so that there is no session to name.
    fn id_token(self, client: &Client, facts: &Facts, cx: &Context<'_>) -> Result<Decision<TokenPlan>, Halt> {
        if !self.terms.id_token {
            return Err(Reason::ExchangeRefused.into());
        }
        let target = self.target(client, facts, cx)?;
        let scope = self.scope(&target)?;
        if !scope.contains(OPENID) {
            return Err(Reason::ScopeBeyondGrant.into());
        }
        let grant = Grant { session: None, ..self.grant(client, &scope, &target, facts, cx)? };
        let id_token = issue::id_token(&grant, client, &scope, None, true, facts, cx)?;
        let id_token = id_token.ok_or(Reason::SubjectTokenInvalid)?;
        let plan = TokenPlan {
            expires_in: Duration::from_secs(id_token.claims.expires_at.seconds_from(cx.now)),
            access_token: AccessTokenPlan::IdToken(id_token),
            scope,
            refresh_token: None,
            id_token: None,
            issued_token_type: Some(TokenType::IdToken),
        };
        Ok(Decision::answer(cx, plan).event(self.event(&grant, client)))
    }

    /// What the audit trail is told: who acts, too, whether or not the token says it.
    fn event(&self, grant: &Grant, client: &Client) -> Event {
        Event::new(EventKind::TokenExchanged)
            .client(&client.id)
            .subject(grant.subject.as_ref().map(|subject| &subject.id))
            .actor(&self.acting)
    }

    /// Where the new token is for: of what was asked for, what the policy allows.
    fn target(&self, client: &Client, facts: &Facts, cx: &Context<'_>) -> Result<Target, Halt> {
        let resources = self.exchange.within(self.terms).ok_or(Reason::ExchangeTargetRefused)?;
        target::resolve(&resources, client, facts, cx)
    }

    /// The scope of the new token: of what was asked for, what the policy allows and the resources understand.
    fn scope(&self, target: &Target) -> Result<Scope, Reason> {
        let asked = &self.exchange.scope;
        let allowed =
            self.terms.scope.as_ref().map_or_else(|| asked.clone(), |most| asked.intersection(most));
        let scope = target.narrow(&allowed);
        if scope.is_empty() && !asked.is_empty() { Err(Reason::ScopeNothingLeft) } else { Ok(scope) }
    }

    fn grant(
        &self,
        client: &Client,
        scope: &Scope,
        target: &Target,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Grant, Halt> {
        let mut actors = self.subject.presented.actors.clone();
        if self.terms.semantics == Semantics::Delegation {
            actors.insert(0, self.acting.clone());
        }
        if actors.len() > MAX_ACTORS {
            return Err(Reason::ActorsTooMany.into());
        }
        let mut valid_until = self.subject.presented.valid_until;
        if let Some(most) = self.terms.lifetime {
            valid_until = valid_until.min(cx.now.plus(most));
        }
        let epoch = life::client_enabled(client, facts, cx)?.epoch;
        Ok(Grant {
            subject: self.subject.subject.clone(),
            session: self.subject.session,
            offline: self.subject.offline,
            resources: target.resources.clone(),
            exchange: Some(Box::new(Exchanged {
                root: self.subject.root.clone(),
                valid_until,
                actors,
                actor: self.subject.actor.clone(),
                may_act: self.terms.may_act.clone(),
            })),
            ..Grant::begun(self.exchange.form.grant_type(), client.id.clone(), epoch, scope.clone(), cx.now)
        })
    }
}
