//! How many connections there may be, in all and from one address: a pod that opens connections and
//! says nothing must not keep the API server out.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// In all; more wait in the listener's backlog.
const IN_ALL: usize = 256;
/// From one address; more are closed at once. An API server has a connection for each review that is
/// under way.
const PER_ADDRESS: usize = 64;

/// Counts connections.
#[derive(Debug)]
pub(super) struct Connections {
    in_all: Arc<Semaphore>,
    per_address: Arc<PerAddress>,
}

/// One connection; dropping it makes room.
#[derive(Debug)]
pub(super) struct Permit {
    address: IpAddr,
    per_address: Arc<PerAddress>,
    _in_all: OwnedSemaphorePermit,
}

type PerAddress = Mutex<HashMap<IpAddr, usize>>;

impl Default for Connections {
    fn default() -> Self {
        Self {
            in_all: Arc::new(Semaphore::new(IN_ALL)),
            per_address: Arc::default(),
        }
    }
}

impl Connections {
    /// The next connection that there is room for.
    pub(super) async fn accept(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, SocketAddr, Permit)> {
        let permit = self.in_all.clone().acquire_owned().await;
        let permit = permit.expect("the semaphore is never closed");
        loop {
            let (stream, peer) = listener.accept().await?;
            let address = peer.ip().to_canonical();
            if self.enter(address) {
                let per_address = self.per_address.clone();
                return Ok((
                    stream,
                    peer,
                    Permit {
                        address,
                        per_address,
                        _in_all: permit,
                    },
                ));
            }
            tracing::debug!(%peer, "too many webhook connections from one address");
        }
    }

    fn enter(&self, address: IpAddr) -> bool {
        let mut counts = self
            .per_address
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
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

#[cfg(test)]
mod tests;
