//! Expectations follow what Google's compiler makes of such documents.

use super::*;

/// The alternatives of the one operation, `|` between them, what is demanded together with `+`, and
/// audiences in parentheses.
fn demanded(text: &str) -> String {
    let (read, _) = read_text(text).unwrap_or_else(|e| panic!("{text}: {e:#?}"));
    let alternatives: Vec<_> = read.operations[0]
        .security
        .alternatives
        .iter()
        .map(|alternative| {
            let all: Vec<_> = alternative
                .requirements
                .iter()
                .map(|requirement| {
                    let scopes: String = requirement
                        .scopes
                        .iter()
                        .map(|scope| format!(":{scope}"))
                        .collect();
                    let audiences = requirement
                        .audiences
                        .as_ref()
                        .map_or_else(String::new, |list| format!("({})", list.join(" ")));
                    format!("{}{scopes}{audiences}", requirement.scheme)
                })
                .collect();
            all.join("+")
        })
        .collect();
    alternatives.join("|")
}

/// A document with schemes `a`, `b`, `c` for tokens and `key`, with these fields at its top, and one
/// operation with those.
fn document(top: &str, operation: &str) -> String {
    format!(
        "swagger: '2.0'
securityDefinitions:
  a: {{type: oauth2, x-google-issuer: a}}
  b: {{type: oauth2, x-google-issuer: b}}
  c: {{type: oauth2, x-google-issuer: c}}
  key: {{type: apiKey, name: key, in: query}}
{top}
paths:
  /a:
    get:
      summary: s
      {operation}
"
    )
}

#[test]
fn alone_each_scheme_is_an_alternative() {
    let text = document(
        "",
        "x-security: [{a: {audiences: [x, y]}}, {b: {}}, {c: []}]",
    );
    assert_eq!(demanded(&text), "a(x y)|b|c");
}

#[test]
fn a_scheme_that_security_names_gets_the_audiences() {
    let text = document(
        "",
        "security: [{a: [read]}, {b: []}]\n      x-security: [{a: {audiences: [x]}}]",
    );
    assert_eq!(demanded(&text), "a:read(x)|b");
    let text = document(
        "",
        "security: [{a: [], b: []}]\n      x-security: [{b: {audiences: [x]}}]",
    );
    assert_eq!(demanded(&text), "a+b(x)");
}

#[test]
fn other_schemes_come_beside_the_operation_s_own_security() {
    let text = document(
        "",
        "security: [{a: []}]\n      x-security: [{b: {audiences: [x]}}]",
    );
    assert_eq!(demanded(&text), "a|b(x)");
    let text = document("", "security: []\n      x-security: [{b: {}}]");
    assert_eq!(demanded(&text), "b");
}

#[test]
fn the_document_s_tokens_are_not_inherited_beside_it() {
    let text = document("security: [{a: []}]", "x-security: [{b: {audiences: [x]}}]");
    assert_eq!(demanded(&text), "b(x)");
    // The same scheme keeps the scopes that the document demands.
    let text = document(
        "security: [{a: [read]}, {b: []}]",
        "x-security: [{a: {audiences: [x]}}]",
    );
    assert_eq!(demanded(&text), "a:read(x)");
    let text = document("security: [{a: []}, {}]", "x-security: [{b: {}}]");
    assert_eq!(demanded(&text), "b");
}

#[test]
fn what_is_no_token_is_demanded_besides() {
    for top in ["security: [{key: []}]", ""] {
        let own = if top.is_empty() {
            "security: [{key: []}]\n      "
        } else {
            ""
        };
        let text = document(
            top,
            &format!("{own}x-security: [{{a: {{}}}}, {{b: {{audiences: [x]}}}}]"),
        );
        assert_eq!(demanded(&text), "key+a|key+b(x)");
    }
    let text = document(
        "",
        "security: [{key: [], a: []}]\n      x-security: [{b: {}}]",
    );
    assert_eq!(demanded(&text), "key+a|key+b");
    // One alternative without a key: Google's compiler demands none.
    let text = document(
        "",
        "security: [{key: [], a: []}, {b: []}]\n      x-security: [{c: {}}]",
    );
    assert_eq!(demanded(&text), "key+a|b|c");
}

#[test]
fn the_document_s_own_is_inherited_by_operations_that_write_nothing() {
    let top = "security: [{a: []}]\nx-security: [{b: {audiences: [x]}}]";
    assert_eq!(demanded(&document(top, "")), "a|b(x)");
    assert_eq!(demanded(&document(top, "security: []")), "");
    assert_eq!(demanded(&document(top, "security: [{c: []}]")), "c");
    assert_eq!(demanded(&document(top, "x-security: [{c: {}}]")), "c");
}

#[test]
fn an_empty_one_opens_the_operation_and_says_so() {
    let at = "/paths/~1a/get/x-security";
    let text = document("security: [{a: []}]", "x-security: []");
    assert_found(
        &text,
        "opened-by-x-security",
        at,
        "anyone may call",
        "`security: []`",
    );
    assert_eq!(demanded(&text), "");
    let text = document("security: [{key: [], a: []}]", "x-security: []");
    assert_eq!(
        (demanded(&text).as_str(), findings(&text).len()),
        ("key", 0)
    );
    for (top, operation) in [("", "x-security: []"), ("x-security: []", "")] {
        assert_eq!(findings(&document(top, operation)), []);
    }
    let text = document("", "security: [{a: []}]\n      x-security: []");
    assert_eq!((demanded(&text).as_str(), findings(&text).len()), ("a", 0));
}

#[test]
fn a_demand_beside_nobody_s_is_refused() {
    assert_invalid(
        &document("", "security: [{a: []}, {}]\n      x-security: [{b: {}}]"),
        "/paths/~1a/get/security/1",
        "lets anyone in",
        "remove this alternative",
    );
}

#[test]
fn wrong_kinds_and_sizes_are_refused() {
    let at = "/paths/~1a/get/x-security";
    for (value, below, words, help) in [
        ("{a: {}}", "", "must be a list", "`-`"),
        ("text", "", "must be a list", "`-`"),
        ("[a]", "/0", "a list of mappings", "- my_scheme:"),
        ("[{}]", "/0", "exactly one scheme", "one item for each"),
        (
            "[{a: {}, b: {}}]",
            "/0",
            "exactly one scheme",
            "one item for each",
        ),
        (
            "[{a: {}}, {a: {}}]",
            "/1",
            "the scheme `a` twice",
            "one list",
        ),
        ("[{a: [read]}]", "/0/a", "must be a mapping", "`audiences`"),
        (
            "[{a: {audience: x}}]",
            "/0/a/audience",
            "not a field",
            "did you mean `audiences`?",
        ),
        (
            "[{a: {audiences: x}}]",
            "/0/a/audiences",
            "must be a list",
            "[x]",
        ),
        (
            "[{a: {audiences: [7]}}]",
            "/0/a/audiences/0",
            "must be text",
            "\"7\"",
        ),
        (
            "[{a: {audiences: ['x,y']}}]",
            "/0/a/audiences/0",
            "not one audience",
            "commas",
        ),
    ] {
        let text = document("", &format!("x-security: {value}"));
        assert_invalid(&text, &format!("{at}{below}"), words, help);
    }
    let many: String = (0..65).map(|n| format!("{{s{n}: {{}}}},")).collect();
    let text = document("", &format!("x-security: [{many}]"));
    assert_invalid(&text, at, "more than 64 items", "shorten");
    let keys: String = (0..9).map(|n| format!("{{key: [], k{n}: []}},")).collect();
    let schemes: String = (0..9).map(|n| format!("{{s{n}: {{}}}},")).collect();
    let top: String = (0..9)
        .map(|n| format!("  k{n}: {{type: apiKey, name: k, in: query}}\n"))
        .collect();
    let text = document(
        &top,
        &format!("security: [{keys}]\n      x-security: [{schemes}]"),
    );
    assert_invalid(&text, at, "more than 64 alternatives", "fewer schemes");
}

#[test]
fn aliases_do_not_multiply_audiences() {
    let audiences = format!("[{}]", format!("{},", "x".repeat(4000)).repeat(4));
    let mut text = format!(
        "swagger: '2.0'\nsecurityDefinitions:\n  a: {{type: oauth2, x-google-issuer: a}}\n\
         x-security: &s [{{a: {{audiences: {audiences}}}}}]\npaths:\n"
    );
    for n in 0..2000 {
        text.push_str(&format!("  /p{n}: {{get: {{x-security: *s}}}}\n"));
    }
    let found = findings(&text);
    assert!(
        found
            .iter()
            .all(|finding| finding.message.contains("take more than 8388608 bytes"))
    );
    assert!(!found.is_empty() && found.len() <= 100);
}
