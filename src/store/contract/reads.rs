//! What a load answers.

use std::sync::Arc;

use super::bench::{Bench, Failure, Verdict, conflict, ensure, put, put_under, same};
use crate::record::{BatchId, Expectation, Key, Kind};

pub(super) async fn what_was_never_written_is_absent(bench: &mut Bench<'_>) -> Verdict {
    same("an empty load", &bench.store.load(&[]).await?, &Vec::new())?;
    same("a key never written", &bench.store.load(&[bench.key(1)]).await?, &vec![None])
}

pub(super) async fn a_load_answers_in_the_order_of_its_keys(bench: &mut Bench<'_>) -> Verdict {
    let mut wrote = Vec::new();
    for n in 0..4 {
        wrote.push((bench.key(n), Some(bench.write([bench.key(n)]).await?)));
    }
    wrote.push((bench.key(9), None));
    wrote.push((Key { kind: Kind::Session, ..bench.key(0) }, None));
    for order in [[0, 1, 2, 3, 4, 5], [5, 3, 2, 4, 1, 0], [2, 4, 0, 5, 3, 1]] {
        let chosen: Vec<_> = order.iter().filter_map(|n: &usize| wrote.get(*n)).collect();
        let keys: Vec<Key> = chosen.iter().map(|(key, _)| *key).collect();
        let wanted: Vec<Option<BatchId>> = chosen.iter().map(|(_, version)| *version).collect();
        same("versions in the order of the keys", &versions(bench, &keys).await?, &wanted)?;
    }
    Ok(())
}

pub(super) async fn a_key_asked_twice_is_answered_twice(bench: &mut Bench<'_>) -> Verdict {
    let version = bench.write([bench.key(1)]).await?;
    let (one, none) = (bench.key(1), bench.key(2));
    same("a kept key, twice", &versions(bench, &[one, one]).await?, &vec![Some(version); 2])?;
    same("an absent key, twice", &versions(bench, &[none, none]).await?, &vec![None; 2])
}

pub(super) async fn a_version_is_the_id_of_the_batch_that_wrote_last(bench: &mut Bench<'_>) -> Verdict {
    let (one, other) = (bench.key(1), bench.key(2));
    let first = bench.write([one, other]).await?;
    same("after the first batch", &bench.version(one).await?, &Some(first))?;
    same("after the first batch", &bench.version(other).await?, &Some(first))?;
    let mut batch = bench.batch();
    batch.put.push(put(one, 7));
    let second = bench.apply(batch).await?;
    same("after the second batch", &bench.version(one).await?, &Some(second))?;
    same("a record the second batch left alone", &bench.version(other).await?, &Some(first))
}

pub(super) async fn records_of_different_kinds_never_alias(bench: &mut Bench<'_>) -> Verdict {
    let subject = bench.key(1);
    let client = Key { kind: Kind::ClientState, ..subject };
    same("before anything was written", &bench.version(subject).await?, &None)?;
    let first = bench.write([subject]).await?;
    same("the other kind under the same id", &bench.version(client).await?, &None)?;
    let second = write_sample(bench, client).await?;
    same("the first kind after the second was written", &bench.version(subject).await?, &Some(first))?;
    same("the second kind", &bench.version(client).await?, &Some(second))?;
    bench.delete([subject]).await?;
    same("the second kind after the first was deleted", &bench.version(client).await?, &Some(second))
}

pub(super) async fn records_of_different_namespaces_never_alias(bench: &mut Bench<'_>) -> Verdict {
    let ours = bench.key(1);
    let theirs = Key { namespace: bench.elsewhere(), ..ours };
    let first = bench.write([ours]).await?;
    same("the same key in another namespace", &bench.version(theirs).await?, &None)?;
    let second = bench.write([theirs]).await?;
    same("the first namespace after the second was written", &bench.version(ours).await?, &Some(first))?;
    bench.delete([ours]).await?;
    same("the second namespace after a deletion in the first", &bench.version(theirs).await?, &Some(second))?;
    ensure(bench.one(ours).await?.is_none(), "a deletion in one namespace did not delete there")
}

async fn write_sample(bench: &Bench<'_>, key: Key) -> Result<BatchId, Failure> {
    let mut batch = bench.puts([key]);
    for put in &mut batch.put {
        put.record = super::sample(key.kind).into();
    }
    bench.apply(batch).await
}

async fn versions(bench: &Bench<'_>, keys: &[Key]) -> Result<Vec<Option<BatchId>>, Failure> {
    let loaded = bench.store.load(keys).await?;
    Ok(loaded.into_iter().map(|found| found.map(|versioned| versioned.version)).collect())
}

pub(super) async fn a_store_that_never_waits_answers_alike_both_ways(bench: &mut Bench<'_>) -> Verdict {
    let store = Arc::clone(&bench.store);
    let Some(at_once) = store.immediate() else { return Ok(()) };
    let (one, other, absent, term) = (bench.key(1), bench.key(2), bench.key(3), bench.term(1));
    let first = bench.write([one]).await?;
    let mut batch = bench.puts([other]);
    batch.expect(one, Expectation::At(first));
    at_once.commit_now(&batch)?;
    same("the version of what was committed at once", &bench.version(other).await?, &Some(batch.id))?;

    let keys = [other, absent, one, one];
    let mut found = Vec::new();
    at_once.load_now(&keys, &mut |key, record| found.push((key, record)))?;
    let waited = keys.into_iter().zip(store.load(&keys).await?).collect();
    same("what is loaded at once", &found, &waited)?;

    for expectation in [Expectation::Absent, Expectation::At(batch.id)] {
        let mut stale = bench.puts([one]);
        stale.expect(one, expectation);
        conflict("a failed expectation, waited for", &store.commit(&stale).await)?;
        conflict("a failed expectation, at once", &at_once.commit_now(&stale))?;
    }
    same("the version after conflicts", &bench.version(one).await?, &Some(first))?;

    let mut batch = bench.batch();
    batch.delete.push(one);
    batch.put.push(put_under(absent, &[term]));
    at_once.commit_now(&batch)?;
    same("what was deleted at once", &bench.version(one).await?, &None)?;
    same("what was listed at once", &bench.listed(term).await?, &vec![absent])
}
