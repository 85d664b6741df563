//! The custom resource: spec and status.
//!
//! The schema carries no `default`: defaults live in the policy compiler, or the API server would
//! store them beside what the user meant.

// Printer columns share the names of their parts; clippy takes that for a mistake.
#![allow(clippy::duplicated_attributes)]

mod backend;
mod config_map;
mod cors;
mod drain;
mod headers;
mod jwt;
mod limits;
mod listener;
mod observability;
mod routing;
mod schema;
mod secret;
mod status;

use kube::{CustomResource, KubeSchema};
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

pub use self::backend::{BackendPoolSpec, BackendSpec, BackendTlsSpec, RetriesSpec, RetryOn};
pub use self::config_map::ConfigMapKeyReference;
pub use self::cors::{CorsPreset, CorsSpec};
pub use self::drain::DrainSpec;
pub use self::headers::{
    ForwardedHeaderMode, ForwardedSpec, HeaderEditsSpec, HeadersSpec, MAX_GENERATED_PREFIX,
    MAX_HEADER_NAME, MAX_HEADER_VALUE, MAX_HEADERS, MAX_TRUSTED_HOPS,
};
pub use self::jwt::{
    AudienceMode, ClaimToHeaderSpec, ForwardPayloadSpec, IssuerSpec, JwtSpec, PayloadFormat,
    RegisteredClaim, ScopeMode,
};
pub use self::limits::{LimitsSpec, TimeoutsSpec};
pub use self::listener::{CountedWorkers, ListenerSpec, ListenerTlsSpec, MAX_WORKERS, Workers};
pub use self::observability::{AccessLogMode, AccessLogSpec, TracingSpec};
pub use self::routing::{EscapedSlashesMode, Mode, RoutingSpec};
pub use self::schema::spec_schema;
pub use self::secret::SecretReference;
pub use self::status::{
    ConfigMapVersion, EndpointsServiceStatus, PolicyStatus, SidecarStatus, Warning,
};

/// The most text an OpenAPI document may hold, in bytes (1 MiB).
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// An API to protect: its OpenAPI document, and the CORS, JWT and backend settings around it.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[kube(
    group = "endpoints.dev",
    version = "v1alpha1",
    kind = "EndpointsService",
    plural = "endpointsservices",
    singular = "endpointsservice",
    shortname = "eps",
    namespaced,
    status = "EndpointsServiceStatus",
    derive = "PartialEq",
    doc = "An API described by an OpenAPI document, enforced by the sidecars of the pods annotated with `endpoints.dev/service: <name>`."
)]
#[kube(
    printcolumn(
        name = "Service",
        type_ = "string",
        json_path = ".status.policy.service",
        description = "The name audiences are built from"
    ),
    printcolumn(
        name = "Operations",
        type_ = "integer",
        json_path = ".status.policy.operations",
        description = "Operations the policy serves"
    ),
    printcolumn(
        name = "Sidecars",
        type_ = "string",
        json_path = ".status.sidecars.summary",
        description = "Sidecars that run this policy, of all"
    ),
    printcolumn(
        name = "Programmed",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Programmed\")].status",
        description = "Whether every sidecar runs this policy"
    ),
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Accepted, resolved, captured and programmed"
    ),
    printcolumn(
        name = "Captured",
        type_ = "string",
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Captured\")].reason",
        description = "Whether Services lead to the sidecars: AllCaptured, or what is in the way"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    )
)]
#[serde(rename_all = "camelCase")]
pub struct EndpointsServiceSpec {
    /// The OpenAPI document: exactly one of its fields.
    pub openapi: OpenApiSource,
    /// The name audiences are built from (`https://NAME`). Absent: the document's `host`, else
    /// `<name>.<namespace>.svc`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub service_name: Option<String>,
    /// Cross-origin resource sharing. Present (even `{}`): the proxy answers every preflight and
    /// decorates every response. Absent: the proxy adds no CORS headers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<CorsSpec>,
    /// How JSON Web Tokens are checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jwt: Option<JwtSpec>,
    /// Where admitted requests go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<BackendSpec>,
    /// How requests are matched to operations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub routing: Option<RoutingSpec>,
    /// How the sidecar takes connections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listener: Option<ListenerSpec>,
    /// Bounds on sizes and counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limits: Option<LimitsSpec>,
    /// Bounds on waiting for clients.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeouts: Option<TimeoutsSpec>,
    /// Headers that the proxy sets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub headers: Option<HeadersSpec>,
    /// What the access log holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_log: Option<AccessLogSpec>,
    /// Where spans go.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tracing: Option<TracingSpec>,
    /// The end of a sidecar.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainSpec>,
    /// Whether what the policy forbids is refused, or only told. Absent: `Enforce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
}

/// Where the OpenAPI document stands. Exactly one field is set (CEL here, again in the compiler).
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[x_kube(validation = Rule::new("[has(self.inline), has(self.document), has(self.configMapKeyRef)].filter(it, it).size() == 1")
    .message("give exactly one of inline (the document as text), document (as structure) and configMapKeyRef (a key of a ConfigMap)"))]
#[serde(rename_all = "camelCase")]
pub struct OpenApiSource {
    /// The document as text, YAML or JSON; 1 MiB at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1_048_576))]
    pub inline: Option<String>,
    /// The document as structure. Always written as a whole: two managers never merge into it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "document_schema")]
    pub document: Option<serde_json::Value>,
    /// The document as the text of a ConfigMap's key: for documents that another tool owns. An edit of
    /// it counts like one of this resource. The operator must be allowed to read ConfigMaps (chart
    /// value `configMaps.read`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_map_key_ref: Option<ConfigMapKeyReference>,
}

/// The document is kept as written, and replaced as a whole (`atomic`): under server-side apply a
/// granular map would keep serving a path that one of two managers removed.
fn document_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "object",
        "nullable": true,
        "x-kubernetes-preserve-unknown-fields": true,
        "x-kubernetes-map-type": "atomic"
    })
}
