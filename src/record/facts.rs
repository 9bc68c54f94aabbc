//! Facts: what a decision has learned so far, and how it asks for more (what it can ask for is a [`Need`]).
//!
//! A decision reads facts as if everything were at hand. A fact that is not known yet turns into
//! [`Halt::Need`], which `?` carries to whoever runs the decision; it fetches the fact, adds it with
//! [`Facts::learn`] and runs the decision again. What was neither asked for nor hinted at
//! cannot influence the outcome.

use std::sync::Arc;

use serde_json::{Map, Value};
use smallvec::{SmallVec, smallvec};
use url::Url;

pub use super::need::{Account, Allowance, Claim, Counter, Halt, Need, Visitor, WantedKey};

use super::backchannel::{Identified, UserEnquiry};
use super::exchange::{self, Exchange};
use super::extension::{HostAnswer, HostQuestion};
use super::key::Key;
use super::key_ring::PublishedKeys;
use super::password::{PasswordAttempt, PasswordVerdict};
use super::registration::{Applicant, Verdict};
use super::trust::{KnownSubject, Statement, TrustedIssuer};
use super::{
    Client, Consent, Grant, InitialAccess, Interaction, Outbox, Poll, Record, RegisteredClient,
    ResourceServer, Session, Standing, UserCodeEntry, Versioned,
};
use crate::protocol::{OAuthError, Reason, Resource, Secret, SubjectId, Timestamp};

/// One fact that was fetched.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Fact {
    /// Answers [`Need::Client`].
    Client(String, Option<Arc<Client>>),
    /// Answers [`Need::Records`], key by key.
    Records(Vec<(Key, Option<Versioned>)>),
    /// Answers [`Need::Account`].
    Account(SubjectId, Account),
    /// Answers [`Need::Claims`].
    Claims(SubjectId, Arc<Map<String, Value>>),
    /// Answers [`Need::Step`]: the name of the step.
    Step(Box<Visitor>, Option<Arc<str>>),
    /// Answers [`Need::Resource`].
    Resource(Resource, Option<Arc<ResourceServer>>),
    /// Answers [`Need::SigningKeys`].
    SigningKeys(Arc<PublishedKeys>),
    /// Answers [`Need::SlowHash`] for this PHC string.
    SlowHash(Secret, bool),
    /// Answers [`Need::Allowance`].
    Allowance(Counter, Allowance),
    /// Answers [`Need::Claim`] for this marker.
    Claim(Key, Claim),
    /// Answers [`Need::ClientKeys`]: the keys, or why there are none.
    ClientKeys(Box<WantedKey>, Result<Arc<PublishedKeys>, Box<str>>),
    /// Answers [`Need::Decryption`] of this token: the text in it, if there is any for us.
    Decryption(Secret, Option<Secret>),
    /// Answers [`Need::SectorDocument`]: the document, or why there is none.
    SectorDocument(Box<Url>, Result<Arc<[u8]>, Box<str>>),
    /// Answers [`Need::RequestObject`]: its text, or why there is none.
    RequestObject(Box<Url>, Result<Arc<str>, Box<str>>),
    /// Answers [`Need::Registration`].
    Registration(Box<Applicant>, Box<Verdict>),
    /// Answers [`Need::StatementKeys`]: the keys, or that this issuer is not trusted.
    StatementKeys(String, Option<Arc<PublishedKeys>>),
    /// Answers [`Need::User`].
    User(Box<UserEnquiry>, Identified),
    /// Answers [`Need::Exchange`].
    Exchange(Box<Exchange>, Box<exchange::Verdict>),
    /// Answers [`Need::TrustedIssuer`]: what is trusted, or that nothing is.
    TrustedIssuer(String, Option<Arc<TrustedIssuer>>),
    /// Answers [`Need::KnownSubject`]: the user, or that nobody here is meant.
    KnownSubject(Box<Statement>, Option<Box<KnownSubject>>),
    /// Answers [`Need::Password`].
    Password(PasswordAttempt, PasswordVerdict),
    /// Answers [`Need::Host`].
    Host(Box<HostQuestion>, HostAnswer),
}

/// Everything a decision has learned.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    records: SmallVec<[(Key, Option<Versioned>); 4]>,
    others: SmallVec<[Fact; 2]>,
}

impl Facts {
    /// Nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds what was fetched.
    pub fn learn(&mut self, fact: Fact) {
        match fact {
            Fact::Records(records) => self.records.extend(records),
            other => self.others.push(other),
        }
    }

    /// Adds the record that was read under this key.
    pub fn learn_record(&mut self, key: Key, record: Option<Versioned>) {
        self.records.push((key, record));
    }

    /// Forgets the records, after a lost race, and with them the clients that registered themselves, which are made of
    /// records; answers of people, hosts and counters stay, and so does what was claimed.
    pub fn forget_records(&mut self) {
        self.records.clear();
        self.others.retain(|fact| !matches!(fact, Fact::Client(_, Some(client)) if client.self_registered));
    }

    /// The records that were read.
    #[must_use]
    pub fn records(&self) -> &[(Key, Option<Versioned>)] {
        &self.records
    }

    /// Asks for several records at once, so that they are read in one go.
    ///
    /// # Errors
    /// [`Halt::Need`] while any is unknown.
    pub fn read<'k>(&self, keys: impl IntoIterator<Item = &'k Option<Key>>) -> Result<(), Halt> {
        let mut unknown = SmallVec::new();
        keys.into_iter().flatten().for_each(|key| {
            if self.known(key).is_none() {
                unknown.push(*key);
            }
        });
        if unknown.is_empty() { Ok(()) } else { Err(Halt::Need(Need::Records(unknown))) }
    }

    /// Ids are compared first, because all else is mostly equal.
    fn known(&self, key: &Key) -> Option<&Option<Versioned>> {
        self.records.iter().find(|(own, _)| own.id == key.id && own == key).map(|(_, record)| record)
    }

    /// The record under `key`.
    ///
    /// # Errors
    /// [`Halt::Need`] while it is unknown.
    pub fn record(&self, key: Key) -> Result<Option<&Versioned>, Halt> {
        match self.known(&key) {
            Some(record) => Ok(record.as_ref()),
            None => Err(Halt::Need(Need::Records(smallvec![key]))),
        }
    }

    /// The client registered as `id`.
    ///
    /// # Errors
    /// [`Halt::Need`] while it is unknown whether there is one.
    pub fn client(&self, id: &str) -> Result<Option<&Arc<Client>>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::Client(own, client) if own == id => Some(client.as_ref()),
                _ => None,
            },
            || Need::Client(id.into()),
        )
    }

    /// What the host says of a subject.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn account(&self, subject: &SubjectId) -> Result<Account, Halt> {
        self.answer(
            |fact| match fact {
                Fact::Account(own, account) if own == subject => Some(*account),
                _ => None,
            },
            || Need::Account(subject.clone()),
        )
    }

    /// What the host says about a subject, claim by claim.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn claims(&self, subject: &SubjectId) -> Result<&Arc<Map<String, Value>>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::Claims(own, claims) if own == subject => Some(claims),
                _ => None,
            },
            || Need::Claims(subject.clone()),
        )
    }

    /// The step that the host requires of a user first, if it does.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn step(&self, visitor: &Visitor) -> Result<Option<&Arc<str>>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::Step(own, step) if **own == *visitor => Some(step.as_ref()),
                _ => None,
            },
            || Need::Step(Box::new(visitor.clone())),
        )
    }

    /// What is known of a protected resource.
    ///
    /// # Errors
    /// [`Halt::Need`] while it is unknown whether there is one.
    pub fn resource(&self, resource: &Resource) -> Result<Option<&Arc<ResourceServer>>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::Resource(own, server) if own == resource => Some(server.as_ref()),
                _ => None,
            },
            || Need::Resource(resource.clone()),
        )
    }

    /// The public keys this server signs with.
    ///
    /// # Errors
    /// [`Halt::Need`] while they are unknown.
    pub fn signing_keys(&self) -> Result<&Arc<PublishedKeys>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::SigningKeys(keys) => Some(keys),
                _ => None,
            },
            || Need::SigningKeys,
        )
    }

    /// Whether `presented` matches the slow hash `expected`.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn slow_hash(&self, presented: &Secret, expected: &str) -> Result<bool, Halt> {
        self.answer(
            |fact| match fact {
                Fact::SlowHash(own, matches) if own.expose() == expected => Some(*matches),
                _ => None,
            },
            || Need::SlowHash { presented: presented.clone(), expected: Secret::new(expected) },
        )
    }

    /// Counts one event, which is refused for `reason` where its limit is reached.
    ///
    /// # Errors
    /// [`Halt::Need`] while it has not been counted; the refusal says when to try again.
    pub fn within_limit(&self, counter: &Counter, reason: Reason) -> Result<(), Halt> {
        match self.allowance(counter)? {
            Allowance::Granted => Ok(()),
            Allowance::Exhausted { retry_after } => {
                Err(OAuthError::new(reason).retry_after(retry_after).into())
            }
        }
    }

    /// Counts one event and says whether its limit still allows it.
    ///
    /// # Errors
    /// [`Halt::Need`] while it has not been counted.
    pub fn allowance(&self, counter: &Counter) -> Result<Allowance, Halt> {
        self.answer(
            |fact| match fact {
                Fact::Allowance(own, allowance) if own == counter => Some(*allowance),
                _ => None,
            },
            || Need::Allowance(counter.clone()),
        )
    }

    /// Claims a one-time marker. A claim is made once, however often the decision is run again.
    ///
    /// # Errors
    /// [`Halt::Need`] while it has not been made.
    pub fn claim(&self, marker: Key, valid_until: Timestamp) -> Result<Claim, Halt> {
        self.claimed(marker).ok_or(Halt::Need(Need::Claim { marker, valid_until }))
    }

    /// What came of claiming a marker, if this request has claimed it already.
    #[must_use]
    pub fn claimed(&self, marker: Key) -> Option<Claim> {
        self.others.iter().find_map(|fact| match fact {
            Fact::Claim(own, claim) if *own == marker => Some(*claim),
            _ => None,
        })
    }

    /// The key set in which a key of a client is looked for, or why it cannot be had.
    ///
    /// # Errors
    /// [`Halt::Need`] while it is unknown.
    pub fn client_keys(&self, wanted: &WantedKey) -> Result<Result<&Arc<PublishedKeys>, &str>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::ClientKeys(own, keys) if **own == *wanted => Some(keys.as_ref().map_err(AsRef::as_ref)),
                _ => None,
            },
            || Need::ClientKeys(Box::new(wanted.clone())),
        )
    }

    /// The text of the request object at a place that its client registered, or why it cannot be had.
    ///
    /// # Errors
    /// [`Halt::Need`] while it is unknown.
    pub fn request_object(&self, uri: &Url) -> Result<Result<&str, &str>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::RequestObject(own, object) if **own == *uri => {
                    Some(object.as_deref().map_err(AsRef::as_ref))
                }
                _ => None,
            },
            || Need::RequestObject(Box::new(uri.clone())),
        )
    }

    /// The text in a token that was encrypted to the server; `None` when it was not, or was changed.
    ///
    /// # Errors
    /// [`Halt::Need`] while it is unknown.
    pub fn decrypted(&self, token: &str) -> Result<Option<&str>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::Decryption(own, text) if own.expose() == token => {
                    Some(text.as_ref().map(Secret::expose))
                }
                _ => None,
            },
            || Need::Decryption(Secret::new(token)),
        )
    }

    /// What the host says to somebody who wants to register.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn verdict(&self, applicant: &Applicant) -> Result<&Verdict, Halt> {
        self.answer(
            |fact| match fact {
                Fact::Registration(own, verdict) if **own == *applicant => Some(verdict.as_ref()),
                _ => None,
            },
            || Need::Registration(Box::new(applicant.clone())),
        )
    }

    /// Who is meant by a hint, as the host has it.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn identified(&self, enquiry: &UserEnquiry) -> Result<&Identified, Halt> {
        self.answer(
            |fact| match fact {
                Fact::User(own, identified) if **own == *enquiry => Some(identified),
                _ => None,
            },
            || Need::User(Box::new(enquiry.clone())),
        )
    }

    /// The keys of an issuer of software statements; `None` for one that is not trusted.
    ///
    /// # Errors
    /// [`Halt::Need`] while they are unknown.
    pub fn statement_keys(&self, issuer: &str) -> Result<Option<&Arc<PublishedKeys>>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::StatementKeys(own, keys) if own == issuer => Some(keys.as_ref()),
                _ => None,
            },
            || Need::StatementKeys(issuer.to_owned()),
        )
    }

    /// What the host says to an exchange of tokens.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn exchange(&self, exchange: &Exchange) -> Result<&exchange::Verdict, Halt> {
        self.answer(
            |fact| match fact {
                Fact::Exchange(own, verdict) if **own == *exchange => Some(verdict.as_ref()),
                _ => None,
            },
            || Need::Exchange(Box::new(exchange.clone())),
        )
    }

    /// What is trusted of another issuer; `None` for one that is not trusted.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn trusted_issuer(&self, issuer: &str) -> Result<Option<&TrustedIssuer>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::TrustedIssuer(own, trust) if own == issuer => Some(trust.as_deref()),
                _ => None,
            },
            || Need::TrustedIssuer(issuer.to_owned()),
        )
    }

    /// The user that a statement of another issuer is about; `None` when nobody here is meant.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn known_subject(&self, statement: &Statement) -> Result<Option<&KnownSubject>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::KnownSubject(own, subject) if **own == *statement => Some(subject.as_deref()),
                _ => None,
            },
            || Need::KnownSubject(Box::new(statement.clone())),
        )
    }

    /// Whose name and password these are.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn password(&self, attempt: &PasswordAttempt) -> Result<&PasswordVerdict, Halt> {
        self.answer(
            |fact| match fact {
                Fact::Password(own, verdict) if own == attempt => Some(verdict),
                _ => None,
            },
            || Need::Password(attempt.clone()),
        )
    }

    /// What the host answers to a grant type of its own.
    ///
    /// # Errors
    /// [`Halt::Need`] while that is unknown.
    pub fn host_answer(&self, question: &HostQuestion) -> Result<&Value, Halt> {
        self.answer(
            |fact| match fact {
                Fact::Host(own, answer) if **own == *question => Some(&answer.0),
                _ => None,
            },
            || Need::Host(Box::new(question.clone())),
        )
    }

    /// The document that lists the redirect URIs of a sector, or why it cannot be had.
    ///
    /// # Errors
    /// [`Halt::Need`] while it is unknown.
    pub fn sector_document(&self, uri: &Url) -> Result<Result<&[u8], &str>, Halt> {
        self.answer(
            |fact| match fact {
                Fact::SectorDocument(own, document) if **own == *uri => {
                    Some(document.as_deref().map_err(AsRef::as_ref))
                }
                _ => None,
            },
            || Need::SectorDocument(Box::new(uri.clone())),
        )
    }

    fn answer<'a, T>(
        &'a self,
        find: impl FnMut(&'a Fact) -> Option<T>,
        need: impl FnOnce() -> Need,
    ) -> Result<T, Halt> {
        self.others.iter().find_map(find).ok_or_else(|| Halt::Need(need()))
    }
}

macro_rules! typed_records {
    ($($(#[$doc:meta])* $name:ident: $variant:ident => $record:ty;)*) => {
        impl Facts {
            $(
                $(#[$doc])*
                ///
                /// # Errors
                /// [`Halt::Need`] while it is unknown; [`Reason::Bug`] when the store answers with a record of
                /// another kind.
                pub fn $name(&self, key: Key) -> Result<Option<Versioned<&$record>>, Halt> {
                    match self.record(key)? {
                        None => Ok(None),
                        Some(Versioned { version, record }) => match record.as_ref() {
                            Record::$variant(record) => Ok(Some(Versioned { version: *version, record })),
                            _ => Err(Reason::Bug.into()),
                        },
                    }
                }
            )*
        }
    };
}

typed_records! {
    /// The grant under `key`.
    grant: Grant => Grant;
    /// The session under `key`.
    session: Session => Session;
    /// The interaction under `key`.
    interaction: Interaction => Interaction;
    /// The consent under `key`.
    consent: Consent => Consent;
    /// The standing of a subject.
    subject: Subject => Standing;
    /// The standing of a client.
    client_state: ClientState => Standing;
    /// A message that waits to be delivered.
    outbox: Outbox => Outbox;
    /// A client that registered itself.
    registered_client: Client => RegisteredClient;
    /// The grant that a user code is of.
    user_code: UserCode => UserCodeEntry;
    /// How a client polls for a grant.
    poll: Poll => Poll;
    /// An initial access token.
    initial_access: InitialAccess => InitialAccess;
}
