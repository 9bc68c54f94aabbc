//! Which addresses are public: those that a request chosen by a stranger may reach.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Blocks of IPv4 that are not public (RFC 6890, IANA special-purpose registry): first address, prefix length.
const V4: &[(Ipv4Addr, u32)] = &[
    (Ipv4Addr::new(0, 0, 0, 0), 8),        // this network
    (Ipv4Addr::new(10, 0, 0, 0), 8),       // private
    (Ipv4Addr::new(100, 64, 0, 0), 10),    // shared by carriers
    (Ipv4Addr::new(127, 0, 0, 0), 8),      // loopback
    (Ipv4Addr::new(168, 63, 129, 16), 32), // a cloud's host agent, in public space
    (Ipv4Addr::new(169, 254, 0, 0), 16),   // link-local, cloud metadata
    (Ipv4Addr::new(172, 16, 0, 0), 12),    // private
    (Ipv4Addr::new(192, 0, 0, 0), 24),     // protocol assignments
    (Ipv4Addr::new(192, 0, 2, 0), 24),     // documentation
    (Ipv4Addr::new(192, 31, 196, 0), 24),  // AS112
    (Ipv4Addr::new(192, 52, 193, 0), 24),  // multicast tunnels
    (Ipv4Addr::new(192, 88, 99, 0), 24),   // 6to4 relays
    (Ipv4Addr::new(192, 168, 0, 0), 16),   // private
    (Ipv4Addr::new(192, 175, 48, 0), 24),  // AS112
    (Ipv4Addr::new(198, 18, 0, 0), 15),    // benchmarks
    (Ipv4Addr::new(198, 51, 100, 0), 24),  // documentation
    (Ipv4Addr::new(203, 0, 113, 0), 24),   // documentation
    (Ipv4Addr::new(224, 0, 0, 0), 4),      // multicast
    (Ipv4Addr::new(240, 0, 0, 0), 4),      // reserved, broadcast
];

/// The only block of IPv6 that is public at all. Everything outside is special: unspecified, loopback, addresses with
/// an IPv4 address inside (mapped, compatible, NAT64), discard, segment routing, unique local, link-local, multicast.
const V6_GLOBAL: (Ipv6Addr, u32) = (Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// Blocks within [`V6_GLOBAL`] that are not public.
const V6: &[(Ipv6Addr, u32)] = &[
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23), // protocol assignments: Teredo, benchmarks, ORCHID
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32), // documentation
    (Ipv6Addr::new(0x2002, 0, 0, 0, 0, 0, 0, 0), 16), // 6to4: an IPv4 address inside
    (Ipv6Addr::new(0x2620, 0x4f, 0x8000, 0, 0, 0, 0, 0), 48), // AS112
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20), // documentation
];

/// Whether an address has a special use (RFC 6890) and so belongs to a network that a stranger must not reach through
/// this server.
#[must_use]
pub fn is_special_use(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => V4.iter().any(|block| in_v4(address, *block)),
        IpAddr::V6(address) => !in_v6(address, V6_GLOBAL) || V6.iter().any(|block| in_v6(address, *block)),
    }
}

fn in_v4(address: Ipv4Addr, (first, prefix): (Ipv4Addr, u32)) -> bool {
    let mask = u32::MAX.checked_shl(32_u32.saturating_sub(prefix)).unwrap_or(0);
    address.to_bits() & mask == first.to_bits()
}

fn in_v6(address: Ipv6Addr, (first, prefix): (Ipv6Addr, u32)) -> bool {
    let mask = u128::MAX.checked_shl(128_u32.saturating_sub(prefix)).unwrap_or(0);
    address.to_bits() & mask == first.to_bits()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn special_addresses_are_told_from_their_public_neighbours() {
        let special = "0.0.0.0 0.255.255.255 10.0.0.1 100.64.0.0 100.127.255.255 127.0.0.1 127.255.255.255 \
            168.63.129.16 169.254.169.254 172.16.0.0 172.31.255.255 192.0.0.170 192.0.2.1 192.88.99.1 192.168.1.1 \
            198.18.0.0 198.19.255.255 198.51.100.7 203.0.113.7 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255 \
            :: ::1 ::127.0.0.1 ::ffff:127.0.0.1 ::ffff:8.8.8.8 64:ff9b::7f00:1 64:ff9b::808:808 64:ff9b:1::1 100::1 \
            2001::1 2001:2::1 2001:20::1 2001:db8::1 2002:7f00:1:: 2002:808:808::1 2620:4f:8000::1 3fff::1 \
            3fff:fff:: 4000::1 5f00::1 fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 1fff:ffff::1";
        for text in special.split_whitespace() {
            assert!(is_special_use(text.parse().unwrap()), "{text}");
        }
        let public = "1.0.0.0 1.1.1.1 8.8.8.8 9.255.255.255 11.0.0.0 100.63.255.255 100.128.0.0 126.255.255.255 \
            128.0.0.0 168.63.129.15 168.63.129.17 169.253.255.255 169.255.0.0 172.15.255.255 172.32.0.0 192.0.1.0 \
            192.0.3.0 192.167.255.255 192.169.0.0 198.17.255.255 198.20.0.0 203.0.112.255 203.0.114.0 \
            223.255.255.255 2000::1 2001:200::1 2001:4860:4860::8888 2001:db7::1 2001:db9::1 2003::1 2606:4700::1 \
            3ffe:ffff::1 3fff:1000::1";
        for text in public.split_whitespace() {
            assert!(!is_special_use(text.parse().unwrap()), "{text}");
        }
    }

    #[test]
    fn every_block_starts_at_its_own_first_address() {
        for (first, prefix) in V4 {
            assert!(in_v4(*first, (*first, *prefix)), "{first}/{prefix}");
        }
        for (first, prefix) in V6 {
            assert!(in_v6(*first, (*first, *prefix)) && in_v6(*first, V6_GLOBAL), "{first}/{prefix}");
        }
    }
}
