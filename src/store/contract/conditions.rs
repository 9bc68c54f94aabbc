//! Batches: all or nothing, and only if what they expect holds.

use super::bench::{Bench, Failure, Verdict, conflict, ensure, put, put_under, same};
use crate::record::{Expectation, Key};

pub(super) async fn an_empty_batch_succeeds(bench: &mut Bench<'_>) -> Verdict {
    bench.apply(bench.batch()).await?;
    Ok(())
}

pub(super) async fn absence_can_be_expected_of_a_key_that_is_written(bench: &mut Bench<'_>) -> Verdict {
    let key = bench.key(1);
    bench.write_if(key, key, Expectation::Absent).await?;
    conflict("a creation of what is there", &bench.write_if(key, key, Expectation::Absent).await)
}

pub(super) async fn a_version_can_be_expected_of_a_key_that_is_written(bench: &mut Bench<'_>) -> Verdict {
    let key = bench.key(1);
    let first = bench.write([key]).await?;
    bench.write_if(key, key, Expectation::At(first)).await?;
    conflict("a write on an older version", &bench.write_if(key, key, Expectation::At(first)).await)
}

pub(super) async fn a_version_can_be_expected_of_a_key_that_is_deleted(bench: &mut Bench<'_>) -> Verdict {
    let key = bench.key(1);
    let first = bench.write([key]).await?;
    let second = bench.write([key]).await?;
    for (version, stays) in [(first, true), (second, false)] {
        let mut batch = bench.batch();
        batch.expect(key, Expectation::At(version));
        batch.delete.push(key);
        let outcome = bench.store.commit(&batch).await;
        if stays {
            conflict("a deletion on an older version", &outcome)?;
        } else {
            outcome?;
        }
        same("whether the record is there", &bench.one(key).await?.is_some(), &stays)?;
    }
    Ok(())
}

pub(super) async fn absence_can_be_expected_of_a_key_that_is_only_read(bench: &mut Bench<'_>) -> Verdict {
    let (read, written) = (bench.key(1), bench.key(2));
    bench.write_if(written, read, Expectation::Absent).await?;
    bench.write([read]).await?;
    conflict(
        "a write beside what was to be absent",
        &bench.write_if(written, read, Expectation::Absent).await,
    )
}

pub(super) async fn a_version_can_be_expected_of_a_key_that_is_only_read(bench: &mut Bench<'_>) -> Verdict {
    let (read, written) = (bench.key(1), bench.key(2));
    let first = bench.write([read]).await?;
    bench.write_if(written, read, Expectation::At(first)).await?;
    same("the version of what was only read", &bench.version(read).await?, &Some(first))?;
    bench.write([read]).await?;
    conflict("a write beside a newer version", &bench.write_if(written, read, Expectation::At(first)).await)
}

pub(super) async fn a_batch_of_expectations_alone_holds_or_conflicts(bench: &mut Bench<'_>) -> Verdict {
    let (there, absent) = (bench.key(1), bench.key(2));
    let old = bench.write([there]).await?;
    let new = bench.write([there]).await?;
    let expecting = |expected: &[(Key, Expectation)]| {
        let mut batch = bench.batch();
        batch.expect.extend(expected);
        batch
    };
    let holds = [(there, Expectation::At(new)), (absent, Expectation::Absent)];
    bench.apply(expecting(&holds)).await?;
    same("the version of what was only expected", &bench.version(there).await?, &Some(new))?;
    for fails in [(there, Expectation::At(old)), (there, Expectation::Absent), (absent, Expectation::At(new))]
    {
        for batch in [expecting(&[fails]), expecting(&[holds[0], holds[1], fails])] {
            conflict("an expectation with nothing to write", &bench.store.commit(&batch).await)?;
        }
    }
    Ok(())
}

pub(super) async fn what_is_absent_has_no_version(bench: &mut Bench<'_>) -> Verdict {
    let key = bench.key(1);
    let never = bench.batch().id;
    conflict("a version of what never was", &bench.write_if(key, key, Expectation::At(never)).await)?;
    ensure(bench.one(key).await?.is_none(), "the refused batch was written")
}

pub(super) async fn a_failed_expectation_writes_nothing(bench: &mut Bench<'_>) -> Verdict {
    let (broken, created, overwritten) = (bench.key(1), bench.key(2), bench.key(3));
    bench.write([broken]).await?;
    let before = bench.write([overwritten]).await?;
    let mut batch = bench.puts([created, overwritten, broken]);
    batch.expect(created, Expectation::Absent);
    batch.expect(broken, Expectation::Absent);
    conflict("one expectation of two fails", &bench.store.commit(&batch).await)?;
    same("what would have been created", &bench.version(created).await?, &None)?;
    same("what would have been overwritten", &bench.version(overwritten).await?, &Some(before))
}

pub(super) async fn a_failed_expectation_deletes_nothing(bench: &mut Bench<'_>) -> Verdict {
    let (broken, kept) = (bench.key(1), bench.key(2));
    bench.write([broken, kept]).await?;
    let mut batch = bench.batch();
    batch.delete = vec![kept, broken];
    batch.expect(broken, Expectation::Absent);
    conflict("a deletion under a failed expectation", &bench.store.commit(&batch).await)?;
    ensure(bench.one(kept).await?.is_some(), "the refused batch deleted a record")?;
    ensure(bench.one(broken).await?.is_some(), "the refused batch deleted a record")
}

pub(super) async fn a_failed_expectation_leaves_the_index_alone(bench: &mut Bench<'_>) -> Verdict {
    let (broken, kept) = (bench.key(1), bench.key(2));
    let (old, new) = (bench.term(1), bench.term(2));
    let mut batch = bench.batch();
    batch.put = vec![put_under(broken, &[old]), put_under(kept, &[old])];
    bench.apply(batch).await?;
    let mut batch = bench.batch();
    batch.put = vec![put_under(broken, &[new]), put_under(kept, &[new])];
    batch.expect(broken, Expectation::Absent);
    conflict("new terms under a failed expectation", &bench.store.commit(&batch).await)?;
    same("the earlier term", &bench.listed(old).await?, &vec![broken, kept])?;
    same("the refused term", &bench.listed(new).await?, &Vec::new())
}

pub(super) async fn a_large_batch_is_applied_whole_or_not_at_all(bench: &mut Bench<'_>) -> Verdict {
    const MANY: u64 = 300;
    let keys = || (0..MANY).map(|n| bench.key(n));
    let mut batch = bench.puts(keys());
    batch.expect.extend(keys().map(|key| (key, Expectation::Absent)));
    let whole = bench.apply(batch).await?;
    same("records of a large batch", &present(bench, MANY).await?, &MANY)?;
    bench.write([bench.key(MANY - 1)]).await?;

    let mut batch = bench.batch();
    batch.delete = keys().collect();
    batch.expect.extend(keys().map(|key| (key, Expectation::At(whole))));
    conflict("the last of many expectations fails", &bench.store.commit(&batch).await)?;
    same("records after a refused large batch", &present(bench, MANY).await?, &MANY)?;
    bench.delete(keys()).await?;
    same("records after a large deletion", &present(bench, MANY).await?, &0)
}

async fn present(bench: &Bench<'_>, many: u64) -> Result<u64, Failure> {
    let keys: Vec<Key> = (0..many).map(|n| bench.key(n)).collect();
    Ok(bench.store.load(&keys).await?.iter().flatten().count() as u64)
}

pub(super) async fn a_batch_deletes_and_puts_together(bench: &mut Bench<'_>) -> Verdict {
    let (old, new) = (bench.key(1), bench.key(2));
    bench.write([old]).await?;
    let mut batch = bench.puts([new]);
    batch.delete.push(old);
    let moved = bench.apply(batch).await?;
    same("what was deleted", &bench.version(old).await?, &None)?;
    same("what was put", &bench.version(new).await?, &Some(moved))
}

pub(super) async fn deleting_what_is_absent_is_no_error(bench: &mut Bench<'_>) -> Verdict {
    let key = bench.key(1);
    bench.delete([key]).await?;
    bench.write([key]).await?;
    bench.delete([key]).await?;
    bench.delete([key]).await?;
    ensure(bench.one(key).await?.is_none(), "a deleted record is still there")
}

pub(super) async fn a_deleted_record_can_be_created_again(bench: &mut Bench<'_>) -> Verdict {
    let key = bench.key(1);
    bench.write_if(key, key, Expectation::Absent).await?;
    bench.delete([key]).await?;
    bench.write_if(key, key, Expectation::Absent).await?;
    ensure(bench.one(key).await?.is_some(), "a record that was created again is not there")
}

pub(super) async fn a_replaced_version_never_matches_again(bench: &mut Bench<'_>) -> Verdict {
    let key = bench.key(1);
    let mut batch = bench.batch();
    batch.put.push(put(key, 1));
    let first = bench.apply(batch.clone()).await?;
    for what in ["equal content, written again", "equal content, created again"] {
        batch.id = bench.batch().id;
        bench.apply(batch.clone()).await?;
        conflict(what, &bench.write_if(key, key, Expectation::At(first)).await)?;
        bench.delete([key]).await?;
        conflict("a deleted record", &bench.write_if(key, key, Expectation::At(first)).await)?;
    }
    Ok(())
}
