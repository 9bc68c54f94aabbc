//! Many callers at once.

use std::sync::Arc;

use super::bench::{Bench, Failure, Ids, Verdict, conflict, counted, ensure, one_of, put, put_under, same};
use super::task::{drop_after, pause};
use crate::record::{Batch, Expectation, Key, Put};
use crate::store::{CommitError, Store};

/// How many callers.
const MANY: usize = 64;
/// How often a race is run; a lucky schedule once or twice hides nothing.
const ROUNDS: u64 = 8;

pub(super) async fn of_many_commits_on_one_version_exactly_one_wins(bench: &mut Bench<'_>) -> Verdict {
    for round in 0..ROUNDS {
        let key = bench.key(round);
        let version = bench.write([key]).await?;
        race(bench, key, Expectation::At(version)).await?;
    }
    Ok(())
}

pub(super) async fn of_many_creations_of_one_record_exactly_one_wins(bench: &mut Bench<'_>) -> Verdict {
    for round in 0..ROUNDS {
        race(bench, bench.key(round), Expectation::Absent).await?;
    }
    Ok(())
}

async fn race(bench: &Bench<'_>, key: Key, expectation: Expectation) -> Verdict {
    let callers = (0..MANY).map(|_| {
        let mut batch = bench.puts([key]);
        batch.expect(key, expectation);
        let store = Arc::clone(&bench.store);
        async move { (batch.id, store.commit(&batch).await) }
    });
    let outcomes = bench.together(callers.collect()).await?;
    let winners: Vec<_> = outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(id, _)| *id).collect();
    same("how many won", &winners.len(), &1)?;
    let others = outcomes.iter().filter(|(_, outcome)| *outcome == Err(CommitError::Conflict)).count();
    same("how many were told of a conflict", &others, &(MANY - 1))?;
    same("the version afterwards", &bench.version(key).await?.as_ref(), &winners.first())
}

pub(super) async fn of_many_commits_that_only_read_the_same_version_all_win(
    bench: &mut Bench<'_>,
) -> Verdict {
    let read = bench.key(1);
    let version = bench.write([read]).await?;
    let callers = (0..MANY as u64).map(|n| {
        let mut batch = bench.puts([bench.key(100 + n)]);
        batch.expect(read, Expectation::At(version));
        let store = Arc::clone(&bench.store);
        async move { store.commit(&batch).await }
    });
    for outcome in bench.together(callers.collect()).await? {
        outcome?;
    }
    Ok(())
}

/// With both, what one relied on would not have been true. Where the record that is only read is absent, there is nothing in
/// its place that could be locked.
pub(super) async fn of_two_commits_that_rely_on_each_others_records_one_wins(
    bench: &mut Bench<'_>,
) -> Verdict {
    for round in 0..10 * ROUNDS {
        let keys = [bench.key(2 * round), bench.key(2 * round + 1)];
        let expectation = match round % 2 {
            0 => Expectation::Absent,
            _ => Expectation::At(bench.write(keys).await?),
        };
        let [one, other] = keys;
        let callers = [(one, other), (other, one)].map(|(written, relied_on)| {
            let mut batch = bench.puts([written]);
            batch.expect(relied_on, expectation);
            let store = Arc::clone(&bench.store);
            async move { store.commit(&batch).await }
        });
        for outcome in bench.together(callers.into()).await?.into_iter().filter(Result::is_err) {
            conflict("a commit that lost", &outcome)?;
        }
        let written = bench.store.load(&keys).await?;
        let before = |found: &&Option<_>| Expectation::of(found.as_ref()) == expectation;
        ensure(written.iter().filter(before).count() > 0, "each wrote what the other relied on")?;
    }
    Ok(())
}

pub(super) async fn no_increment_is_lost(bench: &mut Bench<'_>) -> Verdict {
    const EACH: u64 = 2;
    let key = bench.key(1);
    let mut zero = bench.batch();
    zero.put.push(put(key, 0));
    bench.apply(zero).await?;
    let callers = (0..MANY).map(|_| {
        let (store, ids) = (Arc::clone(&bench.store), bench.ids());
        async move {
            for _ in 0..EACH {
                increment(&*store, &ids, key).await?;
            }
            Ok::<(), Failure>(())
        }
    });
    for outcome in bench.together(callers.collect()).await? {
        outcome?;
    }
    let counted = bench.one(key).await?.and_then(|versioned| counted(&versioned.record));
    same("the count", &counted, &Some(EACH * MANY as u64))
}

/// Where there is no counter yet, this is the first time.
pub(super) async fn increment(store: &dyn Store, ids: &Ids, key: Key) -> Verdict {
    loop {
        let found = one_of(store, key).await?;
        let count = found.as_ref().map_or(Some(0), |found| counted(&found.record));
        let count = count.ok_or_else(|| Failure("the counter is no counter".to_owned()))?;
        let mut batch = Batch::new(ids.fresh());
        batch.expect(key, Expectation::of(found.as_ref()));
        batch.put.push(put(key, count + 1));
        if count < 8 {
            pause().await;
        }
        match store.commit(&batch).await {
            Ok(()) => return Ok(()),
            Err(CommitError::Conflict) => pause().await,
            Err(error) => return Err(error.into()),
        }
    }
}

pub(super) async fn a_reader_sees_all_of_a_commit_or_nothing(bench: &mut Bench<'_>) -> Verdict {
    const KEYS: u64 = 12;
    const COMMITS: u64 = 200;
    let keys: Vec<Key> = (0..KEYS).map(|n| bench.key(n)).collect();
    bench.write(keys.clone()).await?;
    let role = |writes: bool| {
        let (store, ids, keys) = (Arc::clone(&bench.store), bench.ids(), keys.clone());
        async move {
            for n in 1..=COMMITS {
                if writes {
                    let mut batch = Batch::new(ids.fresh());
                    batch.put = keys.iter().map(|key| put(*key, n)).collect();
                    store.commit(&batch).await?;
                } else {
                    whole(&*store, &keys).await?;
                }
                pause().await;
            }
            Ok::<(), Failure>(())
        }
    };
    for outcome in bench.together([true, false, false, true, false].map(role).into()).await? {
        outcome?;
    }
    Ok(())
}

/// All keys were read at the same version.
async fn whole(store: &dyn Store, keys: &[Key]) -> Verdict {
    let loaded = store.load(keys).await?;
    let first = loaded.first().and_then(Option::as_ref).map(|versioned| versioned.version);
    let alike = loaded.iter().all(|found| found.as_ref().map(|versioned| versioned.version) == first);
    ensure(alike, "a load saw a part of a commit")
}

pub(super) async fn a_read_after_an_acknowledgement_sees_the_commit(bench: &mut Bench<'_>) -> Verdict {
    let callers = (0..MANY as u64).map(|n| {
        let (store, ids, key, term) = (Arc::clone(&bench.store), bench.ids(), bench.key(n), bench.term(n));
        async move {
            let mut batch = Batch::new(ids.fresh());
            batch.put.push(put_under(key, &[term]));
            store.commit(&batch).await?;
            let read = one_of(&*store, key).await?.map(|versioned| versioned.version);
            same("the version after the acknowledgement", &read, &Some(batch.id))?;
            let listed = store.list(&term, crate::store::Page { after: None, limit: 10 }).await?;
            same("the listing after the acknowledgement", &listed.keys, &vec![key])
        }
    });
    for outcome in bench.together(callers.collect()).await? {
        outcome?;
    }
    Ok(())
}

pub(super) async fn a_dropped_commit_leaves_the_old_state_or_the_new(bench: &mut Bench<'_>) -> Verdict {
    let mut start = 0;
    for polls in [0, 1, 1, 2, 2, 3, 5, 9] {
        start += 10;
        let keys: Vec<Key> = (start..start + 5).map(|n| bench.key(n)).collect();
        let (first, term) = (bench.key(start), bench.term(start));
        let mut dropped = bench.batch();
        dropped.put = keys.iter().map(|key| Put { terms: vec![term], ..put(*key, 1) }).collect();
        dropped.expect(first, Expectation::Absent);
        drop_after(polls, bench.store.commit(&dropped)).await;
        for _ in 0..20 {
            whole(&*bench.store, &keys).await?;
            pause().await;
        }

        let mut after = bench.puts(keys.iter().copied());
        after.expect(first, Expectation::Absent);
        let (version, listed) = match bench.store.commit(&after).await {
            Ok(()) => (after.id, Vec::new()),
            Err(CommitError::Conflict) => (dropped.id, keys.clone()),
            Err(error) => return Err(error.into()),
        };
        for key in &keys {
            same("the version afterwards", &bench.version(*key).await?, &Some(version))?;
        }
        same("the listing afterwards", &bench.listed(term).await?, &listed)?;
    }
    Ok(())
}
