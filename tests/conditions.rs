//! `docs/operations.md` knows every condition and every reason, and what to do about it.

// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::fs;
use std::path::Path;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap()
}

/// The values of the constants in a file of them.
fn constants(text: &str) -> Vec<&str> {
    text.lines()
        .filter_map(|line| line.trim().strip_prefix("pub const ")?.split('"').nth(1))
        .collect()
}

#[test]
fn every_condition_and_reason_is_a_row_that_says_what_to_do() {
    let source = read("src/api/conditions.rs");
    let page = read("docs/operations.md");
    let (kinds, reasons) = source.split_once("pub mod reason").unwrap();
    let (kinds, reasons) = (constants(kinds), constants(reasons));
    assert!(
        kinds.len() >= 6 && reasons.len() >= 20,
        "{kinds:?} {reasons:?}"
    );
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        .map(|row| row.split(" | ").collect())
        .filter(|row: &Vec<&str>| row.len() == 4)
        .collect();
    for kind in &kinds {
        let known = rows
            .iter()
            .any(|row| row[0].split(", ").any(|name| name == *kind));
        assert!(known, "no row of condition {kind}");
    }
    for reason in reasons {
        let quoted = format!("`{reason}`");
        let row = rows.iter().find(|row| row[1] == quoted);
        let row = row.unwrap_or_else(|| panic!("no row of reason {reason}"));
        let known = row[0].split(", ").all(|name| kinds.contains(&name));
        assert!(known, "{reason} is of no condition: {}", row[0]);
        assert!(
            !row[2].is_empty() && !row[3].is_empty(),
            "{reason} is not explained"
        );
    }
}

#[test]
fn what_the_operator_itself_warns_of_is_on_the_page() {
    let source = read("src/operator/codes.rs");
    let page = read("docs/operations.md");
    let codes = constants(&source);
    assert!(!codes.is_empty());
    for code in codes {
        assert!(page.contains(&format!("`{code}`")), "no word on {code}");
    }
}
