//! Adding tokens to a grant. The batch learns digests; the plan carries what goes over the wire.

use std::time::Duration;

use serde_json::Map;
use smallvec::smallvec;

use super::life;
use super::target::Target;
use crate::client::encryption;
use crate::jose::{Algorithm, MacAlgorithm};
use crate::profile::RefreshRotation;
use crate::protocol::scope::OPENID;
use crate::protocol::{GrantType, Reason, Scope, Secret, Timestamp, TokenType};
use crate::record::assertion::AssertionAlgorithm;
use crate::record::client::ClientSecret;
use crate::record::encryption::Recipient;
use crate::record::grant::{AccessToken, Grant, JwtLedger, RefreshState, TagKey};
use crate::record::{
    ClaimsRequest, Client, Context, Decision, Event, EventKind, Facts, GrantId, Halt, Id, TokenFormat,
};
use crate::token::claims::TokenId;
use crate::token::subject::{seen_by, session_seen_by};
use crate::token::{
    AccessTokenClaims, Delegation, Handle, HandleKind, IdJagClaims, IdTokenClaims, RefreshHandle, user_claims,
};

/// What the token endpoint answers once the decision is committed (RFC 6749 §5.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenPlan {
    /// The access token.
    pub access_token: AccessTokenPlan,
    /// Until when it is valid.
    pub expires_in: Duration,
    /// What it allows.
    pub scope: Scope,
    /// The refresh token.
    pub refresh_token: Option<Secret>,
    /// The ID token.
    pub id_token: Option<Box<IdTokenPlan>>,
    /// What kind of token it is that goes out as the access token, where tokens are exchanged (RFC 8693 §2.2.1).
    pub issued_token_type: Option<TokenType>,
}

/// An ID token to be signed, once the access token it hashes is made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IdTokenPlan {
    /// What it says.
    pub claims: IdTokenClaims,
    /// How it is protected.
    pub protection: Protection,
    /// To whom it is encrypted, if it is.
    pub recipient: Option<Recipient>,
}

/// How a token is protected that a client is told something in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// The server signs it.
    Signature(Algorithm),
    /// With an HMAC under this secret of the client (OpenID Connect Core §10.1).
    Mac(MacAlgorithm, ClientSecret),
}

impl Protection {
    /// The algorithm.
    #[must_use]
    pub const fn algorithm(&self) -> AssertionAlgorithm {
        match self {
            Self::Signature(alg) => AssertionAlgorithm::Signature(*alg),
            Self::Mac(alg, _) => AssertionAlgorithm::Mac(*alg),
        }
    }
}

impl IdTokenPlan {
    /// The same with the name of its grant, where ID tokens can be exchanged, or name a user who is to be asked.
    #[must_use]
    pub fn of_grant(mut self: Box<Self>, id: GrantId, cx: &Context<'_>) -> Box<Self> {
        let comes_back = cx.settings.token_exchange || cx.settings.grant_types.contains(&GrantType::Ciba);
        self.claims.grant = comes_back.then_some(id);
        self
    }
}

/// An access token to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AccessTokenPlan {
    /// Already made.
    Opaque(Secret),
    /// To be signed.
    Jwt(Box<AccessTokenClaims>, Algorithm),
    /// No access token, but to be signed: a grant at another server.
    IdJag(Box<IdJagClaims>, Algorithm),
    /// No access token, but to be signed: an ID token alone.
    IdToken(Box<IdTokenPlan>),
}

/// Adds one access token to a grant, in the format its target asks for.
///
/// # Errors
/// Those of [`seen_by`].
pub fn access_token(
    grant: &mut Grant,
    id: GrantId,
    client: &Client,
    scope: &Scope,
    target: &Target,
    cx: &Context<'_>,
) -> Result<(AccessTokenPlan, Duration), Reason> {
    let lifetime = lifetime(grant, target, cx);
    let valid_until = cx.now.plus(lifetime);
    let plan = match target.format {
        TokenFormat::Opaque => AccessTokenPlan::Opaque(opaque(grant, id, scope, target, valid_until, cx)),
        TokenFormat::Jwt(algorithm) => {
            let ledger = grant.jwts.get_or_insert_default();
            let sequence = ledger.next;
            ledger.next = ledger.next.saturating_add(1);
            ledger.valid_until = ledger.valid_until.max(valid_until);
            let token_id = TokenId::Granted { grant: id.0, sequence };
            AccessTokenPlan::Jwt(Box::new(claims(grant, client, scope, target, token_id, cx)?), algorithm)
        }
    };
    Ok((plan, lifetime))
}

/// How long an access token of this grant lives.
fn lifetime(grant: &Grant, target: &Target, cx: &Context<'_>) -> Duration {
    match &grant.exchange {
        Some(_) => Duration::from_secs(within(grant, cx.now.plus(target.lifetime)).seconds_from(cx.now)),
        None => target.lifetime,
    }
}

/// The end of something that the grant issues: no later than that of the token it was exchanged for.
fn within(grant: &Grant, end: Timestamp) -> Timestamp {
    grant.exchange.as_ref().map_or(end, |own| own.valid_until.min(end))
}

fn opaque(
    grant: &mut Grant,
    id: GrantId,
    scope: &Scope,
    target: &Target,
    valid_until: Timestamp,
    cx: &Context<'_>,
) -> Secret {
    let handle = Handle { id: id.0, secret: cx.random.secret() };
    grant.access.retain(|token| !token.valid_until.is_past(cx.now));
    let others = cx.settings.max_access_tokens.saturating_sub(1);
    grant.access.drain(..grant.access.len().saturating_sub(others));
    grant.access.reserve_exact(1);
    grant.access.push(AccessToken {
        digest: handle.digest(HandleKind::AccessToken),
        scope: scope.clone(),
        audience: target.resources.clone(),
        issued_at: cx.now,
        valid_until,
    });
    handle.encode(HandleKind::AccessToken)
}

/// The claims of an access token of this grant.
///
/// # Errors
/// Those of [`seen_by`].
pub fn claims(
    grant: &Grant,
    client: &Client,
    scope: &Scope,
    target: &Target,
    token_id: TokenId,
    cx: &Context<'_>,
) -> Result<AccessTokenClaims, Reason> {
    let subject = grant.subject.as_ref();
    Ok(AccessTokenClaims {
        issuer: cx.settings.issuer.as_str().to_owned(),
        subject: match (subject, &grant.exchange) {
            (Some(subject), _) => seen_by(client, &subject.id, cx)?.as_str().to_owned(),
            (None, Some(exchange)) => exchange.client_acted_for(&grant.client).as_str().to_owned(),
            (None, None) => grant.client.as_str().to_owned(),
        },
        audience: target.resources.clone(),
        client_id: grant.client.clone(),
        scope: scope.clone(),
        issued_at: cx.now,
        expires_at: cx.now.plus(lifetime(grant, target, cx)),
        token_id,
        authentication: subject.map(|subject| subject.authentication.clone()),
        delegation: Delegation::of(grant.exchange.as_deref(), client, cx)?.map(Box::new),
    })
}

/// The ID token of a grant, where `scope` asks for one (OpenID Connect Core §3.1.3.3, §12.2). Where it is the `only`
/// token, what the scope asks for is told in it (§5.4).
///
/// # Errors
/// [`Halt::Need`] while the claims of the user are unknown and some were asked for; those of [`seen_by`] and
/// [`encryption::recipient`].
pub fn id_token(
    grant: &Grant,
    client: &Client,
    scope: &Scope,
    nonce: Option<&str>,
    only: bool,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Option<Box<IdTokenPlan>>, Halt> {
    let Some(subject) = grant.subject.as_ref().filter(|_| scope.contains(OPENID)) else { return Ok(None) };
    let protection = id_token_protection(client, cx)?;
    let asked = grant.claims.as_deref().unwrap_or(ClaimsRequest::NOTHING);
    let user = match only || !asked.id_token.is_empty() {
        true => {
            let told = facts.claims(&subject.id)?;
            user_claims::select(told, only.then_some(scope), &asked.id_token, &asked.locales)
        }
        false => Map::new(),
    };
    let claims = IdTokenClaims {
        issuer: cx.settings.issuer.as_str().to_owned(),
        subject: seen_by(client, &subject.id, cx)?.as_str().to_owned(),
        audience: grant.client.clone(),
        expires_at: within(grant, cx.now.plus(cx.settings.lifetimes.id_token)),
        issued_at: cx.now,
        authentication: subject.authentication.clone(),
        nonce: nonce.map(str::to_owned),
        session: grant.session.map(|session| session_seen_by(client, session, cx)).transpose()?,
        grant: None,
        delegation: Delegation::of(grant.exchange.as_deref(), client, cx)?.map(Box::new),
        user,
    };
    let recipient = encryption::recipient(client, client.openid.id_token_encryption, facts, cx)?;
    Ok(Some(Box::new(IdTokenPlan { claims, protection, recipient })))
}

/// How the ID tokens and logout tokens of a client are protected.
///
/// # Errors
/// [`Reason::SigningUnavailable`] when the server signs nothing, or not with the algorithm that the client registered, or has
/// no secret of the client for its HMAC: nobody gets a weaker signature than the one they rely on.
pub fn id_token_protection(client: &Client, cx: &Context<'_>) -> Result<Protection, Reason> {
    let algorithms = &cx.settings.signing_algorithms;
    let first = || algorithms.first().copied().map(AssertionAlgorithm::Signature);
    let protection = match client.openid.id_token_alg.or_else(first) {
        Some(AssertionAlgorithm::Signature(alg)) if algorithms.contains(&alg) => {
            Some(Protection::Signature(alg))
        }
        Some(AssertionAlgorithm::Mac(alg)) if cx.settings.id_token_macs().contains(&alg) => {
            encryption::newest_secret(client, cx).map(|secret| Protection::Mac(alg, secret.clone()))
        }
        _ => None,
    };
    protection.ok_or(Reason::SigningUnavailable)
}

/// Issues the first tokens of a grant, for this scope at this target, and writes it: a refresh token, too, if it is
/// `refreshable` and the client gets any.
///
/// # Errors
/// [`Halt::Need`] while a fact is missing; those of [`access_token`] and [`id_token`].
pub fn first_tokens(
    id: GrantId,
    mut grant: Grant,
    client: &Client,
    (scope, target): (&Scope, &Target),
    refreshable: bool,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<Decision<TokenPlan>, Halt> {
    let (access_token, expires_in) = access_token(&mut grant, id, client, scope, target, cx)?;
    let refreshable = refreshable && may_refresh(client, cx);
    let refresh_token = refreshable.then(|| first_refresh_token(&mut grant, id, client, cx));
    let nonce = grant.redeemable.as_ref().and_then(|artefact| artefact.nonce.as_deref());
    let id_token = id_token(&grant, client, scope, nonce, false, facts, cx)?;
    let event = Event::new(EventKind::TokensIssued)
        .client(&client.id)
        .subject(grant.subject.as_ref().map(|subject| &subject.id))
        .grant(id);
    let mut batch = cx.batch();
    batch.put = vec![life::put(id, grant, cx)];
    let plan = TokenPlan {
        access_token,
        expires_in,
        scope: scope.clone(),
        refresh_token,
        id_token: id_token.map(|plan| plan.of_grant(id, cx)),
        issued_token_type: None,
    };
    Ok(Decision { batch, outcome: Ok(plan), events: smallvec![event] })
}

/// Whether a client gets refresh tokens at all.
#[must_use]
pub fn may_refresh(client: &Client, cx: &Context<'_>) -> bool {
    let refresh = GrantType::RefreshToken;
    client.may_use(&refresh) && cx.settings.grant_types.contains(&refresh)
}

/// Gives a grant its first refresh token.
pub fn first_refresh_token(grant: &mut Grant, id: GrantId, client: &Client, cx: &Context<'_>) -> Secret {
    let key = TagKey(Id(cx.random.key()));
    let handle = RefreshHandle::new(id.0, 0, cx.random.other_secret(), &key);
    let longest = cx.now.plus(client.lifetimes.refresh_token.unwrap_or(cx.settings.lifetimes.refresh_token));
    let valid_until = within(grant, longest);
    grant.refresh = Some(Box::new(RefreshState {
        generation: 0,
        digest: handle.digest(),
        tag_key: key,
        idle_until: idle_until(valid_until, client, cx),
        valid_until,
        retry: None,
    }));
    handle.encode()
}

/// Until when a refresh token used now stays valid unused, never beyond the end of its family.
#[must_use]
pub fn idle_until(valid_until: Timestamp, client: &Client, cx: &Context<'_>) -> Timestamp {
    let idle = client.lifetimes.refresh_token_idle.unwrap_or(cx.settings.lifetimes.refresh_token_idle);
    cx.now.plus(idle).min(valid_until)
}

/// Whether this client gets a new refresh token at each use (RFC 9700 §2.2.2).
#[must_use]
pub fn rotates(client: &Client, cx: &Context<'_>) -> bool {
    match cx.settings.refresh.rotation {
        RefreshRotation::Always => true,
        RefreshRotation::Public => client.is_public(),
    }
}

impl JwtLedger {
    /// The most single tokens a grant remembers as revoked.
    pub const MAX_REVOKED: usize = 64;

    /// Whether a token of the grant is revoked or was never issued.
    #[must_use]
    pub fn is_dead(&self, sequence: u32) -> bool {
        sequence >= self.next || sequence < self.floor || self.revoked.contains(&sequence)
    }

    /// Revokes one token. When too many single ones are remembered, the floor rises over the oldest of them, and
    /// every token below it is revoked too.
    pub fn revoke(&mut self, sequence: u32) {
        if self.is_dead(sequence) {
            return;
        }
        self.revoked.push(sequence);
        self.revoked.sort_unstable();
        if self.revoked.len() > Self::MAX_REVOKED {
            let oldest = self.revoked.remove(0);
            self.floor = oldest.saturating_add(1);
        }
    }
}
