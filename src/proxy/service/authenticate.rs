//! The token of a request: the policy's decision, and the one look for a new key around it.

use std::rc::Rc;

use http::HeaderMap;
use http::header::HOST;
use http::request::Parts;

use crate::policy::jwt::{Authentication, Verified, authenticate};
use crate::policy::verdict::Refusal;
use crate::proxy::exchange::Exchange;
use crate::proxy::worker::{InForce, Worker, now};

/// Checks the tokens; `None`: none was asked for.
pub(super) async fn authenticated(
    policy: &Rc<InForce>,
    exchange: &Exchange,
    operation: usize,
    parts: &Parts,
) -> Result<Option<Verified>, Refusal> {
    let worker = exchange.worker();
    let (provider, refusal) = match check(worker, policy, operation, parts) {
        Authentication::UnknownKey { provider, refusal } => (provider, refusal),
        other => return verdict(worker, other),
    };
    // The issuer may have a new key: one look, of a second at most, shared with everyone who asks.
    let slot = &policy.snapshot.keys[provider];
    if !slot.refresh_on_demand().await {
        return Err(refusal);
    }
    verdict(worker, check(worker, policy, operation, parts))
}

fn check(worker: &Worker, policy: &InForce, operation: usize, parts: &Parts) -> Authentication {
    let now = now();
    authenticate(
        &policy.snapshot.prepared,
        operation,
        &parts.headers,
        parts.uri.query(),
        &policy.snapshot.keys(now),
        &mut worker.tokens.borrow_mut(),
        now,
    )
}

fn verdict(worker: &Worker, found: Authentication) -> Result<Option<Verified>, Refusal> {
    match found {
        Authentication::Open => Ok(None),
        Authentication::Verified(verified) => {
            worker.metrics.count_verified();
            Ok(Some(verified))
        }
        Authentication::Refused(refusal) | Authentication::UnknownKey { refusal, .. } => {
            Err(refusal)
        }
    }
}

/// ESPv2's realm: the request's URL, but without its query, which may hold a token.
pub(super) fn realm(headers: &HeaderMap, path: &str) -> String {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    format!("http://{host}{path}")
}
