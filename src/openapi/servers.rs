//! `servers` (OpenAPI 3.x, section Server Object): under which prefixes operations exist.
//!
//! The host of a request chooses no operation here, so only the paths of the URLs count. The server that
//! is marked with `x-google-endpoint`, if there is one, alone counts, and its host names the service.

use super::diagnostic::{Diagnostic, Findings, Place, code, quote};
use super::host::is_host_name;
use super::source::{Cursor, Kind};
use super::{base_path, fields, google, lints};
use url::{Url, fill_in};

mod url;

#[cfg(test)]
mod tests;

/// The most servers in one list.
const MAX_SERVERS: usize = 64;

/// What one list of servers says.
#[derive(Debug)]
pub(super) struct Servers {
    /// Distinct prefixes of paths, in order, each without a slash at its end; at least one.
    pub(super) base_paths: Vec<String>,
    /// The marked server.
    pub(super) marked: Option<Marked>,
}

/// The server that is marked with `x-google-endpoint`.
#[derive(Debug)]
pub(super) struct Marked {
    /// The host of its URL, lower-cased, and where the URL stands; `None` after a finding.
    pub(super) host: Option<(String, Place)>,
    /// Its extension.
    pub(super) endpoint: google::ServerEndpoint,
}

/// Reads the `servers` of a document, path item or operation; `None` if it has none.
pub(super) fn read(
    at: &Cursor<'_>,
    google: &google::Context,
    findings: &mut Findings,
) -> Option<Servers> {
    let list = at.get("servers")?;
    let items = match list.kind() {
        Kind::Null => return None,
        Kind::Sequence(items) => items,
        _ => {
            findings.push(
                list.wrong_kind("servers", "a list")
                    .help("write `- url: https://HOST/BASE-PATH`"),
            );
            return None;
        }
    };
    if items.is_empty() {
        return None;
    }
    if items.len() > MAX_SERVERS {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                list.place(),
                format!("`servers` has more than {MAX_SERVERS} entries"),
            )
            .help("keep one for each base path: hosts make no difference here"),
        );
        return None;
    }
    let mut servers = Servers {
        base_paths: Vec::new(),
        marked: None,
    };
    for item in list.items() {
        if let Some(server) = server(&item, google, findings) {
            servers.add(server, findings);
        }
    }
    (!servers.base_paths.is_empty()).then_some(servers)
}

impl Default for Servers {
    /// Without `servers` there is one, with the URL `/`.
    fn default() -> Self {
        Self {
            base_paths: vec![String::new()],
            marked: None,
        }
    }
}

/// One entry of a list.
struct Server {
    base_path: String,
    marked: Option<Marked>,
}

impl Servers {
    fn add(&mut self, server: Server, findings: &mut Findings) {
        match (&self.marked, server.marked) {
            (None, None) => {
                if !self.base_paths.contains(&server.base_path) {
                    self.base_paths.push(server.base_path);
                }
            }
            (None, Some(marked)) => {
                self.base_paths = vec![server.base_path];
                self.marked = Some(marked);
            }
            (Some(_), None) => {}
            (Some(first), Some(second)) => findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    second.endpoint.place,
                    "two servers have `x-google-endpoint`, but it marks the one that names the service",
                )
                .help("remove one of them")
                .related(first.endpoint.place.clone(), "the other one"),
            ),
        }
    }
}

fn server(at: &Cursor<'_>, google: &google::Context, findings: &mut Findings) -> Option<Server> {
    if !matches!(at.kind(), Kind::Mapping(_)) {
        findings.push(
            at.wrong_kind("servers", "a list of mappings")
                .help("write `- url: https://HOST/BASE-PATH`"),
        );
        return None;
    }
    let names = ["url", "description", "variables"].into_iter();
    fields::check(at, "a server", names, &[], findings);
    google::check_extensions(at, google::Level::Server, google, findings);
    let endpoint = google::server_endpoint(at, findings);
    let Some(url_at) = at.get("url") else {
        findings.push(
            Diagnostic::error(code::INVALID_OPENAPI, at.place(), "a server has no `url`")
                .help("write `url: https://HOST/BASE-PATH`, or `url: /` for none"),
        );
        return None;
    };
    let Some(written) = url_at.string() else {
        findings.push(
            url_at
                .wrong_kind("url", "text")
                .help("write `url: https://HOST/BASE-PATH`, or `url: /` for none"),
        );
        return None;
    };
    let url = fill_in(written, &url_at, at, findings)?;
    let parts = Url::split(&url);
    let base_path = base_path_of(&parts, &url, &url_at, findings)?;
    warn_of_other_values(written, at, findings);
    let marked = endpoint.map(|endpoint| Marked {
        host: host_of(&parts, &url, &url_at, findings),
        endpoint,
    });
    Some(Server { base_path, marked })
}

/// Only one value of a variable is served: worth a word where it changes paths.
fn warn_of_other_values(written: &str, server: &Cursor<'_>, findings: &mut Findings) {
    let path = Url::split(written).path;
    for name in path.split('{').skip(1) {
        let name = name.split('}').next().unwrap_or(name);
        let Some(values) = server
            .get("variables")
            .and_then(|variables| variables.get(name)?.get("enum"))
        else {
            continue;
        };
        if values.items().nth(1).is_some() {
            findings.push(
                Diagnostic::warning(
                    lints::SERVER_VARIABLE,
                    values.key_place(),
                    format!(
                        "operations exist under the default of {} only, not under its other values",
                        quote(name)
                    ),
                )
                .help("write one server for each value that is to be served"),
            );
        }
    }
}

fn base_path_of(
    parts: &Url<'_>,
    url: &str,
    at: &Cursor<'_>,
    findings: &mut Findings,
) -> Option<String> {
    // A reference relative to where the document was found, which is the root for all we know.
    let path = match parts.host {
        None => parts.path.strip_prefix('.').unwrap_or(parts.path),
        Some(_) => parts.path,
    };
    let first = path.split('/').next().unwrap_or(path);
    if parts.host.is_none() && !first.is_empty() {
        let looks_like_host = first.contains(['.', ':']) || first == "localhost";
        let finding = Diagnostic::error(
            code::INVALID_OPENAPI,
            at.place(),
            format!(
                "the server's `url` is {}, which is neither a URL with a scheme nor a path with a slash in front",
                quote(url)
            ),
        );
        findings.push(finding.help(match looks_like_host {
            true => format!("write {}", quote(&format!("https://{url}"))),
            false => format!("write {}", quote(&format!("/{url}"))),
        }));
        return None;
    }
    match base_path::prefix(path) {
        Ok(base_path) => Some(base_path.to_owned()),
        Err(bad) => {
            let message = format!("the path of the server's `url` {}", bad.what);
            findings
                .push(Diagnostic::error(code::INVALID_OPENAPI, at.place(), message).help(bad.help));
            None
        }
    }
}

/// The host of the marked server, which names the service; `None` after a finding.
fn host_of(
    parts: &Url<'_>,
    url: &str,
    at: &Cursor<'_>,
    findings: &mut Findings,
) -> Option<(String, Place)> {
    match parts.host {
        Some(host) if is_host_name(host) => Some((host.to_ascii_lowercase(), at.place())),
        _ => {
            findings.push(
                Diagnostic::error(
                    code::INVALID_OPENAPI,
                    at.place(),
                    format!(
                        "the server with `x-google-endpoint` names the service, but its `url` is {}, which names no host",
                        quote(url)
                    ),
                )
                .help("write `url: https://HOST/BASE-PATH`, or remove `x-google-endpoint`"),
            );
            None
        }
    }
}
