//! What the compiler never writes is refused: a policy that is not in its one form was not made by
//! the compiler, and nobody knows what it means.

use std::collections::BTreeSet;

use http::HeaderName;
use http::uri::Authority;

use super::{PrepareError, invalid};
use crate::policy::Policy;

use crate::policy::ca;
use crate::policy::format::{
    AccessLogRule, Alternative, BackendRule, ClaimHeader, KeySource, MAX_DEADLINE_MS, MAX_GRACE_MS,
    Operation, PathRule, PerMillion, Provider, Settings, TokenLocation,
};
use crate::policy::headers::{DEFAULT_PREFIX, check_claim_target};
use crate::policy::key_set::KeySet;
use crate::policy::path::normalise;

/// Checks the form; what routes, expressions and key sets need is checked where they are made ready.
pub(super) fn check(policy: &Policy) -> Result<(), PrepareError> {
    if policy.format < policy.needed_format() {
        return Err(invalid(format_args!(
            "it has forms of format {}, and says format {}",
            policy.needed_format(),
            policy.format
        )));
    }
    if !is_sorted(&policy.backends) || !is_sorted(&policy.cors_rules) {
        return Err(invalid("its rules are not sorted"));
    }
    let places = |place: fn(&Operation) -> Option<usize>| {
        let places: BTreeSet<_> = policy.operations.iter().filter_map(place).collect();
        places.into_iter()
    };
    if !places(|operation| operation.backend).eq(0..policy.backends.len()) {
        return Err(invalid("its operations and its backends do not fit"));
    }
    if !places(|operation| operation.cors).eq(0..policy.cors_rules.len()) {
        return Err(invalid("its operations and its CORS rules do not fit"));
    }
    settings(&policy.settings)?;
    if !policy.settings.limits.is_in_bounds() {
        return Err(invalid("one of its limits is out of bounds"));
    }
    let upstream = &policy.settings.upstream;
    if !upstream.is_in_bounds() {
        return Err(invalid("its settings of backends are out of bounds"));
    }
    ca::anchors(&upstream.tls.authorities).map_err(invalid)?;
    policy.backends.iter().try_for_each(backend)?;
    policy
        .providers
        .iter()
        .try_for_each(|(name, own)| provider(name, own))?;
    claim_headers(policy)?;
    policy.operations.iter().try_for_each(operation)
}

/// Shares are at most all, waits at most as long as may be written.
fn settings(settings: &Settings) -> Result<(), PrepareError> {
    let observability = &settings.observability;
    let log_share = match observability.access_log {
        AccessLogRule::Sampled(share) => share,
        _ => PerMillion(0),
    };
    let tracing = observability.tracing.as_ref();
    let trace_share = tracing.map_or(PerMillion(0), |tracing| tracing.sample);
    if log_share.0.max(trace_share.0) > PerMillion::ALL {
        return Err(invalid("a share of its requests is more than all"));
    }
    match settings.drain.grace_ms {
        Some(grace) if grace > MAX_GRACE_MS => Err(invalid("its grace is longer than an hour")),
        _ => Ok(()),
    }
}

/// In order, none twice.
fn is_sorted<T: Ord>(list: &[T]) -> bool {
    list.is_sorted_by(|a, b| a < b)
}

fn backend(rule: &BackendRule) -> Result<(), PrepareError> {
    let is_path = |path: &str| normalise(path).is_ok_and(|normal| normal.0 == path);
    let scheme =
        match &rule.address {
            None => None,
            Some(address) => Some(scheme(address).ok_or_else(|| {
                invalid(format_args!("`{address}` is not the address of a backend"))
            })?),
        };
    let says_something = rule.address.is_some() || rule.deadline_ms.is_some();
    let is_good = says_something
        && (scheme.is_some() || rule.path.is_none())
        && (matches!(scheme, Some("http" | "https")) || !rule.http2)
        && rule
            .deadline_ms
            .is_none_or(|deadline| (1..=MAX_DEADLINE_MS).contains(&deadline))
        && match &rule.path {
            None => true,
            Some(PathRule::Append(path)) => is_path(path) && !path.ends_with('/'),
            Some(PathRule::Constant(path)) => {
                is_path(path) && (path == "/" || !path.ends_with('/'))
            }
        };
    match is_good {
        true => Ok(()),
        false => Err(invalid(format_args!("{rule:?} is no backend"))),
    }
}

/// The scheme of `SCHEME://HOST:PORT`, if it is one.
fn scheme(address: &str) -> Option<&'static str> {
    let (written, authority) = address.split_once("://")?;
    let authority: Authority = authority.parse().ok()?;
    let is_good = authority.port_u16().is_some_and(|port| port > 0)
        && !authority.host().is_empty()
        && !authority.as_str().contains('@');
    ["http", "https", "grpc", "grpcs"]
        .into_iter()
        .find(|known| is_good && *known == written)
}

/// Nobody but the proxy may say these, and the proxy says each once.
fn claim_headers(policy: &Policy) -> Result<(), PrepareError> {
    let prefix = policy.settings.headers.generated_prefix.as_deref();
    let prefix = prefix.unwrap_or(DEFAULT_PREFIX);
    let mut known = BTreeSet::new();
    for ClaimHeader { claim, header } in &policy.settings.jwt.claim_headers {
        let is_good = HeaderName::from_lowercase(header.as_bytes()).is_ok()
            && check_claim_target(header, prefix).is_ok()
            && !claim.is_empty()
            && known.insert(header.replace('_', "-"));
        if !is_good {
            return Err(invalid(format_args!("`{header}` is no header of a claim")));
        }
    }
    Ok(())
}

fn keys(name: &str, source: &KeySource) -> Result<(), PrepareError> {
    match source {
        KeySource::Inline(text) => KeySet::parse(text.as_bytes())
            .map(drop)
            .map_err(|why| invalid(format_args!("the keys of `{name}`: {why}"))),
        KeySource::Trusting { ca_bundle, source } => {
            let is_remote = matches!(**source, KeySource::Url(_) | KeySource::Discovery { .. });
            match is_remote && ca::certificates(ca_bundle).is_ok() {
                true => Ok(()),
                false => Err(invalid(format_args!("`{name}` trusts nobody for its keys"))),
            }
        }
        KeySource::Url(_) | KeySource::Discovery { .. } | KeySource::Kubernetes { .. } => Ok(()),
    }
}

fn provider(name: &str, provider: &Provider) -> Result<(), PrepareError> {
    keys(name, &provider.keys)?;
    for (index, location) in provider.locations.iter().enumerate() {
        let is_good = match location {
            TokenLocation::Header { name, value_prefix } => {
                let is_visible = |byte: u8| byte == b' ' || byte.is_ascii_graphic();
                HeaderName::from_lowercase(name.as_bytes()).is_ok()
                    && value_prefix.bytes().all(is_visible)
            }
            TokenLocation::Query(name) => !name.is_empty(),
        };
        if !is_good || provider.locations[..index].contains(location) {
            return Err(invalid(format_args!("`{name}` looks for tokens nowhere")));
        }
    }
    Ok(())
}

fn operation(operation: &Operation) -> Result<(), PrepareError> {
    for (index, alternative) in operation.security.iter().enumerate() {
        let Alternative(requirements) = alternative;
        let are_sorted = requirements.is_sorted_by(|a, b| a.provider < b.provider);
        let are_good = requirements.iter().all(|requirement| {
            requirement
                .audiences
                .as_ref()
                .is_none_or(|list| !list.is_empty())
                && !requirement.scopes.contains("")
        });
        if !are_good || !are_sorted || operation.security[..index].contains(alternative) {
            return Err(invalid(format_args!(
                "the security of `{}` is not in its one form",
                operation.name
            )));
        }
    }
    Ok(())
}
