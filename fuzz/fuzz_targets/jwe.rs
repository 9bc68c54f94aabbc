//! No text makes taking an encrypted token apart panic, and no key opens what was not encrypted to it.
#![no_main]

use std::sync::LazyLock;

use grantor::jose::{ContentEncryption, DecryptingKey, Encrypted, KeyManagement};
use libfuzzer_sys::fuzz_target;

static KEYS: LazyLock<Vec<DecryptingKey>> = LazyLock::new(|| {
    let key = |alg: &KeyManagement| match alg.shared_key_len(ContentEncryption::A256Gcm) {
        None => DecryptingKey::generate(*alg),
        Some(len) => {
            let drawn = DecryptingKey::generate(KeyManagement::EcdhEs).and_then(|key| key.to_pkcs8_der())?;
            DecryptingKey::from_secret(*alg, &drawn[drawn.len() - len..])
        }
    };
    KeyManagement::ALL.iter().map(|alg| key(alg).expect("a key")).collect()
});

fuzz_target!(|input: &str| {
    let Ok(token) = Encrypted::parse(input) else { return };
    for key in &*KEYS {
        assert!(token.decrypt(key, &ContentEncryption::ALL).is_err());
    }
});
