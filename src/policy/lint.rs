//! Lints: what compiles, and yet is hardly what somebody meant.
//!
//! One file a topic. Each cause is reported once, with how many operations it concerns; the cost is
//! bounded by the size of the document. Their names stand in [`crate::openapi::lints`], what they mean
//! in `docs/lints.md`.

mod backend;
mod cors;
mod issuers;
mod jwt;
mod origin_regex;
mod placeholders;
mod routes;
mod security;

use std::collections::HashSet;
use std::sync::Arc;

use crate::api::EndpointsServiceSpec;
use crate::openapi::description::{Alternative, Operation, Requirement, Security};
use crate::openapi::diagnostic::quote;
use crate::openapi::{Description, Findings};
use crate::policy::Policy;

#[cfg(test)]
mod tests;

/// What is looked at.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    /// What the document says.
    pub(super) description: &'a Description,
    /// What stands around it.
    pub(super) spec: &'a EndpointsServiceSpec,
    /// What both come to. Operations with an error may be missing.
    pub(super) policy: &'a Policy,
}

/// Looks for everything.
pub(super) fn run(subject: Subject<'_>, findings: &mut Findings) {
    security::check(subject, findings);
    backend::check(subject, findings);
    cors::check(subject, findings);
    jwt::check(subject, findings);
    placeholders::check(subject, findings);
    routes::check(subject, findings);
}

/// Operations with one thing in common: how many, and the first of them.
struct Group<'a> {
    count: usize,
    first: &'a Operation,
}

impl<'a> Group<'a> {
    fn new(operations: impl IntoIterator<Item = &'a Operation>) -> Option<Self> {
        let mut operations = operations.into_iter();
        let first = operations.next()?;
        Some(Self {
            count: 1 + operations.count(),
            first,
        })
    }

    /// "`GET /a`", or "3 operations (first `GET /a`)".
    fn name(&self) -> String {
        let first = name(self.first);
        match self.count {
            1 => first,
            count => format!("{count} operations (first {first})"),
        }
    }
}

/// `GET /shelves`, quoted.
fn name(operation: &Operation) -> String {
    quote(&format!("{} {}", operation.method, operation.path))
}

/// Whether nobody comes in without a token.
fn is_closed(operation: &Operation) -> bool {
    let alternatives = &operation.security.alternatives;
    !alternatives.is_empty()
        && alternatives
            .iter()
            .all(|alternative| !alternative.requirements.is_empty())
}

/// Every requirement that some operation has. What operations share is visited once.
fn requirements(subject: Subject<'_>) -> impl Iterator<Item = &Requirement> {
    let mut seen: HashSet<*const Security> = HashSet::new();
    subject
        .description
        .operations
        .iter()
        .filter(move |operation| seen.insert(Arc::as_ptr(&operation.security)))
        .flat_map(|operation| &operation.security.alternatives)
        .flat_map(|Alternative { requirements, .. }| requirements)
}
