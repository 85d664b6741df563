//! What a pod belongs to: the object whose template people edit.

use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use crate::api::annotations::is_resource_name;

/// The object whose template a pod was made from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Workload {
    /// Its kind.
    pub kind: WorkloadKind,
    /// Its name.
    pub name: String,
}

/// Kinds whose template can be patched, and whose pods follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum WorkloadKind {
    /// By way of a ReplicaSet.
    Deployment,
    /// With names that stay.
    StatefulSet,
    /// One a node.
    DaemonSet,
}

impl WorkloadKind {
    /// As kubectl takes it.
    pub fn resource(self) -> &'static str {
        match self {
            Self::Deployment => "deployment",
            Self::StatefulSet => "statefulset",
            Self::DaemonSet => "daemonset",
        }
    }
}

impl Workload {
    /// Reads a pod's controller. A ReplicaSet's name is its Deployment's with a hash that the pod
    /// carries as a label.
    pub fn of(pod: &Pod) -> Option<Self> {
        let owners = pod.owner_references().iter();
        let owner = owners
            .into_iter()
            .find(|owner| owner.controller == Some(true))?;
        let (kind, name) = match owner.kind.as_str() {
            "ReplicaSet" => {
                let hash = pod.labels().get("pod-template-hash")?;
                let name = owner.name.strip_suffix(hash.as_str())?.strip_suffix('-')?;
                (WorkloadKind::Deployment, name)
            }
            "StatefulSet" => (WorkloadKind::StatefulSet, &*owner.name),
            "DaemonSet" => (WorkloadKind::DaemonSet, &*owner.name),
            _ => return None,
        };
        // Whoever makes pods writes what they like there, and people paste it.
        is_resource_name(name).then(|| Self {
            kind,
            name: name.to_owned(),
        })
    }
}
