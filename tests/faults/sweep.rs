//! Every fault at every call of every flow.

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use super::common::alice;
use super::common::flows::{Flow, Promise, Ready};
use super::common::stage::{Deed, Outcome, Stage, promises_are_kept};
use super::common::stores::{Fault, Faulty, Waiting, When};
use super::common::watched::Watched;
use super::{MANY, everywhere, hides_what_happened};
use grantor::endpoint::administration::{Party, StandingChange};
use grantor::host::Clock as _;

/// What is asserted of a first try and of the next one, after which the server has nothing left to fail of.
struct Row {
    flow: Flow,
    name: String,
    /// What came of the first try, as far as anybody knows.
    first: Option<Outcome>,
    /// Whether it may have happened although nobody was told so.
    perhaps: bool,
}

impl Row {
    async fn holds(&self, stage: &Stage, store: &Watched, ready: &Ready) {
        let Self { flow, name, first, perhaps } = self;
        promises_are_kept(&[stage], store, name).await;
        let done = *first == Some(Outcome::Done);
        self.spares_what_lives(stage, ready, done, first.as_ref()).await;
        let second = stage.perform(&ready.deed).await;
        match flow.promise() {
            Promise::Again => {
                assert!(!matches!(first, Some(Outcome::Refused(_))), "{name}: {first:?}");
                assert_eq!(second, Outcome::Done, "{name}");
            }
            Promise::Once => {
                assert!(!matches!((first, perhaps), (Some(Outcome::Refused(_)), false)), "{name}: {first:?}");
                let again = second == Outcome::Done;
                assert!(again != done || (*perhaps && !done), "{name}: {first:?}, then {second:?}");
                assert_ne!(second, Outcome::Unavailable, "{name}");
            }
            Promise::Waits => {
                let waits = |outcome: &Outcome| {
                    let codes = ["authorization_pending", "slow_down"];
                    matches!(outcome, Outcome::Refused(code) if codes.contains(&code.as_str()))
                };
                assert!(
                    first.as_ref().is_none_or(|own| waits(own) || *own == Outcome::Unavailable),
                    "{name}: {first:?}"
                );
                assert!(waits(&second), "{name}: {second:?}");
            }
            Promise::Replays => {
                assert!(!done, "{name}: {first:?}");
                assert!(matches!(second, Outcome::Refused(_)), "{name}: {second:?}");
            }
            Promise::Ends => assert_ne!(second, Outcome::Unavailable, "{name}"),
        }
        self.spares_what_lives(stage, ready, true, Some(&second)).await;
        promises_are_kept(&[stage], store, name).await;
    }

    /// What was issued before is dead where it must be, and alive where it must be.
    async fn spares_what_lives(&self, stage: &Stage, ready: &Ready, done: bool, outcome: Option<&Outcome>) {
        for token in &ready.held {
            let lives = stage.lives(token).await;
            match self.flow.promise() {
                Promise::Ends => assert!(!(done && lives), "{}: confirmed and alive", self.name),
                Promise::Replays => {
                    let refused = matches!(outcome, Some(Outcome::Refused(_)));
                    assert!(!(refused && lives), "{}: refused and alive", self.name);
                }
                _ => assert!(lives, "{}: it took something with it", self.name),
            }
        }
        let ended = match self.flow.promise() {
            Promise::Ends => done,
            Promise::Replays => matches!(outcome, Some(Outcome::Refused(_))),
            _ => false,
        };
        if let (true, Some(closed)) = (ended, &ready.closed) {
            let outcome = stage.perform(closed).await;
            assert!(matches!(outcome, Outcome::Refused(_)), "{}: ended, and then {outcome:?}", self.name);
        }
    }
}

/// Whether what is answered with 503 may have happened all the same: a fault that hides it, or one between two commits.
const fn may_have_happened(flow: Flow, fault: Fault) -> bool {
    claims_first(flow) || hides_what_happened(fault)
}

/// Whether a flow claims a marker, and then issues: a claim that was not confirmed is not made again.
const fn claims_first(flow: Flow) -> bool {
    matches!(flow, Flow::Assertion | Flow::GrantFromElsewhere)
}

/// Whether a fault must not be noticed at all: a commit whose outcome can be read back, or that is simply made twice.
const fn is_harmless(when: When, fault: Fault) -> bool {
    let heals = matches!(
        fault,
        Fault::UnknownApplied | Fault::UnknownDropped | Fault::ConflictApplied | Fault::Twice
    );
    heals && matches!(when, When::Once(_))
}

/// Whether a flow ends with a deletion alone: that bears no version which could be read back.
const fn only_deletes(flow: Flow) -> bool {
    matches!(flow, Flow::Refuse | Flow::TakeAccessBack | Flow::Erase)
}

/// Returns how many calls there were.
async fn fails(flow: Flow, when: When, fault: Fault) -> usize {
    let name = format!("{flow:?} {when:?} {fault:?}");
    let store = Faulty::new();
    let stage = Stage::on(store.clone());
    let ready = flow.prepare(&stage).await;
    store.fail(when, fault);
    let first = stage.perform(&ready.deed).await;
    let calls = store.heal();
    let unclaimed = fault == Fault::UnknownDropped && claims_first(flow);
    let harmless = is_harmless(when, fault) && !unclaimed && !only_deletes(flow);
    assert!(!(harmless && first == Outcome::Unavailable), "{name}: {first:?}");
    let row = Row { flow, name, first: Some(first), perhaps: may_have_happened(flow, fault) };
    row.holds(&stage, &store.sound(), &ready).await;
    calls
}

/// Runs every flow on a task of its own; a failure names all the flows that failed.
async fn each_flow<F>(mut run: impl FnMut(Flow) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let running: Vec<_> = Flow::ALL.iter().map(|flow| (flow, tokio::spawn(run(*flow)))).collect();
    let mut failed = Vec::new();
    for (flow, task) in running {
        if task.await.is_err() {
            failed.push(flow);
        }
    }
    assert!(failed.is_empty(), "{failed:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_flow_keeps_its_promise_where_nothing_fails() {
    each_flow(async |flow| {
        let store = Arc::<Watched>::default();
        let stage = Stage::on(store.clone());
        let ready = flow.prepare(&stage).await;
        let first = stage.perform(&ready.deed).await;
        let succeeds = !matches!(flow.promise(), Promise::Waits | Promise::Replays);
        assert_eq!(first == Outcome::Done, succeeds, "{flow:?}: {first:?}");
        let row = Row { flow, name: format!("{flow:?}"), first: Some(first), perhaps: false };
        row.holds(&stage, &store, &ready).await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_fails_at_whatever_call_of_whatever_flow_nothing_is_issued_twice_or_unheard_or_revived() {
    each_flow(async |flow| {
        everywhere(|when, fault| fails(flow, when, fault)).await;
    })
    .await;
}

/// Whether there was an n-th call. Meanwhile, a client that has lost patience sends the same to another node, which
/// answers.
async fn is_overtaken(flow: Flow, n: usize, fault: Fault) -> bool {
    let name = format!("{flow:?} {n} {fault:?}");
    let store = Faulty::new();
    let here = Stage::on(store.clone());
    let there = Arc::new(Stage::on(store.sound()));
    let ready = flow.prepare(&here).await;
    there.fixture.clock.set(here.fixture.clock.now().0);
    let second = Arc::new(Mutex::new(None));
    let (node, deed, answer) = (Arc::clone(&there), ready.deed.clone(), Arc::clone(&second));
    store.meanwhile(async move {
        let outcome = node.perform(&deed).await;
        *answer.lock().unwrap() = Some(outcome);
    });
    store.fail(When::Once(n), fault);
    let first = here.perform(&ready.deed).await;
    let happened = store.heal() > n;
    let second = second.lock().unwrap().take();
    let outcomes: Vec<&Outcome> = second.iter().chain([&first]).collect();
    assert!(!outcomes.contains(&&Outcome::Unavailable), "{name}: {outcomes:?}");
    let done = outcomes.iter().filter(|outcome| ***outcome == Outcome::Done).count();
    match flow.promise() {
        Promise::Again => assert_eq!(done, outcomes.len(), "{name}: {outcomes:?}"),
        Promise::Once => assert_eq!(done, 1, "{name}: {outcomes:?}"),
        Promise::Ends => assert!(done > 0, "{name}: {outcomes:?}"),
        Promise::Waits | Promise::Replays => assert_eq!(done, 0, "{name}: {outcomes:?}"),
    }
    for token in &ready.held {
        let dies = matches!(flow.promise(), Promise::Ends | Promise::Replays);
        assert_eq!(here.lives(token).await, !dies, "{name}");
    }
    promises_are_kept(&[&here, &there], &store.sound(), &name).await;
    happened
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_another_node_while_a_call_hangs_gets_what_is_good_once_once() {
    each_flow(async |flow| {
        for fault in [Fault::Overtaken, Fault::AnsweredLate] {
            let mut n = 0;
            while is_overtaken(flow, n, fault).await {
                n += 1;
                assert!(n < MANY, "{flow:?} never ends");
            }
        }
    })
    .await;
}

/// What takes from everybody what they have.
async fn end_everything(stage: &Stage) {
    for client in ["web", "spa", "first", "post"] {
        for (id, _) in stage.fixture.grants(client).await {
            stage.must(&Deed::RevokeGrant(id)).await;
        }
    }
    stage.must(&Deed::Change(Party::Client("machine".into()), StandingChange::RevokeAll)).await;
    stage.must(&Deed::Change(Party::Subject(alice()), StandingChange::Disable)).await;
}

/// Whether there was an n-th call. A store that tells how it was breaks its promise, and what only reads believes it; but what
/// is written rests on what is there.
async fn is_told_the_past(flow: Flow, n: usize, when: When, ended: bool) -> bool {
    let name = format!("{flow:?} {when:?} after {}", if ended { "the end" } else { "itself" });
    let store = Faulty::new();
    let stage = Stage::on(store.clone());
    let ready = flow.prepare(&stage).await;
    match ended {
        true => end_everything(&stage).await,
        false => drop(stage.perform(&ready.deed).await),
    }
    store.fail(when, Fault::Stale);
    let second = stage.perform(&ready.deed).await;
    let happened = store.heal() > n;
    let once = flow.promise() == Promise::Once && !ended;
    assert!(!(once && second == Outcome::Done), "{name}: twice");
    promises_are_kept(&[&stage], &store.sound(), &name).await;
    happened
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_that_is_written_rests_on_how_it_was_before() {
    each_flow(async |flow| {
        for ended in [true, false] {
            let mut n = 0;
            while is_told_the_past(flow, n, When::Once(n), ended).await {
                n += 1;
                assert!(n < MANY, "{flow:?} never ends");
            }
            is_told_the_past(flow, 0, When::Always(0), ended).await;
        }
    })
    .await;
}

/// Polls a request so many times, drops it, and says what it had come to.
fn poll_and_drop<T>(request: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut request = pin!(request);
    for _ in 0..polls {
        if let Poll::Ready(answer) = request.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return Some(answer);
        }
    }
    None
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_request_is_dropped_at_whatever_point_has_happened_or_has_not() {
    each_flow(async |flow| {
        for polls in 0.. {
            assert!(polls < 4 * MANY, "{flow:?} never ends");
            let store = Arc::<Watched>::default();
            let stage = Stage::on(Arc::new(Waiting(store.clone())));
            let ready = flow.prepare(&stage).await;
            let first = poll_and_drop(stage.perform(&ready.deed), polls);
            let answered = first.is_some();
            let row = Row { flow, name: format!("{flow:?} {polls} polls"), first, perhaps: !answered };
            row.holds(&stage, &store, &ready).await;
            if answered {
                assert!(polls > 1, "{flow:?} was never dropped");
                break;
            }
        }
    })
    .await;
}
