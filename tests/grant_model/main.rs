//! The life of grants against a model of it: any sequence of steps, by any client, at any time, gives what the model says,
//! and no token lives that must not, or is dead that may live.
//!
//! | file | holds |
//! |---|---|
//! | `step` | what can happen |
//! | `model` | what was issued, and whether it lives |
//! | `rules` | what must come of each step |
//! | `server` | the same steps, done |
//!
//! `GRANT_MODEL_STEPS` says how many steps are tried in all, `GRANT_MODEL_SEED` which; a failure prints the seed and the
//! shortest sequence that fails.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "places among what was issued before")]

#[path = "../common/mod.rs"]
mod common;
mod model;
mod rules;
mod server;
mod step;

use std::cell::Cell;
use std::str::FromStr;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use grantor::token::RefreshHandle;
use model::Model;
use proptest::test_runner::{Config, RngSeed, TestError, TestRunner};
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use server::Server;
use step::Step;

/// How many steps a sequence has at most.
const LENGTH: usize = 60;

impl StateMachineTest for Server {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        Self::new()
    }

    fn apply(mut server: Self, model: &Model, step: Step) -> Self {
        let runtime = Arc::clone(&server.runtime);
        runtime.block_on(async {
            let outcome = server.step(&step, model).await;
            assert_eq!(outcome, model.outcome, "{step:?} at {}", model.now);
            assert_eq!(server.access.len(), model.access.len());
            assert_eq!(server.refresh.len(), model.refresh.len());
            assert_eq!(server.grants.len(), model.grants());
            server.steps += 1;
            // The newest and one of the others; at the end all.
            if let Some(newest) = server.access.len().checked_sub(1) {
                server.check(newest, model).await;
                server.check(server.steps * 7 % server.access.len(), model).await;
            }
        });
        server
    }

    fn teardown(server: Self, model: Model) {
        server.runtime.block_on(async {
            for at in 0..server.access.len() {
                server.check(at, &model).await;
            }
            for at in 0..server.grants.len() {
                server.check_grant(at, &model).await;
            }
            let live: Vec<_> =
                server.refresh.iter().filter_map(|token| RefreshHandle::decode(token)).collect();
            assert_eq!(live.len(), server.refresh.len(), "every refresh token can be read again");
        });
    }
}

fn number<N: FromStr>(name: &str) -> Option<N> {
    std::env::var(name).ok().map(|text| text.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}

#[test]
fn grants_live_and_die_as_the_model_says() {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("GRANT_MODEL_SEED").unwrap_or(u64::from(now.subsec_nanos()));
    let steps = number("GRANT_MODEL_STEPS").unwrap_or(6_000_usize);
    let (done, issued) = (Cell::new(0), Cell::new(0));
    for seed in seed.. {
        if done.get() >= steps {
            break;
        }
        let config = Config {
            cases: 20,
            rng_seed: RngSeed::Fixed(seed),
            failure_persistence: None,
            ..Config::default()
        };
        let sequences = Model::sequential_strategy(1..LENGTH);
        let outcome = TestRunner::new(config).run(&sequences, |(model, steps, seen)| {
            done.set(done.get() + steps.len());
            issued.set(issued.get() + steps.iter().fold(model.clone(), Model::apply).access.len());
            Server::test_sequential(Config::default(), model, steps, seen);
            Ok(())
        });
        match outcome {
            Ok(()) => {}
            Err(TestError::Fail(why, (_, steps, _))) => panic!("GRANT_MODEL_SEED={seed}: {why}\n{steps:#?}"),
            Err(other) => panic!("GRANT_MODEL_SEED={seed}: {other:?}"),
        }
    }
    println!("{} steps, {} access tokens, from GRANT_MODEL_SEED={seed} on", done.get(), issued.get());
    assert!(issued.get() * 10 > done.get(), "most steps came to nothing");
}
