//! Files that are generated and committed: each must be what its generator makes today. They are
//! written anew by `UPDATE_GENERATED=1 cargo test --test generated`.

#![allow(clippy::panic, reason = "helpers of tests fail by panicking, too")]

use std::path::PathBuf;
use std::process::Command;
use std::sync::LazyLock;

use endpoints::api::EndpointsService;
use kube::CustomResourceExt;
use serde_json::Value;

const DEFINITION: &str = "crds/endpoints.dev_endpointsservices.yaml";
const CHART: &str = "charts/endpoints-operator";
const MANIFEST: &str = "deploy/endpoints-operator.yaml";
/// By itself: whoever deletes the other file again keeps every EndpointsService.
const MANIFEST_DEFINITION: &str = "deploy/crds.yaml";

#[test]
fn the_custom_resource_definition_is_current() {
    assert_current(DEFINITION, &endpoints(&["crd"]));
}

#[test]
fn the_charts_copy_of_the_definition_is_current() {
    let copy = format!("{CHART}/files/endpoints.dev_endpointsservices.yaml");
    assert_current(&copy, &endpoints(&["crd"]));
}

#[test]
fn the_plain_manifests_are_the_charts_rendering() {
    let made = render(&["--no-hooks", "--set", "crds.install=false"]);
    assert_current(MANIFEST, &format!("{GENERATED}{NAMESPACE}{made}"));
    let made = render(&["--show-only", "templates/crd.yaml"]);
    assert_current(MANIFEST_DEFINITION, &format!("{GENERATED}{made}"));
}

const GENERATED: &str = "\
# Generated from charts/endpoints-operator by: UPDATE_GENERATED=1 cargo test --test generated
";

/// For `kubectl apply`; Helm makes the namespace itself.
const NAMESPACE: &str = "\
---
apiVersion: v1
kind: Namespace
metadata:
  name: endpoints-system
";

#[test]
fn the_chart_has_the_crates_version() {
    let chart: Value = serde_yaml::from_str(&read(&format!("{CHART}/Chart.yaml"))).unwrap();
    assert_eq!(chart["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(chart["appVersion"], env!("CARGO_PKG_VERSION"));
}

/// Users apply them with the image that they have just built or pulled.
#[test]
fn examples_and_image_have_the_crates_version() {
    let version = env!("CARGO_PKG_VERSION");
    for example in ["bookstore", "echo"] {
        let text = read(&format!("examples/{example}/deployment.yaml"));
        assert!(
            text.contains(&format!("image: endpoints-operator:{version}\n")),
            "{example}"
        );
    }
    let dockerfile = read("Dockerfile");
    assert!(dockerfile.contains(&format!("ARG VERSION={version}\n")));
    let toolchain = read("rust-toolchain.toml");
    let compiler = toolchain.split('"').nth(1).expect("a channel");
    assert!(dockerfile.contains(&format!("ARG RUST=docker.io/library/rust:{compiler}-")));
}

/// Rendered, it would be the chart's: the next upgrade would fight over it with the operator.
#[test]
fn the_chart_never_renders_a_ca_bundle() {
    for settings in [
        &[][..],
        &["--set", "jwks.allowHttp=true,crds.install=false"],
        &["--set", "certManager.enabled=true"],
    ] {
        // With a value: the definition has fields of that name, too.
        assert!(!render(settings).contains("caBundle: "));
    }
}

#[test]
fn the_definition_is_kept_at_uninstall_and_can_be_left_out() {
    let definition = "kind: CustomResourceDefinition";
    let whole = render(&[]);
    assert!(whole.contains(definition) && whole.contains("helm.sh/resource-policy: keep"));
    assert!(!render(&["--set", "crds.install=false"]).contains(definition));
}

/// An argument that the binary does not know would keep the operator, or a hook, from starting.
#[test]
fn the_binary_knows_every_argument_that_the_chart_gives_it() {
    let commands = [
        ("operator", "templates/deployment.yaml", 8),
        ("uninstall", "templates/uninstall.yaml", 3),
        ("install-check", "templates/tests/install-check.yaml", 0),
    ];
    for (command, template, at_least) in commands {
        let known = endpoints(&[command, "--help"]);
        let settings = "jwks.allow={10.0.0.0/8},jwks.allowHttp=true";
        let manifest = render(&["--set", settings, "--show-only", template]);
        assert!(
            manifest.contains(&format!("- {command}\n"))
                || manifest.contains(&format!("[{command}]"))
        );
        let arguments: Vec<_> = manifest
            .lines()
            .filter_map(|line| line.trim().strip_prefix("- --")?.split('=').next())
            .collect();
        assert!(
            arguments.len() >= at_least,
            "only {arguments:?} found: the search is broken"
        );
        for argument in arguments {
            let listed = known
                .split_whitespace()
                .any(|word| word.strip_prefix("--") == Some(argument));
            assert!(listed, "endpoints {command} has no --{argument}");
        }
    }
}

/// A panel of a metric that nobody has stays empty, and looks as if all were well.
#[test]
fn the_dashboard_shows_metrics_that_are_documented() {
    let documented = read("docs/metrics.md");
    let documented: Vec<_> = documented
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split('`').next())
        .collect();
    let dashboard: Value =
        serde_json::from_str(&read(&format!("{CHART}/files/dashboard.json"))).unwrap();
    let mut seen = 0;
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().expect("targets") {
            let expression = target["expr"].as_str().expect("an expression");
            let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            for word in words.filter(|word| word.starts_with("endpoints_")) {
                seen += 1;
                let name = word.strip_suffix("_bucket").unwrap_or(word);
                assert!(
                    documented.contains(&name),
                    "{name} is not in docs/metrics.md"
                );
            }
        }
    }
    assert!(seen > 10, "only {seen} metrics found: the search is broken");
}

#[test]
fn cert_managers_certificate_is_good_for_sidecars_and_is_what_the_operator_reads() {
    let made = render(&["--set", "certManager.enabled=true"]);
    let name = endpoints::push::wire::TLS_NAME;
    assert!(made.contains(&format!("    - {name}\n")), "{made}");
    assert!(
        made.contains("--certificate-folder=/certificates"),
        "{made}"
    );
    assert!(endpoints(&["operator", "--help"]).contains("--certificate-folder <FOLDER>"));
}

#[test]
fn a_mistyped_value_is_refused() {
    let mut command = helm();
    command.args(["template", "x", CHART, "--set", "jwks.alow={10.0.0.0/8}"]);
    let output = command.output().expect("helm runs");
    assert!(!output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("alow"));
}

#[test]
fn the_schema_holds_no_default() {
    each_schema(&schema(), "", &mut |place, schema| {
        assert!(
            schema.get("default").is_none(),
            "{place} has a default: the API server would store it"
        );
    });
}

#[test]
fn the_document_is_kept_as_written_and_replaced_as_a_whole() {
    let schema = schema();
    let document = schema
        .pointer("/properties/spec/properties/openapi/properties/document")
        .expect("spec.openapi.document");
    assert_eq!(document["x-kubernetes-preserve-unknown-fields"], true);
    assert_eq!(document["x-kubernetes-map-type"], "atomic");
}

#[test]
fn conditions_are_a_map_by_type() {
    let schema = schema();
    let conditions = schema
        .pointer("/properties/status/properties/conditions")
        .expect("status.conditions");
    assert_eq!(conditions["x-kubernetes-list-type"], "map");
    assert_eq!(
        conditions["x-kubernetes-list-map-keys"],
        serde_json::json!(["type"])
    );
}

/// The API server prices a CEL rule by the largest value it could meet, and users' input is bounded
/// by nothing else.
#[test]
fn every_string_and_list_of_the_spec_is_bounded() {
    let schema = schema();
    let mut seen = 0;
    each_schema(
        &schema["properties"]["spec"],
        "spec",
        &mut |place, schema| match schema.get("type").and_then(Value::as_str) {
            Some("string") => {
                seen += 1;
                let bounded = schema.get("maxLength").is_some() || schema.get("enum").is_some();
                assert!(bounded, "{place} has no maxLength");
            }
            Some("array") => {
                seen += 1;
                assert!(schema.get("maxItems").is_some(), "{place} has no maxItems");
            }
            _ => {}
        },
    );
    assert!(
        seen > 10,
        "only {seen} strings and lists found: the walk is broken"
    );
}

/// kubectl prints a warning to every user for each format that the API server does not know.
#[test]
fn the_schema_uses_no_unknown_format() {
    each_schema(&schema(), "", &mut |place, schema| {
        if let Some(format) = schema.get("format").and_then(Value::as_str) {
            assert!(
                ["int32", "int64", "date-time"].contains(&format),
                "{place}: format {format}"
            );
        }
    });
}

fn schema() -> Value {
    let definition = serde_json::to_value(EndpointsService::crd()).expect("a definition is JSON");
    definition
        .pointer("/spec/versions/0/schema/openAPIV3Schema")
        .expect("one version with a schema")
        .clone()
}

/// Calls `visit` with each schema below `schema` and its place.
fn each_schema(schema: &Value, place: &str, visit: &mut impl FnMut(&str, &Value)) {
    visit(place, schema);
    for (name, property) in schema["properties"].as_object().into_iter().flatten() {
        each_schema(property, &format!("{place}.{name}"), visit);
    }
    for inner in ["items", "additionalProperties"] {
        if schema[inner].is_object() {
            each_schema(&schema[inner], &format!("{place}[]"), visit);
        }
    }
}

fn assert_current(path: &str, made: &str) {
    if std::env::var_os("UPDATE_GENERATED").is_some() {
        let path = root().join(path);
        std::fs::create_dir_all(path.parent().expect("a file in the tree")).expect("a folder");
        std::fs::write(&path, made).expect("a writable tree");
    }
    assert!(
        read(path) == made,
        "{path} is stale; run: UPDATE_GENERATED=1 cargo test --test generated"
    );
}

fn endpoints(arguments: &[&str]) -> String {
    run(Command::new(env!("CARGO_BIN_EXE_endpoints")).args(arguments))
}

fn render(settings: &[&str]) -> String {
    let place = [
        "template",
        "endpoints-operator",
        CHART,
        "--namespace",
        "endpoints-system",
    ];
    run(helm().args(place).args(settings))
}

/// The Helm of the test cluster's tools: built on first use.
fn helm() -> Command {
    static FOLDER: LazyLock<String> =
        LazyLock::new(|| run(Command::new(root().join("tests/cluster/tools")).arg("api")));
    let mut command = Command::new(PathBuf::from(FOLDER.trim()).join("helm"));
    command.current_dir(root());
    command
}

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn run(command: &mut Command) -> String {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed: {stderr}");
    String::from_utf8(output.stdout).expect("output is UTF-8")
}

fn read(path: &str) -> String {
    let path = root().join(path);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
