//! Tests of encrypted tokens: keys made once, the vectors of the RFCs, and one file per subject.

#![cfg(feature = "aws-lc-rs")]

mod header;
mod keys;
mod token;
mod vectors;

use std::sync::LazyLock;

use aws_lc_rs::agreement::PrivateKey;
use aws_lc_rs::encoding::{AsDer as _, Pkcs8V1Der};

use super::*;
use crate::jose::algorithm::Curve;
use crate::jose::{
    Algorithm, Claims, JoseError, Jwk, SigningKey, Unverified, Verification, VerifyingKey, base64url, json,
    sign_compact,
};

/// The private keys in PKCS#8: one of RSA, and one on each curve.
static RSA: LazyLock<Vec<u8>> = LazyLock::new(|| {
    DecryptingKey::generate(KeyManagement::RsaOaep).unwrap().to_pkcs8_der().unwrap().to_vec()
});

static CURVES: LazyLock<Vec<(Curve, Vec<u8>)>> =
    LazyLock::new(|| agreement::CURVES.map(|curve| (curve, on_curve(curve))).to_vec());

fn on_curve(curve: Curve) -> Vec<u8> {
    if curve == Curve::X25519 {
        let seed: [u8; 32] = std::array::from_fn(|_| rand_byte());
        return [&[0x30, 0x2e, 2, 1, 0, 0x30, 5, 6, 3, 0x2b, 0x65, 0x6e, 4, 0x22, 4, 0x20], &seed[..]]
            .concat();
    }
    let key = PrivateKey::generate(agreement::on(curve).unwrap()).unwrap();
    let der: Pkcs8V1Der<'_> = key.as_der().unwrap();
    der.as_ref().to_vec()
}

fn rand_byte() -> u8 {
    let mut byte = [0];
    aws_lc_rs::rand::fill(&mut byte).unwrap();
    byte[0]
}

/// A seed that no other call gives.
fn seed() -> EncryptionSeed {
    let mut bytes = [0; EncryptionSeed::LEN];
    aws_lc_rs::rand::fill(&mut bytes).unwrap();
    EncryptionSeed::new(&bytes)
}

/// Every private key for `alg`, or the shared one for `alg` and `enc`.
fn private(alg: KeyManagement, enc: ContentEncryption) -> Vec<DecryptingKey> {
    if alg.is_rsa() {
        vec![DecryptingKey::from_pkcs8_der(alg, &RSA).unwrap()]
    } else if alg.is_agreement() {
        CURVES.iter().map(|(_, der)| DecryptingKey::from_pkcs8_der(alg, der).unwrap()).collect()
    } else {
        vec![DecryptingKey::from_secret(alg, shared(alg, enc)).unwrap()]
    }
}

fn shared(alg: KeyManagement, enc: ContentEncryption) -> &'static [u8] {
    const SECRET: [u8; 64] = [0x5a; 64];
    &SECRET[..alg.wrapping_key_len().unwrap_or(enc.key_len())]
}

/// The other side of [`private`].
fn recipient(key: &DecryptingKey, enc: ContentEncryption) -> EncryptingKey {
    match key.public() {
        Some(public) => EncryptingKey::new(public, key.alg()).unwrap(),
        None => EncryptingKey::from_secret(key.alg(), shared(key.alg(), enc)).unwrap(),
    }
}

/// Every algorithm on every curve with every content encryption.
fn pairs() -> impl Iterator<Item = (DecryptingKey, ContentEncryption)> {
    let every = KeyManagement::ALL.into_iter().flat_map(|alg| ContentEncryption::ALL.map(|enc| (alg, enc)));
    every.flat_map(|(alg, enc)| private(alg, enc).into_iter().map(move |key| (key, enc)))
}

fn encrypted(key: &DecryptingKey, enc: ContentEncryption, text: &[u8]) -> String {
    let recipient = recipient(key, enc);
    encrypt_compact(&recipient, &recipient.header(enc), text, seed()).unwrap()
}

fn open(token: &str, key: &DecryptingKey) -> Result<Decrypted, JoseError> {
    Encrypted::parse(token)?.decrypt(key, &ContentEncryption::ALL)
}

/// `token` with one of its parts replaced.
fn with_part(token: &str, at: usize, part: &[u8]) -> String {
    let part = base64url::encode(part);
    let mut parts: Vec<_> = token.split('.').collect();
    parts[at] = &part;
    parts.join(".")
}

fn part(token: &str, at: usize) -> Vec<u8> {
    base64url::decode(token.split('.').nth(at).unwrap()).unwrap()
}
