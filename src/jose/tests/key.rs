//! Signing and verifying keys.

use super::*;
use base64url::{decode, encode};

#[test]
fn every_algorithm_signs_and_verifies_after_a_round_trip_through_pkcs8() {
    for alg in Algorithm::ALL {
        let der = key(alg).to_pkcs8_der().unwrap();
        let restored = SigningKey::from_pkcs8_der(alg, &der).unwrap();
        assert_eq!(restored.public(), key(alg).public());
        let signature = restored.sign(b"message").unwrap();
        assert_eq!(verifying(alg).verify(alg, b"message", &signature), Ok(()), "{alg}");
        assert_eq!(verifying(alg).verify(alg, b"massage", &signature), Err(JoseError::BadSignature));
    }
}

#[test]
fn a_private_key_of_another_type_or_curve_is_rejected() {
    for alg in Algorithm::ALL {
        for other in Algorithm::ALL {
            let der = key(alg).to_pkcs8_der().unwrap();
            let same = alg.key_type() == other.key_type() && (alg.key_type() != KeyType::Ec || alg == other);
            assert_eq!(SigningKey::from_pkcs8_der(other, &der).is_ok(), same, "{alg} as {other}");
        }
        assert!(SigningKey::from_pkcs8_der(alg, b"").is_err());
        assert!(SigningKey::from_pkcs8_der(alg, b"/etc/passwd").is_err());
    }
}

#[test]
fn a_key_verifies_no_algorithm_but_its_own() {
    for alg in Algorithm::ALL {
        let signature = key(alg).sign(b"message").unwrap();
        for other in Algorithm::ALL.into_iter().filter(|other| !alg.is_same_as(*other)) {
            let refused = verifying(alg).verify(other, b"message", &signature);
            assert_eq!(refused, Err(JoseError::AlgorithmMismatch), "{alg} key, {other}");
            assert!(verifying(other).verify(other, b"message", &signature).is_err(), "{alg} as {other}");
            assert!(verifying(other).verify(alg, b"message", &signature).is_err(), "{alg} under {other}");
        }
    }
}

#[test]
fn an_rsa_key_without_alg_verifies_each_rsa_algorithm_by_its_own_rule() {
    let jwk = serde_json::to_value(key(Algorithm::Rs256).public()).unwrap();
    let bare = serde_json::json!({ "kty": "RSA", "n": jwk["n"], "e": jwk["e"] });
    let bare = VerifyingKey::new(&Jwk::from_value(&bare).unwrap()).unwrap();
    let rsa = || Algorithm::ALL.into_iter().filter(|alg| alg.key_type() == KeyType::Rsa);
    for alg in rsa() {
        let signature = key(alg).sign(b"message").unwrap();
        for other in rsa() {
            assert_eq!(bare.verify(other, b"message", &signature).is_ok(), alg == other, "{alg} as {other}");
        }
    }
}

#[test]
fn the_kid_is_the_thumbprint_unless_another_is_given() {
    let key = SigningKey::generate(Algorithm::Es256).unwrap();
    assert_eq!(key.kid(), key.public().thumbprint());
    let key = key.with_kid("2030-01");
    assert_eq!((key.kid(), key.public().kid()), ("2030-01", Some("2030-01")));
}

#[test]
fn a_private_key_is_never_printed() {
    let key = SigningKey::generate(Algorithm::Ed25519).unwrap().with_kid("k");
    assert_eq!(format!("{key:?}"), "SigningKey { alg: Ed25519, kid: \"k\", private: [redacted] }");
}

#[test]
fn generated_rsa_keys_have_the_size_asked_for() {
    let bits = |key: &SigningKey| key.sign(b"").unwrap().len() * 8;
    assert_eq!(bits(key(Algorithm::Ps256)), 2048);
    assert_eq!(bits(&SigningKey::generate_sized(Algorithm::Ps256, RsaSize::Bits3072).unwrap()), 3072);
}

/// The order of P-256, and that of the Ed25519 base point (little-endian).
const P256_ORDER: &str = "_____wAAAAD__________7zm-q2nF56E87nKwvxjJVE";
const ED25519_ORDER: [u8; 32] = [
    0xed, 0xd3, 0xf5, 0x5c, 0x1a, 0x63, 0x12, 0x58, 0xd6, 0x9c, 0xf7, 0xa2, 0xde, 0xf9, 0xde, 0x14, //
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x10,
];

#[test]
fn ecdsa_values_outside_one_to_n_minus_one_are_refused() {
    let key = verifying(Algorithm::Es256);
    let good = super::key(Algorithm::Es256).sign(b"message").unwrap();
    let (r, s) = good.split_at(32);
    let order = decode(P256_ORDER).unwrap();
    let zero = vec![0; 32];
    let one = [vec![0; 31], vec![1]].concat();
    let all = vec![0xff; 32];
    for bad in [&zero, &order, &all] {
        for pair in [[bad, bad], [bad, &one], [&one, bad], [&r.to_vec(), bad], [bad, &s.to_vec()]] {
            assert!(key.verify(Algorithm::Es256, b"message", &pair.map(Vec::as_slice).concat()).is_err());
        }
    }
    assert!(verifying(Algorithm::Es384).verify(Algorithm::Es384, b"message", &[0; 96]).is_err());
    assert!(verifying(Algorithm::EdDsa).verify(Algorithm::EdDsa, b"message", &[0; 64]).is_err());
    for alg in [Algorithm::Rs256, Algorithm::Ps256] {
        for byte in [0, 1, 0xff] {
            assert!(verifying(alg).verify(alg, b"message", &[byte; 256]).is_err());
        }
    }
}

#[test]
fn an_ecdsa_signature_has_the_fixed_length_form_only() {
    let key = verifying(Algorithm::Es256);
    let good = super::key(Algorithm::Es256).sign(b"message").unwrap();
    let (r, s) = good.split_at(32);
    let integer = |value: &[u8]| {
        let mut body = vec![0];
        body.extend(value);
        [vec![2, body.len() as u8], body].concat()
    };
    let sequence = [integer(r), integer(s)].concat();
    let der = [vec![0x30, sequence.len() as u8], sequence].concat();
    let padded = [&[0], r, &[0], s].concat();
    for bad in [der, padded, good[..63].to_vec(), [&good[..], &[0]].concat(), Vec::new()] {
        assert_eq!(key.verify(Algorithm::Es256, b"message", &bad), Err(JoseError::BadSignature));
    }
}

#[test]
fn an_ed25519_signature_is_not_malleable() {
    let key = verifying(Algorithm::Ed25519);
    let good = super::key(Algorithm::Ed25519).sign(b"message").unwrap();
    let mut shifted = good.clone();
    let mut carry = 0u16;
    for (byte, add) in shifted.iter_mut().skip(32).zip(ED25519_ORDER) {
        carry += u16::from(*byte) + u16::from(add);
        *byte = carry as u8;
        carry >>= 8;
    }
    assert_ne!(shifted, good);
    assert_eq!(key.verify(Algorithm::Ed25519, b"message", &shifted), Err(JoseError::BadSignature));
}

#[test]
fn a_published_key_holds_nothing_private() {
    for alg in Algorithm::ALL {
        let public = serde_json::to_value(key(alg).public()).unwrap();
        let members: Vec<_> = public.as_object().unwrap().keys().map(String::as_str).collect();
        let expected: &[&str] = match alg.key_type() {
            KeyType::Ec => &["alg", "crv", "kid", "kty", "use", "x", "y"],
            KeyType::Okp => &["alg", "crv", "kid", "kty", "use", "x"],
            KeyType::Rsa => &["alg", "e", "kid", "kty", "n", "use"],
        };
        assert_eq!(members, expected);
        assert_eq!(public["use"], "sig");
        assert_eq!(
            encode(&decode(public["kid"].as_str().unwrap()).unwrap()),
            public["kid"].as_str().unwrap()
        );
    }
}
