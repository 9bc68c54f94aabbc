//! What keys and terms are called in a database: 33 bytes, namespace, kind and id, in the same order as the keys themselves.

use crate::record::{Id, Index, Key, Kind, Namespace};

pub(crate) fn of_key(key: &Key) -> Vec<u8> {
    [key.namespace.0.0.as_slice(), &[key.kind as u8], &key.id.0].concat()
}

pub(super) fn of_term(index: &Index) -> Vec<u8> {
    [index.namespace.0.0.as_slice(), &[index.kind as u8], &index.id.0].concat()
}

/// The key of this name, unless it is none, or of a kind that only a newer release knows.
pub(super) fn key(name: &[u8]) -> Option<Key> {
    let (namespace, rest) = name.split_first_chunk()?;
    let (number, id) = rest.split_first()?;
    let kind = Kind::ALL.iter().copied().find(|kind| *kind as u8 == *number)?;
    Some(Key { namespace: Namespace(Id(*namespace)), kind, id: Id(id.try_into().ok()?) })
}
