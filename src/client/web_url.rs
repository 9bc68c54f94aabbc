//! URLs of a client that the server fetches or shows.

use url::{Host, Url};

/// The longest such URL, in bytes.
const MAX_BYTES: usize = 2048;

/// A URL over TLS, or without it on this machine: visible ASCII, a host, no user information, at most 2048 bytes.
pub(super) fn web_url(text: &str) -> Option<Url> {
    let plain = text.len() <= MAX_BYTES && text.bytes().all(|byte| byte.is_ascii_graphic());
    let url = Url::parse(text).ok().filter(|_| plain)?;
    let local = match url.host()? {
        Host::Domain(name) => name == "localhost",
        Host::Ipv4(address) => address.is_loopback(),
        Host::Ipv6(address) => address.is_loopback(),
    };
    let scheme = url.scheme() == "https" || (url.scheme() == "http" && local);
    (scheme && url.username().is_empty() && url.password().is_none()).then_some(url)
}
