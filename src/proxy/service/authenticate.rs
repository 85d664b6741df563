//! The token of a request: the policy's decision, and the one look for a new key around it.

use std::rc::Rc;

use http::header::HOST;
use http::request::Parts;
use http::{HeaderMap, HeaderValue};

use crate::policy::jwt::{Authentication, authenticate};
use crate::policy::verdict::Refusal;
use crate::proxy::exchange::Exchange;
use crate::proxy::worker::{InForce, Worker, now};

/// Checks the token; what comes back goes into `X-Endpoint-API-UserInfo`.
pub(super) async fn authenticated(
    policy: &Rc<InForce>,
    exchange: &Exchange,
    operation: usize,
    parts: &Parts,
) -> Result<Option<HeaderValue>, Refusal> {
    let worker = exchange.worker();
    let (provider, refusal) = match check(worker, policy, operation, parts) {
        Authentication::UnknownKey { provider, refusal } => (provider, refusal),
        other => return verdict(policy, other),
    };
    // The issuer may have a new key: one look, of a second at most, shared with everyone who asks.
    let slot = &policy.snapshot.keys[provider];
    if !slot.refresh_on_demand().await {
        return Err(refusal);
    }
    verdict(policy, check(worker, policy, operation, parts))
}

fn check(worker: &Worker, policy: &InForce, operation: usize, parts: &Parts) -> Authentication {
    let now = now();
    let mut keys = worker.keys.borrow_mut();
    keys.clear();
    keys.extend(policy.snapshot.keys.iter().map(|slot| slot.usable(now)));
    let prepared = &policy.snapshot.prepared;
    let tokens = &mut *worker.tokens.borrow_mut();
    authenticate(
        prepared,
        operation,
        &parts.headers,
        parts.uri.query(),
        &keys,
        tokens,
        now,
    )
}

fn verdict(policy: &InForce, found: Authentication) -> Result<Option<HeaderValue>, Refusal> {
    match found {
        Authentication::Open => Ok(None),
        Authentication::Verified {
            provider,
            user_info,
        } => {
            if let Some(cells) = policy.providers.get(provider) {
                cells.verified.add(1);
            }
            Ok(Some(user_info))
        }
        Authentication::Refused(refusal) | Authentication::UnknownKey { refusal, .. } => {
            Err(refusal)
        }
    }
}

/// ESPv2's realm: the request's URL, but without its query, which may hold a token.
pub(super) fn realm(scheme: &str, headers: &HeaderMap, path: &str) -> String {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    format!("{scheme}://{host}{path}")
}
