//! What is remembered, what is asked, and how a change is described.
//!
//! A [`Record`] is a plain value under a [`Key`]. A decision never writes: it returns a [`Batch`] that a store
//! applies whole or not at all, and it learns about the world only through [`Facts`].

pub mod assertion;
pub mod backchannel;
pub mod batch;
pub mod claims_request;
pub mod client;
pub mod codec;
pub mod consent;
pub mod decision;
pub mod encryption;
pub mod event;
pub mod exchange;
pub mod extension;
pub mod facts;
pub mod grant;
pub mod interaction;
pub mod key;
pub mod key_ring;
pub mod logout;
mod need;
pub mod outbox;
pub mod password;
pub mod pending;
pub mod registration;
pub mod request_object;
pub mod resource_server;
pub mod session;
pub mod settings;
pub mod standing;
pub mod trust;

use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use batch::{Batch, BatchId, Expectation, Index, IndexKind, Put};
pub use claims_request::ClaimsRequest;
pub use client::Client;
pub use consent::Consent;
pub use decision::{Context, Decide, Decision, Random};
pub use event::{Event, EventKind};
pub use facts::{Facts, Halt, Need};
pub use grant::Grant;
pub use interaction::Interaction;
pub use key::{GrantId, Id, InteractionId, Key, Kind, Namespace, OutboxId, SessionId};
pub use key_ring::KeyRing;
pub use outbox::Outbox;
pub use pending::{Poll, UserCodeEntry};
pub use registration::{InitialAccess, RegisteredClient};
pub use resource_server::{ResourceServer, TokenFormat};
pub use session::Session;
pub use settings::Settings;
pub use standing::Standing;

/// Everything a store may be asked to keep.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", content = "body", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Record {
    /// The one record of a grant, whatever its type.
    Grant(Grant),
    /// A signed-in browser.
    Session(Session),
    /// Whether a subject may be acted for.
    Subject(Standing),
    /// Whether a client may act.
    ClientState(Standing),
    /// What a subject has allowed a client.
    Consent(Consent),
    /// An authorization request that waits for the user.
    Interaction(Interaction),
    /// A revoked access token that no grant remembers, until it would have expired.
    RevokedToken,
    /// The signing keys, sealed.
    KeyRing(KeyRing),
    /// The `jti` of a one-time token that was used, until it would have expired.
    UsedJti,
    /// A message that has to reach another server.
    Outbox(Outbox),
    /// A client that registered itself.
    Client(RegisteredClient),
    /// An initial access token, with which clients may register themselves.
    InitialAccess(InitialAccess),
    /// Which grant a user code is of.
    UserCode(UserCodeEntry),
    /// How a client polls for a grant that waits for its user.
    Poll(Poll),
}

/// A record and the version it was read at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<R = Arc<Record>> {
    /// The id of the batch that last wrote the record: unique and never reused.
    pub version: BatchId,
    /// The record.
    pub record: R,
}
