// What `docs/lints.md` shows is tested by `tests/lints.rs`; here is what it has no room for.

mod bounds;
mod cors;
mod jwt;
mod routes;
mod security;

use serde_json::{Value, json};

use crate::api::EndpointsServiceSpec;
use crate::openapi::Diagnostic;
use crate::policy::{ServiceIdentity, compile};

/// A scheme `shop` with nothing wrong about it.
const SHOP: &str = "{type: oauth2, x-google-issuer: 'https://issuer.example.com', x-google-jwks_uri: 'https://issuer.example.com/keys'}";

/// What a document and the fields around it give rise to.
fn findings(document: &str, fields: Value) -> Vec<Diagnostic> {
    let mut spec = json!({"openapi": {"inline": document}});
    spec.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    let spec: EndpointsServiceSpec = serde_json::from_value(spec).unwrap();
    let identity = ServiceIdentity {
        name: String::from("bookstore"),
        namespace: String::from("shop"),
    };
    match compile(&spec, &identity) {
        Ok(compiled) => compiled.warnings,
        Err(findings) => findings,
    }
}

/// The one finding, which has this name.
fn only(name: &str, document: &str, fields: Value) -> Diagnostic {
    let findings = findings(document, fields);
    assert_eq!(findings.len(), 1, "{document}: {findings:#?}");
    assert_eq!(findings[0].code, name, "{findings:#?}");
    findings[0].clone()
}

/// A document with the scheme `shop` (also another one), and what follows.
fn with_schemes(other: &str, rest: &str) -> String {
    format!("swagger: '2.0'\nsecurityDefinitions:\n  shop: {SHOP}\n{other}{rest}")
}
