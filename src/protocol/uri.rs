//! The grammar of an absolute URI, which redirect URIs, resources and issuers share (RFC 3986).
//!
//! Judges form only, and never normalises: a URI is the octets that were presented.

use std::net::Ipv6Addr;

use url::Url;

/// The longest URI that is read, in bytes.
pub(super) const MAX_BYTES: usize = 2048;

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
