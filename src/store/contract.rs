//! The contract of a [`Store`] as a test kit: every promise is a named rule that any implementation can run.
//!
//! ```
//! use std::sync::Arc;
//!
//! use grantor::store::contract::{self, Harness};
//! use grantor::store::{MemoryStore, Store};
//!
//! struct InMemory;
//!
//! #[async_trait::async_trait]
//! impl Harness for InMemory {
//!     async fn open(&self, _place: &str) -> Arc<dyn Store> {
//!         Arc::new(MemoryStore::new())
//!     }
//! }
//!
//! // Under a runtime: `contract::run(&InMemory).await.assert()`.
//! contract::block_on(contract::run(&InMemory)).assert();
//! ```
//!
//! The kit brings no runtime of its own. A store whose futures need one overrides [`Harness::spawn`], for example with
//! `tokio::spawn(task);` under a multi-threaded runtime.
//!
//! The kit starts no processes: where several are to share a store, a test starts them, each [counts](count_up), and all of it
//! has to [add up](counted_up). [`docs::stores`](crate::docs::stores) shows a whole store, and which rule finds which flaw.
//!
//! What the kit cannot see: whether an acknowledged commit survives a killed process, a lost disk or a failed node
//! (reopening is as far as it goes), and whether a commit of unknown outcome is settled when its keys are read.

mod bench;
mod concurrency;
mod conditions;
mod durability;
mod listing;
mod processes;
mod reads;
mod retention;
mod samples;
mod task;
mod values;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;

use self::bench::{Bench, Verdict};
pub use self::processes::{count_up, counted_up};
pub use self::samples::sample;
pub use self::task::{Task, block_on};
use super::Store;

/// How the kit gets the stores it tests. It panics when it cannot open one.
#[async_trait]
pub trait Harness: Send + Sync {
    /// Opens the store that is kept at `place`: at most 63 of `[a-z0-9_]`, the name of a file, schema or key prefix. A place that
    /// this harness has not opened before is empty. Each rule has a place of its own.
    async fn open(&self, place: &str) -> Arc<dyn Store>;

    /// Whether a place that is opened again, after every handle was dropped, still holds what was acknowledged.
    fn lasting(&self) -> bool {
        false
    }

    /// Whether a place can be opened twice at the same time, both handles seeing the same records.
    fn shared(&self) -> bool {
        false
    }

    /// Whether what the stores are kept at can be [interrupted](Self::interrupt).
    fn interruptible(&self) -> bool {
        false
    }

    /// Takes the server that the stores are kept at away, so that every connection to it breaks, and brings it back. Called
    /// where [`interruptible`](Self::interruptible).
    async fn interrupt(&self) {}

    /// Runs a task beside the others. A thread for each unless overridden.
    fn spawn(&self, task: Task) {
        std::thread::spawn(move || block_on(task));
    }
}

type Check = for<'a, 'b> fn(&'a mut Bench<'b>) -> Pin<Box<dyn Future<Output = Verdict> + Send + 'a>>;

/// For which stores a rule is made.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Scope {
    Every,
    Lasting,
    Shared,
    Interruptible,
}

struct Rule {
    name: &'static str,
    scope: Scope,
    check: Check,
}

macro_rules! rules {
    ($($module:ident $scope:ident { $($name:ident,)* })*) => {
        const RULES: &[Rule] = &[$($(
            Rule { name: stringify!($name), scope: Scope::$scope, check: |bench| Box::pin($module::$name(bench)) },
        )*)*];
    };
}

rules! {
    reads Every {
        what_was_never_written_is_absent,
        a_load_answers_in_the_order_of_its_keys,
        a_key_asked_twice_is_answered_twice,
        a_version_is_the_id_of_the_batch_that_wrote_last,
        records_of_different_kinds_never_alias,
        records_of_different_namespaces_never_alias,
        a_store_that_never_waits_answers_alike_both_ways,
    }
    conditions Every {
        an_empty_batch_succeeds,
        absence_can_be_expected_of_a_key_that_is_written,
        a_version_can_be_expected_of_a_key_that_is_written,
        a_version_can_be_expected_of_a_key_that_is_deleted,
        absence_can_be_expected_of_a_key_that_is_only_read,
        a_version_can_be_expected_of_a_key_that_is_only_read,
        a_batch_of_expectations_alone_holds_or_conflicts,
        what_is_absent_has_no_version,
        a_failed_expectation_writes_nothing,
        a_failed_expectation_deletes_nothing,
        a_failed_expectation_leaves_the_index_alone,
        a_large_batch_is_applied_whole_or_not_at_all,
        a_batch_deletes_and_puts_together,
        deleting_what_is_absent_is_no_error,
        a_deleted_record_can_be_created_again,
        a_replaced_version_never_matches_again,
    }
    listing Every {
        a_record_is_listed_under_each_of_its_terms,
        new_terms_replace_the_earlier_ones,
        a_deleted_record_is_not_listed,
        terms_of_different_kinds_never_alias,
        terms_of_different_namespaces_never_alias,
        pages_follow_one_another_whatever_their_limit,
        a_page_starts_after_any_key,
        a_key_that_stays_is_listed_while_others_come_and_go,
    }
    retention Every {
        a_load_never_judges_validity,
        a_purge_takes_only_what_is_strictly_before_its_time,
        a_purge_stops_at_its_limit_and_tells_its_count,
        a_purged_record_is_not_listed,
        a_purged_version_never_matches_again,
        the_last_write_says_how_long_a_record_is_retained,
    }
    values Every {
        every_kind_of_record_is_read_as_it_was_written,
        large_values_are_read_as_they_were_written,
        unusual_text_is_read_as_it_was_written,
        extreme_ids_and_times_are_kept,
    }
    concurrency Every {
        of_many_commits_on_one_version_exactly_one_wins,
        of_many_creations_of_one_record_exactly_one_wins,
        of_many_commits_that_only_read_the_same_version_all_win,
        of_two_commits_that_rely_on_each_others_records_one_wins,
        no_increment_is_lost,
        a_reader_sees_all_of_a_commit_or_nothing,
        a_read_after_an_acknowledgement_sees_the_commit,
        a_dropped_commit_leaves_the_old_state_or_the_new,
    }
    durability Lasting {
        what_was_acknowledged_is_there_after_reopening,
        terms_and_retention_are_there_after_reopening,
    }
    durability Shared {
        each_of_two_handles_sees_what_the_other_committed,
        of_two_handles_on_one_version_exactly_one_wins,
    }
    durability Interruptible {
        a_store_goes_on_once_its_server_is_back,
    }
}

/// The names of all rules.
pub fn rules() -> impl Iterator<Item = &'static str> {
    RULES.iter().map(|rule| rule.name)
}

/// Holds a store to every rule.
pub async fn run(harness: &dyn Harness) -> Report {
    let mut report = Report { results: Vec::new() };
    for rule in RULES {
        report.results.push((rule.name, judge(harness, rule).await));
    }
    report
}

/// Holds a store to one rule.
pub async fn run_only(harness: &dyn Harness, rule: &str) -> Report {
    let mut report = Report { results: Vec::new() };
    if let Some(rule) = RULES.iter().find(|own| own.name == rule) {
        report.results.push((rule.name, judge(harness, rule).await));
    } else {
        report.results.push(("an_unknown_rule", Outcome::Broken(format!("there is no rule {rule}"))));
    }
    report
}

async fn judge(harness: &dyn Harness, rule: &Rule) -> Outcome {
    let applies = match rule.scope {
        Scope::Every => true,
        Scope::Lasting => harness.lasting(),
        Scope::Shared => harness.shared(),
        Scope::Interruptible => harness.interruptible(),
    };
    if !applies {
        return Outcome::NotApplicable;
    }
    let mut bench = Bench::open(harness, rule.name).await;
    match (rule.check)(&mut bench).await {
        Ok(()) => Outcome::Held,
        Err(failure) => Outcome::Broken(failure.0),
    }
}

/// How a store did under one rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It kept the rule.
    Held,
    /// It broke the rule, and how.
    Broken(String),
    /// The rule is not made for this kind of store.
    NotApplicable,
}

/// How a store did under each rule.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct Report {
    /// The rules by name, in the order they ran.
    pub results: Vec<(&'static str, Outcome)>,
}

impl Report {
    /// The names of the rules that were broken.
    pub fn broken(&self) -> impl Iterator<Item = &'static str> {
        self.results
            .iter()
            .filter(|(_, outcome)| matches!(outcome, Outcome::Broken(_)))
            .map(|(name, _)| *name)
    }

    /// Panics with the whole list if a rule was broken.
    #[expect(clippy::panic, reason = "this is how a test fails")]
    pub fn assert(&self) {
        if self.broken().next().is_some() {
            panic!("the store breaks its contract\n{self}");
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (name, outcome) in &self.results {
            match outcome {
                Outcome::Held => writeln!(f, "     ok  {name}")?,
                Outcome::NotApplicable => writeln!(f, "      -  {name}")?,
                Outcome::Broken(why) => writeln!(f, " BROKEN  {name}: {why}")?,
            }
        }
        Ok(())
    }
}
