//! `x-security` (2.0), the old way to say for whom an operation's tokens are:
//! `x-security: [{SCHEME: {audiences: [..]}}]`.
//!
//! Google's compiler reads each of its schemes as one more alternative (OR), demanded besides the
//! `security` of the same place; an operation that has either does not inherit tokens from the
//! document. API keys are another matter to it: they are demanded where every alternative of
//! `security` has one, the document's too. So here: what is no token is demanded together with each
//! scheme of `x-security`.

use std::sync::Arc;

use super::super::description::{Alternative, Requirement, Scheme, SchemeKind, Security};
use super::super::diagnostic::{Diagnostic, Findings, Place, code, quote};
use super::super::lints;
use super::super::source::{Cursor, Kind};
use super::Context;
use super::audiences::listed;
use super::values::{Found, mapping, sequence, wrong};

/// The extension.
const NAME: &str = "x-security";
/// The most alternatives altogether, as in `security`.
const MAX_ALTERNATIVES: usize = 64;
/// Bytes that the audiences of all operations together may take.
const MAX_BYTES: usize = 8 * 1024 * 1024;

/// Who may call, with what `x-security` of a document or an operation says, if it is there.
///
/// `base` is the `security` that holds at this place; `is_own` says that it is written here, and not
/// inherited. `schemes` are those of the document: what is no token is demanded besides.
pub(in super::super) fn with_legacy_security(
    at: &Cursor<'_>,
    base: Arc<Security>,
    is_own: bool,
    schemes: &[Scheme],
    context: &Context,
    findings: &mut Findings,
) -> Arc<Security> {
    let Some(extension) = at.get(NAME) else {
        return base;
    };
    let Ok(demanded) = demanded(&extension, findings) else {
        return base;
    };
    let taken = context.legacy_bytes.get()
        + demanded
            .iter()
            .flat_map(|demand| &demand.audiences)
            .map(|audience| audience.len() + size_of::<String>())
            .sum::<usize>();
    if taken > MAX_BYTES {
        findings.push(
            wrong(
                &extension,
                format!("the audiences of all `{NAME}` take more than {MAX_BYTES} bytes"),
            )
            .help("write them once, as `x-google-audiences` of a scheme"),
        );
        return base;
    }
    context.legacy_bytes.set(taken);
    // An unknown scheme, and one that is wrong, is found by others: here it counts as a token.
    let is_token = |name: &str| {
        !schemes.iter().any(|scheme| {
            scheme.name == name && matches!(scheme.kind, SchemeKind::Unenforceable { .. })
        })
    };
    combined(&extension, &base, is_own, &is_token, &demanded, findings).map_or(base, Arc::new)
}

/// One scheme of `x-security`.
struct Demand {
    scheme: String,
    /// Empty: the scheme's own.
    audiences: Vec<String>,
    place: Place,
}

fn demanded(at: &Cursor<'_>, findings: &mut Findings) -> Result<Vec<Demand>, Found> {
    sequence(at, NAME, MAX_ALTERNATIVES, findings)?;
    let mut demanded: Vec<Demand> = Vec::new();
    for item in at.items() {
        if !matches!(item.kind(), Kind::Mapping(_)) {
            findings.push(
                item.wrong_kind(NAME, "a list of mappings")
                    .help("write `- my_scheme:`, and below it `audiences:`"),
            );
            return Err(Found);
        }
        let mut entries = item.entries();
        let (Some((scheme, rules)), None) = (entries.next(), entries.next()) else {
            findings.push(
                wrong(
                    &item,
                    format!("an item of `{NAME}` must name exactly one scheme"),
                )
                .help("write one item for each scheme: any of them lets a request in"),
            );
            return Err(Found);
        };
        if demanded.iter().any(|known| known.scheme == scheme) {
            findings.push(
                wrong(
                    &item,
                    format!("`{NAME}` names the scheme {} twice", quote(scheme)),
                )
                .help("write all of its audiences in one list"),
            );
            return Err(Found);
        }
        demanded.push(Demand {
            scheme: scheme.to_owned(),
            audiences: demanded_audiences(scheme, &rules, findings)?,
            place: rules.key_place(),
        });
    }
    Ok(demanded)
}

fn demanded_audiences(
    scheme: &str,
    at: &Cursor<'_>,
    findings: &mut Findings,
) -> Result<Vec<String>, Found> {
    // `- scheme: []`, as in `security`, demands the scheme without naming audiences.
    if matches!(at.kind(), Kind::Sequence(items) if items.is_empty()) {
        return Ok(Vec::new());
    }
    mapping(at, scheme, &["audiences"], findings)?;
    match at.get("audiences") {
        Some(audiences) => listed(&audiences, "audiences", findings),
        None => Ok(Vec::new()),
    }
}

/// `None` when nothing changes, or a finding was made.
fn combined(
    at: &Cursor<'_>,
    base: &Security,
    is_own: bool,
    is_token: &dyn Fn(&str) -> bool,
    demanded: &[Demand],
    findings: &mut Findings,
) -> Option<Security> {
    if demanded.is_empty() {
        return emptied(at, base, is_own, is_token, findings);
    }
    if is_own && let Some(anyone) = base.alternatives.iter().find(|a| a.requirements.is_empty()) {
        findings.push(
            Diagnostic::error(
                code::INVALID_OPENAPI,
                anyone.place.clone(),
                format!("`security` lets anyone in, but `{NAME}` beside it demands a token"),
            )
            .help(format!("remove this alternative, or remove `{NAME}`"))
            .related(at.key_place(), "the demand for a token"),
        );
        return None;
    }
    let besides = besides_tokens(base, is_token);
    // Alternatives with tokens stand where they are written here, or named here.
    let mut alternatives: Vec<Alternative> = base
        .alternatives
        .iter()
        .filter(|alternative| {
            let mut tokens = alternative
                .requirements
                .iter()
                .filter(|requirement| is_token(&requirement.scheme))
                .peekable();
            match (is_own, tokens.peek().is_some()) {
                (true, true) => true,
                (true, false) => besides.is_empty(),
                (false, _) => tokens.any(|token| names(demanded, &token.scheme).is_some()),
            }
        })
        .cloned()
        .collect();
    for requirement in alternatives
        .iter_mut()
        .flat_map(|alternative| &mut alternative.requirements)
    {
        if let Some(demand) = names(demanded, &requirement.scheme)
            && !demand.audiences.is_empty()
        {
            requirement.audiences = Some(demand.audiences.clone());
        }
    }
    let nothing = Vec::new();
    for demand in demanded {
        let is_there = alternatives
            .iter()
            .flat_map(|alternative| &alternative.requirements)
            .any(|requirement| requirement.scheme == demand.scheme);
        if is_there {
            continue;
        }
        let token = Requirement {
            scheme: demand.scheme.clone(),
            scopes: Vec::new(),
            audiences: (!demand.audiences.is_empty()).then(|| demand.audiences.clone()),
            place: demand.place.clone(),
        };
        let others = match besides.as_slice() {
            [] => std::slice::from_ref(&nothing),
            besides => besides,
        };
        alternatives.extend(others.iter().map(|others| Alternative {
            requirements: others.iter().chain([&token]).cloned().collect(),
            place: demand.place.clone(),
        }));
    }
    if alternatives.len() > MAX_ALTERNATIVES {
        findings.push(
            wrong(
                at,
                format!("`security` and `{NAME}` have more than {MAX_ALTERNATIVES} alternatives"),
            )
            .help("demand fewer schemes"),
        );
        return None;
    }
    Some(Security {
        alternatives,
        place: Some(at.key_place()),
    })
}

fn names<'d>(demanded: &'d [Demand], scheme: &str) -> Option<&'d Demand> {
    demanded.iter().find(|demand| demand.scheme == scheme)
}

/// What is demanded besides tokens, as alternatives, if each alternative demands something; else
/// nothing is.
fn besides_tokens(base: &Security, is_token: &dyn Fn(&str) -> bool) -> Vec<Vec<Requirement>> {
    let mut all: Vec<Vec<Requirement>> = Vec::new();
    for alternative in &base.alternatives {
        let others: Vec<_> = alternative
            .requirements
            .iter()
            .filter(|requirement| !is_token(&requirement.scheme))
            .cloned()
            .collect();
        if others.is_empty() {
            return Vec::new();
        }
        let schemes = |list: &[Requirement]| -> Vec<String> {
            list.iter().map(|other| other.scheme.clone()).collect()
        };
        if !all.iter().any(|known| schemes(known) == schemes(&others)) {
            all.push(others);
        }
    }
    all
}

/// `x-security: []` of an operation: it does not inherit the document's tokens.
fn emptied(
    at: &Cursor<'_>,
    base: &Security,
    is_own: bool,
    is_token: &dyn Fn(&str) -> bool,
    findings: &mut Findings,
) -> Option<Security> {
    if is_own || base.alternatives.is_empty() {
        return None;
    }
    let besides = besides_tokens(base, is_token);
    if besides.is_empty() {
        findings.push(
            Diagnostic::warning(
                lints::OPENED_BY_X_SECURITY,
                at.key_place(),
                format!("anyone may call this operation: an empty `{NAME}` drops the document's `security`, as Google's compiler has it"),
            )
            .help("write `security: []` instead to say so plainly, or remove it to demand a token"),
        );
    }
    Some(Security {
        alternatives: besides
            .into_iter()
            .map(|requirements| Alternative {
                requirements,
                place: at.key_place(),
            })
            .collect(),
        place: Some(at.key_place()),
    })
}
