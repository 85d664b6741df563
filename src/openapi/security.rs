//! `security`, in any version: requirements as they are written. What they mean is the compiler's
//! business.

use super::description::{Alternative, Requirement, Security};
use super::diagnostic::{Diagnostic, Findings, code, quote};
use super::source::{Cursor, Kind};

/// The most alternatives in one requirement.
const MAX_ALTERNATIVES: usize = 64;
/// The most schemes that are demanded together, and scopes of one.
const MAX_TOGETHER: usize = 16;
/// The longest name of a scope, in bytes.
const MAX_SCOPE: usize = 512;

/// Reads a `security` list.
pub(super) fn read(at: &Cursor<'_>, findings: &mut Findings) -> Security {
    let mut security = Security {
        alternatives: Vec::new(),
        place: Some(at.key_place()),
    };
    let Kind::Sequence(items) = at.kind() else {
        findings.push(
            at.wrong_kind("security", "a list")
                .help("`security: []` leaves an operation open"),
        );
        return security;
    };
    if items.len() > MAX_ALTERNATIVES {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                at.place(),
                format!("`security` has more than {MAX_ALTERNATIVES} alternatives"),
            )
            .help("accept fewer issuers, each by one scheme"),
        );
        return security;
    }
    security.alternatives = at
        .items()
        .filter_map(|item| alternative(&item, findings))
        .collect();
    security
}

/// About how many bytes it takes: places repeat long keys, and aliases repeat everything.
pub(super) fn bytes(security: &Security) -> usize {
    let requirement = |requirement: &Requirement| {
        let scopes: usize = requirement
            .scopes
            .iter()
            .map(|scope| scope.len() + 24)
            .sum();
        200 + requirement.scheme.len() + requirement.place.pointer.len() + scopes
    };
    let alternative = |alternative: &Alternative| {
        let requirements: usize = alternative.requirements.iter().map(requirement).sum();
        100 + alternative.place.pointer.len() + requirements
    };
    security.alternatives.iter().map(alternative).sum()
}

/// One alternative; `None` when a finding was made.
fn alternative(at: &Cursor<'_>, findings: &mut Findings) -> Option<Alternative> {
    let Kind::Mapping(entries) = at.kind() else {
        findings.push(
            at.wrong_kind("security", "a list of mappings")
                .help("write `- my_scheme: []`"),
        );
        return None;
    };
    if entries.len() > MAX_TOGETHER {
        findings.push(Diagnostic::error(
            code::INVALID_OPENAPI,
            at.place(),
            format!("more than {MAX_TOGETHER} schemes are demanded together"),
        ));
        return None;
    }
    let requirements = at
        .entries()
        .map(|(name, scopes)| requirement(name, &scopes, findings))
        .collect::<Option<_>>()?;
    Some(Alternative {
        requirements,
        place: at.key_place(),
    })
}

fn requirement(name: &str, at: &Cursor<'_>, findings: &mut Findings) -> Option<Requirement> {
    let Kind::Sequence(items) = at.kind() else {
        findings.push(
            at.wrong_kind(name, "a list")
                .help(format!("write {}", quote(&format!("{name}: []")))),
        );
        return None;
    };
    if items.len() > MAX_TOGETHER {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                at.place(),
                format!("more than {MAX_TOGETHER} scopes are demanded together"),
            )
            .help("demand one scope that stands for them, or check them in the service"),
        );
        return None;
    }
    let mut scopes = Vec::with_capacity(items.len());
    for item in at.items() {
        match item.string() {
            Some(scope) if scope.len() <= MAX_SCOPE => scopes.push(scope.to_owned()),
            Some(_) => {
                findings.push(Diagnostic::error(
                    code::INVALID_OPENAPI,
                    item.place(),
                    format!("the scope is longer than {MAX_SCOPE} bytes"),
                ));
                return None;
            }
            None => {
                findings.push(item.wrong_kind(name, "a list of texts"));
                return None;
            }
        }
    }
    Some(Requirement {
        scheme: name.to_owned(),
        scopes,
        audiences: None,
        place: at.key_place(),
    })
}
