//! Headers that the proxy sets (`spec.headers`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::is_default;

/// Headers that the proxy sets. What is absent has its default.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeaderSettings {
    /// On requests to backends.
    #[serde(skip_serializing_if = "is_default")]
    pub request: HeaderEdits,
    /// On answers to clients, the proxy's own included.
    #[serde(skip_serializing_if = "is_default")]
    pub response: HeaderEdits,
    /// Whether backends are told the operation's name.
    #[serde(skip_serializing_if = "is_default")]
    pub operation_name: bool,
    /// What generated names begin with, in lower case, `-` at its end; absent: ESPv2's.
    #[serde(skip_serializing_if = "is_default")]
    pub generated_prefix: Option<String>,
    /// What becomes of the `X-Forwarded-*` headers.
    #[serde(skip_serializing_if = "is_default")]
    pub forwarded: ForwardedMode,
    /// How many proxies in front are believed about where a request came from.
    #[serde(skip_serializing_if = "is_default")]
    pub trusted_hops: u8,
}

/// Names in lower case, and values as they are written
/// ([`crate::policy::headers::ValueTemplate`]).
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct HeaderEdits {
    /// These take the place of what is there.
    #[serde(skip_serializing_if = "is_default")]
    pub set: BTreeMap<String, String>,
    /// These come after what is there.
    #[serde(skip_serializing_if = "is_default")]
    pub append: BTreeMap<String, String>,
}

/// What becomes of the `X-Forwarded-*` headers.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub enum ForwardedMode {
    /// `X-Forwarded-For` gets the peer; `-Proto` and `-Host` are kept, or set.
    #[default]
    Append,
    /// All three say what we see ourselves.
    Set,
    /// They stay as they came.
    Off,
}
