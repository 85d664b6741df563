//! CORS: what a browser would refuse, whatever the proxy answers.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::{Group, Subject, is_closed, name, origin_regex};
use crate::api::endpoints_service::CorsSpec;
use crate::openapi::description::{
    CorsOverride, JwtScheme, Operation, Requirement, Security, TokenLocation,
};
use crate::openapi::diagnostic::quote;
use crate::openapi::{Diagnostic, Findings, Place, lints};
use crate::policy::format::{CorsMode, CorsPolicy};

/// Methods that browsers ask no leave for (Fetch: CORS-safelisted methods).
const SAFELISTED_METHODS: [&str; 3] = ["GET", "HEAD", "POST"];
/// Methods that have a usual spelling.
const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
/// Headers that no script sends: the browser does, or a proxy in front.
const NOT_BY_SCRIPT: [&str; 2] = ["cookie", "x-goog-iap-jwt-assertion"];

pub(super) fn check(subject: Subject<'_>, findings: &mut Findings) {
    for (rules, place) in rules(subject) {
        findings.extend(method_case(rules, &place));
        findings.extend(null_origin(rules, &place));
    }
    origin_regex::check(rules(subject), findings);
    findings.extend(allow_cors(subject));
    // What the rules come to is known only when none is wrong.
    if findings.has_errors() {
        return;
    }
    let modes = Modes::new(subject);
    findings.extend(preflight_needs_token(subject, &modes));
    cannot_carry_token(subject, &modes, findings);
}

/// Every set of rules, and where it stands.
fn rules(subject: Subject<'_>) -> impl Iterator<Item = (&CorsSpec, Place)> {
    let service = subject.spec.cors.as_ref();
    let mut seen: HashSet<*const CorsOverride> = HashSet::new();
    let overrides = subject
        .description
        .operations
        .iter()
        .filter_map(|operation| operation.cors.as_ref())
        .filter(move |cors| seen.insert(Arc::as_ptr(cors)))
        .filter_map(|cors| Some((cors.rules.as_ref()?, cors.place.clone())));
    service
        .map(|rules| (rules, Place::resource("/spec/cors")))
        .into_iter()
        .chain(overrides)
}

/// A field of a set of rules.
pub(super) fn field(rules: &Place, name: &str) -> Place {
    Place {
        pointer: format!("{}/{name}", rules.pointer),
        ..rules.clone()
    }
}

/// Browsers bring only some methods to upper case, and compare all of them exactly (Fetch: normalize
/// a method).
fn method_case(rules: &CorsSpec, place: &Place) -> Option<Diagnostic> {
    let methods = rules.allow_methods.as_deref()?;
    let (index, written) = methods.iter().enumerate().find(|(_, method)| {
        let upper = method.to_ascii_uppercase();
        upper != **method && METHODS.contains(&upper.as_str())
    })?;
    let upper = written.to_ascii_uppercase();
    Some(
        Diagnostic::warning(
            lints::CORS_METHOD_CASE,
            field(place, &format!("allowMethods/{index}")),
            format!(
                "methods are compared exactly, so {} does not allow `{upper}`",
                quote(written)
            ),
        )
        .help(format!("write `{upper}`")),
    )
}

/// A site puts its page into a sandboxed frame, and has the origin `null`.
fn null_origin(rules: &CorsSpec, place: &Place) -> Option<Diagnostic> {
    let origins = rules.allow_origins.as_deref()?;
    let index = origins.iter().position(|origin| origin == "null")?;
    (rules.allow_credentials == Some(true)).then(|| {
        Diagnostic::warning(
            lints::NULL_ORIGIN_WITH_CREDENTIALS,
            field(place, &format!("allowOrigins/{index}")),
            "any web site can give its page the origin `null`, and with credentials it then acts as your user",
        )
        .help("remove `null`, or `allowCredentials`")
    })
}

fn allow_cors(subject: Subject<'_>) -> Option<Diagnostic> {
    let place = subject.description.allow_cors.clone()?;
    if subject.spec.cors.is_some() {
        return Some(
            Diagnostic::warning(
                lints::ALLOW_CORS_IGNORED,
                place,
                "`allowCors` changes nothing: with `cors` the proxy answers every preflight, and none reaches the backend",
            )
            .help("remove `allowCors`, or remove `cors` from the EndpointsService to leave CORS to the backend")
            .related(Place::resource("/spec/cors"), "answers preflights"),
        );
    }
    let operations = &subject.description.operations;
    let declares_options = operations
        .iter()
        .any(|operation| operation.method == "OPTIONS");
    if declares_options || operations.is_empty() {
        return None;
    }
    Some(
        Diagnostic::warning(
            lints::ALLOW_CORS_WITHOUT_OPTIONS,
            place,
            "`allowCors` leaves every preflight to the backend, but no operation is an OPTIONS: browsers are refused unless the backend answers all the same",
        )
        .help("declare `options:` (with `security: []`) where the backend answers it, or let the proxy answer: `cors: {}` in the EndpointsService instead of `allowCors`"),
    )
}

/// Which CORS rule each operation has.
struct Modes<'a> {
    policy: &'a crate::policy::Policy,
    rules: HashMap<(&'a str, &'a str), Option<usize>>,
}

impl<'a> Modes<'a> {
    fn new(subject: Subject<'a>) -> Self {
        let rules = subject
            .policy
            .operations
            .iter()
            .map(|operation| {
                (
                    (operation.method.as_str(), operation.path.as_str()),
                    operation.cors,
                )
            })
            .collect();
        Self {
            policy: subject.policy,
            rules,
        }
    }

    /// The number of the operation's own rule, and the mode; `None` for an operation with an error.
    fn of(&self, operation: &Operation) -> Option<(Option<usize>, &'a CorsMode)> {
        let own = *self.rules.get(&(&*operation.method, &*operation.path))?;
        let mode = match own {
            Some(own) => self.policy.cors_rules.get(own)?,
            None => &self.policy.cors,
        };
        Some((own, mode))
    }
}

/// Where the proxy answers preflights itself, it does so before it asks for tokens.
fn preflight_needs_token(subject: Subject<'_>, modes: &Modes<'_>) -> Option<Diagnostic> {
    let refused = subject.description.operations.iter().filter(|operation| {
        operation.method == "OPTIONS"
            && is_closed(operation)
            && modes
                .of(operation)
                .is_some_and(|(_, mode)| !matches!(mode, CorsMode::Owned(_)))
    });
    let refused = Group::new(refused)?;
    let what = match refused.count {
        1 => "demands a token",
        _ => "demand a token",
    };
    Some(
        Diagnostic::warning(
            lints::PREFLIGHT_NEEDS_TOKEN,
            refused.first.place.clone(),
            format!(
                "{} {what}, but browsers send none with a preflight: it is answered 401, and the request itself is never sent",
                refused.name()
            ),
        )
        .help("write `security: []` on it: the request that follows still needs its token"),
    )
}

/// What a script cannot send.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Missing {
    Header(String),
    Method(String),
}

fn cannot_carry_token(subject: Subject<'_>, modes: &Modes<'_>, findings: &mut Findings) {
    let schemes: HashMap<&str, &JwtScheme> = subject
        .description
        .jwt_schemes()
        .map(|(at, scheme)| (at.name.as_str(), scheme))
        .collect();
    // Requirements are shared by many operations: each is judged once under each rule.
    let mut headers: HashMap<(*const Security, Option<usize>), Option<String>> = HashMap::new();
    let mut causes: BTreeMap<(Option<usize>, Missing), Group<'_>> = BTreeMap::new();
    let mut add = |cause, operation| {
        causes
            .entry(cause)
            .and_modify(|group| group.count += 1)
            .or_insert(Group {
                count: 1,
                first: operation,
            });
    };
    for operation in &subject.description.operations {
        if !is_closed(operation) || operation.method == "OPTIONS" {
            continue;
        }
        let Some((own, CorsMode::Owned(policy))) = modes.of(operation) else {
            continue;
        };
        let header = headers
            .entry((Arc::as_ptr(&operation.security), own))
            .or_insert_with(|| missing_header(&operation.security, &schemes, policy));
        if let Some(header) = header {
            add((own, Missing::Header(header.clone())), operation);
        }
        if !allows_method(policy, &operation.method) {
            add((own, Missing::Method(operation.method.clone())), operation);
        }
    }
    for ((_, missing), group) in causes {
        let rules = group
            .first
            .cors
            .as_ref()
            .map_or_else(|| Place::resource("/spec/cors"), |cors| cors.place.clone());
        findings.push(cannot_carry(subject, &missing, &group, rules));
    }
}

fn cannot_carry(
    subject: Subject<'_>,
    missing: &Missing,
    group: &Group<'_>,
    rules: Place,
) -> Diagnostic {
    let written = match &group.first.cors {
        Some(cors) => cors.rules.as_ref(),
        None => subject.spec.cors.as_ref(),
    };
    let (list, values, message, item) = match missing {
        Missing::Header(header) => {
            let values = written.and_then(|rules| rules.allow_headers.as_ref());
            let star = match values.is_some_and(|values| values.iter().any(|value| value == "*")) {
                true => ", and `*` does not stand for it (Fetch standard)",
                false => "",
            };
            let message = format!(
                "scripts cannot send the token to {}: its header {} is not in `allowHeaders`{star}",
                group.name(),
                quote(header)
            );
            ("allowHeaders", values, message, header)
        }
        Missing::Method(method) => {
            let values = written.and_then(|rules| rules.allow_methods.as_ref());
            let message = format!(
                "scripts cannot call {}: `{method}` is not in `allowMethods`",
                group.name()
            );
            ("allowMethods", values, message, method)
        }
    };
    let (place, help) = match values {
        Some(_) => (
            field(&rules, list),
            format!("add {} to `{list}`", quote(item)),
        ),
        None => (
            rules,
            format!(
                "write `{list}` with {} and what the default list has (it is replaced as a whole)",
                quote(item)
            ),
        ),
    };
    Diagnostic::warning(lints::CORS_CANNOT_CARRY_TOKEN, place, message)
        .help(help)
        .related(group.first.place.clone(), name(group.first))
}

/// The header that a script would need and may not send: that of the first alternative, if it can
/// use none of them.
fn missing_header(
    security: &Security,
    schemes: &HashMap<&str, &JwtScheme>,
    policy: &CorsPolicy,
) -> Option<String> {
    let mut missing = None;
    for alternative in &security.alternatives {
        let requirements: Option<Vec<&JwtScheme>> = alternative
            .requirements
            .iter()
            .map(|Requirement { scheme, .. }| schemes.get(scheme.as_str()).copied())
            .collect();
        // What cannot be enforced is not offered.
        let Some(requirements) = requirements else {
            continue;
        };
        match requirements
            .iter()
            .find_map(|scheme| missing_location(scheme, policy))
        {
            None => return None,
            Some(header) => missing = missing.or(Some(header)),
        }
    }
    missing
}

/// The first header in which the scheme's token could be, if a script may use none of its places.
fn missing_location(scheme: &JwtScheme, policy: &CorsPolicy) -> Option<String> {
    if scheme.locations.is_empty() {
        return (!allows_header(policy, "authorization")).then(|| String::from("Authorization"));
    }
    let mut missing = None;
    for written in &scheme.locations {
        let TokenLocation::Header { name, .. } = &written.location else {
            return None;
        };
        let lower = name.to_ascii_lowercase();
        if NOT_BY_SCRIPT.contains(&lower.as_str()) || allows_header(policy, &lower) {
            return None;
        }
        missing = missing.or_else(|| Some(name.clone()));
    }
    missing
}

/// Whether a preflight's answer allows a header, by its lower-case name (Fetch: `*` never covers
/// Authorization).
fn allows_header(policy: &CorsPolicy, name: &str) -> bool {
    items(&policy.allow_headers).any(|item| {
        item.eq_ignore_ascii_case(name)
            || (item == "*" && name != "authorization" && !policy.allow_credentials)
    })
}

fn allows_method(policy: &CorsPolicy, method: &str) -> bool {
    SAFELISTED_METHODS.contains(&method)
        || items(&policy.allow_methods)
            .any(|item| item == method || (item == "*" && !policy.allow_credentials))
}

fn items(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim)
}
