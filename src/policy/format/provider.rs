//! Providers of tokens: who issues them, where they stand in a request, and where keys come from.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// A JWT scheme.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Provider {
    /// Exact `iss` (`accounts.google.com` and `https://accounts.google.com` count as one).
    pub issuer: String,
    /// Where its keys come from.
    pub keys: KeySource,
    /// Accepted audiences, without scheme prefix and trailing slash compared; absent: not checked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<BTreeSet<String>>,
    /// Where its tokens are looked for, in this order; empty: ESPv2's defaults (format 2).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub locations: Vec<TokenLocation>,
}

/// Where keys come from. This, never the issuer, identifies a key set: one tenant's URL must not
/// serve everyone's issuer.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase")]
pub enum KeySource {
    /// A JSON Web Key Set at a URL.
    Url(String),
    /// A JSON Web Key Set at the URL that a discovery document names (OpenID Connect Discovery 1.0;
    /// format 2).
    Discovery {
        /// Where the document is.
        url: String,
        /// The issuer that it must name.
        issuer: String,
    },
    /// This cluster's API server, for the issuer named; the operator reads it.
    Kubernetes {
        /// The issuer that must be the cluster's own.
        issuer: String,
    },
    /// A JSON Web Key Set itself, as [`crate::policy::key_set::essential`] leaves it: nothing is fetched
    /// (format 3).
    Inline(String),
    /// A URL or a discovery document, by servers that these authorities vouch for and nobody else
    /// (format 3).
    Trusting {
        /// Certificates, in PEM.
        ca_bundle: String,
        /// [`KeySource::Url`] or [`KeySource::Discovery`].
        source: Box<KeySource>,
    },
}

/// One place where a request carries a token (format 2).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(
    rename_all = "camelCase",
    rename_all_fields = "camelCase",
    deny_unknown_fields
)]
pub enum TokenLocation {
    /// A header.
    Header {
        /// Lower-case name.
        name: String,
        /// What stands at the beginning of the value, before the token (`Bearer `), in any case; may
        /// be empty.
        #[serde(default, skip_serializing_if = "String::is_empty")]
        value_prefix: String,
    },
    /// A query parameter, by its decoded name.
    Query(String),
}

impl KeySource {
    /// The lowest format that knows this kind of source: an older sidecar cannot even read keys of it.
    pub fn needed_format(&self) -> u32 {
        match self {
            Self::Inline(_) | Self::Trusting { .. } => 3,
            Self::Discovery { .. } => 2,
            Self::Url(_) | Self::Kubernetes { .. } => 1,
        }
    }

    /// Whether keys have to be brought: not where the source holds them itself.
    pub fn is_fetched(&self) -> bool {
        !matches!(self, Self::Inline(_))
    }
}
