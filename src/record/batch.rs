//! A change: what must still be true, what is written, what is deleted. All of it happens or none of it.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::key::{Id, Key, Namespace, SessionId};
use super::{Record, Versioned};
use crate::protocol::{ClientId, SubjectId, Timestamp};

/// The id of a batch, and with that the version of every record it wrote.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct BatchId(pub Id);

/// What must hold of a record when a batch is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expectation {
    /// Nothing is kept under the key.
    Absent,
    /// The record was last written by this batch.
    At(BatchId),
}

impl Expectation {
    /// What a reader that saw `record` expects.
    #[must_use]
    pub fn of<R>(record: Option<&Versioned<R>>) -> Self {
        record.map_or(Self::Absent, |versioned| Self::At(versioned.version))
    }

    /// Whether it holds of a record at this version, or of none.
    #[must_use]
    pub fn holds(self, version: Option<BatchId>) -> bool {
        match self {
            Self::Absent => version.is_none(),
            Self::At(expected) => version == Some(expected),
        }
    }
}

/// The kinds of index terms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[non_exhaustive]
pub enum IndexKind {
    /// Records of one subject.
    Subject = 1,
    /// Records of one client.
    Client = 2,
    /// Records of one session.
    Session = 3,
    /// Messages that wait to be delivered.
    Outbox = 4,
    /// Clients that registered themselves.
    Registration = 5,
}

/// A term under which records can be listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Index {
    /// The issuer the records belong to.
    pub namespace: Namespace,
    /// What the term names.
    pub kind: IndexKind,
    /// Which one.
    pub id: Id,
}

impl Index {
    /// The records of a subject.
    #[must_use]
    pub const fn subject(namespace: Namespace, id: &SubjectId) -> Self {
        Self { namespace, kind: IndexKind::Subject, id: Id(id.key()) }
    }

    /// The records of a client.
    #[must_use]
    pub const fn client(namespace: Namespace, id: &ClientId) -> Self {
        Self { namespace, kind: IndexKind::Client, id: Id(id.key()) }
    }

    /// The messages that wait to be delivered.
    #[must_use]
    pub const fn outbox(namespace: Namespace) -> Self {
        Self { namespace, kind: IndexKind::Outbox, id: Id([0; 16]) }
    }

    /// The clients that registered themselves.
    #[must_use]
    pub const fn registrations(namespace: Namespace) -> Self {
        Self { namespace, kind: IndexKind::Registration, id: Id([0; 16]) }
    }

    /// The records of a session.
    #[must_use]
    pub const fn session(namespace: Namespace, id: SessionId) -> Self {
        Self { namespace, kind: IndexKind::Session, id: id.0 }
    }
}

/// A record to be written, replacing what was there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// Under which key.
    pub key: Key,
    /// What.
    pub record: Arc<Record>,
    /// The terms that list it from now on, instead of those it had.
    pub terms: Vec<Index>,
    /// When the store may forget it. It says nothing about validity.
    pub retain_until: Timestamp,
}

/// One atomic, conditional change. A batch without records to write or delete changes nothing; the driver never
/// commits one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    /// Unique; becomes the version of every record the batch writes.
    pub id: BatchId,
    /// Preconditions, on records written here and on records only read. At most one per key.
    pub expect: Vec<(Key, Expectation)>,
    /// Records to write. At most one per key, and none that is also deleted.
    pub put: Vec<Put>,
    /// Records to delete; deleting what is absent is no error.
    pub delete: Vec<Key>,
}

impl Batch {
    /// A batch that changes nothing yet.
    #[must_use]
    pub const fn new(id: BatchId) -> Self {
        Self { id, expect: Vec::new(), put: Vec::new(), delete: Vec::new() }
    }

    /// Whether nothing would be written or deleted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.put.is_empty() && self.delete.is_empty()
    }

    /// Makes the change depend on these records still being as they were read.
    pub fn rely_on(&mut self, read: &[(Key, Option<Versioned>)]) {
        self.expect.reserve(read.len());
        for (key, record) in read {
            if !self.expect.iter().any(|(own, _)| own == key) {
                self.expect(*key, Expectation::of(record.as_ref()));
            }
        }
    }

    /// Adds a precondition.
    pub fn expect(&mut self, key: Key, expectation: Expectation) {
        self.expect.push((key, expectation));
    }
}
