//! How many connections a server takes at one time, in all and from one address: a peer that opens
//! connections and says nothing must not keep the others out.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[cfg(test)]
mod tests;

/// Counts connections.
#[derive(Debug)]
pub struct ConnectionLimit {
    in_all: Arc<Semaphore>,
    addresses: Arc<Addresses>,
}

/// One counted connection; dropping it makes room.
#[derive(Debug)]
pub struct Permit {
    address: IpAddr,
    addresses: Arc<Addresses>,
    _in_all: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Addresses {
    most: usize,
    counts: Mutex<HashMap<IpAddr, usize>>,
}

impl ConnectionLimit {
    /// At most `in_all` (more wait in the listener's backlog), and at most `per_address` from one
    /// address (more are closed at once).
    pub fn new(in_all: usize, per_address: usize) -> Self {
        let addresses = Addresses {
            most: per_address,
            counts: Mutex::default(),
        };
        Self {
            in_all: Arc::new(Semaphore::new(in_all)),
            addresses: Arc::new(addresses),
        }
    }

    /// The next connection that there is room for.
    ///
    /// # Errors
    /// What accepting says: out of file descriptors, mostly.
    pub async fn accept(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, SocketAddr, Permit)> {
        let in_all = self.in_all.clone().acquire_owned().await;
        let in_all = in_all.expect("the semaphore is never closed");
        loop {
            let (stream, peer) = listener.accept().await?;
            // An IPv4 peer of a dual-stack listener is the same peer.
            let address = peer.ip().to_canonical();
            if self.addresses.enter(address) {
                let permit = Permit {
                    address,
                    addresses: self.addresses.clone(),
                    _in_all: in_all,
                };
                return Ok((stream, peer, permit));
            }
            tracing::debug!(%peer, "too many connections from one address");
        }
    }
}

impl Addresses {
    fn enter(&self, address: IpAddr) -> bool {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        let room = *count < self.most;
        *count += usize::from(room);
        room
    }

    fn leave(&self, address: IpAddr) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&address);
            }
        }
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.addresses.leave(self.address);
    }
}
