//! `security`: what each operation demands, of what can be enforced.
//!
//! No operation is ever open by misunderstanding: an alternative that cannot be enforced is left out
//! only while another one remains, which narrows who may call; else the document is refused.

use std::collections::HashMap;
use std::sync::Arc;

use crate::openapi::description::{self, Scheme, SchemeKind, Security};
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::{Description, Diagnostic, Findings, lints};
use crate::policy::format::{Alternative, Requirement};
use crate::policy::jwt::MAX_TOKENS;

/// Resolves requirements against the schemes of a document.
pub(super) struct Resolver<'d> {
    schemes: HashMap<&'d str, &'d Scheme>,
    enforce_scopes: bool,
    /// Requirements are shared by many operations: each is judged once.
    resolved: HashMap<*const Security, Vec<Alternative>>,
}

impl<'d> Resolver<'d> {
    /// `enforce_scopes`: `jwt.scopes` says so.
    pub(super) fn new(description: &'d Description, enforce_scopes: bool) -> Self {
        Self {
            schemes: description
                .schemes
                .iter()
                .map(|scheme| (scheme.name.as_str(), scheme))
                .collect(),
            enforce_scopes,
            resolved: HashMap::new(),
        }
    }

    /// The alternatives that are enforced. What comes back counts only if no error was found.
    pub(super) fn resolve(
        &mut self,
        security: &Arc<Security>,
        findings: &mut Findings,
    ) -> Vec<Alternative> {
        let key = Arc::as_ptr(security);
        if let Some(known) = self.resolved.get(&key) {
            return known.clone();
        }
        let mut alternatives = Vec::with_capacity(security.alternatives.len());
        let mut left_out = Vec::new();
        let mut broken = false;
        for written in &security.alternatives {
            match self.alternative(written) {
                Ok(alternative) => {
                    if !alternatives.contains(&alternative) {
                        alternatives.push(alternative);
                    }
                }
                Err(Obstacle::Unenforceable(finding)) => left_out.push(finding),
                Err(Obstacle::Wrong(finding)) => {
                    broken = true;
                    findings.push(finding);
                }
                Err(Obstacle::Found) => broken = true,
            }
        }
        if alternatives.is_empty() || broken {
            findings.extend(left_out);
        } else {
            findings.extend(left_out.into_iter().map(as_left_out));
        }
        self.resolved.insert(key, alternatives.clone());
        alternatives
    }

    fn alternative(&self, written: &description::Alternative) -> Result<Alternative, Obstacle> {
        if written.requirements.len() > MAX_TOKENS {
            return Err(Obstacle::Wrong(
                Diagnostic::error(
                    code::UNSUPPORTED_SECURITY,
                    written.place.clone(),
                    format!("more than {MAX_TOKENS} schemes are demanded together"),
                )
                .help("each needs a token of its own: write alternatives, or fewer schemes"),
            ));
        }
        let mut requirements: Vec<Requirement> = Vec::with_capacity(written.requirements.len());
        let mut obstacle = None;
        for requirement in &written.requirements {
            match self.requirement(requirement) {
                Ok(requirement) => requirements.push(requirement),
                // What is wrong goes before what cannot be done.
                Err(wrong @ Obstacle::Wrong(_)) => return Err(wrong),
                Err(other) => obstacle = obstacle.or(Some(other)),
            }
        }
        match obstacle {
            Some(obstacle) => Err(obstacle),
            None => Ok(Alternative(requirements)),
        }
    }

    fn requirement(&self, written: &description::Requirement) -> Result<Requirement, Obstacle> {
        let scheme = self
            .schemes
            .get(written.scheme.as_str())
            .ok_or_else(|| Obstacle::Wrong(self.unknown(written)))?;
        match &scheme.kind {
            SchemeKind::Jwt(_) => Ok(Requirement {
                provider: written.scheme.clone(),
                scopes: match self.enforce_scopes {
                    true => written.scopes.iter().cloned().collect(),
                    false => Default::default(),
                },
                audiences: written
                    .audiences
                    .as_ref()
                    .map(|list| super::jwt::normal_audiences(list)),
            }),
            SchemeKind::Unenforceable { what, help } => Err(Obstacle::Unenforceable(
                Diagnostic::error(
                    code::UNSUPPORTED_SECURITY,
                    written.place.clone(),
                    format!("the security scheme {} {what}", quote(&written.scheme)),
                )
                .help(help.clone())
                .related(scheme.place.clone(), "the scheme"),
            )),
            SchemeKind::Broken => Err(Obstacle::Found),
        }
    }

    fn unknown(&self, written: &description::Requirement) -> Diagnostic {
        let mut known: Vec<_> = self.schemes.keys().copied().collect();
        known.sort_unstable();
        let known: Vec<_> = known.into_iter().take(8).map(quote).collect();
        Diagnostic::error(
            code::UNSUPPORTED_SECURITY,
            written.place.clone(),
            format!("there is no security scheme {}", quote(&written.scheme)),
        )
        .help(match known.as_slice() {
            [] => String::from("define it: the document has no security schemes"),
            known => format!("define it, or use one that is: {}", known.join(", ")),
        })
    }
}

/// Why an alternative is not in the policy.
enum Obstacle {
    /// A mistake.
    Wrong(Diagnostic),
    /// Nothing that can be checked here; the error that it is if nothing else remains.
    Unenforceable(Diagnostic),
    /// A mistake that was found before.
    Found,
}

/// The warning that an alternative is not offered.
fn as_left_out(error: Diagnostic) -> Diagnostic {
    let mut warning = Diagnostic::warning(
        lints::ALTERNATIVE_LEFT_OUT,
        error.place,
        format!(
            "this alternative is left out, so that only the others let a request in: {}",
            error.message
        ),
    );
    warning.help = error.help;
    warning.related = error.related;
    warning
}
