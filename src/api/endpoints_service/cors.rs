//! `spec.cors`: cross-origin resource sharing.

use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Cross-origin resource sharing; the fields are ESPv2's `--cors_*` flags, plus a list of origins.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[x_kube(validation = Rule::new(
        "!(has(self.allowOrigins) && has(self.allowOriginRegex))")
    .message("give allowOrigins or allowOriginRegex, not both"))]
#[x_kube(validation = Rule::new(
        "!has(self.preset) || self.preset != 'basic' || !has(self.allowOriginRegex)")
    .message("preset basic compares exact origins: drop allowOriginRegex, or use preset cors_with_regex"))]
#[x_kube(validation = Rule::new(
        "!has(self.preset) || self.preset != 'cors_with_regex' || has(self.allowOriginRegex)")
    .message("preset cors_with_regex needs allowOriginRegex"))]
#[x_kube(validation = Rule::new(
        "!(has(self.allowCredentials) && self.allowCredentials) \
         || (has(self.allowAnyOriginWithCredentials) && self.allowAnyOriginWithCredentials) \
         || has(self.allowOriginRegex) \
         || (has(self.allowOrigins) && !self.allowOrigins.exists(o, o == '*'))")
    .message("credentials with any origin (`*`) let every web site act as your user: list the origins in \
              allowOrigins, or say allowAnyOriginWithCredentials: true"))]
#[serde(rename_all = "camelCase")]
pub struct CorsSpec {
    /// `basic`: origins by `allowOrigins`; `cors_with_regex`: by `allowOriginRegex`. Absent: follows
    /// from the other fields.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub preset: Option<CorsPreset>,
    /// Exact origins (`https://shop.example.com`), `*`, or `null`. Absent: `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 64), inner(length(min = 1, max = 512)))]
    pub allow_origins: Option<Vec<String>>,
    /// A regular expression that must match the whole origin.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub allow_origin_regex: Option<String>,
    /// Methods a script may use. Absent: GET, POST, PUT, PATCH, DELETE, OPTIONS.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(length(min = 1, max = 64)))]
    pub allow_methods: Option<Vec<String>>,
    /// Headers a script may send. Absent: ESPv2's list and `X-Api-Key`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), inner(length(min = 1, max = 256)))]
    pub allow_headers: Option<Vec<String>>,
    /// Response headers a script may read. Absent: Content-Length and Content-Range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128), inner(length(min = 1, max = 256)))]
    pub expose_headers: Option<Vec<String>>,
    /// Whether scripts may send cookies and authorization. Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_credentials: Option<bool>,
    /// Allows `*` with `allowCredentials`: the origin is reflected (never `null`). Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_any_origin_with_credentials: Option<bool>,
    /// How long a browser may keep a preflight's answer, as a Go duration. Absent: `480h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub max_age: Option<String>,
}

/// How origins are compared, by the names of ESPv2's `--cors_preset`: `basic` by `allowOrigins`,
/// `cors_with_regex` by `allowOriginRegex`. Absent: follows from which of these is there.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum CorsPreset {
    /// Exact origins.
    #[serde(rename = "basic")]
    Basic,
    /// A regular expression over the whole origin.
    #[serde(rename = "cors_with_regex")]
    CorsWithRegex,
}
