//! Which pods, and so which EndpointsServices, a Service or an EndpointSlice leads to: looked up, as slices
//! change with every roll-out, and a namespace may hold hundreds of Services.

use std::borrow::Borrow;
use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;

use crate::operator::capture::{ServiceFacts, SliceFacts};
use crate::operator::pod::InjectedPod;

/// What leads to the live pods of a namespace. Kept from the first listing on.
#[derive(Debug, Default)]
pub(in crate::operator::index) struct Reach {
    /// Names of the pods that a Service selects: by Service, then by the pods' EndpointsService.
    selected: BTreeMap<String, BTreeMap<String, BTreeSet<String>>>,
    /// Names of the pods that have an address.
    addressed: BTreeMap<IpAddr, BTreeSet<String>>,
}

impl Reach {
    /// Of everything that was listed.
    pub(super) fn of<'a>(
        services: impl Iterator<Item = &'a ServiceFacts> + Clone,
        pods: impl Iterator<Item = &'a InjectedPod>,
    ) -> Self {
        let mut reach = Self::default();
        for pod in pods {
            reach.pod_changed(services.clone(), None, Some(pod));
        }
        reach
    }

    /// A pod was created, changed or deleted, among these Services.
    pub(super) fn pod_changed<'a>(
        &mut self,
        services: impl Iterator<Item = &'a ServiceFacts>,
        before: Option<&InjectedPod>,
        after: Option<&InjectedPod>,
    ) {
        let (before, after) = (before.filter(is_live), after.filter(is_live));
        let is_same = match (before, after) {
            (Some(before), Some(after)) => {
                (&before.service, &before.labels, &before.ips)
                    == (&after.service, &after.labels, &after.ips)
            }
            (None, None) => true,
            _ => false,
        };
        if is_same {
            return;
        }
        for service in services {
            if let Some(pod) = before.filter(|pod| service.selects(&pod.labels)) {
                self.unselect(&service.name, pod);
            }
            if let Some(pod) = after.filter(|pod| service.selects(&pod.labels)) {
                self.select(&service.name, pod);
            }
        }
        if let Some(pod) = before {
            for address in &pod.ips {
                remove(&mut self.addressed, address, &pod.name);
            }
        }
        if let Some(pod) = after {
            for address in &pod.ips {
                let there = self.addressed.entry(*address).or_default();
                there.insert(pod.name.clone());
            }
        }
    }

    /// A Service was created, changed or deleted, among these pods; `after` is how it is.
    pub(super) fn service_changed<'a>(
        &mut self,
        name: &str,
        after: Option<&ServiceFacts>,
        pods: impl Iterator<Item = &'a InjectedPod>,
    ) {
        self.selected.remove(name);
        let Some(service) = after else {
            return;
        };
        for pod in pods.filter(is_live) {
            if service.selects(&pod.labels) {
                self.select(name, pod);
            }
        }
    }

    /// The EndpointsServices of the live pods that a Service selects.
    pub(super) fn selected(&self, service: &str) -> impl Iterator<Item = &str> {
        let services = self.selected.get(service).into_iter().flatten();
        services.map(|(service, _)| &**service)
    }

    /// The pods, of these, that a slice leads to by itself.
    pub(super) fn pods<'a>(
        &'a self,
        slice: &'a SliceFacts,
        pods: &'a BTreeMap<String, InjectedPod>,
    ) -> impl Iterator<Item = &'a InjectedPod> {
        slice.endpoints.iter().flat_map(move |endpoint| {
            let named = endpoint.pod.iter().map(|(name, _)| name);
            let address = endpoint.address.as_ref();
            let there = address.and_then(|address| self.addressed.get(address));
            let names = named.chain(there.into_iter().flatten());
            let found = names.filter_map(|name| pods.get(name));
            found.filter(|pod| endpoint.is(pod))
        })
    }

    fn select(&mut self, service: &str, pod: &InjectedPod) {
        let by_service = self.selected.entry(service.to_owned()).or_default();
        let pods = by_service.entry(pod.service.clone()).or_default();
        pods.insert(pod.name.clone());
    }

    fn unselect(&mut self, service: &str, pod: &InjectedPod) {
        if let Some(by_service) = self.selected.get_mut(service) {
            remove(by_service, &pod.service, &pod.name);
            if by_service.is_empty() {
                self.selected.remove(service);
            }
        }
    }
}

fn is_live(pod: &&InjectedPod) -> bool {
    pod.live
}

/// Takes a name out of one of several sets; an empty one is not kept.
fn remove<K, Q>(sets: &mut BTreeMap<K, BTreeSet<String>>, key: &Q, name: &str)
where
    K: Borrow<Q> + Ord,
    Q: Ord + ?Sized,
{
    if let Some(names) = sets.get_mut(key) {
        names.remove(name);
        if names.is_empty() {
            sets.remove(key);
        }
    }
}
