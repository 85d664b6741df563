//! Operations: what they demand of a request, and where it goes.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

/// One method of one path template.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Operation {
    /// Upper-case method.
    pub method: String,
    /// Path template, base path included, as the document writes it.
    pub path: String,
    /// `operationId`, else made from method and path; for logs and metrics.
    pub name: String,
    /// Alternatives (OR), in document order. Empty: open.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub security: Vec<Alternative>,
    /// Where it goes: a place in [`Policy::backends`]; absent: [`Policy::backend`], the path as it is
    /// (format 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backend: Option<usize>,
    /// Its CORS rule: a place in [`Policy::cors_rules`]; absent: [`Policy::cors`] (format 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cors: Option<usize>,
}

impl Operation {
    /// Whether nobody is let in without a token: there are alternatives, and none of them is empty.
    pub fn demands_token(&self) -> bool {
        let optional = |Alternative(all): &Alternative| all.is_empty();
        !self.security.is_empty() && !self.security.iter().any(optional)
    }
}

/// What lets a request in: all of its requirements, each by a token of its own, sorted by provider;
/// the first one's claims are told to the backend. Without any (`{}`): no token is needed, but one
/// that is there must be good (format 2).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(from = "AlternativeForm", into = "AlternativeForm")]
pub struct Alternative(pub Vec<Requirement>);

/// One token that is demanded.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, Hash)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Requirement {
    /// Its provider: a name in [`Policy::providers`].
    pub provider: String,
    /// Scopes it must have, all of them (format 2).
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub scopes: BTreeSet<String>,
    /// Audiences that take the place of the provider's (format 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audiences: Option<BTreeSet<String>>,
}

/// How an alternative is written: in the form of format 1 if that says it all.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum AlternativeForm {
    Provider(String),
    All(Vec<Requirement>),
}

/// Where an operation's requests go, and for how long (format 2).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct BackendRule {
    /// `SCHEME://HOST:PORT`, SCHEME being http, https, grpc (h2c) or grpcs; absent:
    /// [`Policy::backend`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// HTTP/2 to an address whose scheme does not say so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub http2: bool,
    /// What becomes of the path; absent: it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<PathRule>,
    /// The whole answer must be there by then, in milliseconds; absent: the default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deadline_ms: Option<u64>,
}

/// What becomes of a request's path (ESPv2's path translation).
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum PathRule {
    /// This, without a slash at its end, goes before it.
    Append(String),
    /// This takes its place; path variables go into the query.
    Constant(String),
}

impl Alternative {
    /// A token of this provider, with nothing else asked of it.
    pub fn of(provider: impl Into<String>) -> Self {
        Self(vec![Requirement {
            provider: provider.into(),
            scopes: BTreeSet::new(),
            audiences: None,
        }])
    }

    /// Whether format 1 can say it.
    pub(super) fn is_plain(&self) -> bool {
        matches!(&*self.0, [only] if only.scopes.is_empty() && only.audiences.is_none())
    }
}

impl From<AlternativeForm> for Alternative {
    fn from(form: AlternativeForm) -> Self {
        match form {
            AlternativeForm::Provider(provider) => Self::of(provider),
            AlternativeForm::All(requirements) => Self(requirements),
        }
    }
}

impl From<Alternative> for AlternativeForm {
    fn from(alternative: Alternative) -> Self {
        let plain = alternative.is_plain();
        let Alternative(mut requirements) = alternative;
        match requirements.pop() {
            Some(only) if plain => Self::Provider(only.provider),
            last => {
                requirements.extend(last);
                Self::All(requirements)
            }
        }
    }
}
