//! Which hosts `NO_PROXY` exempts. There is no standard: this follows Go's
//! `golang.org/x/net/http/httpproxy`, which the other programs of a cluster read it with.

#[cfg(test)]
mod tests;

use std::net::IpAddr;

use ipnet::IpNet;
use url::Host;

/// The hosts that are connected to directly although there is a proxy.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct NoProxy {
    everything: bool,
    entries: Vec<Entry>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Entry {
    Network(IpNet),
    Address(IpAddr, Option<u16>),
    Domain {
        /// With its leading dot.
        suffix: String,
        /// Whether the domain itself is meant, too, beside the names below it.
        itself: bool,
        port: Option<u16>,
    },
}

impl NoProxy {
    /// Reads a comma-separated list of `*`, addresses, networks (`10.0.0.0/8`), `domain` (with the
    /// names below it), `.domain` and `*.domain` (only those below it); all but networks with an
    /// optional `:port`. As in Go, what is none of these matches nothing.
    pub(super) fn parse(list: &str) -> Self {
        let entries = list.split(',').map(str::trim);
        Self {
            everything: entries.clone().any(|entry| entry == "*"),
            entries: entries.filter_map(Entry::parse).collect(),
        }
    }

    /// Whether a host is connected to directly. Names are not looked up for it, and what certainly is
    /// this host is never reached through another one.
    pub(super) fn exempts(&self, host: &Host<&str>, port: u16) -> bool {
        let address = match host {
            Host::Domain(name) => {
                let name = name.strip_suffix('.').unwrap_or(name);
                return self.everything
                    || is_localhost(name)
                    || self.entries.iter().any(|entry| entry.is_name(name, port));
            }
            Host::Ipv4(address) => IpAddr::from(*address),
            Host::Ipv6(address) => IpAddr::from(*address).to_canonical(),
        };
        self.everything
            || address.is_loopback()
            || self
                .entries
                .iter()
                .any(|entry| entry.is_address(address, port))
    }
}

/// RFC 6761 section 6.3.
fn is_localhost(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

impl Entry {
    fn parse(text: &str) -> Option<Self> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Some(Self::Network(network));
        }
        let (host, port) = split_port(text);
        let port = match port {
            None | Some("") => None,
            Some(port) => Some(port.parse().ok()?),
        };
        if let Ok(address) = host.parse::<IpAddr>() {
            return Some(Self::Address(address.to_canonical(), port));
        }
        let below = host.strip_prefix("*.").or_else(|| host.strip_prefix('.'));
        let (name, itself) = match below {
            Some(name) => (name, false),
            None => (host, true),
        };
        // URLs have their names in this form.
        let name = match Host::parse(name) {
            Ok(Host::Domain(name)) => name,
            _ => return None,
        };
        Some(Self::Domain {
            suffix: format!(".{name}"),
            itself,
            port,
        })
    }

    fn is_name(&self, name: &str, port: u16) -> bool {
        let Self::Domain {
            suffix,
            itself,
            port: only,
        } = self
        else {
            return false;
        };
        only.is_none_or(|only| only == port)
            && (name.ends_with(suffix) || *itself && suffix.strip_prefix('.') == Some(name))
    }

    fn is_address(&self, address: IpAddr, port: u16) -> bool {
        match self {
            Self::Network(network) => network.contains(&address),
            Self::Address(this, only) => *this == address && only.is_none_or(|only| only == port),
            Self::Domain { .. } => false,
        }
    }
}

/// `host:port`, `[address]:port`, or no port; an IPv6 address without brackets has none.
fn split_port(text: &str) -> (&str, Option<&str>) {
    if let Some((address, rest)) = text.strip_prefix('[').and_then(|t| t.split_once(']')) {
        return (address, rest.strip_prefix(':'));
    }
    match text.split_once(':') {
        Some((host, port)) if !port.contains(':') => (host, Some(port)),
        _ => (text, None),
    }
}
