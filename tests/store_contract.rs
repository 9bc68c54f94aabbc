//! The stores of this crate keep the store contract, and the contract's rules can tell a store that does not.

mod flawed_store;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use flawed_store::{Flaw, Flawed};
use grantor::store::contract::{self, Harness, Task};
use grantor::store::{MemoryStore, Store};

struct Memory;

#[async_trait]
impl Harness for Memory {
    async fn open(&self, _place: &str) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }
}

#[test]
fn the_memory_store_keeps_the_contract() {
    let report = contract::block_on(contract::run(&Memory));
    println!("{report}");
    report.assert();
}

struct MemoryOnTokio;

#[async_trait]
impl Harness for MemoryOnTokio {
    async fn open(&self, _place: &str) -> Arc<dyn Store> {
        Arc::new(MemoryStore::new())
    }

    fn spawn(&self, task: Task) {
        tokio::spawn(task);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_kit_runs_on_a_runtime() {
    contract::run(&MemoryOnTokio).await.assert();
}

#[test]
fn one_rule_can_be_run_alone() {
    for rule in contract::rules() {
        assert!(rule.len() <= 63, "{rule} is the name of a place, which may be a schema");
        let report = contract::block_on(contract::run_only(&Memory, rule));
        assert_eq!(report.results.len(), 1);
        report.assert();
    }
    assert_eq!(contract::block_on(contract::run_only(&Memory, "no_such_rule")).broken().count(), 1);
}

/// The places of stores that are opened twice.
static PLACES: Mutex<BTreeMap<String, Arc<MemoryStore>>> = Mutex::new(BTreeMap::new());

/// The stores that have a server, as it were.
static SERVED: Mutex<Vec<(Flaw, Arc<Flawed>)>> = Mutex::new(Vec::new());

#[async_trait]
impl Harness for Flaw {
    async fn open(&self, place: &str) -> Arc<dyn Store> {
        let inner = match self {
            Flaw::ChecksEachHandleAlone => Arc::clone(
                PLACES.lock().unwrap_or_else(PoisonError::into_inner).entry(place.to_owned()).or_default(),
            ),
            _ => Arc::default(),
        };
        let store = Arc::new(Flawed::new(*self, inner));
        if self.interruptible() {
            SERVED.lock().unwrap_or_else(PoisonError::into_inner).push((*self, Arc::clone(&store)));
        }
        store
    }

    fn interruptible(&self) -> bool {
        matches!(self, Flaw::StaysGone | Flaw::ForgetsWhatWasInterrupted)
    }

    async fn interrupt(&self) {
        let served = SERVED.lock().unwrap_or_else(PoisonError::into_inner);
        served.iter().filter(|(flaw, _)| flaw == self).for_each(|(_, store)| store.interrupt());
    }

    fn lasting(&self) -> bool {
        matches!(self, Flaw::LosesAllWhenClosed)
    }

    fn shared(&self) -> bool {
        matches!(self, Flaw::KeepsHandlesApart | Flaw::ChecksEachHandleAlone)
    }
}

macro_rules! flaws {
    ($($test:ident: $flaw:ident breaks [$($rule:ident),* $(,)?];)*) => {
        const FLAWS: &[(&str, &[&str])] = &[$((stringify!($test), &[$(stringify!($rule)),*])),*];

        $(
            #[test]
            fn $test() {
                let report = contract::block_on(contract::run(&Flaw::$flaw));
                let broken: Vec<&str> = report.broken().collect();
                assert_eq!(broken, [$(stringify!($rule)),*] as [&str; _], "\n{report}");
            }
        )*
    };
}

// Each store with one flaw, and exactly the rules that find it.
include!("flawed_store/flaws.rs");

#[test]
fn every_rule_has_a_store_that_breaks_it() {
    for rule in contract::rules() {
        assert!(FLAWS.iter().any(|(_, broken)| broken.contains(&rule)), "no flawed store breaks {rule}");
    }
}

#[test]
fn processes_that_do_not_exclude_each_other_do_not_add_up() {
    let count = |flaw: fn(Arc<MemoryStore>) -> Arc<dyn Store>| {
        let inner = Arc::new(MemoryStore::new());
        std::thread::scope(|scope| {
            // Two handles stand for two processes.
            for process in 1..=2 {
                let store = flaw(Arc::clone(&inner));
                scope.spawn(move || contract::block_on(contract::count_up(&*store, process, 40)).unwrap());
            }
        });
        contract::block_on(contract::counted_up(&*inner)).unwrap()
    };
    assert_eq!(count(|inner| inner), 80);
    assert!(count(|inner| Arc::new(Flawed::new(Flaw::ChecksEachHandleAlone, inner))) < 80);
}

/// What the documentation says of each store: what is wrong with it, and the rule among those it breaks that the fewest others do.
#[test]
fn the_documentation_shows_every_flawed_store_and_what_found_it() {
    let how_many = |rule: &str| FLAWS.iter().filter(|(_, broken)| broken.contains(&rule)).count();
    let rows = FLAWS.iter().map(|(flaw, broken)| {
        let what = flaw.trim_start_matches("a_store_that_").replace('_', " ");
        let telling = broken.iter().min_by_key(|rule| how_many(rule)).map_or("", |rule| *rule);
        format!("| {what} | {} | `{telling}` |\n", broken.len())
    });
    let table = rows.collect::<String>();
    assert!(include_str!("../src/docs/stores.md").contains(&table), "the table has to be\n{table}");
}
