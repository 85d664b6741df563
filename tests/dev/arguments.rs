//! Wrong arguments and wrong files end with one clear message and exit code 1.

use std::net::TcpListener;
use std::process::Output;

use crate::process::{Dev, example, run};

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn fails_with(arguments: &[&str], texts: &[&str]) {
    let output = run(arguments);
    let said = stderr(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for text in texts {
        assert!(said.contains(text), "no `{text}` in: {said}");
    }
}

#[test]
fn a_broken_file_is_refused_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    for (name, text, place) in [
        ("yaml", "swagger: '2.0'\npaths: {\n", ":2:8\n"),
        (
            "scheme",
            "swagger: '2.0'\npaths:\n  /a:\n    get:\n      security:\n        - who: []\n",
            ":6:",
        ),
        (
            "routes",
            "swagger: '2.0'\npaths:\n  /a/{x}:\n    get: {}\n  /a/{y}:\n    get: {}\n",
            ":6:",
        ),
    ] {
        let file = folder.path().join(name);
        std::fs::write(&file, text).unwrap();
        let file = file.to_str().unwrap();
        fails_with(
            &["dev", file, "--listen", "127.0.0.1:0"],
            &[&format!("{file}{place}"), "error"],
        );
    }
}

#[test]
fn a_missing_and_a_huge_file_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = folder.path().join("missing.yaml");
    fails_with(
        &["dev", missing.to_str().unwrap()],
        &["missing.yaml", "No such file"],
    );
    let huge = folder.path().join("huge.yaml");
    std::fs::write(&huge, vec![b'#'; 3 << 20]).unwrap();
    fails_with(&["dev", huge.to_str().unwrap()], &["larger than 2 MiB"]);
    let long = folder.path().join("long.yaml");
    let comment = "# a comment\n".repeat(100_000);
    std::fs::write(&long, format!("swagger: '2.0'\npaths: {{}}\n{comment}")).unwrap();
    fails_with(
        &["dev", long.to_str().unwrap()],
        &["long.yaml\n", "error", "at most 1048576"],
    );
}

#[test]
fn a_manifest_that_no_cluster_takes_is_refused_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let manifest = std::fs::read_to_string(example("bookstore/endpointsservice.yaml")).unwrap();
    for (name, from, to, told) in [
        (
            "typo",
            "allowOrigins",
            "allowOrigin",
            &[":8:5\n", "error[InvalidSpec]: no such field: allowOrigin"][..],
        ),
        (
            "type",
            "kubernetes: true",
            "kubernetes: 12",
            &[":15:21\n", "error[InvalidSpec]"],
        ),
        (
            "version",
            "v1alpha1",
            "v9",
            &[
                ":2:13\n",
                "error[InvalidSpec]: apiVersion is not endpoints.dev/v1alpha1",
            ],
        ),
        (
            "kind",
            "kind: EndpointsService",
            "kind: Endpoint",
            &[":3:7\n", "error[InvalidSpec]: kind is not EndpointsService"],
        ),
        (
            "name",
            "  name: bookstore",
            "  namespace: shop",
            &["error[InvalidSpec]: the EndpointsService has no name"],
        ),
        (
            "field",
            "healthz: /healthz",
            "healthz: /a?b",
            &[":17:14\n", "error[InvalidSpec]"],
        ),
    ] {
        let changed = manifest.replacen(from, to, 1);
        assert_ne!(changed, manifest, "{name}");
        let file = folder.path().join(format!("{name}.yaml"));
        std::fs::write(&file, changed).unwrap();
        let file = file.to_str().unwrap();
        fails_with(
            &["dev", file, "--listen", "127.0.0.1:0"],
            &[&[file], told].concat(),
        );
    }
    let two = folder.path().join("both.yaml");
    std::fs::write(&two, format!("{manifest}---\na: 1\n")).unwrap();
    let lines = manifest.lines().count();
    fails_with(
        &["dev", two.to_str().unwrap()],
        &[
            &format!("both.yaml:{}:1\n", lines + 2),
            "several YAML documents",
        ],
    );
}

#[test]
fn a_filter_that_does_not_parse_is_refused_with_an_example() {
    let file = example("bookstore/endpointsservice.yaml");
    let file = file.to_str().unwrap();
    fails_with(
        &["dev", file, "--log", "a=b=c"],
        &["--log: `a=b=c`", "endpoints=debug"],
    );
    fails_with(&["echo", "--log", "a=b=c"], &["--log: `a=b=c`"]);
}

#[test]
fn its_own_address_is_refused_as_backend() {
    let file = example("bookstore/endpointsservice.yaml");
    let file = file.to_str().unwrap();
    for backend in ["http://127.0.0.1:8000", "http://localhost:8000"] {
        fails_with(&["dev", file, "--backend", backend], &["listens on"]);
    }
}

#[test]
fn an_address_in_use_is_noticed() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let file = example("bookstore/endpointsservice.yaml");
    fails_with(
        &["dev", file.to_str().unwrap(), "--listen", &address],
        &["cannot listen on", &address],
    );
}

#[test]
fn cors_on_the_command_line_is_for_bare_documents() {
    let file = example("bookstore/endpointsservice.yaml");
    fails_with(&["dev", file.to_str().unwrap(), "--cors"], &["cors: {}"]);
}

/// The operator's job, not this machine's: answered 503 with its reason, not 401.
#[test]
fn real_issuers_that_cannot_be_reached_are_our_failure() {
    let backend = Dev::start(&example("bookstore/endpointsservice.yaml"), &[]);
    let host = backend.exports[0]
        .strip_prefix("export ENDPOINTS_HOST=")
        .unwrap();
    let dev = Dev::start(
        &example("bookstore/endpointsservice.yaml"),
        &["--backend", host],
    );
    assert!(
        !dev.exports.iter().any(|line| line.contains("TOKEN")),
        "{:?}",
        dev.exports
    );
    let token = backend
        .exports
        .iter()
        .find(|line| line.starts_with("export TOKEN="))
        .unwrap();
    let answer = dev.paste(&format!(
        "{token}; curl -si -H \"Authorization: Bearer ${{TOKEN}}\" \"${{ENDPOINTS_HOST}}/v1/me\""
    ));
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    assert!(answer.contains("KeysUnavailable"), "{answer}");
}
