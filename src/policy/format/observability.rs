//! What is told of requests (`spec.accessLog`, `spec.tracing`).

use serde::{Deserialize, Serialize};

/// What is told of requests. What is absent has its default.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObservabilitySettings {}
