//! The issuer identifier, and the URLs derived from it (RFC 8414 §2 and §3.1, RFC 9207 §2).
//!
//! The identifier is kept byte for byte as configured: metadata, `iss` in responses and `iss` in tokens are
//! all the same octets. Nothing here is decoded, normalised or guessed from a request.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use serde::{Serialize, Serializer};

use super::uri::{Authority, Fault, Parts};

/// Hosts for which plain `http` may be switched on.
const LOOPBACK_HOSTS: [&str; 3] = ["127.0.0.1", "[::1]", "localhost"];

/// The identifier of an authorization server: an `https` URL of at most 2048 bytes without query, fragment or
/// user information (RFC 8414 §2).
///
/// ```
/// use grantor::protocol::issuer::Issuer;
///
/// let issuer = Issuer::new("https://as.example/tenant")?;
/// assert_eq!(issuer.endpoint("/token"), "https://as.example/tenant/token");
/// assert_eq!(
///     issuer.well_known("oauth-authorization-server"),
///     "https://as.example/.well-known/oauth-authorization-server/tenant",
/// );
/// # Ok::<_, grantor::protocol::issuer::IssuerError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Issuer {
    url: Arc<str>,
    host: Range<usize>,
    path_start: usize,
}

/// Why a URL cannot be an issuer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IssuerError {
    /// Longer than 2048 bytes.
    #[error("the issuer is longer than 2048 bytes")]
    TooLong,
    /// A character that RFC 3986 allows nowhere in a URL, or not there; or a `%` without two hexadecimal
    /// digits.
    #[error("the issuer has a character that a URL may not have")]
    Character,
    /// Empty, relative, or a scheme and nothing else.
    #[error("the issuer is not an absolute URL")]
    NotAbsolute,
    /// A scheme other than `https`, or `http` where the host is not a loopback host or the development gate
    /// was not used.
    #[error("the issuer is not an https URL")]
    NotHttps,
    /// A query, even an empty one.
    #[error("the issuer has a query")]
    Query,
    /// A fragment, even an empty one.
    #[error("the issuer has a fragment")]
    Fragment,
    /// User information before the host.
    #[error("the issuer has user information")]
    UserInfo,
    /// No host, or one that is not a plain DNS name or IP address.
    #[error("the issuer has no valid host")]
    Host,
    /// A port that is not a number from 1 to 65535 without leading zeros.
    #[error("the issuer has a malformed port")]
    Port,
    /// An empty segment or a dot segment in the path.
    #[error("the issuer's path has an empty or dot segment")]
    Path,
    /// A browser reads the URL otherwise than it is written: a host in upper case, an IP address in another
    /// notation, a malformed punycode label.
    #[error("the issuer is not written as a browser would write it")]
    NotCanonical,
}

impl Issuer {
    /// Reads an `https` issuer.
    ///
    /// The host must be written in lower case, and an IP address in its canonical notation. A trailing slash
    /// is allowed, kept, and part of the identifier.
    ///
    /// # Errors
    ///
    /// The first rule that `url` breaks, as an [`IssuerError`].
    pub fn new(url: &str) -> Result<Self, IssuerError> {
        Self::read(url, &[])
    }

    /// As [`Issuer::new`], and also takes plain `http` where the host is `127.0.0.1`, `[::1]` or `localhost`.
    ///
    /// For development on one machine only: RFC 8414 §2 requires `https`.
    ///
    /// # Errors
    ///
    /// As [`Issuer::new`]; `http` on any other host is [`IssuerError::NotHttps`].
    pub fn dangerous_loopback_http(url: &str) -> Result<Self, IssuerError> {
        Self::read(url, &LOOPBACK_HOSTS)
    }

    fn read(url: &str, plain_http_hosts: &[&str]) -> Result<Self, IssuerError> {
        let parts = Parts::of(url)?;
        if !matches!(parts.scheme, "https" | "http") {
            return Err(IssuerError::NotHttps);
        }
        if parts.query.is_some() {
            return Err(IssuerError::Query);
        }
        let authority_text = parts.authority.ok_or(IssuerError::Host)?;
        let authority = Authority::of(authority_text)?;
        if parts.scheme == "http" && !plain_http_hosts.contains(&authority.host) {
            return Err(IssuerError::NotHttps);
        }
        if parts.path.contains("//") || parts.has_dot_segment() {
            return Err(IssuerError::Path);
        }
        if !parts.as_browsers_see(url, &authority) {
            return Err(IssuerError::NotCanonical);
        }
        let path_start = url.len().saturating_sub(parts.path.len());
        let host_start = path_start.saturating_sub(authority_text.len());
        let host = host_start..host_start.saturating_add(authority.host.len());
        Ok(Self { url: url.into(), host, path_start })
    }

    /// The identifier, byte for byte as configured.
    pub fn as_str(&self) -> &str {
        &self.url
    }

    /// Whether the scheme is `https`: always, unless the development gate was used.
    pub fn is_https(&self) -> bool {
        self.url.starts_with("https:")
    }

    /// The host without its port; an IPv6 address keeps its brackets.
    pub fn host(&self) -> &str {
        self.url.get(self.host.clone()).unwrap_or_default()
    }

    /// Scheme, host and port, without the path: `https://as.example:8443`.
    pub fn origin(&self) -> &str {
        self.url.get(..self.path_start).unwrap_or_default()
    }

    /// The path without its trailing slash: empty, or `/tenant`.
    pub fn path(&self) -> &str {
        let path = self.url.get(self.path_start..).unwrap_or_default();
        path.strip_suffix('/').unwrap_or(path)
    }

    /// The path of a well-known document: `/.well-known/<suffix>`, followed by the issuer's own path (RFC
    /// 8414 §3.1).
    ///
    /// `suffix` is a registered well-known name such as `oauth-authorization-server`; slashes around it are
    /// dropped. OpenID Connect Discovery also looks for the form with the name at the end, which is
    /// `endpoint("/.well-known/openid-configuration")`.
    pub fn well_known_path(&self, suffix: &str) -> String {
        format!("/.well-known/{}{}", suffix.trim_matches('/'), self.path())
    }

    /// The URL of a well-known document: [`Issuer::well_known_path`] on the issuer's origin.
    pub fn well_known(&self, suffix: &str) -> String {
        format!("{}{}", self.origin(), self.well_known_path(suffix))
    }

    /// The issuer followed by `path`, with exactly one slash between them.
    pub fn endpoint(&self, path: &str) -> String {
        format!("{}{}/{}", self.origin(), self.path(), path.trim_start_matches('/'))
    }
}

impl fmt::Display for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.url)
    }
}

impl Serialize for Issuer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.url)
    }
}

impl From<Fault> for IssuerError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::TooLong,
            Fault::Character => Self::Character,
            Fault::Fragment => Self::Fragment,
            Fault::NotAbsolute => Self::NotAbsolute,
            Fault::UserInfo => Self::UserInfo,
            Fault::Host => Self::Host,
            Fault::Port => Self::Port,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    #[test]
    fn an_issuer_is_kept_byte_for_byte() {
        for url in [
            "https://as.example",
            "https://as.example/",
            "https://as.example:443/a/b/",
            "https://as.example:8443/%7Etenant",
            "https://[2001:db8::1]/t",
            "https://192.0.2.1",
        ] {
            let issuer = Issuer::new(url).unwrap();
            assert_eq!(issuer.as_str(), url);
            assert_eq!(issuer.to_string(), url);
            assert_eq!(serde_json::to_value(&issuer).unwrap(), url);
            assert!(issuer.is_https());
        }
    }

    #[test]
    fn each_broken_rule_has_its_name() {
        let long = format!("https://as.example/{}", "a".repeat(2048));
        for (url, error) in [
            ("", IssuerError::NotAbsolute),
            ("as.example", IssuerError::NotAbsolute),
            ("https:", IssuerError::NotAbsolute),
            ("http://as.example", IssuerError::NotHttps),
            ("http://localhost", IssuerError::NotHttps),
            ("HTTPS://as.example", IssuerError::NotHttps),
            ("urn:as", IssuerError::NotHttps),
            ("https://as.example?", IssuerError::Query),
            ("https://as.example/?a", IssuerError::Query),
            ("https://as.example#", IssuerError::Fragment),
            ("https://u@as.example", IssuerError::UserInfo),
            ("https:/as.example", IssuerError::Host),
            ("https:///as.example", IssuerError::Host),
            ("https://as.example.", IssuerError::Host),
            ("https://a%73.example", IssuerError::Host),
            ("https://as.example:0", IssuerError::Port),
            ("https://as.example:", IssuerError::Port),
            ("https://as.example:0443", IssuerError::Port),
            ("https://as.example:65536", IssuerError::Port),
            ("https://as.example//", IssuerError::Path),
            ("https://as.example/a/../b", IssuerError::Path),
            ("https://as.example/a/%2E%2e", IssuerError::Path),
            ("https://As.example", IssuerError::NotCanonical),
            ("https://127.1", IssuerError::NotCanonical),
            ("https://[0::1]", IssuerError::NotCanonical),
            ("https://xn--/", IssuerError::NotCanonical),
            ("https://as.example/a b", IssuerError::Character),
            ("https://as.example\\", IssuerError::Character),
            (&long, IssuerError::TooLong),
        ] {
            assert_eq!(Issuer::new(url), Err(error), "{url}");
        }
    }

    #[test]
    fn plain_http_needs_the_gate_and_a_loopback_host() {
        for url in ["http://127.0.0.1:8080/t", "http://[::1]:8080", "http://localhost"] {
            assert_eq!(Issuer::new(url), Err(IssuerError::NotHttps));
            assert!(!Issuer::dangerous_loopback_http(url).unwrap().is_https());
        }
        for url in
            ["http://as.example", "http://127.0.0.2", "http://localhost.evil.example", "http://0.0.0.0"]
        {
            assert_eq!(Issuer::dangerous_loopback_http(url), Err(IssuerError::NotHttps), "{url}");
        }
        assert!(Issuer::dangerous_loopback_http("https://as.example").unwrap().is_https());
    }

    #[test]
    fn the_parts_of_an_issuer_are_read_as_written() {
        for (url, host, origin, path) in [
            ("https://as.example", "as.example", "https://as.example", ""),
            ("https://as.example/", "as.example", "https://as.example", ""),
            ("https://as.example:8443/t", "as.example", "https://as.example:8443", "/t"),
            ("https://[2001:db8::1]:1/a/b/", "[2001:db8::1]", "https://[2001:db8::1]:1", "/a/b"),
        ] {
            let issuer = Issuer::new(url).unwrap();
            assert_eq!((issuer.host(), issuer.origin(), issuer.path()), (host, origin, path));
        }
    }

    #[test]
    fn the_well_known_name_is_inserted_between_host_and_path() {
        for (url, expected) in [
            ("https://example.com", "https://example.com/.well-known/oauth-authorization-server"),
            ("https://example.com/", "https://example.com/.well-known/oauth-authorization-server"),
            (
                "https://example.com/issuer1",
                "https://example.com/.well-known/oauth-authorization-server/issuer1",
            ),
            (
                "https://example.com:1/a/b/",
                "https://example.com:1/.well-known/oauth-authorization-server/a/b",
            ),
        ] {
            let issuer = Issuer::new(url).unwrap();
            assert_eq!(issuer.well_known("oauth-authorization-server"), expected);
            assert_eq!(issuer.well_known("/oauth-authorization-server"), expected);
            assert!(expected.ends_with(&issuer.well_known_path("oauth-authorization-server")));
        }
    }

    #[test]
    fn an_endpoint_has_one_slash_between_issuer_and_path() {
        for url in ["https://as.example/t", "https://as.example/t/"] {
            let issuer = Issuer::new(url).unwrap();
            for path in ["token", "/token", "//token"] {
                assert_eq!(issuer.endpoint(path), "https://as.example/t/token");
            }
        }
        let root = Issuer::new("https://as.example/").unwrap();
        assert_eq!(root.endpoint("/.well-known/x"), "https://as.example/.well-known/x");
    }

    proptest! {
        #[test]
        fn any_string_is_judged_without_panic(url in any::<String>()) {
            let _ = Issuer::new(&url);
            let _ = Issuer::dangerous_loopback_http(&url);
        }

        #[test]
        fn an_accepted_issuer_is_what_a_browser_sees(url in "https?://[a-zA-Z0-9.\\-_%@:\\[\\]\\\\]{1,12}[ -~]{0,12}") {
            if let Ok(issuer) = Issuer::dangerous_loopback_http(&url) {
                let seen = Url::parse(&url).unwrap();
                prop_assert_eq!(seen.host_str(), Some(issuer.host()));
                prop_assert_eq!(seen.path().trim_end_matches('/'), issuer.path());
                let document = Url::parse(&issuer.well_known("x")).unwrap();
                prop_assert_eq!(document.origin(), seen.origin());
            }
        }
    }
}
