//! From a request head to what happens with it, up to the token: method override, path, health,
//! route, preflight. One function, no I/O: `service` calls it once per request.

use std::borrow::Cow;

use http::header::ACCESS_CONTROL_REQUEST_METHOD;
use http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};

use super::Prepared;
use super::cors::{Preflight, ResponseCors, RuleId};
use super::headers::{METHOD_OVERRIDE, has_underscore};
use super::path::{NormalisedPath, normalise};
use super::route::{RouteMatch, decode_reserved};
use super::verdict::{Facts, Reason, Refusal};

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
    method: &'r Method,
    target: &'r Uri,
    headers: &HeaderMap,
) -> Decision<'r> {
    let (rule, outcome) = match read(prepared, method, target, headers) {
        Ok(request) => request.route(prepared, headers),
        Err(refusal) => (
            RuleId::SERVICE,
            unreadable(prepared, method, headers, refusal),
        ),
    };
    let cors = match &outcome {
        Ok(Action::Preflight(_)) => ResponseCors::ANSWERED_PREFLIGHT,
        Ok(Action::Forward(forward)) if !forward.authenticate => {
            prepared.cors.passed_on_preflight(rule, headers)
        }
        Err(refusal) if refusal.reason == Reason::PreflightRefused => {
            prepared.cors.refused_preflight(rule, headers)
        }
        _ => prepared.cors.response(rule, headers),
    };
    Decision {
        action: outcome.unwrap_or_else(Action::Refuse),
        cors,
    }
}

/// A request whose head can be read in one way.
struct Readable<'r> {
    /// The method, after an override.
    method: Cow<'r, Method>,
    /// Normalised.
    path: Cow<'r, str>,
}

/// What is wrong with a head whatever the routes are.
fn read<'r>(
    prepared: &Prepared,
    method: &'r Method,
    target: &'r Uri,
    headers: &HeaderMap,
) -> Result<Readable<'r>, Refusal> {
    if has_underscore(headers) {
        return Err(bad_request(
            Reason::UnderscoreHeader,
            "A request header has an underscore in its name.",
        ));
    }
    let method = match overriding_method(prepared, method, headers)? {
        Some(overriding) => Cow::Owned(overriding),
        None => Cow::Borrowed(method),
    };
    if matches!(*method, Method::CONNECT | Method::TRACE) {
        return Err(method_refused(prepared, &method, target));
    }
    let NormalisedPath(path) = normalise(target.path())
        .map_err(|error| bad_request(Reason::BadPath, error.to_string()))?;
    Ok(Readable { method, path })
}

/// A preflight of a path that cannot be read is answered as on any other path, or the script that
/// asked could not read why the request itself is refused.
fn unreadable<'r>(
    prepared: &Prepared,
    method: &Method,
    headers: &HeaderMap,
    refusal: Refusal,
) -> Result<Action<'r>, Refusal> {
    if refusal.reason == Reason::BadPath && *method == Method::OPTIONS {
        let service = prepared.cors.decider(RuleId::SERVICE);
        if let Preflight::Answer(answer) = service.preflight(headers, false) {
            return Ok(Action::Preflight(answer));
        }
    }
    Err(refusal)
}

impl<'r> Readable<'r> {
    /// What happens with it, and by which CORS rule.
    fn route(
        self,
        prepared: &Prepared,
        headers: &HeaderMap,
    ) -> (RuleId, Result<Action<'r>, Refusal>) {
        if is_health_path(prepared, &self.path) {
            let rule = RuleId::SERVICE;
            let outcome = match self.preflight(prepared, rule, headers, true) {
                Ok(None) => Ok(Action::Healthy),
                Ok(Some(answer)) => Ok(Action::Preflight(answer)),
                Err(refusal) => Err(refusal),
            };
            return (rule, outcome);
        }
        let found = prepared.router.find(self.method.as_str(), &self.path);
        let requested = self.requested(prepared, headers);
        let rule = match requested.or_else(|| named(&found)) {
            Some(operation) => prepared.cors.of(operation),
            None => RuleId::SERVICE,
        };
        let declared = matches!(found, RouteMatch::Operation(_));
        let outcome = match self.preflight(prepared, rule, headers, declared) {
            Ok(None) => self.forward(prepared, rule, found, requested),
            Ok(Some(answer)) => Ok(Action::Preflight(answer)),
            Err(refusal) => Err(refusal),
        };
        (rule, outcome)
    }

    /// The operation of the request that a preflight announces, else another one of its path: what
    /// may be done there is that one's to say.
    fn requested(&self, prepared: &Prepared, headers: &HeaderMap) -> Option<usize> {
        if *self.method != Method::OPTIONS {
            return None;
        }
        let method = headers.get(ACCESS_CONTROL_REQUEST_METHOD)?.to_str().ok()?;
        named(&prepared.router.find(method, &self.path))
    }

    /// The headers of the answer, if it is a preflight that the rule answers.
    fn preflight(
        &self,
        prepared: &Prepared,
        rule: RuleId,
        headers: &HeaderMap,
        declared: bool,
    ) -> Result<Option<HeaderMap>, Refusal> {
        if *self.method != Method::OPTIONS {
            return Ok(None);
        }
        match prepared.cors.decider(rule).preflight(headers, declared) {
            Preflight::Answer(headers) => Ok(Some(headers)),
            Preflight::Refuse(verdict) => {
                Err(bad_request(Reason::PreflightRefused, verdict.refusal()))
            }
            Preflight::No => Ok(None),
        }
    }

    fn forward(
        self,
        prepared: &Prepared,
        rule: RuleId,
        found: RouteMatch<'_>,
        requested: Option<usize>,
    ) -> Result<Action<'r>, Refusal> {
        let (operation, authenticate) = match found {
            RouteMatch::Operation(operation) => (operation, true),
            // ESPv2's generated OPTIONS routes: a browser sends no token with a preflight.
            RouteMatch::MethodNotAllowed { sibling, .. }
                if *self.method == Method::OPTIONS
                    && prepared.cors.decider(rule).passes_through() =>
            {
                (requested.unwrap_or(sibling), false)
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
            method: match self.method {
                Cow::Owned(overriding) => Some(overriding),
                Cow::Borrowed(_) => None,
            },
            path: self.path,
        }))
    }
}

/// The operation that was found, else another one of the path.
fn named(found: &RouteMatch<'_>) -> Option<usize> {
    match found {
        RouteMatch::Operation(operation) => Some(*operation),
        RouteMatch::MethodNotAllowed { sibling, .. } => Some(*sibling),
        RouteMatch::Ambiguous | RouteMatch::NotFound => None,
    }
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
