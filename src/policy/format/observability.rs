//! What is told of requests (`spec.accessLog`, `spec.tracing`).

use serde::{Deserialize, Serialize};

/// What is told of requests. What is absent has its default.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct ObservabilitySettings {
    /// Which requests get a line in the access log.
    #[serde(skip_serializing_if = "AccessLogRule::is_default")]
    pub access_log: AccessLogRule,
    /// Where spans go; absent: nowhere, and trace headers pass as they come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracing: Option<TracingRule>,
}

/// Which requests get a line in the access log.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum AccessLogRule {
    /// None.
    Off,
    /// Those that were refused, failed or broke off.
    #[default]
    Errors,
    /// Those, and this share of the others.
    Sampled(PerMillion),
    /// All.
    All,
}

/// Where spans go, and of which requests.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct TracingRule {
    /// `http://HOST:PORT/PATH` or `https://HOST:PORT/PATH`: where spans are sent.
    pub endpoint: String,
    /// Of the requests that come without a trace.
    pub sample: PerMillion,
}

/// A share, in millionths: numbers with a point have no one form.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq)]
#[serde(transparent)]
pub struct PerMillion(pub u32);

impl AccessLogRule {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

impl PerMillion {
    /// All of it.
    pub const ALL: u32 = 1_000_000;
}
