//! `/policy`: what runs now. No key, no token, no header value is in it.

use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Response, StatusCode};
use http_body_util::Full;
use serde::Serialize;

use super::text;
use crate::jwks::KeySlot;
use crate::policy::format::{CorsMode, KeySource, Operation};
use crate::proxy::snapshot::Snapshot;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct InForce<'s> {
    service: &'s str,
    hash: &'s str,
    format: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    generation: Option<i64>,
    age_seconds: u64,
    cors: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'s str>,
    operations: Vec<OperationInForce<'s>>,
    providers: Vec<ProviderInForce<'s>>,
}

#[derive(Serialize)]
struct OperationInForce<'s> {
    operation: &'s str,
    method: &'s str,
    template: &'s str,
    /// Names of providers: one alternative a list.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    security: Vec<Vec<&'s str>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backend: Option<&'s str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ProviderInForce<'s> {
    name: &'s str,
    issuer: &'s str,
    source: String,
    keys: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_age_seconds: Option<u64>,
}

/// The answer.
pub(super) fn answer(snapshot: Option<&Snapshot>) -> Response<Full<Bytes>> {
    let Some(snapshot) = snapshot else {
        return text(StatusCode::NOT_FOUND, "no policy yet\n");
    };
    match serde_json::to_vec_pretty(&in_force(snapshot)) {
        Ok(mut json) => {
            json.push(b'\n');
            let mut response = Response::new(Full::new(Bytes::from(json)));
            let kind = HeaderValue::from_static("application/json");
            response.headers_mut().insert(CONTENT_TYPE, kind);
            response
        }
        Err(_) => text(
            StatusCode::INTERNAL_SERVER_ERROR,
            "the policy cannot be written\n",
        ),
    }
}

fn in_force(snapshot: &Snapshot) -> InForce<'_> {
    let policy = &*snapshot.prepared.policy;
    let operations = policy.operations.iter().map(|operation| {
        let rule = operation.backend.and_then(|at| policy.backends.get(at));
        OperationInForce {
            operation: &operation.name,
            method: &operation.method,
            template: &operation.path,
            security: names(operation),
            backend: rule.and_then(|rule| rule.address.as_deref()),
        }
    });
    let now = SystemTime::now();
    let providers = policy.providers.iter().zip(&snapshot.keys);
    let providers = providers.map(|((name, provider), slot)| {
        let (keys, key_age_seconds) = keys(slot, now);
        ProviderInForce {
            name,
            issuer: &provider.issuer,
            source: source(&provider.keys),
            keys,
            key_age_seconds,
        }
    });
    InForce {
        service: &policy.service,
        hash: snapshot.hash(),
        format: policy.format,
        generation: snapshot.generation(),
        age_seconds: now
            .duration_since(snapshot.since())
            .unwrap_or_default()
            .as_secs(),
        cors: match &policy.cors {
            CorsMode::Off => "off",
            CorsMode::PassThrough => "passThrough",
            CorsMode::Owned(_) => "owned",
        },
        backend: policy.backend.as_deref(),
        operations: operations.collect(),
        providers: providers.collect(),
    }
}

fn names(operation: &Operation) -> Vec<Vec<&str>> {
    let alternatives = operation.security.iter();
    alternatives
        .map(|alternative| alternative.0.iter().map(|it| &*it.provider).collect())
        .collect()
}

/// How many keys there are, and how old they are.
fn keys(slot: &KeySlot, now: SystemTime) -> (usize, Option<u64>) {
    let current = slot.current.load();
    let Some(keys) = current.as_ref() else {
        return (0, None);
    };
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    // Those that the policy holds itself have no age.
    let fetched = keys.fetched();
    let age = fetched.map(|fetched_at| now.saturating_sub(fetched_at));
    (keys.set.keys.len(), age)
}

/// Where keys come from, in one word; a URL without what may be secret in it.
pub(in crate::proxy) fn source(source: &KeySource) -> String {
    match source {
        KeySource::Url(url) | KeySource::Discovery { url, .. } => {
            let url = url.split(['?', '#']).next().unwrap_or_default();
            match url.split_once("://") {
                Some((scheme, rest)) => {
                    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
                    let host = authority.rsplit('@').next().unwrap_or_default();
                    format!("{scheme}://{host}{path}")
                }
                None => String::from("url"),
            }
        }
        KeySource::Inline(_) => String::from("inline"),
        KeySource::Kubernetes { .. } => String::from("kubernetes"),
        KeySource::Trusting { source: own, .. } => self::source(own),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_shows_neither_user_nor_query() {
        let url = |url: &str| source(&KeySource::Url(url.to_owned()));
        assert_eq!(url("https://a.example/keys"), "https://a.example/keys");
        assert_eq!(
            url("https://user:secret@a.example:8443/keys?token=secret#x"),
            "https://a.example:8443/keys"
        );
        assert_eq!(url("https://a.example"), "https://a.example");
    }
}
