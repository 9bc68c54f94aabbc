//! What a decision can ask for before it is taken.

use std::net::IpAddr;

use smallvec::SmallVec;
use url::Url;

use super::backchannel::UserEnquiry;
use super::exchange::Exchange;
use super::extension::HostQuestion;
use super::grant::Authentication;
use super::key::{Id, Key};
use super::password::PasswordAttempt;
use super::registration::Applicant;
use super::trust::Statement;
use crate::jose::KeyAlgorithm;
use crate::protocol::{ClientId, OAuthError, Reason, Resource, Scope, Secret, SubjectId, Timestamp};

/// Why a decision could not be taken yet, or that it was taken at once.
#[derive(Clone, Debug)]
pub enum Halt {
    /// A fact is missing.
    Need(Need),
    /// The request is refused and nothing is written.
    Refuse(OAuthError),
}

impl From<OAuthError> for Halt {
    fn from(error: OAuthError) -> Self {
        Self::Refuse(error)
    }
}

impl From<Reason> for Halt {
    fn from(reason: Reason) -> Self {
        Self::Refuse(reason.into())
    }
}

/// A fact that a decision asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Need {
    /// The registration of a client.
    Client(String),
    /// The records under these keys, read together.
    Records(SmallVec<[Key; 3]>),
    /// Whether the host still knows the subject.
    Account(SubjectId),
    /// What the host says about the subject.
    Claims(SubjectId),
    /// What the host requires of a user first.
    Step(Box<Visitor>),
    /// What is known of a protected resource.
    Resource(Resource),
    /// The public keys this server signs with.
    SigningKeys,
    /// Whether a secret matches a slow hash, computed off the async thread.
    SlowHash {
        /// What was presented.
        presented: Secret,
        /// The PHC string it is compared with.
        expected: Secret,
    },
    /// One more event on a counter, and whether its limit still allows it.
    Allowance(Counter),
    /// That nobody has claimed this marker before, and that nobody can from now on.
    Claim {
        /// What is claimed.
        marker: Key,
        /// Until when what it stands for could be presented again.
        valid_until: Timestamp,
    },
    /// The keys of a client behind its `jwks_uri`.
    ClientKeys(Box<WantedKey>),
    /// The request object at a place that its client registered.
    RequestObject(Box<Url>),
    /// What is in a token that was encrypted to the server.
    Decryption(Secret),
    /// The document that lists the redirect URIs of a sector.
    SectorDocument(Box<Url>),
    /// Whether somebody may register as a client, or change a registration.
    Registration(Box<Applicant>),
    /// The keys of an issuer of software statements.
    StatementKeys(String),
    /// Who is meant by a hint, and whether that user may be asked.
    User(Box<UserEnquiry>),
    /// Whether tokens may be exchanged.
    Exchange(Box<Exchange>),
    /// What is trusted of another issuer.
    TrustedIssuer(String),
    /// The user that a statement of another issuer is about.
    KnownSubject(Box<Statement>),
    /// Whose name and password these are.
    Password(PasswordAttempt),
    /// What the host answers to a grant type of its own.
    Host(Box<HostQuestion>),
}

/// A key that is looked for in a key set elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedKey {
    /// Where the set is.
    pub uri: Url,
    /// The name of the key, if the token gives one.
    pub kid: Option<String>,
    /// What it is needed for.
    pub alg: KeyAlgorithm,
}

/// What came of claiming a one-time marker.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Claim {
    /// It was claimed now, for the first time.
    Fresh,
    /// It had been claimed before.
    Seen,
}

/// Something that is counted so that it can be limited.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Counter {
    /// Failed authentications of a client from an address; under all names that are no client's together.
    ClientFailures(Option<ClientId>, Option<IpAddr>),
    /// Tries of a client secret that a person may have chosen, from an address; under all names that are no client's
    /// together.
    SlowComparisons(Option<ClientId>, Option<IpAddr>),
    /// Interactions begun by a client's users from an address.
    Interactions(ClientId, Option<IpAddr>),
    /// Device authorizations begun by a client from an address.
    DeviceAuthorizations(ClientId, Option<IpAddr>),
    /// Users asked by a client, from an address.
    BackchannelAuthentications(ClientId, Option<IpAddr>),
    /// User codes tried, right or wrong, by someone who is signed in: in one session, or as one user where the host keeps the
    /// sessions.
    UserCodesOfSession(Id),
    /// User codes tried, right or wrong, from an address.
    UserCodesFrom(Option<IpAddr>),
    /// Registrations begun from an address without an initial access token.
    Registrations(Option<IpAddr>),
    /// Changes of the registration of a client, from an address.
    RegistrationUpdates(ClientId, Option<IpAddr>),
    /// Guesses of the password of a user, by a digest of the name, from an address; of all users' together.
    Passwords(Option<Id>, Option<IpAddr>),
    /// Guesses of the password of a user, by a digest of the name, from wherever.
    PasswordsFromEverywhere(Id),
}

/// What a [`Counter`] answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Allowance {
    /// Within the limit.
    Granted,
    /// Beyond it; try again after so many seconds.
    Exhausted {
        /// Seconds.
        retry_after: u32,
    },
}

/// What the host says of a subject.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Account {
    /// It may be acted for.
    Active,
    /// It is locked, disabled or gone.
    Inactive,
}

/// Who is about to go on to a client, as the host is told that may require something first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Visitor {
    /// Who.
    pub subject: SubjectId,
    /// How and when the user signed in.
    pub authentication: Authentication,
    /// To which client.
    pub client: ClientId,
    /// For what.
    pub scope: Scope,
}
