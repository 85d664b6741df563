//! `spec.headers`: what backends and clients are told beside what they tell each other.

use std::collections::BTreeMap;

use kube::KubeSchema;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The most headers that one list may name.
pub const MAX_HEADERS: usize = 32;
/// The longest name of a header in a list, in bytes.
pub const MAX_HEADER_NAME: usize = 128;
/// The longest value as it is written, in bytes.
pub const MAX_HEADER_VALUE: usize = 4096;
/// The longest `generatedPrefix`, in bytes.
pub const MAX_GENERATED_PREFIX: usize = 64;
/// The most proxies in front that may be trusted.
pub const MAX_TRUSTED_HOPS: u8 = 16;

/// Headers that the proxy sets.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct HeadersSpec {
    /// On requests, before the backend gets them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<HeaderEditsSpec>,
    /// On every answer, the proxy's own included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub response: Option<HeaderEditsSpec>,
    /// Whether the backend gets `X-Endpoint-Api-Operation-Name: <operation name>`. Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation_name: Option<bool>,
    /// What the names of generated headers begin with; nothing that begins so is taken from clients.
    /// Absent: `X-Endpoint-`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 3, max = 64),
        regex(pattern = r"^[A-Za-z0-9]+(-[A-Za-z0-9]+)*-$")
    )]
    pub generated_prefix: Option<String>,
    /// The `X-Forwarded-*` headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub forwarded: Option<ForwardedSpec>,
}

/// Headers by name. Values may hold variables: `%REQ(name)%`, `%RESP(name)%` and `%RESPONSE_CODE%` (on
/// answers), `%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT%`,
/// `%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%`, `%PROTOCOL%` and `%OPERATION%`; `%%` is a `%`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[x_kube(validation = Rule::new(
        "!has(self.set) || self.set.all(n, n.matches('^[A-Za-z0-9._-]+$'))")
    .message("a key of set is not the name of a header: write letters, digits and hyphens"))]
#[x_kube(validation = Rule::new(
        "!has(self.append) || self.append.all(n, n.matches('^[A-Za-z0-9._-]+$'))")
    .message("a key of append is not the name of a header: write letters, digits and hyphens"))]
#[serde(rename_all = "camelCase")]
pub struct HeaderEditsSpec {
    /// Each of these takes the place of what is there. One whose value comes out empty is removed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "edits_schema")]
    pub set: Option<BTreeMap<String, String>>,
    /// Each of these comes after what is there. One whose value comes out empty is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "edits_schema")]
    pub append: Option<BTreeMap<String, String>>,
}

/// How the `X-Forwarded-*` headers are made, and read.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ForwardedSpec {
    /// Absent: `Append`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<ForwardedHeaderMode>,
    /// How many proxies in front are believed about where a request came from: only for the client's
    /// address in logs and variables. Absent: 0, the peer is the client.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "hops_schema")]
    pub trusted_hops: Option<u8>,
}

/// What becomes of the `X-Forwarded-*` headers. `Append`: `X-Forwarded-For` gets the peer, the other two
/// are kept, or set. `Set`: all three say what the proxy sees itself. `Keep`: they stay as they came.
/// Absent: `Append`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum ForwardedHeaderMode {
    /// `X-Forwarded-For` gets the peer; `X-Forwarded-Proto` and `X-Forwarded-Host` are kept, or set.
    #[default]
    Append,
    /// All three say what the proxy sees itself; what came is dropped.
    Set,
    /// They stay as they came.
    Keep,
}

fn edits_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "nullable": true,
        "maxProperties": MAX_HEADERS,
        "additionalProperties": { "type": "string", "maxLength": MAX_HEADER_VALUE }
    })
}

/// schemars would say `format: uint8`, which kubectl warns about on every apply.
fn hops_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "integer",
        "format": "int32",
        "nullable": true,
        "minimum": 0,
        "maximum": MAX_TRUSTED_HOPS
    })
}
