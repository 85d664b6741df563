//! How requests are read and matched (`spec.routing`, `spec.mode`).

use serde::{Deserialize, Serialize};

/// How requests are read and matched. What is absent has its default.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RoutingSettings {}
