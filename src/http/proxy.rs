//! The client's address: that of the connection, unless a proxy that was named as trusted says otherwise.

use std::net::IpAddr;

use http::HeaderMap;

use super::HttpServer;
use crate::server::Origin;

/// The proxies whose `X-Forwarded-For` counts. Without any, the header is never looked at.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedProxies {
    addresses: Vec<IpAddr>,
}

impl TrustedProxies {
    /// Trusts nobody.
    #[must_use]
    pub const fn none() -> Self {
        Self { addresses: Vec::new() }
    }

    /// Trusts these addresses to append the true address of whoever connected to them.
    pub fn new(addresses: impl IntoIterator<Item = IpAddr>) -> Self {
        Self { addresses: addresses.into_iter().map(|address| address.to_canonical()).collect() }
    }

    /// The nearest address that is no trusted proxy, from the connection backwards through `X-Forwarded-For`. What
    /// stands before it was written by whoever sent the request, and is not believed.
    #[must_use]
    pub fn client_address(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Option<IpAddr> {
        let peer = peer?.to_canonical();
        if !self.addresses.contains(&peer) {
            return Some(peer);
        }
        let lines = headers.get_all("x-forwarded-for").iter().rev();
        let hops = lines.flat_map(|line| line.as_bytes().rsplit(|byte| *byte == b','));
        let mut nearest = peer;
        for hop in hops {
            let Some(address) = read(hop) else { return Some(nearest) };
            nearest = address.to_canonical();
            if !self.addresses.contains(&nearest) {
                return Some(nearest);
            }
        }
        Some(nearest)
    }
}

impl HttpServer {
    /// Where a request comes from. That it is unknown is said once, in the log: then everyone shares the quotas of one address,
    /// and whoever uses them up locks out all others.
    pub(super) fn origin(&self, peer: Option<IpAddr>, headers: &HeaderMap) -> Origin {
        let address = self.proxies.client_address(peer, headers);
        #[cfg(feature = "tracing")]
        if address.is_none() {
            self.addresses_missed.call_once(|| {
                tracing::warn!(
                    "the address of a client is unknown, so all clients share the quotas of one: hand over the address of the \
                     connection (with axum, into_make_service_with_connect_info) and name the proxies before this server"
                );
            });
        }
        Origin { address }
    }
}

fn read(hop: &[u8]) -> Option<IpAddr> {
    std::str::from_utf8(hop).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn address(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn headers(lines: &[&str]) -> HeaderMap {
        lines
            .iter()
            .map(|line| {
                let value = http::HeaderValue::from_bytes(line.as_bytes()).unwrap();
                (http::HeaderName::from_static("x-forwarded-for"), value)
            })
            .collect()
    }

    #[test]
    fn the_header_is_not_believed_from_anyone_who_was_not_named() {
        let seen =
            TrustedProxies::none().client_address(Some(address("192.0.2.1")), &headers(&["203.0.113.9"]));
        assert_eq!(seen, Some(address("192.0.2.1")));
        let other = TrustedProxies::new([address("192.0.2.7")]);
        assert_eq!(
            other.client_address(Some(address("192.0.2.1")), &headers(&["203.0.113.9"])),
            Some(address("192.0.2.1"))
        );
    }

    #[test]
    fn a_trusted_proxy_names_whoever_connected_to_it_and_nobody_further() {
        let trusted = TrustedProxies::new([address("192.0.2.1"), address("192.0.2.2")]);
        let peer = Some(address("192.0.2.1"));
        let seen = |lines: &[&str]| trusted.client_address(peer, &headers(lines)).unwrap();
        assert_eq!(seen(&["198.51.100.5, 203.0.113.9"]), address("203.0.113.9"));
        assert_eq!(seen(&["198.51.100.5, 203.0.113.9, 192.0.2.2"]), address("203.0.113.9"));
        assert_eq!(seen(&["198.51.100.5", "203.0.113.9"]), address("203.0.113.9"));
        assert_eq!(seen(&["nonsense"]), address("192.0.2.1"));
        assert_eq!(seen(&[]), address("192.0.2.1"));
    }
    #[test]
    fn what_a_sender_writes_before_its_address_does_not_hide_it() {
        let trusted = TrustedProxies::new([address("192.0.2.1")]);
        let seen = |lines: &[&str]| trusted.client_address(Some(address("192.0.2.1")), &headers(lines));
        assert_eq!(seen(&["é, 203.0.113.9"]), Some(address("203.0.113.9")));
        assert_eq!(seen(&["203.0.113.9", "é"]), Some(address("192.0.2.1")));
    }

    #[test]
    fn an_ipv4_address_is_the_same_in_ipv6() {
        for (named, peer) in [("::ffff:192.0.2.1", "192.0.2.1"), ("192.0.2.1", "::ffff:192.0.2.1")] {
            let trusted = TrustedProxies::new([address(named)]);
            let seen = trusted.client_address(Some(address(peer)), &headers(&["::ffff:203.0.113.9"]));
            assert_eq!(seen, Some(address("203.0.113.9")), "{named}");
        }
    }
}
