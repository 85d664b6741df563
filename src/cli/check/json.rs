//! One JSON document of our own form; `docs/check.md` says what is in it, and it grows only by
//! fields.

use serde::Serialize;

use super::{Run, routes};
use crate::cli::report::{Located, Spot, Tally};
use crate::openapi::diagnostic::{Origin, Place};

/// The version of the form: another one, if a field goes or changes its meaning.
const SCHEMA_VERSION: u32 = 1;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Document<'r> {
    schema_version: u32,
    summary: Summary,
    findings: Vec<Finding<'r>>,
    unread: Vec<Unread<'r>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    services: Option<Vec<routes::Table<'r>>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    suggestions: Option<Vec<Suggested<'r>>>,
}

#[derive(Serialize)]
struct Suggested<'r> {
    purpose: &'r str,
    manifest: &'r str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Summary {
    services: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    pods: Option<usize>,
    errors: usize,
    warnings: usize,
    passed_over: usize,
}

#[derive(Serialize)]
struct Finding<'r> {
    severity: &'static str,
    code: &'r str,
    message: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    help: Option<&'r str>,
    file: &'r str,
    #[serde(flatten)]
    at: At<'r>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related: Vec<Related<'r>>,
}

#[derive(Serialize)]
struct Related<'r> {
    message: &'r str,
    #[serde(flatten)]
    at: At<'r>,
}

/// A place: in the file, and in the document or resource.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct At<'r> {
    #[serde(skip_serializing_if = "Option::is_none")]
    line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    column: Option<usize>,
    origin: &'static str,
    pointer: &'r str,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_line: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    document_column: Option<usize>,
}

#[derive(Serialize)]
struct Unread<'r> {
    file: &'r str,
    message: &'r str,
}

/// What a run came to. `routes`: with the tables of operations.
pub(super) fn document(run: &Run, routes: bool) -> serde_json::Result<String> {
    let Tally { errors, warnings } = run.tally();
    let findings = run.checked.iter().flat_map(|checked| {
        checked
            .findings
            .iter()
            .map(|located| finding(&checked.file, located))
    });
    let unread = run.unread.iter().map(|unread| Unread {
        file: &unread.path,
        message: &unread.why,
    });
    let document = Document {
        schema_version: SCHEMA_VERSION,
        summary: Summary {
            services: run.services,
            pods: run.cluster.as_ref().map(|scope| scope.pods),
            errors,
            warnings,
            passed_over: run.others(),
        },
        findings: findings.collect(),
        unread: unread.collect(),
        services: routes.then(|| routes::json(run)),
        suggestions: run.cluster.is_some().then(|| {
            let suggested = run.suggestions.iter().map(|suggestion| Suggested {
                purpose: &suggestion.purpose,
                manifest: &suggestion.manifest,
            });
            suggested.collect()
        }),
    };
    Ok(serde_json::to_string_pretty(&document)? + "\n")
}

fn finding<'r>(file: &'r str, located: &'r Located) -> Finding<'r> {
    let finding = &located.finding;
    Finding {
        severity: finding.severity.name(),
        code: finding.code,
        message: &finding.message,
        help: finding.help.as_deref(),
        file,
        at: at(&finding.place, &located.spot),
        related: finding
            .related
            .iter()
            .zip(&located.related)
            .map(|((place, what), spot)| Related {
                message: what,
                at: at(place, spot),
            })
            .collect(),
    }
}

fn at<'r>(place: &'r Place, spot: &Spot) -> At<'r> {
    At {
        line: spot.position.map(|position| position.line),
        column: spot.position.map(|position| position.column),
        origin: match place.origin {
            Origin::Document => "document",
            Origin::Resource => "resource",
        },
        pointer: &place.pointer,
        document_line: spot.inner.map(|position| position.line),
        document_column: spot.inner.map(|position| position.column),
    }
}
