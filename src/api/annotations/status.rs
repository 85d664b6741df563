//! What the injector writes back.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{CaptureMode, MAX_PORTS, STATUS};

/// What the injector did to a pod, kept in the annotation [`STATUS`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct InjectionStatus {
    /// The operator's version.
    pub version: String,
    /// How requests come to the sidecar. (Pods that an older version injected do not say: by name.)
    #[serde(default)]
    pub capture: CaptureMode,
    /// The ports that the sidecar stands in front of.
    pub ports: Vec<TakenPort>,
    /// The pod-level resources as they were before ours were added, so that they can be put back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod_resources: Option<PodResources>,
}

/// A port that the sidecar stands in front of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TakenPort {
    /// The name that Services reach: the sidecar's port has it now. None: no name was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Where the sidecar listens.
    pub listen: u16,
    /// Where the app listens.
    pub app: u16,
    /// The name that the app's port has now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renamed: Option<String>,
}

/// Requests and limits of a whole pod (KEP-2837), as quantities.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PodResources {
    /// What the scheduler reserves.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, String>,
    /// What the pod may use at most.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, String>,
}

impl InjectionStatus {
    /// Reads a pod's [`STATUS`]; `None` when it is absent or not ours. Users can write anything
    /// there, also more ports than can be taken ([`MAX_PORTS`]), each of which would be compared with
    /// every container: what it says counts only for a pod that has the sidecar container.
    pub fn read(annotations: &BTreeMap<String, String>) -> Option<Self> {
        let status: Self = serde_json::from_str(annotations.get(STATUS)?).ok()?;
        (status.ports.len() <= MAX_PORTS).then_some(status)
    }
}
