//! What is read is what was written.

use std::sync::Arc;

use super::bench::{Bench, FAR, Failure, Verdict, ensure, put, put_until, same};
use super::samples::{sample, with_text};
use crate::protocol::Timestamp;
use crate::record::{Id, Key, Kind, Namespace, Put, Record};

pub(super) async fn every_kind_of_record_is_read_as_it_was_written(bench: &mut Bench<'_>) -> Verdict {
    for kind in Kind::ALL {
        let key = Key { kind: *kind, ..bench.key(1) };
        round_trip(bench, key, sample(*kind)).await?;
    }
    Ok(())
}

pub(super) async fn large_values_are_read_as_they_were_written(bench: &mut Bench<'_>) -> Verdict {
    for size in [4 << 10, 64 << 10, 256 << 10] {
        let key = Key { kind: Kind::Interaction, ..bench.key(size as u64) };
        let record = with_text(&"0123456789abcdef".repeat(size / 16));
        let read = write_and_read(bench, key, &record).await?;
        ensure(read.as_deref() == Some(&record), &format!("a record of {size} bytes was read otherwise"))?;
    }
    Ok(())
}

pub(super) async fn unusual_text_is_read_as_it_was_written(bench: &mut Bench<'_>) -> Verdict {
    let texts = [
        "",
        " ",
        "'; drop table record; --",
        r#"" \ / \u0000 %00 %s {} $1 ?1 :a @b"#,
        "line\r\nline\ttab\u{7f}\u{1}",
        "grüße, 東京, עברית, ع",
        "👩‍👩‍👧‍👦 e\u{301} \u{2028} \u{feff} \u{fffd} \u{10ffff}",
    ];
    for (n, text) in (1..).zip(texts) {
        round_trip(bench, Key { kind: Kind::Interaction, ..bench.key(n) }, with_text(text)).await?;
    }
    Ok(())
}

pub(super) async fn extreme_ids_and_times_are_kept(bench: &mut Bench<'_>) -> Verdict {
    let ids = [Id([0; 16]), Id([0xff; 16]), Id(1_u128.to_be_bytes()), Id((1_u128 << 127).to_be_bytes())];
    let mut keys = Vec::new();
    for space in ids {
        keys.extend(ids.map(|id| Key { namespace: Namespace(space), kind: Kind::Subject, id }));
    }
    let mut versions = Vec::new();
    for key in &keys {
        versions.push(bench.write([*key]).await?);
    }
    for (key, version) in keys.iter().zip(versions) {
        same("the version under an extreme id", &bench.version(*key).await?, &Some(version))?;
    }
    let (never, number) = (bench.key(1), bench.key(2));
    let mut batch = bench.batch();
    batch.put = vec![put_until(never, u64::MAX), Put { retain_until: FAR, ..put(number, u64::MAX) }];
    bench.apply(batch).await?;
    same("records deleted", &bench.store.purge(Timestamp(0), 100).await?, &0)?;
    bench.store.purge(Timestamp(u64::MAX), 100).await?;
    ensure(bench.one(never).await?.is_some(), "a record that is retained for ever was purged")
}

async fn round_trip(bench: &Bench<'_>, key: Key, record: Record) -> Verdict {
    let read = write_and_read(bench, key, &record).await?;
    same("what was read", &read.as_deref(), &Some(&record))
}

async fn write_and_read(
    bench: &Bench<'_>,
    key: Key,
    record: &Record,
) -> Result<Option<Arc<Record>>, Failure> {
    let mut batch = bench.batch();
    batch.put.push(Put { record: Arc::new(record.clone()), ..put(key, 0) });
    bench.apply(batch).await?;
    Ok(bench.one(key).await?.map(|versioned| versioned.record))
}
