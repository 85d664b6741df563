//! How backends are talked to (`spec.backend`, but its address and deadline).

use serde::{Deserialize, Serialize};

/// How backends are talked to. What is absent has its default.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UpstreamSettings {}
