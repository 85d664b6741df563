//! Bounds on connections, requests and waits (`spec.limits`, `spec.timeouts`, `spec.listener`).

use serde::{Deserialize, Serialize};

/// Bounds on connections, requests and waits. What is absent has the default of [`crate::policy::limits`].
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct LimitSettings {}
