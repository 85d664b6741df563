//! What the cluster holds, and what follows from it. No client, no clock, no task of its own.
//!
//! ```text
//! EndpointsService ─┐                        ┌─► publish, remove      (push::server::Hub)
//! Pod, Service ─────┼─► Index ── Changes ────┼─► sources to fetch     (key_sources)
//! EndpointSlice ────┤                        ├─► slices to watch      (controller::slices)
//! key results ──────┤                        ├─► Notices              (events)
//! sidecar reports ──┘                        └─► services to report on ─► Index::status
//! ```
//!
//! One broken resource touches nothing but its own entry: what it was last good for stays.

mod capture;
mod entry;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

pub use self::capture::SliceChanges;
use self::capture::WithheldPods;
pub use self::entry::ServiceObject;
use self::entry::{Compiled, Entry, SidecarState};
use self::sources::Sources;
pub use self::sources::{KeyOutcome, MAX_SOURCES};
use super::admission::SidecarSettings;
use super::capture::{KnownSlices, ServiceFacts, capture};
use super::pod::InjectedPod;
use super::status::{self, Facts, Sidecars};
use crate::api::annotations::{CaptureMode, TakenPort};
use crate::api::{EndpointsServiceSpec, EndpointsServiceStatus};
use crate::jwks::Pace;
use crate::openapi::Diagnostic;
use crate::policy::format::KeySource;
use crate::policy::{self, ServiceIdentity};
use crate::push::server::{Event, Report, Snapshot};
use crate::push::wire::{PodRef, ServiceKey};

#[cfg(test)]
mod tests;

/// The compiler, as an argument: tests give another.
pub type Compile =
    fn(&EndpointsServiceSpec, &ServiceIdentity) -> Result<policy::Compiled, Vec<Diagnostic>>;

/// What the cluster holds.
#[derive(Debug)]
pub struct Index {
    compile: Compile,
    namespaces: BTreeMap<String, Namespace>,
    sources: Sources,
    /// Everything was listed once: what is missing is missing.
    synced: bool,
    /// This replica writes the statuses; else it follows what the leader writes.
    leads: bool,
    changes: Changes,
    panics: u64,
}

#[derive(Debug, Default)]
struct Namespace {
    entries: BTreeMap<String, Entry>,
    pods: BTreeMap<String, InjectedPod>,
    services: BTreeMap<String, ServiceFacts>,
    /// By Service, of those that may lead to a sidecar.
    slices: BTreeMap<String, KnownSlices>,
    withheld: WithheldPods,
    /// By pod uid.
    sidecars: BTreeMap<String, SidecarState>,
    /// Uids of the pods that were told that their EndpointsService does not exist.
    told: BTreeSet<String>,
}

/// What follows from events, in the order in which it is to be done.
#[derive(Debug, Default)]
pub struct Changes {
    /// Policies to give to sidecars.
    pub publish: Vec<(ServiceKey, Snapshot)>,
    /// Services that are gone.
    pub remove: Vec<ServiceKey>,
    /// What services say about their sidecars, for the pods to come.
    pub settings: Vec<(ServiceKey, SidecarSettings)>,
    /// Uids of pods that are gone: their streams end.
    pub disconnect: Vec<String>,
    /// Why which pod's sidecar is to withhold its first readiness from now on; None: no more.
    pub withhold: Vec<(ServiceKey, String, Option<String>)>,
    /// Services whose EndpointSlices are to be known from now on, and those that are not.
    pub slices: SliceChanges,
    /// Sources that became used, and those that are used no more.
    pub sources: SourceChanges,
    /// Services whose status may have changed.
    pub dirty: BTreeSet<ServiceKey>,
    /// What to tell by Events.
    pub notices: Vec<Notice>,
}

/// Changes of the key sources in use.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SourceChanges {
    /// Fetch these from now on.
    pub added: Vec<KeySource>,
    /// Nobody needs these any more.
    pub removed: Vec<KeySource>,
    /// Fetch these this often from now on.
    pub paces: BTreeMap<KeySource, Pace>,
}

/// What a pod was given when it was created.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Injected {
    /// The EndpointsService whose sidecar it is.
    pub service: String,
    /// The version that injected it.
    pub version: String,
    /// How requests come to the sidecar.
    pub capture: CaptureMode,
    /// The ports that it stands in front of.
    pub ports: Vec<TakenPort>,
}

/// Something to tell by an Event on a pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Notice {
    /// The pod is annotated with an EndpointsService that does not exist.
    ServiceNotFound {
        /// The pod.
        pod: PodRef,
        /// The name that it is annotated with.
        service: String,
    },
    /// The pod was created, with a sidecar.
    Injected {
        /// The pod.
        pod: PodRef,
        /// What was injected.
        injected: Injected,
    },
    /// The pod's sidecar withholds its first readiness.
    ReadinessWithheld {
        /// The pod.
        pod: PodRef,
        /// Which Services go around it, and the fixes.
        reason: String,
    },
}

impl Index {
    /// An empty index.
    pub fn new(compile: Compile) -> Self {
        Self {
            compile,
            namespaces: BTreeMap::new(),
            sources: Sources::default(),
            synced: false,
            leads: false,
            changes: Changes::default(),
            panics: 0,
        }
    }

    /// Takes what followed from the events since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// How often compiling a spec panicked.
    pub fn panics(&self) -> u64 {
        self.panics
    }

    /// How many EndpointsServices and live injected pods there are.
    pub fn totals(&self) -> (usize, usize) {
        self.namespaces
            .values()
            .fold((0, 0), |(entries, pods), namespace| {
                let live = namespace.pods.values().filter(|pod| pod.live).count();
                (entries + namespace.entries.len(), pods + live)
            })
    }

    /// Whether this replica writes the statuses.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// Whether this replica writes the statuses from now on. A new leader looks at all of them, and tells
    /// again what its predecessor may not have come to.
    pub fn set_leads(&mut self, leads: bool) {
        if std::mem::replace(&mut self.leads, leads) || !leads {
            return;
        }
        for (name, namespace) in &mut self.namespaces {
            namespace.touch_all(name, &mut self.changes);
            namespace.told.clear();
            if self.synced {
                namespace.tell_missing(&mut self.changes, None);
            }
        }
    }

    /// Everything was listed once: from now on, what is not here does not exist.
    pub fn set_synced(&mut self) {
        self.synced = true;
        for (name, namespace) in &mut self.namespaces {
            namespace.tell_missing(&mut self.changes, None);
            namespace.check_all(name, &mut self.changes);
        }
    }

    /// An EndpointsService was created or changed. Compiles when the spec did.
    pub fn apply_entry(&mut self, key: &ServiceKey, object: ServiceObject) {
        let namespace = self.namespaces.entry(key.namespace.clone()).or_default();
        for pod in namespace
            .pods
            .values()
            .filter(|pod| pod.service == key.name)
        {
            // Gone again later is news again.
            namespace.told.remove(&pod.uid);
        }
        let entry = namespace.entries.entry(key.name.clone()).or_default();
        if !entry.is_news(&object) {
            if !self.leads {
                entry.stored = object.status;
            } else if entry.is_foreign(&object) {
                entry.overwritten += 1;
                self.changes.dirty.insert(key.clone());
            }
            return;
        }
        let before = entry.settings.clone();
        match entry.apply(key, object, self.compile) {
            Compiled::Publish(snapshot) => self.changes.publish.push((key.clone(), snapshot)),
            Compiled::Replaced(None) => self.changes.remove.push(key.clone()),
            Compiled::Replaced(Some(snapshot)) => {
                self.changes.remove.push(key.clone());
                self.changes.publish.push((key.clone(), snapshot));
            }
            Compiled::Kept => {}
        }
        if entry.settings != before {
            let settings = entry.settings.clone();
            self.changes.settings.push((key.clone(), settings));
        }
        self.panics += u64::from(entry.verdict == Some(status::Verdict::Panicked));
        self.changes.dirty.insert(key.clone());
        self.recompute_sources(&key.namespace);
    }

    /// An EndpointsService is gone. Its sidecars keep what they have.
    pub fn delete_entry(&mut self, key: &ServiceKey) {
        let Some(namespace) = self.namespaces.get_mut(&key.namespace) else {
            return;
        };
        if namespace.entries.remove(&key.name).is_none() {
            return;
        }
        self.changes.dirty.remove(key);
        let nothing = SidecarSettings::default();
        self.changes.settings.push((key.clone(), nothing));
        self.changes
            .publish
            .retain(|(published, _)| published != key);
        self.changes.remove.push(key.clone());
        if self.synced {
            namespace.tell_missing(&mut self.changes, Some(&key.name));
        }
        self.recompute_sources(&key.namespace);
        self.tidy(&key.namespace);
    }

    /// A pod was created or changed.
    pub fn apply_pod(&mut self, mut pod: InjectedPod) {
        let name = pod.namespace.clone();
        let namespace = self.namespaces.entry(name.clone()).or_default();
        let before = namespace.pods.get(&pod.name);
        pod.was_ready |= before.is_some_and(|before| before.uid == pod.uid && before.was_ready);
        if before == Some(&pod) {
            return;
        }
        let before = before.cloned();
        if let Some(before) = &before {
            namespace.touch(&name, &before.service, &mut self.changes);
            // A stream is of one pod and one service: what it said of another one counts no more.
            if before.uid != pod.uid || before.service != pod.service {
                namespace.forget_sidecar(&before.uid, &mut self.changes);
            }
        }
        namespace.touch(&name, &pod.service, &mut self.changes);
        let (service, pod_name) = (pod.service.clone(), pod.name.clone());
        namespace.pods.insert(pod_name.clone(), pod);
        if self.synced {
            let is_new = before.as_ref().map(|before| &before.uid)
                != namespace.pods.get(&pod_name).map(|pod| &pod.uid);
            if is_new {
                namespace.tell_injected(&pod_name, &mut self.changes);
            }
            namespace.tell_missing(&mut self.changes, Some(&service));
            namespace.pod_changed(&name, before.as_ref(), &pod_name, &mut self.changes);
        }
    }

    /// A pod is gone (or is not injected any more).
    pub fn delete_pod(&mut self, namespace_name: &str, name: &str) {
        let Some(namespace) = self.namespaces.get_mut(namespace_name) else {
            return;
        };
        let Some(pod) = namespace.pods.remove(name) else {
            return;
        };
        namespace.forget_sidecar(&pod.uid, &mut self.changes);
        namespace.touch(namespace_name, &pod.service, &mut self.changes);
        if self.synced {
            namespace.pod_changed(namespace_name, Some(&pod), name, &mut self.changes);
        }
        self.tidy(namespace_name);
    }

    /// A Service was created or changed.
    pub fn apply_service(&mut self, namespace_name: &str, service: ServiceFacts) {
        let namespace = self
            .namespaces
            .entry(namespace_name.to_owned())
            .or_default();
        let name = service.name.clone();
        if namespace.services.get(&name) == Some(&service) {
            return;
        }
        let before = namespace.services.insert(name.clone(), service);
        namespace.touch_all(namespace_name, &mut self.changes);
        if self.synced {
            namespace.service_changed(namespace_name, before.as_ref(), &name, &mut self.changes);
        }
    }

    /// A Service is gone.
    pub fn delete_service(&mut self, namespace_name: &str, name: &str) {
        let Some(namespace) = self.namespaces.get_mut(namespace_name) else {
            return;
        };
        if let Some(before) = namespace.services.remove(name) {
            namespace.touch_all(namespace_name, &mut self.changes);
            if self.synced {
                namespace.service_changed(namespace_name, Some(&before), name, &mut self.changes);
            }
            self.tidy(namespace_name);
        }
    }

    /// An attempt to fetch a source's keys ended.
    pub fn keys(&mut self, source: &KeySource, outcome: KeyOutcome) {
        if !self.sources.record(source, outcome) {
            return;
        }
        for (namespace_name, namespace) in &self.namespaces {
            for (name, entry) in &namespace.entries {
                if entry.sources().contains(source) {
                    let key = ServiceKey {
                        namespace: namespace_name.clone(),
                        name: name.clone(),
                    };
                    self.changes.dirty.insert(key);
                }
            }
        }
    }

    /// A sidecar did something. `now` dates the end of a stream.
    pub fn report(&mut self, report: &Report, now: Instant) {
        let Some(namespace) = self.namespaces.get_mut(&report.pod.namespace) else {
            return;
        };
        // Reports of a pod that was already deleted must not be kept for ever.
        let pod = namespace.pods.get(&report.pod.name);
        if pod.is_none_or(|pod| pod.uid != report.pod.uid || pod.service != report.service.name) {
            return;
        }
        let state = namespace
            .sidecars
            .entry(report.pod.uid.clone())
            .or_default();
        match &report.event {
            Event::Connected { hash } => {
                *state = SidecarState::running(hash.clone());
            }
            Event::Applied { hash } => {
                *state = SidecarState::running(Some(hash.clone()));
            }
            Event::Rejected { hash, reason } => {
                state.refused = Some((hash.clone(), reason.clone()));
                state.gone_since = None;
            }
            Event::Gone => state.gone_since = Some(now),
            // Says nothing about policies.
            Event::KeysWanted { .. } => return,
        }
        namespace.touch(
            &report.service.namespace,
            &report.service.name,
            &mut self.changes,
        );
    }

    /// Time has passed: sidecars that are gone for long count as stale.
    pub fn tick(&mut self, now: Instant) {
        for (name, namespace) in &mut self.namespaces {
            namespace.tell_withheld(now, &mut self.changes);
            let Namespace {
                entries,
                pods,
                sidecars,
                ..
            } = namespace;
            for pod in pods.values() {
                let state = sidecars.get_mut(&pod.uid);
                if state.is_some_and(|state| state.turned_stale(now))
                    && entries.contains_key(&pod.service)
                {
                    let key = ServiceKey {
                        namespace: name.clone(),
                        name: pod.service.clone(),
                    };
                    self.changes.dirty.insert(key);
                }
            }
        }
    }

    /// The status to store now, if it differs from the one that is stored (or somebody else changed
    /// that one). None also when there is
    /// no such service.
    pub fn status(&self, key: &ServiceKey, now: Timestamp) -> Option<StatusUpdate> {
        let namespace = self.namespaces.get(&key.namespace)?;
        let entry = namespace.entries.get(&key.name)?;
        let verdict = entry.verdict.as_ref()?;
        let pods: Vec<_> = namespace
            .pods
            .values()
            .filter(|pod| pod.live && pod.service == key.name)
            .collect();
        let facts = Facts {
            generation: entry.generation,
            verdict,
            policy: entry.policy.as_ref(),
            audits: entry.audits,
            keys: self.sources.summary(&key.namespace, entry.sources()),
            capture: capture(&pods, &namespace.surroundings(&key.namespace)),
            sidecars: namespace.count(&pods, entry.policy.as_ref().map(|policy| &*policy.hash)),
        };
        let status = status::status(&facts, &entry.stored, now);
        let differs = status != entry.stored || entry.mended != entry.overwritten;
        differs.then(|| StatusUpdate {
            uid: entry.uid.clone(),
            overwritten: entry.overwritten,
            status,
        })
    }

    /// A status was stored.
    pub fn status_stored(&mut self, key: &ServiceKey, update: StatusUpdate) {
        let namespace = self.namespaces.get_mut(&key.namespace);
        if let Some(entry) = namespace.and_then(|namespace| namespace.entries.get_mut(&key.name))
            && entry.uid == update.uid
        {
            entry.stored = update.status;
            entry.mended = update.overwritten;
        }
    }

    /// Names of everything of one kind, to find what a new listing does not have any more.
    pub fn names(&self, kind: Kind) -> BTreeSet<(String, String)> {
        let mut names = BTreeSet::new();
        for (namespace_name, namespace) in &self.namespaces {
            let found: Vec<&String> = match kind {
                Kind::Entry => namespace.entries.keys().collect(),
                Kind::Pod => namespace.pods.keys().collect(),
                Kind::Service => namespace.services.keys().collect(),
            };
            names.extend(
                found
                    .into_iter()
                    .map(|name| (namespace_name.clone(), name.clone())),
            );
        }
        names
    }

    /// The pod of this name, if it is injected.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&InjectedPod> {
        self.namespaces.get(namespace)?.pods.get(name)
    }

    fn recompute_sources(&mut self, namespace_name: &str) {
        let used = self
            .namespaces
            .get(namespace_name)
            .into_iter()
            .flat_map(|namespace| namespace.entries.values())
            .flat_map(|entry| entry.sources().iter().map(|source| (source, entry.pace())));
        let mut paces: BTreeMap<KeySource, Pace> = BTreeMap::new();
        for (source, pace) in used {
            let known = paces.entry(source.clone()).or_insert(pace);
            *known = known.or(pace);
        }
        let granted_before = self.sources.refused(namespace_name);
        self.sources
            .set_used(namespace_name, paces, &mut self.changes.sources);
        if granted_before != self.sources.refused(namespace_name)
            && let Some(namespace) = self.namespaces.get(namespace_name)
        {
            namespace.touch_all(namespace_name, &mut self.changes);
        }
    }

    fn tidy(&mut self, name: &str) {
        if self.namespaces.get(name).is_some_and(Namespace::is_empty) {
            self.namespaces.remove(name);
        }
    }
}

/// What the index keeps of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// EndpointsServices.
    Entry,
    /// Injected pods.
    Pod,
    /// Kubernetes Services.
    Service,
}

/// A status to store.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusUpdate {
    /// Uid of the object that it speaks of: a re-created one of the same name must not get it.
    pub uid: String,
    /// The status.
    pub status: EndpointsServiceStatus,
    overwritten: u64,
}

impl Namespace {
    fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.pods.is_empty() && self.services.is_empty()
    }

    fn touch(&self, namespace: &str, service: &str, changes: &mut Changes) {
        if self.entries.contains_key(service) {
            changes.dirty.insert(ServiceKey {
                namespace: namespace.to_owned(),
                name: service.to_owned(),
            });
        }
    }

    fn touch_all(&self, namespace: &str, changes: &mut Changes) {
        for name in self.entries.keys() {
            self.touch(namespace, name, changes);
        }
    }

    fn forget_sidecar(&mut self, uid: &str, changes: &mut Changes) {
        self.told.remove(uid);
        self.sidecars.remove(uid);
        changes.disconnect.push(uid.to_owned());
    }

    /// Tells a pod that it was injected. Those that were there when we began to look were told, or are
    /// old news.
    fn tell_injected(&self, name: &str, changes: &mut Changes) {
        let pod = self.pods.get(name).filter(|pod| pod.live);
        if let Some(pod) = pod.filter(|pod| !pod.version.is_empty()) {
            changes.notices.push(Notice::Injected {
                pod: PodRef {
                    namespace: pod.namespace.clone(),
                    name: pod.name.clone(),
                    uid: pod.uid.clone(),
                },
                injected: Injected {
                    service: pod.service.clone(),
                    version: pod.version.clone(),
                    capture: pod.capture,
                    ports: pod.taken.clone(),
                },
            });
        }
    }

    /// Tells each live pod once that its EndpointsService (`only`, or any) does not exist.
    fn tell_missing(&mut self, changes: &mut Changes, only: Option<&str>) {
        for pod in self.pods.values().filter(|pod| pod.live) {
            let of_interest = only.is_none_or(|service| service == pod.service);
            if of_interest
                && !self.entries.contains_key(&pod.service)
                && self.told.insert(pod.uid.clone())
            {
                changes.notices.push(Notice::ServiceNotFound {
                    pod: PodRef {
                        namespace: pod.namespace.clone(),
                        name: pod.name.clone(),
                        uid: pod.uid.clone(),
                    },
                    service: pod.service.clone(),
                });
            }
        }
    }

    fn count(&self, pods: &[&InjectedPod], hash: Option<&str>) -> Sidecars {
        let mut counts = Sidecars::default();
        for pod in pods {
            counts.total += 1;
            let (Some(state), Some(hash)) = (self.sidecars.get(&pod.uid), hash) else {
                continue;
            };
            if state.runs(hash) {
                counts.current += 1;
            } else if let Some(why) = state.refuses(hash) {
                counts.rejected += 1;
                counts
                    .rejection
                    .get_or_insert_with(|| (pod.name.clone(), why.to_owned()));
            }
        }
        counts
    }
}
