//! What the control plane needs to know of a pod, and no more: thousands of them are held.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::core::v1::{Container, ContainerPort, Pod};
use k8s_openapi::jiff::Timestamp;
use kube::ResourceExt;

pub use self::workload::{Workload, WorkloadKind};
use super::admission::{MountedSecrets, mounted_secrets};
use super::authenticate::{PodFacts, Pods};
use crate::api::annotations::{self, CaptureMode, InjectionStatus, SIDECAR_CONTAINER, TakenPort};

mod workload;

#[cfg(test)]
mod tests;

/// An injected pod.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InjectedPod {
    /// `metadata.namespace`.
    pub namespace: String,
    /// `metadata.name`.
    pub name: String,
    /// `metadata.uid`: one life of one pod.
    pub uid: String,
    /// The EndpointsService that it is annotated with.
    pub service: String,
    /// Its labels, which Services select by.
    pub labels: BTreeMap<String, String>,
    /// The ports that the sidecar took over.
    pub taken: Vec<TakenPort>,
    /// How requests to them get to the sidecar.
    pub capture: CaptureMode,
    /// The version that injected it; empty when nothing says.
    pub version: String,
    /// The Secrets that its sidecar was given.
    pub secrets: MountedSecrets,
    /// What it belongs to, as far as people can patch that.
    pub workload: Option<Workload>,
    /// Named container ports in the order in which Kubernetes looks names up (first match wins).
    pub named_ports: Vec<(String, u16)>,
    /// TCP ports of its node that are forwarded into it: the number inside, and the node's.
    pub host_ports: Vec<(u16, u16)>,
    /// `metadata.creationTimestamp`.
    pub created: Option<Timestamp>,
    /// Pending or Running, and not being deleted: its sidecar counts.
    pub live: bool,
    /// Its sidecar is ready, or was at some time of which we know.
    pub was_ready: bool,
    /// `spec.serviceAccountName`.
    pub service_account: String,
    /// `status.podIPs`.
    pub ips: Vec<IpAddr>,
}

impl InjectedPod {
    /// Reads a pod. None: it is not injected, or nothing says for which service. The label alone
    /// does not make a sidecar: a pod that somebody labelled would be waited for for ever. A status
    /// annotation that does not parse leaves no known ports.
    pub fn read(pod: &Pod) -> Option<Self> {
        let annotations = pod.metadata.annotations.as_ref()?;
        if pod.labels().get(annotations::INJECTED).map(String::as_str) != Some("true") {
            return None;
        }
        if !has_sidecar(pod) {
            return None;
        }
        let status = pod.status.as_ref();
        let phase = status.and_then(|status| status.phase.as_deref());
        let injected = InjectionStatus::read(annotations);
        Some(Self {
            namespace: pod.namespace()?,
            name: pod.name_any(),
            uid: pod.uid()?,
            service: annotations.get(annotations::SERVICE)?.clone(),
            labels: pod.labels().clone(),
            capture: injected
                .as_ref()
                .map(|status| status.capture)
                .unwrap_or_default(),
            version: injected
                .as_ref()
                .map(|status| status.version.clone())
                .unwrap_or_default(),
            taken: injected.map(|status| status.ports).unwrap_or_default(),
            secrets: pod.spec.as_ref().map(mounted_secrets).unwrap_or_default(),
            workload: Workload::of(pod),
            named_ports: named_ports(pod),
            host_ports: host_ports(pod),
            created: pod.metadata.creation_timestamp.as_ref().map(|time| time.0),
            live: pod.metadata.deletion_timestamp.is_none()
                && matches!(phase, None | Some("Pending" | "Running")),
            was_ready: sidecar_is_ready(pod),
            service_account: pod
                .spec
                .as_ref()
                .and_then(|spec| spec.service_account_name.clone())
                .unwrap_or_default(),
            ips: status
                .and_then(|status| status.pod_ips.as_deref())
                .unwrap_or_default()
                .iter()
                .filter_map(|address| address.ip.parse().ok())
                .collect(),
        })
    }

    /// The number that a name leads to in this pod.
    pub fn port(&self, name: &str) -> Option<u16> {
        self.named_ports
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, number)| *number)
    }
}

/// The live injected pods as the authenticator asks for them: in step with the controller's watch,
/// readable from every stream. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct PodCache(Arc<RwLock<BTreeMap<(String, String), PodFacts>>>);

impl PodCache {
    pub(super) fn insert(&self, pod: &InjectedPod) {
        let facts = PodFacts {
            uid: pod.uid.clone(),
            service_account: pod.service_account.clone(),
            service: Some(pod.service.clone()),
            // A pod that has ended speaks no more than one that is being deleted.
            deleting: !pod.live,
            ips: pod.ips.clone(),
        };
        let name = (pod.namespace.clone(), pod.name.clone());
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(name, facts);
    }

    pub(super) fn remove(&self, namespace: &str, name: &str) {
        let name = (namespace.to_owned(), name.to_owned());
        self.0
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(&name);
    }
}

impl Pods for PodCache {
    fn pod(&self, namespace: &str, name: &str) -> Option<PodFacts> {
        let name = (namespace.to_owned(), name.to_owned());
        self.0
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .get(&name)
            .cloned()
    }
}

/// Whether a pod has our container, natively or among its others.
pub fn has_sidecar(pod: &Pod) -> bool {
    let containers = pod.spec.iter().flat_map(|spec| {
        let init = spec.init_containers.iter().flatten();
        spec.containers.iter().chain(init)
    });
    containers
        .into_iter()
        .any(|container| container.name == SIDECAR_CONTAINER)
}

fn sidecar_is_ready(pod: &Pod) -> bool {
    let Some(status) = &pod.status else {
        return false;
    };
    let init = status.init_container_statuses.iter().flatten();
    let mut containers = status.container_statuses.iter().flatten().chain(init);
    containers.any(|container| container.name == SIDECAR_CONTAINER && container.ready)
}

/// As the endpoints controllers do (`FindPort`): containers first, then init containers that stay
/// (since Kubernetes 1.33).
fn named_ports(pod: &Pod) -> Vec<(String, u16)> {
    let Some(spec) = &pod.spec else {
        return Vec::new();
    };
    let stays = |container: &&Container| container.restart_policy.as_deref() == Some("Always");
    let sidecars = spec.init_containers.iter().flatten().filter(stays);
    let ports = tcp_ports(spec.containers.iter().chain(sidecars));
    ports
        .filter_map(|port| Some((port.name.clone()?, u16::try_from(port.container_port).ok()?)))
        .collect()
}

fn host_ports(pod: &Pod) -> Vec<(u16, u16)> {
    let containers = pod.spec.iter().flat_map(|spec| {
        let init = spec.init_containers.iter().flatten();
        spec.containers.iter().chain(init)
    });
    let number = |number: i32| u16::try_from(number).ok().filter(|number| *number > 0);
    tcp_ports(containers)
        .filter_map(|port| Some((number(port.container_port)?, number(port.host_port?)?)))
        .collect()
}

fn tcp_ports<'p>(
    containers: impl Iterator<Item = &'p Container>,
) -> impl Iterator<Item = &'p ContainerPort> {
    let ports = containers.flat_map(|container| container.ports.iter().flatten());
    ports.filter(|port| port.protocol.as_deref().is_none_or(|name| name == "TCP"))
}
