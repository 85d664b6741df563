//! Operations that are open.

use super::*;

fn codes(document: &str) -> Vec<&'static str> {
    findings(document, json!({}))
        .iter()
        .map(|finding| finding.code)
        .collect()
}

#[test]
fn a_document_that_demands_nothing_says_so_or_is_refused() {
    let never = ["scheme-never-required"];
    let fine: [&str; 0] = [];
    for (rest, expected) in [
        ("paths: {/a: {get: {}}}\n", &never[..]),
        ("paths: {/a: {get: {}, post: {security: []}}}\n", &never),
        ("security: []\npaths: {/a: {get: {}}}\n", &["unused-scheme"]),
        ("paths: {/a: {get: {security: []}}}\n", &["unused-scheme"]),
        (
            "paths: {/a: {get: {security: []}, options: {}}}\n",
            &["unused-scheme"],
        ),
        ("paths: {}\n", &["unused-scheme"]),
        ("paths: {/a: {get: {security: [{shop: []}]}}}\n", &fine),
    ] {
        assert_eq!(codes(&with_schemes("", rest)), expected, "{rest}");
    }
    let key = "swagger: '2.0'\nsecurityDefinitions:\n  key: {type: apiKey, in: header, name: x}\npaths: {/a: {get: {}}}\n";
    assert_eq!(codes(key), never);
    // To demand the key would be refused as well.
    let help = only("scheme-never-required", key, json!({})).help.unwrap();
    assert!(help.starts_with("write `security: []` beside"), "{help}");
}

#[test]
fn an_open_operation_beside_closed_ones_is_told_once_unless_it_says_so() {
    let document = with_schemes(
        "",
        "paths:\n  /a: {get: {security: [{shop: []}]}, post: {}, put: {}, delete: {security: []}, options: {}}\n",
    );
    let found = only("unprotected-operation", &document, json!({}));
    assert_eq!(found.place.pointer, "/paths/~1a/put");
    assert!(
        found
            .message
            .starts_with("2 operations (first `PUT /a`) are open"),
        "{found}"
    );
    // The document's word is not the operation's.
    let document = with_schemes(
        "",
        "security: []\npaths:\n  /a: {get: {security: [{shop: []}]}, post: {}}\n",
    );
    only("unprotected-operation", &document, json!({}));
}
