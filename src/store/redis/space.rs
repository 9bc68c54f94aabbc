//! What keys are called: a hash tag, so that one node of a cluster keeps them all, a word, and a name.

use super::RedisOpenError;
use crate::record::{BatchId, Index, Key};
use crate::store::names;

pub(crate) struct Space {
    tag: String,
}

impl Space {
    /// The keys that begin with `prefix`.
    pub(super) fn of(prefix: &str) -> Result<Self, RedisOpenError> {
        let plain = prefix.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        if plain && (1..=63).contains(&prefix.len()) {
            Ok(Self { tag: format!("{{{prefix}}}:") })
        } else {
            Err(RedisOpenError::Options(format!("the prefix {prefix:?} is not plain letters")))
        }
    }

    pub(crate) fn key(&self, word: &str, name: &[u8]) -> Vec<u8> {
        [self.tag.as_bytes(), word.as_bytes(), name].concat()
    }

    /// How records begin.
    pub(super) fn records(&self) -> Vec<u8> {
        self.key("record:", &[])
    }

    pub(super) fn record(&self, key: &Key) -> Vec<u8> {
        self.key("record:", &names::of_key(key))
    }

    /// How terms begin.
    pub(super) fn terms(&self) -> Vec<u8> {
        self.key("term:", &[])
    }

    pub(super) fn term(&self, index: &Index) -> Vec<u8> {
        self.key("term:", &names::of_term(index))
    }

    /// All records by the time until which they are retained.
    pub(super) fn retention(&self) -> Vec<u8> {
        self.key("retention", &[])
    }

    /// The note that a batch is not to be applied any more.
    pub(super) fn refused(&self, batch: BatchId) -> Vec<u8> {
        self.key("refused:", &batch.0.0)
    }
}
