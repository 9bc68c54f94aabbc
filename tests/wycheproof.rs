//! The vectors of Project Wycheproof for signed tokens, encrypted tokens and keys.
//!
//! Every case is run. A case whose key is for an algorithm that this crate does not have must be refused, whatever the
//! vectors expect, and is counted by algorithm, so that none is left out unseen.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;

use grantor::jose::{
    Algorithm, ContentEncryption, DecryptingKey, Encrypted, JoseError, Jwk, JwkSet, KeyManagement,
    Unverified, Verification, VerifyingKey, VerifyingKeySet,
};
use serde::Deserialize;
use serde_json::Value;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Vectors {
    number_of_tests: u32,
    test_groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    private: Value,
    public: Option<Value>,
    tests: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Case {
    tc_id: u32,
    comment: String,
    #[serde(alias = "jws", alias = "jwe")]
    token: String,
    pt: Option<String>,
    result: String,
}

/// What was seen of one algorithm.
#[derive(Default)]
struct Tally {
    /// Accepted, as expected.
    accepted: u32,
    /// Refused, as expected.
    refused: u32,
    /// Expected to be accepted, and refused by a rule of ours.
    against_our_rules: u32,
    /// Refused, whatever is expected, because the algorithm of the key is not one of ours.
    unsupported: u32,
}

/// Runs every case of a file; `read` gives a text, or why the token was refused. `our_rules` are valid cases that break
/// a rule of ours, with that rule.
fn run(
    file: &str,
    our_rules: &[(u32, JoseError)],
    read: impl Fn(&Group, &Case) -> Result<String, JoseError>,
) -> BTreeMap<String, Tally> {
    let vectors: Vectors = serde_json::from_str(file).unwrap();
    let mut tallies = BTreeMap::<String, Tally>::new();
    for group in &vectors.test_groups {
        let name = algorithm_of_key(&group.private);
        for case in &group.tests {
            let tally = tallies.entry(name.clone()).or_default();
            let rule = our_rules.iter().find(|(id, _)| *id == case.tc_id).map(|(_, rule)| *rule);
            match (case.result.as_str(), read(group, case)) {
                (_, Err(_)) if is_unsupported(&name) => tally.unsupported += 1,
                ("valid", Err(refused)) if rule == Some(refused) => tally.against_our_rules += 1,
                ("valid", Ok(text)) if case.pt.as_ref().is_none_or(|pt| *pt == text) => tally.accepted += 1,
                ("invalid", Err(_)) => tally.refused += 1,
                (expected, outcome) => {
                    panic!("{name} {} {}: expected {expected}: {outcome:?}", case.tc_id, case.comment)
                }
            }
        }
    }
    assert_eq!(tallies.values().map(Tally::cases).sum::<u32>(), vectors.number_of_tests);
    tallies
}

impl Tally {
    const fn cases(&self) -> u32 {
        self.accepted + self.refused + self.against_our_rules + self.unsupported
    }
}

/// What the key says it is for; of a set, its first key.
fn algorithm_of_key(key: &Value) -> String {
    let key = key.pointer("/keys/0").unwrap_or(key);
    key.get("alg").or(key.get("kty")).and_then(Value::as_str).unwrap().to_owned()
}

fn is_unsupported(name: &str) -> bool {
    name.parse::<Algorithm>().is_err() && key_management(name).is_none() && !["EC", "RSA"].contains(&name)
}

/// A key for content encryption is one for `dir`.
fn key_management(name: &str) -> Option<KeyManagement> {
    let direct = || name.parse::<ContentEncryption>().ok().map(|_| KeyManagement::Direct);
    name.parse().ok().or_else(direct)
}

/// The token is verified; nothing but the signature is judged, since few payloads of the vectors are claims.
fn verify(group: &Group, case: &Case) -> Result<String, JoseError> {
    let keys = group.public.as_ref().unwrap_or(&group.private);
    let accepted = Verification::new(&[], &Algorithm::ALL).or_untyped();
    let token = Unverified::parse(&case.token)?;
    let verified = if keys.get("keys").is_some() {
        token.verify(&VerifyingKeySet::new(&JwkSet::from_value(keys)?), &accepted)
    } else {
        token.verify(&VerifyingKey::new(&Jwk::from_value(keys)?)?, &accepted)
    };
    match verified {
        Ok(_) | Err(JoseError::Json(_) | JoseError::NotAnObject) => Ok(String::new()),
        Err(refused) => Err(refused),
    }
}

fn decrypt(group: &Group, case: &Case) -> Result<String, JoseError> {
    let alg = key_management(&algorithm_of_key(&group.private)).ok_or(JoseError::UnsupportedAlgorithm)?;
    let key = DecryptingKey::from_private_jwk(alg, group.private.to_string().as_bytes())
        .unwrap_or_else(|refused| panic!("the key of case {}: {refused}", case.tc_id));
    let opened = Encrypted::parse(&case.token)?.decrypt(&key, &ContentEncryption::ALL)?;
    Ok(opened.plaintext().iter().map(|byte| format!("{byte:02x}")).collect())
}

/// A row per algorithm: accepted, refused, against our rules, unsupported.
fn table(tallies: &BTreeMap<String, Tally>) -> Vec<(&str, [u32; 4])> {
    let row = |tally: &Tally| [tally.accepted, tally.refused, tally.against_our_rules, tally.unsupported];
    tallies.iter().map(|(name, tally)| (name.as_str(), row(tally))).collect()
}

#[test]
fn signed_tokens_are_accepted_and_refused_as_wycheproof_expects() {
    // The key says PS256 and the token PS384.
    let our_rules = [(346, JoseError::AlgorithmMismatch), (350, JoseError::AlgorithmMismatch)];
    let tallies = run(include_str!("vectors/wycheproof/json_web_signature_test.json"), &our_rules, verify);
    let expected = [
        ("EC", [0, 2, 0, 0]),
        ("ES256", [2, 37, 0, 0]),
        ("ES521", [0, 0, 0, 2]),
        ("HS256", [0, 0, 0, 40]),
        ("PS256", [6, 42, 2, 0]),
        ("PS384", [4, 1, 0, 0]),
        ("PS512", [4, 16, 0, 0]),
        ("RS256", [8, 225, 0, 0]),
        ("RS384", [4, 0, 0, 0]),
        ("RS512", [4, 0, 0, 0]),
        ("RSA", [0, 2, 0, 0]),
    ];
    assert_eq!(table(&tallies), expected);
}

#[test]
fn keys_are_accepted_and_refused_as_wycheproof_expects() {
    let tallies = run(include_str!("vectors/wycheproof/json_web_key_test.json"), &[], verify);
    let expected = [
        ("A256GCM", [0, 1, 0, 0]),
        ("A256KW", [0, 1, 0, 0]),
        ("ES224", [0, 0, 0, 1]),
        ("ES256", [0, 4, 0, 0]),
        ("ES521", [0, 0, 0, 1]),
        ("HS256", [0, 0, 0, 7]),
        ("HS384", [0, 0, 0, 3]),
        ("HS512", [0, 0, 0, 3]),
        ("RS256", [1, 3, 0, 0]),
        ("RSA1_5", [0, 0, 0, 1]),
    ];
    assert_eq!(table(&tallies), expected);
}

#[test]
fn encrypted_tokens_are_opened_and_refused_as_wycheproof_expects() {
    // Compressed content is never opened.
    let our_rules = [(135, JoseError::HeaderRefused("zip"))];
    let tallies = run(include_str!("vectors/wycheproof/json_web_encryption_test.json"), &our_rules, decrypt);
    let expected = [
        ("A128GCM", [1, 0, 0, 0]),
        ("A128GCMKW", [1, 1, 0, 0]),
        ("A128KW", [2, 1, 1, 0]),
        ("A192GCMKW", [1, 0, 0, 0]),
        ("A192KW", [1, 0, 0, 0]),
        ("A256GCMKW", [4, 5, 0, 0]),
        ("A256KW", [7, 26, 0, 0]),
        ("ECDH-ES", [7, 0, 0, 0]),
        ("ECDH-ES+A128KW", [12, 16, 0, 0]),
        ("ECDH-ES+A192KW", [2, 0, 0, 0]),
        ("ECDH-ES+A256KW", [4, 3, 0, 0]),
        ("RSA-OAEP", [7, 1, 0, 0]),
        ("RSA-OAEP-256", [7, 13, 0, 0]),
        ("RSA1_5", [0, 0, 0, 16]),
    ];
    assert_eq!(table(&tallies), expected);
}
