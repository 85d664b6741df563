//! Hostile input costs no more than large input.

use super::*;

#[test]
fn thousands_of_templates_that_overlap_are_not_compared_in_pairs() {
    let mut document = String::from("swagger: '2.0'\npaths:\n");
    for number in 0..3000 {
        document.push_str(&format!("  /a/{{x}}/c{number}/{{y}}: {{get: {{}}}}\n"));
        document.push_str(&format!("  /a/b{number}/{{x}}/{{y}}: {{get: {{}}}}\n"));
    }
    let found = findings(&document, json!({}));
    assert!(!found.is_empty() && found.len() <= 8, "{}", found.len());
}

#[test]
fn expressions_with_many_ways_through_them_are_sampled() {
    for pattern in [
        "(a|b|c|d)".repeat(100),
        "(.*.*.*)*".repeat(20),
        "a?".repeat(500),
        format!("https://{}", "(.?x?.+)".repeat(40)),
        format!("https://{}com", "[a-z]+.".repeat(60)),
    ] {
        findings(
            "swagger: '2.0'\npaths: {/a: {get: {}}}\n",
            json!({"cors": {"allowOriginRegex": pattern}}),
        );
    }
}
