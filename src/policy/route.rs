//! From method and normalised path to operation. Lookup cost does not grow with the number of routes.

use http::HeaderValue;

use super::format::Operation;

/// A tree over path templates; precedence as ESPv2 (literal, then `*`, then `**`).
#[derive(Debug, Default)]
pub struct Router {}

/// What a lookup found.
#[derive(Debug, PartialEq)]
pub enum RouteMatch<'r> {
    /// The operation with this index.
    Operation(usize),
    /// The path is defined, the method is not.
    MethodNotAllowed {
        /// The template, as the document writes it.
        template: &'r str,
        /// `Allow`.
        allow: &'r HeaderValue,
        /// An operation of the path (any method): whose CORS policy applies.
        sibling: usize,
    },
    /// Escaped slashes, decoded, would select a different operation: 400.
    Ambiguous,
    /// No template matches.
    NotFound,
}

/// Why templates cannot make a tree.
#[derive(Debug, thiserror::Error)]
pub enum RouteError {
    /// Not a path template.
    #[error("`{template}` is not a path template: {why}")]
    BadTemplate {
        /// The template.
        template: String,
        /// What is wrong with it.
        why: String,
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

impl Router {
    /// Builds the tree.
    ///
    /// # Errors
    /// A template that does not parse, or two operations with one route. The compiler reports both
    /// with their places before; here they mean a policy that no compiler of ours wrote.
    pub fn new(_operations: &[Operation]) -> Result<Self, RouteError> {
        todo!("decision helper")
    }

    /// Finds the operation. `path` is normalised ([`super::path::normalise`]).
    pub fn find(&self, _method: &str, _path: &str) -> RouteMatch<'_> {
        todo!("decision helper")
    }
}

/// The template with its variable names blanked: two templates with one shape are one route.
/// Also the check that it is a template at all.
///
/// # Errors
/// What is wrong with it, for people.
pub fn shape(_template: &str) -> Result<String, String> {
    todo!("decision helper")
}
