//! Every answer that the proxy makes itself.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::{HeaderMap, HeaderValue, Response, StatusCode};

use super::body::ResponseBody;
use crate::policy::verdict::{Reason, Refusal};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
/// Seconds after which there may be room again.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// A refusal made here, for what the policy does not know of: sockets, framing, the backend.
pub(super) fn refusal(status: StatusCode, reason: Reason, message: impl Into<String>) -> Refusal {
    Refusal::new(status, reason, message)
}

/// The answer to a refused request. `realm`: the request's URL without query.
pub(super) fn refuse(refusal: &Refusal, realm: impl FnOnce() -> String) -> Response<ResponseBody> {
    let mut response = json(refusal.status, refusal.body().into());
    if let Some(allow) = &refusal.allow {
        response.headers_mut().insert(ALLOW, allow.clone());
    }
    if refusal.reason == Reason::TooManyRequests {
        response.headers_mut().insert(RETRY_AFTER, SOON);
    }
    if refusal.challenge.is_some()
        && let Some(challenge) = refusal.www_authenticate(&realm())
    {
        response.headers_mut().insert(WWW_AUTHENTICATE, challenge);
    }
    response
}

/// The health path (ESPv2's body).
pub(super) fn healthy() -> Response<ResponseBody> {
    json(
        StatusCode::OK,
        Bytes::from_static(br#"{"code":200,"message":""}"#),
    )
}

/// The same request belongs to this path and query (ESPv2's status and body).
pub(super) fn redirect(location: HeaderValue) -> Response<ResponseBody> {
    let mut response = json(
        StatusCode::TEMPORARY_REDIRECT,
        Bytes::from_static(br#"{"code":307,"message":""}"#),
    );
    response.headers_mut().insert(LOCATION, location);
    response
}

/// A preflight that is answered here: 200 and no body.
pub(super) fn preflight(headers: HeaderMap) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    *response.headers_mut() = headers;
    response
}

fn json(status: StatusCode, body: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
