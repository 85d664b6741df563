//! Requests as bytes: a copy that is cheap to make and is hardly ever needed.

use http::{HeaderName, HeaderValue, Method, Request, Uri, request};

#[cfg(test)]
mod tests;

/// The head of a request as HTTP/1.1 writes it.
pub(super) fn write(head: &request::Parts) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(512);
    let target = head
        .uri
        .path_and_query()
        .map_or("/", |target| target.as_str());
    for part in [head.method.as_str(), " ", target, " HTTP/1.1\r\n"] {
        bytes.extend_from_slice(part.as_bytes());
    }
    for (name, value) in &head.headers {
        bytes.extend_from_slice(name.as_str().as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value.as_bytes());
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

/// The request that was written so by [`write`]; None: that is not all of a head, and nothing else.
pub(super) fn read<B>(bytes: &[u8], body: B) -> Option<Request<B>> {
    let head = bytes.strip_suffix(b"\r\n\r\n")?;
    let mut lines = lines(head);
    let mut words = lines.next()?.split(|&byte| byte == b' ');
    let (method, target, version) = (words.next()?, words.next()?, words.next()?);
    if version != b"HTTP/1.1" || words.next().is_some() {
        return None;
    }
    let mut request = Request::new(body);
    *request.method_mut() = Method::from_bytes(method).ok()?;
    *request.uri_mut() = Uri::try_from(target).ok()?;
    for line in lines {
        let colon = line.iter().position(|&byte| byte == b':')?;
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        request.headers_mut().append(
            HeaderName::from_bytes(name).ok()?,
            HeaderValue::from_bytes(value).ok()?,
        );
    }
    Some(request)
}

/// No value holds a line break.
fn lines(mut head: &[u8]) -> impl Iterator<Item = &[u8]> {
    std::iter::from_fn(move || {
        if head.is_empty() {
            return None;
        }
        let end = head.windows(2).position(|two| two == b"\r\n");
        let line;
        (line, head) = match end {
            Some(end) => (&head[..end], &head[end + 2..]),
            None => (head, &[][..]),
        };
        Some(line)
    })
}
