//! How requests are read and matched (`spec.routing`, `spec.mode`).

use serde::{Deserialize, Serialize};

use super::is_default;

/// How requests are read and matched. What is absent has its default, so each switch names what is
/// unusual.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct RoutingSettings {
    /// Paths are matched and forwarded as they came (`normalizePath: false`).
    #[serde(skip_serializing_if = "is_default")]
    pub paths_as_they_came: bool,
    /// `//` in a path stays (`mergeSlashes: false`).
    #[serde(skip_serializing_if = "is_default")]
    pub empty_segments: bool,
    /// What becomes of `%2F` and `%5C` in a path.
    #[serde(skip_serializing_if = "is_default")]
    pub escaped_slashes: EscapedSlashes,
    /// Wildcards match no `:` (`colonInWildcard: false`).
    #[serde(skip_serializing_if = "is_default")]
    pub no_colon_in_wildcard: bool,
    /// Header names may have underscores (`underscoresInHeaders: true`).
    #[serde(skip_serializing_if = "is_default")]
    pub underscores_in_headers: bool,
    /// No header takes the place of a method (`methodOverride: false`).
    #[serde(skip_serializing_if = "is_default")]
    pub no_method_override: bool,
    /// What the policy forbids is let through (`mode: Audit`).
    #[serde(skip_serializing_if = "is_default")]
    pub audit: bool,
}

/// What becomes of an escaped slash or backslash in a path.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum EscapedSlashes {
    /// It is no separator and is forwarded as it came.
    #[default]
    Keep,
    /// 400.
    Reject,
    /// 307 to the path with slashes in their place; 400 for gRPC.
    Redirect,
}
