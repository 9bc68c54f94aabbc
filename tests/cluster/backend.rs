//! The databases that several servers can share.

use std::sync::Arc;

use grantor::store::{PostgresStore, RedisStore, Store};

use crate::daemon::{Daemon, Engine, Stop};
use crate::postgres::Postgres;
use crate::redis::Redis;

/// What runs such a database. Each is one more row in the list of `main.rs`.
pub(crate) trait Backend: Engine {
    /// A running server, or none where it is not installed.
    fn start() -> Option<Daemon<Self>> {
        Daemon::start()
    }

    /// The store on it, opened in this process.
    fn open(url: String) -> impl Future<Output = Arc<dyn Store>> + Send;

    /// `kill -9` of all its processes.
    fn kill(server: &mut Daemon<Self>) {
        server.stop(Stop::Immediate);
    }
}

impl Backend for Postgres {
    fn start() -> Option<Daemon<Self>> {
        Daemon::start_for_crowds()
    }

    async fn open(url: String) -> Arc<dyn Store> {
        Arc::new(PostgresStore::connect(url).await.unwrap())
    }

    fn kill(server: &mut Daemon<Self>) {
        server.kill();
    }
}

impl Backend for Redis {
    async fn open(url: String) -> Arc<dyn Store> {
        Arc::new(RedisStore::connect(url).await.unwrap())
    }
}
