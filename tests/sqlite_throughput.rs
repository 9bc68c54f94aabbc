//! Token requests that come together are committed together.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

use std::sync::Arc;
use std::time::{Duration, Instant};

use grantor::endpoint::token::TokenRequest;
use grantor::protocol::{GrantType, Issuer, Params};
use grantor::store::SqliteStore;
use grantor::{AuthorizationServer, Origin, StaticClients};

const CLIENTS: &[u8] = br#"[{"client_id": "robot", "client_secret": "a-secret-for-tests-of-32-characters-",
    "grant_types": ["client_credentials"], "token_endpoint_auth_method": "client_secret_post"}]"#;
const FORM: &[u8] =
    b"grant_type=client_credentials&client_id=robot&client_secret=a-secret-for-tests-of-32-characters-";
const TOGETHER: u32 = 64;

async fn request_tokens(server: &AuthorizationServer, number: u32) {
    let request = TokenRequest::read(None, &Params::parse(FORM).unwrap(), GrantType::ALL).unwrap();
    for _ in 0..number {
        server.token(&request, Origin::default()).await.unwrap();
    }
}

/// How long one `fsync` of a small append takes on this disk.
fn fsync_cost(folder: &std::path::Path) -> Duration {
    use std::io::Write as _;
    let mut file = std::fs::File::create(folder.join("probe")).unwrap();
    let mut costs: Vec<Duration> = (0..21)
        .map(|_| {
            file.write_all(&[0; 4096]).unwrap();
            let began = Instant::now();
            file.sync_data().unwrap();
            began.elapsed()
        })
        .collect();
    costs.sort();
    costs[costs.len() / 2]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sixty_four_requests_at_once_share_their_flushes() {
    let folder = tempfile::tempdir().unwrap();
    let store = Arc::new(SqliteStore::open(folder.path().join("grantor.sqlite")).unwrap());
    let clients = Arc::new(StaticClients::from_json(CLIENTS).unwrap());
    let issuer = Issuer::new("https://as.example").unwrap();
    let server =
        AuthorizationServer::builder(issuer, Arc::clone(&store) as _, clients, &[7; 32]).build().unwrap();

    let alone = Instant::now();
    request_tokens(&server, 200).await;
    let alone = alone.elapsed() / 200;

    let before = store.stats();
    let together = Instant::now();
    let tasks: Vec<_> = (0..TOGETHER)
        .map(|_| {
            let server = server.clone();
            tokio::spawn(async move { request_tokens(&server, 50).await })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let together = together.elapsed() / (TOGETHER * 50);
    let after = store.stats();

    let commits = after.batches - before.batches;
    let per_transaction = commits as f64 / (after.transactions - before.transactions) as f64;
    let gain = alone.as_secs_f64() / together.as_secs_f64();
    let fsync = fsync_cost(folder.path());
    println!(
        "{per_transaction:.1} commits per transaction, {gain:.1} times the throughput of one at a time, fsync {fsync:?}"
    );
    assert_eq!(commits, u64::from(TOGETHER) * 50);
    assert!(per_transaction >= 8.0, "only {per_transaction:.1} commits per transaction");
    if fsync > Duration::from_millis(1) {
        assert!(gain >= 10.0, "only {gain:.1} times the throughput, though a flush takes {fsync:?}");
    }
}
