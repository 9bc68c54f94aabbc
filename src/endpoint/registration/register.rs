//! A client registers itself (RFC 7591 §3, OpenID Connect Dynamic Client Registration §3).

use serde_json::{Map, Value};
use smallvec::smallvec;

use super::{ClientInformation, InitialAccessToken, agree, fresh_secret, fresh_token, put, read_members};
use crate::protocol::{ClientId, OAuthError, Reason, Timestamp};
use crate::record::batch::Expectation;
use crate::record::facts::Counter;
use crate::record::registration::{Admission, Applicant};
use crate::record::{Context, Decide, Decision, Event, EventKind, Facts, Halt, RegisteredClient};

/// A request to the registration endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RegistrationRequest {
    /// The initial access token, if one was presented.
    pub initial_access: Option<InitialAccessToken>,
    /// What the client wishes for, by the registered names.
    pub metadata: Map<String, Value>,
}

impl RegistrationRequest {
    /// Reads the bearer token, if there is one, and the JSON body.
    ///
    /// # Errors
    /// `invalid_client_metadata` when the body is no JSON object, names a member twice or is nested deeper than 16.
    pub fn read(token: Option<&str>, body: &[u8]) -> Result<Self, OAuthError> {
        let mut metadata = read_members(body)?;
        // A client does not choose its secret; what it sends is kept nowhere and printed nowhere.
        metadata.remove("client_secret");
        Ok(Self { initial_access: token.map(InitialAccessToken::read), metadata })
    }
}

impl Decide for RegistrationRequest {
    type Plan = ClientInformation;

    fn decide(&self, facts: &Facts, cx: &Context<'_>) -> Result<Decision<ClientInformation>, Halt> {
        if !cx.settings.self_registration.as_ref().is_some_and(|registration| registration.open) {
            return Err(Reason::RegistrationClosed.into());
        }
        let access = self.initial_access.as_ref().map(|token| token.find(facts, cx)).transpose()?;
        // Counted so that nobody fills the store; and with a token, which is spent by success alone, so that nobody has the
        // document of a sector fetched without end.
        facts.within_limit(&Counter::Registrations(cx.address), Reason::QuotaExhausted)?;
        let id = ClientId::new(cx.id().to_string());
        let introduced_by = access.map(|access| access.name.clone());
        let applicant =
            Applicant { initial_access: introduced_by.clone(), address: cx.address, ..Applicant::default() };
        let (metadata, admission) = agree(&self.metadata, &id, applicant, facts, cx)?;

        let (secret, mut secrets) = fresh_secret(&metadata, &id, cx)?;
        let until = Until::of(&admission, cx);
        secrets.iter_mut().for_each(|secret| secret.expires_at = until.secret);
        let (token, token_digest) = fresh_token(&id, cx);
        let record = RegisteredClient {
            metadata: metadata.to_members().map_err(OAuthError::from)?,
            secrets,
            token_digest,
            issued_at: cx.now,
            valid_until: until.registration,
            introduced_by,
            retry: None,
        };
        let information = ClientInformation::new(&record, &id, secret, &token, cx);
        let mut batch = cx.batch();
        batch.expect(cx.namespace().client(&id), Expectation::Absent);
        batch.put.push(put(&id, record, cx));
        if let (Some(token), Some(access)) = (&self.initial_access, access) {
            token.spend(access, &mut batch, cx);
        }
        let event = Event::new(EventKind::ClientRegistered).client(&id);
        Ok(Decision { batch, outcome: Ok(information), events: smallvec![event] })
    }
}

/// Until when a registration and a secret made now can be used.
pub(super) struct Until {
    pub(super) registration: Option<Timestamp>,
    pub(super) secret: Option<Timestamp>,
}

impl Until {
    pub(super) fn of(admission: &Admission, cx: &Context<'_>) -> Self {
        let registration = admission.lifetime.map(|lifetime| cx.now.plus(lifetime));
        let secret = admission.secret_lifetime.map(|lifetime| cx.now.plus(lifetime));
        Self { registration, secret: registration.into_iter().chain(secret).min() }
    }
}
