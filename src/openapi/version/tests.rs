use super::super::diagnostic::code;
use super::super::tests::{assert_finding, findings};
use super::super::{read_text, read_value};

const INVALID: &str = code::INVALID_OPENAPI;
const FEATURE: &str = code::UNSUPPORTED_FEATURE;

#[test]
fn every_version_that_is_read_may_be_written_in_many_ways() {
    for version in [
        "swagger: \"2.0\"",
        "swagger: 2.0",
        "swagger: 2",
        "openapi: 3.0.0",
        "openapi: '3.0.4-rc1'",
        "openapi: 3.0",
        "openapi: 3.1",
        "openapi: \"3.1.1\"",
    ] {
        let read = read_text(&format!("{version}\npaths: {{/a: {{get: {{}}}}}}\n"));
        assert_eq!(read.unwrap().0.operations.len(), 1, "{version}");
    }
    for (field, version) in [
        ("swagger", serde_json::json!("2.0")),
        ("swagger", serde_json::json!(2.0)),
        ("swagger", serde_json::json!(2)),
        ("openapi", serde_json::json!(3)),
        ("openapi", serde_json::json!(3.1)),
    ] {
        let document = serde_json::json!({ field: version, "paths": {} });
        assert!(read_value(&document).is_ok(), "{document}");
    }
}

#[test]
fn other_versions_are_refused_by_name() {
    for (text, code, words, help) in [
        ("openapi: 3.2.0\n", FEATURE, "OpenAPI 3.2", "openapi: 3.1.1"),
        (
            "openapi: 2.0\n",
            INVALID,
            "`openapi` is `2.0`",
            "swagger: \"2.0\"",
        ),
        (
            "openapi: 4.0.0\n",
            INVALID,
            "is no version",
            "openapi: 3.0.3",
        ),
        ("openapi: '3'\n", INVALID, "is no version", "openapi: 3.0.3"),
        (
            "openapi: [3]\n",
            INVALID,
            "must be a version",
            "openapi: 3.0.3",
        ),
        (
            "swagger: '1.2'\n",
            INVALID,
            "`swagger` is `1.2`",
            "--to=swagger_2",
        ),
        (
            "swagger: 3.0\n",
            INVALID,
            "`swagger` is `3.0`",
            "openapi: 3.0.3",
        ),
        (
            "swagger: [2]\n",
            INVALID,
            "`swagger` is a list",
            "swagger: \"2.0\"",
        ),
        (
            "openapi: '3.1.0'\nswagger: '2.0'\n",
            INVALID,
            "both `openapi` and `swagger`",
            "keep the one",
        ),
    ] {
        let findings = findings(text);
        assert_eq!(findings.len(), 1, "{findings:?}");
        assert_eq!(findings[0].code, code, "{text}");
        assert!(findings[0].message.contains(words), "{}", findings[0]);
        assert!(
            findings[0].help.as_ref().unwrap().contains(help),
            "{}",
            findings[0]
        );
        assert!(findings[0].place.position.is_some());
    }
}

#[test]
fn what_is_not_openapi_is_named_and_says_what_to_write() {
    for (text, words, help) in [
        ("", "empty", "starts with its version"),
        ("{}", "empty", "starts with its version"),
        ("# nothing\n", "empty", "starts with its version"),
        (
            "[1]",
            "a list, not an OpenAPI document",
            "starts with its version",
        ),
        (
            "just text",
            "text, not an OpenAPI document",
            "starts with its version",
        ),
        (
            "info: {}\n",
            "neither `openapi` nor `swagger`",
            "starts with its version",
        ),
        (
            "type: google.api.Service\nname: a\n",
            "gRPC service configuration",
            "one path `/PACKAGE.SERVICE/METHOD`",
        ),
        (
            "apiVersion: v1\nkind: ConfigMap\n",
            "(`kind:` `ConfigMap`)",
            "configMapKeyRef",
        ),
        (
            "apiVersion: endpoints.dev/v1alpha1\nkind: EndpointsService\n",
            "Kubernetes manifest",
            "its `spec.openapi`",
        ),
        (
            "apiVersion: apps/v1\nkind: Deployment\n",
            "Kubernetes manifest",
            "the OpenAPI document itself",
        ),
        (
            "swaggerVersion: '1.2'\napis: []\n",
            "Swagger 1",
            "--to=swagger_2",
        ),
        ("asyncapi: 3.0.0\n", "AsyncAPI", "HTTP requests"),
        ("arazzo: 1.0.1\n", "Arazzo", "sourceDescriptions"),
        ("overlay: 1.0.0\n", "Overlay", "apply it"),
        ("paths: {}\n", "which version", "openapi: 3.0.3"),
        ("/books: {get: {}}\n", "it holds paths", "redocly"),
        ("get: {responses: {}}\n", "one path item", "redocly"),
        ("components: {}\n", "it holds definitions", "redocly"),
        (
            "type: object\nproperties: {}\n",
            "it holds a schema",
            "redocly",
        ),
        ("Book: {properties: {}}\n", "it holds schemas", "redocly"),
        ("$ref: other.yaml\n", "refers to another place", "redocly"),
        (
            "OpenAPI: 3.0.3\npath: {}\n",
            "`OpenAPI` is no field",
            "did you mean `openapi`?",
        ),
    ] {
        let findings = findings(text);
        assert_eq!(findings.len(), 1, "{text}: {findings:?}");
        assert_eq!(findings[0].code, INVALID, "{text}");
        assert!(
            findings[0].message.contains(words),
            "{text}: {}",
            findings[0]
        );
        assert!(
            findings[0].help.as_ref().unwrap().contains(help),
            "{}",
            findings[0]
        );
    }
    assert_finding("a: 1\nasyncapi: 3.0.0\n", INVALID, 2, 1, "AsyncAPI");
}

#[test]
fn documents_of_parts_and_webhooks_say_what_is_missing() {
    let webhooks = "openapi: 3.1.0\nwebhooks: {paid: {post: {}}}\n";
    assert_finding(webhooks, FEATURE, 1, 1, "`webhooks` and no `paths`");
    let parts = "openapi: 3.1.0\ncomponents: {schemas: {}}\n";
    assert_finding(parts, FEATURE, 1, 1, "`components` and no `paths`");
    assert_finding("openapi: 3.1.0\n", INVALID, 1, 1, "has no `paths`");
    let parts = "openapi: 3.0.3\ncomponents: {schemas: {}}\n";
    assert_finding(parts, INVALID, 1, 1, "has no `paths`");
}
