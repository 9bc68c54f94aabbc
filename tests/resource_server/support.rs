//! A programmable server on loopback, a clock, and a verifier that talks to that server.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use grantor::host::{Clock, Fetch, HttpFetch};
use grantor::jose::{Algorithm, JwkSet, SigningKey, sign_compact};
use grantor::protocol::{Resource, Timestamp};
use grantor::resource_server::{AccessToken, Challenge, Guard, JwksCache, JwtVerifier};
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(crate) const START: u64 = 1_700_000_000;
pub(crate) const ISSUER: &str = "https://as.example";
pub(crate) const API: &str = "https://api.example/";

pub(crate) struct TestClock(AtomicU64);

impl TestClock {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self(AtomicU64::new(START)))
    }

    pub(crate) fn set(&self, at: u64) {
        self.0.store(at, Ordering::SeqCst);
    }

    pub(crate) fn advance(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

impl Clock for TestClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::SeqCst))
    }
}

/// What the server says next.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: String,
    pub(crate) body: Vec<u8>,
    pub(crate) delay: Duration,
}

impl Answer {
    pub(crate) fn json(body: impl Into<Vec<u8>>) -> Self {
        let headers = "Content-Type: application/json\r\n".into();
        Self { status: 200, headers, body: body.into(), delay: Duration::ZERO }
    }

    pub(crate) fn keys(keys: &[&SigningKey]) -> Self {
        let set = JwkSet::new(keys.iter().map(|key| key.public()).collect()).unwrap();
        Self::json(serde_json::to_vec(&set).unwrap())
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::json("{}") }
    }

    pub(crate) fn header(mut self, line: &str) -> Self {
        self.headers.push_str(line);
        self.headers.push_str("\r\n");
        self
    }

    pub(crate) fn delayed(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }
}

type Handler = Box<dyn Fn(String) -> Answer + Send + Sync>;

/// A server on loopback; each connection gets one answer.
pub(crate) struct Server {
    port: u16,
    handler: Arc<Mutex<Handler>>,
    requests: Arc<AtomicUsize>,
}

impl Server {
    pub(crate) async fn start(answer: Answer) -> Self {
        Self::with(move |_| answer.clone()).await
    }

    pub(crate) async fn with(handler: impl Fn(String) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let handler: Arc<Mutex<Handler>> = Arc::new(Mutex::new(Box::new(handler)));
        let requests = Arc::new(AtomicUsize::new(0));
        let (answers, count) = (handler.clone(), requests.clone());
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let (answers, count) = (answers.clone(), count.clone());
                tokio::spawn(async move {
                    let mut request = vec![0; 64 * 1024];
                    let mut read = 0;
                    while !is_whole(&request[..read]) {
                        match stream.read(&mut request[read..]).await {
                            Ok(0) | Err(_) => return,
                            Ok(more) => read += more,
                        }
                    }
                    count.fetch_add(1, Ordering::SeqCst);
                    let request = String::from_utf8(request[..read].to_vec()).unwrap();
                    let answer = answers.lock().unwrap()(request);
                    tokio::time::sleep(answer.delay).await;
                    let head = format!(
                        "HTTP/1.1 {} Said\r\nConnection: close\r\nContent-Length: {}\r\n{}\r\n",
                        answer.status,
                        answer.body.len(),
                        answer.headers
                    );
                    let _ = stream.write_all(&[head.as_bytes(), &answer.body].concat()).await;
                });
            }
        });
        Self { port, handler, requests }
    }

    pub(crate) fn say(&self, answer: Answer) {
        *self.handler.lock().unwrap() = Box::new(move |_| answer.clone());
    }

    pub(crate) fn requests(&self) -> usize {
        self.requests.load(Ordering::SeqCst)
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }
}

fn is_whole(request: &[u8]) -> bool {
    let text = String::from_utf8_lossy(request);
    let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
    let length = head
        .lines()
        .find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= length.unwrap_or(0)
}

pub(crate) fn fetch() -> Arc<dyn Fetch> {
    let builder = HttpFetch::builder().dangerous_allow_loopback().timeout(Duration::from_millis(1500));
    Arc::new(builder.build().unwrap())
}

pub(crate) fn api() -> Resource {
    Resource::parse(API).unwrap()
}

/// An API whose keys come from a [`Server`].
pub(crate) struct World {
    pub(crate) server: Server,
    pub(crate) clock: Arc<TestClock>,
    pub(crate) keys: Arc<JwksCache>,
    pub(crate) guard: Guard,
}

impl World {
    pub(crate) async fn new(answer: Answer) -> Self {
        let (server, clock) = (Server::start(answer).await, TestClock::new());
        let url = server.url("/jwks").parse().unwrap();
        let keys = Arc::new(JwksCache::new(fetch(), url, clock.clone()));
        let guard = Guard::new(Arc::new(JwtVerifier::new(ISSUER, &api(), keys.clone(), clock.clone())));
        Self { server, clock, keys, guard }
    }

    pub(crate) async fn check(&self, token: &str) -> Result<AccessToken, Challenge> {
        check(&self.guard, token).await
    }

    /// The status the API would answer with.
    pub(crate) async fn status(&self, token: &str) -> u16 {
        self.check(token).await.map_or_else(|challenge| challenge.status(), |_| 200)
    }
}

pub(crate) async fn check(guard: &Guard, token: &str) -> Result<AccessToken, Challenge> {
    guard.check(&bearer(token)).await
}

pub(crate) fn bearer(token: &str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert("authorization", HeaderValue::try_from(format!("Bearer {token}")).unwrap());
    headers
}

pub(crate) fn key(alg: Algorithm) -> SigningKey {
    SigningKey::generate(alg).unwrap()
}

/// The claims of a good token, alive for many hours.
pub(crate) fn claims() -> Value {
    json!({
        "iss": ISSUER, "aud": API, "sub": "alice", "client_id": "app", "scope": "read write", "jti": "1",
        "iat": START, "exp": START + 86_400, "tenant": 7,
    })
}

pub(crate) fn token(key: &SigningKey) -> String {
    sign_compact(key, "at+jwt", claims().to_string().as_bytes()).unwrap()
}
