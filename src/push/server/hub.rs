//! What is published, and who listens. Shared by the controller, which publishes and reads reports,
//! and the streams, each of which watches one service.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::policy::Policy;
use crate::policy::format::{self, FormatError, KeySource};
use crate::push::wire::{self, Hello, Keys, PodRef, ServiceKey, ToSidecar, WireError};

#[cfg(test)]
mod tests;

/// What is published, and who listens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Shared>);

/// A policy ready to send: encoded and compressed once, shared by all streams.
#[derive(Debug)]
pub struct Snapshot {
    hash: String,
    format: u32,
    sources: BTreeSet<KeySource>,
    frame: Bytes,
}

/// Why a policy cannot be published.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The bytes are not a policy.
    #[error(transparent)]
    NotAPolicy(#[from] FormatError),
    /// The policy is too large for the stream.
    #[error(transparent)]
    Wire(#[from] WireError),
}

/// What a sidecar did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The service it asked for.
    pub service: ServiceKey,
    /// Its pod, authenticated.
    pub pod: PodRef,
    /// The version of its build.
    pub sidecar_version: String,
    /// What it did.
    pub event: Event,
}

/// What a sidecar did. A pod's reports come in order, from its newest stream only: after `Gone`
/// the next one is `Connected`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// It connected, and runs the policy with this hash.
    Connected {
        /// None: it has no policy yet.
        hash: Option<String>,
    },
    /// It runs the policy with this hash.
    Applied {
        /// [`Snapshot::hash`].
        hash: String,
    },
    /// It cannot run the policy with this hash and goes on with the one before.
    Rejected {
        /// [`Snapshot::hash`].
        hash: String,
        /// Why, for people; starts with `SidecarTooOld` when the sidecar is too old for it.
        reason: String,
    },
    /// Its stream ended.
    Gone,
}

/// One stream's place in the hub; dropping it reports [`Event::Gone`].
#[derive(Debug)]
pub(super) struct Subscription {
    /// What the service's sidecars shall have.
    pub(super) view: watch::Receiver<View>,
    /// Closed when the stream shall end.
    pub(super) ended: watch::Receiver<()>,
    pub(super) pod: PodRef,
    pub(super) service: ServiceKey,
    sidecar_version: String,
    stream: u64,
    hub: Hub,
}

/// What a service's sidecars shall have.
#[derive(Clone, Debug, Default)]
pub(super) struct View {
    /// None: the service was never published, or is removed; sidecars keep what they have.
    pub(super) snapshot: Option<Arc<Snapshot>>,
    /// The keys it needs, as far as known.
    pub(super) keys: Vec<Arc<EncodedKeys>>,
    /// Some of its sources were not even tried yet: since when.
    pub(super) awaiting_keys: Option<Instant>,
}

/// Keys ready to send.
#[derive(Debug)]
pub(super) struct EncodedKeys {
    pub(super) source: KeySource,
    pub(super) frame: Bytes,
}

#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    reports: mpsc::UnboundedSender<Report>,
}

#[derive(Debug, Default)]
struct State {
    services: HashMap<ServiceKey, Service>,
    /// None: tried in vain.
    keys: BTreeMap<KeySource, Option<Arc<EncodedKeys>>>,
    /// The newest stream of each pod, by uid.
    streams: HashMap<String, (u64, watch::Sender<()>)>,
    last_stream: u64,
}

#[derive(Debug)]
struct Service {
    published: Option<(Arc<Snapshot>, Instant)>,
    view: watch::Sender<View>,
}

impl Hub {
    /// An empty hub, and the reports of its sidecars. The receiver must be drained: reports are
    /// bounded by what is published (one answer per snapshot and stream), not by a buffer.
    pub fn new() -> (Self, mpsc::UnboundedReceiver<Report>) {
        let (reports, receiver) = mpsc::unbounded_channel();
        (
            Self(Arc::new(Shared {
                state: Mutex::default(),
                reports,
            })),
            receiver,
        )
    }

    /// From now on the service's sidecars get this policy. It is held back until its keys were
    /// published or found unavailable, for at most 5 s.
    pub fn publish(&self, service: &ServiceKey, snapshot: Snapshot) {
        let mut state = self.lock();
        let State { services, keys, .. } = &mut *state;
        let service = services.entry(service.clone()).or_insert_with(Service::new);
        service.published = Some((Arc::new(snapshot), Instant::now()));
        service.refresh(keys);
    }

    /// The service is gone: its sidecars keep what they have, new ones get nothing.
    pub fn remove(&self, service: &ServiceKey) {
        let mut state = self.lock();
        let State { services, keys, .. } = &mut *state;
        if let Some(entry) = services.get_mut(service) {
            entry.published = None;
            entry.refresh(keys);
        }
        state.forget_unused(service, 0);
    }

    /// From now on whoever needs keys of this source gets these.
    ///
    /// # Errors
    /// The set is too large for the stream; the keys before stay.
    pub fn publish_keys(&self, keys: Keys) -> Result<(), WireError> {
        let source = keys.source.clone();
        let frame = wire::encode(&ToSidecar::Keys(keys))?;
        let encoded = EncodedKeys {
            source: source.clone(),
            frame,
        };
        self.set_keys(&source, Some(Arc::new(encoded)));
        Ok(())
    }

    /// Keys of this source could not be fetched: policies that need them wait for them no longer.
    /// Keys that were published before stay.
    pub fn keys_unavailable(&self, source: &KeySource) {
        if self.lock().keys.contains_key(source) {
            return;
        }
        self.set_keys(source, None);
    }

    /// Nothing needs this source any more.
    pub fn remove_keys(&self, source: &KeySource) {
        self.lock().keys.remove(source);
    }

    /// The pod with this uid is gone, or may not have the policy any more: ends its stream.
    pub fn disconnect(&self, pod_uid: &str) {
        if let Some((_, end)) = self.lock().streams.get_mut(pod_uid) {
            // Dropping the sender is the signal; the entry stays, so that `Gone` is reported.
            *end = watch::channel(()).0;
        }
    }

    /// Streams that are open now.
    pub fn streams(&self) -> usize {
        self.lock().streams.len()
    }

    /// Registers an authenticated sidecar's stream. An older stream of the same pod ends.
    pub(super) fn connect(&self, pod: PodRef, service: ServiceKey, hello: &Hello) -> Subscription {
        let mut state = self.lock();
        state.last_stream += 1;
        let stream = state.last_stream;
        let (end, ended) = watch::channel(());
        state.streams.insert(pod.uid.clone(), (stream, end));
        let view = state
            .services
            .entry(service.clone())
            .or_insert_with(Service::new)
            .view
            .subscribe();
        let sidecar_version = hello.version.clone();
        let subscription = Subscription {
            view,
            ended,
            pod,
            service,
            sidecar_version,
            stream,
            hub: self.clone(),
        };
        self.send(subscription.report(Event::Connected {
            hash: hello.hash.clone(),
        }));
        subscription
    }

    fn set_keys(&self, source: &KeySource, keys: Option<Arc<EncodedKeys>>) {
        let mut state = self.lock();
        let State {
            services,
            keys: all,
            ..
        } = &mut *state;
        all.insert(source.clone(), keys);
        for service in services
            .values_mut()
            .filter(|service| service.needs(source))
        {
            service.refresh(all);
        }
    }

    fn send(&self, report: Report) {
        // Without a receiver the operator is ending.
        let _ = self.0.reports.send(report);
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Snapshot {
    /// Makes a policy ready to send. `canonical` is the policy's canonical bytes; `uid` and
    /// `generation` are those of the EndpointsService it was compiled from.
    ///
    /// # Errors
    /// The bytes are not a policy, or too many.
    pub fn new(uid: String, generation: i64, canonical: &[u8]) -> Result<Self, SnapshotError> {
        let policy = Policy::from_bytes(canonical)?;
        let hash = format::hash(canonical);
        let frame = wire::encode(&ToSidecar::Snapshot(wire::Snapshot {
            service_uid: uid,
            generation,
            hash: hash.clone(),
            body: wire::pack(canonical)?,
        }))?;
        let sources = policy
            .providers
            .into_values()
            .map(|provider| provider.keys)
            .filter(KeySource::is_fetched)
            .collect();
        Ok(Self {
            hash,
            format: policy.format,
            sources,
            frame,
        })
    }

    /// [`format::hash`] of the policy's canonical bytes: what sidecars report.
    pub fn hash(&self) -> &str {
        &self.hash
    }

    pub(super) fn format(&self) -> u32 {
        self.format
    }

    pub(super) fn frame(&self) -> Bytes {
        self.frame.clone()
    }
}

impl Subscription {
    /// Streams that are open now, this one among them.
    pub(super) fn streams(&self) -> usize {
        self.hub.streams()
    }

    /// Reports what the sidecar did, unless a newer stream of the pod speaks for it.
    pub(super) fn tell(&self, event: Event) {
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

    fn report(&self, event: Event) -> Report {
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

impl State {
    /// Forgets a service that is not published and that no more than `streams` watch.
    fn forget_unused(&mut self, service: &ServiceKey, streams: usize) {
        let unused = self.services.get(service).is_some_and(|entry| {
            entry.published.is_none() && entry.view.receiver_count() <= streams
        });
        if unused {
            self.services.remove(service);
        }
    }
}

impl Service {
    fn new() -> Self {
        Self {
            published: None,
            view: watch::Sender::new(View::default()),
        }
    }

    fn needs(&self, source: &KeySource) -> bool {
        self.published
            .as_ref()
            .is_some_and(|(snapshot, _)| snapshot.sources.contains(source))
    }

    fn refresh(&mut self, keys: &BTreeMap<KeySource, Option<Arc<EncodedKeys>>>) {
        let view = match &self.published {
            None => View::default(),
            Some((snapshot, published_at)) => {
                let mut view = View {
                    snapshot: Some(snapshot.clone()),
                    ..View::default()
                };
                for source in &snapshot.sources {
                    match keys.get(source) {
                        Some(Some(keys)) => view.keys.push(keys.clone()),
                        Some(None) => {}
                        None => view.awaiting_keys = Some(*published_at),
                    }
                }
                view
            }
        };
        self.view.send_replace(view);
    }
}
