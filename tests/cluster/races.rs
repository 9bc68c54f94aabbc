//! Each code and each refresh token is presented at once through all servers.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use grantor::record::grant::{EndReason, GrantStatus};
use grantor::record::{Grant, GrantId, Namespace, Record};
use grantor::store::Store;
use grantor::token::{Handle, HandleKind};
use tokio::task::JoinSet;

use crate::backend::Backend;
use crate::client::{Answer, Client, RETRY_WINDOW, Tokens, insist};
use crate::daemon::{Daemon, Stop};
use crate::nodes::Nodes;
use crate::{SERVERS, number};

/// How many codes are in play at once.
const TOGETHER: usize = 24;

pub(crate) async fn of_redemptions_through_all_servers_one_succeeds_and_the_grant_ends_replayed(
    backend: Daemon<impl Backend>,
) {
    let cluster = race(backend, redeem_through_all, &[]).await;
    assert_eq!(cluster.client.unanswered(), 0, "nobody was away");
}

pub(crate) async fn refreshes_through_all_servers_get_one_and_the_same_successor(
    backend: Daemon<impl Backend>,
) {
    let cluster = race(backend, refresh_through_all, &[]).await;
    assert_eq!(cluster.client.unanswered(), 0, "nobody was away");
}

pub(crate) async fn while_the_database_restarts_no_code_is_redeemed_twice(backend: Daemon<impl Backend>) {
    let cluster = race(backend, redeem_through_all, &[0.3, 0.6]).await;
    assert!(cluster.client.unanswered() > 0, "the database was away");
}

pub(crate) async fn while_the_database_restarts_no_refresh_token_gets_two_successors(
    backend: Daemon<impl Backend>,
) {
    let cluster = race(backend, refresh_through_all, &[0.3, 0.6]).await;
    assert!(cluster.client.unanswered() > 0, "the database was away");
}

/// The servers, whoever asks them, and one more on the same records: this process.
struct Cluster {
    client: Client,
    store: Arc<dyn Store>,
    namespace: Namespace,
}

/// Does the same with many codes, some at a time; the database is restarted when such parts of them are done.
async fn race<B: Backend, T>(
    mut backend: Daemon<B>,
    each: fn(Arc<Cluster>) -> T,
    restarts: &[f64],
) -> Arc<Cluster>
where
    T: Future<Output = ()> + Send + 'static,
{
    let codes = number("CLUSTER_CODES", 100);
    let nodes = tokio::task::block_in_place(|| Nodes::start(&backend.url(), SERVERS));
    let namespace = Namespace::of_issuer(&nodes.issuer);
    let cluster =
        Arc::new(Cluster { client: nodes.client().await, store: B::open(backend.url()).await, namespace });
    let began = Instant::now();
    let (begun, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let mut running = JoinSet::new();
    for _ in 0..TOGETHER {
        let (cluster, begun, done) = (Arc::clone(&cluster), Arc::clone(&begun), Arc::clone(&done));
        running.spawn(async move {
            while begun.fetch_add(1, Ordering::Relaxed) < codes {
                each(Arc::clone(&cluster)).await;
                done.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    for part in restarts {
        while (done.load(Ordering::Relaxed) as f64) < part * codes as f64 {
            running.try_join_next().transpose().unwrap();
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        tokio::task::block_in_place(|| backend.restart(Stop::Fast));
    }
    running.join_all().await;
    assert_eq!(done.load(Ordering::Relaxed), codes);
    println!("{codes} codes in {:.1?}, {} requests unanswered", began.elapsed(), cluster.client.unanswered());
    cluster
}

/// Of three redemptions of a code one is answered with tokens, or none where an answer was lost. The two that come too late
/// end the grant, and with it those tokens.
async fn redeem_through_all(cluster: Arc<Cluster>) {
    let client = &cluster.client;
    let code = insist(|| client.code()).await;
    let (answers, all_answered) = through_all(|server| client.redeem(server, &code)).await;
    let granted = granted(answers);
    assert!(
        granted.len() == 1 || (granted.is_empty() && !all_answered),
        "{} redemptions of a code",
        granted.len()
    );
    assert_eq!(cluster.grant(&code).await.status, GrantStatus::Ended(EndReason::Replayed));
    for tokens in granted {
        assert!(!insist(|| client.is_active(&tokens.access)).await);
        let refreshed = insist(|| client.refresh(client.any(), &tokens.refresh)).await;
        assert!(refreshed.tokens().is_none(), "a refresh token of a grant that has ended");
    }
}

/// Three refreshes with one token rotate it once.
async fn refresh_through_all(cluster: Arc<Cluster>) {
    let client = &cluster.client;
    let (code, first) = loop {
        let code = insist(|| client.code()).await;
        // Where the answer was lost, the code may be spent.
        if let Some(answer) = client.redeem(client.any(), &code).await {
            break (code, answer.tokens().unwrap());
        }
    };
    let began = Instant::now();
    let (answers, all_answered) = through_all(|server| client.refresh(server, &first.refresh)).await;
    if !all_answered && began.elapsed() > RETRY_WINDOW {
        return;
    }
    let granted = granted(answers);
    let successor = &granted.first().unwrap_or_else(|| panic!("no successor")).refresh;
    assert!(granted.iter().all(|tokens| tokens.refresh == *successor && *successor != first.refresh));
    let grant = cluster.grant(&code).await;
    assert_eq!((grant.status, grant.refresh.unwrap().generation), (GrantStatus::Active, 1));
    for tokens in &granted {
        assert!(insist(|| client.is_active(&tokens.access)).await);
    }
    let next = insist(|| client.refresh(client.any(), successor)).await.tokens().unwrap();
    assert_ne!(next.refresh, *successor);
}

/// Sends the same through every server at once, and again where there was no answer; tells whether there always was one.
async fn through_all<F>(send: impl Fn(usize) -> F) -> (Vec<Answer>, bool)
where
    F: Future<Output = Option<Answer>>,
{
    let sent = AtomicUsize::new(0);
    let (sent_so_far, send) = (&sent, &send);
    let answer = |server| {
        insist(move || {
            sent_so_far.fetch_add(1, Ordering::Relaxed);
            send(server)
        })
    };
    const { assert!(SERVERS == 3) };
    let (first, second, third) = tokio::join!(answer(0), answer(1), answer(2));
    (vec![first, second, third], sent.into_inner() == SERVERS)
}

/// The answers that are tokens.
fn granted(answers: Vec<Answer>) -> Vec<Tokens> {
    answers.into_iter().filter_map(Answer::tokens).collect()
}

impl Cluster {
    /// The grant that a code belongs to.
    async fn grant(&self, code: &str) -> Grant {
        let id = GrantId(Handle::decode(HandleKind::Code, code).unwrap().id);
        let key = [self.namespace.grant(id)];
        let mut found = insist(|| async { self.store.load(&key).await.ok() }).await;
        match &*found.pop().flatten().unwrap().record {
            Record::Grant(grant) => grant.clone(),
            other => panic!("{other:?}"),
        }
    }
}
