//! Bounds on connections, requests and waits (`spec.limits`, `spec.timeouts`, `spec.listener`).

use serde::{Deserialize, Serialize};

/// What each bound may be; the schema of the resource says the same.
pub mod bounds {
    use std::ops::RangeInclusive;

    /// Of [`super::LimitSettings::header_bytes`].
    pub const HEADER_BYTES: RangeInclusive<u64> = 1024..=262_144;
    /// Of [`super::LimitSettings::header_count`].
    pub const HEADER_COUNT: RangeInclusive<u64> = 1..=1000;
    /// Of [`super::LimitSettings::uri_bytes`].
    pub const URI_BYTES: RangeInclusive<u64> = 64..=65_534;
    /// Of [`super::LimitSettings::body_bytes`].
    pub const BODY_BYTES: RangeInclusive<u64> = 0..=1 << 40;
    /// Of connections and requests.
    pub const MANY: RangeInclusive<u64> = 1..=1_000_000;
    /// Of [`super::LimitSettings::streams`].
    pub const STREAMS: RangeInclusive<u64> = 1..=1000;
    /// Of every wait, in milliseconds.
    pub const WAIT_MS: RangeInclusive<u64> = 100..=24 * 60 * 60 * 1000;
}

/// Bounds on connections, requests and waits. What is absent has the default of [`crate::policy::limits`].
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct LimitSettings {
    /// The most bytes of a request head.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_bytes: Option<u32>,
    /// The most header fields of a request.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header_count: Option<u32>,
    /// The most bytes of a request target.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub uri_bytes: Option<u32>,
    /// The most bytes of a request body.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// The most client connections per listener.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connections: Option<u32>,
    /// The most requests that a worker answers at one time.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_in_flight: Option<u32>,
    /// The most requests at one time on an HTTP/2 connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub streams: Option<u32>,
    /// From the first byte of a head to its last, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head_ms: Option<u64>,
    /// How long a connection without requests is kept, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_ms: Option<u64>,
    /// The longest silence inside a request body, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body_progress_ms: Option<u64>,
    /// The longest that a client may leave an answer unread, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub write_progress_ms: Option<u64>,
    /// Clients are spoken to by TLS only; the sidecar has the certificate.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tls: bool,
}

impl LimitSettings {
    /// Whether every bound is one that the compiler writes.
    pub fn is_in_bounds(&self) -> bool {
        use bounds::{BODY_BYTES, HEADER_BYTES, HEADER_COUNT, MANY, STREAMS, URI_BYTES, WAIT_MS};
        let wide = |number: Option<u32>| number.map(u64::from);
        [
            (wide(self.header_bytes), HEADER_BYTES),
            (wide(self.header_count), HEADER_COUNT),
            (wide(self.uri_bytes), URI_BYTES),
            (self.body_bytes, BODY_BYTES),
            (wide(self.connections), MANY),
            (wide(self.requests_in_flight), MANY),
            (wide(self.streams), STREAMS),
            (self.head_ms, WAIT_MS),
            (self.idle_ms, WAIT_MS),
            (self.body_progress_ms, WAIT_MS),
            (self.write_progress_ms, WAIT_MS),
        ]
        .iter()
        .all(|(number, range)| number.is_none_or(|number| range.contains(&number)))
    }
}
