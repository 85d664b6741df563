//! Operations that are open without anybody saying so.

use std::collections::HashSet;

use super::{Group, Subject, is_closed, name, requirements};
use crate::openapi::description::{Operation, Scheme, SchemeKind};
use crate::openapi::diagnostic::quote;
use crate::openapi::{Diagnostic, Findings, lints};

/// The most names that a message lists.
const MAX_NAMES: usize = 8;

pub(super) fn check(subject: Subject<'_>, findings: &mut Findings) {
    let demanded: HashSet<&str> = requirements(subject)
        .map(|requirement| requirement.scheme.as_str())
        .collect();
    let never_required = match demanded.is_empty() {
        true => scheme_never_required(subject),
        false => None,
    };
    match never_required {
        Some(finding) => findings.push(finding),
        None => findings.extend(unused_schemes(subject, &demanded)),
    }
    findings.extend(unprotected_operations(subject));
}

/// Whoever writes down how callers prove themselves means them to: fail closed.
fn scheme_never_required(subject: Subject<'_>) -> Option<Diagnostic> {
    let schemes = &subject.description.schemes;
    let first = schemes.first()?;
    let open = operations(subject).filter(|operation| operation.security.place.is_none());
    let open = Group::new(open)?;
    let names: Vec<_> = schemes
        .iter()
        .take(MAX_NAMES)
        .map(|scheme| quote(&scheme.name))
        .collect();
    let what = match names.as_slice() {
        [only] => format!("the security scheme {only} is"),
        names => format!("the security schemes {} are", names.join(", ")),
    };
    Some(
        Diagnostic::error(
            lints::SCHEME_NEVER_REQUIRED,
            first.place.clone(),
            format!("{what} never required, so everybody may call every operation"),
        )
        .help(format!(
            "write `security: [{{{}: []}}]` beside `paths` to demand it everywhere, or `security: []` if that is what you mean",
            first.name
        ))
        .related(open.first.place.clone(), "open"),
    )
}

fn unused_schemes<'a>(
    subject: Subject<'a>,
    demanded: &'a HashSet<&str>,
) -> impl Iterator<Item = Diagnostic> + 'a {
    let is_unused = |scheme: &&Scheme| {
        matches!(scheme.kind, SchemeKind::Jwt(_)) && !demanded.contains(scheme.name.as_str())
    };
    subject
        .description
        .schemes
        .iter()
        .filter(is_unused)
        .map(|scheme| {
            Diagnostic::warning(
                lints::UNUSED_SCHEME,
                scheme.place.clone(),
                format!(
                    "no operation demands the security scheme {}: it protects nothing",
                    quote(&scheme.name)
                ),
            )
            .help("name it in a `security`, or remove it")
        })
}

/// Open, and neither the operation nor the document says `security`, while others demand a token.
fn unprotected_operations(subject: Subject<'_>) -> Option<Diagnostic> {
    let closed = operations(subject).find(|operation| is_closed(operation))?;
    let open = operations(subject).filter(|operation| {
        operation.security.alternatives.is_empty() && !says_so_itself(operation)
    });
    let open = Group::new(open)?;
    let (verb, itself) = match open.count {
        1 => ("is", "the operation"),
        _ => ("are", "each of them"),
    };
    Some(
        Diagnostic::warning(
            lints::UNPROTECTED_OPERATION,
            open.first.place.clone(),
            format!(
                "{} {verb} open to everybody, while {} demands a token",
                open.name(),
                name(closed)
            ),
        )
        .help(format!(
            "write `security: []` on {itself} if that is what you mean, else demand a scheme"
        ))
        .related(closed.place.clone(), "demands a token"),
    )
}

/// Operations that a caller means; preflights are nobody's calls.
fn operations(subject: Subject<'_>) -> impl Iterator<Item = &Operation> {
    subject
        .description
        .operations
        .iter()
        .filter(|operation| operation.method != "OPTIONS")
}

/// Whether `security` is written on the operation itself, not only at the document.
fn says_so_itself(operation: &Operation) -> bool {
    operation.security.place.as_ref().is_some_and(|place| {
        place
            .pointer
            .strip_prefix(operation.place.pointer.as_str())
            .is_some_and(|rest| rest.starts_with('/'))
    })
}
