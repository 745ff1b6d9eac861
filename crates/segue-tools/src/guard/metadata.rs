//! The metadata and credential services of clouds: whoever reaches one from inside gets the keys of the machine. Most are
//! link-local and refused as that; they stand here so that no opened range opens them, and for those that are not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const fn v4(a: u8, b: u8, c: u8, d: u8) -> IpAddr {
    IpAddr::V4(Ipv4Addr::new(a, b, c, d))
}

const fn v6(first: u16, second: u16, third: u16, seventh: u16, last: u16) -> IpAddr {
    IpAddr::V6(Ipv6Addr::new(first, second, third, 0, 0, 0, seventh, last))
}

/// Address, whose it is, and where that is written.
pub(super) const SERVICES: &[(IpAddr, &str, &str)] = &[
    (
        v4(169, 254, 169, 254),
        "Amazon EC2, Google Cloud, Azure, Oracle Cloud, DigitalOcean, OpenStack and others",
        "EC2 User Guide, Instance metadata; Compute Engine, About VM metadata; Azure Instance Metadata Service",
    ),
    (
        v6(0xfd00, 0xec2, 0, 0, 0x254),
        "Amazon EC2 over IPv6",
        "EC2 User Guide, Instance metadata",
    ),
    (
        v4(169, 254, 170, 2),
        "Amazon ECS, credentials of tasks",
        "ECS Developer Guide, Task IAM role",
    ),
    (
        v4(169, 254, 170, 23),
        "Amazon EKS, credentials of pods",
        "EKS User Guide, EKS Pod Identity",
    ),
    (
        v6(0xfd00, 0xec2, 0, 0, 0x23),
        "Amazon EKS, credentials of pods over IPv6",
        "EKS User Guide, EKS Pod Identity",
    ),
    (
        v6(0xfd20, 0xce, 0, 0, 0x254),
        "Google Cloud over IPv6",
        "Compute Engine, About VM metadata",
    ),
    // A public address that every machine in Azure reaches.
    (
        v4(168, 63, 129, 16),
        "Azure, the host's own service",
        "Azure Virtual Network, What is IP address 168.63.129.16?",
    ),
    (
        v4(100, 100, 100, 200),
        "Alibaba Cloud",
        "Elastic Compute Service, Instance metadata",
    ),
    (
        v4(100, 96, 0, 96),
        "Volcano Engine",
        "Elastic Compute Service, Instance metadata",
    ),
    (
        v4(192, 0, 0, 192),
        "Oracle Cloud Classic",
        "Compute Classic, Retrieving Instance Metadata",
    ),
    (
        v4(169, 254, 42, 42),
        "Scaleway",
        "Scaleway Instances, metadata API",
    ),
    (
        v6(0xfd00, 0x42, 0, 0, 0x42),
        "Scaleway over IPv6",
        "Scaleway Instances, metadata API",
    ),
    (
        v6(0xfd00, 0xa9fe, 0xa9fe, 0, 1),
        "Akamai (Linode) over IPv6",
        "Akamai Cloud, Metadata service",
    ),
    (
        v6(0xfe80, 0, 0, 0xa9fe, 0xa9fe),
        "OpenStack over IPv6",
        "OpenStack Nova, Metadata service over IPv6",
    ),
    (
        v4(169, 254, 0, 23),
        "Tencent Cloud",
        "Cloud Virtual Machine, Instance metadata",
    ),
];

/// Names that lead to such a service, without a dot at the end. What ends with `.internal` is refused by that.
const NAMES: &[&str] = &[
    "metadata",
    "instance-data",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.tencentyun.com",
    "metadata.platformequinix.com",
    "metadata.packet.net",
    "api.metadata.cloud.ibm.com",
];

/// Whether an address is that of such a service.
pub(super) fn is_service(address: IpAddr) -> bool {
    SERVICES.iter().any(|(service, ..)| *service == address)
}

/// Whether a name is that of such a service.
pub(super) fn is_name(name: &str) -> bool {
    NAMES.contains(&name)
}
