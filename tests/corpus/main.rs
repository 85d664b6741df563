//! Public OpenAPI documents that nobody on this project wrote: every valid one compiles, or is
//! refused for a reason that is written down (`refused.txt`); what Google's own compiler makes of
//! some of them is what we make of them, or the difference is written down (`docs/compiler.md`).
//!
//! `ENDPOINTS_CORPUS` names their folder. Without it the tests say that they are skipped, and in CI
//! (`CI` is set) they fail.
// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

mod baselines;
mod documents;
mod text_format;

use std::path::PathBuf;

use endpoints::api::EndpointsServiceSpec;
use endpoints::api::endpoints_service::{AudienceMode, JwtSpec, OpenApiSource};
use endpoints::openapi::Diagnostic;
use endpoints::policy::{Compiled, ServiceIdentity, compile};
use serde::Deserialize;

/// The folder and what its `manifest.json` says.
struct Corpus {
    folder: PathBuf,
    documents: Vec<Document>,
}

/// One document of the manifest.
#[derive(Deserialize)]
struct Document {
    file: String,
    version: Option<String>,
    /// A third party's word: `valid`, `invalid` or `error`.
    validator: String,
    /// What Google's compiler says to its own test inputs: `ok` or `error`.
    expect: Option<String>,
    operations: usize,
    note: String,
}

impl Corpus {
    fn open() -> Option<Self> {
        #[derive(Deserialize)]
        struct Manifest {
            count: usize,
            documents: Vec<Document>,
        }
        let Some(folder) = std::env::var_os("ENDPOINTS_CORPUS") else {
            assert!(
                std::env::var_os("CI").is_none(),
                "ENDPOINTS_CORPUS must name the corpus in CI"
            );
            println!("skipped: ENDPOINTS_CORPUS does not name the folder of the corpus");
            return None;
        };
        let folder = PathBuf::from(folder);
        let text = std::fs::read(folder.join("manifest.json"))
            .expect("ENDPOINTS_CORPUS holds a manifest.json");
        let manifest: Manifest = serde_json::from_slice(&text).expect("the manifest is JSON");
        assert_eq!(manifest.documents.len(), manifest.count);
        Some(Self {
            folder,
            documents: manifest.documents,
        })
    }

    /// Compiles a document that stands alone in its resource. Audiences are those of ESPv2.
    fn compile(&self, document: &Document) -> Result<Compiled, Vec<Diagnostic>> {
        let bytes =
            std::fs::read(self.folder.join(&document.file)).expect("the manifest names files");
        let spec = EndpointsServiceSpec {
            openapi: OpenApiSource {
                inline: Some(String::from_utf8_lossy(&bytes).into_owned()),
                ..OpenApiSource::default()
            },
            service_name: None,
            cors: None,
            jwt: Some(JwtSpec {
                audiences: Some(AudienceMode::Exclusive),
                ..JwtSpec::default()
            }),
            backend: None,
            routing: None,
            ..EndpointsServiceSpec::default()
        };
        let identity = ServiceIdentity {
            name: String::from("corpus"),
            namespace: String::from("test"),
        };
        compile(&spec, &identity)
    }
}

/// The errors among findings.
fn errors(findings: &[Diagnostic]) -> impl Iterator<Item = &Diagnostic> {
    findings.iter().filter(|finding| finding.is_error())
}
