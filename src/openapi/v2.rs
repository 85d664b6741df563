//! OpenAPI 2.0 (Swagger), as much of it as decides who may call what.
//!
//! Schemas, parameters, responses and tags are passed over. Fields that the specification does not
//! know are errors at the levels that are read: a mistyped `security` would leave the API open.

mod security;

use super::description::Description;
use super::diagnostic::{Diagnostic, Findings, code, quote};
use super::dialect::Dialect;
use super::host::is_host_name;
use super::references::References;
use super::servers::Servers;
use super::source::{Cursor, Kind};
use super::{base_path, fields, google, paths};

#[cfg(test)]
mod tests;

/// Reads a document whose version was checked. What it returns counts only if no error is found.
pub(super) fn read(
    root: &Cursor<'_>,
    dialect: &'static Dialect,
    findings: &mut Findings,
) -> Description {
    let names = dialect.document.iter().copied();
    fields::check(
        root,
        "an OpenAPI 2.0 document",
        names,
        dialect.foreign,
        findings,
    );
    let google = google::Context::new(root, dialect, findings);
    let host = root.get("host").and_then(|host| read_host(&host, findings));
    let base_path = root.get("basePath").map_or_else(String::new, |base_path| {
        read_base_path(&base_path, findings)
    });
    let schemes = security::schemes(root, &google, findings);
    let servers = Servers {
        base_paths: vec![base_path],
        marked: None,
    };
    let references = References::new(root);
    let mut reader = paths::Reader::new(
        root, dialect, &google, &schemes, references, servers, findings,
    );
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

/// The base path as a prefix of paths.
fn read_base_path(at: &Cursor<'_>, findings: &mut Findings) -> String {
    let Some(written) = at.string() else {
        if !matches!(at.kind(), Kind::Null) {
            findings.push(at.wrong_kind("basePath", "text"));
        }
        return String::new();
    };
    match base_path::prefix(written) {
        Ok(base_path) => base_path.to_owned(),
        Err(bad) => {
            let message = format!("`basePath` {}", bad.what);
            findings
                .push(Diagnostic::error(code::INVALID_OPENAPI, at.place(), message).help(bad.help));
            String::new()
        }
    }
}
