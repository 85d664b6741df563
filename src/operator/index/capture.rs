//! What follows from Services, EndpointSlices and pods for one another: which slices are worth
//! listing, and which sidecars are to withhold their first readiness.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tokio::time::Instant;

use super::{Changes, Index, Namespace, Notice};
use crate::operator::capture::{KnownSlices, ServiceFacts, SliceFacts, Surroundings, withhold};
use crate::operator::pod::InjectedPod;
use crate::push::wire::{PodRef, ServiceKey};

#[cfg(test)]
mod tests;

/// A sidecar that is held back is told of only after so long: objects that are applied together come
/// one after the other.
const TELL_AFTER: Duration = Duration::from_secs(2);
/// How often a pod is told why, at most: a Service that is changed back and forth is no news.
const MAX_TOLD: u8 = 3;

/// Changes of the Services whose EndpointSlices are to be known, as namespace and name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SliceChanges {
    /// List and watch these from now on.
    pub added: Vec<(String, String)>,
    /// Nobody needs these any more.
    pub removed: Vec<(String, String)>,
}

/// What a sidecar was asked for.
#[derive(Debug, Default)]
pub(super) struct Withheld {
    /// Why it is to withhold its first readiness; None: no more.
    reason: Option<String>,
    /// Since the first tick that saw it.
    since: Option<Instant>,
    /// That the pod was told this reason.
    is_told: bool,
    told: u8,
}

impl Index {
    /// An EndpointSlice was created or changed. Those of Services that cannot lead to a sidecar are not
    /// kept.
    pub fn apply_slice(&mut self, namespace_name: &str, slice: SliceFacts) {
        let Some(namespace) = self.namespaces.get_mut(namespace_name) else {
            return;
        };
        let Some(known) = namespace.slices.get_mut(&slice.service) else {
            return;
        };
        if known.slices.get(&slice.name) == Some(&slice) {
            return;
        }
        let (service, is_managed) = (slice.service.clone(), slice.managed);
        let before = known.slices.insert(slice.name.clone(), slice);
        let was_managed = before.is_none_or(|before| before.managed);
        namespace.slices_changed(
            namespace_name,
            &service,
            is_managed && was_managed,
            &mut self.changes,
        );
    }

    /// An EndpointSlice is gone.
    pub fn delete_slice(&mut self, namespace_name: &str, service: &str, name: &str) {
        let Some(namespace) = self.namespaces.get_mut(namespace_name) else {
            return;
        };
        let known = namespace.slices.get_mut(service);
        if let Some(slice) = known.and_then(|known| known.slices.remove(name)) {
            let is_managed = slice.managed;
            namespace.slices_changed(namespace_name, service, is_managed, &mut self.changes);
        }
    }

    /// All EndpointSlices of the Services with these names, in any namespace, were listed (or cannot be:
    /// then there is nothing to go by).
    pub fn slices_listed(&mut self, services: &BTreeSet<String>) {
        for (name, namespace) in &mut self.namespaces {
            let mut news = false;
            for (_, known) in namespace
                .slices
                .iter_mut()
                .filter(|(service, known)| !known.listed && services.contains(*service))
            {
                known.listed = true;
                news = true;
            }
            if news {
                namespace.touch_all(name, &mut self.changes);
                namespace.withhold_all(name, &mut self.changes);
            }
        }
    }

    /// The slices that are held of these Services, as namespace, Service and name.
    pub fn slices_of(&self, services: &BTreeSet<String>) -> BTreeSet<(String, String, String)> {
        let mut names = BTreeSet::new();
        for (namespace_name, namespace) in &self.namespaces {
            for (service, known) in &namespace.slices {
                if services.contains(service) {
                    let of_one = known.slices.keys();
                    names.extend(
                        of_one
                            .map(|slice| (namespace_name.clone(), service.clone(), slice.clone())),
                    );
                }
            }
        }
        names
    }
}

impl Namespace {
    pub(super) fn surroundings<'a>(&'a self, name: &'a str) -> Surroundings<'a> {
        Surroundings {
            namespace: name,
            pods: &self.pods,
            services: &self.services,
            slices: &self.slices,
        }
    }

    /// Everything was listed for the first time.
    pub(super) fn check_all(&mut self, name: &str, changes: &mut Changes) {
        let services: Vec<_> = self.services.keys().cloned().collect();
        for service in services {
            self.want(name, &service, changes);
        }
        self.withhold_all(name, changes);
    }

    /// A pod was created, changed or deleted; `before` is how it was.
    pub(super) fn pod_changed(
        &mut self,
        name: &str,
        before: Option<&InjectedPod>,
        pod: &str,
        changes: &mut Changes,
    ) {
        let after = self.pods.get(pod);
        if let Some(before) = before
            && after.is_none_or(|after| after.uid != before.uid)
        {
            self.withheld.remove(&before.uid);
            // Its endpoint goes in a moment; until then it is not a pod without a sidecar.
            for known in self.slices.values_mut() {
                for slice in known.slices.values_mut() {
                    slice.endpoints.retain(|endpoint| {
                        endpoint
                            .pod
                            .as_ref()
                            .is_none_or(|(_, uid)| *uid != before.uid)
                    });
                }
            }
        }
        let after = self.pods.get(pod);
        let same = before.zip(after).is_some_and(|(before, after)| {
            (&before.labels, before.live) == (&after.labels, after.live)
        });
        if !same {
            let leads = |service: &ServiceFacts, pod: Option<&InjectedPod>| {
                pod.is_some_and(|pod| {
                    pod.live && (service.selector.is_empty() || service.selects(&pod.labels))
                })
            };
            let concerned: Vec<_> = self
                .services
                .values()
                .filter(|service| match self.slices.contains_key(&service.name) {
                    true => leads(service, before) && !leads(service, after),
                    false => leads(service, after),
                })
                .map(|service| service.name.clone())
                .collect();
            for service in concerned {
                self.want(name, &service, changes);
            }
        }
        self.withhold(name, pod, changes);
    }

    /// A Service was created, changed or deleted; `before` is how it was.
    pub(super) fn service_changed(
        &mut self,
        name: &str,
        before: Option<&ServiceFacts>,
        service: &str,
        changes: &mut Changes,
    ) {
        self.want(name, service, changes);
        let after = self.services.get(service);
        let is_concerned = |pod: &&InjectedPod| {
            let both = before.into_iter().chain(after);
            both.into_iter()
                .any(|service| service.selector.is_empty() || service.selects(&pod.labels))
        };
        let pods: Vec<_> = self.pods.values().filter(is_concerned).collect();
        let pods: Vec<_> = pods.into_iter().map(|pod| pod.name.clone()).collect();
        for pod in pods {
            self.withhold(name, &pod, changes);
        }
    }

    fn slices_changed(
        &mut self,
        name: &str,
        service: &str,
        is_managed: bool,
        changes: &mut Changes,
    ) {
        if !self.slices.get(service).is_some_and(|known| known.listed) {
            return;
        }
        self.touch_all(name, changes);
        // Those that Kubernetes writes say nothing about a pod that its Service does not.
        if !is_managed {
            self.withhold_all(name, changes);
        }
    }

    /// Decides anew whether a Service's slices are to be known.
    fn want(&mut self, name: &str, service: &str, changes: &mut Changes) {
        let wanted = self.services.get(service).is_some_and(|service| {
            let mut live = self.pods.values().filter(|pod| pod.live);
            !service.external
                && live.any(|pod| service.selector.is_empty() || service.selects(&pod.labels))
        });
        let key = || (name.to_owned(), service.to_owned());
        if wanted && !self.slices.contains_key(service) {
            let nothing = KnownSlices::default();
            self.slices.insert(service.to_owned(), nothing);
            changes.slices.added.push(key());
        } else if !wanted && self.slices.remove(service).is_some() {
            let before = changes.slices.added.len();
            changes.slices.added.retain(|added| *added != key());
            // What nobody began to watch needs no end.
            if changes.slices.added.len() == before {
                changes.slices.removed.push(key());
            }
        }
    }

    fn withhold_all(&mut self, name: &str, changes: &mut Changes) {
        let pods: Vec<_> = self.pods.keys().cloned().collect();
        for pod in pods {
            self.withhold(name, &pod, changes);
        }
    }

    /// Decides anew whether a pod's sidecar is to withhold its first readiness.
    fn withhold(&mut self, name: &str, pod: &str, changes: &mut Changes) {
        let Some(pod) = self.pods.get(pod) else {
            return;
        };
        let reason = withhold(pod, &self.surroundings(name));
        let before = self
            .withheld
            .get(&pod.uid)
            .and_then(|before| before.reason.as_deref());
        if before == reason.as_deref() {
            return;
        }
        let withheld = self.withheld.entry(pod.uid.clone()).or_default();
        withheld.since = withheld.since.filter(|_| withheld.reason.is_some());
        withheld.is_told = false;
        withheld.reason.clone_from(&reason);
        let service = ServiceKey {
            namespace: pod.namespace.clone(),
            name: pod.service.clone(),
        };
        changes.withhold.push((service, pod.uid.clone(), reason));
    }

    /// Whoever led before may not have come to it.
    pub(super) fn tell_withheld_again(&mut self) {
        for withheld in self.withheld.values_mut() {
            withheld.is_told = false;
            withheld.told = 0;
        }
    }

    /// Tells pods why their sidecars withhold their first readiness, if they have for a moment.
    pub(super) fn tell_withheld(&mut self, now: Instant, changes: &mut Changes) {
        for pod in self.pods.values() {
            let Some(withheld) = self.withheld.get_mut(&pod.uid) else {
                continue;
            };
            let Some(reason) = &withheld.reason else {
                continue;
            };
            let since = *withheld.since.get_or_insert(now);
            if withheld.is_told
                || withheld.told >= MAX_TOLD
                || now.duration_since(since) < TELL_AFTER
            {
                continue;
            }
            withheld.is_told = true;
            withheld.told += 1;
            changes.notices.push(Notice::ReadinessWithheld {
                pod: PodRef {
                    namespace: pod.namespace.clone(),
                    name: pod.name.clone(),
                    uid: pod.uid.clone(),
                },
                reason: reason.clone(),
            });
        }
    }
}

/// By pod uid.
pub(super) type WithheldPods = BTreeMap<String, Withheld>;
