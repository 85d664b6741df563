//! The access log: errors only. One line says what failed and whose fault it is. Neither tokens nor
//! queries nor raw paths are in it: the operation and its template say where.

use std::net::SocketAddr;

use http::Method;

use super::metrics::{Outcome, Source};
use crate::policy::format::Operation;
use crate::policy::verdict::{Fault, Reason};

/// Writes a line, if the outcome is worth one: a 5xx or an answer broken off at `warn`; what we
/// refused at `debug`.
pub(super) fn write(outcome: &Outcome<'_>, operation: Option<&Operation>, peer: SocketAddr) {
    let failed = outcome.code >= 500 || outcome.broken_off.is_some();
    if !failed && outcome.reason.is_none() {
        return;
    }
    let reason = outcome.broken_off.or(outcome.reason).map(Reason::as_str);
    let (name, template) = operation.map_or((None, None), |o| (Some(&*o.name), Some(&*o.path)));
    let duration_ms = u64::try_from(outcome.duration.as_millis()).unwrap_or(u64::MAX);
    macro_rules! line {
        ($level:ident) => {
            tracing::$level!(
                target: "endpoints::access",
                method = outcome.method.as_str(),
                status = outcome.code,
                reason,
                operation = name,
                path = template,
                duration_ms,
                fault = fault(outcome),
                %peer,
                broken_off = outcome.broken_off.is_some(),
                "request failed"
            )
        };
    }
    if failed { line!(warn) } else { line!(debug) }
}

/// Writes a line about a request that the policy forbids and its `mode: Audit` lets through.
pub(super) fn let_through(
    reason: Reason,
    method: &Method,
    operation: Option<&Operation>,
    peer: SocketAddr,
) {
    let (name, template) = operation.map_or((None, None), |o| (Some(&*o.name), Some(&*o.path)));
    tracing::info!(
        target: "endpoints::access",
        method = method.as_str(),
        reason = reason.as_str(),
        operation = name,
        path = template,
        %peer,
        "request let through by mode Audit"
    );
}

/// Who has to do something about it.
fn fault(outcome: &Outcome<'_>) -> &'static str {
    match outcome.broken_off.or(outcome.reason) {
        Some(reason) => reason.fault(),
        None if outcome.source == Source::Backend => Fault::Backend,
        None => Fault::Proxy,
    }
    .as_str()
}

#[cfg(test)]
mod tests;
