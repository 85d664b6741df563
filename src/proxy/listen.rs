//! Listening sockets.

use std::io;
use std::net::{SocketAddr, TcpListener};

use socket2::{Domain, Protocol, Socket, Type};

use super::StartError;

/// Clients that may wait to be accepted.
const BACKLOG: i32 = 4096;

/// Binds an address for `workers` threads; returns it with its port.
///
/// With several workers each gets a socket of its own (SO_REUSEPORT). That alone would share the
/// port with another process that asks for the same, so the address is first taken without it.
///
/// # Errors
/// The address cannot be taken.
pub(super) fn bind(
    address: SocketAddr,
    workers: usize,
) -> Result<(SocketAddr, Vec<TcpListener>), StartError> {
    let failed = |source| StartError::Bind { address, source };
    let alone = socket(address, false).map_err(failed)?;
    if workers == 1 {
        alone.listen(BACKLOG).map_err(failed)?;
        let listener = TcpListener::from(alone);
        let address = listener.local_addr().map_err(failed)?;
        return Ok((address, vec![listener]));
    }
    let taken = alone.local_addr().and_then(|taken| {
        taken
            .as_socket()
            .ok_or_else(|| io::Error::other("the socket has no address"))
    });
    let taken = taken.map_err(failed)?;
    drop(alone);
    let shared = |_| {
        let socket = socket(taken, true)?;
        socket.listen(BACKLOG)?;
        Ok(TcpListener::from(socket))
    };
    let listeners = (0..workers)
        .map(shared)
        .collect::<io::Result<_>>()
        .map_err(failed)?;
    Ok((taken, listeners))
}

fn socket(address: SocketAddr, shared: bool) -> io::Result<Socket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )?;
    socket.set_nonblocking(true)?;
    // Connections that linger from a run before must not keep the address.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        // `[::]` is every address, IPv4 included.
        socket.set_only_v6(false)?;
    }
    if shared {
        socket.set_reuse_port(true)?;
    }
    socket.bind(&address.into())?;
    Ok(socket)
}

#[cfg(test)]
mod tests;
