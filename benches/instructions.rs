//! What each operation costs in instructions, and whether that is within its budget.
//!
//! ```text
//! cargo bench --bench instructions
//! ```
//!
//! Each operation runs [`RUNS`] times under valgrind, which counts between the entry and the exit of one function:
//! `HttpServer::handle`, bytes in to bytes out, or `AuthorizationServer::check`. Building the requests and reading
//! the answers is outside. valgrind does not know the SHA instructions of the processor, so SHA-256 runs in software
//! there; its compression function is subtracted, by hand so:
//!
//! ```text
//! valgrind --tool=callgrind --collect-atstart=no --toggle-collect='*counted*' --callgrind-out-file=out \
//!     target/release/deps/instructions-* refresh
//! callgrind_annotate --auto=no --threshold=100 out | awk '/sha256.*compress/ { gsub(",", "", $1); sum += $1 } END { print sum }'
//! ```

#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark")]

use std::process::{Command, ExitCode};

use bytes::Bytes;
use grantor::endpoint::resource::ResourceCheck;
use grantor::profile::RefreshRotation;
use grantor::protocol::Scope;
use grantor::server::AuthorizationServer;
use grantor::token::PresentedToken;
use http::{Request, Response, StatusCode};

use self::fixture::{CLIENT_CREDENTIALS, Fixture, confidential, exchange, introspect, member, now, refresh};

#[path = "fixture/mod.rs"]
mod fixture;

/// How often each operation is counted.
const RUNS: u64 = 1000;
/// How often it runs before that.
const WARM_UP: u64 = 100;

/// An operation: its name, its budget in instructions, and what it does, given how to call what is counted.
struct Operation {
    name: &'static str,
    budget: u64,
    run: fn(&Fixture, &mut Counted<'_>),
}

const OPERATIONS: &[Operation] = &[
    Operation { name: "client-credentials", budget: 10_000, run: client_credentials },
    Operation { name: "code", budget: 28_000, run: |fixture, counted| code("web", fixture, counted) },
    Operation { name: "code-public", budget: 28_000, run: |fixture, counted| code("app", fixture, counted) },
    Operation {
        name: "refresh",
        budget: 15_000,
        run: |fixture, counted| first_refresh("web", fixture, counted),
    },
    Operation {
        name: "refresh-rotating",
        budget: 15_000,
        run: |fixture, counted| first_refresh("app", fixture, counted),
    },
    Operation { name: "refresh-one-grant", budget: 15_000, run: refresh_one_grant },
    Operation { name: "check", budget: 2_500, run: check_user },
    Operation { name: "check-client", budget: 2_500, run: check_client },
    Operation { name: "introspect", budget: 9_000, run: introspect_user },
    Operation { name: "introspect-client", budget: 9_000, run: introspect_client },
];

fn client_credentials(_: &Fixture, counted: &mut Counted<'_>) {
    counted.handle(confidential("/token", CLIENT_CREDENTIALS), StatusCode::OK);
}

/// Issues a code and redeems it.
fn code(client: &str, fixture: &Fixture, counted: &mut Counted<'_>) {
    let response = counted.handle(fixture.authorize(client), StatusCode::FOUND);
    counted.handle(exchange(client, &fixture::code_in(&response)), StatusCode::OK);
}

/// Refreshes a new grant.
fn first_refresh(client: &str, fixture: &Fixture, counted: &mut Counted<'_>) {
    let (_, token) = fixture.tokens(client);
    counted.handle(refresh(client, &token), StatusCode::OK);
}

/// Refreshes the same grant again and again: it lists as many live access tokens as it may.
fn refresh_one_grant(fixture: &Fixture, counted: &mut Counted<'_>) {
    let token = counted.last.take().unwrap_or_else(|| fixture.tokens("app").1);
    let response = counted.handle(refresh("app", &token), StatusCode::OK);
    counted.last = Some(member(response.body(), "refresh_token"));
}

fn check_user(fixture: &Fixture, counted: &mut Counted<'_>) {
    counted.check(&fixture.tokens("web").0);
}

fn check_client(fixture: &Fixture, counted: &mut Counted<'_>) {
    counted.check(&fixture.access_token());
}

fn introspect_user(fixture: &Fixture, counted: &mut Counted<'_>) {
    counted.handle(introspect(&fixture.tokens("web").0), StatusCode::OK);
}

fn introspect_client(fixture: &Fixture, counted: &mut Counted<'_>) {
    counted.handle(introspect(&fixture.access_token()), StatusCode::OK);
}

/// What is counted, or the same work before the counting begins.
struct Counted<'f> {
    fixture: &'f Fixture,
    counting: bool,
    /// What one run leaves to the next.
    last: Option<String>,
}

impl Counted<'_> {
    fn handle(&self, request: Request<Bytes>, status: StatusCode) -> Response<Bytes> {
        if !self.counting {
            return self.fixture.send(request, status);
        }
        let response = counted_handle(self.fixture, request);
        assert_eq!(response.status(), status, "{response:?}");
        response
    }

    fn check(&self, token: &str) {
        let scope = Scope::parse("accounts:read").unwrap();
        if self.counting {
            counted_check(self.fixture.http.server(), token, scope);
        } else {
            check(self.fixture.http.server(), token, scope);
        }
    }
}

#[inline(never)]
fn counted_handle(fixture: &Fixture, request: Request<Bytes>) -> Response<Bytes> {
    now(fixture.http.handle(request, None)).unwrap()
}

#[inline(never)]
fn counted_check(server: &AuthorizationServer, token: &str, scope: Scope) {
    check(server, token, scope);
}

/// What an API does with the bearer token of a request.
#[inline(always)]
fn check(server: &AuthorizationServer, token: &str, scope: Scope) {
    let check = ResourceCheck { token: PresentedToken::read(token), resource: None, scope };
    now(server.check(&check)).unwrap();
}

/// The child: one operation, under valgrind.
fn perform(operation: &Operation) {
    let fixture = Fixture::new(100_000, RefreshRotation::Public);
    let mut counted = Counted { fixture: &fixture, counting: false, last: None };
    for _ in 0..WARM_UP {
        (operation.run)(&fixture, &mut counted);
    }
    counted.counting = true;
    for _ in 0..RUNS {
        (operation.run)(&fixture, &mut counted);
    }
}

/// Instructions per operation: all of them, and those of the compression function of SHA-256.
struct Cost {
    total: u64,
    sha256: u64,
}

fn measure(operation: &Operation) -> Cost {
    let out = std::env::temp_dir().join(format!("callgrind.{}.{}", operation.name, std::process::id()));
    let status = Command::new("valgrind")
        .args(["--tool=callgrind", "--quiet", "--collect-atstart=no", "--toggle-collect=*counted_*"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(std::env::current_exe().unwrap())
        .arg(operation.name)
        .status()
        .unwrap();
    assert!(status.success(), "{} failed", operation.name);
    let annotated =
        Command::new("callgrind_annotate").args(["--auto=no", "--threshold=100"]).arg(&out).output().unwrap();
    if std::env::var_os("KEEP").is_none() {
        std::fs::remove_file(&out).unwrap();
    }
    let text = String::from_utf8(annotated.stdout).unwrap();
    let mut cost = Cost { total: 0, sha256: 0 };
    for (count, name) in text.lines().filter_map(counted_line) {
        if name == "PROGRAM TOTALS" {
            cost.total = count / RUNS;
        } else if name.contains("sha256") && name.contains("compress") {
            cost.sha256 += count / RUNS;
        }
    }
    assert!(cost.sha256 > 0, "the compression function of SHA-256 was not found");
    cost
}

/// The count and the name in a line like ` 1,234 (56.7%)  file:function [object]`.
fn counted_line(line: &str) -> Option<(u64, &str)> {
    let (count, rest) = line.trim_start().split_once(' ')?;
    let count = count.replace(',', "").parse().ok()?;
    let name = rest.split_once(')').map_or(rest, |(_, name)| name);
    Some((count, name.trim()))
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let Some(operation) = OPERATIONS.iter().find(|own| arguments.first().is_some_and(|it| it == own.name))
    {
        perform(operation);
        return ExitCode::SUCCESS;
    }
    if !arguments.iter().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let wanted = arguments.iter().find(|argument| !argument.starts_with('-'));
    println!("{:<20} {:>8} {:>16} {:>8}", "operation", "total", "without SHA-256", "budget");
    let mut over = false;
    for operation in
        OPERATIONS.iter().filter(|own| wanted.is_none_or(|name| own.name.contains(name.as_str())))
    {
        let Cost { total, sha256 } = measure(operation);
        let own = total - sha256;
        let verdict = if own <= operation.budget { "ok" } else { "OVER" };
        over |= own > operation.budget;
        println!("{:<20} {total:>8} {own:>16} {:>8}  {verdict}", operation.name, operation.budget);
    }
    if over { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
