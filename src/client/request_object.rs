//! Request objects (RFC 9101, OpenID Connect Core §6): the metadata about them, and whether one is the client's.
//!
//! ```text
//! text ─► decrypted ─► how it is protected ─► registered for that? ─► signature, HMAC, or nothing ─► iss, aud, sub, exp, nbf, iat ─► claims
//! ```

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::encryption;
use super::metadata::{MAX_REDIRECT_URIS, MetadataError};
use super::web_url::web_url;
use crate::jose::{ContentEncryption, Encrypted, JoseError, KeyManagement, MacAlgorithm};
use crate::protocol::{OAuthError, Reason};
use crate::record::assertion::{AssertionAlgorithm, ClientKeys, KeySource};
use crate::record::request_object::{RequestObjectAlgorithm, RequestObjectRegistration};
use crate::record::{Client, Context, Facts, Halt};

/// The longest `request_uri`, in characters (OpenID Connect Core §6.2).
pub const MAX_URI_BYTES: usize = 512;

/// The longest request object, in bytes.
pub const MAX_BYTES: usize = 32 * 1024;

/// The part of the metadata of a client that is about request objects, by its registered names.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RequestObjectMetadata {
    /// `request_object_signing_alg` (OpenID Connect Dynamic Client Registration §2).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_signing_alg: Option<RequestObjectAlgorithm>,
    /// `request_object_encryption_alg`: how the client may encrypt its request objects; it need not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_alg: Option<KeyManagement>,
    /// `request_object_encryption_enc`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub request_object_encryption_enc: Option<ContentEncryption>,
    /// `require_signed_request_object` (RFC 9101 §10.5).
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub require_signed_request_object: bool,
    /// `request_uris` (OpenID Connect Dynamic Client Registration §2).
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub request_uris: Vec<String>,
}

impl RequestObjectMetadata {
    /// What these metadata register for a client with these keys.
    ///
    /// # Errors
    /// [`MetadataError::Contradiction`] when there is nothing to check the algorithm with, a signature is required and
    /// there is to be none, or a URI is too long or neither `https` nor on this machine.
    pub(super) fn register(&self, keys: &ClientKeys) -> Result<RequestObjectRegistration, MetadataError> {
        let contradiction = |rule| Err(MetadataError::Contradiction(rule));
        let signs = |alg| match &keys.source {
            KeySource::None => false,
            KeySource::Given(keys) => keys.set().keys().iter().any(|key| key.can_verify(alg)),
            KeySource::At(_) => true,
        };
        match self.request_object_signing_alg {
            Some(RequestObjectAlgorithm::Unsecured) if self.require_signed_request_object => {
                return contradiction("require_signed_request_object and request_object_signing_alg none");
            }
            Some(RequestObjectAlgorithm::Protected(AssertionAlgorithm::Signature(alg))) if !signs(alg) => {
                return contradiction("request_object_signing_alg needs a key of jwks, or jwks_uri");
            }
            _ => {}
        }
        if self.request_object_encryption_enc.is_some() && self.request_object_encryption_alg.is_none() {
            return contradiction("request_object_encryption_enc needs its request_object_encryption_alg");
        }
        if self.request_object_encryption_alg.is_some_and(|alg| !encryption::KEY_MANAGEMENT.contains(&alg)) {
            return contradiction("request_object_encryption_alg is not one that the server decrypts");
        }
        let proper = |uri: &String| uri.len() <= MAX_URI_BYTES && web_url(uri).is_some();
        if self.request_uris.len() > MAX_REDIRECT_URIS || !self.request_uris.iter().all(proper) {
            return contradiction("request_uris must be at most 128 https URLs of at most 512 characters");
        }
        Ok(RequestObjectRegistration {
            alg: self.request_object_signing_alg,
            required: self.require_signed_request_object,
            uris: self.request_uris.iter().map(|uri| uri.as_str().into()).collect(),
        })
    }

    /// The HMAC that protects the client's request objects, if one does.
    pub(super) fn mac(&self) -> Option<MacAlgorithm> {
        match self.request_object_signing_alg {
            Some(RequestObjectAlgorithm::Protected(alg)) => alg.mac(),
            _ => None,
        }
    }
}

/// The object itself, out of what was encrypted to the server, if it was (RFC 9101 §6.1). What was encrypted may have been
/// written by anyone: it has to be [verified](verify) all the same. Whether its key is the server's own or shared with the
/// client, the header says.
///
/// # Errors
/// [`Halt::Need`] while it is not decrypted; [`Reason::RequestObjectUnproven`] when it cannot be.
pub fn open<'f>(
    object: &'f str,
    client: &Client,
    facts: &'f Facts,
    cx: &Context<'_>,
) -> Result<Cow<'f, str>, Halt> {
    if object.bytes().filter(|byte| *byte == b'.').count() != 4 {
        return Ok(Cow::Borrowed(object));
    }
    let closed = |why: String| OAuthError::new(Reason::RequestObjectUnproven).detail(why);
    let encrypted = Encrypted::parse(object).map_err(|error| closed(error.to_string()))?;
    if !cx.settings.decryption_algorithms.contains(&encrypted.header().alg()) {
        return Err(closed(JoseError::AlgorithmNotAccepted.to_string()).into());
    }
    if encrypted.header().alg().is_shared() {
        let opened = decrypt(&encrypted, client, cx).map_err(|error| closed(error.to_string()))?;
        return Ok(Cow::Owned(opened));
    }
    let opened = facts.decrypted(object)?.ok_or_else(|| closed(JoseError::Decryption.to_string()))?;
    Ok(Cow::Borrowed(opened))
}

#[cfg(feature = "aws-lc-rs")]
use encryption::decrypt;

/// Without a crypto backend nothing is decrypted.
#[cfg(not(feature = "aws-lc-rs"))]
const fn decrypt(_: &Encrypted<'_>, _: &Client, _: &Context<'_>) -> Result<String, JoseError> {
    Err(JoseError::Decryption)
}

#[cfg(feature = "aws-lc-rs")]
pub use verify::verify;

#[cfg(feature = "aws-lc-rs")]
mod verify {
    use super::MAX_BYTES;
    use super::encryption::sealed_secrets;
    use crate::jose::{
        Claims, JoseError, KeyAlgorithm, Leeway, Unverified, UnverifiedMac, Verification, unsecured_claims,
    };
    use crate::protocol::{OAuthError, Reason};
    use crate::record::assertion::AssertionAlgorithm;
    use crate::record::request_object::RequestObjectAlgorithm;
    use crate::record::{Client, Context, Facts, Halt};

    /// The types a request object may have: its own, and the one that every JWT may have. One without a type is older than
    /// types and is accepted (RFC 9101 §10.8); every other type is that of a token made for something else.
    const TYPES: &[&str] = &["oauth-authz-req+jwt", "JWT"];

    /// The claims of a request object, if the client made it for this server and it may be used now. An unsecured one is
    /// the client's as far as the request is.
    ///
    /// # Errors
    /// [`Halt::Need`] while the keys of the client are unknown; [`Reason::RequestObjectUnproven`] and
    /// [`Reason::RequestObjectClaims`].
    pub fn verify(object: &str, client: &Client, facts: &Facts, cx: &Context<'_>) -> Result<Claims, Halt> {
        let other_kind = |error: &JoseError| *error == JoseError::UnsupportedAlgorithm;
        match Unverified::parse_within(object, MAX_BYTES) {
            Ok(token) => judge(signed(&token, client, facts, cx)?, client, cx),
            Err(error) if !other_kind(&error) => Err(unproven(error).into()),
            Err(_) => match UnverifiedMac::parse_within(object, MAX_BYTES) {
                Ok(token) => judge(authenticated(&token, client, cx)?, client, cx),
                Err(error) if !other_kind(&error) => Err(unproven(error).into()),
                Err(_) => unsecured(object, client, cx),
            },
        }
    }

    fn unproven(error: JoseError) -> OAuthError {
        OAuthError::new(Reason::RequestObjectUnproven).detail(error.to_string())
    }

    /// Whether the client protects its request objects in this way.
    fn check_algorithm(
        own: RequestObjectAlgorithm,
        client: &Client,
        cx: &Context<'_>,
    ) -> Result<(), OAuthError> {
        let taken = match own {
            RequestObjectAlgorithm::Unsecured => {
                cx.settings.takes_unsecured_requests() && !client.request_objects.required
            }
            RequestObjectAlgorithm::Protected(AssertionAlgorithm::Signature(alg)) => {
                cx.settings.assertions.signatures.contains(&alg)
            }
            RequestObjectAlgorithm::Protected(AssertionAlgorithm::Mac(alg)) => {
                cx.settings.assertions.macs.contains(&alg)
            }
        };
        match taken && client.request_objects.alg.is_none_or(|registered| registered == own) {
            true => Ok(()),
            false => Err(unproven(JoseError::AlgorithmNotAccepted)),
        }
    }

    /// The claims, if a registered key of the client has signed them.
    fn signed(
        token: &Unverified<'_>,
        client: &Client,
        facts: &Facts,
        cx: &Context<'_>,
    ) -> Result<Claims, Halt> {
        let alg = token.header().alg();
        check_algorithm(RequestObjectAlgorithm::Protected(AssertionAlgorithm::Signature(alg)), client, cx)?;
        let missing = |why: &str| OAuthError::new(Reason::RequestObjectUnproven).detail(why);
        let keys = client.keys.source.for_use(KeyAlgorithm::Signature(alg), token.header().kid(), facts)?;
        let keys = keys.map_err(missing)?.verifying();
        let verified =
            token.verify(keys, &Verification::new(TYPES, &[alg]).or_untyped()).map_err(unproven)?;
        Ok(verified.into_inner())
    }

    /// The claims, if they are authenticated with a secret of the client that has not expired.
    fn authenticated(
        token: &UnverifiedMac<'_>,
        client: &Client,
        cx: &Context<'_>,
    ) -> Result<Claims, OAuthError> {
        let alg = token.alg();
        check_algorithm(RequestObjectAlgorithm::Protected(AssertionAlgorithm::Mac(alg)), client, cx)?;
        let algorithms = [alg];
        let accepted = Verification::new(TYPES, &algorithms).or_untyped();
        let claims = sealed_secrets(client, cx).into_iter().find_map(|secret| {
            let secret = secret.open(&client.id, &cx.settings.sealer)?;
            token.verify(&secret, &accepted).ok()
        });
        claims.ok_or_else(|| unproven(JoseError::BadSignature))
    }

    fn unsecured(object: &str, client: &Client, cx: &Context<'_>) -> Result<Claims, Halt> {
        check_algorithm(RequestObjectAlgorithm::Unsecured, client, cx)?;
        let claims = unsecured_claims(object, MAX_BYTES, TYPES).map_err(unproven)?;
        check_names(&claims, client, cx).map_err(|error| claims_fault(error.to_string()))?;
        check_times(&claims, cx)?;
        Ok(claims)
    }

    fn claims_fault(detail: impl Into<Box<str>>) -> OAuthError {
        OAuthError::new(Reason::RequestObjectClaims).detail(detail)
    }

    /// Judges claims that the client vouches for (RFC 9101 §4, §6.3): who made them and for whom must be said.
    fn judge(claims: Claims, client: &Client, cx: &Context<'_>) -> Result<Claims, Halt> {
        for name in ["iss", "aud"] {
            if claims.get(name).is_none() {
                return Err(claims_fault(JoseError::ClaimMissing(name).to_string()).into());
            }
        }
        check_names(&claims, client, cx).map_err(|error| claims_fault(error.to_string()))?;
        check_times(&claims, cx)?;
        Ok(claims)
    }

    /// What is named is right: the client made it, for this server, and it is no assertion of the client, which names the
    /// client as its subject (RFC 9101 §10.8).
    fn check_names(claims: &Claims, client: &Client, cx: &Context<'_>) -> Result<(), JoseError> {
        if claims.string("iss")?.is_some_and(|iss| iss != client.id.as_str()) {
            return Err(JoseError::ClaimInvalid("iss"));
        }
        if claims.audience()?.is_some_and(|aud| !aud.contains(cx.settings.issuer.as_str())) {
            return Err(JoseError::ClaimInvalid("aud"));
        }
        match claims.string("sub")? {
            Some(sub) if sub == client.id.as_str() => Err(JoseError::ClaimInvalid("sub")),
            _ => Ok(()),
        }
    }

    fn check_times(claims: &Claims, cx: &Context<'_>) -> Result<(), OAuthError> {
        let checked = claims.check_times_present(cx.now.0, Leeway::OTHERS);
        checked.map(|_| ()).map_err(|error| claims_fault(error.to_string()))
    }
}

/// Without a crypto backend no profile takes request objects.
///
/// # Errors
/// Always.
#[cfg(not(feature = "aws-lc-rs"))]
pub fn verify(
    _: &str,
    _: &crate::record::Client,
    _: &crate::record::Facts,
    _: &crate::record::Context<'_>,
) -> Result<crate::jose::Claims, crate::record::Halt> {
    Err(crate::protocol::Reason::RequestObjectUnproven.into())
}
