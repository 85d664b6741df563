//! Every answer that the proxy makes itself.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, LOCATION, RETRY_AFTER, WWW_AUTHENTICATE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode, Version};

use super::body::ResponseBody;
use crate::policy::verdict::{Reason, Refusal};

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const GRPC: HeaderValue = HeaderValue::from_static("application/grpc");
const GRPC_STATUS: HeaderName = HeaderName::from_static("grpc-status");
const GRPC_MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
/// Seconds after which there may be room again.
const SOON: HeaderValue = HeaderValue::from_static("1");

/// Who reads our answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Caller {
    /// Status and JSON.
    Http,
    /// A gRPC client: it looks at nothing but its own fields.
    Grpc,
}

impl Caller {
    /// Told by the request. gRPC is spoken over HTTP/2 only, and its calls are POST; gRPC-Web's
    /// clients read HTTP statuses (its content types are others).
    pub(super) fn of(parts: &Parts) -> Self {
        if parts.version != Version::HTTP_2 || parts.method != Method::POST {
            return Self::Http;
        }
        let kind = parts.headers.get(CONTENT_TYPE).map(HeaderValue::as_bytes);
        let rest = kind.and_then(|kind| kind.strip_prefix(GRPC.as_bytes()));
        match rest {
            Some([] | [b'+' | b';', ..]) => Self::Grpc,
            _ => Self::Http,
        }
    }
}

/// A refusal made here, for what the policy does not know of: sockets, framing, the backend.
pub(super) fn refusal(status: StatusCode, reason: Reason, message: impl Into<String>) -> Refusal {
    Refusal::new(status, reason, message)
}

/// The answer to a refused request, in the form that its caller reads. `realm`: the request's URL
/// without query.
pub(super) fn refuse(
    refusal: &Refusal,
    caller: Caller,
    realm: impl FnOnce() -> String,
) -> Response<ResponseBody> {
    let mut response = match caller {
        Caller::Http => json(refusal.status, refusal.body().into()),
        Caller::Grpc => grpc(refusal),
    };
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

/// gRPC's `Trailers-Only`: the whole answer is one head.
fn grpc(refusal: &Refusal) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::empty());
    let headers = response.headers_mut();
    *headers = grpc_status(refusal);
    headers.insert(CONTENT_TYPE, GRPC);
    response
}

/// The fields that end a call.
pub(super) fn grpc_status(refusal: &Refusal) -> HeaderMap {
    let mut fields = HeaderMap::with_capacity(4);
    fields.insert(GRPC_STATUS, refusal.grpc_status().into());
    fields.insert(GRPC_MESSAGE, refusal.grpc_message());
    fields
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

/// A preflight that is answered here: 200 and no body. Its headers come with all that CORS sets.
/// `room`: a map that is no longer needed, whose room serves again.
pub(super) fn preflight(mut room: HeaderMap) -> Response<ResponseBody> {
    room.clear();
    let mut response = Response::new(ResponseBody::empty());
    *response.headers_mut() = room;
    response
}

fn json(status: StatusCode, body: Bytes) -> Response<ResponseBody> {
    let mut response = Response::new(ResponseBody::full(body));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, JSON);
    response
}
