//! Resource indicators (RFC 8707), and the grammar of an absolute URI that redirect URIs and issuers share.
//!
//! This module judges form only: which resources exist, and who may ask for them, is the catalogue's to say.
//! It never normalises: a URI is the octets that were presented.

use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

use serde::{Deserialize, Serialize, Serializer};
use url::Url;

/// The longest URI that is read, in bytes.
pub(super) const MAX_BYTES: usize = 2048;

/// The identifier of a protected resource: an absolute URI without a fragment (RFC 8707 §2), 1 to 2048 bytes
/// of printable ASCII.
///
/// Compared octet by octet: `https://api.example` and `https://api.example/` are two resources.
///
/// ```
/// use grantor::protocol::resource::Resource;
///
/// let api = Resource::parse("https://api.example/app/")?;
/// assert_eq!(api.as_str(), "https://api.example/app/");
/// # Ok::<_, grantor::protocol::resource::ResourceError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Resource(Arc<str>);

/// Why a value is no resource indicator. On the wire all of them are `invalid_target`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ResourceError {
    /// Longer than 2048 bytes.
    #[error("the resource is longer than 2048 bytes")]
    TooLong,
    /// A character that RFC 3986 allows nowhere in a URI, or not there; or a `%` without two hexadecimal
    /// digits.
    #[error("the resource has a character that a URI may not have")]
    Character,
    /// A fragment, even an empty one.
    #[error("the resource has a fragment")]
    Fragment,
    /// Empty, relative, or a scheme and nothing else.
    #[error("the resource is not an absolute URI")]
    NotAbsolute,
    /// An `http` or `https` URI without a host, with a malformed host or port, or with user information.
    #[error("the resource has no valid host")]
    Authority,
}

impl Resource {
    /// Reads a resource indicator (RFC 8707 §2).
    ///
    /// # Errors
    ///
    /// The first rule that `uri` breaks, as a [`ResourceError`].
    pub fn parse(uri: &str) -> Result<Self, ResourceError> {
        let parts = Parts::of(uri)?;
        if matches!(parts.scheme, "http" | "https") {
            Authority::of(parts.authority.unwrap_or_default())?;
        }
        Ok(Self(uri.into()))
    }

    /// The URI as it was presented.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Resource {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl TryFrom<String> for Resource {
    type Error = ResourceError;

    fn try_from(uri: String) -> Result<Self, ResourceError> {
        Self::parse(&uri)
    }
}

impl From<Fault> for ResourceError {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::TooLong => Self::TooLong,
            Fault::Character => Self::Character,
            Fault::Fragment => Self::Fragment,
            Fault::NotAbsolute => Self::NotAbsolute,
            Fault::UserInfo | Fault::Host | Fault::Port => Self::Authority,
        }
    }
}

/// What is wrong with the form of a URI; each public error enum of the module names these in its own words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    TooLong,
    Character,
    Fragment,
    NotAbsolute,
    UserInfo,
    Host,
    Port,
}

/// An absolute URI cut at its delimiters (RFC 3986 §4.3). Nothing is decoded.
#[derive(Debug, Clone, Copy)]
pub(super) struct Parts<'a> {
    pub(super) scheme: &'a str,
    /// What stands between `//` and the path; `None` where there is no `//`.
    pub(super) authority: Option<&'a str>,
    pub(super) path: &'a str,
    pub(super) query: Option<&'a str>,
}

impl<'a> Parts<'a> {
    pub(super) fn of(uri: &'a str) -> Result<Self, Fault> {
        if uri.len() > MAX_BYTES {
            return Err(Fault::TooLong);
        }
        check_characters(uri)?;
        let (scheme, rest) = uri.split_once(':').ok_or(Fault::NotAbsolute)?;
        if !is_scheme(scheme) || rest.is_empty() {
            return Err(Fault::NotAbsolute);
        }
        let (hierarchy, query) = match rest.split_once('?') {
            Some((hierarchy, query)) => (hierarchy, Some(query)),
            None => (rest, None),
        };
        let (authority, path) = match hierarchy.strip_prefix("//") {
            Some(after) => {
                let end = after.find('/').unwrap_or(after.len());
                let (authority, path) = after.split_at_checked(end).ok_or(Fault::Character)?;
                (Some(authority), path)
            }
            None => (None, hierarchy),
        };
        if path.contains(['[', ']']) || query.is_some_and(|query| query.contains(['[', ']'])) {
            return Err(Fault::Character);
        }
        Ok(Self { scheme, authority, path, query })
    }

    /// Whether a browser's parser (WHATWG URL) sees the same scheme, host, port and path in `uri`, which are
    /// these parts and this authority. An empty path and `/` are the same, and so are no port and the
    /// scheme's own.
    pub(super) fn as_browsers_see(&self, uri: &str, authority: &Authority<'_>) -> bool {
        let Ok(url) = Url::parse(uri) else { return false };
        let same_port = match authority.port {
            Some(port) => url.port_or_known_default() == Some(port),
            None => url.port().is_none(),
        };
        let same_path = url.path() == self.path || (self.path.is_empty() && url.path() == "/");
        let plain = url.username().is_empty() && url.password().is_none() && url.fragment().is_none();
        url.scheme() == self.scheme
            && url.host_str().unwrap_or_default() == authority.host
            && same_port
            && same_path
            && plain
    }

    /// Whether some decoder on the way could read a `.` or `..` segment in the path: percent-encoded, behind
    /// an encoded slash or backslash, or with a path parameter as in `..;/`.
    pub(super) fn has_dot_segment(&self) -> bool {
        let decoded = self.path.to_ascii_lowercase();
        let decoded = decoded.replace("%2e", ".").replace("%2f", "/").replace("%5c", "/").replace("%3b", ";");
        decoded.split('/').any(|segment| matches!(segment.split(';').next(), Some("." | "..")))
    }
}

/// Host and port of a URI that has no user information.
#[derive(Debug, Clone, Copy)]
pub(super) struct Authority<'a> {
    /// As written; an IPv6 address keeps its brackets.
    pub(super) host: &'a str,
    pub(super) port: Option<u16>,
}

impl<'a> Authority<'a> {
    /// No authority at all, as in `com.example.app:/callback`.
    pub(super) const NONE: Authority<'static> = Authority { host: "", port: None };

    pub(super) fn of(authority: &'a str) -> Result<Self, Fault> {
        if authority.contains('@') {
            return Err(Fault::UserInfo);
        }
        let host_end = match authority.find(']') {
            Some(bracket) => bracket.saturating_add(1),
            None => authority.find(':').unwrap_or(authority.len()),
        };
        let (host, rest) = authority.split_at_checked(host_end).ok_or(Fault::Host)?;
        if !is_host(host) {
            return Err(Fault::Host);
        }
        let port = match rest.strip_prefix(':') {
            Some(digits) => Some(port_number(digits).ok_or(Fault::Port)?),
            None if rest.is_empty() => None,
            None => return Err(Fault::Host),
        };
        Ok(Self { host, port })
    }
}

/// A port as it must be written: 1 to 65535, digits only, no leading zero.
pub(super) fn port_number(digits: &str) -> Option<u16> {
    let plain = digits.bytes().all(|byte| byte.is_ascii_digit()) && !digits.starts_with('0');
    if plain { digits.parse().ok() } else { None }
}

/// Letters, digits, `-` and `_` in labels of 1 to 63, so no percent escape and no empty or trailing label;
/// or an IPv6 address in brackets, without a zone.
fn is_host(host: &str) -> bool {
    if let Some(bracketed) = host.strip_prefix('[') {
        return bracketed.strip_suffix(']').is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'))
    };
    host.len() <= 253 && host.split('.').all(is_label)
}

/// RFC 3986 §3.1.
fn is_scheme(scheme: &str) -> bool {
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'-' | b'.'))
}

/// RFC 3986 §2: reserved, unreserved, and `%` with two hexadecimal digits.
fn check_characters(uri: &str) -> Result<(), Fault> {
    let mut bytes = uri.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'#' => return Err(Fault::Fragment),
            b'%' => {
                for digit in [bytes.next(), bytes.next()] {
                    if !digit.is_some_and(|digit| digit.is_ascii_hexdigit()) {
                        return Err(Fault::Character);
                    }
                }
            }
            b'-' | b'.' | b'_' | b'~' | b':' | b'/' | b'?' | b'[' | b']' | b'@' => {}
            b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'=' => {}
            _ if byte.is_ascii_alphanumeric() => {}
            _ => return Err(Fault::Character),
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_absolute_uri_without_fragment_is_a_resource() {
        for uri in [
            "https://api.example",
            "https://api.example/app/?tenant=1",
            "https://API.example:8443/%7Euser",
            "http://[2001:db8::1]/",
            "urn:example:api",
            "com.example:/x",
        ] {
            assert_eq!(Resource::parse(uri).unwrap().as_str(), uri);
        }
    }

    #[test]
    fn each_broken_rule_has_its_name() {
        let long = format!("https://api.example/{}", "a".repeat(MAX_BYTES));
        for (uri, error) in [
            ("", ResourceError::NotAbsolute),
            ("api.example/app", ResourceError::NotAbsolute),
            ("//api.example/", ResourceError::NotAbsolute),
            ("/app", ResourceError::NotAbsolute),
            ("1a:b", ResourceError::NotAbsolute),
            ("https:", ResourceError::NotAbsolute),
            ("https://api.example/#", ResourceError::Fragment),
            ("https://api.example/#a", ResourceError::Fragment),
            ("https://api.example/ ", ResourceError::Character),
            ("https://api.example/\n", ResourceError::Character),
            ("https://api.example/é", ResourceError::Character),
            ("https://api.example\\x", ResourceError::Character),
            ("https://api.example/%4", ResourceError::Character),
            ("https://api.example/%zz", ResourceError::Character),
            ("https://api.example/[a]", ResourceError::Character),
            ("https:/app", ResourceError::Authority),
            ("https:///app", ResourceError::Authority),
            ("https://good@evil.example", ResourceError::Authority),
            ("https://api.example:/", ResourceError::Authority),
            ("https://[::1", ResourceError::Authority),
            ("https://[fe80::1%25eth0]/", ResourceError::Authority),
            (&long, ResourceError::TooLong),
        ] {
            assert_eq!(Resource::parse(uri), Err(error), "{uri}");
        }
    }

    #[test]
    fn resources_are_equal_only_as_strings() {
        let plain = Resource::parse("https://api.example").unwrap();
        for other in ["https://api.example/", "https://API.example", "https://api.example:443"] {
            assert_ne!(plain, Resource::parse(other).unwrap());
        }
    }

    #[test]
    fn a_resource_is_written_as_a_string_and_checked_when_read() {
        let resource = Resource::parse("https://api.example/").unwrap();
        let json = serde_json::to_string(&resource).unwrap();
        assert_eq!(json, r#""https://api.example/""#);
        assert_eq!(serde_json::from_str::<Resource>(&json).unwrap(), resource);
        assert!(serde_json::from_str::<Resource>(r#""/relative""#).is_err());
        assert!(serde_json::from_str::<Resource>(r##""https://api.example/#x""##).is_err());
    }

    proptest! {
        #[test]
        fn any_string_is_judged_without_panic(uri in any::<String>()) {
            let _ = Resource::parse(&uri);
        }

        #[test]
        fn what_is_accepted_is_kept_and_is_printable_ascii(uri in "(https?|urn|a\\.b):(//)?[ -~]{0,24}") {
            if let Ok(resource) = Resource::parse(&uri) {
                prop_assert_eq!(resource.as_str(), &uri);
                prop_assert!(uri.bytes().all(|byte| byte.is_ascii_graphic()) && !uri.contains('#'));
            }
        }
    }
}
