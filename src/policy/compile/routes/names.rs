//! Names of operations: labels of logs and metrics.

use std::collections::HashMap;

use crate::openapi::description::Operation;
use crate::openapi::diagnostic::quote;
use crate::openapi::{Diagnostic, Findings, lints};

/// The longest name, in bytes, but for the number that tells copies apart.
const MAX_NAME: usize = 128;

/// Gives each operation a name of its own. They come sorted: the document's order does not matter.
#[derive(Default)]
pub(super) struct Names<'d> {
    taken: HashMap<String, &'d Operation>,
    /// The number of the last copy of a name: a document of nothing but copies must not cost their
    /// square.
    copies: HashMap<String, usize>,
}

impl<'d> Names<'d> {
    /// The name of the next operation: its `operationId`, else made from method and path.
    pub(super) fn name(&mut self, operation: &'d Operation, findings: &mut Findings) -> String {
        let own = own_name(operation);
        if let Some(own) = own.as_ref()
            && let Some(first) = self.taken.get(own)
            // One operation under several base paths is written once.
            && first.place != operation.place
            && own_name(first).as_ref() == Some(own)
        {
            findings.push(duplicate(first, operation));
        }
        let base = own
            .filter(|own| !self.taken.contains_key(own))
            .unwrap_or_else(|| {
                let method = operation.method.to_ascii_lowercase();
                sanitise(&format!("{method}{}", operation.path))
            });
        let mut name = base.clone();
        if self.taken.contains_key(&name) {
            let copy = self.copies.entry(base.clone()).or_insert(1);
            while self.taken.contains_key(&name) {
                *copy += 1;
                name = format!("{base}_{copy}");
            }
        }
        self.taken.insert(name.clone(), operation);
        name
    }
}

/// The `operationId` as a name, if there is anything of it in a name.
fn own_name(operation: &Operation) -> Option<String> {
    operation
        .operation_id
        .as_deref()
        .map(sanitise)
        .filter(|id| !id.trim_matches('_').is_empty())
}

fn duplicate(first: &Operation, second: &Operation) -> Diagnostic {
    let id = |operation: &Operation| quote(operation.operation_id.as_deref().unwrap_or_default());
    Diagnostic::warning(
        lints::DUPLICATE_OPERATION_ID,
        second.place.clone(),
        format!(
            "the operationId {} of {} {} is taken by {} {} ({}): here it is named after its path",
            id(second),
            second.method,
            quote(&second.path),
            first.method,
            quote(&first.path),
            id(first),
        ),
    )
    .help("give each operation an `operationId` of its own; only letters, digits and `_` tell them apart")
    .related(first.place.clone(), "first used here")
}

/// Letters, digits and `_`, as ESPv2 names operations.
fn sanitise(text: &str) -> String {
    let named = |character: char| match character.is_ascii_alphanumeric() {
        true => character,
        false => '_',
    };
    text.chars().take(MAX_NAME).map(named).collect()
}
