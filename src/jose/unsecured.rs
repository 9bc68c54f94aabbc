//! Tokens that nobody vouches for (RFC 7519 §6): `alg` is `none`, and there is no signature.
//!
//! They never stand for others: no other type reads them, and this one reads nothing else.

use super::jws::same_type;
use super::{Claims, JoseError, base64url, jws};

/// The claims of an unsecured token of at most `max_bytes`, whose `typ`, if it has one, is one of `typ`.
///
/// Whoever passes the token on may have written it: it says no more than the parameters of a request do.
///
/// # Errors
/// Those of [`Unverified::parse`](super::Unverified::parse); `UnsupportedAlgorithm` for anything but `none`,
/// `BadSignature` if there is a signature, `TypeNotAccepted`.
pub fn unsecured_claims(token: &str, max_bytes: usize, typ: &[&str]) -> Result<Claims, JoseError> {
    let (parts, object) = jws::open(token, max_bytes)?;
    let names = jws::Names::read(&object)?;
    jws::refuse_own_key(&object)?;
    if names.alg != "none" {
        return Err(JoseError::UnsupportedAlgorithm);
    }
    if !parts.signature.is_empty() {
        return Err(JoseError::BadSignature);
    }
    if names.typ.is_some_and(|own| !typ.iter().any(|accepted| same_type(accepted, own))) {
        return Err(JoseError::TypeNotAccepted);
    }
    Claims::parse(&base64url::decode(parts.payload)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(header: &str, payload: &str, signature: &str) -> String {
        format!(
            "{}.{}.{signature}",
            base64url::encode(header.as_bytes()),
            base64url::encode(payload.as_bytes())
        )
    }

    #[test]
    fn only_a_token_that_says_none_and_has_no_signature_is_unsecured() {
        let read =
            |header: &str, signature| unsecured_claims(&token(header, "{}", signature), 1000, &["JWT"]);
        for header in [r#"{"alg":"none"}"#, r#"{"alg":"none","typ":"jwt"}"#, r#"{"alg":"none","kid":"x"}"#] {
            assert!(read(header, "").is_ok(), "{header}");
            assert_eq!(read(header, "AA"), Err(JoseError::BadSignature), "{header}");
        }
        for alg in ["None", "NONE", "", "HS256", "ES256", "RSA-OAEP"] {
            let header = format!(r#"{{"alg":"{alg}"}}"#);
            assert_eq!(read(&header, ""), Err(JoseError::UnsupportedAlgorithm), "{alg}");
        }
        assert_eq!(read(r#"{"alg":"none","typ":"at+jwt"}"#, ""), Err(JoseError::TypeNotAccepted));
        assert_eq!(read(r#"{"alg":"none","enc":"A128GCM"}"#, ""), Err(JoseError::HeaderRefused("enc")));
        assert_eq!(read(r#"{"alg":"none","crit":["x"]}"#, ""), Err(JoseError::HeaderRefused("crit")));
        let long = token(r#"{"alg":"none"}"#, &format!("{{}}{}", " ".repeat(1000)), "");
        assert_eq!(unsecured_claims(&long, 1000, &[]), Err(JoseError::TokenTooLong));
        assert_eq!(
            unsecured_claims(&token(r#"{"alg":"none"}"#, "[]", ""), 1000, &[]),
            Err(JoseError::NotAnObject)
        );
    }
}
