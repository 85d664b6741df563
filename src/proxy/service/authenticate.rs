//! The token of a request: the policy's decision, and the one look for a new key around it.

use std::rc::Rc;
use std::time::Duration;

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;
use tokio::time::Instant;

use crate::policy::jwt::{Authentication, Verified, authenticate, strip};
use crate::policy::verdict::{Facts, Reason, Refusal};
use crate::proxy::exchange::Exchange;
use crate::proxy::worker::{InForce, Worker, now};

/// The longest that a timer runs for a token, in seconds: as good as for ever.
const LONGEST: u64 = 365 * 24 * 60 * 60;

/// Checks the tokens; `None`: none was asked for.
pub(super) async fn authenticated(
    policy: &Rc<InForce>,
    exchange: &Exchange,
    operation: usize,
    parts: &Parts,
) -> Result<Option<Verified>, Refusal> {
    let security = policy.snapshot.prepared.security.get(operation);
    if security.is_some_and(|security| security.is_open()) {
        return Ok(None);
    }
    let worker = exchange.worker();
    let found = check(worker, policy, operation, parts);
    let keys = &policy.snapshot.keys;
    let keys_came = match &found {
        // The issuer may have a new key: one look, of a second at most, shared with everyone who asks.
        Authentication::UnknownKey { provider, .. } => keys[*provider].refresh_on_demand().await,
        // A start is no outage: its first keys are on their way.
        Authentication::Refused(Refusal {
            reason: Reason::KeysUnavailable,
            facts: Facts::Provider { index },
            ..
        }) => keys[*index].first_keys().await,
        _ => false,
    };
    match keys_came {
        true => verdict(policy, check(worker, policy, operation, parts)),
        false => verdict(policy, found),
    }
}

fn check(worker: &Worker, policy: &InForce, operation: usize, parts: &Parts) -> Authentication {
    let now = now();
    let mut tokens = worker.tokens.borrow_mut();
    let found = authenticate(
        &policy.snapshot.prepared,
        operation,
        &parts.headers,
        parts.uri.query(),
        &policy.snapshot.keys(now),
        &mut tokens,
        now,
    );
    worker.metrics.note_tokens(&tokens);
    found
}

fn verdict(policy: &InForce, found: Authentication) -> Result<Option<Verified>, Refusal> {
    match found {
        Authentication::Open => Ok(None),
        Authentication::Verified(verified) => {
            if let Some(cells) = policy.providers.get(verified.provider) {
                cells.verified.add(1);
            }
            Ok(Some(verified))
        }
        Authentication::Refused(refusal) | Authentication::UnknownKey { refusal, .. } => {
            Err(refusal)
        }
    }
}

/// What follows for a request from the tokens that let it in; its query, where that changes.
pub(super) fn let_in(
    policy: &InForce,
    exchange: &mut Exchange,
    operation: usize,
    (headers, query): (&mut HeaderMap, Option<&str>),
    verified: &Verified,
) -> Option<String> {
    let prepared = &policy.snapshot.prepared;
    let jwt = &prepared.policy.settings.jwt;
    let query = match jwt.strip_token {
        true => strip(prepared, operation, headers, query),
        false => None,
    };
    let told = &verified.told;
    headers.insert(prepared.headers.user_info.clone(), told.user_info.clone());
    for (name, value) in &told.claims {
        headers.insert(name.clone(), value.clone());
    }
    if told.omitted > 0 {
        let metrics = &exchange.worker().metrics;
        metrics.claims_omitted.add(told.omitted.into());
    }
    if let (true, Some(expires)) = (jwt.close_streams_at_expiry, verified.expires) {
        let end = expires.saturating_add(jwt.clock_skew());
        let left = Duration::from_secs(end.saturating_sub(now()).min(LONGEST));
        exchange.end_at(Instant::now() + left);
    }
    query
}

/// ESPv2's realm: the request's URL, but without its query, which may hold a token.
pub(super) fn realm(scheme: &str, headers: &HeaderMap, path: &str) -> String {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    format!("{scheme}://{host}{path}")
}
