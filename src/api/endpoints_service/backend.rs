//! `spec.backend`: where admitted requests go, and how.

use kube::KubeSchema;
use schemars::JsonSchema;
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
    /// How long connecting may take, with the TLS handshake, as a Go duration from `10ms` to `5m`.
    /// Absent: `20s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub connect_timeout: Option<String>,
    /// How long an upgraded connection, a gRPC call or an event stream may be silent once it has
    /// begun, as a Go duration; at most a day. Absent: `5m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub idle_timeout: Option<String>,
    /// The connections to a backend.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pool: Option<BackendPoolSpec>,
    /// When a request is sent once more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retries: Option<RetriesSpec>,
}

/// How backends with TLS are talked to.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendTlsSpec {
    /// The Secret (type `kubernetes.io/tls`: `tls.crt`, `tls.key`) with the certificate that backends
    /// are shown. Pods get it mounted when they are created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_certificate_ref: Option<SecretReference>,
    /// Certificates (PEM) of the authorities that backends are verified by, in the place of the usual
    /// roots. Absent: those of the sidecar's `SSL_CERT_FILE`, else built-in ones.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 65536))]
    pub ca_bundle: Option<String>,
    /// The name that the backend of `backend.address` is greeted by (SNI), and that its certificate
    /// must have. Absent: the address's host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub server_name: Option<String>,
}

/// The connections to a backend: bounds for each address.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackendPoolSpec {
    /// The most connections that one worker of a sidecar has. Requests beyond wait for one, for as
    /// long as connecting may take. Absent: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub max_connections: Option<i32>,
    /// How long an unused connection is kept, as a Go duration from `1s` to a day. Absent: `1m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub idle_timeout: Option<String>,
    /// How long a connection is used, as a Go duration from `1s` to a day; what runs over it ends.
    /// Absent: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub max_age: Option<String>,
}

/// When a request is sent once more. Only where that does no harm: an idempotent method without a body,
/// or a backend that has certainly not begun with it; and only for a fifth of the requests.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct RetriesSpec {
    /// After what: no connection (`connect-failure`), HTTP/2 requests that the backend has not looked at
    /// (`refused-stream`), a break-off or `perTryTimeout` (`reset`: idempotent requests without a body).
    /// Absent: all of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 3))]
    pub on: Option<Vec<RetryOn>>,
    /// After answers with one of these codes, too (idempotent requests without a body).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), inner(range(min = 100, max = 599)))]
    pub status_codes: Option<Vec<i32>>,
    /// How many times, at most. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 10))]
    pub num: Option<i32>,
    /// How long the head of an answer may take each time, as a Go duration; after it counts as `reset`.
    /// Absent: as long as the deadline leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub per_try_timeout: Option<String>,
}

/// After what a request is sent once more; Envoy's names.
#[derive(
    Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
pub enum RetryOn {
    /// The backend broke off, or did not answer within `perTryTimeout`: idempotent requests without a
    /// body, before the first byte of an answer.
    Reset,
    /// No connection.
    ConnectFailure,
    /// HTTP/2: the backend said that it has not looked at the request.
    RefusedStream,
}
