//! A sorted set of keys in short runs: cheap at the end, where minted keys arrive, and dense in memory.

use crate::record::Key;

/// The most keys in one run.
const RUN: usize = 256;

/// Keys, ascending, each once. No run is empty.
pub(super) struct SortedKeys {
    runs: Vec<Vec<Key>>,
}

impl SortedKeys {
    pub(super) fn of_one(key: Key) -> Self {
        let mut run = Vec::with_capacity(2);
        run.push(key);
        Self { runs: vec![run] }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Adds a key unless it is there.
    pub(super) fn insert(&mut self, key: Key) {
        match self.runs.last_mut() {
            None => return self.runs.push(vec![key]),
            Some(last) if last.last().is_some_and(|greatest| *greatest < key) => {
                if last.len() < RUN {
                    return last.push(key);
                }
                return self.runs.push(vec![key]);
            }
            Some(_) => {}
        }
        let at = self.run_of(&key);
        let Some(run) = self.runs.get_mut(at) else { return };
        let Err(place) = run.binary_search(&key) else { return };
        run.insert(place, key);
        if run.len() > RUN {
            let upper = run.split_off(RUN / 2);
            self.runs.insert(at + 1, upper);
        }
    }

    /// Removes a key if it is there.
    pub(super) fn remove(&mut self, key: &Key) {
        let at = self.run_of(key);
        let Some(run) = self.runs.get_mut(at) else { return };
        let Ok(place) = run.binary_search(key) else { return };
        run.remove(place);
        let left = run.len();
        if left == 0 {
            self.runs.remove(at);
        } else if left < RUN / 4 && self.runs.get(at + 1).is_some_and(|next| left + next.len() <= RUN / 2) {
            let mut next = self.runs.remove(at + 1);
            if let Some(run) = self.runs.get_mut(at) {
                run.append(&mut next);
            }
        }
    }

    /// The keys after `after`, ascending.
    pub(super) fn after(&self, after: Option<Key>) -> impl Iterator<Item = &Key> {
        let (run, place) = after.map_or((0, 0), |after| {
            let at = self.runs.partition_point(|run| run.last().is_some_and(|last| *last <= after));
            (at, self.runs.get(at).map_or(0, |run| run.partition_point(|key| *key <= after)))
        });
        self.runs.iter().skip(run).flatten().skip(place)
    }

    /// The only run in which `key` can be.
    fn run_of(&self, key: &Key) -> usize {
        self.runs.partition_point(|run| run.last().is_some_and(|last| last < key))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;
    use crate::record::{Id, Namespace, SessionId};

    fn key(n: u16) -> Key {
        Namespace(Id([0; 16])).session(SessionId(Id(u128::from(n).to_be_bytes())))
    }

    proptest! {
        #[test]
        fn it_is_a_sorted_set(steps in prop::collection::vec((any::<bool>(), 0_u16..1500), 0..4000), after in 0_u16..1500) {
            let (mut set, mut model) = (SortedKeys { runs: Vec::new() }, BTreeSet::new());
            for (add, n) in steps {
                if add {
                    set.insert(key(n));
                    model.insert(key(n));
                } else {
                    set.remove(&key(n));
                    model.remove(&key(n));
                }
            }
            prop_assert!(set.runs.iter().all(|run| !run.is_empty() && run.len() <= RUN));
            prop_assert_eq!(set.is_empty(), model.is_empty());
            prop_assert!(set.after(None).eq(&model));
            let tail: Vec<_> = model.iter().filter(|own| **own > key(after)).collect();
            prop_assert!(set.after(Some(key(after))).eq(tail));
        }
    }
}
