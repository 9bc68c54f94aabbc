//! A server of a test's own, on a free port of the loopback address, in a folder that goes with it.
//!
//! Where it is not installed, a test passes and says what it did not run, unless the environment requires the server: then it
//! fails.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs::{self, File};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// What is particular to a kind of server.
pub(crate) trait Engine: Sized + Send + 'static {
    const NAME: &'static str;
    /// The variable that is set where it has to be installed.
    const REQUIRED_BY: &'static str;
    /// The signal at which it leaves everything in order, and the one at which it leaves everything as it is.
    const SIGNALS: [&'static str; 2];

    fn installed() -> Option<Self>;

    /// Makes what the server starts from, beside what the settings name, which is in its folder already.
    fn lay_out(_: &Daemon<Self>) {}

    /// What runs it until it is stopped.
    fn command(daemon: &Daemon<Self>) -> Command;

    fn answers(daemon: &Daemon<Self>) -> bool;

    fn url(host: &str, port: u16) -> String;
}

pub(crate) struct Daemon<E: Engine> {
    pub(crate) engine: E,
    pub(crate) folder: tempfile::TempDir,
    pub(crate) port: u16,
    pub(crate) settings: Vec<String>,
    process: Option<Child>,
}

/// How a server is stopped.
#[derive(Clone, Copy)]
pub(crate) enum Stop {
    /// It leaves everything in order.
    Fast,
    /// It leaves everything as it is, as after a crash.
    Immediate,
}

impl<E: Engine> Daemon<E> {
    /// A running server, or none where it is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(|_| Vec::new())
    }

    /// As [`start`](Self::start), with settings in the server's own words; what they name is put into the folder first.
    pub(crate) fn start_with(prepare: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        Some(Self::of(Self::find()?, prepare))
    }

    pub(crate) fn find() -> Option<E> {
        let found = E::installed();
        if found.is_none() {
            assert!(std::env::var_os(E::REQUIRED_BY).is_none(), "{} is not installed", E::NAME);
            eprintln!("NOT RUN: {} is not installed", E::NAME);
        }
        found
    }

    pub(crate) fn of(engine: E, prepare: impl FnOnce(&Path) -> Vec<String>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let settings = prepare(folder.path());
        let mut daemon = Self { engine, folder, port: free_port(), settings, process: None };
        E::lay_out(&daemon);
        daemon.resume();
        daemon
    }

    /// Starts it, after a stop on the same port.
    pub(crate) fn resume(&mut self) {
        let began = Instant::now();
        self.process = Some(self.spawn());
        while !E::answers(self) {
            assert!(began.elapsed() < Duration::from_secs(30), "{} does not start: {}", E::NAME, self.log());
            std::thread::sleep(Duration::from_millis(20));
            // It may not start as long as a process of one that was killed has not noticed.
            if self.process.as_mut().is_some_and(|process| process.try_wait().unwrap().is_some()) {
                self.process = Some(self.spawn());
            }
        }
    }

    fn spawn(&self) -> Child {
        let log = File::create(self.folder.path().join("log")).unwrap();
        let mut command = E::command(self);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap()
    }

    pub(crate) fn stop(&mut self, how: Stop) {
        let Some(mut process) = self.process.take() else { return };
        let [fast, immediate] = E::SIGNALS;
        let name = match how {
            Stop::Fast => fast,
            Stop::Immediate => immediate,
        };
        if !signal(name, &[process.id()]) {
            let _ = process.kill();
        }
        let _ = process.wait();
    }

    pub(crate) fn restart(&mut self, how: Stop) {
        self.stop(how);
        self.resume();
    }

    /// It does nothing until it goes on, and its connections stay.
    pub(crate) fn pause(&self) {
        assert!(signal("STOP", self.pid().as_slice()));
    }

    pub(crate) fn go_on(&self) {
        assert!(signal("CONT", self.pid().as_slice()));
    }

    /// The process that was started, while there is one.
    pub(crate) fn pid(&self) -> Option<u32> {
        self.process.as_ref().map(Child::id)
    }

    pub(crate) fn url(&self) -> String {
        self.url_at("127.0.0.1", self.port)
    }

    /// The server as it is reached at another address.
    pub(crate) fn url_at(&self, host: &str, port: u16) -> String {
        E::url(host, port)
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }
}

impl<E: Engine> Drop for Daemon<E> {
    fn drop(&mut self) {
        self.stop(Stop::Immediate);
    }
}

/// Whether processes were sent a signal.
pub(crate) fn signal(name: &str, to: &[u32]) -> bool {
    let sent = Command::new("kill").args(["-s", name]).args(to.iter().map(u32::to_string)).status();
    sent.is_ok_and(|status| status.success())
}

/// A port that nobody has, outside the range from which systems give ports to whoever connects: it stays free while its
/// server is away.
pub(crate) fn free_port() -> u16 {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    loop {
        let place = std::process::id().wrapping_mul(101).wrapping_add(ASKED.fetch_add(1, Ordering::Relaxed));
        let port = 10_000 + (place % 20_000) as u16;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}
