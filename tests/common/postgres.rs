//! A PostgreSQL server of a test's own, on a free port of the loopback address, in a folder that goes with it.
//!
//! The programs are looked for where Debian puts them. Where there are none, a test passes and says what it did not run,
//! unless `REQUIRE_POSTGRES` is set: then it fails.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::port::free_port;

/// The password of the role `grantor`.
pub(crate) const PASSWORD: &str = "not-a-secret";
/// The user `nobody`: the server refuses to run as root.
const NOBODY: u32 = 65_534;

pub(crate) struct Server {
    programs: PathBuf,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
    settings: Vec<String>,
    process: Option<Child>,
}

/// How a server is stopped.
#[derive(Clone, Copy)]
pub(crate) enum Stop {
    /// It ends all sessions and leaves everything in order.
    Fast,
    /// It leaves everything as it is, as after a crash.
    Immediate,
}

impl Server {
    /// A running server, or none where PostgreSQL is not installed.
    pub(crate) fn start() -> Option<Self> {
        Self::start_with(|_| Vec::new())
    }

    /// As [`start`](Self::start), with settings such as `max_connections=5`; what they name is put into the folder first.
    pub(crate) fn start_with(prepare: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        Self::make("scram-sha-256", prepare)
    }

    /// As [`start`](Self::start), with a check of passwords that costs next to nothing: programs without optimisation need a
    /// second for many connections at once, where SCRAM would take them longer than anybody waits.
    pub(crate) fn start_for_crowds() -> Option<Self> {
        Self::make("md5", |_| Vec::new())
    }

    fn make(authentication: &str, prepare: impl FnOnce(&Path) -> Vec<String>) -> Option<Self> {
        let Some(programs) = programs() else {
            assert!(std::env::var_os("REQUIRE_POSTGRES").is_none(), "PostgreSQL is not installed");
            eprintln!("NOT RUN: PostgreSQL is not installed");
            return None;
        };
        let folder = tempfile::tempdir().unwrap();
        let settings = prepare(folder.path());
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        for entry in fs::read_dir(folder.path()).unwrap() {
            give_away(&entry.unwrap().path());
        }
        give_away(folder.path());
        let mut server = Self { programs, folder, port: free_port(), settings, process: None };
        let made = server
            .program("initdb")
            .args(["--username=grantor", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--auth={authentication}"))
            .arg(format!("--pwfile={}", password.display()))
            .status();
        assert!(made.unwrap().success(), "initdb failed");
        server.resume();
        Some(server)
    }

    /// Starts it again after a stop, on the same port.
    pub(crate) fn resume(&mut self) {
        let began = Instant::now();
        let mut ready = self.program("pg_isready");
        ready.args(["-q", "-h", "127.0.0.1", "-p", &self.port.to_string()]).env_remove("PGDATA");
        let mut process = self.spawn();
        while !ready.status().unwrap().success() {
            assert!(began.elapsed() < Duration::from_secs(30), "the server does not start: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
            // It does not start as long as a process of one that was killed has not noticed.
            if process.try_wait().unwrap().is_some() {
                process = self.spawn();
            }
        }
        self.process = Some(process);
    }

    fn spawn(&self) -> Child {
        let log = fs::File::create(self.folder.path().join("log")).unwrap();
        let mut command = self.program("postgres");
        command.args(["-p", &self.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "unix_socket_directories="]);
        self.settings.iter().for_each(|setting| _ = command.args(["-c", setting]));
        command.stderr(log).spawn().unwrap()
    }

    pub(crate) fn stop(&mut self, how: Stop) {
        if let Some(mut process) = self.process.take() {
            let mode = match how {
                Stop::Fast => "fast",
                Stop::Immediate => "immediate",
            };
            let stopped = self.program("pg_ctl").args(["stop", "-w", "-m", mode]).status();
            if !stopped.is_ok_and(|status| status.success()) {
                let _ = process.kill();
            }
            let _ = process.wait();
        }
    }

    /// `kill -9` of the server and of every process that it has started.
    pub(crate) fn kill(&mut self) {
        let Some(mut process) = self.process.take() else { return };
        // Whoever is stopped starts no more.
        signal("STOP", &[process.id()]);
        let all: Vec<u32> = children(process.id()).into_iter().chain([process.id()]).collect();
        signal("KILL", &all);
        process.wait().unwrap();
        while all.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    pub(crate) fn url(&self) -> String {
        self.url_at("127.0.0.1", self.port)
    }

    /// The database as it is reached at another address.
    pub(crate) fn url_at(&self, host: &str, port: u16) -> String {
        format!("postgres://grantor:{PASSWORD}@{host}:{port}/postgres")
    }

    fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// One of the programs that come with PostgreSQL, run as the server is.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.env("PGDATA", self.folder.path().join("data")).env("PGPASSWORD", PASSWORD);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        if is_root(self.folder.path()) {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop(Stop::Immediate);
    }
}

fn signal(name: &str, to: &[u32]) {
    let sent = Command::new("kill").arg(format!("-{name}")).args(to.iter().map(u32::to_string)).status();
    assert!(sent.unwrap().success(), "{name} to {to:?}");
}

/// The processes that this one has started.
fn children(of: u32) -> Vec<u32> {
    let parent = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        status.lines().find_map(|line| line.strip_prefix("PPid:")?.trim().parse::<u32>().ok())
    };
    let all =
        fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid| parent(*pid) == Some(of)).collect()
}

fn programs() -> Option<PathBuf> {
    let mut found: Vec<(u32, PathBuf)> = fs::read_dir("/usr/lib/postgresql")
        .ok()?
        .filter_map(|entry| {
            let path = entry.ok()?.path();
            let version = path.file_name()?.to_str()?.parse().ok()?;
            let programs = path.join("bin");
            programs.join("postgres").exists().then_some((version, programs))
        })
        .collect();
    found.sort();
    found.pop().map(|(_, programs)| programs)
}

/// Whether this process may do everything: what it makes belongs to root, or was given away before.
fn is_root(folder: &Path) -> bool {
    matches!(fs::metadata(folder).unwrap().uid(), 0 | NOBODY)
}

/// Lets the server use a file, which is to be its own.
fn give_away(path: &Path) {
    if is_root(path) {
        chown(path, Some(NOBODY), Some(NOBODY)).unwrap();
    }
}
