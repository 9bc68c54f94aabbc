//! From a token to its claims: every check on the way.

use proptest::prelude::*;

use super::*;

const CLAIMS: &[u8] = br#"{"sub":"alice"}"#;

fn verify(token: &str, alg: Algorithm, accepted: &Verification<'_>) -> Result<Verified<Claims>, JoseError> {
    Unverified::parse(token)?.verify(&verifying(alg), accepted)
}

#[test]
fn a_token_we_sign_verifies_under_every_algorithm() {
    for alg in Algorithm::ALL {
        let token = sign_compact(key(alg), "at+jwt", CLAIMS).unwrap();
        let algorithms = [alg];
        let accepted = Verification::new(&["at+jwt"], &algorithms);
        let verified = verify(&token, alg, &accepted).unwrap();
        assert_eq!(verified.claims().required_string("sub"), Ok("alice"));
        assert_eq!(verified.header().kid(), Some(key(alg).kid()));
        assert_eq!(verified.header().typ(), Some("at+jwt"));

        let set = VerifyingKeySet::new(&JwkSet::new(vec![key(alg).public()]).unwrap());
        assert!(Unverified::parse(&token).unwrap().verify(&set, &accepted).is_ok());
    }
}

#[test]
fn an_algorithm_that_is_not_accepted_is_refused_before_any_key() {
    let token = sign_compact(key(Algorithm::Rs256), "JWT", CLAIMS).unwrap();
    let accepted = Verification::new(&["JWT"], &[Algorithm::Es256, Algorithm::Ps256]);
    let refused = verify(&token, Algorithm::Rs256, &accepted).err();
    assert_eq!(refused, Some(JoseError::AlgorithmNotAccepted));
    let nothing = Verification::new(&["JWT"], &[]);
    let refused = verify(&token, Algorithm::Rs256, &nothing).err();
    assert_eq!(refused, Some(JoseError::AlgorithmNotAccepted));
}

#[test]
fn every_pair_of_header_algorithm_and_key_fails_but_the_matching_one() {
    let accepted = Verification::new(&["JWT"], &Algorithm::ALL);
    for own in Algorithm::ALL {
        for claimed in Algorithm::ALL {
            let header = Header::new(claimed).with_typ("JWT");
            let input = signing_input(&header, CLAIMS);
            let signature = key(own).sign(input.as_bytes()).unwrap();
            let token = attach(input, &signature);
            for verifier in Algorithm::ALL {
                let same_key = own.is_same_as(verifier) && key(own).kid() == key(verifier).kid();
                let outcome = verify(&token, verifier, &accepted);
                assert_eq!(
                    outcome.is_ok(),
                    same_key && claimed.is_same_as(verifier),
                    "signed {own}, header {claimed}, key {verifier}"
                );
            }
        }
    }
}

#[test]
fn a_token_of_one_kind_is_never_accepted_as_another() {
    let kinds = [
        "JWT",
        "at+jwt",
        "logout+jwt",
        "dpop+jwt",
        "oauth-authz-req+jwt",
        "client-authentication+jwt",
        "token-introspection+jwt",
        "secevent+jwt",
        "dc+sd-jwt",
    ];
    for made in kinds {
        let token = sign_compact(key(Algorithm::Es256), made, CLAIMS).unwrap();
        for wanted in kinds {
            let wanted_types = [wanted];
            let accepted = Verification::new(&wanted_types, &[Algorithm::Es256]);
            for accepted in [accepted, accepted.or_untyped()] {
                let outcome = verify(&token, Algorithm::Es256, &accepted);
                assert_eq!(outcome.is_ok(), made == wanted, "{made} as {wanted}");
                if made != wanted {
                    assert_eq!(outcome.err(), Some(JoseError::TypeNotAccepted));
                }
            }
        }
    }
}

#[test]
fn a_type_is_compared_without_case_or_the_prefix_application() {
    let accepted = Verification::new(&["at+jwt", "application/x+jwt", "text/y"], &[Algorithm::Es256]);
    for (typ, ok) in [
        ("at+jwt", true),
        ("AT+JWT", true),
        ("application/at+jwt", true),
        ("Application/At+Jwt", true),
        ("x+jwt", true),
        ("text/y", true),
        ("TEXT/Y", true),
        ("y", false),
        ("application/y", false),
        ("application/application/at+jwt", false),
        ("text/at+jwt", false),
        ("/at+jwt", false),
        ("at+jwt/", false),
        (" at+jwt", false),
        ("at+jwt;v=1", false),
        ("at+jw", false),
        ("application/", false),
        ("", false),
    ] {
        let token = sign_compact(key(Algorithm::Es256), typ, CLAIMS).unwrap();
        assert_eq!(verify(&token, Algorithm::Es256, &accepted).is_ok(), ok, "{typ:?}");
    }
}

#[test]
fn a_token_without_a_type_is_refused_unless_the_verifier_says_otherwise() {
    let token = signed_raw(r#"{"alg":"ES256"}"#, "{}");
    let accepted = Verification::new(&["JWT"], &[Algorithm::Es256]);
    assert_eq!(verify(&token, Algorithm::Es256, &accepted).err(), Some(JoseError::TypeNotAccepted));
    assert!(verify(&token, Algorithm::Es256, &accepted.or_untyped()).is_ok());
}

#[test]
fn the_kid_selects_the_key_and_another_kid_never_falls_back() {
    let [first, second] = [(); 2].map(|()| SigningKey::generate(Algorithm::Es256).unwrap());
    let set = JwkSet::new(vec![first.public(), second.public()]).unwrap();
    let set = VerifyingKeySet::new(&set);
    let accepted = Verification::new(&["JWT"], &[Algorithm::Es256]);
    let outcome = |token: &str| Unverified::parse(token).unwrap().verify(&set, &accepted).err();
    for key in [&first, &second] {
        assert_eq!(outcome(&sign_compact(key, "JWT", CLAIMS).unwrap()), None);
    }
    let renamed = |kid: &str| {
        let input = signing_input(&Header::new(Algorithm::Es256).with_typ("JWT").with_kid(kid), CLAIMS);
        let signature = first.sign(input.as_bytes()).unwrap();
        attach(input, &signature)
    };
    assert_eq!(outcome(&renamed(second.kid())), Some(JoseError::BadSignature));
    assert_eq!(outcome(&renamed("unknown")), Some(JoseError::UnknownKey));
    assert_eq!(outcome(&renamed("")), Some(JoseError::UnknownKey));
    let nameless = signed_raw(r#"{"alg":"ES256","typ":"JWT"}"#, "{}");
    assert_eq!(outcome(&nameless), Some(JoseError::AmbiguousKey));
}

#[test]
fn both_names_of_ed25519_fit_the_key_but_each_must_be_accepted() {
    let key = key(Algorithm::EdDsa);
    let input = signing_input(&Header::new(Algorithm::Ed25519).with_typ("JWT").with_kid(key.kid()), CLAIMS);
    let signature = key.sign(input.as_bytes()).unwrap();
    let token = attach(input, &signature);
    let old = Verification::new(&["JWT"], &[Algorithm::EdDsa]);
    assert_eq!(verify(&token, Algorithm::EdDsa, &old).err(), Some(JoseError::AlgorithmNotAccepted));
    let both = Verification::new(&["JWT"], &[Algorithm::EdDsa, Algorithm::Ed25519]);
    assert!(verify(&token, Algorithm::EdDsa, &both).is_ok());
}

#[test]
fn what_is_signed_must_be_a_strict_json_object() {
    for (payload, refused) in [
        (r#"{"aud":"good","aud":"evil"}"#, json::JsonError::DuplicateKey.into()),
        ("{} ,", json::JsonError::TrailingData.into()),
        ("", json::JsonError::Malformed.into()),
        ("[]", JoseError::NotAnObject),
        ("\"{}\"", JoseError::NotAnObject),
    ] {
        assert_eq!(claims(payload).err(), Some(refused), "{payload}");
    }
}

#[test]
fn a_bad_signature_is_told_before_a_bad_payload() {
    let token = signed_raw(r#"{"alg":"ES256","typ":"JWT"}"#, "not json");
    let (input, _) = token.rsplit_once('.').unwrap();
    let forged = attach(input.to_owned(), &[1; 64]);
    let accepted = Verification::new(&["JWT"], &[Algorithm::Es256]);
    assert_eq!(verify(&forged, Algorithm::Es256, &accepted).err(), Some(JoseError::BadSignature));
    let unsigned = format!("{input}.");
    assert_eq!(verify(&unsigned, Algorithm::Es256, &accepted).err(), Some(JoseError::BadSignature));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn a_token_with_any_byte_changed_fails(which in 0usize..10, at in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let alg = Algorithm::ALL[which];
        let token = sign_compact(key(alg), "JWT", CLAIMS).unwrap();
        let mut bytes = token.into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(changed) = String::from_utf8(bytes) {
            let accepted = Verification::new(&["JWT"], &Algorithm::ALL).or_untyped();
            prop_assert!(verify(&changed, alg, &accepted).is_err());
        }
    }

    #[test]
    fn a_random_signature_fails(which in 0usize..10, signature in prop::collection::vec(any::<u8>(), 0..300)) {
        let alg = Algorithm::ALL[which];
        let header = Header::new(alg).with_typ("JWT");
        let token = attach(signing_input(&header, CLAIMS), &signature);
        let accepted = Verification::new(&["JWT"], &Algorithm::ALL);
        prop_assert_eq!(verify(&token, alg, &accepted).err(), Some(JoseError::BadSignature));
    }
}
