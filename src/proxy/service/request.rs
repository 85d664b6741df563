//! The request as the backend gets it.

use std::borrow::Cow;

use http::header::HOST;
use http::request::Parts;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderValue, Request, StatusCode, Uri, Version};

use crate::policy::backend::PathTranslation;
use crate::policy::headers::{HeaderPlan, ORIGINAL_PATH, Origin, RequestEdits};
use crate::policy::verdict::{Reason, Refusal};
use crate::proxy::body::RequestBody;
use crate::proxy::client::Client;
use crate::proxy::respond::refusal;
use crate::proxy::upstream::Backend;

/// The target in origin form, with the path that was decided about and this query, which is the one that
/// came or a part of it; None: it is as it came.
pub(super) fn target(
    came: &Uri,
    path: Cow<'_, str>,
    query: Option<&str>,
) -> Result<Option<Uri>, Refusal> {
    let same_query = query.map(str::len) == came.query().map(str::len);
    match (path, came.path_and_query()) {
        (Cow::Borrowed(_), Some(_)) if same_query && came.authority().is_none() => Ok(None),
        (Cow::Borrowed(_), Some(as_it_came)) if same_query => {
            Ok(Some(Uri::from(as_it_came.clone())))
        }
        (path, _) => origin_form(match query {
            Some(query) => format!("{path}?{query}"),
            None => path.into_owned(),
        })
        .map(Some),
    }
}

/// The target where the operation's backend has its path translated; it is told of the path that came.
pub(super) fn translated(
    translation: &PathTranslation,
    path: &str,
    query: Option<&str>,
    headers: &mut HeaderMap,
) -> Result<Uri, Refusal> {
    if let Some(original) = original_path(path, query) {
        headers.insert(ORIGINAL_PATH, original);
    }
    origin_form(translation.apply(path, query))
}

fn origin_form(target: String) -> Result<Uri, Refusal> {
    PathAndQuery::try_from(target).map(Uri::from).map_err(|_| {
        let message = "The request path has a character that is not allowed.";
        refusal(StatusCode::BAD_REQUEST, Reason::BadPath, message)
    })
}

/// What the backend learns of a path that is translated for it; None: it is no value of a header.
fn original_path(path: &str, query: Option<&str>) -> Option<HeaderValue> {
    match query {
        None => HeaderValue::from_str(path),
        Some(query) => HeaderValue::try_from(format!("{path}?{query}")),
    }
    .ok()
}

/// The request as the backend gets it. `host`: the name of a backend that is not the service's own,
/// which takes the place of the client's.
pub(super) fn to_backend(
    mut parts: Parts,
    body: RequestBody,
    client: &Client,
    backend: &Backend,
    host: Option<&HeaderValue>,
    plan: &HeaderPlan,
    edits: Option<RequestEdits>,
) -> Request<RequestBody> {
    let headers = &mut parts.headers;
    let origin = Origin {
        peer: &client.forwarded_for,
        scheme: client.scheme(),
    };
    let asked = headers.get(HOST).cloned();
    plan.forward(headers, origin, asked.as_ref());
    if asked.is_none() {
        // HTTP/1.0 may leave it out, HTTP/1.1 may not.
        if let Ok(host) = HeaderValue::try_from(backend.address().authority()) {
            headers.insert(HOST, host);
        }
    }
    if let Some(edits) = edits {
        edits.apply(headers);
    }
    if let Some(host) = host {
        headers.insert(HOST, host.clone());
    }
    parts.version = Version::HTTP_11;
    parts.extensions.clear();
    Request::from_parts(parts, body)
}
