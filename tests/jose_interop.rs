//! Tokens of this crate against the crate `jsonwebtoken`, in both directions.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

use std::sync::LazyLock;

use grantor::jose::{
    Algorithm, JoseError, JwkSet, KeyType, Leeway, SigningKey, Unverified, Verification, VerifyingKey,
    VerifyingKeySet, sign_compact,
};
use jsonwebtoken as judge;
use serde_json::{Value, json};

const CASES: [(Algorithm, judge::Algorithm); 9] = [
    (Algorithm::Es256, judge::Algorithm::ES256),
    (Algorithm::Es384, judge::Algorithm::ES384),
    (Algorithm::EdDsa, judge::Algorithm::EdDSA),
    (Algorithm::Rs256, judge::Algorithm::RS256),
    (Algorithm::Rs384, judge::Algorithm::RS384),
    (Algorithm::Rs512, judge::Algorithm::RS512),
    (Algorithm::Ps256, judge::Algorithm::PS256),
    (Algorithm::Ps384, judge::Algorithm::PS384),
    (Algorithm::Ps512, judge::Algorithm::PS512),
];

static RSA: LazyLock<Vec<u8>> =
    LazyLock::new(|| SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8_der().unwrap().to_vec());

fn key(alg: Algorithm) -> SigningKey {
    match alg.key_type() {
        KeyType::Rsa => SigningKey::from_pkcs8_der(alg, &RSA).unwrap(),
        _ => SigningKey::generate(alg).unwrap(),
    }
}

fn decoding_key(key: &SigningKey) -> judge::DecodingKey {
    let jwk: judge::jwk::Jwk = serde_json::from_value(serde_json::to_value(key.public()).unwrap()).unwrap();
    judge::DecodingKey::from_jwk(&jwk).unwrap()
}

fn encoding_key(key: &SigningKey) -> judge::EncodingKey {
    let der = key.to_pkcs8_der().unwrap();
    match key.alg().key_type() {
        KeyType::Ec => judge::EncodingKey::from_ec_der(&der),
        KeyType::Okp => judge::EncodingKey::from_ed_der(&der),
        // For RSA the judge wants the PKCS#1 key that PKCS#8 wraps: behind 26 bytes when it has 2048 bits.
        _ => judge::EncodingKey::from_rsa_der(&der[26..]),
    }
}

fn claims() -> Value {
    json!({ "iss": "https://as", "aud": ["api"], "sub": "alice", "iat": 1000, "exp": 4_000_000_000u64 })
}

#[test]
fn the_judge_verifies_what_we_sign() {
    for (alg, theirs) in CASES {
        let key = key(alg);
        let token = sign_compact(&key, "at+jwt", claims().to_string().as_bytes()).unwrap();
        let mut validation = judge::Validation::new(theirs);
        validation.set_audience(&["api"]);
        validation.set_issuer(&["https://as"]);
        let data = judge::decode::<Value>(&token, &decoding_key(&key), &validation).unwrap();
        assert_eq!(data.claims, claims(), "{alg}");
        assert_eq!(data.header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(data.header.kid.as_deref(), Some(key.kid()));
    }
}

#[test]
fn we_verify_what_the_judge_signs() {
    for (alg, theirs) in CASES {
        let key = key(alg);
        let mut header = judge::Header::new(theirs);
        header.kid = Some(key.kid().to_owned());
        let token = judge::encode(&header, &claims(), &encoding_key(&key)).unwrap();
        let set = VerifyingKeySet::new(&JwkSet::new(vec![key.public()]).unwrap());
        let algorithms = [alg];
        let accepted = Verification::new(&["JWT"], &algorithms);
        let verified = Unverified::parse(&token).unwrap().verify(&set, &accepted).unwrap();
        assert_eq!(verified.claims().required_string("sub"), Ok("alice"), "{alg}");
        assert!(verified.claims().check_times(2000, Leeway::NONE).is_ok());
        assert!(verified.claims().required_audience().unwrap().is_only("api"));
    }
}

#[test]
fn an_hmac_over_a_public_key_is_no_token() {
    let key = key(Algorithm::Rs256);
    let public = serde_json::to_vec(&key.public()).unwrap();
    let spaced = [b"\n ", public.as_slice()].concat();
    for secret in [public.as_slice(), &spaced, key.kid().as_bytes(), b""] {
        for hmac in [judge::Algorithm::HS256, judge::Algorithm::HS384, judge::Algorithm::HS512] {
            let secret = judge::EncodingKey::from_secret(secret);
            let token = judge::encode(&judge::Header::new(hmac), &claims(), &secret).unwrap();
            assert_eq!(Unverified::parse(&token).err(), Some(JoseError::UnsupportedAlgorithm));
        }
    }
}

#[test]
fn our_public_keys_read_the_same_by_both() {
    for (alg, _) in CASES {
        let key = key(alg);
        let text = serde_json::to_value(key.public()).unwrap();
        let theirs: judge::jwk::Jwk = serde_json::from_value(text).unwrap();
        let back = serde_json::to_vec(&theirs).unwrap();
        let ours = grantor::jose::Jwk::parse(&back).unwrap();
        assert_eq!(ours.thumbprint(), key.public().thumbprint());
        assert!(VerifyingKey::new(&ours).is_ok());
    }
}
