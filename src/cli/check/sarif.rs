//! SARIF 2.1.0 (OASIS standard), the part of it that findings need. The crates that model all of it
//! generate their types with a heavy build; these few are checked against the standard's required
//! members by the tests.

use std::collections::BTreeMap;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Serialize;
use serde_json::{Value, json};

use super::Run;
use super::cluster;
use super::explain;
use super::file::Checked;
use crate::cli::report::{Located, Spot};
use crate::openapi::diagnostic::{Position, code};
use crate::openapi::lints;

/// What stays as it is in a relative URI (RFC 3986 section 3.3, without `:`).
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'/')
    .remove(b'.')
    .remove(b'-')
    .remove(b'_')
    .remove(b'~');

/// `run.tool.driver.rules[]`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Rule {
    id: &'static str,
    short_description: Message,
    help: Message,
}

/// `message`, and what has its form.
#[derive(Serialize)]
struct Message {
    text: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    markdown: Option<String>,
}

/// `run.results[]`.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Outcome {
    rule_id: &'static str,
    rule_index: usize,
    level: &'static str,
    message: Message,
    locations: Vec<Value>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    related_locations: Vec<Value>,
}

/// The log of one run.
pub(super) fn log(run: &Run) -> serde_json::Result<String> {
    let mut indices = BTreeMap::new();
    for located in run.checked.iter().flat_map(|checked| &checked.findings) {
        indices.insert(located.finding.code, 0);
    }
    for (index, place) in indices.values_mut().enumerate() {
        *place = index;
    }
    let rules: Vec<_> = indices.keys().map(|name| rule(name)).collect();
    let results: Vec<_> = run
        .checked
        .iter()
        .flat_map(|checked| {
            checked
                .findings
                .iter()
                .map(|located| outcome(checked, located, &indices))
        })
        .collect();
    let notifications: Vec<_> = run
        .unread
        .iter()
        .map(|unread| {
            json!({
                "level": "error",
                "message": {"text": format!("cannot read {}: {}", unread.path, unread.why)},
            })
        })
        .collect();
    let log = json!({
        "$schema": "https://json.schemastore.org/sarif-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": {"driver": {
                "name": "endpoints",
                "semanticVersion": env!("CARGO_PKG_VERSION"),
                "rules": rules,
            }},
            "columnKind": "unicodeCodePoints",
            "invocations": [{
                "executionSuccessful": run.unread.is_empty(),
                "toolExecutionNotifications": notifications,
            }],
            "results": results,
        }],
    });
    Ok(serde_json::to_string_pretty(&log)? + "\n")
}

fn rule(name: &'static str) -> Rule {
    let text = lints::lint(name).map_or_else(|| summary(name), |lint| lint.summary);
    Rule {
        id: name,
        help: Message {
            text: format!("endpoints check --explain {name}"),
            // The page is not in the repository that is looked at: no link would lead there.
            markdown: explain::section(name).map(str::to_owned),
        },
        short_description: Message {
            text: text.to_owned(),
            markdown: None,
        },
    }
}

/// What a name that is no lint's stands for.
fn summary(name: &'static str) -> &'static str {
    match name {
        code::INVALID_OPENAPI => "the document does not parse or contradicts itself",
        code::INVALID_SPEC => "a field of the EndpointsService is wrong",
        code::UNSUPPORTED_FEATURE => "the document uses something that is not enforced",
        code::UNSUPPORTED_SECURITY => "security that cannot be enforced",
        code::CONFLICTING_ROUTES => "two operations have one route",
        other => cluster::codes::summary(other).unwrap_or(other),
    }
}

fn outcome(
    checked: &Checked,
    located: &Located,
    indices: &BTreeMap<&'static str, usize>,
) -> Outcome {
    let finding = &located.finding;
    let help = finding.help.as_deref();
    let text = match help {
        Some(help) => format!("{}. Help: {help}", finding.message),
        None => finding.message.clone(),
    };
    let related = finding.related.iter().zip(&located.related).enumerate();
    Outcome {
        rule_id: finding.code,
        rule_index: indices.get(finding.code).copied().unwrap_or_default(),
        level: finding.severity.name(),
        message: Message {
            text,
            markdown: None,
        },
        locations: vec![location(
            &checked.file,
            &located.spot,
            &finding.place.pointer,
        )],
        related_locations: related
            .map(|(id, ((place, what), spot))| {
                let mut location = location(&checked.file, spot, &place.pointer);
                location["id"] = json!(id);
                location["message"] = json!({"text": what});
                location
            })
            .collect(),
    }
}

fn location(file: &str, spot: &Spot, pointer: &str) -> Value {
    let mut physical = json!({"artifactLocation": {"uri": uri(file)}});
    if let Some(Position { line, column }) = spot.position {
        let mut region = json!({"startLine": line, "startColumn": column});
        // A document with lines of its own has an excerpt that is not the file's.
        let own = spot.inner.is_some_and(|inner| inner.line == line);
        if let Some(excerpt) = &spot.excerpt
            && excerpt.line == line
            && !own
        {
            region["endColumn"] = json!(column + excerpt.width.max(1));
        }
        physical["region"] = region;
    }
    let mut location = json!({"physicalLocation": physical});
    if !pointer.is_empty() {
        location["logicalLocations"] = json!([{"fullyQualifiedName": pointer}]);
    }
    location
}

/// A file as a reference relative to where the command ran, or a `file:` URI.
fn uri(file: &str) -> String {
    let path = utf8_percent_encode(file, ESCAPED);
    match file.starts_with('/') {
        true => format!("file://{path}"),
        false => path.to_string(),
    }
}
