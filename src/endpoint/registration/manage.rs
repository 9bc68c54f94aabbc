//! A client reads, replaces or ends its own registration (RFC 7592 §2).

use std::time::Duration;

use serde_json::{Map, Value};
use smallvec::smallvec;

use super::register::Until;
use super::{
    ClientInformation, agree, drawn_secret, fresh_secret, fresh_token, put, read_members, still_serves,
};
use crate::client::MetadataError;
use crate::grant::life::{self, RETENTION_MARGIN};
use crate::jose::Purpose;
use crate::protocol::{ClientId, OAuthError, Reason, Secret};

use crate::record::client::ClientSecret;
use crate::record::facts::Counter;
use crate::record::grant::Nonce;
use crate::record::registration::{Applicant, PresentClient, UpdateRetry};
use crate::record::{
    Context, Decide, Decision, Event, EventKind, Facts, Halt, Id, Put, Random, Record, RegisteredClient,
};
use crate::token::{Handle, HandleKind};

/// Who looks after a registration: the client itself, proven by its registration access token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationAccess {
    client_id: ClientId,
    token: Option<Handle>,
}

impl RegistrationAccess {
    /// Reads the client identifier and the text of the bearer token. What is none of ours is found out when it is looked for.
    #[must_use]
    pub fn read(client_id: &str, token: &str) -> Self {
        Self { client_id: client_id.into(), token: Handle::decode(HandleKind::Registration, token) }
    }

    /// The registration, if the token is its present one.
    fn find<'f>(&self, facts: &'f Facts, cx: &Context<'_>) -> Result<(&'f RegisteredClient, &Handle), Halt> {
        let (record, token) = self.find_by_any_token(facts, cx)?;
        match record.token_digest == token.digest(HandleKind::Registration) {
            true => Ok((record, token)),
            false => Err(Reason::RegistrationTokenInvalid.into()),
        }
    }

    /// The registration, if it lasts and the client is not switched off. Whether the token is its present one is not said. A
    /// client of the host's own has no such token.
    fn find_by_any_token<'f>(
        &self,
        facts: &'f Facts,
        cx: &Context<'_>,
    ) -> Result<(&'f RegisteredClient, &Handle), Halt> {
        let token = self.token.as_ref().filter(|token| token.id.0 == self.client_id.key());
        let token = token.ok_or(Reason::RegistrationTokenInvalid)?;
        let (client, state) =
            (cx.namespace().client(&self.client_id), cx.namespace().client_state(&self.client_id));
        facts.read(&[Some(client), Some(state)])?;
        let record = facts.registered_client(client)?.map(|versioned| versioned.record);
        let record = record.filter(|record| record.is_current(cx.now));
        if life::standing(facts.client_state(state)?).disabled {
            return Err(Reason::RegistrationTokenInvalid.into());
        }
        Ok((record.ok_or(Reason::RegistrationTokenInvalid)?, token))
    }
}

/// A client reads its registration (RFC 7592 §2.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReadRegistration(pub RegistrationAccess);

impl Decide for ReadRegistration {
    type Plan = ClientInformation;

    const READ_ONLY: bool = true;

    fn client_id(&self) -> Option<ClientId> {
        Some(self.0.client_id.clone())
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<ClientInformation>, Halt> {
        let (record, token) = self.0.find(facts, cx)?;
        Ok(Decision::answer(cx, ClientInformation::new(record, &self.0.client_id, None, token, cx)))
    }
}

/// For how many seconds a client that lost the answer to an update may send the same update with the same token again, to get
/// the same answer.
pub const UPDATE_RETRY_SECONDS: u64 = 60;

/// A client replaces its registration: what it leaves out is gone (RFC 7592 §2.2).
///
/// The registration access token is replaced, too (§5). Whoever lost the answer would be locked out for ever; so for
/// [`UPDATE_RETRY_SECONDS`], and until the next update, the very same request is answered again with the very same
/// answer. The old token opens nothing else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReplaceRegistration {
    /// Who asks.
    pub access: RegistrationAccess,
    /// Its `client_secret`, if it sent it along.
    client_secret: Option<Secret>,
    /// What it wishes for, by the registered names.
    metadata: Map<String, Value>,
}

/// What only the server says (RFC 7592 §2.2).
const NOT_THE_CLIENTS: [&str; 4] = [
    "registration_access_token",
    "registration_client_uri",
    "client_secret_expires_at",
    "client_id_issued_at",
];

impl ReplaceRegistration {
    /// Reads the JSON body.
    ///
    /// # Errors
    /// `invalid_client_metadata` when it is no JSON object, names a member twice or is nested deeper than 16, or has a member
    /// that only the server says.
    pub fn read(access: RegistrationAccess, body: &[u8]) -> Result<Self, OAuthError> {
        let contradiction = |rule| Err(MetadataError::Contradiction(rule).into());
        let mut metadata = read_members(body)?;
        if NOT_THE_CLIENTS.iter().any(|member| metadata.contains_key(*member)) {
            return contradiction("a member is one that only the server says (RFC 7592 §2.2)");
        }
        if metadata.get("client_id").and_then(Value::as_str) != Some(access.client_id.as_str()) {
            return contradiction("client_id must be that of the registration (RFC 7592 §2.2)");
        }
        let client_secret = match metadata.remove("client_secret") {
            None | Some(Value::Null) => None,
            Some(Value::String(secret)) => Some(Secret::new(secret)),
            Some(_) => return contradiction("client_secret is not a string"),
        };
        Ok(Self { access, client_secret, metadata })
    }
}

impl Decide for ReplaceRegistration {
    type Plan = ClientInformation;

    fn client_id(&self) -> Option<ClientId> {
        Some(self.access.client_id.clone())
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<ClientInformation>, Halt> {
        if let Some(lost) = self.lost_answer(facts, cx)? {
            return Ok(Decision::answer(cx, lost));
        }
        let (before, token) = self.access.find(facts, cx)?;
        let id = &self.access.client_id;
        facts.within_limit(&Counter::RegistrationUpdates(id.clone(), cx.address), Reason::QuotaExhausted)?;
        if let Some(presented) = &self.client_secret
            && !before.secrets.iter().any(|secret| secret.is(presented, id, cx))
        {
            let rule = "client_secret is not the one that was issued (RFC 7592 §2.2)";
            return Err(OAuthError::from(MetadataError::Contradiction(rule)).into());
        }
        let applicant = Applicant {
            client: Some(PresentClient {
                id: id.clone(),
                metadata: before.metadata.clone(),
                terms: before.terms(cx.now),
            }),
            initial_access: before.introduced_by.clone(),
            address: cx.address,
            ..Applicant::default()
        };
        let (metadata, admission) = agree(&self.metadata, id, applicant, facts, cx)?;

        let nonce = Nonce(Id(cx.random.nonce()));
        let handed_out = Context { random: self.handed_out(token, nonce, cx), ..cx.clone() };
        let until = Until::of(&admission, cx);
        let kept = before.secrets.iter().filter(|secret| still_serves(secret, &metadata, cx));
        let mut secrets: Vec<ClientSecret> = kept.cloned().collect();
        let mut secret = self.client_secret.clone();
        let fresh = secrets.is_empty();
        if fresh {
            (secret, secrets) = fresh_secret(&metadata, id, &handed_out)?;
        }
        if fresh || admission.secret_lifetime.is_none() {
            secrets.iter_mut().for_each(|secret| secret.expires_at = until.secret);
        }
        let (token, token_digest) = fresh_token(id, &handed_out);
        let record = RegisteredClient {
            metadata: metadata.to_members().map_err(OAuthError::from)?,
            secrets,
            token_digest,
            issued_at: before.issued_at,
            valid_until: until.registration,
            introduced_by: before.introduced_by.clone(),
            retry: Some(UpdateRetry { nonce, updated_at: cx.now }),
        };
        let information = ClientInformation::new(&record, id, secret, &token, cx);
        let mut batch = cx.batch();
        batch.put.push(put(id, record, cx));
        let event = Event::new(EventKind::ClientUpdated).client(id);
        Ok(Decision { batch, outcome: Ok(information), events: smallvec![event] })
    }
}

impl ReplaceRegistration {
    /// The randomness of what this update hands out: derived, so that a lost answer can be given again, from the request and
    /// the token it is made with (which only the client has), a nonce (which only the record has) and the server's key (which
    /// neither has).
    fn handed_out(&self, token: &Handle, nonce: Nonce, cx: &Context<'_>) -> Random {
        let metadata = Value::from(self.metadata.clone()).to_string();
        let secret = self.client_secret.as_ref().map_or("", Secret::expose);
        let parts: [&[u8]; 5] =
            [&token.id.0, &token.secret, metadata.as_bytes(), secret.as_bytes(), &nonce.0.0];
        Random::from_seed(cx.settings.sealer.mac(Purpose::RegistrationUpdate, &parts))
    }

    /// The answer once more, if it was this very request that made the registration what it is, and not long ago.
    fn lost_answer(&self, facts: &Facts, cx: &Context<'_>) -> Result<Option<ClientInformation>, Halt> {
        let (record, token) = self.access.find_by_any_token(facts, cx)?;
        let in_time = |retry: &&UpdateRetry| {
            !retry.updated_at.plus(Duration::from_secs(UPDATE_RETRY_SECONDS)).is_past(cx.now)
        };
        let Some(retry) = record.retry.as_ref().filter(in_time) else { return Ok(None) };
        let id = &self.access.client_id;
        let handed_out = Context { random: self.handed_out(token, retry.nonce, cx), ..cx.clone() };
        let (successor, digest) = fresh_token(id, &handed_out);
        if digest != record.token_digest {
            return Ok(None);
        }
        let drawn = drawn_secret(&handed_out.random);
        let was_drawn = record.secrets.iter().any(|secret| secret.is(&drawn, id, cx));
        let secret = if was_drawn { Some(drawn) } else { self.client_secret.clone() };
        Ok(Some(ClientInformation::new(record, id, secret, &successor, cx)))
    }
}

/// A client ends its registration, and with it everything that was issued to it (RFC 7592 §2.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EndRegistration(pub RegistrationAccess);

impl Decide for EndRegistration {
    type Plan = ();

    fn client_id(&self) -> Option<ClientId> {
        Some(self.0.client_id.clone())
    }

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        self.0.find(facts, cx)?;
        ended(&self.0.client_id, facts, cx)
    }
}

/// The operator ends a registration, whoever may hold its token, and with it everything that was issued to the client. Nothing
/// happens where there is none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeleteRegistration(pub ClientId);

impl Decide for DeleteRegistration {
    type Plan = ();

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
        let (client, state) = (cx.namespace().client(&self.0), cx.namespace().client_state(&self.0));
        facts.read(&[Some(client), Some(state)])?;
        match facts.registered_client(client)? {
            Some(_) => ended(&self.0, facts, cx),
            None => Ok(Decision::answer(cx, ())),
        }
    }
}

/// The registration is gone, and whatever was issued to the client is dead. Its identifier was random and is nobody's again: so
/// its standing is forgotten when nothing that it was issued could be used, unless a resource has tokens that last longer: those
/// are dead without the registration.
fn ended(id: &ClientId, facts: &Facts, cx: &Context<'_>) -> Result<Decision<()>, Halt> {
    let state = cx.namespace().client_state(id);
    let standing = life::standing(facts.client_state(state)?).disable();
    let mut batch = cx.batch();
    batch.delete.push(cx.namespace().client(id));
    batch.put.push(Put {
        key: state,
        record: Record::ClientState(standing).into(),
        terms: Vec::new(),
        retain_until: cx.now.plus(cx.settings.longest_life()).plus(RETENTION_MARGIN),
    });
    let event = Event::new(EventKind::ClientDeregistered).client(id);
    Ok(Decision { batch, outcome: Ok(()), events: smallvec![event] })
}
