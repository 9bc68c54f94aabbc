//! Reading a bearer token out of a request (RFC 6750 §2.1).
//!
//! Only the `Authorization` header is looked at. A token in a form body or in the query (RFC 6750 §2.2, §2.3) is never
//! read: URLs end up in logs, and OAuth 2.1 §5.1 leaves the query out.

use crate::protocol::Reason;
use crate::protocol::id::is_b64token;

/// The longest token that is read, in bytes.
pub const MAX_TOKEN_BYTES: usize = 16 * 1024;

/// Why there is no token to check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BearerFault {
    /// No credentials, or those of another scheme.
    #[error("no bearer token")]
    Missing,
    /// What follows `Bearer` is no token, or it is too long.
    #[error("the Authorization header is malformed")]
    Malformed,
    /// Several `Authorization` headers.
    #[error("more than one Authorization header")]
    Twice,
}

impl From<BearerFault> for Reason {
    fn from(fault: BearerFault) -> Self {
        match fault {
            BearerFault::Missing => Self::BearerMissing,
            BearerFault::Malformed => Self::BearerMalformed,
            BearerFault::Twice => Self::BearerTwice,
        }
    }
}

/// The token in the values of all `Authorization` headers of a request.
///
/// The scheme is compared without regard to case (RFC 9110 §11.1); one or more spaces and exactly one `b64token`
/// follow it.
///
/// # Errors
/// [`BearerFault`].
pub fn read<'h>(authorization: impl IntoIterator<Item = &'h [u8]>) -> Result<&'h str, BearerFault> {
    let mut values = authorization.into_iter();
    let value = values.next().ok_or(BearerFault::Missing)?;
    if values.next().is_some() {
        return Err(BearerFault::Twice);
    }
    let value = std::str::from_utf8(value).map_err(|_| BearerFault::Malformed)?;
    let (scheme, rest) = value.split_once(' ').unwrap_or((value, ""));
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return Err(BearerFault::Missing);
    }
    let token = rest.trim_start_matches(' ');
    if token.len() <= MAX_TOKEN_BYTES && is_b64token(token) { Ok(token) } else { Err(BearerFault::Malformed) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn one(value: &str) -> Result<&str, BearerFault> {
        read([value.as_bytes()])
    }

    #[test]
    fn the_scheme_is_compared_without_case_and_the_token_is_taken_as_it_is() {
        for value in ["Bearer aZ0-._~+/==", "bearer aZ0-._~+/==", "BEARER   aZ0-._~+/=="] {
            assert_eq!(one(value), Ok("aZ0-._~+/=="));
        }
    }

    #[test]
    fn a_request_without_a_bearer_token_is_told_from_one_with_a_bad_one() {
        assert_eq!(read([]), Err(BearerFault::Missing));
        for value in ["", " ", "Basic YTpi", "DPoP abc", "Bearerabc", "Bearer,abc", " Bearer abc"] {
            assert_eq!(one(value), Err(BearerFault::Missing), "{value:?}");
        }
        let bad = ["Bearer", "Bearer ", "Bearer a b", "Bearer a,b", "Bearer \"a\"", "Bearer =", "Bearer a=b"];
        for value in
            bad.into_iter().chain(["Bearer a ", "Bearer a\n", "Bearer\u{a0}a", "Bearer \ta", "Bearer ä"])
        {
            let fault = one(value).unwrap_err();
            assert!(fault == BearerFault::Malformed || value.starts_with("Bearer\u{a0}"), "{value:?}");
        }
        assert_eq!(read([b"Bearer \xff".as_slice()]), Err(BearerFault::Malformed));
    }

    #[test]
    fn two_headers_are_refused_whatever_they_hold() {
        assert_eq!(read([b"Bearer a".as_slice(), b"Bearer a"]), Err(BearerFault::Twice));
        assert_eq!(read([b"Bearer a".as_slice(), b"Basic a"]), Err(BearerFault::Twice));
        assert_eq!(read([b"".as_slice(), b""]), Err(BearerFault::Twice));
    }

    #[test]
    fn a_token_of_16_kib_is_read_and_no_longer_one() {
        let longest = format!("Bearer {}", "a".repeat(MAX_TOKEN_BYTES));
        assert!(one(&longest).is_ok());
        assert_eq!(one(&format!("{longest}a")), Err(BearerFault::Malformed));
    }

    proptest! {
        #[test]
        fn whatever_is_read_is_a_b64token(bytes in proptest::collection::vec(any::<u8>(), 0..60), lead: bool) {
            let value = if lead { [b"Bearer ".as_slice(), &bytes].concat() } else { bytes };
            if let Ok(token) = read([value.as_slice()]) {
                prop_assert!(token.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)));
            }
        }
    }
}
