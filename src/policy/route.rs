//! From method and normalised path to operation.
//!
//! Templates make a tree whose branches are hashed, so a lookup costs by the length of the path,
//! not by the number of routes. It goes back only where a literal and a variable compete, and
//! visits no node of the tree twice. Segments with variables in them (`{stem}.{suffix}`) are hashed
//! by the text before and after those; how many of them may differ only in between is bounded.

mod hash;
mod overlap;
mod partial;
mod readings;
mod spelling;
mod template;
mod tree;
mod variables;

use std::borrow::Cow;
use std::collections::{BTreeSet, HashMap};

use http::HeaderValue;

use super::format::Operation;
use super::path::is_plain;
use readings::has_dot_segments;
use spelling::{STAR, decoded_template, has_reserved_escape};
use template::Segment;
use tree::{Crowded, Lookup, Node};

pub(super) use self::spelling::decode_reserved;
pub use self::template::Template;
pub use self::variables::Variables;

/// A tree over path templates; precedence as ESPv2 (literal, then `*`, then `**`), except that a
/// template with a custom verb goes before one without. Segments with variables in them stand between
/// literals and `*`: the one with the longest text first.
#[derive(Debug, Default)]
pub struct Router {
    plain: Node,
    /// By custom verb.
    verbs: HashMap<String, Node>,
    /// Declared methods beside those of RFC 9110 and RFC 5789.
    custom_methods: BTreeSet<String>,
    /// The same with the escapes of its templates decoded, where they have any (`/users/%40me`): what
    /// a backend that decodes before it routes runs.
    decoded: Option<Box<Self>>,
    /// Wildcards match no `:`.
    no_colon: bool,
}

/// What a lookup found.
#[derive(Clone, Debug, PartialEq)]
pub enum RouteMatch<'r> {
    /// The operation with this index.
    Operation(usize),
    /// The path is defined, the method is not.
    MethodNotAllowed {
        /// The template, as the document writes it.
        template: &'r str,
        /// `Allow`: the methods of every template that the path matches.
        allow: HeaderValue,
        /// An operation of the path (any method): whose CORS policy applies.
        sibling: usize,
    },
    /// Read with its escapes decoded (`%2F` as a slash), without its matrix parameters, or, where it
    /// is forwarded as it came, in its normal form, the path would select a different operation: 400.
    Ambiguous,
    /// No template matches.
    NotFound,
}

/// Why templates cannot make a tree.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum RouteError {
    /// Not a path template.
    #[error("`{template}` is not a path template: {why}")]
    BadTemplate {
        /// The template.
        template: String,
        /// What is wrong with it.
        why: String,
    },
    /// Lookups would have to try too many templates one after the other.
    #[error(
        "`{template}` is one template too many whose variables are parts of the same segment: give them \
         text of their own at its beginning or end"
    )]
    Crowded {
        /// The template.
        template: String,
    },
    /// Two operations with one route.
    #[error("{method} `{first}` and `{second}` are one route")]
    Duplicate {
        /// The method.
        method: String,
        /// The earlier template.
        first: String,
        /// The later template.
        second: String,
    },
}

/// The template with its variable names blanked and `%40` read as `@`: two templates with one shape
/// are one route.
/// Also the check that it is a template at all.
///
/// # Errors
/// What is wrong with it, for people.
pub fn shape(template: &str) -> Result<String, String> {
    let parsed = Template::parse(template)?;
    match template.contains('%') {
        false => Ok(parsed.to_string()),
        true => Template::parse(&decoded_template(template)).map(|decoded| decoded.to_string()),
    }
}

/// Whether a variable of the template is only a part of a segment (`/items/{id}.{format}`).
pub fn has_partial_segment(template: &str) -> bool {
    let partial = |segment: &Segment| matches!(segment, Segment::Partial(_));
    Template::parse(template).is_ok_and(|template| template.segments.iter().any(partial))
}

/// Whether some path matches both templates; false if one is none.
pub fn overlaps(a: &str, b: &str) -> bool {
    matches!((Template::parse(a), Template::parse(b)), (Ok(a), Ok(b)) if a.overlaps(&b))
}

/// Whether `first` takes paths that `second` matches as well: they overlap, and lookups try `first`
/// before. False if one is no template.
pub fn shadows(first: &str, second: &str) -> bool {
    matches!((Template::parse(first), Template::parse(second)), (Ok(a), Ok(b)) if a.shadows(&b))
}

impl Router {
    /// Builds the tree.
    ///
    /// # Errors
    /// A template that does not parse, two operations with one route, or too many variables that are
    /// parts of one segment. The compiler reports them with their places before; here they mean a
    /// policy that no compiler of ours wrote.
    pub fn new(operations: &[Operation]) -> Result<Self, RouteError> {
        let mut router = Self::of(operations, |path| path.into())?;
        if operations.iter().any(|own| has_reserved_escape(&own.path)) {
            let decoded = Self::of(operations, |path| decoded_template(path).into())?;
            router.decoded = Some(Box::new(decoded));
        }
        Ok(router)
    }

    /// Lets wildcards match no `:` (ESPv2's `--disallow_colon_in_wildcard_path_segment`).
    #[must_use]
    pub fn without_colon_in_wildcards(mut self) -> Self {
        self.decoded = self
            .decoded
            .map(|decoded| Box::new(decoded.without_colon_in_wildcards()));
        self.no_colon = true;
        self
    }

    /// The tree of the templates as they are read.
    fn of(
        operations: &[Operation],
        read: impl Fn(&str) -> Cow<'_, str>,
    ) -> Result<Self, RouteError> {
        let mut router = Self::default();
        for (index, operation) in operations.iter().enumerate() {
            let template =
                Template::parse(&read(&operation.path)).map_err(|why| RouteError::BadTemplate {
                    template: operation.path.clone(),
                    why,
                })?;
            let root = match template.verb {
                Some(verb) => router.verbs.entry(verb).or_default(),
                None => &mut router.plain,
            };
            let route =
                root.route_mut(&template.segments)
                    .map_err(|Crowded| RouteError::Crowded {
                        template: operation.path.clone(),
                    })?;
            if let Some(first) = route.insert(operation.method.clone(), index) {
                return Err(RouteError::Duplicate {
                    method: operation.method.clone(),
                    first: operations[first].path.clone(),
                    second: operation.path.clone(),
                });
            }
            if route.template.is_empty() {
                route.template.clone_from(&operation.path);
            }
            if !STANDARD_METHODS.contains(&operation.method.as_str()) {
                router.custom_methods.insert(operation.method.clone());
            }
        }
        Ok(router)
    }

    /// Finds the operation. `path` is normalised ([`super::path::normalise`]).
    pub fn find(&self, method: &str, path: &str) -> RouteMatch<'_> {
        let found = self.find_exact(method, path);
        match path.contains(['%', ';']) || self.decoded.is_some() {
            true => self.unless_ambiguous(found, method, path),
            false => found,
        }
    }

    /// Finds the operation of a path that is forwarded with less than its normalisation
    /// ([`super::path::read`]): what it selects as it stands, if every other reading of it selects the
    /// same or nothing.
    pub fn find_as_it_came(&self, method: &str, path: &str) -> RouteMatch<'_> {
        match is_plain(path.as_bytes()) {
            true => self.find(method, path),
            false => self.unless_ambiguous(self.find_exact(method, path), method, path),
        }
    }

    /// Whether some operation has this method and it is not one of HTTP's own.
    pub fn declares_custom_method(&self, method: &str) -> bool {
        self.custom_methods.contains(method)
    }

    /// An escaped slash is data to us, but perhaps a separator to the backend, and `%40me` perhaps
    /// `@me`; `me;x` is one name to us, but perhaps `me` to the backend. What we found holds only if
    /// no reading of the backend's could run another operation.
    fn unless_ambiguous<'r>(
        &'r self,
        found: RouteMatch<'r>,
        method: &str,
        path: &str,
    ) -> RouteMatch<'r> {
        let Ok(readings) = readings::all(path, self.decoded.is_some()) else {
            return RouteMatch::Ambiguous;
        };
        let moves = readings.iter().any(|it| has_dot_segments(&it.path));
        // The first is the one that we have looked up.
        readings.iter().skip(1).fold(found, |found, reading| {
            let theirs = match &self.decoded {
                // No template holds a raw `*`: it is the `%2A` of those that mean the character.
                Some(router) if reading.decoded => {
                    router.find_exact(method, &reading.path.replace('*', STAR))
                }
                _ => self.find_exact(method, &reading.path),
            };
            // Where dots lead is said by the reading in which they are resolved.
            let leads_away = moves && !has_dot_segments(&reading.path);
            agreed(found, &theirs, leads_away)
        })
    }

    fn find_exact(&self, method: &str, path: &str) -> RouteMatch<'_> {
        let Some(rest) = path.strip_prefix('/') else {
            return RouteMatch::NotFound;
        };
        let mut lookup = Lookup::new(method, self.no_colon);
        let operation = self
            .verb_tree(rest)
            .and_then(|(tree, rest)| tree.find(rest, &mut lookup))
            .or_else(|| self.plain.find(Some(rest), &mut lookup));
        match operation {
            Some(operation) => RouteMatch::Operation(operation),
            None => lookup.refusal(),
        }
    }

    /// The tree of the custom verb that the path ends in, and the path before it. ESPv2 allows the
    /// optional slash before the verb; after it is allowed here too, or `/x:verb/` would pass for
    /// the template without verb.
    fn verb_tree<'p>(&self, rest: &'p str) -> Option<(&Node, Option<&'p str>)> {
        if self.verbs.is_empty() {
            return None;
        }
        let trimmed = rest.strip_suffix('/').unwrap_or(rest);
        let (before, verb) = trimmed.rsplit_once(':')?;
        let tree = self.verbs.get(verb)?;
        Some((tree, Some(before)))
    }
}

/// What we found, if another reading of the same path could not run another operation. `moves`: dot
/// segments led to it.
fn agreed<'r>(found: RouteMatch<'r>, theirs: &RouteMatch<'_>, moves: bool) -> RouteMatch<'r> {
    use RouteMatch::{Ambiguous, MethodNotAllowed, NotFound, Operation};

    match (&found, theirs) {
        (Operation(ours), Operation(theirs)) if ours == theirs => found,
        (_, Operation(_) | Ambiguous) => Ambiguous,
        // `allowCors` forwards what is not declared: one template must not pass for another.
        (
            MethodNotAllowed { sibling: ours, .. },
            MethodNotAllowed {
                sibling: theirs, ..
            },
        ) if ours != theirs => Ambiguous,
        // Nobody needs `..%2F` to name a thing; it would lead out of the world we know.
        (Operation(_) | MethodNotAllowed { .. }, NotFound | MethodNotAllowed { .. }) if moves => {
            Ambiguous
        }
        _ => found,
    }
}

const STANDARD_METHODS: [&str; 9] = [
    "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH",
];

#[cfg(test)]
mod tests;
