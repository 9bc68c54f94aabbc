//! An index with a flaw.

use std::collections::{BTreeMap, BTreeSet};

use grantor::record::{Batch, Id, Index, IndexKind, Key, Namespace};
use grantor::store::{Listing, Page};

use super::Flaw;

#[derive(Default)]
pub(crate) struct Shadow {
    terms: BTreeMap<Index, BTreeSet<Key>>,
    late: Option<Batch>,
}

impl Shadow {
    pub(crate) fn is_for(&self, flaw: Flaw) -> bool {
        matches!(
            flaw,
            Flaw::KeepsEarlierTerms
                | Flaw::ListsTheDeleted
                | Flaw::IgnoresTermKinds
                | Flaw::IgnoresTermNamespaces
                | Flaw::SkipsAKeyBetweenPages
                | Flaw::RepeatsAKeyBetweenPages
                | Flaw::AnswersNextWhenDone
                | Flaw::ListsDescending
                | Flaw::CountsPagesByOffset
                | Flaw::ListsThePurged
                | Flaw::IndexesLate
                | Flaw::IndexesInSpiteOfConflict
        )
    }

    pub(crate) fn apply(&mut self, flaw: Flaw, batch: &Batch) {
        let batch = match flaw {
            Flaw::IndexesLate => self.late.replace(batch.clone()),
            _ => Some(batch.clone()),
        };
        let Some(batch) = batch else { return };
        let dropped = batch.put.iter().filter(|_| flaw != Flaw::KeepsEarlierTerms).map(|put| put.key);
        let deleted = batch.delete.iter().copied().filter(|_| flaw != Flaw::ListsTheDeleted);
        for key in dropped.chain(deleted) {
            self.forget(&key);
        }
        for put in &batch.put {
            for term in &put.terms {
                self.terms.entry(seen(flaw, *term)).or_default().insert(put.key);
            }
        }
    }

    pub(crate) fn purged(&mut self, flaw: Flaw, key: &Key) {
        if flaw != Flaw::ListsThePurged {
            self.forget(key);
        }
    }

    fn forget(&mut self, key: &Key) {
        self.terms.values_mut().for_each(|keys| {
            keys.remove(key);
        });
    }

    pub(crate) fn list(&self, flaw: Flaw, index: &Index, page: Page) -> Listing {
        let all: Vec<Key> = self.terms.get(&seen(flaw, *index)).into_iter().flatten().copied().collect();
        let mut rest: Vec<Key> = match (flaw, page.after) {
            (Flaw::CountsPagesByOffset, Some(after)) => {
                let offset = u64::from_be_bytes(*after.id.0.last_chunk().unwrap()) as usize;
                return slice(&all, offset, page.limit);
            }
            (Flaw::CountsPagesByOffset, None) => return slice(&all, 0, page.limit),
            (Flaw::RepeatsAKeyBetweenPages, Some(after)) => {
                all.into_iter().filter(|key| *key >= after).collect()
            }
            (Flaw::ListsDescending, Some(after)) => {
                all.into_iter().rev().filter(|key| *key < after).collect()
            }
            (Flaw::ListsDescending, None) => all.into_iter().rev().collect(),
            (_, after) => all.into_iter().filter(|key| after.is_none_or(|after| *key > after)).collect(),
        };
        if flaw == Flaw::SkipsAKeyBetweenPages && page.after.is_some() && !rest.is_empty() {
            rest.remove(0);
        }
        let more = rest.len() > page.limit;
        rest.truncate(page.limit);
        let next = rest.last().copied().filter(|_| more || flaw == Flaw::AnswersNextWhenDone);
        Listing { keys: rest, next }
    }
}

/// Pages by counting: the cursor says how many keys were seen.
fn slice(all: &[Key], offset: usize, limit: usize) -> Listing {
    let keys: Vec<Key> = all.iter().skip(offset).take(limit).copied().collect();
    let end = offset + keys.len();
    let cursor = Key { id: Id((end as u128).to_be_bytes()), ..*all.first().unwrap_or(&ANY) };
    Listing { keys, next: Some(cursor).filter(|_| end < all.len()) }
}

const ANY: Key =
    Key { namespace: Namespace(Id([0; 16])), kind: grantor::record::Kind::Grant, id: Id([0; 16]) };

fn seen(flaw: Flaw, mut index: Index) -> Index {
    match flaw {
        Flaw::IgnoresTermKinds => index.kind = IndexKind::Subject,
        Flaw::IgnoresTermNamespaces => index.namespace = ANY.namespace,
        _ => {}
    }
    index
}
