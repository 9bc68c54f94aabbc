//! What a signed token costs beyond its signature.
//!
//! ```text
//! cargo bench --bench signing
//! ```
//!
//! In each round codes are redeemed without and with an ID token, and JWT access tokens are issued; ES256 signatures are
//! made in between. What counts is the median over the rounds. Exits with 1 when anything costs more than a fifth of a
//! signature beside its signature.

#![allow(missing_docs, unreachable_pub, reason = "a benchmark")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a benchmark")]

use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use grantor::host::{KeyRingOptions, KeyRingSigner, StaticResources, SystemClock};
use grantor::jose::{Algorithm, Sealer, SigningKey};
use grantor::protocol::Resource;
use grantor::record::Namespace;
use grantor::record::resource_server::{ResourceServer, TokenFormat};
use grantor::store::MemoryStore;
use http::{Request, StatusCode};

use self::fixture::{CLIENT_CREDENTIALS, Fixture, ISSUER, SCOPE, code_in, confidential, exchange, now};

#[path = "fixture/mod.rs"]
#[allow(dead_code, reason = "each bench sends some of the requests")]
mod fixture;

const API: &str = "https://api.example.com/";
const ROUNDS: usize = 201;
const BATCH: u32 = 50;
const MOST: f64 = 0.2;

/// A provider that signs with ES256, also the tokens for one API.
fn provider() -> Fixture {
    let store = Arc::new(MemoryStore::new());
    let signer = now(KeyRingSigner::open(
        store.clone(),
        Namespace::of_issuer(ISSUER),
        Sealer::new(&[7; 32]),
        Arc::new(SystemClock),
        KeyRingOptions::new([Algorithm::Es256]),
    ));
    let api = ResourceServer {
        resource: Resource::parse(API).unwrap(),
        format: TokenFormat::Jwt(Algorithm::Es256),
        scope: None,
        lifetime: None,
    };
    Fixture::with(store, &format!("openid {SCOPE}"), |builder| {
        builder.signer(Arc::new(signer.unwrap())).resources(Arc::new(StaticResources::new([api])))
    })
}

/// How long a batch of these requests takes, without making them, and how long as many signatures, each made after one
/// of them: in the same state of the caches.
fn answering(fixture: &Fixture, key: &SigningKey, mut request: impl FnMut() -> Request<Bytes>) -> (f64, f64) {
    let message = [b'a'; 400];
    let (mut answering, mut signing) = (Duration::ZERO, Duration::ZERO);
    for _ in 0..BATCH {
        let request = request();
        let start = Instant::now();
        let response = now(fixture.http.handle(request, None)).unwrap();
        answering += start.elapsed();
        assert_eq!(response.status(), StatusCode::OK, "{response:?}");
        let start = Instant::now();
        drop(std::hint::black_box(key.sign(&message).unwrap()));
        signing += start.elapsed();
    }
    (answering.as_secs_f64(), signing.as_secs_f64())
}

/// The redemption of a new code of `web` for this scope, as it stands in a query.
fn redemption(fixture: &Fixture, scope: &str) -> Request<Bytes> {
    let mut request = fixture.authorize("web");
    let uri = request.uri().to_string().replace("scope=", &format!("scope={scope}"));
    *request.uri_mut() = uri.parse().unwrap();
    exchange("web", &code_in(&fixture.send(request, StatusCode::FOUND)))
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> ExitCode {
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let fixture = provider();
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    let jwt = format!("{CLIENT_CREDENTIALS}&resource=https%3A%2F%2Fapi.example.com%2F");
    let (mut id_token, mut access_token) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let (without, signature) = answering(&fixture, &key, || redemption(&fixture, ""));
        let (with, _) = answering(&fixture, &key, || redemption(&fixture, "openid+"));
        let (issued, _) = answering(&fixture, &key, || confidential("/token", jwt.clone()));
        id_token.push((with - without - signature) / signature);
        access_token.push((issued - signature) / signature);
    }
    let mut over = false;
    println!("{:<40} {:>12} {:>8}", "in ES256 signatures, beside the signature", "costs", "budget");
    for (what, costs) in
        [("an ID token", median(id_token)), ("a whole request for a JWT access token", median(access_token))]
    {
        over |= costs > MOST;
        println!("{what:<40} {costs:>12.3} {MOST:>8}  {}", if costs > MOST { "OVER" } else { "ok" });
    }
    if over { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
