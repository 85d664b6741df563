//! `spec.routing`: how requests are matched to operations.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How requests are matched.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutingSpec {
    /// A path that the proxy answers 200 itself, in any spelling; never forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub healthz: Option<String>,
}
