//! `docs/injection.md` names a test for each thing that could break: each must be there.

use std::path::Path;

#[test]
fn every_test_that_the_table_names_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let page = std::fs::read_to_string(root.join("docs/injection.md")).expect("the page is there");
    let rows = page.lines().skip_while(|line| !line.contains("| test |"));
    let names: Vec<_> = rows
        .filter(|line| line.starts_with("| ") && !line.contains("| test |"))
        .flat_map(|line| line.trim_end_matches([' ', '|']).rsplit_once(" | "))
        .flat_map(|(_, tests)| tests.split(", "))
        .map(|name| name.trim_matches('`').to_owned())
        .collect();
    assert!(
        names.len() > 30,
        "only {names:?} found: the search is broken"
    );
    let mut sources = String::new();
    for folder in [
        "src/operator/admission",
        "src/redirect",
        "src/proxy",
        "tests",
    ] {
        for entry in walkdir::WalkDir::new(root.join(folder)) {
            let entry = entry.expect("a readable tree");
            if entry
                .path()
                .extension()
                .is_some_and(|ending| ending == "rs")
            {
                sources.push_str(&std::fs::read_to_string(entry.path()).expect("text"));
            }
        }
    }
    for name in names {
        assert!(
            sources.contains(&format!("fn {name}(")),
            "no test is called {name}"
        );
    }
}
