//! The backend's answer as the client gets it.

use http::header::{CACHE_CONTROL, CONTENT_LENGTH};
use http::{HeaderMap, HeaderValue, Response, StatusCode, Version};
use hyper::body::Body;

use crate::policy::headers::sanitise_response;
use crate::proxy::body::ResponseBody;
use crate::proxy::upstream::BackendBody;

/// The backend's answer as the client gets it.
pub(super) fn from_backend(response: Response<BackendBody>) -> Response<ResponseBody> {
    let (mut parts, body) = response.into_parts();
    sanitise_response(&mut parts.headers);
    if body.size_hint().exact().is_none() || parts.status == StatusCode::NO_CONTENT {
        // Framed by chunks: a length beside them would be a second reading. And 204 has none (RFC 9110
        // section 8.6): over HTTP/2 it would be an answer that lacks its body.
        parts.headers.remove(CONTENT_LENGTH);
    }
    one_length(&mut parts.headers);
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Response::from_parts(parts, ResponseBody::backend(body))
}

/// Says that the answer is for one client only (RFC 9111 section 5.2.2.7), whatever the backend says but
/// that it may not be stored at all.
pub(super) fn keep_private(headers: &mut HeaderMap) {
    let directives: Vec<String> = headers
        .get_all(CACHE_CONTROL)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .map(|directive| String::from_utf8_lossy(directive.trim_ascii()).into_owned())
        .filter(|directive| !directive.is_empty())
        .collect();
    let name = |directive: &str| {
        let name = directive.split('=').next().unwrap_or_default();
        name.trim().to_ascii_lowercase()
    };
    if directives.iter().any(|it| name(it) == "no-store") {
        return;
    }
    // `private="field"` is of that field only.
    let others = directives
        .into_iter()
        .filter(|it| !matches!(&*name(it), "public" | "private" | "s-maxage"));
    let all: Vec<_> = std::iter::once("private".to_owned())
        .chain(others)
        .collect();
    let value = HeaderValue::try_from(all.join(", "));
    headers.insert(
        CACHE_CONTROL,
        value.unwrap_or(HeaderValue::from_static("private")),
    );
}

/// Equal lengths, listed or repeated, become one (RFC 9110 section 8.6): we take them, whoever
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
