//! The URL of a server: its variables, and its parts.

use super::super::diagnostic::{Diagnostic, Findings, code, quote};
use super::super::source::{Cursor, Kind};

/// The longest URL, in bytes, after its variables are filled in.
const MAX_URL: usize = 2048;
/// The most variables of one server.
const MAX_VARIABLES: usize = 64;

/// A URL of a server, with its variables filled in.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Url<'u> {
    /// The host, without user and port; `None` in a relative URL.
    pub(super) host: Option<&'u str>,
    /// What follows it, up to a query or a fragment.
    pub(super) path: &'u str,
}

impl<'u> Url<'u> {
    /// Splits at the places that RFC 3986 (appendix B) says; whether the parts are right is not asked.
    pub(super) fn split(url: &'u str) -> Self {
        let url = &url[..url.find(['?', '#']).unwrap_or(url.len())];
        let after_scheme = url.find("://").map(|colon| colon + 1);
        let is_scheme = |scheme: &str| !scheme.contains('/');
        let rest = match after_scheme {
            Some(start) if is_scheme(&url[..start]) => &url[start..],
            _ => url,
        };
        let Some(authority) = rest.strip_prefix("//") else {
            return Self {
                host: None,
                path: rest,
            };
        };
        let (authority, path) = authority.split_at(authority.find('/').unwrap_or(authority.len()));
        let host = authority.rsplit('@').next().unwrap_or(authority);
        let host = match host.rsplit_once(':') {
            Some((host, port)) if port.bytes().all(|digit| digit.is_ascii_digit()) => host,
            _ => host,
        };
        Self {
            host: Some(host),
            path,
        }
    }
}

/// The URL with the defaults of its variables; `None` after a finding.
pub(super) fn fill_in(
    written: &str,
    url_at: &Cursor<'_>,
    server: &Cursor<'_>,
    findings: &mut Findings,
) -> Option<String> {
    let mut error = |at: &Cursor<'_>, message: String, help: &str| {
        findings.push(Diagnostic::error(code::INVALID_OPENAPI, at.place(), message).help(help));
    };
    let variables = server.get("variables");
    if let Some(variables) = &variables {
        match variables.kind() {
            Kind::Mapping(entries) if entries.len() <= MAX_VARIABLES => {}
            Kind::Mapping(_) => {
                let message = format!("a server has more than {MAX_VARIABLES} variables");
                error(variables, message, "write them out in the `url`");
                return None;
            }
            Kind::Null => {}
            _ => {
                findings.push(variables.wrong_kind("variables", "a mapping"));
                return None;
            }
        }
    }
    let mut url = String::new();
    let mut rest = written;
    while let Some((before, after)) = rest.split_once('{') {
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        let variable = variables.as_ref().and_then(|variables| variables.get(name));
        let Some(variable) = variable else {
            let message = format!("the server's variable {} is not defined", quote(name));
            error(
                url_at,
                message,
                "define it under `variables` with a `default`, or write its value into the `url`",
            );
            return None;
        };
        let default = variable.get("default");
        // `default: 8443` is as clear without quotes.
        let Some(value) = default.as_ref().and_then(Cursor::text) else {
            let message = format!("the server's variable {} has no `default`", quote(name));
            error(
                &variable,
                message,
                "add `default:` with its usual value, as text",
            );
            return None;
        };
        url.push_str(before);
        url.push_str(value);
        if url.len() > MAX_URL {
            break;
        }
        rest = after;
    }
    url.push_str(rest);
    if url.len() > MAX_URL {
        let message = format!("the server's `url` is longer than {MAX_URL} bytes");
        error(url_at, message, "shorten it");
        return None;
    }
    Some(url)
}
