//! What is answered when a request may not pass: a status and a `WWW-Authenticate` header (RFC 6750 §3).
//!
//! Whatever text goes in, the header stays one line of one challenge: every value is a quoted string in which quotes
//! and backslashes are escaped and everything outside printable ASCII is replaced.

use std::fmt::Write as _;

use crate::protocol::{OAuthError, Reason, Scope};

/// A refusal at a protected resource.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a refusal that is not answered lets the request through"]
pub struct Challenge {
    reason: Reason,
    scheme: &'static str,
    parameters: Vec<(&'static str, String)>,
}

impl Challenge {
    /// A challenge for the scheme `Bearer`. [`Reason::BearerMissing`] says no more than that a token is needed
    /// (RFC 6750 §3.1); every other reason names its error.
    pub fn new(reason: Reason) -> Self {
        let error = OAuthError::new(reason);
        let parameters = match reason {
            Reason::BearerMissing => Vec::new(),
            _ => vec![
                ("error", error.code().as_str().to_owned()),
                ("error_description", error.description().into_owned()),
            ],
        };
        Self { reason, scheme: "Bearer", parameters }
    }

    /// Adds `scope`: what the resource asks for. The empty scope adds nothing.
    pub fn scope(self, scope: &Scope) -> Self {
        if scope.is_empty() { self } else { self.parameter("scope", scope.as_str()) }
    }

    /// Adds any other parameter: `realm`, `resource_metadata` (RFC 9728 §5.1), `acr_values` and `max_age`
    /// (RFC 9470 §3).
    pub fn parameter(mut self, name: &'static str, value: &str) -> Self {
        self.parameters.push((name, value.to_owned()));
        self
    }

    /// Why, for logs.
    #[must_use]
    pub const fn reason(&self) -> Reason {
        self.reason
    }

    /// The status: 400, 401, 403, or 503 when the token could not be checked.
    #[must_use]
    pub fn status(&self) -> u16 {
        OAuthError::new(self.reason).status()
    }

    /// The value of `WWW-Authenticate`; none where the client is not to blame.
    #[must_use]
    pub fn www_authenticate(&self) -> Option<String> {
        if self.status() >= 500 {
            return None;
        }
        let mut header = self.scheme.to_owned();
        for (at, (name, value)) in self.parameters.iter().enumerate() {
            let separator = if at == 0 { ' ' } else { ',' };
            let space = if at == 0 { "" } else { " " };
            let _ = write!(header, "{separator}{space}{name}=\"");
            quote_onto(&mut header, value);
            header.push('"');
        }
        Some(header)
    }

    /// The response: status, `WWW-Authenticate` or `Retry-After`, `Cache-Control: no-store`, and an empty body.
    #[cfg(feature = "http")]
    #[must_use]
    pub fn response<B: Default>(&self) -> http::Response<B> {
        use http::header::{CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE};
        let mut response = http::Response::new(B::default());
        *response.status_mut() =
            http::StatusCode::from_u16(self.status()).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(CACHE_CONTROL, http::HeaderValue::from_static("no-store"));
        match self.www_authenticate().map(http::HeaderValue::try_from) {
            Some(Ok(value)) => headers.insert(WWW_AUTHENTICATE, value),
            Some(Err(_)) => headers.insert(WWW_AUTHENTICATE, http::HeaderValue::from_static("Bearer")),
            None => headers.insert(RETRY_AFTER, http::HeaderValue::from_static("5")),
        };
        response
    }
}

/// `quoted-string` (RFC 9110 §5.6.4), limited to printable ASCII.
fn quote_onto(out: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' | '\\' => {
                out.push('\\');
                out.push(character);
            }
            ' '..='~' => out.push(character),
            _ => out.push('?'),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn each_refusal_has_the_status_and_error_of_rfc_6750() {
        let cases = [
            (Reason::BearerMissing, 401, None),
            (Reason::BearerMalformed, 400, Some("invalid_request")),
            (Reason::BearerTwice, 400, Some("invalid_request")),
            (Reason::BearerInvalid, 401, Some("invalid_token")),
            (Reason::BearerScope, 403, Some("insufficient_scope")),
        ];
        for (reason, status, error) in cases {
            let challenge = Challenge::new(reason);
            assert_eq!(challenge.status(), status);
            let header = challenge.www_authenticate().unwrap();
            match error {
                None => assert_eq!(header, "Bearer"),
                Some(error) => assert!(
                    header.starts_with(&format!("Bearer error=\"{error}\", error_description=\"")),
                    "{header}"
                ),
            }
        }
        assert_eq!(Challenge::new(Reason::VerificationUnavailable).www_authenticate(), None);
        assert_eq!(Challenge::new(Reason::VerificationUnavailable).status(), 503);
    }

    #[test]
    fn parameters_follow_one_another_and_an_empty_scope_is_left_out() {
        let challenge = Challenge::new(Reason::BearerMissing)
            .parameter("realm", "a \"b\" \\c")
            .scope(&Scope::empty())
            .scope(&Scope::parse("read write").unwrap());
        assert_eq!(
            challenge.www_authenticate().unwrap(),
            r#"Bearer realm="a \"b\" \\c", scope="read write""#
        );
    }

    proptest! {
        #[test]
        fn no_value_breaks_out_of_its_quotes(value in any::<String>()) {
            let header = Challenge::new(Reason::BearerMissing).parameter("realm", &value).www_authenticate().unwrap();
            prop_assert!(header.bytes().all(|byte| (0x20..=0x7e).contains(&byte)));
            let inner = header.strip_prefix("Bearer realm=\"").unwrap().strip_suffix('"').unwrap();
            let mut characters = inner.chars();
            while let Some(character) = characters.next() {
                prop_assert!(character != '"');
                if character == '\\' {
                    prop_assert!(matches!(characters.next(), Some('"' | '\\')));
                }
            }
        }
    }
}
