//! A Redis or Valkey server of a test's own, on a free port of the loopback address, in a folder that goes with it.
//!
//! The programs are looked for in `PATH`. Where there is none, a test passes and says what it did not run, unless
//! `REQUIRE_REDIS` is set: then it fails.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::port::free_port;

/// The password of the user `default`.
pub(crate) const PASSWORD: &str = "not-a-secret";

pub(crate) struct Server {
    program: &'static str,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    settings: Vec<String>,
    process: Option<Child>,
}

/// How a server is stopped.
#[derive(Clone, Copy)]
pub(crate) enum Stop {
    /// It leaves everything in order.
    Fast,
    /// It is killed on the spot.
    Immediate,
}

impl Server {
    /// A running server that writes through to its disk, or none where Redis is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(|_| Vec::new())
    }

    /// As [`start`](Self::start), with settings such as `--maxmemory 1mb`; what they name is put into the folder first.
    pub(crate) fn start_with(prepare: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        let Some(program) = program() else {
            assert!(std::env::var_os("REQUIRE_REDIS").is_none(), "Redis is not installed");
            eprintln!("NOT RUN: Redis is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let settings = prepare(folder.path());
        let mut server = Self { program, folder, port: free_port(), settings, process: None };
        server.resume();
        Some(server)
    }

    /// Starts it again after a stop, on the same port.
    pub(crate) fn resume(&mut self) {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = Command::new(self.program);
        command.args(["--port", &self.port.to_string(), "--bind", "127.0.0.1", "--save", ""]);
        command.args(["--appendonly", "yes", "--appendfsync", "always", "--requirepass", PASSWORD]);
        command.args(["--unixsocket", "socket", "--masterauth", PASSWORD]);
        command.args(self.settings.iter().flat_map(|setting| setting.split(' ')));
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(log);
        self.process = Some(command.spawn().unwrap());
        let began = Instant::now();
        let answers = || redis::cmd("PING").exec(&mut self.try_connect()?);
        while answers().is_err() {
            assert!(began.elapsed() < Duration::from_secs(30), "the server does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    pub(crate) fn stop(&mut self, how: Stop) {
        match how {
            Stop::Fast => self.signal("TERM"),
            Stop::Immediate => self.signal("KILL"),
        }
        if let Some(mut process) = self.process.take() {
            let _ = process.wait();
        }
    }

    /// It does nothing until it goes on, and its connections stay.
    pub(crate) fn pause(&self) {
        self.signal("STOP");
    }

    pub(crate) fn go_on(&self) {
        self.signal("CONT");
    }

    fn signal(&self, name: &str) {
        if let Some(process) = &self.process {
            let sent = Command::new("kill").args(["-s", name, &process.id().to_string()]).status();
            assert!(sent.unwrap().success());
        }
    }

    pub(crate) fn url(&self) -> String {
        self.url_at("127.0.0.1", self.port)
    }

    /// The server as it is reached at another address.
    pub(crate) fn url_at(&self, host: &str, port: u16) -> String {
        format!("redis://:{PASSWORD}@{host}:{port}")
    }

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

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }
}

fn program() -> Option<&'static str> {
    let works = |program: &&str| {
        let version = Command::new(program).arg("--version").stdout(Stdio::null()).status();
        version.is_ok_and(|status| status.success())
    };
    ["valkey-server", "redis-server"].into_iter().find(works)
}
