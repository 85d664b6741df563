//! Operations: one route each, one order, and what each of them demands.

mod names;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::rc::Rc;
use std::sync::Arc;

use super::backend::Backends;
use super::cors::Overrides;
use super::security::Resolver;
use crate::openapi::diagnostic::{code, quote};
use crate::openapi::{Description, Diagnostic, Findings, description, lints};
use crate::policy::format::{BackendRule, CorsMode, MAX_POLICY_BYTES, Operation};
use crate::policy::route::{RouteError, Router, shape};

/// About how many bytes an operation takes in a policy, beside its path and its security.
const AROUND: usize = 256;
/// The template of every path, for `x-google-allow: all`.
const ANY_PATH: &str = "/**";
/// The methods that Google's compiler lets through under it.
const ANY_METHODS: [&str; 5] = ["GET", "POST", "PUT", "PATCH", "DELETE"];

/// What the operations of a document come to.
pub(super) struct Routes<'d> {
    /// Sorted by path and method.
    pub(super) operations: Vec<Operation>,
    /// Sorted, none twice.
    pub(super) backends: Vec<BackendRule>,
    /// Sorted, none twice.
    pub(super) cors_rules: Vec<CorsMode>,
    /// The schemes that they demand.
    pub(super) schemes: HashSet<&'d str>,
}

/// What an operation is judged by.
pub(super) struct Judges<'d> {
    pub(super) security: Resolver<'d>,
    pub(super) backends: Backends,
    pub(super) cors: Overrides<'d>,
}

/// An operation before its rules have places.
struct Judged<'d> {
    written: &'d description::Operation,
    operation: Operation,
    backend: Option<Rc<BackendRule>>,
    cors: Option<Rc<CorsMode>>,
}

/// Checks the routes, judges their operations and sorts them. `undefined` are those of
/// [`undefined_paths`].
pub(super) fn compile<'d>(
    description: &'d Description,
    undefined: &'d [description::Operation],
    mut judges: Judges<'d>,
    findings: &mut Findings,
) -> Routes<'d> {
    let mut taken: HashMap<(&str, String), &description::Operation> = HashMap::new();
    let mut judged: Vec<Judged<'d>> = Vec::with_capacity(description.operations.len());
    let mut bytes = 0_usize;
    for written in description.operations.iter().chain(undefined) {
        let shape = match shape(&written.path) {
            Ok(shape) => shape,
            Err(why) => {
                findings.push(bad_template(written, &why));
                continue;
            }
        };
        if let Some(first) = taken.insert((&written.method, shape), written) {
            findings.push(conflict(first, written));
            continue;
        }
        let security = judges.security.resolve(&written.security, findings);
        bytes += written.path.len() + security.bytes + AROUND;
        if bytes > MAX_POLICY_BYTES {
            findings.push(too_large(written));
            break;
        }
        judged.push(Judged {
            written,
            operation: Operation {
                method: written.method.clone(),
                path: written.path.clone(),
                name: String::new(),
                security: security.alternatives.to_vec(),
                backend: None,
                cors: None,
            },
            backend: judges.backends.rule(written, findings),
            cors: judges.cors.rule(written.cors.as_ref(), findings),
        });
    }
    judges.backends.finish(findings);
    judged.sort_by(|a, b| {
        (&a.operation.path, &a.operation.method).cmp(&(&b.operation.path, &b.operation.method))
    });
    let (backends, backend_places) = places(judged.iter().map(|judged| judged.backend.as_deref()));
    let (cors_rules, cors_places) = places(judged.iter().map(|judged| judged.cors.as_deref()));
    for (judged, (backend, cors)) in judged
        .iter_mut()
        .zip(backend_places.into_iter().zip(cors_places))
    {
        judged.operation.backend = backend;
        judged.operation.cors = cors;
    }
    let mut names = names::Names::default();
    let operations: Vec<_> = judged
        .into_iter()
        .map(|judged| Operation {
            name: names.name(judged.written, findings),
            ..judged.operation
        })
        .collect();
    if let Err(RouteError::Crowded { template }) = Router::new(&operations) {
        findings.extend(crowded(description, &template));
    }
    Routes {
        operations,
        backends,
        cors_rules,
        schemes: judges.security.finish(findings),
    }
}

/// The rules in order, each once, and the place of each operation's among them.
fn places<'r, R: Ord + Clone + 'r>(
    rules: impl Iterator<Item = Option<&'r R>> + Clone,
) -> (Vec<R>, Vec<Option<usize>>) {
    let sorted: Vec<&R> = BTreeSet::from_iter(rules.clone().flatten())
        .into_iter()
        .collect();
    let places = rules
        .map(|rule| rule.and_then(|rule| sorted.binary_search(&rule).ok()))
        .collect();
    (sorted.into_iter().cloned().collect(), places)
}

/// The operations that `x-google-allow: all` adds, as Google's compiler does: every path, without a
/// token, where the document defines no such operation itself.
pub(super) fn undefined_paths(
    description: &Description,
    findings: &mut Findings,
) -> Vec<description::Operation> {
    let Some(place) = &description.allow_all else {
        return Vec::new();
    };
    let defined: BTreeSet<&str> = description
        .operations
        .iter()
        .filter(|operation| operation.path.contains("**"))
        .filter(|operation| shape(&operation.path).is_ok_and(|shape| shape == ANY_PATH))
        .map(|operation| operation.method.as_str())
        .collect();
    let security = Arc::new(description::Security::default());
    let operations: Vec<_> = ANY_METHODS
        .iter()
        .filter(|method| !defined.contains(**method))
        .map(|method| description::Operation {
            method: (*method).to_owned(),
            path: ANY_PATH.to_owned(),
            operation_id: Some(format!("undefined_{}", method.to_ascii_lowercase())),
            security: security.clone(),
            backend: None,
            cors: None,
            place: place.clone(),
            path_place: place.clone(),
        })
        .collect();
    if !operations.is_empty() {
        findings.push(
            Diagnostic::warning(
                lints::UNDEFINED_PATHS_ALLOWED,
                place.clone(),
                "`x-google-allow: all` lets every request through without a token whose path, or whose method there, the document does not define",
            )
            .help("remove it, and define what may be called: then all else is answered 404 or 405"),
        );
    }
    operations
}

fn too_large(operation: &description::Operation) -> Diagnostic {
    Diagnostic::error(
        code::INVALID_OPENAPI,
        operation.place.clone(),
        format!("from here on the policy would take more than {MAX_POLICY_BYTES} bytes (16 MiB)"),
    )
    .help("operations that share a long `security` each carry a copy: shorten it, or describe them in several EndpointsServices")
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
    let help = match operation.path.contains('#') {
        true => {
            "remove the part from `#` on, which no request carries; what only it told apart is one operation"
        }
        false => {
            "write segments between slashes, of text and variables: `/shelves/{shelf}`, `/files/{stem}.{suffix}`"
        }
    };
    Diagnostic::error(
        code::INVALID_OPENAPI,
        place,
        format!("{path} is not a path template: {why}"),
    )
    .help(help)
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
    .related(first.place.clone(), "first defined here")
}
