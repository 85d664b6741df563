//! Documents whose indentation was lost, as happens on the way through web pages and chats: what belongs
//! into a mapping then stands beside it. Each of the many findings that follow from that would mislead.

use super::diagnostic::{Diagnostic, Place, Position, code, quote};
use super::source::{Cursor, Kind};

#[cfg(test)]
mod tests;

/// What to do about it.
const HELP: &str = "put two spaces more in front of whatever belongs to the line above it, level by level, or copy the document from its source";
/// Keys that nothing has at the top of a document, and what they belong into.
const NEVER_AT_TOP: [(&str, &str); 11] = [
    ("x-google-issuer", "a security scheme"),
    ("x-google-jwks_uri", "a security scheme"),
    ("x-google-audiences", "a security scheme"),
    ("x-google-jwt-locations", "a security scheme"),
    ("x-google-auth", "a security scheme"),
    ("x-issuer", "a security scheme"),
    ("x-jwks_uri", "a security scheme"),
    ("authorizationUrl", "a security scheme"),
    ("tokenUrl", "a security scheme"),
    ("allowCors", "`x-google-endpoints`"),
    ("operationId", "an operation"),
];
/// Keys that may be something else at the top, unless what they belong into is empty.
const BELOW_EMPTY: [(&str, &str); 16] = [
    ("flow", "securityDefinitions"),
    ("type", "securityDefinitions"),
    ("in", "securityDefinitions"),
    ("name", "securityDefinitions"),
    ("scopes", "securityDefinitions"),
    ("securitySchemes", "components"),
    ("schemas", "components"),
    ("title", "info"),
    ("version", "info"),
    ("description", "info"),
    ("get", "paths"),
    ("put", "paths"),
    ("post", "paths"),
    ("delete", "paths"),
    ("options", "paths"),
    ("patch", "paths"),
];
/// Keys of a security scheme that are no names of schemes, as long as their values are plain.
const SCHEME_FIELDS: [&str; 9] = [
    "authorizationUrl",
    "flow",
    "type",
    "in",
    "name",
    "scheme",
    "x-google-issuer",
    "x-google-jwks_uri",
    "x-google-audiences",
];

/// The finding for a document without indentation.
pub(super) fn lost(root: &Cursor<'_>) -> Option<Diagnostic> {
    at_top(root).or_else(|| {
        let below = |pointer| root.follow(pointer).and_then(|at| beside_empty_scheme(&at));
        below("/securityDefinitions").or_else(|| below("/components/securitySchemes"))
    })
}

fn at_top(root: &Cursor<'_>) -> Option<Diagnostic> {
    let empty = |name: &str| {
        root.get(name)
            .filter(|at| matches!(at.kind(), Kind::Null))
            .map(|at| at.key_place())
    };
    for (key, at) in root.entries() {
        let never = NEVER_AT_TOP.iter().find(|(name, _)| *name == key);
        if let Some((_, home)) = never {
            let parent = empty("securityDefinitions").or_else(|| empty("components"));
            return Some(finding(at.key_place(), key, home, parent));
        }
        let home = match key.starts_with('/') {
            true => "paths",
            false => match BELOW_EMPTY.iter().find(|(name, _)| *name == key) {
                Some((_, home)) => home,
                None => continue,
            },
        };
        if let Some(parent) = empty(home) {
            return Some(finding(at.key_place(), key, &quote(home), Some(parent)));
        }
    }
    None
}

/// A scheme without content, and beside it what belongs into it.
fn beside_empty_scheme(schemes: &Cursor<'_>) -> Option<Diagnostic> {
    let mut parent = None;
    for (key, at) in schemes.entries() {
        match at.kind() {
            Kind::Null => parent = Some((key, at.key_place())),
            Kind::Mapping(_) => {}
            _ if SCHEME_FIELDS.contains(&key) => {
                let (name, place) = parent?;
                return Some(finding(at.key_place(), key, &quote(name), Some(place)));
            }
            _ => {}
        }
    }
    None
}

/// The finding that `key`, at `place`, belongs into `home`, whose own place is `parent`.
pub(crate) fn finding(place: Place, key: &str, home: &str, parent: Option<Place>) -> Diagnostic {
    let message = format!(
        "the indentation of this document was lost: {} belongs into {home}, not beside it",
        quote(key)
    );
    let finding = Diagnostic::error(code::INVALID_OPENAPI, place, message).help(HELP);
    match parent {
        Some(parent) => finding.related(parent, "nothing stands below this"),
        None => finding,
    }
}

/// Lines after whose key something must be indented deeper.
const OPENING: [&str; 12] = [
    "metadata",
    "spec",
    "openapi",
    "inline",
    "securityDefinitions",
    "securitySchemes",
    "components",
    "info",
    "paths",
    "responses",
    "get",
    "post",
];
/// Keys that stand deeper than those.
const INNER: [&str; 10] = [
    "authorizationUrl",
    "flow",
    "type",
    "title",
    "version",
    "x-google-issuer",
    "x-google-jwks_uri",
    "securitySchemes",
    "operationId",
    "responses",
];
/// Methods, which stand below their path.
const METHODS: [&str; 7] = ["get", "put", "post", "delete", "options", "head", "patch"];
/// Keys of an item of `x-google-endpoints` besides its name.
const ENDPOINT: [&str; 2] = ["allowCors", "target"];
/// What an EndpointsService has below some of its keys.
const BELOW_IN_MANIFEST: [(&str, &[&str]); 4] = [
    ("metadata", &["name", "namespace", "labels", "annotations"]),
    (
        "spec",
        &["openapi", "cors", "jwt", "backend", "serviceName"],
    ),
    ("openapi", &["inline", "document", "configMapKeyRef"]),
    ("inline", &["swagger", "openapi", "info", "paths"]),
];

/// The finding for text that does not even parse, if its indentation was lost; `instead` is the finding
/// for what the parser saw, and where.
pub(crate) fn lost_in_text(text: &str, instead: &Diagnostic) -> Option<Diagnostic> {
    let seen = Place::document("", Some(instead.place.position?));
    let mut previous: Option<(usize, &str, usize)> = None;
    for (index, line) in text.lines().enumerate() {
        let content = line.trim_start_matches([' ', '-']);
        if content.is_empty() || content.starts_with('#') {
            continue;
        }
        let indentation = line.len() - line.trim_start_matches(' ').len();
        // Where the keys of a list's item begin.
        let begin = line.len() - content.len();
        let Some((key, value)) = content.split_once(':') else {
            continue;
        };
        let key = key.trim_matches(['"', '\'']);
        if let Some((above, opener, at)) = previous
            && indentation <= at
            && match opener {
                "x-google-endpoints" => ENDPOINT.contains(&key),
                "paths" => key.starts_with('/') || INNER.contains(&key),
                path if path.starts_with('/') => METHODS.contains(&key),
                _ => match BELOW_IN_MANIFEST.iter().find(|(name, _)| *name == opener) {
                    Some((_, below)) => below.contains(&key),
                    None => INNER.contains(&key),
                },
            }
        {
            let place = Place::document(
                "",
                Some(Position {
                    line: index + 1,
                    column: begin + 1,
                }),
            );
            let home = Place::document(
                "",
                Some(Position {
                    line: above,
                    column: at + 1,
                }),
            );
            let finding = finding(place, key, &quote(opener), Some(home));
            return Some(finding.related(seen, instead.message.clone()));
        }
        let is_item = line.trim_start().starts_with('-');
        let is_empty = value.trim().is_empty()
            || value.trim().starts_with('#')
            || (key == "inline" && value.trim().starts_with(['|', '>']));
        previous = match previous {
            // The name of a scheme, flush with what it stands in.
            Some((above, opener @ ("securityDefinitions" | "securitySchemes"), at))
                if is_empty && indentation <= at && !OPENING.contains(&key) =>
            {
                Some((above, opener, at))
            }
            // The name of a scheme in its place, and below it what may have lost its own.
            Some((_, "securityDefinitions" | "securitySchemes", _))
                if is_empty && !OPENING.contains(&key) =>
            {
                Some((index + 1, key, indentation))
            }
            _ if is_empty && !is_item && (OPENING.contains(&key) || key.starts_with('/')) => {
                Some((index + 1, key, indentation))
            }
            // The keys of a list's item stand below its first one.
            _ if is_item && key == "name" => Some((index + 1, "x-google-endpoints", begin - 1)),
            _ => None,
        };
    }
    None
}
