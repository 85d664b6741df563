//! The service's name, its backend and its health path.

use http::Uri;

use super::address::is_metadata;
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

/// `http://HOST[:PORT]`, nothing else.
pub(super) fn backend(spec: Option<&BackendSpec>, findings: &mut Findings) -> Option<String> {
    let written = spec?.address.as_deref()?;
    match check_address(written) {
        Ok(address) => Some(address),
        Err(finding) => {
            findings.push(finding);
            None
        }
    }
}

fn check_address(written: &str) -> Result<String, Diagnostic> {
    const POINTER: &str = "/spec/backend/address";
    const EXAMPLE: &str = "write it like `http://127.0.0.1:8080`";
    let error = |why: &str| {
        invalid(
            POINTER,
            format!("{} is not an address: {why}", quote(written)),
        )
    };
    let uri: Uri = written
        .parse()
        .map_err(|_| error("it cannot be read").help(EXAMPLE))?;
    match uri.scheme_str() {
        Some("http") => {}
        Some(scheme @ ("https" | "grpc" | "grpcs")) => {
            return Err(Diagnostic::error(
                code::UNSUPPORTED_FEATURE,
                Place::resource(POINTER),
                format!("this version speaks only `http://` to backends, not `{scheme}://`"),
            )
            .help(EXAMPLE));
        }
        _ => return Err(error("it does not begin with `http://`").help(EXAMPLE)),
    }
    let authority = uri
        .authority()
        .ok_or_else(|| error("it has no host").help(EXAMPLE))?;
    let bare = authority.as_str().rsplit('@').next().unwrap_or_default();
    let help = format!("write `http://{bare}`");
    if bare.len() != authority.as_str().len() {
        return Err(error("it holds credentials").help(help));
    }
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || written.contains('#') {
        return Err(error("it has a path or a query").help(help));
    }
    // `http` takes `host:` and `host:99999` as well.
    let has_port = authority.as_str().len() > authority.host().len();
    if authority.host().is_empty()
        || (has_port && authority.port_u16().is_none_or(|port| port == 0))
    {
        return Err(error("its port is none").help(EXAMPLE));
    }
    if is_metadata(authority.host()) {
        return Err(error(
            "it is link-local: the cloud's metadata service answers there with credentials",
        )
        .help("write the address of a backend of your own"));
    }
    Ok(format!(
        "http://{}",
        authority.as_str().to_ascii_lowercase()
    ))
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
