//! Tests of the whole folder: keys made once, the vectors of the RFCs, and one file per subject.

#![cfg(feature = "aws-lc-rs")]

mod claims;
mod jwk;
mod jws;
mod key;
mod mac;
mod vectors;
mod verify;

use std::sync::LazyLock;

use super::*;

/// One key per algorithm, in the order of [`Algorithm::ALL`]; the RSA algorithms share one key.
static KEYS: LazyLock<Vec<SigningKey>> = LazyLock::new(|| {
    let rsa = SigningKey::generate(Algorithm::Rs256).unwrap().to_pkcs8_der().unwrap();
    let make = |alg: Algorithm| match alg.key_type() {
        KeyType::Rsa => SigningKey::from_pkcs8_der(alg, &rsa),
        _ => SigningKey::generate(alg),
    };
    Algorithm::ALL.into_iter().map(|alg| make(alg).unwrap()).collect()
});

fn key(alg: Algorithm) -> &'static SigningKey {
    KEYS.iter().find(|key| key.alg() == alg).unwrap()
}

fn verifying(alg: Algorithm) -> VerifyingKey {
    VerifyingKey::new(&key(alg).public()).unwrap()
}

/// A token with this header and payload, rightly signed by the ES256 key whatever they say.
fn signed_raw(header: &str, payload: &str) -> String {
    let input = format!("{}.{}", base64url::encode(header.as_bytes()), base64url::encode(payload.as_bytes()));
    let signature = key(Algorithm::Es256).sign(input.as_bytes()).unwrap();
    attach(input, &signature)
}

/// The claims of a token that our ES256 key signs.
fn claims(payload: &str) -> Result<Claims, JoseError> {
    let token = signed_raw(r#"{"alg":"ES256","typ":"JWT"}"#, payload);
    let accepted = Verification::new(&["JWT"], &[Algorithm::Es256]);
    Ok(Unverified::parse(&token)?.verify(&verifying(Algorithm::Es256), &accepted)?.into_inner())
}
