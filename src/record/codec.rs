//! How records are written down: an envelope `{"kind", "schema", "body"}` in JSON.
//!
//! Records written by the previous release can be read. A record whose schema is newer than this release knows, or that
//! has a member this release does not know, is refused, so that an old process never writes back what it does not
//! understand: every struct in a record denies unknown members, but for a JWK, where nobody else writes any.

use serde::de::IgnoredAny;
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

/// All that may stand around a record.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    schema: u32,
    #[serde(rename = "kind")]
    _kind: IgnoredAny,
    #[serde(default, rename = "body")]
    _body: IgnoredAny,
}

/// What will always stand there.
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
    let envelope = serde_json::from_slice::<Envelope>(bytes);
    let schema = match &envelope {
        Ok(envelope) => envelope.schema,
        Err(_) => serde_json::from_slice::<Schema>(bytes)?.schema,
    };
    if schema > SCHEMA {
        return Err(CodecError::Newer(schema));
    }
    envelope?;
    Ok(serde_json::from_slice(bytes)?)
}
