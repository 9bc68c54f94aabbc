//! What clients do, through any of the servers, and what they make of it when there is no answer.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use http::StatusCode;
use serde_json::Value;

/// The secret of `robot`.
pub(crate) const SECRET: &str = "a-secret-for-tests-of-32-characters-";
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
/// How long a retired refresh token is given its successor again.
pub(crate) const RETRY_WINDOW: Duration = Duration::from_secs(10);
/// How long somebody who asks again and again waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// A client of all servers.
pub(crate) struct Client {
    http: reqwest::Client,
    servers: Vec<String>,
    cookies: String,
    turn: AtomicUsize,
    unanswered: AtomicUsize,
}

/// What the token endpoint answered.
#[derive(Debug)]
pub(crate) enum Answer {
    Tokens { access: String, refresh: Option<String> },
    InvalidGrant,
}

impl Answer {
    /// The tokens, or none after `invalid_grant`.
    pub(crate) fn tokens(self) -> Option<Tokens> {
        match self {
            Self::Tokens { access, refresh } => Some(Tokens { access, refresh: refresh.unwrap() }),
            Self::InvalidGrant => None,
        }
    }
}

/// An access token and a refresh token.
#[derive(Clone, Debug)]
pub(crate) struct Tokens {
    pub(crate) access: String,
    pub(crate) refresh: String,
}

impl Client {
    pub(crate) fn new(servers: Vec<String>, cookies: String) -> Self {
        let http = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
        let http = http.timeout(Duration::from_secs(20)).build().unwrap();
        Self { http, servers, cookies, turn: AtomicUsize::new(0), unanswered: AtomicUsize::new(0) }
    }

    /// Each server in its turn.
    pub(crate) fn any(&self) -> usize {
        self.turn.fetch_add(1, Ordering::Relaxed) % self.servers.len()
    }

    /// How many requests had no answer so far.
    pub(crate) fn unanswered(&self) -> usize {
        self.unanswered.load(Ordering::Relaxed)
    }

    /// A code of `app`. None, here and below: nobody was there, or whoever was there could not say (503).
    pub(crate) async fn code(&self) -> Option<String> {
        let url = format!(
            "{}/authorize?response_type=code&client_id=app&scope=profile&code_challenge_method=S256&code_challenge={CHALLENGE}",
            self.servers[self.any()]
        );
        let response = self.noted(send(self.http.get(url).header("cookie", &self.cookies)).await)?;
        let location = url::Url::parse(response.headers()["location"].to_str().unwrap()).unwrap();
        let told =
            |name| location.query_pairs().find(|(own, _)| own == name).map(|(_, value)| value.into_owned());
        if told("error").as_deref() == Some("temporarily_unavailable") {
            return self.noted(None);
        }
        Some(told("code").unwrap_or_else(|| panic!("no code in {location}")))
    }

    pub(crate) async fn redeem(&self, server: usize, code: &str) -> Option<Answer> {
        let pairs = [("grant_type", "authorization_code"), ("code", code), ("code_verifier", VERIFIER)];
        self.token(server, &[&pairs[..], &[("client_id", "app")]].concat()).await
    }

    pub(crate) async fn refresh(&self, server: usize, token: &str) -> Option<Answer> {
        let pairs = [("grant_type", "refresh_token"), ("refresh_token", token), ("client_id", "app")];
        self.token(server, &pairs).await
    }

    /// An access token of `robot`.
    pub(crate) async fn robot_token(&self) -> Option<String> {
        let pairs = [("grant_type", "client_credentials"), ("client_id", "robot"), ("client_secret", SECRET)];
        match self.token(self.any(), &pairs).await? {
            Answer::Tokens { access, .. } => Some(access),
            Answer::InvalidGrant => panic!("a robot has no grant to be invalid"),
        }
    }

    /// Revokes a token of `robot`.
    pub(crate) async fn revoke(&self, token: &str) -> Option<()> {
        let (status, body) = self.post_as_robot("/revoke", token).await?;
        assert_eq!(status, StatusCode::OK, "{body}");
        Some(())
    }

    pub(crate) async fn is_active(&self, token: &str) -> Option<bool> {
        let (status, body) = self.post_as_robot("/introspect", token).await?;
        assert_eq!(status, StatusCode::OK, "{body}");
        Some(body["active"].as_bool().unwrap())
    }

    async fn post_as_robot(&self, path: &str, token: &str) -> Option<(StatusCode, Value)> {
        self.post(self.any(), path, &[("token", token), ("client_id", "robot"), ("client_secret", SECRET)])
            .await
    }

    async fn token(&self, server: usize, pairs: &[(&str, &str)]) -> Option<Answer> {
        let (status, mut body) = self.post(server, "/token", pairs).await?;
        let mut text = |name: &str| match body[name].take() {
            Value::String(text) => Some(text),
            _ => None,
        };
        match (status, text("error").as_deref()) {
            (StatusCode::OK, None) => {
                Some(Answer::Tokens { access: text("access_token").unwrap(), refresh: text("refresh_token") })
            }
            (StatusCode::BAD_REQUEST, Some("invalid_grant")) => Some(Answer::InvalidGrant),
            (_, error) => panic!("{status} {error:?}"),
        }
    }

    async fn post(&self, server: usize, path: &str, pairs: &[(&str, &str)]) -> Option<(StatusCode, Value)> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let request = self.http.post(format!("{}{path}", self.servers[server])).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = self.noted(send(request).await)?;
        let status = response.status();
        let body = self.noted(response.text().await.ok())?;
        Some((status, serde_json::from_str(&body).unwrap_or_default()))
    }

    /// Counts what is no answer.
    fn noted<T>(&self, answer: Option<T>) -> Option<T> {
        self.unanswered.fetch_add(usize::from(answer.is_none()), Ordering::Relaxed);
        answer
    }
}

/// Sends a request; an answer that says 503 is none.
async fn send(request: reqwest::RequestBuilder) -> Option<reqwest::Response> {
    request.send().await.ok().filter(|response| response.status() != StatusCode::SERVICE_UNAVAILABLE)
}

/// Asks until there is an answer.
pub(crate) async fn insist<T, F: Future<Output = Option<T>>>(mut ask: impl FnMut() -> F) -> T {
    let began = Instant::now();
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(began.elapsed() < PATIENCE, "nobody answers any more");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
