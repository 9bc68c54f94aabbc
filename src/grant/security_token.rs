//! The tokens that an exchange begins with: what each proves (RFC 8693 §2.1, §3).
//!
//! | token type | what it has to be |
//! |---|---|
//! | `access_token` | a live access token of this server, whoever holds it |
//! | `refresh_token` | the live refresh token of a grant of the client that presents it |
//! | `id_token` | an ID token of this server for the client that presents it, of a grant that lives |
//! | `jwt` | an access token of this server that is a JWT, or a JWT of a trusted issuer for this server |
//!
//! No kind stands for another: an ID token is no access token, whatever type is given with it. Nobody but the client
//! that a refresh or an ID token was issued to presents it. Access tokens are bearer tokens; one that is bound to a key would
//! have to be proven here.

use super::foreign::{self, Untyped};
use super::{life, resolve};
use crate::jose::Hints;
use crate::protocol::{OAuthError, Reason, Resource, Secret, Timestamp, TokenType};
use crate::record::exchange::{Actor, Presented, Principal, Root, RootSource, RootToken};
use crate::record::grant::{Grant, GrantSubject};
use crate::record::trust::Purpose;
use crate::record::{Client, Context, Facts, GrantId, Halt, Key, SessionId};
use crate::token::claims::TokenId;
use crate::token::{HandleKind, PresentedToken, RefreshHandle};

/// The types of a JWT of another issuer that says whom it is about: an access token of that issuer is for an API of it and
/// not for this server.
const FOREIGN_TYPES: &[&str] = &["JWT"];

/// A token as it was presented with its type: nothing of it is believed yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecurityToken {
    /// What it is said to be.
    pub token_type: TokenType,
    text: Secret,
    /// What it is if it is one of ours.
    own: PresentedToken,
    /// The issuer that a JWT names, unproven.
    issuer: Option<String>,
    /// The grant that an ID token names, unproven.
    grant: Option<GrantId>,
}

/// What a token is presented for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// To say who is to be acted for.
    Subject,
    /// To say who is to act.
    Actor,
}

/// What a token proves.
#[derive(Clone, Debug)]
pub struct Proven {
    /// As the policy is told.
    pub presented: Presented,
    /// The user, if it speaks of one of this server.
    pub subject: Option<GrantSubject>,
    /// The session that it ends with.
    pub session: Option<SessionId>,
    /// Whether it outlives that session.
    pub offline: bool,
    /// The token that it goes back to.
    pub root: Option<Root>,
    /// Who showed a token to act by it, in an exchange before.
    pub actor: Option<Actor>,
    /// The only resources for which it can be exchanged; `None` leaves that to the policy.
    pub resources: Option<Vec<Resource>>,
}

impl Role {
    fn refuse(self) -> OAuthError {
        match self {
            Self::Subject => Reason::SubjectTokenInvalid.into(),
            Self::Actor => Reason::ActorTokenInvalid.into(),
        }
    }
}

impl SecurityToken {
    /// Reads the text of a token of this type.
    #[must_use]
    pub fn read(token_type: TokenType, text: &str) -> Self {
        let own = match token_type {
            TokenType::IdToken => PresentedToken::Unknown,
            _ => PresentedToken::read(text),
        };
        let hints = match token_type {
            TokenType::IdToken | TokenType::Jwt => Hints::of(text).unwrap_or_default(),
            _ => Hints::default(),
        };
        let named = hints.token_id.filter(|_| token_type == TokenType::IdToken);
        let grant = named.and_then(|id| Some(GrantId(id.parse().ok()?)));
        Self { token_type, text: Secret::new(text), own, issuer: hints.issuer, grant }
    }

    /// The records that its life hangs on, as far as its text names them.
    #[must_use]
    pub fn records(&self, cx: &Context<'_>) -> [Option<Key>; 3] {
        match self.grant {
            Some(id) => [Some(cx.namespace().grant(id)), None, None],
            None => self.own.records(cx.namespace()),
        }
    }

    /// The grant that it names.
    #[must_use]
    pub fn grant(&self, cx: &Context<'_>) -> Option<Key> {
        self.grant.or_else(|| self.own.grant()).map(|id| cx.namespace().grant(id))
    }

    /// Reads ahead the keys that its signature is checked with.
    ///
    /// # Errors
    /// [`Halt::Need`] while they are unknown.
    pub fn read_keys_ahead(&self, facts: &Facts) -> Result<(), Halt> {
        match self.token_type {
            TokenType::IdToken => facts.signing_keys().map(|_| ()),
            _ => resolve::read_keys_ahead(&self.own, facts),
        }
    }

    /// What it proves when `client` presents it.
    ///
    /// # Errors
    /// [`Halt::Need`] while a fact is missing; `invalid_request` when it proves nothing.
    pub fn prove(
        &self,
        role: Role,
        client: &Client,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Proven, Halt> {
        let ours = self.issuer.as_deref().is_none_or(|issuer| issuer == cx.settings.issuer.as_str());
        let proven = match (self.token_type, &self.own) {
            (TokenType::AccessToken, PresentedToken::Access(_) | PresentedToken::Jwt(_)) => {
                self.access_token(facts, cx)?
            }
            (TokenType::Jwt, PresentedToken::Jwt(_)) if ours => self.access_token(facts, cx)?,
            (TokenType::Jwt, _) => return self.foreign(role, client, facts, cx),
            (TokenType::RefreshToken, PresentedToken::Refresh(handle)) => {
                self.refresh_token(handle, client, facts, cx)?
            }
            (TokenType::IdToken, _) => self.id_token(client, facts, cx)?,
            _ => None,
        };
        proven.ok_or_else(|| role.refuse().into())
    }

    fn access_token(&self, facts: &Facts, cx: &Context<'_>) -> Result<Option<Proven>, Halt> {
        let Some(live) = resolve::live_access_token(&self.own, facts, cx)? else { return Ok(None) };
        if resolve::holder_is_gone(&live, facts)? {
            return Ok(None);
        }
        let presented = Presented {
            token_type: self.token_type,
            principal: Principal::Client(live.client.clone()),
            client: Some(live.client.clone()),
            scope: live.scope,
            audience: live.audience,
            valid_until: live.valid_until,
            actors: Vec::new(),
            may_act: None,
            claims: None,
        };
        match (live.grant, live.token_id) {
            (Some(id), token_id) => {
                let grant = facts.grant(cx.namespace().grant(id))?.ok_or(Reason::Bug)?;
                let token = match (token_id, &self.own) {
                    (Some(TokenId::Granted { sequence, .. }), _) => Some(RootToken::Jwt(sequence)),
                    (_, PresentedToken::Access(handle)) => {
                        Some(RootToken::Opaque(handle.digest(HandleKind::AccessToken)))
                    }
                    _ => None,
                };
                Ok(Some(Proven::of_grant(id, grant.record, token, presented)))
            }
            (None, Some(TokenId::Recordless { id, client_epoch })) => {
                let source = RootSource::Token(id);
                let client_epoch = client_epoch.into();
                let root = Root { source, client: live.client, client_epoch, token: None };
                Ok(Some(Proven { root: Some(root), ..Proven::new(presented) }))
            }
            _ => Ok(None),
        }
    }

    fn refresh_token(
        &self,
        handle: &RefreshHandle,
        client: &Client,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Option<Proven>, Halt> {
        let id = GrantId(handle.id);
        let Some(grant) = facts.grant(cx.namespace().grant(id))? else { return Ok(None) };
        let grant = grant.record;
        if grant.client != client.id || !resolve::is_live_refresh(grant, handle, facts, cx)? {
            return Ok(None);
        }
        let valid_until = grant.refresh.as_ref().map_or(cx.now, |family| family.idle_until);
        Ok(Some(Proven::of_grant(id, grant, None, self.of_whole_grant(grant, valid_until))))
    }

    fn id_token(&self, client: &Client, facts: &Facts, cx: &Context<'_>) -> Result<Option<Proven>, Halt> {
        let hint = facts.signing_keys()?.id_token_hint(self.text.expose(), cx.settings.issuer.as_str());
        let hint = hint.filter(|hint| hint.client == client.id.as_str() && !hint.valid_until.is_past(cx.now));
        let Some((id, valid_until)) = hint.and_then(|hint| Some((hint.grant?, hint.valid_until))) else {
            return Ok(None);
        };
        let Some(grant) = facts.grant(cx.namespace().grant(id))? else { return Ok(None) };
        let grant = grant.record;
        // While its code is open, an ID token has been seen by the browser alone: nobody has proved to be the client.
        let open = grant.redeemable.as_ref().is_some_and(|code| !code.spent);
        if open || grant.client != client.id || life::obstacle(grant, facts, cx)?.is_some() {
            return Ok(None);
        }
        // Once all that the grant is known to have issued is over, it may be forgotten.
        let valid_until = valid_until.min(life::last_moment(grant));
        if valid_until.is_past(cx.now) {
            return Ok(None);
        }
        Ok(Some(Proven::of_grant(id, grant, None, self.of_whole_grant(grant, valid_until))))
    }

    /// A token that stands for all that was granted.
    fn of_whole_grant(&self, grant: &Grant, valid_until: Timestamp) -> Presented {
        Presented {
            token_type: self.token_type,
            principal: Principal::Client(grant.client.clone()),
            client: Some(grant.client.clone()),
            scope: grant.scope.clone(),
            audience: grant.resources.clone(),
            valid_until,
            actors: Vec::new(),
            may_act: None,
            claims: None,
        }
    }

    fn foreign(&self, role: Role, client: &Client, facts: &Facts, cx: &Context<'_>) -> Result<Proven, Halt> {
        let refuse = |why: String| Halt::Refuse(role.refuse().detail(why));
        let issuer = self.issuer.as_deref().filter(|issuer| *issuer != cx.settings.issuer.as_str());
        let issuer = issuer.ok_or_else(|| role.refuse())?;
        let text = self.text.expose();
        let vouched = foreign::verify(text, issuer, FOREIGN_TYPES, Untyped::Accepted, facts, cx)?
            .map_err(|fault| refuse(fault.to_string()))?;
        if vouched.valid_until.is_past(cx.now) {
            return Err(refuse("it has expired".to_owned()));
        }
        let chain = vouched.chain().ok_or_else(|| refuse("act or may_act is malformed".to_owned()))?;
        let stated = vouched.scope().map_err(|error| refuse(error.to_string()))?;
        let allowed = client.scope.intersection(&cx.settings.scope);
        let mut presented = Presented {
            token_type: self.token_type,
            principal: chain.subject,
            client: None,
            scope: stated.unwrap_or(allowed),
            audience: Vec::new(),
            valid_until: vouched.valid_until,
            actors: chain.actors,
            may_act: chain.may_act,
            claims: Some(vouched.claims.members().clone()),
        };
        if role == Role::Actor {
            return Ok(Proven::new(presented));
        }
        let (subject, known) = vouched
            .subject(client, Purpose::SubjectToken, facts, cx)?
            .ok_or_else(|| refuse("nobody here is meant".to_owned()))?;
        presented.principal = Principal::Subject(subject.id.clone());
        if let Some(most) = &known.scope {
            presented.scope = presented.scope.intersection(most);
        }
        presented.audience = known.resources.clone().unwrap_or_default();
        let resources = known.resources.clone();
        Ok(Proven { subject: Some(subject), resources, ..Proven::new(presented) })
    }
}

impl Proven {
    const fn new(presented: Presented) -> Self {
        Self {
            presented,
            subject: None,
            session: None,
            offline: false,
            root: None,
            actor: None,
            resources: None,
        }
    }

    /// What a token of a grant proves, and what the grant adds to it. The `token` is `None` where it stands for all of the grant.
    fn of_grant(id: GrantId, grant: &Grant, token: Option<RootToken>, mut presented: Presented) -> Self {
        let own = Root {
            source: RootSource::Grant(id),
            client: grant.client.clone(),
            client_epoch: grant.client_epoch,
            token,
        };
        let exchange = grant.exchange.as_deref();
        let root = exchange.and_then(|exchange| exchange.root.clone()).unwrap_or(own);
        presented.principal = match &grant.subject {
            Some(subject) => Principal::Subject(subject.id.clone()),
            None => Principal::Client(root.client.clone()),
        };
        if let Some(exchange) = exchange {
            presented.actors.clone_from(&exchange.actors);
            presented.may_act.clone_from(&exchange.may_act);
        }
        Self {
            subject: grant.subject.clone(),
            session: grant.session,
            offline: grant.offline,
            root: Some(root),
            actor: exchange.and_then(|exchange| exchange.actor.clone()),
            ..Self::new(presented)
        }
    }

    /// Whom it speaks of, as the one who acts; `None` for whom another issuer names, of whom nothing is known here.
    #[must_use]
    pub fn as_actor(&self) -> Option<Actor> {
        let epoch = match (&self.presented.principal, &self.subject, &self.root) {
            (Principal::Subject(_), Some(subject), _) => subject.epoch,
            (Principal::Client(_), _, Some(root)) => root.client_epoch,
            _ => return None,
        };
        Some(Actor { principal: self.presented.principal.clone(), epoch })
    }
}
