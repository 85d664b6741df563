//! What the control plane needs to know of an EndpointSlice.

use std::net::IpAddr;

use k8s_openapi::api::discovery::v1::{Endpoint as Object, EndpointPort, EndpointSlice};
use kube::ResourceExt;

use crate::operator::pod::InjectedPod;

/// Label: the Service that a slice belongs to.
pub const SERVICE_NAME: &str = "kubernetes.io/service-name";
/// Label: who writes a slice.
const MANAGED_BY: &str = "endpointslice.kubernetes.io/managed-by";
/// Writes the slices of Services with a selector, out of pods.
const CONTROLLER: &str = "endpointslice-controller.k8s.io";
/// Copies Endpoints that were written by hand.
const MIRRORING: &str = "endpointslicemirroring-controller.k8s.io";

/// An EndpointSlice.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SliceFacts {
    /// `metadata.name`.
    pub name: String,
    /// The Service that it belongs to.
    pub service: String,
    /// Kubernetes writes it from the Service's selector: it says nothing that the Service does not.
    pub managed: bool,
    /// Kubernetes copies it from the Endpoints of the Service's name.
    pub mirrored: bool,
    /// Its TCP ports.
    pub ports: Vec<SlicePort>,
    /// Where requests go: what is ready, and not about to end.
    pub endpoints: Vec<Endpoint>,
}

/// A TCP port of an EndpointSlice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SlicePort {
    /// The name of the Service's port; may be empty.
    pub name: String,
    /// Its number.
    pub number: u16,
    /// Its place in `ports`.
    pub index: usize,
}

/// One backend of a Service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Where requests go (Kubernetes uses the first address only); none: a name in DNS.
    pub address: Option<IpAddr>,
    /// Name and uid of the pod that it is said to be; the uid may be empty.
    pub pod: Option<(String, String)>,
}

impl SliceFacts {
    /// Reads a slice; None: it belongs to no Service.
    pub fn read(slice: &EndpointSlice) -> Option<Self> {
        let managed_by = slice.labels().get(MANAGED_BY).map(String::as_str);
        let ports = slice.ports.as_deref().unwrap_or_default();
        Some(Self {
            name: slice.name_any(),
            service: slice.labels().get(SERVICE_NAME)?.clone(),
            managed: managed_by == Some(CONTROLLER),
            mirrored: managed_by == Some(MIRRORING),
            ports: ports.iter().enumerate().filter_map(read_port).collect(),
            endpoints: slice.endpoints.iter().filter_map(read_endpoint).collect(),
        })
    }
}

fn read_port((index, port): (usize, &EndpointPort)) -> Option<SlicePort> {
    let is_tcp = port.protocol.as_deref().is_none_or(|name| name == "TCP");
    is_tcp.then_some(SlicePort {
        name: port.name.clone().unwrap_or_default(),
        number: port.port?.try_into().ok()?,
        index,
    })
}

fn read_endpoint(endpoint: &Object) -> Option<Endpoint> {
    let conditions = endpoint.conditions.as_ref();
    let is_ready = conditions.and_then(|it| it.ready).unwrap_or(true);
    let is_ending = conditions.and_then(|it| it.terminating).unwrap_or(false);
    let pod = endpoint
        .target_ref
        .as_ref()
        .filter(|target| target.kind.as_deref() == Some("Pod"));
    (is_ready && !is_ending).then(|| Endpoint {
        address: endpoint.addresses.first().and_then(|it| it.parse().ok()),
        pod: pod.and_then(|pod| Some((pod.name.clone()?, pod.uid.clone().unwrap_or_default()))),
    })
}

impl Endpoint {
    /// Whether requests go to this pod: what counts is the address.
    pub fn is(&self, pod: &InjectedPod) -> bool {
        match (self.address, &self.pod) {
            (Some(address), _) if !pod.ips.is_empty() => pod.ips.contains(&address),
            (_, Some((name, uid))) => *name == pod.name && (uid.is_empty() || *uid == pod.uid),
            _ => false,
        }
    }

    /// What people call it.
    pub fn label(&self) -> String {
        match (&self.pod, self.address) {
            (Some((name, _)), _) => format!("pod {name}"),
            (None, Some(address)) => format!("address {address}"),
            (None, None) => "a name in DNS".to_owned(),
        }
    }
}
