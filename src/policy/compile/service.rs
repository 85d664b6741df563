//! The service's name, its backend and its health path.

use super::address::{self, Address, BadAddress};
use super::{ServiceIdentity, invalid};
use crate::api::endpoints_service::{BackendSpec, RoutingSpec};
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::{Description, Diagnostic, Findings, Place, lints};
use crate::policy::path::normalise;

/// Checks `serviceName` as written.
pub(super) fn check_name(written: Option<&str>, findings: &mut Findings) -> Option<String> {
    let written = written?;
    if is_name(written) {
        return Some(written.to_owned());
    }
    let finding = invalid(
        "/spec/serviceName",
        format!("{} is not a name", quote(written)),
    );
    let bare = written.split_once("://").map_or(written, |(_, rest)| rest);
    let bare = bare.split('/').next().unwrap_or_default();
    findings.push(match is_name(bare) {
        true => finding.help(format!(
            "write `{bare}`: tokens are made for `https://{bare}`"
        )),
        false => {
            finding.help("write a name like `bookstore.example.com`, without scheme, port and path")
        }
    });
    None
}

/// The name audiences are built from.
pub(super) fn name(
    written: Option<String>,
    description: &Description,
    identity: &ServiceIdentity,
    findings: &mut Findings,
) -> String {
    let Some(written) = written else {
        let name = description
            .host
            .clone()
            .unwrap_or_else(|| format!("{}.{}.svc", identity.name, identity.namespace));
        check_endpoint_name(description, &name, findings);
        return name;
    };
    check_endpoint_name(description, &written, findings);
    if let Some(host) = &description.host
        && !host.eq_ignore_ascii_case(&written)
    {
        findings.push(
            Diagnostic::warning(
                lints::SERVICE_NAME_DIFFERS,
                Place::resource("/spec/serviceName"),
                format!(
                    "the document's `host` is {}: the audience now accepted is `https://{written}`",
                    quote(host)
                ),
            )
            .help(format!(
                "tokens for `https://{host}` are accepted only if `x-google-audiences` lists it"
            )),
        );
    }
    written
}

/// `x-google-endpoints[].name` where no `host` stands beside it: it would say for whom tokens are made.
fn check_endpoint_name(description: &Description, service: &str, findings: &mut Findings) {
    let Some((written, place)) = &description.endpoint_name else {
        return;
    };
    if !written.eq_ignore_ascii_case(service) {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                place.clone(),
                format!(
                    "the endpoint is {}, but the service is {}",
                    quote(written),
                    quote(service)
                ),
            )
            .help(format!(
                "set `serviceName` of the EndpointsService to {}, or write `host` into the document: audiences are made from it",
                quote(written)
            )),
        );
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 253
        && text.split('.').all(|label| {
            !label.is_empty()
                && label
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
        })
}

/// `SCHEME://HOST[:PORT]` or `unix:SOCKET`, nothing else.
pub(super) fn backend(spec: Option<&BackendSpec>, findings: &mut Findings) -> Option<String> {
    let written = spec?.address.as_deref()?;
    let checked = match written.strip_prefix("unix:") {
        Some(socket) => check_socket(socket),
        None => check_address(written),
    };
    match checked {
        Ok(address) => Some(address),
        Err(BadAddress { why, help }) => {
            let message = format!("{} is not an address: {why}", quote(written));
            findings.push(invalid("/spec/backend/address", message).help(help));
            None
        }
    }
}

/// By the rules of operations' addresses, but without a path, and with a scheme: where Google's proxy
/// takes `http` if none is written, its document takes `https`.
fn check_address(written: &str) -> Result<String, BadAddress> {
    const EXAMPLE: &str = "write it like `http://127.0.0.1:8080`";
    let bad = |why: &str, help: String| BadAddress {
        why: why.to_owned(),
        help,
    };
    if !written.contains("://") {
        let help = format!("{EXAMPLE}, or like `unix:/run/app.sock`");
        return Err(bad("it has no scheme", help));
    }
    let address = Address::parse(written).map_err(|bad| match bad.help == address::EXAMPLE {
        true => BadAddress {
            help: EXAMPLE.to_owned(),
            ..bad
        },
        false => bad,
    })?;
    if !address.path.is_empty() || address.has_query {
        let help = format!("write `{}`", address.as_written());
        return Err(bad("it has a path or a query", help));
    }
    Ok(address.as_written())
}

/// A socket's file, or its name in the network namespace that pod and sidecar share.
fn check_socket(socket: &str) -> Result<String, BadAddress> {
    /// `sun_path` of unix(7), without the byte that ends it.
    const MAX_BYTES: usize = 107;
    let named = socket.strip_prefix(['/', '@']).unwrap_or_default();
    let why = match () {
        () if named.is_empty() => String::from("it names no socket"),
        () if socket.len() > MAX_BYTES => {
            format!("the socket's path is longer than {MAX_BYTES} bytes")
        }
        () if socket.contains(char::is_control) => {
            String::from("the socket's path has a control character")
        }
        () => return Ok(format!("unix:{socket}")),
    };
    Err(BadAddress {
        why,
        help: String::from(
            "write it like `unix:/run/app.sock`, or `unix:@app` for an abstract socket",
        ),
    })
}

/// The health path, normalised as request paths are.
pub(super) fn healthz(spec: Option<&RoutingSpec>, findings: &mut Findings) -> Option<String> {
    let written = spec?.healthz.as_deref()?;
    let error = |why: &str| {
        invalid(
            "/spec/routing/healthz",
            format!("{} is not a path: {why}", quote(written)),
        )
    };
    if written.is_empty() || written.contains(['?', '#']) {
        findings.push(
            error("it is empty, or has a query or fragment").help("write a path like `/healthz`"),
        );
        return None;
    }
    let rooted = match written.starts_with('/') {
        true => written.to_owned(),
        false => format!("/{written}"),
    };
    match normalise(&rooted) {
        Ok(path) => Some(path.0.into_owned()),
        Err(why) => {
            findings.push(error(&why.to_string()).help("write a path like `/healthz`"));
            None
        }
    }
}
