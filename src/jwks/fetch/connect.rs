//! Who may be connected to, and connecting to just that.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;
use url::Host;

use super::FetchError;
use super::proxy::Proxy;
use crate::jwks::address::AddressRule;

/// For each address of a name: one that is black-holed must leave time for another.
const CONNECT_TIMEOUT: Duration = Duration::from_millis(1500);
/// For looking a name up that the proxy will look up anyway: where nothing outside resolves, look-ups
/// often get no answer at all, and must leave time for the proxy.
const LOOKUP_TIMEOUT: Duration = Duration::from_millis(1500);
/// The most addresses of one name that are tried.
const MAX_ADDRESSES: usize = 4;

/// Names of metadata services (Google, Amazon), which a proxy may resolve although we cannot, and
/// where they lead.
const METADATA_NAMES: [&str; 4] = [
    "metadata",
    "metadata.goog",
    "metadata.google.internal",
    "instance-data.ec2.internal",
];
const METADATA: Ipv4Addr = Ipv4Addr::new(169, 254, 169, 254);

/// Connects to a host itself.
pub(super) async fn direct(
    host: &Host<&str>,
    port: u16,
    rule: &AddressRule,
) -> Result<TcpStream, FetchError> {
    let found = look_up(host, port).await.ok_or(FetchError::Unresolvable)?;
    let permitted: Vec<_> = found
        .into_iter()
        .filter(|address| rule.permits(address.ip()))
        .collect();
    if permitted.is_empty() {
        return Err(FetchError::AddressRefused);
    }
    connect(&permitted).await.ok_or(FetchError::Unreachable)
}

/// Connects to a proxy. Whoever runs the process chose it, no tenant did: the address rule is not for
/// it.
pub(super) async fn to_proxy(proxy: &Proxy) -> Result<TcpStream, FetchError> {
    let found = look_up(&Host::Domain(&proxy.host), proxy.port).await;
    let found = found.ok_or(FetchError::ProxyUnreachable)?;
    connect(&found).await.ok_or(FetchError::ProxyUnreachable)
}

/// Whether a host may be asked of a proxy: not if any address that it has here is refused, since we
/// cannot tell which of them the proxy takes.
///
/// A name that does not resolve here is left to the proxy: hosts behind one often resolve internal
/// names only. The proxy connects from where it is, so what it may reach there is its own egress
/// policy's to say; that also holds for a name that it resolves to another address than we do.
pub(super) async fn check_before_proxy(
    host: &Host<&str>,
    port: u16,
    rule: &AddressRule,
) -> Result<(), FetchError> {
    if let Host::Domain(name) = host {
        let name = name.strip_suffix('.').unwrap_or(name);
        if METADATA_NAMES.contains(&name) && !rule.permits(METADATA.into()) {
            return Err(FetchError::AddressRefused);
        }
    }
    let found = timeout(LOOKUP_TIMEOUT, look_up(host, port)).await;
    let found = found.ok().flatten().unwrap_or_default();
    if all_permitted(rule, found.iter().map(SocketAddr::ip)) {
        Ok(())
    } else {
        Err(FetchError::AddressRefused)
    }
}

pub(super) fn all_permitted(
    rule: &AddressRule,
    mut addresses: impl Iterator<Item = IpAddr>,
) -> bool {
    addresses.all(|address| rule.permits(address))
}

/// The addresses of a host, at least one.
async fn look_up(host: &Host<&str>, port: u16) -> Option<Vec<SocketAddr>> {
    let found: Vec<SocketAddr> = match host {
        Host::Ipv4(address) => vec![(*address, port).into()],
        Host::Ipv6(address) => vec![(*address, port).into()],
        Host::Domain(name) => lookup_host((*name, port)).await.ok()?.collect(),
    };
    (!found.is_empty()).then_some(found)
}

/// Connects to the first that answers. The name is not looked up again: a second answer could be
/// another one.
async fn connect(addresses: &[SocketAddr]) -> Option<TcpStream> {
    for address in addresses.iter().take(MAX_ADDRESSES) {
        if let Ok(Ok(stream)) = timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            return Some(stream);
        }
    }
    None
}
