//! Connections that have not shown yet who they are: how fast they come in, how many there may be, and
//! who goes when there are too many.
//!
//! A thousand sidecars that lost their operator have one address each, and wait for their turn. Whoever
//! opens connections and says nothing has few addresses and many connections: those go first.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep_until};

#[cfg(test)]
mod tests;

/// Connections at one time; each step of theirs has a deadline.
const MOST: usize = 512;
/// Of these, from one address. A sidecar has one; several pods share an address only behind address
/// translation.
const MOST_PER_ADDRESS: usize = 16;
/// Between two connections, in the long run: a handshake takes a fraction of a millisecond of computing,
/// and streams that are open want some of it.
const INTERVAL: Duration = Duration::from_millis(1);
/// Connections that may come at once after a pause.
const BURST: u32 = 500;

/// Lets connections in. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(super) struct Lobby(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    guests: Mutex<Guests>,
    /// Somebody left.
    left: Notify,
}

/// One connection in the lobby; dropping it leaves.
#[derive(Debug)]
pub(super) struct Guest {
    id: u64,
    lobby: Lobby,
}

#[derive(Debug, Default)]
struct Guests {
    waiting: BTreeMap<u64, Waiting>,
    /// Oldest first.
    addresses: HashMap<IpAddr, BTreeSet<u64>>,
    last: u64,
    pace: Pace,
}

#[derive(Debug)]
struct Waiting {
    address: IpAddr,
    /// None: it has just come.
    connection: Option<AbortHandle>,
}

/// Who may come in.
#[derive(Debug, PartialEq, Eq)]
enum Admission {
    /// This one, under this number; for it, that one goes.
    In(u64, Option<u64>),
    /// Not this one.
    Refused,
}

/// When the next connection may come (a leaky bucket, as the generic cell rate algorithm has it).
#[derive(Debug, Default)]
struct Pace {
    /// When the bucket is empty again.
    empty: Option<Instant>,
}

impl Lobby {
    /// The next connection that there is room for. May be dropped while it waits.
    ///
    /// # Errors
    /// What accepting says: out of file descriptors, mostly.
    pub(super) async fn accept(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, std::net::SocketAddr, Guest)> {
        loop {
            self.room().await;
            let (stream, peer) = listener.accept().await?;
            // A snapshot of several writes would wait for an acknowledgement in the middle: 40 ms.
            let _ = stream.set_nodelay(true);
            // An IPv4 peer of a dual-stack listener is the same peer.
            if let Some(guest) = self.enter(peer.ip().to_canonical()) {
                return Ok((stream, peer, guest));
            }
            tracing::debug!(%peer, "too many connections from one address");
        }
    }

    /// Waits until one more may come.
    async fn room(&self) {
        let turn = self.guests().pace.turn();
        sleep_until(turn.unwrap_or_else(Instant::now)).await;
        loop {
            let left = self.0.left.notified();
            if self.guests().has_room() {
                return;
            }
            left.await;
        }
    }

    fn enter(&self, address: IpAddr) -> Option<Guest> {
        let mut guests = self.guests();
        guests.pace.take(Instant::now());
        let Admission::In(id, evicted) = guests.admit(address) else {
            return None;
        };
        let connection = evicted.and_then(|id| guests.leave(id)?.connection);
        drop(guests);
        if let Some(connection) = connection {
            connection.abort();
        }
        let lobby = self.clone();
        Some(Guest { id, lobby })
    }

    fn guests(&self) -> MutexGuard<'_, Guests> {
        self.0.guests.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Guest {
    /// Number of the connection, to tell the lobby of its task.
    pub(super) fn id(&self) -> u64 {
        self.id
    }
}

impl Lobby {
    /// What ends the connection of this number, should it have to go.
    pub(super) fn serve(&self, id: u64, connection: AbortHandle) {
        // It may have left already.
        if let Some(waiting) = self.guests().waiting.get_mut(&id) {
            waiting.connection = Some(connection);
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.lobby.guests().leave(self.id);
        self.lobby.0.left.notify_one();
    }
}

impl Guests {
    fn has_room(&self) -> bool {
        self.waiting.len() < MOST || self.crowd().is_some()
    }

    fn admit(&mut self, address: IpAddr) -> Admission {
        let own = self.addresses.get(&address).map_or(0, BTreeSet::len);
        if own >= MOST_PER_ADDRESS {
            return Admission::Refused;
        }
        let mut evicted = None;
        if self.waiting.len() >= MOST {
            let Some(oldest) = self.crowd() else {
                return Admission::Refused;
            };
            evicted = Some(oldest);
        }
        self.last += 1;
        let waiting = Waiting {
            address,
            connection: None,
        };
        self.waiting.insert(self.last, waiting);
        self.addresses.entry(address).or_default().insert(self.last);
        Admission::In(self.last, evicted)
    }

    /// The oldest connection of the address that has most, if any has several.
    fn crowd(&self) -> Option<u64> {
        let crowd = self.addresses.values().max_by_key(|ids| ids.len())?;
        (crowd.len() > 1).then(|| crowd.first().copied())?
    }

    fn leave(&mut self, id: u64) -> Option<Waiting> {
        let waiting = self.waiting.remove(&id)?;
        if let Some(ids) = self.addresses.get_mut(&waiting.address) {
            ids.remove(&id);
            if ids.is_empty() {
                self.addresses.remove(&waiting.address);
            }
        }
        Some(waiting)
    }
}

impl Pace {
    /// When the next one may come; none: now.
    fn turn(&self) -> Option<Instant> {
        self.empty.map(|empty| empty - INTERVAL * BURST)
    }

    fn take(&mut self, now: Instant) {
        let empty = self.empty.map_or(now, |empty| empty.max(now));
        self.empty = Some(empty + INTERVAL);
    }
}
