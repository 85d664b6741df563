//! `spec.limits` and `spec.timeouts`: bounds on connections, requests and waits.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Bounds on sizes and counts.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LimitsSpec {}

/// Bounds on waiting for clients, as Go durations.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutsSpec {}
