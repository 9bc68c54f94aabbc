//! The keys of recipients, and our own.

use serde_json::{Value, json};

use super::*;
use crate::jose::{KeyType, KeyUse};

/// A private key as JSON, made from its public half and what else it needs.
fn private_jwk(curve: Curve) -> Value {
    let (_, der) = CURVES.iter().find(|(own, _)| *own == curve).unwrap();
    let key = DecryptingKey::from_pkcs8_der(KeyManagement::EcdhEs, der).unwrap();
    let mut jwk = serde_json::to_value(key.public().unwrap()).unwrap();
    // An EC key in PKCS#8 v1 leads its number by `04 len`; an X25519 key ends with it.
    let len = curve.coordinate_len();
    let at = match curve {
        Curve::X25519 => der.len() - len,
        _ => der.windows(2).rposition(|pair| pair == [4, len as u8]).unwrap_or_default() + 2,
    };
    jwk["d"] = base64url::encode(&der[at..at + len]).into();
    jwk
}

fn with(base: &Value, changes: &Value) -> String {
    let mut value = base.clone();
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => value.as_object_mut().unwrap().remove(name),
            _ => value.as_object_mut().unwrap().insert(name.clone(), change.clone()),
        };
    }
    value.to_string()
}

fn read(alg: KeyManagement, text: &str) -> Result<DecryptingKey, JoseError> {
    DecryptingKey::from_private_jwk(alg, text.as_bytes())
}

#[test]
fn every_private_key_survives_a_round_trip_through_pkcs8() {
    for (key, enc) in pairs() {
        if key.alg().is_shared() {
            assert_eq!(key.to_pkcs8_der().unwrap_err(), JoseError::UnsupportedKey);
        } else {
            let restored = DecryptingKey::from_pkcs8_der(key.alg(), &key.to_pkcs8_der().unwrap()).unwrap();
            assert_eq!(restored.public(), key.public());
            assert_eq!(open(&encrypted(&key, enc, b"text"), &restored).unwrap().plaintext(), b"text");
        }
    }
}

#[test]
fn a_private_key_of_another_type_is_rejected() {
    let signing = [Algorithm::Ed25519, Algorithm::Rs256]
        .map(|alg| SigningKey::generate(alg).unwrap().to_pkcs8_der().unwrap().to_vec());
    let [ed25519, rsa] = &signing;
    let p256 = &CURVES[0].1;
    for alg in KeyManagement::ALL {
        let read = |der: &[u8]| DecryptingKey::from_pkcs8_der(alg, der).map(drop);
        let expected = |fits| if fits { Ok(()) } else { Err(JoseError::PrivateKeyRejected) };
        assert_eq!(read(rsa), expected(alg.is_rsa()), "{alg}");
        assert_eq!(read(p256), expected(alg.is_agreement()), "{alg}");
        assert_eq!(read(ed25519), expected(false), "{alg}");
        assert_eq!(read(b""), expected(false));
        assert_eq!(read(&p256[..p256.len() - 1]), expected(false));
    }
}

#[test]
fn a_generated_key_is_published_with_its_algorithm_and_use_and_nothing_private() {
    for alg in KeyManagement::ALL {
        if alg.is_shared() {
            assert_eq!(DecryptingKey::generate(alg).unwrap_err(), JoseError::UnsupportedKey);
            continue;
        }
        let key = DecryptingKey::generate(alg).unwrap();
        let public = key.public().unwrap();
        assert_eq!(public.key_type(), if alg.is_rsa() { KeyType::Rsa } else { KeyType::Ec });
        assert_eq!((public.key_management(), public.alg()), (Some(alg), None));
        assert_eq!(public.key_use(), Some(KeyUse::Encryption));
        assert_eq!((key.kid(), public.kid()), (Some(public.thumbprint().as_str()), key.kid()));
        let text = serde_json::to_string(public).unwrap();
        assert_eq!(Jwk::parse(text.as_bytes()).as_ref(), Ok(public), "and so without private members");
        let renamed = key.with_kid("2030-01");
        assert_eq!((renamed.kid(), renamed.public().unwrap().kid()), (Some("2030-01"), Some("2030-01")));
    }
}

#[test]
fn a_key_for_one_of_signing_and_encrypting_is_not_for_the_other() {
    let signing = SigningKey::generate(Algorithm::Es256).unwrap().public();
    let encrypting = DecryptingKey::generate(KeyManagement::EcdhEs).unwrap().public().unwrap().clone();
    assert!(KeyManagement::ALL.iter().all(|alg| !signing.can_encrypt(*alg)));
    assert!(Algorithm::ALL.iter().all(|alg| !encrypting.can_verify(*alg)));
    assert_eq!(VerifyingKey::new(&encrypting).unwrap_err(), JoseError::UnsupportedKey);

    let bare = with(&serde_json::to_value(&encrypting).unwrap(), &json!({"alg": null, "use": null}));
    let bare: Value = serde_json::from_str(&bare).unwrap();
    for (changes, encrypts) in [
        (json!({}), true),
        (json!({"use": "enc"}), true),
        (json!({"alg": "ECDH-ES"}), true),
        (json!({"key_ops": ["deriveKey"]}), true),
        (json!({"use": "enc", "alg": "ECDH-ES", "key_ops": ["deriveBits"]}), true),
        (json!({"use": "sig"}), false),
        (json!({"alg": "ES256"}), false),
        (json!({"alg": "ECDH-ES+A128KW"}), false),
        (json!({"key_ops": ["verify"]}), false),
        (json!({"key_ops": []}), false),
        (json!({"use": "sig", "alg": "ECDH-ES"}), false),
    ] {
        let jwk = Jwk::parse(with(&bare, &changes).as_bytes()).unwrap();
        assert_eq!(jwk.can_encrypt(KeyManagement::EcdhEs), encrypts, "{changes}");
        let made = EncryptingKey::new(&jwk, KeyManagement::EcdhEs).map(drop);
        assert_eq!(made, if encrypts { Ok(()) } else { Err(JoseError::AlgorithmMismatch) });
    }
}

#[test]
fn a_key_encrypts_with_the_algorithms_of_its_type_alone() {
    let types = [(KeyManagement::RsaOaep, true), (KeyManagement::EcdhEs, false)];
    for (made, rsa) in types {
        for key in private(made, ContentEncryption::A128Gcm) {
            let bare = Jwk::bare(key.public().unwrap().material().clone());
            for alg in KeyManagement::ALL {
                let fits = if rsa { alg.is_rsa() } else { alg.is_agreement() };
                assert_eq!(bare.can_encrypt(alg), fits, "{alg}");
            }
        }
    }
    let ed25519 = Jwk::bare(SigningKey::generate(Algorithm::Ed25519).unwrap().public().material().clone());
    assert!(KeyManagement::ALL.iter().all(|alg| !ed25519.can_encrypt(*alg)));
}

#[test]
fn a_shared_key_has_the_length_its_algorithm_needs() {
    for alg in KeyManagement::ALL {
        for len in 0..=70 {
            let fits = match alg {
                KeyManagement::A128Kw | KeyManagement::A128GcmKw => len == 16,
                KeyManagement::A192Kw | KeyManagement::A192GcmKw => len == 24,
                KeyManagement::A256Kw | KeyManagement::A256GcmKw => len == 32,
                _ => [16, 24, 32, 48, 64].contains(&len),
            };
            let expected = match (alg.is_shared(), fits) {
                (false, _) => Err(JoseError::AlgorithmMismatch),
                (true, false) => Err(JoseError::KeyInvalid("k")),
                (true, true) => Ok(()),
            };
            assert_eq!(DecryptingKey::from_secret(alg, &vec![1; len]).map(drop), expected, "{alg} {len}");
            assert_eq!(EncryptingKey::from_secret(alg, &vec![1; len]).map(drop), expected);
        }
    }
}

#[test]
fn a_private_jwk_is_read_with_both_its_halves() {
    for curve in agreement::CURVES {
        let jwk = private_jwk(curve);
        let key = read(KeyManagement::EcdhEs, &jwk.to_string()).unwrap();
        assert_eq!(serde_json::to_value(key.public().unwrap()).unwrap()["x"], jwk["x"]);
        assert_eq!(key.kid(), jwk["kid"].as_str());
        let opened = open(&encrypted(&key, ContentEncryption::A128Gcm, b"text"), &key).unwrap();
        assert_eq!(opened.plaintext(), b"text");

        let other = DecryptingKey::from_pkcs8_der(KeyManagement::EcdhEs, &on_curve(curve)).unwrap();
        let other = serde_json::to_value(other.public().unwrap()).unwrap();
        let foreign = with(&jwk, &json!({"x": other["x"], "y": other["y"]}));
        assert_eq!(read(KeyManagement::EcdhEs, &foreign).unwrap_err(), JoseError::PrivateKeyRejected);
        for (d, refused) in [
            (json!(null), JoseError::KeyInvalid("d")),
            (json!(1), JoseError::KeyInvalid("d")),
            (json!("a=="), JoseError::KeyInvalid("d")),
            (json!(""), JoseError::PrivateKeyRejected),
            (json!("AAAA"), JoseError::PrivateKeyRejected),
            (json!(base64url::encode(&[0xff; 67])), JoseError::PrivateKeyRejected),
        ] {
            let refusal = read(KeyManagement::EcdhEs, &with(&jwk, &json!({"d": d}))).unwrap_err();
            assert_eq!(refusal, refused, "{d}");
        }
    }
}

#[test]
fn a_private_jwk_for_another_use_or_algorithm_is_refused() {
    let pair = private_jwk(Curve::P256);
    let oct = json!({"kty": "oct", "k": base64url::encode(&[7; 16]), "kid": "k"});
    for (jwk, alg) in [(&pair, KeyManagement::EcdhEs), (&oct, KeyManagement::A128Kw)] {
        assert_eq!(read(alg, &jwk.to_string()).unwrap().kid(), jwk["kid"].as_str());
        for (changes, refused) in [
            (json!({"use": "sig"}), JoseError::KeyInvalid("use")),
            (json!({"key_ops": ["sign"]}), JoseError::KeyInvalid("key_ops")),
            (json!({"key_ops": ["verify", "encrypt"]}), JoseError::KeyInvalid("key_ops")),
            (json!({"key_ops": []}), JoseError::KeyInvalid("key_ops")),
            (json!({"alg": "A256KW"}), JoseError::AlgorithmMismatch),
            (json!({"alg": "ECDH-ES+A128KW"}), JoseError::AlgorithmMismatch),
        ] {
            assert_eq!(read(alg, &with(jwk, &changes)).unwrap_err(), refused, "{changes}");
        }
        for ops in [json!(["decrypt"]), json!(["unwrapKey", "wrapKey"]), json!(["deriveBits"])] {
            assert!(read(alg, &with(jwk, &json!({"key_ops": ops, "use": "enc"}))).is_ok());
        }
    }
    assert!(read(KeyManagement::A128Kw, &pair.to_string()).is_err());
    assert!(read(KeyManagement::EcdhEs, &oct.to_string()).is_err());
    assert_eq!(read(KeyManagement::A128Kw, "[]").unwrap_err(), JoseError::NotAnObject);
    let long = " ".repeat(Jwk::MAX_BYTES + 1);
    assert_eq!(read(KeyManagement::A128Kw, &long).unwrap_err(), JoseError::KeyTooLong);
}

#[test]
fn a_key_for_direct_encryption_may_name_its_content_encryption() {
    let oct = |alg: &str| json!({"kty": "oct", "k": base64url::encode(&[7; 16]), "alg": alg}).to_string();
    for (name, accepted) in
        [("dir", true), ("A128GCM", true), ("A256GCM", false), ("A128CBC-HS256", false), ("A128KW", false)]
    {
        assert_eq!(read(KeyManagement::Direct, &oct(name)).is_ok(), accepted, "{name}");
    }
    assert!(read(KeyManagement::A128Kw, &oct("A128GCM")).is_err());
}

#[test]
fn keys_are_never_printed() {
    let key = DecryptingKey::from_secret(KeyManagement::A128Kw, &[7; 16]).unwrap().with_kid("k");
    assert_eq!(format!("{key:?}"), "DecryptingKey { alg: A128Kw, kid: Some(\"k\"), private: [redacted] }");
    let key = EncryptingKey::from_secret(KeyManagement::A128Kw, &[7; 16]).unwrap().with_kid("k");
    assert_eq!(format!("{key:?}"), "EncryptingKey { alg: A128Kw, kid: Some(\"k\"), .. }");
}
