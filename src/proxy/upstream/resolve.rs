//! The addresses of a backend's name, looked up beside the requests.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, Shared, WeakShared};
use tokio::net::lookup_host;
use tokio::task::spawn_local;
use tokio::time::{Instant, timeout};

#[cfg(test)]
mod tests;

/// How long the addresses of a name are believed.
const RESOLVED_FOR: Duration = Duration::from_secs(30);
/// How soon the name is looked up again after a look-up that failed, or after addresses where nobody
/// took a connection.
const AGAIN_AFTER: Duration = Duration::from_secs(1);
/// How long addresses are used while the name cannot be looked up any more.
const USED_FOR: Duration = Duration::from_secs(300);
/// The longest a request waits for a look-up.
const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
/// The most addresses of a name that are tried.
const MAX_ADDRESSES: usize = 16;

/// A name and its addresses. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Resolver(Rc<State>);

#[derive(Debug)]
struct State {
    host: Box<str>,
    port: u16,
    known: RefCell<Option<Known>>,
    /// Nobody took a connection at what is known.
    exhausted: Cell<bool>,
    /// When the last look-up ended, and what it failed with.
    last: RefCell<Option<(Instant, Option<Arc<io::Error>>)>>,
    running: RefCell<Option<WeakShared<LookUp>>>,
}

struct Known {
    addresses: Addresses,
    since: Instant,
}

/// In the order in which they are tried.
pub(super) type Addresses = Rc<[SocketAddr]>;
type LookUp = LocalBoxFuture<'static, Result<Addresses, Arc<io::Error>>>;

impl Resolver {
    pub(super) fn new(host: &str, port: u16) -> Self {
        Self(Rc::new(State {
            host: host.into(),
            port,
            known: RefCell::default(),
            exhausted: Cell::new(false),
            last: RefCell::default(),
            running: RefCell::default(),
        }))
    }

    /// The addresses, at once if any are known: old ones are looked up again meanwhile.
    pub(super) async fn addresses(&self) -> Result<Addresses, Arc<io::Error>> {
        let known = self.0.known();
        let rests = match &*self.0.last.borrow() {
            Some((when, _)) => when.elapsed() < AGAIN_AFTER,
            None => false,
        };
        if let Some((addresses, since)) = known
            && (rests || !self.0.exhausted.get())
        {
            if !rests && since.elapsed() >= RESOLVED_FOR {
                // Runs on by itself.
                drop(self.look_up());
            }
            return Ok(addresses);
        }
        if let (true, Some((_, Some(error)))) = (rests, &*self.0.last.borrow()) {
            return Err(error.clone());
        }
        let looking = self.look_up();
        timeout(LOOKUP_TIMEOUT, looking).await.unwrap_or_else(|_| {
            let error = io::Error::new(io::ErrorKind::TimedOut, "the name look-up took too long");
            Err(Arc::new(error))
        })
    }

    /// Nobody took a connection at any of the addresses: the backend may have moved.
    pub(super) fn note_exhausted(&self) {
        self.0.exhausted.set(true);
    }

    /// Looks the name up, or joins those who wait for that. It ends even if nobody waits any more, so
    /// that a resolver that hangs has one look-up of a backend at a time.
    fn look_up(&self) -> Shared<LookUp> {
        let mut running = self.0.running.borrow_mut();
        if let Some(running) = running.as_ref().and_then(WeakShared::upgrade) {
            return running;
        }
        let state = self.0.clone();
        let looking = async move {
            let found = lookup_host((&*state.host, state.port)).await;
            state.running.take();
            state.note(found.map(|found| in_order(found.collect())))
        };
        let looking = looking.boxed_local().shared();
        *running = looking.downgrade();
        spawn_local(looking.clone().map(drop));
        looking
    }
}

impl State {
    fn known(&self) -> Option<(Addresses, Instant)> {
        let known = self.known.borrow();
        known
            .as_ref()
            .map(|known| (known.addresses.clone(), known.since))
    }

    /// Takes over what a look-up found. While it fails, what was known is used on for some time.
    fn note(&self, found: io::Result<Addresses>) -> Result<Addresses, Arc<io::Error>> {
        let now = Instant::now();
        let found = found.and_then(|addresses| match addresses.is_empty() {
            true => Err(io::Error::new(
                io::ErrorKind::NotFound,
                "the name has no address",
            )),
            false => Ok(addresses),
        });
        match found {
            Ok(addresses) => {
                self.last.replace(Some((now, None)));
                self.exhausted.set(false);
                self.known.replace(Some(Known {
                    addresses: addresses.clone(),
                    since: now,
                }));
                Ok(addresses)
            }
            Err(error) => {
                let error = Arc::new(error);
                self.last.replace(Some((now, Some(error.clone()))));
                let mut known = self.known.borrow_mut();
                if known
                    .as_ref()
                    .is_some_and(|known| now - known.since >= USED_FOR)
                {
                    *known = None;
                }
                Err(error)
            }
        }
    }
}

/// As the system ordered them, but the families by turns, so that one that leads nowhere does not
/// hold up the other (RFC 8305 section 4). Link-local ones are left out: a name must not lead to the
/// cloud's metadata service, which has credentials.
fn in_order(found: Vec<SocketAddr>) -> Addresses {
    let found: Vec<_> = found
        .into_iter()
        .filter(|address| !is_link_local(address.ip()))
        .collect();
    let first_is_v6 = found.first().is_some_and(SocketAddr::is_ipv6);
    let (first, second): (Vec<SocketAddr>, Vec<_>) = found
        .into_iter()
        .partition(|address| address.is_ipv6() == first_is_v6);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    let mut ordered = Vec::new();
    while ordered.len() < MAX_ADDRESSES {
        let turn: Vec<_> = first.next().into_iter().chain(second.next()).collect();
        if turn.is_empty() {
            break;
        }
        ordered.extend(turn);
    }
    ordered.into()
}

fn is_link_local(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => address.is_link_local(),
        IpAddr::V6(address) => address.is_unicast_link_local(),
    }
}

impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&*self.addresses).finish()
    }
}
