//! `security`: what each operation demands, of what can be enforced.
//!
//! No operation is ever open by misunderstanding: an alternative that cannot be enforced is left out
//! only while another one remains, which narrows who may call; else the document is refused.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::jwt::normal_audiences;
use crate::api::endpoints_service::{JwtSpec, ScopeMode};
use crate::openapi::description::{self, Scheme, SchemeKind, Security};
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::{Description, Diagnostic, Findings, lints};
use crate::policy::format::{Alternative, Requirement};
use crate::policy::jwt::MAX_TOKENS;

/// Whether the scopes of `security` are demanded.
pub(super) fn enforces_scopes(spec: Option<&JwtSpec>) -> bool {
    spec.and_then(|spec| spec.scopes).unwrap_or_default() == ScopeMode::Enforce
}

/// Resolves requirements against the schemes of a document.
pub(super) struct Resolver<'d> {
    schemes: HashMap<&'d str, &'d Scheme>,
    enforce_scopes: bool,
    /// Schemes of alternatives that count: those that are left out need neither keys nor audiences.
    demanded: HashSet<&'d str>,
    /// Requirements are shared by many operations: each is judged once.
    resolved: HashMap<*const Security, Resolved>,
}

/// What an operation demands.
#[derive(Clone, Debug)]
pub(super) struct Resolved {
    /// The alternatives that are enforced.
    pub(super) alternatives: Rc<[Alternative]>,
    /// About how many bytes they take in a policy: each operation has a copy of its own.
    pub(super) bytes: usize,
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
            demanded: HashSet::new(),
            resolved: HashMap::new(),
        }
    }

    /// The schemes that what was resolved demands.
    pub(super) fn into_demanded(self) -> HashSet<&'d str> {
        self.demanded
    }

    /// What is demanded. It counts only if no error was found.
    pub(super) fn resolve(
        &mut self,
        security: &'d Arc<Security>,
        findings: &mut Findings,
    ) -> Resolved {
        let key = Arc::as_ptr(security);
        if let Some(known) = self.resolved.get(&key) {
            return known.clone();
        }
        let resolved = self.judge(security, findings);
        self.resolved.insert(key, resolved.clone());
        resolved
    }

    fn judge(&mut self, security: &'d Security, findings: &mut Findings) -> Resolved {
        let mut alternatives = Vec::with_capacity(security.alternatives.len());
        let mut left_out = Vec::new();
        let mut broken = false;
        for written in &security.alternatives {
            match self.alternative(written, findings) {
                Ok(alternative) => {
                    self.demand(written);
                    if !alternatives.contains(&alternative) {
                        alternatives.push(alternative);
                    }
                }
                Err(Obstacle::Unenforceable(finding)) => left_out.push((written, *finding)),
                Err(Obstacle::Found) => broken = true,
            }
        }
        if alternatives.is_empty() || broken {
            for (written, finding) in left_out {
                self.demand(written);
                findings.push(finding);
            }
        } else {
            findings.extend(
                left_out
                    .into_iter()
                    .map(|(_, finding)| as_left_out(finding)),
            );
        }
        Resolved {
            bytes: alternatives.iter().map(size).sum(),
            alternatives: alternatives.into(),
        }
    }

    fn demand(&mut self, written: &'d description::Alternative) {
        let names = written.requirements.iter().map(|r| r.scheme.as_str());
        self.demanded.extend(names);
    }

    fn alternative(
        &self,
        written: &description::Alternative,
        findings: &mut Findings,
    ) -> Result<Alternative, Obstacle> {
        let mut requirements: Vec<Requirement> = Vec::with_capacity(written.requirements.len());
        let mut obstacle = None;
        for requirement in &written.requirements {
            match self.requirement(requirement, findings) {
                Ok(requirement) => requirements.push(requirement),
                // What is wrong goes before what cannot be done.
                Err(Obstacle::Found) => return Err(Obstacle::Found),
                Err(other) => obstacle = obstacle.or(Some(other)),
            }
        }
        if let Some(obstacle) = obstacle {
            return Err(obstacle);
        }
        if requirements.len() > MAX_TOKENS {
            findings.push(
                Diagnostic::error(
                    code::UNSUPPORTED_SECURITY,
                    written.place.clone(),
                    format!("more than {MAX_TOKENS} tokens are demanded at once"),
                )
                .help("demand fewer schemes together"),
            );
            return Err(Obstacle::Found);
        }
        // A mapping has no order: that of its text must not move the policy's bytes, nor choose whose
        // claims the backend is told.
        requirements.sort_by(|a, b| a.provider.cmp(&b.provider));
        Ok(Alternative(requirements))
    }

    fn requirement(
        &self,
        written: &description::Requirement,
        findings: &mut Findings,
    ) -> Result<Requirement, Obstacle> {
        let Some(scheme) = self.schemes.get(written.scheme.as_str()) else {
            findings.push(self.unknown(written));
            return Err(Obstacle::Found);
        };
        match &scheme.kind {
            SchemeKind::Jwt(_) => Ok(Requirement {
                provider: written.scheme.clone(),
                scopes: match self.enforce_scopes {
                    true => scopes(written, findings)?,
                    false => BTreeSet::new(),
                },
                audiences: written
                    .audiences
                    .as_deref()
                    .map(|list| normal_audiences(list, &written.place, findings))
                    .filter(|audiences| !audiences.is_empty()),
            }),
            SchemeKind::Unenforceable { what, help } => Err(Obstacle::Unenforceable(Box::new(
                Diagnostic::error(
                    code::UNSUPPORTED_SECURITY,
                    written.place.clone(),
                    format!("the security scheme {} {what}", quote(&written.scheme)),
                )
                .help(help.clone())
                .related(scheme.place.clone(), "the scheme"),
            ))),
            SchemeKind::Broken => {
                // The reader refused the document already; if it ever did not, this does.
                if !findings.has_errors() {
                    findings.push(
                        Diagnostic::error(
                            code::UNSUPPORTED_SECURITY,
                            written.place.clone(),
                            format!(
                                "the security scheme {} is wrong in itself",
                                quote(&written.scheme)
                            ),
                        )
                        .help("mend the scheme, or demand another one")
                        .related(scheme.place.clone(), "the scheme"),
                    );
                }
                Err(Obstacle::Found)
            }
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
    /// Nothing that can be checked here; the error that it is if nothing else remains.
    Unenforceable(Box<Diagnostic>),
    /// A mistake, which is among the findings.
    Found,
}

/// The scopes that a token must have: each a `scope-token` (RFC 6749 section 3.3), or no list of
/// scopes could hold it.
fn scopes(
    written: &description::Requirement,
    findings: &mut Findings,
) -> Result<BTreeSet<String>, Obstacle> {
    let is_token = |scope: &&String| {
        !scope.is_empty()
            && scope
                .bytes()
                .all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte))
    };
    if let Some(odd) = written.scopes.iter().find(|scope| !is_token(scope)) {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                written.place.clone(),
                format!("{} is not a scope: no token can have it", quote(odd)),
            )
            .help("write visible ASCII characters without spaces, like `books.read`, or set `jwt.scopes: Ignore` in the EndpointsService"),
        );
        return Err(Obstacle::Found);
    }
    Ok(written.scopes.iter().cloned().collect())
}

/// About how many bytes an alternative takes in a policy.
fn size(alternative: &Alternative) -> usize {
    const AROUND: usize = 48;
    let texts = |set: &BTreeSet<String>| set.iter().map(|text| text.len() + 3).sum::<usize>();
    let requirements = alternative.0.iter().map(|requirement| {
        requirement.provider.len()
            + texts(&requirement.scopes)
            + requirement.audiences.as_ref().map_or(0, texts)
            + AROUND
    });
    requirements.sum::<usize>() + AROUND
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
