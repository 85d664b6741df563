//! What the control plane needs to know of a Service.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Service, ServicePort as Port, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube::ResourceExt;

/// A Service.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceFacts {
    /// `metadata.name`.
    pub name: String,
    /// `spec.selector`; empty: it selects nothing, its EndpointSlices are written by hand.
    pub selector: BTreeMap<String, String>,
    /// `type: ExternalName`: a name in DNS, no pods.
    pub external: bool,
    /// `clusterIP: None`.
    pub headless: bool,
    /// `publishNotReadyAddresses`: requests come to pods that are not ready, too.
    pub reaches_unready: bool,
    /// Its TCP ports.
    pub ports: Vec<ServicePort>,
}

/// A TCP port of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServicePort {
    /// Its name, which EndpointSlices repeat; may be empty.
    pub name: String,
    /// Its number.
    pub port: u16,
    /// Where it leads.
    pub target: Target,
    /// Its place in `spec.ports`, if another of its ports has the same number (of another protocol):
    /// then the number does not tell which one is meant.
    pub ambiguous: Option<usize>,
}

/// Where a Service's port leads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// `targetPort` is a number.
    Number(u16),
    /// No `targetPort`: the Service's own number.
    Omitted,
    /// `targetPort` is a name, looked up in each pod.
    Name(String),
}

impl ServiceFacts {
    /// Reads a Service. `appProtocol` says what is spoken on a port, not where it leads.
    pub fn read(service: &Service) -> Self {
        let default = ServiceSpec::default();
        let spec = service.spec.as_ref().unwrap_or(&default);
        let external = spec.type_.as_deref() == Some("ExternalName");
        let ports = spec.ports.as_deref().unwrap_or_default();
        Self {
            name: service.name_any(),
            // Kubernetes passes it over, too.
            selector: spec
                .selector
                .clone()
                .filter(|_| !external)
                .unwrap_or_default(),
            external,
            headless: spec.cluster_ip.as_deref() == Some("None"),
            reaches_unready: spec.publish_not_ready_addresses == Some(true),
            ports: ports
                .iter()
                .enumerate()
                .filter(|(_, port)| port.protocol.as_deref().is_none_or(|name| name == "TCP"))
                .filter_map(|(index, port)| read_port(index, port, ports))
                .collect(),
        }
    }

    /// Whether a pod with these labels is behind it.
    pub fn selects(&self, labels: &BTreeMap<String, String>) -> bool {
        !self.selector.is_empty()
            && self
                .selector
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
    }
}

fn read_port(index: usize, port: &Port, all: &[Port]) -> Option<ServicePort> {
    let same = all.iter().filter(|other| other.port == port.port).count();
    Some(ServicePort {
        name: port.name.clone().unwrap_or_default(),
        port: port.port.try_into().ok()?,
        target: match &port.target_port {
            None => Target::Omitted,
            Some(IntOrString::Int(number)) => Target::Number((*number).try_into().ok()?),
            Some(IntOrString::String(name)) => Target::Name(name.clone()),
        },
        ambiguous: (same > 1).then_some(index),
    })
}
