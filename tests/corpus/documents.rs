//! Each document by itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use endpoints::openapi::diagnostic::code;
use endpoints::policy::Prepared;
use tokio::time::Instant;

use super::{Corpus, Document, errors};

/// The longest that one document may take, in a debug build on a busy machine.
const LONGEST: Duration = Duration::from_secs(5);
/// Valid documents that are refused all the same, and why.
const REFUSED: &str = include_str!("refused.txt");

/// Documents with other than one route an operation: the end of their names, the routes, and why.
const OTHER_ROUTES: &[(&str, usize, &str)] = &[
    (
        "x_google_allow_extension_all_with_existing_catchall_m.json",
        5,
        "`x-google-allow: all` adds a route for each method that `/**` does not have",
    ),
    ("httpbin.org.json", 73, "TRACE is never served"),
    (
        "wealthreader.com.json",
        6,
        "its two servers have two base paths",
    ),
];

/// A line of `refused.txt`.
struct Refusal {
    code: &'static str,
    /// The end of its file's name.
    file: &'static str,
    /// A piece of the finding's message.
    words: &'static str,
}

fn refusals() -> Vec<Refusal> {
    REFUSED
        .lines()
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| {
            let (code, rest) = line.split_once(' ').expect(line);
            let (file, words) = rest.trim_start().split_once(' ').expect(line);
            let words = words.trim();
            assert!(!words.is_empty(), "{line}");
            Refusal { code, file, words }
        })
        .collect()
}

impl Document {
    /// Valid by a third party and (for test inputs of Google's compiler) taken by it.
    fn is_candidate(&self) -> bool {
        self.validator == "valid" && self.expect.as_deref() != Some("error")
    }

    /// Its version without the patch level.
    fn version(&self) -> &str {
        let version = self.version.as_deref().unwrap_or("unknown");
        version.get(..3).unwrap_or(version)
    }
}

#[test]
fn every_valid_document_compiles_or_is_refused_for_its_stated_reason() {
    let Some(corpus) = Corpus::open() else { return };
    let refusals = refusals();
    let mut problems = Vec::new();
    let mut used = BTreeSet::new();
    let mut counts: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for document in corpus.documents.iter().filter(|d| d.is_candidate()) {
        let stated = refusals
            .iter()
            .position(|refusal| document.file.ends_with(refusal.file));
        used.extend(stated);
        let stated = stated.map(|index| &refusals[index]);
        let outcome = match (corpus.compile(document), stated) {
            (Ok(compiled), None) => {
                let routes = compiled.policy.operations.len();
                if routes != expected_routes(document) {
                    problems.push(format!(
                        "{}: {routes} routes of {} operations",
                        document.file, document.operations
                    ));
                }
                Prepared::new(compiled.policy).expect("what compiles can be run");
                "compiles"
            }
            (Ok(_), Some(_)) => {
                problems.push(format!("{}: compiles, refused.txt says not", document.file));
                "compiles"
            }
            (Err(findings), Some(stated)) => {
                let told = errors(&findings)
                    .any(|found| found.code == stated.code && found.message.contains(stated.words));
                if !told {
                    problems.push(format!("{}: {findings:#?}", document.file));
                }
                stated.code
            }
            (Err(findings), None) => {
                for error in errors(&findings).take(3) {
                    problems.push(format!("{} {} {error}", error.code, document.file));
                }
                "refused for no stated reason"
            }
        };
        *counts.entry((document.version(), outcome)).or_default() += 1;
    }
    for ((version, outcome), count) in &counts {
        println!("{version} {outcome}: {count}");
    }
    let idle = (0..refusals.len()).filter(|index| !used.contains(index));
    problems.extend(idle.map(|index| format!("no such document: {}", refusals[index].file)));
    assert!(problems.is_empty(), "{}", problems.join("\n"));
}

/// How many routes a document comes to: one an operation, but for those of [`OTHER_ROUTES`].
fn expected_routes(document: &Document) -> usize {
    OTHER_ROUTES
        .iter()
        .find(|(file, ..)| document.file.ends_with(file))
        .map_or(document.operations, |(_, routes, _)| *routes)
}

#[test]
fn no_document_panics_or_takes_long_and_each_finding_has_a_place() {
    let Some(corpus) = Corpus::open() else { return };
    for document in &corpus.documents {
        let start = Instant::now();
        let result = corpus.compile(document);
        let took = start.elapsed();
        assert!(took < LONGEST, "{} took {took:?}", document.file);
        let findings = match result {
            Ok(compiled) => compiled.warnings,
            Err(findings) => {
                assert!(errors(&findings).next().is_some(), "{}", document.file);
                findings
            }
        };
        for finding in findings {
            let placed = finding.place.position.is_some();
            assert!(placed, "{}: {finding}", document.file);
        }
    }
}

#[test]
fn every_reason_for_a_refusal_is_documented() {
    let page = include_str!("../../docs/compiler.md");
    for Refusal { code, words, .. } in refusals() {
        let documented = page
            .lines()
            .any(|line| line.contains(&format!("`{code}`")) && line.contains(words));
        assert!(documented, "docs/compiler.md does not know {code}: {words}");
    }
    for name in [
        code::INVALID_OPENAPI,
        code::INVALID_SPEC,
        code::UNSUPPORTED_FEATURE,
        code::UNSUPPORTED_SECURITY,
        code::CONFLICTING_ROUTES,
    ] {
        assert!(
            page.contains(&format!("`{name}`")),
            "docs/compiler.md does not know {name}"
        );
    }
}
