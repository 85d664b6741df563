//! `docs/espv2-parity.md` is true: every row says `same`, `better` or `left out`, and every test that
//! it names is one. The same for the claims of `docs/security.md`.

// A failed unwrap is a failed test, in helpers too.
#![allow(clippy::unwrap_used, clippy::panic)]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const PAGE: &str = "docs/espv2-parity.md";
const SECURITY: &str = "docs/security.md";
/// A table of claims has this head.
const CLAIMS: &str = "| claim | tests |";
const HEADER: [&str; 4] = ["ESPv2", "here", "how", "test"];
/// The fewest rows of each section: a table that lost its half is no table.
const SECTIONS: [(&str, usize); 12] = [
    ("Listener, backend, DNS", 14),
    ("TLS", 9),
    ("Headers, paths, the client's address", 14),
    ("Flags about JWT", 8),
    ("Retries and deadlines", 4),
    ("Logs, tracing, compression", 10),
    ("gRPC transcoding", 1),
    ("CORS: flags", 9),
    ("CORS: requests", 24),
    ("JWT", 45),
    ("Routing", 20),
    ("Forwarding", 12),
];

struct Row {
    section: String,
    what: String,
    verdict: String,
    how: String,
    tests: Vec<String>,
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// The rows of the page's tables.
fn rows() -> Vec<Row> {
    let page = fs::read_to_string(root().join(PAGE)).unwrap();
    let mut section = String::new();
    let mut rows = Vec::new();
    for line in page.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            title.clone_into(&mut section);
        }
        let Some(line) = line.strip_prefix("| ") else {
            continue;
        };
        let cells: Vec<_> = line
            .strip_suffix(" |")
            .unwrap_or_else(|| panic!("a row ends with ` |`: {line}"))
            .split(" | ")
            .map(str::trim)
            .collect();
        let [what, verdict, how, tests] = cells[..] else {
            panic!("four cells: {line}")
        };
        if [what, verdict, how, tests] == HEADER {
            continue;
        }
        // Each in backticks: every other piece.
        let tests = tests.split('`').skip(1).step_by(2);
        rows.push(Row {
            section: section.clone(),
            what: what.to_owned(),
            verdict: verdict.to_owned(),
            how: how.to_owned(),
            tests: tests.map(str::to_owned).collect(),
        });
    }
    rows
}

/// Whether a file has a test of this name: a Rust function with a `test` attribute, or a test of
/// Node's.
fn has_test(text: &str, file: &str, name: &str) -> bool {
    if file.ends_with(".mjs") {
        return text.contains(&format!("test('{name}'"));
    }
    let lines: Vec<_> = text.lines().map(str::trim).collect();
    let is_it = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        let rest = line
            .strip_prefix("fn ")
            .and_then(|line| line.strip_prefix(name));
        rest.is_some_and(|rest| rest.starts_with('('))
    };
    let Some(place) = lines.iter().position(|line| is_it(line)) else {
        return false;
    };
    lines[..place]
        .iter()
        .rev()
        .take_while(|line| line.starts_with("#[") || line.starts_with("//"))
        .any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"))
}

#[test]
fn every_row_says_how_it_stands_and_why() {
    for Row {
        section,
        what,
        verdict,
        how,
        tests,
    } in rows()
    {
        let place = format!("{section}: {what}");
        match verdict.as_str() {
            "same" | "better" => assert!(!tests.is_empty(), "no test: {place}"),
            "left out" => assert!(tests.is_empty(), "a test of what is left out: {place}"),
            other => panic!("{place}: `{other}`"),
        }
        assert!(verdict == "same" || how != "–", "no reason: {place}");
    }
}

#[test]
fn every_test_that_is_named_is_one() {
    let rows = rows().into_iter().map(|row| (row.what, row.tests));
    let wrong = not_tests(rows);
    assert!(wrong.is_empty(), "no such test:\n{}", wrong.join("\n"));
}

#[test]
fn every_claim_about_security_has_its_tests() {
    let page = fs::read_to_string(root().join(SECURITY)).unwrap();
    let tables = page.split(CLAIMS).skip(1);
    let claims: Vec<_> = tables
        .flat_map(|table| {
            let rows = table.lines().skip(2);
            rows.map_while(|line| line.strip_prefix("| ")?.strip_suffix(" |"))
        })
        .map(|row| {
            let (claim, tests) = row
                .rsplit_once(" | ")
                .unwrap_or_else(|| panic!("two cells: {row}"));
            // Each in backticks: every other piece.
            let tests: Vec<_> = tests
                .split('`')
                .skip(1)
                .step_by(2)
                .map(str::to_owned)
                .collect();
            assert!(!tests.is_empty(), "no test: {claim}");
            (claim.to_owned(), tests)
        })
        .collect();
    assert!(claims.len() >= 20, "{} claims are no page", claims.len());
    let wrong = not_tests(claims);
    assert!(wrong.is_empty(), "no such test:\n{}", wrong.join("\n"));
}

/// Which of the named tests are none, and where they are named.
fn not_tests(named: impl IntoIterator<Item = (String, Vec<String>)>) -> Vec<String> {
    let mut files: BTreeMap<String, String> = BTreeMap::new();
    let mut wrong = Vec::new();
    for (what, tests) in named {
        for test in tests {
            let Some((file, name)) = test.split_once("::") else {
                wrong.push(format!("{what}: `{test}` is not FILE::TEST"));
                continue;
            };
            let text = files
                .entry(file.to_owned())
                .or_insert_with(|| fs::read_to_string(root().join(file)).unwrap_or_default());
            if !has_test(text, file, name) {
                wrong.push(format!("{what}: {test}"));
            }
        }
    }
    wrong
}

#[test]
fn every_section_is_there_and_whole() {
    let mut count: BTreeMap<String, usize> = BTreeMap::new();
    for row in rows() {
        *count.entry(row.section).or_default() += 1;
    }
    for (section, fewest) in SECTIONS {
        let found = count.remove(section).unwrap_or_default();
        assert!(found >= fewest, "`{section}` has {found} rows");
    }
    assert!(count.is_empty(), "unknown sections: {count:?}");
}

#[test]
fn a_function_that_is_no_test_is_not_taken_for_one() {
    let text =
        "#[test]\n/// Doc.\nfn one() {}\nfn two() {}\n    #[tokio::test]\n    async fn three() {}";
    assert!(has_test(text, "a.rs", "one"));
    assert!(has_test(text, "a.rs", "three"));
    for name in ["two", "on", "ones", "four"] {
        assert!(!has_test(text, "a.rs", name), "{name}");
    }
    assert!(has_test("test('a b', async () => {", "a.test.mjs", "a b"));
    assert!(!has_test("test('a b', async () => {", "a.test.mjs", "a"));
}
