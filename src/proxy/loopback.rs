//! The app in the pod: it listens on loopback's IPv4 address, or on IPv6 alone (`listen [::]:80`, or the
//! `localhost` of a runtime that prefers IPv6).

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use tokio::net::TcpStream;

/// Connects to an address. Where that is IPv4's loopback and nobody listens there, to IPv6's.
///
/// # Errors
/// Nobody listens; the error is that of the address itself.
pub(super) async fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let refused = match TcpStream::connect(address).await {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => error,
        connected => return connected,
    };
    if address.ip() != IpAddr::V4(Ipv4Addr::LOCALHOST) {
        return Err(refused);
    }
    let other = (Ipv6Addr::LOCALHOST, address.port());
    TcpStream::connect(other).await.map_err(|_| refused)
}
