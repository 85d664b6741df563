//! Reviews while they arrive: bounded in bytes and time, and none waits for one that dawdles.
//!
//! Each connection may have a small review, which is what nearly every pod's is. One that turns out
//! large takes one of a few places, of which an address has a share.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use tokio::sync::Notify;

/// The most that a review may hold. The API server takes requests of 3 MiB.
pub(super) const MAX_REVIEW: usize = 4 * 1024 * 1024;
/// What a connection may hold without a place.
const SMALL: usize = 128 * 1024;
/// How long a review may take to arrive; the API server waits 5 s for the answer.
const READ_TIMEOUT: Duration = Duration::from_secs(3);

/// The places for large reviews. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Bodies(Arc<Shared>);

/// A review that arrived whole.
#[derive(Debug)]
pub(super) struct Arrived {
    /// As it was sent.
    pub(super) bytes: Bytes,
    /// None: it is small.
    _place: Option<Place>,
}

/// Why a review did not arrive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Missing {
    /// It is larger than [`MAX_REVIEW`].
    TooLarge,
    /// Its connection ended, or said nonsense.
    Broken,
    /// It dawdled, or found no place, for [`READ_TIMEOUT`].
    Late,
}

#[derive(Debug)]
struct Shared {
    most: usize,
    most_per_address: usize,
    taken: Mutex<HashMap<IpAddr, usize>>,
    left: Notify,
}

#[derive(Debug)]
struct Place {
    address: IpAddr,
    bodies: Bodies,
}

impl Bodies {
    /// Places for so many large reviews, and of these for so many from one address.
    pub(super) fn new(most: usize, most_per_address: usize) -> Self {
        Self(Arc::new(Shared {
            most,
            most_per_address,
            taken: Mutex::default(),
            left: Notify::new(),
        }))
    }

    /// Reads a review from this address.
    ///
    /// # Errors
    /// Why it did not arrive.
    pub(super) async fn read<B>(&self, address: IpAddr, body: B) -> Result<Arrived, Missing>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        tokio::time::timeout(READ_TIMEOUT, self.arrive(address, body))
            .await
            .unwrap_or(Err(Missing::Late))
    }

    async fn arrive<B>(&self, address: IpAddr, mut body: B) -> Result<Arrived, Missing>
    where
        B: Body<Data = Bytes> + Unpin,
    {
        let mut bytes = BytesMut::new();
        let mut place = None;
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|_| Missing::Broken)?;
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let length = bytes.len() + data.len();
            if length > MAX_REVIEW {
                return Err(Missing::TooLarge);
            }
            if length > SMALL && place.is_none() {
                place = Some(self.place(address).await);
            }
            bytes.extend_from_slice(&data);
        }
        let bytes = bytes.freeze();
        Ok(Arrived {
            bytes,
            _place: place,
        })
    }

    /// A place, as soon as there is one. May be dropped while it waits.
    async fn place(&self, address: IpAddr) -> Place {
        loop {
            let left = self.0.left.notified();
            if self.take(address) {
                let bodies = self.clone();
                return Place { address, bodies };
            }
            left.await;
        }
    }

    fn take(&self, address: IpAddr) -> bool {
        let mut taken = self.taken();
        let own = taken.get(&address).copied().unwrap_or(0);
        let room = own < self.0.most_per_address && taken.values().sum::<usize>() < self.0.most;
        if room {
            taken.insert(address, own + 1);
        }
        room
    }

    fn taken(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut taken = self.bodies.taken();
        if let Some(own) = taken.get_mut(&self.address) {
            *own -= 1;
            if *own == 0 {
                taken.remove(&self.address);
            }
        }
        drop(taken);
        // Whoever is first may have its share already.
        self.bodies.0.left.notify_waiters();
    }
}

#[cfg(test)]
mod tests;
