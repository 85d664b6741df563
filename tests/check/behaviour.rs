//! Exit codes, arguments, and files that are not as they should be.

use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::process::Output;
use std::time::Duration;

use crate::check;

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// Has a warning, and no error.
const ODD: &str = "swagger: '2.0'\ninfo: {title: t, version: '1'}\nx-google-odd: 1\npaths: {}\n";

#[test]
fn warnings_fail_only_where_they_are_denied() {
    let output = check(&["-"], ODD);
    assert_eq!(code(&output), Some(0));
    assert!(
        stdout(&output).contains("1 warning in 1 service"),
        "{output:?}"
    );
    assert_eq!(code(&check(&["--deny-warnings", "-"], ODD)), Some(1));
}

#[test]
fn standard_input_is_a_file_like_others() {
    let output = check(&["-"], "swagger: '9'\n");
    assert_eq!(code(&output), Some(1));
    assert!(stdout(&output).contains("--> <stdin>:1:10"), "{output:?}");
}

#[test]
fn wrong_arguments_are_not_a_finding() {
    assert_eq!(code(&check(&[], "")), Some(2));
    assert_eq!(code(&check(&["--format", "xml", "good"], "")), Some(2));
    let output = check(&["--routes", "--format", "sarif", "good"], "");
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("--format json"), "{output:?}");
}

#[test]
fn what_cannot_be_read_is_told_from_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let closed = folder.path().join("closed.yaml");
    std::fs::write(&closed, ODD).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o000)).unwrap();
    let readable = std::fs::read(&closed).is_ok();
    let output = check(&["inline.yaml", closed.to_str().unwrap()], "");
    // Root reads everything.
    assert_eq!(code(&output), Some(if readable { 1 } else { 2 }));
    let output = check(&["inline.yaml", "missing.yaml"], "");
    assert_eq!(code(&output), Some(2));
    assert!(stdout(&output).contains("error[InvalidSpec]"), "{output:?}");
    assert!(stderr(&output).contains("missing.yaml"), "{output:?}");
}

#[test]
fn links_do_not_lead_in_circles() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path();
    std::fs::create_dir(path.join("..data")).unwrap();
    std::fs::write(path.join("..data/api.yaml"), ODD).unwrap();
    symlink("..data/api.yaml", path.join("api.yaml")).unwrap();
    symlink(".", path.join("circle")).unwrap();
    symlink("nowhere", path.join("dangling.yaml")).unwrap();
    symlink("self.yaml", path.join("self.yaml")).unwrap();
    let output = check(&[path.to_str().unwrap()], "");
    assert_eq!(code(&output), Some(0), "{output:?}");
    assert!(
        stdout(&output).contains("1 warning in 1 service"),
        "{output:?}"
    );
}

#[test]
fn a_file_named_twice_is_checked_once() {
    let output = check(&["inline.yaml", "./inline.yaml", "inline.yaml"], "");
    assert!(stdout(&output).contains("in 1 service"), "{output:?}");
}

#[test]
fn what_is_too_large_is_a_finding() {
    let large = format!("{ODD}{}", "# a comment\n".repeat(500_000));
    let output = check(&["-"], &large);
    assert_eq!(code(&output), Some(1));
    assert!(
        stdout(&output).contains("larger than 4194304 bytes"),
        "{output:?}"
    );
}

/// One text in all of a thousand services would be compiled a thousand times.
#[test]
fn aliases_do_not_multiply_work() {
    let mut text = String::from("apiVersion: v1\nkind: List\nmetadata:\n  a: &text |\n");
    text.push_str("    swagger: '2.0'\n    paths:\n");
    for path in 0..20_000 {
        text.push_str(&format!("      /a/path/of/the/document/{path}: {{}}\n"));
    }
    text.push_str("items:\n");
    for item in 0..5_000 {
        text.push_str(&format!(
            "- {{apiVersion: endpoints.dev/v1alpha1, kind: EndpointsService, metadata: {{name: a{item}}}, \
             spec: {{openapi: {{inline: *text}}}}}}\n"
        ));
    }
    let start = tokio::time::Instant::now();
    let output = check(&["-"], &text);
    assert_eq!(code(&output), Some(1));
    assert!(stdout(&output).contains("come to more than"));
    assert!(
        start.elapsed() < Duration::from_secs(60),
        "{:?}",
        start.elapsed()
    );
}

/// Who writes twenty thousand broken services gets no gigabyte of findings.
#[test]
fn findings_are_bounded() {
    let mut text = String::from("apiVersion: v1\nkind: List\nitems:\n");
    for _ in 0..2_000 {
        text.push_str("- {apiVersion: endpoints.dev/v1alpha1, kind: EndpointsService}\n");
    }
    let output = check(&["-"], &text);
    assert_eq!(code(&output), Some(1));
    let text = stdout(&output);
    assert!(
        text.contains("1001 errors in 500 services"),
        "{}",
        &text[text.len() - 300..]
    );
    assert!(
        text.contains("--> <stdin>:504:3"),
        "{}",
        &text[text.len() - 500..]
    );
}

#[test]
fn colours_are_for_terminals_and_for_those_who_ask() {
    let escapes = |arguments: &[&str]| stdout(&check(arguments, "")).contains('\x1b');
    assert!(!escapes(&["inline.yaml"]));
    assert!(escapes(&["--color", "always", "inline.yaml"]));
    assert!(!escapes(&["--color", "never", "inline.yaml"]));
    assert!(escapes(&["--color", "always", "--routes", "who.yaml"]));
}

#[test]
fn with_the_table_findings_go_to_stderr() {
    let output = check(&["--routes", "inline.yaml", "who.yaml"], "");
    assert_eq!(code(&output), Some(1));
    assert!(!stdout(&output).contains("error["), "{output:?}");
    assert!(stdout(&output).contains("ANYONE"), "{output:?}");
    assert!(stderr(&output).contains("error[InvalidSpec]"), "{output:?}");
}

#[test]
fn a_finding_is_explained_by_its_name() {
    let output = check(&["--explain", "shadowed-route"], "");
    assert_eq!(code(&output), Some(0));
    let text = stdout(&output);
    assert!(text.starts_with("shadowed-route\n"), "{text}");
    assert!(text.contains("Good") && !text.contains("\n#"), "{text}");
    let output = check(&["--explain", "no-such"], "");
    assert_eq!(code(&output), Some(2));
    assert!(stderr(&output).contains("shadowed-route"), "{output:?}");
    assert_eq!(
        code(&check(&["--explain", "no-effect", "good"], "")),
        Some(2)
    );
}

#[test]
fn the_table_does_not_speak_of_tokens_where_none_is_looked_for() {
    let document = "openapi: 3.0.3\ninfo: {title: t, version: '1'}\npaths:\n  /a: {get: {responses: {}, security: [{}]}}\n";
    let output = check(&["--routes", "-"], document);
    assert_eq!(code(&output), Some(0), "{output:?}");
    let text = stdout(&output);
    assert!(text.contains("ANYONE") && !text.contains("token"), "{text}");
}

#[test]
fn config_maps_are_found_in_all_files_that_are_named() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write(
        "service.yaml",
        "apiVersion: endpoints.dev/v1alpha1\nkind: EndpointsService\nmetadata: {name: a}\n\
         spec: {openapi: {configMapKeyRef: {name: docs, key: api.yaml}}}\n",
    );
    let path = folder.path().to_str().unwrap();
    let output = check(&[path], "");
    assert_eq!(code(&output), Some(1));
    assert!(
        stdout(&output).contains("key `api.yaml` of ConfigMap `docs` is not there"),
        "{output:?}"
    );
    write(
        "zz.yaml",
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: docs}\ndata:\n  api.yaml: |\n    \
         swagger: '2.0'\n    info: {title: t, version: '1'}\n    paths: {}\n",
    );
    let output = check(&[path], "");
    assert_eq!(code(&output), Some(0), "{output:?}");
}
