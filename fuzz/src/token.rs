//! A JSON Web Token.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use http::{HeaderMap, HeaderValue, Method, Uri};

use super::request;

/// Lines: header, payload, signature as they are before they are encoded; with a fourth line the
/// token is the first line as it stands. No such token passes.
pub fn run(data: &[u8]) {
    let mut parts = data.splitn(4, |byte| *byte == b'\n');
    let (Some(header), Some(payload), Some(signature)) = (parts.next(), parts.next(), parts.next())
    else {
        return;
    };
    let encode = |part: &[u8]| BASE64_URL_SAFE_NO_PAD.encode(part);
    let token = match parts.next() {
        Some(_) => header.to_vec(),
        None => format!(
            "{}.{}.{}",
            encode(header),
            encode(payload),
            encode(signature)
        )
        .into_bytes(),
    };
    let Ok(value) = HeaderValue::from_bytes(&[b"Bearer ", &*token].concat()) else {
        return;
    };
    let mut headers = HeaderMap::new();
    headers.insert("authorization", value);
    for target in ["/both", "/closed", "/optional", "/scoped"] {
        request::check(&Method::GET, &Uri::from_static(target), &headers);
    }
}
