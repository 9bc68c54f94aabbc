//! Revocation (RFC 7009): a client gives up a token of its own.

use super::token::{refuse_faults, required};
use crate::client::Credentials;
use crate::grant::life;
use crate::grant::resolve::{self, JwtAccessToken, Recognised};
use crate::protocol::{ClientId, OAuthError, Params, Reason};
use crate::record::grant::{EndReason, Grant, GrantStatus, JwtLedger};
use crate::record::{Client, Context, Decide, Decision, Event, EventKind, Facts, GrantId, Halt, Put, Record};
use crate::token::PresentedToken;
use crate::token::claims::TokenId;
use smallvec::smallvec;

/// A request to the revocation endpoint. `token_type_hint` is not needed: a token tells what it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RevocationRequest {
    /// Who asks.
    pub credentials: Credentials,
    /// `token`.
    pub token: PresentedToken,
}

impl RevocationRequest {
    /// Reads the form body and the `Authorization` header.
    ///
    /// # Errors
    /// `invalid_request` or `invalid_client`.
    pub fn read(authorization: Option<&[u8]>, params: &Params<'_>) -> Result<Self, OAuthError> {
        refuse_faults(params)?;
        let credentials = Credentials::read(authorization, params)?;
        Ok(Self { credentials, token: PresentedToken::read(required(params, "token")?) })
    }
}

impl Decide for RevocationRequest {
    type Plan = ();

    fn client_id(&self) -> Option<ClientId> {
        Some(self.credentials.client_id.as_str().into())
    }

    fn read_ahead(&self, facts: &Facts, cx: &Context<'_>) -> Result<(), Halt> {
        let grant = self.token.grant().map(|id| cx.namespace().grant(id));
        self.credentials.read_ahead(&[grant], facts, cx)?;
        resolve::read_keys_ahead(&self.token, facts)
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let client = life::acting_client(&self.credentials, facts, cx)?;
        match resolve::recognise(&self.token, facts, cx)? {
            None => Ok(Decision::answer(cx, ())),
            Some(Recognised::Opaque(_, grant, _) | Recognised::Refresh(_, grant, _))
                if grant.record.status != GrantStatus::Active =>
            {
                Ok(Decision::answer(cx, ()))
            }
            Some(Recognised::Jwt(jwt)) if jwt.valid_until.is_past(cx.now) => Ok(Decision::answer(cx, ())),
            Some(Recognised::Opaque(id, grant, at)) => {
                own(&grant.record.client, client)?;
                let mut after = grant.record.clone();
                after.access.remove(at);
                Ok(revoked(id, grant.record, after, cx))
            }
            Some(Recognised::Refresh(id, grant, _)) => {
                own(&grant.record.client, client)?;
                let after = life::ended(grant.record, EndReason::Revoked);
                Ok(revoked(id, grant.record, after, cx))
            }
            Some(Recognised::Jwt(jwt)) => {
                own(&jwt.client, client)?;
                revoke_jwt(&jwt, facts, cx)
            }
        }
    }
}

fn own(holder: &ClientId, caller: &Client) -> Result<(), OAuthError> {
    if *holder == caller.id { Ok(()) } else { Err(Reason::TokenOtherClient.into()) }
}

fn revoke_jwt(jwt: &JwtAccessToken, facts: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
    match jwt.token_id {
        TokenId::Granted { grant: id, sequence } => {
            let id = GrantId(id);
            let Some(grant) = facts.grant(cx.namespace().grant(id))? else {
                return Ok(Decision::answer(cx, ()));
            };
            let mut after = grant.record.clone();
            after.jwts.get_or_insert_default().revoke(sequence);
            Ok(revoked(id, grant.record, after, cx))
        }
        TokenId::Recordless { id, .. } => {
            let mut batch = cx.batch();
            batch.put.push(Put {
                key: cx.namespace().revoked_token(id),
                record: std::sync::Arc::new(Record::RevokedToken),
                terms: Vec::new(),
                retain_until: jwt.valid_until.plus(life::RETENTION_MARGIN),
            });
            let event = Event::new(EventKind::TokenRevoked).client(&jwt.client);
            Ok(Decision { batch, outcome: Ok(()), events: smallvec![event] })
        }
    }
}

/// Writes what is left of a grant after a revocation; a grant that has nothing left has ended.
fn revoked(id: GrantId, before: &Grant, mut after: Grant, cx: &Context<'_>) -> Decision<()> {
    if before.status != GrantStatus::Active {
        return Decision::answer(cx, ());
    }
    if is_spent(&after, cx) {
        after.status = GrantStatus::Ended(EndReason::Revoked);
    }
    let kind = match after.status {
        GrantStatus::Ended(_) => EventKind::GrantRevoked,
        _ => EventKind::TokenRevoked,
    };
    let event = Event::new(kind)
        .client(&after.client)
        .subject(after.subject.as_ref().map(|subject| &subject.id))
        .grant(id);
    let mut batch = cx.batch();
    batch.put.push(life::put(id, after, cx));
    Decision { batch, outcome: Ok(()), events: smallvec![event] }
}

/// Whether a grant can never again be used for anything.
fn is_spent(grant: &Grant, cx: &Context<'_>) -> bool {
    let jwt_alive = grant.jwts.as_ref().is_some_and(|ledger| {
        !ledger.valid_until.is_past(cx.now)
            && (ledger.floor..ledger.next).rev().take(JwtLedger::MAX_REVOKED + 1).any(|n| !ledger.is_dead(n))
    });
    let code_open = grant.redeemable.as_ref().is_some_and(|code| !code.spent);
    grant.access.is_empty() && grant.refresh.is_none() && !code_open && !jwt_alive
}
