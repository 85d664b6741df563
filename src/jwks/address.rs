//! Which addresses may be fetched from. Whoever may write an EndpointsService chooses URLs that we
//! fetch from inside the cluster: they must not lead to this host or to the cloud's metadata.

#[cfg(test)]
mod tests;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net};

/// Which addresses may be fetched from, and how.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AddressRule {
    /// Whether `http:` is fetched as well as `https:`.
    pub allow_http: bool,
    /// Whether this host's loopback is allowed.
    pub allow_loopback: bool,
    /// Networks that are allowed whatever else is refused (`--jwks-allow`).
    pub allowed: Vec<IpNet>,
}

impl AddressRule {
    /// For the operator: https only; loopback, link-local and metadata addresses refused except for
    /// the networks named.
    pub fn strict(allowed: Vec<IpNet>) -> Self {
        Self {
            allow_http: false,
            allow_loopback: false,
            allowed: allowed.into_iter().map(unmapped).collect(),
        }
    }

    /// For `dev`, on a developer's own machine.
    pub fn development() -> Self {
        Self {
            allow_http: true,
            allow_loopback: true,
            allowed: Vec::new(),
        }
    }

    /// Whether this address may be connected to. Private networks may: issuers live there.
    pub fn permits(&self, address: IpAddr) -> bool {
        let address = embedded(address);
        if self
            .allowed
            .iter()
            .any(|network| network.contains(&address))
        {
            return true;
        }
        match address {
            IpAddr::V4(address) if address.is_loopback() => self.allow_loopback,
            IpAddr::V6(address) if address.is_loopback() => self.allow_loopback,
            IpAddr::V4(address) => !refused_v4(address),
            IpAddr::V6(address) => !refused_v6(address),
        }
    }
}

/// Metadata services outside the link-local ranges: Alibaba, Oracle, Azure.
const METADATA_V4: [Ipv4Addr; 3] = [
    Ipv4Addr::new(100, 100, 100, 200),
    Ipv4Addr::new(192, 0, 0, 192),
    Ipv4Addr::new(168, 63, 129, 16),
];
/// Google's metadata service outside the link-local range.
const METADATA_V6: Ipv6Addr = Ipv6Addr::new(0xfd20, 0x00ce, 0, 0, 0, 0, 0, 0x0254);
/// Amazon's services of an instance: metadata (`::254`), EKS Pod Identity's agent (`::23`), DNS and
/// time. None of them serves key sets, so the network is refused, and what may come to be in it.
const AMAZON_V6: [u16; 4] = [0xfd00, 0x0ec2, 0, 0];

fn refused_v4(address: Ipv4Addr) -> bool {
    // "This network" reaches the host itself on Linux; 240/4 holds the broadcast address.
    let [first, ..] = address.octets();
    first == 0
        || first >= 240
        || address.is_link_local()
        || address.is_multicast()
        || METADATA_V4.contains(&address)
}

fn refused_v6(address: Ipv6Addr) -> bool {
    address.is_unspecified()
        || address.is_unicast_link_local()
        || address.is_multicast()
        || address == METADATA_V6
        || address.segments().starts_with(&AMAZON_V6)
        // Site-local (RFC 3879), what link-local and unique local addresses came from.
        || address.segments()[0] & 0xffc0 == 0xfec0
}

/// The network that one of mapped addresses (`::ffff:10.0.0.0/104`) means: addresses are compared as IPv4.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else {
        return network;
    };
    let v4 = v6.addr().to_ipv4_mapped();
    let length = v6.prefix_len().checked_sub(96);
    let v4 = v4.zip(length).map(|(v4, length)| Ipv4Net::new(v4, length));
    v4.and_then(Result::ok).map_or(network, IpNet::V4)
}

/// The IPv4 address that an IPv6 one leads to: mapped (RFC 4291 section 2.5.5), compatible, translated
/// (RFC 2765 section 2.1), NAT64 (RFC 6052, RFC 8215), 6to4 (RFC 3056).
fn embedded(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else {
        return address;
    };
    let [a, b, c, d, e, f, high, low] = v6.segments();
    let (high, low) = match (a, b, c, d, e, f) {
        (0, 0, 0, 0, 0, 0xffff | 0) if !v6.is_loopback() && !v6.is_unspecified() => (high, low),
        (0, 0, 0, 0, 0xffff, 0) => (high, low),
        (0x64, 0xff9b, 0, 0, 0, 0) | (0x64, 0xff9b, 1, ..) => (high, low),
        (0x2002, ..) => (b, c),
        _ => return address,
    };
    let ([w, x], [y, z]) = (high.to_be_bytes(), low.to_be_bytes());
    IpAddr::V4(Ipv4Addr::new(w, x, y, z))
}
