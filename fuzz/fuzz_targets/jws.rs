//! No text makes the reading of a compact JWS, of keys or of strict JSON panic, and no key verifies what it did not sign.
#![no_main]

use std::sync::LazyLock;

use grantor::jose::{Algorithm, Jwk, JwkSet, SigningKey, Unverified, Verification, VerifyingKey, json};
use libfuzzer_sys::fuzz_target;

static KEY: LazyLock<VerifyingKey> = LazyLock::new(|| {
    let key = SigningKey::generate(Algorithm::Es256).expect("a key");
    VerifyingKey::new(&key.public()).expect("its public part")
});

fuzz_target!(|input: &[u8]| {
    let _ = json::parse(input);
    let _ = Jwk::parse(input);
    let _ = JwkSet::parse(input);
    let Ok(text) = std::str::from_utf8(input) else { return };
    if let Ok(token) = Unverified::parse(text) {
        assert!(token.verify(&*KEY, &Verification::new(&["at+jwt"], &Algorithm::ALL)).is_err());
    }
});
