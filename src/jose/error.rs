//! Why a key, a token or a claim was refused.
//!
//! An error names the rule, never the value: no token text, no key material, no claim content.

use super::json::JsonError;

/// A refusal by this module; stable variants, no secret or token text inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum JoseError {
    /// The JSON is not acceptable (RFC 8725 §2.6, RFC 7515 §4).
    #[error("JSON: {0}")]
    Json(#[from] JsonError),
    /// Not unpadded, canonical base64url (RFC 7515 §2).
    #[error("not canonical unpadded base64url")]
    Base64,
    /// The token is longer than the reader allows.
    #[error("the token is too long")]
    TokenTooLong,
    /// Not the three parts of a signed token (RFC 7515 §7.1), or the five of an encrypted one (RFC 7516 §7.1).
    #[error("not a token of this kind in compact form")]
    NotCompact,
    /// The decoded header is longer than [`MAX_HEADER_BYTES`](super::MAX_HEADER_BYTES).
    #[error("the header is too long")]
    HeaderTooLong,
    /// The header holds a parameter that is never accepted (RFC 7515 §4.1, RFC 7797, RFC 7516 §4.1).
    #[error("the header parameter `{0}` is refused")]
    HeaderRefused(&'static str),
    /// A header parameter is missing or of the wrong type.
    #[error("the header parameter `{0}` is missing or of the wrong type")]
    HeaderInvalid(&'static str),
    /// The JSON is not an object where one is required.
    #[error("not a JSON object")]
    NotAnObject,
    /// The algorithm is not one this module knows; `none`, HMAC, `RSA1_5` and PBES2 are not.
    #[error("unsupported algorithm")]
    UnsupportedAlgorithm,
    /// The reader of the token does not accept this algorithm (RFC 8725 §3.1).
    #[error("the algorithm is not accepted here")]
    AlgorithmNotAccepted,
    /// The header's algorithm is not the key's (RFC 8725 §3.1).
    #[error("the algorithm is not that of the key")]
    AlgorithmMismatch,
    /// The verifier does not accept this `typ` (RFC 8725 §3.11).
    #[error("the `typ` is not accepted here")]
    TypeNotAccepted,
    /// No key of the set has this `kid`, or none fits the algorithm.
    #[error("unknown key")]
    UnknownKey,
    /// The header names no `kid` and several keys fit (OpenID Connect Core §10.1).
    #[error("several keys fit and the token names none")]
    AmbiguousKey,
    /// The signature is not valid.
    #[error("invalid signature")]
    BadSignature,
    /// The key or key set is longer than the reader allows.
    #[error("the key document is too long")]
    KeyTooLong,
    /// A public key carries a private or symmetric member (RFC 7518 §6).
    #[error("a public key must not carry private members")]
    PrivateMember,
    /// The key type or curve is not one this module knows.
    #[error("unsupported key type or curve")]
    UnsupportedKey,
    /// A member of the key is missing, of the wrong type or out of its range.
    #[error("the key member `{0}` is missing or invalid")]
    KeyInvalid(&'static str),
    /// The RSA modulus or exponent, or the Edwards point, is outside what is safe.
    #[error("the key is too weak or too large")]
    KeyStrength,
    /// The point is not on its curve (RFC 8725 §3.4).
    #[error("the point is not on its curve")]
    NotOnCurve,
    /// More keys than [`JwkSet::MAX_KEYS`](super::JwkSet::MAX_KEYS).
    #[error("too many keys in the set")]
    TooManyKeys,
    /// Two keys of the same type share a `kid` (RFC 7517 §4.5).
    #[error("two keys of the same type share a `kid`")]
    DuplicateKid,
    /// The private key could not be read, or is not of the stated algorithm.
    #[error("the private key was rejected")]
    PrivateKeyRejected,
    /// The crypto library could not generate or export the key.
    #[error("key generation failed")]
    KeyGeneration,
    /// The crypto library could not sign.
    #[error("signing failed")]
    Signing,
    /// The crypto library could not encrypt, or the key does not have the length that the content encryption needs.
    #[error("encryption failed")]
    Encryption,
    /// The token was not encrypted to this key or has been changed; never says which (RFC 7516 §11.5).
    #[error("the token does not decrypt: another key, or it was changed")]
    Decryption,
    /// The crypto library could not seal.
    #[error("sealing failed")]
    Sealing,
    /// A sealed value was made under another secret, for another place, or has been changed or cut.
    #[error("the sealed value does not open: another secret, another place, or it was changed")]
    SealBroken,
    /// A required claim is absent.
    #[error("the claim `{0}` is missing")]
    ClaimMissing(&'static str),
    /// A claim has the wrong type or is out of range; never read as absent.
    #[error("the claim `{0}` has the wrong type or is out of range")]
    ClaimInvalid(&'static str),
    /// The time is at or past `exp` (RFC 7519 §4.1.4).
    #[error("expired")]
    Expired,
    /// The time is before `nbf` (RFC 7519 §4.1.5).
    #[error("not yet valid")]
    NotYetValid,
    /// `iat` lies in the future (RFC 7519 §4.1.6).
    #[error("issued in the future")]
    IssuedInTheFuture,
}
