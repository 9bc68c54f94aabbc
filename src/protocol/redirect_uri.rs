//! Redirect URIs: what may be registered, what matches, and how a response is attached.
//!
//! Matching compares octets (OAuth 2.1 §2.3.1, RFC 9700 §4.1.3); nothing is ever normalised, and no pattern,
//! prefix or wildcard exists. The one exception is the port of an `http` loopback URI (RFC 8252 §7.3).
//!
//! ```text
//! RedirectUri::parse ──► accept(presented) ──► MatchedRedirectUri ──► with_query / with_fragment
//!   registration            each request         the only value a response can be sent to
//! ```
//!
//! Registration is strict so that every parser downstream (browser, proxy, client framework) reads the URI
//! alike: RFC 3986 characters only, host and scheme in lower case, agreement with the WHATWG parser, no dot
//! segments.

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use url::form_urlencoded;

use super::uri::{Authority, Fault, Parts, port_number};

#[cfg(test)]
mod tests;

/// Schemes that run code, read local files or are no place for a response.
const DENIED_SCHEMES: [&str; 25] = [
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
const RESPONSE_PARAMETERS: [&str; 13] = [
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

/// What kind of application a client is (`application_type`, OpenID Connect Dynamic Client Registration §2).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ApplicationType {
    /// Runs on a web server or in a browser.
    #[default]
    Web,
    /// Is installed on a device; the port of its `localhost` redirect URIs may vary.
    Native,
}

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

    fn allows(&self, scheme: &str) -> bool {
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

/// A registered redirect URI: 1 to 2048 octets, kept and compared exactly (OAuth 2.1 §2.3.1).
///
/// Serialised as `{"uri": .., "application_type": ..}`, because the application type decides what matches,
/// and checked again when read. On the wire of registration it is [`RedirectUri::as_str`].
///
/// ```
/// use grantor::protocol::redirect_uri::{ApplicationType, RedirectUri};
///
/// let registered = RedirectUri::parse("http://127.0.0.1/callback", ApplicationType::Native)?;
/// assert!(registered.matches("http://127.0.0.1:51004/callback"));
/// assert!(!registered.matches("http://127.0.0.1:51004/callback/"));
/// # Ok::<_, grantor::protocol::redirect_uri::RedirectUriError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Stored", into = "Stored")]
pub struct RedirectUri {
    uri: Arc<str>,
    application_type: ApplicationType,
    destination: Destination,
}

/// Where a redirect URI leads, derived from its text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Destination {
    Https { loopback: bool },
    LoopbackHttp { host: &'static str },
    PrivateScheme { dotless: bool },
}

/// The serialised form.
#[derive(Serialize, Deserialize)]
struct Stored {
    uri: Arc<str>,
    #[serde(default)]
    application_type: ApplicationType,
    /// The scheme has no dot and a policy allowed it when the URI was registered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    dotless_scheme: bool,
}

impl RedirectUri {
    /// Reads a redirect URI under the rules of registration, with the default [`SchemePolicy`].
    ///
    /// Taken, whatever the application type: `https`; `http` on `127.0.0.1`, `[::1]` or `localhost`; a
    /// private-use scheme with a `.` and a slash after it (RFC 8252 §7). A client of the implicit grant is
    /// held to more (OpenID Connect Registration §2); its caller asks [`RedirectUri::is_loopback`] and
    /// [`RedirectUri::is_private_scheme`].
    ///
    /// # Errors
    ///
    /// The first rule that `uri` breaks, as a [`RedirectUriError`].
    pub fn parse(uri: &str, application_type: ApplicationType) -> Result<Self, RedirectUriError> {
        Self::parse_with(uri, application_type, &SchemePolicy::default())
    }

    /// As [`RedirectUri::parse`], with private-use schemes that the administrator allowed by name.
    ///
    /// # Errors
    ///
    /// As [`RedirectUri::parse`].
    pub fn parse_with(
        uri: &str,
        application_type: ApplicationType,
        policy: &SchemePolicy,
    ) -> Result<Self, RedirectUriError> {
        let destination = destination(uri, |scheme| policy.allows(scheme))?;
        Ok(Self { uri: uri.into(), application_type, destination })
    }

    /// The URI as it was registered.
    pub fn as_str(&self) -> &str {
        &self.uri
    }

    /// The application type it was registered under.
    pub fn application_type(&self) -> ApplicationType {
        self.application_type
    }

    /// Whether `presented` is this URI, octet for octet.
    ///
    /// The port alone may differ, be added or be left out, where the scheme is `http` and the host is
    /// `127.0.0.1` or `[::1]` (RFC 8252 §7.3), or is `localhost` and the application is native.
    pub fn matches(&self, presented: &str) -> bool {
        *self.uri == *presented || self.matches_on_another_port(presented)
    }

    fn matches_on_another_port(&self, presented: &str) -> bool {
        let Destination::LoopbackHttp { host } = self.destination else { return false };
        if host == "localhost" && self.application_type != ApplicationType::Native {
            return false;
        }
        let Some(registered) = after_loopback_port(&self.uri, host) else { return false };
        after_loopback_port(presented, host) == Some(registered)
    }

    /// The proof that `presented` matches, or `None`. The response goes to `presented`, port included.
    #[must_use]
    pub fn accept(&self, presented: &str) -> Option<MatchedRedirectUri> {
        if *self.uri == *presented {
            return Some(self.as_registered());
        }
        self.matches_on_another_port(presented).then(|| MatchedRedirectUri(presented.into()))
    }

    /// The URI as registered, for a request without `redirect_uri` of a client that has only this one (OAuth
    /// 2.1 §2.3.2). OpenID Connect requests always name it.
    #[must_use]
    pub fn as_registered(&self) -> MatchedRedirectUri {
        MatchedRedirectUri(Arc::clone(&self.uri))
    }

    /// Whether the response stays on the user's machine: any program there may listen, so a consent is not
    /// repeated silently (RFC 8252 §8.6).
    ///
    /// True for `http`, and for `https` on `localhost` or below it and on a loopback or unspecified IP
    /// address.
    pub fn is_loopback(&self) -> bool {
        matches!(self.destination, Destination::LoopbackHttp { .. } | Destination::Https { loopback: true })
    }

    /// Whether the scheme is neither `https` nor `http`: any app may claim it, so a consent is not repeated
    /// silently (RFC 8252 §8.6).
    pub fn is_private_scheme(&self) -> bool {
        matches!(self.destination, Destination::PrivateScheme { .. })
    }

    /// The source expression that lets a form lead here under the Content-Security-Policy directive
    /// `form-action`.
    ///
    /// See [`MatchedRedirectUri::origin`], which has the port of the request.
    pub fn origin(&self) -> String {
        form_action_source(&self.uri)
    }
}

impl fmt::Display for RedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri)
    }
}

impl TryFrom<Stored> for RedirectUri {
    type Error = RedirectUriError;

    fn try_from(stored: Stored) -> Result<Self, RedirectUriError> {
        let destination = destination(&stored.uri, |_| stored.dotless_scheme)?;
        Ok(Self { uri: stored.uri, application_type: stored.application_type, destination })
    }
}

impl From<RedirectUri> for Stored {
    fn from(registered: RedirectUri) -> Self {
        let dotless_scheme = registered.destination == Destination::PrivateScheme { dotless: true };
        Self { uri: registered.uri, application_type: registered.application_type, dotless_scheme }
    }
}

/// A presented redirect URI that matched a registered one: the only value a response can be sent to.
///
/// Comes from [`RedirectUri::accept`] or [`RedirectUri::as_registered`] and from nowhere else; it is not read
/// back from storage, so a URI that was stored meanwhile is matched again against the client as it is then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MatchedRedirectUri(Arc<str>);

impl MatchedRedirectUri {
    /// The URI as it was presented.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The same text, shared.
    #[must_use]
    pub fn to_text(&self) -> Arc<str> {
        Arc::clone(&self.0)
    }

    /// The URI with `parameters` added to its query, form-encoded; a query it has is kept as it is (RFC 6749
    /// §3.1.2 and §4.1.2). Without parameters it is returned unchanged.
    #[must_use]
    pub fn with_query<N: AsRef<str>, V: AsRef<str>>(
        &self,
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> String {
        let separator = match self.0.split_once('?') {
            None => "?",
            Some((_, query)) if query.is_empty() || query.ends_with('&') => "",
            Some(_) => "&",
        };
        append(&self.0, separator, parameters)
    }

    /// The URI with `parameters` as its fragment, form-encoded (RFC 6749 §4.2.2). Without parameters it is
    /// returned unchanged.
    #[must_use]
    pub fn with_fragment<N: AsRef<str>, V: AsRef<str>>(
        &self,
        parameters: impl IntoIterator<Item = (N, V)>,
    ) -> String {
        append(&self.0, "#", parameters)
    }

    /// The source expression that lets a form lead here under the Content-Security-Policy directive
    /// `form-action`: `https://client.example`, `http://127.0.0.1:51004`, `com.example.app:`.
    ///
    /// The directive cannot name an IPv6 address; for those it is the scheme alone, `http:` or `https:`.
    pub fn origin(&self) -> String {
        form_action_source(&self.0)
    }
}

impl fmt::Display for MatchedRedirectUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The checks of registration, in order. `allows` says whether a scheme may go without a dot.
fn destination(uri: &str, allows: impl Fn(&str) -> bool) -> Result<Destination, RedirectUriError> {
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

/// What follows the port in `http://<host>[:<port>]...`; `None` for any other text.
fn after_loopback_port<'a>(uri: &'a str, host: &str) -> Option<&'a str> {
    let rest = uri.strip_prefix("http://")?.strip_prefix(host)?;
    let Some(from_port) = rest.strip_prefix(':') else { return Some(rest) };
    let end = from_port.find(|c: char| !c.is_ascii_digit()).unwrap_or(from_port.len());
    let (digits, after) = from_port.split_at_checked(end)?;
    port_number(digits).map(|_| after)
}

fn form_action_source(uri: &str) -> String {
    let (scheme, rest) = uri.split_once(':').unwrap_or_default();
    let authority =
        rest.strip_prefix("//").and_then(|rest| rest.split(['/', '?']).next()).unwrap_or_default();
    if !matches!(scheme, "https" | "http") || authority.starts_with('[') {
        return format!("{scheme}:");
    }
    format!("{scheme}://{authority}")
}

fn append<N: AsRef<str>, V: AsRef<str>>(
    uri: &str,
    separator: &str,
    parameters: impl IntoIterator<Item = (N, V)>,
) -> String {
    let mut target = String::with_capacity(uri.len().saturating_add(256));
    target.push_str(uri);
    let mut separator = separator;
    for (name, value) in parameters {
        target.push_str(separator);
        push_encoded(&mut target, name.as_ref());
        target.push('=');
        push_encoded(&mut target, value.as_ref());
        separator = "&";
    }
    target
}

/// Whether a byte stands for itself in a form (the `application/x-www-form-urlencoded` serializer of the URL standard).
#[expect(clippy::indexing_slicing, reason = "evaluated when compiling")]
static IS_ITSELF: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < table.len() {
        table[byte] = (byte as u8).is_ascii_alphanumeric() || matches!(byte as u8, b'*' | b'-' | b'.' | b'_');
        byte += 1;
    }
    table
};

fn push_encoded(target: &mut String, text: &str) {
    let is_itself = |byte: u8| IS_ITSELF.get(usize::from(byte)).copied().unwrap_or_default();
    if text.bytes().fold(true, |all, byte| all & is_itself(byte)) {
        target.push_str(text)
    } else {
        target.extend(form_urlencoded::byte_serialize(text.as_bytes()))
    }
}
