//! The custom resource: spec and status.
//!
//! The schema carries no `default`: defaults live in the policy compiler, or the API server would
//! store them beside what the user meant.

// Printer columns share the names of their parts; clippy takes that for a mistake.
#![allow(clippy::duplicated_attributes)]

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::{CustomResource, KubeSchema};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// The most text an OpenAPI document may hold, in bytes (1 MiB).
pub const MAX_DOCUMENT_BYTES: usize = 1024 * 1024;

/// An API to protect: its OpenAPI document, and the CORS, JWT and backend settings around it.
#[derive(CustomResource, Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
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
        priority = 1,
        json_path = ".status.conditions[?(@.type==\"Ready\")].status",
        description = "Accepted, resolved, captured and programmed"
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
}

/// Where the OpenAPI document stands. Exactly one field is set (CEL here, again in the compiler).
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[x_kube(validation = Rule::new("has(self.inline) != has(self.document)")
    .message("give exactly one of inline (the document as text) and document (as structure)"))]
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
}

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
    /// Allows `*` together with `allowCredentials`: the origin is reflected (never `null`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub allow_any_origin_with_credentials: Option<bool>,
    /// How long a browser may keep a preflight's answer, as a Go duration. Absent: `480h`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub max_age: Option<String>,
}

/// How origins are compared; the values of ESPv2's `--cors_preset`.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum CorsPreset {
    /// Exact origins.
    #[serde(rename = "basic")]
    Basic,
    /// A regular expression over the whole origin.
    #[serde(rename = "cors_with_regex")]
    CorsWithRegex,
}

/// How tokens are checked.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct JwtSpec {
    /// Where an issuer's keys come from, instead of the document's `x-google-jwks_uri`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub issuers: Option<Vec<IssuerSpec>>,
    /// What `aud` must hold. Absent: `Additive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<AudienceMode>,
    /// Registered claims a token must carry. Absent: `[exp]`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub required_claims: Option<Vec<RegisteredClaim>>,
    /// What becomes of the scopes that the document's `security` lists. Absent: `Enforce`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scopes: Option<ScopeMode>,
}

/// One issuer and the source of its keys: exactly one of `jwksUri` and `kubernetes`.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[x_kube(validation = Rule::new(
        "has(self.jwksUri) != (has(self.kubernetes) && self.kubernetes)")
    .message("give exactly one of jwksUri and kubernetes: true"))]
#[serde(rename_all = "camelCase")]
pub struct IssuerSpec {
    /// The issuer, as the document's `x-google-issuer` spells it.
    #[schemars(length(min = 1, max = 1024))]
    pub issuer: String,
    /// Where its JSON Web Key Set is served.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 2048))]
    pub jwks_uri: Option<String>,
    /// The issuer is this cluster's API server: its keys are read with the operator's own token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubernetes: Option<bool>,
}

/// What a token's `aud` must hold.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum AudienceMode {
    /// `https://SERVICE` is always accepted; the issuer's list adds to it.
    #[default]
    Additive,
    /// The issuer's list, when written, replaces `https://SERVICE` (what ESPv2 does).
    Exclusive,
    /// An issuer without a list is not checked; a written list always is.
    Unchecked,
}

/// What becomes of the scopes that the document's `security` lists.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum ScopeMode {
    /// A token must have all of them, in `scope` or `scp`.
    #[default]
    Enforce,
    /// They are not looked at (what ESPv2 does).
    Ignore,
}

/// A registered claim (RFC 7519 section 4.1) that can be required.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
pub enum RegisteredClaim {
    /// Audience.
    Aud,
    /// Expiration time.
    Exp,
    /// Issued at.
    Iat,
    /// Token identifier.
    Jti,
    /// Not before.
    Nbf,
    /// Subject.
    Sub,
}

/// Where admitted requests go.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendSpec {
    /// `http://HOST[:PORT]`. Absent: the app in the pod, at the port that the sidecar took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 8, max = 512), regex(pattern = r"^http://.+$"))]
    pub address: Option<String>,
    /// Requests of every operation go there, whatever address its `x-google-backend` names, with their
    /// paths as they are. Absent: false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub override_addresses: Option<bool>,
    /// How long the whole answer may take, as a Go duration, where the document's `x-google-backend`
    /// says nothing; at most a day. Absent: `15s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub deadline: Option<String>,
}

/// How requests are matched.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RoutingSpec {
    /// A path that the proxy answers 200 itself, in any spelling; never forwarded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub healthz: Option<String>,
}

/// What the operator knows of the service: written by it alone.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct EndpointsServiceStatus {
    /// The generation that this status speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Accepted, ResolvedRefs, Captured, Programmed, Enforced and Ready.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "conditions_schema")]
    pub conditions: Vec<Condition>,
    /// Findings that do not stop the policy, each with its place in the document.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<Warning>,
    /// The policy that sidecars are given: the last good one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyStatus>,
    /// The sidecars of the pods annotated for this service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sidecars: Option<SidecarStatus>,
}

/// A finding that does not stop the policy.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
pub struct Warning {
    /// What is odd, and what to do about it.
    pub message: String,
    /// Where: a JSON pointer into the document or the resource, with line and column if known.
    pub place: String,
}

/// What the policy holds.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PolicyStatus {
    /// Hash of the policy's canonical bytes, as sidecars acknowledge it.
    pub hash: String,
    /// The name audiences are built from.
    pub service: String,
    /// Operations served.
    #[schemars(schema_with = "count_schema")]
    pub operations: u32,
    /// Operations that demand a token.
    #[schemars(schema_with = "count_schema")]
    pub protected: u32,
    /// Issuers accepted somewhere.
    #[schemars(schema_with = "count_schema")]
    pub issuers: u32,
    /// The generation of the spec that the policy was compiled from.
    pub source_version: i64,
}

/// How many sidecars run the policy.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
pub struct SidecarStatus {
    /// Injected pods of the service, Pending or Running and not being deleted, connected or not.
    #[schemars(schema_with = "count_schema")]
    pub total: u32,
    /// Those that acknowledged the policy of this generation.
    #[schemars(schema_with = "count_schema")]
    pub current: u32,
    /// Those that refused it.
    #[schemars(schema_with = "count_schema")]
    pub rejected: u32,
    /// Those that are not heard of, or still run an older policy.
    #[schemars(schema_with = "count_schema")]
    pub stale: u32,
    /// `current/total`, for people.
    pub summary: String,
}

/// A number of things. schemars would say `format: uint32`, which kubectl warns about on every apply.
fn count_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "format": "int64", "minimum": 0 })
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

/// `metav1.Condition` as a list map keyed by `type`, with the bounds Kubernetes documents for it.
fn conditions_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["type"],
        "items": {
            "type": "object",
            "required": ["lastTransitionTime", "message", "reason", "status", "type"],
            "properties": {
                "lastTransitionTime": { "type": "string", "format": "date-time" },
                "message": { "type": "string", "maxLength": 32768 },
                "observedGeneration": { "type": "integer", "format": "int64", "minimum": 0 },
                "reason": { "type": "string", "minLength": 1, "maxLength": 1024 },
                "status": { "type": "string", "enum": ["True", "False", "Unknown"] },
                "type": { "type": "string", "maxLength": 316 }
            }
        }
    })
}
