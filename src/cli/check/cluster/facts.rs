//! What is known of a cluster: read from its objects, kept small, judged without it.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::{CronJob, Job};
use k8s_openapi::api::core::v1::{Container, Pod, PodTemplateSpec};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;
use kube::api::DynamicObject;

use crate::api::annotations::{self, InjectionStatus, PREFIX, SIDECAR_CONTAINER};
use crate::operator::capture::{KnownSlices, ServiceFacts};
use crate::operator::pod::{InjectedPod, Workload, has_sidecar};

/// A cluster, or one namespace of it.
#[derive(Debug, Default)]
pub(super) struct Facts {
    /// By name.
    pub(super) namespaces: BTreeMap<String, Namespace>,
    /// What could be listed: what is not in an unreadable list may exist all the same.
    pub(super) seen: Seen,
    /// The operator's version, where it could be read.
    pub(super) operator_version: Option<String>,
}

/// Which lists could be read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) entries: bool,
    pub(super) pods: bool,
    pub(super) services: bool,
    pub(super) slices: bool,
    pub(super) policies: bool,
}

/// One namespace.
#[derive(Debug, Default)]
pub(super) struct Namespace {
    pub(super) entries: BTreeMap<String, Entry>,
    pub(super) pods: BTreeMap<String, InjectedPod>,
    /// Of each injected pod, by name.
    pub(super) details: BTreeMap<String, PodDetails>,
    /// Annotated, live, without a sidecar.
    pub(super) bare: Vec<BarePod>,
    pub(super) services: BTreeMap<String, ServiceFacts>,
    pub(super) slices: BTreeMap<String, KnownSlices>,
    pub(super) policies: Vec<NetworkPolicy>,
    /// Workloads with an annotation of ours that counts for nothing.
    pub(super) misplaced: Vec<Misplaced>,
}

/// An EndpointsService.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) generation: i64,
    pub(super) conditions: Vec<Condition>,
}

/// What only this command asks of an injected pod.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct PodDetails {
    /// The version of the operator that injected it.
    pub(super) version: Option<String>,
    /// Numbers of the sidecar's other ports: its admin port.
    pub(super) own_ports: Vec<u16>,
    /// TCP ports that the app's containers declare.
    pub(super) app_ports: Vec<u16>,
    /// Numbers that kubelet probes at the pod's address: the app listens there on more than loopback.
    pub(super) probed: Vec<u16>,
    /// Where the sidecar dials the operator, as `HOST:PORT`.
    pub(super) operator_address: Option<String>,
}

/// An annotated pod without a sidecar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct BarePod {
    pub(super) name: String,
    pub(super) workload: Option<Workload>,
}

/// A workload whose own metadata, not its template's, has an annotation of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Misplaced {
    /// As kubectl takes it: `deployment`.
    pub(super) kind: &'static str,
    pub(super) name: String,
    /// The annotations, by key.
    pub(super) annotations: BTreeMap<String, String>,
}

impl Facts {
    pub(super) fn namespace(&mut self, name: Option<String>) -> &mut Namespace {
        self.namespaces.entry(name.unwrap_or_default()).or_default()
    }

    /// How many pods have a sidecar.
    pub(super) fn pods(&self) -> usize {
        self.namespaces.values().map(|it| it.pods.len()).sum()
    }

    /// How many EndpointsServices there are.
    pub(super) fn services(&self) -> usize {
        self.namespaces.values().map(|it| it.entries.len()).sum()
    }

    pub(super) fn add_entry(&mut self, object: &DynamicObject) {
        let conditions = object.data.pointer("/status/conditions").cloned();
        let entry = Entry {
            generation: object.metadata.generation.unwrap_or_default(),
            conditions: conditions
                .and_then(|conditions| serde_json::from_value(conditions).ok())
                .unwrap_or_default(),
        };
        let namespace = self.namespace(object.namespace());
        namespace.entries.insert(object.name_any(), entry);
    }

    pub(super) fn add_pod(&mut self, pod: &Pod) {
        let phase = pod.status.as_ref().and_then(|it| it.phase.as_deref());
        let is_live = pod.metadata.deletion_timestamp.is_none()
            && matches!(phase, None | Some("Pending" | "Running"));
        if !is_live {
            return;
        }
        let namespace = self.namespace(pod.namespace());
        if let Some(injected) = InjectedPod::read(pod) {
            namespace
                .details
                .insert(injected.name.clone(), PodDetails::read(pod, &injected));
            namespace.pods.insert(injected.name.clone(), injected);
        } else if !has_sidecar(pod) && pod.annotations().contains_key(annotations::SERVICE) {
            namespace.bare.push(BarePod {
                name: pod.name_any(),
                workload: Workload::of(pod),
            });
        }
    }

    pub(super) fn add_workload(&mut self, found: Option<(Option<String>, Misplaced)>) {
        if let Some((namespace, misplaced)) = found {
            self.namespace(namespace).misplaced.push(misplaced);
        }
    }
}

impl PodDetails {
    fn read(pod: &Pod, injected: &InjectedPod) -> Self {
        let all = || {
            pod.spec.iter().flat_map(|spec| {
                let init = spec.init_containers.iter().flatten();
                spec.containers.iter().chain(init)
            })
        };
        let sidecar = all().find(|container| container.name == SIDECAR_CONTAINER);
        let apps = || all().filter(|container| container.name != SIDECAR_CONTAINER);
        let listens = |port: &u16| injected.taken.iter().any(|taken| taken.listen == *port);
        let mut app_ports: Vec<_> = apps().flat_map(tcp_ports).collect();
        app_ports.sort_unstable();
        app_ports.dedup();
        Self {
            version: InjectionStatus::read(pod.annotations()).map(|status| status.version),
            own_ports: sidecar
                .map(|sidecar| tcp_ports(sidecar).filter(|port| !listens(port)).collect())
                .unwrap_or_default(),
            app_ports,
            probed: apps().flat_map(probed).collect(),
            operator_address: sidecar.and_then(|sidecar| {
                let variables = sidecar.env.iter().flatten();
                let mut found = variables.filter(|it| it.name == "ENDPOINTS_OPERATOR_ADDRESS");
                let addresses = found.next()?.value.as_deref()?;
                Some(addresses.split(',').next()?.to_owned())
            }),
        }
    }
}

fn tcp_ports(container: &Container) -> impl Iterator<Item = u16> {
    let ports = container.ports.iter().flatten();
    ports
        .filter(|port| port.protocol.as_deref().is_none_or(|it| it == "TCP"))
        .filter_map(|port| u16::try_from(port.container_port).ok())
}

/// The ports that kubelet probes at the pod's own address.
fn probed(container: &Container) -> Vec<u16> {
    let probes = [
        &container.liveness_probe,
        &container.readiness_probe,
        &container.startup_probe,
    ];
    let mut ports = Vec::new();
    for probe in probes.into_iter().flatten() {
        let http = probe.http_get.as_ref().filter(|it| it.host.is_none());
        let tcp = probe.tcp_socket.as_ref().filter(|it| it.host.is_none());
        let named = http
            .map(|it| &it.port)
            .into_iter()
            .chain(tcp.map(|it| &it.port));
        let number = |port: &IntOrString| match port {
            IntOrString::Int(number) => Some(*number),
            IntOrString::String(name) => container
                .ports
                .iter()
                .flatten()
                .find(|port| port.name.as_ref() == Some(name))
                .map(|port| port.container_port),
        };
        let grpc = probe.grpc.as_ref().map(|it| it.port);
        let all = named.filter_map(number).chain(grpc);
        ports.extend(all.filter_map(|port| u16::try_from(port).ok()));
    }
    ports
}

/// What has a pod template.
pub(super) trait HasTemplate {
    /// As kubectl takes it.
    const KIND: &'static str;
    /// Its template.
    fn template(&self) -> Option<&PodTemplateSpec>;
    /// What else it makes, of which the pods are then made.
    fn between(&self) -> Option<&ObjectMeta> {
        None
    }
}

impl HasTemplate for Deployment {
    const KIND: &'static str = "deployment";
    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref().map(|spec| &spec.template)
    }
}

impl HasTemplate for StatefulSet {
    const KIND: &'static str = "statefulset";
    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref().map(|spec| &spec.template)
    }
}

impl HasTemplate for DaemonSet {
    const KIND: &'static str = "daemonset";
    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref().map(|spec| &spec.template)
    }
}

impl HasTemplate for Job {
    const KIND: &'static str = "job";
    fn template(&self) -> Option<&PodTemplateSpec> {
        self.spec.as_ref().map(|spec| &spec.template)
    }
}

impl HasTemplate for CronJob {
    const KIND: &'static str = "cronjob";
    fn template(&self) -> Option<&PodTemplateSpec> {
        let job = self.spec.as_ref()?.job_template.spec.as_ref()?;
        Some(&job.template)
    }
    fn between(&self) -> Option<&ObjectMeta> {
        self.spec.as_ref()?.job_template.metadata.as_ref()
    }
}

/// The annotations of ours that a workload has, and its template has not. A CronJob gives its
/// annotations to no Job, and a Job to no pod.
pub(super) fn misplaced<W: HasTemplate>(
    meta: &ObjectMeta,
    workload: &W,
) -> Option<(Option<String>, Misplaced)> {
    let in_template = workload
        .template()
        .and_then(|template| template.metadata.as_ref()?.annotations.as_ref());
    let outside = [Some(meta), workload.between()].into_iter().flatten();
    let annotations: BTreeMap<_, _> = outside
        .flat_map(|meta| meta.annotations.iter().flatten())
        .filter(|(key, _)| key.starts_with(PREFIX))
        .filter(|(key, _)| in_template.is_none_or(|template| !template.contains_key(*key)))
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    let misplaced = Misplaced {
        kind: W::KIND,
        name: meta.name.clone()?,
        annotations,
    };
    (!misplaced.annotations.is_empty()).then(|| (meta.namespace.clone(), misplaced))
}
