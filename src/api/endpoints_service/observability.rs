//! `spec.accessLog` and `spec.tracing`: what the sidecar tells of the requests it serves.

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// What the access log holds.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[x_kube(validation = Rule::new(
        "!has(self.sample) || (has(self.mode) && self.mode == 'Sampled')")
    .message("sample is the share that mode Sampled logs: set mode: Sampled, or drop sample"))]
#[serde(rename_all = "camelCase")]
pub struct AccessLogSpec {
    /// Which requests get a line. Absent: `Errors`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<AccessLogMode>,
    /// With mode `Sampled`, the share of requests without an error that get a line, from 0 to 1.
    /// Absent: 0.01.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "share")]
    pub sample: Option<f64>,
}

/// Which requests get a line in the access log: none (`None`); those that the proxy refused, that ended
/// with a 5xx, or that broke off (`Errors`); those, and a share of the others (`Sampled`); or `All`.
/// Absent: `Errors`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum AccessLogMode {
    /// None. (`Off` would be `false` to kubectl, whose YAML is that of version 1.1.)
    None,
    /// Those that the proxy refused, that ended with a 5xx, or that broke off.
    #[default]
    Errors,
    /// Those, and a share of the others.
    Sampled,
    /// All.
    All,
}

/// Where spans go.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TracingSpec {
    /// The collector, by OTLP over HTTP: `http://HOST[:PORT]` or `https://HOST[:PORT]`; without a
    /// path, spans go to `/v1/traces`.
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^https?://.+$"))]
    pub otlp_endpoint: String,
    /// The share of requests that begin a trace here which is recorded, from 0 to 1; a request that
    /// comes with a trace is recorded if its sender records it. Absent: 0.001.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "share")]
    pub sample: Option<f64>,
}

/// A share, from none to all; without the format `double`, which not every API server knows.
fn share(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "number", "minimum": 0, "maximum": 1, "nullable": true })
}
