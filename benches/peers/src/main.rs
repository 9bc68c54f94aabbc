//! CPU time of grantor and of `oauth-as`, doing the same work in the same run.
//!
//! ```text
//! cargo run --release --manifest-path benches/peers/Cargo.toml
//! ```
//!
//! Both answer the very same requests, `http::Request<Bytes>` in and `http::Response<Bytes>` out, through the HTTP
//! service each of them ships: routing, form decoding, client authentication by a secret kept as a SHA-256 digest,
//! the protocol, an in-memory store, opaque tokens, JSON and response headers. The browser of an authorization
//! request is signed in and nothing is left to ask: grantor looks up its session record, `oauth-as` asks a resolver
//! that looks into a map, as its example of a production server does. Refresh tokens rotate in both. Not measured:
//! making the requests and reading the answers. grantor keeps digests of codes and tokens, `oauth-as` keeps them as
//! they are.
//!
//! Batches of both alternate, on the CPU clock of the one thread that runs them, and the ratio is the median of the
//! ratios of the rounds. Exits with 1 when grantor needs more than half of the time.

use std::collections::HashMap;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use grantor::profile::RefreshRotation;
use http::{Request, Response, StatusCode, header};
use oauth_as::client::{Client, ClientAuth, ClientId, SecretHash};
use oauth_as::grant::GrantType;
use oauth_as::http::{ApprovalDecision, AuthorizationService, Body, ServiceBuilder};
use oauth_as::scope::ScopeSet;
use oauth_as::server::{AuthorizationServer, ServerConfig, SystemClock};
use oauth_as::store::MemoryStorage;
use rustix::time::{ClockId, clock_gettime};

use self::fixture::{
    CLIENT_CREDENTIALS, Fixture, ISSUER, REDIRECT_URI, SCOPE, SECRET, authorize, code_in, confidential,
    exchange, introspect, member, now, refresh,
};

#[path = "../../fixture/mod.rs"]
#[allow(dead_code)]
mod fixture;

/// Requests in a batch.
const BATCH: usize = 500;
/// Batches of each server.
const ROUNDS: usize = 21;
/// The most CPU time, as a part of the peer's.
const BUDGET: f64 = 0.5;

/// A server that answers requests.
trait Peer {
    fn handle(&self, request: Request<Bytes>) -> Response<Bytes>;
    fn authorize(&self) -> Request<Bytes>;
}

impl Peer for Fixture {
    fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        now(self.http.handle(request, None)).unwrap()
    }

    fn authorize(&self) -> Request<Bytes> {
        self.authorize("web")
    }
}

struct OauthAs(AuthorizationService<MemoryStorage, SystemClock>);

impl OauthAs {
    fn new() -> Self {
        let server = AuthorizationServer::new(
            ServerConfig::new(ISSUER, format!("{ISSUER}/device")),
            MemoryStorage::new(),
        );
        let scope = ScopeSet::parse(SCOPE).unwrap();
        let client = Client {
            client_id: ClientId::new("web"),
            auth: ClientAuth::ConfidentialSecretHash { hash: SecretHash::sha256(SECRET) },
            grant_types: vec![
                GrantType::AuthorizationCode,
                GrantType::RefreshToken,
                GrantType::ClientCredentials,
            ],
            redirect_uris: vec![REDIRECT_URI.to_owned()],
            allowed_scopes: scope.clone(),
            default_scopes: scope,
            name: None,
            registration: None,
        };
        now(server.register_client(client)).unwrap();
        let sessions = Mutex::new(HashMap::from([("8f14e45fceea167a".to_owned(), "alice".to_owned())]));
        let service = ServiceBuilder::new(Arc::new(server))
            .with_subject_resolver(move |headers| {
                let cookies = headers.get(header::COOKIE)?.to_str().ok()?;
                let session = cookies.split(';').find_map(|pair| pair.trim().strip_prefix("session="))?;
                sessions.lock().ok()?.get(session).cloned()
            })
            .with_approval_resolver(|_| ApprovalDecision::Approve)
            .build()
            .unwrap();
        Self(service)
    }
}

impl Peer for OauthAs {
    fn handle(&self, request: Request<Bytes>) -> Response<Bytes> {
        now(self.0.handle(request.map(Body::from))).map(Body::into_bytes)
    }

    fn authorize(&self) -> Request<Bytes> {
        authorize("web", "session=8f14e45fceea167a")
    }
}

/// The requests of one kind, and what the answers to one batch leave for the next.
struct Work<'p> {
    peer: &'p dyn Peer,
    tokens: Vec<String>,
}

impl<'p> Work<'p> {
    fn new(peer: &'p dyn Peer) -> Self {
        Self { peer, tokens: Vec::new() }
    }

    /// The CPU time of answering these requests, and the answers.
    fn batch(&self, requests: Vec<Request<Bytes>>) -> (Duration, Vec<Response<Bytes>>) {
        let mut answers = Vec::with_capacity(requests.len());
        let start = cpu();
        for request in requests {
            answers.push(self.peer.handle(request));
        }
        let spent = cpu() - start;
        for answer in &answers {
            assert!(
                matches!(answer.status(), StatusCode::OK | StatusCode::FOUND | StatusCode::SEE_OTHER),
                "{answer:?}"
            );
        }
        (spent, answers)
    }

    fn repeat(&self, request: impl Fn() -> Request<Bytes>) -> (Duration, Vec<Response<Bytes>>) {
        self.batch((0..BATCH).map(|_| request()).collect())
    }

    fn client_credentials(&mut self) -> Duration {
        self.repeat(|| confidential("/token", CLIENT_CREDENTIALS)).0
    }

    fn code_and_exchange(&mut self) -> Duration {
        let (issued, answers) = self.repeat(|| self.peer.authorize());
        let (exchanged, answers) =
            self.batch(answers.iter().map(|answer| exchange("web", &code_in(answer))).collect());
        self.keep(&answers, "access_token");
        issued + exchanged
    }

    fn refresh(&mut self) -> Duration {
        if self.tokens.is_empty() {
            let (_, codes) = self.repeat(|| self.peer.authorize());
            let (_, answers) =
                self.batch(codes.iter().map(|answer| exchange("web", &code_in(answer))).collect());
            self.keep(&answers, "refresh_token");
        }
        let (spent, answers) = self.batch(self.tokens.iter().map(|token| refresh("web", token)).collect());
        let retired = std::mem::take(&mut self.tokens);
        self.keep(&answers, "refresh_token");
        assert!(self.tokens.iter().zip(&retired).all(|(new, old)| new != old));
        spent
    }

    fn introspect(&mut self) -> Duration {
        if self.tokens.is_empty() {
            self.code_and_exchange();
        }
        let (spent, answers) = self.batch(self.tokens.iter().map(|token| introspect(token)).collect());
        assert!(answers.iter().all(|answer| answer.body().starts_with(br#"{"active":true"#)));
        spent
    }

    fn keep(&mut self, answers: &[Response<Bytes>], name: &str) {
        self.tokens = answers.iter().map(|answer| member(answer.body(), name)).collect();
    }
}

/// The CPU time of this thread.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap())
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

type Batch = fn(&mut Work<'_>) -> Duration;

const OPERATIONS: [(&str, Batch); 4] = [
    ("client credentials", |work| work.client_credentials()),
    ("code + exchange", |work| work.code_and_exchange()),
    ("refresh", |work| work.refresh()),
    ("introspection", |work| work.introspect()),
];

fn main() -> ExitCode {
    let ours = Fixture::new(1_000_000, RefreshRotation::Always);
    let theirs = OauthAs::new();
    println!("{:<20} {:>12} {:>12} {:>7}", "µs CPU per operation", "grantor", "oauth-as", "ratio");
    let mut over = false;
    for (name, batch) in OPERATIONS {
        let (mut own, mut peer) = (Work::new(&ours), Work::new(&theirs));
        (batch(&mut own), batch(&mut peer));
        let rounds: Vec<(f64, f64)> =
            (0..ROUNDS).map(|_| (batch(&mut own).as_secs_f64(), batch(&mut peer).as_secs_f64())).collect();
        let micros = |time: f64| time * 1e6 / BATCH as f64;
        let ours = median(rounds.iter().map(|(own, _)| micros(*own)).collect());
        let theirs = median(rounds.iter().map(|(_, peer)| micros(*peer)).collect());
        let ratio = median(rounds.iter().map(|(own, peer)| own / peer).collect());
        let verdict = if ratio <= BUDGET { "ok" } else { "OVER" };
        over |= ratio > BUDGET;
        println!("{name:<20} {ours:>12.2} {theirs:>12.2} {ratio:>7.2}  {verdict}");
    }
    if over { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}
