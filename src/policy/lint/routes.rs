//! Routes that compete, and operations that nobody reaches.

mod overlaps;

use std::collections::HashMap;

use super::{Group, Subject, is_closed, name};
use crate::openapi::description::Operation;
use crate::openapi::diagnostic::quote;
use crate::openapi::{Diagnostic, Findings, lints};
use crate::policy::path::normalise;
use crate::policy::route::shape;
use overlaps::Overlap;

/// The most pairs of routes that are named.
const MAX_PAIRS: usize = 8;

pub(super) fn check(subject: Subject<'_>, findings: &mut Findings) {
    findings.extend(behind_the_health_path(subject));
    differ_by_case(subject, findings);
    overlapping(subject, findings);
    findings.extend(open_catch_all(subject));
}

/// The proxy answers its health path itself, whatever the document declares.
fn behind_the_health_path(subject: Subject<'_>) -> Option<Diagnostic> {
    let healthz = subject.policy.healthz.as_deref()?;
    let is_healthz = |path: &str| path.trim_end_matches('/') == healthz.trim_end_matches('/');
    let shadowed = subject.description.operations.iter().filter(|operation| {
        // A preflight comes before it.
        operation.method != "OPTIONS"
            && !operation.path.contains(['{', '*'])
            && normalise(&operation.path).is_ok_and(|path| is_healthz(&path.0))
    });
    let shadowed = Group::new(shadowed)?;
    Some(
        Diagnostic::warning(
            lints::SHADOWED_ROUTE,
            shadowed.first.place.clone(),
            format!(
                "no request reaches {}: the proxy answers `routing.healthz` ({}) itself",
                shadowed.name(),
                quote(healthz)
            ),
        )
        .help("give `routing.healthz` a path that the document does not declare, or leave it out to let the backend answer"),
    )
}

/// Paths are compared as they are: whoever gets the case wrong is on another route.
fn differ_by_case(subject: Subject<'_>, findings: &mut Findings) {
    let mut first: HashMap<String, (String, &Operation)> = HashMap::new();
    let mut reported = 0;
    for operation in &subject.description.operations {
        let Ok(shape) = shape(&operation.path) else {
            continue;
        };
        let (earlier, other) = first
            .entry(shape.to_lowercase())
            .or_insert_with(|| (shape.clone(), operation));
        if *earlier == shape {
            continue;
        }
        findings.push(
            Diagnostic::warning(
                lints::PATHS_DIFFER_BY_CASE,
                operation.path_place.clone(),
                format!(
                    "the paths {} and {} differ only in upper and lower case, and are two routes",
                    quote(&other.path),
                    quote(&operation.path)
                ),
            )
            .help("spell them alike: a backend that does not mind the case serves both under either rule")
            .related(other.path_place.clone(), "the other path"),
        );
        // The second spelling is named once, not with each of its methods.
        *earlier = shape;
        reported += 1;
        if reported == MAX_PAIRS {
            return;
        }
    }
}

/// One finding for each operation that wins, however many it wins against.
fn overlapping(subject: Subject<'_>, findings: &mut Findings) {
    let operations = &subject.description.operations;
    let overlaps = overlaps::of(operations);
    for group in overlaps.chunk_by(|a, b| a.wins == b.wins).take(MAX_PAIRS) {
        let [Overlap { wins, loses, path }, others @ ..] = group else {
            continue;
        };
        let (wins, loses) = (&operations[*wins], &operations[*loses]);
        let security = match (is_closed(wins), is_closed(loses)) {
            (true, false) => ", and only the first demands a token",
            (false, true) => ", and only the second demands a token",
            _ => "",
        };
        let finding = Diagnostic::warning(
            lints::OVERLAPPING_ROUTES,
            wins.place.clone(),
            format!(
                "{} goes to {}, though it matches {} as well{security}",
                quote(&format!("{} {path}", wins.method)),
                quote(&wins.path),
                quote(&loses.path)
            ),
        )
        .help("the first literal segment decides: rename one of the paths, or declare the common one by itself")
        .related(loses.place.clone(), name(loses));
        findings.push(
            others
                .iter()
                .take(MAX_PAIRS)
                .fold(finding, |finding, other| {
                    let other = &operations[other.loses];
                    finding.related(other.place.clone(), name(other))
                }),
        );
    }
}

/// Below an open `**`, whatever is not declared is open: another method or spelling of a path that
/// demands a token, too.
fn open_catch_all(subject: Subject<'_>) -> Option<Diagnostic> {
    let operations = &subject.description.operations;
    // By the path before `**`: the first open operation there, and whether one demands a token.
    let mut catch_alls: HashMap<String, (Option<&Operation>, bool)> = HashMap::new();
    let mut closed = Vec::new();
    for operation in operations {
        let Ok(shape) = shape(&operation.path) else {
            continue;
        };
        if let Some(before) = shape.strip_suffix("/**") {
            let known = catch_alls.entry(before.to_owned()).or_default();
            match is_closed(operation) {
                true => known.1 = true,
                false => known.0 = known.0.or(Some(operation)),
            }
        } else if is_closed(operation) {
            closed.push((shape, operation));
        }
    }
    if catch_alls.is_empty() {
        return None;
    }
    let exposed: Vec<_> = closed
        .iter()
        .filter_map(|(shape, operation)| Some((nearest(&catch_alls, shape)?, *operation)))
        .collect();
    let (open, _) = *exposed.first()?;
    let group = Group::new(exposed.iter().map(|(_, operation)| *operation))?;
    Some(
        Diagnostic::warning(
            lints::OVERLAPPING_ROUTES,
            open.place.clone(),
            format!(
                "{} is open, and takes every path that is not declared: also other methods and spellings of {}, which demands a token",
                name(open),
                name(group.first)
            ),
        )
        .help("demand a token of the `**`, or declare a `**` that demands one below the paths to protect")
        .related(group.first.place.clone(), "demands a token"),
    )
}

/// The open operation of the nearest `**` that a path is below, if that asks nobody for a token.
fn nearest<'a>(
    catch_alls: &HashMap<String, (Option<&'a Operation>, bool)>,
    shape: &str,
) -> Option<&'a Operation> {
    let mut before = shape;
    loop {
        match catch_alls.get(before) {
            Some((_, true)) => return None,
            Some((Some(open), false)) => return Some(open),
            _ => before = &before[..before.rfind('/')?],
        }
    }
}
