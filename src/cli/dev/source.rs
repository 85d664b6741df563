//! FILE: an EndpointsService manifest or a bare OpenAPI document, read whole at each change.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use kube::Resource as _;
use serde::Deserialize;

use crate::api::endpoints_service::{
    CorsSpec, EndpointsService, EndpointsServiceSpec, OpenApiSource,
};
use crate::cli::report;
use crate::openapi::Diagnostic;
use crate::openapi::diagnostic::{Place, Position, code};
use crate::openapi::source::positions;
use crate::policy::ServiceIdentity;

/// The most a FILE may hold, in bytes: a document of 1 MiB, indented into a manifest.
const MAX_FILE_BYTES: u64 = 2 * 1024 * 1024;

/// What FILE says.
#[derive(Debug)]
pub(super) struct Source {
    /// The resource's name and namespace; a bare document is named by its file.
    pub(super) identity: ServiceIdentity,
    /// The spec.
    pub(super) spec: EndpointsServiceSpec,
    /// Whether the file is a manifest, with the document inside.
    pub(super) manifest: bool,
}

/// Reads FILE's text.
pub(super) fn read(path: &Path) -> anyhow::Result<String> {
    let file =
        std::fs::File::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut text = String::new();
    file.take(MAX_FILE_BYTES + 1)
        .read_to_string(&mut text)
        .with_context(|| format!("cannot read {}", path.display()))?;
    if text.len() as u64 > MAX_FILE_BYTES {
        bail!(
            "{} is larger than 2 MiB: no EndpointsService may be",
            path.display()
        );
    }
    Ok(text)
}

/// Understands FILE's text. `cors`: `--cors`, for a bare document.
///
/// # Errors
/// What is wrong with a manifest around its document, placed in the file.
pub(super) fn parse(path: &Path, text: &str, cors: bool) -> Result<Source, Vec<Diagnostic>> {
    if !is_manifest(text) {
        return Ok(bare(path, text, cors));
    }
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let (Some(document), None) = (documents.next(), documents.next()) else {
        let mut finding = finding("", "the file holds several YAML documents")
            .help("put the EndpointsService into a file of its own");
        finding.place.position = positions(text).ok().and_then(|index| index.locate(1, ""));
        return Err(vec![finding]);
    };
    let mut findings = Vec::new();
    let resource = serde_ignored::deserialize(document, |field| {
        // The API server would drop them; here nobody would notice.
        let pointer = pointer(&field);
        if let Some((parent, name)) = pointer.rsplit_once('/')
            && parent.starts_with("/spec")
        {
            findings.push(finding(&pointer, &format!("no such field: {name}")));
        }
    });
    let resource: EndpointsService =
        resource.map_err(|error| vec![unreadable(&error.to_string(), error.location())])?;
    findings.extend(wrong_kind(text));
    let name = resource.metadata.name.unwrap_or_default();
    if name.is_empty() {
        findings.push(finding(
            "/metadata/name",
            "the EndpointsService has no name",
        ));
    }
    if !findings.is_empty() {
        return Err(report::locate(text, findings));
    }
    let namespace = resource
        .metadata
        .namespace
        .unwrap_or_else(|| "default".to_owned());
    Ok(Source {
        identity: ServiceIdentity { name, namespace },
        spec: resource.spec,
        manifest: true,
    })
}

fn bare(path: &Path, text: &str, cors: bool) -> Source {
    let stem = path
        .file_stem()
        .unwrap_or(path.as_os_str())
        .to_string_lossy()
        .into_owned();
    let spec = EndpointsServiceSpec {
        openapi: OpenApiSource {
            inline: Some(text.to_owned()),
            document: None,
        },
        service_name: None,
        cors: cors.then(CorsSpec::default),
        jwt: None,
        backend: None,
        routing: None,
    };
    Source {
        identity: ServiceIdentity {
            name: stem,
            namespace: "default".to_owned(),
        },
        spec,
        manifest: false,
    }
}

/// Whether the text claims to be an EndpointsService. Text that does not parse is taken as a
/// document: the reader there says where and why.
fn is_manifest(text: &str) -> bool {
    kind(text).is_some_and(|kind| {
        kind.kind.as_deref() == Some(&EndpointsService::kind(&()))
            || kind
                .api_version
                .is_some_and(|version| version.starts_with("endpoints.dev/"))
    })
}

/// What a manifest says it is.
#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
    #[serde(rename = "apiVersion")]
    api_version: Option<String>,
}

fn kind(text: &str) -> Option<Kind> {
    let first = serde_yaml::Deserializer::from_str(text).next()?;
    Kind::deserialize(first).ok()
}

/// A cluster takes no other kind and version, however alike the rest is.
fn wrong_kind(text: &str) -> Vec<Diagnostic> {
    let Some(written) = kind(text) else {
        return Vec::new();
    };
    [
        (
            "/apiVersion",
            written.api_version,
            EndpointsService::api_version(&()),
        ),
        ("/kind", written.kind, EndpointsService::kind(&())),
    ]
    .into_iter()
    .filter(|(_, written, right)| written.as_deref() != Some(right))
    .map(|(pointer, _, right)| finding(pointer, &format!("{} is not {right}", &pointer[1..])))
    .collect()
}

/// A finding about a field of the manifest.
fn finding(pointer: &str, message: &str) -> Diagnostic {
    Diagnostic::error(code::INVALID_SPEC, Place::resource(pointer), message)
}

/// A field of a wrong type, as the reader tells it.
fn unreadable(message: &str, location: Option<serde_yaml::Location>) -> Diagnostic {
    let Some(location) = location else {
        return finding("", message);
    };
    let (line, column) = (location.line(), location.column());
    let place = format!(" at line {line} column {column}");
    let mut finding = finding("", message.strip_suffix(&place).unwrap_or(message));
    finding.place.position = Some(Position { line, column });
    finding
}

/// The JSON pointer of a field that was passed over.
fn pointer(field: &serde_ignored::Path<'_>) -> String {
    use serde_ignored::Path;
    match field {
        Path::Root => String::new(),
        Path::Seq { parent, index } => format!("{}/{index}", pointer(parent)),
        Path::Map { parent, key } => {
            let key = key.replace('~', "~0").replace('/', "~1");
            format!("{}/{key}", pointer(parent))
        }
        Path::Some { parent }
        | Path::NewtypeStruct { parent }
        | Path::NewtypeVariant { parent } => pointer(parent),
    }
}
