//! Operations: one route each, one name each, in one order.

use std::collections::{BTreeSet, HashMap};

use super::security::Resolver;
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::{Description, Diagnostic, Findings, description};
use crate::policy::format::Operation;
use crate::policy::route::{RouteError, Router, shape};

/// The longest operation name, in bytes: it becomes a label of logs and metrics.
const MAX_NAME: usize = 128;

/// Checks the routes and sorts them.
pub(super) fn compile(description: &Description, findings: &mut Findings) -> Vec<Operation> {
    let mut security = Resolver::new(description, true);
    let mut taken: HashMap<(&str, String), &description::Operation> = HashMap::new();
    let mut operations = Vec::with_capacity(description.operations.len());
    for operation in &description.operations {
        let shape = match shape(&operation.path) {
            Ok(shape) => shape,
            Err(why) => {
                findings.push(bad_template(operation, &why));
                continue;
            }
        };
        if let Some(first) = taken.insert((&operation.method, shape), operation) {
            findings.push(conflict(first, operation));
            continue;
        }
        operations.push(Operation {
            method: operation.method.clone(),
            path: operation.path.clone(),
            name: String::new(),
            security: security.resolve(&operation.security, findings),
            backend: None,
            cors: None,
        });
    }
    operations.sort_by(|a, b| (&a.path, &a.method).cmp(&(&b.path, &b.method)));
    name_all(description, &mut operations);
    if let Err(RouteError::Crowded { template }) = Router::new(&operations) {
        findings.extend(crowded(description, &template));
    }
    operations
}

/// Lookups must stay cheap however many routes there are.
fn crowded(description: &Description, template: &str) -> Option<Diagnostic> {
    let operations = &description.operations;
    let operation = operations.iter().find(|own| own.path == template)?;
    Some(
        Diagnostic::error(
            code::UNSUPPORTED_FEATURE,
            operation.path_place.clone(),
            format!(
                "{} is one path too many whose variables are parts of the same segment",
                quote(template)
            ),
        )
        .help("give such segments text of their own before the first variable or after the last, or make the whole segment a variable"),
    )
}

fn bad_template(operation: &description::Operation, why: &str) -> Diagnostic {
    let path = quote(&operation.path);
    let place = operation.path_place.clone();
    Diagnostic::error(
        code::INVALID_OPENAPI,
        place,
        format!("{path} is not a path template: {why}"),
    )
    .help("write segments between slashes, of text and variables: `/shelves/{shelf}`, `/files/{stem}.{suffix}`")
}

fn conflict(first: &description::Operation, second: &description::Operation) -> Diagnostic {
    Diagnostic::error(
        code::CONFLICTING_ROUTES,
        second.place.clone(),
        format!(
            "{} {} is the same route as {}: first at {}",
            second.method,
            quote(&second.path),
            quote(&first.path),
            first.place
        ),
    )
    .help("names of parameters and a trailing slash do not tell routes apart: keep one of them")
}

/// Gives each operation a name of its own. They are sorted: the document's order does not matter.
fn name_all(description: &Description, operations: &mut [Operation]) {
    let ids: HashMap<(&str, &str), &str> = description
        .operations
        .iter()
        .filter_map(|operation| {
            let id = operation.operation_id.as_deref()?;
            Some(((operation.method.as_str(), operation.path.as_str()), id))
        })
        .collect();
    let mut taken = BTreeSet::new();
    for operation in operations {
        let own = ids
            .get(&(operation.method.as_str(), operation.path.as_str()))
            .map(|id| sanitise(id))
            .filter(|id| !id.trim_matches('_').is_empty());
        let derived = sanitise(&format!(
            "{}{}",
            operation.method.to_ascii_lowercase(),
            operation.path
        ));
        let base = own.filter(|id| !taken.contains(id)).unwrap_or(derived);
        let mut name = base.clone();
        let mut copy = 2_usize;
        while !taken.insert(name.clone()) {
            name = format!("{base}_{copy}");
            copy += 1;
        }
        operation.name = name;
    }
}

/// Letters, digits and `_`, as ESPv2 names operations.
fn sanitise(text: &str) -> String {
    let mut name: String = text
        .chars()
        .map(|character| {
            if character.is_ascii_alphanumeric() {
                character
            } else {
                '_'
            }
        })
        .collect();
    name.truncate(MAX_NAME);
    name
}
