//! `spec.backend`: where admitted requests go, and how.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::SecretReference;

/// Where admitted requests go.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendSpec {
    /// `http://HOST[:PORT]`, `https://` (TLS), `grpc://` (HTTP/2), `grpcs://` (both), or a local
    /// socket: `unix:/PATH`, or `unix:@NAME` (abstract). Absent: the app in the pod, at the port that
    /// the sidecar took over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(
        length(min = 7, max = 512),
        regex(pattern = r"^((https?|grpcs?)://.+|unix:[/@].+)$")
    )]
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
    /// How backends with TLS are talked to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls: Option<BackendTlsSpec>,
}

/// How backends with TLS are talked to.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsSpec {
    /// The Secret (type `kubernetes.io/tls`: `tls.crt`, `tls.key`) with the certificate that backends
    /// are shown. Pods get it mounted when they are created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_ref: Option<SecretReference>,
}
