//! Addresses: which class one is of, and what IPv4 address hides in an IPv6 one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};

use super::metadata;

/// A class of addresses that is no place of the public internet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// `0.0.0.0/8`: this network.
    ThisNetwork,
    /// This machine.
    Loopback,
    /// A private network.
    Private,
    /// `100.64.0.0/10`: shared with the customers of a provider.
    Shared,
    /// This link.
    LinkLocal,
    /// Set aside for protocols.
    Protocol,
    /// For examples in documents.
    Documentation,
    /// For measuring devices.
    Benchmark,
    /// The old relay to IPv6.
    Relay,
    /// Many receivers.
    Multicast,
    /// Set aside, broadcast among it.
    Reserved,
    /// IPv6 outside `2000::/3`.
    NotGlobal,
    /// An IPv4 address written as IPv6.
    Embedded,
    /// The metadata or credential service of a cloud.
    Metadata,
    /// An address of this machine's own interfaces.
    Own,
}

impl Class {
    /// In words, after "is".
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Class::ThisNetwork => "an address of this network",
            Class::Loopback => "a loopback address",
            Class::Private => "a private address",
            Class::Shared => "an address shared inside a provider's network",
            Class::LinkLocal => "a link-local address",
            Class::Protocol => "set aside for protocols",
            Class::Documentation => "set aside for documentation",
            Class::Benchmark => "set aside for benchmarks",
            Class::Relay => "an address of the old IPv6 relay",
            Class::Multicast => "a multicast address",
            Class::Reserved => "a reserved address",
            Class::NotGlobal => "no global IPv6 address",
            Class::Embedded => "an IPv4 address in an IPv6 one",
            Class::Metadata => "the metadata service of a cloud",
            Class::Own => "an address of this machine",
        }
    }
}

const fn v4(a: u8, b: u8, c: u8, d: u8, prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), prefix)
}

const fn v6(first: u16, second: u16, third: u16, prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0), prefix)
}

/// The special ranges of IPv4 (IANA's registry of special-purpose addresses, RFC 6890, with multicast of RFC 5771).
const V4: &[(Ipv4Net, Class)] = &[
    (v4(0, 0, 0, 0, 8), Class::ThisNetwork),
    (v4(127, 0, 0, 0, 8), Class::Loopback),
    (v4(10, 0, 0, 0, 8), Class::Private),
    (v4(172, 16, 0, 0, 12), Class::Private),
    (v4(192, 168, 0, 0, 16), Class::Private),
    (v4(100, 64, 0, 0, 10), Class::Shared),
    (v4(169, 254, 0, 0, 16), Class::LinkLocal),
    (v4(192, 0, 0, 0, 24), Class::Protocol),
    (v4(192, 0, 2, 0, 24), Class::Documentation),
    (v4(198, 51, 100, 0, 24), Class::Documentation),
    (v4(203, 0, 113, 0, 24), Class::Documentation),
    (v4(198, 18, 0, 0, 15), Class::Benchmark),
    (v4(192, 88, 99, 0, 24), Class::Relay),
    (v4(224, 0, 0, 0, 4), Class::Multicast),
    (v4(240, 0, 0, 0, 4), Class::Reserved),
];

/// What is special of IPv6 has a name where it has one; everything outside [`GLOBAL`] is refused in any case.
const V6: &[(Ipv6Net, Class)] = &[
    (v6(0xfe80, 0, 0, 10), Class::LinkLocal),
    (v6(0xfec0, 0, 0, 10), Class::Private),
    (v6(0xfc00, 0, 0, 7), Class::Private),
    (v6(0xff00, 0, 0, 8), Class::Multicast),
    (v6(0x2001, 0xdb8, 0, 32), Class::Documentation),
    (v6(0x3fff, 0, 0, 20), Class::Documentation),
    (v6(0x2001, 0, 0, 23), Class::Protocol),
    (v6(0x2002, 0, 0, 16), Class::Embedded),
];

/// Global unicast.
const GLOBAL: Ipv6Net = v6(0x2000, 0, 0, 3);

/// The well-known prefix of NAT64 (RFC 6052), the one for local use (RFC 8215), and that of translated addresses (RFC 2765).
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 0, 96);
const NAT64_LOCAL: Ipv6Net = v6(0x64, 0xff9b, 1, 48);
const TRANSLATED: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0), 96);
const TEREDO: Ipv6Net = v6(0x2001, 0, 0, 32);
const SIX_TO_FOUR: Ipv6Net = v6(0x2002, 0, 0, 16);

/// The class of an address by itself; none where it is a place of the public internet.
#[must_use]
pub fn class_of(address: IpAddr) -> Option<Class> {
    if metadata::is_service(address) {
        return Some(Class::Metadata);
    }
    match address {
        IpAddr::V4(address) => V4
            .iter()
            .find_map(|(range, class)| range.contains(&address).then_some(*class)),
        IpAddr::V6(address) => class_of_v6(address),
    }
}

fn class_of_v6(address: Ipv6Addr) -> Option<Class> {
    if address == Ipv6Addr::LOCALHOST {
        return Some(Class::Loopback);
    }
    if address == Ipv6Addr::UNSPECIFIED {
        return Some(Class::ThisNetwork);
    }
    if !embedded(address).is_empty() {
        return Some(Class::Embedded);
    }
    let named = V6
        .iter()
        .find_map(|(range, class)| range.contains(&address).then_some(*class));
    named.or_else(|| (!GLOBAL.contains(&address)).then_some(Class::NotGlobal))
}

/// The IPv4 addresses that an IPv6 address may lead to: whoever routes it may unwrap them.
#[must_use]
pub(super) fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let bytes = address.octets();
    let at = |from: usize| Ipv4Addr::new(bytes[from], bytes[from + 1], bytes[from + 2], bytes[from + 3]);
    if let Some(mapped) = address.to_ipv4_mapped() {
        return vec![mapped];
    }
    if TRANSLATED.contains(&address) || NAT64.contains(&address) {
        return vec![at(12)];
    }
    if NAT64_LOCAL.contains(&address) {
        // Its users choose the length of their prefix (RFC 6052): each place in which the address may be counts. Byte 8 is
        // never part of it.
        let split = |from: usize| {
            let mut digits = (from..16).filter(|at| *at != 8).map(|at| bytes[at]);
            let mut next = || digits.next().unwrap_or_default();
            Ipv4Addr::new(next(), next(), next(), next())
        };
        return vec![split(6), split(7), split(9), at(12)];
    }
    if SIX_TO_FOUR.contains(&address) {
        return vec![at(2)];
    }
    if TEREDO.contains(&address) {
        let client = Ipv4Addr::from_bits(!at(12).to_bits());
        return vec![at(4), client];
    }
    // Compatible addresses: long given up, still understood here and there. `::` and `::1` are addresses of their own.
    let is_compatible = bytes[..12].iter().all(|byte| *byte == 0);
    match is_compatible && address != Ipv6Addr::LOCALHOST && address != Ipv6Addr::UNSPECIFIED {
        true => vec![at(12)],
        false => Vec::new(),
    }
}

/// The addresses of this machine's interfaces.
///
/// # Errors
/// When the system does not tell.
pub(super) fn own() -> std::io::Result<Vec<IpAddr>> {
    let interfaces = nix::ifaddrs::getifaddrs().map_err(std::io::Error::from)?;
    let address = |interface: nix::ifaddrs::InterfaceAddress| {
        let address = interface.address?;
        let v4 = address.as_sockaddr_in().map(|address| IpAddr::V4(address.ip()));
        v4.or_else(|| address.as_sockaddr_in6().map(|address| IpAddr::V6(address.ip())))
    };
    Ok(interfaces.filter_map(address).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn class(text: &str) -> Option<Class> {
        class_of(text.parse().expect("an address"))
    }

    #[test]
    fn the_edges_of_each_range_are_where_the_registry_has_them() {
        for (range, class) in V4 {
            let (first, last) = (u32::from(range.network()), u32::from(range.broadcast()));
            for inside in [first, last, first / 2 + last / 2] {
                let found = class_of(Ipv4Addr::from(inside).into());
                assert!(
                    found == Some(*class) || found == Some(Class::Metadata),
                    "{range} {found:?}"
                );
            }
        }
        for public in [
            "1.0.0.0",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "169.255.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "191.255.255.255",
            "192.0.1.0",
            "192.0.3.0",
            "192.88.98.255",
            "192.88.100.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "198.51.99.255",
            "198.51.101.0",
            "203.0.112.255",
            "203.0.114.0",
            "223.255.255.255",
            "2000::",
            "2001:200::",
            "2001:db7:ffff::",
            "2001:db9::",
            "2003::",
            "2606:4700:4700::1111",
            "3ffe::",
            "3fff:1000::",
            "3fff:ffff::",
        ] {
            assert_eq!(class(public), None, "{public}");
        }
        for (special, expected) in [
            ("::", Class::ThisNetwork),
            ("::1", Class::Loopback),
            ("::2", Class::Embedded),
            ("fe80::1", Class::LinkLocal),
            ("febf::1", Class::LinkLocal),
            ("fec0::1", Class::Private),
            ("fc00::1", Class::Private),
            ("fdff::1", Class::Private),
            ("ff02::1", Class::Multicast),
            ("100::1", Class::NotGlobal),
            ("5f00::1", Class::NotGlobal),
            ("1fff::1", Class::NotGlobal),
            ("4000::1", Class::NotGlobal),
            ("2001:db8::1", Class::Documentation),
            ("3fff::1", Class::Documentation),
            ("3fff:fff::1", Class::Documentation),
            ("2001:1::1", Class::Protocol),
            ("2001:1ff::1", Class::Protocol),
        ] {
            assert_eq!(class(special), Some(expected), "{special}");
        }
    }

    #[test]
    fn each_form_of_an_embedded_address_gives_it_away() {
        for form in [
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1:7f00:0:100::",
            "64:ff9b:1:7f:0:1::",
            "64:ff9b:1:0:7f:0:100:0",
            "64:ff9b:1::7f00:1",
            "2002:7f00:1::",
            "2001:0:7f00:1::",
            "2001::80ff:fffe",
        ] {
            let address: Ipv6Addr = form.parse().expect("an address");
            assert!(
                embedded(address).contains(&Ipv4Addr::LOCALHOST),
                "{form} {:?}",
                embedded(address)
            );
            assert_eq!(class_of(address.into()), Some(Class::Embedded), "{form}");
        }
        for none in ["::1", "::", "2606:4700:4700::1111", "fe80::1"] {
            assert_eq!(
                embedded(none.parse().expect("an address")),
                Vec::<Ipv4Addr>::new()
            );
        }
    }

    #[test]
    fn this_machine_has_addresses() {
        let own = own().expect("the system tells");
        assert!(own.iter().any(IpAddr::is_loopback), "{own:?}");
    }
}
