//! Headers that the proxy sets (`spec.headers`).

use serde::{Deserialize, Serialize};

/// Headers that the proxy sets. What is absent has its default.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HeaderSettings {}
