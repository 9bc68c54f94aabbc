use proptest::prelude::*;

use super::*;

/// RFC 7515 appendix A.1: the key, and the token made with it.
const KEY: &str = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
const TOKEN: &str = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.\
    eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.\
    dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

const ACCEPTED: Verification<'_, MacAlgorithm> = Verification::new(&["JWT"], &MacAlgorithm::ALL);

fn key() -> Vec<u8> {
    base64url::decode(KEY).unwrap()
}

#[test]
fn the_example_of_rfc_7515_appendix_a_1_is_authentic_and_no_changed_bit_of_it() {
    let claims = UnverifiedMac::parse(TOKEN).unwrap().verify(&key(), &ACCEPTED).unwrap();
    assert_eq!(claims.required_string("iss"), Ok("joe"));
    for at in 0..TOKEN.len() {
        let mut bytes = TOKEN.as_bytes().to_vec();
        bytes[at] ^= 1;
        let Ok(changed) = String::from_utf8(bytes) else { continue };
        let verified = UnverifiedMac::parse(&changed).and_then(|token| token.verify(&key(), &ACCEPTED));
        assert!(verified.is_err(), "{at}");
    }
}

#[test]
fn an_algorithm_or_type_that_is_not_asked_for_and_a_secret_too_short_are_refused() {
    let token = UnverifiedMac::parse(TOKEN).unwrap();
    let with = |typ, algorithms| token.verify(&key(), &Verification::new(typ, algorithms)).unwrap_err();
    assert_eq!(with(&["JWT"], &[MacAlgorithm::Hs384]), JoseError::AlgorithmNotAccepted);
    assert_eq!(with(&["at+jwt"], &[MacAlgorithm::Hs256]), JoseError::TypeNotAccepted);
    assert_eq!(token.verify(&key()[..31], &ACCEPTED).unwrap_err(), JoseError::KeyStrength);
    assert_eq!(token.verify(&[0; 64], &ACCEPTED).unwrap_err(), JoseError::BadSignature);
}

#[test]
fn every_algorithm_needs_a_secret_as_long_as_its_digest() {
    for (alg, least) in MacAlgorithm::ALL.into_iter().zip([32, 48, 64]) {
        let header = base64url::encode(format!(r#"{{"alg":"{alg}"}}"#).as_bytes());
        let accepted = Verification::new(&[], &MacAlgorithm::ALL).or_untyped();
        let input = format!("{header}.{}", base64url::encode(b"{}"));
        for length in [0, least - 1, least, least + 1, 200] {
            let secret = vec![7; length];
            let key = aws_lc_rs::hmac::Key::new(alg.digest(), &secret);
            let tag = aws_lc_rs::hmac::sign(&key, input.as_bytes());
            let token = format!("{input}.{}", base64url::encode(tag.as_ref()));
            let verified = UnverifiedMac::parse(&token).unwrap().verify(&secret, &accepted);
            let expected = if length < least { Some(JoseError::KeyStrength) } else { None };
            assert_eq!(verified.err(), expected, "{alg} {length}");
        }
    }
}

#[test]
fn neither_kind_of_token_is_read_as_the_other() {
    assert_eq!(Unverified::parse(TOKEN).unwrap_err(), JoseError::UnsupportedAlgorithm);
    let header = base64url::encode(br#"{"alg":"ES256"}"#);
    let signed = format!("{header}.{}.{}", base64url::encode(b"{}"), base64url::encode(&[1; 64]));
    assert!(Unverified::parse(&signed).is_ok());
    assert_eq!(UnverifiedMac::parse(&signed).unwrap_err(), JoseError::UnsupportedAlgorithm);
    for (name, value) in [("crit", "[]"), ("b64", "true"), ("jwk", "{}"), ("jku", "\"x\""), ("x5c", "[]")] {
        let header = base64url::encode(format!(r#"{{"alg":"HS256","{name}":{value}}}"#).as_bytes());
        assert_eq!(
            UnverifiedMac::parse(&format!("{header}.e30.AA")).unwrap_err(),
            JoseError::HeaderRefused(name)
        );
    }
}

#[test]
fn hints_are_the_names_a_token_bears_and_only_strings() {
    assert_eq!(
        Hints::of(TOKEN).unwrap(),
        Hints { issuer: Some("joe".into()), subject: None, token_id: None }
    );
    let token = |claims: &str| format!("e30.{}.", base64url::encode(claims.as_bytes()));
    assert_eq!(Hints::of(&token(r#"{"sub":null}"#)).unwrap_err(), JoseError::ClaimInvalid("sub"));
    assert_eq!(Hints::of(&token("[]")).unwrap_err(), JoseError::NotAnObject);
}

proptest! {
    #[test]
    fn no_text_makes_reading_a_token_panic(text in "\\PC{0,200}", parts in prop::collection::vec("[A-Za-z0-9_-]{0,40}", 0..5)) {
        for text in [text, parts.join(".")] {
            let _ = Hints::of(&text);
            let _ = UnverifiedMac::parse(&text).map(|token| token.verify(&[0; 64], &ACCEPTED));
        }
    }
}
