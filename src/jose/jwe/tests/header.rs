//! Taking tokens apart: what is refused before any key is looked at.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn refusal(token: &str) -> Option<JoseError> {
    Encrypted::parse(token).err()
}

fn token_with(header: &str) -> String {
    format!("{}.AAAA.AAAA.AAAA.AAAA", base64url::encode(header.as_bytes()))
}

fn header_refusal(header: &str) -> Option<JoseError> {
    refusal(&token_with(header))
}

fn epk(curve: Curve) -> Value {
    let (_, der) = CURVES.iter().find(|(own, _)| *own == curve).unwrap();
    let key = DecryptingKey::from_pkcs8_der(KeyManagement::EcdhEs, der).unwrap();
    serde_json::to_value(Jwk::bare(key.public().unwrap().material().clone())).unwrap()
}

fn agreement_refusal(changes: &Value) -> Option<JoseError> {
    let mut header = json!({"alg": "ECDH-ES", "enc": "A128GCM", "epk": epk(Curve::P256)});
    for (name, change) in changes.as_object().unwrap() {
        header[name] = change.clone();
    }
    header_refusal(&header.to_string())
}

#[test]
fn a_header_shows_what_it_names() {
    let header = r#"{"alg":"dir","enc":"A128GCM","typ":"JWT","cty":"JWT","kid":"k","iss":"https://as"}"#;
    let token = token_with(header);
    let encrypted = Encrypted::parse(&token).unwrap();
    let header = encrypted.header();
    assert_eq!((header.alg(), header.enc()), (KeyManagement::Direct, ContentEncryption::A128Gcm));
    assert_eq!((header.kid(), header.typ(), header.cty()), (Some("k"), Some("JWT"), Some("JWT")));
    assert_eq!(header.get("iss"), Some(&"https://as".into()));
    assert_eq!((header.get("alg"), header.get("aud")), (None, None));
}

#[test]
fn compression_extensions_and_keys_that_a_token_brings_are_refused() {
    for name in ["crit", "zip", "jwk", "jku", "x5u", "x5c"] {
        for value in ["\"DEF\"", "[]", "[\"exp\"]", "{}", "null", "\"\""] {
            let refused = header_refusal(&format!(r#"{{"alg":"dir","enc":"A128GCM","{name}":{value}}}"#));
            assert_eq!(refused, Some(JoseError::HeaderRefused(name)), "{name} {value}");
        }
    }
}

#[test]
fn a_key_in_galois_counter_mode_comes_with_an_iv_and_a_tag_of_their_lengths() {
    let (iv, tag) = ("AAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAA");
    let refusal = |beside: &str| header_refusal(&format!(r#"{{"alg":"A256GCMKW","enc":"A128GCM"{beside}}}"#));
    assert_eq!(refusal(&format!(r#","iv":"{iv}","tag":"{tag}""#)), None);
    for (beside, name) in [
        (format!(r#","tag":"{tag}""#), "iv"),
        (format!(r#","iv":"{iv}AA","tag":"{tag}""#), "iv"),
        (format!(r#","iv":1,"tag":"{tag}""#), "iv"),
        (format!(r#","iv":"{iv}""#), "tag"),
        (format!(r#","iv":"{iv}","tag":"AAAA""#), "tag"),
        (format!(r#","iv":"{iv}","tag":"{tag}=""#), "tag"),
    ] {
        assert_eq!(refusal(&beside), Some(JoseError::HeaderInvalid(name)), "{beside}");
    }
}

#[test]
fn pkcs1_padding_passwords_and_unknown_algorithms_are_refused() {
    for alg in [
        "RSA1_5",
        "PBES2-HS256+A128KW",
        "PBES2-HS384+A192KW",
        "PBES2-HS512+A256KW",
        "A512GCMKW",
        "ECDH-ES+A192GCMKW",
        "none",
        "",
        "ES256",
        "HS256",
    ] {
        let header = format!(r#"{{"alg":"{alg}","enc":"A128GCM","p2c":2147483647,"p2s":"AAAA"}}"#);
        assert_eq!(header_refusal(&header), Some(JoseError::UnsupportedAlgorithm), "{alg}");
    }
    for enc in ["none", "", "A128CBC", "a128gcm", "A128KW", "HS256"] {
        let refused = header_refusal(&format!(r#"{{"alg":"dir","enc":"{enc}"}}"#));
        assert_eq!(refused, Some(JoseError::UnsupportedAlgorithm), "{enc}");
    }
}

#[test]
fn a_header_is_a_strict_json_object_with_string_names() {
    assert_eq!(header_refusal(r#"{"enc":"A128GCM"}"#), Some(JoseError::HeaderInvalid("alg")));
    assert_eq!(header_refusal(r#"{"alg":"dir"}"#), Some(JoseError::HeaderInvalid("enc")));
    for name in ["alg", "enc", "kid", "typ", "cty"] {
        for value in [json!(1), json!(null), json!(true), json!([]), json!({}), json!(["dir"])] {
            let mut header = json!({"alg": "dir", "enc": "A128GCM"});
            header[name] = value;
            assert_eq!(header_refusal(&header.to_string()), Some(JoseError::HeaderInvalid(name)), "{header}");
        }
    }
    for header in ["[]", "\"dir\"", "null", "1"] {
        assert_eq!(header_refusal(header), Some(JoseError::NotAnObject));
    }
    for twice in [r#""alg":"A128KW""#, r#""enc":"A256GCM""#, r#""x":1,"x":1"#] {
        let refused = header_refusal(&format!(r#"{{"alg":"dir","enc":"A128GCM",{twice}}}"#));
        assert_eq!(refused, Some(json::JsonError::DuplicateKey.into()), "{twice}");
    }
    let long = format!(r#"{{"alg":"dir","enc":"A128GCM","x":"{}"}}"#, "x".repeat(4096));
    assert_eq!(header_refusal(&long), Some(JoseError::HeaderTooLong));
}

#[test]
fn an_encrypted_token_has_exactly_five_parts() {
    let token = token_with(r#"{"alg":"dir","enc":"A128GCM"}"#);
    assert_eq!(refusal(&token), None);
    let parts: Vec<_> = token.split('.').collect();
    for len in [0, 1, 2, 3, 4] {
        assert_eq!(refusal(&parts[..len].join(".")), Some(JoseError::NotCompact), "{len}");
    }
    for more in [format!("{token}."), format!("{token}.AAAA"), format!(".{token}"), ".".repeat(30_000)] {
        assert_eq!(refusal(&more), Some(JoseError::NotCompact));
    }
    let flat = format!(
        r#"{{"protected":"{}","encrypted_key":"{}","iv":"{}","ciphertext":"{}","tag":"{}"}}"#,
        parts[0], parts[1], parts[2], parts[3], parts[4]
    );
    assert_eq!(refusal(&flat), Some(JoseError::NotCompact));
}

#[test]
fn whitespace_padding_and_other_alphabets_are_refused_in_every_part() {
    let token = token_with(r#"{"alg":"dir","enc":"A128GCM"}"#);
    for at in 0..5 {
        let loose_end = if at == 0 { "!" } else { "A" };
        for junk in [" ", "=", "\n", "+", "/", "é", loose_end] {
            let mut parts: Vec<String> = token.split('.').map(str::to_owned).collect();
            parts[at].push_str(junk);
            assert_eq!(refusal(&parts.join(".")), Some(JoseError::Base64), "{at} {junk:?}");
        }
    }
}

#[test]
fn a_token_past_the_limit_is_refused_unread() {
    let token = token_with(r#"{"alg":"dir","enc":"A128GCM"}"#);
    let long = format!("{token}{}", "A".repeat(MAX_ENCRYPTED_BYTES));
    assert_eq!(refusal(&long), Some(JoseError::TokenTooLong));
    assert_eq!(Encrypted::parse_within(&token, token.len() - 1).err(), Some(JoseError::TokenTooLong));
    assert!(Encrypted::parse_within(&token, token.len()).is_ok());
    assert!(Encrypted::parse_within(&long, long.len()).is_ok());
}

#[test]
fn an_ephemeral_key_is_one_public_point_on_its_curve() {
    assert_eq!(agreement_refusal(&json!({})), None);
    let missing = header_refusal(r#"{"alg":"ECDH-ES","enc":"A128GCM"}"#);
    assert_eq!(missing, Some(JoseError::HeaderInvalid("epk")));
    for epk in [json!(null), json!("x"), json!([]), json!(1)] {
        assert_eq!(agreement_refusal(&json!({"epk": epk})), Some(JoseError::NotAnObject));
    }
    for curve in [Curve::P256, Curve::P384, Curve::P521] {
        let good = epk(curve);
        assert_eq!(agreement_refusal(&json!({"epk": good})), None);
        let zero = base64url::encode(&vec![0; curve.coordinate_len()]);
        let max = base64url::encode(&vec![0xff; curve.coordinate_len()]);
        for (x, y) in [(&good["x"], &good["x"]), (&json!(zero), &json!(zero)), (&json!(max), &json!(max))] {
            let off = json!({"kty": "EC", "crv": curve.as_str(), "x": x, "y": y});
            assert_eq!(agreement_refusal(&json!({"epk": off})), Some(JoseError::NotOnCurve));
        }
        let mut private = good.clone();
        private["d"] = good["x"].clone();
        assert_eq!(agreement_refusal(&json!({"epk": private})), Some(JoseError::PrivateMember));
        let mut short = good.clone();
        short["y"] = json!("AAAA");
        assert_eq!(agreement_refusal(&json!({"epk": short})), Some(JoseError::KeyInvalid("y")));
    }
    let unknown = json!({"kty": "EC", "crv": "secp256k1", "x": "AA", "y": "AA"});
    assert_eq!(agreement_refusal(&json!({"epk": unknown})), Some(JoseError::UnsupportedKey));
}

#[test]
fn the_parties_of_an_agreement_have_at_most_512_bytes_each() {
    let info = |len: usize| base64url::encode(&vec![7; len]);
    for name in ["apu", "apv"] {
        for (value, accepted) in [
            (json!(""), true),
            (json!("QWxpY2U"), true),
            (json!(info(512)), true),
            (json!(info(513)), false),
            (json!("QWxpY2U="), false),
            (json!("Al ice"), false),
            (json!(null), false),
            (json!(1), false),
            (json!(["QWxpY2U"]), false),
        ] {
            let refused = agreement_refusal(&json!({ name: value }));
            assert_eq!(refused, (!accepted).then_some(JoseError::HeaderInvalid(name)), "{name} {value}");
        }
    }
}

#[test]
fn a_signed_token_is_never_read_as_an_encrypted_one_nor_the_reverse() {
    let signing = SigningKey::generate(Algorithm::Es256).unwrap();
    let signed = sign_compact(&signing, "JWT", b"{}").unwrap();
    assert_eq!(refusal(&signed), Some(JoseError::NotCompact));
    for (key, enc) in pairs().take(3) {
        let token = encrypted(&key, enc, b"{}");
        assert_eq!(Unverified::parse(&token).unwrap_err(), JoseError::NotCompact);
        let three: Vec<_> = token.split('.').take(3).collect();
        assert_eq!(Unverified::parse(&three.join(".")).unwrap_err(), JoseError::HeaderRefused("enc"));
    }
    let padded = format!("{signed}.AAAA.AAAA");
    assert_eq!(refusal(&padded), Some(JoseError::UnsupportedAlgorithm));
    let header = r#"{"alg":"ES256","enc":"A128GCM"}"#;
    assert_eq!(header_refusal(header), Some(JoseError::UnsupportedAlgorithm));
}

proptest! {
    #[test]
    fn no_text_makes_the_reader_panic(text in "\\PC{0,200}") {
        let _ = Encrypted::parse(&text);
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = Encrypted::parse(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn no_header_makes_the_reader_panic(
        alg in "dir|ECDH-ES|ECDH-ES\\+A128KW|RSA-OAEP|[A-Z]{0,6}",
        epk in "null|\\{\"kty\":\"(EC|OKP|RSA)\",\"crv\":\"(P-256|X25519|Ed25519)\",\"x\":\"[A-Za-z0-9]{0,43}\",\"y\":\"[A-Za-z0-9]{0,43}\"\\}",
        apu in "[A-Za-z0-9=]{0,8}",
    ) {
        let _ = header_refusal(&format!(r#"{{"alg":"{alg}","enc":"A128GCM","epk":{epk},"apu":"{apu}"}}"#));
    }
}
