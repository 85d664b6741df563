//! `x-google-endpoints` (2.0) and `x-google-endpoint` (3.x): the service's name, and who answers
//! preflights.

use super::super::diagnostic::{Findings, Place, quote};
use super::super::source::{Cursor, Kind};
use super::Written;
use super::values::{boolean, mapping, sequence, text, wrong};

/// What an entry of `x-google-endpoints` may hold.
const LIST_FIELDS: [&str; 3] = ["name", "target", "allowCors"];
/// What `x-google-endpoint` may hold.
const SERVER_FIELDS: [&str; 1] = ["allowCors"];
/// The longest name, in bytes (RFC 1123 section 2.1).
const MAX_NAME: usize = 253;
/// The longest `target`, an IP address for Google's DNS, in bytes.
const MAX_TARGET: usize = 253;

/// What `x-google-endpoints` says.
#[derive(Debug, Default, PartialEq)]
pub(in super::super) struct EndpointList {
    /// Where `allowCors: true` stands: preflights go to the backend.
    pub(in super::super) allow_cors: Option<Place>,
    /// `name`, where the document has no `host` to compare it with.
    pub(in super::super) name: Option<Written>,
}

/// What `x-google-endpoint` says of its server.
#[derive(Debug, PartialEq)]
pub(in super::super) struct ServerEndpoint {
    /// Where `allowCors: true` stands: preflights go to the backend.
    pub(in super::super) allow_cors: Option<Place>,
    /// Where it stands.
    pub(in super::super) place: Place,
}

/// Reads `x-google-endpoints` of an OpenAPI 2.0 document: a list of at most one entry, whose name is
/// the `host` in any case.
pub(in super::super) fn endpoint_list(
    root: &Cursor<'_>,
    host: Option<&str>,
    findings: &mut Findings,
) -> EndpointList {
    let Some(endpoints) = root.get("x-google-endpoints") else {
        return EndpointList::default();
    };
    if let Kind::Mapping(_) = endpoints.kind() {
        findings.push(
            endpoints
                .wrong_kind("x-google-endpoints", "a list")
                .help("make its entry an item of a list: `- name: …`, in JSON `[{…}]`"),
        );
        return EndpointList::default();
    }
    if sequence(&endpoints, "x-google-endpoints", 1000, findings).is_err() {
        return EndpointList::default();
    }
    let mut entries = endpoints.items();
    let Some(entry) = entries.next() else {
        return EndpointList::default();
    };
    if let Some(second) = entries.next() {
        findings.push(
            wrong(&second, "`x-google-endpoints` has more than one entry")
                .help("keep the one whose name is the `host`"),
        );
        return EndpointList::default();
    }
    if mapping(&entry, "x-google-endpoints", &LIST_FIELDS, findings).is_err() {
        return EndpointList::default();
    }
    if let Some(target) = entry.get("target") {
        // Only Google's DNS reads it.
        let _ = text(&target, "target", MAX_TARGET, findings);
    }
    EndpointList {
        allow_cors: allow_cors(&entry, findings),
        name: name(&entry, host, findings),
    }
}

/// Reads `x-google-endpoint` of a server; `None` if the server does not have it.
pub(in super::super) fn server_endpoint(
    server: &Cursor<'_>,
    findings: &mut Findings,
) -> Option<ServerEndpoint> {
    let endpoint = server.get("x-google-endpoint")?;
    // `x-google-endpoint:` with nothing behind it marks the server as well as `{}`.
    let is_marked = matches!(endpoint.kind(), Kind::Null)
        || mapping(&endpoint, "x-google-endpoint", &SERVER_FIELDS, findings).is_ok();
    Some(ServerEndpoint {
        allow_cors: is_marked.then(|| allow_cors(&endpoint, findings)).flatten(),
        place: endpoint.key_place(),
    })
}

/// Where `allowCors: true` stands.
pub(super) fn allow_cors(at: &Cursor<'_>, findings: &mut Findings) -> Option<Place> {
    let allow_cors = at.get("allowCors")?;
    boolean(&allow_cors, "allowCors", findings)
        .is_ok_and(|allowed| allowed)
        .then(|| allow_cors.place())
}

/// The name, if there is no host; a finding if there is one and they differ.
fn name(entry: &Cursor<'_>, host: Option<&str>, findings: &mut Findings) -> Option<Written> {
    let Some(name) = entry.get("name") else {
        findings.push(
            wrong(entry, "the entry of `x-google-endpoints` has no `name`")
                .help("write `name:` with the document's `host`"),
        );
        return None;
    };
    let written = text(&name, "name", MAX_NAME, findings).ok()?;
    let Some(host) = host else {
        return Some((written.to_ascii_lowercase(), name.place()));
    };
    if !written.eq_ignore_ascii_case(host) {
        findings.push(
            wrong(
                &name,
                format!(
                    "the endpoint {} is not the `host` of the document, {}",
                    quote(written),
                    quote(host)
                ),
            )
            .help(format!("write `name: {host}`")),
        );
    }
    None
}
