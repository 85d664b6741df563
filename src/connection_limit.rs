//! How many connections a server takes at one time, in all and from one address: a peer that opens
//! connections and says nothing must not keep the others out.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::time::Instant;

#[cfg(test)]
mod tests;

/// Counts connections.
#[derive(Debug)]
pub struct ConnectionLimit(Arc<Shared>);

/// One counted connection; dropping it makes room.
#[derive(Debug)]
pub struct Permit {
    id: u64,
    evicted: Arc<Notify>,
    shared: Arc<Shared>,
}

/// Whether a connection may be ended for the sake of a new one. The least goes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Standing {
    /// Nothing of use ever came over it.
    Unknown,
    /// It was of use, and has nothing to do now.
    Idle,
    /// It stays. Connections begin like this: only a server that heeds [`Permit::evicted`] says
    /// otherwise.
    Served,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    most_per_address: usize,
    /// Few hundred at most: looked through as a whole.
    connections: Mutex<Connections>,
    /// There is room, or somebody who could make some.
    room: Notify,
}

#[derive(Debug, Default)]
struct Connections {
    by_id: BTreeMap<u64, Connection>,
    last: u64,
}

#[derive(Debug)]
struct Connection {
    address: IpAddr,
    standing: Standing,
    /// Since when it has that standing.
    since: Instant,
    evicted: Arc<Notify>,
}

impl ConnectionLimit {
    /// At most `in_all` and, of these, `per_address` from one address. One more ends one that may go:
    /// of the address that is at its share, or of the one that has most of those. If none may go, one
    /// more than `in_all` waits in the listener's backlog, and one more than `per_address` is closed
    /// at once.
    pub fn new(in_all: usize, per_address: usize) -> Self {
        Self(Arc::new(Shared {
            most: in_all,
            most_per_address: per_address,
            connections: Mutex::default(),
            room: Notify::new(),
        }))
    }

    /// The next connection that there is room for. May be dropped while it waits.
    ///
    /// # Errors
    /// What accepting says: out of file descriptors, mostly.
    pub async fn accept(
        &self,
        listener: &TcpListener,
    ) -> std::io::Result<(TcpStream, SocketAddr, Permit)> {
        loop {
            self.room().await;
            let (stream, peer) = listener.accept().await?;
            // An IPv4 peer of a dual-stack listener is the same peer.
            if let Some(permit) = self.enter(peer.ip().to_canonical()) {
                return Ok((stream, peer, permit));
            }
            tracing::debug!(%peer, "too many connections at one time, or from one address");
        }
    }

    async fn room(&self) {
        loop {
            let room = self.0.room.notified();
            if self.0.lock().has_room(self.0.most) {
                return;
            }
            room.await;
        }
    }

    fn enter(&self, address: IpAddr) -> Option<Permit> {
        let mut connections = self.0.lock();
        let own = connections.of(address).count();
        let victim = if own >= self.0.most_per_address {
            Some(connections.least_of(address)?)
        } else if connections.by_id.len() >= self.0.most {
            Some(connections.least()?)
        } else {
            None
        };
        if let Some(victim) = victim.and_then(|id| connections.by_id.remove(&id)) {
            victim.evicted.notify_one();
        }
        connections.last += 1;
        let id = connections.last;
        let evicted = Arc::new(Notify::new());
        let connection = Connection {
            address,
            standing: Standing::Served,
            since: Instant::now(),
            evicted: evicted.clone(),
        };
        connections.by_id.insert(id, connection);
        let shared = self.0.clone();
        Some(Permit {
            id,
            evicted,
            shared,
        })
    }
}

impl Permit {
    /// From now on the connection stands like this. One that stays unknown does not become younger.
    pub fn set(&self, standing: Standing) {
        let mut connections = self.shared.lock();
        let Some(connection) = connections.by_id.get_mut(&self.id) else {
            return;
        };
        if connection.standing != standing || standing != Standing::Unknown {
            connection.standing = standing;
            connection.since = Instant::now();
        }
        drop(connections);
        if standing < Standing::Served {
            self.shared.room.notify_one();
        }
    }

    /// How it stands now; none: it has to go.
    pub fn standing(&self) -> Option<Standing> {
        let connections = self.shared.lock();
        let connection = connections.by_id.get(&self.id)?;
        Some(connection.standing)
    }

    /// Returns when the connection has to go. For one that waits.
    pub async fn evicted(&self) {
        self.evicted.notified().await;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.lock().by_id.remove(&self.id);
        self.shared.room.notify_one();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Connections> {
        self.connections
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connections {
    fn has_room(&self, most: usize) -> bool {
        self.by_id.len() < most || self.may_go().next().is_some()
    }

    fn of(&self, address: IpAddr) -> impl Iterator<Item = (&u64, &Connection)> {
        let all = self.by_id.iter();
        all.filter(move |(_, connection)| connection.address == address)
    }

    fn may_go(&self) -> impl Iterator<Item = (&u64, &Connection)> {
        let all = self.by_id.iter();
        all.filter(|(_, connection)| connection.standing < Standing::Served)
    }

    /// Which of this address's may go first: the oldest of the least standing.
    fn least_of(&self, address: IpAddr) -> Option<u64> {
        self.may_go()
            .filter(|(_, connection)| connection.address == address)
            .min_by_key(|(id, connection)| (connection.standing, connection.since, **id))
            .map(|(id, _)| *id)
    }

    /// Which may go first: of the least standing, the oldest of the address that has most of those.
    /// Whoever comes with many and says nothing goes before whoever came alone.
    fn least(&self) -> Option<u64> {
        let least = self.may_go().map(|(_, it)| it.standing).min()?;
        let mut crowds: HashMap<IpAddr, (usize, (Instant, u64))> = HashMap::new();
        for (id, connection) in self.may_go().filter(|(_, it)| it.standing == least) {
            let age = (connection.since, *id);
            let crowd = crowds.entry(connection.address).or_insert((0, age));
            *crowd = (crowd.0 + 1, crowd.1.min(age));
        }
        let crowds = crowds.into_values();
        let crowd = crowds.max_by_key(|(size, oldest)| (*size, Reverse(*oldest)))?;
        Some(crowd.1.1)
    }
}
