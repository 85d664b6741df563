use super::*;
use crate::openapi::diagnostic::code;
use crate::openapi::source::positions;

fn contents(text: &str) -> Contents {
    read("file", text, &positions(text).unwrap())
}

#[test]
fn what_does_not_parse_is_ours_if_it_wanted_to_be() {
    for (text, expected) in [
        ("swagger: '2.0'\n\tx", true),
        ("\u{feff}openapi : 3.0.0\n}", true),
        ("# c\r\nswagger: [", true),
        ("{\"info\": {}, \"swagger\":\"2.0\"", true),
        ("{\n  \"openapi\" : \"3.0.0\",,", true),
        ("apiVersion: endpoints.dev/v1alpha1\n{{", true),
        ("a: 1\n---\napiVersion: \"endpoints.dev/v9\"\n{{", true),
        ("apiVersion: v1\nkind: ConfigMap\n{{", false),
        ("spec:\n  openapi: {{ .Values.x }}\n", false),
        ("openapi_version: {{ x }}", false),
        ("we like swagger: {{ a lot }}", false),
        ("", false),
    ] {
        assert_eq!(claims_to_be_ours(text), expected, "{text:?}");
    }
    let far = format!("{}swagger: '2.0'", "# é\n".repeat(100_000));
    assert!(!claims_to_be_ours(&far));
}

#[test]
fn what_is_neither_is_told_by_its_looks() {
    for (text, expected) in [
        ("asyncapi: 2.0.0", "an AsyncAPI document"),
        (
            "paths: {}",
            "a part of an OpenAPI document, without `swagger` or `openapi`",
        ),
        (
            "openapi: {enabled: true}",
            "a mapping that starts with `openapi`",
        ),
        (
            "$schema: x",
            "a JSON Schema, or a document that follows one",
        ),
        ("{}", "an empty mapping"),
        ("[1]", "a list"),
        ("words", "text"),
    ] {
        let contents = contents(text);
        assert!(contents.services.is_empty(), "{text}");
        assert_eq!(contents.strangers, [expected], "{text}");
    }
}

#[test]
fn openapi_documents_are_known_by_their_version_or_their_parts() {
    for text in [
        "swagger: '2.0'",
        "openapi: 3.1.0",
        "swagger: 2.0",
        "swagger:",
        "{info: {}, paths: {}}",
        "type: google.api.Service",
        "---\n---\nswagger: '2.0'\n---\n",
    ] {
        let contents = contents(text);
        assert_eq!(contents.services.len(), 1, "{text}");
        assert_eq!(contents.services[0].home, Home::File, "{text}");
    }
}

#[test]
fn documents_of_a_stream_each_count() {
    let contents =
        contents("swagger: '2.0'\n---\nkind: Pod\napiVersion: v1\n---\nopenapi: 3.0.0\n");
    let homes: Vec<_> = contents.services.iter().map(|entry| &entry.home).collect();
    assert_eq!(homes, [&Home::Document(0), &Home::Document(2)]);
    assert_eq!(contents.others, 1);
}

#[test]
fn resources_of_a_list_are_found_where_they_stand() {
    let item = "apiVersion: endpoints.dev/v1alpha1, kind: EndpointsService";
    let text = format!(
        "kind: List\napiVersion: v1\nitems:\n- {{apiVersion: v1, kind: Pod}}\n\
         - {{{item}, metadata: {{name: a}}, spec: {{openapi: {{inline: x}}}}}}\n"
    );
    let contents = contents(&text);
    let [entry] = &contents.services[..] else {
        panic!("{contents:?}");
    };
    assert!(entry.spec.is_ok());
    assert_eq!(entry.identity.name, "a");
    let pointer = String::from("/items/1");
    assert_eq!(
        entry.home,
        Home::Resource {
            document: 0,
            pointer,
            text: None,
        }
    );
}

#[test]
fn structure_is_what_an_api_server_would_hold() {
    let text = "swagger: 2.0\nn: [0x1F, 0o17, -3, +4, 1e3, 18446744073709551615]\n\
                m: {~: null, on: yes, 200: true}\n---\nswagger: x";
    let contents = contents(text);
    let spec = contents.services[0].spec.as_ref().unwrap();
    assert_eq!(
        spec.openapi.document,
        Some(serde_json::json!({
            "swagger": 2.0,
            "n": [31, 15, -3, 4, 1000.0, 18_446_744_073_709_551_615_u64],
            "m": {"~": null, "on": "yes", "200": true},
        }))
    );
}

#[test]
fn what_json_cannot_hold_is_an_error_at_its_place() {
    for (value, told) in [(".inf", "`.inf` is no number"), ("!x y", "the tag `!x`")] {
        let text = format!(
            "apiVersion: endpoints.dev/v1alpha1\nkind: EndpointsService\nmetadata: {{name: a}}\n\
             spec: {{openapi: {{document: {{a: {value}}}}}}}"
        );
        let findings = contents(&text).services.remove(0).spec.unwrap_err();
        assert!(findings[0].message.contains(told), "{findings:?}");
        assert_eq!(findings[0].place.pointer, "/spec/openapi/document/a");
    }
}

const REFERRING: &str = "\
apiVersion: endpoints.dev/v1alpha1
kind: EndpointsService
metadata: {name: a, namespace: shop}
spec: {openapi: {configMapKeyRef: {name: docs, key: api.yaml}}}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: docs, namespace: NAMESPACE}
data:
  api.yaml: |
    swagger: '2.0'
    paths: {/a: {get: {security: [{nobody: []}]}}}
";

#[test]
fn a_config_map_of_the_file_and_the_namespace_is_read() {
    let found = contents(&REFERRING.replace("NAMESPACE", "shop"));
    let entry = &found.services[0];
    assert!(!entry.is_unresolved());
    let (_, findings) = entry.compile();
    assert!(findings[0].message.contains("nobody"), "{findings:?}");
    let elsewhere = contents(&REFERRING.replace("NAMESPACE", "other"));
    assert!(elsewhere.services[0].is_unresolved());
    let (_, findings) = elsewhere.services[0].compile();
    let help = findings[0].help.as_deref().unwrap();
    assert!(help.contains("same files"), "{findings:?}");
}

#[test]
fn a_config_map_of_another_file_is_taken_where_there_is_none() {
    let text = REFERRING.replace("NAMESPACE", "shop");
    let (service, config_map) = text.split_once("---\n").unwrap();
    let mut alone = contents(service);
    assert!(alone.services[0].is_unresolved());
    alone.resolve_with(&contents(config_map).config_maps);
    assert!(!alone.services[0].is_unresolved());
}

const HEAD: &str =
    "apiVersion: endpoints.dev/v1alpha1\nkind: EndpointsService\nmetadata:\n  name: a\n";

fn findings(text: &str) -> Vec<Diagnostic> {
    let [entry] = &contents(text).services[..] else {
        panic!("{text}");
    };
    entry.compile().1
}

#[test]
fn lost_indentation_is_one_finding_that_says_what_belongs_where() {
    for (rest, key, home) in [
        (
            "spec:\nopenapi:\n  inline: x\ncors: {}\n",
            "openapi",
            "spec",
        ),
        (
            "spec:\n  openapi:\n  inline: |\n    swagger: '2.0'\n",
            "inline",
            "openapi",
        ),
        (
            "spec:\n  openapi:\n    inline: |\nswagger: '2.0'\npaths: {}\n",
            "swagger",
            "inline",
        ),
        (
            "spec:\n  openapi:\n    inline: |\n    openapi: 3.0.0\n    paths: {}\n",
            "openapi",
            "inline",
        ),
        (
            "spec:\n  openapi:\n    document:\n    swagger: '2.0'\n    paths: {}\n",
            "swagger",
            "document",
        ),
        (
            "spec:\nopenapi:\ninline: |\nswagger: '2.0'\npaths: {}\n",
            "openapi",
            "spec",
        ),
    ] {
        let found = findings(&format!("{HEAD}{rest}"));
        assert_eq!(found.len(), 1, "{rest}: {found:?}");
        let expected = format!("`{key}` belongs into `{home}`, not beside it");
        assert!(found[0].message.ends_with(&expected), "{rest}: {found:?}");
        assert!(found[0].help.is_some() && found[0].related.len() == 1);
        assert!(found[0].place.position.is_some());
    }
}

#[test]
fn an_empty_field_alone_is_no_lost_indentation() {
    for rest in [
        "spec:\n  openapi: {inline: x}\n  cors:\n  jwt:\n",
        "spec:\n  openapi: {inline: \"\"}\n",
        "spec:\n",
    ] {
        for finding in findings(&format!("{HEAD}{rest}")) {
            assert!(
                !finding.message.contains("indentation"),
                "{rest}: {finding}"
            );
        }
    }
}

#[test]
fn what_is_wrong_in_the_document_is_told_beside_what_is_wrong_around_it() {
    let document =
        "openapi:\n    inline: |\n      swagger: '2.0'\n      paths: {/a: {get: {securty: []}}}\n";
    for (text, around) in [
        (
            format!("{HEAD}spec:\n  {document}  mode: 3\n  corss: {{}}\n"),
            2,
        ),
        (format!("{HEAD}spec:\n  {document}cors: {{}}\n"), 1),
        (
            format!("{}spec:\n  {document}", HEAD.replace("name", "nam")),
            1,
        ),
        (
            format!("{}spec:\n  {document}", HEAD.replace("v1alpha1", "v9")),
            1,
        ),
    ] {
        let found = findings(&text);
        assert_eq!(found.len(), around + 1, "{text}: {found:?}");
        assert!(
            found.iter().any(|f| f.message.contains("securty")),
            "{found:?}"
        );
        let around = found.iter().filter(|f| f.code == code::INVALID_SPEC);
        assert!(around.clone().all(|f| f.help.is_some()), "{found:?}");
    }
}
