//! `spec.listener`: how the sidecar takes connections.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// How the sidecar takes connections.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerSpec {}
