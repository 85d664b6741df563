//! What a stream watches, and says.

use std::sync::Arc;

use bytes::Bytes;
use tokio::sync::watch;
use tokio::time::Instant;

use super::{Event, Hub, Report, Snapshot, State};
use crate::policy::format::KeySource;
use crate::push::wire::{PodRef, ServiceKey};

/// One stream's place in the hub; dropping it reports [`Event::Gone`].
#[derive(Debug)]
pub(in crate::push::server) struct Subscription {
    /// What the service's sidecars shall have.
    pub(in crate::push::server) view: watch::Receiver<View>,
    /// What concerns this pod alone. Closed when the stream shall end.
    pub(in crate::push::server) own: watch::Receiver<Own>,
    /// The newest trust bundle, encoded.
    pub(in crate::push::server) trust: watch::Receiver<Option<Bytes>>,
    pub(in crate::push::server) pod: PodRef,
    pub(in crate::push::server) service: ServiceKey,
    pub(super) sidecar_version: String,
    pub(super) stream: u64,
    pub(super) hub: Hub,
}

/// What a service's sidecars shall have.
#[derive(Clone, Debug, Default)]
pub(in crate::push::server) struct View {
    /// None: the service was never published, or is removed; sidecars keep what they have.
    pub(in crate::push::server) snapshot: Option<Arc<Snapshot>>,
    /// The keys it needs, as far as known.
    pub(in crate::push::server) keys: Vec<Arc<EncodedKeys>>,
    /// Some of its sources were not even tried yet: since when.
    pub(in crate::push::server) awaiting_keys: Option<Instant>,
    /// Why none of its sidecars shall become ready for the first time.
    pub(in crate::push::server) withheld: Option<Arc<str>>,
}

/// What one pod's sidecar shall have.
#[derive(Clone, Debug, Default)]
pub(in crate::push::server) struct Own {
    /// Why it shall not become ready for the first time.
    pub(in crate::push::server) withheld: Option<Arc<str>>,
}

/// Keys ready to send.
#[derive(Debug)]
pub(in crate::push::server) struct EncodedKeys {
    pub(in crate::push::server) source: KeySource,
    pub(in crate::push::server) frame: Bytes,
}

impl Subscription {
    /// Reports what the sidecar did, unless a newer stream of the pod speaks for it.
    pub(in crate::push::server) fn tell(&self, event: Event) {
        let state = self.hub.lock();
        // Sent under the lock, or a newer stream's reports could overtake this one's.
        if self.is_newest(&state) {
            self.hub.send(self.report(event));
        }
    }

    fn is_newest(&self, state: &State) -> bool {
        state
            .streams
            .get(&self.pod.uid)
            .is_some_and(|(stream, _)| *stream == self.stream)
    }

    pub(super) fn report(&self, event: Event) -> Report {
        Report {
            service: self.service.clone(),
            pod: self.pod.clone(),
            sidecar_version: self.sidecar_version.clone(),
            event,
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut state = self.hub.lock();
        if self.is_newest(&state) {
            state.streams.remove(&self.pod.uid);
            self.hub.send(self.report(Event::Gone));
        }
        // This one's receiver is still alive.
        state.forget_unused(&self.service, 1);
    }
}
