//! `spec.routing` and `spec.mode`: how requests are matched to operations, and whether what is found
//! is enforced.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How requests are matched.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutingSpec {
    /// Whether dot segments are resolved and unreserved characters unescaped before a path is matched
    /// and forwarded. Absent: true. Without it a path is matched and forwarded as it came, and
    /// refused where its normal form is another operation's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub normalize_path: Option<bool>,
    /// Whether `//` in a path becomes `/`. Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge_slashes: Option<bool>,
    /// What becomes of `%2F` and `%5C` in a path. Absent: `Keep`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub escaped_slashes: Option<EscapedSlashesMode>,
    /// Whether the wildcards of a path template match a `:`. Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub colon_in_wildcard: Option<bool>,
    /// Whether requests may have header names with underscores. Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub underscores_in_headers: Option<bool>,
    /// Whether `X-HTTP-Method-Override` takes the place of a POST request's method. Absent: true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method_override: Option<bool>,
    /// A path that the proxy answers 200 itself, in any spelling; never forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub healthz: Option<String>,
}

/// What becomes of an escaped slash or backslash in a path. `Keep`: it is no separator, arrives as it
/// came. `Reject`: 400. `Redirect`: 307 to the path with slashes in their place. Absent: `Keep`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum EscapedSlashesMode {
    /// It is no separator, and is forwarded as it came; 400 where the path, decoded, is another
    /// operation's.
    #[default]
    Keep,
    /// 400.
    Reject,
    /// 307 to the path with slashes in their place; 400 for gRPC.
    Redirect,
}

/// Whether what the policy forbids is refused (`Enforce`), or decided, logged, counted and let through
/// (`Audit`; malformed requests are refused all the same). Absent: `Enforce`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Mode {
    /// It is.
    #[default]
    Enforce,
    /// It is decided, logged, counted, and let through: missing or failed tokens and requests that no
    /// operation defines. Malformed requests are refused all the same.
    Audit,
}
