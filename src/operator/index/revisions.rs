//! The last good policies that outlive their resource: of services that were deleted while pods use them,
//! and out of ControllerRevisions.

use std::collections::BTreeMap;

use super::{Changes, Entry, Index, Namespace};
use crate::operator::revisions::{Plan, RevisionFacts, plan};
use crate::operator::status::Verdict;
use crate::push::wire::ServiceKey;

/// The revisions of a namespace, by name.
#[derive(Debug, Default)]
pub(super) struct Revisions(BTreeMap<String, RevisionFacts>);

impl Revisions {
    /// Notes one; the services that it concerns.
    pub(super) fn set(&mut self, facts: RevisionFacts) -> Option<String> {
        let known = self.0.get(&facts.name);
        if known == Some(&facts) {
            return None;
        }
        let service = facts.service.clone();
        self.0.insert(facts.name.clone(), facts);
        Some(service)
    }

    /// Forgets one; the service that it concerns.
    pub(super) fn remove(&mut self, name: &str) -> Option<String> {
        Some(self.0.remove(name)?.service)
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &String> {
        self.0.keys()
    }

    pub(super) fn get(&self, name: &str) -> Option<&RevisionFacts> {
        self.0.get(name)
    }

    /// The names of all services that have some.
    pub(super) fn services(&self) -> std::collections::BTreeSet<String> {
        self.0
            .values()
            .map(|revision| revision.service.clone())
            .collect()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn of<'r>(&'r self, service: &'r str) -> impl Iterator<Item = &'r RevisionFacts> {
        self.0
            .values()
            .filter(move |revision| revision.service == service)
    }
}

impl Index {
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

    /// Restores what broke without having been good.
    pub(super) fn restore_all(&mut self, namespace_name: &str) {
        if let Some(namespace) = self.namespaces.get_mut(namespace_name)
            && self.synced
        {
            for service in namespace.revisions.services() {
                namespace.restore(namespace_name, &service, &mut self.changes);
            }
        }
    }

    pub(super) fn revisions_changed(&mut self, namespace: &str, name: String) {
        let namespace = namespace.to_owned();
        self.changes
            .revisions
            .insert(ServiceKey { namespace, name });
    }
}

impl Namespace {
    /// Looks at the revisions of every service that has or should have some.
    pub(super) fn check_revisions(&self, namespace: &str, changes: &mut Changes) {
        let services = self.revisions.services();
        for name in services.iter().chain(self.entries.keys()) {
            changes.revisions.insert(ServiceKey {
                namespace: namespace.to_owned(),
                name: name.clone(),
            });
        }
    }

    /// Whether live pods use a service.
    pub(super) fn is_used(&self, service: &str) -> bool {
        let mut pods = self.pods_of.get(service).into_iter().flatten();
        pods.any(|name| self.pods.get(name).is_some_and(|pod| pod.live))
    }

    /// What is to be written and deleted of a service's revisions.
    pub(super) fn plan(&self, service: &str) -> Plan {
        let entry = self.entries.get(service);
        let exists = entry.is_some_and(|entry| entry.exists);
        plan(
            entry.and_then(|entry| entry.kept.as_ref()),
            self.revisions.of(service),
            exists || self.is_used(service),
        )
    }

    /// Asks for the newest revision of a service that has no policy and needs one.
    pub(super) fn restore(&mut self, namespace: &str, service: &str, changes: &mut Changes) {
        if self.revisions.of(service).next().is_none() {
            return;
        }
        let used = self.is_used(service);
        let needs = match self.entries.get(service) {
            Some(entry) if entry.policy.is_some() || entry.restoring => false,
            Some(entry) if entry.exists => {
                matches!(&entry.verdict, Some(verdict) if !matches!(verdict, Verdict::Good(_)))
            }
            // Deleted, or this operator never saw it: kept for the pods alone.
            Some(_) | None => used,
        };
        if !needs {
            return;
        }
        let entry = self.entries.entry(service.to_owned()).or_default();
        let uid = &entry.uid;
        let candidates = self.revisions.of(service).filter(|revision| {
            !entry.tried.contains(&revision.name)
                // Of an earlier life only where pods still live by it.
                && (used || revision.service_uid == *uid)
        });
        let Some(revision) = candidates.max_by_key(|revision| revision.number) else {
            if !entry.exists && entry.policy.is_none() {
                self.entries.remove(service);
            }
            return;
        };
        entry.tried.insert(revision.name.clone());
        entry.restoring = true;
        let key = ServiceKey {
            namespace: namespace.to_owned(),
            name: service.to_owned(),
        };
        changes.restore.push((key, revision.name.clone()));
    }

    /// The EndpointsService is gone. Its policy stays while pods use it; true: nothing is left of it.
    pub(super) fn orphan(&mut self, service: &str) -> bool {
        let used = self.is_used(service);
        let Some(entry) = self.entries.get_mut(service) else {
            return false;
        };
        if used && entry.policy.is_some() {
            entry.leave();
            return false;
        }
        self.entries.remove(service).is_some()
    }

    /// Whether a service that was deleted has no pods any more: nothing is left of it now.
    pub(super) fn release(&mut self, service: &str) -> bool {
        let entry = self.entries.get(service);
        if entry.is_none_or(|entry| entry.exists) || self.is_used(service) {
            return false;
        }
        self.entries.remove(service).is_some()
    }

    /// Whether pods have the policy of a service that was deleted.
    pub(super) fn outlives(&self, service: &str) -> bool {
        let entry = self.entries.get(service);
        entry.is_some_and(|entry| !entry.exists && entry.policy.is_some())
    }
}

impl Entry {
    /// Keeps nothing but the policy.
    fn leave(&mut self) {
        self.exists = false;
        self.wanted = None;
        self.verdict = None;
        // What is under way comes too late.
        self.ticket += 1;
        self.stored = Default::default();
    }
}
