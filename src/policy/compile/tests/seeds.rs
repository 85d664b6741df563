//! What Google's pages about CORS and about Google ID tokens configure: as it is meant, and as it looks
//! once a page, a chat or a mail took its indentation away.

use super::*;
use crate::policy::format::{CorsMode, KeySource};

/// Preflights go to the backend.
const PASS_THROUGH: &str = r#"swagger: "2.0"
info: {title: Orders, version: "1"}
host: "orders.example.com"
x-google-endpoints:
- name: "orders.example.com"
  allowCors: True
paths:
  /orders:
    get: {operationId: ListOrders}
    options: {operationId: PreflightOrders}
#end"#;

/// Tokens of Google's sign-in, for two clients.
const ID_TOKENS: &str = r#"swagger: "2.0"
info: {title: Orders, version: "1"}
host: "orders.example.com"
securityDefinitions:
  google_id_token:
    authorizationUrl: ""
    flow: "implicit"
    type: "oauth2"
    x-google-issuer: "https://accounts.google.com"
    x-google-jwks_uri: "https://www.googleapis.com/oauth2/v3/certs"
    # Who may ask for tokens.
    x-google-audiences: "1001-web.apps.googleusercontent.com, 1001-app.apps.googleusercontent.com"
security:
  - google_id_token: []
paths:
  /orders:
    get: {operationId: ListOrders}
  /health:
    get: {operationId: Health, security: []}
#end"#;

/// The text with at most this many spaces in front of each line from one key to another.
fn flattened(text: &str, from: &str, to: &str, most: usize) -> String {
    let start = text.find(from).unwrap();
    let end = start + text[start..].find(to).unwrap();
    let flat = |line: &str| {
        let inner = line.trim_start();
        format!(
            "{}{inner}\n",
            " ".repeat(most.min(line.len() - inner.len()))
        )
    };
    let inside: String = text[start..end].lines().map(flat).collect();
    format!("{}{inside}{}", &text[..start], &text[end..])
}

fn refused(text: &str) -> Vec<String> {
    let findings = compile(&inline(text), &identity()).unwrap_err();
    findings.iter().map(ToString::to_string).collect()
}

#[test]
fn pass_through_of_preflights_compiles() {
    let policy = compile(&inline(PASS_THROUGH), &identity()).unwrap().policy;
    assert_eq!(policy.cors, CorsMode::PassThrough);
    assert_eq!(policy.service, "orders.example.com");
}

#[test]
fn google_id_tokens_compile() {
    let policy = compile(&inline(ID_TOKENS), &identity()).unwrap().policy;
    let provider = &policy.providers["google_id_token"];
    assert_eq!(provider.issuer, "https://accounts.google.com");
    let keys = String::from("https://www.googleapis.com/oauth2/v3/certs");
    assert_eq!(provider.keys, KeySource::Url(keys));
    let audiences: Vec<_> = provider.audiences.iter().flatten().cloned().collect();
    assert_eq!(
        audiences,
        [
            "1001-app.apps.googleusercontent.com",
            "1001-web.apps.googleusercontent.com",
            "orders.example.com",
        ]
    );
    let protected: Vec<_> = policy
        .operations
        .iter()
        .map(|operation| (operation.name.as_str(), operation.security.len()))
        .collect();
    assert_eq!(protected, [("Health", 0), ("ListOrders", 1)]);
}

/// The one finding: where it is, what belongs where; the rest is the same for all.
#[track_caller]
fn assert_lost(text: &str, place: &str, what: &str) {
    assert_eq!(
        refused(text),
        [format!(
            "openapi#{place}: the indentation of this document was lost: {what}, not beside it (put two \
             spaces more in front of whatever belongs to the line above it, level by level, or copy the \
             document from its source)"
        )],
        "{text}"
    );
}

#[test]
fn pass_through_that_lost_its_indentation_is_called_that() {
    let fragment = |most| flattened(PASS_THROUGH, "x-google-endpoints", "paths:", most);
    let whole = |most| flattened(PASS_THROUGH, "swagger", "#end", most);
    let what = "`allowCors` belongs into `x-google-endpoints`";
    // One space is what the page leaves.
    for text in [fragment(1), whole(1)] {
        assert_lost(&text, " (line 6, column 2)", what);
    }
    for text in [fragment(0), whole(0)] {
        assert_lost(&text, "/allowCors (line 6, column 1)", what);
    }
}

#[test]
fn id_tokens_that_lost_their_indentation_are_called_that() {
    let fragment = |most| flattened(ID_TOKENS, "securityDefinitions", "paths:", most);
    let whole = |most| flattened(ID_TOKENS, "swagger", "#end", most);
    assert_lost(
        &fragment(0),
        "/authorizationUrl (line 6, column 1)",
        "`authorizationUrl` belongs into a security scheme",
    );
    assert_lost(
        &fragment(1),
        "/securityDefinitions/authorizationUrl (line 6, column 2)",
        "`authorizationUrl` belongs into `google_id_token`",
    );
    // As the page prints it: one space in front of each line, the outer ones too.
    let flat = fragment(0);
    let (start, end) = (
        flat.find("securityDefinitions").unwrap(),
        flat.find("paths:").unwrap(),
    );
    let printed: String = flat[start..end]
        .lines()
        .map(|line| format!(" {line}\n"))
        .collect();
    assert_lost(
        &format!("{}{printed}{}", &flat[..start], &flat[end..]),
        " (line 6, column 2)",
        "`authorizationUrl` belongs into `securityDefinitions`",
    );
    assert_lost(
        &whole(0),
        " (line 6, column 1)",
        "`authorizationUrl` belongs into `securityDefinitions`",
    );
    assert_lost(
        &whole(1),
        " (line 6, column 2)",
        "`authorizationUrl` belongs into `google_id_token`",
    );
}
