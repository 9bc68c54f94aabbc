//! What outlives a handle, and what two handles share.

use std::sync::Arc;

use super::bench::{Bench, Failure, Verdict, conflict, ensure, one_of, put_until, same};
use crate::protocol::Timestamp;
use crate::record::{BatchId, Expectation, Key, Put};
use crate::store::CommitError;

pub(super) async fn what_was_acknowledged_is_there_after_reopening(bench: &mut Bench<'_>) -> Verdict {
    let mut versions = Vec::new();
    for n in 0..50 {
        versions.push((bench.key(n), bench.write([bench.key(n), bench.key(n + 1)]).await?));
    }
    bench.delete([bench.key(50)]).await?;
    bench.reopen().await;
    for (key, version) in versions {
        same("a version after reopening", &bench.version(key).await?, &Some(version))?;
        bench.write_if(key, key, Expectation::At(version)).await?;
        conflict(
            "an older version after reopening",
            &bench.write_if(key, key, Expectation::At(version)).await,
        )?;
    }
    ensure(bench.one(bench.key(50)).await?.is_none(), "a deleted record came back")
}

pub(super) async fn terms_and_retention_are_there_after_reopening(bench: &mut Bench<'_>) -> Verdict {
    let term = bench.term(1);
    let mut batch = bench.batch();
    batch.put = (1..=4).map(|n| Put { terms: vec![term], ..put_until(bench.key(n), 100 * n) }).collect();
    bench.apply(batch).await?;
    bench.delete([bench.key(3)]).await?;
    bench.reopen().await;
    let kept = vec![bench.key(1), bench.key(2), bench.key(4)];
    same("the listing after reopening", &bench.listed(term).await?, &kept)?;
    same("records deleted", &bench.store.purge(Timestamp(201), 10).await?, &2)?;
    bench.reopen().await;
    same("the listing after a purge and reopening", &bench.listed(term).await?, &vec![bench.key(4)])
}

/// How often a store may fail in a row before it has found its server again.
const PATIENCE: usize = 100;

pub(super) async fn a_store_goes_on_once_its_server_is_back(bench: &mut Bench<'_>) -> Verdict {
    for round in 0..3 {
        let key = bench.key(round);
        let version = bench.write([key]).await?;
        bench.interrupt().await;
        same("what was acknowledged before", &in_time(bench, key).await?, &Some(version))?;
        for attempt in 0.. {
            let mut batch = bench.puts([key]);
            batch.expect(key, Expectation::At(version));
            match bench.store.commit(&batch).await {
                Ok(()) => {}
                // A connection that broke unnoticed is found out by whoever uses it first.
                Err(CommitError::Unavailable(_) | CommitError::Unknown(_)) if attempt < PATIENCE => {}
                Err(error) => return Err(error.into()),
            }
            if in_time(bench, key).await? == Some(batch.id) {
                break;
            }
        }
    }
    Ok(())
}

/// The version of a record, as soon as it can be read.
async fn in_time(bench: &Bench<'_>, key: Key) -> Result<Option<BatchId>, Failure> {
    for _ in 0..PATIENCE {
        if let Ok(version) = bench.version(key).await {
            return Ok(version);
        }
    }
    bench.version(key).await
}

pub(super) async fn each_of_two_handles_sees_what_the_other_committed(bench: &mut Bench<'_>) -> Verdict {
    let other = bench.second_handle().await;
    for n in 0..20 {
        let version = bench.write([bench.key(n)]).await?;
        let seen = one_of(&*other, bench.key(n)).await?.map(|versioned| versioned.version);
        same("what the second handle sees", &seen, &Some(version))?;
        let batch = bench.puts([bench.key(n)]);
        other.commit(&batch).await?;
        same("what the first handle sees", &bench.version(bench.key(n)).await?, &Some(batch.id))?;
    }
    Ok(())
}

pub(super) async fn of_two_handles_on_one_version_exactly_one_wins(bench: &mut Bench<'_>) -> Verdict {
    let other = bench.second_handle().await;
    for n in 0..20 {
        let key = bench.key(n);
        let version = bench.write([key]).await?;
        let callers = [&bench.store, &other, &bench.store, &other].map(|store| {
            let mut batch = bench.puts([key]);
            batch.expect(key, Expectation::At(version));
            let store = Arc::clone(store);
            async move { store.commit(&batch).await }
        });
        let outcomes = bench.together(callers.into()).await?;
        same("how many won", &outcomes.iter().filter(|outcome| outcome.is_ok()).count(), &1)?;
        let conflicts = outcomes.iter().filter(|outcome| **outcome == Err(CommitError::Conflict)).count();
        same("how many were told of a conflict", &conflicts, &3)?;
    }
    Ok(())
}
