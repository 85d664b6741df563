//! Public OpenAPI documents that nobody on this project wrote: every eligible one compiles, every
//! other one is refused for a stated reason, and none makes the compiler panic or dawdle.
//!
//! `ENDPOINTS_CORPUS` names their folder. Without it the tests say that they are skipped, and in CI
//! (`CI` is set) they fail.
// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use endpoints::api::EndpointsServiceSpec;
use endpoints::api::endpoints_service::OpenApiSource;
use endpoints::openapi::Diagnostic;
use endpoints::policy::{Compiled, Prepared, ServiceIdentity, compile};
use serde::Deserialize;

/// How many documents of the manifest are eligible: see [`Document::is_eligible`].
const ELIGIBLE: usize = 26;
/// The longest that one document may take, in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(5);

const SECURITY: &str = "UnsupportedSecurity";
const FEATURE: &str = "UnsupportedFeature";
/// Valid documents of version 2.0 that are refused all the same: the end of their names, the code
/// of a finding, and a piece of its message that says why.
const REFUSED: &[(&str, &str, &str)] = &[
    // API keys come with a later version.
    (
        "testdata_array_type_missing_items.json",
        SECURITY,
        "`type: apiKey`",
    ),
    (
        "testdata_multi_apis_single_name2.json",
        SECURITY,
        "`type: apiKey`",
    ),
    (
        "testdata_multi_apis_single_name_version_conflict.json",
        SECURITY,
        "`type: apiKey`",
    ),
    ("test_resources_issue-1767.yaml", SECURITY, "`type: apiKey`"),
    (
        "golang-samples__endpoints_getting-started_openapi.yaml",
        SECURITY,
        "`type: apiKey`",
    ),
    (
        "nodejs-docs-samples__endpoints_getting-started_openapi.yaml",
        SECURITY,
        "`type: apiKey`",
    ),
    // Per-operation audiences too (these demand API keys besides).
    ("testdata_auth_default.json", FEATURE, "`x-security`"),
    ("testdata_bookstore.json", FEATURE, "`x-security`"),
    (
        "dotnet-docs-samples__endpoints_getting-started_openapi.yaml",
        FEATURE,
        "`x-security`",
    ),
    (
        "java-docs-samples__endpoints_multiple-versions_openapi-v2.yaml",
        FEATURE,
        "`x-security`",
    ),
    // A token and a key together.
    (
        "testdata_oauth_in_security.json",
        SECURITY,
        "demanded together (AND)",
    ),
    (
        "cloudendpoints_esp__doc_k8s_swagger.yaml",
        SECURITY,
        "demanded together (AND)",
    ),
    // Demands a scheme that it does not define: Google's compiler leaves the operation open.
    (
        "testdata_operation_name_slash.json",
        SECURITY,
        "no security scheme `api_key`",
    ),
    (
        "testdata_x_google_allow_extension_all_with_existing_catchall_m.json",
        FEATURE,
        "`x-google-allow: all`",
    ),
    (
        "keypublisher_templates_api-config.template.yml",
        FEATURE,
        "`x-google-backend`",
    ),
    // An issuer whose keys only discovery would find.
    (
        "esp-v2__examples_auth_openapi_swagger.json",
        FEATURE,
        "does not discover them",
    ),
];

#[derive(Deserialize)]
struct Manifest {
    count: usize,
    documents: Vec<Document>,
}

#[derive(Deserialize)]
struct Document {
    file: String,
    version: Option<String>,
    validator: String,
    expect: Option<String>,
    operations: usize,
}

impl Document {
    /// Version 2.0, valid by a third party, and (for test inputs of Google's compiler) taken by it.
    fn is_candidate(&self) -> bool {
        self.version.as_deref() == Some("2.0")
            && self.validator == "valid"
            && self.expect.as_deref() != Some("error")
    }

    fn refusal(&self) -> Option<(&'static str, &'static str)> {
        let refused = REFUSED
            .iter()
            .find(|(name, _, _)| self.file.ends_with(name))?;
        Some((refused.1, refused.2))
    }

    fn is_eligible(&self) -> bool {
        self.is_candidate() && self.refusal().is_none()
    }
}

#[test]
fn every_eligible_document_compiles_to_as_many_routes_as_it_has_operations() {
    let Some((folder, manifest)) = manifest() else {
        return;
    };
    let eligible: Vec<_> = manifest
        .documents
        .iter()
        .filter(|d| d.is_eligible())
        .collect();
    let mut problems = BTreeMap::new();
    for document in &eligible {
        match compile_file(&folder, document) {
            Err(findings) => {
                problems.insert(&document.file, format!("{findings:#?}"));
            }
            Ok(compiled) if compiled.policy.operations.len() != document.operations => {
                let problem = format!(
                    "{} routes instead of {}",
                    compiled.policy.operations.len(),
                    document.operations
                );
                problems.insert(&document.file, problem);
            }
            Ok(compiled) => {
                Prepared::new(compiled.policy).expect("what compiles can be run");
            }
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
    assert_eq!(eligible.len(), ELIGIBLE);
}

#[test]
fn every_other_valid_document_is_refused_for_its_stated_reason() {
    let Some((folder, manifest)) = manifest() else {
        return;
    };
    let mut refused = 0;
    for document in manifest
        .documents
        .iter()
        .filter(|document| document.is_candidate())
    {
        let Some((code, why)) = document.refusal() else {
            continue;
        };
        refused += 1;
        let findings = compile_file(&folder, document)
            .err()
            .unwrap_or_else(|| panic!("{} compiles: it is eligible", document.file));
        assert!(
            findings
                .iter()
                .any(|f| f.code == code && f.message.contains(why)),
            "{}: {findings:#?}",
            document.file
        );
    }
    assert_eq!(refused, REFUSED.len(), "a name in REFUSED fits no document");
}

#[test]
fn no_document_panics_or_takes_long_and_each_refusal_has_a_place() {
    let Some((folder, manifest)) = manifest() else {
        return;
    };
    assert_eq!(manifest.documents.len(), manifest.count);
    for document in &manifest.documents {
        let start = tokio::time::Instant::now();
        let result = compile_file(&folder, document);
        assert!(
            start.elapsed() < LONGEST,
            "{} took {:?}",
            document.file,
            start.elapsed()
        );
        let Err(findings) = result else { continue };
        assert!(
            findings.iter().any(Diagnostic::is_error),
            "{}",
            document.file
        );
        for finding in findings {
            assert!(
                finding.place.position.is_some(),
                "{}: {finding}",
                document.file
            );
        }
    }
}

fn manifest() -> Option<(PathBuf, Manifest)> {
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
    Some((
        folder,
        serde_json::from_slice(&text).expect("the manifest is JSON"),
    ))
}

fn compile_file(folder: &Path, document: &Document) -> Result<Compiled, Vec<Diagnostic>> {
    let bytes = std::fs::read(folder.join(&document.file)).expect("the manifest names files");
    let text = String::from_utf8_lossy(&bytes).into_owned();
    let spec = EndpointsServiceSpec {
        openapi: OpenApiSource {
            inline: Some(text),
            document: None,
        },
        service_name: None,
        cors: None,
        jwt: None,
        backend: None,
        routing: None,
    };
    let identity = ServiceIdentity {
        name: String::from("corpus"),
        namespace: String::from("test"),
    };
    compile(&spec, &identity)
}
