//! One request, top to bottom.
//!
//! What the policy says about it is decided in [`crate::policy`]; what is done about it, here.

use std::borrow::Cow;
use std::convert::Infallible;
use std::rc::Rc;

use http::header::{CONNECTION, CONTENT_LENGTH, EXPECT, HOST, TRANSFER_ENCODING};
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, Uri, Version};
use hyper::body::{Body, Incoming};

use super::body::{RequestBody, ResponseBody};
use super::client::Client;
use super::exchange::Exchange;
use super::guard::Head;
use super::respond::{self, refusal};
use super::upstream::{Backend, BackendBody};
use super::worker::{InForce, Worker, now};
use crate::policy::cors::{ResponseCors, RuleId};
use crate::policy::decide::{Action, Forward, decide};
use crate::policy::headers::{
    METHOD_OVERRIDE, USER_INFO, forwarded, sanitise_request, sanitise_response,
};
use crate::policy::jwt::{Authentication, authenticate};
use crate::policy::verdict::{Reason, Refusal};

/// Who answers a request.
enum Answer {
    Backend(Response<BackendBody>),
    Ours(Response<ResponseBody>),
    Refused(Refusal),
}

/// Serves one request. `head`: what the guard noted of it.
pub(super) async fn serve(
    worker: Rc<Worker>,
    client: Rc<Client>,
    backend: Rc<Backend>,
    head: Option<Result<Head, Refusal>>,
    request: Request<Incoming>,
) -> Result<Response<ResponseBody>, Infallible> {
    let (mut parts, body) = request.into_parts();
    let http1 = parts.version != Version::HTTP_2;
    let mut exchange = Exchange::begin(worker, client, parts.method.clone());
    let policy = exchange.worker().policy();

    let (answer, cors, realm) = match admit(head, policy.as_ref(), &mut parts) {
        Err(refusal) => {
            let cors = policy.as_ref().map(|policy| {
                let rules = &policy.snapshot.prepared.cors;
                rules.response(RuleId::SERVICE, &parts.headers)
            });
            (
                Answer::Refused(refusal),
                cors.unwrap_or(ResponseCors::UNTOUCHED),
                None,
            )
        }
        Ok(policy) => under(policy, &mut exchange, &backend, parts, body).await,
    };

    let ours = !matches!(answer, Answer::Backend(_));
    let mut response = match answer {
        Answer::Backend(response) => {
            exchange.answered(response.status());
            from_backend(response)
        }
        Answer::Ours(response) => {
            exchange.answered_by_us(response.status(), None);
            response
        }
        Answer::Refused(refusal) => {
            exchange.answered_by_us(refusal.status, Some(refusal.reason));
            respond::refuse(&refusal, || realm.unwrap_or_default())
        }
    };
    if let Some(policy) = &policy {
        policy
            .snapshot
            .prepared
            .cors
            .decorate(&cors, response.headers_mut(), ours);
    }
    // HTTP/2 says it by GOAWAY.
    if http1 && exchange.worker().drain.started() {
        response
            .headers_mut()
            .insert(CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response.map(|body| body.closing(exchange)))
}

/// What must hold before the policy is asked.
fn admit<'p>(
    head: Option<Result<Head, Refusal>>,
    policy: Option<&'p Rc<InForce>>,
    parts: &mut Parts,
) -> Result<&'p Rc<InForce>, Refusal> {
    let head = head.unwrap_or_else(|| {
        let message = "The request came past the guard of its connection.";
        Err(refusal(
            StatusCode::INTERNAL_SERVER_ERROR,
            Reason::Internal,
            message,
        ))
    })?;
    let Some(policy) = policy else {
        return Err(refusal(
            StatusCode::SERVICE_UNAVAILABLE,
            Reason::NoPolicy,
            "The proxy has no policy yet.",
        ));
    };
    check_host(head.hosts, parts)?;
    if let Some(expectation) = parts.headers.get(EXPECT)
        && !expectation.as_bytes().eq_ignore_ascii_case(b"100-continue")
    {
        return Err(refusal(
            StatusCode::EXPECTATION_FAILED,
            Reason::BadExpect,
            "The only expectation that can be met is 100-continue.",
        ));
    }
    Ok(policy)
}

/// Exactly one Host in HTTP/1.1, at most one in HTTP/1.0 (RFC 9112 section 3.2); the authority of an
/// absolute target takes its place (section 3.2.2).
fn check_host(hosts: u16, parts: &mut Parts) -> Result<(), Refusal> {
    let bad = |message| Err(refusal(StatusCode::BAD_REQUEST, Reason::BadHost, message));
    match hosts {
        1 => {}
        0 if parts.version == Version::HTTP_10 => {}
        0 => return bad("The request has no Host header."),
        _ => return bad("The request has several Host headers."),
    }
    if let Some(authority) = parts.uri.authority() {
        match HeaderValue::try_from(authority.as_str()) {
            Ok(host) => parts.headers.insert(HOST, host),
            Err(_) => return bad("The authority of the request target is not a host."),
        };
    }
    match parts.headers.get(HOST) {
        Some(host) if !is_host(host.as_bytes()) => bad("The Host header is not a host."),
        _ => Ok(()),
    }
}

/// `uri-host [":" port]`, by its characters (RFC 3986 section 3.2.2): neither a user nor a path.
fn is_host(host: &[u8]) -> bool {
    !host.is_empty()
        && host.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(
                    byte,
                    b'.' | b'-' | b':' | b'[' | b']' | b'_' | b'~' | b'%' | b'!' | b'$'
                )
                || matches!(
                    byte,
                    b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b',' | b';' | b'='
                )
        })
}

/// What the policy decides, done. The third value is the realm of a refusal about tokens.
async fn under(
    policy: &Rc<InForce>,
    exchange: &mut Exchange,
    backend: &Rc<Backend>,
    mut parts: Parts,
    body: Incoming,
) -> (Answer, ResponseCors, Option<String>) {
    let decision = decide(
        &policy.snapshot.prepared,
        &parts.method,
        &parts.uri,
        &parts.headers,
    );
    let cors = decision.cors;
    let Forward {
        operation,
        authenticate,
        method,
        path,
    } = match decision.action {
        Action::Forward(forward) => forward,
        Action::Preflight(headers) => {
            return (Answer::Ours(respond::preflight(headers)), cors, None);
        }
        Action::Healthy => return (Answer::Ours(respond::healthy()), cors, None),
        Action::Refuse(refusal) => return (Answer::Refused(refusal), cors, None),
    };
    exchange.routed(policy.clone(), operation);
    sanitise_request(&mut parts.headers);
    if authenticate {
        match authenticated(policy, exchange, operation, &parts).await {
            Ok(Some(user_info)) => {
                parts.headers.insert(USER_INFO, user_info);
            }
            Ok(None) => {}
            Err(refusal) => {
                let refusal = policy.snapshot.explain(refusal);
                let realm = refusal
                    .challenge
                    .is_some()
                    .then(|| realm(&parts.headers, &path));
                return (Answer::Refused(refusal), cors, realm);
            }
        }
    }
    let translation = policy.snapshot.prepared.translations.get(operation);
    let changed = match translation.and_then(Option::as_ref) {
        None => target(&parts.uri, path),
        Some(translation) => origin_form(translation.apply(&path, parts.uri.query())).map(Some),
    };
    let changed = match changed {
        Ok(changed) => changed,
        Err(refusal) => return (Answer::Refused(refusal), cors, None),
    };
    if let Some(uri) = changed {
        parts.uri = uri;
    }
    if let Some(method) = method {
        parts.method = method;
    }
    let token_headers = &policy.snapshot.prepared.token_headers;
    let body = match parts.version {
        Version::HTTP_2 => {
            let limit = exchange.client().limits.body_progress_timeout;
            RequestBody::of_stream(body, token_headers, limit)
        }
        _ => RequestBody::new(body, token_headers),
    };
    let (backend, remote) = policy.route(operation, backend);
    let host = remote.and_then(|remote| remote.host.as_ref());
    let request = to_backend(parts, body, exchange.client(), backend, host);
    let deadline = remote.and_then(|remote| remote.deadline);
    exchange
        .client()
        .start_deadline(exchange.started(), deadline);
    match backend.send(exchange.client(), request).await {
        Ok(response) => (Answer::Backend(response), cors, None),
        Err(error) => {
            let cause = &error as &(dyn std::error::Error + 'static);
            tracing::debug!(target: "endpoints::access", error = cause, backend = %backend.address(), "no answer");
            (
                Answer::Refused(error.refusal(backend.address())),
                cors,
                None,
            )
        }
    }
}

/// Checks the token; what comes back goes into `X-Endpoint-API-UserInfo`.
async fn authenticated(
    policy: &Rc<InForce>,
    exchange: &Exchange,
    operation: usize,
    parts: &Parts,
) -> Result<Option<HeaderValue>, Refusal> {
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

fn verdict(worker: &Worker, found: Authentication) -> Result<Option<HeaderValue>, Refusal> {
    match found {
        Authentication::Open => Ok(None),
        Authentication::Verified { user_info, .. } => {
            worker.metrics.count_verified();
            Ok(Some(user_info))
        }
        Authentication::Refused(refusal) | Authentication::UnknownKey { refusal, .. } => {
            Err(refusal)
        }
    }
}

/// ESPv2's realm: the request's URL, but without its query, which may hold a token.
fn realm(headers: &HeaderMap, path: &str) -> String {
    let host = headers
        .get(HOST)
        .and_then(|host| host.to_str().ok())
        .unwrap_or_default();
    format!("http://{host}{path}")
}

/// The target in origin form, with the path that was decided about; None: it is as it came.
fn target(came: &Uri, path: Cow<'_, str>) -> Result<Option<Uri>, Refusal> {
    match (path, came.path_and_query()) {
        (Cow::Borrowed(_), Some(_)) if came.authority().is_none() => Ok(None),
        (Cow::Borrowed(_), Some(as_it_came)) => Ok(Some(Uri::from(as_it_came.clone()))),
        (path, _) => origin_form(match came.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.into_owned(),
        })
        .map(Some),
    }
}

fn origin_form(target: String) -> Result<Uri, Refusal> {
    PathAndQuery::try_from(target).map(Uri::from).map_err(|_| {
        let message = "The request path has a character that is not allowed.";
        refusal(StatusCode::BAD_REQUEST, Reason::BadPath, message)
    })
}

/// The request as the backend gets it. `host`: the name of a backend that is not the service's own,
/// which takes the place of the client's.
fn to_backend(
    mut parts: Parts,
    body: RequestBody,
    client: &Client,
    backend: &Backend,
    host: Option<&HeaderValue>,
) -> Request<RequestBody> {
    let headers = &mut parts.headers;
    headers.remove(METHOD_OVERRIDE);
    // Met by us, by asking the client for its body.
    headers.remove(EXPECT);
    if !headers.contains_key(HOST) {
        // HTTP/1.0 may leave it out, HTTP/1.1 may not.
        if let Ok(host) = HeaderValue::try_from(backend.address().to_string()) {
            headers.insert(HOST, host);
        }
    }
    if let Some(host) = headers.get(HOST).cloned() {
        forwarded(
            headers,
            &client.forwarded_for,
            HeaderValue::from_static("http"),
            &host,
        );
    }
    if let Some(host) = host {
        headers.insert(HOST, host.clone());
    }
    if body.size_hint().exact().is_none() && !backend.address().http2() {
        // Said aloud, or hyper would take a GET's body for none.
        headers.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Request::from_parts(parts, body)
}

/// The backend's answer as the client gets it.
fn from_backend(response: Response<BackendBody>) -> Response<ResponseBody> {
    let (mut parts, body) = response.into_parts();
    sanitise_response(&mut parts.headers);
    if body.size_hint().exact().is_none() {
        // Framed by chunks; a length beside them would be a second reading.
        parts.headers.remove(CONTENT_LENGTH);
    }
    one_length(&mut parts.headers);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Response::from_parts(parts, ResponseBody::backend(body))
}

/// Equal lengths, listed or repeated, become one (RFC 9110 section 8.6): hyper takes them, whoever
/// is behind us may not. Lengths that differ say nothing (only an answer without a body has them).
fn one_length(headers: &mut HeaderMap) {
    let mut lengths = headers
        .get_all(CONTENT_LENGTH)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(<[u8]>::trim_ascii);
    let Some(length) = lengths.next() else { return };
    let mut rest = lengths.peekable();
    if rest.peek().is_none() {
        return;
    }
    let same = rest.all(|other| other == length);
    match HeaderValue::from_bytes(length) {
        Ok(length) if same => headers.insert(CONTENT_LENGTH, length),
        _ => headers.remove(CONTENT_LENGTH),
    };
}
