//! From a request head to what happens with it, up to the token: method override, path, health,
//! route, preflight. One function, no I/O: `service` calls it once per request.

use std::borrow::Cow;

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, ORIGIN};
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use super::Prepared;
use super::cors::{Preflight, ResponseCors};
use super::headers::{METHOD_OVERRIDE, has_underscore};
use super::path::{NormalisedPath, normalise};
use super::route::{RouteMatch, decode_reserved};
use super::verdict::{Reason, Refusal};

/// What the head decides.
#[derive(Debug)]
pub struct Decision<'r> {
    /// What to do.
    pub action: Action<'r>,
    /// What the response gets, whoever makes it.
    pub cors: ResponseCors,
}

/// What to do with a request.
#[derive(Debug)]
pub enum Action<'r> {
    /// A preflight answered by us: 200 with these headers and no body.
    Preflight(HeaderMap),
    /// The health path: 200.
    Healthy,
    /// Refuse.
    Refuse(Refusal),
    /// Authenticate against this operation, then forward.
    Forward(Forward<'r>),
}

/// How a request goes on.
#[derive(Debug)]
pub struct Forward<'r> {
    /// The operation, as an index into [`super::Policy::operations`].
    pub operation: usize,
    /// False for a preflight passed through under `allowCors`: no token is asked for.
    pub authenticate: bool,
    /// The method to forward, where the override changed it.
    pub method: Option<Method>,
    /// The normalised path; borrowed when it is as it came.
    pub path: Cow<'r, str>,
}

/// Decides. `headers` are the client's own (names, method override, origin and preflight fields are
/// read); whoever forwards sanitises them and strips the override
/// ([`super::headers::METHOD_OVERRIDE`]).
pub fn decide<'r>(
    prepared: &Prepared,
    method: &Method,
    target: &'r Uri,
    headers: &HeaderMap,
) -> Decision<'r> {
    let mut cors = prepared.cors.response(headers);
    let action = match admit(prepared, method, target, headers) {
        Ok(action) => action,
        Err(refusal) => Action::Refuse(refusal),
    };
    match &action {
        // The answer is complete: what its headers say is not said twice.
        Action::Preflight(_) => cors = ResponseCors::Untouched,
        Action::Refuse(refusal)
            if refusal.reason == Reason::PreflightRefused && is_preflight(headers) =>
        {
            cors = ResponseCors::RefusedPreflight;
        }
        _ => {}
    }
    Decision { action, cors }
}

fn admit<'r>(
    prepared: &Prepared,
    method: &Method,
    target: &'r Uri,
    headers: &HeaderMap,
) -> Result<Action<'r>, Refusal> {
    if has_underscore(headers) {
        return Err(bad_request(
            Reason::UnderscoreHeader,
            "A request header has an underscore in its name.",
        ));
    }
    let overriding = overriding_method(prepared, method, headers)?;
    let effective = overriding.as_ref().unwrap_or(method);
    if matches!(*effective, Method::CONNECT | Method::TRACE) {
        return Err(method_refused(prepared, effective, target));
    }
    let NormalisedPath(path) = normalise(target.path())
        .map_err(|error| bad_request(Reason::BadPath, error.to_string()))?;
    let healthy = is_health_path(prepared, &path);
    let found = prepared.router.find(effective.as_str(), &path);

    if *effective == Method::OPTIONS {
        let declared = healthy || matches!(found, RouteMatch::Operation(_));
        match prepared.cors.preflight(headers, declared) {
            Preflight::Answer(headers) => return Ok(Action::Preflight(headers)),
            Preflight::Refuse(why) => return Err(bad_request(Reason::PreflightRefused, why)),
            Preflight::No => {}
        }
    }
    if healthy {
        return Ok(Action::Healthy);
    }

    let (operation, authenticate) = match found {
        RouteMatch::Operation(operation) => (operation, true),
        // ESPv2's generated OPTIONS routes: a browser sends no token with a preflight.
        RouteMatch::MethodNotAllowed { sibling, .. }
            if *effective == Method::OPTIONS && prepared.cors.passes_through() =>
        {
            (sibling, false)
        }
        RouteMatch::MethodNotAllowed {
            template, allow, ..
        } => return Err(method_not_allowed(template, allow)),
        RouteMatch::Ambiguous => {
            return Err(bad_request(
                Reason::AmbiguousPath,
                "The request path, with its escapes decoded, is the path of another operation.",
            ));
        }
        RouteMatch::NotFound => {
            return Err(Refusal::new(
                StatusCode::NOT_FOUND,
                Reason::RouteNotFound,
                "The current request is not defined by this API.",
            ));
        }
    };
    Ok(Action::Forward(Forward {
        operation,
        authenticate,
        method: overriding,
        path,
    }))
}

/// The method that takes POST's place, if the client asks for one. OPTIONS, HEAD and POST never do:
/// the override widens what firewalls let through, not what preflights are.
fn overriding_method(
    prepared: &Prepared,
    method: &Method,
    headers: &HeaderMap,
) -> Result<Option<Method>, Refusal> {
    let mut values = headers.get_all(METHOD_OVERRIDE).iter();
    let Some(value) = values.next() else {
        return Ok(None);
    };
    let refuse = |why| Err(bad_request(Reason::BadMethodOverride, why));
    if values.next().is_some() {
        return refuse("There are several X-HTTP-Method-Override headers.");
    }
    if method != Method::POST {
        return refuse("X-HTTP-Method-Override is only taken from a POST request.");
    }
    let allowed = |name: &str| {
        matches!(name, "GET" | "PUT" | "PATCH" | "DELETE")
            || prepared.router.declares_custom_method(name)
    };
    match value.to_str() {
        Ok(name) if allowed(name) => match Method::from_bytes(name.as_bytes()) {
            Ok(method) => Ok(Some(method)),
            Err(_) => refuse("X-HTTP-Method-Override is not a method."),
        },
        _ => refuse("X-HTTP-Method-Override names a method that may not take the place of POST."),
    }
}

/// Whether the path is the health path, in any spelling: a slash after it, or escaped ones in it.
/// (ESPv2 compares the raw target, and forwards what differs.)
fn is_health_path(prepared: &Prepared, path: &str) -> bool {
    let Some(healthz) = &prepared.healthz else {
        return false;
    };
    let same =
        |path: &str| path == healthz || path.trim_end_matches('/') == healthz.trim_end_matches('/');
    same(path)
        || decode_reserved(path)
            .is_some_and(|decoded| normalise(&decoded).is_ok_and(|path| same(&path.0)))
}

/// What browsers mean by a preflight, matched or not.
fn is_preflight(headers: &HeaderMap) -> bool {
    let given = |name| {
        headers
            .get(name)
            .is_some_and(|value: &HeaderValue| !value.is_empty())
    };
    given(ORIGIN) && given(ACCESS_CONTROL_REQUEST_METHOD)
}

fn bad_request(reason: Reason, message: impl Into<String>) -> Refusal {
    Refusal::new(StatusCode::BAD_REQUEST, reason, message)
}

fn method_not_allowed(template: &str, allow: HeaderValue) -> Refusal {
    let message = format!(
        "The current request is matched to the defined url template \"{template}\" but its http \
         method is not allowed"
    );
    Refusal {
        allow: Some(allow),
        ..Refusal::new(
            StatusCode::METHOD_NOT_ALLOWED,
            Reason::MethodNotAllowed,
            message,
        )
    }
}

/// CONNECT asks for a tunnel, TRACE for the request's own secrets: never, whatever is declared.
fn method_refused(prepared: &Prepared, method: &Method, target: &Uri) -> Refusal {
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

#[cfg(test)]
mod tests;
