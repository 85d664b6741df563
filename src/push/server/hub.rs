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
#[derive(Clone, Debug)]
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
    /// It was shown a token by a key that is not among those of this source, one of its policy's. A
    /// stream says so for each source at most once in 5 s.
    KeysWanted {
        /// The source.
        source: KeySource,
    },
    /// Its stream ended.
    Gone,
}

/// One stream's place in the hub; dropping it reports [`Event::Gone`].
#[derive(Debug)]
pub(super) struct Subscription {
    /// What the service's sidecars shall have.
    pub(super) view: watch::Receiver<View>,
    /// What concerns this pod alone. Closed when the stream shall end.
    pub(super) own: watch::Receiver<Own>,
    /// The newest trust bundle, encoded.
    pub(super) trust: watch::Receiver<Option<Bytes>>,
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
    /// Why none of its sidecars shall become ready for the first time.
    pub(super) withheld: Option<Arc<str>>,
}

/// What one pod's sidecar shall have.
#[derive(Clone, Debug, Default)]
pub(super) struct Own {
    /// Why it shall not become ready for the first time.
    pub(super) withheld: Option<Arc<str>>,
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
    trust: watch::Sender<Option<Bytes>>,
    reports: mpsc::UnboundedSender<Report>,
}

#[derive(Debug, Default)]
struct State {
    services: HashMap<ServiceKey, Service>,
    /// None: tried in vain.
    keys: BTreeMap<KeySource, Option<Arc<EncodedKeys>>>,
    /// The newest stream of each pod, by uid.
    streams: HashMap<String, (u64, watch::Sender<Own>)>,
    last_stream: u64,
    /// Why pods shall not become ready for the first time, by uid; also before they connect.
    withheld: HashMap<String, Arc<str>>,
}

#[derive(Debug)]
struct Service {
    published: Option<(Arc<Snapshot>, Instant)>,
    withheld: Option<Arc<str>>,
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
                trust: watch::Sender::new(None),
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

    /// From now on sidecars recognise the operator by these authorities (PEM, all that are to be
    /// trusted), which is told before anything else. Sidecars keep them and add those of their pod's
    /// injection; one that finds the bundle of no use keeps the one before.
    pub fn publish_trust(&self, bundle_pem: &str) {
        if bundle_pem.len() > wire::MAX_TRUST {
            tracing::error!(
                bytes = bundle_pem.len(),
                "the trust bundle is too large for sidecars; the one before stays"
            );
            return;
        }
        let bundle = bundle_pem.to_owned();
        let frame = wire::encode(&ToSidecar::Trust { bundle });
        let frame = frame.expect("a bounded bundle makes a bounded frame");
        self.0.trust.send_if_modified(|trust| {
            let changed = trust.as_ref() != Some(&frame);
            *trust = Some(frame);
            changed
        });
    }

    /// Has the sidecars of a service withhold their *first* readiness for a reason (for people, one
    /// sentence), or no longer: those that were ready once stay so. `pod_uid`: only that pod, which
    /// then counts instead of the service's reason. Holds for pods that connect later, too; call it
    /// before they may, and with `None` when a service is gone. A pod's own reason is forgotten with
    /// [`Self::disconnect`].
    pub fn withhold(&self, service: &ServiceKey, pod_uid: Option<&str>, reason: Option<String>) {
        let reason: Option<Arc<str>> = reason.map(|reason| wire::reason(&reason).into());
        let mut state = self.lock();
        let State {
            services,
            keys,
            streams,
            withheld,
            ..
        } = &mut *state;
        let Some(uid) = pod_uid else {
            let entry = services.entry(service.clone()).or_insert_with(Service::new);
            if entry.withheld != reason {
                entry.withheld = reason;
                entry.refresh(keys);
            }
            state.forget_unused(service, 0);
            return;
        };
        match &reason {
            Some(reason) => withheld.insert(uid.to_owned(), reason.clone()),
            None => withheld.remove(uid),
        };
        if let Some((_, own)) = streams.get(uid) {
            own.send_if_modified(|own| {
                let changed = own.withheld != reason;
                own.withheld = reason;
                changed
            });
        }
    }

    /// The pod with this uid is gone, or may not have the policy any more: ends its stream.
    pub fn disconnect(&self, pod_uid: &str) {
        let mut state = self.lock();
        state.withheld.remove(pod_uid);
        if let Some((_, own)) = state.streams.get_mut(pod_uid) {
            // Dropping the sender is the signal; the entry stays, so that `Gone` is reported.
            *own = watch::channel(Own::default()).0;
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
        let withheld = state.withheld.get(&pod.uid).cloned();
        let (sender, own) = watch::channel(Own { withheld });
        state.streams.insert(pod.uid.clone(), (stream, sender));
        let view = state
            .services
            .entry(service.clone())
            .or_insert_with(Service::new)
            .view
            .subscribe();
        let sidecar_version = hello.version.clone();
        let subscription = Subscription {
            view,
            own,
            trust: self.0.trust.subscribe(),
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

    /// The source of this policy that a sidecar names by its [`wire::source_id`].
    pub(super) fn source(&self, id: &str) -> Option<&KeySource> {
        self.sources
            .iter()
            .find(|source| wire::source_id(source) == id)
    }

    pub(super) fn frame(&self) -> Bytes {
        self.frame.clone()
    }
}

impl Subscription {
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
            entry.published.is_none()
                && entry.withheld.is_none()
                && entry.view.receiver_count() <= streams
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
            withheld: None,
            view: watch::Sender::new(View::default()),
        }
    }

    fn needs(&self, source: &KeySource) -> bool {
        self.published
            .as_ref()
            .is_some_and(|(snapshot, _)| snapshot.sources.contains(source))
    }

    fn refresh(&mut self, keys: &BTreeMap<KeySource, Option<Arc<EncodedKeys>>>) {
        let mut view = View {
            withheld: self.withheld.clone(),
            ..View::default()
        };
        if let Some((snapshot, published_at)) = &self.published {
            view.snapshot = Some(snapshot.clone());
            for source in &snapshot.sources {
                match keys.get(source) {
                    Some(Some(keys)) => view.keys.push(keys.clone()),
                    Some(None) => {}
                    None => view.awaiting_keys = Some(*published_at),
                }
            }
        }
        self.view.send_replace(view);
    }
}
