//! Counters in Redis.

use std::fmt;
use std::sync::LazyLock;

use ::redis::Value;
use async_trait::async_trait;

use super::{Limiter, Limits, Rule};
use crate::protocol::{Digest, Timestamp};
use crate::record::facts::{Allowance, Counter};
use crate::store::redis::connections::Connections;
use crate::store::redis::scripts::{Script, number, seconds};
use crate::store::{RedisOpenError, RedisOptions, StoreError};

static COUNT: LazyLock<Script> = LazyLock::new(|| Script::new(include_str!("redis.lua")));

/// For how many seconds a counter is remembered beyond its window, for processes whose clocks differ.
const MARGIN: u64 = 60;

/// Counters on a Redis or Valkey server, in fixed windows, by the rules of a [`MemoryLimiter`](super::MemoryLimiter): shared by
/// any number of processes, which so have one limit together. Issuers that are to have limits of their own need prefixes of their
/// own.
///
/// A counter lapses a minute after its window, and until then takes a few hundred bytes. What is asked of the server stands at
/// [`RedisStore`](crate::store::RedisStore). When its memory is used up, or it cannot be reached, nothing can be counted, and
/// what would have been is refused: where somebody may fill it with counters of many addresses, grants are safer on another.
pub struct RedisLimiter {
    connections: Connections,
    limits: Limits,
}

impl RedisLimiter {
    /// Counters with these limits on this server, over a connection of their own.
    ///
    /// # Errors
    /// [`RedisOpenError`] when there is no server that this release can use.
    pub async fn connect(options: &RedisOptions, limits: Limits) -> Result<Self, RedisOpenError> {
        Ok(Self { connections: Connections::open(options).await?, limits })
    }
}

impl fmt::Debug for RedisLimiter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisLimiter").field("limits", &self.limits).finish_non_exhaustive()
    }
}

#[async_trait]
impl Limiter for RedisLimiter {
    async fn count(&self, counter: &Counter, now: Timestamp) -> Result<Allowance, StoreError> {
        let Rule { counter, limit, window } = self.limits.rule(counter);
        // Whose name and which address is nobody's business there.
        let Digest(name) = Digest::of(format!("{counter:?}").as_bytes());
        let counter = self.connections.space.key("count:", &name);
        let arguments =
            [number(seconds(now)), number(window.as_secs()), number(limit.into()), number(MARGIN)];
        match self.connections.run(&COUNT, &[counter], &arguments).await? {
            Value::Int(0) => Ok(Allowance::Granted),
            Value::Int(ends) => {
                let ends = Timestamp(u64::try_from(ends).unwrap_or_default());
                Ok(Allowance::Exhausted { retry_after: super::wait(ends, now, window) })
            }
            other => Err(StoreError(format!("the server answered {other:?} to an event"))),
        }
    }
}
