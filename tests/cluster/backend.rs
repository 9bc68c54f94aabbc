//! The databases that several servers can share.

use std::sync::Arc;

use grantor::store::{PostgresStore, RedisStore, Store};

use crate::{postgres, redis};

/// A database server of a test's own. Each is one more row in the list of `main.rs`.
pub(crate) trait Backend: Sized + Send + 'static {
    /// A running server, or none where it is not installed.
    fn start() -> Option<Self>;

    /// What `--database` takes.
    fn url(&self) -> String;

    /// The store on it, opened in this process.
    fn open(&self) -> impl Future<Output = Arc<dyn Store>> + Send;

    /// Ends it in good order and starts it again where it was.
    fn restart(&mut self);

    /// `kill -9` of all its processes; then it is started again where it was.
    fn kill_and_start(&mut self);
}

impl Backend for postgres::Server {
    fn start() -> Option<Self> {
        Self::start_for_crowds()
    }

    fn url(&self) -> String {
        self.url()
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(PostgresStore::connect(self.url()).await.unwrap())
    }

    fn restart(&mut self) {
        self.stop(postgres::Stop::Fast);
        self.resume();
    }

    fn kill_and_start(&mut self) {
        self.kill();
        self.resume();
    }
}

impl Backend for redis::Server {
    fn start() -> Option<Self> {
        Self::start()
    }

    fn url(&self) -> String {
        self.url()
    }

    async fn open(&self) -> Arc<dyn Store> {
        Arc::new(RedisStore::connect(self.url()).await.unwrap())
    }

    fn restart(&mut self) {
        self.stop(redis::Stop::Fast);
        self.resume();
    }

    fn kill_and_start(&mut self) {
        self.stop(redis::Stop::Immediate);
        self.resume();
    }
}
