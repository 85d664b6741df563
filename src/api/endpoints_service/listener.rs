//! `spec.listener`: how the sidecar takes connections.

use kube::KubeSchema;
use schemars::{Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use super::SecretReference;

/// The most workers that a sidecar may have.
pub const MAX_WORKERS: u32 = 4;

/// How the sidecar takes connections.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerSpec {
    /// TLS towards clients. Absent: plain HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<ListenerTlsSpec>,
    /// Threads that serve requests: a number from 1 to 4, or `auto` (the container's CPU limit, 4 at
    /// most). Takes effect when a pod is created. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "workers_schema")]
    #[x_kube(validation = Rule::new(
            "type(self) == int ? self >= 1 && self <= 4 : self == 'auto'")
        .message("give a number from 1 to 4, or auto"))]
    pub workers: Option<Workers>,
}

/// TLS towards clients.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ListenerTlsSpec {
    /// The Secret (type `kubernetes.io/tls`: `tls.crt`, `tls.key`) that pods get mounted when they are
    /// created. A renewed certificate is picked up; without a usable one connections are refused.
    pub secret_ref: SecretReference,
}

/// How many threads serve requests.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(untagged)]
pub enum Workers {
    /// So many.
    Number(u32),
    /// Counted when the sidecar starts.
    Counted(CountedWorkers),
}

/// By what workers are counted.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum CountedWorkers {
    /// The container's CPU limit.
    Auto,
}

/// As the sidecar reads it.
impl std::fmt::Display for Workers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Counted(CountedWorkers::Auto) => f.write_str("auto"),
        }
    }
}

fn workers_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "x-kubernetes-int-or-string": true, "nullable": true })
}
