//! What sidecars report, and the statuses to store.

use std::collections::BTreeSet;

use k8s_openapi::jiff::Timestamp;
use tokio::time::Instant;

use super::{Entry, Index};
use crate::api::EndpointsServiceStatus;
use crate::operator::capture::capture;
use crate::operator::pod::InjectedPod;
use crate::operator::status::{self, Facts, OutdatedPod, Sidecars};
use crate::push::replica::Heard;
use crate::push::server::{Event, Report};
use crate::push::wire::ServiceKey;

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

impl Index {
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
}
