//! What does not grow with the number of grants: the time of a refresh, of a redeemed code, of a checked token; and what a
//! grant takes on the disk.
//!
//! ```text
//! TMPDIR=/where/there/is/room cargo bench --bench growth -- postgres sqlite
//! ```
//!
//! To be run by hand: it writes 5 million grants into each store, 10 GB in one after the other, and takes half an hour.
//! `GROWTH_UNIT`, 1,000,000 unless set, makes it shorter. The grants are copies of one that was issued, under names of their
//! own, with their terms; those that are used are real. At last the first million may be forgotten, and is purged while
//! requests go on. Exits with 1 when a median at the end is more than twice the first one, or when the slowest hundredth of
//! the refreshes takes more than three times as long during the purge as before it.

#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark")]

use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use grantor::endpoint::resource::ResourceCheck;
use grantor::http::HttpServer;
use grantor::profile::RefreshRotation;
use grantor::protocol::{Scope, SubjectId, Timestamp};
use grantor::record::{Batch, BatchId, Id, Index, IndexKind, Kind, Put, Record};
use grantor::store::{PostgresStore, SqliteStore, Store};
use grantor::token::PresentedToken;
use http::{Request, StatusCode};

use self::fixture::recorder::Recorder;
use self::fixture::{Fixture, SCOPE, authorize, code_in, exchange, member, refresh, server, sign_in};

#[path = "../tests/common/daemon.rs"]
mod daemon;
#[path = "fixture/mod.rs"]
#[allow(dead_code, reason = "each bench sends some of the requests")]
mod fixture;
#[path = "../tests/common/postgres.rs"]
mod postgres;

/// After how many units it is measured.
const STEPS: [u64; 3] = [1, 2, 5];
/// How many grants there are that can be used, and how many of them a measurement uses.
const REAL: usize = 20_000;
const USED: usize = 1_000;
/// How many records one batch writes, and how many batches are written at once.
const BATCH: u64 = 500;
const WRITERS: u64 = 4;
/// How many refresh at once while there is a purge, and for how long before it.
const DURING_PURGE: usize = 4;
const BEFORE_PURGE: Duration = Duration::from_secs(15);
const PURGED_AT_ONCE: usize = 1_000;
const FLAT: f64 = 2.0;
const DISTURBED: f64 = 3.0;

fn main() -> ExitCode {
    let engines: Vec<String> =
        std::env::args().skip(1).filter(|argument| !argument.starts_with("--")).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut flat = true;
    for engine in &engines {
        let unit = std::env::var("GROWTH_UNIT").map_or(1_000_000, |unit| unit.parse().unwrap());
        flat &= match engine.as_str() {
            "postgres" => runtime.block_on(over_postgres(unit)),
            "sqlite" => runtime.block_on(over_sqlite(unit)),
            other => panic!("no such store: {other}"),
        };
    }
    if flat { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn over_postgres(unit: u64) -> bool {
    let Some(database) = postgres::Server::start() else { return true };
    let store = Arc::new(PostgresStore::connect(database.url()).await.unwrap());
    let (client, connection) = tokio_postgres::connect(&database.url(), tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let sizes = async || {
        let query = "SELECT relname::text, pg_relation_size(oid) FROM pg_class
            WHERE relnamespace = 'grantor'::regnamespace AND pg_relation_size(oid) > 1000000 ORDER BY 1";
        let rows = client.query(query, &[]).await.unwrap();
        rows.iter().map(|row| (row.get(0), row.get::<_, i64>(1) as u64)).collect()
    };
    grow("PostgreSQL", store, unit, sizes).await
}

async fn over_sqlite(unit: u64) -> bool {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("grantor.sqlite");
    let store = Arc::new(SqliteStore::open(&path).unwrap());
    let sizes = async || {
        let connection = rusqlite::Connection::open(&path).unwrap();
        let query = "SELECT name, pgsize FROM dbstat WHERE aggregate = TRUE AND pgsize > 1000000 ORDER BY 1";
        let mut statement = connection.prepare(query).unwrap();
        let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get::<_, i64>(1)? as u64))).unwrap();
        rows.map(Result::unwrap).collect()
    };
    grow("SQLite", store, unit, sizes).await
}

/// Fills the store, measures at each step, and purges; whether all stayed within bounds.
async fn grow(
    name: &str,
    store: Arc<dyn Store>,
    unit: u64,
    sizes: impl AsyncFn() -> Vec<(String, u64)>,
) -> bool {
    let filler = Arc::new(Filler::new(unit));
    let mut clients = filler.clients(Arc::clone(&store)).await;
    println!("\n{name}: median and 99th percentile in milliseconds");
    println!("{:>9} {:>15} {:>15} {:>15} {:>11}", "grants", "refresh", "code", "check", "bytes/grant");
    let (mut first, mut filled, mut flat) = (None, 0, true);
    for step in STEPS.map(|step| step * unit) {
        let began = Instant::now();
        filler.fill(&store, filled..step).await;
        let rate = (step - filled) as f64 / began.elapsed().as_secs_f64();
        filled = step;
        let took = clients.measure().await;
        let sizes = sizes().await;
        let bytes: u64 = sizes.iter().map(|(_, bytes)| bytes).sum();
        let [refresh, code, check] =
            took.each_ref().map(|took| format!("{:.2} {:.2}", took.median(), took.p99()));
        println!("{step:>9} {refresh:>15} {code:>15} {check:>15} {:>11}", bytes / step);
        let sizes: Vec<_> =
            sizes.iter().map(|(name, bytes)| format!("{name} {} MB", bytes / 1_000_000)).collect();
        println!("{:>9} {} (filled with {rate:.0} a second)", "", sizes.join(", "));
        let medians = took.map(|took| took.median());
        let before = *first.get_or_insert(medians);
        flat &= medians.iter().zip(before).all(|(now, before)| *now <= FLAT * before);
    }
    flat & purge(clients, unit).await
}

/// A million records go while tokens are refreshed; whether those who refresh are left alone.
async fn purge(clients: Clients, unit: u64) -> bool {
    let server = clients.http.server().clone();
    let clients = Arc::new(clients);
    let before = clients.refresh_while(async || tokio::time::sleep(BEFORE_PURGE).await).await;
    let began = Instant::now();
    let gone = AtomicU64::new(0);
    let during = clients
        .refresh_while(async || {
            while gone.load(Ordering::Relaxed) < unit {
                gone.fetch_add(server.purge(PURGED_AT_ONCE).await.unwrap() as u64, Ordering::Relaxed);
            }
        })
        .await;
    let ratio = during.p99() / before.p99();
    println!(
        "{} records purged in {:.0?}; {DURING_PURGE} at once refresh in {:.2} ms (99th percentile {:.2}) before and {:.2} ms ({:.2}) meanwhile: {ratio:.2}",
        gone.into_inner(),
        began.elapsed(),
        before.median(),
        before.p99(),
        during.median(),
        during.p99(),
    );
    ratio <= DISTURBED
}

/// How long each took.
#[derive(Default)]
struct Took(Vec<Duration>);

impl Took {
    fn new(mut took: Vec<Duration>) -> Self {
        took.sort();
        Self(took)
    }

    fn median(&self) -> f64 {
        self.0[self.0.len() / 2].as_secs_f64() * 1e3
    }

    fn p99(&self) -> f64 {
        self.0[self.0.len() * 99 / 100].as_secs_f64() * 1e3
    }
}

/// Grants to be written.
struct Filler {
    real: Vec<(String, String)>,
    records: Vec<Put>,
    pattern: Put,
    unit: u64,
}

impl Filler {
    fn new(unit: u64) -> Self {
        let recorder = Arc::new(Recorder::default());
        let fixture = Fixture::over(recorder.clone(), RefreshRotation::Public);
        let real = (0..REAL).map(|_| fixture.tokens("app")).collect();
        let records: Vec<Put> =
            recorder.take().records().into_values().filter(|put| put.key.kind == Kind::Grant).collect();
        let pattern = records[0].clone();
        Self { real, records, pattern, unit }
    }

    /// Clients over the store, to which the records of their grants are copied.
    async fn clients(&self, store: Arc<dyn Store>) -> Clients {
        for (n, records) in self.records.chunks(BATCH as usize).enumerate() {
            let batch = Batch { put: records.to_vec(), ..Batch::new(BatchId(id(u64::MAX - n as u64))) };
            store.commit(&batch).await.unwrap();
        }
        let server = server(store, SCOPE, |builder| builder);
        let cookie = sign_in(&server).await;
        Clients { http: HttpServer::new(server), cookie, real: Mutex::new(self.real.clone()) }
    }

    async fn fill(self: &Arc<Self>, store: &Arc<dyn Store>, grants: std::ops::Range<u64>) {
        let next = Arc::new(AtomicU64::new(grants.start));
        let writers: Vec<_> = (0..WRITERS)
            .map(|_| {
                let (filler, store, next, end) =
                    (Arc::clone(self), Arc::clone(store), Arc::clone(&next), grants.end);
                tokio::spawn(async move {
                    loop {
                        let first = next.fetch_add(BATCH, Ordering::Relaxed);
                        if first >= end {
                            break;
                        }
                        let put = (first..end.min(first + BATCH)).map(|n| filler.grant(n)).collect();
                        let batch = Batch { put, ..Batch::new(BatchId(id(first))) };
                        store.commit(&batch).await.unwrap();
                    }
                })
            })
            .collect();
        for writer in writers {
            writer.await.unwrap();
        }
    }

    /// A grant of one of many users, who have ten each in the end; of the first unit, one that may be forgotten.
    fn grant(&self, n: u64) -> Put {
        let mut put = self.pattern.clone();
        put.key.id = id(n);
        let subject: SubjectId = format!("user-{:08}", drawn(n) % (self.unit / 2)).as_str().into();
        for term in put.terms.iter_mut().filter(|term| term.kind == IndexKind::Subject) {
            *term = Index::subject(term.namespace, &subject);
        }
        let Record::Grant(grant) = &*put.record else { panic!("a grant") };
        let mut grant = grant.clone();
        grant.subject.iter_mut().for_each(|own| own.id = subject.clone());
        put.record = Arc::new(Record::Grant(grant));
        if n < self.unit {
            put.retain_until = Timestamp(1 + n);
        }
        put
    }
}

/// As the library mints them: the later, the larger.
fn id(n: u64) -> Id {
    Id::minted(Timestamp(1_700_000_000 + n / 1_000), n as u32, drawn(n).to_be_bytes())
}

/// As if drawn: no order among them (SplitMix64).
fn drawn(n: u64) -> u64 {
    let n = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    n ^ (n >> 31)
}

/// Those who use the real grants.
struct Clients {
    http: HttpServer,
    cookie: String,
    real: Mutex<Vec<(String, String)>>,
}

impl Clients {
    async fn send(&self, request: Request<Bytes>, status: StatusCode) -> (http::Response<Bytes>, Duration) {
        let began = Instant::now();
        let response = self.http.handle(request, None).await.unwrap();
        let took = began.elapsed();
        assert_eq!(response.status(), status, "{response:?}");
        (response, took)
    }

    /// A grant that was not used for long, which then is the one used last.
    fn next(&self) -> (String, String) {
        self.real.lock().unwrap().remove(0)
    }

    async fn refresh(&self) -> Duration {
        let (access, token) = self.next();
        let (response, took) = self.send(refresh("app", &token), StatusCode::OK).await;
        self.real.lock().unwrap().push((access, member(response.body(), "refresh_token")));
        took
    }

    async fn check(&self, access: &str) -> Duration {
        let check =
            ResourceCheck { token: PresentedToken::read(access), resource: None, scope: Scope::empty() };
        let began = Instant::now();
        self.http.server().check(&check).await.unwrap();
        began.elapsed()
    }

    /// Refreshes, redeemed codes, and checks of tokens, one after the other.
    async fn measure(&mut self) -> [Took; 3] {
        let (mut refreshes, mut codes, mut checks) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..USED {
            refreshes.push(self.refresh().await);
            let (response, _) = self.send(authorize("app", &self.cookie), StatusCode::FOUND).await;
            codes.push(self.send(exchange("app", &code_in(&response)), StatusCode::OK).await.1);
            let (access, token) = self.next();
            checks.push(self.check(&access).await);
            self.real.lock().unwrap().push((access, token));
        }
        [refreshes, codes, checks].map(Took::new)
    }

    /// How long refreshes take, some at once, until something else is done.
    async fn refresh_while(self: &Arc<Self>, until: impl AsyncFnOnce()) -> Took {
        let over = Arc::new(AtomicBool::new(false));
        let tasks: Vec<_> = (0..DURING_PURGE)
            .map(|_| {
                let (clients, over) = (Arc::clone(self), Arc::clone(&over));
                tokio::spawn(async move {
                    let mut took = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        took.push(clients.refresh().await);
                    }
                    took
                })
            })
            .collect();
        until().await;
        over.store(true, Ordering::Relaxed);
        let mut all = Vec::new();
        for task in tasks {
            all.extend(task.await.unwrap());
        }
        Took::new(all)
    }
}
