//! `endpoints check` as people and machines see it: the whole output of a run, for each form, held
//! against `golden/`. Those are written anew by `UPDATE_GENERATED=1 cargo test --test check`; read
//! the difference before it is committed.
// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

mod behaviour;
mod forms;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A run: its name, its arguments after `check`, its exit code.
const RUNS: &[(&str, &[&str], i32)] = &[
    ("good", &["good"], 0),
    ("inline", &["inline.yaml"], 1),
    ("inline-json", &["--format", "json", "inline.yaml"], 1),
    ("inline-sarif", &["--format", "sarif", "inline.yaml"], 1),
    ("inline-github", &["--format", "github", "inline.yaml"], 1),
    ("inline-color", &["--color", "always", "inline.yaml"], 1),
    ("stream", &["stream.yaml"], 1),
    ("three", &["three.yaml"], 1),
    ("list", &["list.json"], 1),
    ("list-json", &["--format", "json", "list.json"], 1),
    ("minified", &["minified.json"], 1),
    ("hostile", &["hostile.yaml", "latin1.yaml"], 1),
    ("broken", &["broken.yaml", "template.yaml"], 1),
    (
        "malformed",
        &["malformed.yaml", "flat.yaml", "empty.yaml"],
        1,
    ),
    ("neither", &["words.txt", "package.json"], 1),
    ("tree", &["tree"], 1),
    ("missing", &["missing.yaml", "good/openapi.yaml"], 2),
    ("missing-sarif", &["--format", "sarif", "missing.yaml"], 2),
    ("missing-github", &["--format", "github", "missing.yaml"], 2),
    (
        "routes",
        &["--routes", "who.yaml", "good/manifests.yaml"],
        0,
    ),
    (
        "routes-json",
        &["--routes", "--format", "json", "who.yaml"],
        0,
    ),
    ("help", &["--help"], 0),
];

#[test]
fn each_run_prints_what_is_golden() {
    let update = std::env::var_os("UPDATE_GENERATED").is_some();
    let mut stale = Vec::new();
    for (name, arguments, code) in RUNS {
        let output = check(arguments, "");
        let text = format!(
            "$ endpoints check {}\n{}{}",
            arguments.join(" "),
            said("stdout", &output.stdout),
            said("stderr", &output.stderr)
        );
        assert_eq!(output.status.code(), Some(*code), "{name}: {text}");
        let golden = folder().join("golden").join(format!("{name}.txt"));
        if update {
            std::fs::write(&golden, &text).unwrap();
        }
        let written = std::fs::read_to_string(&golden).unwrap_or_default();
        if written != text {
            stale.push(format!(
                "--- {name} is not golden any more, it prints:\n{text}"
            ));
        }
    }
    assert!(
        stale.is_empty(),
        "{}\nif that is right: UPDATE_GENERATED=1 cargo test --test check",
        stale.join("\n")
    );
}

#[test]
fn every_golden_file_belongs_to_a_run() {
    for entry in std::fs::read_dir(folder().join("golden")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap();
        assert!(RUNS.iter().any(|run| run.0 == name), "{name} is left over");
    }
}

/// Runs `endpoints check` where the documents are.
pub fn check(arguments: &[&str], stdin: &str) -> Output {
    let mut child = Command::new(env!("CARGO_BIN_EXE_endpoints"))
        .arg("check")
        .args(arguments)
        .current_dir(folder().join("documents"))
        .env_remove("CLICOLOR_FORCE")
        .env_remove("NO_COLOR")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // Who does not read its stdin may have gone already.
    let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
    child.wait_with_output().unwrap()
}

/// A stream's text, if there is any; escapes can be read, and the version does not matter.
fn said(stream: &str, bytes: &[u8]) -> String {
    if bytes.is_empty() {
        return String::new();
    }
    let text = String::from_utf8(bytes.to_vec()).unwrap();
    let text = text
        .replace('\x1b', "␛")
        .replace(env!("CARGO_PKG_VERSION"), "VERSION");
    format!("=== {stream}\n{text}")
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/check")
}
