//! How many connections may be unauthenticated at one time, in all and per address: a pod that
//! opens connections and says nothing must not keep the others out.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

#[cfg(test)]
mod tests;

/// In all. More wait in the listener's backlog; each step of a handshake has a deadline.
const IN_ALL: usize = 512;
/// From one address; more are closed at once. A sidecar has one; several pods share an address only
/// behind address translation.
const PER_ADDRESS: usize = 16;

/// Counts connections that are not authenticated yet.
#[derive(Debug)]
pub(super) struct Admission {
    in_all: Arc<Semaphore>,
    per_address: Arc<PerAddress>,
}

/// One such connection; dropping it makes room.
#[derive(Debug)]
pub(super) struct Permit {
    address: IpAddr,
    per_address: Arc<PerAddress>,
    _in_all: OwnedSemaphorePermit,
}

#[derive(Debug, Default)]
struct PerAddress(Mutex<HashMap<IpAddr, usize>>);

impl Default for Admission {
    fn default() -> Self {
        Self {
            in_all: Arc::new(Semaphore::new(IN_ALL)),
            per_address: Arc::default(),
        }
    }
}

impl Admission {
    /// The next connection that there is room for.
    pub(super) async fn accept(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, SocketAddr, Permit)> {
        let in_all = self
            .in_all
            .clone()
            .acquire_owned()
            .await
            .expect("the semaphore is never closed");
        loop {
            let (stream, peer) = listener.accept().await?;
            let address = peer.ip().to_canonical();
            if self.per_address.enter(address) {
                let per_address = self.per_address.clone();
                return Ok((
                    stream,
                    peer,
                    Permit {
                        address,
                        per_address,
                        _in_all: in_all,
                    },
                ));
            }
            tracing::debug!(%peer, "too many unauthenticated connections from one address");
        }
    }
}

impl PerAddress {
    fn enter(&self, address: IpAddr) -> bool {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(address).or_default();
        let room = *count < PER_ADDRESS;
        *count += usize::from(room);
        room
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut counts = self
            .per_address
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}
