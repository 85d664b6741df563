//! What follows from Services, EndpointSlices and pods for one another: which slices are worth
//! listing, and whose statuses and first readiness are to be decided anew.

mod reach;
#[cfg(test)]
mod tests;
mod withheld;

use std::collections::BTreeSet;

pub(super) use self::reach::Reach;
pub(super) use self::withheld::WithheldPods;
use super::{Changes, Index, Namespace};
use crate::operator::capture::{KnownSlices, ServiceFacts, SliceFacts, Surroundings};
use crate::operator::pod::InjectedPod;

/// Changes of the Services whose EndpointSlices are to be known, as namespace and name.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct SliceChanges {
    /// List and watch these from now on.
    pub added: Vec<(String, String)>,
    /// Nobody needs these any more.
    pub removed: Vec<(String, String)>,
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
        let service = slice.service.clone();
        let before = known.slices.insert(slice.name.clone(), slice.clone());
        let changed = before.iter().chain([&slice]);
        namespace.slices_changed(namespace_name, &service, changed, &mut self.changes);
    }

    /// An EndpointSlice is gone.
    pub fn delete_slice(&mut self, namespace_name: &str, service: &str, name: &str) {
        let Some(namespace) = self.namespaces.get_mut(namespace_name) else {
            return;
        };
        let known = namespace.slices.get_mut(service);
        if let Some(before) = known.and_then(|known| known.slices.remove(name)) {
            namespace.slices_changed(namespace_name, service, [&before], &mut self.changes);
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
        self.reach = Reach::of(self.services.values(), self.pods.values());
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
        let leads = |service: &ServiceFacts, pod: Option<&InjectedPod>| {
            pod.is_some_and(|pod| {
                pod.live && (service.selector.is_empty() || service.selects(&pod.labels))
            })
        };
        let same = before.zip(after).is_some_and(|(before, after)| {
            (&before.labels, before.live) == (&after.labels, after.live)
        });
        self.reach
            .pod_changed(self.services.values(), before, after);
        if !same || before.map(|pod| &pod.uid) != after.map(|pod| &pod.uid) {
            // Its endpoint may have been there before it, as one without a sidecar.
            let of_others = self
                .services
                .values()
                .filter(|service| leads(service, after));
            for service in of_others {
                for concerned in self.reach.selected(&service.name) {
                    self.touch(name, concerned, changes);
                }
            }
        }
        if !same {
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
        let after = self.services.get(service);
        self.reach
            .service_changed(service, after, self.pods.values());
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

    /// `changed`: as it was and as it is. What a slice says is of interest to the pods that its Service
    /// selects, and to those that it leads to itself.
    fn slices_changed<'a>(
        &mut self,
        name: &str,
        service: &str,
        changed: impl IntoIterator<Item = &'a SliceFacts>,
        changes: &mut Changes,
    ) {
        let Some(known) = self.slices.get(service).filter(|known| known.listed) else {
            return;
        };
        for concerned in self.reach.selected(service) {
            self.touch(name, concerned, changes);
        }
        // Those that Kubernetes writes say nothing about a pod that its Service does not.
        let by_hand = |slice: &&SliceFacts| !slice.managed;
        let changed: Vec<_> = changed.into_iter().filter(by_hand).collect();
        if changed.is_empty() {
            return;
        }
        // Who is reached by one of them is told of the pods without sidecars in all of them.
        let all = known
            .slices
            .values()
            .filter(by_hand)
            .chain(changed.iter().copied());
        for pod in all.flat_map(|slice| self.reach.pods(slice, &self.pods)) {
            self.touch(name, &pod.service, changes);
        }
        self.led_by_hand(name, changed.into_iter(), changes);
    }

    /// Decides anew whether a Service's slices are to be known.
    fn want(&mut self, name: &str, service: &str, changes: &mut Changes) {
        let wanted = self.services.get(service).is_some_and(|service| {
            let leads = match service.selector.is_empty() {
                true => self.pods.values().any(|pod| pod.live),
                false => self.reach.selected(&service.name).next().is_some(),
            };
            !service.external && leads
        });
        let key = || (name.to_owned(), service.to_owned());
        if wanted && !self.slices.contains_key(service) {
            let nothing = KnownSlices::default();
            self.slices.insert(service.to_owned(), nothing);
            changes.slices.added.push(key());
        } else if !wanted && let Some(known) = self.slices.remove(service) {
            let before = changes.slices.added.len();
            changes.slices.added.retain(|added| *added != key());
            // What nobody began to watch needs no end.
            if changes.slices.added.len() == before {
                changes.slices.removed.push(key());
            }
            let by_hand = known.slices.values().filter(|slice| !slice.managed);
            self.led_by_hand(name, by_hand, changes);
        }
    }

    /// Decides anew for the pods that these slices lead, or led, to.
    fn led_by_hand<'a>(
        &mut self,
        name: &str,
        slices: impl Iterator<Item = &'a SliceFacts>,
        changes: &mut Changes,
    ) {
        let pods = slices.flat_map(|slice| self.reach.pods(slice, &self.pods));
        let pods: BTreeSet<_> = pods.map(|pod| (&pod.service, &pod.name)).collect();
        let names: Vec<_> = pods.iter().map(|(_, pod)| (*pod).clone()).collect();
        for (service, _) in pods {
            self.touch(name, service, changes);
        }
        for pod in names {
            self.withhold(name, &pod, changes);
        }
    }
}
