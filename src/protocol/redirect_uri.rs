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

mod matched;
mod registrable;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

pub use self::matched::MatchedRedirectUri;
use self::matched::form_action_source;
use self::registrable::{Destination, destination};
pub use self::registrable::{RedirectUriError, SchemePolicy};
use super::uri::port_number;

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
        self.matches_on_another_port(presented).then(|| MatchedRedirectUri::new(presented.into()))
    }

    /// The URI as registered, for a request without `redirect_uri` of a client that has only this one (OAuth
    /// 2.1 §2.3.2). OpenID Connect requests always name it.
    #[must_use]
    pub fn as_registered(&self) -> MatchedRedirectUri {
        MatchedRedirectUri::new(Arc::clone(&self.uri))
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

/// What follows the port in `http://<host>[:<port>]...`; `None` for any other text.
fn after_loopback_port<'a>(uri: &'a str, host: &str) -> Option<&'a str> {
    let rest = uri.strip_prefix("http://")?.strip_prefix(host)?;
    let Some(from_port) = rest.strip_prefix(':') else { return Some(rest) };
    let end = from_port.find(|c: char| !c.is_ascii_digit()).unwrap_or(from_port.len());
    let (digits, after) = from_port.split_at_checked(end)?;
    port_number(digits).map(|_| after)
}
