//! From the text of a token to the grant behind it: what introspection, revocation and the resource check share.

use super::life;
use crate::protocol::{ClientId, Reason, Resource, Scope, SubjectId, Timestamp};
use crate::record::exchange::Exchanged;
use crate::record::grant::{Authentication, Grant};
use crate::record::{Context, Facts, GrantId, Halt, Versioned};
use crate::token::claims::TokenId;
use crate::token::{HandleKind, PresentedToken, RefreshHandle};

/// A token of ours, as far as its text and a signature tell; whether it lives is another question.
#[derive(Clone, Debug)]
pub enum Recognised<'f> {
    /// An opaque access token of this grant, at this place in its list.
    Opaque(GrantId, Versioned<&'f Grant>, usize),
    /// A refresh token that this grant once issued.
    Refresh(GrantId, Versioned<&'f Grant>, RefreshHandle),
    /// A JWT access token that this server signed.
    Jwt(Box<JwtAccessToken>),
}

/// What a JWT access token of ours says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JwtAccessToken {
    /// `jti`.
    pub token_id: TokenId,
    /// `client_id`.
    pub client: ClientId,
    /// `sub`.
    pub subject: String,
    /// `scope`.
    pub scope: Scope,
    /// `aud`, without the issuer.
    pub audience: Vec<Resource>,
    /// `iat`.
    pub issued_at: Timestamp,
    /// `exp`.
    pub valid_until: Timestamp,
}

/// A live access token and what it allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LiveToken {
    /// The grant behind it; `None` for a JWT that no record remembers.
    pub grant: Option<GrantId>,
    /// Who may use it.
    pub client: ClientId,
    /// For whom; `None` where the client acts for itself.
    pub subject: Option<SubjectId>,
    /// What it allows.
    pub scope: Scope,
    /// Where; empty means the issuer itself.
    pub audience: Vec<Resource>,
    /// When it was issued.
    pub issued_at: Timestamp,
    /// Until when it is valid.
    pub valid_until: Timestamp,
    /// How the user signed in.
    pub authentication: Option<Authentication>,
    /// `jti`, where it has one.
    pub token_id: Option<TokenId>,
    /// What it owes to the token it was exchanged for.
    pub exchange: Option<Box<Exchanged>>,
}

/// Reads ahead what it takes to say whether a token lives.
///
/// # Errors
/// [`Halt::Need`] while any of it is unknown.
pub fn read_ahead(token: &PresentedToken, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
    if let PresentedToken::Jwt(_) = token {
        facts.read(&token.records(cx.namespace()))?;
        read_keys_ahead(token, facts)?;
    }
    life::read_ahead(token.grant().map(|id| cx.namespace().grant(id)), facts, cx)
}

/// Reads ahead the keys that a signature is checked with, so that it is checked once.
///
/// # Errors
/// [`Halt::Need`] while they are unknown.
pub fn read_keys_ahead(token: &PresentedToken, facts: &Facts) -> Result<(), Halt> {
    match token {
        PresentedToken::Jwt(_) => facts.signing_keys().map(|_| ()),
        _ => Ok(()),
    }
}

/// Finds out what a token is. `None`: nothing that this server ever issued.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing.
pub fn recognise<'f>(
    token: &PresentedToken,
    facts: &'f Facts,
    cx: &Context<'_>,
) -> Result<Option<Recognised<'f>>, Halt> {
    let grant = |id| facts.grant(cx.namespace().grant(id));
    match token {
        PresentedToken::Access(handle) => {
            let id = GrantId(handle.id);
            let digest = handle.digest(HandleKind::AccessToken);
            let Some(grant) = grant(id)? else { return Ok(None) };
            let at = grant.record.access.iter().position(|token| token.digest == digest);
            Ok(at.map(|at| Recognised::Opaque(id, grant, at)))
        }
        PresentedToken::Refresh(handle) => {
            let id = GrantId(handle.id);
            let Some(grant) = grant(id)? else { return Ok(None) };
            let issued =
                grant.record.refresh.as_ref().is_some_and(|family| handle.was_issued_under(&family.tag_key));
            Ok(issued.then(|| Recognised::Refresh(id, grant, handle.clone())))
        }
        PresentedToken::Jwt(token) => {
            Ok(read_jwt(token.text.expose(), facts, cx)?.map(|jwt| Recognised::Jwt(Box::new(jwt))))
        }
        PresentedToken::Unknown => Ok(None),
    }
}

/// A live access token, or `None` for anything else.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing.
pub fn live_access_token(
    token: &PresentedToken,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Option<LiveToken>, Halt> {
    match recognise(token, facts, cx)? {
        Some(recognised) => live(&recognised, facts, cx),
        None => Ok(None),
    }
}

/// The recognised access token, if it lives. A refresh token is no access token.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing.
pub fn live(recognised: &Recognised<'_>, facts: &Facts, cx: &Context<'_>) -> Result<Option<LiveToken>, Halt> {
    match recognised {
        Recognised::Opaque(id, grant, at) => live_opaque(*id, grant.record, *at, facts, cx),
        Recognised::Jwt(jwt) => live_jwt(jwt, facts, cx),
        Recognised::Refresh(..) => Ok(None),
    }
}

fn live_opaque(
    id: GrantId,
    grant: &Grant,
    at: usize,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Option<LiveToken>, Halt> {
    let Some(token) = grant.access.get(at).filter(|token| !token.valid_until.is_past(cx.now)) else {
        return Ok(None);
    };
    if life::obstacle(grant, facts, cx)?.is_some() {
        return Ok(None);
    }
    let subject = grant.subject.as_ref();
    Ok(Some(LiveToken {
        grant: Some(id),
        client: grant.client.clone(),
        subject: subject.map(|subject| subject.id.clone()),
        scope: token.scope.clone(),
        audience: token.audience.clone(),
        issued_at: token.issued_at,
        valid_until: token.valid_until,
        authentication: subject.map(|subject| subject.authentication.clone()),
        token_id: None,
        exchange: grant.exchange.clone(),
    }))
}

fn live_jwt(jwt: &JwtAccessToken, facts: &Facts, cx: &Context<'_>) -> Result<Option<LiveToken>, Halt> {
    if jwt.valid_until.is_past(cx.now) {
        return Ok(None);
    }
    let mut live = LiveToken {
        grant: None,
        client: jwt.client.clone(),
        subject: None,
        scope: jwt.scope.clone(),
        audience: jwt.audience.clone(),
        issued_at: jwt.issued_at,
        valid_until: jwt.valid_until,
        authentication: None,
        token_id: Some(jwt.token_id),
        exchange: None,
    };
    match jwt.token_id {
        TokenId::Granted { grant: id, sequence } => {
            let id = GrantId(id);
            let Some(grant) = facts.grant(cx.namespace().grant(id))? else { return Ok(None) };
            let dead = grant.record.jwts.as_ref().is_none_or(|ledger| ledger.is_dead(sequence));
            if dead || grant.record.client != jwt.client || life::obstacle(grant.record, facts, cx)?.is_some()
            {
                return Ok(None);
            }
            live.grant = Some(id);
            live.subject = grant.record.subject.as_ref().map(|subject| subject.id.clone());
            live.authentication = grant.record.subject.as_ref().map(|subject| subject.authentication.clone());
            live.exchange = grant.record.exchange.clone();
        }
        TokenId::Recordless { id, client_epoch } => {
            let tombstone = cx.namespace().revoked_token(id);
            let state = cx.namespace().client_state(&jwt.client);
            facts.read(&[Some(tombstone), Some(state)])?;
            let standing = life::standing(facts.client_state(state)?);
            let revoked = facts.record(tombstone)?.is_some();
            if revoked || !standing.upholds(client_epoch.into()) {
                return Ok(None);
            }
        }
    }
    Ok(Some(live))
}

/// A JWT access token whose signature, issuer and claims are ours; expired or not.
fn read_jwt(token: &str, facts: &Facts, cx: &Context<'_>) -> Result<Option<JwtAccessToken>, Halt> {
    let keys = facts.signing_keys()?;
    Ok(keys
        .access_token_claims(token)
        .and_then(|claims| JwtAccessToken::read(&claims, cx.settings.issuer.as_str())))
}

impl JwtAccessToken {
    /// Reads verified claims; `None` when they are not those of an access token of this issuer.
    fn read(claims: &crate::jose::Claims, issuer: &str) -> Option<Self> {
        if claims.required_string("iss").ok()? != issuer {
            return None;
        }
        let date = |name| claims.required_date(name).ok().map(|date| Timestamp(date.floor()));
        let audience = claims.required_audience().ok()?;
        let resources =
            audience.recipients().iter().filter(|aud| **aud != issuer).map(|aud| Resource::parse(aud));
        Some(Self {
            token_id: TokenId::parse(claims.required_string("jti").ok()?)?,
            client: claims.required_string("client_id").ok()?.into(),
            subject: claims.required_string("sub").ok()?.to_owned(),
            scope: Scope::parse(claims.string("scope").ok()?.unwrap_or_default()).ok()?,
            audience: resources.collect::<Result<_, _>>().ok()?,
            issued_at: date("iat")?,
            valid_until: date("exp")?,
        })
    }
}

/// Whether a recognised refresh token is the live one of a live grant.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing.
pub fn is_live_refresh(
    grant: &Grant,
    handle: &RefreshHandle,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<bool, Halt> {
    let Some(family) = grant.refresh.as_deref() else { return Ok(false) };
    let current = handle.generation == family.generation && handle.digest() == family.digest;
    let in_time = !family.valid_until.is_past(cx.now) && !family.idle_until.is_past(cx.now);
    let obstacle: Option<Reason> = if current && in_time { life::obstacle(grant, facts, cx)? } else { None };
    Ok(current && in_time && obstacle.is_none())
}
