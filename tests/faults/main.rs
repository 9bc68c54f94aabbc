//! What holds when stores, entropy and signers fail, and when requests are dropped: no wrong answer, nothing issued twice, and a
//! revocation is only confirmed when it is true.
//!
//! | file | holds |
//! |---|---|
//! | `sweep` | every fault at every call of every flow |
//! | `changes` | clocks that walk, and secrets that are replaced |
//! | `decisions` | what users decide, and what clients are sent of it |
//! | `late` | a store that applies a commit after it was read as lost |
//! | `outages` | how a server refuses that cannot work |

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::indexing_slicing, reason = "a missing JSON member reads as null")]

mod changes;
#[path = "../common/mod.rs"]
mod common;
mod decisions;
mod late;
mod outages;
mod sweep;

use std::sync::Arc;

use common::stores::{Fault, Faulty, When};
use common::{Answer, Fixture};

/// More calls than any request makes.
const MANY: usize = 60;

/// Runs a test with every fault that a store may have, at every call in turn, alone and as the beginning of an outage. The
/// test returns how many calls there were.
async fn everywhere<F: Future<Output = usize>>(mut test: impl FnMut(When, Fault) -> F) {
    for n in 0..MANY {
        let mut calls = 0;
        for fault in Fault::ALL {
            calls = calls.max(test(When::Once(n), fault).await);
        }
        for fault in [Fault::Unavailable, Fault::UnknownApplied] {
            calls = calls.max(test(When::From(n), fault).await);
        }
        if calls <= n {
            assert!(n > 0, "the store was asked nothing");
            return;
        }
    }
    panic!("it never ends");
}

/// Whether what is answered with 503 may have happened all the same.
const fn hides_what_happened(fault: Fault) -> bool {
    matches!(fault, Fault::UnknownApplied | Fault::ConflictApplied)
}

fn faulty() -> (Arc<Faulty>, Fixture) {
    let store = Faulty::new();
    let fixture = Fixture::on(store.clone());
    (store, fixture)
}

/// 200, or a 503 that says so.
#[track_caller]
fn honest(answer: &Answer, row: &str) -> bool {
    if answer.status == 200 {
        return true;
    }
    assert_eq!(answer.error(), (503, "temporarily_unavailable".into()), "{row}: {answer:?}");
    assert_eq!(answer.header("retry-after"), Some("1"), "{row}");
    false
}
