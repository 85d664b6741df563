//! `endpoints inject` over every shape of pod. `pods/` holds what people write, `injected/` what comes
//! out and what is told; both are compared, and written anew by
//! `UPDATE_GENERATED=1 cargo test --test inject`.

#![allow(clippy::panic, reason = "helpers of tests fail by panicking, too")]

mod docs;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/inject")
        .join(name)
}

/// A command that prints and reads like a person's, in the folder of the pods.
fn inject(arguments: &[&str], input: &str) -> Output {
    let trust = folder("trust-bundle.pem");
    let mut child = Command::new(env!("CARGO_BIN_EXE_endpoints"))
        .current_dir(folder("pods"))
        .arg("inject")
        .args(arguments)
        .args(["--sidecar-image=registry.example/endpoints-operator:test"])
        .arg("--trust-bundle")
        .arg(trust)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("our binary runs");
    let mut stdin = child.stdin.take().expect("it is piped");
    stdin.write_all(input.as_bytes()).expect("it is read");
    drop(stdin);
    child.wait_with_output().expect("it ends")
}

fn text(bytes: Vec<u8>) -> String {
    // Only the version of what is injected changes by itself.
    let text = String::from_utf8(bytes).expect("text");
    ["\"", "\\\""].iter().fold(text, |text, quote| {
        let version = |number: &str| format!("{quote}version{quote}:{quote}{number}{quote}");
        text.replace(&version(env!("CARGO_PKG_VERSION")), &version("0"))
    })
}

fn pods() -> Vec<String> {
    let entries = std::fs::read_dir(folder("pods")).expect("the folder is there");
    let mut names: Vec<_> = entries
        .map(|entry| {
            let name = entry.expect("an entry").file_name();
            name.into_string().expect("a plain name")
        })
        .collect();
    names.sort();
    assert!(names.len() > 10, "{names:?}");
    names
}

fn documents(text: &str) -> Vec<Value> {
    use serde::Deserialize as _;
    let documents = serde_yaml::Deserializer::from_str(text);
    documents
        .map(|document| {
            let mut document = Value::deserialize(document).expect("YAML");
            drop_empty(&mut document);
            document
        })
        .collect()
}

/// Absent and empty are one to Kubernetes.
fn drop_empty(value: &mut Value) {
    if let Some(fields) = value.as_object_mut() {
        fields.retain(|name, value| {
            let nothing = value.is_null() || value == &serde_json::json!([]);
            name != "initContainers" || !nothing
        });
        fields.values_mut().for_each(drop_empty);
    } else if let Some(elements) = value.as_array_mut() {
        elements.iter_mut().for_each(drop_empty);
    }
}

#[test]
fn every_shape_of_pod_comes_out_as_committed() {
    for name in pods() {
        let output = inject(&["-f", &name], "");
        let code = output.status.code().expect("it ended by itself");
        assert_eq!(code, i32::from(name == "denied.yaml"), "{name}");
        let told = format!("{}exit code {code}\n", text(output.stderr));
        for (file, made) in [
            (format!("injected/{name}"), text(output.stdout)),
            (format!("injected/{name}.stderr"), told),
        ] {
            let path = folder(&file);
            if std::env::var_os("UPDATE_GENERATED").is_some() {
                std::fs::write(&path, &made).expect("a writable tree");
            }
            let committed = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                committed == made,
                "{file} is not what is made now:\n{made}\nif that is right: UPDATE_GENERATED=1 cargo test --test inject"
            );
        }
    }
}

#[test]
fn what_was_injected_is_injected_again_without_a_change() {
    for name in pods() {
        let once = inject(&["-f", &name], "").stdout;
        let once = String::from_utf8(once).expect("text");
        let again = inject(&["-f", "-"], &once).stdout;
        let again = String::from_utf8(again).expect("text");
        assert_eq!(documents(&once), documents(&again), "{name}");
    }
}

/// Native and classic, redirected and not: a pod goes from any form to any other as if it had been
/// injected for the first time.
#[test]
fn an_upgrade_replaces_what_an_earlier_version_injected() {
    for name in pods().iter().filter(|name| *name != "jobs.yaml") {
        let native = inject(&["-f", name, "--native-sidecars=true"], "");
        let classic = inject(&["-f", name, "--native-sidecars=false"], "");
        let native = String::from_utf8(native.stdout).expect("text");
        let classic = String::from_utf8(classic.stdout).expect("text");
        let older = native
            .replace("\"version\":\"", "\"version\":\"0.0.0-older-")
            .replace("\\\"version\\\":\\\"", "\\\"version\\\":\\\"0.0.0-older-");
        assert_eq!(
            older != native,
            native.contains("endpoints-proxy"),
            "{name}"
        );
        let moved = inject(&["-f", "-", "--native-sidecars=false"], &older);
        let moved = String::from_utf8(moved.stdout).expect("text");
        assert_eq!(documents(&moved), documents(&classic), "{name}");
        let back = inject(&["-f", "-", "--native-sidecars=true"], &moved);
        let back = String::from_utf8(back.stdout).expect("text");
        assert_eq!(documents(&back), documents(&native), "{name}");
    }
}

#[test]
fn what_is_not_a_pod_is_printed_as_it_was_written() {
    let written = "# a comment\napiVersion: v1\nkind: ConfigMap\ndata: {a: '1'}   # another\n";
    let output = inject(&["-f", "-"], written);
    assert_eq!(text(output.stdout), written);
    assert_eq!(
        text(output.stderr),
        "note: printed as written, no pods of theirs being known here: 1 ConfigMap of v1\n"
    );
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn a_kind_that_makes_annotated_pods_in_a_way_unknown_here_is_told() {
    let written = "apiVersion: argoproj.io/v1alpha1\nkind: Rollout\nmetadata: {name: shop}\n\
                   spec: {template: {metadata: {annotations: {endpoints.dev/service: shop}}}}\n";
    let output = inject(&["-f", "-"], written);
    assert_eq!(text(output.stdout), written);
    assert_eq!(output.status.code(), Some(0));
    let told = text(output.stderr);
    assert!(
        told.starts_with(
            "Rollout default/shop: printed as written: where a Rollout of argoproj.io/v1alpha1 has its pods"
        ),
        "{told}"
    );
}

#[test]
fn what_cannot_be_read_is_told() {
    let missing = inject(&["-f", "nothing.yaml"], "");
    assert_eq!(missing.status.code(), Some(1));
    assert!(text(missing.stderr).contains("cannot read nothing.yaml"));

    let output = inject(&["-f", "-"], "a: 1\n---\nb: [");
    assert_eq!(output.status.code(), Some(1));
    assert!(text(output.stdout).is_empty());
    assert!(text(output.stderr).contains("document 2 is not YAML"));

    let odd = "apiVersion: v1\nkind: Pod\nspec: {containers: 7}\n";
    let output = inject(&["-f", "-"], odd);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(text(output.stdout), odd);
    assert!(text(output.stderr).contains("Pod default/(no name): cannot be read"));
}

#[test]
fn what_cannot_be_known_here_is_said() {
    let pod = "apiVersion: v1\nkind: Pod\nmetadata: {annotations: {endpoints.dev/service: shop}}\n\
               spec: {containers: [{name: app, ports: [{name: http, containerPort: 1}]}]}\n";
    let told = text(inject(&["-f", "-", "-n", "books"], pod).stderr);
    assert!(
        told.contains("EndpointsService books/shop is not in the input"),
        "{told}"
    );
    let path = folder("pods/classic.yaml");
    let output = Command::new(env!("CARGO_BIN_EXE_endpoints"))
        .args(["inject", "--filename"])
        .arg(path)
        .output()
        .expect("our binary runs");
    let told = text(output.stderr);
    assert!(told.contains("no --trust-bundle"), "{told}");
}
