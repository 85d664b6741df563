//! Whether Services lead to the sidecars or around them.
//!
//! Capture by name is steering: the sidecar has the name that a Service's `targetPort` asks for. A
//! numeric (or omitted) `targetPort`, a name that still means the app's port, and the clients of a
//! headless Service reach the app itself. So may EndpointSlices that somebody wrote by hand, and ports
//! of nodes that are forwarded into pods. And a Service can lead to sidecars and, beside them, to pods
//! that have none.

mod bypass;
mod service;
mod slice;
mod way;

use std::collections::{BTreeMap, BTreeSet};

pub use self::bypass::Bypass;
pub use self::service::{ServiceFacts, ServicePort, Target};
pub use self::slice::{Endpoint, SERVICE_NAME, SliceFacts, SlicePort};
use self::way::{Way, way};
use super::pod::InjectedPod;
use crate::api::annotations::CaptureMode;

#[cfg(test)]
mod tests;

/// What is known of one Service's EndpointSlices.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct KnownSlices {
    /// They were listed once: what is not here does not exist.
    pub listed: bool,
    /// By name.
    pub slices: BTreeMap<String, SliceFacts>,
}

/// What else there is in the pods' namespace.
#[derive(Clone, Copy, Debug)]
pub struct Surroundings<'a> {
    /// The namespace's name.
    pub namespace: &'a str,
    /// Every injected pod, of whatever EndpointsService, by name.
    pub pods: &'a BTreeMap<String, InjectedPod>,
    /// Every Service, by name.
    pub services: &'a BTreeMap<String, ServiceFacts>,
    /// EndpointSlices by Service, of those that may lead to injected pods.
    pub slices: &'a BTreeMap<String, KnownSlices>,
}

/// What the Services that select a service's pods do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Capture {
    /// There are no injected pods to capture anything for.
    NoSidecars,
    /// Every pod has `endpoints.dev/capture: none`.
    Exempt {
        /// How many pods.
        pods: usize,
        /// A way around them, if there is one.
        around: Option<String>,
    },
    /// No Service leads to the sidecars; none leads around them either.
    NotSelected,
    /// Nothing is known against it, but not all EndpointSlices were listed yet.
    Checking,
    /// All of these do, none leads around.
    All {
        /// How many Services lead to the sidecars.
        services: usize,
    },
    /// Some lead around the sidecars.
    Around(Around),
}

/// Ways around the sidecars.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Around {
    /// One of [`crate::api::conditions::reason`]: that of the first.
    pub reason: &'static str,
    /// The Services and the fixes.
    pub message: String,
}

/// Computes [`Capture`] for the pods of one EndpointsService.
pub fn capture(pods: &[&InjectedPod], around: &Surroundings<'_>) -> Capture {
    let (exempt, steered): (Vec<&InjectedPod>, Vec<&InjectedPod>) = pods
        .iter()
        .partition(|pod| pod.capture == CaptureMode::None);
    if pods.is_empty() {
        return Capture::NoSidecars;
    }
    if steered.is_empty() {
        let found = look(&exempt, around).bypasses;
        return Capture::Exempt {
            pods: exempt.len(),
            around: found.first().map(Bypass::message),
        };
    }
    let found = look(&steered, around);
    match found.bypasses.first() {
        Some(first) => Capture::Around(Around {
            reason: first.reason,
            message: bypass::list(&found.bypasses),
        }),
        None if found.unknown => Capture::Checking,
        None if found.leading == 0 => Capture::NotSelected,
        None => Capture::All {
            services: found.leading,
        },
    }
}

/// The ways around the sidecars of these pods, worst first, each Service's port once.
pub fn bypasses(pods: &[&InjectedPod], around: &Surroundings<'_>) -> Vec<Bypass> {
    let steered: Vec<_> = pods
        .iter()
        .copied()
        .filter(|pod| pod.capture != CaptureMode::None)
        .collect();
    look(&steered, around).bypasses
}

/// Why this pod's sidecar should not become ready for the first time: requests that were to pass it
/// would go around it from then on. Pods without sidecars behind the same Service are no reason: they
/// are there in every roll-out that brings the first sidecars.
pub fn withhold(pod: &InjectedPod, around: &Surroundings<'_>) -> Option<String> {
    if !pod.live || pod.was_ready || pod.capture == CaptureMode::None {
        return None;
    }
    let mut found = Found::default();
    for service in around.services.values() {
        found.specified(service, &[pod], around);
        found.written(service, &[pod], around, false);
    }
    found.forwarded(&[pod], around);
    found.bypasses.sort();
    (!found.bypasses.is_empty()).then(|| bypass::list(&found.bypasses))
}

/// What was found about some pods.
#[derive(Default)]
struct Found {
    bypasses: Vec<Bypass>,
    /// How many Services lead to their sidecars.
    leading: usize,
    /// Not all EndpointSlices were listed.
    unknown: bool,
}

fn look(pods: &[&InjectedPod], around: &Surroundings<'_>) -> Found {
    let mut found = Found::default();
    for service in around.services.values() {
        let leading = found.specified(service, pods, around);
        let written = found.written(service, pods, around, true);
        if leading.is_empty() && !written {
            continue;
        }
        found.leading += 1;
        found.mixed(service, &leading, written, around);
    }
    found.forwarded(pods, around);
    found.bypasses.sort();
    found
}

impl Found {
    /// Looks at a Service's selector and ports. Gives the names of the ports that lead to sidecars.
    fn specified<'s>(
        &mut self,
        service: &'s ServiceFacts,
        pods: &[&InjectedPod],
        around: &Surroundings<'_>,
    ) -> BTreeSet<&'s str> {
        let selected = || pods.iter().filter(|pod| service.selects(&pod.labels));
        let mut leading = BTreeSet::new();
        if service.headless {
            let open = selected().find(|pod| pod.capture != CaptureMode::Redirect);
            if let Some(pod) = open {
                let bypass = Bypass::headless(around.namespace, service, pod);
                self.bypasses.push(bypass);
            } else if selected().next().is_some() {
                leading.extend(service.ports.iter().map(|port| &*port.name));
            }
            return leading;
        }
        for port in &service.ports {
            let mut open = None;
            for pod in selected() {
                let number = match &port.target {
                    Target::Number(number) => Some(*number),
                    Target::Omitted => Some(port.port),
                    Target::Name(name) => pod.port(name),
                };
                match number.map_or(Way::Elsewhere, |number| way(number, pod)) {
                    Way::Around(taken) => open = open.or(Some(taken)),
                    Way::Through => {
                        leading.insert(&*port.name);
                    }
                    Way::Elsewhere => {}
                }
            }
            if let Some(taken) = open {
                let bypass = Bypass::numeric(around.namespace, service, port, taken);
                self.bypasses.push(bypass);
            }
        }
        leading
    }

    /// Looks at EndpointSlices that were written by hand. Whether one leads to a sidecar.
    fn written(
        &mut self,
        service: &ServiceFacts,
        pods: &[&InjectedPod],
        around: &Surroundings<'_>,
        all: bool,
    ) -> bool {
        if service.external {
            return false;
        }
        let Some(slices) = listed(service, around) else {
            let of_interest =
                service.selector.is_empty() || pods.iter().any(|pod| service.selects(&pod.labels));
            self.unknown |= all && of_interest;
            return false;
        };
        let mut leads = false;
        for slice in slices.values().filter(|slice| !slice.managed) {
            for (pod, port) in pods
                .iter()
                .filter(|pod| slice.endpoints.iter().any(|endpoint| endpoint.is(pod)))
                .flat_map(|pod| slice.ports.iter().map(move |port| (pod, port)))
            {
                match way(port.number, pod) {
                    Way::Around(taken) => {
                        let bypass = Bypass::written(around.namespace, service, slice, port, taken);
                        if !self.bypasses.contains(&bypass) {
                            self.bypasses.push(bypass);
                        }
                    }
                    Way::Through => leads = true,
                    Way::Elsewhere => {}
                }
            }
        }
        leads
    }

    /// Looks for ports of nodes that lead to protected ports. Each is told of its first pod.
    fn forwarded(&mut self, pods: &[&InjectedPod], around: &Surroundings<'_>) {
        let mut told = BTreeSet::new();
        for pod in pods {
            for (number, host_port) in &pod.host_ports {
                if let Way::Around(taken) = way(*number, pod)
                    && told.insert(host_port)
                {
                    let bypass = Bypass::forwarded(around.namespace, pod, taken, *host_port);
                    self.bypasses.push(bypass);
                }
            }
        }
    }

    /// Looks for pods without a sidecar behind the ports of a Service that lead to sidecars.
    fn mixed(
        &mut self,
        service: &ServiceFacts,
        leading: &BTreeSet<&str>,
        written: bool,
        around: &Surroundings<'_>,
    ) {
        let slices = listed(service, around);
        let beside: BTreeSet<String> = slices
            .into_iter()
            .flat_map(BTreeMap::values)
            .filter(|slice| {
                let ports = || slice.ports.iter();
                ports().any(|port| leading.contains(&*port.name)) || (written && !slice.managed)
            })
            .flat_map(|slice| &slice.endpoints)
            .filter(|endpoint| !is_injected(endpoint, around))
            .map(Endpoint::label)
            .collect();
        if !beside.is_empty() {
            let bypass = Bypass::mixed(around.namespace, service, &beside);
            self.bypasses.push(bypass);
        }
    }
}

fn listed<'a>(
    service: &ServiceFacts,
    around: &Surroundings<'a>,
) -> Option<&'a BTreeMap<String, SliceFacts>> {
    let known = around.slices.get(&service.name)?;
    known.listed.then_some(&known.slices)
}

fn is_injected(endpoint: &Endpoint, around: &Surroundings<'_>) -> bool {
    match &endpoint.pod {
        Some((name, uid)) => around
            .pods
            .get(name)
            .is_some_and(|pod| uid.is_empty() || pod.uid == *uid),
        None => around.pods.values().any(|pod| endpoint.is(pod)),
    }
}
