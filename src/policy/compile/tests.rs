// Tests write their JSON in place.
#![allow(clippy::needless_pass_by_value)]

mod backends;
mod bounds;
mod canonical;
mod cors;
mod described;
mod jwt;
mod jwt_settings;
mod keys;
mod limits;
mod observability;
mod overrides;
mod references;
mod routes;
mod security;
mod seeds;
mod service;
mod settings;
mod upstream;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::api::conditions::reason;
use crate::openapi::source::MAX_TEXT_BYTES;
use crate::policy::Prepared;
use crate::policy::format::{CorsMode, CorsPolicy, KeySource, Operation, OriginRule};

fn identity() -> ServiceIdentity {
    ServiceIdentity {
        name: String::from("bookstore"),
        namespace: String::from("shop"),
    }
}

const BOOKSTORE: &str = r#"
swagger: "2.0"
info: {title: Bookstore, version: "1"}
host: bookstore.example.com
basePath: /v1
securityDefinitions:
  google:
    type: oauth2
    authorizationUrl: ""
    flow: implicit
    x-google-issuer: https://accounts.google.com
    x-google-jwks_uri: https://www.googleapis.com/oauth2/v3/certs
    x-google-audiences: "a.example.com, https://b.example.com"
security:
- google: []
paths:
  /shelves:
    get: {operationId: ListShelves, security: [], responses: {200: {description: ok}}}
    post: {operationId: CreateShelf, responses: {200: {description: ok}}}
  /shelves/{shelf}:
    get: {responses: {200: {description: ok}}}
"#;

fn inline(document: &str) -> EndpointsServiceSpec {
    EndpointsServiceSpec {
        openapi: OpenApiSource {
            inline: Some(document.to_owned()),
            ..OpenApiSource::default()
        },
        service_name: None,
        cors: None,
        jwt: None,
        backend: None,
        routing: None,
        ..EndpointsServiceSpec::default()
    }
}

#[test]
fn a_document_becomes_a_policy() {
    let compiled = compile(&inline(BOOKSTORE), &identity()).unwrap();
    assert_eq!(compiled.warnings, []);
    let policy = compiled.policy;
    assert_eq!(policy.service, "bookstore.example.com");
    let operations: Vec<_> = policy
        .operations
        .iter()
        .map(|o| {
            (
                o.method.as_str(),
                o.path.as_str(),
                o.name.as_str(),
                o.security.len(),
            )
        })
        .collect();
    assert_eq!(
        operations,
        [
            ("GET", "/v1/shelves", "ListShelves", 0),
            ("POST", "/v1/shelves", "CreateShelf", 1),
            ("GET", "/v1/shelves/{shelf}", "get_v1_shelves__shelf_", 1),
        ]
    );
    let audiences = policy.providers["google"].audiences.clone().unwrap();
    assert_eq!(
        audiences.into_iter().collect::<Vec<_>>(),
        ["a.example.com", "b.example.com", "bookstore.example.com"]
    );
}

/// The bookstore with further fields of the spec.
fn bookstore(fields: Value) -> EndpointsServiceSpec {
    let mut spec = json!({"openapi": {"inline": BOOKSTORE}});
    spec.as_object_mut()
        .unwrap()
        .extend(fields.as_object().unwrap().clone());
    serde_json::from_value(spec).unwrap()
}

fn compiled(fields: Value) -> Compiled {
    let compiled = compile(&bookstore(fields.clone()), &identity());
    let compiled = compiled.unwrap_or_else(|findings| panic!("{fields}: {findings:#?}"));
    Prepared::new(compiled.policy.clone()).expect("what compiles can be run");
    compiled
}

/// Asserts that fields are refused with one error, at a pointer, with these words and this help.
fn assert_refused(fields: Value, pointer: &str, words: &str, help: &str) {
    let findings = compile(&bookstore(fields.clone()), &identity())
        .err()
        .unwrap_or_else(|| panic!("{fields} compiles"));
    assert_eq!(findings.len(), 1, "{fields}: {findings:#?}");
    let finding = &findings[0];
    assert_eq!(finding.place.pointer, pointer, "{finding}");
    assert!(finding.message.contains(words), "{fields}: {finding}");
    assert!(
        finding.help.as_deref().unwrap_or_default().contains(help),
        "{fields}: {finding}"
    );
}

fn cors(fields: Value) -> CorsPolicy {
    match compiled(json!({"cors": fields})).policy.cors {
        CorsMode::Owned(policy) => policy,
        other => panic!("{other:?}"),
    }
}

#[test]
fn codes_of_findings_are_reasons_of_the_condition() {
    assert_eq!(code::INVALID_OPENAPI, reason::INVALID_OPENAPI);
    assert_eq!(code::INVALID_SPEC, reason::INVALID_SPEC);
    assert_eq!(code::UNSUPPORTED_FEATURE, reason::UNSUPPORTED_FEATURE);
    assert_eq!(code::UNSUPPORTED_SECURITY, reason::UNSUPPORTED_SECURITY);
    assert_eq!(code::CONFLICTING_ROUTES, reason::CONFLICTING_ROUTES);
    assert_eq!(MAX_DOCUMENT_BYTES, MAX_TEXT_BYTES);
}

#[test]
fn exactly_one_source_is_read() {
    let source = |inline: Option<&str>, document: Option<Value>| {
        let mut spec = inline_spec();
        spec.openapi = OpenApiSource {
            inline: inline.map(str::to_owned),
            document,
            config_map_key_ref: None,
        };
        compile(&spec, &identity())
    };
    let document: Value = serde_yaml::from_str(BOOKSTORE).unwrap();
    assert!(source(None, Some(document.clone())).is_ok());
    for (inline, document) in [(Some(BOOKSTORE), Some(document)), (None, None)] {
        let findings = source(inline, document).unwrap_err();
        assert_eq!(findings[0].code, code::INVALID_SPEC);
        assert_eq!(findings[0].place.pointer, "/spec/openapi");
    }
}

fn inline_spec() -> EndpointsServiceSpec {
    inline(BOOKSTORE)
}

#[test]
fn a_document_over_the_limit_is_refused_as_text_and_as_structure() {
    let text = format!("{BOOKSTORE}# {}\n", "x".repeat(MAX_DOCUMENT_BYTES));
    let findings = compile(&inline(&text), &identity()).unwrap_err();
    assert!(findings[0].message.contains("1048576"), "{findings:?}");
    let mut document: Value = serde_yaml::from_str(BOOKSTORE).unwrap();
    document["info"]["description"] = json!("x".repeat(MAX_DOCUMENT_BYTES));
    let mut spec = inline_spec();
    spec.openapi = OpenApiSource {
        document: Some(document),
        ..OpenApiSource::default()
    };
    let findings = compile(&spec, &identity()).unwrap_err();
    assert!(findings[0].message.contains("1 MiB"), "{findings:?}");
    assert_eq!(findings[0].place.pointer, "/spec/openapi/document");
}

#[test]
fn findings_about_document_and_fields_come_together() {
    let mut spec = bookstore(json!({"cors": {"maxAge": "1d"}}));
    spec.openapi.inline = Some(String::from("swagger: '2.0'\npaths: []\n"));
    let findings = compile(&spec, &identity()).unwrap_err();
    let codes: Vec<_> = findings.iter().map(|finding| finding.code).collect();
    assert_eq!(codes, [code::INVALID_OPENAPI, code::INVALID_SPEC]);
}
