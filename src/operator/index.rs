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
mod config_maps;
mod entry;
mod reports;
mod revisions;
mod settling;
mod sources;

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

pub use self::capture::SliceChanges;
use self::capture::WithheldPods;
use self::config_maps::ConfigMaps;
pub use self::config_maps::{ConfigMapChanges, ConfigMapFacts, ConfigMapState, MAX_CONFIG_MAPS};
pub use self::entry::ServiceObject;
use self::entry::{Entry, Wanted};
use self::reports::Reports;
use self::revisions::Revisions;
use self::settling::Settling;
use self::sources::Sources;
pub use self::sources::{KeyOutcome, MAX_SOURCES};
use super::admission::SidecarSettings;
use super::capture::{KnownSlices, ServiceFacts, capture};
use super::compiler::{Job, Outcome};
use super::pod::InjectedPod;
use super::revisions::{Plan, RevisionFacts};
use super::status::{self, Facts, OutdatedPod, Sidecars, Verdict};
use crate::api::EndpointsServiceStatus;
use crate::api::annotations::{CaptureMode, TakenPort};
use crate::jwks::Pace;
use crate::policy::format::KeySource;
use crate::push::replica::Heard;
use crate::push::server::{Event, Report, Snapshot};
use crate::push::wire::{PodRef, ServiceKey};

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
    withheld: WithheldPods,
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
    /// Pods that came or changed, as namespace and name: their sidecars may be let in as they are now, once
    /// they were told to withhold what they are to withhold.
    pub admit: Vec<(String, String)>,
    /// Services whose EndpointSlices are to be known from now on, and those that are not.
    pub slices: SliceChanges,
    /// Sources that became used, and those that are used no more.
    pub sources: SourceChanges,
    /// ConfigMaps that became named, and those that are named no more.
    pub config_maps: ConfigMapChanges,
    /// Revisions to read, by name: their services have no policy.
    pub restore: Vec<(ServiceKey, String)>,
    /// Services whose revisions may have to be written or deleted.
    pub revisions: BTreeSet<ServiceKey>,
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
        /// The service was deleted, and its last good policy stays while pods use it.
        outlived: bool,
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

    /// An EndpointsService was created or changed. To be compiled when the spec did.
    pub fn apply_entry(&mut self, key: &ServiceKey, object: ServiceObject) {
        let namespace = self.namespaces.entry(key.namespace.clone()).or_default();
        let pods = namespace.pods_of.get(&key.name).into_iter().flatten();
        for pod in pods.filter_map(|name| namespace.pods.get(name)) {
            // Gone again later is news again.
            namespace.told.remove(&pod.uid);
        }
        let is_used = namespace.is_used(&key.name);
        let entry = namespace.entries.entry(key.name.clone()).or_default();
        let fingerprint = entry::fingerprint(&object.spec);
        if !entry.is_news(&object, &fingerprint) {
            object.version.clone_into(&mut entry.version);
            if !self.leads {
                entry.stored = object.status;
            } else if entry.is_foreign(&object) {
                entry.overwritten += 1;
                self.changes.dirty.insert(key.clone());
            }
            return;
        }
        self.entries += usize::from(!entry.exists);
        if entry.uid != object.uid || !entry.exists {
            if entry.policy.is_some() && entry.uid != object.uid && !is_used {
                // Re-created unseen, and nobody lives by the one before.
                *entry = Entry::default();
                self.changes.remove.push(key.clone());
                let nothing = SidecarSettings::default();
                self.changes.settings.push((key.clone(), nothing));
            }
            entry.verdict = None;
            entry.stored = object.status;
            (entry.overwritten, entry.mended) = (0, 0);
        }
        entry.exists = true;
        entry.uid = object.uid;
        entry.version = object.version;
        entry.mark_predecessor();
        let (spec, error) = match object.spec {
            Ok(spec) => (Some(spec.into()), None),
            Err(error) => (None, Some(error)),
        };
        entry.wanted = Some(Wanted {
            generation: object.generation,
            fingerprint,
            spec,
            texts: None,
            config_maps: Vec::new(),
        });
        if let Some(error) = error {
            // What is under way comes too late.
            entry.ticket += 1;
            entry.generation = object.generation;
            entry.verdict = Some(Verdict::Unreadable(error));
        }
        self.changes.dirty.insert(key.clone());
        self.resolve(key);
    }

    /// What came of a [`Job`].
    pub fn compiled(&mut self, outcome: Outcome) {
        let key = outcome.key.clone();
        let Some(namespace) = self.namespaces.get_mut(&key.namespace) else {
            return;
        };
        let known = outcome.revision.as_ref();
        let known = known.and_then(|name| namespace.revisions.get(name));
        let is_of_its_service = known.is_some_and(|facts| facts.service_uid == outcome.uid);
        let Some(entry) = namespace.entries.get_mut(&key.name) else {
            return;
        };
        let before = entry.settings.clone();
        let snapshot = match &outcome.revision {
            Some(revision) => {
                entry.restoring = false;
                match outcome.good {
                    Some(good) if is_of_its_service && entry.policy.is_none() => {
                        tracing::info!(service = %key, revision, "the last good policy was restored");
                        Some(entry.restored(good))
                    }
                    Some(_) if entry.policy.is_some() => None,
                    _ => {
                        let why = &outcome.verdict;
                        tracing::warn!(service = %key, revision, ?why, "a revision is of no use");
                        None
                    }
                }
            }
            None if entry.ticket != outcome.ticket => return,
            None => {
                self.panics += u64::from(outcome.verdict == Verdict::Panicked);
                entry.judged(outcome)
            }
        };
        if entry.settings != before {
            let settings = entry.settings.clone();
            self.changes.settings.push((key.clone(), settings));
        }
        if let Some(snapshot) = snapshot {
            self.changes.publish.push((key.clone(), snapshot));
        }
        if self.synced {
            namespace.restore(&key.namespace, &key.name, &mut self.changes);
            // It is known by now whether there is a policy that pods can keep.
            namespace.tell_missing(&mut self.changes, Some(&key.name));
        }
        self.changes.revisions.insert(key.clone());
        self.changes.dirty.insert(key.clone());
        self.recompute_sources(&key.namespace);
    }

    /// An EndpointsService is gone. Its sidecars keep what they have, and while they live, those that are
    /// started anew get it, too.
    pub fn delete_entry(&mut self, key: &ServiceKey) {
        let Some(namespace) = self.namespaces.get_mut(&key.namespace) else {
            return;
        };
        if !namespace
            .entries
            .get(&key.name)
            .is_some_and(|entry| entry.exists)
        {
            return;
        }
        self.entries -= 1;
        self.changes.dirty.remove(key);
        if namespace.orphan(&key.name) {
            self.forget(key);
        }
        let Some(namespace) = self.namespaces.get_mut(&key.namespace) else {
            return;
        };
        let jobs = namespace.recompute_config_maps(&key.namespace, &mut self.changes);
        self.jobs.extend(jobs);
        if self.synced {
            namespace.tell_missing(&mut self.changes, Some(&key.name));
        }
        self.changes.revisions.insert(key.clone());
        self.recompute_sources(&key.namespace);
        self.tidy(&key.namespace);
    }

    /// What is known of a ConfigMap that a spec names.
    pub fn apply_config_map(&mut self, namespace_name: &str, name: &str, state: ConfigMapState) {
        let Some(namespace) = self.namespaces.get_mut(namespace_name) else {
            return;
        };
        let jobs = namespace.set_config_map(namespace_name, name, state, &mut self.changes);
        self.jobs.extend(jobs);
        self.restore_all(namespace_name);
    }

    /// A revision was written.
    pub fn apply_revision(&mut self, namespace_name: &str, facts: RevisionFacts) {
        let namespace = self
            .namespaces
            .entry(namespace_name.to_owned())
            .or_default();
        let Some(service) = namespace.revisions.set(facts) else {
            return;
        };
        if self.synced {
            namespace.restore(namespace_name, &service, &mut self.changes);
        }
        self.revisions_changed(namespace_name, service);
    }

    /// A revision is gone.
    pub fn delete_revision(&mut self, namespace_name: &str, name: &str) {
        let namespace = self.namespaces.get_mut(namespace_name);
        if let Some(service) = namespace.and_then(|it| it.revisions.remove(name)) {
            self.revisions_changed(namespace_name, service);
            self.tidy(namespace_name);
        }
    }

    /// The digest that a revision says it has.
    pub fn revision_digest(&self, key: &ServiceKey, name: &str) -> Option<String> {
        let facts = self.namespaces.get(&key.namespace)?.revisions.get(name)?;
        Some(facts.digest.clone())
    }

    /// What is to be done about the revisions of a service now. Nothing before everything was listed.
    pub fn revision_plan(&self, key: &ServiceKey) -> Plan {
        match self.namespaces.get(&key.namespace) {
            Some(namespace) if self.synced => namespace.plan(&key.name),
            _ => Plan::default(),
        }
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
        self.changes.admit.push((name.clone(), pod.name.clone()));
        if let Some(before) = &before {
            namespace.touch(&name, &before.service, &mut self.changes);
            // A stream is of one pod and one service: what it said of another one counts no more.
            if before.uid != pod.uid || before.service != pod.service {
                self.reports.forget(&before.uid);
                namespace.forget_sidecar(&before.uid, &mut self.changes);
            }
            namespace.leave(before);
            self.live_pods -= usize::from(before.live);
        }
        self.live_pods += usize::from(pod.live);
        namespace.touch(&name, &pod.service, &mut self.changes);
        let (service, pod_name) = (pod.service.clone(), pod.name.clone());
        namespace.join(pod);
        if self.synced {
            namespace.restore(&name, &service, &mut self.changes);
            let is_new = before.as_ref().map(|before| &before.uid)
                != namespace.pods.get(&pod_name).map(|pod| &pod.uid);
            if is_new {
                namespace.tell_injected(&pod_name, &mut self.changes);
            }
            namespace.tell_missing(&mut self.changes, Some(&service));
            namespace.pod_changed(&name, before.as_ref(), &pod_name, &mut self.changes);
        }
        for service in before
            .map(|before| before.service)
            .into_iter()
            .chain([service])
        {
            self.release(&name, &service);
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
        namespace.leave(&pod);
        self.live_pods -= usize::from(pod.live);
        self.reports.forget(&pod.uid);
        namespace.forget_sidecar(&pod.uid, &mut self.changes);
        namespace.touch(namespace_name, &pod.service, &mut self.changes);
        if self.synced {
            namespace.pod_changed(namespace_name, Some(&pod), name, &mut self.changes);
        }
        self.release(namespace_name, &pod.service);
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

    /// A sidecar did something. `now` dates the end of a stream. Whether its pod lives: of others,
    /// nothing is kept.
    pub fn report(&mut self, report: &Report, now: Instant) -> bool {
        let Some(namespace) = self.namespaces.get_mut(&report.pod.namespace) else {
            return false;
        };
        // Reports of a pod that was already deleted must not be kept for ever.
        let pod = namespace.pods.get(&report.pod.name);
        if pod.is_none_or(|pod| pod.uid != report.pod.uid || pod.service != report.service.name) {
            return false;
        }
        let uid = &report.pod.uid;
        let state = self.reports.own(uid, &report.service, now);
        match &report.event {
            Event::Connected { hash } => state.connected(hash.as_deref(), now),
            Event::Applied { hash } => state.applied(hash),
            Event::Rejected { hash, reason } => state.rejected(hash, reason),
            Event::Gone => state.gone(now),
            // Says nothing about policies.
            Event::KeysWanted { .. } => return true,
        }
        namespace.touch(
            &report.service.namespace,
            &report.service.name,
            &mut self.changes,
        );
        true
    }

    /// Another replica said how its sidecars are. Only the leader is told.
    pub fn hear(&mut self, heard: Heard, now: Instant) {
        if self.leads {
            let concerned = self.reports.hear(heard, now);
            self.touch_known(concerned);
        }
    }

    /// How many other replicas report to this one.
    pub fn replicas(&self) -> usize {
        self.reports.replicas()
    }

    /// Time has passed: sidecars that are gone for long count as stale, and so does what was presumed of
    /// those that were not heard of.
    pub fn tick(&mut self, now: Instant) {
        for namespace in self.namespaces.values_mut() {
            namespace.tell_withheld(now, &mut self.changes);
        }
        let concerned = self.reports.tick(now);
        self.touch_known(concerned);
        if self.settling.tick(self.synced, now) {
            for (name, namespace) in &self.namespaces {
                namespace.touch_all(name, &mut self.changes);
            }
        }
    }

    fn count(&self, pods: &[&InjectedPod], entry: &Entry) -> Sidecars {
        let mut counts = Sidecars::default();
        let hash = entry.policy.as_ref().map(|policy| &*policy.hash);
        let presumed = entry
            .programmed_since()
            .filter(|_| self.settling.presumes());
        for pod in pods {
            counts.total += 1;
            let Some(hash) = hash else {
                continue;
            };
            if let Some((field, secret)) = entry.settings.lacking(&pod.secrets) {
                counts.outdated += 1;
                counts.outdated_pod.get_or_insert_with(|| OutdatedPod {
                    pod: pod.name.clone(),
                    field,
                    secret: secret.to_owned(),
                });
            }
            let Some(state) = self.reports.newest(&pod.uid) else {
                // Both are whole seconds: in the same one, it may have come after.
                let before = |since| pod.created.is_some_and(|created| created < since);
                counts.current += u32::from(presumed.is_some_and(before));
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

    fn touch_known(&mut self, services: BTreeSet<ServiceKey>) {
        for service in services {
            if let Some(namespace) = self.namespaces.get(&service.namespace) {
                namespace.touch(&service.namespace, &service.name, &mut self.changes);
            }
        }
    }

    /// The status to store now, if it differs from the one that is stored (or somebody else changed
    /// that one). None also when there is
    /// no such service.
    pub fn status(&self, key: &ServiceKey, now: Timestamp) -> Option<StatusUpdate> {
        let namespace = self.namespaces.get(&key.namespace)?;
        let entry = namespace.entries.get(&key.name)?;
        let verdict = entry.verdict.as_ref().filter(|_| entry.exists)?;
        let names = namespace.pods_of.get(&key.name).into_iter().flatten();
        let pods: Vec<_> = names
            .filter_map(|name| namespace.pods.get(name))
            .filter(|pod| pod.live)
            .collect();
        let facts = Facts {
            generation: entry.generation,
            verdict,
            policy: entry.policy.as_ref(),
            audits: entry.audits,
            secrets: entry.secrets(),
            keys: self.sources.summary(&key.namespace, entry.sources()),
            capture: capture(&pods, &namespace.surroundings(&key.namespace)),
            sidecars: self.count(&pods, entry),
        };
        let status = status::status(&facts, &entry.stored, now);
        let differs = status != entry.stored || entry.mended != entry.overwritten;
        differs.then(|| StatusUpdate {
            uid: entry.uid.clone(),
            version: entry.version.clone(),
            overwritten: entry.overwritten,
            status,
        })
    }

    /// A status was stored; the object has this version now.
    pub fn status_stored(&mut self, key: &ServiceKey, update: StatusUpdate, version: &str) {
        let namespace = self.namespaces.get_mut(&key.namespace);
        if let Some(entry) = namespace.and_then(|namespace| namespace.entries.get_mut(&key.name))
            && entry.uid == update.uid
        {
            entry.stored = update.status;
            // Somebody may have changed it meanwhile, and the watch was faster.
            if entry.version == update.version {
                version.clone_into(&mut entry.version);
            }
            entry.mended = update.overwritten;
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

    /// Brings the newest spec of a service on its way to the compiler.
    fn resolve(&mut self, key: &ServiceKey) {
        let Some(namespace) = self.namespaces.get_mut(&key.namespace) else {
            return;
        };
        let jobs = namespace.recompute_config_maps(&key.namespace, &mut self.changes);
        self.jobs.extend(jobs);
        let job = namespace.resolve(&key.namespace, &key.name, &mut self.changes);
        self.jobs.extend(job);
        if self.synced {
            namespace.restore(&key.namespace, &key.name, &mut self.changes);
        }
    }

    /// Restores what broke without having been good.
    fn restore_all(&mut self, namespace_name: &str) {
        if let Some(namespace) = self.namespaces.get_mut(namespace_name)
            && self.synced
        {
            for service in namespace.revisions.services() {
                namespace.restore(namespace_name, &service, &mut self.changes);
            }
        }
    }

    /// A pod less may be the last one of a service that was deleted.
    fn release(&mut self, namespace_name: &str, service: &str) {
        let Some(namespace) = self.namespaces.get_mut(namespace_name) else {
            return;
        };
        let key = ServiceKey {
            namespace: namespace_name.to_owned(),
            name: service.to_owned(),
        };
        if namespace.release(service) {
            self.forget(&key);
            self.recompute_sources(namespace_name);
            self.changes.revisions.insert(key);
        } else if !namespace.entries.contains_key(service) {
            self.changes.revisions.insert(key);
        }
    }

    /// Nothing is left of a service.
    fn forget(&mut self, key: &ServiceKey) {
        let nothing = SidecarSettings::default();
        self.changes.settings.push((key.clone(), nothing));
        self.changes
            .publish
            .retain(|(published, _)| published != key);
        self.changes.remove.push(key.clone());
    }

    fn revisions_changed(&mut self, namespace: &str, name: String) {
        let namespace = namespace.to_owned();
        self.changes
            .revisions
            .insert(ServiceKey { namespace, name });
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

/// A status to store.
#[derive(Clone, Debug, PartialEq)]
pub struct StatusUpdate {
    /// Uid of the object that it speaks of: a re-created one of the same name must not get it.
    pub uid: String,
    /// The version of the object that it speaks of: it is written to that one or not at all.
    pub version: String,
    /// The status.
    pub status: EndpointsServiceStatus,
    overwritten: u64,
}

impl Namespace {
    fn is_empty(&self) -> bool {
        self.entries.is_empty()
            && self.pods.is_empty()
            && self.services.is_empty()
            && self.config_maps.is_empty()
            && self.revisions.is_empty()
    }

    /// Looks at the revisions of every service that has or should have some.
    fn check_revisions(&self, namespace: &str, changes: &mut Changes) {
        let services = self.revisions.services();
        for name in services.iter().chain(self.entries.keys()) {
            changes.revisions.insert(ServiceKey {
                namespace: namespace.to_owned(),
                name: name.clone(),
            });
        }
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
        match only {
            Some(service) => self.tell_missing_one(changes, service),
            None => {
                let services: Vec<_> = self.pods_of.keys().cloned().collect();
                for service in services {
                    self.tell_missing_one(changes, &service);
                }
            }
        }
    }

    fn tell_missing_one(&mut self, changes: &mut Changes, service: &str) {
        let entry = self.entries.get(service);
        if entry.is_some_and(|entry| entry.exists || entry.restoring) {
            return;
        }
        let outlived = self.outlives(service);
        let pods = self.pods_of.get(service).into_iter().flatten();
        let pods = pods.filter_map(|name| self.pods.get(name));
        for pod in pods.filter(|pod| pod.live) {
            if self.told.insert(pod.uid.clone()) {
                changes.notices.push(Notice::ServiceNotFound {
                    pod: PodRef {
                        namespace: pod.namespace.clone(),
                        name: pod.name.clone(),
                        uid: pod.uid.clone(),
                    },
                    service: pod.service.clone(),
                    outlived,
                });
            }
        }
    }

    fn join(&mut self, pod: InjectedPod) {
        let of_service = self.pods_of.entry(pod.service.clone()).or_default();
        of_service.insert(pod.name.clone());
        self.pods.insert(pod.name.clone(), pod);
    }

    /// The pod is about to be replaced, or is gone already.
    fn leave(&mut self, pod: &InjectedPod) {
        if let Some(of_service) = self.pods_of.get_mut(&pod.service) {
            of_service.remove(&pod.name);
            if of_service.is_empty() {
                self.pods_of.remove(&pod.service);
            }
        }
    }
}
