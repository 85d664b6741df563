//! EndpointsServices that come, change and go, and what came of compiling them.

use super::entry::{self, Wanted};
use super::{ConfigMapState, Entry, Index, ServiceObject};
use crate::operator::admission::SidecarSettings;
use crate::operator::compiler::Outcome;
use crate::operator::status::Verdict;
use crate::push::wire::ServiceKey;

impl Index {
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
            // Of an earlier life of the service, which counted its compilations for itself.
            None if entry.uid != outcome.uid => return,
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

    /// Brings the newest spec of a service on its way to the compiler.
    pub(super) fn resolve(&mut self, key: &ServiceKey) {
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

    /// Nothing is left of a service.
    pub(super) fn forget(&mut self, key: &ServiceKey) {
        let nothing = SidecarSettings::default();
        self.changes.settings.push((key.clone(), nothing));
        self.changes
            .publish
            .retain(|(published, _)| published != key);
        self.changes.remove.push(key.clone());
    }
}
