use proptest::prelude::*;

use super::diagnostic::{Position, code, quote};
use super::*;

const SHOP: &str = include_str!("tests/shop.yaml");

/// The findings about a text, errors and warnings.
pub(super) fn findings(text: &str) -> Vec<Diagnostic> {
    match read_text(text) {
        Ok((_, warnings)) => warnings,
        Err(findings) => findings,
    }
}

/// Asserts that a text has exactly one finding, with this code, at this place, of these words, and with
/// a remedy.
pub(super) fn assert_finding(text: &str, code: &str, line: usize, column: usize, words: &str) {
    let findings = findings(text);
    assert_eq!(findings.len(), 1, "{text}: {findings:#?}");
    let finding = &findings[0];
    assert_eq!(finding.code, code, "{finding}");
    let position = finding.place.position;
    assert_eq!(position, Some(Position { line, column }), "{finding}");
    assert!(finding.message.contains(words), "{finding}");
    assert!(
        finding.help.is_some() || finding.message.contains("must be"),
        "no remedy: {finding}"
    );
}

#[test]
fn structure_and_text_say_the_same() {
    let (mut from_text, _) = read_text(SHOP).unwrap();
    let structure: serde_json::Value = serde_yaml::from_str(SHOP).unwrap();
    let (mut from_structure, _) = read_value(&structure).unwrap();
    // Structure has neither positions nor (in this build of serde_json) an order.
    for description in [&mut from_text, &mut from_structure] {
        description
            .operations
            .sort_by_key(|o| (o.path.clone(), o.method.clone()));
        description
            .schemes
            .sort_by_key(|scheme| scheme.name.clone());
    }
    let (from_text, from_structure) = (format!("{from_text:#?}"), format!("{from_structure:#?}"));
    let (from_text, from_structure) = (
        without_positions(&from_text),
        without_positions(&from_structure),
    );
    assert_eq!(from_text, from_structure);
}

/// What is left of a value's debug text when no place has a position.
fn without_positions(text: &str) -> String {
    let mut kept = String::new();
    let mut inside = false;
    for line in text.lines() {
        match line.trim() {
            "position: Some(" => inside = true,
            ")," if inside => inside = false,
            "position: None," => {}
            _ if inside => {}
            line => {
                kept.push_str(line);
                kept.push('\n');
            }
        }
    }
    kept
}

#[test]
fn a_finding_about_structure_has_its_pointer() {
    let document =
        serde_json::json!({"swagger": "2.0", "paths": {"/a/b": {"get": {"security": [[]]}}}});
    let findings = read_value(&document).unwrap_err();
    assert_eq!(
        findings[0].place,
        Place::document("/paths/~1a~1b/get/security/0", None)
    );
}

#[test]
fn findings_are_bounded_in_number_and_length() {
    let mut text = String::from("swagger: '2.0'\npaths:\n");
    for path in 0..1000 {
        text.push_str(&format!("  {}{path}: {{}}\n", "x".repeat(300)));
    }
    let findings = read_text(&text).unwrap_err();
    assert_eq!(findings.len(), Findings::MAX);
    assert!(
        findings
            .iter()
            .all(|finding| finding.message.chars().count() < 200)
    );
    assert!(
        findings
            .last()
            .unwrap()
            .message
            .ends_with("(and 900 more findings)")
    );
}

#[test]
fn findings_come_in_the_order_of_the_text() {
    let text = "swagger: '2.0'\nhost: a:1\npaths:\n  x: {}\nbogus: 1\nbasePath: y\n";
    let findings = read_text(text).unwrap_err();
    let lines: Vec<_> = findings
        .iter()
        .map(|f| f.place.position.unwrap().line)
        .collect();
    assert_eq!(lines, [2, 4, 5, 6]);
}

#[test]
fn a_finding_stays_on_one_line_whatever_it_repeats() {
    let place = || Place::document("/a\n\u{202e}b", None);
    let finding = Diagnostic::error(code::INVALID_OPENAPI, place(), "a\r\nb é\u{2028}")
        .help("write \u{feff}\u{1b}[1m")
        .related(place(), "here\0");
    assert_eq!(finding.message, r"a\r\nb é\u{2028}");
    assert_eq!(finding.help.as_deref(), Some(r"write \u{feff}\u{1b}[1m"));
    assert_eq!(&*finding.related[0].1, r"here\u{0}");
    assert!(
        finding
            .to_string()
            .starts_with(r"openapi#/a\n\u{202e}b: a\r")
    );
}

#[test]
fn quoted_text_stays_on_one_line() {
    assert_eq!(quote("a\nb\u{1b}[1m"), "`a\\nb\\u{1b}[1m`");
    assert_eq!(quote(&"é".repeat(100)), format!("`{}…`", "é".repeat(80)));
}

#[test]
fn a_place_stays_on_one_line() {
    let place = Place::document("/paths/~1a\n\u{1b}[1m", None);
    assert_eq!(place.to_string(), "openapi#/paths/~1a\\n\\u{1b}[1m");
}

proptest! {
    #[test]
    fn no_text_panics(text in "\\PC*") {
        let _ = read_text(&text);
    }

    /// A document with one line dropped, doubled, cut, or moved to the right.
    #[test]
    fn no_mutated_document_panics(line in 0_usize..80, what in 0..5, by in 0_usize..20) {
        let mut lines: Vec<String> = SHOP.lines().map(str::to_owned).collect();
        let line = line % lines.len();
        match what {
            0 => { lines.remove(line); }
            1 => { let twice = lines[line].clone(); lines.insert(line, twice); }
            2 => { let keep = lines[line].chars().count().saturating_sub(by); lines[line] = lines[line].chars().take(keep).collect(); }
            3 => { lines[line].insert_str(0, &" ".repeat(by)); }
            _ => { let last = lines.len() - 1; lines.swap(line, by.min(last)); }
        }
        if let Err(findings) = read_text(&lines.join("\n")) {
            prop_assert!(findings.iter().any(Diagnostic::is_error));
        }
    }

    /// Any value at any place of the document.
    #[test]
    fn no_wrong_kind_panics(place in 0_usize..200, kind in 0_usize..8) {
        let mut document: serde_json::Value = serde_yaml::from_str(SHOP).unwrap();
        let mut pointers = Vec::new();
        collect(&document, String::new(), &mut pointers);
        let pointer = &pointers[place % pointers.len()];
        let value = [
            serde_json::json!(null), serde_json::json!(true), serde_json::json!(7), serde_json::json!(""),
            serde_json::json!([]), serde_json::json!({}), serde_json::json!([{}]), serde_json::json!({"a": [1]}),
        ];
        *document.pointer_mut(pointer).unwrap() = value[kind].clone();
        let from_structure = read_value(&document).map_err(|findings| findings.len());
        let from_text = read_text(&document.to_string()).map_err(|findings| findings.len());
        prop_assert_eq!(from_structure.is_ok(), from_text.is_ok());
    }
}

fn collect(value: &serde_json::Value, pointer: String, into: &mut Vec<String>) {
    let escape = |key: &str| key.replace('~', "~0").replace('/', "~1");
    match value {
        serde_json::Value::Object(map) => {
            for (key, value) in map {
                collect(value, format!("{pointer}/{}", escape(key)), into);
            }
        }
        serde_json::Value::Array(items) => {
            for (index, value) in items.iter().enumerate() {
                collect(value, format!("{pointer}/{index}"), into);
            }
        }
        _ => {}
    }
    into.push(pointer);
}
