//! Requests that come at once, in every order in which a store can be called: each ends as it would if one had come after
//! the other, and whatever is written keeps the rules of `common/watched.rs`.
//!
//! | file | holds |
//! |---|---|
//! | `scenes` | what there is, and what is asked at once |
//! | `scheduled` | the store, at whose calls a scheduler chooses who goes on |
//!
//! Two requests are tried in all orders that there are, or in `MODEL_LIMIT` where there are more, and then in some that are
//! drawn; three and four in `MODEL_SCHEDULES` for each choice of them. `MODEL_SEED` says which. A failure prints the schedule.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "places among the requests of a scene")]

#[path = "../common/mod.rs"]
mod common;
mod scenes;
mod scheduled;

use std::collections::BTreeSet;
use std::pin::pin;
use std::str::FromStr;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{SystemTime, UNIX_EPOCH};

use common::stage::{Deed, Outcome, Stage, promises_are_kept};
use common::watched::Watched;
use grantor::host::{Entropy, EntropyError};
use grantor::testing::SeededEntropy;
use scenes::Requests;
use scheduled::Scheduled;
use shuttle::scheduler::{DfsScheduler, PctScheduler, Scheduler};
use shuttle::{Config, Runner};

/// One of so many choices of four requests is tried.
const FOURS: usize = 29;

/// Draws the same in every schedule.
struct Rewinding(Mutex<SeededEntropy>);

impl Entropy for Rewinding {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), EntropyError> {
        self.0.lock().unwrap().fill(bytes)
    }
}

/// A server and what was asked of it so far, to which it can go back.
struct Scene {
    stage: Stage,
    store: Arc<Scheduled>,
    entropy: Arc<Rewinding>,
    begin: Watched,
    events: usize,
    requests: Vec<(&'static str, Deed)>,
    held: Vec<String>,
}

/// How it ended.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct End {
    /// What came of each request.
    outcomes: Vec<String>,
    /// Whether the tokens live that were there at the beginning.
    held: Vec<bool>,
    /// How many live that were handed out since.
    live: usize,
    /// How it stands with the grants.
    grants: Vec<String>,
}

impl End {
    /// Whether it could have come of one of these orders. A refusal rests on what was read piece by piece and writes nothing:
    /// where there are two reasons for one, it may name that of another order.
    fn is_one_of(&self, orders: &BTreeSet<Self>) -> bool {
        let bare = |end: &Self| {
            let outcome = |text: &String| text.split('(').next().unwrap_or_default().to_owned();
            Self { outcomes: end.outcomes.iter().map(outcome).collect(), ..end.clone() }
        };
        let named =
            |(at, outcome): (usize, &String)| orders.iter().any(|order| order.outcomes[at] == *outcome);
        orders.iter().any(|order| bare(order) == bare(self)) && self.outcomes.iter().enumerate().all(named)
    }
}

/// Runs what waits for nobody else.
fn at_once<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(done) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return done;
        }
    }
}

impl Scene {
    fn new(prepare: impl AsyncFnOnce(&Stage) -> Requests) -> Arc<Self> {
        let store = Arc::<Scheduled>::default();
        let entropy = Arc::new(Rewinding(Mutex::new(SeededEntropy::predictable(1))));
        let stage = Stage::with(store.clone(), |builder| builder.entropy(entropy.clone()));
        // Whoever is told of the end of a session makes many calls more, and has a scene of its own.
        for client in ["web", "spa"] {
            stage.fixture.clients.change(client, |client| client.logout.backchannel = None);
        }
        let (requests, held) = at_once(prepare(&stage));
        let (begin, events) = (store.now().again(), stage.fixture.events().len());
        Arc::new(Self { stage, store, entropy, begin, events, requests, held })
    }

    fn rewind(&self) {
        self.store.set(self.begin.again());
        *self.entropy.0.lock().unwrap() = SeededEntropy::predictable(2);
        self.stage.rewind(self.events);
    }

    fn name(&self, chosen: &[usize]) -> String {
        chosen.iter().map(|at| self.requests[*at].0).collect::<Vec<_>>().join(" ∥ ")
    }

    async fn perform(&self, at: usize) -> Outcome {
        self.stage.perform(&self.requests[at].1).await
    }

    /// How it ended; asserts what always holds.
    async fn end(&self, chosen: &[usize], outcomes: &[Outcome]) -> End {
        let store = self.store.now();
        promises_are_kept(&[&self.stage], &store, &self.name(chosen)).await;
        let mut held = Vec::new();
        for token in &self.held {
            held.push(self.stage.lives(token).await);
        }
        let mut live = 0;
        for token in self.stage.handed() {
            live += usize::from(self.stage.lives(&token).await);
        }
        let grants = store.statuses().iter().map(|status| format!("{status:?}")).collect();
        End { outcomes: outcomes.iter().map(|outcome| format!("{outcome:?}")).collect(), held, live, grants }
    }

    /// How it ends when these requests come one after another, in any order. Of three and more some may be refused for what they
    /// read before and after one another, and leave no trace, as if they had never come: of two that is not taken for an order.
    fn orders(&self, chosen: &[usize]) -> BTreeSet<End> {
        let least = if chosen.len() > 2 { 1 } else { chosen.len() };
        at_once(async {
            let mut ends = BTreeSet::new();
            for order in arrangements(chosen.len(), least) {
                self.rewind();
                let mut outcomes = vec![Outcome::Refused(String::new()); chosen.len()];
                for at in order {
                    outcomes[at] = self.perform(chosen[at]).await;
                }
                ends.insert(self.end(chosen, &outcomes).await);
            }
            ends
        })
    }

    /// Runs these requests at once, once for each schedule; returns how many there were.
    fn explore(self: &Arc<Self>, chosen: &[usize], schedules: impl Scheduler + 'static) -> usize {
        let orders = self.orders(chosen);
        let (scene, chosen) = (Arc::clone(self), chosen.to_vec());
        let mut config = Config::new();
        config.stack_size = 1 << 21;
        Runner::new(schedules, config).run(move || {
            scene.rewind();
            scene.store.switch(true);
            let outcomes = shuttle::future::block_on(async {
                let others = chosen[1..].iter().map(|at| {
                    let (scene, at) = (Arc::clone(&scene), *at);
                    shuttle::future::spawn(async move { scene.perform(at).await })
                });
                let others: Vec<_> = others.collect();
                let mut outcomes = vec![scene.perform(chosen[0]).await];
                for other in others {
                    outcomes.push(other.await.unwrap());
                }
                outcomes
            });
            scene.store.switch(false);
            let end = at_once(scene.end(&chosen, &outcomes));
            assert!(end.is_one_of(&orders), "{}: {end:#?}\nis none of {orders:#?}", scene.name(&chosen));
        })
    }

    /// Every choice of so many requests, the same one several times included.
    fn choices(&self, many: usize) -> Vec<Vec<usize>> {
        let extend = |chosen: Vec<usize>| {
            let from = chosen.last().copied().unwrap_or(0);
            (from..self.requests.len()).map(move |next| [&chosen[..], &[next]].concat())
        };
        (0..many).fold(vec![vec![]], |choices, _| choices.into_iter().flat_map(extend).collect())
    }
}

/// All orders of these many, and of all choices of at least so many of them.
fn arrangements(len: usize, least: usize) -> Vec<Vec<usize>> {
    let longer = |shorter: &Vec<Vec<usize>>| {
        let extend = |order: &Vec<usize>| {
            let left = (0..len).filter(|next| !order.contains(next));
            left.map(|next| [&order[..], &[next]].concat()).collect::<Vec<_>>()
        };
        shorter.iter().flat_map(extend).collect::<Vec<_>>()
    };
    let mut all = Vec::new();
    let mut orders = vec![vec![]];
    for many in 1..=len {
        orders = longer(&orders);
        if many >= least {
            all.extend(orders.iter().cloned());
        }
    }
    all
}

fn number<N: FromStr>(name: &str) -> Option<N> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

/// Where the schedules begin that are drawn.
fn seed() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("MODEL_SEED").unwrap_or(u64::from(now.subsec_nanos()));
    println!("MODEL_SEED={seed}");
    seed
}

/// Every two requests, in every order of their calls as long as there are not too many.
fn two_at_once(prepare: impl AsyncFnOnce(&Stage) -> Requests) {
    let (scene, seed) = (Scene::new(prepare), seed());
    let limit = number("MODEL_LIMIT").unwrap_or(300);
    for chosen in scene.choices(2) {
        // It ends by itself when no order is left that was not tried.
        let schedules = scene.explore(&chosen, DfsScheduler::new(Some(limit), false));
        assert!(schedules > 1, "{}: nobody came between", scene.name(&chosen));
        if schedules < limit {
            println!("{}: all {schedules} schedules", scene.name(&chosen));
        } else {
            let drawn = scene.explore(&chosen, PctScheduler::new_from_seed(seed, 4, limit / 5));
            println!("{}: the first {schedules} schedules and {drawn} others", scene.name(&chosen));
        }
    }
}

/// Every three requests and some fours, in some orders.
fn more_at_once(prepare: impl AsyncFnOnce(&Stage) -> Requests) {
    let (scene, seed) = (Scene::new(prepare), seed());
    let schedules = number("MODEL_SCHEDULES").unwrap_or(2);
    let from = usize::try_from(seed).unwrap() % FOURS;
    let fours = scene.choices(4).into_iter().skip(from).step_by(FOURS);
    for chosen in scene.choices(3).into_iter().chain(fours) {
        scene.explore(&chosen, PctScheduler::new_from_seed(seed, 4, schedules));
    }
}

macro_rules! scenes {
    ($($scene:ident)*) => {
        $(
            mod $scene {
                #[test]
                fn every_two_requests_end_as_one_after_the_other_in_every_schedule() {
                    super::two_at_once(super::scenes::$scene);
                }

                #[test]
                fn three_and_four_requests_end_as_one_after_the_other() {
                    super::more_at_once(super::scenes::$scene);
                }
            }
        )*
    };
}

scenes! { code rotating staying forgotten device device_let_in asked asked_for_tokens consent session direct }
