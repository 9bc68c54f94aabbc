//! What does not grow: memory per live token, and the cost of a refresh however often a grant was refreshed.
//!
//! ```text
//! cargo bench --bench scale
//! ```
//!
//! Two grants of a public client are compared, one refreshed a million times before, the other a hundred times; in
//! both the list of live access tokens is full. Small batches alternate, and what counts is the median of the ratios
//! of the rounds. Exits with 1 when it is off by more than 5%, or when the record of the one is larger.

#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use grantor::profile::RefreshRotation;
use grantor::record::{GrantId, Record, codec};
use grantor::store::{MemoryStore, Store};
use grantor::token::RefreshHandle;
use http::StatusCode;

use self::fixture::{Fixture, now, refresh};

#[path = "fixture/mod.rs"]
#[allow(dead_code, reason = "each bench sends some of the requests")]
mod fixture;

const TOKENS: u32 = 1_000_000;
const REFRESHES: u32 = 1_000_000;
const ROUNDS: usize = 201;
const BATCH: u32 = 100;
const TOLERANCE: f64 = 0.05;

/// A grant that is refreshed again and again.
struct Family<'f> {
    fixture: &'f Fixture,
    token: String,
}

impl<'f> Family<'f> {
    fn new(fixture: &'f Fixture, refreshes: u32) -> Self {
        let mut family = Self { fixture, token: fixture.tokens("app").1 };
        family.refresh(refreshes);
        family
    }

    fn refresh(&mut self, times: u32) -> Duration {
        let mut spent = Duration::ZERO;
        for _ in 0..times {
            let request = refresh("app", &self.token);
            let start = Instant::now();
            let response = now(self.fixture.http.handle(request, None)).unwrap();
            spent += start.elapsed();
            assert_eq!(response.status(), StatusCode::OK);
            let body = std::str::from_utf8(response.body()).unwrap();
            let (_, rest) = body.split_once(r#""refresh_token":""#).unwrap();
            self.token = rest.split('"').next().unwrap().to_owned();
        }
        spent
    }

    /// The encoded size of its record without the digits of the generation, and the generation.
    fn size(&self, store: &MemoryStore) -> (usize, u32) {
        let handle = RefreshHandle::decode(&self.token).unwrap();
        let namespace = self.fixture.http.server().settings().namespace;
        let loaded = now(store.load(&[namespace.grant(GrantId(handle.id))])).unwrap();
        let record: &Record = &loaded[0].as_ref().unwrap().record;
        (codec::encode(record).unwrap().len() - handle.generation.to_string().len(), handle.generation)
    }
}

fn resident_bytes() -> u64 {
    let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
    pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

fn memory_per_token() {
    let fixture = Fixture::new(TOKENS as usize + 10, RefreshRotation::Public);
    fixture.access_token();
    let before = resident_bytes();
    for _ in 0..TOKENS {
        fixture.send(fixture::confidential("/token", fixture::CLIENT_CREDENTIALS), StatusCode::OK);
    }
    let bytes = (resident_bytes() - before) / u64::from(TOKENS);
    println!("{bytes} bytes of memory per live access token of {TOKENS}, grant and index included");
}

fn refresh_stays_the_same() -> bool {
    let store = Arc::new(MemoryStore::new());
    let fixture = Fixture::over(store.clone(), RefreshRotation::Public);
    let mut young = Family::new(&fixture, 100);
    let mut old = Family::new(&fixture, REFRESHES);
    let mut ratios: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let (old, young) = (old.refresh(BATCH), young.refresh(BATCH));
            old.as_secs_f64() / young.as_secs_f64()
        })
        .collect();
    ratios.sort_by(f64::total_cmp);
    let ratio = ratios[ROUNDS / 2];
    let ((old_size, old_generation), (young_size, young_generation)) = (old.size(&store), young.size(&store));
    println!("refresh at generation {old_generation}: {ratio:.3} of the time at {young_generation}");
    println!("record: {old_size} and {young_size} bytes of JSON without the digits of the generation");
    (ratio - 1.0).abs() <= TOLERANCE && old_size == young_size
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    memory_per_token();
    if refresh_stays_the_same() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
