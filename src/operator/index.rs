//! What the cluster holds, and what follows from it. No client, no clock, no task of its own.
//!
//! ```text
//! EndpointsService ─┐                        ┌─► publish, remove      (push::server::Hub)
//! ConfigMap ────────┤                        ├─► Jobs ── Outcomes ──► (compiler)
//! Revision ─────────┤                        ├─► Plans                (revisions)
//! Pod, Service ─────┼─► Index ── Changes ────┼─► sources to fetch     (key_sources)
//! EndpointSlice ────┤                        ├─► slices to watch      (controller::slices)
//! key results ──────┤                        ├─► Notices              (events)
//! sidecar reports ──┘                        └─► services to report on ─► Index::status
//! ```
//!
//! One broken resource touches nothing but its own entry: what it was last good for stays, also when it
//! is deleted, for as long as pods use it.

mod capture;
mod changes;
mod config_maps;
mod entry;
mod pods;
mod reports;
mod revisions;
mod settling;
mod sources;
mod specs;
mod statuses;

use std::collections::{BTreeMap, BTreeSet};

pub use self::capture::SliceChanges;
use self::capture::{Reach, WithheldPods};
pub use self::changes::{Changes, Injected, Notice, SourceChanges};
use self::config_maps::ConfigMaps;
pub use self::config_maps::{ConfigMapChanges, ConfigMapFacts, ConfigMapState, MAX_CONFIG_MAPS};
use self::entry::Entry;
pub use self::entry::ServiceObject;
use self::reports::Reports;
use self::revisions::Revisions;
use self::settling::Settling;
use self::sources::Sources;
pub use self::sources::{KeyOutcome, MAX_SOURCES};
pub use self::statuses::StatusUpdate;
use super::capture::{KnownSlices, ServiceFacts};
use super::compiler::Job;
use super::pod::InjectedPod;
use crate::push::wire::ServiceKey;

#[cfg(test)]
mod tests;

/// What the cluster holds.
#[derive(Debug, Default)]
pub struct Index {
    namespaces: BTreeMap<String, Namespace>,
    sources: Sources,
    reports: Reports,
    settling: Settling,
    entries: usize,
    live_pods: usize,
    /// Everything was listed once: what is missing is missing.
    synced: bool,
    /// This replica writes the statuses; else it follows what the leader writes.
    leads: bool,
    changes: Changes,
    jobs: Vec<Job>,
    panics: u64,
}

#[derive(Debug, Default)]
struct Namespace {
    entries: BTreeMap<String, Entry>,
    pods: BTreeMap<String, InjectedPod>,
    /// Their names, by the EndpointsService that they are annotated with.
    pods_of: BTreeMap<String, BTreeSet<String>>,
    services: BTreeMap<String, ServiceFacts>,
    config_maps: ConfigMaps,
    revisions: Revisions,
    /// By Service, of those that may lead to a sidecar.
    slices: BTreeMap<String, KnownSlices>,
    reach: Reach,
    withheld: WithheldPods,
    /// Uids of the pods that were told that their EndpointsService does not exist.
    told: BTreeSet<String>,
}

impl Index {
    /// An empty index.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes what followed from the events since the last call.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::take(&mut self.changes)
    }

    /// Takes what is to be compiled since the last call; [`Index::compiled`] takes what comes of it, in
    /// any order.
    pub fn take_jobs(&mut self) -> Vec<Job> {
        std::mem::take(&mut self.jobs)
    }

    /// Whether every spec that is known was judged: what has no policy now does not get one by waiting.
    pub fn is_settled(&self) -> bool {
        let mut entries = self.namespaces.values().flat_map(|it| it.entries.values());
        entries.all(Entry::is_settled)
    }

    /// How often compiling a spec panicked.
    pub fn panics(&self) -> u64 {
        self.panics
    }

    /// How many EndpointsServices and live injected pods there are.
    pub fn totals(&self) -> (usize, usize) {
        (self.entries, self.live_pods)
    }

    /// How many EndpointsServices were deleted while pods use them.
    pub fn outlived(&self) -> usize {
        let namespaces = self.namespaces.values();
        let entries = namespaces.flat_map(|namespace| namespace.entries.values());
        entries.filter(|entry| !entry.exists).count()
    }

    /// Whether this replica writes the statuses.
    pub fn leads(&self) -> bool {
        self.leads
    }

    /// Whether this replica writes the statuses from now on. A new leader looks at all of them, and tells
    /// again what its predecessor may not have come to.
    pub fn set_leads(&mut self, leads: bool) {
        if std::mem::replace(&mut self.leads, leads) == leads {
            return;
        }
        self.settling = Settling::of(leads);
        self.reports.forget_replicas();
        if !leads {
            return;
        }
        for (name, namespace) in &mut self.namespaces {
            namespace.touch_all(name, &mut self.changes);
            namespace.told.clear();
            namespace.tell_withheld_again();
            if self.synced {
                namespace.tell_missing(&mut self.changes, None);
                namespace.check_revisions(name, &mut self.changes);
            }
        }
    }

    /// Everything was listed once: from now on, what is not here does not exist.
    pub fn set_synced(&mut self) {
        self.synced = true;
        for (name, namespace) in &mut self.namespaces {
            for service in namespace.revisions.services() {
                namespace.restore(name, &service, &mut self.changes);
            }
            namespace.check_revisions(name, &mut self.changes);
            namespace.tell_missing(&mut self.changes, None);
            namespace.check_all(name, &mut self.changes);
        }
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

    /// Names of everything of one kind, to find what a new listing does not have any more.
    pub fn names(&self, kind: Kind) -> BTreeSet<(String, String)> {
        let mut names = BTreeSet::new();
        for (namespace_name, namespace) in &self.namespaces {
            let found: Vec<&String> = match kind {
                Kind::Entry => {
                    let existing = namespace.entries.iter().filter(|(_, entry)| entry.exists);
                    existing.map(|(name, _)| name).collect()
                }
                Kind::Revision => namespace.revisions.names().collect(),
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

    /// Which version is known of every EndpointsService that there is.
    pub fn versions(&self) -> Versions {
        let mut versions = Versions::new();
        for (namespace_name, namespace) in &self.namespaces {
            let entries = namespace.entries.iter().filter(|(_, entry)| entry.exists);
            versions.extend(entries.map(|(name, entry)| {
                let key = (namespace_name.clone(), name.clone());
                (key, (entry.uid.clone(), entry.version.clone()))
            }));
        }
        versions
    }

    /// The pod of this name, if it is injected.
    pub fn pod(&self, namespace: &str, name: &str) -> Option<&InjectedPod> {
        self.namespaces.get(namespace)?.pods.get(name)
    }

    fn tidy(&mut self, name: &str) {
        if self.namespaces.get(name).is_some_and(Namespace::is_empty) {
            self.namespaces.remove(name);
        }
    }
}

/// `metadata.uid` and `metadata.resourceVersion` of objects, by namespace and name.
pub type Versions = BTreeMap<(String, String), (String, String)>;

/// What the index keeps of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// EndpointsServices.
    Entry,
    /// Injected pods.
    Pod,
    /// Kubernetes Services.
    Service,
    /// ControllerRevisions of ours.
    Revision,
}

impl Namespace {
    fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.pods.is_empty()
            && self.services.is_empty()
            && self.config_maps.is_empty()
            && self.revisions.is_empty()
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
}
