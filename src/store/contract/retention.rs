//! When records are forgotten, and that nothing else forgets them.

use super::bench::{Bench, Verdict, conflict, ensure, put_under, put_until, same};
use crate::protocol::Timestamp;
use crate::record::{Expectation, Put};

pub(super) async fn a_load_never_judges_validity(bench: &mut Bench<'_>) -> Verdict {
    let (key, term) = (bench.key(1), bench.term(1));
    let mut batch = bench.batch();
    batch.put.push(Put { terms: vec![term], ..put_until(key, 0) });
    let version = bench.apply(batch).await?;
    same("a record that may be forgotten but was not", &bench.version(key).await?, &Some(version))?;
    same("its listing", &bench.listed(term).await?, &vec![key])?;
    bench.write_if(key, key, Expectation::At(version)).await?;
    Ok(())
}

pub(super) async fn a_purge_takes_only_what_is_strictly_before_its_time(bench: &mut Bench<'_>) -> Verdict {
    let mut batch = bench.batch();
    batch.put = vec![put_until(bench.key(1), 99), put_until(bench.key(2), 100), put_until(bench.key(3), 101)];
    bench.apply(batch).await?;
    for (now, left) in [(99, [true, true, true]), (100, [false, true, true]), (101, [false, false, true])] {
        bench.store.purge(Timestamp(now), 100).await?;
        for (n, stays) in (1..).zip(left) {
            let what =
                format!("whether the record retained until {} is there after a purge at {now}", 98 + n);
            same(&what, &bench.one(bench.key(n)).await?.is_some(), &stays)?;
        }
    }
    Ok(())
}

pub(super) async fn a_purge_stops_at_its_limit_and_tells_its_count(bench: &mut Bench<'_>) -> Verdict {
    let mut batch = bench.batch();
    batch.put = (0..25).map(|n| put_until(bench.key(n), 100 + n % 5)).collect();
    batch.put.extend((25..30).map(|n| put_until(bench.key(n), 5000)));
    bench.apply(batch).await?;
    let now = Timestamp(1000);
    same("a purge of nothing", &bench.store.purge(now, 0).await?, &0)?;
    for (deleted, left) in [(10, 20), (10, 10), (5, 5), (0, 5)] {
        same("records deleted, at most ten", &bench.store.purge(now, 10).await?, &deleted)?;
        let mut there = 0;
        for n in 0..30 {
            there += usize::from(bench.one(bench.key(n)).await?.is_some());
        }
        same("records left", &there, &left)?;
    }
    Ok(())
}

pub(super) async fn a_purged_record_is_not_listed(bench: &mut Bench<'_>) -> Verdict {
    let term = bench.term(1);
    let mut batch = bench.batch();
    batch.put =
        vec![Put { terms: vec![term], ..put_until(bench.key(1), 10) }, put_under(bench.key(2), &[term])];
    bench.apply(batch).await?;
    bench.store.purge(Timestamp(1000), 100).await?;
    same("the keys after a purge", &bench.listed(term).await?, &vec![bench.key(2)])
}

pub(super) async fn a_purged_version_never_matches_again(bench: &mut Bench<'_>) -> Verdict {
    let key = bench.key(1);
    let mut batch = bench.batch();
    batch.put.push(put_until(key, 10));
    let version = bench.apply(batch).await?;
    bench.store.purge(Timestamp(1000), 100).await?;
    conflict("the version of a purged record", &bench.write_if(key, key, Expectation::At(version)).await)?;
    bench.write_if(key, key, Expectation::Absent).await?;
    conflict("the version before the purge", &bench.write_if(key, key, Expectation::At(version)).await)
}

pub(super) async fn the_last_write_says_how_long_a_record_is_retained(bench: &mut Bench<'_>) -> Verdict {
    let (longer, shorter) = (bench.key(1), bench.key(2));
    for (first, second) in [(10, 500), (500, 10)] {
        let mut batch = bench.batch();
        batch.put = vec![put_until(longer, first), put_until(shorter, second)];
        bench.apply(batch).await?;
    }
    let mut batch = bench.batch();
    batch.put = vec![put_until(longer, 500), put_until(shorter, 10)];
    bench.apply(batch).await?;
    same("records deleted", &bench.store.purge(Timestamp(100), 100).await?, &1)?;
    ensure(bench.one(longer).await?.is_some(), "the earlier, shorter retention still counted")?;
    ensure(bench.one(shorter).await?.is_none(), "the earlier, longer retention still counted")
}
