//! What holds for every finding.

use endpoints::openapi::diagnostic::{Origin, code};
use endpoints::openapi::lints;
use endpoints::openapi::{Diagnostic, Findings};

const CODES: &[&str] = &[
    code::CONFLICTING_ROUTES,
    code::INVALID_OPENAPI,
    code::INVALID_SPEC,
    code::UNSUPPORTED_FEATURE,
    code::UNSUPPORTED_SECURITY,
];
/// Room for a few quoted words; what a document says is never repeated at length.
const LONGEST: usize = 1_500;

/// Checks findings about a document. `text`: it was text, so that places have lines and columns.
pub fn check(findings: &[Diagnostic], text: bool) {
    // Errors and warnings are bounded apart.
    assert!(findings.len() <= 2 * Findings::MAX, "{}", findings.len());
    for finding in findings {
        let known = CODES.contains(&finding.code) || lints::lint(finding.code).is_some();
        assert!(known, "no such code: {finding:?}");
        for words in std::iter::once(&*finding.message)
            .chain(finding.help.as_deref())
            .chain(finding.related.iter().map(|(_, what)| &**what))
        {
            assert!(!words.trim().is_empty(), "says nothing: {finding:?}");
            assert!(words.len() <= LONGEST, "too long: {finding:?}");
            assert!(
                !words.contains(char::is_control),
                "not one line: {finding:?}"
            );
        }
        let places = std::iter::once(&finding.place).chain(finding.related.iter().map(|(p, _)| p));
        for place in places {
            let placed = !text || place.position.is_some() || place.pointer.is_empty();
            assert!(
                place.origin == Origin::Resource || placed,
                "no place: {finding:?}"
            );
        }
        let told = finding.to_string();
        assert!(!told.contains(char::is_control), "not one line: {told:?}");
    }
}
