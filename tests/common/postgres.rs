//! A PostgreSQL server of a test's own.
//!
//! The programs are looked for where Debian puts them; they have to be there where `REQUIRE_POSTGRES` is set.

#![allow(dead_code, reason = "each test uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fs;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use grantor::store::PostgresOptions;

use super::daemon::{Daemon, Engine, Stop, signal};

/// The password of the role `grantor`.
pub(crate) const PASSWORD: &str = "not-a-secret";
/// The user `nobody`: the server refuses to run as root.
const NOBODY: u32 = 65_534;

/// Its settings are such as `max_connections=5`.
pub(crate) type Server = Daemon<Postgres>;

pub(crate) struct Postgres {
    programs: PathBuf,
    /// How a password is checked.
    authentication: &'static str,
}

impl Engine for Postgres {
    const NAME: &'static str = "PostgreSQL";
    const REQUIRED_BY: &'static str = "REQUIRE_POSTGRES";
    const SIGNALS: [&'static str; 2] = ["INT", "QUIT"];

    fn installed() -> Option<Self> {
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
        found.pop().map(|(_, programs)| Self { programs, authentication: "scram-sha-256" })
    }

    fn lay_out(server: &Server) {
        let folder = server.folder.path();
        let password = folder.join("password");
        fs::write(&password, PASSWORD).unwrap();
        for entry in fs::read_dir(folder).unwrap() {
            give_away(&entry.unwrap().path());
        }
        give_away(folder);
        let made = server
            .program("initdb")
            .args(["--username=grantor", "--encoding=UTF8", "--locale=C", "--no-sync"])
            .arg(format!("--auth={}", server.engine.authentication))
            .arg(format!("--pwfile={}", password.display()))
            .status();
        assert!(made.unwrap().success(), "initdb failed");
    }

    fn command(server: &Server) -> Command {
        let mut command = server.program("postgres");
        command.args(["-p", &server.port.to_string(), "-c", "listen_addresses=127.0.0.1"]);
        command.args(["-c", "unix_socket_directories="]);
        server.settings.iter().for_each(|setting| _ = command.args(["-c", setting]));
        command
    }

    fn answers(server: &Server) -> bool {
        let mut ready = server.program("pg_isready");
        ready.args(["-q", "-h", "127.0.0.1", "-p", &server.port.to_string()]).env_remove("PGDATA");
        ready.status().unwrap().success()
    }

    fn url(host: &str, port: u16) -> String {
        format!("postgres://grantor:{PASSWORD}@{host}:{port}/postgres")
    }
}

/// Options under which a crowd is served, however busy this machine is.
pub(crate) fn patient(url: String) -> PostgresOptions {
    let mut options = PostgresOptions::new(url);
    options.connection_timeout = Duration::from_secs(60);
    options.statement_timeout = Duration::from_secs(60);
    options
}

impl Server {
    /// As [`start`](Self::start), with a check of passwords that costs next to nothing: programs without optimisation need a
    /// second for many connections at once, where SCRAM would take them longer than anybody waits.
    pub(crate) fn start_for_crowds() -> Option<Self> {
        let engine = Postgres { authentication: "md5", ..Self::find()? };
        Some(Self::of(engine, |_| Vec::new()))
    }

    /// `kill -9` of the server and of every process that it has started.
    pub(crate) fn kill(&mut self) {
        let Some(server) = self.pid() else { return };
        // Whoever is stopped starts no more.
        self.pause();
        let all: Vec<u32> = children(server).into_iter().chain([server]).collect();
        assert!(signal("KILL", &all));
        self.stop(Stop::Immediate);
        while all.iter().any(|pid| Path::new(&format!("/proc/{pid}")).exists()) {
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// One of the programs that come with PostgreSQL, run as the server is.
    pub(crate) fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.engine.programs.join(name));
        command.env("PGDATA", self.folder.path().join("data")).env("PGPASSWORD", PASSWORD);
        command.current_dir(self.folder.path()).stdin(Stdio::null()).stdout(Stdio::null());
        if is_root(self.folder.path()) {
            command.uid(NOBODY).gid(NOBODY);
        }
        command
    }
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
