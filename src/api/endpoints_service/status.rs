//! `status`: what the operator knows of the service.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

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
    /// Operations that nobody may call without a token; one whose token is optional is not among them.
    #[schemars(schema_with = "count_schema")]
    pub protected: u32,
    /// Issuers accepted somewhere.
    #[schemars(schema_with = "count_schema")]
    pub issuers: u32,
    /// The generation of the spec that the policy was compiled from; 0: that of an EndpointsService of
    /// the same name that was deleted while pods used it.
    pub source_version: i64,
    /// The ConfigMaps that the policy was compiled from, as they were read.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub config_maps: Vec<ConfigMapVersion>,
}

/// A ConfigMap as it was read.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ConfigMapVersion {
    /// Its name.
    pub name: String,
    /// Its `metadata.resourceVersion`.
    pub resource_version: String,
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
