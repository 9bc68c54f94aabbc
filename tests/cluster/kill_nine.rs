//! A server that is killed under load, or a database, has lost nothing it acknowledged, and nothing it spent comes alive
//! again. Meanwhile the clients go on, and ask again for what they had no answer to.
//!
//! The acknowledgements are kept here, outside the processes that die.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::backend::Backend;
use crate::client::{Client, RETRY_WINDOW, insist};
use crate::daemon::Daemon;
use crate::nodes::Nodes;
use crate::{SERVERS, number};

/// How many clients there are, and how many look afterwards.
const TASKS: usize = 16;
/// How long the clients go on after somebody was killed.
const AFTERWARDS: Duration = Duration::from_millis(300);
/// For the single server: at least so often, and so much.
const ROUNDS: usize = 20;
const OPERATIONS: usize = 2_000;

/// What the servers have acknowledged.
#[derive(Default)]
struct Acknowledged {
    /// Access tokens, and whether they were revoked.
    access: HashMap<String, bool>,
    /// For each code that was redeemed, the refresh token that was handed out last.
    refresh: HashMap<String, String>,
    operations: usize,
}

pub(crate) async fn nothing_acknowledged_is_lost_when_a_server_is_killed(backend: Daemon<impl Backend>) {
    let mut nodes = tokio::task::block_in_place(|| Nodes::start(&backend.url(), SERVERS));
    let client = Arc::new(nodes.client().await);
    rounds(&client, usual_rounds(), 1, |round| nodes.kill_and_start(round % SERVERS)).await;
}

pub(crate) async fn nothing_acknowledged_is_lost_when_the_database_is_killed<B: Backend>(
    mut backend: Daemon<B>,
) {
    let nodes = tokio::task::block_in_place(|| Nodes::start(&backend.url(), SERVERS));
    let client = Arc::new(nodes.client().await);
    let kill_and_start = |_| {
        B::kill(&mut backend);
        backend.resume();
    };
    rounds(&client, usual_rounds(), 1, kill_and_start).await;
}

/// A single server has its records in a file.
pub(crate) async fn nothing_acknowledged_is_lost_when_the_only_server_is_killed() {
    let folder = tempfile::tempdir().unwrap();
    let database = folder.path().join("grantor.sqlite");
    let mut nodes = tokio::task::block_in_place(|| Nodes::start(database.to_str().unwrap(), 1));
    let client = Arc::new(nodes.client().await);
    rounds(&client, ROUNDS, OPERATIONS, |_| nodes.kill_and_start(0)).await;
    let connection = rusqlite::Connection::open(&database).unwrap();
    let mode: String = connection.query_row("PRAGMA journal_mode", [], |row| row.get(0)).unwrap();
    assert_eq!(mode, "wal");
}

fn usual_rounds() -> usize {
    number("KILL_ROUNDS", 1)
}

/// At least so many rounds and acknowledged operations.
async fn rounds(client: &Arc<Client>, least: usize, operations: usize, mut kill: impl FnMut(usize)) {
    let (mut round, mut acknowledged) = (0, 0);
    while round < least || acknowledged < operations {
        let before = client.unanswered();
        let seen = under_load(client, || {
            std::thread::sleep(Duration::from_millis(300 + 37 * (round as u64 % 7)));
            kill(round);
        })
        .await;
        assert!(client.unanswered() > before, "nobody noticed");
        acknowledged += seen.operations;
        verify(client, seen).await;
        round += 1;
    }
    println!(
        "{acknowledged} acknowledged operations over {round} rounds, {} requests unanswered, nothing lost",
        client.unanswered()
    );
}

/// What was acknowledged while the clients did everything that a client can do, before the kill and after it.
async fn under_load(client: &Arc<Client>, kill: impl FnOnce()) -> Acknowledged {
    let (seen, over) = (Arc::new(Mutex::new(Acknowledged::default())), Arc::new(AtomicBool::new(false)));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (client, seen, over) = (Arc::clone(client), Arc::clone(&seen), Arc::clone(&over));
            tokio::spawn(async move {
                while !over.load(Ordering::SeqCst) {
                    work(&client, &seen).await;
                }
            })
        })
        .collect();
    tokio::task::block_in_place(kill);
    tokio::time::sleep(AFTERWARDS).await;
    over.store(true, Ordering::SeqCst);
    for task in tasks {
        task.await.unwrap();
    }
    std::mem::take(&mut *seen.lock().unwrap())
}

/// Everything a client can do, once.
async fn work(client: &Client, seen: &Mutex<Acknowledged>) {
    let acknowledge = |note: &mut dyn FnMut(&mut Acknowledged)| {
        let mut seen = seen.lock().unwrap();
        seen.operations += 1;
        note(&mut seen);
    };
    let revoked = insist(|| client.robot_token()).await;
    insist(|| client.revoke(&revoked)).await;
    acknowledge(&mut |seen| _ = seen.access.insert(revoked.clone(), true));
    let kept = insist(|| client.robot_token()).await;
    acknowledge(&mut |seen| _ = seen.access.insert(kept.clone(), false));
    let code = insist(|| client.code()).await;
    // Where the answer is lost, the code may be spent.
    let Some(answer) = client.redeem(client.any(), &code).await else { return };
    let mut token = answer.tokens().unwrap().refresh;
    acknowledge(&mut |seen| _ = seen.refresh.insert(code.clone(), token.clone()));
    for _ in 0..3 {
        let began = Instant::now();
        let Some(tokens) = insist(|| client.refresh(client.any(), &token)).await.tokens() else {
            // Where the answer was lost and nobody was there to ask for so long, the token is taken for a stolen one.
            assert!(began.elapsed() > RETRY_WINDOW, "an acknowledged refresh token was lost");
            seen.lock().unwrap().refresh.remove(&code);
            return;
        };
        token = tokens.refresh;
        acknowledge(&mut |seen| _ = seen.refresh.insert(code.clone(), token.clone()));
    }
}

/// Nothing that was acknowledged is lost, and nothing that was spent is alive.
async fn verify(client: &Arc<Client>, seen: Acknowledged) {
    let (access, refresh) = (Mutex::new(seen.access.into_iter()), Mutex::new(seen.refresh.into_iter()));
    let left = Arc::new((access, refresh));
    let tasks: Vec<_> = (0..TASKS)
        .map(|_| {
            let (client, left) = (Arc::clone(client), Arc::clone(&left));
            tokio::spawn(async move {
                while let Some((token, revoked)) = next(&left.0) {
                    let active = insist(|| client.is_active(&token)).await;
                    assert_eq!(
                        active, !revoked,
                        "an acknowledged token is lost, or a revoked one alive again"
                    );
                }
                while let Some((code, token)) = next(&left.1) {
                    let refreshed = insist(|| client.refresh(client.any(), &token)).await.tokens();
                    let token =
                        refreshed.unwrap_or_else(|| panic!("an acknowledged refresh token was lost")).refresh;
                    let again = insist(|| client.redeem(client.any(), &code)).await.tokens();
                    assert!(again.is_none(), "a spent code is alive again");
                    let replayed = insist(|| client.refresh(client.any(), &token)).await.tokens();
                    assert!(replayed.is_none(), "the code was replayed");
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
}

fn next<T>(left: &Mutex<impl Iterator<Item = T>>) -> Option<T> {
    left.lock().unwrap().next()
}
