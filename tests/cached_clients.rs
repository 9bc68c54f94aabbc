//! Clients that are looked up far away and remembered for a moment.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use common::clients::{all, client};
use common::host::TestClock;
use common::{Fixture, NOW, machine};
use grantor::host::{CachedClients, CachedClientsOptions, Clients};
use grantor::protocol::ClientAuthMethod;
use grantor::record::Client;
use grantor::server::AuthorizationServer;
use grantor::store::{MemoryStore, StoreError};
use tokio::sync::oneshot;

/// A table of clients beyond a network, of which a test says what it holds and when it answers.
#[derive(Default)]
struct Table {
    asked: AtomicUsize,
    clients: Mutex<Vec<Client>>,
    down: Mutex<bool>,
    gates: Mutex<VecDeque<oneshot::Receiver<()>>>,
}

impl Table {
    fn of(clients: Vec<Client>) -> Arc<Self> {
        Arc::new(Self { clients: Mutex::new(clients), ..Self::default() })
    }

    fn asked(&self) -> usize {
        self.asked.swap(0, Ordering::SeqCst)
    }

    /// The next lookup reads the table now and answers once this is sent or dropped.
    fn hold(&self) -> oneshot::Sender<()> {
        let (open, gate) = oneshot::channel();
        self.gates.lock().unwrap().push_back(gate);
        open
    }
}

#[async_trait]
impl Clients for Table {
    async fn client(&self, id: &str) -> Result<Option<Arc<Client>>, StoreError> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if *self.down.lock().unwrap() {
            return Err(StoreError("down".into()));
        }
        let found = self.clients.lock().unwrap().iter().find(|own| own.id.as_str() == id).cloned();
        let gate = self.gates.lock().unwrap().pop_front();
        if let Some(gate) = gate {
            let _ = gate.await;
        }
        Ok(found.map(Arc::new))
    }

    fn has_slow_secrets(&self) -> bool {
        true
    }
}

struct World {
    table: Arc<Table>,
    clock: Arc<TestClock>,
    cached: Arc<CachedClients>,
}

impl World {
    fn new(capacity: usize) -> Self {
        let (table, clock) = (Table::of(all()), Arc::new(TestClock::new(NOW)));
        let options = CachedClientsOptions { max_age: Duration::from_secs(10), capacity };
        let cached = Arc::new(CachedClients::with_options(table.clone(), clock.clone(), options));
        Self { table, clock, cached }
    }

    /// The name under which a client is known now.
    async fn name(&self, id: &str) -> Option<String> {
        self.cached.client(id).await.unwrap().and_then(|client| client.name.clone())
    }

    fn rename(&self, id: &str, name: &str) {
        let mut clients = self.table.clients.lock().unwrap();
        let client = clients.iter_mut().find(|client| client.id.as_str() == id).unwrap();
        client.name = Some(name.to_owned());
    }
}

#[tokio::test]
async fn a_client_is_remembered_no_longer_than_its_age() {
    let world = World::new(100);
    assert_eq!(world.name("web").await.unwrap(), "The web client");
    world.rename("web", "Renamed");
    world.clock.forward(9);
    assert_eq!((world.name("web").await.unwrap().as_str(), world.table.asked()), ("The web client", 1));
    world.clock.forward(1);
    assert_eq!((world.name("web").await.unwrap().as_str(), world.table.asked()), ("Renamed", 1));
}

#[tokio::test]
async fn the_age_of_an_answer_counts_from_the_question() {
    let world = World::new(100);
    let open = world.table.hold();
    let late = async {
        world.rename("web", "Renamed");
        world.clock.forward(10);
        open.send(()).unwrap();
    };
    let (name, ()) = tokio::join!(world.name("web"), late);
    assert_eq!(name.unwrap(), "The web client");
    assert_eq!(world.name("web").await.unwrap(), "Renamed");
}

#[tokio::test]
async fn a_lookup_that_takes_longer_than_an_answer_may_be_old_is_not_waited_for() {
    let world = World::new(100);
    let open = world.table.hold();
    let later = async {
        world.clock.forward(9);
        let joins = world.name("web");
        let one_second_later = async {
            tokio::task::yield_now().await;
            world.rename("web", "Renamed");
            world.clock.forward(1);
            assert_eq!(world.name("web").await.unwrap(), "Renamed");
            open.send(()).unwrap();
        };
        tokio::join!(joins, one_second_later).0
    };
    let (first, joined) = tokio::join!(world.name("web"), later);
    assert_eq!([first.unwrap(), joined.unwrap()], ["The web client", "The web client"]);
    assert_eq!(world.name("web").await.unwrap(), "Renamed");
    assert_eq!(world.table.asked(), 2);
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_nothing_last_longer() {
    let world = World::new(100);
    world.name("web").await;
    world.clock.back(1);
    world.name("web").await;
    assert_eq!(world.table.asked(), 2);
}

#[tokio::test]
async fn that_there_is_no_such_client_is_not_remembered() {
    let world = World::new(100);
    assert_eq!(world.name("new").await, None);
    world.table.clients.lock().unwrap().push(client("new", ClientAuthMethod::None, &[]));
    assert_eq!(world.name("new").await.unwrap(), "The new client");
}

#[tokio::test]
async fn of_those_who_ask_at_once_one_looks_it_up_and_all_are_answered() {
    for id in ["web", "nobody"] {
        let world = World::new(100);
        let open = world.table.hold();
        let asking: Vec<_> = (0..20)
            .map(|_| {
                let cached = world.cached.clone();
                tokio::spawn(async move { cached.client(id).await.unwrap().is_some() })
            })
            .collect();
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        assert_eq!(world.name("spa").await.unwrap(), "The spa client", "others do not wait for it");
        open.send(()).unwrap();
        for one in asking {
            assert_eq!(one.await.unwrap(), id == "web");
        }
        assert_eq!(world.table.asked(), 2, "{id}");
    }
}

#[tokio::test]
async fn who_gives_up_leaves_the_lookup_to_the_others() {
    let world = World::new(100);
    let open = world.table.hold();
    let ask = |cached: Arc<CachedClients>| tokio::spawn(async move { cached.client("web").await });
    let first = ask(world.cached.clone());
    tokio::task::yield_now().await;
    let second = ask(world.cached.clone());
    tokio::task::yield_now().await;
    first.abort();
    assert!(second.await.unwrap().unwrap().is_some());
    assert_eq!(world.table.asked(), 2);
    drop(open);
    assert!(world.name("web").await.is_some());
    assert_eq!(world.table.asked(), 0, "it is remembered");
}

#[tokio::test]
async fn a_lookup_that_fails_is_an_error_and_is_tried_again() {
    let world = World::new(100);
    world.name("web").await;
    *world.table.down.lock().unwrap() = true;
    assert!(world.name("web").await.is_some(), "what is fresh is good");
    world.clock.forward(10);
    assert!(world.cached.client("web").await.is_err(), "what is not is no answer");
    assert!(world.cached.client("nobody").await.is_err(), "nor is it that there is none");
    *world.table.down.lock().unwrap() = false;
    assert!(world.name("web").await.is_some());
}

#[tokio::test]
async fn what_is_forgotten_is_looked_up_again() {
    let world = World::new(100);
    world.name("web").await;
    world.rename("web", "Renamed");
    world.cached.forget(&"web".into());
    assert_eq!(world.name("web").await.unwrap(), "Renamed");

    // It was being looked up when it changed.
    world.cached.forget(&"web".into());
    let open = world.table.hold();
    let cached = world.cached.clone();
    let before = tokio::spawn(async move { cached.client("web").await });
    tokio::task::yield_now().await;
    world.rename("web", "Renamed again");
    world.cached.forget(&"web".into());
    assert_eq!(world.name("web").await.unwrap(), "Renamed again", "it does not wait for what is too old");
    open.send(()).unwrap();
    before.await.unwrap().unwrap();
    assert_eq!(world.name("web").await.unwrap(), "Renamed again", "nor is that remembered");
}

#[tokio::test]
async fn no_more_clients_are_remembered_than_there_is_room_for() {
    let world = World::new(10);
    let many = (0..1_000).map(|n| client(&format!("c{n}"), ClientAuthMethod::None, &[]));
    world.table.clients.lock().unwrap().extend(many);
    for n in 0..1_000 {
        assert!(world.name(&format!("c{n}")).await.is_some());
    }
    world.table.asked();
    for n in (0..1_000).rev() {
        world.name(&format!("c{n}")).await;
    }
    let remembered = 1_000 - world.table.asked();
    assert!((5..=10).contains(&remembered), "{remembered}");
}

#[tokio::test]
async fn a_client_that_is_switched_off_is_refused_at_once_whatever_is_remembered() {
    let world = World::new(100);
    let issuer = grantor::Issuer::new(common::ISSUER).unwrap();
    let store = Arc::new(MemoryStore::new());
    let server = AuthorizationServer::builder(issuer, store, world.cached.clone(), &[7; 32])
        .clock(world.clock.clone())
        .scope(common::scope("read write"))
        .build()
        .unwrap();
    let fixture = Fixture { http: grantor::http::HttpServer::new(server.clone()), server, ..Fixture::new() };
    fixture.token("machine", &machine()).await.tokens();
    fixture.server.disable_client(&"machine".into()).await.unwrap();
    fixture.token("machine", &machine()).await.refused(401, "invalid_client");
    assert_eq!(world.table.asked(), 1, "it was remembered all the while");
    *world.table.down.lock().unwrap() = true;
    assert_eq!(fixture.token("two", &machine()).await.status, 503);
    assert!(world.cached.has_slow_secrets());
}
