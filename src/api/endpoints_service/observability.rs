//! `spec.accessLog` and `spec.tracing`: what the sidecar tells of the requests it serves.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// What the access log holds.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct AccessLogSpec {}

/// Where spans go.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TracingSpec {}
