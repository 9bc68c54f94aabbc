//! Index terms and pages.

use std::collections::BTreeSet;

use super::bench::{Bench, Failure, Verdict, ensure, put_under, same};
use crate::record::{Index, IndexKind, Key, Kind};

pub(super) async fn a_record_is_listed_under_each_of_its_terms(bench: &mut Bench<'_>) -> Verdict {
    let terms = [bench.term(1), Index { kind: IndexKind::Client, ..bench.term(2) }, bench.term(3)];
    let mut batch = bench.batch();
    batch.put = vec![put_under(bench.key(1), &terms), put_under(bench.key(2), &[])];
    bench.apply(batch).await?;
    for term in terms {
        same("the keys under a term", &bench.listed(term).await?, &vec![bench.key(1)])?;
    }
    same("the keys under a term nobody has", &bench.listed(bench.term(9)).await?, &Vec::new())
}

pub(super) async fn new_terms_replace_the_earlier_ones(bench: &mut Bench<'_>) -> Verdict {
    let (key, kept, dropped, new) = (bench.key(1), bench.term(1), bench.term(2), bench.term(3));
    for terms in [[kept, dropped], [new, kept]] {
        let mut batch = bench.batch();
        batch.put.push(put_under(key, &terms));
        bench.apply(batch).await?;
    }
    same("a term that was kept", &bench.listed(kept).await?, &vec![key])?;
    same("a term that was dropped", &bench.listed(dropped).await?, &Vec::new())?;
    same("a term that was added", &bench.listed(new).await?, &vec![key])?;
    bench.write([key]).await?;
    same("a term after a write without terms", &bench.listed(kept).await?, &Vec::new())
}

pub(super) async fn a_deleted_record_is_not_listed(bench: &mut Bench<'_>) -> Verdict {
    let mut batch = bench.batch();
    batch.put = (1..4).map(|n| put_under(bench.key(n), &[bench.term(1)])).collect();
    bench.apply(batch).await?;
    bench.delete([bench.key(2)]).await?;
    let rest = vec![bench.key(1), bench.key(3)];
    same("the keys after a deletion", &bench.listed(bench.term(1)).await?, &rest)
}

pub(super) async fn terms_of_different_kinds_never_alias(bench: &mut Bench<'_>) -> Verdict {
    let kinds = [
        IndexKind::Subject,
        IndexKind::Client,
        IndexKind::Session,
        IndexKind::Outbox,
        IndexKind::Registration,
    ];
    let term = |kind| Index { kind, ..bench.term(1) };
    let mut batch = bench.batch();
    batch.put = kinds.iter().zip(1..).map(|(kind, n)| put_under(bench.key(n), &[term(*kind)])).collect();
    bench.apply(batch).await?;
    for (kind, n) in kinds.into_iter().zip(1..) {
        same("the keys under a term of one kind", &bench.listed(term(kind)).await?, &vec![bench.key(n)])?;
    }
    Ok(())
}

pub(super) async fn terms_of_different_namespaces_never_alias(bench: &mut Bench<'_>) -> Verdict {
    let theirs = Index { namespace: bench.elsewhere(), ..bench.term(1) };
    let their_key = Key { namespace: bench.elsewhere(), ..bench.key(2) };
    let mut batch = bench.batch();
    batch.put = vec![put_under(bench.key(1), &[bench.term(1)]), put_under(their_key, &[theirs])];
    bench.apply(batch).await?;
    same("our keys", &bench.listed(bench.term(1)).await?, &vec![bench.key(1)])?;
    same("their keys", &bench.listed(theirs).await?, &vec![their_key])
}

/// Twenty-five keys of several kinds, written in no order.
async fn fill(bench: &Bench<'_>, term: Index) -> Result<Vec<Key>, Failure> {
    let kinds = [Kind::Grant, Kind::Session, Kind::Subject, Kind::ClientState, Kind::Consent];
    let mut batch = bench.batch();
    for n in 0..25_u64 {
        let kind = kinds.get(n as usize % kinds.len()).copied().unwrap_or(Kind::Grant);
        let mut put = put_under(Key { kind, ..bench.key(n * 7 % 25) }, &[term]);
        put.record = super::sample(kind).into();
        batch.put.push(put);
    }
    let mut keys: Vec<Key> = batch.put.iter().map(|put| put.key).collect();
    bench.apply(batch).await?;
    keys.sort_unstable();
    Ok(keys)
}

pub(super) async fn pages_follow_one_another_whatever_their_limit(bench: &mut Bench<'_>) -> Verdict {
    let term = bench.term(1);
    let all = fill(bench, term).await?;
    for limit in (1..=26).chain([1000, usize::MAX]) {
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = bench.page(term, after, limit).await?;
            ensure(page.keys.len() <= limit, "a page holds more than its limit")?;
            seen.extend(&page.keys);
            let more = seen.len() < all.len();
            let next = page.keys.last().copied().filter(|_| more);
            same(&format!("`next` after {} keys, {limit} at a time", seen.len()), &page.next, &next)?;
            after = page.next;
            if after.is_none() || seen.len() > all.len() {
                break;
            }
        }
        same(&format!("all keys, {limit} at a time"), &seen, &all)?;
    }
    Ok(())
}

pub(super) async fn a_page_starts_after_any_key(bench: &mut Bench<'_>) -> Verdict {
    let term = bench.term(1);
    let all = fill(bench, term).await?;
    let between = Key { kind: Kind::Session, ..bench.key(1_000) };
    for after in all.iter().copied().chain([between]) {
        let rest: Vec<Key> = all.iter().copied().filter(|key| *key > after).collect();
        same("the keys after one key", &bench.page(term, Some(after), 1000).await?.keys, &rest)?;
    }
    Ok(())
}

pub(super) async fn a_key_that_stays_is_listed_while_others_come_and_go(bench: &mut Bench<'_>) -> Verdict {
    let term = bench.term(1);
    let stays: BTreeSet<Key> = (0..60).filter(|n| n % 3 == 0).map(|n| bench.key(n)).collect();
    let goes: Vec<u64> = (0..60).filter(|n| n % 3 == 1).collect();
    for limit in [1, 2, 3, 5, 8] {
        let mut batch = bench.batch();
        batch.put = stays
            .iter()
            .copied()
            .chain(goes.iter().map(|n| bench.key(*n)))
            .map(|key| put_under(key, &[term]))
            .collect();
        batch.delete = (0..60).filter(|n| n % 3 == 2).map(|n| bench.key(n)).collect();
        bench.apply(batch).await?;

        let mut seen = BTreeSet::new();
        let mut after = None;
        for page in 0..60 {
            let listing = bench.page(term, after, limit).await?;
            seen.extend(listing.keys);
            after = listing.next;
            if after.is_none() {
                break;
            }
            let mut batch = bench.batch();
            batch.delete = goes.iter().skip(page * 2).take(2).map(|n| bench.key(*n)).collect();
            batch.delete.extend(after.filter(|key| !stays.contains(key) && !batch.delete.contains(key)));
            let comes = [2 + 3 * page as u64 % 60, 59 - 3 * page as u64 % 60].map(|n| bench.key(n));
            let comes = comes.into_iter().filter(|key| !batch.delete.contains(key));
            batch.put =
                comes.collect::<BTreeSet<_>>().into_iter().map(|key| put_under(key, &[term])).collect();
            bench.apply(batch).await?;
        }
        let missing: Vec<Key> = stays.difference(&seen).copied().collect();
        same(&format!("keys that stayed and were not listed, {limit} at a time"), &missing, &Vec::new())?;
    }
    Ok(())
}
