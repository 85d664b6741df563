//! `spec.limits` and `spec.timeouts`: bounds on connections, requests and waits.

use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// Bounds on sizes and counts. Connections that are open take new bounds at their next request, but for
/// `streams` and larger heads, which new connections take.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[x_kube(validation = Rule::new(
        "!has(self.uriBytes) || self.uriBytes < (has(self.headerBytes) ? self.headerBytes : 61440)")
    .message("uriBytes must be less than headerBytes (61440 if absent), of which the target is a part"))]
#[serde(rename_all = "camelCase")]
pub struct LimitsSpec {
    /// The most bytes of a request head; over it 431. Absent: 61440.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1024, max = 262_144))]
    pub header_bytes: Option<i32>,
    /// The most header fields of a request; over it 431. Absent: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub header_count: Option<i32>,
    /// The most bytes of a request target; over it 414. Absent: 8192, or what `headerBytes` leaves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 64, max = 65_534))]
    pub uri_bytes: Option<i32>,
    /// The most bytes of a request body; over it 413, before the backend sees anything where the length
    /// is declared, else in the middle. Absent: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 1_099_511_627_776_i64))]
    pub body_bytes: Option<i64>,
    /// The most client connections per listener; further ones are refused. Absent: 10000.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub connections: Option<i32>,
    /// The most requests that each worker answers at one time; further ones are answered 503
    /// with `Retry-After`. Absent: no bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1_000_000))]
    pub requests_in_flight: Option<i32>,
    /// The most requests at one time on an HTTP/2 connection; further ones are reset (REFUSED_STREAM).
    /// Absent: 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 1000))]
    pub streams: Option<i32>,
}

/// Bounds on waiting for clients, as Go durations from `100ms` to `24h`.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct TimeoutsSpec {
    /// From the first byte of a request head to its last, and for a TLS handshake; over it 408. Absent:
    /// `10s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub head: Option<String>,
    /// How long a connection without requests is kept: longer than whatever stands in front (ingress,
    /// load balancer) keeps its own, or requests meet a connection that is being closed. Absent: `10m`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub idle: Option<String>,
    /// The longest silence inside a request body; over it 408. Absent: `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub body_progress: Option<String>,
    /// The longest that a client may leave an answer unread; over it the connection is closed. Absent:
    /// `30s`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 32))]
    pub write_progress: Option<String>,
}
