//! `spec.drain`: the end of a sidecar.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The end of a sidecar.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct DrainSpec {
    /// How long requests in flight may still take once the pod is told to end, as a Go duration; at
    /// most an hour. The pod's `terminationGracePeriodSeconds` ends it whatever is written here.
    /// Absent: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub grace: Option<String>,
}
