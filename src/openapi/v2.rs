//! OpenAPI 2.0 (Swagger), as much of it as decides who may call what.
//!
//! Schemas, parameters, responses and tags are passed over. Fields that the specification does not
//! know are errors at the levels that are read: a mistyped `security` would leave the API open.

mod security;

use super::description::Description;
use super::diagnostic::{Diagnostic, Findings, code, quote};
use super::source::{Cursor, Kind};
use super::{dialect, fields, google, paths};

#[cfg(test)]
mod tests;

/// The longest base path, in bytes.
const MAX_BASE_PATH: usize = 1024;

/// Reads a document whose version was checked. What it returns counts only if no error is found.
pub(super) fn read(root: &Cursor<'_>, findings: &mut Findings) -> Description {
    let dialect = &dialect::V2;
    let names = dialect.document.iter().copied();
    fields::check(root, "an OpenAPI 2.0 document", names, findings);
    let google = google::Context::new(root, dialect, findings);
    let host = root.get("host").and_then(|host| read_host(&host, findings));
    let base_path = root.get("basePath").map_or_else(String::new, |base_path| {
        read_base_path(&base_path, findings)
    });
    let schemes = security::schemes(root, &google, findings);
    let mut reader =
        paths::Reader::new(root, dialect, &google, &schemes, vec![base_path], findings);
    reader.read();
    let operations = reader.operations;
    let endpoints = google::endpoint_list(root, host.as_deref(), findings);
    Description {
        host_place: root.get("host").map(|host| host.place()),
        allow_cors: endpoints.allow_cors,
        host,
        operations,
        schemes,
        endpoint_name: endpoints.name,
        allow_all: google::allow_all(root, findings),
    }
}

fn read_host(at: &Cursor<'_>, findings: &mut Findings) -> Option<String> {
    let Some(host) = at.string() else {
        findings.push(at.wrong_kind("host", "text"));
        return None;
    };
    let error = |message: String| Diagnostic::error(code::INVALID_OPENAPI, at.place(), message);
    if let Some((name, port)) = host.rsplit_once(':')
        && !port.is_empty()
        && port.bytes().all(|digit| digit.is_ascii_digit())
        && is_host_name(name)
    {
        findings.push(
            error(format!(
                "`host` has a port ({port}), but it names the service, whatever port it listens on"
            ))
            .help(format!("write `host: {name}`")),
        );
        return None;
    }
    if !is_host_name(host) {
        let name = host.split_once("://").map_or(host, |(_, rest)| rest);
        let name = name.split('/').next().unwrap_or(name);
        let finding = error(format!(
            "`host` is {}, which is not a host name",
            quote(host)
        ));
        findings.push(match is_host_name(name) {
            true => finding.help(format!("write `host: {name}`")),
            false => finding.help("write a name like `bookstore.example.com`, or leave `host` out"),
        });
        return None;
    }
    Some(host.to_ascii_lowercase())
}

/// Letters, digits, `-` and `_` between dots; 253 characters at most (RFC 1123 section 2.1).
fn is_host_name(name: &str) -> bool {
    name.len() <= 253
        && name.split('.').all(|label| {
            !label.is_empty()
                && label.len() <= 63
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

/// The base path as a prefix of paths: without the slash at its end.
fn read_base_path(at: &Cursor<'_>, findings: &mut Findings) -> String {
    let Some(written) = at.string() else {
        if !matches!(at.kind(), Kind::Null) {
            findings.push(at.wrong_kind("basePath", "text"));
        }
        return String::new();
    };
    let error = |message: String| Diagnostic::error(code::INVALID_OPENAPI, at.place(), message);
    let base_path = written.trim_end_matches('/');
    if base_path.len() > MAX_BASE_PATH {
        findings.push(error(format!(
            "`basePath` is longer than {MAX_BASE_PATH} bytes"
        )));
        return String::new();
    }
    if base_path.contains(['{', '}', '*', '?', '#', ':']) {
        findings.push(
            error(format!(
                "`basePath` is {}, but it is no template",
                quote(written)
            ))
            .help(
                "write it without `{`, `}`, `*`, `?`, `#` and `:`; parameters belong into `paths`",
            ),
        );
        return String::new();
    }
    if !base_path.is_empty() && !base_path.starts_with('/') {
        findings.push(
            error(format!(
                "`basePath` is {}, but must begin with a slash",
                quote(written)
            ))
            .help(format!("write `basePath: /{}`", base_path)),
        );
        return String::new();
    }
    base_path.to_owned()
}
