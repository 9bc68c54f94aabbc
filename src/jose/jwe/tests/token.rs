//! From content to token and back.

use proptest::prelude::*;

use super::*;

/// Points of X25519 on which every agreement is on nothing.
const SMALL_ORDER: [&str; 3] = [
    "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "AQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "4Ot6fDtBuK4WVuP68Z_EatoJjeucMrH9hmIFFl9JuAA",
];

/// A token of every pair.
static TOKENS: LazyLock<Vec<(DecryptingKey, String)>> = LazyLock::new(|| {
    let token = |(key, enc)| {
        let token = encrypted(&key, enc, b"text");
        (key, token)
    };
    pairs().map(token).collect()
});

#[test]
fn every_pair_of_algorithms_on_every_curve_opens_what_it_encrypted() {
    let mut tried = 0;
    for (key, enc) in pairs() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let text = vec![b'x'; len];
            let token = encrypted(&key, enc, &text);
            let opened = open(&token, &key).unwrap();
            assert_eq!(opened.plaintext(), text);
            assert_eq!((opened.header().alg(), opened.header().enc()), (key.alg(), enc));
            assert_eq!(opened.header().kid(), key.kid());
        }
        tried += 1;
    }
    assert_eq!(tried, (4 + 4 * 4 + 7) * ContentEncryption::ALL.len());
}

#[test]
fn a_token_opens_with_no_key_but_its_own() {
    for (key, enc) in pairs() {
        let token = encrypted(&key, enc, b"text");
        let other = if key.alg().is_shared() {
            let secret = vec![1; shared(key.alg(), enc).len()];
            vec![DecryptingKey::from_secret(key.alg(), &secret).unwrap()]
        } else if key.alg().is_rsa() {
            continue;
        } else {
            agreement::CURVES
                .map(|curve| DecryptingKey::from_pkcs8_der(key.alg(), &on_curve(curve)).unwrap())
                .into()
        };
        for other in other {
            assert_eq!(open(&token, &other).unwrap_err(), JoseError::Decryption, "{:?} {enc}", key.alg());
        }
    }
    let other = DecryptingKey::generate(KeyManagement::RsaOaep256).unwrap();
    let [own] = &private(KeyManagement::RsaOaep256, ContentEncryption::A128Gcm)[..] else { panic!() };
    let token = encrypted(own, ContentEncryption::A128Gcm, b"text");
    assert_eq!(open(&token, &other).unwrap_err(), JoseError::Decryption);
}

#[test]
fn a_key_opens_tokens_of_its_own_algorithm_alone() {
    let enc = ContentEncryption::A128CbcHs256;
    for made in KeyManagement::ALL {
        for used in KeyManagement::ALL {
            let token = encrypted(&private(made, enc)[0], enc, b"text");
            let outcome = open(&token, &private(used, enc)[0]).map(drop);
            let expected = if made == used { Ok(()) } else { Err(JoseError::AlgorithmMismatch) };
            assert_eq!(outcome, expected, "{made} with a key for {used}");
        }
    }
}

#[test]
fn only_an_accepted_content_encryption_is_opened() {
    let key = &private(KeyManagement::A128Kw, ContentEncryption::A128Gcm)[0];
    for made in ContentEncryption::ALL {
        let token = encrypted(key, made, b"text");
        let token = Encrypted::parse(&token).unwrap();
        for accepted in ContentEncryption::ALL {
            let outcome = token.decrypt(key, &[accepted]).map(drop);
            let expected = if made == accepted { Ok(()) } else { Err(JoseError::AlgorithmNotAccepted) };
            assert_eq!(outcome, expected);
        }
        assert_eq!(token.decrypt(key, &[]).unwrap_err(), JoseError::AlgorithmNotAccepted);
    }
}

#[test]
fn whatever_fails_under_a_key_fails_with_one_error() {
    for (key, enc) in pairs() {
        let token = encrypted(&key, enc, b"sixteen bytes!!!");
        let refused = |at: usize, bytes: &[u8]| {
            let changed = with_part(&token, at, bytes);
            assert_eq!(open(&changed, &key).unwrap_err(), JoseError::Decryption, "{} {enc} {at}", key.alg());
        };
        for at in 1..5 {
            let whole = part(&token, at);
            refused(at, &[&whole[..], &[0]].concat());
            refused(at, &[&[0], &whole[..]].concat());
            refused(at, &[0xa5; 300]);
            if !whole.is_empty() {
                refused(at, &[]);
                refused(at, &whole[1..]);
                refused(at, &whole[..whole.len() - 1]);
                refused(at, &vec![0; whole.len()]);
                refused(at, &vec![0xff; whole.len()]);
                for flip in [0, whole.len() / 2, whole.len() - 1] {
                    let mut flipped = whole.clone();
                    flipped[flip] ^= 1;
                    refused(at, &flipped);
                }
            }
        }
    }
}

#[test]
fn a_content_key_of_another_length_fails_like_any_other() {
    for alg in [KeyManagement::A256Kw, KeyManagement::RsaOaep] {
        for enc in ContentEncryption::ALL {
            let key = &private(alg, enc)[0];
            let token = encrypted(key, enc, b"text");
            for other in ContentEncryption::ALL.into_iter().filter(|other| other.key_len() != enc.key_len()) {
                let foreign = part(&encrypted(key, other, b"text"), 1);
                assert_eq!(open(&with_part(&token, 1, &foreign), key).unwrap_err(), JoseError::Decryption);
            }
        }
    }
}

/// Who holds the key can write any padding; the tag is right, and the refusal is still the one there is.
#[test]
fn a_wrong_padding_under_a_right_tag_fails_like_a_wrong_tag() {
    let enc = ContentEncryption::A128CbcHs256;
    let key = [7; 32];
    let (iv, aad) = ([9; 16], b"header");
    let (ciphertext, _) = enc.seal(&key, &iv, aad, &[0; 31]).unwrap();
    let padded = [&[0; 31][..], &[1]].concat();
    let (again, _) = enc.seal(&key, &iv, aad, &padded).unwrap();
    assert_eq!(again[..32], ciphertext);
    let tag = |ciphertext: &[u8]| {
        let mac = aws_lc_rs::hmac::Key::new(aws_lc_rs::hmac::HMAC_SHA256, &key[..16]);
        let bits = (aad.len() as u64 * 8).to_be_bytes();
        let digest = aws_lc_rs::hmac::sign(&mac, &[aad, &iv[..], ciphertext, &bits].concat());
        digest.as_ref()[..16].to_vec()
    };
    for len in [0, 15, 16] {
        let cut = &again[..len];
        let tag = tag(cut);
        assert_eq!(enc.open(&key, &iv, aad, cut, &tag).unwrap_err(), JoseError::Decryption, "{len}");
        assert_eq!(enc.open(&key, &iv, aad, cut, &[0; 16]).unwrap_err(), JoseError::Decryption);
    }
    let tag = tag(&ciphertext);
    assert_eq!(enc.open(&key, &iv, aad, &ciphertext, &tag).unwrap(), [0; 31]);
}

#[test]
fn an_ephemeral_key_on_another_curve_than_ours_is_refused() {
    let enc = ContentEncryption::A128Gcm;
    for alg in [KeyManagement::EcdhEs, KeyManagement::EcdhEsA256Kw] {
        let keys = private(alg, enc);
        for (index, key) in keys.iter().enumerate() {
            for (other, recipient) in keys.iter().enumerate() {
                let outcome = open(&encrypted(recipient, enc, b"text"), key).map(drop);
                assert_eq!(outcome, if index == other { Ok(()) } else { Err(JoseError::Decryption) });
            }
        }
    }
}

#[test]
fn an_agreement_on_a_point_of_small_order_is_refused() {
    let [.., key] = &private(KeyManagement::EcdhEs, ContentEncryption::A128Gcm)[..] else { panic!() };
    let nothing = agreement::Purpose {
        alg: KeyManagement::EcdhEs,
        enc: ContentEncryption::A128Gcm,
        apu: &[],
        apv: &[],
    };
    let guessed = agreement::derive(&[0; 32], &nothing).unwrap();
    for point in SMALL_ORDER {
        let header = serde_json::json!({
            "alg": "ECDH-ES", "enc": "A128GCM",
            "epk": {"kty": "OKP", "crv": "X25519", "x": point},
        });
        let header = base64url::encode(header.to_string().as_bytes());
        let iv = [0; 12];
        let (text, tag) =
            ContentEncryption::A128Gcm.seal(&guessed, &iv, header.as_bytes(), b"forged").unwrap();
        let [iv, text, tag] = [&iv[..], &text, &tag].map(base64url::encode);
        let token = format!("{header}..{iv}.{text}.{tag}");
        assert_eq!(open(&token, key).unwrap_err(), JoseError::Decryption);
        let jwk = serde_json::json!({"kty": "OKP", "crv": "X25519", "x": point});
        let recipient = EncryptingKey::new(&Jwk::from_value(&jwk).unwrap(), KeyManagement::EcdhEs).unwrap();
        let header = recipient.header(ContentEncryption::A128Gcm);
        assert_eq!(encrypt_compact(&recipient, &header, b"text", seed()), Err(JoseError::Encryption));
    }
}

#[test]
fn a_header_is_for_one_key_alone() {
    let enc = ContentEncryption::A128Gcm;
    let keys: Vec<_> = private(KeyManagement::EcdhEs, enc).iter().map(|key| recipient(key, enc)).collect();
    for header_of in &keys {
        for key in &keys {
            let outcome = encrypt_compact(key, &header_of.header(enc), b"text", seed()).map(drop);
            let expected =
                if key.kid() == header_of.kid() { Ok(()) } else { Err(JoseError::AlgorithmMismatch) };
            assert_eq!(outcome, expected);
        }
    }
    let short = EncryptingKey::from_secret(KeyManagement::Direct, &[1; 16]).unwrap();
    let header = short.header(ContentEncryption::A256Gcm);
    assert_eq!(encrypt_compact(&short, &header, b"text", seed()), Err(JoseError::Encryption));
}

#[test]
fn equal_seeds_make_equal_tokens_except_where_the_library_pads_at_random() {
    for (key, enc) in pairs() {
        let recipient = recipient(&key, enc);
        let make = |byte: u8| {
            let seed = EncryptionSeed::new(&[byte; EncryptionSeed::LEN]);
            encrypt_compact(&recipient, &recipient.header(enc), b"text", seed).unwrap()
        };
        assert_eq!(make(7) == make(7), !key.alg().is_rsa(), "{}", key.alg());
        for at in [2, 3, 4] {
            assert_ne!(part(&make(7), at), part(&make(8), at), "{} {at}", key.alg());
        }
    }
}

#[test]
fn an_ephemeral_number_outside_the_curve_gives_way_to_the_next_or_to_an_error() {
    let enc = ContentEncryption::A128Gcm;
    let keys = private(KeyManagement::EcdhEs, enc);
    let p256 = recipient(&keys[0], enc);
    for bad in [0, 0xff] {
        let mut bytes = [bad; EncryptionSeed::LEN];
        let token = encrypt_compact(&p256, &p256.header(enc), b"text", EncryptionSeed::new(&bytes));
        assert_eq!(token, Err(JoseError::Encryption));
        bytes[112] = 1;
        let token = encrypt_compact(&p256, &p256.header(enc), b"text", EncryptionSeed::new(&bytes));
        let opened = token.and_then(|token| open(&token, &keys[0]).map(|opened| opened.plaintext().to_vec()));
        assert_eq!(opened.as_deref(), Ok(b"text".as_slice()));
    }
}

#[test]
fn a_seed_and_a_content_are_never_printed() {
    assert_eq!(format!("{:?}", seed()), "EncryptionSeed([redacted])");
    let key = &private(KeyManagement::Direct, ContentEncryption::A128Gcm)[0];
    let token = encrypted(key, ContentEncryption::A128Gcm, b"for you alone");
    assert!(!format!("{:?}", Encrypted::parse(&token).unwrap()).contains("alone"));
    assert!(!format!("{:?}", open(&token, key).unwrap()).contains("alone"));
}

fn nested(text: &[u8], cty: Option<&str>) -> Decrypted {
    let enc = ContentEncryption::A256Gcm;
    let key = &private(KeyManagement::EcdhEs, enc)[0];
    let recipient = recipient(key, enc);
    let header = recipient.header(enc);
    let header = cty.map_or(header.clone(), |cty| header.clone().with_cty(cty));
    let token = encrypt_compact(&recipient, &header, text, seed()).unwrap();
    open(&token, key).unwrap()
}

#[test]
fn a_signed_token_inside_is_taken_out_and_verified() {
    let signing = SigningKey::generate(Algorithm::Es256).unwrap();
    let signed = sign_compact(&signing, "JWT", br#"{"sub":"alice"}"#).unwrap();
    for cty in ["JWT", "jwt", "application/jwt"] {
        let opened = nested(signed.as_bytes(), Some(cty));
        let public = VerifyingKey::new(&signing.public()).unwrap();
        let accepted = Verification::new(&["JWT"], &[Algorithm::Es256]);
        let verified = opened.nested().unwrap().verify(&public, &accepted).unwrap();
        assert_eq!(verified.claims().required_string("sub"), Ok("alice"));
    }
}

#[test]
fn content_that_is_no_signed_token_is_not_taken_for_one() {
    let signing = SigningKey::generate(Algorithm::Es256).unwrap();
    let signed = sign_compact(&signing, "JWT", br#"{"sub":"alice"}"#).unwrap();
    for cty in [None, Some("JWE"), Some("at+jwt"), Some("")] {
        let refused = nested(signed.as_bytes(), cty).nested().map(drop);
        assert_eq!(refused, Err(JoseError::HeaderInvalid("cty")), "{cty:?}");
    }
    let unsigned = format!("{}.e30.", base64url::encode(br#"{"alg":"none"}"#));
    let key = &private(KeyManagement::A128Kw, ContentEncryption::A128Gcm)[0];
    let twice = encrypted(key, ContentEncryption::A128Gcm, signed.as_bytes());
    for (text, refused) in [
        (br#"{"sub":"alice"}"#.as_slice(), JoseError::NotCompact),
        (b"", JoseError::NotCompact),
        (b"\xff.\xff.\xff", JoseError::NotCompact),
        (unsigned.as_bytes(), JoseError::UnsupportedAlgorithm),
        (twice.as_bytes(), JoseError::NotCompact),
    ] {
        assert_eq!(nested(text, Some("JWT")).nested().map(drop), Err(refused));
    }
}

#[test]
fn claims_repeated_in_the_header_are_those_inside() {
    let enc = ContentEncryption::A256Gcm;
    let key = &private(KeyManagement::EcdhEs, enc)[0];
    let recipient = recipient(key, enc);
    let header = recipient.header(enc).with_typ("JWT").with_iss("https://as").with_aud("client");
    let token = encrypt_compact(&recipient, &header, b"", seed()).unwrap();
    let opened = open(&token, key).unwrap();
    assert_eq!(opened.header().typ(), Some("JWT"));
    for (claims, outcome) in [
        (r#"{"iss":"https://as","aud":"client","sub":"alice"}"#, Ok(())),
        (r#"{"iss":"https://evil","aud":"client"}"#, Err(JoseError::ClaimInvalid("iss"))),
        (r#"{"aud":"client"}"#, Err(JoseError::ClaimInvalid("iss"))),
        (r#"{"iss":"https://as","aud":["client"]}"#, Err(JoseError::ClaimInvalid("aud"))),
    ] {
        let claims = Claims::parse(claims.as_bytes()).unwrap();
        assert_eq!(opened.check_repeated(&claims), outcome);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn a_token_with_any_byte_changed_fails(
        which in any::<prop::sample::Index>(),
        at in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let (key, token) = which.get(&TOKENS);
        let mut bytes = token.clone().into_bytes();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert!(open(&changed, key).is_err());
        }
    }

    #[test]
    fn random_parts_under_a_good_header_fail_with_one_error(
        which in any::<prop::sample::Index>(),
        parts in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..80), 4),
    ) {
        let (key, token) = which.get(&TOKENS);
        let header = token.split('.').next().unwrap();
        let parts: Vec<_> = parts.iter().map(|part| base64url::encode(part)).collect();
        let refused = open(&format!("{header}.{}", parts.join(".")), key).map(drop);
        prop_assert_eq!(refused, Err(JoseError::Decryption));
    }
}
