//! What is kept of a request to send it again.

use http::{HeaderName, HeaderValue, Method, Request, Uri};

use crate::proxy::body::RequestBody;

/// Room for most heads.
const USUAL_BYTES: usize = 1024;

/// A copy of an idempotent request without a body (RFC 9110 section 9.2.2). Hardly any is ever sent:
/// so names and values are copied as bytes, which costs a third of what a second map does.
#[derive(Debug)]
pub(super) struct Spare {
    method: Method,
    uri: Uri,
    /// Of each header: the lengths of name and value, whether the value is sensitive, name, value.
    fields: Vec<u8>,
}

impl Spare {
    /// None: it must not be sent twice.
    pub(super) fn of(request: &Request<RequestBody>) -> Option<Self> {
        let idempotent = matches!(
            *request.method(),
            Method::GET | Method::HEAD | Method::OPTIONS | Method::PUT | Method::DELETE
        );
        if !idempotent || !matches!(request.body(), RequestBody::Empty) {
            return None;
        }
        let mut fields = Vec::with_capacity(USUAL_BYTES);
        for (name, value) in request.headers() {
            let (name, bytes) = (name.as_str().as_bytes(), value.as_bytes());
            fields.extend_from_slice(&u16::try_from(name.len()).ok()?.to_ne_bytes());
            fields.extend_from_slice(&u32::try_from(bytes.len()).ok()?.to_ne_bytes());
            fields.push(value.is_sensitive().into());
            fields.extend_from_slice(name);
            fields.extend_from_slice(bytes);
        }
        Some(Self {
            method: request.method().clone(),
            uri: request.uri().clone(),
            fields,
        })
    }

    /// The request, as it was.
    pub(super) fn into_request(self) -> Request<RequestBody> {
        let mut request = Request::new(RequestBody::Empty);
        *request.method_mut() = self.method;
        *request.uri_mut() = self.uri;
        let mut rest = self.fields.as_slice();
        while let Some((name, value, further)) = field(rest) {
            request.headers_mut().append(name, value);
            rest = further;
        }
        request
    }
}

/// The first header, and what follows it. None: there is none.
fn field(bytes: &[u8]) -> Option<(HeaderName, HeaderValue, &[u8])> {
    let (name, rest) = bytes.split_first_chunk()?;
    let (value, rest) = rest.split_first_chunk()?;
    let (sensitive, rest) = rest.split_first()?;
    let (name, rest) = rest.split_at_checked(u16::from_ne_bytes(*name).into())?;
    let length = usize::try_from(u32::from_ne_bytes(*value)).ok()?;
    let (value, rest) = rest.split_at_checked(length)?;
    let mut value = HeaderValue::from_bytes(value).ok()?;
    value.set_sensitive(*sensitive == 1);
    Some((HeaderName::from_bytes(name).ok()?, value, rest))
}

#[cfg(test)]
mod tests;
