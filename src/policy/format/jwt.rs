//! How tokens are checked (`spec.jwt`, but issuers, audiences and required claims).

use serde::{Deserialize, Serialize};

/// How tokens are checked and what becomes of them. What is absent has its default.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct JwtSettings {}
