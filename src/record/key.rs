//! Keys: what kind of record, of which issuer, and which one.

use std::cmp::Ordering;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::protocol::{ClientId, Digest, ExtensionGrantType, SubjectId, Timestamp, base64};

/// Sixteen bytes that name a record within its kind: minted ones ascend with time, so that inserts stay clustered; the
/// others are digests of a natural key.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Id(pub [u8; 16]);

/// In the order of the bytes, compared as one number.
impl Ord for Id {
    fn cmp(&self, other: &Self) -> Ordering {
        u128::from_be_bytes(self.0).cmp(&u128::from_be_bytes(other.0))
    }
}

impl PartialOrd for Id {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Id {
    /// A new id: 5 bytes of time, 3 bytes of `sequence`, which orders the ids of one second, and 8 random bytes.
    #[must_use]
    pub fn minted(now: Timestamp, sequence: u32, random: [u8; 8]) -> Self {
        let time = u128::from(now.0.min((1 << 40) - 1)) << 88;
        let sequence = u128::from(sequence % (1 << 24)) << 64;
        Self((time | sequence | u128::from(u64::from_be_bytes(random))).to_be_bytes())
    }
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&base64::to_url(&self.0))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl From<Id> for String {
    fn from(id: Id) -> Self {
        id.to_string()
    }
}

impl TryFrom<String> for Id {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl std::str::FromStr for Id {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        base64::from_url(text.as_bytes()).map(Self).ok_or("not sixteen bytes in base64url")
    }
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Id);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

typed_id! {
    /// The id of a [`Grant`](super::Grant).
    GrantId
}
typed_id! {
    /// The id of a [`Session`](super::Session).
    SessionId
}
typed_id! {
    /// The id of an [`Outbox`](super::Outbox) message.
    OutboxId
}
typed_id! {
    /// The id of an [`Interaction`](super::Interaction).
    InteractionId
}

/// Which issuer a record belongs to, so that one store can serve many.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Namespace(pub Id);

impl Namespace {
    /// The namespace of an issuer identifier.
    #[must_use]
    pub fn of_issuer(issuer: &str) -> Self {
        Self(Id(Digest::key_of(&[issuer])))
    }

    /// The key of a grant.
    #[must_use]
    pub const fn grant(self, id: GrantId) -> Key {
        self.key(Kind::Grant, id.0)
    }

    /// The key of how a client polls for a grant.
    #[must_use]
    pub const fn poll(self, id: GrantId) -> Key {
        self.key(Kind::Poll, id.0)
    }

    /// The key of a user code, by a keyed digest of it.
    #[must_use]
    pub const fn user_code(self, id: Id) -> Key {
        self.key(Kind::UserCode, id)
    }

    /// The key of a session.
    #[must_use]
    pub const fn session(self, id: SessionId) -> Key {
        self.key(Kind::Session, id.0)
    }

    /// The key of an interaction.
    #[must_use]
    pub const fn interaction(self, id: InteractionId) -> Key {
        self.key(Kind::Interaction, id.0)
    }

    /// The key of a subject's standing.
    #[must_use]
    pub const fn subject(self, id: &SubjectId) -> Key {
        self.key(Kind::Subject, Id(id.key()))
    }

    /// The key of a client's standing.
    #[must_use]
    pub const fn client_state(self, id: &ClientId) -> Key {
        self.key(Kind::ClientState, Id(id.key()))
    }

    /// The key of what a subject has allowed a client.
    #[must_use]
    pub fn consent(self, client: &ClientId, subject: &SubjectId) -> Key {
        self.key(Kind::Consent, Id(Digest::key_of(&[client.as_str(), subject.as_str()])))
    }

    /// The key of the tombstone of an access token that no grant remembers.
    #[must_use]
    pub const fn revoked_token(self, id: Id) -> Key {
        self.key(Kind::RevokedToken, id)
    }

    /// The marker of a client assertion: claimed once, and then no assertion of this client may bear this `jti`.
    #[must_use]
    pub fn used_assertion(self, client: &ClientId, jti: &str) -> Key {
        self.key(Kind::UsedJti, Id(Digest::key_of(&["client assertion", client.as_str(), jti])))
    }

    /// The marker of a signed authentication request: claimed once, and then no other of this client may bear this `jti`.
    #[must_use]
    pub fn used_authentication_request(self, client: &ClientId, jti: &str) -> Key {
        self.key(Kind::UsedJti, Id(Digest::key_of(&["authentication request", client.as_str(), jti])))
    }

    /// The marker of something that a grant type of the host's own lets be used once.
    #[must_use]
    pub fn used_by_extension(self, grant_type: &ExtensionGrantType, name: &str) -> Key {
        self.key(Kind::UsedJti, Id(Digest::key_of(&["extension grant", grant_type.as_str(), name])))
    }

    /// The marker of an assertion with which tokens are asked for: claimed once, and then none of this issuer may bear this
    /// `jti`.
    #[must_use]
    pub fn used_grant_assertion(self, issuer: &str, jti: &str) -> Key {
        self.key(Kind::UsedJti, Id(Digest::key_of(&["grant assertion", issuer, jti])))
    }

    /// The key of the signing keys.
    #[must_use]
    pub const fn key_ring(self) -> Key {
        self.key(Kind::KeyRing, Id([0; 16]))
    }

    /// The key of a message to another server.
    #[must_use]
    pub const fn outbox(self, id: OutboxId) -> Key {
        self.key(Kind::Outbox, id.0)
    }

    /// The key of a client that registered itself.
    #[must_use]
    pub const fn client(self, id: &ClientId) -> Key {
        self.key(Kind::Client, Id(id.key()))
    }

    /// The key of an initial access token.
    #[must_use]
    pub const fn initial_access(self, id: Id) -> Key {
        self.key(Kind::InitialAccess, id)
    }

    const fn key(self, kind: Kind, id: Id) -> Key {
        Key { namespace: self, kind, id }
    }
}

/// The kind of a record. A record of one kind can never be read as another, whatever its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[non_exhaustive]
pub enum Kind {
    /// [`Record::Grant`](super::Record::Grant).
    Grant = 1,
    /// [`Record::Session`](super::Record::Session).
    Session = 2,
    /// [`Record::Subject`](super::Record::Subject).
    Subject = 3,
    /// [`Record::ClientState`](super::Record::ClientState).
    ClientState = 4,
    /// [`Record::Consent`](super::Record::Consent).
    Consent = 5,
    /// [`Record::Interaction`](super::Record::Interaction).
    Interaction = 6,
    /// [`Record::RevokedToken`](super::Record::RevokedToken).
    RevokedToken = 7,
    /// [`Record::KeyRing`](super::Record::KeyRing).
    KeyRing = 8,
    /// [`Record::UsedJti`](super::Record::UsedJti).
    UsedJti = 9,
    /// [`Record::Outbox`](super::Record::Outbox).
    Outbox = 10,
    /// [`Record::Client`](super::Record::Client).
    Client = 11,
    /// [`Record::InitialAccess`](super::Record::InitialAccess).
    InitialAccess = 12,
    /// [`Record::UserCode`](super::Record::UserCode).
    UserCode = 13,
    /// [`Record::Poll`](super::Record::Poll).
    Poll = 14,
}

impl Kind {
    /// Every kind.
    pub const ALL: &'static [Self] = &[
        Self::Grant,
        Self::Session,
        Self::Subject,
        Self::ClientState,
        Self::Consent,
        Self::Interaction,
        Self::RevokedToken,
        Self::KeyRing,
        Self::UsedJti,
        Self::Outbox,
        Self::Client,
        Self::InitialAccess,
        Self::UserCode,
        Self::Poll,
    ];
}

/// The name of a record in a store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Key {
    /// The issuer it belongs to.
    pub namespace: Namespace,
    /// What is kept under it.
    pub kind: Kind,
    /// Which one.
    pub id: Id,
}
