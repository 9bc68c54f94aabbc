//! A key agreed on by Diffie-Hellman, ephemeral on the sender's side (RFC 7518 §4.6, RFC 8037 §3.2).
//!
//! Decides whether two keys are on the same curve, and derives. A point that is not on its curve never gets here, and
//! an agreement on nothing (a point of small order) is refused by the crypto library.

use aws_lc_rs::agreement::{self, PrivateKey, UnparsedPublicKey};
use aws_lc_rs::kdf::{SskdfDigestAlgorithmId, get_sskdf_digest_algorithm, sskdf_digest};
use zeroize::Zeroizing;

use super::{ContentEncryption, KeyManagement};
use crate::jose::algorithm::Curve;
use crate::jose::jwk::Material;
use crate::jose::key;

/// The curves on which keys are agreed on.
pub(super) const CURVES: [Curve; 4] = [Curve::P256, Curve::P384, Curve::P521, Curve::X25519];

pub(super) const fn on(curve: Curve) -> Option<&'static agreement::Algorithm> {
    match curve {
        Curve::P256 => Some(&agreement::ECDH_P256),
        Curve::P384 => Some(&agreement::ECDH_P384),
        Curve::P521 => Some(&agreement::ECDH_P521),
        Curve::X25519 => Some(&agreement::X25519),
        Curve::Ed25519 => None,
    }
}

/// The public half of a private key.
pub(super) fn public(curve: Curve, private: &PrivateKey) -> Option<Material> {
    let public = private.compute_public_key().ok()?;
    match curve {
        Curve::X25519 => Some(Material::Okp { curve, x: public.as_ref().to_vec() }),
        _ => key::ec_public(curve, public.as_ref()),
    }
}

/// What the derived key is for, and who derives it.
pub(super) struct Purpose<'a> {
    pub(super) alg: KeyManagement,
    pub(super) enc: ContentEncryption,
    pub(super) apu: &'a [u8],
    pub(super) apv: &'a [u8],
}

/// The key that `private` and `peer` agree on: for the content itself, or to wrap its key.
pub(super) fn agree(
    private: &PrivateKey,
    peer: &Material,
    purpose: &Purpose<'_>,
) -> Option<Zeroizing<Vec<u8>>> {
    let (curve, point) = match peer {
        Material::Ec { curve, x, y } => (*curve, key::uncompressed(x, y)),
        Material::Okp { curve, x } => (*curve, x.clone()),
        Material::Rsa { .. } => return None,
    };
    let peer = UnparsedPublicKey::new(on(curve)?, point);
    agreement::agree(private, peer, (), |shared| derive(shared, purpose).ok_or(())).ok()
}

/// The Concat KDF over SHA-256 (RFC 7518 §4.6.2).
pub(super) fn derive(shared: &[u8], purpose: &Purpose<'_>) -> Option<Zeroizing<Vec<u8>>> {
    let (name, len) = match purpose.alg.wrapping_key_len() {
        Some(len) => (purpose.alg.as_str(), len),
        None => (purpose.enc.as_str(), purpose.enc.key_len()),
    };
    let mut info = Vec::new();
    for part in [name.as_bytes(), purpose.apu, purpose.apv] {
        info.extend_from_slice(&u32::try_from(part.len()).ok()?.to_be_bytes());
        info.extend_from_slice(part);
    }
    info.extend_from_slice(&u32::try_from(len.checked_mul(8)?).ok()?.to_be_bytes());
    let mut derived = Zeroizing::new(vec![0; len]);
    let digest = get_sskdf_digest_algorithm(SskdfDigestAlgorithmId::Sha256)?;
    sskdf_digest(digest, shared, &info, &mut derived).ok()?;
    Some(derived)
}
