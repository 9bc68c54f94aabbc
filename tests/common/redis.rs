//! A Redis or Valkey server of a test's own, which writes through to its disk.
//!
//! The programs are looked for in `PATH`; they have to be there where `REQUIRE_REDIS` is set.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::{Command, Stdio};
use std::time::Duration;

use grantor::store::RedisOptions;

use super::daemon::{Daemon, Engine};

/// The password of the user `default`.
pub(crate) const PASSWORD: &str = "not-a-secret";

/// Its settings are words such as `--maxmemory 1mb`.
pub(crate) type Server = Daemon<Redis>;

pub(crate) struct Redis {
    program: &'static str,
}

impl Engine for Redis {
    const NAME: &'static str = "Redis";
    const REQUIRED_BY: &'static str = "REQUIRE_REDIS";
    const SIGNALS: [&'static str; 2] = ["TERM", "KILL"];

    fn installed() -> Option<Self> {
        let works = |program: &&str| {
            let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
            version.is_ok_and(|status| status.success())
        };
        let program = ["valkey-server", "redis-server"].into_iter().find(works)?;
        Some(Self { program })
    }

    fn command(server: &Server) -> Command {
        let mut command = Command::new(server.engine.program);
        command.args(["--port", &server.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--requirepass", PASSWORD]);
        command.args(["--unixsocket", "socket", "--masterauth", PASSWORD]);
        command.args(server.settings.iter().flat_map(|setting| setting.split(' ')));
        command
    }

    fn answers(server: &Server) -> bool {
        server.try_connect().is_ok_and(|mut connection| redis::cmd("PING").exec(&mut connection).is_ok())
    }

    fn url(host: &str, port: u16) -> String {
        format!("redis://:{PASSWORD}@{host}:{port}")
    }
}

/// Options under which a crowd is served, however busy this machine is.
pub(crate) fn patient(url: String) -> RedisOptions {
    let mut options = RedisOptions::new(url);
    options.connection_timeout = Duration::from_secs(60);
    options.response_timeout = Duration::from_secs(60);
    options
}

/// Options under which a silent server is not awaited for long.
pub(crate) fn hasty(url: String) -> RedisOptions {
    let mut options = RedisOptions::new(url);
    options.connection_timeout = Duration::from_secs(1);
    options.response_timeout = Duration::from_secs(1);
    options
}

impl Server {
    /// The server as it is reached through its socket.
    pub(crate) fn url_of_socket(&self) -> String {
        format!("unix://{}?pass={PASSWORD}", self.folder.path().join("socket").display())
    }

    /// Somebody else on the same server.
    pub(crate) fn connect(&self) -> redis::Connection {
        self.try_connect().unwrap()
    }

    /// What the server answers to somebody else.
    pub(crate) fn ask<T: redis::FromRedisValue>(&self, command: &str) -> T {
        let mut words = command.split(' ');
        let mut asked = redis::cmd(words.next().unwrap());
        words.for_each(|word| _ = asked.arg(word));
        asked.query(&mut self.connect()).unwrap_or_else(|error| panic!("{command}: {error}"))
    }

    fn try_connect(&self) -> redis::RedisResult<redis::Connection> {
        let client = redis::Client::open(self.url())?;
        client.get_connection_with_timeout(Duration::from_secs(5))
    }
}
