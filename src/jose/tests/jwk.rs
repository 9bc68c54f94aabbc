//! Which public keys and key sets are accepted, and which key is selected.

use serde_json::{Value, json};

use super::*;
use base64url::{decode, encode};

fn public(alg: Algorithm) -> Value {
    serde_json::to_value(key(alg).public()).unwrap()
}

/// `base` with members replaced; a `null` removes.
fn with(base: &Value, changes: &Value) -> Value {
    let mut value = base.clone();
    let object = value.as_object_mut().unwrap();
    for (name, change) in changes.as_object().unwrap() {
        match change {
            Value::Null => object.remove(name),
            _ => object.insert(name.clone(), change.clone()),
        };
    }
    value
}

fn refusal(value: &Value) -> Option<JoseError> {
    Jwk::from_value(value).err()
}

#[test]
fn a_public_key_is_read_back_as_it_was_written() {
    for alg in Algorithm::ALL {
        let jwk = key(alg).public();
        let text = serde_json::to_vec(&jwk).unwrap();
        assert_eq!(Jwk::parse(&text), Ok(jwk.clone()));
        assert_eq!(json::from_slice::<Jwk>(&text), Ok(jwk));
    }
}

#[test]
fn a_private_member_refuses_the_key_whatever_its_value() {
    for alg in [Algorithm::Es256, Algorithm::Ed25519, Algorithm::Rs256] {
        for name in ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"] {
            for value in [json!("AQAB"), json!(""), json!(1), json!([])] {
                let jwk = with(&public(alg), &json!({ name: value }));
                assert_eq!(refusal(&jwk), Some(JoseError::PrivateMember), "{name}");
            }
        }
    }
    assert_eq!(refusal(&json!({"kty":"oct","k":"AAAA"})), Some(JoseError::PrivateMember));
}

#[test]
fn key_types_and_curves_we_do_not_know_are_unsupported() {
    let x = encode(&[7; 32]);
    for jwk in [
        json!({"kty":"EC","crv":"secp256k1","x":x,"y":x}),
        json!({"kty":"EC","crv":"Ed25519","x":x,"y":x}),
        json!({"kty":"EC","crv":"p-256","x":x,"y":x}),
        json!({"kty":"OKP","crv":"X448","x":x}),
        json!({"kty":"OKP","crv":"P-256","x":x}),
        json!({"kty":"AKP","alg":"ML-DSA-44","pub":x}),
        json!({"kty":"rsa","n":x,"e":"AQAB"}),
        json!({"kty":"oct"}),
    ] {
        assert_eq!(refusal(&jwk), Some(JoseError::UnsupportedKey), "{jwk}");
    }
}

#[test]
fn a_point_must_have_full_coordinates_and_lie_on_its_curve() {
    let p521 = json!({
        "kty": "EC",
        "crv": "P-521",
        "x": "AHKZLLOsCOzz5cY97ewNUajB957y-C-U88c3v13nmGZx6sYl_oJXu9A5RkTKqjqvjyekWF-7ytDyRXYgCF5cj0Kt",
        "y": "AdymlHvOiLxXkEhayXQnNCvDX4h9htZaCJN34kfmC6pV5OhQHiraVySsUdaQkAgDPrwQrJmbnX9cwlGfP-HqHZR1"
    });
    for jwk in [public(Algorithm::Es256), public(Algorithm::Es384), p521] {
        assert_eq!(refusal(&jwk), None);
        let [x, y] = ["x", "y"].map(|name| decode(jwk[name].as_str().unwrap()).unwrap());
        let mut off = y.clone();
        off[7] ^= 1;
        for bad in [off, x.clone(), vec![0; y.len()], vec![0xff; y.len()]] {
            assert_eq!(refusal(&with(&jwk, &json!({"y": encode(&bad)}))), Some(JoseError::NotOnCurve));
        }
        let zero = encode(&vec![0; y.len()]);
        assert_eq!(refusal(&with(&jwk, &json!({"x": zero, "y": zero}))), Some(JoseError::NotOnCurve));
        for bad in [[&[0], &y[..]].concat(), y[1..].to_vec(), Vec::new(), [&x[..], &y[..]].concat()] {
            assert_eq!(refusal(&with(&jwk, &json!({"y": encode(&bad)}))), Some(JoseError::KeyInvalid("y")));
            assert_eq!(refusal(&with(&jwk, &json!({"x": encode(&bad)}))), Some(JoseError::KeyInvalid("x")));
        }
    }
    let p384_as_p256 = with(&public(Algorithm::Es384), &json!({"crv": "P-256", "alg": null}));
    assert_eq!(refusal(&p384_as_p256), Some(JoseError::KeyInvalid("x")));
}

#[test]
fn an_ed25519_key_is_canonical_and_not_of_small_order() {
    let jwk = public(Algorithm::Ed25519);
    let [order_8a, order_8b] =
        ["JuiVj8KyJ7BFw_SJ8u-Y8NXfrAXTxjM5sTgCiG1T_AU", "xxdqcD1N2E-6PAt2DRBnDyogU_osOczGTsf9d5KsA3o"]
            .map(|text| decode(text).unwrap());
    let prime = |low: u8, high: u8| [vec![low], vec![0xff; 30], vec![high]].concat();
    for (bad, refused) in [
        (vec![0; 32], JoseError::KeyStrength),
        ([vec![1], vec![0; 31]].concat(), JoseError::KeyStrength),
        ([vec![1], vec![0; 30], vec![0x80]].concat(), JoseError::KeyStrength),
        (prime(0xec, 0x7f), JoseError::KeyStrength),
        (order_8a, JoseError::KeyStrength),
        (order_8b, JoseError::KeyStrength),
        (prime(0xec, 0xff), JoseError::KeyStrength),
        (prime(0xed, 0x7f), JoseError::KeyInvalid("x")),
        (prime(0xee, 0xff), JoseError::KeyInvalid("x")),
        (prime(0xff, 0x7f), JoseError::KeyInvalid("x")),
        (vec![7; 31], JoseError::KeyInvalid("x")),
        (vec![7; 33], JoseError::KeyInvalid("x")),
    ] {
        assert_eq!(refusal(&with(&jwk, &json!({"x": encode(&bad)}))), Some(refused), "{bad:?}");
    }
    assert_eq!(refusal(&with(&jwk, &json!({"x": encode(&prime(0xed, 0x7e))}))), None);
}

#[test]
fn an_x25519_key_has_32_bytes() {
    for (len, refused) in [(32, None), (31, Some("x")), (33, Some("x")), (0, Some("x"))] {
        let jwk = json!({"kty": "OKP", "crv": "X25519", "x": encode(&vec![9; len])});
        assert_eq!(refusal(&jwk), refused.map(JoseError::KeyInvalid));
    }
}

#[test]
fn an_rsa_key_has_2048_to_8192_bits_and_a_sane_exponent() {
    let jwk = public(Algorithm::Rs256);
    let modulus = |top: u8, len: usize| [vec![top], vec![1; len - 1]].concat();
    for (n, refused) in [
        (modulus(0x80, 256), None),
        (modulus(0x7f, 256), Some(JoseError::KeyStrength)),
        (modulus(0xff, 128), Some(JoseError::KeyStrength)),
        (modulus(0xff, 1024), None),
        (modulus(0x01, 1025), Some(JoseError::KeyStrength)),
        (modulus(0x00, 257), Some(JoseError::KeyInvalid("n"))),
        ([modulus(0x80, 255), vec![2]].concat(), Some(JoseError::KeyInvalid("n"))),
        (Vec::new(), Some(JoseError::KeyInvalid("n"))),
    ] {
        assert_eq!(refusal(&with(&jwk, &json!({"n": encode(&n)}))), refused);
    }
    for (e, refused) in [
        (vec![1, 0, 1], None),
        (vec![0xff, 0xff, 0xff, 0xff], None),
        (vec![1, 0, 0, 0, 1], Some(JoseError::KeyStrength)),
        (vec![3], Some(JoseError::KeyStrength)),
        (vec![1], Some(JoseError::KeyStrength)),
        (vec![0xff, 0xff], Some(JoseError::KeyStrength)),
        (vec![1, 0, 2], Some(JoseError::KeyStrength)),
        (vec![0, 1, 0, 1], Some(JoseError::KeyInvalid("e"))),
        (vec![0], Some(JoseError::KeyInvalid("e"))),
        (Vec::new(), Some(JoseError::KeyInvalid("e"))),
    ] {
        assert_eq!(refusal(&with(&jwk, &json!({"e": encode(&e)}))), refused, "{e:?}");
    }
}

#[test]
fn every_acceptable_rsa_exponent_and_modulus_makes_a_verifying_key() {
    let jwk = public(Algorithm::Rs256);
    for e in [vec![1, 0, 1], vec![0xff, 0xff, 0xff, 0xff]] {
        let jwk = Jwk::from_value(&with(&jwk, &json!({"e": encode(&e)}))).unwrap();
        assert!(VerifyingKey::new(&jwk).is_ok(), "{e:?}");
    }
    let n = encode(&[vec![0xff], vec![1; 1023]].concat());
    assert!(VerifyingKey::new(&Jwk::from_value(&with(&jwk, &json!({"n": n}))).unwrap()).is_ok());
}

#[test]
fn members_of_the_wrong_type_refuse_the_key() {
    for alg in [Algorithm::Es256, Algorithm::Ed25519, Algorithm::Rs256] {
        let jwk = public(alg);
        for name in ["kty", "crv", "x", "y", "n", "e", "kid", "alg", "use"] {
            if jwk.get(name).is_some() {
                for value in [json!(1), json!(true), json!([]), json!({})] {
                    assert!(refusal(&with(&jwk, &json!({ name: value }))).is_some(), "{name}");
                }
            }
        }
        for padded in ["x", "n"] {
            if let Some(text) = jwk[padded].as_str() {
                for suffix in ["=", " ", "\n", "+"] {
                    let bad = with(&jwk, &json!({ padded: format!("{text}{suffix}") }));
                    assert_eq!(refusal(&bad), Some(JoseError::KeyInvalid(padded)));
                }
            }
        }
        for ops in [json!("verify"), json!([1]), json!(["verify", "verify"])] {
            let bad = with(&jwk, &json!({ "key_ops": ops }));
            assert_eq!(refusal(&bad), Some(JoseError::KeyInvalid("key_ops")));
        }
    }
    assert_eq!(Jwk::parse(b"[]"), Err(JoseError::NotAnObject));
    assert_eq!(Jwk::parse(br#"{"kty":"EC","kty":"RSA"}"#), Err(json::JsonError::DuplicateKey.into()));
    assert_eq!(Jwk::parse(&vec![b' '; Jwk::MAX_BYTES + 1]), Err(JoseError::KeyTooLong));
}

#[test]
fn a_key_whose_alg_is_for_another_type_is_refused() {
    for alg in Algorithm::ALL {
        for other in Algorithm::ALL {
            let same_family = match alg.key_type() {
                KeyType::Ec => alg == other,
                _ => alg.key_type() == other.key_type(),
            };
            let outcome = refusal(&with(&public(alg), &json!({"alg": other.as_str()})));
            assert_eq!(outcome, (!same_family).then_some(JoseError::AlgorithmMismatch));
        }
        for name in ["none", "HS256", "RSA1_5", "A128GCM", ""] {
            let outcome = refusal(&with(&public(alg), &json!({"alg": name})));
            assert_eq!(outcome, Some(JoseError::UnsupportedAlgorithm));
        }
        for other in KeyManagement::ALL {
            let same_family = match alg.key_type() {
                KeyType::Ec => other.is_agreement(),
                KeyType::Okp => false,
                KeyType::Rsa => other.is_rsa(),
            };
            let outcome = refusal(&with(&public(alg), &json!({"alg": other.as_str()})));
            assert_eq!(outcome, (!same_family).then_some(JoseError::AlgorithmMismatch), "{alg} {other}");
        }
    }
}

#[test]
fn use_and_key_ops_keep_a_key_from_verifying() {
    let jwk = with(&public(Algorithm::Es256), &json!({"use": null}));
    for (changes, verifies) in [
        (json!({}), true),
        (json!({"use": "sig"}), true),
        (json!({"key_ops": ["verify"]}), true),
        (json!({"use": "sig", "key_ops": ["verify", "sign"]}), true),
        (json!({"use": "enc"}), false),
        (json!({"key_ops": ["encrypt"]}), false),
        (json!({"key_ops": []}), false),
        (json!({"use": "sig", "key_ops": ["wrapKey"]}), false),
    ] {
        let jwk = Jwk::from_value(&with(&jwk, &changes)).unwrap();
        assert_eq!(jwk.can_verify(Algorithm::Es256), verifies, "{changes}");
        assert!(!jwk.can_encrypt(KeyManagement::EcdhEs), "its alg is ES256");
        assert_eq!(VerifyingKey::new(&jwk).is_ok(), verifies);
    }
    assert_eq!(refusal(&with(&jwk, &json!({"use": "tls"}))), Some(JoseError::KeyInvalid("use")));
}

#[test]
fn unusable_keys_are_skipped_and_private_ones_refuse_the_set() {
    let good = public(Algorithm::Es256);
    let weak = with(&public(Algorithm::Rs256), &json!({"e": "Aw"}));
    let unusable =
        json!([good, weak, {"kty":"AKP","alg":"ML-DSA-65"}, {"kty":"EC"}, {}, 7, null, "key", [good]]);
    let set = JwkSet::from_value(&json!({"keys": unusable, "other": 1})).unwrap();
    assert_eq!(set.keys(), [key(Algorithm::Es256).public()]);
    for leaked in [json!({"kty":"oct","k":"c2VjcmV0"}), json!({"kty":"AKP","priv":"AA"}), json!({"d":"AA"})] {
        let set = json!({"keys": [good, leaked]});
        assert_eq!(JwkSet::from_value(&set), Err(JoseError::PrivateMember));
    }
    for bad in [json!([]), json!({}), json!({"keys": {}}), json!({"keys": null})] {
        assert!(JwkSet::from_value(&bad).is_err(), "{bad}");
    }
}

#[test]
fn a_set_has_at_most_one_hundred_keys() {
    let many = |count: usize| json!({"keys": vec![json!({"kty":"new"}); count]});
    assert!(JwkSet::from_value(&many(JwkSet::MAX_KEYS)).is_ok());
    assert_eq!(JwkSet::from_value(&many(JwkSet::MAX_KEYS + 1)), Err(JoseError::TooManyKeys));
    let key = key(Algorithm::Es256).public();
    let keys = (0..=JwkSet::MAX_KEYS).map(|index| key.clone().with_kid(index.to_string())).collect();
    assert_eq!(JwkSet::new(keys), Err(JoseError::TooManyKeys));
    assert_eq!(JwkSet::parse(&vec![b' '; JwkSet::MAX_BYTES + 1]), Err(JoseError::KeyTooLong));
}

#[test]
fn a_kid_is_shared_only_by_keys_of_different_types() {
    let [ec, ed, rsa] = [Algorithm::Es256, Algorithm::Ed25519, Algorithm::Ps256]
        .map(|alg| key(alg).public().with_kid("same"));
    let ec384 = key(Algorithm::Es384).public().with_kid("same");
    assert_eq!(JwkSet::new(vec![ec.clone(), rsa.clone(), ec384]), Err(JoseError::DuplicateKid));
    let set = JwkSet::new(vec![ec.clone(), ed.clone(), rsa.clone()]).unwrap();
    assert_eq!(set.find(Some("same"), Algorithm::Es256), Ok(&ec));
    assert_eq!(set.find(Some("same"), Algorithm::EdDsa), Ok(&ed));
    assert_eq!(set.find(Some("same"), Algorithm::Ps256), Ok(&rsa));
    assert_eq!(set.find(Some("same"), Algorithm::Rs256), Err(JoseError::AlgorithmMismatch));
}

#[test]
fn a_kid_may_be_shared_by_a_key_for_signatures_and_one_for_encryption() {
    let signing = key(Algorithm::Es256).public().with_kid("same");
    let encrypting = |changes| {
        let other = SigningKey::generate(Algorithm::Es256).unwrap().public().with_kid("same");
        Jwk::from_value(&with(&serde_json::to_value(other).unwrap(), &changes)).unwrap()
    };
    for changes in [json!({"alg": "ECDH-ES", "use": null}), json!({"alg": null, "use": "enc"})] {
        let set = JwkSet::new(vec![encrypting(changes), signing.clone()]).unwrap();
        assert_eq!(set.find(Some("same"), Algorithm::Es256), Ok(&signing));
    }
    let ambiguous = JwkSet::new(vec![encrypting(json!({"alg": null, "use": null})), signing]);
    assert_eq!(ambiguous, Err(JoseError::DuplicateKid));
}

#[test]
fn a_kid_is_an_opaque_name() {
    let ec = key(Algorithm::Es256).public().with_kid("../../dev/null' OR 1=1");
    let set = JwkSet::new(vec![ec.clone()]).unwrap();
    assert_eq!(set.find(ec.kid(), Algorithm::Es256), Ok(&ec));
    for kid in ["", "..", "../../dev/null", "../../DEV/null' OR 1=1", "https://evil.example/jwks"] {
        assert_eq!(set.find(Some(kid), Algorithm::Es256), Err(JoseError::UnknownKey));
    }
}

#[test]
fn without_a_kid_only_a_sole_fitting_key_is_selected() {
    let [a, b] = [(); 2].map(|()| SigningKey::generate(Algorithm::Es256).unwrap().public());
    let rsa = key(Algorithm::Rs256).public();
    let one = JwkSet::new(vec![rsa.clone(), a.clone()]).unwrap();
    assert_eq!(one.find(None, Algorithm::Es256), Ok(&a));
    assert_eq!(one.find(None, Algorithm::Rs256), Ok(&rsa));
    assert_eq!(one.find(None, Algorithm::Ps256), Err(JoseError::UnknownKey));
    let two = JwkSet::new(vec![a.clone(), b.clone()]).unwrap();
    assert_eq!(two.find(None, Algorithm::Es256), Err(JoseError::AmbiguousKey));
    assert_eq!(two.find(b.kid(), Algorithm::Es256), Ok(&b));
}

#[test]
fn a_set_is_read_back_as_it_was_written() {
    let set = JwkSet::new(vec![key(Algorithm::Es256).public(), key(Algorithm::Rs256).public()]).unwrap();
    let text = serde_json::to_vec(&set).unwrap();
    assert_eq!(JwkSet::parse(&text), Ok(set.clone()));
    assert_eq!(json::from_slice::<JwkSet>(&text), Ok(set));
}
