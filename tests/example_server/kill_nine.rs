//! A server that is killed under load has lost nothing it acknowledged, and nothing it spent comes alive again.
//!
//! The acknowledgements are kept here, outside the process that dies.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;

use super::support::{Browser, PASSWORD, Server, USERNAME};

const ROUNDS: usize = 20;
const TASKS: usize = 16;
const OPERATIONS: usize = 2_000;
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
const SECRET: &str = "a-secret-for-tests-of-32-characters-";
const CLIENTS: &str = r#"[
    {"client_id": "robot", "client_secret": "a-secret-for-tests-of-32-characters-", "grant_types": ["client_credentials"],
     "token_endpoint_auth_method": "client_secret_post"},
    {"client_id": "app", "token_endpoint_auth_method": "none", "first_party": true, "scope": "profile",
     "redirect_uris": ["https://app.example/callback"], "grant_types": ["authorization_code", "refresh_token"]}
]"#;

/// What the server has acknowledged.
#[derive(Default)]
struct Acknowledged {
    /// Access tokens, and whether a revocation was acknowledged (`Some(true)`) or only begun (`Some(false)`).
    tokens: HashMap<String, Option<bool>>,
    /// Codes that were redeemed.
    spent: Vec<String>,
    /// For each family, the refresh token that was handed out last.
    refresh: HashMap<usize, String>,
    operations: usize,
}

struct Load {
    http: reqwest::Client,
    issuer: String,
    seen: Mutex<Acknowledged>,
}

type Fallible<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

impl Load {
    fn on(server: &Server, seen: Acknowledged) -> Self {
        let http = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .unwrap();
        Self { http, issuer: server.issuer.clone(), seen: Mutex::new(seen) }
    }

    async fn post(&self, path: &str, pairs: &[(&str, &str)]) -> Fallible<(StatusCode, serde_json::Value)> {
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        let request = self.http.post(format!("{}{path}", self.issuer)).body(form);
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        let response = request.timeout(Duration::from_secs(20)).send().await?;
        let (status, body) = (response.status(), response.text().await?);
        Ok((status, serde_json::from_str(&body).unwrap_or_default()))
    }

    fn acknowledge(&self, note: impl FnOnce(&mut Acknowledged)) {
        let mut seen = self.seen.lock().unwrap();
        seen.operations += 1;
        note(&mut seen);
    }

    async fn robot_token(&self) -> Fallible<String> {
        let pairs = [("grant_type", "client_credentials"), ("client_id", "robot"), ("client_secret", SECRET)];
        let (status, body) = self.post("/token", &pairs).await?;
        assert_eq!(status, StatusCode::OK, "{body}");
        let token = body["access_token"].as_str().unwrap().to_owned();
        self.acknowledge(|seen| _ = seen.tokens.insert(token.clone(), None));
        Ok(token)
    }

    async fn revoke(&self, token: &str) -> Fallible<()> {
        self.seen.lock().unwrap().tokens.insert(token.to_owned(), Some(false));
        let pairs = [("token", token), ("client_id", "robot"), ("client_secret", SECRET)];
        let (status, body) = self.post("/revoke", &pairs).await?;
        assert_eq!(status, StatusCode::OK, "{body}");
        self.acknowledge(|seen| _ = seen.tokens.insert(token.to_owned(), Some(true)));
        Ok(())
    }

    async fn code(&self, cookies: &str) -> Fallible<String> {
        let url = format!(
            "{}/authorize?response_type=code&client_id=app&scope=profile&code_challenge_method=S256&code_challenge={CHALLENGE}",
            self.issuer
        );
        let response = self.http.get(url).header("cookie", cookies).send().await?;
        let location = url::Url::parse(response.headers()["location"].to_str()?)?;
        let code = location.query_pairs().find(|(name, _)| name == "code");
        Ok(code.unwrap_or_else(|| panic!("no code in {location}")).1.into_owned())
    }

    async fn redeem(&self, code: &str) -> Fallible<(StatusCode, serde_json::Value)> {
        let pairs = [
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("code", code),
            ("code_verifier", VERIFIER),
        ];
        self.post("/token", &pairs).await
    }

    async fn refresh(&self, token: &str) -> Fallible<(StatusCode, serde_json::Value)> {
        self.post(
            "/token",
            &[("grant_type", "refresh_token"), ("client_id", "app"), ("refresh_token", token)],
        )
        .await
    }

    /// Everything a client can do, over and over, until the server is gone.
    async fn work(&self, family: usize, cookies: &str) -> Fallible<()> {
        loop {
            let token = self.robot_token().await?;
            self.revoke(&token).await?;
            self.robot_token().await?;
            let code = self.code(cookies).await?;
            let (status, body) = self.redeem(&code).await?;
            assert_eq!(status, StatusCode::OK, "{body}");
            let mut refresh = body["refresh_token"].as_str().unwrap().to_owned();
            self.acknowledge(|seen| {
                seen.spent.push(code);
                seen.refresh.insert(family, refresh.clone());
            });
            for _ in 0..3 {
                let (status, body) = self.refresh(&refresh).await?;
                assert_eq!(status, StatusCode::OK, "{body}");
                refresh = body["refresh_token"].as_str().unwrap().to_owned();
                self.acknowledge(|seen| drop(seen.refresh.insert(family, refresh.clone())));
            }
        }
    }

    async fn is_active(&self, token: &str) -> bool {
        let pairs = [("token", token), ("client_id", "robot"), ("client_secret", SECRET)];
        let (status, body) = self.post("/introspect", &pairs).await.unwrap();
        assert_eq!(status, StatusCode::OK, "{body}");
        body["active"].as_bool().unwrap()
    }

    /// Nothing that was acknowledged is lost, and nothing that was spent is alive.
    async fn verify(&self) -> usize {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        for (token, revoked) in &seen.tokens {
            match revoked {
                None => assert!(self.is_active(token).await, "an acknowledged token was lost"),
                Some(true) => assert!(!self.is_active(token).await, "a revoked token is alive again"),
                Some(false) => {}
            }
        }
        for token in seen.refresh.values() {
            let (status, body) = self.refresh(token).await.unwrap();
            assert_eq!(status, StatusCode::OK, "an acknowledged refresh token was lost: {body}");
        }
        for code in &seen.spent {
            let (status, body) = self.redeem(code).await.unwrap();
            assert_eq!(
                (status, body["error"].as_str()),
                (StatusCode::BAD_REQUEST, Some("invalid_grant")),
                "{body}"
            );
        }
        seen.operations
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_acknowledged_is_lost_and_nothing_spent_lives_again_after_kill_nine() {
    let folder = tempfile::tempdir().unwrap();
    let (clients, database) = (folder.path().join("clients.json"), folder.path().join("grantor.sqlite"));
    std::fs::write(&clients, CLIENTS).unwrap();
    // The issuer names its port, and the records belong to the issuer: every start is on the same port.
    let listen = format!("127.0.0.1:{}", free_port());
    let flags = [
        "--listen",
        &listen,
        "--database",
        database.to_str().unwrap(),
        "--clients",
        clients.to_str().unwrap(),
        "--test-controls",
    ];
    let mut operations = 0;
    let mut round = 0;
    while round < ROUNDS || operations < OPERATIONS {
        let mut server = Server::start(&flags);
        let cookies = sign_in(&server).await;
        let load = Arc::new(Load::on(&server, Acknowledged::default()));
        let tasks: Vec<_> = (0..TASKS)
            .map(|family| {
                let (load, cookies) = (Arc::clone(&load), cookies.clone());
                tokio::spawn(async move { load.work(family, &cookies).await })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(300 + 37 * (round as u64 % 7))).await;
        server.kill();
        for task in tasks {
            // The only way out of the loop is that the server is gone; a failed assertion shows here.
            assert!(task.await.unwrap().is_err());
        }
        let seen = std::mem::take(&mut *load.seen.lock().unwrap());
        operations += Load::on(&Server::start(&flags), seen).verify().await;
        round += 1;
    }
    println!("{operations} acknowledged operations over {round} rounds, none lost");
    let connection = rusqlite::Connection::open(&database).unwrap();
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn sign_in(server: &Server) -> String {
    let mut browser = Browser::new(server);
    let page = browser.get("/login").await;
    browser.sign_in(&page, USERNAME, PASSWORD).await;
    let cookies: Vec<String> =
        browser.cookies.iter().map(|(name, value)| format!("{name}={value}")).collect();
    cookies.join("; ")
}
