//! Whether a head asks for another protocol (RFC 9110 section 7.8), told from its fields.
//!
//! Asked for is one protocol, by one `Upgrade` field that `Connection` names. Whatever else has the
//! field is an ordinary request, as the section allows, and goes on without it.

use crate::proxy::http1::{TOKEN, class};

/// `fields`: the field lines, each with CR LF, checked already.
pub(super) fn is_asked(fields: &[u8]) -> bool {
    let mut protocol = None;
    let mut named = false;
    for line in fields.split(|&byte| byte == b'\n') {
        let line = line.trim_ascii_end();
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = (&line[..colon], &line[colon + 1..]);
        if name.eq_ignore_ascii_case(b"upgrade") {
            if protocol.replace(value.trim_ascii()).is_some() {
                return false;
            }
        } else if name.eq_ignore_ascii_case(b"connection") {
            named |= value
                .split(|&byte| byte == b',')
                .any(|option| option.trim_ascii().eq_ignore_ascii_case(b"upgrade"));
        }
    }
    named && protocol.is_some_and(is_passed_on)
}

/// `name ["/" version]`. Neither HTTP itself nor TLS with HTTP in it: the requests that follow would
/// be seen by nobody.
fn is_passed_on(protocol: &[u8]) -> bool {
    let mut parts = protocol.split(|&byte| byte == b'/');
    let name = parts.next().unwrap_or_default();
    let version = parts.next();
    let is_token = |part: &[u8]| !part.is_empty() && part.iter().all(|&b| class(b) & TOKEN != 0);
    let hides_requests = [&b"http"[..], b"h2", b"h2c", b"h3", b"tls"]
        .iter()
        .any(|hidden| name.eq_ignore_ascii_case(hidden));
    is_token(name) && version.is_none_or(is_token) && parts.next().is_none() && !hides_requests
}
