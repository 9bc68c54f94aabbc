//! Records in Redis (7.0 and later) or Valkey (7.2 and later): for any number of processes on any number of machines, and as
//! durable as the server is told to be.
//!
//! ```text
//!   load     ─► load.lua     GET …            one script, one snapshot, one round trip
//!   commit   ─► apply.lua                     one script, which nothing interrupts, one round trip
//!                 1. was the batch refused?  does each expectation hold?   no: answers 0, and has written nothing
//!                 2. is everything it would touch of the type it should be?  no: an error, and has written nothing
//!                 3. deletions, records, terms
//! ```
//!
//! The server runs one script at a time, and nothing else beside it. That is all there is to atomicity and isolation; but
//! what a script has written when it fails stays written, so a commit looks at everything before it writes anything.
//!
//! # What survives
//!
//! Promised: everything [`Store`] promises, while the server lives. What an acknowledged commit survives beyond that is set on
//! the server, and cannot be set here:
//!
//! | on the server | an acknowledged commit survives |
//! |---|---|
//! | `appendonly yes`, `appendfsync always` | a crash of the server and of its machine, as far as the disk keeps what it reported as written |
//! | `appendonly yes`, `appendfsync everysec` | a crash of the server, unless its disk was slow just then; that of the machine loses the last second, or two |
//! | `appendonly yes`, `appendfsync no` | a crash of the server; that of the machine loses what the operating system had not written yet |
//! | `appendonly no` | nothing: what was written since the last snapshot is lost, or all |
//! | a replica takes over, whatever is set | what had reached that replica: replication does not wait |
//!
//! In terms of OAuth, a commit that was acknowledged and lost means that what it ended is alive again: a code that was redeemed
//! can be redeemed once more, a revoked token works, a refresh token that was rotated is the one that counts, and a one-time
//! assertion passes twice; and that a token just issued is not known. Where none of that may ever happen, keep grants in
//! PostgreSQL with synchronous standbys.
//!
//! `min-replicas-to-write 1` with a short `min-replicas-max-lag` on the server bounds how long a master that was cut off goes
//! on acknowledging: it then refuses commits *and loads*. Every script, that for loads too, is declared as one that writes: a
//! server that has become a replica refuses them all, and so does one that cannot write its disk. Until a master that was cut
//! off learns of its successor, or that bound is over, it answers whoever still reaches it with what was true before: that no
//! client of Redis can rule out, and `WAIT` does not change it, as what it waited for in vain has been written all the same.
//!
//! # What the server has to be like
//!
//! At each new connection the store looks whether the server is a master, is new enough, and would rather refuse a write than
//! forget something (`maxmemory-policy noeviction`): else it does not use it. When memory is used up, commits find the store
//! full, while loads and purges go on. What is changed while a connection lasts is not noticed.
//!
//! Every key but the one that tells the layout lapses by the server's own clock: a record a week after its `retain_until`, or a
//! week after it was written where that is later. So a host that never purges does not fill the server for ever, and clocks may
//! differ by days. [`Store::purge`] goes by the server's clock or the process's own, whichever is earlier; it is also what keeps
//! the terms of records short. Of an index, which lapses with the longest-lived of its records, listings drop what has lapsed.
//!
//! All keys have one hash tag, `{prefix}`, as a script runs where all its keys are. In a cluster they are so all kept by one
//! node, which the others name and which the store follows: a cluster gives failover, and many stores, each with a prefix of
//! its own; it does not spread one store over many nodes. The scripts look at terms that were not named when they were called,
//! which Redis and Valkey allow within one hash tag, and some servers that speak their protocol do not. Sentinel is not asked:
//! name an address that follows the master.
//!
//! # Connections
//!
//! One connection carries everything: the server does one thing at a time anyway, and a client that sends without waiting for
//! earlier answers keeps it busy. It is made here rather than by the client library, which would make it anew unseen: a new
//! connection may lead to another server, and is to be looked at before it is used. A connection that was silent for too long
//! is left to those who still wait for it.
//!
//! **An unknown outcome** is what a commit has whose connection is lost, or silent for too long, after it was sent. Before the
//! next load answers, the store has the server refuse the batch: a note under its id, kept for a day, that `apply.lua` looks at
//! first. From then on it was applied or never will be. As long as this cannot be done, loads are unavailable.
//!
//! A store belongs to the `tokio` runtime that it was connected in.

pub(crate) mod connections;
pub(crate) mod scripts;
mod server;
mod space;

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;

use self::connections::{Connections, Failure};
use self::scripts::Write;
use super::remote::Unsettled;
use super::{CommitError, Listing, Page, Store, StoreError};
use crate::protocol::Timestamp;
use crate::record::{Batch, Index, Key, Versioned};

/// How many records one script purges, while nobody else is served.
const PURGE_STEP: usize = 200;

/// How a Redis or Valkey server is reached.
#[derive(Clone)]
#[non_exhaustive]
pub struct RedisOptions {
    /// The server, the user and the number of the database: `redis://user:password@host:6379/0`, `rediss://…` for TLS with a
    /// certificate that a trusted authority issued for this very host, or `unix:///run/redis.sock?db=0&user=…&pass=…`. In a
    /// cluster any node will do, and a name that leads to all of them outlives each of them. Without a user the password is
    /// that of the user `default`.
    pub url: String,
    /// What the keys begin with, in braces; `grantor` unless changed. 1 to 63 of `[a-z0-9_]`.
    pub prefix: String,
    /// Authorities to trust instead of those of the operating system, in PEM. Empty unless changed.
    pub authorities: String,
    /// How long to wait for a new connection, TLS, login and the look at the server included; 3 seconds unless changed. Beyond
    /// that the store is unavailable.
    pub connection_timeout: Duration,
    /// How long to wait for an answer; 5 seconds unless changed. Beyond that the store is unavailable, and the outcome of a
    /// commit unknown.
    pub response_timeout: Duration,
    /// Whether to use a server that does not tell its settings (`INFO`), as some services do not; no unless changed. Then its
    /// `maxmemory-policy` must be `noeviction`: a server that evicts forgets revocations and one-time codes, unnoticed. What
    /// the server does tell is held to what is needed all the same.
    pub trust_unread_settings: bool,
}

impl RedisOptions {
    /// The usual options for a server.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            prefix: "grantor".to_owned(),
            authorities: String::new(),
            connection_timeout: Duration::from_secs(3),
            response_timeout: Duration::from_secs(5),
            trust_unread_settings: false,
        }
    }
}

/// Without the URL, in which there may be a password.
impl fmt::Debug for RedisOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisOptions")
            .field("prefix", &self.prefix)
            .field("connection_timeout", &self.connection_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("trust_unread_settings", &self.trust_unread_settings)
            .finish_non_exhaustive()
    }
}

/// Why a server cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedisOpenError {
    /// The URL or another option cannot be what it is.
    #[error("the options of the server are not valid: {0}")]
    Options(String),
    /// A newer release has changed the layout of the keys.
    #[error("the server has layout {found}, newer than the {known} this release understands")]
    Newer {
        /// The layout of the keys.
        found: i64,
        /// The newest layout this release understands.
        known: i64,
    },
    /// There are keys of something else under the prefix.
    #[error("the prefix belongs to another application")]
    Foreign,
    /// The server is too old: of this version.
    #[error("the server is of version {0}; Redis 7.0 or Valkey 7.2 is needed")]
    TooOld(String),
    /// The server takes no writes, and what it answers may be old.
    #[error("the server is a replica")]
    Replica,
    /// The server forgets keys when memory is used up: by this policy.
    #[error("the server evicts keys (maxmemory-policy {0}); it must be noeviction")]
    Evicts(String),
    /// The server does not tell this of itself.
    #[error("the server does not tell {0}; where it is known to be fit, set trust_unread_settings")]
    Unread(&'static str),
    /// The server could not be reached or prepared.
    #[error("the server cannot be used: {0}")]
    Unavailable(String),
}

/// A store on a Redis or Valkey server.
pub struct RedisStore {
    connections: Connections,
    unsettled: Unsettled,
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore").finish_non_exhaustive()
    }
}

impl RedisStore {
    /// Connects with the usual options.
    ///
    /// # Errors
    /// [`RedisOpenError`] when there is no server that this release can use.
    pub async fn connect(url: impl Into<String>) -> Result<Self, RedisOpenError> {
        Self::connect_with(&RedisOptions::new(url)).await
    }

    /// Connects.
    ///
    /// # Errors
    /// [`RedisOpenError`] when there is no server that this release can use.
    pub async fn connect_with(options: &RedisOptions) -> Result<Self, RedisOpenError> {
        let connections = Connections::open(options).await?;
        Ok(Self { connections, unsettled: Unsettled::default() })
    }

    /// Has the server refuse every batch of unknown outcome, so that none can be applied later.
    async fn settle(&self) -> Result<(), Failure> {
        let refuse = |ids: Vec<_>, _| async move { scripts::refuse(&self.connections, &ids).await };
        self.unsettled.settle(refuse).await
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn load(&self, keys: &[Key]) -> Result<Vec<Option<Versioned>>, StoreError> {
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        self.settle().await?;
        scripts::load(&self.connections, keys).await
    }

    async fn commit(&self, batch: &Batch) -> Result<(), CommitError> {
        if batch.is_empty() && batch.expect.is_empty() {
            return Ok(());
        }
        let write = Write::of(batch, &self.connections.space)?;
        match scripts::apply(&self.connections, &write).await {
            Ok(true) => Ok(()),
            Ok(false) => Err(CommitError::Conflict),
            Err(Failure::Lost(why)) => {
                self.unsettled.add(batch);
                // Where the server can still be reached, it is settled for every process. Else the next load tries again.
                let _ = self.settle().await;
                Err(CommitError::Unknown(why))
            }
            Err(Failure::Refused { code, .. }) if code == "OOM" => Err(CommitError::Full),
            Err(Failure::Refused { why, .. } | Failure::Unreachable(why)) => {
                Err(CommitError::Unavailable(why))
            }
        }
    }

    async fn list(&self, index: &Index, page: Page) -> Result<Listing, StoreError> {
        scripts::list(&self.connections, index, page).await
    }

    async fn purge(&self, now: Timestamp, limit: usize) -> Result<usize, StoreError> {
        super::in_steps(limit, PURGE_STEP, |step| scripts::purge(&self.connections, now, step)).await
    }
}
