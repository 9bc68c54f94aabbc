//! What is done in the background: expired records are forgotten, and what could not be delivered is, by one process at a time.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeSet, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use common::phones::{self, World, asking_to_be_told};
use common::stores::{Fault, Faulty, Waiting, When};
use common::{Fixture, ISSUER, NOW, clients, host};
use grantor::endpoint::backchannel_answer::UserAnswer;
use grantor::host::{
    Fetch, FetchError, FetchRequest, FetchResponse, KeyRingOptions, KeyRingSigner, Signer as _,
};
use grantor::jose::{Algorithm, Sealer};
use grantor::protocol::{DeliveryMode, OAuthError, Reason, Timestamp};
use grantor::record::grant::GrantStatus;
use grantor::record::{Batch, BatchId, EventKind, Id, Key, Kind, Namespace, Put, Record};
use grantor::server::{AuthorizationServer, Sweeper, SweeperOptions};
use grantor::store::{MemoryStore, Store};
use tokio::sync::{Notify, oneshot};
use tokio::task::JoinHandle;

/// Puts `count` used markers into a store, all of them expired at `NOW`.
async fn expire(store: &dyn Store, count: u128) {
    let mut batch = Batch::new(BatchId(Id([7; 16])));
    batch.put = (0..count)
        .map(|n| Put {
            key: Key { namespace: Namespace(Id([1; 16])), kind: Kind::UsedJti, id: Id(n.to_be_bytes()) },
            record: Arc::new(Record::UsedJti),
            terms: Vec::new(),
            retain_until: Timestamp(1),
        })
        .collect();
    store.commit(&batch).await.unwrap();
}

fn sweeper(server: &AuthorizationServer, records: usize, pages: usize) -> Sweeper {
    let options = SweeperOptions { interval: Duration::from_secs(60), records, pages };
    Sweeper::with_options(server.clone(), options)
}

#[tokio::test]
async fn two_sweepers_forget_everything_that_has_expired_once() {
    let store = Arc::new(Waiting::default());
    expire(&*store, 3_000).await;
    let (one, other) = (Fixture::on(store.clone()), Fixture::on(store.clone()));
    let (mut one, mut other) = (Sweeper::new(one.server.clone()), Sweeper::new(other.server.clone()));
    let (one, other) = tokio::join!(one.tick(), other.tick());
    assert_eq!(one.forgotten + other.forgotten, 3_000);
    assert!(one.errors.is_empty() && other.errors.is_empty() && !one.unfinished);
    assert_eq!(store.purge(Timestamp(2), 10).await, Ok(0));
}

#[tokio::test]
async fn a_tick_forgets_no_more_than_its_bound_and_says_that_there_is_more() {
    let fixture = Fixture::new();
    expire(&*fixture.store, 1_700).await;
    let mut sweeper = sweeper(&fixture.server, 800, 1);
    for (forgotten, unfinished) in [(800, true), (800, true), (100, false), (0, false)] {
        let swept = sweeper.tick().await;
        assert_eq!((swept.forgotten, swept.unfinished), (forgotten, unfinished));
    }
}

#[tokio::test]
async fn requests_go_on_between_the_steps_of_a_tick() {
    let fixture = Fixture::new();
    expire(&*fixture.store, 5_000).await;
    let mut sweeper = Sweeper::new(fixture.server.clone());
    let answered = AtomicUsize::new(0);
    let requests = async {
        for _ in 0..5 {
            fixture.token("machine", &common::machine()).await.tokens();
            answered.fetch_add(1, Ordering::SeqCst);
            tokio::task::yield_now().await;
        }
    };
    let tick = async {
        sweeper.tick().await;
        answered.load(Ordering::SeqCst)
    };
    let (answered, ()) = tokio::join!(tick, requests);
    assert_eq!(answered, 5, "the memory store never waits, and yet they came in between");
}

#[tokio::test]
async fn a_store_that_fails_is_survived_and_told_of() {
    let store = Faulty::new();
    let fixture = Fixture::on(store.clone());
    expire(&*store, 10).await;
    let mut sweeper = Sweeper::new(fixture.server.clone());
    store.fail(When::From(0), Fault::Unavailable);
    let swept = sweeper.tick().await;
    let reasons: Vec<Reason> = swept.errors.iter().map(OAuthError::reason).collect();
    assert_eq!(reasons, [Reason::StoreUnavailable; 2], "the records and the messages");
    assert_eq!(fixture.count(EventKind::SweepFailed), 2);
    store.heal();
    let swept = sweeper.tick().await;
    assert_eq!((swept.forgotten, swept.errors.len()), (10, 0));
}

#[tokio::test]
async fn what_fails_keeps_nothing_else_from_being_done() {
    let (world, told) = phones::told(DeliveryMode::Push, Arc::new(MemoryStore::new()), 0);
    world.ask(&asking_to_be_told()).await;
    world.approve("alice", "openid").await.unwrap();
    told.take();
    world.fixture.clock.set(u64::MAX);
    let swept = Sweeper::new(world.fixture.server.clone()).tick().await;
    let reasons: Vec<Reason> = swept.errors.iter().map(OAuthError::reason).collect();
    assert_eq!((reasons.as_slice(), swept.tried), (&[Reason::ClockBroken][..], 1));
}

#[tokio::test]
async fn keys_that_are_due_are_made() {
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(host::TestClock::new(NOW));
    let mut options = KeyRingOptions::new([Algorithm::Es256]);
    options.rotate_every = Some(Duration::from_secs(30 * 24 * 3600));
    let namespace = Namespace::of_issuer(ISSUER);
    let sealer = Sealer::new(&[7; 32]);
    let signer = KeyRingSigner::open(store.clone(), namespace, sealer, clock.clone(), options).await.unwrap();
    let signer = Arc::new(signer);
    let fixture = Fixture::over(store, clients::all(), |builder| builder.signer(signer.clone()));
    let mut sweeper = Sweeper::new(fixture.server.clone());
    for (days, keys) in [(1, 1), (30, 2)] {
        clock.forward(days * 24 * 3600);
        assert!(sweeper.tick().await.errors.is_empty());
        let published = signer.public_keys().await.unwrap();
        assert_eq!(published.set().keys().len(), keys, "after {days} days more");
    }
}

/// The server of a client that answers when and what a test says.
#[derive(Default)]
struct Gate {
    answers: Mutex<VecDeque<oneshot::Receiver<u16>>>,
    posted: AtomicUsize,
}

impl Gate {
    /// The next request waits for what is sent here.
    fn next(&self) -> oneshot::Sender<u16> {
        let (answer, waiting) = oneshot::channel();
        self.answers.lock().unwrap().push_back(waiting);
        answer
    }

    async fn is_asked(&self, times: usize) {
        while self.posted.load(Ordering::SeqCst) < times {
            tokio::task::yield_now().await;
        }
    }

    /// A delivery that waits for its answer.
    async fn delivery(&self, world: &World) -> JoinHandle<Result<usize, OAuthError>> {
        let server = world.fixture.server.clone();
        let delivering = tokio::spawn(async move { server.deliver_outbox(10).await });
        self.is_asked(1).await;
        delivering
    }
}

#[async_trait]
impl Fetch for Gate {
    async fn fetch(&self, _: FetchRequest) -> Result<FetchResponse, FetchError> {
        self.posted.fetch_add(1, Ordering::SeqCst);
        let answer = self.answers.lock().unwrap().pop_front();
        let status = answer.ok_or(FetchError::Timeout)?.await.map_err(|_| FetchError::Timeout)?;
        Ok(FetchResponse { status, headers: Vec::new(), body: Vec::new() })
    }
}

/// Two processes that share a store and a client, whose tokens could not be sent the first time and are due.
async fn due(store: Arc<dyn Store>) -> ([World; 2], Arc<Gate>) {
    let gate = Arc::new(Gate::default());
    let worlds = [(); 2].map(|()| phones::pushing(store.clone(), gate.clone()));
    worlds[0].ask(&asking_to_be_told()).await;
    worlds[0].approve("alice", "openid read").await.unwrap();
    assert_eq!(gate.posted.swap(0, Ordering::SeqCst), 1);
    worlds.iter().for_each(|world| world.fixture.clock.forward(60));
    (worlds, gate)
}

#[tokio::test]
async fn of_two_processes_that_find_a_message_due_one_delivers_it() {
    let ([one, other], gate) = due(Arc::new(Waiting::default())).await;
    let answers = [(gate.next(), 204), (gate.next(), 400)];
    let mut sweepers = [&one, &other].map(|world| Sweeper::new(world.fixture.server.clone()));
    let [first, second] = &mut sweepers;
    let client = async {
        // By then both have found it due, and taken it if they could.
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        for (answer, status) in answers {
            let _ = answer.send(status);
        }
    };
    let (first, second, ()) = tokio::join!(first.tick(), second.tick(), client);
    assert_eq!((first.tried + second.tried, gate.posted.load(Ordering::SeqCst)), (1, 1));
    assert_eq!(one.status().await, GrantStatus::Active, "a client that took its tokens keeps them");
}

#[tokio::test]
async fn nobody_delivers_what_another_is_delivering_until_its_lease_runs_out() {
    let ([one, other], gate) = due(Arc::new(MemoryStore::new())).await;
    let (slow, quick) = (gate.next(), gate.next());
    let delivering = gate.delivery(&one).await;
    other.fixture.clock.forward(119);
    assert_eq!(other.fixture.server.deliver_outbox(10).await.unwrap(), 0, "it has a lease");
    other.fixture.clock.forward(1);
    quick.send(503).unwrap();
    assert_eq!(other.fixture.server.deliver_outbox(10).await.unwrap(), 1, "it is taken for dead");
    // What comes too late ends nothing that is somebody else's.
    slow.send(400).unwrap();
    assert_eq!(delivering.await.unwrap().unwrap(), 1);
    assert_eq!(one.status().await, GrantStatus::Active);
    other.fixture.clock.forward(240);
    gate.next().send(204).unwrap();
    assert_eq!(other.fixture.server.deliver_outbox(10).await.unwrap(), 1, "it was still waiting");
    other.fixture.clock.forward(3600);
    assert_eq!(other.fixture.server.deliver_outbox(10).await.unwrap(), 0);
}

#[tokio::test]
async fn that_a_client_took_a_message_counts_however_late_it_is_known() {
    let ([one, other], gate) = due(Arc::new(MemoryStore::new())).await;
    let (slow, quick) = (gate.next(), gate.next());
    let delivering = gate.delivery(&one).await;
    other.fixture.clock.forward(120);
    let again = other.fixture.server.deliver_outbox(10);
    let first_is_taken = async {
        gate.is_asked(2).await;
        slow.send(204).unwrap();
        delivering.await.unwrap().unwrap();
        quick.send(400).unwrap();
    };
    let (again, ()) = tokio::join!(again, first_is_taken);
    assert_eq!(again.unwrap(), 1);
    assert_eq!(one.status().await, GrantStatus::Active);
}

#[tokio::test]
async fn a_tick_goes_on_where_the_last_one_stopped_among_the_messages() {
    let (world, told) = phones::told(DeliveryMode::Push, Arc::new(MemoryStore::new()), 0);
    for _ in 0..150 {
        world.ask(&asking_to_be_told()).await;
        world.answer("alice", UserAnswer::Deny).await.unwrap();
    }
    told.take();
    world.fixture.clock.forward(60);
    // None can be delivered, so that all stay where they are.
    let mut sweeper = sweeper(&world.fixture.server, 1, 1);
    for (tried, unfinished) in [(100, true), (50, false), (0, true)] {
        let swept = sweeper.tick().await;
        assert_eq!((swept.tried, swept.unfinished), (tried, unfinished));
    }
    assert_eq!(told.take().len(), 150);
}

/// Runs a sweeper whose sleeps take no time, until it wants to sleep for the 50th time; returns how long it would have slept.
async fn pauses(sweeper: Sweeper) -> Vec<Duration> {
    let pauses = Mutex::new(Vec::new());
    let (stop, stopped) = (Notify::new(), AtomicUsize::new(0));
    let sleep = |pause| {
        pauses.lock().unwrap().push(pause);
        if stopped.fetch_add(1, Ordering::SeqCst) == 50 {
            stop.notify_one();
        }
        std::future::ready(())
    };
    sweeper.run_until(sleep, stop.notified()).await;
    pauses.into_inner().unwrap()
}

#[tokio::test]
async fn it_ticks_about_once_in_each_interval_until_it_is_to_stop() {
    let fixture = Fixture::new();
    expire(&*fixture.store, 1_000).await;
    let pauses = pauses(sweeper(&fixture.server, 1_000, 1)).await;
    assert_eq!(pauses.len(), 51);
    assert_eq!(fixture.store.purge(Timestamp(2), 10).await, Ok(0), "it has ticked meanwhile");
    let seconds = |pause: &Duration| pause.as_secs_f64();
    assert!(seconds(&pauses[0]) <= 60.0, "{:?}", pauses[0]);
    let (backlog, rest) = (seconds(&pauses[1]), &pauses[2..]);
    assert!((4.5..=7.5).contains(&backlog), "there may be more: {backlog}");
    assert!(rest.iter().all(|pause| (45.0..=75.0).contains(&seconds(pause))), "{rest:?}");
    let unlike: BTreeSet<&Duration> = rest.iter().collect();
    assert!(unlike.len() > 10, "processes that keep step stand in each other's way: {unlike:?}");
}

#[tokio::test]
async fn it_stops_at_once_while_it_sleeps() {
    let fixture = Fixture::new();
    expire(&*fixture.store, 10).await;
    let (asleep, stop) = (Notify::new(), Notify::new());
    let sleep = |_| {
        asleep.notify_one();
        std::future::pending()
    };
    let sweeping = Sweeper::new(fixture.server.clone()).run_until(sleep, stop.notified());
    let stopping = async {
        asleep.notified().await;
        stop.notify_one();
    };
    let both = async { tokio::join!(sweeping, stopping) };
    tokio::time::timeout(Duration::from_secs(5), both).await.expect("it sleeps on");
    assert_eq!(fixture.store.purge(Timestamp(2), 100).await, Ok(10), "it has done nothing more");
}
