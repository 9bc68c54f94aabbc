//! One-time markers in Redis.

use std::fmt;
use std::sync::LazyLock;

use ::redis::Value;
use async_trait::async_trait;

use super::ReplayGuard;
use crate::protocol::Timestamp;
use crate::record::Key;
use crate::record::facts::Claim;
use crate::store::redis::connections::Connections;
use crate::store::redis::scripts::{NEVER, Script, number, seconds};
use crate::store::{RedisOpenError, RedisOptions, StoreError, names};

static CLAIM: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis.lua")));

/// For how many seconds a marker is kept beyond its time, and so how far the clock of the server may be ahead: ten minutes.
const MARGIN: u64 = 10 * 60;

/// Markers on a Redis or Valkey server, for any number of processes, wherever their grants are kept.
///
/// A marker lapses ten minutes after it need not be remembered any more, by the server's clock; nobody has to purge it. What
/// is asked of the server, and when it would forget a marker, stands at [`RedisStore`](crate::store::RedisStore): one that
/// loses what it acknowledged lets something be used twice.
pub struct RedisReplayGuard {
    connections: Connections,
}

impl RedisReplayGuard {
    /// Markers on this server, over a connection of their own.
    ///
    /// # Errors
    /// [`RedisOpenError`] when there is no server that this release can use.
    pub async fn connect(options: &RedisOptions) -> Result<Self, RedisOpenError> {
        Ok(Self { connections: Connections::open(options).await? })
    }
}

impl fmt::Debug for RedisReplayGuard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisReplayGuard").finish_non_exhaustive()
    }
}

#[async_trait]
impl ReplayGuard for RedisReplayGuard {
    async fn claim(&self, marker: Key, valid_until: Timestamp) -> Result<Claim, StoreError> {
        let marker = self.connections.space.key("used:", &names::of_key(&marker));
        let arguments = [number(seconds(valid_until)), number(MARGIN), number(NEVER)];
        match self.connections.run(&CLAIM, &[marker], &arguments).await? {
            Value::Int(1) => Ok(Claim::Fresh),
            Value::Int(0) => Ok(Claim::Seen),
            other => Err(StoreError(format!("the server answered {other:?} to a claim"))),
        }
    }
}
