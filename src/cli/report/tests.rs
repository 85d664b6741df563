use crate::api::EndpointsServiceSpec;
use crate::openapi::Place;
use crate::policy::{ServiceIdentity, compile};

use super::*;

const BLOCK: &str = r#"# comment
apiVersion: v1
kind: ConfigMap
---
apiVersion: endpoints.dev/v1alpha1
kind: EndpointsService
metadata:
  name: shop
spec:
  cors:
    allowOrigins:
    - https://ok.example.com
    - https://shop.example.com/
  openapi:
    inline: |

      swagger: "2.0"
      info: {title: Shop, version: "1"}
      paths:
        /books:
          get:
            security:
            - nobody: []
            responses: {200: {description: ok}}
"#;

fn findings(file: &str) -> Vec<Diagnostic> {
    let manifest = file.split("---\n").last().unwrap();
    let manifest: serde_json::Value = serde_yaml::from_str(manifest).unwrap();
    let spec: EndpointsServiceSpec = serde_json::from_value(manifest["spec"].clone()).unwrap();
    let identity = ServiceIdentity {
        name: String::from("shop"),
        namespace: String::from("default"),
    };
    locate(file, compile(&spec, &identity).unwrap_err())
}

fn places(findings: &[Diagnostic]) -> Vec<(usize, usize)> {
    findings
        .iter()
        .map(|finding| finding.place.position.unwrap())
        .map(|Position { line, column }| (line, column))
        .collect()
}

#[test]
fn a_finding_in_a_block_of_text_is_placed_in_the_file_around_it() {
    assert_eq!(places(&findings(BLOCK)), [(13, 7), (23, 15)]);
}

#[test]
fn a_finding_in_structure_is_placed_in_the_file_around_it() {
    let structure = BLOCK.replace("inline: |\n", "document:\n");
    assert_eq!(places(&findings(&structure)), [(13, 7), (23, 15)]);
}

#[test]
fn a_finding_in_quoted_text_names_both_places() {
    let quoted = r#"kind: EndpointsService
spec: {openapi: {inline: "swagger: '2.0'\npaths:\n  x: {}\n"}}
"#;
    let findings = findings(quoted);
    assert_eq!(places(&findings), [(2, 26)]);
    assert!(
        findings[0]
            .message
            .ends_with("(line 3, column 3 of the document)"),
        "{findings:?}"
    );
}

#[test]
fn a_finding_shows_file_line_caret_and_remedy() {
    let rendered = render("shop.yaml", Some(BLOCK), &findings(BLOCK), false);
    assert_eq!(
        rendered,
        r#"shop.yaml:13:7: error[InvalidSpec]: `https://shop.example.com/` is not an origin: it ends with a slash
   |
13 |     - https://shop.example.com/
   |       ^
   = at: /spec/cors/allowOrigins/1
   = help: write `https://shop.example.com`

shop.yaml:23:15: error[UnsupportedSecurity]: there is no security scheme `nobody`
   |
23 |             - nobody: []
   |               ^
   = at: /paths/~1books/get/security/0/nobody
   = help: define it: the document has no security schemes
"#
    );
}

#[test]
fn a_long_line_is_cut_around_the_caret() {
    let line = format!("{}X{}", " ".repeat(5000), "é".repeat(5000));
    let finding = Diagnostic::warning(
        "Test",
        Place::document(
            "",
            Some(Position {
                line: 1,
                column: 5001,
            }),
        ),
        "here",
    );
    let rendered = render("f", Some(&line), &[finding], false);
    let lines: Vec<_> = rendered.lines().collect();
    let caret = lines[3].chars().position(|c| c == '^').unwrap();
    assert_eq!(lines[2].chars().nth(caret), Some('X'));
    assert!(lines.iter().all(|line| line.chars().count() < 120));
}

#[test]
fn without_colour_there_are_no_escapes_and_with_it_only_ours() {
    let finding = Diagnostic::error("Test", Place::resource("/spec"), "m");
    assert!(!render("f", None, std::slice::from_ref(&finding), false).contains('\x1b'));
    assert!(render("f", None, &[finding], true).contains("\x1b[1;31merror[Test]\x1b[0m"));
}
