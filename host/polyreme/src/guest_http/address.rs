//! Where a request of a guest may lead: a pure decision about one address.
//!
//! A host name that is granted can resolve to anything, also to the host's own loopback or to the machine's
//! metadata service, which hands out credentials. So every address is checked after resolution, and those that
//! are not out on the internet are refused unless a grant names their network. An IPv6 address that only wraps
//! an IPv4 address is judged as what it wraps.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// IPv4 networks that are not out on the internet: IANA's IPv4 Special-Purpose Address Registry, multicast, and
/// the one public address that a cloud uses for its own platform.
const SPECIAL_V4: [(Ipv4Net, &str); 15] = [
    (v4([0, 0, 0, 0], 8), "unspecified"),
    (v4([10, 0, 0, 0], 8), "private"),
    (v4([100, 64, 0, 0], 10), "shared, used inside of clusters and clouds"),
    (v4([127, 0, 0, 0], 8), "loopback"),
    (v4([169, 254, 0, 0], 16), "link-local, where metadata services are"),
    (v4([172, 16, 0, 0], 12), "private"),
    (v4([192, 0, 0, 0], 24), "reserved for protocols"),
    (v4([192, 0, 2, 0], 24), "documentation"),
    (v4([192, 168, 0, 0], 16), "private"),
    (v4([198, 18, 0, 0], 15), "benchmarks"),
    (v4([198, 51, 100, 0], 24), "documentation"),
    (v4([203, 0, 113, 0], 24), "documentation"),
    (v4([224, 0, 0, 0], 4), "multicast"),
    // The limited broadcast address is in it.
    (v4([240, 0, 0, 0], 4), "reserved"),
    // Azure's WireServer.
    (v4([168, 63, 129, 16], 32), "a cloud's platform"),
];

/// The same for IPv6. Unique local addresses hold the metadata service of EC2, `fd00:ec2::254`.
const SPECIAL_V6: [(Ipv6Net, &str); 9] = [
    (v6([0, 0, 0, 0, 0, 0, 0, 0], 128), "unspecified"),
    (v6([0, 0, 0, 0, 0, 0, 0, 1], 128), "loopback"),
    (v6([0x64, 0xff9b, 1, 0, 0, 0, 0, 0], 48), "local translation to IPv4"),
    (v6([0x100, 0, 0, 0, 0, 0, 0, 0], 64), "discarded"),
    (v6([0x2001, 0, 0, 0, 0, 0, 0, 0], 23), "reserved for protocols, such as Teredo"),
    (v6([0xfc00, 0, 0, 0, 0, 0, 0, 0], 7), "private"),
    (v6([0xfe80, 0, 0, 0, 0, 0, 0, 0], 10), "link-local"),
    (v6([0xfec0, 0, 0, 0, 0, 0, 0, 0], 10), "site-local"),
    (v6([0xff00, 0, 0, 0, 0, 0, 0, 0], 8), "multicast"),
];

const fn v4(octets: [u8; 4], prefix: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::from_octets(octets), prefix)
}

const fn v6(segments: [u16; 8], prefix: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::from_segments(segments), prefix)
}

/// Why an address is refused unless its network is granted; `None` when it is out on the internet. `cluster`
/// are networks that the configuration says belong to the cluster.
#[must_use]
pub fn special(address: IpAddr, cluster: &[IpNet]) -> Option<&'static str> {
    let address = unwrapped(address);
    if cluster.iter().any(|network| network.contains(&address)) {
        return Some("the cluster's");
    }
    match address {
        IpAddr::V4(address) => SPECIAL_V4.iter().find(|(network, _)| network.contains(&address)).map(word),
        IpAddr::V6(address) => SPECIAL_V6.iter().find(|(network, _)| network.contains(&address)).map(word),
    }
}

fn word<N>(entry: &(N, &'static str)) -> &'static str {
    entry.1
}

/// Whether a connection may be made: the address is out on the internet, or one of `granted` contains it.
#[must_use]
pub fn may_connect(address: IpAddr, granted: &[IpNet], cluster: &[IpNet]) -> bool {
    special(address, cluster).is_none() || granted.iter().any(|network| network.contains(&unwrapped(address)))
}

/// The IPv4 address that an IPv6 address stands for, where it does: mapped and compatible addresses (RFC 4291),
/// 6to4 (RFC 3056) and NAT64 (RFC 6052).
#[must_use]
pub fn unwrapped(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    let [a, b, c, d, e, f, g, h] = v6.segments();
    let v4 = |high: u16, low: u16| IpAddr::V4(Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)));
    match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff) | (0x64, 0xff9b, 0, 0, 0, 0) => v4(g, h),
        // Of RFC 2765.
        (0, 0, 0, 0, 0xffff, 0) => v4(g, h),
        // :: and ::1 are IPv6's own.
        (0, 0, 0, 0, 0, 0) if g != 0 || h > 1 => v4(g, h),
        (0x2002, high, low, ..) => v4(high, low),
        _ => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str) -> bool {
        !may_connect(address.parse().unwrap(), &[], &[])
    }

    #[test]
    fn what_is_not_out_on_the_internet_is_refused() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.100.100.200",
            "127.0.0.1",
            "127.255.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.192",
            "192.168.1.1",
            "198.18.0.1",
            "224.0.0.1",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "168.63.129.16",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "fec0::1",
            "fc00::1",
            "fd00:ec2::254",
            "ff02::1",
            "2001::1",
            "100::1",
            "64:ff9b:1::1",
        ] {
            assert!(refused(address), "{address}");
        }
    }

    #[test]
    fn what_is_out_there_is_not() {
        for address in ["1.1.1.1", "100.63.0.1", "100.128.0.1", "172.32.0.1", "192.169.0.1", "2606:4700::1"] {
            assert!(!refused(address), "{address}");
        }
    }

    #[test]
    fn an_address_that_wraps_another_is_judged_as_that() {
        for address in [
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "::ffff:0:10.0.0.1",
            "2002:7f00:1::",
            "2002:a9fe:a9fe::1",
            "64:ff9b::10.0.0.1",
            "64:ff9b::a9fe:a9fe",
        ] {
            assert!(refused(address), "{address}");
        }
        for address in ["::ffff:1.1.1.1", "2002:101:101::", "64:ff9b::1.1.1.1"] {
            assert!(!refused(address), "{address}");
        }
    }

    #[test]
    fn a_granted_network_lets_its_own_addresses_through_and_no_others() {
        let granted = ["10.1.0.0/16".parse().unwrap(), "fd00::/64".parse().unwrap()];
        let may = |address: &str| may_connect(address.parse().unwrap(), &granted, &[]);
        assert!(may("10.1.2.3") && may("::ffff:10.1.2.3") && may("fd00::1"));
        assert!(!may("10.2.0.1") && !may("127.0.0.1") && !may("fd00:0:0:1::1"));
    }

    #[test]
    fn the_clusters_networks_are_refused_wherever_they_are() {
        let cluster = ["34.118.224.0/20".parse().unwrap()];
        let address = "34.118.224.1".parse().unwrap();
        assert!(may_connect(address, &[], &[]) && !may_connect(address, &[], &cluster));
        assert!(may_connect(address, &cluster, &cluster), "unless it is granted");
    }
}
