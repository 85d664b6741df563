//! Texts that a template's author meant to be replaced: `YOUR-PROJECT-ID`, `<tenant>`, `${HOST}`.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

use super::{Subject, requirements};
use crate::openapi::description::Backend;
use crate::openapi::diagnostic::quote;
use crate::openapi::{Diagnostic, Findings, Place, lints};

/// What templates call things, behind `your`.
const THINGS: [&str; 22] = [
    "account",
    "api",
    "app",
    "audience",
    "backend",
    "client",
    "company",
    "domain",
    "gcp",
    "host",
    "issuer",
    "name",
    "org",
    "organization",
    "pool",
    "project",
    "projectid",
    "realm",
    "region",
    "server",
    "service",
    "tenant",
];
/// What templates call things, by themselves or at the end of a word.
const NAMES: [&str; 9] = [
    "project_id",
    "client_id",
    "tenant_id",
    "pool_id",
    "account_id",
    "service_name",
    "api_name",
    "project_number",
    "service_account_email",
];
/// Words that say so.
const WORDS: [&str; 8] = [
    "changeme",
    "change_me",
    "replaceme",
    "replace_me",
    "fixme",
    "todo",
    "placeholder",
    "tbd",
];
/// The most places that a finding shows besides its own.
const MAX_RELATED: usize = 3;

pub(super) fn check(subject: Subject<'_>, findings: &mut Findings) {
    let mut found: BTreeMap<String, (String, Vec<Place>)> = BTreeMap::new();
    texts(subject, &mut |text, place| {
        if let Some(piece) = placeholder(text) {
            let (shown, places) = found
                .entry(piece.to_ascii_lowercase())
                .or_insert_with(|| (piece.to_owned(), Vec::new()));
            // Hosts are read in lower case: capitals elsewhere are nearer to what was written.
            if *piece < **shown {
                piece.clone_into(shown);
            }
            if !places.contains(place) && places.len() <= MAX_RELATED {
                places.push(place.clone());
            }
        }
    });
    for (piece, places) in found.into_values() {
        let mut places = places.into_iter();
        let Some(first) = places.next() else { continue };
        let finding = Diagnostic::warning(
            lints::PLACEHOLDER,
            first,
            format!(
                "{} looks like a placeholder that was left in",
                quote(&piece)
            ),
        )
        .help("write your own value in its place");
        findings.push(places.fold(finding, |finding, place| finding.related(place, "here too")));
    }
}

/// Every text that names somebody's own thing.
fn texts(subject: Subject<'_>, visit: &mut impl FnMut(&str, &Place)) {
    let description = subject.description;
    if let (Some(host), Some(place)) = (&description.host, &description.host_place) {
        visit(host, place);
    }
    if let Some((name, place)) = &description.endpoint_name {
        visit(name, place);
    }
    for (_, scheme) in description.jwt_schemes() {
        visit(&scheme.issuer, &scheme.issuer_place);
        if let Some(uri) = scheme.jwks_uri.as_ref().or(scheme.discovery_url.as_ref()) {
            visit(uri, &scheme.jwks_uri_place);
        }
        for audience in &scheme.audiences {
            visit(audience, &scheme.audiences_place);
        }
    }
    for requirement in requirements(subject) {
        for audience in requirement.audiences.iter().flatten() {
            visit(audience, &requirement.place);
        }
    }
    let mut seen: HashSet<*const Backend> = HashSet::new();
    for backend in description
        .operations
        .iter()
        .filter_map(|operation| operation.backend.as_ref())
        .filter(|backend| seen.insert(Arc::as_ptr(backend)))
    {
        if let Some(address) = &backend.address {
            visit(address, &backend.address_place);
        }
        if let Some((audience, place)) = &backend.jwt_audience {
            visit(audience, place);
        }
    }
    let spec = subject.spec;
    let mut field = |text: Option<&str>, pointer: String| {
        if let Some(text) = text {
            visit(text, &Place::resource(pointer));
        }
    };
    field(
        spec.service_name.as_deref(),
        String::from("/spec/serviceName"),
    );
    let backend = spec.backend.as_ref();
    field(
        backend.and_then(|backend| backend.address.as_deref()),
        String::from("/spec/backend/address"),
    );
    let issuers = spec.jwt.as_ref().and_then(|jwt| jwt.issuers.as_ref());
    for (index, entry) in issuers.into_iter().flatten().enumerate() {
        field(
            entry.jwks_uri.as_deref(),
            format!("/spec/jwt/issuers/{index}/jwksUri"),
        );
    }
    let origins = spec
        .cors
        .as_ref()
        .and_then(|cors| cors.allow_origins.as_ref());
    for (index, origin) in origins.into_iter().flatten().enumerate() {
        field(Some(origin), format!("/spec/cors/allowOrigins/{index}"));
    }
}

/// The piece of a text that is a placeholder.
pub(super) fn placeholder(text: &str) -> Option<&str> {
    in_brackets(text).or_else(|| {
        text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'))
            .find(|word| is_placeholder(word))
    })
}

/// `<…>`, `{…}` and `${…}`, also `[…]` with words in it (an IPv6 address has colons).
fn in_brackets(text: &str) -> Option<&str> {
    for (open, close) in [('<', '>'), ('{', '}'), ('[', ']')] {
        let Some(start) = text.find(open) else {
            continue;
        };
        let Some(end) = text[start..].find(close).map(|at| start + at) else {
            continue;
        };
        let inside = text[start + 1..end].trim_matches(['{', '}', ' ']);
        let is_word = inside.starts_with(|c: char| c.is_ascii_alphabetic())
            && inside
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || "-_ .".contains(c));
        if is_word {
            return Some(&text[start..=end]);
        }
    }
    None
}

fn is_placeholder(word: &str) -> bool {
    let lower = word.to_ascii_lowercase().replace('-', "_");
    if WORDS.contains(&lower.as_str()) {
        return true;
    }
    if NAMES.iter().any(|name| {
        lower
            .strip_suffix(name)
            .is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    }) {
        return true;
    }
    let Some(rest) = lower.strip_prefix("your") else {
        return false;
    };
    // Nobody shouts but a template.
    if word.starts_with("YOUR") && !rest.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return true;
    }
    let thing = rest.trim_start_matches('_').split('_').next();
    thing.is_some_and(|thing| THINGS.contains(&thing))
}
