//! What may be registered: which schemes and hosts, written how.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, Ipv6Addr};

use url::form_urlencoded;

use crate::protocol::uri::{Authority, Fault, Parts};

/// Schemes that run code, read local files or are no place for a response.
pub(super) const DENIED_SCHEMES: [&str; 25] = [
    "about",
    "blob",
    "content",
    "cid",
    "data",
    "edge",
    "file",
    "filesystem",
    "ftp",
    "intent",
    "jar",
    "javascript",
    "livescript",
    "mailto",
    "mhtml",
    "microsoft-edge",
    "mocha",
    "resource",
    "sms",
    "tel",
    "urn",
    "vbscript",
    "view-source",
    "ws",
    "wss",
];
/// Families of such schemes, where the scheme has no dot.
const DENIED_PREFIXES: [&str; 3] = ["chrome", "moz-", "ms-"];

/// Parameters of an authorization response, which a registered query may not name: the response would have
/// two.
pub(super) const RESPONSE_PARAMETERS: [&str; 13] = [
    "access_token",
    "code",
    "error",
    "error_description",
    "error_uri",
    "expires_in",
    "id_token",
    "iss",
    "response",
    "scope",
    "session_state",
    "state",
    "token_type",
];

/// Which private-use schemes are taken without a `.` in their name (RFC 8252 §7.1 and OAuth 2.1 §2.3.1 ask for one).
///
/// The default takes none, and no metadata of a client change that: a host that has to take `cursor:` puts the parsed URI into
/// its [`Client`](crate::record::Client) itself.
///
/// ```
/// use grantor::protocol::redirect_uri::{ApplicationType, RedirectUri, SchemePolicy};
///
/// let policy = SchemePolicy::default().allow("cursor")?;
/// let uri = RedirectUri::parse_with("cursor://oauth/callback", ApplicationType::Native, &policy)?;
/// assert!(uri.is_private_scheme());
/// # Ok::<_, grantor::protocol::redirect_uri::RedirectUriError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SchemePolicy {
    allowed: BTreeSet<String>,
}

impl SchemePolicy {
    /// Also takes this scheme, written in lower case and without its colon.
    ///
    /// # Errors
    ///
    /// [`RedirectUriError::ForbiddenScheme`] for a scheme that can never be redirected to, such as
    /// `javascript`; [`RedirectUriError::NotAbsolute`] for a malformed name;
    /// [`RedirectUriError::NotCanonical`] for upper case.
    pub fn allow(mut self, scheme: &str) -> Result<Self, RedirectUriError> {
        let example = format!("{scheme}:/");
        if Parts::of(&example)?.scheme != scheme {
            return Err(RedirectUriError::NotAbsolute);
        }
        check_scheme(scheme)?;
        self.allowed.insert(scheme.to_owned());
        Ok(self)
    }

    pub(super) fn allows(&self, scheme: &str) -> bool {
        self.allowed.contains(scheme)
    }
}

/// Why a URI cannot be registered. On the wire all of them are `invalid_redirect_uri` (RFC 7591 §3.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RedirectUriError {
    /// Longer than 2048 bytes.
    #[error("the redirect URI is longer than 2048 bytes")]
    TooLong,
    /// A character that RFC 3986 allows nowhere in a URI, or not there; or a `%` without two hexadecimal
    /// digits.
    #[error("the redirect URI has a character that a URI may not have")]
    Character,
    /// A fragment, even an empty one.
    #[error("the redirect URI has a fragment")]
    Fragment,
    /// Empty, relative, or a scheme and nothing else.
    #[error("the redirect URI is not an absolute URI")]
    NotAbsolute,
    /// A scheme that runs code, reads files or is no place to redirect to.
    #[error("the redirect URI has a forbidden scheme")]
    ForbiddenScheme,
    /// A private-use scheme without a `.` that the [`SchemePolicy`] does not name, or with an empty label: it is based on
    /// nobody's domain name, so that any app may as well have it (RFC 8252 §7.1, §8.4).
    #[error("the redirect URI has a private-use scheme that is not a reversed domain name (RFC 8252 §7.1)")]
    SchemeNotReverseDomain,
    /// A private-use scheme that is not followed by a slash, as in `com.example.app:callback`.
    #[error("the redirect URI has no slash after its private-use scheme")]
    NotHierarchical,
    /// `http` on a host other than `127.0.0.1`, `[::1]` and `localhost`.
    #[error("the redirect URI is http and its host is not a loopback host")]
    HttpNotLoopback,
    /// User information before the host.
    #[error("the redirect URI has user information")]
    UserInfo,
    /// No host, or one that is not a plain DNS name or IP address: percent escapes, a trailing dot, an IPv6
    /// zone.
    #[error("the redirect URI has no valid host")]
    Host,
    /// A port that is not a number from 1 to 65535 without leading zeros.
    #[error("the redirect URI has a malformed port")]
    Port,
    /// A dot segment in the path, plain, percent-encoded or with a path parameter.
    #[error("the redirect URI has a dot segment in its path")]
    DotSegment,
    /// A parameter of the authorization response in the registered query.
    #[error("the redirect URI's query has a parameter of the authorization response")]
    ResponseParameter,
    /// Not `https`, or on this machine, for a web client of the implicit grant.
    #[error(
        "the redirect URI of a web client of the implicit grant must be https and not on a loopback host"
    )]
    NotForImplicit,
    /// A browser reads the URI otherwise than it is written: upper case in scheme or host, an IP address in
    /// another notation, a malformed punycode label.
    #[error("the redirect URI is not written as a browser would write it")]
    NotCanonical,
}

impl From<Fault> for RedirectUriError {
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

/// Where a redirect URI leads, derived from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) enum Destination {
    Https { loopback: bool },
    LoopbackHttp { host: &'static str },
    PrivateScheme { dotless: bool },
}

/// The checks of registration, in order. `allows` says whether a scheme may go without a dot.
pub(super) fn destination(uri: &str, allows: impl Fn(&str) -> bool) -> Result<Destination, RedirectUriError> {
    let parts = Parts::of(uri)?;
    check_scheme(parts.scheme)?;
    let (destination, authority) = match parts.scheme {
        "https" => https(&parts)?,
        "http" => loopback_http(&parts)?,
        _ => private_scheme(&parts, allows)?,
    };
    if parts.has_dot_segment() {
        return Err(RedirectUriError::DotSegment);
    }
    if parts.query.is_some_and(names_a_response_parameter) {
        return Err(RedirectUriError::ResponseParameter);
    }
    if !parts.as_browsers_see(uri, &authority) {
        return Err(RedirectUriError::NotCanonical);
    }
    Ok(destination)
}

fn check_scheme(scheme: &str) -> Result<(), RedirectUriError> {
    let lower = scheme.to_ascii_lowercase();
    let denied = DENIED_SCHEMES.contains(&lower.as_str())
        || DENIED_PREFIXES.iter().any(|prefix| lower.starts_with(prefix) && !lower.contains('.'));
    if denied {
        return Err(RedirectUriError::ForbiddenScheme);
    }
    if lower != scheme {
        return Err(RedirectUriError::NotCanonical);
    }
    Ok(())
}

fn https<'a>(parts: &Parts<'a>) -> Result<(Destination, Authority<'a>), RedirectUriError> {
    let authority = Authority::of(parts.authority.unwrap_or_default())?;
    Ok((Destination::Https { loopback: stays_on_this_machine(authority.host) }, authority))
}

fn loopback_http<'a>(parts: &Parts<'a>) -> Result<(Destination, Authority<'a>), RedirectUriError> {
    let authority = Authority::of(parts.authority.unwrap_or_default())?;
    let host = match authority.host {
        "127.0.0.1" => "127.0.0.1",
        "[::1]" => "[::1]",
        "localhost" => "localhost",
        _ => return Err(RedirectUriError::HttpNotLoopback),
    };
    Ok((Destination::LoopbackHttp { host }, authority))
}

fn private_scheme<'a>(
    parts: &Parts<'a>,
    allows: impl Fn(&str) -> bool,
) -> Result<(Destination, Authority<'a>), RedirectUriError> {
    let dotless = !parts.scheme.contains('.');
    if (dotless && !allows(parts.scheme)) || parts.scheme.split('.').any(str::is_empty) {
        return Err(RedirectUriError::SchemeNotReverseDomain);
    }
    let authority = match parts.authority {
        None if !parts.path.starts_with('/') => return Err(RedirectUriError::NotHierarchical),
        None | Some("") => Authority::NONE,
        Some(authority) => Authority::of(authority)?,
    };
    Ok((Destination::PrivateScheme { dotless }, authority))
}

fn stays_on_this_machine(host: &str) -> bool {
    if let Ok(address) = host.parse::<Ipv4Addr>() {
        return address.is_loopback() || address.is_unspecified();
    }
    let bracketed = host.strip_prefix('[').and_then(|host| host.strip_suffix(']'));
    if let Some(address) = bracketed.and_then(|address| address.parse::<Ipv6Addr>().ok()) {
        let address = address.to_canonical();
        return address.is_loopback() || address.is_unspecified();
    }
    host == "localhost" || host.ends_with(".localhost")
}

/// Whether a client's framework could read a response parameter in this query: names are decoded, and
/// compared without regard to case, surrounding space and an array suffix as in `code[]`; `;` separates as
/// `&` does.
fn names_a_response_parameter(query: &str) -> bool {
    query.split(['&', ';']).flat_map(|pair| form_urlencoded::parse(pair.as_bytes())).any(|(name, _)| {
        let name = name.split('[').next().unwrap_or_default().trim();
        RESPONSE_PARAMETERS.iter().any(|parameter| name.eq_ignore_ascii_case(parameter))
    })
}
