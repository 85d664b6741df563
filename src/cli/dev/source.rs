//! FILE: an EndpointsService manifest or a bare OpenAPI document, read whole at each change.

use std::io::Read as _;
use std::path::Path;

use anyhow::{Context as _, bail};
use serde::Deserialize;

use crate::api::endpoints_service::{
    CorsSpec, EndpointsService, EndpointsServiceSpec, OpenApiSource,
};
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
pub(super) fn parse(path: &Path, text: &str, cors: bool) -> anyhow::Result<Source> {
    if !is_manifest(text) {
        return Ok(bare(path, text, cors));
    }
    if cors {
        bail!(
            "--cors is for a bare OpenAPI document: write `cors: {{}}` into the EndpointsService"
        );
    }
    let mut documents = serde_yaml::Deserializer::from_str(text);
    let (Some(document), None) = (documents.next(), documents.next()) else {
        bail!(
            "{} holds several YAML documents: put the EndpointsService into a file of its own",
            path.display()
        );
    };
    let mut unknown = Vec::new();
    let resource: EndpointsService =
        serde_ignored::deserialize(document, |field| unknown.push(field.to_string()))
            .with_context(|| path.display().to_string())?;
    // The API server would drop them; here nobody would notice.
    let unknown: Vec<_> = unknown
        .into_iter()
        .filter(|field| field.starts_with("spec"))
        .collect();
    if !unknown.is_empty() {
        bail!("{}: no such field: {}", path.display(), unknown.join(", "));
    }
    let name = resource
        .metadata
        .name
        .context("the EndpointsService has no metadata.name")?;
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
    #[derive(Deserialize)]
    struct Kind {
        kind: Option<String>,
        #[serde(rename = "apiVersion")]
        api_version: Option<String>,
    }
    let first = serde_yaml::Deserializer::from_str(text).next();
    first
        .and_then(|document| Kind::deserialize(document).ok())
        .is_some_and(|kind| {
            kind.kind.as_deref() == Some("EndpointsService")
                || kind
                    .api_version
                    .is_some_and(|version| version.starts_with("endpoints.dev/"))
        })
}
