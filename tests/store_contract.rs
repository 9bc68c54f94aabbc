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
        let report = contract::block_on(contract::run_only(&Memory, rule));
        assert_eq!(report.results.len(), 1);
        report.assert();
    }
    assert_eq!(contract::block_on(contract::run_only(&Memory, "no_such_rule")).broken().count(), 1);
}

/// The places of stores that are opened twice.
static PLACES: Mutex<BTreeMap<String, Arc<MemoryStore>>> = Mutex::new(BTreeMap::new());

#[async_trait]
impl Harness for Flaw {
    async fn open(&self, place: &str) -> Arc<dyn Store> {
        let inner = match self {
            Flaw::ChecksEachHandleAlone => Arc::clone(
                PLACES.lock().unwrap_or_else(PoisonError::into_inner).entry(place.to_owned()).or_default(),
            ),
            _ => Arc::default(),
        };
        Arc::new(Flawed::new(*self, inner))
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
        const BROKEN: &[&[&str]] = &[$(&[$(stringify!($rule)),*]),*];

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
        assert!(BROKEN.iter().any(|broken| broken.contains(&rule)), "no flawed store breaks {rule}");
    }
}
