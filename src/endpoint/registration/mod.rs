//! Clients that register themselves (RFC 7591) and look after their registration (RFC 7592).
//!
//! ```text
//! POST ──► initial access token, or a quota ──► software statement ──► metadata ──► the host's policy ──► registered
//!            (its own record)                     (issuer's keys)       (rules)      (who, on which terms)
//! GET, PUT, DELETE ──► registration access token ──► PUT: the same way again, and a new token; the same PUT once more, soon
//!                                                     enough: the same answer once more
//! ```
//!
//! What a client may register is decided in [`client::registration`](crate::client::registration), who may by the host.

mod initial_access;
mod manage;
mod register;
mod sector;
mod statement;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value};

pub use initial_access::{EndInitialAccess, InitialAccessToken, IssueInitialAccess};
pub use manage::{
    DeleteRegistration, EndRegistration, ReadRegistration, RegistrationAccess, ReplaceRegistration,
    UPDATE_RETRY_SECONDS,
};
pub use register::RegistrationRequest;

use crate::client::{ClientMetadata, MetadataError};
use crate::grant::life::RETENTION_MARGIN;
use crate::jose::json;
use crate::protocol::{ClientId, Digest, GrantType, OAuthError, Reason, Secret, Timestamp};
use crate::record::client::ClientSecret;
use crate::record::registration::{Admission, Applicant, Refusal, Verdict};
use crate::record::{Context, Facts, Halt, Id, Index, Put, Random, Record, RegisteredClient};
use crate::token::{Handle, HandleKind};

/// What a client is told of its registration (RFC 7591 §3.2.1, RFC 7592 §3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientInformation {
    /// All registered metadata, `client_id` among them.
    pub metadata: Map<String, Value>,
    /// `client_id_issued_at`.
    pub issued_at: Timestamp,
    /// `client_secret`; only what the client has just got or just presented, because nothing else is known.
    pub client_secret: Option<Secret>,
    /// `client_secret_expires_at`, where there is a secret; zero means never.
    pub secret_expires_at: Option<Timestamp>,
    /// `registration_access_token`.
    pub registration_access_token: Secret,
    /// `registration_client_uri`.
    pub registration_client_uri: String,
}

impl ClientInformation {
    fn new(
        record: &RegisteredClient,
        id: &ClientId,
        client_secret: Option<Secret>,
        token: &Handle,
        cx: &Context<'_>,
    ) -> Self {
        let url = cx.settings.self_registration.as_ref().map_or("", |registration| registration.url.as_str());
        Self {
            metadata: record.metadata.clone(),
            issued_at: record.issued_at,
            client_secret,
            secret_expires_at: record.secrets.first().map(|secret| secret.expires_at.unwrap_or_default()),
            registration_access_token: token.encode(HandleKind::Registration),
            registration_client_uri: format!("{url}?client_id={id}"),
        }
    }

    /// The answer as JSON. This is the one place where these secrets leave.
    ///
    /// # Errors
    /// What `serde_json` says, which no such answer can cause.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        let mut members = self.metadata.clone();
        let mut insert = |name: &str, value: Value| members.insert(name.to_owned(), value);
        insert("client_id_issued_at", self.issued_at.0.into());
        if let Some(secret) = &self.client_secret {
            insert("client_secret", secret.expose().into());
        }
        if let Some(at) = self.secret_expires_at {
            insert("client_secret_expires_at", at.0.into());
        }
        insert("registration_access_token", self.registration_access_token.expose().into());
        insert("registration_client_uri", self.registration_client_uri.as_str().into());
        serde_json::to_vec(&members)
    }
}

/// The members of a request body, which is one JSON object.
fn read_members(body: &[u8]) -> Result<Map<String, Value>, OAuthError> {
    Ok(json::from_slice(body).map_err(MetadataError::from)?)
}

/// The metadata that a client gets, and the terms: what it wishes for, where its software statement does not say otherwise,
/// where the host does not say otherwise. The host is asked only about metadata that keep every rule, and what it replaces
/// keeps them too.
fn agree(
    wished: &Map<String, Value>,
    id: &ClientId,
    applicant: Applicant,
    facts: &Facts,
    cx: &Context<'_>,
) -> Result<(ClientMetadata, Admission), Halt> {
    let mut members = wished.clone();
    let software_statement = statement::claims(&members, facts, cx)?;
    if let Some(claims) = &software_statement {
        overlay(&mut members, &statement::about_the_client(claims));
    }
    let mut grant_types = cx.settings.grant_types.clone();
    grant_types.push(GrantType::Implicit);
    let anything = Admission { grant_types, ..Admission::default() };
    let draft = valid(&members, id, &anything, cx)?;
    let mut metadata = draft.to_members().map_err(OAuthError::from)?;
    metadata.remove("client_id");
    let verdict = facts.verdict(&Applicant { metadata, software_statement, ..applicant })?;
    let admission = match verdict {
        Verdict::Admit(admission) => admission.clone(),
        Verdict::Refuse(refusal) => return Err(refused(*refusal).into()),
    };
    overlay(&mut members, &admission.metadata);
    let metadata = valid(&members, id, &admission, cx)?;
    sector::check(&metadata, facts)?;
    Ok((metadata, admission))
}

/// Puts what others say of the client over what it says itself. A member that they name replaces it in every language: what
/// people are shown in theirs would be the client's own word again (RFC 7591 §2.2).
fn overlay(members: &mut Map<String, Value>, others: &Map<String, Value>) {
    members.retain(|name, _| !name.split_once('#').is_some_and(|(plain, _)| others.contains_key(plain)));
    members.extend(others.clone());
}

/// The metadata, if a client can be made of them.
fn valid(
    members: &Map<String, Value>,
    id: &ClientId,
    terms: &Admission,
    cx: &Context<'_>,
) -> Result<ClientMetadata, OAuthError> {
    let metadata = ClientMetadata::of_applicant(members, id, terms, cx.settings)?;
    let (_, secrets) = fresh_secret(&metadata, id, cx)?;
    metadata.register(secrets)?;
    Ok(metadata)
}

const fn refused(refusal: Refusal) -> Reason {
    match refusal {
        Refusal::Closed => Reason::RegistrationClosed,
        Refusal::InitialAccessNeeded => Reason::BearerMissing,
        Refusal::Metadata => Reason::MetadataRefused,
        Refusal::RedirectUri => Reason::RedirectUriRefused,
        Refusal::SoftwareStatement => Reason::StatementUnapproved,
    }
}

/// A new secret of 64 bytes, the most that any HMAC asks for, and what is kept of it; none for a client that has no use for
/// one. It is kept sealed only where it must be read back.
fn fresh_secret(
    metadata: &ClientMetadata,
    id: &ClientId,
    cx: &Context<'_>,
) -> Result<(Option<Secret>, Vec<ClientSecret>), OAuthError> {
    if !metadata.needs_secret() {
        return Ok((None, Vec::new()));
    }
    let secret = drawn_secret(&cx.random);
    let kept = match metadata.needs_secret_sealed() {
        true => sealed(&secret, id, cx)?,
        false => ClientSecret::generated(secret.expose()),
    };
    Ok((Some(secret), vec![kept]))
}

fn drawn_secret(random: &Random) -> Secret {
    let bytes = [random.other_secret(), random.code_secret()];
    Secret::new(URL_SAFE_NO_PAD.encode(bytes.as_flattened()))
}

#[cfg(feature = "aws-lc-rs")]
fn sealed(secret: &Secret, id: &ClientId, cx: &Context<'_>) -> Result<ClientSecret, OAuthError> {
    ClientSecret::sealed(secret.expose(), id, &cx.settings.sealer)
        .map_err(|error| OAuthError::new(Reason::Bug).detail(error.to_string()))
}

/// Without a crypto backend nothing is offered that needs the secret itself.
#[cfg(not(feature = "aws-lc-rs"))]
fn sealed(_: &Secret, _: &ClientId, _: &Context<'_>) -> Result<ClientSecret, OAuthError> {
    Err(Reason::Bug.into())
}

/// Whether a secret that a client has can be kept for these metadata: it has not expired, and is kept as they need it.
fn still_serves(secret: &ClientSecret, metadata: &ClientMetadata, cx: &Context<'_>) -> bool {
    metadata.needs_secret()
        && secret.is_sealed() == metadata.needs_secret_sealed()
        && !secret.is_expired(cx.now)
}

/// A new registration access token of a client, and what is kept of it.
fn fresh_token(id: &ClientId, cx: &Context<'_>) -> (Handle, Digest) {
    let handle = Handle { id: Id(id.key()), secret: cx.random.secret() };
    let digest = handle.digest(HandleKind::Registration);
    (handle, digest)
}

/// The registration as it is written: kept as long as it lasts, and listed among all of them.
fn put(id: &ClientId, record: RegisteredClient, cx: &Context<'_>) -> Put {
    let retain_until = record.valid_until.map_or(Timestamp(u64::MAX), |until| until.plus(RETENTION_MARGIN));
    Put {
        key: cx.namespace().client(id),
        record: Record::Client(record).into(),
        terms: vec![Index::registrations(cx.namespace())],
        retain_until,
    }
}
