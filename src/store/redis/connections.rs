//! The connection: when it is made anew, and how long one waits for what.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::redis::aio::MultiplexedConnection;
use ::redis::{Cmd, Value};
use tokio::sync::Mutex;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::scripts::Script;
use super::server::Server;
use super::space::Space;
use super::{RedisOpenError, RedisOptions};
use crate::store::remote;

/// Why there is no answer; of a refusal the first word of what the server said.
pub(crate) type Failure = remote::Failure<String>;

/// A connection that many use at a time, made anew when it is lost.
pub(crate) struct Connections {
    /// What the keys are called.
    pub(crate) space: Space,
    server: Server,
    live: Mutex<Option<Arc<Live>>>,
    connection_timeout: Duration,
    response_timeout: Duration,
}

/// A connection to a server that was found fit.
pub(super) struct Live {
    connection: MultiplexedConnection,
    /// What sends and receives; it ends with the connection.
    driver: JoinHandle<()>,
    abandoned: AtomicBool,
}

impl Live {
    pub(super) fn new(connection: MultiplexedConnection, driver: JoinHandle<()>) -> Self {
        Self { connection, driver, abandoned: AtomicBool::new(false) }
    }

    pub(super) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }

    fn is_of_use(&self) -> bool {
        !self.driver.is_finished() && !self.abandoned.load(Ordering::Relaxed)
    }
}

/// When nobody waits for an answer over it any more.
impl Drop for Live {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connections {
    /// Connects, and finds the server fit.
    pub(crate) async fn open(options: &RedisOptions) -> Result<Self, RedisOpenError> {
        let space = Space::of(&options.prefix)?;
        let server = Server::of(options, &space)?;
        let first = timeout(options.connection_timeout, server.connect())
            .await
            .unwrap_or_else(|_| Err(RedisOpenError::Unavailable("no answer in time".to_owned())))?;
        Ok(Self {
            space,
            server,
            live: Mutex::new(Some(Arc::new(first))),
            connection_timeout: options.connection_timeout,
            response_timeout: options.response_timeout,
        })
    }

    /// Runs a script to its end.
    pub(crate) async fn run(
        &self,
        script: &Script,
        keys: &[Vec<u8>],
        arguments: &[Vec<u8>],
    ) -> Result<Value, Failure> {
        let live = timeout(self.connection_timeout, self.live())
            .await
            .unwrap_or_else(|_| Err(Failure::Unreachable("no connection was made in time".to_owned())))?;
        match self.ask(&live, &script.by_digest(keys, arguments)).await {
            // The server was never told the script, or has forgotten it.
            Err(Failure::Refused { code, .. }) if code == "NOSCRIPT" => {
                self.ask(&live, &script.in_full(keys, arguments)).await
            }
            answer => answer,
        }
    }

    /// The connection there is, or a new one: one makes it, and the others wait.
    async fn live(&self) -> Result<Arc<Live>, Failure> {
        let mut slot = self.live.lock().await;
        if let Some(live) = slot.as_ref().filter(|live| live.is_of_use()) {
            return Ok(Arc::clone(live));
        }
        *slot = None;
        let live = self.server.connect().await.map_err(|error| Failure::Unreachable(error.to_string()))?;
        Ok(Arc::clone(slot.insert(Arc::new(live))))
    }

    async fn ask(&self, live: &Live, command: &Cmd) -> Result<Value, Failure> {
        let answer = timeout(self.response_timeout, command.query_async(&mut live.connection())).await;
        let failure = match answer {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => match error.code() {
                Some(code) => Failure::Refused { code: code.to_owned(), why: error.to_string() },
                None => Failure::Lost(error.to_string()),
            },
            Err(_) => Failure::Lost("the server did not answer in time".to_owned()),
        };
        let to_be_left = match &failure {
            Failure::Lost(_) => true,
            // Another server has taken over.
            Failure::Refused { code, .. } => matches!(code.as_str(), "READONLY" | "MOVED" | "CLUSTERDOWN"),
            Failure::Unreachable(_) => false,
        };
        live.abandoned.fetch_or(to_be_left, Ordering::Relaxed);
        Err(failure)
    }
}
