//! Records as earlier builds wrote them can still be read, and are written again byte for byte.

use std::collections::BTreeSet;
use std::path::Path;

use grantor::record::{Kind, codec};

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
