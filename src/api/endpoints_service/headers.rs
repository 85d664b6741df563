//! `spec.headers`: what backends and clients are told beside what they tell each other.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Headers that the proxy sets.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeadersSpec {}
