//! Every SQL statement on records and terms, with bound parameters only.

use rusqlite::{Connection, OptionalExtension as _, Row, params};

use crate::protocol::Timestamp;
use crate::record::{BatchId, Id, Index, Key, Kind, Namespace, Versioned};
use crate::store::{Listing, Page};

type Result<T> = rusqlite::Result<T>;

const BEGIN: &str = "BEGIN";
const END: &str = "ROLLBACK";
const VERSION: &str = "SELECT version FROM record WHERE namespace = ?1 AND kind = ?2 AND id = ?3";
const LOAD: &str = "SELECT version, body FROM record WHERE namespace = ?1 AND kind = ?2 AND id = ?3";
const PUT: &str = "
    INSERT INTO record (namespace, kind, id, version, retain_until, body) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
    ON CONFLICT (namespace, kind, id) DO UPDATE
    SET version = excluded.version, retain_until = excluded.retain_until, body = excluded.body";
const DELETE: &str = "DELETE FROM record WHERE namespace = ?1 AND kind = ?2 AND id = ?3";
const TERMS: &str =
    "SELECT term_namespace, term_kind, term_id FROM term WHERE namespace = ?1 AND kind = ?2 AND id = ?3";
const ADD_TERM: &str = "
    INSERT OR IGNORE INTO term (term_namespace, term_kind, term_id, namespace, kind, id)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6)";
const DELETE_TERM: &str = "
    DELETE FROM term WHERE term_namespace = ?1 AND term_kind = ?2 AND term_id = ?3
    AND namespace = ?4 AND kind = ?5 AND id = ?6";
const DELETE_TERMS: &str = "DELETE FROM term WHERE namespace = ?1 AND kind = ?2 AND id = ?3";
const LIST: &str = "
    SELECT namespace, kind, id FROM term WHERE term_namespace = ?1 AND term_kind = ?2 AND term_id = ?3
    ORDER BY namespace, kind, id";
const LIST_AFTER: &str = "
    SELECT namespace, kind, id FROM term WHERE term_namespace = ?1 AND term_kind = ?2 AND term_id = ?3
    AND (namespace, kind, id) > (?4, ?5, ?6) ORDER BY namespace, kind, id";

/// Names, by what they are called, the records that may be forgotten, as the rows have them, of whatever kind: a newer release
/// may have written them.
macro_rules! due {
    ($delete:literal, $name:literal) => {
        concat!(
            $delete,
            " WHERE (",
            $name,
            ") IN (SELECT ",
            $name,
            " FROM record WHERE retain_until < ?1 ORDER BY retain_until, rowid LIMIT ?2)"
        )
    };
}
const PURGE_TERMS: &str = due!("DELETE FROM term", "namespace, kind, id");
const PURGE: &str = due!("DELETE FROM record", "rowid");

/// Every statement on rows.
#[cfg(test)]
pub(super) const ALL: &[&str] = &[
    VERSION,
    LOAD,
    PUT,
    DELETE,
    TERMS,
    ADD_TERM,
    DELETE_TERM,
    DELETE_TERMS,
    LIST,
    LIST_AFTER,
    PURGE_TERMS,
    PURGE,
];

/// From here to the end of reading nothing changes.
pub(super) fn begin_to_read(connection: &Connection) -> Result<()> {
    connection.prepare_cached(BEGIN)?.execute([]).map(drop)
}

pub(super) fn end_of_reading(connection: &Connection) -> Result<()> {
    connection.prepare_cached(END)?.execute([]).map(drop)
}

pub(super) fn version(connection: &Connection, key: &Key) -> Result<Option<BatchId>> {
    connection
        .prepare_cached(VERSION)?
        .query_row(params![key.namespace.0.0, key.kind as u8, key.id.0], |row| Ok(BatchId(Id(row.get(0)?))))
        .optional()
}

pub(super) fn load(connection: &Connection, key: &Key) -> Result<Option<Versioned<Vec<u8>>>> {
    connection
        .prepare_cached(LOAD)?
        .query_row(params![key.namespace.0.0, key.kind as u8, key.id.0], |row| {
            Ok(Versioned { version: BatchId(Id(row.get(0)?)), record: row.get(1)? })
        })
        .optional()
}

pub(super) fn put(connection: &Connection, version: BatchId, row: &super::Row) -> Result<()> {
    let key = &row.key;
    connection.prepare_cached(PUT)?.execute(params![
        key.namespace.0.0,
        key.kind as u8,
        key.id.0,
        version.0.0,
        seconds(row.retain_until),
        row.body
    ])?;
    replace_terms(connection, key, &row.terms)
}

/// Writes only what differs: most writes keep their terms.
fn replace_terms(connection: &Connection, key: &Key, wanted: &[Index]) -> Result<()> {
    let wanted: Vec<Term> = wanted.iter().map(Term::of).collect();
    let kept = terms(connection, key)?;
    for stale in kept.iter().filter(|term| !wanted.contains(term)) {
        connection.prepare_cached(DELETE_TERM)?.execute(params![
            stale.namespace,
            stale.kind,
            stale.id,
            key.namespace.0.0,
            key.kind as u8,
            key.id.0
        ])?;
    }
    for new in wanted.iter().filter(|term| !kept.contains(term)) {
        connection.prepare_cached(ADD_TERM)?.execute(params![
            new.namespace,
            new.kind,
            new.id,
            key.namespace.0.0,
            key.kind as u8,
            key.id.0
        ])?;
    }
    Ok(())
}

/// A term as a row has it.
#[derive(PartialEq, Eq)]
struct Term {
    namespace: [u8; 16],
    kind: u8,
    id: [u8; 16],
}

impl Term {
    fn of(index: &Index) -> Self {
        Self { namespace: index.namespace.0.0, kind: index.kind as u8, id: index.id.0 }
    }
}

fn terms(connection: &Connection, key: &Key) -> Result<Vec<Term>> {
    connection
        .prepare_cached(TERMS)?
        .query_map(params![key.namespace.0.0, key.kind as u8, key.id.0], |row| {
            Ok(Term { namespace: row.get(0)?, kind: row.get(1)?, id: row.get(2)? })
        })?
        .collect()
}

pub(super) fn delete(connection: &Connection, key: &Key) -> Result<()> {
    let key = params![key.namespace.0.0, key.kind as u8, key.id.0];
    connection.prepare_cached(DELETE)?.execute(key)?;
    connection.prepare_cached(DELETE_TERMS)?.execute(key)?;
    Ok(())
}

/// Deletes at most `limit` records that may be forgotten, longest due first; returns how many.
pub(super) fn purge(connection: &Connection, now: Timestamp, limit: usize) -> Result<usize> {
    let due = params![seconds(now), count(limit)];
    connection.prepare_cached(PURGE_TERMS)?.execute(due)?;
    connection.prepare_cached(PURGE)?.execute(due)
}

pub(super) fn list(connection: &Connection, index: &Index, page: Page) -> Result<Listing> {
    let limit = page.limit.max(1);
    let term = Term::of(index);
    let mut statement = connection.prepare_cached(if page.after.is_none() { LIST } else { LIST_AFTER })?;
    let rows = match page.after {
        None => statement.query_map(params![term.namespace, term.kind, term.id], key)?,
        Some(Key { namespace, kind, id }) => statement
            .query_map(params![term.namespace, term.kind, term.id, namespace.0.0, kind as u8, id.0], key)?,
    };
    let known = rows.filter_map(Result::transpose).take(limit.saturating_add(1));
    let keys: Vec<Key> = known.collect::<Result<_>>()?;
    Ok(Listing::cut(keys, limit))
}

/// A key, unless it is of a kind that only a newer release knows.
fn key(row: &Row<'_>) -> Result<Option<Key>> {
    let number: i64 = row.get(1)?;
    let (namespace, id) = (Namespace(Id(row.get(0)?)), Id(row.get(2)?));
    let kind = Kind::ALL.iter().copied().find(|kind| i64::from(*kind as u8) == number);
    Ok(kind.map(|kind| Key { namespace, kind, id }))
}

/// SQLite's integers end at 2⁶³ − 1, which stands for every later time too.
fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}

fn count(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}
