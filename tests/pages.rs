//! `docs/endpointsservice.md` has every field of the spec, and what it and `docs/migrating.md` say to
//! write is accepted.

// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeSet;
use std::io::Write;
use std::process::{Command, Stdio};

use serde::Deserialize;
use serde_json::Value;

const PAGE: &str = include_str!("../docs/endpointsservice.md");
const MIGRATING: &str = include_str!("../docs/migrating.md");
const DEFINITION: &str = include_str!("../crds/endpoints.dev_endpointsservices.yaml");
/// Below these stands what users name themselves.
const OPEN: [&str; 1] = ["spec.openapi.document"];

#[test]
fn every_field_of_the_spec_is_on_the_page_and_no_other() {
    let definition: Value = serde_yaml::from_str(DEFINITION).unwrap();
    let schema = &definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
    let mut fields = BTreeSet::new();
    of_schema(&schema["properties"]["spec"], "spec", &mut fields);
    assert!(fields.len() > 90, "{fields:?}");

    let mut written = BTreeSet::new();
    for document in serde_yaml::Deserializer::from_str(&examples(PAGE)) {
        let resource = Value::deserialize(document).unwrap();
        if resource["kind"] == "EndpointsService" {
            of_value(&resource["spec"], "spec", &fields, &mut written);
        }
    }
    let missing: Vec<_> = fields.difference(&written).collect();
    let unknown: Vec<_> = written.difference(&fields).collect();
    assert!(
        missing.is_empty() && unknown.is_empty(),
        "to add to docs/endpointsservice.md: {missing:?}; to remove from it: {unknown:?}"
    );
}

#[test]
fn what_the_pages_say_to_write_is_accepted_without_a_warning() {
    let mut check = Command::new(env!("CARGO_BIN_EXE_endpoints"))
        .args(["check", "--deny-warnings", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = check.stdin.take().unwrap();
    let all = [examples(PAGE), examples(MIGRATING)].join("---\n");
    input.write_all(all.as_bytes()).unwrap();
    drop(input);
    let output = check.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{said}");
    assert!(said.contains("in 4 services"), "{said}");
}

/// kubectl and Helm read YAML 1.1, where these are booleans: a value of that name could be neither
/// installed nor written.
#[test]
fn no_value_of_a_field_is_a_boolean_to_kubectl() {
    let values: Vec<_> = DEFINITION
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix("- "))
        .map(str::to_lowercase)
        .collect();
    assert!(values.len() > 30, "{values:?}");
    for boolean in ["y", "n", "yes", "no", "on", "off"] {
        assert!(!values.iter().any(|value| value == boolean), "{boolean}");
    }
}

/// A page's blocks of YAML, as one stream of documents.
fn examples(page: &str) -> String {
    let blocks = page.split("```yaml\n").skip(1);
    let blocks: Vec<_> = blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    blocks.join("---\n")
}

/// The paths of all properties below; the items of a list are at the list's own path.
fn of_schema(schema: &Value, path: &str, into: &mut BTreeSet<String>) {
    if let Some(properties) = schema["properties"].as_object() {
        for (name, property) in properties {
            let path = format!("{path}.{name}");
            of_schema(property, &path, into);
            into.insert(path);
        }
    }
    if schema["items"].is_object() {
        of_schema(&schema["items"], path, into);
    }
}

/// The paths of all that is written below, down to where names are the user's own.
fn of_value(value: &Value, path: &str, fields: &BTreeSet<String>, into: &mut BTreeSet<String>) {
    match value {
        Value::Object(members) => {
            let below = format!("{path}.");
            let open = path != "spec" && !fields.iter().any(|field| field.starts_with(&below));
            if open || OPEN.contains(&path) {
                return;
            }
            for (name, value) in members {
                let path = format!("{path}.{name}");
                of_value(value, &path, fields, into);
                into.insert(path);
            }
        }
        Value::Array(items) => {
            for item in items {
                of_value(item, path, fields, into);
            }
        }
        _ => {}
    }
}
