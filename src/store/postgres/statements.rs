//! Every SQL statement on records and terms, with bound parameters only.

use std::sync::Arc;

use deadpool_postgres::tokio_postgres::Row;
use deadpool_postgres::tokio_postgres::types::FromSql;

use super::connections::{Connections, Failure};
use crate::protocol::Timestamp;
use crate::record::{Batch, BatchId, Expectation, Id, Index, Key, Kind, Versioned, codec};
use crate::store::{CommitError, Listing, Page, StoreError, names};

const LOAD: &str = "
    SELECT records.version, records.body FROM unnest($1::bytea[]) WITH ORDINALITY AS wanted (key, place)
    LEFT JOIN records ON records.key = wanted.key ORDER BY wanted.place";
const APPLY: &str = "SELECT apply_batch($1, $2, $3, $4, $5, $6, $7, $8, $9)";
const REFUSE: &str = "SELECT refuse_batches($1, $2)";
/// Without keys of a kind that only a newer release knows.
const LIST: &str = "
    SELECT key FROM terms WHERE term = $1 AND key > $2 AND get_byte(key, 16) = ANY ($3) ORDER BY key LIMIT $4";
const PURGE: &str = "SELECT purge_records($1, $2)";

/// What nearly every request needs.
pub(super) const FREQUENT: [&str; 2] = [LOAD, APPLY];

/// A batch, as `apply_batch` takes it.
pub(super) struct Write {
    id: Vec<u8>,
    expected_keys: Vec<Vec<u8>>,
    expected_versions: Vec<Option<Vec<u8>>>,
    deleted: Vec<Vec<u8>>,
    put_keys: Vec<Vec<u8>>,
    put_retain_until: Vec<i64>,
    put_bodies: Vec<Vec<u8>>,
    listed_terms: Vec<Vec<u8>>,
    listed_keys: Vec<Vec<u8>>,
}

impl Write {
    pub(super) fn of(batch: &Batch) -> Result<Self, CommitError> {
        let encode =
            |record| codec::encode(record).map_err(|error| CommitError::Unavailable(error.to_string()));
        let version = |expectation: &Expectation| match expectation {
            Expectation::Absent => None,
            Expectation::At(BatchId(id)) => Some(id.0.to_vec()),
        };
        let listed = || batch.put.iter().flat_map(|put| put.terms.iter().map(|term| (term, &put.key)));
        Ok(Self {
            id: batch.id.0.0.to_vec(),
            expected_keys: batch.expect.iter().map(|(key, _)| names::of_key(key)).collect(),
            expected_versions: batch.expect.iter().map(|(_, expectation)| version(expectation)).collect(),
            deleted: batch.delete.iter().map(names::of_key).collect(),
            put_keys: batch.put.iter().map(|put| names::of_key(&put.key)).collect(),
            put_retain_until: batch.put.iter().map(|put| seconds(put.retain_until)).collect(),
            put_bodies: batch.put.iter().map(|put| encode(&put.record)).collect::<Result<_, _>>()?,
            listed_terms: listed().map(|(term, _)| names::of_term(term)).collect(),
            listed_keys: listed().map(|(_, key)| names::of_key(key)).collect(),
        })
    }
}

/// Whether the batch was applied; if not, an expectation did not hold.
pub(super) async fn apply(connections: &Connections, write: &Write) -> Result<bool, Failure> {
    let rows = connections
        .ask(
            APPLY,
            &[
                &write.id,
                &write.expected_keys,
                &write.expected_versions,
                &write.deleted,
                &write.put_keys,
                &write.put_retain_until,
                &write.put_bodies,
                &write.listed_terms,
                &write.listed_keys,
            ],
        )
        .await?;
    // What cannot be read after it was done is as good as lost.
    let applied = rows.first().ok_or_else(|| "an answer without a row".to_owned());
    applied.and_then(|row| column(row, 0)).map_err(Failure::Lost)
}

/// When it returns, each of these batches was applied or never will be; `keys` are all that they write.
pub(super) async fn refuse(
    connections: &Connections,
    batches: &[BatchId],
    keys: &[Key],
) -> Result<(), Failure> {
    let batches: Vec<&[u8]> = batches.iter().map(|id| id.0.0.as_slice()).collect();
    let keys: Vec<Vec<u8>> = keys.iter().map(names::of_key).collect();
    connections.ask(REFUSE, &[&batches, &keys]).await.map(drop)
}

pub(super) async fn load(
    connections: &Connections,
    keys: &[Key],
) -> Result<Vec<Option<Versioned>>, StoreError> {
    let keys: Vec<Vec<u8>> = keys.iter().map(names::of_key).collect();
    let rows = connections.ask(LOAD, &[&keys]).await?;
    rows.iter().map(versioned).collect()
}

/// A record, unless a row says that there is none.
fn versioned(row: &Row) -> Result<Option<Versioned>, StoreError> {
    let Some(version) = column::<Option<&[u8]>>(row, 0).map_err(StoreError)? else {
        return Ok(None);
    };
    let version = version.try_into().map_err(|_| StoreError("a version is not sixteen bytes".to_owned()))?;
    let body: &[u8] = column(row, 1).map_err(StoreError)?;
    let record = codec::decode(body).map_err(|error| StoreError(error.to_string()))?;
    Ok(Some(Versioned { version: BatchId(Id(version)), record: Arc::new(record) }))
}

pub(super) async fn list(
    connections: &Connections,
    index: &Index,
    page: Page,
) -> Result<Listing, StoreError> {
    let limit = page.limit.max(1);
    let kinds: Vec<i32> = Kind::ALL.iter().map(|kind| i32::from(*kind as u8)).collect();
    let after = page.after.as_ref().map(names::of_key).unwrap_or_default();
    let most = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let rows = connections.ask(LIST, &[&names::of_term(index), &after, &kinds, &most]).await?;
    let keys: Vec<Key> = rows.iter().map(key).collect::<Result<_, _>>()?;
    Ok(Listing::cut(keys, limit))
}

/// Deletes at most `limit` records that may be forgotten; returns how many.
pub(super) async fn purge(
    connections: &Connections,
    now: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let most = i32::try_from(limit).unwrap_or(i32::MAX);
    let rows = connections.ask(PURGE, &[&seconds(now), &most]).await?;
    let deleted = rows.first().map_or(Ok(0), |row| column::<i64>(row, 0)).map_err(StoreError)?;
    Ok(usize::try_from(deleted).unwrap_or_default())
}

fn column<'a, T: FromSql<'a>>(row: &'a Row, at: usize) -> Result<T, String> {
    row.try_get(at).map_err(|error| error.to_string())
}

fn key(row: &Row) -> Result<Key, StoreError> {
    let name = column(row, 0).map_err(StoreError)?;
    names::key(name).ok_or_else(|| StoreError("a term lists what is no key".to_owned()))
}

/// PostgreSQL's integers end at 2⁶³ − 1, which stands for every later time too.
fn seconds(time: Timestamp) -> i64 {
    i64::try_from(time.0).unwrap_or(i64::MAX)
}
