//! How records are written down: an envelope `{"kind", "schema", "body"}` in JSON.
//!
//! Records written by the previous release can be read. A record whose schema is newer than this release knows is
//! refused, so that an old process never writes back what it does not understand.

use serde::{Deserialize, Serialize};

use super::Record;

/// The schema this release writes.
pub const SCHEMA: u32 = 1;

/// Why stored bytes are not a record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum CodecError {
    /// The record was written by a newer release.
    #[error("the record has schema {0}, newer than this release understands")]
    Newer(u32),
    /// The bytes are not a record.
    #[error("the bytes are not a record: {0}")]
    Malformed(#[from] serde_json::Error),
}

#[derive(Serialize)]
struct Outgoing<'a> {
    schema: u32,
    #[serde(flatten)]
    record: &'a Record,
}

#[derive(Deserialize)]
struct Schema {
    schema: u32,
}

/// Writes a record.
///
/// # Errors
/// [`CodecError::Malformed`] if it cannot be written as JSON, which no record in this release can cause.
pub fn encode(record: &Record) -> Result<Vec<u8>, CodecError> {
    Ok(serde_json::to_vec(&Outgoing { schema: SCHEMA, record })?)
}

/// Reads a record.
///
/// # Errors
/// [`CodecError`] when the bytes are not a record or come from a newer release.
pub fn decode(bytes: &[u8]) -> Result<Record, CodecError> {
    let Schema { schema } = serde_json::from_slice(bytes)?;
    if schema > SCHEMA {
        return Err(CodecError::Newer(schema));
    }
    Ok(serde_json::from_slice(bytes)?)
}
