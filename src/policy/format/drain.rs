//! The end of a sidecar (`spec.drain`).

use serde::{Deserialize, Serialize};

/// The end of a sidecar. What is absent has its default.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct DrainSettings {
    /// How long requests in flight may still take, in milliseconds; absent:
    /// [`crate::policy::limits::DRAIN_GRACE`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
}

/// The longest grace: an hour, in milliseconds.
pub const MAX_GRACE_MS: u64 = 60 * 60 * 1000;
