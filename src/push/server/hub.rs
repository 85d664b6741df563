//! What is published, and who listens. Shared by the controller, which publishes and reads reports,
//! and the streams, each of which watches one service.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

pub use self::report::{Event, Report};
pub use self::snapshot::{Snapshot, SnapshotError};
pub(super) use self::subscription::{EncodedKeys, Own, Subscription, View};
use crate::policy::format::KeySource;
use crate::push::wire::{self, Hello, Keys, PodRef, ServiceKey, ToSidecar, WireError};

mod report;
mod snapshot;
mod subscription;
#[cfg(test)]
mod tests;

/// What is published, and who listens. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Hub(Arc<Shared>);

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
