use serde::Deserialize as _;
use serde_json::json;

use super::*;
use crate::api::EndpointsServiceSpec;

fn told(spec: &Value) -> Vec<String> {
    findings_of(spec).iter().map(ToString::to_string).collect()
}

#[test]
fn all_that_is_wrong_is_told_at_once_with_place_and_remedy() {
    let spec = json!({
        "serviceName": 3,
        "cors": [{"preset": "basic"}],
        "jwt": {"issuers": [{"jwksUri": "https://a"}], "audience": "x"},
        "mode": "audit",
        "limits": {"connections": "5", "headerCount": 9_999_999_999_u64},
        "timeouts": {"head": 3},
        "allowOrigins": [],
    });
    let told = told(&spec);
    for expected in [
        "/spec: `spec` has no `openapi`, which it needs (add `openapi:`",
        "/spec/serviceName: `serviceName` must be text, but is the number `3` (write it in quotes: `\"3\"`)",
        "/spec/cors: `cors` must be a mapping, but is a list (remove the `- `",
        "/spec/jwt/issuers/0: `issuers[0]` has no `issuer`, which it needs (add `issuer:`",
        "/spec/jwt/audience: no such field: audience (did you mean `audiences`?)",
        "/spec/mode: `mode` must be one of `Enforce`, `Audit`, but is `audit` (did you mean `Audit`?)",
        "/spec/limits/connections: `connections` must be a whole number from 1 to 1000000, but is text (write it without quotes: `5`)",
        "/spec/limits/headerCount: `headerCount` must be a whole number from 1 to 1000, but is the number `9999999999`",
        "/spec/timeouts/head: `head` must be text, but is the number `3` (write a duration with its unit: `3s`)",
        "/spec/allowOrigins: no such field: allowOrigins (move it: it belongs directly below `spec.cors`)",
    ] {
        assert!(
            told.iter().any(|finding| finding.starts_with(expected)),
            "{expected}: {told:#?}"
        );
    }
    assert_eq!(told.len(), 10, "{told:#?}");
}

/// Every finding has a remedy, whatever stands wherever.
#[test]
fn every_wrong_value_anywhere_has_a_remedy() {
    let mut paths = Vec::new();
    walk(spec_schema(), &mut Vec::new(), &mut paths);
    assert!(paths.len() > 50, "{}", paths.len());
    for path in paths {
        for wrong in [
            json!(-1.5),
            json!(true),
            json!("?"),
            json!([[]]),
            json!({"?": 1}),
        ] {
            let spec = path.iter().rev().fold(wrong, |value, name| match &**name {
                "[]" => json!([value]),
                name => json!({ name: value }),
            });
            for finding in findings_of(&spec) {
                assert!(finding.help.is_some(), "{spec}: {finding}");
                assert_eq!(finding.code, code::INVALID_SPEC);
                assert!(finding.place.pointer.starts_with("/spec"), "{finding}");
            }
        }
    }
}

fn walk(schema: &Value, path: &mut Vec<String>, paths: &mut Vec<Vec<String>>) {
    paths.push(path.clone());
    let mut step = |name: &str, schema: &Value| {
        path.push(name.to_owned());
        walk(schema, path, paths);
        path.pop();
    };
    if schema["items"].is_object() {
        step("[]", &schema["items"]);
    }
    for (name, schema) in schema["properties"].as_object().into_iter().flatten() {
        step(name, schema);
    }
}

/// What deserialising refuses has a finding, and what it takes has none.
#[test]
fn form_and_deserialising_agree_everywhere() {
    let mut paths = Vec::new();
    walk(spec_schema(), &mut Vec::new(), &mut paths);
    for path in paths
        .iter()
        .filter(|path| path.first().is_some_and(|name| name != "openapi"))
    {
        for value in [
            json!(-1),
            json!(1.5),
            json!(true),
            json!("?"),
            json!([]),
            json!(null),
        ] {
            let mut spec = path.iter().rev().fold(value, |value, name| match &**name {
                "[]" => json!([value]),
                name => json!({ name: value }),
            });
            spec["openapi"] = json!({"inline": "x"});
            // What only the field's own rule and bounds tell apart.
            if path
                .last()
                .is_some_and(|name| name == "workers" || name == "trustedHops")
            {
                continue;
            }
            let found = findings_of(&spec);
            let result = EndpointsServiceSpec::deserialize(&spec);
            // Deserialising takes a list for a mapping, which the API server does not.
            let is_list = found
                .iter()
                .all(|finding| finding.message.contains("a list"));
            assert!(
                found.is_empty() == result.is_ok() || (result.is_ok() && is_list),
                "{spec}: {found:?} {result:?}"
            );
        }
    }
}

#[test]
fn a_value_that_only_a_rule_forbids_gets_the_words_of_the_rule() {
    let finding = other("/listener/workers", "serde's words");
    assert_eq!(
        finding.to_string(),
        "/spec/listener/workers: `workers` has a value that it cannot have (give a number from 1 to 4, or auto)"
    );
    let finding = other("/headers/forwarded/trustedHops", "serde's words");
    assert!(
        finding
            .to_string()
            .ends_with("(give a whole number from 0 to 16)"),
        "{finding}"
    );
}

#[test]
fn documents_in_the_wrong_place_are_told_where_to_go() {
    let document = json!({"swagger": "2.0", "paths": {}});
    for (openapi, expected) in [
        (
            json!("swagger: '2.0'"),
            "/spec/openapi: `openapi` must be a mapping, but is text (write `inline: |`",
        ),
        (
            document.clone(),
            "/spec/openapi: the OpenAPI document, here `paths`, stands directly below `openapi` (write `document:`",
        ),
        (
            json!({"inline": document}),
            "/spec/openapi/inline: `inline` must be text, but is a mapping (write `document:`",
        ),
        (
            json!({"document": "swagger: '2.0'"}),
            "/spec/openapi/document: `document` must be a mapping, but is text (write `inline:`",
        ),
    ] {
        let told = told(&json!({"openapi": openapi}));
        assert_eq!(told.len(), 1, "{told:#?}");
        assert!(told[0].starts_with(expected), "{expected}: {told:#?}");
    }
}
