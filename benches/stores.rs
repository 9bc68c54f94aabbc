//! Refreshing over a database, beside the bare database: how much of what it can do is left.
//!
//! ```text
//! cargo bench --bench stores
//! ```
//!
//! Over PostgreSQL the library's token endpoint is compared with `pgbench`, which sends the statements of a refresh on as
//! many connections to the same server; over SQLite with a loop that updates as many rows in transactions of the same size,
//! flushed alike. Both take turns, and what counts is the median of the ratios of the rounds. Exits with 1 when one is
//! below what it is to reach.

#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark")]

use std::io::Write as _;
use std::process::{ExitCode, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use grantor::endpoint::token::TokenRequest;
use grantor::profile::RefreshRotation;
use grantor::protocol::{GrantType, Params};
use grantor::record::{Batch, BatchId, Id, Index, Key, Put, codec};
use grantor::server::{AuthorizationServer, Origin};
use grantor::store::{PostgresOptions, PostgresStore, SqliteStore, Store};
use http::StatusCode;
use tokio::runtime::Runtime;

use self::fixture::recorder::{Asked, Recorder};
use self::fixture::{Fixture, SCOPE, member, refresh, server};

#[path = "../tests/common/daemon.rs"]
mod daemon;
#[path = "fixture/mod.rs"]
#[allow(dead_code, reason = "each bench sends some of the requests")]
mod fixture;
#[path = "../tests/common/postgres.rs"]
mod postgres;

/// How many clients refresh at once, each a grant of its own, and how many connections they have.
const TOGETHER: usize = 32;
/// How often each was refreshed before: then a grant has as many live access tokens as it may have.
const REFRESHED: usize = 40;
const ROUNDS: usize = 5;
const ROUND: Duration = Duration::from_secs(3);
const POSTGRES_BUDGET: f64 = 0.7;
const SQLITE_BUDGET: f64 = 0.6;

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let runtime = Runtime::new().unwrap();
    let issued = Issued::new();
    let within = [over_postgres(&runtime, &issued), over_sqlite(&runtime, &issued)];
    if within.contains(&false) { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

/// Refresh tokens, the records behind them, and what a refresh asks of a store.
struct Issued {
    tokens: Vec<String>,
    records: Vec<Put>,
    refresh: Asked,
}

impl Issued {
    fn new() -> Self {
        let recorder = Arc::new(Recorder::default());
        let fixture = Fixture::over(recorder.clone(), RefreshRotation::Public);
        let refreshed = |token: &String| {
            member(fixture.send(refresh("app", token), StatusCode::OK).body(), "refresh_token")
        };
        let mut tokens: Vec<_> = (0..=TOGETHER).map(|_| fixture.tokens("app").1).collect();
        for _ in 0..REFRESHED {
            tokens = tokens.iter().map(refreshed).collect();
        }
        let records = recorder.take().records().into_values().collect();
        refreshed(&tokens.pop().unwrap());
        Self { tokens, records, refresh: recorder.take() }
    }

    /// The one batch of a refresh, and the one record in it: the grant.
    fn written(&self) -> (&Batch, &Put) {
        let [batch] = self.refresh.commits.as_slice() else { panic!("a refresh is one commit") };
        let [put] = batch.put.as_slice() else { panic!("a refresh writes one record") };
        assert!(batch.delete.is_empty());
        (batch, put)
    }

    async fn copy_to(&self, store: &dyn Store) {
        let batch = Batch { put: self.records.clone(), ..Batch::new(BatchId(Id([1; 16]))) };
        store.commit(&batch).await.unwrap();
    }
}

/// Clients that refresh as fast as they can.
struct Clients {
    server: AuthorizationServer,
    tokens: Vec<String>,
}

impl Clients {
    fn new(store: Arc<dyn Store>, issued: &Issued) -> Self {
        Self { server: server(store, SCOPE, |builder| builder), tokens: issued.tokens.clone() }
    }

    /// Refreshes in a second.
    async fn refresh(&mut self) -> f64 {
        let began = Instant::now();
        let tasks: Vec<_> = self
            .tokens
            .drain(..)
            .map(|token| tokio::spawn(again_and_again(self.server.clone(), token)))
            .collect();
        let mut refreshes = 0;
        for task in tasks {
            let (token, times) = task.await.unwrap();
            self.tokens.push(token);
            refreshes += times;
        }
        f64::from(refreshes) / began.elapsed().as_secs_f64()
    }
}

/// The last token, and how often there was another.
async fn again_and_again(server: AuthorizationServer, mut token: String) -> (String, u32) {
    let began = Instant::now();
    let mut times = 0;
    while began.elapsed() < ROUND {
        let form = format!("grant_type=refresh_token&client_id=app&refresh_token={token}");
        let request =
            TokenRequest::read(None, &Params::parse(form.as_bytes()).unwrap(), GrantType::ALL).unwrap();
        let tokens = server.token(&request, Origin::default()).await.unwrap();
        token = tokens.refresh_token.unwrap().expose().to_owned();
        times += 1;
    }
    (token, times)
}

/// Lets both take turns; tells whether the library reached its budget.
fn compare(what: &str, budget: f64, mut ours: impl FnMut() -> f64, mut bare: impl FnMut() -> f64) -> bool {
    let mut rounds: Vec<[f64; 3]> = (0..ROUNDS)
        .map(|_| {
            let (ours, bare) = (ours(), bare());
            [ours / bare, ours, bare]
        })
        .collect();
    rounds.sort_by(|one, other| one[0].total_cmp(&other[0]));
    let [ratio, ours, bare] = rounds[ROUNDS / 2];
    println!(
        "{what}: {ours:.0} refreshes a second, {ratio:.2} of the bare {bare:.0} ({:.2} to {:.2} in {ROUNDS} rounds; to reach: {budget})",
        rounds[0][0],
        rounds[ROUNDS - 1][0],
    );
    ratio >= budget
}

fn over_postgres(runtime: &Runtime, issued: &Issued) -> bool {
    let Some(database) = postgres::Server::start() else { return true };
    let mut options = PostgresOptions::new(database.url());
    options.connections = TOGETHER;
    let store = runtime.block_on(PostgresStore::connect_with(&options)).unwrap();
    runtime.block_on(issued.copy_to(&store));
    let mut clients = Clients::new(Arc::new(store), issued);
    let script = script(issued);
    let ours = || runtime.block_on(clients.refresh());
    let bare = || {
        runtime.block_on(lay_out_rows(&database, issued));
        let (rate, transactions) = pgbench(&database, &script);
        assert_eq!(runtime.block_on(versions(&database)), transactions, "each was applied");
        rate
    };
    compare("PostgreSQL, beside pgbench", POSTGRES_BUDGET, ours, bare)
}

/// The key of the row that a `pgbench` client has to itself, and its versions, counted.
const OWN_KEY: &str = "decode(lpad(to_hex(CAST(:client_id AS bigint)), 66, '0'), 'hex')";
const VERSION: &str = "decode(lpad(to_hex(CAST(:n AS bigint)), 32, '0'), 'hex')";
const NEXT_VERSION: &str = "decode(lpad(to_hex(CAST(:n + 1 AS bigint)), 32, '0'), 'hex')";

/// The statements of a refresh, for `pgbench`: each of its clients refreshes a row of its own.
fn script(issued: &Issued) -> String {
    let (batch, put) = issued.written();
    let key = |key: &Key| if *key == put.key { OWN_KEY.to_owned() } else { literal(&name(key)) };
    let loads = issued.refresh.loads.iter().map(|keys| {
        format!(
            "SELECT records.version, records.body FROM unnest({}) WITH ORDINALITY AS wanted (key, place)
             LEFT JOIN records ON records.key = wanted.key ORDER BY wanted.place;\n",
            array(keys.iter().map(key))
        )
        .replace('\n', " ")
            + "\n"
    });
    let version = |of: &Key| if *of == put.key { VERSION } else { "NULL" }.to_owned();
    let apply = format!(
        "SELECT apply_batch({NEXT_VERSION}, {}, {}, '{{}}', ARRAY[{OWN_KEY}], ARRAY[{}]::bigint[], ARRAY[{}], {}, {});\n",
        array(batch.expect.iter().map(|(expected, _)| key(expected))),
        array(batch.expect.iter().map(|(expected, _)| version(expected))),
        put.retain_until.0,
        literal(&codec::encode(&put.record).unwrap()),
        array(put.terms.iter().map(|term| literal(&term_name(term)))),
        array(put.terms.iter().map(|_| OWN_KEY.to_owned())),
    );
    loads.chain([apply, "\\set n :n + 1\n".to_owned()]).collect()
}

fn array(items: impl Iterator<Item = String>) -> String {
    format!("ARRAY[{}]::bytea[]", items.collect::<Vec<_>>().join(", "))
}

fn literal(bytes: &[u8]) -> String {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("'\\x{hex}'::bytea")
}

fn name(key: &Key) -> Vec<u8> {
    [key.namespace.0.0.as_slice(), &[key.kind as u8], &key.id.0].concat()
}

fn term_name(term: &Index) -> Vec<u8> {
    [term.namespace.0.0.as_slice(), &[term.kind as u8], &term.id.0].concat()
}

async fn sql(database: &postgres::Server) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("SET search_path TO grantor").await.unwrap();
    client
}

/// A row for each client of `pgbench`, at version 0.
async fn lay_out_rows(database: &postgres::Server, issued: &Issued) {
    let (_, put) = issued.written();
    let key = OWN_KEY.replace(":client_id", "client");
    let rows = format!(
        "INSERT INTO records SELECT {key}, decode(repeat('00', 16), 'hex'), {}, {} FROM generate_series(0, {TOGETHER} - 1) AS client
         ON CONFLICT (key) DO UPDATE SET version = excluded.version",
        put.retain_until.0,
        literal(&codec::encode(&put.record).unwrap()),
    );
    sql(database).await.batch_execute(&rows).await.unwrap();
}

/// How often those rows were written.
async fn versions(database: &postgres::Server) -> u64 {
    let query = "SELECT sum(('x' || encode(substr(version, 9), 'hex'))::bit(64)::bigint)::bigint FROM records
        WHERE key < decode(repeat('00', 28) || repeat('ff', 5), 'hex')";
    sql(database).await.query_one(query, &[]).await.unwrap().get::<_, i64>(0) as u64
}

/// Transactions in a second, and how many there were.
fn pgbench(database: &postgres::Server, script: &str) -> (f64, u64) {
    let (together, seconds) = (TOGETHER.to_string(), ROUND.as_secs().to_string());
    let mut run = database
        .program("pgbench")
        .args(["-n", "-M", "prepared", "-j", "2", "-c", &together, "-T", &seconds, "-D", "n=0", "-f", "-"])
        .args(["-h", "127.0.0.1", "-p", &database.port.to_string(), "-U", "grantor", "postgres"])
        .env("PGOPTIONS", "-c search_path=grantor -c enable_seqscan=off -c jit=off")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    run.stdin.take().unwrap().write_all(script.as_bytes()).unwrap();
    let told = run.wait_with_output().unwrap();
    let told = String::from_utf8(told.stdout).unwrap();
    let number = |name: &str| {
        let (_, rest) = told.split_once(name).unwrap_or_else(|| panic!("{told}"));
        rest.split_whitespace().next().unwrap()
    };
    (number("tps = ").parse().unwrap(), number("actually processed: ").parse().unwrap())
}

fn over_sqlite(runtime: &Runtime, issued: &Issued) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("grantor.sqlite")).unwrap());
    runtime.block_on(issued.copy_to(store.as_ref()));
    let mut clients = Clients::new(store.clone(), issued);
    let mut bare = BareSqlite::new(&folder.path().join("bare.sqlite"), issued);
    let in_a_transaction = std::cell::Cell::new(1);
    let ours = || {
        let before = store.stats();
        let rate = runtime.block_on(clients.refresh());
        let after = store.stats();
        in_a_transaction
            .set((after.batches - before.batches).div_ceil(after.transactions - before.transactions));
        rate
    };
    let within =
        compare("SQLite, beside bare updates", SQLITE_BUDGET, ours, || bare.update(in_a_transaction.get()));
    println!("SQLite: {} refreshes in a transaction", in_a_transaction.get());
    within
}

/// Rows of the same size, without anything around them.
struct BareSqlite {
    connection: rusqlite::Connection,
    body: Vec<u8>,
    next: i64,
}

impl BareSqlite {
    fn new(path: &std::path::Path, issued: &Issued) -> Self {
        let connection = rusqlite::Connection::open(path).unwrap();
        let setting = "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA fullfsync = ON;
            CREATE TABLE record (id BLOB PRIMARY KEY, version INTEGER NOT NULL, body BLOB NOT NULL);";
        connection.execute_batch(setting).unwrap();
        let body = codec::encode(&issued.written().1.record).unwrap();
        for row in 0..TOGETHER as i64 {
            let id = [[0; 25].as_slice(), &row.to_be_bytes()].concat();
            connection.execute("INSERT INTO record VALUES (?1, 0, ?2)", (id, &body)).unwrap();
        }
        Self { connection, body, next: 0 }
    }

    /// Updates in a second, so many in a transaction.
    fn update(&mut self, in_a_transaction: u64) -> f64 {
        let began = Instant::now();
        let first = self.next;
        while began.elapsed() < ROUND {
            self.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
            for _ in 0..in_a_transaction {
                self.next += 1;
                let id = [[0; 25].as_slice(), &(self.next % TOGETHER as i64).to_be_bytes()].concat();
                let mut update = self
                    .connection
                    .prepare_cached("UPDATE record SET version = ?2, body = ?3 WHERE id = ?1")
                    .unwrap();
                assert_eq!(update.execute((id, self.next, &self.body)).unwrap(), 1);
            }
            self.connection.execute_batch("COMMIT").unwrap();
        }
        (self.next - first) as f64 / began.elapsed().as_secs_f64()
    }
}
