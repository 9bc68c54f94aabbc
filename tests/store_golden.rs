//! Records as earlier builds wrote them can still be read, and are written again byte for byte.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::path::Path;

use grantor::record::{Kind, codec};
use grantor::store::contract;
use serde_json::Value;

#[test]
fn stored_records_are_read_and_written_byte_for_byte() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/records");
    let mut kinds = BTreeSet::new();
    for file in std::fs::read_dir(folder).unwrap() {
        let path = file.unwrap().path();
        let bytes = std::fs::read(&path).unwrap();
        let record = codec::decode(&bytes).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let again = codec::encode(&record).unwrap();
        assert_eq!(
            String::from_utf8(again).unwrap(),
            String::from_utf8(bytes.clone()).unwrap(),
            "{}",
            path.display()
        );
        let envelope: serde_json::Value = serde_json::from_slice(&bytes).unwrap();
        kinds.insert(envelope["kind"].to_string());
    }
    let all: BTreeSet<String> = Kind::ALL.iter().map(|kind| serde_json::to_string(kind).unwrap()).collect();
    assert_eq!(kinds, all, "one file at least for each kind of record");
}

#[test]
fn a_record_of_a_newer_schema_is_refused() {
    let newer = br#"{"schema":2,"kind":"revoked_token"}"#;
    assert!(matches!(codec::decode(newer), Err(codec::CodecError::Newer(2))));
    let of_the_future = br#"{"schema":7,"kind":"never_heard_of","body":{"a":1}}"#;
    assert!(matches!(codec::decode(of_the_future), Err(codec::CodecError::Newer(7))));
    for bytes in [&b""[..], b"{}", br#"{"schema":1}"#, br#"{"schema":1,"kind":"never_heard_of"}"#, b"\xff"] {
        assert!(matches!(codec::decode(bytes), Err(codec::CodecError::Malformed(_))));
    }
}

/// The value with one member more in each of its objects in turn, and where that is.
fn with_a_stranger(value: &Value, path: &str) -> Vec<(String, Value)> {
    let mut spoilt = Vec::new();
    let children: Vec<(String, &Value)> = match value {
        Value::Object(members) => {
            let mut more = members.clone();
            more.insert("stranger".into(), true.into());
            spoilt.push((path.to_owned(), Value::Object(more)));
            members.iter().map(|(name, value)| (name.clone(), value)).collect()
        }
        Value::Array(values) => {
            values.iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        _ => Vec::new(),
    };
    for (name, child) in children {
        for (place, changed) in with_a_stranger(child, &format!("{path}/{name}")) {
            let mut whole = value.clone();
            *whole.pointer_mut(&format!("/{name}")).unwrap() = changed;
            spoilt.push((place, whole));
        }
    }
    spoilt
}

#[test]
fn a_member_that_is_not_known_is_never_lost() {
    for kind in Kind::ALL {
        let bytes = codec::encode(&contract::sample(*kind)).unwrap();
        assert_eq!(codec::decode(&bytes).unwrap(), contract::sample(*kind));
        let places = with_a_stranger(&serde_json::from_slice(&bytes).unwrap(), "");
        assert!(places.len() > 1 || matches!(kind, Kind::RevokedToken | Kind::UsedJti), "{kind:?}");
        for (place, spoilt) in places.iter().filter(|(place, _)| !place.ends_with("/public")) {
            match codec::decode(spoilt.to_string().as_bytes()) {
                Err(error) => {
                    assert!(matches!(error, codec::CodecError::Malformed(_)), "{kind:?} {place}: {error}")
                }
                Ok(record) => {
                    let kept: Value = serde_json::from_slice(&codec::encode(&record).unwrap()).unwrap();
                    assert_eq!(kept, *spoilt, "{kind:?} {place}");
                }
            }
        }
    }
}
