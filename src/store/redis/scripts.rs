//! What is asked of the server: a script each, and what its keys and arguments are.

use std::sync::{Arc, LazyLock};

use ::redis::{Cmd, Value, cmd};

use super::connections::{Connections, Failure};
use super::space::Space;
use crate::protocol::Timestamp;
use crate::record::{Batch, BatchId, Expectation, Id, Index, Key, Put, Versioned, codec};
use crate::store::{CommitError, Listing, Page, StoreError, names};

/// For how many seconds a record is kept beyond its time where nobody purges: a week.
const MARGIN: u64 = 7 * 24 * 60 * 60;
/// No key lapses later, in seconds since 1970: the end of the year 9999.
pub(crate) const NEVER: u64 = 253_402_300_799;
/// For how many seconds a batch of unknown outcome is refused: a day.
const REFUSED: u64 = 24 * 60 * 60;
/// How many names one script looks at.
const MOST_NAMES: usize = 1_000;

/// How long the name of a key or a term is.
const NAME: usize = 33;

macro_rules! script {
    ($declared:literal, $($file:literal),+) => {
        LazyLock::new(|| Script::new(concat!("#!lua ", $declared, "\n", $(include_str!($file)),+)))
    };
}

static APPLY: LazyLock<Script> = script!("", "terms_of.lua", "apply.lua");
static LOAD: LazyLock<Script> = script!("flags=allow-oom", "load.lua");
static LIST: LazyLock<Script> = script!("flags=allow-oom", "list.lua");
static PURGE: LazyLock<Script> = script!("flags=allow-oom", "terms_of.lua", "purge.lua");
static REFUSE: LazyLock<Script> = script!("flags=allow-oom", "refuse.lua");
pub(super) static LAYOUT: LazyLock<Script> = script!("flags=allow-oom", "layout.lua");

/// A script in Lua that declares what it may do.
pub(crate) struct Script {
    code: &'static str,
    digest: String,
}

impl Script {
    pub(crate) fn new(code: &'static str) -> Self {
        Self { code, digest: ::redis::Script::new(code).get_hash().to_owned() }
    }

    /// The call of a script that the server has seen before.
    pub(super) fn by_digest(&self, keys: &[Vec<u8>], arguments: &[Vec<u8>]) -> Cmd {
        call("EVALSHA", &self.digest, keys, arguments)
    }

    /// The call of a script that the server then has seen.
    pub(super) fn in_full(&self, keys: &[Vec<u8>], arguments: &[Vec<u8>]) -> Cmd {
        call("EVAL", self.code, keys, arguments)
    }
}

fn call(how: &str, script: &str, keys: &[Vec<u8>], arguments: &[Vec<u8>]) -> Cmd {
    let mut command = cmd(how);
    command.arg(script).arg(keys.len());
    keys.iter().chain(arguments).for_each(|part| _ = command.arg(part.as_slice()));
    command
}

/// A batch, as `apply.lua` takes it.
pub(super) struct Write {
    keys: Vec<Vec<u8>>,
    arguments: Vec<Vec<u8>>,
}

impl Write {
    pub(super) fn of(batch: &Batch, space: &Space) -> Result<Self, CommitError> {
        let mut keys = vec![space.refused(batch.id), space.retention()];
        let mut arguments = vec![
            space.terms(),
            batch.id.0.0.to_vec(),
            number(MARGIN),
            number(NEVER),
            count(batch.expect.len()),
        ];
        for (key, expectation) in &batch.expect {
            keys.push(space.record(key));
            arguments.push(match expectation {
                Expectation::Absent => Vec::new(),
                Expectation::At(BatchId(version)) => version.0.to_vec(),
            });
        }
        arguments.push(count(batch.delete.len()));
        keys.extend(batch.delete.iter().map(|key| space.record(key)));
        arguments.push(count(batch.put.len()));
        for put in &batch.put {
            keys.push(space.record(&put.key));
            keys.extend(put.terms.iter().map(|term| space.term(term)));
            arguments.extend([
                number(seconds(put.retain_until)),
                kept(batch.id, put)?,
                count(put.terms.len()),
            ]);
        }
        Ok(Self { keys, arguments })
    }
}

/// What is kept of a record: `terms_of.lua` tells its parts.
fn kept(batch: BatchId, put: &Put) -> Result<Vec<u8>, CommitError> {
    let body = codec::encode(&put.record).map_err(|error| CommitError::Unavailable(error.to_string()))?;
    let terms: Vec<Vec<u8>> = put.terms.iter().map(names::of_term).collect();
    let count = u16::try_from(terms.len())
        .map_err(|_| CommitError::Unavailable("a record has more than 65,535 terms".to_owned()))?;
    Ok([&batch.0.0, count.to_be_bytes().as_slice(), &terms.concat(), &body].concat())
}

/// The record in what is kept of it.
fn versioned(kept: &[u8]) -> Result<Versioned, StoreError> {
    let parts = || {
        let (version, rest) = kept.split_first_chunk()?;
        let (count, rest) = rest.split_first_chunk()?;
        Some((BatchId(Id(*version)), rest.get(NAME * usize::from(u16::from_be_bytes(*count))..)?))
    };
    let (version, body) = parts().ok_or_else(|| StoreError("a record that is none".to_owned()))?;
    let record = codec::decode(body).map_err(|error| StoreError(error.to_string()))?;
    Ok(Versioned { version, record: Arc::new(record) })
}

/// Whether the batch was applied; if not, an expectation did not hold.
pub(super) async fn apply(connections: &Connections, write: &Write) -> Result<bool, Failure> {
    match connections.run(&APPLY, &write.keys, &write.arguments).await? {
        Value::Int(applied) => Ok(applied == 1),
        // What cannot be read after it was done is as good as lost.
        _ => Err(Failure::Lost("an answer that is none".to_owned())),
    }
}

/// When it returns, each of these batches was applied or never will be.
pub(super) async fn refuse(connections: &Connections, batches: &[BatchId]) -> Result<(), Failure> {
    let notes: Vec<_> = batches.iter().map(|batch| connections.space.refused(*batch)).collect();
    connections.run(&REFUSE, &notes, &[number(REFUSED)]).await.map(drop)
}

pub(super) async fn load(
    connections: &Connections,
    keys: &[Key],
) -> Result<Vec<Option<Versioned>>, StoreError> {
    let records: Vec<_> = keys.iter().map(|key| connections.space.record(key)).collect();
    let answer = connections.run(&LOAD, &records, &[]).await?;
    let found = array(answer)?.into_iter().map(|found| match found {
        Value::Nil => Ok(None),
        found => versioned(&bytes(found)?).map(Some),
    });
    let found: Vec<_> = found.collect::<Result<_, StoreError>>()?;
    if found.len() == keys.len() { Ok(found) } else { Err(not_understood()) }
}

pub(super) async fn list(
    connections: &Connections,
    index: &Index,
    page: Page,
) -> Result<Listing, StoreError> {
    let (term, records) = ([connections.space.term(index)], connections.space.records());
    let limit = page.limit.max(1);
    let mut keys = Vec::new();
    let mut after = page.after.as_ref().map(names::of_key);
    // More than once where there is more than one script looks at, or names of what has lapsed or is not known here.
    while keys.len() <= limit {
        let start = after.map_or_else(|| b"-".to_vec(), |name| [b"(".as_slice(), &name].concat());
        let most = limit.saturating_add(1).min(MOST_NAMES);
        let answer = connections.run(&LIST, &term, &[records.clone(), start, count(most)]).await?;
        let mut parts = array(answer)?.into_iter();
        let (Some(last), Some(present)) = (parts.next(), parts.next()) else { return Err(not_understood()) };
        for name in array(present)? {
            keys.extend(names::key(&bytes(name)?));
        }
        after = match last {
            Value::Nil => break,
            last => Some(bytes(last)?),
        };
    }
    Ok(Listing::cut(keys, limit))
}

/// Deletes at most `limit` records that may be forgotten; returns how many.
pub(super) async fn purge(
    connections: &Connections,
    now: Timestamp,
    limit: usize,
) -> Result<usize, StoreError> {
    let space = &connections.space;
    let arguments = [space.records(), space.terms(), number(seconds(now)), count(limit)];
    match connections.run(&PURGE, &[space.retention()], &arguments).await? {
        Value::Int(deleted) => usize::try_from(deleted).map_err(|_| not_understood()),
        _ => Err(not_understood()),
    }
}

fn array(value: Value) -> Result<Vec<Value>, StoreError> {
    match value {
        Value::Array(values) => Ok(values),
        _ => Err(not_understood()),
    }
}

fn bytes(value: Value) -> Result<Vec<u8>, StoreError> {
    match value {
        Value::BulkString(bytes) => Ok(bytes),
        _ => Err(not_understood()),
    }
}

fn not_understood() -> StoreError {
    StoreError("the server gave an answer that is none".to_owned())
}

/// Sorted sets order by floating-point numbers, which are exact up to 2⁵³: that stands for every later time too.
pub(crate) fn seconds(time: Timestamp) -> u64 {
    time.0.min(1 << 53)
}

pub(crate) fn number(number: u64) -> Vec<u8> {
    number.to_string().into_bytes()
}

fn count(count: usize) -> Vec<u8> {
    count.to_string().into_bytes()
}
