//! What is answered to a head that goes no further, in ESPv2's words where it has some.

use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use super::{Action, announced, named};
use crate::policy::Prepared;
use crate::policy::cors::{Preflight, RuleId};
use crate::policy::path::normalise;
use crate::policy::route::RouteMatch;
use crate::policy::verdict::{Facts, Reason, Refusal};

pub(super) fn bad_request(reason: Reason, message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, reason, message)
}

pub(super) fn not_found() -> Refusal {
    Refusal::new(
        StatusCode::NOT_FOUND,
        Reason::RouteNotFound,
        "The current request is not defined by this API.",
    )
}

pub(super) fn method_not_allowed(template: &str, allow: HeaderValue) -> Refusal {
    let message = format!(
        "The current request is matched to the defined url template \"{template}\" but its http \
         method is not allowed"
    );
    Refusal {
        allow: Some(allow),
        facts: Facts::Path {
            template: template.to_owned(),
        },
        ..Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Reason::MethodNotAllowed,
            message,
        )
    }
}

/// CONNECT asks for a tunnel, TRACE for the request's own secrets: never, whatever is declared.
pub(super) fn method_refused(prepared: &Prepared, method: &Method, target: &Uri) -> Refusal {
    let allow = match normalise(target.path()) {
        Ok(path) => match prepared.router.find(method.as_str(), &path.0) {
            RouteMatch::MethodNotAllowed { allow, .. } => Some(allow),
            _ => None,
        },
        Err(_) => None,
    };
    Refusal {
        // RFC 9110 section 15.5.6 demands the field; empty says that nothing is allowed here.
        allow: allow.or(Some(HeaderValue::from_static(""))),
        ..Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Reason::MethodRefused,
            format!("{method} requests are not served."),
        )
    }
}

/// By which CORS rule a script may read why a head is refused before it is routed: that of the operation
/// that it was meant for, as far as its path can be read.
pub(super) fn rule_of_refused(
    prepared: &Prepared,
    method: &Method,
    target: &Uri,
    headers: &HeaderMap,
) -> RuleId {
    let found = normalise(target.path()).ok().and_then(|path| {
        let method = announced(method, headers).unwrap_or(method.as_str());
        named(&prepared.router.find(method, &path.0))
    });
    found.map_or(RuleId::SERVICE, |operation| prepared.cors.of(operation))
}

/// A preflight of a path that cannot be read is answered as on any other path, or the script that
/// asked could not read why the request itself is refused.
pub(super) fn unreadable<'r>(
    prepared: &Prepared,
    rule: RuleId,
    method: &Method,
    headers: &HeaderMap,
    refusal: Refusal,
) -> Result<Action<'r>, Refusal> {
    if refusal.reason == Reason::BadPath
        && *method == Method::OPTIONS
        && let Preflight::Answer(answer) = prepared.cors.decider(rule).preflight(headers, false)
    {
        return Ok(Action::Preflight(answer));
    }
    Err(refusal)
}
