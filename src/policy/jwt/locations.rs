//! Where tokens are looked for (ESPv2's defaults, all three).

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, header};
use percent_encoding::percent_decode_str;

/// Identity-Aware Proxy's header.
const IAP_ASSERTION: HeaderName = HeaderName::from_static("x-goog-iap-jwt-assertion");
/// RFC 6750 section 2.3.
const QUERY_PARAMETER: &str = "access_token";

/// Text found where tokens are.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Found<'r> {
    pub(super) text: Cow<'r, str>,
    /// From Identity-Aware Proxy's header, where a token of an issuer that the document does not name
    /// says nothing to us: the proxy in front put it there for itself.
    pub(super) assertion: bool,
}

/// Everything found, in ESPv2's order. A repeated header or parameter counts each time: whichever
/// of them a backend reads, it was checked.
pub(super) fn find<'r>(headers: &'r HeaderMap, query: Option<&'r str>) -> Vec<Found<'r>> {
    let bearer = headers
        .get_all(header::AUTHORIZATION)
        .iter()
        .filter_map(|v| bearer(v.as_bytes()));
    let assertions = headers
        .get_all(IAP_ASSERTION)
        .iter()
        .map(|value| value.as_bytes().trim_ascii());
    let parameters = query
        .into_iter()
        .flat_map(|query| query.split('&'))
        .filter_map(parameter);

    // Not UTF-8 is not a token either: the replacement character is in no alphabet of ours.
    let bearer = bearer.map(|text| (String::from_utf8_lossy(text), false));
    let assertions = assertions.map(|text| (String::from_utf8_lossy(text), true));
    let parameters = parameters.map(|text| (text, false));
    bearer
        .chain(assertions)
        .chain(parameters)
        .filter(|(text, _)| !text.is_empty())
        .map(|(text, assertion)| Found { text, assertion })
        .collect()
}

/// The token of `Bearer TOKEN`, the scheme in any case (RFC 9110 section 11.1). A tab is no space by
/// the grammar, but a backend may think so: what it would read was checked.
fn bearer(value: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = value.split_at_checked("bearer".len())?;
    let token = rest.strip_prefix(b" ").or(rest.strip_prefix(b"\t"))?;
    scheme
        .eq_ignore_ascii_case(b"bearer")
        .then(|| token.trim_ascii())
}

fn parameter(pair: &str) -> Option<Cow<'_, str>> {
    let (name, value) = pair.split_once('=')?;
    let decoded = percent_decode_str(name).decode_utf8_lossy();
    (decoded == QUERY_PARAMETER).then(|| percent_decode_str(value).decode_utf8_lossy())
}
